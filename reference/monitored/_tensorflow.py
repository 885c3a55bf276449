"""What the reference needs of TensorFlow and no public name gives.

Each function says why it is here and works without the private symbol too. Nothing else in the
package imports from inside TensorFlow.
"""

import functools
import json
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow.compat.v1 as tf
from google.protobuf import descriptor_pool, message_factory
from tensorflow.compat.v2.train import Checkpoint as Checkpoint  # noqa: PLC0414 - used from here

_SESSION_RUN = tf.Session.run

# What all of TensorFlow's sessions are; not exported, it is the last but `object` of a session's classes.
SessionInterface: Any = tf.Session.__mro__[-2]

FORCE_FALLBACK = False
"""Set by tests to go the public way everywhere."""


def chrome_trace(step_stats: Any, show_dataflow: bool, show_memory: bool) -> str:
    """Return a step's statistics as Chrome trace JSON; nothing public makes the one of `tf.train`.

    Without the private module it has the ops' times, without flow and memory. Rule: MTS-PRF-01.
    """
    if not FORCE_FALLBACK:
        try:
            from tensorflow.python.client import timeline  # noqa: PLC0415 - feature test

            return str(timeline.Timeline(step_stats).generate_chrome_trace_format(show_dataflow, show_memory))
        except ImportError:
            pass
    events: list[dict[str, Any]] = []
    for pid, device in enumerate(step_stats.dev_stats):
        events.append({"ph": "M", "name": "process_name", "pid": pid, "args": {"name": device.device}})
        for node in device.node_stats:
            times = {"ts": node.all_start_micros, "dur": node.all_end_rel_micros}
            events.append({"ph": "X", "cat": "Op", "name": node.node_name, "pid": pid, "tid": node.thread_id, **times})
    return json.dumps({"traceEvents": events})


def compiled_run(
    session: Any, tensors: Sequence[str], targets: Sequence[str], feeds: Sequence[str], here: bool = False
) -> Callable[..., list[Any]]:
    """Return a function from the values of `feeds` to those of `tensors`, which also runs `targets`.

    `here` is for one who keeps it, has the session whenever calling it, and may outlive the session: it
    does not keep that alive, and its ops stay in the thread that calls. Errors are those of
    `session.run`. The public `make_callable` words errors otherwise, takes twice as long, and no
    feeds. TypeError without the private methods (for `here`: any of them), OpError for a bad request.
    """
    if FORCE_FALLBACK or not (hasattr(session, "_make_callable_from_options") and hasattr(session, "_do_call")):
        raise TypeError(f"{session} cannot compile a run")
    options = message_class("tensorflow.CallableOptions")(fetch=tensors, target=targets, feed=feeds)
    options.run_options.inter_op_thread_pool = -1 if here else 0
    compiled = session._make_callable_from_options(options)
    try:
        from tensorflow.python.client.pywrap_tf_session import TF_SessionRunCallable  # noqa: PLC0415 - feature test

        direct = functools.partial(TF_SessionRunCallable, session._session, compiled._handle)
    except (ImportError, AttributeError) as error:
        if here:  # what is compiled holds its session, and only its handle could be had without
            raise TypeError(f"{session} cannot compile a run that does not keep it alive") from error
        return functools.partial(session._do_call, compiled)
    kept: Any = compiled
    if here:
        # Without its handle it leaves it to the end of the session to release that.
        kept, compiled._handle, session = None, None, weakref.proxy(session)

    def run(*fed: Any, _kept: Any = kept) -> Any:  # which lasts as long as `_kept`, or else the session
        try:
            return direct(fed, None)
        except tf.errors.OpError as error:
            return session._do_call(_raise, error)  # words it as session.run does

    return run


def _raise(error: Exception) -> Any:
    raise error


def initialize_strategy_system() -> None:
    """Let a TPU strategy in scope start its system; nothing public asks whether it has one.

    Without the private method the user starts it (`tf.tpu.initialize_system`).
    """
    start = getattr(tf.distribute.get_strategy().extended, "_experimental_initialize_system", None)
    if start is not None and not FORCE_FALLBACK:
        start()


def is_local_session(sess: Any) -> bool:
    """Whether `sess` is an open `tf.Session` of this process whose `run` nobody has replaced.

    Nothing public tells whether a session is open; without the private attribute none counts.
    """
    run: Any = getattr(sess, "run", None)
    as_made = getattr(run, "__func__", None) is _SESSION_RUN and run.__self__ is sess
    return as_made and getattr(sess, "_closed", True) is False and not sess.sess_str and not FORCE_FALLBACK


def is_session(sess: Any) -> bool:
    """Whether `sess` is a TensorFlow session or a debugger's wrapper of one. Rule: MTS-RUN-12."""
    return isinstance(sess, SessionInterface)


def message_class(name: str) -> Any:
    """Return the class of a protocol message that TensorFlow uses and does not export."""
    descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory().GetPrototype(descriptor)


def object_graph_saveables(checkpoint: Any) -> Any:
    """Return what an object-based checkpoint saves; the public view shows objects, not saveables.

    None without the private view: `object_checkpoint.py` then makes those of variables itself.
    """
    if FORCE_FALLBACK:
        return None
    try:
        from tensorflow.python.checkpoint.graph_view import ObjectGraphView  # noqa: PLC0415 - feature test
    except ImportError:
        return None
    return ObjectGraphView(checkpoint).frozen_saveable_objects()


def undecorated(function: Any) -> Any:
    """Return the function inside TensorFlow's own decorators, such as `tf.function`; nothing public tells them apart.

    Without the private attribute it is `function` itself. Rule: MTS-STEP-01.
    """
    decorator: Any = None if FORCE_FALLBACK else getattr(function, "_tf_decorator", None)
    return undecorated(decorator.decorated_target) if type(decorator).__name__ == "TFDecorator" else function


def unfinalize(graph: tf.Graph) -> None:
    """Make a finalised graph modifiable again; TensorFlow offers only the way there.

    Without the private method the graph stays finalised. Rule: MTS-GRAPH-02.
    """
    undo = getattr(graph, "_unsafe_unfinalize", None)
    if undo is not None and not FORCE_FALLBACK:
        undo()
