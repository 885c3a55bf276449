"""AsyncCheckpointSaverHook on a disk that fails: the next step says so, and nothing earlier is lost."""

import functools
import os
import pathlib

import pytest
import tensorflow.compat.v1 as tf

import monitored
from conformance import disk_faults
from monitored.extras import AsyncCheckpointSaverHook, DurableSaver

FAULTS = {
    "no room": (functools.partial(disk_faults.files_at_most, 4096), tf.errors.OpError),
    "read-only": (functools.partial(disk_faults.mode, 0o555), tf.errors.PermissionDeniedError),
    "no permission": (functools.partial(disk_faults.mode, 0), tf.errors.PermissionDeniedError),
    "a file": (disk_faults.a_file, (tf.errors.OpError, ValueError)),
    "the state file is a folder": (functools.partial(disk_faults.in_place_of, "checkpoint"), Exception),
    "the index is a folder": (functools.partial(disk_faults.in_place_of, "model.ckpt-2.index"), tf.errors.OpError),
    "the meta graph is a folder": (functools.partial(disk_faults.in_place_of, "model.ckpt-2.meta"), tf.errors.OpError),
}


def session_in(folder, saver_class):
    step = tf.train.get_or_create_global_step()
    weight = tf.get_variable("weight", [5000], initializer=tf.zeros_initializer())
    count = tf.group(step.assign_add(1), weight.assign_add(tf.ones([5000])))
    saver = saver_class(max_to_keep=2)
    hook = AsyncCheckpointSaverHook(str(folder), save_steps=1, saver=saver)
    creator = monitored.ChiefSessionCreator(monitored.Scaffold(saver=saver), checkpoint_dir=str(folder))
    return monitored.MonitoredSession(creator, [hook]), hook, count


def state(folder):
    return (pathlib.Path(folder) / "checkpoint").read_text()


def weight_of(path):
    (value,) = set(tf.train.load_checkpoint(path).get_tensor("weight"))
    return value


@pytest.fixture
def place(tmp_path):
    """A folder that another user can get to, as the faults need; the folders above `tmp_path` may be closed."""
    with disk_faults.open_folder(str(tmp_path)) as path:
        yield pathlib.Path(path)


def test_a_mode_is_no_fault_where_a_folder_above_is_closed(place):
    if os.geteuid() != 0:
        pytest.skip("only root drops its rights to another user, to whom the folders above may be closed")
    folder = place / "closed" / "above" / "logdir"
    folder.mkdir(parents=True)
    (place / "closed").chmod(0o700)
    with pytest.raises(RuntimeError, match=r"mode 0o555 of folder .* would not be the fault"):
        with disk_faults.mode(0o555, str(folder)):
            pass
    assert os.geteuid() == 0
    (place / "closed").chmod(0o755)
    with disk_faults.mode(0o555, str(folder)):
        assert os.listdir(folder) == []


@pytest.mark.parametrize("saver_class", [monitored.Saver, DurableSaver])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_next_step_raises_and_nothing_earlier_is_lost(place, fault, saver_class):
    cause, error = FAULTS[fault]
    folder = place / "logdir"
    with tf.Graph().as_default():
        session, hook, count = session_in(folder, saver_class)
        session.run(count)
        hook.wait()
        for writer in tf.summary.FileWriterCache._cache.values():
            writer.flush()
        before = state(folder)
        with cause(str(folder)):
            session.run(count)  # the step that saves: nothing is raised yet
            hook.wait()
        meta_came_after = saver_class is monitored.Saver and fault == "the meta graph is a folder"
        assert (state(folder) == before) != meta_came_after
        with pytest.raises(error):
            session.run(count)
        assert weight_of(monitored.latest_checkpoint(str(folder))) == (2.0 if meta_came_after else 1.0)
        session.run(count)
        hook.wait()
        assert monitored.latest_checkpoint(str(folder)).endswith("model.ckpt-4")
        session.close()
    tf.summary.FileWriterCache.clear()
    with tf.Graph().as_default():
        session, _, count = session_in(folder, saver_class)
        with session:
            assert session.run(tf.global_variables("weight"))[0][0] == 4.0
            session.run(count)
    assert weight_of(monitored.latest_checkpoint(str(folder))) == 5.0
