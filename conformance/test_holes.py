"""Scenarios that a wrong implementation was needed to think of: each closes a hole that a mutant found."""

import functools
import os
import sys
import threading

import numpy as np
import pytest

from conformance import debugger
from conformance.errors import make_error
from conformance.harness import conforms
from conformance.trace import tf


def float_tensor(function):
    value = tf.py_func(function, [], tf.float32)
    value.set_shape([])
    return value


@conforms("MTS-QR-03", "MTS-QR-05")
def test_a_queue_stays_open_until_its_last_thread_ends(train, record):
    queue = tf.FIFOQueue(10, [tf.float32], shapes=[[]], name="q")
    numbers = iter(range(3))

    def end_at_once():
        raise make_error("StopIteration", "no more")

    def go_on_alone():
        for _ in range(2000):
            if all(thread.name != "QueueRunnerThread-q-first" for thread in threading.enumerate()):
                break
            threading.Event().wait(0.001)
        for number in numbers:
            return np.float32(number)
        raise make_error("StopIteration", "no more")

    first = queue.enqueue(float_tensor(end_at_once), name="first")
    second = queue.enqueue(float_tensor(go_on_alone), name="second")
    train.add_queue_runner(train.QueueRunner(queue, [first, second]))
    dequeue = queue.dequeue()
    values = []
    with record.session([record.hook("A", silent=True)]) as session:
        while not session.should_stop():
            values.append(session.run(dequeue))
    record("values", values)


@pytest.mark.parametrize("kind", ("MonitoredSession", "SingularMonitoredSession", "MonitoredTrainingSession"))
@conforms("MTS-QR-07")
def test_monitored_sessions_start_their_queue_runners_themselves(train, record, kind):
    queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
    train.add_queue_runner(train.QueueRunner(queue, [queue.enqueue(1.0, name="put")]))
    with record.session([record.hook("A", silent=True)], kind) as session:
        record.outcome("start", train.start_queue_runners, session)

    class OtherSession:
        pass

    record.outcome("other", train.start_queue_runners, OtherSession())


@pytest.mark.parametrize("lasting", (0.0, 0.25, 2.5))
@conforms("MTS-LPR-01")
def test_rounds_keep_to_their_times(train, record, lasting):
    coordinator = train.Coordinator()
    waits = []

    def wait_for_stop(timeout):
        # Waiting moves the virtual clock; the sixth wait is the last.
        waits.append(round(timeout, 6))
        record.clock.advance(max(timeout, 0.0))
        return len(waits) > 5

    coordinator.wait_for_stop = wait_for_stop
    looper = train.LooperThread(coordinator, 1.0, lambda: record.clock.advance(lasting))
    looper.run()
    record("waits", waits)


@conforms("MTS-CKP-07")
def test_times_are_seconds(train, record):
    for name, seconds in (("q-1.index", 1500000000.25), ("v1", 86400.0)):
        with open(record.path(name), "w") as file:
            file.write("x")
        os.utime(record.path(name), (seconds, seconds))
    record("times", train.get_checkpoint_mtimes([record.path("q-1"), record.path("none"), record.path("v1")]))


@pytest.mark.parametrize("lacking", ("ready", "ready for local init", "nothing"))
@conforms("MTS-SES-12", "MTS-SES-15")
def test_recovered_but_not_ready(train, record, lacking):
    weight = tf.Variable(1.0, name="weight")
    saver = train.Saver([weight])
    other = tf.Variable(2.0, name="other")
    nothing = tf.constant([], tf.string)
    missing = nothing if lacking == "nothing" else tf.report_uninitialized_variables([other])
    with tf.Session(config=record.config()) as session:
        session.run(weight.initializer)
        saver.save(session, record.path("m"))
    manager = train.SessionManager(
        local_init_op=tf.no_op(),
        ready_op=missing if lacking == "ready" else nothing,
        ready_for_local_init_op=missing if lacking == "ready for local init" else nothing,
    )
    for source in ({"checkpoint_dir": record.path()}, {"checkpoint_filename_with_path": record.path("m")}):
        session, ready = manager.recover_session("", saver, config=record.config(), **source)
        record("ready", ready)
        record("weight", session.run(weight))


@conforms("MTS-RUN-02", "MTS-RUN-05")
def test_feeds_of_any_shape(train, record):
    placeholders = [
        tf.placeholder(tf.float32),
        tf.placeholder(tf.float32, [None, 2]),
        tf.placeholder(tf.float32, [2, 2]),
        tf.placeholder(tf.int32, [2]),
    ]
    doubled = [placeholder * 2 for placeholder in placeholders]
    session = record.session([record.hook("A", silent=True)])
    arrays = (np.ones([2, 2], np.float32), np.ones([3, 2], np.float32), np.float32(4.0), np.ones([2], np.int32))
    for placeholder, double in zip(placeholders, doubled, strict=True):
        for array in (*arrays, np.ones([2], np.int64), np.ones([2, 2], np.float64), [[1, 2], [3, 4]]) * 2:
            record.outcome("run", session.run, double, {placeholder: array})
    session.close()


@pytest.mark.parametrize("environment", (None, "/cpu:0", "/device:CPU:1"))
@conforms("MTS-SCF-05")
def test_devices_of_readiness(train, record, environment, monkeypatch):
    if environment is not None:
        monkeypatch.setenv("TF_DEVICE_FOR_UNINITIALIZED_VARIABLE_REPORTING", environment)
    tf.Variable(1.0, name="weight")
    tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), 0)
    with tf.device("/device:CPU:1"):
        scaffold = train.Scaffold().finalize()
    for op in (scaffold.ready_op, scaffold.ready_for_local_init_op):
        record("device", op.device)
        record("devices", [tensor.device for tensor in op.op.inputs])


SAVER_OPS = ("SaveV2", "RestoreV2", "MergeV2Checkpoints", "ShardedFilename", "StringJoin", "AssignVariableOp", "Assign")


@pytest.mark.parametrize("sharded", (False, True))
@conforms("MTS-SCF-06")
def test_devices_of_saving(train, record, sharded):
    with tf.device("/job:ps/task:0/device:GPU:0"):
        tf.get_variable("a", [], use_resource=True)
    with tf.device("/job:ps/task:1/device:CPU:0"):
        tf.get_variable("b", [], use_resource=False)
    before = set(tf.get_default_graph().get_operations())
    train.Saver(sharded=sharded)
    made = [op for op in tf.get_default_graph().get_operations() if op not in before and op.type in SAVER_OPS]
    record("devices", sorted({(op.type, op.device) for op in made}))


@conforms("MTS-QR-03")
def test_a_failing_thread_does_not_close_its_queue(train, record):
    queue = tf.FIFOQueue(10, [tf.float32], shapes=[[]], name="q")
    closed = queue.is_closed()
    bad = tf.check_numerics(tf.log(-1.0 * tf.ones([])), "bad")
    runner = train.QueueRunner(queue, [queue.enqueue(bad, name="put")])
    hook, threading.excepthook = threading.excepthook, lambda _: None
    try:
        with tf.Session(config=record.config()) as session:
            for thread in runner.create_threads(session, start=True, daemon=True):
                thread.join(60)
            record("closed", session.run(closed))
    finally:
        threading.excepthook = hook


@pytest.mark.parametrize("sharded", (False, True))
@conforms("MTS-CKP-02", "MTS-CKP-07")
def test_old_checkpoints_of_the_old_format(train, record, sharded):
    tf.Variable(1.0, name="weight")
    saver = train.Saver(sharded=sharded, write_version=tf.train.SaverDef.V1, max_to_keep=1)
    with tf.Session(config=record.config()) as session:
        session.run(tf.global_variables_initializer())
        for step in (1, 2, 3):
            record("path", saver.save(session, record.path("m"), global_step=step))
            record("files", sorted(os.listdir(record.path())))


@pytest.mark.parametrize("use_resource", (False, True))
@pytest.mark.parametrize("known", (False, True))
@conforms("MTS-SES-02")
def test_reshaped_into_what_is_not_initialised(train, record, known, use_resource):
    with record.graph():
        tf.Variable(np.arange(6.0), name="weight")
        saver = train.Saver()
        with tf.Session(config=record.config()) as session:
            session.run(tf.global_variables_initializer())
            saver.save(session, record.path("m"))
    with record.graph():
        initial = tf.placeholder_with_default(np.zeros([2, 3]), [2, 3] if known else None)
        weight = tf.Variable(initial, name="weight", validate_shape=known, use_resource=use_resource)
        saver = train.Saver(reshape=True)
        for initialise in (False, True):
            with tf.Session(config=record.config()) as session:
                if initialise:
                    session.run(weight.initializer)
                # Which of two ops fails first, and so with which message, is a race.
                try:
                    saver.restore(session, record.path("m"))
                    record("weight", session.run(weight))
                except tf.errors.FailedPreconditionError:
                    record("not initialised")


@conforms("MTS-QR-07")
def test_runners_of_the_sessions_graph(train, record):
    session_graph, default_graph = tf.Graph(), tf.Graph()
    for graph, name in ((session_graph, "own"), (default_graph, "default")):
        with graph.as_default():
            queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name=name)
            train.add_queue_runner(train.QueueRunner(queue, [queue.enqueue(1.0, name="put")]))
    with tf.Session(graph=session_graph, config=record.config()) as session, default_graph.as_default():
        threads = train.start_queue_runners(session, train.Coordinator(), start=False)
        record("threads", [thread.name for thread in threads])


@pytest.mark.parametrize("kind", ("MonitoredSession", "SingularMonitoredSession"))
@conforms("MTS-GRAPH-04")
def test_layers_name_target_and_graph(train, record, kind):
    session = record.session([record.hook("A", silent=True)], kind)
    layer = session._sess
    while layer is not None:
        record("layer", [layer.sess_str, layer.graph is tf.get_default_graph()])
        layer = None if isinstance(layer, tf.Session) else layer._sess
    session.close()


@pytest.mark.parametrize("error", ("ValueError", "KeyboardInterrupt", "NotFoundError", "DataLossError"))
@conforms("MTS-CKP-02", "MTS-CKP-07")
def test_deleting_fails(train, record, error, monkeypatch):
    tf.Variable(1.0, name="weight")
    saver = train.Saver(max_to_keep=1)

    def fail(*_):
        raise make_error(error, "cannot delete")

    with tf.Session(config=record.config()) as session:
        session.run(tf.global_variables_initializer())
        saver.save(session, record.path("m"), global_step=1)
        with monkeypatch.context() as patch:
            patch.setattr(sys.modules["tensorflow.python.lib.io.file_io"]._pywrap_file_io, "DeleteFile", fail)
            record.outcome("save", saver.save, session, record.path("m"), global_step=2)
        record("files", sorted(os.listdir(record.path())))
        record.outcome("save", saver.save, session, record.path("m"), global_step=3)
        record("files", sorted(os.listdir(record.path())))


@conforms("MTS-QR-03")
def test_failing_to_close_is_a_detail(train, record):
    queue = tf.FIFOQueue(10, [tf.float32], shapes=[[]], name="q")
    ended = queue.enqueue(float_tensor(lambda: next(iter(()))), name="put")
    runner = train.QueueRunner(queue, [ended], close_op=tf.check_numerics(tf.log(-1.0), "bad"))
    with tf.Session(config=record.config()) as session:
        tf.get_logger().setLevel(1)
        for thread in runner.create_threads(session, start=True, daemon=True):
            thread.join(60)
        tf.get_logger().setLevel("INFO")
        record("raised", runner.exceptions_raised)


@conforms("MTS-CKP-08")
def test_meta_graph_with_a_partitioned_variable(train, record):
    with record.graph():
        with tf.variable_scope("scope", partitioner=tf.fixed_size_partitioner(2)):
            whole = tf.get_variable("weight", [4], initializer=tf.ones_initializer())
        tf.add_to_collection("mine", whole)
        saver = train.Saver()
        tf.get_default_graph().finalize()
        with tf.Session(config=record.config()) as session:
            session.run([variable.initializer for variable in tf.global_variables()])
            record("path", saver.save(session, record.path("m")))
    with record.graph():
        record.outcome("import", lambda: type(tf.train.import_meta_graph(record.path("m.meta"))).__name__)
        record("mine", [tensor.name for tensor in tf.get_collection("mine")])


@pytest.mark.parametrize("arguments", ({}, {"strip_default_attrs": True}), ids=("plain", "stripped"))
@conforms("MTS-CKH-07", "MTS-EVT-02")
def test_shapes_in_written_graphs(train, record, arguments):
    step = record.global_step()
    saver = train.Saver()

    def with_shapes(nodes):
        return sum("_output_shapes" in node.attr for node in nodes) > 0

    if not arguments:
        with record.session([train.CheckpointSaverHook(record.path("d"), save_steps=1, saver=saver)]) as session:
            session.run(step)
        tf.summary.FileWriterCache.clear()
        with open(record.path("d", "graph.pbtxt")) as file:
            record("graph.pbtxt", "_output_shapes" in file.read())
        for name in sorted(os.listdir(record.path("d"))):
            if "tfevents" in name:
                for event in tf.train.summary_iterator(record.path("d", name)):
                    graph = tf.GraphDef.FromString(event.graph_def)
                    meta = tf.MetaGraphDef.FromString(event.meta_graph_def)
                    record("event", [with_shapes(graph.node), with_shapes(meta.graph_def.node)])
    record("meta graph", with_shapes(saver.export_meta_graph(**arguments).graph_def.node))


@pytest.mark.parametrize("kind", ("MonitoredSession", "SingularMonitoredSession"))
@conforms("MTS-SES-01")
def test_strategy_with_a_system_to_start(train, record, kind, monkeypatch):
    extended = tf.distribute.get_strategy().extended
    start = functools.partial(record, "system started")
    monkeypatch.setattr(extended, "_experimental_initialize_system", start, raising=False)
    record.session([record.hook("A")], kind).close()


@pytest.mark.parametrize("hours", (0.5, 1.0, 3.0))
@conforms("MTS-CKP-02", "MTS-CKP-03")
def test_what_is_kept_for_ever_to_the_second(train, record, hours):
    tf.Variable(1.0)
    saver = train.Saver(max_to_keep=1, keep_checkpoint_every_n_hours=hours)
    with tf.Session(config=record.config()) as session:
        session.run(tf.global_variables_initializer())
        for step in range(8):
            # Half a second after each end of a period, then at it.
            record.clock.advance(hours * 3600 + (0.5 if step == 0 else 0.0))
            saver.save(session, record.path("m"), global_step=step, write_meta_graph=False)
    record("left", sorted(os.listdir(record.path())))


@conforms("MTS-CKP-01")
def test_saver_definitions_of_a_scope(train, record):
    with tf.name_scope("outer"):
        tf.Variable(1.0, name="weight")
        saver = train.Saver(name="inner")
    for scope in (None, "", "outer", "outer/", "outer/inner", "other"):
        record("definition", [scope, saver.to_proto(export_scope=scope)])


@pytest.mark.parametrize("which", ("ready_op", "ready_for_local_init_op"))
@conforms("MTS-SES-08")
def test_readiness_fails_otherwise(train, record, which):
    iterator = tf.data.make_initializable_iterator(tf.data.Dataset.range(3))
    arguments = {"local_init_op": tf.no_op(), which: iterator.get_next()}
    manager = train.SessionManager(**arguments)
    record.outcome("prepare", manager.prepare_session, "", init_op=tf.no_op(), config=record.config())
    record("lines", [text.split("\n")[0] for text in record.logs()])


@conforms("MTS-SES-08")
def test_the_whole_line_when_readiness_fails_otherwise(train, record, monkeypatch):
    ready = tf.constant([], tf.string, name="READY")
    manager = train.SessionManager(ready_op=ready)
    run = tf.Session.run

    def fail(self, fetches, *args, **kwargs):
        # Raised by the runtime, the text would end with a stack trace.
        if fetches is ready:
            raise tf.errors.FailedPreconditionError(None, None, "something else")
        return run(self, fetches, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(tf.Session, "run", fail)
        record.outcome("prepare", manager.prepare_session, "", init_op=tf.no_op(), config=record.config())


@conforms("MTS-SES-02")
def test_object_based_checkpoint_restored_by_names(train, record):
    with record.graph():
        weight = tf.Variable(7.0, name="weight", use_resource=True)
        with tf.Session(config=record.config()).as_default() as session:
            session.run(weight.initializer)
            prefix = tf.compat.v2.train.Checkpoint(weight=weight).write(record.path("o"))
    with record.graph():
        weight = tf.Variable(0.0, name="weight", use_resource=True)
        saver = train.Saver()
        with tf.Session(config=record.config()) as session:
            for _ in range(2):
                record.outcome("restore", saver.restore, session, prefix)
                record("weight", session.run(weight))


@conforms("MTS-CKP-05")
def test_a_state_file_that_is_no_text(train, record):
    with open(record.path("checkpoint"), "wb") as file:
        file.write(b'model_checkpoint_path: "\xff\xfe"')
    record.outcome("state", train.get_checkpoint_state, record.directory)
    record.outcome("latest", train.latest_checkpoint, record.directory)
    os.remove(record.path("checkpoint"))  # the harness reads it as text, too


@conforms("MTS-CKP-07")
def test_one_time_for_a_checkpoint_of_both_formats(train, record):
    for name in ("q-1.index", "q-1"):
        with open(record.path(name), "w") as file:
            file.write("x")
        os.utime(record.path(name), (1500000000.0, 1500000000.0))
    record("times", train.get_checkpoint_mtimes([record.path("q-1")]))


@conforms("MTS-CKP-04")
def test_a_state_file_that_cannot_be_replaced(train, record):
    os.mkdir(record.path("checkpoint"))
    record.outcome("update", train.update_checkpoint_state, record.directory, record.path("m-1"))
    record.files()
    os.rmdir(record.path("checkpoint"))


@conforms("MTS-CKP-01")
def test_the_meta_graph_of_a_sharded_checkpoint_of_the_first_format(train, record):
    tf.Variable(1.0, name="weight", use_resource=False)
    saver = train.Saver(max_to_keep=1, sharded=True, write_version=tf.train.SaverDef.V1)
    with tf.Session(config=record.config()) as session:
        session.run(tf.global_variables_initializer())
        for step in (3, 4):
            record.outcome("save", saver.save, session, record.path("m"), step)
            record.files()


@conforms("MTS-RUN-12", "MTS-CKP-08")
def test_a_debuggers_session_is_a_session(train, record):
    tf.Variable(1.0, name="weight")
    saver = train.Saver()
    with tf.Session(config=record.config()) as session:
        session.run(tf.global_variables_initializer())
        record.outcome("save", saver.save, debugger.wrap(session), record.path("m"), 1)
        record.outcome("start", train.start_queue_runners, debugger.wrap(session), train.Coordinator())
