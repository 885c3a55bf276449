"""The command line: exit codes, the shape of the result, a page that stands alone."""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conformance import __main__, enumeration, program, record, recorded, report, run
from conformance.interpreter import run_program
from conformance.rules import GROUPS, RULES
from conformance.trace import tf

WRONG = "conformance.wrong_implementation"


def command(*arguments):
    environment = {**os.environ, "CONFORMANCE_SHOW": ""}
    environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
    line = [sys.executable, "-m", "conformance", *arguments]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def same(tmp_path_factory):
    folder = tmp_path_factory.mktemp("same")
    arguments = ("--profile", "quick", "--programs", "40", "--seed", "5", "--out", str(folder))
    code, text = command("run", *arguments)
    assert code == run.SAME, text
    return folder, text


def test_a_run_without_differences(same):
    folder, text = same
    result = json.loads((folder / "result.json").read_text())
    assert result["verdict"] == "same"
    assert result["programs"] >= 40
    assert result["seed"] == 5
    assert set(result["rules"]) == set(RULES)
    assert set(result["groups"]) == set(GROUPS)
    assert {"tensorflow", "python", "hypothesis"} <= set(result["versions"])
    assert result["differences"] == []
    if sys.version_info >= (3, 12):
        assert 0 < result["share_outside_tensorflow"] < 1
    else:  # the clock that looks at another thread's frames would crash there
        assert result["share_outside_tensorflow"] is None
    assert result["programs_per_second"] > 0
    assert len(result["slowest"]) == 10
    assert "0 unregistered differences" in text


def test_the_page_stands_alone(same):
    folder, _ = same
    page = folder / "again.html"
    assert __main__.main(["report", str(folder / "result.json"), "--html", str(page)]) == run.SAME
    html = page.read_text()
    assert html == (folder / "report.html").read_text()
    assert not re.search(r"https?://|<script|<link|src=|url\(", html)
    assert all(rule in html for rule in RULES)


def test_a_run_with_differences(tmp_path, capsys):
    arguments = ("--profile", "quick", "--programs", "60", "--seed", "1", "--strategy", "steps", "--subject", WRONG)
    assert __main__.main(["run", *arguments, "--out", str(tmp_path)]) == run.DIFFERENT
    result = json.loads((tmp_path / "result.json").read_text())
    difference = result["differences"][0]
    with open(difference["file"], encoding="utf-8") as file:
        assert program.to_json(program.from_json(file.read())) == difference["program"]
    assert f"{WRONG} differs from" in difference["report"]
    assert difference["report"].splitlines()[0] in capsys.readouterr().out
    assert any(row["verdict"] == "divergent" for row in result["rules"].values())
    replay = difference["replay"].split()
    assert replay[:3] == ["python", "-m", "conformance"]
    code, text = command(*replay[3:])
    assert code == run.DIFFERENT
    assert f"{WRONG} differs from" in text


@pytest.mark.parametrize(
    "arguments",
    (
        ("run", "--subject", "no_such_module"),
        ("run", "--profile", "weekly"),
        ("run", "--programs", "0"),
        ("run", "--programs", "5", "--minutes", "5"),
        ("enumerate", "--slice", "3/2"),
        ("run", "--resume", "--out", "no-such-folder"),
        ("run", "--subject", "monitored:nope"),
        ("draw", "--programs", "0", "--out", "nowhere"),
        ("replay", "no-such-file.json"),
        ("report", "no-such-file.json", "--html", "page.html"),
        (),
    ),
    ids=" ".join,
)
def test_wrong_usage(arguments, capsys):
    try:
        code = __main__.main(list(arguments))
    except SystemExit as exit:
        code = exit.code
    assert code == run.USAGE
    assert capsys.readouterr().err


def arguments_with(device):
    return argparse.Namespace(oracle=None, subject=None, device=device, seed=None, resume=False, out="nowhere")


def test_a_device_that_is_not_there(monkeypatch):
    monkeypatch.setattr(run.devices, "gpus", lambda: 0)
    with pytest.raises(run.MissingDeviceError, match="TensorFlow sees no GPU here"):
        run.sides_of(arguments_with("gpu"))
    sides, remark = run.sides_of(arguments_with("all"))
    assert [one.device for one in sides] == [None]
    assert "GPU was not run" in remark
    assert run.main(arguments_with("gpu")) == run.NO_DEVICE


def test_devices_that_are_there(monkeypatch):
    monkeypatch.setattr(run.devices, "gpus", lambda: 1)
    assert [one.device for one in run.sides_of(arguments_with("gpu"))[0]] == ["/GPU:0"]
    assert [one.device for one in run.sides_of(arguments_with("all"))[0]] == [None, "/GPU:0"]


def test_parts():
    assert enumeration.part("3/7") == (3, 7)
    assert enumeration.part("today/1") == (1, 1)
    assert 1 <= enumeration.part("today/9")[0] <= 9
    for text in ("0/3", "4/3", "a/b", "3", "today/0"):
        with pytest.raises(argparse.ArgumentTypeError):
            enumeration.part(text)


def test_chapters_are_the_scenarios():
    names = [os.path.basename(path) for path in run.chapters()]
    assert "test_close.py" in names
    assert "test_command_line.py" not in names
    for path in run.chapters():
        with open(path, encoding="utf-8") as file:
            text = file.read()
        assert "conforms" in text or "harness" in text or "differential" in text


def test_text_of_a_program_is_escaped(same, tmp_path):
    result = json.loads((same[0] / "result.json").read_text())
    result["slowest"][0]["program"] = "<script>alert(1)</script>"
    page = tmp_path / "page.html"
    report.write_page(result, str(page))
    assert "<script" not in page.read_text()


# --- recordings of other releases ----------------------------------------------------------------


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recording")
    programs, first = str(folder / "programs.jsonl"), str(folder / "first.jsonl")
    options = ["--programs", "8", "--seed", "3", "--strategy", "hooks"]
    assert __main__.main(["draw", *options, "--out", programs]) == 0
    assert record.main([programs, "--out", first]) == 0
    return folder, programs, first


def test_a_recording_holds_every_program_and_its_trace(recording):
    _, programs, first = recording
    loaded = recorded.load(first)
    with open(programs, encoding="utf-8") as file:
        texts = file.read().splitlines()
    assert list(loaded.traces) == texts
    assert len(set(texts)) == len(texts) >= 5
    for text, trace in loaded.traces.items():
        assert trace == run_program(tf.train, program.from_json(text))


def test_recordings_are_compared(recording, capsys):
    folder, programs, first = recording
    assert __main__.main(["compare", first, first]) == 0
    assert "the same" in capsys.readouterr().out
    second = str(folder / "second.jsonl")
    assert record.main([programs, "--implementation", WRONG, "--out", second]) == 0
    lines = Path(second).read_text().splitlines()
    wrong_line = json.loads(lines[1])
    wrong_line["trace"].insert(0, ["log", ["INFO", "something else", False]])
    Path(second).write_text("\n".join([lines[0], json.dumps(wrong_line), *lines[2:]]) + "\n")
    assert __main__.main(["compare", first, second]) == 1
    text = capsys.readouterr().out
    assert "first differing event: 0 (oracle), 0 (subject), at kind" in text
    assert "different: " in text


def test_a_program_that_a_release_cannot_run_is_told_apart(recording, tmp_path, capsys):
    _, _, first = recording
    line = record.record(tf.train, '{"program": "Song"}')
    assert "Unknown kind of program" in line["failed"]
    loaded = recorded.load(first)
    text, *_ = loaded.traces
    _, counts = recorded.differences(loaded, loaded._replace(traces={**loaded.traces, text: "why"}))
    assert counts["not run by both"] == 1
    failed = tmp_path / "failed.jsonl"
    failed.write_text(json.dumps(loaded.versions) + "\n" + json.dumps(line) + "\n")
    assert __main__.main(["compare", str(failed), str(failed)]) == 2
    shown = capsys.readouterr()
    assert "Unknown kind of program" in shown.out
    assert "no program was run by both" in shown.err


def test_what_is_no_recording_is_refused(recording, capsys):
    _, programs, first = recording
    assert __main__.main(["compare", programs, first]) == 2
    assert "names no TensorFlow version" in capsys.readouterr().err
    assert record.main(["no-such-file", "--out", "nowhere"]) == 2
    assert record.main([programs, "--implementation", "no_such_module", "--out", "nowhere"]) == 2
