"""AsyncCheckpointSaverHook beside CheckpointSaverHook, in sessions of both kinds."""

import contextlib
import logging
import os
import pathlib
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import monitored
from monitored.extras import AsyncCheckpointSaverHook

CONFIG = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
BOTH = pytest.mark.parametrize("train", [monitored, tf.train], ids=["monitored", "tf.train"])


class GatedSaver(monitored.Saver):
    """A saver whose writing waits for a gate, and may fail."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate, self.error = threading.Event(), None
        self.gate.set()

    def save(self, *args: Any, **kwargs: Any) -> Any:
        assert self.gate.wait(600)
        if self.error is not None:
            raise self.error
        return super().save(*args, **kwargs)


class Listener(monitored.CheckpointSaverListener):
    def __init__(self, stop_at: int | None = None) -> None:
        self.seen: list[Any] = []
        self.stop_at = stop_at

    def before_save(self, session: Any, global_step_value: Any) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.seen.append(("before", int(global_step_value)))

    def after_save(self, session: Any, global_step_value: Any) -> Any:
        assert threading.current_thread() is threading.main_thread()
        self.seen.append(("after", int(global_step_value)))
        return global_step_value == self.stop_at

    def end(self, session: Any, global_step_value: Any) -> None:
        self.seen.append(("end", int(global_step_value)))


def model(use_resource: bool = True, parts: bool = True) -> Any:
    """Make a graph with one of each kind of variable; return its train op."""
    step = tf.train.get_or_create_global_step()
    rows = tf.get_variable("rows", initializer=np.arange(12.0).reshape(4, 3), use_resource=use_resource)
    text = tf.get_variable("text", initializer=["a", "b"], use_resource=use_resource)
    more = [rows.assign_add(tf.ones_like(rows)), text.assign([tf.strings.as_string(step), "c"])]
    if parts:
        split = tf.fixed_size_partitioner(2)
        whole = tf.get_variable("parts", [4, 2], partitioner=split, use_resource=use_resource)
        more += [part.assign_add(tf.ones([2, 2])) for part in whole]
    with tf.control_dependencies(more):
        return tf.assign_add(step, 1)


def files(folder: Any) -> dict[str, bytes]:
    return {
        name: (pathlib.Path(folder) / name).read_bytes()
        for name in sorted(os.listdir(folder))
        if not name.startswith("events")
    }


def meta_graph(content: bytes) -> list[str]:
    """Return a meta graph's lines; functions in it are numbered over the process, and in the order of a hash."""
    text = re.sub(r"(cond_(?:true|false))_\d+", r"\1", str(tf.MetaGraphDef.FromString(content)))
    return sorted(text.splitlines())


def session_with(train: Any, hook: Any, folder: str | None = None, **scaffold: Any) -> Any:
    creator = train.ChiefSessionCreator(train.Scaffold(**scaffold), config=CONFIG, checkpoint_dir=folder)
    return train.MonitoredSession(creator, [hook])


@pytest.mark.parametrize("use_resource", [True, False])
@pytest.mark.parametrize("sharded", [True, False])
@pytest.mark.parametrize("saver_class", [monitored.Saver, tf.train.Saver])
@BOTH
def test_checkpoints_are_those_of_the_synchronous_hook(tmp_path, train, saver_class, sharded, use_resource):
    written = {}
    for hook_class in (train.CheckpointSaverHook, AsyncCheckpointSaverHook):
        folder = str(tmp_path / "same-name")
        with tf.Graph().as_default():
            tf.set_random_seed(1)
            op = model(use_resource, parts=saver_class is monitored.Saver)  # tf.train.Saver refuses them
            saver = saver_class(max_to_keep=2, sharded=sharded)
            with session_with(train, hook_class(folder, save_steps=2, saver=saver), saver=saver) as session:
                for _ in range(7):
                    session.run(op)
        written[hook_class] = files(folder)
        tf.summary.FileWriterCache.clear()
        os.rename(folder, tmp_path / hook_class.__name__)
    sync, ours = written.values()
    assert sync.keys() == ours.keys()
    assert "model.ckpt-7.index" in ours
    for name, content in sync.items():
        if name.endswith(".meta"):
            assert meta_graph(ours[name]) == meta_graph(content)
        elif name != "graph.pbtxt":
            assert ours[name] == content, name


def test_copies_are_made_in_the_memory_of_those_before(tmp_path):
    with tf.Graph().as_default():
        op = model(parts=False)
        hook = AsyncCheckpointSaverHook(str(tmp_path), save_steps=1, saver=monitored.Saver())
        memory = []
        with session_with(monitored, hook) as session:
            for _ in range(3):
                session.run(op)
                hook.wait()
                snapshot = hook._snapshots._of_saver[1]
                memory.append([copy.ctypes.data for copy in snapshot._copies if np.ndim(copy) == 2])
    assert memory[0] == memory[1] == memory[2]
    assert memory[0]
    for step in range(4):
        rows = tf.train.load_checkpoint(str(tmp_path / f"model.ckpt-{step}")).get_tensor("rows")
        assert np.array_equal(rows, np.arange(12.0).reshape(4, 3) + step)


@BOTH
def test_training_goes_on_and_the_values_are_those_of_the_step(tmp_path, train):
    with tf.Graph().as_default():
        op = model()
        saver = GatedSaver()
        hook = AsyncCheckpointSaverHook(str(tmp_path), save_steps=3, saver=saver)
        with session_with(train, hook, saver=saver) as session:
            hook.wait()
            saver.gate.clear()
            for _ in range(5):
                session.run(op)
            assert tf.train.latest_checkpoint(str(tmp_path)).endswith("-0")
            saver.gate.set()
            assert hook.wait(600)
        reader = tf.train.load_checkpoint(str(tmp_path / "model.ckpt-3"))
        assert reader.get_tensor("global_step") == 3
        assert np.array_equal(reader.get_tensor("rows"), np.arange(12.0).reshape(4, 3) + 3)
        assert list(reader.get_tensor("text")) == [b"2", b"c"]
        assert tf.train.latest_checkpoint(str(tmp_path)).endswith("-5")


@contextlib.contextmanager
def opened_when_logged(gate: threading.Event, text: str) -> Iterator[None]:
    """Open the gate as soon as something is logged that has this text."""

    class Opening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if text in record.getMessage():
                gate.set()

    handler = Opening()
    logging.getLogger("tensorflow").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("tensorflow").removeHandler(handler)


@pytest.mark.parametrize("when_busy", ["wait", "skip"])
def test_one_save_in_flight(tmp_path, caplog, when_busy):
    caplog.set_level(logging.INFO, "tensorflow")
    with tf.Graph().as_default():
        op = model()
        saver = GatedSaver()
        hook = AsyncCheckpointSaverHook(str(tmp_path), save_steps=1, saver=saver, when_busy=when_busy)
        with session_with(monitored, hook, saver=saver) as session:
            hook.wait()
            saver.gate.clear()
            session.run(op)
            with opened_when_logged(saver.gate, "The checkpoint for 2 waits"):
                session.run(op)
            if when_busy == "skip":
                assert not hook.wait(0)
                saver.gate.set()
            assert hook.wait(600)
        found = [step for step in range(3) if os.path.exists(tmp_path / f"model.ckpt-{step}.index")]
    assert found == [0, 1, 2]  # a step that was left out is saved in the end
    assert (hook.waits, hook.skips) == ((1, 0) if when_busy == "wait" else (0, 1))
    text = "The checkpoint for 2 waits" if when_busy == "wait" else "Skipping the checkpoint for 2"
    assert text in caplog.text


@BOTH
def test_an_error_surfaces_at_the_next_step_and_training_can_go_on(tmp_path, train):
    with tf.Graph().as_default():
        op = model()
        saver = GatedSaver()
        hook = AsyncCheckpointSaverHook(str(tmp_path), save_steps=2, saver=saver)
        session = session_with(train, hook, saver=saver)
        hook.wait()
        before = files(tmp_path)
        saver.error = OSError("the disk is full")
        session.run(op)
        session.run(op)
        hook.wait()
        assert files(tmp_path) == before
        with pytest.raises(OSError, match="the disk is full"):
            session.run(op)
        saver.error = None
        session.run(op)
        session.run(op)
        session.close()
        assert tf.train.latest_checkpoint(str(tmp_path)).endswith("-5")


@BOTH
def test_an_error_surfaces_at_the_end(tmp_path, train):
    with tf.Graph().as_default():
        op = model()
        saver = GatedSaver()
        hook = AsyncCheckpointSaverHook(str(tmp_path), save_steps=100, saver=saver)
        with pytest.raises(OSError, match="the disk is full"), session_with(train, hook, saver=saver) as session:
            session.run(op)
            hook.wait()
            saver.error = OSError("the disk is full")
        assert tf.train.latest_checkpoint(str(tmp_path)).endswith("-0")


@BOTH
def test_a_failed_session_waits_for_the_save_so_that_recovery_finds_it(tmp_path, train):
    with tf.Graph().as_default():
        op = model()
        saver = GatedSaver()
        hook = AsyncCheckpointSaverHook(str(tmp_path), save_steps=2, saver=saver)
        steps = []

        class Preempted(train.SessionRunHook):
            def after_run(self, run_context: Any, run_values: Any) -> None:
                if len(steps) == 2:
                    steps.append("preempted")
                    threading.Timer(0.2, saver.gate.set).start()
                    raise tf.errors.AbortedError(None, None, "preempted")

        creator = train.ChiefSessionCreator(train.Scaffold(saver=saver), config=CONFIG, checkpoint_dir=str(tmp_path))
        with train.MonitoredSession(creator, [hook, Preempted()]) as session:
            hook.wait()
            steps.append(session.run(op))
            saver.gate.clear()
            steps.append(session.run(op))
            steps.append(session.run(op))
        assert steps == [1, 2, "preempted", 3]


@BOTH
def test_listeners_are_called_in_the_training_thread(tmp_path, train):
    with tf.Graph().as_default():
        op = model()
        saver, listener = GatedSaver(), Listener(stop_at=2)
        hook = AsyncCheckpointSaverHook(str(tmp_path), save_steps=2, saver=saver, listeners=[listener])
        with session_with(train, hook, saver=saver) as session:
            while not session.should_stop():
                session.run(op)
                hook.wait()
    assert listener.seen == [
        ("before", 0), ("after", 0), ("before", 2), ("after", 2), ("before", 3), ("after", 3), ("end", 3),
    ]  # fmt: skip


def test_a_saver_that_cannot_be_run_apart_saves_synchronously(tmp_path, caplog):
    with tf.Graph().as_default():
        op = model()
        other = tf.get_variable("other", initializer=1.0)
        with tf.control_dependencies([other.assign(2.0)]):
            saver = monitored.Saver()
        hook = AsyncCheckpointSaverHook(str(tmp_path), save_steps=1, saver=saver)
        with session_with(monitored, hook, saver=saver) as session:
            session.run(op)
            assert tf.train.latest_checkpoint(str(tmp_path)).endswith("-1")
        assert "Checkpoints are saved synchronously: the ops of the saver depend on" in caplog.text
        assert tf.train.load_variable(str(tmp_path / "model.ckpt-1"), "other") == 2.0


def test_a_default_scaffold_and_its_sharded_saver(tmp_path):
    with tf.Graph().as_default():
        op = model()
        hook = AsyncCheckpointSaverHook(str(tmp_path), save_steps=2)
        with monitored.MonitoredTrainingSession(
            checkpoint_dir=str(tmp_path), save_checkpoint_secs=None, chief_only_hooks=[hook], config=CONFIG
        ) as session:
            for _ in range(3):
                session.run(op)
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert [os.path.basename(path) for path in state.all_model_checkpoint_paths] == [
        "model.ckpt-0", "model.ckpt-2", "model.ckpt-3",
    ]  # fmt: skip


def test_nothing_to_save(tmp_path):
    with tf.Graph().as_default():
        op = tf.assign_add(tf.train.get_or_create_global_step(), 1)
        saver = monitored.Saver([], allow_empty=True)
        hook = AsyncCheckpointSaverHook(str(tmp_path), save_steps=1, saver=saver)
        with session_with(monitored, hook, saver=saver) as session:
            session.run(op)
    assert os.path.exists(tmp_path / "model.ckpt-0.meta")


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="when_busy must be one of 'wait', 'skip', not 'drop'"):
        AsyncCheckpointSaverHook(str(tmp_path), save_steps=1, when_busy="drop")
    with pytest.raises(ValueError, match="Either every_secs or every_steps"):
        AsyncCheckpointSaverHook(str(tmp_path))


def test_killed_while_writing_leaves_the_earlier_checkpoint(tmp_path):
    """Killed inside the run that writes: after the first bytes, before the checkpoint is listed."""
    program = textwrap.dedent(
        """
        import os, signal, sys, threading
        import tensorflow.compat.v1 as tf
        import monitored
        from monitored import checkpoint_state
        from monitored.extras import AsyncCheckpointSaverHook
        tf.disable_eager_execution()
        step = tf.train.get_or_create_global_step()
        op = tf.assign_add(step, 1)
        hook = AsyncCheckpointSaverHook(sys.argv[1], save_steps=2)
        with monitored.MonitoredTrainingSession(
            checkpoint_dir=sys.argv[1], save_checkpoint_secs=None, chief_only_hooks=[hook]
        ) as session:
            hook.wait()
            checkpoint_state.update_checkpoint_state = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
            while True:
                session.run(op)
        """
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, timeout=600, check=False
    )
    assert killed.returncode == -9, killed.stderr
    assert os.path.exists(tmp_path / "model.ckpt-2.index")
    with tf.Graph().as_default():
        step = tf.train.get_or_create_global_step()
        with monitored.MonitoredTrainingSession(checkpoint_dir=str(tmp_path), save_checkpoint_secs=None) as session:
            assert session.run(step) == 0
