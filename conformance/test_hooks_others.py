"""Logging, stopping, NaN, waiting, final ops, feeding, profiling.

MTS-LOG, MTS-STP, MTS-NAN, MTS-GSW, MTS-FIN, MTS-FED, MTS-PRF.
"""

import functools
import os
import threading

import numpy as np
import pytest

from conformance.errors import make_error
from conformance.harness import conforms
from conformance.trace import tf


def logging_graph():
    tensors = {
        "a": tf.constant(1.5, name="a"),
        "b": tf.constant([1.0, 2.0], name="b"),
        "c": tf.constant(7, name="c"),
        "op": tf.no_op(name="nop"),
    }
    tf.split(tf.constant([1.0, 2.0]), 2, name="two")
    return tensors


LOGGING = {
    "names": (lambda t: ["a", "c"], {"every_n_iter": 2}),
    "dict": (lambda t: {"z": "a:0", "b": "b:0", "m": "c:0"}, {"every_n_iter": 2}),
    "tensors": (lambda t: [t["a"], t["c"]], {"every_n_iter": 3}),
    "dict of tensors": (lambda t: {"x": t["a"], "y": t["b"]}, {"every_n_iter": 3}),
    "seconds": (lambda t: ["a"], {"every_n_secs": 0.5}),
    "at end": (lambda t: ["a"], {"at_end": True}),
    "iterations and end": (lambda t: ["a"], {"every_n_iter": 2, "at_end": True}),
    "formatter": (lambda t: {"a": "a:0"}, {"every_n_iter": 1, "formatter": lambda d: "F:{}".format(sorted(d.items()))}),
    "formatter of None": (lambda t: {"a": "a:0"}, {"every_n_iter": 1, "formatter": lambda d: None}),
    "formatter, percent": (lambda t: {"a": "a:0"}, {"every_n_iter": 1, "formatter": lambda d: "100%s"}),
    "ambiguous": (lambda t: ["two"], {"every_n_iter": 1}),
    "missing": (lambda t: ["zzz"], {"every_n_iter": 1}),
    "no output": (lambda t: ["nop"], {"every_n_iter": 1}),
    "a string": (lambda t: "a", {"every_n_iter": 1}),
    "generator": (lambda t: (x for x in [t["a"], t["c"]]), {"every_n_iter": 1}),
    "tuple": (lambda t: ("a", "c"), {"every_n_iter": 1}),
    "set": (lambda t: {"a"}, {"every_n_iter": 1}),
    "empty list": (lambda t: [], {"every_n_iter": 1}),
    "empty dict": (lambda t: {}, {"every_n_iter": 1}),
    "both": (lambda t: ["a"], {"every_n_iter": 1, "every_n_secs": 1}),
    "neither": (lambda t: ["a"], {}),
    "zero": (lambda t: ["a"], {"every_n_iter": 0}),
    "negative": (lambda t: ["a"], {"every_n_iter": -1}),
    "zero seconds": (lambda t: ["a"], {"every_n_secs": 0}),
    "negative seconds": (lambda t: ["a"], {"every_n_secs": -1}),
    "both and end": (lambda t: ["a"], {"every_n_iter": 1, "every_n_secs": 1, "at_end": True}),
    "mixed keys": (lambda t: {1: "a:0", "b": "c:0"}, {"every_n_iter": 1}),
    "half": (lambda t: ["a"], {"every_n_iter": 1.5}),
    "huge": (lambda t: ["a"], {"every_n_iter": 100, "at_end": True}),
    "a number": (lambda t: 5, {"every_n_iter": 1}),
}


@pytest.mark.parametrize("case", LOGGING)
@pytest.mark.parametrize("runs", (0, 5))
@conforms("MTS-LOG-01", "MTS-LOG-02", "MTS-LOG-03", "Q-29")
def test_logging(train, record, case, runs):
    tensors = logging_graph()
    made, arguments = LOGGING[case]

    def whole():
        hook = train.LoggingTensorHook(made(tensors), **arguments)
        session = record.session([hook])
        for _ in range(runs):
            record.clock.advance(0.25)
            session.run(tensors["op"])
        session.close()

    record.outcome("whole", whole)


@conforms("MTS-LOG-03")
def test_logging_a_tensor_of_another_graph(train, record):
    with tf.Graph().as_default():
        foreign = tf.constant(1.0, name="x")
    tf.constant(1.0)
    record.outcome("make", lambda: record.session([train.LoggingTensorHook([foreign], every_n_iter=1)]))


@conforms("MTS-LOG-02", "Q-29")
def test_logging_and_print_options(train, record):
    value = tf.constant([1e-10, 1.0, 12345.678])
    np.set_printoptions(precision=3)
    session = record.session([train.LoggingTensorHook({"a": value}, every_n_iter=1)])
    session.run(value)
    session.close()
    record("options", np.get_printoptions()["suppress"])

    def fail(_):
        raise ValueError("from the formatter")

    hook = train.LoggingTensorHook({"a": value}, every_n_iter=1, formatter=fail)
    session = record.session([hook])
    record.outcome("run", session.run, value)
    record("options", np.get_printoptions()["suppress"])
    session.close()


@conforms("MTS-LOG-03")
def test_logging_a_variable_by_name(train, record):
    tf.Variable(7, name="weight")
    op = tf.no_op()
    hook = train.LoggingTensorHook({"weight": "weight/Read/ReadVariableOp:0"}, every_n_iter=1)
    session = record.session([hook])
    session.run(op)
    session.close()


STOPS = {
    "num 3": ({"num_steps": 3}, 1, 0),
    "last 3": ({"last_step": 3}, 1, 0),
    "num 3 from 10": ({"num_steps": 3}, 1, 10),
    "last 3 from 10": ({"last_step": 3}, 1, 10),
    "num 0": ({"num_steps": 0}, 1, 0),
    "last 0": ({"last_step": 0}, 1, 0),
    "last 5 by 2": ({"last_step": 5}, 2, 0),
    "last 5 by 4": ({"last_step": 5}, 4, 0),
    "last 15 by 10": ({"last_step": 15}, 10, 0),
    "num -1": ({"num_steps": -1}, 1, 0),
    "no steps": ({"num_steps": 2}, 0, 0),
    "backwards": ({"last_step": 5}, -1, 3),
    "half": ({"last_step": 2.5}, 1, 0),
}


@pytest.mark.parametrize("case", STOPS)
@conforms("MTS-STP-01", "MTS-STP-02", "Q-27", "Q-28")
def test_stop_at_step(train, record, case):
    arguments, increment, start = STOPS[case]
    step = record.global_step(increment)
    assign = tf.assign(tf.train.get_global_step(), start)
    hook = train.StopAtStepHook(**arguments)
    scaffold = train.Scaffold(init_fn=lambda _, session: session.run(assign))
    session = record.session([hook, record.hook("A")], scaffold=scaffold)
    for _ in range(7):
        if record("should_stop", session.should_stop()):
            break
        record("run", session.run(step))
    session.close()


@conforms("MTS-STP-01")
def test_constructor_of_stop_at_step(train, record):
    for arguments in ((), (1, 1), (0, 0), (None, None), (None, 0), ("x",)):
        record.outcome(str(arguments), lambda: type(train.StopAtStepHook(*arguments)).__name__)


@conforms("MTS-STP-01", "Q-27")
def test_stopping_hook_in_two_sessions(train, record):
    hook = train.StopAtStepHook(num_steps=2)
    for start in (0, 5):
        with record.graph():
            step = record.global_step()
            assign = tf.assign(tf.train.get_global_step(), start)
            scaffold = train.Scaffold(init_fn=lambda _, session: session.run(assign))
            session = record.session([hook], scaffold=scaffold)
            while not session.should_stop():
                record("run", session.run(step))
            session.close()


@pytest.mark.parametrize("fail", (True, False))
@pytest.mark.parametrize("value", (float("nan"), float("inf"), 1.0, [1.0, float("nan")], 1, "x", [], True), ids=str)
@conforms("MTS-NAN-01")
def test_nan(train, record, value, fail):
    tensor = tf.constant(value)
    hooks = [record.hook("A"), train.NanTensorHook(tensor, fail), record.hook("B")]

    def block():
        with record.session(hooks) as session:
            record.outcome("run", session.run, tensor)
            record("should_stop", session.should_stop())

    record.outcome("block", block)


@conforms("MTS-NAN-01")
def test_nan_error(train, record):
    cls = train.NanLossDuringTrainingError
    record("bases", [base.__name__ for base in cls.__mro__[1:]])
    record("text", [str(cls()), str(cls("custom")), cls("custom").args])
    record.outcome("raised", _raise, cls("custom", 5))


def _raise(error):
    raise error


@conforms("MTS-NAN-01", "MTS-CKH-03", "MTS-ARG-07", "Q-23")
def test_nan_is_saved_first(train, record):
    step = record.global_step()
    with tf.control_dependencies([step]):
        loss = tf.identity(tf.constant(float("nan")))

    def block():
        with record.session(
            [train.NanTensorHook(loss)],
            kind="MonitoredTrainingSession",
            checkpoint_dir=record.path("logdir"),
            save_checkpoint_steps=1,
        ) as session:
            session.run(loss)

    record.outcome("block", block)


@pytest.mark.parametrize("target, jump", ((0, 1), (-1, 1), (1, 1), (5, 1), (3000, 700), (2500, 1250)))
@conforms("MTS-GSW-01")
def test_waiting_for_a_step(train, record, target, jump):
    step = record.global_step(jump)
    value = tf.train.get_global_step()
    session = record.session([train.GlobalStepWaiterHook(target), record.hook("A")])
    raw = session._tf_sess()
    record.clock.on_sleep = lambda _: raw.run(step)
    record("run", session.run(value))
    record("run", session.run(value))
    record("slept", record.clock.slept)
    session.close()


@conforms("MTS-GSW-01", "Q-44")
def test_a_waiter_does_not_hear_of_a_stop(train, record):
    step = record.global_step()
    value = tf.train.get_global_step()
    session = record.session([train.GlobalStepWaiterHook(1), record.hook("A")])
    raw = session._tf_sess()

    def pass_time(_):
        if len(record.clock.slept) == 1:
            record.coordinators[0].request_stop()
        if len(record.clock.slept) == 5:
            raw.run(step)

    record.clock.on_sleep = pass_time
    record("run", session.run(value))
    record("should_stop", session.should_stop())
    record("slept", record.clock.slept)
    session.close()


@conforms("MTS-GSW-01", "MTS-CLOSE-06", "Q-44")
def test_close_waits_for_a_waiter(train, record):
    # The thread that trains waits for a step that never comes, so close waits for as long as it may.
    record.global_step()
    value = tf.train.get_global_step()
    is_waiting, closed = threading.Event(), threading.Event()
    record.releases.append(closed.set)
    scenario = threading.current_thread()

    def pass_time(_):
        if threading.current_thread() is not scenario:
            is_waiting.set()
            closed.wait(60)

    record.clock.on_sleep = pass_time
    hooks = [train.GlobalStepWaiterHook(1), record.hook("A")]
    session = record.session(hooks, stop_grace_period_secs=60)
    run = functools.partial(record.outcome, "run", session.run, value)
    thread = threading.Thread(target=run, name="trainer", daemon=True)
    record.coordinators[0].register_thread(thread)
    thread.start()
    record("is waiting", is_waiting.wait(60))
    start = record.clock.time()
    record.outcome("close", session.close)
    record("slept", round(record.clock.time() - start, 6))
    record("still waits", thread.is_alive())
    closed.set()
    thread.join(60)


@conforms("MTS-GSW-01", "MTS-GS-03")
def test_waiting_without_a_step(train, record):
    tf.constant(1.0)
    record.outcome("make", lambda: record.session([train.GlobalStepWaiterHook(1)]))


FINAL = {
    "scalar": lambda a, p: (a, None),
    "dict and feed": lambda a, p: ({"x": p}, {p: 3.0}),
    "none": lambda a, p: (None, None),
    "list": lambda a, p: ([a, a], None),
    "empty": lambda a, p: ([], None),
    "missing feed": lambda a, p: (p, None),
    "a number": lambda a, p: (5, None),
}


@pytest.mark.parametrize("case", FINAL)
@conforms("MTS-FIN-01")
def test_final_ops(train, record, case):
    value, fed = tf.constant(1.0), tf.placeholder(tf.float32, [])
    hook = train.FinalOpsHook(*FINAL[case](value, fed))
    session = record.session([hook])
    record("before", hook.final_ops_values)
    record.outcome("close", session.close)
    record("after", hook.final_ops_values)


@pytest.mark.parametrize("error", ("OutOfRangeError", "StopIteration", "ValueError", "KeyboardInterrupt"))
@conforms("MTS-FIN-01")
def test_final_ops_fail(train, record, error):
    class Failing:
        def run(self, *_, **__):
            raise make_error(error, "from the session")

    hook = train.FinalOpsHook(tf.constant(1.0))
    record.outcome("end", hook.end, Failing())


@conforms("MTS-FIN-01", "MTS-CLOSE-02")
def test_final_ops_at_the_end_of_data(train, record):
    queue = tf.FIFOQueue(1, [tf.float32])
    close, dequeue = queue.close(), queue.dequeue()

    def block():
        with record.session([train.FinalOpsHook(dequeue), record.hook("A")]) as session:
            session.run(close)

    record.outcome("block", block)


@conforms("MTS-FED-01")
def test_feed_fn(train, record):
    fed = tf.placeholder(tf.float32, [])
    calls = []

    def feed():
        calls.append(1)
        return {fed: len(calls)} if len(calls) != 3 else None

    session = record.session([train.FeedFnHook(feed), record.hook("A")])
    record.outcome("run", session.run, fed)
    record.outcome("run", session.run, fed)
    record.outcome("no feed", session.run, fed)
    record.outcome("conflict", session.run, fed, {fed: 1.0})
    session.close()
    with record.graph():
        constant = tf.constant(1.0)
        for bad in (5, "x", []):
            session = record.session([train.FeedFnHook(lambda: bad)])
            record.outcome("bad", session.run, constant)
            session.close()


@pytest.mark.parametrize("steps, increment", ((1, 1), (2, 1), (3, 1), (3, 2), (5, 4), (0, 1)))
@conforms("MTS-PRF-01", "MTS-RUN-07")
def test_profiler(train, record, steps, increment):
    step = record.global_step(increment)
    os.makedirs(record.path("logdir"))
    hook = train.ProfilerHook(save_steps=steps, output_dir=record.path("logdir"))

    def look(_, values):
        record("traced", [values.options.trace_level, len(values.run_metadata.step_stats.dev_stats) > 0])

    session = record.session([hook, record.hook("A", silent=True, after_run=look)])
    for _ in range(6):
        record.clock.advance(0.5)
        record("run", session.run(step))
    session.close()


@conforms("MTS-PRF-01", "MTS-TMR-01")
def test_constructor_of_profiler(train, record):
    make = train.ProfilerHook
    path = record.path("logdir")
    record.outcome("neither", lambda: make(output_dir=path))
    record.outcome("both", lambda: make(1, 1, output_dir=path))
    record.outcome("good", lambda: type(make(save_steps=1, output_dir=path)).__name__)
    record("directory exists", os.path.exists(path))
    tf.constant(1.0)
    record.outcome("no step", lambda: record.session([make(save_steps=1, output_dir=record.path("other"))]))


@pytest.mark.parametrize("dataflow, memory", ((True, False), (False, True), (True, True)))
@conforms("MTS-PRF-01")
def test_profiler_by_seconds(train, record, dataflow, memory):
    step = record.global_step()
    os.makedirs(record.path("logdir"))
    hook = train.ProfilerHook(save_secs=1, output_dir=record.path("logdir"), show_dataflow=dataflow, show_memory=memory)
    session = record.session([hook])
    for secs in (0, 0.5, 0.5, 0.5, 2):
        record.clock.advance(secs)
        session.run(step)
    session.close()


@conforms("MTS-LIFE-02")
def test_hooks_of_the_base_class(train, record):
    hook = train.SessionRunHook()
    record.outcome("begin", hook.begin)
    record.outcome("created", hook.after_create_session, None, None)
    record.outcome("before", hook.before_run, None)
    record.outcome("after", hook.after_run, None, None)
    record.outcome("end", hook.end, None)


@pytest.mark.parametrize("seen", ((0, 1000, 2000, 5000), (0, 1001, 2002, 9000), (7, 1007, 1008, 2008, 9000), (9000,)))
@pytest.mark.parametrize("until", (-1, 0, 1, 5000))
@conforms("MTS-GSW-01")
def test_how_often_a_waiter_speaks(train, record, until, seen):
    record.global_step()
    steps = iter(seen)

    class Session:
        def run(self, _):
            return record("asked", next(steps))

    hook = train.GlobalStepWaiterHook(until)
    hook.begin()
    start = record.clock.time()
    for _ in range(2):
        record.outcome("before_run", hook.before_run, train.SessionRunContext(train.SessionRunArgs(None), Session()))
    record("waited", record.clock.time() - start)


@pytest.mark.parametrize("periods", ({"every_n_iter": 3}, {"every_n_secs": 5}, {"at_end": True}), ids=str)
@conforms("MTS-LOG-01", "MTS-LOG-02", "MTS-TMR-03")
def test_a_logging_hook_in_two_sessions(train, record, periods):
    value = tf.constant(2.0, name="value")
    hook = train.LoggingTensorHook({"value": value}, **periods)
    for _ in range(2):
        with record.session([hook]) as session:
            for _ in range(4):
                record.clock.advance(1)
                session.run(value)


@pytest.mark.parametrize("init_op", ("none", "an op", "a name", "a number"))
@conforms("MTS-SES-07")
def test_how_an_init_op_is_named(train, record, init_op):
    op = {"none": None, "an op": tf.no_op(name="op"), "a name": "op", "a number": 5}[init_op]
    missing = tf.constant(["w"])
    for arguments in ({"ready_op": missing}, {"ready_for_local_init_op": missing, "local_init_op": tf.no_op(name="l")}):
        manager = train.SessionManager(**arguments)
        init_fn = record.describer.name(lambda _: None, "init_fn")
        try:
            manager.prepare_session("", init_op=op, init_fn=init_fn, config=record.config())
        except (RuntimeError, TypeError) as error:
            record("refused", [type(error).__name__, str(error).split("init fn")[0]])


@conforms("MTS-PRF-01", "MTS-EVT-01")
def test_profiling_a_step_again(train, record):
    for _ in range(2):
        with record.graph():
            step = record.global_step()
            session = record.session([train.ProfilerHook(save_steps=2, output_dir=record.path("logdir"))])
            for _ in range(3):
                record.outcome("run", session.run, step)
            record.outcome("close", session.close)
        record("timelines", sorted(name for name in os.listdir(record.path("logdir")) if "timeline" in name))


@conforms("MTS-GSW-01")
def test_a_waiter_in_two_sessions(train, record):
    hook = train.GlobalStepWaiterHook(2)
    for _ in range(2):
        with record.graph():
            step = record.global_step()
            session = record.session([hook])
            raw = session._tf_sess()
            record.clock.on_sleep = lambda _: raw.run(step)
            for _ in range(2):
                record("run", session.run(step))
            session.close()
    record("slept", record.clock.slept)
