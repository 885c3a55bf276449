"""Threads that keep a queue filled: what runs in them, and starting those of a whole graph.

Responsible for filling and closing queues and for where their errors go. When the threads stop is
the coordinator's business (`coordinator.py`).
"""

import re
import weakref
from collections.abc import Callable
from threading import Lock, Thread
from typing import Any

import tensorflow.compat.v1 as tf

from monitored import _tensorflow

_QueueRunnerDef = _tensorflow.message_class("tensorflow.QueueRunnerDef")
_QUEUE_RUNNERS = tf.GraphKeys.QUEUE_RUNNERS


class QueueRunner:
    """A queue and the ops that fill it, each of which gets a thread of its own in every session.

    Rules: MTS-QR-02 to MTS-QR-06.
    Source: tensorflow/python/training/queue_runner_impl.py
    """

    def __init__(
        self,
        queue: Any = None,
        enqueue_ops: Any = None,
        close_op: Any = None,
        cancel_op: Any = None,
        queue_closed_exception_types: Any = None,
        queue_runner_def: Any = None,
        import_scope: str | None = None,
    ) -> None:
        """Describe how `queue` is filled, or read that from `queue_runner_def`.

        `close_op` runs when the input has ended and `cancel_op` on a stop; ops that are not given
        are added to the graph. An enqueue op says that its input has ended by raising one of
        `queue_closed_exception_types`, a tuple of `tf.errors` types (None: OutOfRangeError alone).
        A definition names ops of the default graph, under `import_scope` if there is one.

        RuntimeError in eager mode. ValueError if queue or ops are missing, or given along with a
        definition. TypeError for other types than `tf.errors` has.

        Rules: MTS-QR-03, Q-39.
        """
        if tf.executing_eagerly():
            text = "QueueRunners are not supported when eager execution is enabled."
            raise RuntimeError(f"{text} Instead, please use tf.data to get data into your model.")
        if not queue_runner_def:
            if not queue or not enqueue_ops:
                raise ValueError("Must provide queue and enqueue_ops.")
            types = queue_closed_exception_types
            _check_exception_types(types)
            self._queue, self._enqueue_ops = queue, enqueue_ops
            self._close_op = queue.close() if close_op is None else close_op
            self._cancel_op = queue.close(cancel_pending_enqueues=True) if cancel_op is None else cancel_op
        elif queue or enqueue_ops:
            raise ValueError("queue_runner_def and queue are mutually exclusive.")
        else:
            types = self._read_definition(queue_runner_def, import_scope)
        self._queue_closed_exception_types = types or (tf.errors.OutOfRangeError,)
        self._exceptions_raised: list[Exception] = []
        self._lock = Lock()
        self._runs_per_session: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def _read_definition(self, definition: Any, import_scope: str | None) -> tuple[Any, ...]:
        """Find the ops that `definition` names, and return its exception types."""
        assert isinstance(definition, _QueueRunnerDef)

        def find(name: str) -> Any:
            return tf.get_default_graph().as_graph_element(_under_scope(import_scope, name))

        self._queue = find(definition.queue_name)
        self._enqueue_ops = [find(name) for name in definition.enqueue_op_name]
        self._close_op, self._cancel_op = find(definition.close_op_name), find(definition.cancel_op_name)
        return tuple(map(tf.errors.exception_type_from_error_code, definition.queue_closed_exception_types))

    @property
    def queue(self) -> Any:
        """The queue; its op if the runner was read from a definition."""
        return self._queue

    @property
    def enqueue_ops(self) -> Any:
        """The ops that fill the queue, one thread each."""
        return self._enqueue_ops

    @property
    def close_op(self) -> Any:
        """The op that closes the queue and lets pending enqueues finish."""
        return self._close_op

    @property
    def cancel_op(self) -> Any:
        """The op that closes the queue and cancels pending enqueues."""
        return self._cancel_op

    @property
    def queue_closed_exception_types(self) -> tuple[Any, ...]:
        """The error types by which an enqueue op says that its input has ended."""
        return self._queue_closed_exception_types

    @property
    def exceptions_raised(self) -> list[Exception]:
        """What threads without a coordinator raised since the last `create_threads`.

        Rules: MTS-QR-03.
        """
        return self._exceptions_raised

    @property
    def name(self) -> str:
        """The queue's name."""
        return str(self._queue.name)

    def create_threads(self, sess: Any, coord: Any = None, daemon: bool = False, start: bool = False) -> list[Thread]:
        """Make a thread for each enqueue op, and with `coord` one that cancels the queue on a stop.

        Without `coord` an error is logged, kept in `exceptions_raised` and ends its thread; with it
        the error is reported there. Returns [] if threads made earlier for `sess` have not ended.

        Rules: MTS-QR-02, MTS-QR-03, MTS-QR-04.
        """
        with self._lock:
            if self._runs_per_session.get(sess, 0) > 0:
                return []
            self._runs_per_session[sess], self._exceptions_raised = len(self._enqueue_ops), []
        threads = [self._thread(op.name, self._fill, sess, op, coord) for op in self._enqueue_ops]
        if coord:
            threads.append(self._thread("close_on_stop", self._cancel_on_stop, sess, coord))
        for thread in threads:
            if coord:
                coord.register_thread(thread)
            if daemon:
                thread.daemon = True
            if start:
                thread.start()
        return threads

    def _thread(self, job: str, target: Callable[..., None], *args: Any) -> Thread:
        return Thread(target=target, args=args, name=f"QueueRunnerThread-{self.name}-{job}")

    def _fill(self, sess: Any, enqueue_op: Any, coord: Any) -> None:
        """Run one enqueue op until its input ends, it fails, or `coord` stops."""
        input_ended = False
        try:
            input_ended = self._enqueue_until_told(sess.make_callable(enqueue_op), coord)
        except Exception as error:
            if not coord:
                tf.logging.error("Exception in QueueRunner: %s", str(error))
                with self._lock:
                    self._exceptions_raised.append(error)
                raise
            # MTS-QR-03, MTS-QR-06
            coord.request_stop(error)
        finally:
            # The last thread to end closes the queue if its input has ended (MTS-QR-03, MTS-QR-05).
            with self._lock:
                self._runs_per_session[sess] -= 1
                if input_ended and self._runs_per_session[sess] == 0:
                    _run_leniently(sess, self._close_op)

    def _enqueue_until_told(self, enqueue: Callable[[], object], coord: Any) -> bool:
        """Enqueue until the input ends (True) or `coord` stops (False)."""
        while not (coord and coord.should_stop()):
            try:
                enqueue()
            # MTS-QR-05
            except self._queue_closed_exception_types:
                return True
        return False

    def _cancel_on_stop(self, sess: Any, coord: Any) -> None:
        coord.wait_for_stop()
        # MTS-QR-02, MTS-QR-06
        _run_leniently(sess, self._cancel_op)

    def to_proto(self, export_scope: str | None = None) -> Any:
        """Return this runner as a QueueRunnerDef, its names relative to `export_scope`.

        None if the queue lies outside that scope. Meta graphs hold runners in this form.
        """
        if export_scope is not None and not self.queue.name.startswith(export_scope):
            return None

        # An empty pattern takes nothing away.
        scope = f"^{export_scope.removesuffix('/')}/+" if export_scope else ""

        def relative(named: Any) -> str:
            return re.sub(scope, "", named.name)

        code_of = tf.errors.error_code_from_exception_type
        return _QueueRunnerDef(
            queue_name=relative(self.queue),
            enqueue_op_name=[relative(op) for op in self.enqueue_ops],
            close_op_name=relative(self.close_op),
            cancel_op_name=relative(self.cancel_op),
            queue_closed_exception_types=map(code_of, self._queue_closed_exception_types),
        )

    @staticmethod
    def from_proto(queue_runner_def: Any, import_scope: str | None = None) -> "QueueRunner":
        """Return the runner that `queue_runner_def` describes, found in the default graph."""
        return QueueRunner(queue_runner_def=queue_runner_def, import_scope=import_scope)


def add_queue_runner(qr: Any, collection: str = _QUEUE_RUNNERS) -> None:
    """Have the sessions of the default graph run `qr`, by adding it to `collection`.

    Rules: MTS-QR-01.
    """
    tf.add_to_collection(collection, qr)


def start_queue_runners(
    sess: Any = None, coord: Any = None, daemon: bool = True, start: bool = True, collection: str = _QUEUE_RUNNERS
) -> list[Thread]:
    """Make the threads of all queue runners in `collection`, and `start` them.

    `sess` defaults to the default session. Monitored sessions start their runners themselves, so
    for one of them nothing is done and [] returned. ValueError without a session, TypeError for
    something else than a session, RuntimeError in eager mode; no runners in the default graph give
    a warning. The runners are those of the session's graph.

    Rules: MTS-QR-01, MTS-QR-07.
    """
    if tf.executing_eagerly():
        raise RuntimeError("Queues are not compatible with eager execution.")
    sess = tf.get_default_session() if sess is None else sess
    if sess is None:
        text = "Cannot start queue runners: No default session is registered. Use `with sess.as_default()` or pass"
        raise ValueError(f"{text} an explicit session to tf.start_queue_runners(sess=sess)")
    if not _tensorflow.is_session(sess):
        # By name, so that TensorFlow's monitored sessions count as well as these.
        if type(sess).__name__ in ("MonitoredSession", "SingularMonitoredSession"):
            return []
        raise TypeError(f"sess must be a `tf.Session` object. Given class: {sess.__class__}")
    # The warning goes by the default graph, the threads by the session's.
    if not tf.get_collection(collection):
        text = "`tf.train.start_queue_runners()` was called when no queue runners were defined."
        tf.logging.warning(f"{text} You can safely remove the call to this deprecated function.")
    threads: list[Thread] = []
    with sess.graph.as_default():
        for runner in tf.get_collection(collection):
            threads += runner.create_threads(sess, coord=coord, daemon=daemon, start=start)
    return threads


def _under_scope(scope: str | None, name: str) -> str:
    """Return a name under a scope, if there is one; a scope that is no text is warned of and left out."""
    if not scope:
        return name
    scope = scope[:-1] if scope[-1] == "/" else scope
    try:
        # Text comes first, so that the warning is the one of text, whatever kind the scope is.
        return "" + scope + "/" + name
    except TypeError as error:
        tf.logging.warning(error)
        return name


def _check_exception_types(types: Any) -> None:
    valid = isinstance(types, tuple) and types and all(issubclass(type_, tf.errors.OpError) for type_ in types)
    if types is not None and not valid:
        text = "queue_closed_exception_types, when provided, must be a tuple of tf.error types, but saw: %s"
        # The tuple itself is the format's arguments, as in TensorFlow.
        raise TypeError(text % types)


def _run_leniently(sess: Any, op: Any) -> None:
    """Run `op`; a queue that cannot be closed any more is no error."""
    try:
        sess.run(op)
    except Exception as error:
        tf.logging.vlog(1, "Ignored exception: %s", str(error))
