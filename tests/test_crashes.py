"""Trainers killed while they save lose nothing; a trainer that would lose something is found out."""

import contextlib
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import monitored
from crashes import campaign, folder, report, trainer
from crashes.__main__ import LOST, OK, USAGE, main
from crashes.marks import Marks, Phase
from crashes.server import Server

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))}


@pytest.fixture(scope="module")
def server():
    with Server() as started:
        yield started


def test_nothing_is_lost(server):
    kills = list(campaign.run(server, "monitored", campaign.configs("monitored", "small"), 12, 1))
    assert [found for found in kills if report.failed(found)] == []
    assert len(kills) == 12
    assert sum(found.inside_a_save for found in kills) >= 6
    assert {found.config for found in kills} == {"sync-small", "async-small"}
    assert max(found.announced for found in kills) > 0
    unseen = sum(found.restored == -1 for found in kills)
    assert report.rows(kills)[-1][:7] == ["all", "6", "6", "12", "0", "0", str(unseen)]
    assert unseen == sum(not found.restart_observed for found in kills) <= 4
    assert all(found.restored in (-1, max(found.step, 0)) for found in kills)
    assert [found.restored >= 0 for found in kills if found.number == 5] == [
        True,
        True,
    ]  # the last process is left alone


NOTICED = {
    "state-first": ("sync-large", 4, "cannot be read"),
    "announce-first": ("sync-large", 4, "was announced, the newest checkpoint is of step"),
    "torn": ("sync-small", 1, "is torn: v3"),
    "in-place": ("sync-small", 10, "the state file is no state"),
}


def test_every_plant_is_tested():
    assert NOTICED.keys() == trainer.PLANTS.keys()


@pytest.mark.parametrize("plant", NOTICED)
def test_a_planted_fault_is_noticed(server, monkeypatch, plant):
    kind, kills, wanted = NOTICED[plant]
    if plant == "in-place":  # the rewriting is short: aim at nothing else
        monkeypatch.setattr(campaign, "_WEIGHTS", {Phase.STATE: 1})
    texts: list[str] = []
    # When a signal arrives is the machine's: a fault shows in one kill and not in another.
    for seed in range(3, 13):
        found = list(campaign.run(server, "monitored", campaign.configs("monitored", kind), kills, seed, plant=plant))
        texts += [text for kill in found for text in (*kill.losses, kill.restart)]
        if any(wanted in text for text in texts):
            return
    pytest.fail(f"not noticed in {10 * kills} kills: {texts}")


class OneEndsByItself:
    """A server whose trainer of a number has ended by itself when it is handed out."""

    def __init__(self, server, number, change):
        self._server, self._numbers, self._number, self._change = server, itertools.count(), number, change

    def start(self, job):
        if next(self._numbers) != self._number:
            return self._server.start(job)
        process = self._server.start(job._replace(**self._change))
        assert process.has_ended(600.0)
        return process


@pytest.mark.parametrize(
    ("number", "change", "wanted"),
    [
        (0, {"implementation": "x"}, "the first process: ended by itself with exit code 1, in the phase STARTING"),
        (1, {"implementation": "x"}, "ended by itself with exit code 1, in the phase STARTING: KeyError: 'x'"),
        (1, {"last_step": 1}, "ended by itself with exit code 0, in the phase BETWEEN"),
        (2, {"implementation": "x"}, "KeyError: 'x'"),
        (-1, {}, None),
    ],
)
def test_a_trainer_that_ends_by_itself_is_a_bad_restart(server, monkeypatch, number, change, wanted):
    monkeypatch.setattr(campaign, "_WEIGHTS", {Phase.STARTING: 1})
    monkeypatch.setattr(campaign, "_wait", lambda secs: None)  # killed at once
    started = OneEndsByItself(server, number, change)
    kills = list(campaign.run(started, "monitored", campaign.configs("monitored", "sync-small"), 2, 1))
    texts = [text for kill in kills for text in (*kill.losses, kill.restart) if text]
    assert len(texts) == (wanted is not None)
    assert all(text.startswith(wanted) for text in texts)
    assert [kill.restart_observed for kill in kills] == [number == 1, True]
    assert sum(map(report.failed, kills)) == len(texts)
    assert report.rows(kills)[-1][4:6] == [str(sum(bool(kill.restart) for kill in kills)), str(int(number != 1))]


def test_a_first_process_that_begins_wrong_is_noticed(server, monkeypatch):
    monkeypatch.setattr(campaign._Job, "_beginning", lambda self, expected: "began wrong")
    (kill,) = campaign.run(server, "monitored", campaign.configs("monitored", "sync-small"), 1, 3)
    assert kill.losses == ["the first process: began wrong"]
    assert kill.restart == "began wrong"


@pytest.mark.parametrize(("only", "least", "most"), [("small", 10, 100), ("large", 24 * 40, 2000), ("", 24 * 40, 2000)])
def test_the_room_that_is_demanded_is_what_the_kinds_need(monkeypatch, capsys, only, least, most):
    kinds = campaign.configs("monitored", only)
    need = campaign.needed_mebibytes(kinds)
    assert least <= need <= most
    monkeypatch.setattr(campaign, "free_mebibytes", lambda where: need - 1)
    assert main(["--kills", "4", "--only", only]) == USAGE
    assert f"--folder: {need:.0f} MiB are needed there, {need - 1:.0f} are free" in capsys.readouterr().err


def test_an_earlier_result_stays_until_there_is_a_new_one(tmp_path, monkeypatch, server):
    monkeypatch.setattr("crashes.server.Server", lambda: contextlib.nullcontext(server))
    path = tmp_path / "result.json"
    path.write_text("earlier " * 10_000)

    def interrupted(*_):
        raise KeyboardInterrupt

    options = ["--kills", "1", "--seed", "7", "--only", "sync-small", "--json", str(path)]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(campaign, "run", interrupted)
        main(options)
    assert path.read_text() == "earlier " * 10_000
    assert main(options) == OK
    result = json.loads(path.read_text())
    assert (result["kills"], result["restarts_not_observed"]) == (1, 0)
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    assert result["commit"] == (commit.stdout.strip() or "unknown")
    assert result["every_kill"][0]["restored"] == max(result["every_kill"][0]["step"], 0)


def test_the_type_of_a_file_system(tmp_path):
    for folder_name in ("/proc", "/sys", str(tmp_path)):
        command = ["stat", "--file-system", "--format=%T", folder_name]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        # stat calls by one name what cannot be told apart by its number
        names = {said, *said.split("/"), *(["ext4"] if "ext2" in said else [])}
        assert report.file_system(folder_name) in names


@pytest.mark.parametrize(("plant", "code"), [("torn", LOST), ("", OK)])
def test_the_command(server, tmp_path, monkeypatch, capsys, plant, code):
    monkeypatch.setattr("crashes.server.Server", lambda: contextlib.nullcontext(server))
    path = tmp_path / "result.json"
    options = ("--kills", "1", "--seed", "7", "--only", "sync-small", "--json", str(path), "--plant", plant)
    assert main(list(options)) == code
    result = json.loads(path.read_text())
    assert (result["seed"], result["kills"], result["implementation"]) == (7, 1, "monitored")
    assert bool(result["losses"] or result["failed_restarts"]) == bool(plant)
    assert len(result["every_kill"]) == 1
    output = capsys.readouterr().out
    assert "--seed=7" in output
    assert ("is torn" in output) == bool(plant)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--implementation", "other"), "--implementation must be one of monitored, tensorflow, not 'other'"),
        (("--implementation", "tensorflow", "--only", "async"), "--only='async' is no kind of job"),
        (("--kills", "3"), "--kills must be at least 4"),
        (("--plant", "x"), "--plant must be one of state-first"),
        (
            ("--implementation", "tensorflow", "--durable"),
            "--durable needs --implementation=monitored, not 'tensorflow'",
        ),
        (
            ("--implementation", "tensorflow", "--plant", "in-place"),
            "--plant=in-place needs --implementation=monitored, not 'tensorflow'",
        ),
        (("--json", "/no/such/file"), "--json must be a file that can be written, not '/no/such/file': No such file"),
        (("--folder", "/no/such"), "--folder must be a folder, not '/no/such'"),
    ],
)
def test_wrong_usage(arguments, text, capsys):
    assert main(list(arguments)) == USAGE
    assert text in capsys.readouterr().err


@pytest.fixture
def saved(tmp_path):
    """A folder with checkpoints of the steps 0 to 2, all variables equal to the step."""
    with tf.Graph().as_default():
        step = tf.train.create_global_step()
        weight = tf.get_variable("weight", [1000], initializer=tf.zeros_initializer())
        saver = monitored.Saver()
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for number in range(3):
                session.run([step.assign(number), weight.assign(np.full(1000, number))])
                saver.save(session, str(tmp_path / "model.ckpt"), number)
    return tmp_path


def test_a_whole_folder(saved):
    (saved / "model.ckpt-3.data-00000-of-00001.tempstate123").write_bytes(b"12345")
    (saved / "model.ckpt-4.index").write_bytes(b"123")
    (saved / "checkpoint.tmp0a").write_bytes(b"1")
    found = folder.look(str(saved), announced=2)
    assert found == folder.Found(2, [], "whole", {"unfinished file": 6, "unlisted checkpoint": 3})


@pytest.mark.parametrize(
    ("damage", "loss"),
    [
        (lambda path: (path / "checkpoint").write_text(""), "the state file is no state: ''"),
        (lambda path: (path / "checkpoint").write_text('model_checkpoint_path: "a"\n'), "is no state"),
        (lambda path: os.truncate(path / "checkpoint", 90), "is no state"),
        (lambda path: os.remove(path / "checkpoint"), "step 2 was announced, the newest checkpoint is of step -1"),
        (lambda path: os.remove(path / "model.ckpt-1.index"), "model.ckpt-1 is listed and cannot be read"),
        (
            lambda path: os.truncate(path / "model.ckpt-2.data-00000-of-00001", 2000),
            "model.ckpt-2 is listed and cannot",
        ),
        (lambda path: flip(path / "model.ckpt-0.data-00000-of-00001"), "model.ckpt-0 is listed and cannot be read"),
        (lambda path: copy(path, "model.ckpt-1", "model.ckpt-2"), "model.ckpt-2 is torn: global_step, weight"),
    ],
)
def test_a_damaged_folder(saved, damage, loss):
    damage(saved)
    losses = folder.look(str(saved), announced=2).losses
    assert any(loss in text for text in losses), losses


def flip(path: pathlib.Path) -> None:
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)


def copy(path: pathlib.Path, source: str, target: str) -> None:
    for ending in (".index", ".data-00000-of-00001"):
        (path / f"{target}{ending}").write_bytes((path / f"{source}{ending}").read_bytes())


@pytest.mark.parametrize(("content", "meta"), [(None, "missing"), (b"", "cut"), (b"\xff\xff", "cut")])
def test_the_newest_meta_graph(saved, content, meta):
    path = saved / "model.ckpt-2.meta"
    path.unlink() if content is None else path.write_bytes(content)
    assert folder.look(str(saved), announced=2).meta == meta


def test_marks_outlive_the_process(tmp_path):
    path = str(tmp_path / "marks")
    marks = Marks(path, new=True)
    program = f"""
import os, signal
from crashes.marks import Marks, Phase
marks = Marks({path!r})
marks.phase, marks.saves, marks.restored, marks.announced = Phase.STATE, 3, 8, 12
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, check=False, timeout=600)
    assert done.returncode == -signal.SIGKILL
    assert (marks.phase, marks.saves, marks.restored, marks.announced) == (Phase.STATE, 3, 8, 12)
    marks.start()
    assert (marks.phase, marks.saves, marks.restored, marks.announced) == (Phase.STARTING, 0, -1, 12)
    marks.close()
