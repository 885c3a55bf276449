"""HookProfiler: whose time it counts, where it tells, and that nothing else changes."""

import io
import json
import os
import time
from typing import Any

import pytest
import tensorflow.compat.v1 as tf

import monitored
from monitored.extras import HookProfiler
from monitored.extras.hook_profiler import RUN

CONFIG = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
BOTH = pytest.mark.parametrize("train", [monitored, tf.train], ids=["monitored", "tf.train"])


class Ticks:
    """A clock that advances only where a hook says so."""

    def __init__(self) -> None:
        self.now = 0

    def perf_counter_ns(self) -> int:
        return self.now


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Ticks:
    ticks = Ticks()
    monkeypatch.setattr(time, "perf_counter_ns", ticks.perf_counter_ns)
    return ticks


def taking(ticks: Ticks, **microseconds: int) -> Any:
    """Return a hook whose methods take that long."""

    class Slow(monitored.SessionRunHook):
        pass

    def method(us: int) -> Any:
        def call(*_: Any) -> None:
            ticks.now += us * 1000

        return call

    for stage, us in microseconds.items():
        setattr(Slow, stage, method(us))
    return Slow()


def session_with(train: Any, hooks: Any) -> Any:
    return train.MonitoredSession(train.ChiefSessionCreator(config=CONFIG), hooks)


@BOTH
def test_each_hook_has_its_own_time(tmp_path, ticks, train):
    with tf.Graph().as_default():
        op = tf.assign_add(tf.train.get_or_create_global_step(), 1)
        hooks = [taking(ticks, before_run=3, after_run=5), taking(ticks, before_run=7, end=2000)]
        hooks.append(taking(ticks, after_run=11))
        told = io.StringIO()
        profiler = HookProfiler(str(tmp_path), every_n_steps=2, file=told)
        with profiler.attach(session_with(train, hooks)) as session:
            for _ in range(5):
                session.run(op)
    assert profiler.microseconds() == {
        ("Slow", "before_run"): 3, ("Slow", "after_run"): 5, ("Slow_2", "before_run"): 7, ("Slow_2", "after_run"): 0,
        ("Slow_3", "before_run"): 0, ("Slow_3", "after_run"): 11, (RUN, "run"): 0,
        ("Slow", "end"): 0, ("Slow_2", "end"): 2000, ("Slow_3", "end"): 0,
    }  # fmt: skip
    rows = [line.split() for line in told.getvalue().splitlines()]
    assert rows[1] == ["Slow_3", "0.0", "11.0", "11.0", "11.0", "42%"]
    assert rows[2] == ["Slow", "3.0", "5.0", "5.0", "8.0", "31%"]
    assert rows[3] == ["Slow_2", "7.0", "0.0", "7.0", "7.0", "27%"]
    assert rows[5][:5] == ["5", "steps,", "26.0", "us", "each,"]
    assert ["Slow_2.end", "2.0", "ms"] in rows

    written = scalars(str(tmp_path))
    assert written[2, "hook_us/Slow/before_run"] == 3
    assert written[4, "hook_us/Slow_3/after_run"] == 11
    assert {step for step, _ in written} == {2, 4}

    events = json.loads((tmp_path / "hooks.trace.json").read_text())["traceEvents"]
    names = {event["tid"]: event["args"]["name"] for event in events if event["ph"] == "M"}
    first = [(names[e["tid"]], e["name"], e["ts"], e["dur"]) for e in events if e["ph"] == "X"][:7]
    assert first == [
        ("Slow", "before_run", 0, 3), ("Slow_2", "before_run", 3, 7), ("Slow_3", "before_run", 10, 0),
        (RUN, "run", 10, 0), ("Slow", "after_run", 10, 5), ("Slow_2", "after_run", 15, 0),
        ("Slow_3", "after_run", 15, 11),
    ]  # fmt: skip


def scalars(folder: str) -> dict[Any, float]:
    return {
        (event.step, value.tag): round(value.simple_value, 3)
        for name in os.listdir(folder)
        if name.startswith("events")
        for event in tf.train.summary_iterator(os.path.join(folder, name))
        for value in event.summary.value
    }


@BOTH
def test_hooks_that_the_session_made_itself_and_early_stages(tmp_path, ticks, train):
    with tf.Graph().as_default():
        op = tf.assign_add(tf.train.get_or_create_global_step(), 1)
        profiler = HookProfiler(file=io.StringIO())
        mine = profiler.watch([taking(ticks, begin=4, after_create_session=6)])
        session = train.MonitoredTrainingSession(checkpoint_dir=str(tmp_path), hooks=mine, config=CONFIG)
        with profiler.attach(session):
            session.run(op)
    found = profiler.microseconds()
    assert found["Slow", "begin"] == 4
    assert found["Slow", "after_create_session"] == 6
    assert {name for name, _ in found} == {
        "Slow", "StepCounterHook", "SummarySaverHook", "CheckpointSaverHook", RUN,
    }  # fmt: skip


def test_hooks_stay_who_they_are(ticks):
    own = []
    hook = taking(ticks)
    hook.end = lambda session: own.append("end")
    profiler = HookProfiler(file=io.StringIO())
    with tf.Graph().as_default():
        constant = tf.constant(1.0)
        profiler.attach(session_with(monitored, [hook])).close()
    assert own == ["end"]
    profiler.detach()
    hook.end(None)
    assert own == ["end", "end"]
    assert list(vars(hook)) == ["end"]
    assert "Slow" in profiler.report()
    assert constant.name == "Const:0"


@BOTH
def test_a_failing_step_is_no_step(ticks, train):
    with tf.Graph().as_default():
        value = tf.placeholder(tf.float32, [])
        profiler = HookProfiler(file=io.StringIO())
        session = profiler.attach(session_with(train, [taking(ticks, before_run=3)]))
        session.run(value, {value: 1.0})
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(value)
        session.close()
    assert "\n1 steps" in profiler.report()


def test_bad_arguments():
    with pytest.raises(ValueError, match="every_n_steps must be a positive integer, not 0"):
        HookProfiler(every_n_steps=0)
    with pytest.raises(ValueError, match="trace_steps must be a positive integer, not '5'"):
        HookProfiler(trace_steps="5")
    with pytest.raises(ValueError, match="session must be a monitored session"):
        HookProfiler().attach(object())

    class Closed:
        __slots__ = ()
        begin = after_create_session = before_run = after_run = end = lambda *_: None

    with pytest.raises(ValueError, match="hook Closed lets nobody set its attribute 'begin'"):
        HookProfiler().watch([Closed()])
