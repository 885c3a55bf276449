"""The coordinator and looper threads (MTS-CRD, MTS-LPR)."""

import contextlib
import sys
import threading

import pytest

from conformance.errors import make_error
from conformance.harness import conforms
from conformance.trace import tf


def park(coordinator, name, as_tuple=False):
    try:
        raise KeyError("parked") if name == "KeyError" else make_error(name, "parked")
    except BaseException as error:
        coordinator.request_stop(sys.exc_info() if as_tuple else error)


def look(record, coordinator):
    record("state", [coordinator.should_stop(), coordinator.joined, coordinator.wait_for_stop(0)])


@conforms("MTS-CRD-01", "MTS-CRD-02", "MTS-CRD-03")
def test_without_threads(train, record):
    coordinator = train.Coordinator()
    look(record, coordinator)
    record("clean types", [cls.__name__ for cls in coordinator._clean_stop_exception_types])
    record.outcome("join", coordinator.join)
    look(record, coordinator)
    record.outcome("stop", coordinator.request_stop)
    look(record, coordinator)
    record.outcome("clear", coordinator.clear_stop)
    look(record, coordinator)


@pytest.mark.parametrize("as_tuple", (False, True))
@pytest.mark.parametrize(
    "name", ("ValueError", "OutOfRangeError", "StopIteration", "KeyboardInterrupt", "AbortedError")
)
@conforms("MTS-CRD-01", "MTS-CRD-02", "MTS-CRD-06")
def test_an_exception(train, record, name, as_tuple):
    coordinator = train.Coordinator()
    record.outcome("first", park, coordinator, name, as_tuple)
    record.outcome("second", park, coordinator, "KeyError", as_tuple)
    record.outcome("raise", coordinator.raise_requested_exception)
    record.outcome("join", coordinator.join)
    record.outcome("join again", coordinator.join)
    look(record, coordinator)
    record.outcome("late", park, coordinator, "KeyError", as_tuple)
    record.outcome("plain stop", coordinator.request_stop)
    coordinator.clear_stop()
    record.outcome("after clear", park, coordinator, name, as_tuple)
    look(record, coordinator)


@pytest.mark.parametrize("types", (None, (), [], (StopIteration,), (ValueError, StopIteration), 5))
@conforms("MTS-CRD-01")
def test_clean_stop_types(train, record, types):
    for name in ("OutOfRangeError", "StopIteration", "ValueError", "SubclassOfOutOfRangeError"):
        coordinator = record.outcome("make", train.Coordinator, types)
        if coordinator is None:
            return
        record.outcome("report", park, coordinator, name)
        record("should_stop", coordinator.should_stop())
        record.outcome("join", coordinator.join)


ODD = {
    "not in a handler": lambda: ValueError("free"),
    "tuple of None": lambda: (None, None, None),
    "pair": lambda: (ValueError, ValueError("t")),
    "triple": lambda: (ValueError, ValueError("t"), None),
    "string": lambda: "text",
    "zero": lambda: 0,
    "empty tuple": lambda: (),
    "class": lambda: ValueError,
    "out of range, free": lambda: tf.errors.OutOfRangeError(None, None, "free"),
}


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize("joined", (False, True))
@conforms("MTS-CRD-04", "MTS-CRD-02", "Q-24", "Q-25")
def test_odd_reports(train, record, case, joined):
    coordinator = train.Coordinator()
    if joined:
        coordinator.join()
    record.outcome("report", coordinator.request_stop, ODD[case]())
    record("should_stop", coordinator.should_stop())
    record.outcome("join", coordinator.join)
    record.outcome("raise", coordinator.raise_requested_exception)


@pytest.mark.parametrize(
    "name", ("ValueError", "KeyboardInterrupt", "OutOfRangeError", "StopIteration", "AbortedError")
)
@conforms("MTS-CRD-05", "MTS-CRD-06")
def test_stop_on_exception(train, record, name):
    coordinator = train.Coordinator()

    def body():
        with coordinator.stop_on_exception():
            raise make_error(name, "inside")
        return "swallowed"

    record.outcome("body", body)
    record("should_stop", coordinator.should_stop())
    record.outcome("join", coordinator.join)


@pytest.mark.parametrize("error", (SystemExit(2), GeneratorExit()), ids=("exit", "generator"))
@conforms("MTS-CRD-05")
def test_stop_on_other_exceptions(train, record, error):
    coordinator = train.Coordinator()

    def body():
        with coordinator.stop_on_exception():
            raise error
        return "swallowed"

    record.outcome("body", body)
    record.outcome("join", coordinator.join)


def threads_with(record, coordinator, target, count=1, register=True):
    threads = [threading.Thread(target=target, name="T{}".format(index), daemon=True) for index in range(count)]
    for thread in threads:
        if register:
            coordinator.register_thread(thread)
        thread.start()
    return threads


@conforms("MTS-CRD-03")
def test_join_of_ending_threads(train, record):
    for register in (True, False):
        coordinator = train.Coordinator()
        threads = threads_with(record, coordinator, lambda: None, 3, register)
        record.outcome("join", coordinator.join, None if register else threads)
        record("registered", len(coordinator._registered_threads))
        look(record, coordinator)
    coordinator = train.Coordinator()
    threads = threads_with(record, coordinator, coordinator.request_stop)
    record.outcome("join", coordinator.join, threads)
    look(record, coordinator)


@pytest.mark.parametrize("grace", (0.05, 0, -1, 0.001))
@pytest.mark.parametrize("ignore", (False, True))
@pytest.mark.parametrize("error", (None, "ValueError"))
@conforms("MTS-CRD-03")
def test_join_of_staying_threads(train, record, grace, ignore, error):
    coordinator = train.Coordinator()
    event = threading.Event()
    record.releases.append(event.set)
    threads_with(record, coordinator, lambda: event.wait(60))
    if error:
        park(coordinator, error)
    else:
        coordinator.request_stop()
    arguments = {"stop_grace_period_secs": grace, "ignore_live_threads": ignore}
    record.outcome("join", lambda: coordinator.join(**arguments))
    record("slept", [round(secs, 6) for secs in record.clock.slept])
    record("registered", len(coordinator._registered_threads))
    look(record, coordinator)
    record.outcome("join again", lambda: coordinator.join(**arguments))


@conforms("MTS-CRD-03")
def test_a_thread_reports(train, record):
    coordinator = train.Coordinator()

    def fail():
        with coordinator.stop_on_exception():
            raise ValueError("in the thread")

    threads_with(record, coordinator, fail)
    record.outcome("join", coordinator.join)


@conforms("MTS-LPR-01")
def test_looper_constructor(train, record):
    make = train.LooperThread
    coordinator = train.Coordinator()
    record.outcome("coordinator", lambda: make(5, 1))
    record.outcome("args", lambda: make(coordinator, 1, args=(1,)))
    record.outcome("kwargs", lambda: make(coordinator, 1, kwargs={"a": 1}))
    looper = make(coordinator, 1)
    record("daemon", looper.daemon)
    record("registered", looper in coordinator._registered_threads)
    looper.start()
    coordinator.request_stop()
    looper.join(60)


@pytest.mark.parametrize("interval", (None, 0.001))
@conforms("MTS-LPR-01")
def test_looper_calls(train, record, interval):
    coordinator = train.Coordinator()
    calls = []

    def step(x, y=0):
        calls.append((x, y))
        if len(calls) == 3:
            coordinator.request_stop()

    looper = train.LooperThread.loop(coordinator, interval, step, (1,), {"y": 2})
    record("class", isinstance(looper, train.LooperThread))
    record.outcome("join", coordinator.join)
    looper.join(60)
    record("calls", calls)


@pytest.mark.parametrize("case", ("stops", "fails", "stopped before", "start fails", "stop fails"))
@pytest.mark.parametrize("interval", (None, 0.001))
@conforms("MTS-LPR-01", "MTS-CRD-05")
def test_looper_stages(train, record, case, interval):
    coordinator = train.Coordinator()
    stages = []

    class Looper(train.LooperThread):
        def start_loop(self):
            stages.append("start")
            if case == "start fails":
                raise ValueError("from start")

        def run_loop(self):
            stages.append("run")
            if case == "fails":
                raise ValueError("from run")
            coordinator.request_stop()

        def stop_loop(self):
            stages.append("stop")
            if case == "stop fails":
                raise ValueError("from stop")

    if case == "stopped before":
        coordinator.request_stop()
    looper = Looper(coordinator, interval)
    looper.start()
    looper.join(60)
    record("stages", stages)
    record.outcome("join", coordinator.join)


@conforms("MTS-LPR-01", "MTS-CRD-03")
def test_looper_without_a_target(train, record):
    coordinator = train.Coordinator()
    looper = train.LooperThread(coordinator, 0.001)
    looper.start()
    coordinator.request_stop()
    record.outcome("join", coordinator.join)
    looper.join(60)


class Lasting:
    """What a coordinator takes for a thread; it is found alive so many times, and has its place in a set."""

    def __init__(self, name, looks):
        self.name, self.looks = name, looks

    def __hash__(self):
        return ord(self.name)

    def is_alive(self):
        self.looks -= 1
        return self.looks >= 0


@pytest.mark.parametrize("ignore", (False, True))
@pytest.mark.parametrize("grace", (-1, 0, 0.0005, 0.003, 1, 5))
@pytest.mark.parametrize("looks", ((0, 0), (2, 1), (5, 3), (99, 99)))
@conforms("MTS-CRD-03")
def test_waiting_for_threads(train, record, looks, grace, ignore):
    coordinator = train.Coordinator()
    threads = [Lasting(name, count) for name, count in zip("ab", looks)]
    waits = []

    def wait_for_stop(timeout):
        waits.append(timeout)
        if len(waits) == 3:
            coordinator.request_stop()
        return len(waits) >= 3

    coordinator.wait_for_stop = wait_for_stop
    start = record.clock.time()
    record.outcome("join", coordinator.join, threads, grace, ignore)
    record("waits", waits)
    record("slept", round(record.clock.time() - start, 6))
    record.outcome("join", coordinator.join, [threads[1]], grace, ignore)


@pytest.mark.parametrize("name", ("ValueError", "OutOfRangeError"))
@conforms("MTS-CRD-01", "MTS-CRD-06")
def test_a_tuple_without_a_traceback(train, record, name):
    coordinator = train.Coordinator()
    error = make_error(name, "parked")
    record.outcome("stop", coordinator.request_stop, (type(error), error, None))
    look(record, coordinator)
    record.outcome("join", coordinator.join)


@pytest.mark.parametrize("name", ("OutOfRangeError", "ValueError", "AbortedError", "KeyboardInterrupt"))
@pytest.mark.parametrize("kind", ("MonitoredSession", "SingularMonitoredSession"))
@conforms("MTS-CRD-01", "MTS-EXC-05", "MTS-EXC-07", "MTS-EXC-09", "Q-26")
def test_what_a_session_s_coordinator_is_told(train, record, kind, name):
    constant = tf.constant(1.0)
    session = record.session([record.hook("A")], kind)
    record("clean types", [cls.__name__ for cls in record.coordinators[0]._clean_stop_exception_types])
    park(record.coordinators[0], name)
    record.outcome("should_stop", session.should_stop)
    record.outcome("run", session.run, constant)
    record.outcome("close", session.close)


@pytest.mark.parametrize("in_run", ("ValueError", "AbortedError", "KeyboardInterrupt", "OutOfRangeError"))
@pytest.mark.parametrize("told", ("ValueError", "AbortedError", "UnavailableError", "KeyboardInterrupt"))
@pytest.mark.parametrize("kind", ("MonitoredSession", "SingularMonitoredSession"))
@conforms("MTS-EXC-04", "MTS-EXC-05", "MTS-EXC-06", "MTS-EXC-14")
def test_two_errors_at_once(train, record, kind, told, in_run):
    constant = tf.constant(1.0)
    calls = []

    def fail(*_):
        calls.append(1)
        if len(calls) == 1:
            park(record.coordinators[-1], told)
            raise make_error(in_run, "in the run")

    session = record.session([record.hook("A", before_run=fail)], kind)
    record.outcome("run", session.run, constant)
    record.outcome("should_stop", session.should_stop)
    record.outcome("close", session.close)


@pytest.mark.parametrize("looks", (0, 3, 50))
@pytest.mark.parametrize("grace", (0, 2.5))
@pytest.mark.parametrize("kind", ("MonitoredSession", "SingularMonitoredSession"))
@conforms("MTS-CLOSE-06", "MTS-CRD-03")
def test_a_session_waits_for_its_threads(train, record, kind, grace, looks):
    def register(_, coordinator):
        coordinator.register_thread(Lasting("a", looks))

    hook = record.hook("A", after_create_session=register)
    session = record.session([hook], kind, stop_grace_period_secs=grace)
    start = record.clock.time()
    record.outcome("close", session.close)
    record("slept", round(record.clock.time() - start, 6))


@conforms("MTS-CRD-02", "MTS-CRD-03")
def test_clearing_a_stop_keeps_threads_registered(train, record):
    coordinator = train.Coordinator()
    coordinator.register_thread(Lasting("a", 99))
    park(coordinator, "ValueError")
    coordinator.clear_stop()
    look(record, coordinator)
    record("registered", len(coordinator._registered_threads))
    coordinator.request_stop()
    for _ in range(2):
        record.outcome("join", coordinator.join, stop_grace_period_secs=-1)


@pytest.mark.parametrize("joined", (False, True))
@conforms("MTS-CRD-04", "MTS-CRD-02")
def test_another_exception_than_the_one_that_is_handled(train, record, joined):
    coordinator = train.Coordinator()
    if joined:
        coordinator.join()

    def report():
        try:
            raise KeyError("handled")
        except KeyError:
            coordinator.request_stop(ValueError("passed"))

    record.outcome("report", report)
    look(record, coordinator)
    record.outcome("raise", coordinator.raise_requested_exception)
    record.outcome("join", coordinator.join)


class LikeACoordinator:
    """Has every method that a looper thread calls."""

    def register_thread(self, thread):
        pass

    def should_stop(self):
        return True

    def wait_for_stop(self, timeout=None):
        return True

    def stop_on_exception(self):
        return contextlib.nullcontext()


@conforms("MTS-LPR-01")
def test_what_a_looper_takes_for_a_coordinator(train, record):
    class Mine(train.Coordinator):
        pass

    for cls in (Mine, LikeACoordinator):
        coordinator = record.describer.name(cls(), "coordinator")
        record.outcome("make", lambda: train.LooperThread(coordinator, 1).daemon)
    record.outcome("the class", lambda: train.LooperThread(train.Coordinator, 1).daemon)
