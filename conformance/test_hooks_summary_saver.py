"""SummarySaverHook and StepCounterHook (MTS-SUM, MTS-STC)."""

import pytest

from conformance.harness import conforms
from conformance.trace import tf


@pytest.mark.parametrize("steps", (1, 2, 3, 5, 0, -2, 1.5))
@pytest.mark.parametrize("increment", (1, 2, 4, 0, -1))
@conforms("MTS-SUM-01", "MTS-SUM-02", "MTS-EVT-02")
def test_schedule_of_summaries(train, record, steps, increment):
    step = record.global_step(increment)
    summary = tf.summary.scalar("s", tf.constant(1.0))
    hook = train.SummarySaverHook(save_steps=steps, output_dir=record.path("logdir"), summary_op=summary)
    session = record.session([hook, record.hook("A")])
    for _ in range(7):
        record.outcome("run", session.run, step)
    session.close()


@conforms("MTS-SUM-02", "MTS-TMR-02")
def test_summaries_by_seconds(train, record):
    step = record.global_step()
    summary = tf.summary.scalar("s", tf.cast(tf.train.get_global_step(), tf.float32))
    hook = train.SummarySaverHook(save_secs=2, output_dir=record.path("logdir"), summary_op=summary)
    session = record.session([hook])
    for secs in (0, 1, 1, 0.5, 1.4, 0.1, 10, -5, 5):
        record.clock.advance(secs)
        session.run(step)
    session.close()


@conforms("MTS-SUM-01", "MTS-TMR-01")
def test_constructor_of_summary_saver(train, record):
    make = train.SummarySaverHook
    op = tf.summary.scalar("s", tf.constant(1.0))
    for arguments in (
        {}, {"save_steps": 1}, {"save_steps": 1, "summary_op": op, "scaffold": 1},
        {"summary_op": op}, {"save_steps": 1, "save_secs": 1, "summary_op": op},
        {"save_steps": 1, "summary_op": op}, {"save_steps": 1, "summary_op": op, "output_dir": ""},
    ):  # fmt: skip
        record.outcome(str(sorted(arguments)), lambda: type(make(**arguments)).__name__)


SUMMARIES = ("tensor", "list", "tuple", "no place", "writer", "scaffold", "scaffold without", "none")


@pytest.mark.parametrize("case", SUMMARIES)
@conforms("MTS-SUM-03", "MTS-SUM-01", "MTS-ARG-09", "Q-30")
def test_what_is_a_summary_op(train, record, case):
    step = record.global_step()
    place = {"output_dir": record.path("logdir")}
    if case != "scaffold without":
        ops = [tf.summary.scalar(name, tf.constant(1.0)) for name in "st"]
    scaffold = train.Scaffold()
    if case == "tensor":
        place["summary_op"] = ops[0]
    elif case == "list":
        place["summary_op"] = ops
    elif case == "tuple":
        place["summary_op"] = tuple(ops)
    elif case == "no place":
        place = {"summary_op": ops[0]}
    elif case == "writer":
        place = {
            "summary_op": ops[0],
            "summary_writer": tf.summary.FileWriterCache.get(record.path("other")),
            "output_dir": record.path("logdir"),
        }
    elif case == "none":
        place["scaffold"] = train.Scaffold()
    else:
        place["scaffold"] = scaffold
    hook = train.SummarySaverHook(save_steps=1, **place)

    def whole():
        session = record.session([hook, record.hook("A")], scaffold=scaffold)
        session.run(step)
        session.run(step)
        session.close()

    record.outcome("whole", whole)


@conforms("MTS-SUM-01", "MTS-EVT-01")
def test_a_hook_in_two_sessions(train, record):
    step = record.global_step()
    summary = tf.summary.scalar("s", tf.constant(1.0))
    hook = train.SummarySaverHook(save_steps=2, output_dir=record.path("logdir"), summary_op=summary)
    for _ in range(2):
        session = record.session([hook])
        session.run(step)
        session.run(step)
        session.close()


@pytest.mark.parametrize("steps", (1, 2, 3, 100, 0, -1))
@pytest.mark.parametrize("increment", (1, 4, 0))
@conforms("MTS-STC-01", "MTS-STC-02", "MTS-STC-03", "Q-28")
def test_steps_per_second(train, record, steps, increment):
    step = record.global_step(increment)
    hook = train.StepCounterHook(every_n_steps=steps, output_dir=record.path("logdir"))
    session = record.session([hook])
    for secs in (0.5, 0.5, 0, 1.25, 0.5, 2, 0.5, 0.5, 0.5):
        record.clock.advance(secs)
        record.outcome("run", session.run, step)
    session.close()


@conforms("MTS-STC-01", "MTS-TMR-02")
def test_steps_per_second_by_seconds(train, record):
    step = record.global_step()
    hook = train.StepCounterHook(every_n_steps=None, every_n_secs=2, output_dir=record.path("logdir"))
    session = record.session([hook])
    for secs in (0.5, 1.5, 0, 2, 1, 1, 5):
        record.clock.advance(secs)
        session.run(step)
    session.close()


@conforms("MTS-STC-01", "MTS-TMR-01")
def test_constructor_of_step_counter(train, record):
    make = train.StepCounterHook
    for arguments in (
        {}, {"every_n_steps": None}, {"every_n_steps": 1, "every_n_secs": 1}, {"every_n_secs": 1},
        {"every_n_steps": None, "every_n_secs": 1}, {"every_n_steps": "x"},
    ):  # fmt: skip
        record.outcome(str(arguments), lambda: type(make(**arguments)).__name__)


@conforms("MTS-STC-01")
def test_tag_and_writer(train, record):
    with tf.variable_scope("bar"):
        step = tf.get_variable(
            "foo", initializer=0, trainable=False, collections=[tf.GraphKeys.GLOBAL_STEP, tf.GraphKeys.GLOBAL_VARIABLES]
        )
    increment = record.global_step()
    writer = tf.summary.FileWriterCache.get(record.path("other"))
    hooks = [train.StepCounterHook(every_n_steps=1), train.StepCounterHook(every_n_steps=1, summary_writer=writer)]
    session = record.session(hooks)
    for _ in range(3):
        record.clock.advance(0.25)
        session.run(increment)
    record("step", session.run(step))
    session.close()


@conforms("MTS-STC-03")
def test_step_does_not_move(train, record):
    # The first warnings are counted over the process, not the hook.
    record.global_step()
    constant = tf.constant(1.0)
    for _ in range(2):
        session = record.session([train.StepCounterHook(every_n_steps=1)])
        for _ in range(8):
            session.run(constant)
        session.close()


@pytest.mark.parametrize("hook", ("StepCounterHook", "SummarySaverHook", "StopAtStepHook"))
@conforms("MTS-ARG-11", "MTS-GS-03")
def test_no_global_step(train, record, hook):
    constant = tf.constant("x")
    make = {
        "StepCounterHook": lambda: train.StepCounterHook(output_dir=record.path("logdir")),
        "SummarySaverHook": lambda: train.SummarySaverHook(save_steps=1, summary_op=constant),
        "StopAtStepHook": lambda: train.StopAtStepHook(1),
    }[hook]
    record.outcome("make", lambda: record.session([make()]))


@pytest.mark.parametrize("place", (False, True))
@conforms("MTS-SUM-03", "MTS-SUM-02")
def test_how_often_summaries_are_evaluated(train, record, place):
    step = record.global_step()

    def evaluate():
        record("evaluated")
        return 1.0

    value = tf.py_func(evaluate, [], tf.float64)
    value.set_shape([])
    summary = tf.summary.scalar("s", value)
    output = {"output_dir": record.path("logdir")} if place else {}
    session = record.session([train.SummarySaverHook(save_steps=3, summary_op=summary, **output)])
    for _ in range(5):
        record("run", session.run(step))
    session.close()
