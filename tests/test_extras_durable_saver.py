"""DurableSaver: what is flushed to the disk, in which order, and what a failure leaves."""

import errno
import os
import pathlib
import shutil
import stat

import pytest
import tensorflow.compat.v1 as tf

import monitored
from conformance import disk_faults
from monitored.extras import AsyncCheckpointSaverHook, DurableSaver


class Calls(list):
    """What was called, in order, and the flushes of folders above."""

    def __init__(self):
        super().__init__()
        self.above = []


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """Every fsync, move and removal from here on, by kind and file name; they are done, too.

    Of a flushed folder the whole path, but for those above `tmp_path`, which are in `calls.above`.
    """
    seen = Calls()
    real_fsync, real_replace, real_remove = os.fsync, os.replace, tf.io.gfile.remove

    def fsync(descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        where = seen.above if pathlib.Path(path) in tmp_path.parents else seen
        where.append(("flush", path + "/" if is_folder else os.path.basename(path)))
        real_fsync(descriptor)

    def replace(source, target):
        seen.append(("move", os.path.basename(source), os.path.basename(target)))
        real_replace(source, target)

    def remove(path):
        seen.append(("remove", os.path.basename(path)))
        real_remove(path)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(tf.io.gfile, "remove", remove)
    return seen


def made(saver_class=DurableSaver, **arguments):
    weight = tf.get_variable("weight", initializer=[1.0, 2.0])
    saver = saver_class(**arguments)
    session = tf.Session()
    session.run(weight.initializer)
    return saver, session


def unfinished(name):
    return name.startswith("checkpoint.tmp")


@pytest.mark.parametrize("sharded", [False, True])
def test_the_order(tmp_path, calls, sharded):
    folder = f"{tmp_path}/"
    with tf.Graph().as_default():
        saver, session = made(max_to_keep=1, sharded=sharded)
        with session:
            saver.save(session, str(tmp_path / "m"), 1)
            above = [path for path in tmp_path.parents if os.access(path, os.R_OK, effective_ids=True)]
            assert calls.above == [("flush", f"{path}/") for path in above]
            assert pathlib.Path("/") in above
            calls.clear()
            saver.save(session, str(tmp_path / "m"), 2)
    temporary = calls[4][1]
    assert unfinished(temporary)
    data = "m-2.data-00000-of-00001"
    assert calls == [
        *(("flush", name) for name in (data, "m-2.index", "m-2.meta", folder, temporary)),
        ("move", temporary, "checkpoint"),
        ("flush", folder),
        *(("remove", f"m-1.{ending}") for ending in ("meta", "index", "data-00000-of-00001")),
    ]


@pytest.mark.parametrize(
    ("arguments", "flushed"),
    [
        ({"write_meta_graph": False}, ["m-2.data-00000-of-00001", "m-2.index", "<folder>", "<state>", "<folder>"]),
        ({"write_state": False}, ["m-2.data-00000-of-00001", "m-2.index", "m-2.meta", "<folder>"]),
        (
            {"latest_filename": "newest", "meta_graph_suffix": "graph"},
            ["m-2.data-00000-of-00001", "m-2.graph", "m-2.index", "<folder>", "<state>", "<folder>"],
        ),
    ],
)
def test_the_arguments_of_save(tmp_path, calls, arguments, flushed):
    with tf.Graph().as_default():
        saver, session = made()
        with session:
            saver.save(session, str(tmp_path / "m"), 1)
            calls.clear()
            path = saver.save(session, str(tmp_path / "m"), 2, **arguments)
    names = [call[1] for call in calls if call[0] == "flush"]
    names = ["<folder>" if n.endswith("/") else "<state>" if ".tmp" in n else n for n in names]
    assert names == flushed
    named = arguments.get("latest_filename")
    newest = monitored.latest_checkpoint(str(tmp_path), named)
    assert newest == (path if arguments.get("write_state", True) else str(tmp_path / "m-1"))


@pytest.mark.parametrize("name", ["a[b]", "st*r", "q?", "-dash", "new\nline", "m-1"])
def test_odd_names_are_flushed_and_no_others(tmp_path, calls, name):
    with tf.Graph().as_default():
        saver, session = made()
        with session:
            (tmp_path / f"{name}-11.index").write_bytes(b"")
            saver.save(session, str(tmp_path / name), 1)
    files = [call[1] for call in calls if call[0] == "flush" and not call[1].endswith("/")][:-1]
    assert files == [f"{name}-1.{ending}" for ending in ("data-00000-of-00001", "index", "meta")]


@pytest.mark.parametrize("sharded", [False, True])
def test_the_old_format(tmp_path, calls, sharded):
    with tf.Graph().as_default():
        saver, session = made(write_version=tf.train.SaverDef.V1, sharded=sharded)
        with session:
            saver.save(session, str(tmp_path / "m"), 1)
    files = [call[1] for call in calls if call[0] == "flush" and not call[1].endswith("/")][:-1]
    assert files == ["m-1-00000-of-00001" if sharded else "m-1", "m-1.meta"]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({}, ["m.data-00000-of-00001", "m.index", "m.meta"]),
        ({"sharded": True}, ["m.data-00000-of-00001", "m.index", "m.meta"]),
        ({"write_version": tf.train.SaverDef.V1}, ["m", "m.meta"]),
        ({"write_version": tf.train.SaverDef.V1, "sharded": True}, ["m-00000-of-00001", "m.meta"]),
    ],
)
def test_without_a_step_the_numbered_checkpoints_are_left_alone(tmp_path, calls, arguments, wanted):
    others = ["m-7.index", "m-7.data-00000-of-00001", "m-7.meta", "m-7", "m-x", "m.old", "m.index.tmp", "am.index"]
    with tf.Graph().as_default():
        saver, session = made(**arguments)
        with session:
            for name in others:
                # What another process deletes meanwhile is listed and cannot be opened: so is a dangling link.
                (tmp_path / name).symlink_to(tmp_path / "deleted")
            saver.save(session, str(tmp_path / "m"))
    files = [call[1] for call in calls if call[0] == "flush" and not call[1].endswith("/")][:-1]
    assert files == wanted


def test_a_name_that_looks_like_a_shard(tmp_path, calls):
    with tf.Graph().as_default():
        saver, session = made()
        with session:
            saver.save(session, str(tmp_path / "m-3-of-5"))
    files = [call[1] for call in calls if call[0] == "flush" and not call[1].endswith("/")][:-1]
    written = sorted(name for name in os.listdir(tmp_path) if name != "checkpoint")
    assert files == written
    assert "m-3-of-5.index" in files
    assert "m.meta" in files


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EROFS, errno.EIO])
def test_a_folder_above_that_cannot_be_flushed(tmp_path, monkeypatch, code):
    real = os.fsync

    def fsync(descriptor):
        if os.readlink(f"/proc/self/fd/{descriptor}") == str(tmp_path.parent):
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with tf.Graph().as_default():
        saver, session = made()
        with session:
            if code == errno.EIO:
                with pytest.raises(OSError, match=f"cannot be flushed to the disk: .*: '{tmp_path.parent}'"):
                    saver.save(session, str(tmp_path / "m"), 1)
                assert monitored.latest_checkpoint(str(tmp_path)) is None
            else:
                path = saver.save(session, str(tmp_path / "m"), 1)
                assert monitored.latest_checkpoint(str(tmp_path)) == path


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EROFS])
def test_the_checkpoints_own_folder_must_be_flushed(tmp_path, monkeypatch, code):
    real = os.fsync

    def fsync(descriptor):
        if os.readlink(f"/proc/self/fd/{descriptor}") == str(tmp_path):
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with tf.Graph().as_default():
        saver, session = made()
        with session, pytest.raises(OSError, match=f"cannot be flushed to the disk: .*: '{tmp_path}'"):
            saver.save(session, str(tmp_path / "m"), 1)


def test_a_folder_above_that_cannot_be_opened(tmp_path, calls):
    with disk_faults.open_folder(str(tmp_path)) as name:
        place = pathlib.Path(name)
        closed, folder = place / "closed", place / "closed" / "folder"
        folder.mkdir(parents=True)
        folder.chmod(0o777)
        with tf.Graph().as_default():
            saver, session = made()
            with session, disk_faults.mode(0o311, str(closed)):
                path = saver.save(session, str(folder / "m"), 1)
        assert monitored.latest_checkpoint(str(folder)) == path
        flushed = calls + calls.above
        assert ("flush", f"{folder}/") in flushed
        assert ("flush", f"{closed}/") not in flushed
        assert ("flush", f"{place}/") in flushed


def test_a_folder_that_is_made_anew_and_one_that_is_another_after_chdir(tmp_path, monkeypatch, calls):
    first, second = tmp_path / "first", tmp_path / "second"
    for place in (first, second):
        (place / "logdir").mkdir(parents=True)
    with tf.Graph().as_default():
        saver, session = made()
        with session:
            for step, place in enumerate((first, second)):
                monkeypatch.chdir(place)
                saver.save(session, "logdir/m", step)
                assert ("flush", f"{place}/") in calls
            calls.clear()
            shutil.rmtree(second / "logdir")
            (second / "logdir").mkdir()
            saver.save(session, "logdir/m", 2)
            assert ("flush", f"{second}/") in calls


def test_what_is_written_is_what_a_saver_writes(tmp_path):
    folders = {saver_class: tmp_path / saver_class.__name__ for saver_class in (monitored.Saver, DurableSaver)}
    for saver_class, folder in folders.items():
        folder.mkdir()
        with tf.Graph().as_default():
            saver, session = made(saver_class, max_to_keep=2, save_relative_paths=True)
            with session:
                for step in range(4):
                    saver.save(session, str(folder / "m"), step)
                assert len(saver.last_checkpoints) == 2
    plain, durable = ({p.name: p.read_bytes() for p in folder.iterdir()} for folder in folders.values())
    assert durable.keys() == plain.keys()
    assert {n: c for n, c in durable.items() if ".meta" not in n} == {
        n: c for n, c in plain.items() if ".meta" not in n
    }


@pytest.mark.parametrize("fails_at", [0, 1, 2, 3, "above", -2, -1])
def test_a_failing_flush_leaves_the_earlier_state(tmp_path, monkeypatch, fails_at):
    real, count = os.fsync, [0]
    before, above = 4, sum(os.access(path, os.R_OK, effective_ids=True) for path in tmp_path.parents)
    fails_at = before if fails_at == "above" else fails_at + before + above + 2 if fails_at < 0 else fails_at

    def fsync(descriptor):
        count[0] += 1
        if count[0] == fails_at + 1:
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    with tf.Graph().as_default():
        saver, session = made()
        with session:
            first = saver.save(session, str(tmp_path / "m"), 1)
            state = (tmp_path / "checkpoint").read_bytes()
            monkeypatch.setattr(os, "fsync", fsync)
            with pytest.raises(OSError, match=r"\[Errno 5\] cannot be flushed to the disk: Input/output error: '/"):
                saver.save(session, str(tmp_path / "m"), 2)
            switched = fails_at == before + above + 1  # only the folder, after the move, is left
            assert ((tmp_path / "checkpoint").read_bytes() == state) != switched
            assert not [name for name in os.listdir(tmp_path) if ".tmp" in name]
            if not switched:
                assert monitored.latest_checkpoint(str(tmp_path)) == first
            saver.restore(session, monitored.latest_checkpoint(str(tmp_path)))
            third = saver.save(session, str(tmp_path / "m"), 3)
            assert monitored.latest_checkpoint(str(tmp_path)) == third
            listed = monitored.get_checkpoint_state(str(tmp_path)).all_model_checkpoint_paths
            second = str(tmp_path / "m-2")
            state_was_written = fails_at >= before + above
            assert list(listed) == ([first, second, third] if state_was_written else [first, third])
            assert os.path.exists(second + ".index")


@pytest.mark.parametrize("path", ["gs://bucket/m", b"s3://bucket/m", "ram:///m", "file:///m"])
def test_a_remote_path(path):
    with tf.Graph().as_default():
        saver, session = made()
        with session, pytest.raises(ValueError, match=r"must be in a local folder.*Use Saver for other stores"):
            saver.save(session, path, 1)


def test_what_a_saver_refuses(tmp_path):
    with tf.Graph().as_default():
        saver, session = made(sharded=True)
        with session:
            with pytest.raises(RuntimeError, match="conflicts with path used for checkpoint state"):
                saver.save(session, str(tmp_path / "checkpoint"))
            with pytest.raises(ValueError, match=r"Parent directory of .* doesn't exist"):
                saver.save(session, str(tmp_path / "no" / "m"))
            with pytest.raises(TypeError, match="must be a Session"):
                saver.save("session", str(tmp_path / "m"))


def test_a_relative_folder_and_an_empty_saver(tmp_path, monkeypatch, calls):
    monkeypatch.chdir(tmp_path)
    with tf.Graph().as_default():
        saver, session = made()
        with session:
            assert saver.save(session, "m", 1) == "m-1"
            os.mkdir("below")
            assert saver.save(session, "below/m", 1) == "below/m-1"
    assert monitored.latest_checkpoint("below") == "below/m-1"
    assert ("flush", f"{tmp_path}/below/") in calls
    calls.clear()
    with tf.Graph().as_default(), tf.Session() as session:
        assert DurableSaver(allow_empty=True).save(session, "empty", 1) is None
    assert (tmp_path / "empty-1.meta").exists()
    assert calls == []


@pytest.mark.parametrize("train", [monitored, tf.train], ids=["monitored", "tf.train"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_both_hooks(tmp_path, calls, train, asynchronous):
    folder = str(tmp_path / "logdir")
    hook_class = AsyncCheckpointSaverHook if asynchronous else train.CheckpointSaverHook
    for start in (0, 3):
        with tf.Graph().as_default():
            count = tf.train.get_or_create_global_step().assign_add(1)
            scaffold = train.Scaffold(saver=DurableSaver(max_to_keep=2))
            hook = hook_class(folder, save_steps=1, scaffold=scaffold)
            with train.MonitoredSession(train.ChiefSessionCreator(scaffold, checkpoint_dir=folder), [hook]) as session:
                assert session.run(tf.train.get_global_step()) == start
                for _ in range(3):
                    session.run(count)
    assert monitored.latest_checkpoint(folder) == f"{folder}/model.ckpt-6"
    moves = [index for index, call in enumerate(calls) if call[0] == "move"]
    assert len(moves) == 8  # a first save and three for each life
    for step, index in zip([0, 1, 2, 3, 3, 4, 5, 6], moves, strict=True):
        assert ("flush", f"model.ckpt-{step}.index") in calls[:index]
        assert calls[index + 1] == ("flush", folder + "/")
