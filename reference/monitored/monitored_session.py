"""The life of a monitored session: begin, create, run, close.

`MonitoredSession` survives preemption, `SingularMonitoredSession` does not; they share the rest.
What happens inside `run` is `session_layers.py`; how a `tf.Session` comes to be ready is
`session_creator.py`.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import tensorflow.compat.v1 as tf

from monitored import _tensorflow, errors, session_layers
from monitored.coordinator import Coordinator
from monitored.queue_runners import start_queue_runners
from monitored.scaffold import Scaffold
from monitored.session_creator import ChiefSessionCreator
from monitored.session_run_hook import SessionRunHook


class _MonitoredSession:
    """A session that calls hooks and looks after its threads; see the two public classes.

    Construction calls `begin` of each hook, makes the session (graph finalised, initialised or
    restored), starts queue runners, and calls `after_create_session` of each hook. An exception on
    the way leaves the constructor unchanged and nothing is undone: no `end`, no close.

    Used as a context manager it closes itself. Leaving the block normally, or by exactly
    OutOfRangeError or StopIteration, which is suppressed, calls `end` of each hook; leaving it by
    any other exception skips `end`.

    Rules: MTS-LIFE-01 to MTS-LIFE-06, MTS-GRAPH-01 to MTS-GRAPH-05, MTS-EXC-01, MTS-EXC-02,
    MTS-EXC-10.
    """

    StepContext = session_layers.StepContext

    def __init__(
        self, session_creator: Any, hooks: Any, should_recover: bool, stop_grace_period_secs: float = 120
    ) -> None:
        # MTS-GRAPH-03
        self._graph_was_finalized: bool = tf.get_default_graph().finalized
        # MTS-LIFE-06, Q-21: not copied; of a generator, `begin` leaves nothing.
        self._hooks = hooks or []
        # MTS-LIFE-02, MTS-LIFE-03
        for hook in self._hooks:
            hook.begin()
        # MTS-LIFE-04, Q-14: what fails from here on leaves all that is made by then, a finalised graph too.
        creator = session_creator or ChiefSessionCreator()
        self._coordinated_creator = _CoordinatedSessionCreator(creator, self._hooks, stop_grace_period_secs)
        if should_recover:
            self._sess: Any = session_layers.RecoveringSession(self._coordinated_creator)
        else:
            self._sess = self._coordinated_creator.create_session()

    @property
    def graph(self) -> tf.Graph | None:
        """The graph of the `tf.Session`; None after close. Rule: MTS-GRAPH-04."""
        session = self._tf_sess()
        return None if session is None else session.graph

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Run one step with its hooks and return the values of `fetches`, in their structure.

        Takes what `tf.Session.run` takes. `options` are merged with the hooks' in place. Raises
        RuntimeError once a hook has asked to stop, AttributeError once closed.

        Rules: MTS-RUN-01 to MTS-RUN-13, MTS-EXC-03, MTS-EXC-04, MTS-CLOSE-05.
        """
        # MTS-CLOSE-05, Q-04: None once closed, which has no run.
        return self._sess.run(fetches, feed_dict=feed_dict, options=options, run_metadata=run_metadata)

    def run_step_fn(self, step_fn: session_layers.StepFn) -> Any:
        """Call `step_fn(step_context)` once and return what it returns.

        Its visible arguments must be named exactly `step_context`, or `self, step_context`; else
        ValueError, and TypeError if it cannot be called. The context gives the raw session and
        `run_with_hooks`.

        Rules: MTS-STEP-01 to MTS-STEP-06.
        """
        names = _visible_arguments(step_fn)
        if names not in (("step_context",), ("self", "step_context")):
            text = "`step_fn` may either have one `step_context` argument, or `self` and `step_context` arguments"
            raise ValueError(f"{text} if it's an instance method. Got {names} instead.")
        # MTS-STEP-04: whatever was requested before.
        return self._sess.run_step_fn(step_fn, self._tf_sess(), run_with_hooks=None)

    def should_stop(self) -> bool:
        """Whether training should end: a hook or a thread asked for it, or it is closed.

        Rules: MTS-EXC-07, MTS-EXC-12, MTS-CLOSE-05.
        """
        return self._sess is None or self._sess.should_stop()

    def close(self) -> None:
        """Call `end` of each hook, stop the threads, close the session.

        A second call calls `end(None)` of each hook, then raises RuntimeError.

        Rules: MTS-CLOSE-01 to MTS-CLOSE-07.
        """
        self._close_internal()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, exception_type: Any, exception_value: Any, traceback: Any) -> bool:
        # MTS-EXC-01, Q-05: membership, so that a subclass is another error.
        if exception_type in errors.END_OF_INPUT_ERRORS:
            exception_type = None
        # MTS-EXC-02, MTS-EXC-10
        self._close_internal(exception_type)
        return exception_type is None

    def _close_internal(self, exception_type: type[BaseException] | None = None) -> None:
        """Close; `end` is called only without an exception. Rules: MTS-CLOSE-01, MTS-EXC-02."""
        try:
            # MTS-CLOSE-02, MTS-CLOSE-03, Q-03, Q-06: None once closed; what it raises leaves.
            if not exception_type:
                for hook in self._hooks:
                    hook.end(self._tf_sess())
        finally:
            try:
                if self._sess is None:
                    # MTS-CLOSE-03, MTS-CLOSE-04
                    raise RuntimeError("Session is already closed.")
                self._sess.close()
            finally:
                self._sess = None
                # MTS-CLOSE-05, MTS-GRAPH-04
                self._coordinated_creator.tf_sess = self._coordinated_creator.coord = None
                # MTS-GRAPH-02, MTS-GRAPH-05, Q-15: the default graph of this moment, whichever that is.
                if not self._graph_was_finalized:
                    _tensorflow.unfinalize(tf.get_default_graph())

    def _is_closed(self) -> bool:
        """Whether there is no `tf.Session` any more."""
        return self._tf_sess() is None

    def _tf_sess(self) -> Any:
        """Return the raw `tf.Session`, a new one after each recovery; None once closed."""
        return self._coordinated_creator.tf_sess


class MonitoredSession(_MonitoredSession):
    """A monitored session that makes itself anew after a preemption.

    `session_creator` makes the `tf.Session` (None: a chief with a default scaffold), `hooks` are
    called in list order, and closing waits at most `stop_grace_period_secs` seconds for threads.

    AbortedError and UnavailableError from a step, from a hook around it, or from a thread close the
    present `tf.Session` and make a new one, and the step is run again; from creating a session they
    make another one, and what was opened stays open.

    Rules: MTS-LIFE-05, MTS-EXC-04, MTS-EXC-05.
    Source: tensorflow/python/training/monitored_session.py
    """

    def __init__(self, session_creator: Any = None, hooks: Any = None, stop_grace_period_secs: float = 120) -> None:
        super().__init__(session_creator, hooks, True, stop_grace_period_secs)


class SingularMonitoredSession(_MonitoredSession):
    """A monitored session over one `tf.Session`, which `raw_session()` gives; errors are raised.

    The parameters are those of a ChiefSessionCreator and of MonitoredSession.

    Rules: MTS-LIFE-05, MTS-EXC-04, MTS-EXC-07, MTS-EXC-08.
    Source: tensorflow/python/training/monitored_session.py
    """

    def __init__(
        self,
        hooks: list[SessionRunHook] | None = None,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: tf.ConfigProto | None = None,
        checkpoint_dir: str | None = None,
        stop_grace_period_secs: float = 120,
        checkpoint_filename_with_path: str | None = None,
    ) -> None:
        session_creator = ChiefSessionCreator(scaffold, master, config, checkpoint_dir, checkpoint_filename_with_path)
        super().__init__(session_creator, hooks, False, stop_grace_period_secs)

    def raw_session(self) -> tf.Session | None:
        """Return the `tf.Session`; None after close. Rules: MTS-CLOSE-05, MTS-CLOSE-07."""
        return self._tf_sess()


class _CoordinatedSessionCreator:
    """Makes the layers inside recovery: a `tf.Session` with threads, coordinator and hooks.

    `tf_sess` and `coord` are those of the newest session, None before it and once closed.

    Rules: MTS-LIFE-01, MTS-LIFE-02, MTS-QR-01, MTS-EXC-09.
    """

    def __init__(self, session_creator: Any, hooks: list[SessionRunHook], stop_grace_period_secs: float) -> None:
        self._session_creator = session_creator
        self._hooks = hooks
        self._stop_grace_period_secs = stop_grace_period_secs
        self.coord: Any = None
        self.tf_sess: Any = None

    def create_session(self) -> session_layers.CoordinatedSession:
        """Make a `tf.Session`, start its queue runners, show it to the hooks, wrap it."""
        # kept also if something below fails; then nothing closes it.
        self.tf_sess = self._session_creator.create_session()
        # MTS-EXC-09, Q-07
        self.coord = Coordinator(clean_stop_exception_types=[])
        if tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS):
            # MTS-QR-01
            start_queue_runners(sess=self.tf_sess, coord=self.coord)
        for hook in self._hooks:
            # MTS-LIFE-02, MTS-LIFE-04
            hook.after_create_session(self.tf_sess, self.coord)
        return session_layers.CoordinatedSession(
            session_layers.HookedSession(self.tf_sess, self._hooks), self.coord, self._stop_grace_period_secs
        )


def _visible_arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the positional argument names left to a caller: none bound, none filled by partial.

    Those of what TensorFlow decorates are the names inside. TypeError "unsupported callable" for what cannot be called.

    Rule: MTS-STEP-01.
    """
    if isinstance(function, functools.partial):
        names = _visible_arguments(function.func)[len(function.args) :]
        return tuple(name for name in names if name not in function.keywords)
    call, itself = map(_tensorflow.undecorated, (getattr(function, "__call__", None), function))  # noqa: B004 - if any
    visible = call if inspect.ismethod(call) else itself
    return tuple(inspect.getfullargspec(visible).args[inspect.ismethod(visible) :])
