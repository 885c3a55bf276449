"""Coordinator: every sequence of calls gives what tf.train.Coordinator gives."""

import inspect
import itertools
import sys
import threading
import time
from unittest import mock

import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from outcomes import log_lines, outcome

from monitored.coordinator import Coordinator

SIDES = (tf.train.Coordinator, Coordinator)


class FalsyError(Exception):
    """An exception that takes itself for nothing."""

    def __bool__(self):
        return False


CLEAN_TYPES = {
    "default": None,
    "none": [],
    "one": (StopIteration,),
    "generator": lambda: (t for t in (KeyError, tf.errors.OutOfRangeError)),
}
ERRORS = {
    "value": lambda: ValueError("a", 1),
    "empty": KeyError,
    "end": lambda: tf.errors.OutOfRangeError(None, None, "end of input"),
    "stop": StopIteration,
    "aborted": lambda: tf.errors.AbortedError(None, None, "gone"),
    "interrupt": KeyboardInterrupt,
    "exit": lambda: SystemExit(2),
    "generator": GeneratorExit,
    "unicode": lambda: ValueError("größer"),
    "falsy": FalsyError,
}
VALUE = ValueError("kept")
ODD_REPORTS = {
    "nothing": None,
    "error outside": VALUE,
    "end outside": tf.errors.OutOfRangeError(None, None, "end"),
    "text": "a text",
    "bytes": b"some bytes",
    "zero": 0,
    "class": ValueError,
    "()": (),
    "(1)": (ValueError,),
    "(2)": (ValueError, VALUE),
    "(3)": (ValueError, VALUE, None),
    "(4)": (ValueError, VALUE, None, None),
    "(None)": (None, None, None),
    "(no type)": (None, VALUE, None),
    "(no value)": (ValueError, None, None),
    "(end)": (tf.errors.OutOfRangeError, tf.errors.OutOfRangeError(None, None, "e"), None),
    "list": [ValueError, VALUE, None],
}


class Clock:
    """Virtual time for the coordinator and for the threads it joins."""

    def __init__(self):
        self.now = 0.0
        self.naps = []

    def sleep(self, secs):
        self.naps.append(secs)
        self.now += secs


class Worker:
    """Stands in for a thread that ends at a fixed virtual time, having asked for a stop or not."""

    def __init__(self, clock, name, ends_at):
        self.clock, self.name, self.ends_at = clock, name, ends_at

    def is_alive(self):
        return self.clock.now < self.ends_at


class Play:
    """Does a list of actions to one side's coordinator and writes down all there is to see."""

    def __init__(self, cls, clean_types):
        self.clock = clock = Clock()
        self.waits = waits = []

        class Waiting(cls):
            def wait_for_stop(self, timeout=None):
                waits.append(timeout)
                if not self.should_stop():
                    clock.now += timeout
                return super().wait_for_stop(0)

        types = CLEAN_TYPES[clean_types]
        self.coord = Waiting(types() if callable(types) else types)

    def act(self, action, *args):
        done = outcome(getattr(self, action), *args)
        coord = self.coord
        state = (coord.should_stop(), coord.joined, len(coord._registered_threads))
        return (action, args, done, state, self.clock.now, list(self.clock.naps), list(self.waits))

    def stop(self):
        return self.coord.request_stop()

    def report(self, name):
        return self.coord.request_stop(ODD_REPORTS[name])

    def report_handled(self, error, form):
        try:
            raise ERRORS[error]()
        except BaseException as handled:
            forms = {"object": handled, "tuple": sys.exc_info(), "other": VALUE, "text": "a text"}
            return self.coord.request_stop(ex=forms[form])

    def block(self, error):
        with self.coord.stop_on_exception() as given:
            if error:
                raise ERRORS[error]()
            return given
        return "swallowed"

    def clear(self):
        return self.coord.clear_stop()

    def raise_requested(self):
        return self.coord.raise_requested_exception()

    def wait(self):
        return self.coord.wait_for_stop(0.25)

    def register(self, name, secs):
        return self.coord.register_thread(Worker(self.clock, name, self.clock.now + secs))

    def join(self, passed, grace, ignore):
        threads = passed
        if passed:
            threads = (Worker(self.clock, f"passed{i}", t) for i, t in enumerate(passed))
        return self.coord.join(threads, grace, ignore_live_threads=ignore)


def played(cls, actions, clean_types="default"):
    with log_lines() as lines:
        play = Play(cls, clean_types)
        with mock.patch.object(time, "sleep", play.clock.sleep):
            return [play.act(*action) for action in actions], lines


def assert_same(actions, clean_types="default"):
    theirs, our_own = (played(cls, actions, clean_types) for cls in SIDES)
    assert our_own == theirs


ACTIONS = st.one_of(
    st.just(("stop",)),
    st.just(("clear",)),
    st.just(("raise_requested",)),
    st.just(("wait",)),
    st.tuples(st.just("report"), st.sampled_from(sorted(ODD_REPORTS))),
    st.tuples(
        st.just("report_handled"),
        st.sampled_from(sorted(ERRORS)),
        st.sampled_from(["object", "tuple", "other", "text"]),
    ),
    st.tuples(st.just("block"), st.sampled_from([None, *sorted(ERRORS)])),
    st.tuples(st.just("register"), st.sampled_from("abc"), st.sampled_from([0.0, 0.0015, 0.9, 1.0, 3.7])),
    st.tuples(
        st.just("join"),
        st.sampled_from([None, (), (0.0,), (0.5, 2.5)]),
        st.sampled_from([120, 0, -1, 0.001, 0.0025, 1, 2.5]),
        st.booleans(),
    ),
)


@settings(max_examples=150)
@given(actions=st.lists(ACTIONS, max_size=8), clean_types=st.sampled_from(sorted(CLEAN_TYPES)))
def test_any_sequence_of_calls_goes_as_in_tensorflow(actions, clean_types):
    assert_same(actions, clean_types)


AFTERWARDS = [("raise_requested",), ("join", None, 1, False), ("join", None, 1, False)]


@pytest.mark.parametrize("report", ODD_REPORTS)
@pytest.mark.rule("MTS-CRD-01", "MTS-CRD-02", "MTS-CRD-04", "Q-24", "Q-25")
def test_odd_reports(report):
    stop, join, clear = ("stop",), ("join", None, 1, False), ("clear",)
    for before in ([], [stop], [join], [join, clear]):
        assert_same([*before, ("report", report), *AFTERWARDS, stop, *AFTERWARDS])


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.rule("MTS-CRD-01", "MTS-CRD-02", "MTS-CRD-06")
def test_handled_reports(error):
    """Differences: D23, D24."""
    for form, clean_types in itertools.product(("object", "tuple", "other", "text"), CLEAN_TYPES):
        reports = [("report_handled", error, form), ("report_handled", "empty", form)]
        assert_same([*reports, *AFTERWARDS, *reports, ("clear",), *reports], clean_types)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.rule("MTS-CRD-05")
def test_block_swallows_and_records(error):
    """Differences: D22."""
    assert_same([("block", error), *AFTERWARDS, ("block", error)])


@pytest.mark.parametrize("reported", [(), ("stop",), ("report_handled", "value", "object")])
@pytest.mark.rule("MTS-CRD-03")
def test_join(reported):
    registered = [("register", "quick", 0.002), ("register", "slow", 1.5), ("register", "lag", 3)]
    reports = [reported] if reported else []
    for grace, ignore in itertools.product((120, 1, 0.0035, 0, -1), (True, False)):
        joined = ("join", (0.5, 2.0), grace, ignore)
        assert_same([*registered, *reports, joined, ("join", None, grace, ignore)])


def test_defaults_and_names_that_others_use():
    ours = Coordinator()
    assert ours._clean_stop_exception_types == (tf.errors.OutOfRangeError,)
    assert ours._registered_threads == set()
    assert not ours.joined
    for name in ("__init__", *(n for n in dir(tf.train.Coordinator) if not n.startswith("_"))):
        theirs, our_own = (getattr(cls, name) for cls in SIDES)
        if callable(theirs):
            assert _shape(our_own) == _shape(theirs), name


def _shape(function):
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default) for p in parameters]


@pytest.mark.parametrize("cls", SIDES)
def test_real_threads(cls):
    coord = cls()
    started = threading.Event()

    def work():
        with coord.stop_on_exception():
            started.set()
            coord.wait_for_stop(600)
            raise ValueError("never kept: the stop came first")

    threads = [threading.Thread(target=work, name=f"worker{i}") for i in range(2)]
    coord.register_thread(threads[0])
    for thread in threads:
        thread.start()
    assert started.wait(600)
    coord.request_stop()
    coord.join([threads[1]], stop_grace_period_secs=600)
    assert not any(thread.is_alive() for thread in threads)
    assert not coord._registered_threads
