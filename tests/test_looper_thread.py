"""LooperThread: rounds, endings and bad arguments as with tf.train.LooperThread."""

import inspect
import threading
import time
from unittest import mock

import pytest
import tensorflow.compat.v1 as tf
from outcomes import log_lines, outcome

from monitored.coordinator import Coordinator
from monitored.looper_thread import LooperThread

SIDES = ((tf.train.LooperThread, tf.train.Coordinator), (LooperThread, Coordinator))


class VirtualWaits:
    """Mixed into a coordinator: its timed waits pass in virtual time and are written down."""

    now = 0.0

    def wait_for_stop(self, timeout=None):
        self.waits = [*getattr(self, "waits", []), timeout]
        self.now += max(0.0, timeout)
        return super().wait_for_stop(0)


def rounds(looper_class, coord_class, interval, stop_after, round_secs=0.0, fail=None):
    """Run a looper of `stop_after` rounds that take `round_secs`; return all there is to see."""
    calls = []
    coord = type("Coord", (VirtualWaits, coord_class), {})()

    def virtual_time():
        return coord.now

    class Looper(looper_class):
        def start_loop(self):
            calls.append("start")
            self.maybe_fail("start")

        def run_loop(self):
            calls.append(("round", coord.now))
            coord.now += round_secs
            self.maybe_fail("run")
            if len(calls) > stop_after:
                coord.request_stop()

        def stop_loop(self):
            calls.append("stop")
            self.maybe_fail("stop")

        def maybe_fail(self, where):
            if fail == where:
                raise ValueError(where)

    if not stop_after:
        coord.request_stop()
    with log_lines() as lines, mock.patch.object(time, "time", virtual_time):
        looper = Looper(coord, interval)
        assert looper.daemon
        assert looper in coord._registered_threads
        looper.start()
        looper.join()
    return calls, getattr(coord, "waits", []), coord.should_stop(), outcome(coord.join), lines


@pytest.mark.parametrize("fail", [None, "start", "run", "stop"])
@pytest.mark.parametrize("interval", [None, 0.0, 0.1, 2, -1.0])
@pytest.mark.rule("MTS-LPR-01")
def test_rounds(interval, fail):
    for stop_after in (0, 1, 4):
        for round_secs in (0.0, 0.04, 0.3):
            theirs, ours = (rounds(*s, interval, stop_after, round_secs, fail) for s in SIDES)
            assert ours == theirs


@pytest.mark.rule("MTS-LPR-01")
def test_loop_calls_the_target_with_its_arguments():
    for looper_class, coord_class in SIDES:
        coord, calls = coord_class(), []

        def target(*args, calls=calls, coord=coord, **kwargs):
            calls.append((args, kwargs))
            if len(calls) == 3:
                coord.request_stop()

        looper = looper_class.loop(coord, None, target, (1, 2), {"key": "word"})
        coord.join(stop_grace_period_secs=600)
        assert type(looper) is looper_class
        assert not looper.is_alive()
        assert calls == [((1, 2), {"key": "word"})] * 3


@pytest.mark.parametrize("coord", [5, None, "coord", (), ("a",), ("a", "b"), object])
@pytest.mark.rule("MTS-LPR-01")
def test_what_is_no_coordinator(coord):
    assert outcome(LooperThread, coord, 1) == outcome(tf.train.LooperThread, coord, 1)


@pytest.mark.parametrize("target", [None, int])
@pytest.mark.parametrize("kwargs", [None, {}, {"x": 1}])
@pytest.mark.parametrize("args", [None, (), (1,)])
@pytest.mark.rule("MTS-LPR-01")
def test_arguments_need_a_target(target, args, kwargs):
    results = []
    for looper_class, coord_class in SIDES:
        coord = coord_class()
        done = outcome(looper_class, coord, 1, target, args, kwargs)
        state = done
        if done[0] == "returned":
            looper = done[1]
            # Named like any thread without a target: the name shows in messages.
            assert looper.name.removeprefix("Thread-").isdigit()
            state = (looper._target, looper._timer_interval_secs, looper._coord is coord)
            if target:
                state += (looper._args, looper._kwargs)
        results.append((state, len(coord._registered_threads)))
    assert results[0] == results[1]


def test_without_target_a_round_does_nothing():
    for looper_class, coord_class in SIDES:
        assert looper_class(coord_class(), None).run_loop() is None


def test_a_coordinator_of_tensorflow_is_one():
    coord = tf.train.Coordinator()
    ran = threading.Event()

    def target():
        ran.set()
        raise ValueError("reported to it")

    LooperThread.loop(coord, 0.01, target)
    assert ran.wait(600)
    with pytest.raises(ValueError, match="reported to it"):
        coord.join(stop_grace_period_secs=600)


def test_signatures():
    for name in ("__init__", "loop", "run", "start_loop", "run_loop", "stop_loop"):
        theirs, ours = (
            [(p.name, p.kind, p.default) for p in inspect.signature(f).parameters.values()]
            for f in (getattr(tf.train.LooperThread, name), getattr(LooperThread, name))
        )
        assert ours == theirs, name
