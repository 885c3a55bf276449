"""Boundary cases that the specification states in words: what each side does is asserted, and both are compared.

Most scenarios of the other modules compare only, and so would not notice a sentence that is wrong for both sides.
"""

import os

import numpy as np
import pytest

from conformance.harness import conforms
from conformance.trace import tf


def train_for(record, hooks, step, runs, secs=1.0):
    """Run a session of `hooks` for some runs."""
    with record.session(hooks) as session:
        for _ in range(runs):
            record.clock.advance(secs)
            session.run(step)


class Writer:
    """Stands for a FileWriter; keeps the steps at which something was added."""

    def __init__(self):
        self.steps = []

    def add_session_log(self, log, step):
        """Keep nothing."""

    def add_summary(self, summary, step):
        """Keep the step."""
        self.steps.append(int(step))

    def flush(self):
        """Do nothing."""


@conforms("MTS-TMR-01", "MTS-TMR-02")
def test_periods_of_zero_and_less(train, record):
    due = {}
    for name, value in (("every_steps", 0), ("every_steps", -1), ("every_secs", 0), ("every_secs", -10)):
        timer = train.SecondOrStepTimer(**{name: value})
        timer.update_last_triggered_step(5)
        answers = [timer.should_trigger_for_step(step) for step in (5, 6, 4, 2)]
        record.clock.advance(-5)
        answers.append(timer.should_trigger_for_step(6))
        due[name, value] = record("due", answers)
    assert due == {
        ("every_steps", 0): [False, True, False, False, True],
        ("every_steps", -1): [False, True, True, False, True],
        ("every_secs", 0): [False, True, True, True, False],
        ("every_secs", -10): [False, True, True, True, True],
    }


@pytest.mark.parametrize("number", ("int8", "int16", "int32", "int64"))
@pytest.mark.parametrize("near_the_end", (False, True))
@conforms("MTS-CKH-02")
def test_types_of_the_global_step(train, record, number, near_the_end):
    saved = []
    listener = record.listener("L", before_save=lambda _, step: saved.append(step))
    kind = tf.as_dtype(number)
    first = int(kind.max) - 5 if near_the_end else 0
    keys = [tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.GLOBAL_STEP]
    tf.get_variable("global_step", initializer=tf.constant(first, kind), trainable=False, collections=keys)
    step = record.global_step()
    hook = train.CheckpointSaverHook(record.path("logdir"), save_steps=1, listeners=[listener])
    numpy_2 = np.lib.NumpyVersion(np.__version__) >= "2.0.0"
    with record.session([hook]) as session:
        for _ in range(3):
            if numpy_2 and number in ("int8", "int16"):
                with pytest.raises(OverflowError):
                    session.run(step)
            else:
                record.outcome("run", session.run, step)
    assert {type(step).__name__ for step in saved} == {number}
    # The sum wraps round, of 64 bits in any NumPy: no save is due before the one at the end.
    wraps = near_the_end and (numpy_2 or number == "int64")
    every = not wraps and not (numpy_2 and number in ("int8", "int16"))
    assert [int(step) - first for step in saved] == ([0, 1, 2, 3] if every else [0, 3])


@conforms("MTS-CKH-06")
def test_a_saver_of_the_collection_is_kept_for_the_next_session(train, record):
    hook = train.CheckpointSaverHook(record.path("logdir"), save_steps=2)
    lists = []
    for name in ("first", "second"):
        with record.graph():
            tf.get_variable(name, initializer=1.0)
            record.outcome(name, train_for, record, [hook], record.global_step(), 3)
            own = tf.get_collection(tf.GraphKeys.SAVERS)[0]
            lists.append(record("listed by its own saver", [os.path.basename(path) for path in own.last_checkpoints]))
    assert lists == [["model.ckpt-0", "model.ckpt-2", "model.ckpt-3"], []]


@conforms("MTS-STC-01")
def test_a_counter_goes_on_in_the_next_session(train, record):
    writer = Writer()
    hook = train.StepCounterHook(every_n_steps=2, summary_writer=writer)
    for runs in (4, 6):
        with record.graph():
            train_for(record, [hook], record.global_step(), runs)
        record.clock.advance(100)
    record("steps", writer.steps)
    # A hook of its own would have begun anew, and reported at step 3 first.
    assert writer.steps == [3, 5]
    assert any("global_step/sec: 0.01" in line for line in record.logs())


@conforms("MTS-LOG-02")
def test_a_run_that_fails_is_not_counted(train, record):
    value = tf.placeholder_with_default(1.0, [])
    checked = tf.check_numerics(value, "not a number")
    lines = []
    hook = train.LoggingTensorHook([checked], every_n_iter=2, formatter=lambda values: lines.append(run))
    with record.session([hook]) as session:
        for run in range(6):
            record.outcome("run", session.run, checked, {value: float("nan") if run == 1 else 1.0})
    assert record("logged in the runs", lines) == [0, 3, 5]


@pytest.mark.parametrize("name", ("c:x", "c:", "c:0:0", ":"))
@conforms("MTS-LOG-03")
def test_a_name_that_is_none(train, record, name):
    tf.constant(1, name="c")
    with pytest.raises(ValueError, match="is not a valid one") as caught:
        train.LoggingTensorHook([name], every_n_iter=1).begin()
    record("error", caught.value)


@pytest.mark.parametrize("target", (0, 1))
@conforms("MTS-STP-01", "MTS-STP-02")
def test_a_step_that_does_not_move(train, record, target):
    step = record.global_step(0)
    with record.session([train.StopAtStepHook(last_step=target)]) as session:
        runs = 0
        while not session.should_stop() and runs < 4:
            session.run(step)
            runs += 1
    assert record("runs", runs) == {0: 1, 1: 4}[target]


@pytest.mark.parametrize("after", (False, True))
@conforms("MTS-STP-02", "MTS-SUM-02")
def test_whether_the_hooks_read_before_the_update(train, record, after):
    def run_until_stopped(hook, increment):
        """Return how many runs it takes; with `after`, what the hooks fetch moves the step and has the new value."""
        if after:
            step, read = train.create_global_step(), "global_step_read_op_cache"
            moves = tf.placeholder_with_default(False, [])

            def moved():
                with tf.control_dependencies([tf.assign_add(step, increment)]):
                    return tf.identity(step.read_value())

            op = tf.cond(moves, moved, lambda: tf.identity(step.read_value())) + 0
            tf.add_to_collection(read, op)
            feed = {moves: True}
        else:
            op, feed = record.global_step(increment), {}
        with record.session([hook]) as session:
            runs = 0
            while not session.should_stop() and runs < 9:
                session.run(op, feed)
                runs += 1
        return runs

    with record.graph():
        runs = record("runs", run_until_stopped(train.StopAtStepHook(last_step=15), 10))
    assert runs == (2 if after else 3)
    written = {}
    for every, increment in ((1, 1), (2, 1), (3, 1), (3, 2)):
        with record.graph():
            writer = Writer()
            hook = train.SummarySaverHook(every, summary_writer=writer, summary_op=tf.summary.scalar("x", 1.0))
            run_until_stopped(hook, increment)
            written[every, increment] = record("written", writer.steps)
    if after:
        assert written[3, 1] == [1, 3, 5, 7, 9]
    else:
        assert written[3, 1] == [1, 4, 7]
        assert written[3, 2] == [2, 8, 14]
    assert written[1, 1] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert written[2, 1] == [1, 3, 5, 7, 9]


@conforms("MTS-FIN-01")
def test_values_of_the_last_session(train, record):
    hook = train.FinalOpsHook(tf.constant(3))
    seen = []
    for _ in range(2):
        with record.session([hook]):
            seen.append(hook.final_ops_values)
    assert record("seen", seen) == [None, 3]


@pytest.mark.parametrize("resource", (False, True))
@conforms("MTS-GS-01")
def test_a_variable_that_has_the_name_alone(train, record, resource):
    tf.Variable(0, name="global_step", trainable=False, use_resource=resource)
    if resource:
        with pytest.raises(TypeError) as caught:
            train.get_or_create_global_step()
        record("error", caught.value)
    else:
        assert record("name", train.get_or_create_global_step().name) == "global_step:0"


@pytest.mark.parametrize("resource", (False, True))
@pytest.mark.parametrize("new_control_flow", (False, True))
@conforms("MTS-GS-03")
def test_reading_before_initialisation(train, record, resource, new_control_flow):
    enabled = tf.control_flow_v2_enabled()
    (tf.enable_control_flow_v2 if new_control_flow else tf.disable_control_flow_v2)()
    try:
        with tf.variable_scope("", use_resource=resource):
            train.create_global_step()
        hook = train.StopAtStepHook(num_steps=3)
        hook.begin()
    finally:
        (tf.enable_control_flow_v2 if enabled else tf.disable_control_flow_v2)()
    (read,) = tf.get_collection("global_step_read_op_cache")
    with tf.Session(config=record.config()) as session:
        if new_control_flow and not resource:
            with pytest.raises(tf.errors.FailedPreconditionError):
                session.run(read)
        else:
            assert record("read", session.run(read)) == 0


@conforms("MTS-GS-02", "Q-41")
def test_a_third_global_step_whose_name_is_taken(train, record):
    train.create_global_step()
    tf.add_to_collection(tf.GraphKeys.GLOBAL_STEP, tf.constant(2))
    with pytest.raises(ValueError, match="^Variable global_step already exists, disallowed. ") as caught:
        train.get_or_create_global_step()
    record("error", type(caught.value).__name__)


@pytest.mark.parametrize("cleared", (False, True))
@conforms("MTS-EVT-01", "MTS-EVT-05")
def test_two_writers_in_one_second(train, record, cleared):
    def write(folder, tag):
        writer = tf.summary.FileWriterCache.get(folder)
        writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag=tag, simple_value=1.0)]), 1)
        writer.flush()

    def tags(folder):
        (file,) = os.listdir(folder)
        events = tf.train.summary_iterator(os.path.join(folder, file))
        return [value.tag for event in events for value in event.summary.value]

    # Files are named by the real clock: where a second ends in between, it is tried again.
    for attempt in range(100):
        folder = record.path("attempt-{}".format(attempt))
        write(folder, "first")
        if cleared:
            tf.summary.FileWriterCache.clear()
        write(folder if cleared else folder + "/", "second")
        if len(os.listdir(folder)) == 1:
            break
        tf.summary.FileWriterCache.clear()
    assert tags(folder) == ["second"]
    write(folder, "third")
    if cleared:
        assert tags(folder) == ["second", "third"]
    else:
        with pytest.raises(tf.errors.DataLossError):
            tags(folder)


@conforms("MTS-EVT-02", "MTS-PRF-01")
def test_a_profiler_hook_opens_the_file(train, record):
    step = record.global_step()
    profiler = train.ProfilerHook(save_steps=9, output_dir=record.path("logdir"))
    tf.constant(1, name="later")
    train_for(record, [train.CheckpointSaverHook(record.path("logdir"), save_steps=9), profiler], step, 1)
    tf.summary.FileWriterCache.clear()
    (file,) = (name for name in os.listdir(record.path("logdir")) if name.startswith("events"))
    events = tf.train.summary_iterator(record.path("logdir", file))
    graphs = [tf.GraphDef.FromString(event.graph_def) for event in events if event.HasField("graph_def")]
    assert ["later" in [node.name for node in graph.node] for graph in graphs] == [False, True]


def saved(train, record, path, listed=(), **saver):
    """Save once and return what the state file says, below `D` for the scenario's directory."""
    with record.graph():
        weight = tf.get_variable("weight", initializer=1.0)
        saver = train.Saver(**saver)
        saver.set_last_checkpoints(list(listed))
        with tf.Session(config=record.config()) as session:
            session.run(weight.initializer)
            record("saved", saver.save(session, path, write_meta_graph=False))
    with open(os.path.join(os.path.dirname(path), "checkpoint")) as file:
        return record("state", file.read().replace(record.directory, "D"))


@conforms("MTS-CKP-04")
def test_relative_paths_of_an_absolute_list(train, record):
    os.chdir(record.directory)
    os.mkdir("d")
    listed = [record.path("d", "w-1")]
    relative = saved(train, record, "d/w", listed, save_relative_paths=True)
    assert 'all_model_checkpoint_paths: "../w-1"\n' in relative
    assert 'all_model_checkpoint_paths: "D/d/w-1"\n' in saved(train, record, "d/w", listed)
    absolute = saved(train, record, record.path("d/w"), listed, save_relative_paths=True)
    assert 'all_model_checkpoint_paths: "w-1"\n' in absolute
    assert 'all_model_checkpoint_paths: "d/w-1"\n' in saved(train, record, record.path("d/w"), ["d/w-1"])


@conforms("MTS-CKP-06")
def test_a_sharded_checkpoint_called_as_the_state_file(train, record):
    os.chdir(record.directory)
    for name in ("relative", "absolute", "made relative"):
        os.mkdir(name)
    assert 'model_checkpoint_path: "checkpoint"\n' in saved(train, record, "relative/checkpoint", sharded=True)
    path = record.path("made relative", "checkpoint")
    assert 'model_checkpoint_path: "checkpoint"\n' in saved(train, record, path, sharded=True, save_relative_paths=True)
    with pytest.raises(RuntimeError, match="conflicts with path used for checkpoint state"):
        saved(train, record, record.path("absolute", "checkpoint"), sharded=True)
    # No timestamps are not too few.
    train.update_checkpoint_state(record.path("absolute"), "b", ["a", "b"], all_model_checkpoint_timestamps=[])


@pytest.mark.parametrize("version", (tf.train.SaverDef.V1, tf.train.SaverDef.V2))
@conforms("MTS-CKP-07", "MTS-CKP-01")
def test_formats_and_what_is_deleted(train, record, version):
    old = version == tf.train.SaverDef.V1
    kept = ["p.data-00000-of-00001", "p.index"] if old else ["p"]
    for name in ("p", "p.meta", "p.index", "p.data-00000-of-00001"):
        with open(record.path(name), "w"):
            pass
    train.remove_checkpoint(record.path("p"), version)
    assert record("left", sorted(os.listdir(record.directory))) == kept
    tf.get_variable("weight", initializer=1.0)
    saver = train.Saver(write_version=version, sharded=True, max_to_keep=1, pad_step_number=True)
    with tf.Session(config=record.config()) as session:
        session.run(tf.global_variables_initializer())
        paths = [
            saver.save(session, record.path("w"), step, meta_graph_suffix=end) for step, end in ((-3, "a"), (4, "b"))
        ]
    ending = "-?????-of-00001" if old else ""
    assert record("paths", paths) == [record.path(f"w--0000003{ending}"), record.path(f"w-00000004{ending}")]
    files = ["w-00000004-00000-of-00001"] if old else ["w-00000004.data-00000-of-00001", "w-00000004.index"]
    left = sorted(name for name in os.listdir(record.directory) if name.startswith("w"))
    assert record("left", left) == sorted(["w--0000003.a", "w-00000004.b", *files])


@conforms("MTS-CKP-08", "MTS-CKP-07")
def test_a_directory_that_is_missing(train, record):
    made = {}
    for name, arguments in (
        ("V2", {}), ("sharded", {"sharded": True}), ("V1", {"write_version": tf.train.SaverDef.V1}), ("empty", {}),
    ):  # fmt: skip
        with record.graph():
            if name != "empty":
                tf.get_variable("weight", initializer=1.0)
            saver = train.Saver(allow_empty=True, **arguments)
            with tf.Session(config=record.config()) as session:
                session.run(tf.global_variables_initializer())
                path = record.path(name, "w")
                record.outcome(name, saver.save, session, path, write_meta_graph=name == "empty")
            made[name] = os.path.isdir(os.path.dirname(path))
    assert made == {"V2": True, "sharded": False, "V1": False, "empty": True}
    gone = record.path("gone", "w")
    assert train.checkpoint_exists(gone) is False
    assert train.get_checkpoint_mtimes([gone]) == []
