"""Private names that public code uses, and a drop-in keeps: a contract like any other."""

import pytest

from conformance.harness import conforms
from conformance.trace import tf


@conforms("MTS-LIFE-01")
def test_chain_of_sessions(train, record):
    tf.constant(1.0)
    session = record.session([record.hook("A")])
    inner, depth = session, 0
    while type(inner).__name__ != "Session":
        inner, depth = inner._sess, depth + 1
        record("layer", [hasattr(inner, name) for name in ("run", "close", "graph", "sess_str")])
    record("depth", depth)
    record("same", [session._sess._sess._sess._sess is inner, session._tf_sess() is inner])
    record("creator", session._coordinated_creator.tf_sess is inner)
    record("coordinator", session._coordinated_creator.coord is record.coordinators[0])
    record("hooks", session._hooks)
    record("closed", session._is_closed())
    record("layers closed", [session._sess._is_closed() if hasattr(session._sess, "_is_closed") else 0])
    record("stop", session._should_stop if hasattr(session, "_should_stop") else "absent")
    session.close()
    record("closed", session._is_closed())
    record("sess", session._sess)
    record("creator", session._coordinated_creator.tf_sess)
    record("coordinator", session._coordinated_creator.coord)


@conforms("MTS-LIFE-01")
def test_chain_of_a_singular_session(train, record):
    tf.constant(1.0)
    session = record.session([record.hook("A")], "SingularMonitoredSession")
    record("raw", session.raw_session() is session._tf_sess())
    inner, depth = session, 0
    while type(inner).__name__ != "Session":
        inner, depth = inner._sess, depth + 1
    record("depth", depth)
    record("closed", session._is_closed())
    session.close()
    record("closed", session._is_closed())


@conforms("MTS-RUN-01")
def test_stop_flag_is_set_from_outside(train, record):
    # Estimator's hook tests set the flag of the hooked session.
    constant = tf.constant(1.0)
    session = record.session([record.hook("A")])
    layer = session._sess._sess._sess
    record("flag", layer._should_stop)
    layer._should_stop = True
    record("should_stop", session.should_stop())
    record.outcome("run", session.run, constant)
    session.close()


NAMES = (
    "_timer", "_global_step_tensor", "_summary_writer", "_listeners", "_saver", "_checkpoint_dir",
    "_save_path", "_steps_per_run", "_output_dir", "_scaffold", "_summary_op", "_last_step",
    "_num_steps", "_tensor", "_fail_on_nan_loss", "_tag_order", "_formatter", "_log_at_end",
    "_wait_until_step", "_final_ops", "_final_ops_values", "feed_fn", "_next_step",
    "_request_summary", "_iter_count", "_current_tensors", "_output_file", "_file_writer",
    "_show_dataflow", "_show_memory", "_save_graph_def", "_summary_tag", "_last_global_step",
)  # fmt: skip


def make_hooks(train, record):
    summary = tf.summary.scalar("s", 1.0)
    value = tf.constant(1.0, name="value")
    directory = record.path("logdir")
    return [
        train.CheckpointSaverHook(directory, save_steps=2, listeners=[record.listener("L")]),
        train.StepCounterHook(every_n_steps=2, output_dir=directory),
        train.SummarySaverHook(save_steps=2, output_dir=directory, summary_op=summary),
        train.StopAtStepHook(num_steps=9),
        train.NanTensorHook(value),
        train.LoggingTensorHook(["value"], every_n_iter=2, at_end=True),
        train.GlobalStepWaiterHook(0),
        train.FinalOpsHook(value),
        train.FeedFnHook(lambda: None),
        train.ProfilerHook(save_steps=2, output_dir=directory),
    ]


def look(record, hooks):
    for hook in hooks:
        seen = {}
        for name in NAMES:
            value = getattr(hook, name, "absent")
            seen[name] = type(value).__name__ if callable(value) else value
        record(type(hook).__name__, seen)


@conforms("MTS-CKH-04", "MTS-STC-01", "MTS-SUM-01", "MTS-LOG-02", "MTS-STP-01", "MTS-FIN-01")
def test_attributes_of_hooks(train, record):
    step = record.global_step()
    hooks = make_hooks(train, record)
    look(record, hooks)
    session = record.session(hooks)
    look(record, hooks)
    session.run(step)
    look(record, hooks)
    session.close()
    look(record, hooks)


@conforms("MTS-CKH-04", "MTS-CKH-06")
def test_checkpoint_saver_is_used_from_outside(train, record):
    step = record.global_step()
    hook = train.CheckpointSaverHook(record.path("logdir"), save_steps=100)
    hook._listeners.append(record.listener("late"))
    session = record.session([hook])
    record("saver", hook._get_saver() is tf.get_collection(tf.GraphKeys.SAVERS)[0])
    session.run(step)
    record.outcome("save", hook._save, session._tf_sess(), 77)
    record("timer", [hook._timer._every_steps, hook._timer.last_triggered_step()])
    session.close()


@pytest.mark.parametrize("steps", (1, 2, 10))
@conforms("MTS-CKH-02", "MTS-STC-01")
def test_steps_per_run(train, record, steps):
    step = record.global_step(3)
    hooks = [train.CheckpointSaverHook(record.path("logdir"), save_steps=5), train.StepCounterHook(every_n_steps=5)]
    for hook in hooks:
        hook._set_steps_per_run(steps)
        record("set", hook._steps_per_run)
    session = record.session(hooks)
    for _ in range(6):
        record.clock.advance(1)
        session.run(step)
    session.close()


@conforms("MTS-CKH-04", "MTS-CKH-01", "MTS-CKH-03")
def test_subclass_overrides_save(train, record):
    step = record.global_step()

    class NoFirstSave(train.CheckpointSaverHook):
        def _save(self, session, step):
            record("_save", step)
            if step > 0:
                return super()._save(session, step)
            return None

        def begin(self):
            record("begin")
            super().begin()

        def after_create_session(self, session, coord):
            record("created")
            super().after_create_session(session, coord)

    session = record.session([NoFirstSave(record.path("logdir"), save_steps=2, listeners=[record.listener("L")])])
    for _ in range(3):
        session.run(step)
    session.close()


@conforms("MTS-STC-01", "MTS-SUM-02", "MTS-LOG-02", "MTS-STP-02", "MTS-NAN-01")
def test_subclasses_of_other_hooks(train, record):
    step = record.global_step()
    value = tf.constant(1.0, name="value")

    class Counter(train.StepCounterHook):
        def _log_and_record(self, elapsed_steps, elapsed_time, global_step):
            record("counted", [elapsed_steps, elapsed_time, global_step])

    class Logger(train.LoggingTensorHook):
        def _log_tensors(self, tensor_values):
            record("logged", tensor_values)

    class Summaries(train.SummarySaverHook):
        def before_run(self, run_context):
            asked = super().before_run(run_context)
            record("asked", sorted(asked.fetches))
            return asked

    class Stop(train.StopAtStepHook):
        def after_run(self, run_context, run_values):
            record("stop sees", run_values.results)
            super().after_run(run_context, run_values)

    summary = tf.summary.scalar("s", 1.0)
    hooks = [
        Counter(every_n_steps=2),
        Logger(["value"], every_n_iter=2),
        Summaries(save_steps=2, output_dir=record.path("logdir"), summary_op=summary),
        Stop(last_step=4),
    ]
    session = record.session(hooks)
    while not session.should_stop():
        record.clock.advance(1)
        session.run([step, value])
    session.close()


@conforms("MTS-SES-14")
def test_creators(train, record):
    tf.constant(1.0)
    creator = train.ChiefSessionCreator(config=record.config(), checkpoint_dir=record.path("none"))
    names = ("_scaffold", "_master", "_config", "_checkpoint_dir", "_checkpoint_filename_with_path")
    record("before", {name: getattr(creator, name, "absent") for name in names})
    creator.create_session()
    record("manager", type(getattr(creator, "_session_manager", None)).__name__)
    worker = train.WorkerSessionCreator(max_wait_secs=5)
    names = ("_scaffold", "_master", "_config", "_max_wait_secs")
    record("worker", {name: getattr(worker, name, "absent") for name in names})
