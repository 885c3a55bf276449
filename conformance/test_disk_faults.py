"""Disks that are full, read-only, gone or damaged: what is raised, what stays, how it goes on (MTS-CKP, MTS-SES)."""

import functools
import os
import shutil

import pytest

from conformance import disk_faults, probes
from conformance.harness import conforms
from conformance.trace import tf

LONG_NAME = "n" * 120
"""So long that the state file, which has it several times, is longer than a small checkpoint's index."""


def train_in(train, record, directory, floats=3, basename="m", sharded=False, keep=2, relative=False):
    """Return a session that saves at every step, the op of a step, and the saver."""
    step = record.global_step()
    tf.get_variable("weight", initializer=tf.zeros([floats]))
    saver = train.Saver(max_to_keep=keep, sharded=sharded, save_relative_paths=relative)
    hook = train.CheckpointSaverHook(directory, save_steps=1, saver=saver, checkpoint_basename=basename)
    session = record.session([hook], scaffold=train.Scaffold(saver=saver), checkpoint_dir=directory)
    return session, step, saver


def look(train, record, directory, label):
    """Record what a restart would find: the newest checkpoint, and which of those listed are whole."""
    newest = record.outcome(f"newest {label}", train.latest_checkpoint, directory)
    if newest is None:
        return
    state = train.get_checkpoint_state(directory)
    record(f"listed {label}", list(state.all_model_checkpoint_paths))
    whole = [sorted(probes.checkpoint_variables(path)) for path in state.all_model_checkpoint_paths]
    record(f"variables {label}", whole)


def flush_events():
    """Event writers write in threads of their own; let them, before anything is wrong with the disk."""
    for writer in list(tf.summary.FileWriterCache._cache.values()):
        writer.flush()


# --- saves that fail -----------------------------------------------------------------------------

FAULTS = {
    "no room for values": (functools.partial(disk_faults.files_at_most, 4096), {"floats": 5000}),
    "no room at all": (functools.partial(disk_faults.files_at_most, 0), {}),
    "no room for the state": (functools.partial(disk_faults.files_at_most, 300), {"basename": LONG_NAME}),
    "no room for the meta graph": (functools.partial(disk_faults.files_at_most, 1500), {}),
    "read-only": (functools.partial(disk_faults.mode, 0o555), {}),
    "no permission": (functools.partial(disk_faults.mode, 0), {}),
    "not to be listed": (functools.partial(disk_faults.mode, 0o111), {}),
    "the folder is gone": (disk_faults.gone, {}),
    "the folder is a file": (disk_faults.a_file, {}),
    "the folder is a dangling link": (disk_faults.a_dangling_link, {}),
    "the state file is a folder": (functools.partial(disk_faults.in_place_of, "checkpoint"), {}),
    "the index is a folder": (functools.partial(disk_faults.in_place_of, "m-3.index"), {}),
    "the data is a folder": (functools.partial(disk_faults.in_place_of, "m-3.data-00000-of-00001"), {}),
    "the meta graph is a folder": (functools.partial(disk_faults.in_place_of, "m-3.meta"), {}),
    **{
        f"rename: {name}": (lambda folder, make=make: disk_faults.rename(make(), folder), {})
        for name, make in disk_faults.RENAME_ERRORS.items()
    },
    "rename: failed after it was done": (
        lambda folder: disk_faults.rename(disk_faults.RENAME_ERRORS["internal"](), folder, after=True),
        {},
    ),
}


@pytest.mark.parametrize("sharded", (False, True), ids=("whole", "sharded"))
@pytest.mark.parametrize("fault", FAULTS)
@conforms("MTS-CKP-04", "MTS-CKP-08", "MTS-CKH-05", "MTS-SES-02")
def test_a_save_fails(train, record, fault, sharded):
    # The save that fails is that of step 3; the next is of step 4, when the cause is gone.
    cause, size = FAULTS[fault]
    directory = record.path("logdir")
    with record.graph():
        session, step, saver = train_in(train, record, directory, sharded=sharded, **size)
        for _ in range(2):
            session.run(step)
        flush_events()
        with cause(directory):
            saw = len(record.events)
            record.outcome("run that saves", session.run, step)
            # The op that writes one file makes the folder anew; the one that merges shards does not.
            assert "raised" in record.events[-1].data or (fault, sharded) == ("the folder is gone", False)
            record("events", len(record.events) - saw)
            record("last", list(saver.last_checkpoints))
        look(train, record, directory, "after the failure")
        record.outcome("run", session.run, step)
        look(train, record, directory, "after the next save")
        record("last", list(saver.last_checkpoints))
        record.outcome("close", session.close)
    with record.graph():
        session, step, saver = train_in(train, record, directory, sharded=sharded, **size)
        record("restored", list(saver.last_checkpoints))
        record("run", session.run(step))
        session.close()


@pytest.mark.parametrize("times", (1, 3))
@pytest.mark.parametrize("error", ("UnavailableError", "AbortedError"))
@conforms("MTS-CKP-04", "MTS-CKH-01", "MTS-EXC-01")
def test_a_rename_that_looks_like_a_preemption(train, record, error, times):
    # The session is made again, which saves at once; as long as that fails, again and again, without a pause.
    directory = record.path("logdir")
    session, step, saver = train_in(train, record, directory)
    record("run", session.run(step))
    lost = getattr(tf.errors, error)(None, None, "the file server is gone")
    with disk_faults.rename(lost, directory, times=times):
        record.outcome("run", session.run, step)
    record("last", list(saver.last_checkpoints))
    record.outcome("close", session.close)
    look(train, record, directory, "at the end")


@pytest.mark.parametrize("suffix", ("", ".index", ".meta"), ids=("every file", "the index", "the meta graph"))
@conforms("MTS-CKP-08")
def test_another_process_deletes_the_old_checkpoint_too(train, record, suffix):
    directory = record.path("logdir")
    session, step, saver = train_in(train, record, directory, keep=1)
    with disk_faults.deleted_meanwhile(suffix):
        record.outcome("run", session.run, step)
        record("warnings", sum("Hit NotFoundError when deleting" in str(event.data) for event in record.events))
    assert record.events[-1].data == (1 if suffix else 3)
    record("last", list(saver.last_checkpoints))
    record("files", sorted(name for name in os.listdir(directory) if "tfevents" not in name))
    record.outcome("close", session.close)


@conforms("MTS-CKP-04", "MTS-CKH-02")
def test_a_slow_rename(train, record):
    # So slow that the next save by time is due when this one is done.
    step = record.global_step()
    hook = train.CheckpointSaverHook(record.path("logdir"), save_secs=10, listeners=[record.listener("L")])
    session = record.session([hook])
    with disk_faults.rename(None, record.directory, before=lambda: record.clock.advance(25)):
        for _ in range(4):
            record.clock.advance(6)
            record("run", session.run(step))
        session.close()
    look(train, record, record.path("logdir"), "at the end")


@pytest.mark.parametrize("fault", ("gone", "another folder"))
@conforms("MTS-CKP-08", "MTS-CKP-07", "MTS-CKH-07")
def test_the_folder_stays_away(train, record, fault):
    directory = record.path("logdir")
    session, step, saver = train_in(train, record, directory)
    session.run(step)
    flush_events()
    shutil.rmtree(directory)
    if fault == "another folder":
        os.mkdir(directory)
    for _ in range(2):
        record.outcome("run", session.run, step)
    record("last", list(saver.last_checkpoints))
    if fault == "gone":
        os.makedirs(directory, exist_ok=True)
    for _ in range(3):
        record.outcome("run", session.run, step)
    record("last", list(saver.last_checkpoints))
    record.outcome("close", session.close)
    look(train, record, directory, "at the end")


PLACES = {
    "below a file": "/dev/null/logdir",
    "in proc": "/proc/logdir",
    "in sys": "/sys/logdir",
    "a device": "/dev/null",
    "a name that is too long": "n" * 300,
    "a path that is too long": "nnnnnnnnn/" * 500,
}


@pytest.mark.parametrize("kind", ("saver hook", "MonitoredTrainingSession"))
@pytest.mark.parametrize("place", PLACES)
@conforms("MTS-CKH-01", "MTS-LIFE-03", "MTS-LIFE-04")
def test_a_place_where_nothing_can_be_written(train, record, place, kind):
    step = record.global_step()
    directory = record.path(PLACES[place])  # which an absolute path replaces

    def whole():
        if kind == "saver hook":
            session = record.session([train.CheckpointSaverHook(directory, save_steps=1)])
        else:
            session = record.session(kind=kind, checkpoint_dir=directory)
        session.run(step)
        session.close()

    record.outcome("whole", whole)


# --- files that are damaged ----------------------------------------------------------------------

FILES = {"state": "checkpoint", "index": "m-2.index", "data": "m-2.data-00000-of-00001", "meta": "m-2.meta"}
DAMAGES = (
    "empty", "cut", "one byte short", "longer", "flipped", "flipped first", "flipped last", "foreign", "zeros",
    "folder", "gone",
)  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", FILES)
@conforms("MTS-SES-04", "MTS-SES-05", "MTS-CKP-05", "MTS-CKP-07")
def test_a_damaged_file(train, record, file, damage):
    directory = record.path("logdir")
    with record.graph():
        session, step, _ = train_in(train, record, directory, floats=50, relative=True)
        for _ in range(2):
            session.run(step)
        session.close()
    tf.summary.FileWriterCache.clear()
    record.put_events_aside("first")

    def restart():
        session, step, saver = train_in(train, record, directory, floats=50, relative=True)
        record("last", list(saver.last_checkpoints))
        record("run", session.run(step))
        session.close()

    with disk_faults.damaged(damage, os.path.join(directory, FILES[file])):
        look_at_damage(train, record, directory)
        with record.graph():
            scaffold = scaffold_of(train, record)
            record.outcome("restart", lambda: record.session(scaffold=scaffold, checkpoint_dir=directory).close())
    with record.graph():
        record.outcome("restart when all is well", restart)


def look_at_damage(train, record, directory):
    record.outcome("newest", train.latest_checkpoint, directory)
    state = record.outcome("state", train.get_checkpoint_state, directory)
    for name in ("m-1", "m-2"):
        path = os.path.join(directory, name)
        record.outcome(f"{name} exists", train.checkpoint_exists, path)
        record.outcome(f"{name} times", lambda: len(train.get_checkpoint_mtimes([path])))
    return state


def scaffold_of(train, record):
    record.global_step()
    tf.get_variable("weight", initializer=tf.zeros([50]))
    return train.Scaffold(saver=train.Saver(max_to_keep=2))


@pytest.mark.parametrize("damage", ("cut", "flipped", "foreign", "empty", "folder"))
@conforms("MTS-SES-04", "MTS-CKP-02", "MTS-CKP-07")
def test_a_damaged_old_checkpoint_is_no_hindrance(train, record, damage):
    # It is listed, timed by its index, and deleted when its turn comes.
    directory = record.path("logdir")
    for runs in (3, 4):
        with record.graph():
            session, step, saver = train_in(train, record, directory, keep=3)
            record("last", list(saver.last_checkpoints))
            for _ in range(runs):
                record.outcome("run", session.run, step)
            session.close()
        if runs == 3:
            record.put_events_aside("first")
            path = os.path.join(directory, "m-1.index")
            with disk_faults.damaged(damage, path):
                shutil.move(path, path + ".damaged")
            os.remove(path)
            os.rename(path + ".damaged", path)
    record("left", probes.file_names(directory))


# --- many and odd names --------------------------------------------------------------------------


@pytest.mark.parametrize("there", (0, 300))
@conforms("MTS-CKP-02", "MTS-CKP-04", "MTS-SES-05")
def test_thousands_of_old_checkpoints(train, record, there):
    directory = record.path("logdir")
    with record.graph():
        session, step, _ = train_in(train, record, directory)
        session.run(step)
        session.close()
    record.put_events_aside("first")
    old = [os.path.join(directory, f"m-{-number}") for number in range(3000, 0, -1)]
    for path in old[:there]:
        for ending in (".index", ".data-00000-of-00001", ".meta"):
            with open(path + ending, "w"):
                pass
    newest = os.path.join(directory, "m-1")
    record.outcome("update", train.update_checkpoint_state, directory, newest, [*old, newest])
    record("listed", len(train.get_checkpoint_state(directory).all_model_checkpoint_paths))
    with record.graph():
        session, step, saver = train_in(train, record, directory, keep=3)
        record("last", len(saver.last_checkpoints))
        for _ in range(3):
            record("run", session.run(step))
        record("last", saver.last_checkpoints[-3:])
        record("listed", len(train.get_checkpoint_state(directory).all_model_checkpoint_paths))
        session.close()
    record("left", len(os.listdir(directory)))
    for path in old:
        for ending in (".index", ".data-00000-of-00001", ".meta"):
            if os.path.exists(path + ending):
                os.remove(path + ending)


NAMES = (
    "new\nline", "tab\t", "-dash", "--force", ".hidden", "..", "q?", "a[!b]", "[", "{a,b}", "%s%d", "{}", "#", "~",
    "$HOME", "a;b", "dot.", "n.index", "checkpoint", "-1", "m-2", " ", "\u4e2d\u6587", "e\u0301", "\U0001f600",
    "st*r", "back\\slash", "n" * 200, "n" * 240,
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
@pytest.mark.parametrize("of", ("folder", "checkpoint"))
@conforms("MTS-CKP-07", "MTS-CKP-04", "MTS-CKP-05", "MTS-CKP-02")
def test_odd_names(train, record, of, name):
    directory = record.path("a", name, "b") if of == "folder" else record.path("logdir")
    basename = "m" if of == "folder" else name
    for runs in (3, 1):
        with record.graph():

            def whole():
                session, step, saver = train_in(train, record, directory, basename=basename)
                record("last", list(saver.last_checkpoints))
                for _ in range(runs):
                    record("run", session.run(step))
                session.close()

            record.outcome("whole", whole)
            record.outcome("newest", train.latest_checkpoint, directory)
        tf.summary.FileWriterCache.clear()
        record.put_events_aside(f"after {runs}")
