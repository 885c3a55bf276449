"""CheckpointSaverHook: when it saves, what it tells listeners, what it writes (MTS-CKH)."""

import os
import re

import pytest

from conformance.errors import make_error
from conformance.harness import conforms
from conformance.trace import tf


def train_with_saver(
    train, record, runs, increment=1, restore=False, directory="logdir", listener=None, every=None,
    **hook,
):  # fmt: skip
    """Run a session with one CheckpointSaverHook; `every` lists runs without a step, if any."""
    with record.graph():
        step = record.global_step(increment)
        constant = tf.constant(1.0)
        hook.setdefault("save_steps", 2)
        listener = listener or record.listener("L")
        path = record.path(directory)
        saver = train.CheckpointSaverHook(path, listeners=[listener], **hook)
        session = record.session([saver], checkpoint_dir=path if restore else None)
        for index in range(runs):
            if session.should_stop():
                record("stopped before run", index)
                break
            record.outcome("run", session.run, constant if every and index % every else step)
        session.close()


@pytest.mark.parametrize("steps", (1, 2, 3, 5))
@pytest.mark.parametrize("increment", (1, 3, 10, 0, -1))
@conforms("MTS-CKH-01", "MTS-CKH-02", "MTS-CKH-03", "MTS-CKH-08", "MTS-EVT-02")
def test_schedule(train, record, steps, increment):
    train_with_saver(train, record, 5, increment, save_steps=steps)


@conforms("MTS-CKH-01", "MTS-CKH-03", "MTS-CKH-07", "MTS-EVT-01", "MTS-SES-02")
def test_resume(train, record):
    train_with_saver(train, record, 5)
    record.files("after the first")
    train_with_saver(train, record, 3, restore=True)


@conforms("MTS-CKH-01", "MTS-CKH-03", "MTS-CKH-07")
def test_no_run(train, record):
    train_with_saver(train, record, 0)


@conforms("MTS-CKH-02")
def test_runs_without_a_step(train, record):
    train_with_saver(train, record, 6, every=2, save_steps=1)


@conforms("MTS-CKH-02", "MTS-TMR-02")
def test_seconds(train, record):
    step = record.global_step()
    hook = train.CheckpointSaverHook(record.path("logdir"), save_secs=10, listeners=[record.listener("L")])
    session = record.session([hook])
    for secs in (0, 5, 4.9, 0.1, 0, 9.99, 0.02, 30, -20, 15):
        record.clock.advance(secs)
        record("run", session.run(step))
    session.close()


@pytest.mark.parametrize("value", (True, "yes", 1, 0, None, [], [0]), ids=str)
@pytest.mark.parametrize("at", (0, 2, 6))
@conforms("MTS-CKH-04")
def test_listener_stops(train, record, at, value):
    stopper = record.listener("L", after_save=lambda _, step: value if step == at else None)
    second = record.listener("M")
    with record.graph():
        step = record.global_step()
        hook = train.CheckpointSaverHook(record.path("logdir"), save_steps=2, listeners=[stopper, second])
        session = record.session([hook])
        for _ in range(6):
            if session.should_stop():
                record("stopped")
                break
            record("run", session.run(step))
        session.close()


@pytest.mark.parametrize("stage", ("before_save", "after_save"))
@pytest.mark.parametrize("at", (0, 2, 3))
@conforms("MTS-CKH-05", "MTS-CKH-04")
def test_listener_fails(train, record, stage, at):
    failed = []

    def fail(_, step):
        if step == at and not failed:
            failed.append(1)
            raise ValueError("from the listener")

    step = record.global_step()
    hook = train.CheckpointSaverHook(
        record.path("logdir"), save_steps=2, listeners=[record.listener("L", **{stage: fail})]
    )

    def whole():
        session = record.session([hook])
        for _ in range(3):
            record.outcome("run", session.run, step)
        record.outcome("close", session.close)

    record.outcome("whole", whole)


@conforms("MTS-CKH-05", "Q-32")
def test_a_failed_save_is_not_repeated_at_the_end(train, record):
    failed = []

    def fail(_, step):
        if step == 2:
            failed.append(step)
            raise ValueError("from the listener")

    step = record.global_step()
    listener = record.listener("L", before_save=fail)
    session = record.session([train.CheckpointSaverHook(record.path("logdir"), save_steps=2, listeners=[listener])])
    for _ in range(2):
        record.outcome("run", session.run, step)
    record.outcome("close", session.close)
    record("failed", failed)
    record("latest", train.latest_checkpoint(record.path("logdir")))


@conforms("MTS-CKH-06", "MTS-CKH-08", "MTS-TMR-01")
def test_constructor(train, record):
    make = train.CheckpointSaverHook
    path = record.path("logdir")
    for arguments in (
        {}, {"save_secs": 1, "save_steps": 1}, {"save_secs": 1, "saver": 1, "scaffold": 1},
        {"save_steps": 0}, {"save_steps": -3}, {"save_secs": 0}, {"save_steps": 1.5},
    ):  # fmt: skip
        record.outcome(str(arguments), lambda: type(make(path, **arguments)).__name__)
    record.outcome("no directory", lambda: type(make(None, save_secs=1)).__name__)
    record.outcome("a number", lambda: type(make(5, save_secs=1)).__name__)


@pytest.mark.parametrize("case", ("none", "two and explicit", "two", "explicit", "scaffold", "one"))
@conforms("MTS-CKH-06", "MTS-SCF-04", "MTS-SCF-06")
def test_which_saver(train, record, case):
    step = record.global_step()
    savers = [train.Saver(max_to_keep=7) for _ in range(2)]
    arguments = {}
    scaffold = None
    if case == "none":
        scaffold = train.Scaffold(saver=savers[0])
    elif case in ("explicit", "scaffold"):
        arguments = {"saver": savers[0]} if case == "explicit" else {}
        scaffold = train.Scaffold(saver=savers[0])
        if case == "scaffold":
            arguments = {"scaffold": scaffold}
    else:
        for saver in savers[: 1 if case == "one" else 2]:
            tf.add_to_collection(tf.GraphKeys.SAVERS, saver)
        if case == "two and explicit":
            scaffold = train.Scaffold(saver=savers[0])
    hook = train.CheckpointSaverHook(record.path("logdir"), save_steps=1, **arguments)

    def whole():
        session = record.session([hook], scaffold=scaffold)
        record("run", session.run(step))
        session.close()

    record.outcome("whole", whole)
    record("last", [list(saver.last_checkpoints) for saver in savers])


@conforms("MTS-CKH-07", "MTS-SCF-06", "Q-31")
def test_empty_saver(train, record):
    tf.constant(3, dtype=tf.int64, name="global_step")
    constant = tf.constant(1.0)
    session = record.session([train.CheckpointSaverHook(record.path("logdir"), save_steps=1)])
    record("run", session.run(constant))
    session.close()


@pytest.mark.parametrize("save_graph_def", (True, False))
@conforms("MTS-CKH-07", "MTS-EVT-02")
def test_graph_def(train, record, save_graph_def):
    train_with_saver(train, record, 3, save_graph_def=save_graph_def)


@conforms("MTS-CKH-01", "MTS-CKH-07")
def test_graph_text(train, record):
    # All that the text of nodes can hold. Functions are numbered over the process, and in a library
    # they are in the order of a hash of their names.
    record.global_step()
    text = tf.identity(tf.constant('quo"te, \n, \\ and \u00e9'), name="text")
    with tf.device("/device:CPU:0"), tf.control_dependencies([text.op]):
        real = tf.placeholder(tf.float32, [None, 2], name="real") * 0.1
    tf.cond(tf.size(real) > 2, lambda: real * 1e-30, lambda: real / 3.0)
    hook = train.CheckpointSaverHook(record.path("logdir"), save_steps=1, saver=tf.train.Saver())
    hook.begin()
    with tf.Session(config=record.config()) as session:
        session.run(tf.global_variables_initializer())
        hook.after_create_session(session, None)
    with open(record.path("logdir", "graph.pbtxt")) as file:
        nodes, _, library = file.read().partition("\nlibrary {\n")
    record("nodes", re.sub(r"(cond_(?:true|false))_\d+", r"\1", nodes).splitlines())
    record("library", len(library.splitlines()))


@conforms("MTS-CKH-02", "MTS-GS-03", "MTS-STC-01", "MTS-SUM-01")
def test_another_counter_beside_the_global_step(train, record):
    # Only the global step is what hooks read again after a run.
    examples = tf.get_variable("examples", initializer=tf.constant(1000, tf.int64), trainable=False)
    step = record.global_step()
    tf.summary.scalar("one", 1.0)
    more = tf.assign_add(examples, 32)
    every = dict.fromkeys(("save_checkpoint_steps", "log_step_count_steps", "save_summaries_steps"), 2)
    session = train.MonitoredTrainingSession(config=record.config(), checkpoint_dir=record.path("logdir"), **every)
    for _ in range(5):
        record("run", session.run([step, more]))
    session.close()


@conforms("MTS-CKH-07", "MTS-CKP-04")
def test_names(train, record):
    train_with_saver(train, record, 1, directory="deep/er/dir", checkpoint_basename="zz")
    train_with_saver(train, record, 1, directory="with space")
    train_with_saver(train, record, 1, directory="trailing/")
    train_with_saver(train, record, 1, directory='quo"te', restore=True)
    train_with_saver(train, record, 1, directory='quo"te', restore=True)


@conforms("MTS-CKP-04", "MTS-CKH-07")
def test_relative_directory(train, record):
    saved = os.getcwd()
    os.chdir(record.path())
    try:
        step = record.global_step()
        hook = train.CheckpointSaverHook("relative", save_steps=1)
        session = record.session([hook])
        record("run", session.run(step))
        session.close()
        record("latest", train.latest_checkpoint("relative"))
        record("state", list(train.get_checkpoint_state("relative").all_model_checkpoint_paths))
    finally:
        os.chdir(saved)


@pytest.mark.parametrize("keep", (5, 2, 1, 0, None, -1))
@conforms("MTS-CKP-02", "MTS-CKP-04", "MTS-CKP-07", "Q-35")
def test_max_to_keep(train, record, keep):
    step = record.global_step()
    saver = train.Saver(max_to_keep=keep)
    hook = train.CheckpointSaverHook(record.path("logdir"), save_steps=1, saver=saver)
    session = record.session([hook], scaffold=train.Scaffold(saver=saver))
    for _ in range(4):
        record.outcome("run", session.run, step)
    session.close()
    record("last", list(saver.last_checkpoints))


@conforms("MTS-CKH-06", "MTS-CKP-02", "Q-34")
def test_two_hooks_share_a_saver(train, record):
    step = record.global_step()
    session = record.session(
        [train.CheckpointSaverHook(record.path("b"), save_steps=1)],
        kind="MonitoredTrainingSession",
        checkpoint_dir=record.path("a"),
        save_checkpoint_steps=1,
    )
    for _ in range(3):
        session.run(step)
    session.close()


@pytest.mark.parametrize("where", ("hooks", "chief_only_hooks"))
@conforms("MTS-ARG-07", "MTS-CKH-03", "Q-23")
def test_who_fails_before_the_save(train, record, where):
    step = record.global_step()

    def fail(*_):
        raise ValueError("from A")

    def block():
        with record.session(
            kind="MonitoredTrainingSession",
            checkpoint_dir=record.path("logdir"),
            save_checkpoint_steps=1,
            **{where: [record.hook("A", after_run=fail)]},
        ) as session:
            session.run(step)

    record.outcome("block", block)


@pytest.mark.parametrize("error", ("ValueError", "OutOfRangeError", "StopIteration"))
@conforms("MTS-CKH-03", "MTS-EXC-02", "MTS-EXC-01")
def test_last_checkpoint_after_a_body_error(train, record, error):
    step = record.global_step()

    def block():
        with record.session(kind="MonitoredTrainingSession", checkpoint_dir=record.path("logdir")) as session:
            session.run(step)
            session.run(step)
            raise make_error(error, "from the body")

    record.outcome("block", block)


@conforms("MTS-CKH-01", "MTS-GS-03")
def test_no_global_step(train, record):
    tf.constant(1.0)
    hook = train.CheckpointSaverHook(record.path("logdir"), save_steps=1)
    record.outcome("make", record.session, [hook])


@conforms("MTS-CKH-04")
def test_listener_of_the_base_class(train, record):
    listener = train.CheckpointSaverListener()
    record.outcome("begin", listener.begin)
    record.outcome("before", listener.before_save, None, 1)
    record.outcome("after", listener.after_save, None, 1)
    record.outcome("end", listener.end, None, 1)


@pytest.mark.parametrize("dtype", ("int32", "int16", "int64"))
@conforms("MTS-CKH-04", "MTS-CKH-08")
def test_type_of_the_step_that_listeners_get(train, record, dtype):
    collections = [tf.GraphKeys.GLOBAL_STEP, tf.GraphKeys.GLOBAL_VARIABLES]
    initial = tf.constant(0, dtype)
    variable = tf.get_variable("global_step", initializer=initial, trainable=False, collections=collections)
    step = tf.assign_add(variable, tf.constant(1, dtype))

    def look(_, value):
        record("step", [type(value).__name__, int(value)])

    listener = record.listener("L", before_save=look, after_save=look)
    session = record.session([train.CheckpointSaverHook(record.path("logdir"), save_steps=2, listeners=[listener])])
    for _ in range(3):
        record.outcome("run", session.run, step)
    session.close()
