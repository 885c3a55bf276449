"""Exceptions, the coordinator's exceptions, and recovery from preemption (MTS-EXC)."""

import itertools

import pytest

from conformance.errors import make_error
from conformance.harness import conforms
from conformance.trace import tf

KINDS = pytest.mark.parametrize("kind", ("MonitoredSession", "SingularMonitoredSession"))
BODY = (
    None, "ValueError", "StopIteration", "SubclassOfStopIteration", "OutOfRangeError",
    "SubclassOfOutOfRangeError", "AbortedError", "UnavailableError", "KeyboardInterrupt",
    "CancelledError", "DataLossError",
)  # fmt: skip
PARKED = ("ValueError", "StopIteration", "OutOfRangeError", "AbortedError", "KeyboardInterrupt")


def park(coordinator, name):
    """Report an exception to the coordinator the way a thread does."""
    try:
        raise make_error(name, "parked")
    except BaseException as error:
        coordinator.request_stop(error)


def fails_once(name, at=1):
    calls = []

    def fail(*_):
        calls.append(1)
        if len(calls) == at:
            raise make_error(name, "once")

    return fail


def stops_once():
    calls = []

    def stop(context, _):
        if not calls:
            calls.append(1)
            context.request_stop()

    return stop


@KINDS
@pytest.mark.parametrize("error", BODY)
@conforms("MTS-EXC-01", "MTS-EXC-02", "MTS-EXC-10", "Q-05")
def test_body_of_a_block(train, record, kind, error):
    constant = tf.constant(1.0)

    def block():
        with record.session([record.hook("A")], kind) as session:
            session.run(constant)
            if error:
                raise make_error(error, "from the body")
        return "left"

    record.outcome("block", block)


@KINDS
@conforms("MTS-EXC-02")
def test_exit_called_directly(train, record, kind):
    for arguments in (
        (None, None, None),
        (ValueError, ValueError("x"), None),
        (StopIteration, StopIteration("x"), None),
    ):
        with record.graph():
            tf.constant(1.0)
            session = record.session([record.hook("A")], kind)
            record("enter", session.__enter__() is session)
            record.outcome("exit", session.__exit__, *arguments)


@KINDS
@pytest.mark.parametrize("error", ("AbortedError", "UnavailableError", "SubclassOfAbortedError"))
@pytest.mark.parametrize("stage", ("before_run", "after_run"))
@conforms("MTS-EXC-04", "MTS-EXC-13", "MTS-CLOSE-07", "MTS-LIFE-02", "Q-05")
def test_preemption_in_run(train, record, kind, stage, error):
    weight = tf.Variable(0.0, name="weight")
    increment = tf.assign_add(weight, 1.0)
    hooks = [record.hook("A"), record.hook("B", **{stage: fails_once(error, at=2)})]
    session = record.session(hooks, kind)
    for _ in range(3):
        record.outcome("run", session.run, increment)
    record("coordinators", [[c.should_stop(), c.joined] for c in record.coordinators])
    record.outcome("close", session.close)


@KINDS
@conforms("MTS-EXC-04")
def test_preemption_in_the_graph(train, record, kind):
    calls = []

    def compute():
        calls.append(1)
        if len(calls) == 2:
            raise make_error("UnavailableError", "once")
        return 1.0

    value = tf.py_func(compute, [], tf.float64)
    session = record.session([record.hook("A"), record.hook("B")], kind)
    for _ in range(3):
        record.outcome("run", session.run, value)
    session.close()


@conforms("MTS-EXC-04")
def test_repeated_preemption(train, record):
    constant = tf.constant(1.0)
    calls = []

    def fail(*_):
        calls.append(1)
        if len(calls) < 5:
            raise make_error("AbortedError", "again")

    session = record.session([record.hook("A", after_run=fail)])
    record("run", session.run(constant))
    session.close()


@KINDS
@pytest.mark.parametrize("parked", PARKED)
@conforms("MTS-EXC-05", "MTS-EXC-06", "MTS-EXC-07", "MTS-EXC-08", "MTS-EXC-09", "Q-08", "Q-26")
def test_coordinator_holds_an_error(train, record, kind, parked):
    constant = tf.constant(1.0)
    bad = []

    def fail(*_):
        if bad:
            bad.pop()
            raise ValueError("from run")

    session = record.session([record.hook("A", before_run=fail)], kind)
    park(record.coordinators[0], parked)
    record.outcome("good run", session.run, constant)
    bad.append(1)
    record.outcome("bad run", session.run, constant)
    record.outcome("should_stop", session.should_stop)
    record.outcome("should_stop again", session.should_stop)
    record.outcome("close", session.close)


@KINDS
@pytest.mark.parametrize("parked", PARKED)
@pytest.mark.parametrize("body", (None, "IndexError", "StopIteration", "AbortedError"))
@conforms("MTS-EXC-08", "MTS-EXC-09", "MTS-EXC-02", "Q-07", "Q-09")
def test_coordinator_holds_an_error_at_the_end(train, record, kind, parked, body):
    tf.constant(1.0)

    def block():
        with record.session([record.hook("A")], kind):
            park(record.coordinators[0], parked)
            if body == "IndexError":
                raise IndexError("from the body")
            if body:
                raise make_error(body, "from the body")
        return "left"

    record.outcome("block", block)


@KINDS
@pytest.mark.parametrize("end", ("ValueError", "AbortedError", "StopIteration"))
@pytest.mark.parametrize("parked", ("KeyError", "AbortedError"))
@pytest.mark.parametrize("body", (None, "OutOfRangeError"))
@conforms("MTS-EXC-08", "MTS-EXC-02", "MTS-CLOSE-02", "MTS-EXC-10")
def test_end_and_coordinator_fail(train, record, kind, end, parked, body):
    tf.constant(1.0)

    def block():
        with record.session([record.hook("A", end=fails_once(end)), record.hook("B")], kind):
            try:
                raise KeyError("parked") if parked == "KeyError" else make_error(parked, "parked")
            except Exception as error:
                record.coordinators[0].request_stop(error)
            if body:
                raise make_error(body, "from the body")
        return "left"

    record.outcome("block", block)


@pytest.mark.parametrize("parked", (None, "KeyError", "AbortedError", "KeyboardInterrupt"))
@conforms("MTS-EXC-14", "MTS-EXC-05")
def test_chain_of_the_runs_error(train, record, parked):
    constant = tf.constant(1.0)

    def fail(*_):
        try:
            raise LookupError("inner")
        except LookupError as error:
            raise ValueError("outer") from (error if parked is None else None)

    calls = []
    session = record.session(
        [record.hook("A", before_run=lambda *_: calls.append(1) or (len(calls) == 1 and fail()) or None)]
    )
    if parked:
        try:
            raise KeyError("parked") if parked == "KeyError" else make_error(parked, "parked")
        except BaseException as error:
            record.coordinators[0].request_stop(error)
    record.outcome("run", session.run, constant)
    record.outcome("close", session.close)


@conforms("MTS-EXC-11", "MTS-EXC-07", "Q-11")
def test_stop_is_forgotten_when_should_stop_recovers(train, record):
    constant = tf.constant(1.0)
    session = record.session([record.hook("A", after_run=stops_once())])
    session.run(constant)
    park(record.coordinators[0], "AbortedError")
    record("should_stop", session.should_stop())
    record.outcome("run", session.run, constant)
    session.close()


@conforms("MTS-EXC-11", "MTS-EXC-04", "MTS-RUN-10", "Q-10")
def test_stop_is_forgotten_when_run_recovers(train, record):
    constant = tf.constant(1.0)
    calls = []

    def stop(context):
        calls.append(1)
        if len(calls) == 1:
            context.request_stop()

    hooks = [record.hook("A", before_run=stop), record.hook("B", before_run=fails_once("AbortedError"))]
    session = record.session(hooks)
    session.run(constant)
    record("should_stop", session.should_stop())
    session.close()


@pytest.mark.parametrize("error", ("ValueError", "StopIteration", "KeyboardInterrupt", "AbortedError"))
@conforms("MTS-EXC-12", "MTS-LIFE-05")
def test_recreation_fails(train, record, error):
    weight = tf.Variable(0.0, name="weight")
    hooks = [
        record.hook("A", after_create_session=fails_once(error, at=2), end=lambda s: s and s.run(weight)),
        record.hook("B", before_run=fails_once("AbortedError")),
    ]
    session = record.session(hooks)
    record.outcome("run", session.run, weight)
    record.outcome("should_stop", session.should_stop)
    record("has a graph", session.graph is not None)
    record.outcome("run again", session.run, weight)
    record.outcome("should_stop", session.should_stop)
    record.outcome("close", session.close)
    record("coordinators", [[c.should_stop(), c.joined] for c in record.coordinators])


@conforms("MTS-EXC-12", "Q-16")
def test_recreation_fails_then_close(train, record):
    weight = tf.Variable(0.0, name="weight")
    sessions = []
    hooks = [
        record.hook("A", after_create_session=lambda s, _: sessions.append(s)),
        record.hook("B", after_create_session=fails_once("ValueError", at=2)),
        record.hook("C", before_run=fails_once("AbortedError")),
    ]
    session = record.session(hooks)
    record.outcome("run", session.run, weight)
    record.outcome("close", session.close)
    record.outcome("second session after close", sessions[1].run, weight)
    record("coordinators", [[c.should_stop(), c.joined] for c in record.coordinators])


@conforms("MTS-EXC-12", "MTS-EXC-08")
def test_closing_fails_while_recovering(train, record):
    weight = tf.Variable(0.0, name="weight")
    calls = []

    def fail(*_):
        calls.append(1)
        if len(calls) == 1:
            park(record.coordinators[0], "ValueError")
            raise make_error("AbortedError", "from run")

    session = record.session([record.hook("A"), record.hook("B", before_run=fail)])
    record.outcome("run", session.run, weight)
    record.outcome("should_stop", session.should_stop)
    record.outcome("run again", session.run, weight)
    record.outcome("close", session.close)


@pytest.mark.parametrize("with_directory", (True, False))
@conforms("MTS-EXC-13", "MTS-CKH-01", "MTS-SUM-01", "MTS-STP-01", "MTS-SES-02")
def test_recovery_restores_or_starts_again(train, record, with_directory):
    step = record.global_step()
    directory = record.path("logdir")
    summary = tf.summary.scalar("step", tf.train.get_global_step())
    hooks = [
        record.hook("A", before_run=fails_once("AbortedError", at=4)),
        train.StopAtStepHook(num_steps=5),
        train.CheckpointSaverHook(directory, save_steps=2, listeners=[record.listener("L")]),
        train.StepCounterHook(every_n_steps=1, output_dir=directory),
        train.SummarySaverHook(save_steps=2, output_dir=directory, summary_op=summary),
    ]
    session = record.session(hooks, checkpoint_dir=directory if with_directory else None)
    for _ in range(9):
        if record("should_stop", session.should_stop()):
            break
        record.clock.advance(0.5)
        record("run", session.run(step))
    session.close()


@pytest.mark.parametrize("parked", ("AbortedError", "UnavailableError", "ValueError"))
@conforms("MTS-EXC-08", "MTS-EXC-07")
def test_swallowed_errors_are_logged(train, record, parked):
    for ask in (True, False):
        with record.graph():
            tf.constant(1.0)
            session = record.session([record.hook("A")])
            park(record.coordinators[-1], parked)
            if ask:
                record.outcome("should_stop", session.should_stop)
            record.outcome("close", session.close)


@KINDS
@pytest.mark.parametrize(
    "run, parked", list(itertools.product(("ValueError", "AbortedError", "OutOfRangeError"), PARKED))
)
@conforms("MTS-EXC-05", "MTS-EXC-04", "MTS-EXC-14", "MTS-EXC-08")
def test_run_and_coordinator_fail_together(train, record, kind, run, parked):
    constant = tf.constant(1.0)
    calls = []

    def fail(*_):
        calls.append(1)
        if len(calls) == 1:
            park(record.coordinators[-1], parked)
            raise make_error(run, "from run")

    def block():
        with record.session([record.hook("A", after_run=fail), record.hook("B")], kind) as session:
            while len(calls) < 3 and not session.should_stop():
                record("run", session.run(constant))
        return "left"

    record.outcome("block", block)


@KINDS
@pytest.mark.parametrize("ask", (False, True))
@conforms("MTS-EXC-11", "MTS-EXC-05", "MTS-RUN-01")
def test_a_run_after_a_stop_recovers(train, record, kind, ask):
    constant = tf.constant(1.0)
    session = record.session([record.hook("A", after_run=stops_once())], kind)
    session.run(constant)
    park(record.coordinators[0], "AbortedError")
    record.outcome("run", session.run, constant)
    if ask:
        record.outcome("should_stop", session.should_stop)
    record.outcome("run", session.run, constant)
    record.outcome("close", session.close)


@pytest.mark.parametrize("error", ("ValueError", "KeyboardInterrupt", "AbortedError"))
@conforms("MTS-EXC-12", "MTS-EXC-07")
def test_should_stop_fails_to_recover(train, record, error):
    weight = tf.Variable(0.0, name="weight")
    session = record.session([record.hook("A", after_create_session=fails_once(error, at=2))])
    park(record.coordinators[0], "AbortedError")
    record.outcome("should_stop", session.should_stop)
    record.outcome("should_stop", session.should_stop)
    record.outcome("run", session.run, weight)
    record.outcome("should_stop", session.should_stop)
    record.outcome("close", session.close)


@pytest.mark.parametrize("told", (None, "ValueError", "AbortedError", "OutOfRangeError", "KeyboardInterrupt"))
@conforms("MTS-EXC-07", "MTS-EXC-11", "MTS-EXC-08")
def test_should_stop_recovers_into_a_stopped_session(train, record, told):
    constant = tf.constant(1.0)

    def tell_the_second(_, coordinator):
        if len(record.coordinators) == 2:
            if told:
                park(coordinator, told)
            else:
                coordinator.request_stop()

    session = record.session([record.hook("A", after_create_session=tell_the_second)])
    park(record.coordinators[0], "AbortedError")
    for _ in range(2):
        record.outcome("should_stop", session.should_stop)
        record("sessions", len(record.coordinators))
    record.outcome("run", session.run, constant)
    record.outcome("close", session.close)


@conforms("MTS-EXC-12", "MTS-EXC-08", "MTS-CLOSE-01", "Q-16")
def test_close_after_a_recovery_that_could_not_close(train, record):
    constant = tf.constant(1.0)
    hooks = [
        record.hook("A", before_run=fails_once("AbortedError")),
        record.hook("B", end=lambda session: record.outcome("usable", session.run, constant)),
    ]
    session = record.session(hooks)
    park(record.coordinators[0], "ValueError")
    record.outcome("run", session.run, constant)
    record.outcome("close", session.close)
    record.outcome("held", record.coordinators[0].raise_requested_exception)
