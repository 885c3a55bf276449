"""The state file and a checkpoint's files, beside `tf.train`."""

import inspect
import os
import pathlib
import re

import pytest
import tensorflow.compat.v1 as tf
from saver_sides import assert_same
from tensorflow.python.lib.io import file_io

import monitored
from monitored import checkpoint_state

NAMES = (
    "latest_checkpoint",
    "get_checkpoint_state",
    "update_checkpoint_state",
    "generate_checkpoint_state_proto",
    "checkpoint_exists",
    "remove_checkpoint",
    "get_checkpoint_mtimes",
)
STATES = {
    "empty": "",
    "junk": "junk{",
    "unknown field": 'model_checkpoint_path: "m-1"\nunknown: 3\n',
    "relative": 'model_checkpoint_path: "m-1"\nall_model_checkpoint_paths: "m-0"\nall_model_checkpoint_paths: "m-1"\n',
    "absolute": 'model_checkpoint_path: "/nowhere/m-1"\nall_model_checkpoint_paths: "/nowhere/m-1"\n',
    "glob": 'model_checkpoint_path: "m*"\n',
    "only all": 'all_model_checkpoint_paths: "m-1"\n',
    "outside": 'model_checkpoint_path: "../m-1"\n',
    "times": 'model_checkpoint_path: "m-1"\nall_model_checkpoint_timestamps: 1.5\nlast_preserved_timestamp: 2.5\n',
    "quotes": 'model_checkpoint_path: "a \\"b\\" \\303\\251"\n',
}
GENERATED = [
    ("/d", "/d/m-1", ["/d/m-0", "/d/m-1"]),
    ("/d", "/d/m-1"),
    ("/d", "/d/m-1", ["/d/m-0"]),
    ("/d", "m-1", ["m-1"]),
    ("d", "d/m-1", ["d/m-0", "d/m-1"]),
    ("d", "e/m-1", ["e/m-1"]),
    ("d", "/x/m-1", ["d/m-0", "/x/m-1"]),
    ("", "m-1", ["m-1"]),
    ("/d", "/d/m", ["/d/m"], [1.0, 2.0]),
    ("/d", "/d/m", ["/d/m"], [1.5], 3.5),
    ("/d", "/d/m", [], [1.5]),
    ("/d", "/d/m", ["/d/m"], []),
]


def write(path, text=""):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


@pytest.mark.parametrize("name", NAMES)
def test_signature(name):
    def shape(function):
        return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]

    assert shape(getattr(monitored, name)) == shape(getattr(tf.train, name))


@pytest.mark.parametrize("files", [(), ("m-1.index",), ("m-1",), ("m-1.data-00000-of-00001",)])
@pytest.mark.parametrize("text", STATES.values(), ids=STATES)
@pytest.mark.rule("MTS-CKP-05")
def test_reading(text, files):
    def program(side):
        for name in ("checkpoint", "other"):
            write(side.path(name), text)
        for name in files:
            write(side.path(name))
        for directory in (side.directory, side.directory + "/", pathlib.Path(side.directory)):
            side.try_(lambda d: str(side.train.get_checkpoint_state(d)), directory)
            side.try_(side.train.latest_checkpoint, directory)
        side.try_(side.train.latest_checkpoint, side.directory, "other")
        side.try_(side.train.latest_checkpoint, side.directory, latest_filename="absent")

    assert_same(program)


@pytest.mark.rule("MTS-CKP-05")
def test_reading_what_cannot_be_read():
    def program(side):
        side.try_(side.train.get_checkpoint_state, side.path("no directory"))
        side.try_(side.train.latest_checkpoint, side.path("no directory"))
        side.try_(side.train.get_checkpoint_state, None)
        os.mkdir(side.path("checkpoint"))
        side.try_(side.train.get_checkpoint_state, side.directory)
        side.try_(side.train.latest_checkpoint, side.directory)

    assert_same(program)


@pytest.mark.rule("MTS-CKP-05")
def test_reading_returns_tensorflows_message(tmp_path):
    write(tmp_path / "checkpoint", STATES["relative"])
    ours, theirs = (side.get_checkpoint_state(str(tmp_path)) for side in (monitored, tf.train))
    assert type(ours) is type(theirs)
    assert ours == theirs


@pytest.mark.parametrize("args", GENERATED, ids=str)
@pytest.mark.rule("MTS-CKP-06")
def test_generating(args):
    def program(side):
        given = [list(arg) if isinstance(arg, list) else arg for arg in args]
        side.try_(lambda: str(side.train.generate_checkpoint_state_proto(*given)))
        side.note(given)

    assert_same(program)


@pytest.mark.rule("MTS-CKP-04")
def test_writing(monkeypatch):
    def program(side):
        update = side.train.update_checkpoint_state
        path = side.path
        side.try_(update, side.directory, path("m-5"), [path("m-4"), path("m-5")])
        side.try_(update, side.directory, path("m-5"), latest_filename="other")
        side.try_(update, side.directory, path("m-6"), [path("m-6")], None, [1.5], 2.5)
        side.try_(update, side.directory, path("checkpoint"))
        side.try_(update, path("absent"), path("absent/m-1"))
        side.try_(update, side.directory, path('with "quotes" and é'))
        monkeypatch.chdir(side.directory)
        os.mkdir("relative")
        side.try_(update, "relative", "relative/m-1", ["relative/m-0", "relative/m-1"])
        side.note_files()

    assert_same(program)


@pytest.mark.rule("MTS-CKP-04", "MTS-CKP-05")
def test_what_one_side_writes_the_other_reads():
    def program(side):
        side.train.update_checkpoint_state(side.directory, side.path("m-1"), [side.path("m-1")])
        side.note(str(side.other.get_checkpoint_state(side.directory)))

    assert_same(program)


@pytest.mark.rule("MTS-CKP-04")
def test_a_failed_move_leaves_the_old_state_and_nothing_else(tmp_path, monkeypatch):
    directory = str(tmp_path)
    monitored.update_checkpoint_state(directory, directory + "/old")
    before = (tmp_path / "checkpoint").read_text()

    def refuse(*args, **kwargs):
        raise tf.errors.PermissionDeniedError(None, None, "read-only")

    monkeypatch.setattr(tf.io.gfile, "rename", refuse)
    with pytest.raises(tf.errors.PermissionDeniedError):
        monitored.update_checkpoint_state(directory, directory + "/new")
    assert os.listdir(directory) == ["checkpoint"]
    assert (tmp_path / "checkpoint").read_text() == before


FILES = (
    "q-1.index", "q-1.data-00000-of-00001", "q-1.data-00001-of-00002", "q-1.meta", "q-1.other",
    "q-1.data-0-of-1", "q-10.index", "v1", "v1.meta", "v1-00000-of-00002", "v1-00001-of-00002",
)  # fmt: skip


@pytest.mark.parametrize("prefix", ["q-1", "q-10", "q", "q-?", "q-*", "v1", "none", "dir/none", "v1-?????-of-00002"])
@pytest.mark.rule("MTS-CKP-07")
def test_files_of_a_checkpoint(prefix):
    def program(side):
        for name in FILES:
            write(side.path(name), "x")
            os.utime(side.path(name), ns=(5_250_000_000, 5_250_000_000))
        side.try_(side.train.checkpoint_exists, side.path(prefix))
        side.try_(side.train.get_checkpoint_mtimes, [side.path(prefix)])
        side.try_(side.train.get_checkpoint_mtimes, [side.path(name) for name in ("q-10", "no", prefix)])
        side.try_(side.train.remove_checkpoint, side.path(prefix))
        side.note_files()
        side.try_(side.train.remove_checkpoint, side.path(prefix), tf.train.SaverDef.V1)
        side.note_files()
        side.try_(side.train.remove_checkpoint, side.path("q-1"), meta_graph_suffix="other")
        side.note_files()

    assert_same(program)


@pytest.mark.rule("MTS-CKP-07")
def test_a_file_that_vanishes_while_deleting_is_logged(monkeypatch):
    def gone(*args, **kwargs):
        raise tf.errors.NotFoundError(None, None, "gone")

    def program(side):
        write(side.path("q-1.index"))
        with monkeypatch.context() as patch:
            patch.setattr(tf.io.gfile, "remove", gone)
            patch.setattr(file_io, "delete_file", gone)
            side.try_(side.train.remove_checkpoint, side.path("q-1"))

    assert "Hit NotFoundError when deleting" in str(assert_same(program)[-1])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("m-1", "m-1.meta"),
        ("m-1-?????-of-00002", "m-1.meta"),
        ("m-1-00001-of-00002", "m-1.meta"),
        ("m-of-3", "m-of-3.meta"),
    ],
)
def test_meta_graph_filename(path, expected):
    assert checkpoint_state.meta_graph_filename(path) == expected
    assert re.sub("meta$", "x", expected) == checkpoint_state.meta_graph_filename(path, "x")
