"""Parts of one side inside the other, and files of one side read by the other.

The oracle's own trace is compared with that of a mixture: some names from the subject and the rest
from the oracle, and the other way round.
"""

import functools
import os

import hypothesis
import pytest
from hypothesis import strategies as st

from conformance import implementations, program, strategies
from conformance.interpreter import perform
from conformance.trace import tf

PARTS = {
    "sessions": "MonitoredTrainingSession MonitoredSession SingularMonitoredSession",
    "creators": "SessionCreator ChiefSessionCreator WorkerSessionCreator",
    "scaffold": "Scaffold",
    "manager": "SessionManager",
    "hooks": (
        "CheckpointSaverHook StepCounterHook SummarySaverHook StopAtStepHook LoggingTensorHook "
        "NanTensorHook GlobalStepWaiterHook FinalOpsHook FeedFnHook ProfilerHook"
    ),
    "contract": "SessionRunHook SessionRunArgs CheckpointSaverListener",
    "saver": "Saver",
    "state": (
        "latest_checkpoint get_checkpoint_state update_checkpoint_state checkpoint_exists "
        "generate_checkpoint_state_proto remove_checkpoint get_checkpoint_mtimes"
    ),
    "queue runners": "QueueRunner add_queue_runner start_queue_runners Coordinator LooperThread",
    "global step": "get_global_step create_global_step get_or_create_global_step",
}
MIXTURES = [(part, base) for part in PARTS for base in ("oracle", "subject")]


def mix(harness, part, base):
    names = frozenset(PARTS[part].split())
    sides = (harness.oracle, harness.subject)
    return implementations.mixture(*(sides if base == "oracle" else sides[::-1]), names)


def whole_job(train, record):
    """Everything at once: default hooks, the user's, summaries, a saver, a queue runner, a resume."""
    for part in range(2):
        with record.graph():
            step = record.global_step()
            queue = tf.FIFOQueue(10, [tf.float32], shapes=[[]], name="q")
            train.add_queue_runner(train.QueueRunner(queue, [queue.enqueue(1.0, name="put")]))
            value = queue.dequeue()
            with tf.control_dependencies([step]):
                total = tf.assign_add(tf.Variable(1.0, name="weight"), value)
            tf.summary.scalar("total", total)
            fed = tf.placeholder_with_default(0.0, [])
            saver = train.Saver(max_to_keep=2)
            scaffold = train.Scaffold(saver=saver, init_fn=lambda *_: record("init_fn"))
            final = train.FinalOpsHook(tf.train.get_global_step())
            hooks = [
                record.hook("A"),
                train.StopAtStepHook(num_steps=5),
                train.LoggingTensorHook({"total": total}, every_n_iter=2),
                train.NanTensorHook(total),
                train.FeedFnHook(lambda: {fed: 1.0}),
                train.GlobalStepWaiterHook(0),
                final,
                train.CheckpointSaverHook(
                    record.path("second"), save_steps=3, scaffold=scaffold, listeners=[record.listener("L")]
                ),
            ]
            with record.session(
                hooks,
                kind="MonitoredTrainingSession",
                scaffold=scaffold,
                checkpoint_dir=record.path("first"),
                save_checkpoint_steps=2,
                save_summaries_steps=2,
                log_step_count_steps=2,
            ) as session:
                while not session.should_stop():
                    record.clock.advance(0.5)
                    record("run", session.run([total, fed]))
            record("final", final.final_ops_values)
            record("last", list(saver.last_checkpoints))
            record("latest", train.latest_checkpoint(record.path("first")))


def preempted_job(train, record):
    """Preemption in the middle, with a creator, a restore, and a worker's view at the end."""
    step = record.global_step()
    failed = []

    def fail(_):
        if len(failed) < 4:
            failed.append(1)
            if len(failed) in (2, 4):
                raise tf.errors.AbortedError(None, None, "again")
        return train.SessionRunArgs(step, None, tf.RunOptions(trace_level=1))

    scaffold = train.Scaffold(saver=train.Saver(sharded=True))
    directory = record.path("logdir")
    hooks = [
        train.CheckpointSaverHook(directory, save_steps=1, scaffold=scaffold),
        record.hook("A", before_run=fail),
        train.StopAtStepHook(last_step=4),
    ]
    creator = train.ChiefSessionCreator(scaffold, config=record.config(), checkpoint_dir=directory)
    with train.MonitoredSession(session_creator=creator, hooks=hooks) as session:
        while not session.should_stop():
            record("run", session.run(step))
    with record.graph():
        value = tf.constant(1.0)
        creator = train.WorkerSessionCreator(train.Scaffold(), config=record.config())
        with train.MonitoredSession(session_creator=creator, hooks=[record.hook("W")]) as session:
            record("worker", session.run(value))


RULES = ("MTS-LIFE-01", "MTS-RUN-02", "MTS-EVT-03", "MTS-SES-02", "MTS-EXC-04")


@pytest.mark.parametrize("part, base", MIXTURES)
@pytest.mark.parametrize("job", (whole_job, preempted_job))
@pytest.mark.rule(*RULES)
def test_parts_of_one_side_inside_the_other(harness, request, rules, job, part, base):
    node = request.node.nodeid
    harness.judge(job, rules, f"scenario: {node}", f"python -m pytest '{node}'", mix(harness, part, base))


@pytest.mark.rule(*RULES)
@hypothesis.settings(max_examples=60)
@hypothesis.given(plan=strategies.programs, mixture=st.sampled_from(MIXTURES))
def test_random_programs_on_mixtures(harness, rules, plan, mixture):
    part, base = mixture
    harness.judge(
        functools.partial(perform, program=plan),
        rules,
        f"a random hook program, {part} in {base}\nprogram: {program.to_json(plan)}",
        "python -m pytest conformance/test_interchange.py -k random",
        mix(harness, part, base),
    )


def write_everything(train, record, directory):
    """Write a checkpoint of several kinds of variables, a state file and events; return the path."""
    with tf.Graph().as_default(), tf.Session(config=record.config()) as session:
        make_variables(7.0)
        session.run(tf.global_variables_initializer())
        saver = train.Saver(sharded=True)
        os.makedirs(directory)
        return saver.save(session, os.path.join(directory, "m"), global_step=3)


def make_variables(value):
    tf.Variable(value, name="resource", use_resource=True)
    tf.Variable(value, name="reference", use_resource=False)
    partitioner = tf.fixed_size_partitioner(2)
    with tf.variable_scope("scope", partitioner=partitioner):
        tf.get_variable("parts", [4, 3], initializer=tf.constant_initializer(value))
    tf.Variable(b"text", name="string")
    tf.Variable([[1, 2], [3, 4]], name="matrix", dtype=tf.int64)


@pytest.mark.parametrize("writer", ("oracle", "subject"))
@pytest.mark.rule("MTS-CKP-01", "MTS-CKP-04", "MTS-CKP-05", "MTS-SES-02")
def test_checkpoints_of_one_side_in_the_other(harness, differential, writer):
    write = getattr(harness, writer).namespace

    def scenario(train, record):
        directory = record.path("saved")
        path = write_everything(write, record, directory)
        record("latest", train.latest_checkpoint(directory))
        record("state", list(train.get_checkpoint_state(directory).all_model_checkpoint_paths))
        record("exists", train.checkpoint_exists(path))
        for arguments in ({"checkpoint_dir": directory}, {"checkpoint_filename_with_path": path}):
            with record.graph():
                make_variables(0.0)
                scaffold = train.Scaffold()
                session = record.session(scaffold=scaffold, **arguments)
                record("all", session.run(tf.global_variables()))
                record("last", list(scaffold.saver.last_checkpoints))
                session.close()
        with record.graph(), tf.Session(config=record.config()) as session:
            tf.train.import_meta_graph(path + ".meta").restore(session, path)
            names = ("resource/Read/ReadVariableOp:0", "reference:0")
            record("from the meta graph", session.run(names))
            record("savers", len(tf.get_collection(tf.GraphKeys.SAVERS)))
        train.remove_checkpoint(path)

    differential(scenario)


@pytest.mark.parametrize("first", ("oracle", "subject"))
@pytest.mark.rule("MTS-EVT-01", "MTS-EVT-03", "MTS-SES-02", "MTS-CKH-01")
def test_one_job_started_with_one_side_and_resumed_with_the_other(harness, differential, first):
    start = getattr(harness, first).namespace

    def scenario(train, record):
        for side in (start, train):
            with record.graph():
                step = record.global_step()
                tf.summary.scalar("step", step)
                session = side.MonitoredTrainingSession(
                    checkpoint_dir=record.path("logdir"),
                    save_checkpoint_steps=2,
                    save_summaries_steps=2,
                    log_step_count_steps=2,
                    hooks=[record.hook("A")],
                    config=record.config(),
                )
                for _ in range(3):
                    record.clock.advance(1.0)
                    record("run", session.run(step))
                session.close()

    differential(scenario)


@pytest.mark.parametrize("base", ("oracle", "subject"))
@pytest.mark.rule("MTS-SCF-10")
def test_checkpoint_object_as_saver_of_either_scaffold(harness, request, rules, base):
    import tensorflow.compat.v2 as tf2

    def scenario(train, record):
        for _ in range(2):
            with record.graph():
                step = record.global_step()
                weight = tf.Variable(1.0, name="weight")
                with tf.control_dependencies([step]):
                    add = tf.assign_add(weight, 1.0)
                saver = tf2.train.Checkpoint(weight=weight, step=tf.train.get_global_step())
                scaffold = train.Scaffold(saver=saver)
                directory = record.path("logdir")
                hook = train.CheckpointSaverHook(directory, save_steps=2, scaffold=scaffold)

                def whole():
                    session = record.session([hook], scaffold=scaffold, checkpoint_dir=directory)
                    for _ in range(3):
                        record.outcome("run", session.run, add)
                    session.close()

                record.outcome("whole", whole)

    part = mix(harness, "scaffold", base)
    node = request.node.nodeid
    for subject in (harness.subject, part):
        harness.judge(scenario, rules, f"scenario: {node}", f"python -m pytest '{node}'", subject)
