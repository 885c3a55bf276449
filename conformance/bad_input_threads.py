"""Bad arguments of coordinators, looper threads and queue runners: see `bad_input`."""

import sys
import threading
from typing import Any

import numpy as np

from conformance import idleness
from conformance.attempts import Attempt, Fresh, Obliging, Row, directly, rows, single
from conformance.bad_input_sessions import closed_session  # fmt: skip
from conformance.bad_values import FLAGS, NUMBERS, OBJECTS, argument, pick  # fmt: skip
from conformance.trace import tf

_LONG_ENOUGH_SECS = 10.0


# --- threads ------------------------------------------------------------------------------------


def stopping(t: Attempt, ex: Any) -> Any:
    """Report this to a coordinator, outside of any except block, and join it twice."""
    coordinator = t.train.Coordinator()
    t.tries("request_stop", coordinator.request_stop, ex)
    t.record("should stop", coordinator.should_stop())
    t.tries("join", coordinator.join, [])
    t.tries("request_stop after join", coordinator.request_stop, ex)
    t.tries("raise_requested_exception", coordinator.raise_requested_exception)
    return coordinator.joined


def stopping_while_handled(t: Attempt, ex: Any) -> Any:
    """Report this while another exception is being handled."""
    try:
        raise KeyError("handled")
    except KeyError:
        return stopping(t, ex)


def stopped(t: Attempt) -> Any:
    coordinator = t.train.Coordinator()
    coordinator.request_stop()
    return coordinator


def started_thread(t: Attempt) -> Any:
    """A thread that goes on until the attempt is over."""
    over = threading.Event()
    t.record.releases.append(over.set)
    thread = threading.Thread(target=over.wait, name="waits", daemon=True)
    thread.start()
    return thread


def exc_info() -> Any:
    try:
        raise ValueError("in a tuple")
    except ValueError:
        return sys.exc_info()


EXCEPTIONS = {
    **pick(OBJECTS, "5 text empty_text list dict object fails_at_bool fails_at_str True"), "0": 0,
    "empty_tuple": (), "tuple_of_1": (1,), "tuple_of_2": (ValueError, ValueError("in a tuple")),
    "tuple_of_3_numbers": (1, 2, 3), "tuple_of_4": (*exc_info(), 4), "exc_info": exc_info(),
    "exc_info_of_None": (None, None, None), "tuple_without_value": (ValueError, None, None),
    "value_is_text": (ValueError, "text", None), "value_is_class": (ValueError, ValueError, None),
    "exception": ValueError("not raised"), "class_of_exception": ValueError,
    "clean": tf.errors.OutOfRangeError(None, None, "clean"), "keyboard": KeyboardInterrupt(),
    "list_of_exc_info": list(exc_info()), "not_utf8": ValueError(b"\xff"),
}  # fmt: skip
THREADS = {
    **pick(OBJECTS, "5 text empty_text object fails_at_iter"), "list_of_5": [5], "list_of_None": [None],
    "not_started": Fresh(lambda t: [threading.Thread(target=len)]), "a_thread": Fresh(lambda t: threading.Thread()),
    "this_thread": Fresh(lambda t: [threading.current_thread()]), "list_of_lists": [[1]],
    "generator": Fresh(lambda t: (thread for thread in [threading.Thread()])), "unhashable": [[], {}],
    "still_running": Fresh(lambda t: [started_thread(t)]), "obliging": [Obliging()],
}  # fmt: skip
TIMES = {name: value for name, value in NUMBERS.items() if name not in ("huge", "inf")}


def registering(t: Attempt, thread: Any) -> Any:
    coordinator = t.train.Coordinator()
    coordinator.register_thread(thread)
    coordinator.request_stop()
    return coordinator.join()


def started_twice(t: Attempt) -> Any:
    looper = t.train.LooperThread(stopped(t), None)
    looper.start()
    looper.join()
    return looper.start()


def looping(t: Attempt, **arguments: Any) -> Any:
    """Loop until the second round, or a thing raised, stops the coordinator; return what it was called with."""
    coordinator, seen = t.train.Coordinator(), []  # type: Any, Any
    t.record.coordinators.append(coordinator)

    def target(*args: Any, **kwargs: Any) -> None:
        seen.append([args, kwargs])
        coordinator.request_stop()

    arguments = {"coord": coordinator, "timer_interval_secs": None, "target": target, **arguments}
    looper = t.train.LooperThread(**arguments)
    looper.start()
    idleness.let_others_run(_LONG_ENOUGH_SECS)
    t.record("it stopped", coordinator.should_stop())
    coordinator.request_stop()
    t.tries("join", coordinator.join)
    return [seen, looper.is_alive()]


THREADED = (
    *rows("Coordinator", "clean_stop_exception_types", "CRD-01", lambda t, value: t.train.Coordinator(
        value).request_stop(ValueError("not raised")), {
        **pick(OBJECTS, "5 text empty_text dict object fails_at_iter"), "class": ValueError, "list_of_5": [5],
        "list_of_text": ["ValueError"], "instances": [ValueError()], "nested": [[ValueError]], "set": {ValueError},
        "generator": Fresh(lambda t: (cls for cls in [ValueError])), "no_exceptions": [int],
    }),
    *rows("Coordinator.request_stop", "ex", "CRD-01 CRD-02 CRD-04", stopping, EXCEPTIONS),
    *rows("Coordinator.request_stop(while handling)", "ex", "CRD-04 CRD-02", stopping_while_handled, EXCEPTIONS),
    *rows("Coordinator.join", "threads", "CRD-03", lambda t, value: stopped(t).join(
        value, stop_grace_period_secs=0.1), THREADS),
    *rows("Coordinator.join", "stop_grace_period_secs", "CRD-03", lambda t, value: stopped(t).join(
        [started_thread(t)], stop_grace_period_secs=value), pick(TIMES, (
            "None 0 -1 NaN -inf text list array_of_two tensor"))),
    *rows("Coordinator.join", "ignore_live_threads", "CRD-03", lambda t, value: stopped(t).join(
        [started_thread(t)], 0, value), FLAGS),
    *rows("Coordinator.register_thread", "thread", "CRD-03", registering, {
        **pick(OBJECTS, "None 5 text list object obliging fails_at_hash"), "not_started": threading.Thread(),
    }),
    *rows("Coordinator.wait_for_stop", "timeout", "CRD-01", lambda t, value: t.train.Coordinator().wait_for_stop(
        value), pick(NUMBERS, "0 -1 NaN -inf text list object complex huge inf")),
    *single("Coordinator", "CRD-01 CRD-05", {
        "unknown keyword": lambda t: t.train.Coordinator(types=()),
        "joined is set": lambda t: directly(setattr, t.train.Coordinator(), "joined", True),
        "should_stop with an argument": lambda t: t.train.Coordinator().should_stop(1),
        "clear_stop with an argument": lambda t: t.train.Coordinator().clear_stop(1),
        "register_thread without": lambda t: t.train.Coordinator().register_thread(),
        "stop_on_exception twice entered": lambda t: entered_twice(t.train.Coordinator().stop_on_exception()),
        "request_stop by keyword": lambda t: t.train.Coordinator().request_stop(exception=ValueError()),
    }),
    *rows("LooperThread", "coord", "LPR-01", lambda t, value: t.train.LooperThread(value, 1), {
        **pick(OBJECTS, "None 5 text empty_text object class fails_at_str obliging"),
        "a_thread": threading.Thread(name="T"), "class_of_coordinator": Fresh(lambda t: t.train.Coordinator),
        "tuple": ("a", "b"), "event": threading.Event(),
    }),
    *rows("LooperThread", "timer_interval_secs", "LPR-01", argument("timer_interval_secs", looping), pick(
        NUMBERS, "0 -1 NaN -inf inf text list object complex int64 array array_of_two tensor")),
    *rows("LooperThread", "target", "LPR-01", argument("target", lambda t, **given: looping(t, **given)), {
        **pick(OBJECTS, "5 text object"), "takes_one": lambda argument: None,
        "raises_StopIteration": lambda: next(iter(())), "exits": lambda: sys.exit(3),
    }),
    *rows("LooperThread", "args", "LPR-01", argument("args", looping), {
        **pick(OBJECTS, "5 text empty_text list dict object fails_at_bool"), "set": {1},
    }),
    *rows("LooperThread", "kwargs", "LPR-01", argument("kwargs", looping), {
        **pick(OBJECTS, "5 text list object"), "int_key": {1: 2}, "pairs": [("a", 1)],
    }),
    *single("LooperThread", "LPR-01", {
        "no arguments": lambda t: t.train.LooperThread(),
        "args without target": lambda t: t.train.LooperThread(t.train.Coordinator(), 1, args=(1,)),
        "kwargs without target": lambda t: t.train.LooperThread(t.train.Coordinator(), 1, kwargs={"a": 1}),
        "empty args without target": lambda t: t.train.LooperThread(t.train.Coordinator(), 1, args=()).daemon,
        "unknown keyword": lambda t: t.train.LooperThread(t.train.Coordinator(), 1, name="n"),
        "loop without target": lambda t: t.train.LooperThread.loop(t.train.Coordinator(), 1),
        "loop of a bad coordinator": lambda t: t.train.LooperThread.loop(5, 1, None),
        "started twice": started_twice,
    }),
)  # fmt: skip


def entered_twice(context: Any) -> Any:
    with context:
        pass
    with context:
        raise ValueError("in the second block")


def queue(t: Attempt) -> Any:
    """Make a queue of three numbers' room and return it."""
    return tf.FIFOQueue(3, tf.float32, name="queue")


def runner(t: Attempt, **arguments: Any) -> Any:
    """Make a queue runner that is wrong in these arguments, and run its threads."""
    made_queue = queue(t)
    arguments = {"queue": made_queue, "enqueue_ops": [made_queue.enqueue(1.0)], **arguments}
    made = t.train.QueueRunner(**arguments)
    coordinator = t.train.Coordinator()
    t.record.coordinators.append(coordinator)
    threads = made.create_threads(t.raw_session(), coordinator)
    return [made.name, [thread.name for thread in threads], made.queue_closed_exception_types]


def threads_of(t: Attempt, **arguments: Any) -> Any:
    """Make the threads of a good runner with these arguments, and wait for those that were started."""
    made_queue = queue(t)
    made = t.train.QueueRunner(made_queue, [made_queue.close()])
    session = t.raw_session()
    threads = made.create_threads(**{"sess": session, **arguments})
    return [(thread.name, thread.daemon, thread.is_alive()) for thread in threads]


def from_definition(t: Attempt, scope: Any = None, **fields: Any) -> Any:
    made_queue = queue(t)
    names = {"queue_name": made_queue.name, "enqueue_op_name": [made_queue.enqueue(1.0).name],
             "close_op_name": made_queue.close().name, "cancel_op_name": made_queue.close().name}  # fmt: skip
    definition = t.train.QueueRunner(made_queue, [made_queue.enqueue(1.0)]).to_proto()
    for name, value in {**names, **fields}.items():
        if isinstance(value, list):
            getattr(definition, name)[:] = value
        else:
            setattr(definition, name, value)
    made = t.train.QueueRunner.from_proto(definition, scope)
    return [made.name, len(made.enqueue_ops), made.queue_closed_exception_types]


def started(t: Attempt, put: Any = None, **arguments: Any) -> Any:
    """Start the runners of the default graph with these arguments."""
    made_queue = queue(t)
    t.train.add_queue_runner(put or t.train.QueueRunner(made_queue, [made_queue.close()]))
    coordinator = t.train.Coordinator()
    t.record.coordinators.append(coordinator)
    arguments = {"sess": t.raw_session(), "coord": coordinator, "start": False, **arguments}
    return [thread.name for thread in t.train.start_queue_runners(**arguments)]


QUEUE_RUNNERS = (
    *rows("QueueRunner", "queue", "QR-02", argument("queue", runner), pick(
        OBJECTS, "None 5 text empty_text list object class fails_at_bool")),
    *rows("QueueRunner", "enqueue_ops", "QR-02", argument("enqueue_ops", runner), {
        **pick(OBJECTS, "None 5 text empty_text list dict object fails_at_bool fails_at_len"), "list_of_None": [None],
        "an_op": Fresh(lambda t: tf.no_op()), "tensors": Fresh(lambda t: [tf.constant(1.0)]),
        "array": Fresh(lambda t: np.array([tf.no_op(), tf.no_op()])), "generator": Fresh(
            lambda t: (op for op in [tf.no_op()])), "names": ["queue_enqueue"],
    }),
    *rows("QueueRunner", "close_op", "QR-02", argument("close_op", runner), pick(OBJECTS, "5 empty_text object")),
    *rows("QueueRunner", "cancel_op", "QR-02", argument("cancel_op", runner), pick(OBJECTS, "5 text object")),
    *rows("QueueRunner", "queue_closed_exception_types", "QR-03", argument("queue_closed_exception_types", runner), {
        **pick(OBJECTS, "None 5 text empty_text list dict object"), "empty_tuple": (),
        "an_error": tf.errors.AbortedError,
        "list_of_error": [tf.errors.AbortedError], "tuple_of_ValueError": (ValueError,), "tuple_of_5": (5,),
        "tuple_of_None": (None,), "tuple_of_instance": (tf.errors.AbortedError(None, None, ""),),
        "base": (tf.errors.OpError,), "good_then_bad": (tf.errors.AbortedError, KeyError),
    }),
    *rows("QueueRunner", "queue_runner_def", "QR-02", lambda t, value: t.train.QueueRunner(queue_runner_def=value), {
        **pick(OBJECTS, "5 text empty_text object class fails_at_bool"), "another_message": tf.ConfigProto(
            allow_soft_placement=True), "empty_message": Fresh(lambda t: type(t.train.QueueRunner(
                queue(t), [tf.no_op()]).to_proto())()),
    }),
    *rows("QueueRunner.from_proto", "field", "QR-02 QR-03", lambda t, value: from_definition(t, **value), {
        "no_queue": {"queue_name": ""}, "unknown_queue": {"queue_name": "no_such"}, "no_ops": {"enqueue_op_name": []},
        "empty_op": {"enqueue_op_name": [""]}, "no_close": {"close_op_name": ""}, "unknown_type": {
            "queue_closed_exception_types": [77]}, "type_0": {"queue_closed_exception_types": [0]},
        "tensor_as_queue": {"queue_name": "queue:0"}, "output_5": {"cancel_op_name": "queue:5"},
        "scope": {"scope": "no_such_scope"}, "scope_5": {"scope": 5}, "scope_of_slash": {"scope": "/"},
        "scope_bytes": {"scope": b"scope"}, "scope_empty": {"scope": ""}, "scope_list": {"scope": ["a"]},
    }),
    *single("QueueRunner", "QR-02 QR-03", {
        "no arguments": lambda t: t.train.QueueRunner(),
        "definition and queue": lambda t: t.train.QueueRunner(queue(t), queue_runner_def=tf.ConfigProto(
            allow_soft_placement=True)),
        "unknown keyword": lambda t: t.train.QueueRunner(ops=[]),
        "queue is set": lambda t: directly(setattr, t.train.QueueRunner(queue(t), [tf.no_op()]), "queue", 1),
        "to_proto of 5": lambda t: t.train.QueueRunner(queue(t), [tf.no_op()]).to_proto(5),
        "to_proto of another scope": lambda t: t.train.QueueRunner(queue(t), [tf.no_op()]).to_proto("scope"),
        "to_proto of no scope": lambda t: t.train.QueueRunner(queue(t), [tf.no_op()]).to_proto(""),
        "to_proto of a pattern": lambda t: t.train.QueueRunner(queue(t), [tf.no_op()]).to_proto("que("),
        "from_proto of None": lambda t: t.train.QueueRunner.from_proto(None),
    }),
    *rows("QueueRunner.create_threads", "sess", "QR-04", argument("sess", threads_of), {
        **pick(OBJECTS, "None 5 list object class obliging fails_at_hash"),
        "monitored": Fresh(lambda t: t.session()),
    }),
    *rows("QueueRunner.create_threads", "coord", "QR-03", argument("coord", threads_of), pick(
        OBJECTS, "5 text object fails_at_bool class")),
    *rows("QueueRunner.create_threads", "daemon", "QR-02", argument("daemon", threads_of), FLAGS),
    *rows("add_queue_runner", "qr", "QR-01", lambda t, value: [t.train.add_queue_runner(value), t.train_with(
        t.session())], pick(OBJECTS, "None 5 text object obliging class")),
    *rows("add_queue_runner", "collection", "QR-01", lambda t, value: t.train.add_queue_runner(5, value), {
        **pick(OBJECTS, "None 5 list empty_text class fails_at_hash"), "tuple": ("a", 1), "names": ["a", "b"],
    }),
    *rows("start_queue_runners", "sess", "QR-07", argument("sess", started), {
        **pick(OBJECTS, "None 5 text object class"), "monitored": Fresh(lambda t: t.session()),
        "singular": Fresh(lambda t: t.session(kind="SingularMonitoredSession")),
        "closed": Fresh(lambda t: closed_session()), "class_of_session": tf.Session,
        "of_another_graph": Fresh(lambda t: tf.Session(graph=tf.Graph())),
        "named_so": type("MonitoredSession", (), {})(),
    }),
    *rows("start_queue_runners", "coord", "QR-07", argument("coord", started), pick(
        OBJECTS, "None 5 text object fails_at_bool")),
    *rows("start_queue_runners", "collection", "QR-07", argument("collection", started), pick(
        OBJECTS, "None 5 text list")),
    *rows("start_queue_runners", "item", "QR-07", argument("put", started), pick(OBJECTS, "5 text object class")),
    *single("start_queue_runners", "QR-07", {
        "no session": lambda t: t.train.start_queue_runners(), "unknown keyword": lambda t: started(t, session=None),
        "6 positional": lambda t: t.train.start_queue_runners(1, 2, 3, 4, 5, 6),
    }),
)  # fmt: skip


ROWS: tuple[Row, ...] = (*THREADED, *QUEUE_RUNNERS)
