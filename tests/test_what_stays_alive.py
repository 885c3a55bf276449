"""What a program that keeps its sessions, hooks and coordinators keeps alive with them."""

import contextlib
import gc
import sys
import threading
import weakref

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import monitored
from monitored import _tensorflow, compiled_step
from monitored.compiled_step import TensorReader
from monitored.extras import AsyncCheckpointSaverHook

sides = pytest.mark.parametrize("train", [tf.train, monitored], ids=["tf.train", "monitored"])


def watching(train, preempt_at=0, error=tf.errors.AbortedError):
    """A hook that holds weak references to the sessions it has seen, and is preempted at a call."""

    class Watching(train.SessionRunHook):
        calls = 0

        def __init__(self):
            self.sessions = []

        def after_create_session(self, session, coord):
            self.sessions.append(weakref.ref(session))

        def before_run(self, run_context):
            self.calls += 1
            if self.calls == preempt_at:
                raise error(None, None, "preempted")

    return Watching()


def closed_normally(session, advance):
    with session:
        session.run(advance)
        session.run(advance)


def closed_twice(session, advance):
    closed_normally(session, advance)
    with pytest.raises(RuntimeError):
        session.close()


def failed(session, advance):
    with contextlib.suppress(ArithmeticError), session:
        session.run(advance)
        session.run(advance)
        raise ArithmeticError


def train_once(train, folder, ending, hooks):
    with tf.Graph().as_default():
        advance = train.get_or_create_global_step().assign_add(1)
        tf.summary.scalar("advance", advance)
        session = train.MonitoredTrainingSession(
            checkpoint_dir=folder, hooks=hooks, save_checkpoint_steps=1, save_summaries_steps=1, log_step_count_steps=1
        )
        ending(session, advance)
    return session


@pytest.mark.parametrize("preempt_at", [0, 2])
@pytest.mark.parametrize("ending", [closed_normally, closed_twice, failed])
@sides
def test_no_closed_session_is_kept(train, ending, preempt_at, tmp_path):
    """Neither by the monitored session nor by its hooks, the default ones among them."""
    hook = watching(train, preempt_at)
    kept = train_once(train, str(tmp_path), ending, [hook])
    gc.collect()
    assert len(hook.sessions) == (2 if preempt_at else 1)
    assert [reference() for reference in hook.sessions] == [None] * len(hook.sessions)
    assert kept.should_stop()


@sides
def test_a_preempted_session_is_not_kept_by_the_next(train, tmp_path):
    hook = watching(train, preempt_at=2)

    def look(session, advance):
        session.run(advance)
        session.run(advance)
        gc.collect()
        assert [reference() is None for reference in hook.sessions] == [True, False]
        session.close()

    train_once(train, str(tmp_path), look, [hook])


def without_a_run_by_handle(monkeypatch):
    """Where TensorFlow has the function that runs what is compiled by its handle, there is none."""
    monkeypatch.setitem(sys.modules, "tensorflow.python.client.pywrap_tf_session", None)


def without_compiled_steps(monkeypatch):
    monkeypatch.setattr(compiled_step, "ENABLED", False)


ways = pytest.mark.parametrize("way", [lambda _: None, without_a_run_by_handle, without_compiled_steps])


@ways
def test_a_reader_keeps_no_session(way, monkeypatch):
    way(monkeypatch)
    reader = TensorReader()
    with tf.Graph().as_default():
        tensor = tf.constant(3.0)
        session = tf.Session()
    assert [reader.read(session, tensor) for _ in range(2)] == [3.0, 3.0]
    session, kept = None, weakref.ref(session)
    gc.collect()
    assert kept() is None


def test_a_step_is_compiled_without_a_run_by_handle_too(monkeypatch):
    with tf.Graph().as_default():
        session = tf.Session()
        double = tf.multiply(tf.placeholder_with_default(2.0, [], name="x"), 2.0, name="double")
    plain = session.run(double, {"x:0": 5.0})
    without_a_run_by_handle(monkeypatch)
    assert _tensorflow.compiled_run(session, [double.name], [], ["x:0"])(np.float32(5.0)) == [plain]


@ways
@pytest.mark.parametrize("ending", [closed_normally, failed])
def test_asynchronous_saves_keep_no_session(ending, way, tmp_path, monkeypatch):
    way(monkeypatch)
    hook = watching(monitored)
    saver_hook = AsyncCheckpointSaverHook(str(tmp_path), save_steps=1)
    train_once(monitored, None, ending, [saver_hook, hook])
    gc.collect()
    assert hook.sessions[0]() is None


@pytest.mark.parametrize(("train", "kept"), [(tf.train, 3), (monitored, 0)], ids=["tf.train", "monitored"])
def test_threads_that_have_ended(train, kept):
    """tf.train's coordinator keeps them until it is joined; ours need not, for nobody waits for them."""
    coord, ready = train.Coordinator(), threading.Event()
    for _ in range(3):
        thread = threading.Thread(target=int)
        coord.register_thread(thread)
        thread.start()
        thread.join()
    not_started, alive = threading.Thread(target=int), threading.Thread(target=ready.wait)
    alive.start()
    for thread in (not_started, alive):
        coord.register_thread(thread)
    assert {not_started, alive} <= coord._registered_threads
    assert len(coord._registered_threads) == kept + 2
    not_started.start()
    ready.set()
    coord.request_stop()
    coord.join(stop_grace_period_secs=600)
    assert coord._registered_threads == set()
