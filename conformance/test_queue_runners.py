"""Queue runners: threads, ends, failures (MTS-QR)."""

import logging
import threading

import numpy as np
import pytest
from tensorflow.python.eager import context

from conformance.errors import make_error
from conformance.harness import conforms
from conformance.trace import tf

KINDS = pytest.mark.parametrize("kind", ("MonitoredSession", "SingularMonitoredSession"))


def python_queue(function, name="q", capacity=10):
    """A queue of floats and the op that enqueues what `function` returns."""
    queue = tf.FIFOQueue(capacity, [tf.float32], shapes=[[]], name=name)
    value = tf.py_func(function, [], tf.float32)
    value.set_shape([])
    return queue, queue.enqueue(value, name="put")


def counting(count, error):
    """A producer of 1, 2, ... `count`, that then raises `error`."""
    numbers = iter(range(1, count + 1))

    def produce():
        for number in numbers:
            return np.float32(number)
        raise make_error(error, "no more")

    return produce


def runner_threads():
    return sorted(t.name for t in threading.enumerate() if t.name.startswith("QueueRunner"))


def bad_op():
    return tf.check_numerics(tf.log(-1.0 * tf.ones([])), "bad")


@KINDS
@conforms("MTS-QR-01", "MTS-QR-02", "MTS-QR-03", "MTS-QR-05")
def test_end_of_data(train, record, kind):
    counted = threading.Event()  # `monitored` forgets a thread that has ended when it registers the next one
    produce = counting(3, "StopIteration")
    queue, enqueue = python_queue(lambda: counted.wait(60) and produce())
    train.add_queue_runner(train.QueueRunner(queue, [enqueue]))
    dequeue = queue.dequeue()

    def count(_, coordinator):
        record("registered", len(coordinator._registered_threads))
        counted.set()

    hook = record.hook("A", after_create_session=count)

    def block():
        with record.session([hook], kind) as session:
            while not session.should_stop():
                record("value", session.run(dequeue))
        return "left"

    record.outcome("block", block)
    record("threads", runner_threads())


@KINDS
@conforms("MTS-QR-03", "MTS-QR-06")
def test_failing_producer(train, record, kind):
    queue = tf.FIFOQueue(10, [tf.float32], shapes=[[]], name="q")
    train.add_queue_runner(train.QueueRunner(queue, [queue.enqueue(bad_op(), name="put")]))
    dequeue = queue.dequeue()

    def block():
        with record.session([record.hook("A", silent=True)], kind) as session:
            record.outcome("run", session.run, dequeue)
            record.coordinators[0].wait_for_stop(60)
        return "left"

    record.outcome("block", block)
    record("threads", runner_threads())


@KINDS
@conforms("MTS-QR-03", "MTS-EXC-05", "MTS-EXC-04")
def test_preempted_producer(train, record, kind):
    queue = tf.FIFOQueue(10, [tf.float32], shapes=[[]], name="q")
    enqueue, dequeue = queue.enqueue(1.0), queue.dequeue()
    close = queue.close(cancel_pending_enqueues=True)
    started = []

    def start(session, coord):
        started.append(1)
        first = len(started) == 1

        def produce():
            if not first:
                session.run(enqueue)
                return
            try:
                raise make_error("AbortedError", "from the thread")
            except tf.errors.AbortedError as error:
                coord.request_stop(error)
            session.run(close)

        thread = threading.Thread(target=produce)
        coord.register_thread(thread)
        thread.start()

    def block():
        with record.session([record.hook("A", after_create_session=start)], kind) as session:
            record("value", session.run(dequeue))
        return "left"

    record.outcome("block", block)


@conforms("MTS-QR-02", "MTS-QR-03", "Q-39")
def test_constructor(train, record):
    queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
    enqueue = queue.enqueue(1.0, name="put")
    make = train.QueueRunner
    record.outcome("nothing", make)
    record.outcome("no ops", make, queue)
    record.outcome("empty ops", make, queue, [])
    for types in (tf.errors.OutOfRangeError, (), (ValueError,), (tf.errors.OutOfRangeError, 5), "x"):
        record.outcome("types", lambda: make(queue, [enqueue], queue_closed_exception_types=types).name)
    record.outcome("proto and ops", lambda: make(queue, [enqueue], queue_runner_def=object()))
    runner = make(queue, [enqueue])
    record("queue", runner.queue is queue)
    record("name", runner.name)
    record("ops", [op is enqueue for op in runner.enqueue_ops])
    record("close", [runner.close_op, runner.cancel_op])
    record("types", list(runner.queue_closed_exception_types))
    record("raised", runner.exceptions_raised)
    same = make(queue, [enqueue], close_op=enqueue, cancel_op=enqueue)
    record("given ops", [same.close_op is enqueue, same.cancel_op is enqueue])


@conforms("MTS-QR-02", "MTS-QR-04")
def test_threads_of_a_runner(train, record):
    queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
    enqueue = queue.enqueue(1.0, name="put")
    runner = train.QueueRunner(queue, [enqueue, enqueue])
    with tf.Session(config=record.config()) as session:
        coordinator = train.Coordinator()
        threads = runner.create_threads(session, coord=coordinator)
        record("threads", [[t.name, t.daemon, t.is_alive()] for t in threads])
        record("registered", len(coordinator._registered_threads))
        record("again", len(runner.create_threads(session, coord=coordinator)))
        with tf.Session(config=record.config()) as other:
            record("other session", len(runner.create_threads(other)))
            record("not daemons", [t.daemon for t in runner.create_threads(session, daemon=True)])


@conforms("MTS-QR-07")
def test_start_queue_runners(train, record):
    queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
    enqueue = queue.enqueue(1.0, name="put")
    start = train.start_queue_runners
    record.outcome("no session", start)
    record.outcome("not a session", start, 5)
    with tf.Session(config=record.config()) as session:
        record.outcome("empty", start, session)
        train.add_queue_runner(train.QueueRunner(queue, [enqueue]))
        record.outcome("not started", lambda: len(start(session, start=False)))
        record.outcome("other collection", start, session, collection="none")
        coordinator = train.Coordinator()
        threads = start(session, coord=coordinator)
        record("threads", sorted(t.name for t in threads))
        coordinator.request_stop()
        record.outcome("join", coordinator.join, threads)
    monitored = record.session([])
    record.outcome("monitored", start, monitored)
    monitored.close()


@conforms("MTS-QR-03")
def test_without_a_coordinator(train, record):
    queue = tf.FIFOQueue(10, [tf.float32], shapes=[[]], name="q")
    runner = train.QueueRunner(queue, [queue.enqueue(bad_op(), name="put")])
    hook = threading.excepthook
    threading.excepthook = lambda arguments: record("in the thread", arguments.exc_type.__name__)
    try:
        with tf.Session(config=record.config()) as session:
            threads = runner.create_threads(session, start=True, daemon=True)
            for thread in threads:
                thread.join(60)
            record("threads", len(threads))
            record("raised", [type(error).__name__ for error in runner.exceptions_raised])
            lines = [text.split(":")[0] for text in record.logs()]
            record("lines", lines)
    finally:
        threading.excepthook = hook


@conforms("MTS-QR-01", "MTS-LIFE-04")
def test_threads_of_a_failed_construction_stay(train, record):
    queue = tf.FIFOQueue(1, [tf.float32], shapes=[[]], name="leak")
    train.add_queue_runner(train.QueueRunner(queue, [queue.enqueue(1.0, name="put")]))

    def fail(*_):
        raise ValueError("from A")

    record.outcome("make", record.session, [record.hook("A", after_create_session=fail)])
    record("threads", runner_threads())


@conforms("MTS-LIFE-05", "MTS-QR-01", "Q-17")
def test_each_preempted_construction_leaves_its_own_behind(train, record):
    queue = tf.FIFOQueue(1, [tf.float32], shapes=[[]], name="leak")
    train.add_queue_runner(train.QueueRunner(queue, [queue.enqueue(1.0, name="put")]))
    size = queue.size()
    sessions = []

    def fail(session, _):
        sessions.append(session)
        if len(sessions) < 4:
            raise make_error("AbortedError", "again")

    session = record.session([record.hook("A", after_create_session=fail)])
    record("slept", record.clock.slept)
    for _ in range(2):
        record("threads", runner_threads())
        record("coordinators", [[coord.should_stop(), coord.joined] for coord in record.coordinators])
        for abandoned in sessions[:-1]:
            record.outcome("an abandoned session", lambda: abandoned.run(size) >= 0)
        if session.graph:
            session.close()


@KINDS
@conforms("MTS-QR-01", "MTS-QR-04")
def test_a_runner_in_two_sessions(train, record, kind):
    queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
    train.add_queue_runner(train.QueueRunner(queue, [queue.enqueue(1.0, name="put")]))
    dequeue = queue.dequeue()
    for _ in range(2):
        session = record.session([record.hook("A")], kind)
        record("value", session.run(dequeue))
        record("threads", runner_threads())
        session.close()
        record("threads", runner_threads())


@conforms("MTS-QR-05", "MTS-QR-06")
def test_two_producers(train, record):
    for errors in (("StopIteration", "StopIteration"), ("StopIteration", "ValueError")):
        with record.graph():
            queue, first = python_queue(counting(2, errors[0]))
            value = tf.py_func(counting(2, errors[1]), [], tf.float32)
            value.set_shape([])
            train.add_queue_runner(train.QueueRunner(queue, [first, queue.enqueue(value)]))
            dequeue = queue.dequeue()
            values = []

            def block():
                with record.session([record.hook("A", silent=True)]) as session:
                    while not session.should_stop():
                        values.append(float(session.run(dequeue)))
                return "left"

            # Which values arrive before a failure, and so what the run raises, is a race; which
            # error leaves the block is not.
            try:
                record("block", block())
            except Exception as error:
                record("block raised", type(error).__name__)
            if errors[1] == "StopIteration":
                record("values", sorted(values))


@conforms("MTS-QR-02")
def test_proto_round_trip(train, record):
    queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
    runner = train.QueueRunner(queue, [queue.enqueue(1.0, name="put")])
    proto = runner.to_proto()
    record("proto", proto)
    again = train.QueueRunner.from_proto(proto)
    record("name", again.name)
    record("ops", [op.name for op in again.enqueue_ops])
    record("types", list(again.queue_closed_exception_types))
    record("with scope", runner.to_proto(export_scope="other"))


@pytest.mark.parametrize("scope", ("outer", "outer/"))
@conforms("MTS-QR-02", "MTS-QR-03")
def test_a_definition_imported_under_a_scope(train, record, scope):
    with tf.name_scope("outer"):
        queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
        types = (tf.errors.OutOfRangeError, tf.errors.CancelledError)
        runner = train.QueueRunner(queue, [queue.enqueue(1.0, name="put")], queue_closed_exception_types=types)
    proto = runner.to_proto(export_scope="outer")
    record("proto", proto)
    again = train.QueueRunner.from_proto(proto, import_scope=scope)
    record("ops", [again.name, again.queue.name, again.close_op.name, again.cancel_op.name])
    record("enqueue", [op.name for op in again.enqueue_ops])
    record("types", [type(again.queue_closed_exception_types).__name__, list(again.queue_closed_exception_types)])
    record.outcome("no such scope", train.QueueRunner.from_proto, proto, import_scope="inner")
    record.outcome("no definition", train.QueueRunner, queue_runner_def="a definition")
    record.outcome("and a queue", train.QueueRunner, queue, queue_runner_def=proto)
    record.outcome("and ops", train.QueueRunner, enqueue_ops=runner.enqueue_ops, queue_runner_def=proto)


@pytest.mark.parametrize("daemon", (False, True))
@conforms("MTS-QR-02", "MTS-QR-03")
def test_threads_of_a_session_that_ends_the_thread(train, record, daemon):
    queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
    runner = train.QueueRunner(queue, [queue.enqueue(1.0, name="put")])
    coordinator = train.Coordinator()

    class Session:
        def make_callable(self, _):
            def leave():
                raise SystemExit

            return leave

        def run(self, *_):
            pass

    threads = runner.create_threads(Session(), coordinator, daemon=daemon)
    record("daemons", [thread.daemon for thread in threads])
    record.outcome("thread", threads[0].run)
    record("stop", coordinator.should_stop())


@pytest.mark.parametrize("error", ("ValueError", "SystemExit"))
@conforms("MTS-QR-05")
def test_a_queue_that_cannot_be_cancelled(train, record, error):
    queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
    runner = train.QueueRunner(queue, [queue.enqueue(1.0, name="put")])
    coordinator = train.Coordinator()
    logging.getLogger("tensorflow").setLevel(1)  # the sandbox sets it back

    class Session:
        def run(self, _):
            raise SystemExit if error == "SystemExit" else ValueError("closed already")

    threads = runner.create_threads(Session(), coordinator)
    coordinator.request_stop()
    record.outcome("thread", threads[-1].run)


@pytest.mark.parametrize("daemon", (False, True))
@conforms("MTS-QR-01")
def test_daemons_or_not(train, record, daemon):
    queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
    train.add_queue_runner(train.QueueRunner(queue, [queue.enqueue(1.0, name="put")]))
    with tf.Session(config=record.config()) as session:
        threads = train.start_queue_runners(session, daemon=daemon, start=False)
        record("daemons", [thread.daemon for thread in threads])
        record("again", [thread.daemon for thread in train.start_queue_runners(session, daemon=daemon, start=False)])


@pytest.mark.parametrize("stopped", (False, True))
@conforms("MTS-QR-05", "MTS-QR-06")
def test_what_a_thread_runs_in_the_end(train, record, stopped):
    queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
    close, cancel = tf.no_op(name="close"), tf.no_op(name="cancel")
    runner = train.QueueRunner(queue, [queue.enqueue(1.0, name="put")], close, cancel)
    coordinator = train.Coordinator()

    class Session:
        def make_callable(self, op):
            def end():
                record("enqueued", op.name)
                raise make_error("OutOfRangeError", "no more")

            return end

        def run(self, op):
            record("ran", op.name)

    threads = runner.create_threads(Session(), coordinator)
    if stopped:
        coordinator.request_stop()
    record.outcome("thread", threads[0].run)
    record("stop", coordinator.should_stop())


@pytest.mark.parametrize("default", (False, True))
@pytest.mark.parametrize("own", (False, True))
@KINDS
@conforms("MTS-QR-01")
def test_whose_runners_a_session_starts(train, record, kind, own, default):
    session_graph = tf.Graph()
    for graph, name, has_runner in ((session_graph, "own", own), (tf.get_default_graph(), "default", default)):
        with graph.as_default():
            queue = tf.FIFOQueue(1, [tf.float32], shapes=[[]], name=name)
            enqueue = queue.enqueue(1.0, name="put")
            if has_runner:
                train.add_queue_runner(train.QueueRunner(queue, [enqueue]))

    class Creator(train.SessionCreator):
        def create_session(self):
            return tf.Session(graph=session_graph, config=record.config())

    hook = record.hook("A", after_create_session=lambda *_: record("threads", runner_threads()))
    if kind == "MonitoredSession":
        session = train.MonitoredSession(session_creator=Creator(), hooks=[hook])
    else:
        # It has a creator of its own, whose graph is the default one.
        session = record.session([hook], kind)
    session.close()


@pytest.mark.parametrize("last", ("OutOfRangeError", "ValueError", "a stop"))
@pytest.mark.parametrize("first", ("OutOfRangeError", "ValueError", "a stop"))
@conforms("MTS-QR-03")
def test_which_end_closes_the_queue(train, record, first, last):
    queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
    close, cancel = tf.no_op(name="close"), tf.no_op(name="cancel")
    runner = train.QueueRunner(queue, [queue.enqueue(1.0), queue.enqueue(2.0)], close, cancel)
    coordinator = train.Coordinator()
    ends = iter((first, last))

    class Session:
        def make_callable(self, op):
            def end():
                name = next(ends)
                record("ends by", name)
                if name == "a stop":
                    coordinator.request_stop()
                    return
                raise make_error(name, "the end")

            return end

        def run(self, op):
            record("ran", op.name)

    threads = runner.create_threads(Session(), coordinator)
    for thread in threads[:2]:
        record.outcome("thread", thread.run)


@pytest.mark.parametrize("first, last", (("ValueError", "OutOfRangeError"), ("OutOfRangeError", "ValueError")))
@conforms("MTS-QR-03")
def test_which_end_closes_the_queue_without_a_coordinator(train, record, first, last):
    queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
    close, cancel = tf.no_op(name="close"), tf.no_op(name="cancel")
    runner = train.QueueRunner(queue, [queue.enqueue(1.0), queue.enqueue(2.0)], close, cancel)
    ends = iter((first, last))

    class Session:
        def make_callable(self, _):
            def end():
                raise make_error(next(ends), "the end")

            return end

        def run(self, op):
            record("ran", op.name)

    for thread in runner.create_threads(Session()):
        record.outcome("thread", thread.run)
    record("raised", [type(error).__name__ for error in runner.exceptions_raised])


@conforms("MTS-QR-04")
def test_threads_again_after_the_first_have_ended(train, record):
    queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
    runner = train.QueueRunner(queue, [queue.enqueue(1.0), queue.enqueue(2.0)])

    class Session:
        def make_callable(self, _):
            def end():
                raise make_error("OutOfRangeError", "the end")

            return end

        def run(self, op):
            record("ran", op.name)

    session = Session()
    threads = runner.create_threads(session)
    for thread in threads:
        record("again", len(runner.create_threads(session)))
        thread.run()
    record("again", len(runner.create_threads(session)))


@conforms("MTS-QR-07")
def test_what_start_queue_runners_takes_for_a_session(train, record):
    class MonitoredSession:
        pass

    class SingularMonitoredSession:
        pass

    class Mine(MonitoredSession):
        pass

    class MySession(tf.Session):
        pass

    start = train.start_queue_runners
    for cls in (MonitoredSession, SingularMonitoredSession, Mine):
        record.outcome(cls.__name__, start, cls())
    queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
    train.add_queue_runner(train.QueueRunner(queue, [queue.enqueue(1.0, name="put")]))
    with MySession(config=record.config()) as session:
        for thread in (*start(session, start=False), *start(start=False, daemon=False)):
            record("thread", [thread.name, thread.daemon, thread.is_alive()])
    with context.eager_mode():
        for value in (None, 5):
            record.outcome("eager", start, value)
