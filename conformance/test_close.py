"""Closing: order, failures, closing twice, threads that stay (MTS-CLOSE)."""

import threading

import pytest

from conformance.errors import make_error
from conformance.harness import conforms
from conformance.trace import tf

KINDS = pytest.mark.parametrize("kind", ("MonitoredSession", "SingularMonitoredSession"))


@KINDS
@conforms("MTS-CLOSE-01", "MTS-CLOSE-05", "Q-04")
def test_order(train, record, kind):
    constant = tf.constant(1.0)

    def look(session):
        record("coordinator", [record.coordinators[0].should_stop(), record.coordinators[0].joined])
        record("usable", session.run(constant))

    session = record.session([record.hook("A", end=look), record.hook("B", end=look)], kind)
    session.close()
    record("coordinator", [record.coordinators[0].should_stop(), record.coordinators[0].joined])
    record("should_stop", session.should_stop())
    record("graph", session.graph)
    record.outcome("run", session.run, constant)
    if kind == "MonitoredSession":
        record.outcome("step", session.run_step_fn, lambda step_context: 1)
    else:
        record.outcome("raw_session", session.raw_session)


@KINDS
@pytest.mark.parametrize("second", ("quiet", "fails", "raises"))
@conforms("MTS-CLOSE-03", "Q-03")
def test_twice(train, record, kind, second):
    constant = tf.constant(1.0)

    def end(session):
        if second == "fails":
            session.run(constant)
        if second == "raises" and session is None:
            raise make_error("StopIteration", "from end")

    session = record.session([record.hook("A", end=end), record.hook("B")], kind)
    session.close()
    for _ in range(2):
        record.outcome("close again", session.close)


@KINDS
@pytest.mark.parametrize("body", (None, "ValueError", "StopIteration"))
@conforms("MTS-CLOSE-04")
def test_inside_a_block(train, record, kind, body):
    tf.constant(1.0)

    def block():
        with record.session([record.hook("A")], kind) as session:
            session.close()
            if body:
                raise make_error(body, "from the body")
        return "left"

    record.outcome("block", block)


@KINDS
@conforms("MTS-CLOSE-04")
def test_entering_a_closed_session(train, record, kind):
    constant = tf.constant(1.0)
    session = record.session([record.hook("A")], kind)
    with session:
        session.run(constant)

    def again():
        with session:
            record("inside", session.should_stop())

    record.outcome("again", again)


@KINDS
@conforms("MTS-CLOSE-02", "MTS-EXC-02")
def test_end_fails_after_each_body(train, record, kind):
    for body in (None, "StopIteration", "ValueError"):
        with record.graph():
            tf.constant(1.0)

            def fail(_):
                raise ValueError("from end")

            def block():
                with record.session([record.hook("A", end=fail), record.hook("B")], kind):
                    if body:
                        raise make_error(body, "from the body")

            record.outcome("block", block)


@KINDS
@conforms("MTS-CLOSE-06")
def test_a_thread_that_stays(train, record, kind):
    tf.constant(1.0)
    event = threading.Event()
    record.releases.append(event.set)

    def start(session, coord):
        thread = threading.Thread(target=event.wait, args=(30,), name="laggard", daemon=True)
        coord.register_thread(thread)
        thread.start()

    hook = record.hook("A", after_create_session=start)
    session = record.session([hook], kind, stop_grace_period_secs=0.05)
    record.outcome("close", session.close)
    # The last sleep is what remains of the grace period.
    record("slept", round(sum(record.clock.slept), 6))
    record("first sleeps", record.clock.slept[:4])


@conforms("MTS-CLOSE-07")
def test_session_changes_on_recovery(train, record):
    weight = tf.Variable(0.0)
    failed = []

    def fail(*_):
        if not failed:
            failed.append(1)
            raise make_error("AbortedError", "once")

    session = record.session([record.hook("A", before_run=fail)])
    first = session._tf_sess()
    session.run(weight)
    record("same", [session._tf_sess() is first, session.graph is tf.get_default_graph()])
    record.outcome("the old one", first.run, weight)
    session.close()


@KINDS
@conforms("MTS-CLOSE-01")
def test_nobody_is_left_waiting(train, record, kind):
    # A thread that waits for the coordinator ends within the grace period.
    tf.constant(1.0)

    def start(session, coord):
        thread = threading.Thread(target=coord.wait_for_stop, args=(30,), daemon=True)
        coord.register_thread(thread)
        thread.start()

    record.session([record.hook("A", after_create_session=start)], kind).close()


CLOSING = ("AbortedError", "UnavailableError", "ValueError", "OutOfRangeError", "StopIteration", "KeyboardInterrupt")


@pytest.mark.parametrize("error", CLOSING)
@pytest.mark.parametrize("parked", (None, "ValueError", "AbortedError"))
@conforms("MTS-CLOSE-01", "MTS-EXC-08")
def test_closing_the_raw_session_fails(train, record, error, parked):
    tf.Variable(1.0, name="weight")
    graph = tf.get_default_graph()

    failures = iter((error,))  # the destructor closes, too

    class Session(tf.Session):
        def close(self):
            super().close()
            for name in failures:
                raise make_error(name, "from the raw session")

    class Creator(train.SessionCreator):
        def create_session(self):
            return Session(config=record.config())

    session = train.MonitoredSession(session_creator=Creator(), hooks=[record.hook("A")])
    coordinator = record.coordinators[0]
    if parked:
        try:
            raise make_error(parked, "parked")
        except Exception as caught:
            coordinator.request_stop(caught)
    record.outcome("close", session.close)
    record("state", [coordinator.should_stop(), coordinator.joined, session.should_stop(), graph.finalized])
