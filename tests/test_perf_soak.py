"""What is said of a process that runs for long."""

import collections
import dataclasses
import json
import os
import subprocess
import sys

import pytest

from perf import soak
from perf.__main__ import FAILED, OK, USAGE, main
from perf.held import COUNTS, RSS, Held, grew

BOUND = 2**22
BEFORE = Held(steps=20, rss=2**28, threads=3, handles=9, plans=2, saves=1, seconds=1.0)
STEP_PROGRAMS = ("same", "list", "lambda", "key", "feed")


@pytest.mark.parametrize(
    ("change", "grown"),
    [
        ({}, []),
        ({"threads": 4}, ["threads"]),
        ({"handles": 10, "plans": 3}, ["handles", "plans"]),
        ({"plans": 1, "rss": 2**27}, []),
        ({"rss": 2**28 + BOUND}, []),
        ({"rss": 2**28 + BOUND + 1}, ["rss"]),
        ({"steps": 90, "saves": 7, "seconds": 9.0}, []),
        *[({name: 1000}, [name]) for name in COUNTS],
    ],
)
def test_what_grew(change, grown):
    assert dataclasses.replace(BEFORE, **change).grew_since(BEFORE, BOUND) == grown
    assert grew([BEFORE, BEFORE, dataclasses.replace(BEFORE, **change)], BOUND) == grown
    assert grew([dataclasses.replace(BEFORE, **change), BEFORE, BEFORE], BOUND) == []


@pytest.mark.parametrize(
    ("implementation", "program", "expected"),
    [
        ("monitored", "threads", (["graphs", "registered"], [])),
        ("tensorflow", "threads", (["graphs"], ["registered"])),
        ("tensorflow", "sessions", (["graphs", "registered"], [])),
    ],
)
def test_what_tensorflow_is_known_to_keep_counts_for_it_alone(implementation, program, expected):
    after = dataclasses.replace(BEFORE, graphs=1, registered=1)
    grown, known = soak.verdict(program, implementation, [BEFORE, BEFORE, after])
    assert (grown, list(known)) == expected


def test_both_sides_are_shown_side_by_side():
    after = dataclasses.replace(BEFORE, threads=1500, rss=2**29)
    shown = {
        name: amounts
        for name, *amounts in soak.rows({"monitored": [BEFORE, BEFORE, after], "tensorflow": [BEFORE] * 3})
    }
    assert shown["threads"] == ["3", "1,500", "3", "3"]
    assert shown["rss"] == ["256.0 MiB", "512.0 MiB", "256.0 MiB", "256.0 MiB"]
    assert set(shown) == {name.replace("_", " ") for name in (RSS, *COUNTS, "saves", "seconds")}


def run(*command, **environment):
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    return done.returncode, done.stdout, done.stderr


PLANTED = {
    "session": {"monitored_sessions", "graphs", "ops"},
    "thread": {"threads", "python_threads"},
    "handle": {"handles"},
    "file": {"temporary"},
    "writer": {"writers", "event_files", "handles", "threads", "python_threads", "temporary"},
}
"""What each leak that can be planted in a session that goes on must be seen by."""


SHORT = {
    "monitored": [
        *[(name, 1000) for name in STEP_PROGRAMS],
        ("sessions", 10),
        ("sessions-one-graph", 10),
        ("threads", 500),
    ],
    "tensorflow": [("same", 100), ("sessions", 10), ("sessions-one-graph", 10), ("threads", 500)],
}


@pytest.fixture(scope="module")
def looks(tmp_path_factory):
    """The looks of short runs, by implementation and program, and of planted leaks, all in one process."""
    script = (
        "import json, sys, tempfile\n"
        "from perf import sides, soak\n"
        "sides.start()\n"
        "for implementation, name, number, plant in json.loads(sys.argv[1]):\n"
        "    side = soak.IMPLEMENTATIONS[implementation]\n"
        "    for held in soak.measure(name, side, number, 50, plant, tempfile.mkdtemp()):\n"
        "        print(json.dumps([implementation, plant or name, held.as_dict()]))\n"
    )
    runs = [(side, name, number, "") for side, programs in SHORT.items() for name, number in programs]
    # 19 is no multiple of the number of looks.
    runs += [("monitored", "threads", 19, plant) for plant in PLANTED if plant != "session"]
    # Temporary files are counted in a folder of its own.
    code, out, err = run("-c", script, json.dumps(runs), TMPDIR=str(tmp_path_factory.mktemp("soak")))
    assert code == OK, err
    found = collections.defaultdict(list)
    for implementation, name, held in map(json.loads, out.splitlines()):
        found[implementation, name].append(Held(**held))
    assert {len(held) for held in found.values()} == {soak.LOOKS}
    assert found["monitored", "thread"][-1].steps == 19
    return found


def test_short_runs_of_monitored(looks):
    """Keys that are new in each step fill the cache of plans, which has an end. Memory needs longer to settle."""
    found = {name: looks["monitored", name] for name, _ in SHORT["monitored"]}
    for name, held in found.items():
        assert set(grew(held, BOUND)) <= {RSS}, name
    for name in STEP_PROGRAMS:
        assert [look.steps for look in found[name]] == list(range(100, 1001, 100))
        assert found[name][-1].saves == 20
        assert found[name][-1].plans == (64 if name == "key" else {"list": 4}.get(name, 2))
    for name in ("sessions", "sessions-one-graph"):
        last = found[name][-1]
        assert (last.sessions, last.monitored_sessions, last.writers, last.event_files) == (0,) * 4
    assert found["sessions"][-1].graphs == 0
    assert found["threads"][-1].registered < 10


def test_short_runs_of_tensorflow(looks):
    for name, _ in SHORT["tensorflow"]:
        grown, known = soak.verdict(name, "tensorflow", looks["tensorflow", name])
        assert set(grown) <= {RSS}, name
        assert set(known) - {RSS} == ({"registered"} if name == "threads" else set())
    assert looks["tensorflow", "threads"][-1].registered >= 10


@pytest.mark.parametrize("plant", [plant for plant in PLANTED if plant != "session"])
def test_planted_leaks_are_seen(looks, plant):
    grown = set(grew(looks["monitored", plant], BOUND))
    assert PLANTED[plant] <= grown <= PLANTED[plant] | {RSS}


def test_every_kind_of_leak_is_planted():
    assert set(PLANTED) == set(soak.PLANTS)


def test_the_command_reports_sessions_that_are_kept(tmp_path):
    """The graph of a closed session that is kept is kept with it; the `tf.Session` is not."""
    path = tmp_path / "soak.json"
    arguments = ["--program", "sessions", "--steps", "10", "--implementation", "monitored", "--plant", "session"]
    code, out, err = run("-m", "perf", "soak", *arguments, "--json", str(path))
    assert code == FAILED, err
    (verdict,) = [line for line in out.splitlines() if line.endswith(" grew since the second look")]
    grown = verdict.removesuffix(" grew since the second look").removeprefix("monitored: ").split(", ")
    assert set(grown) - {RSS} == PLANTED["session"]
    assert [line.split("\u2502")[1].strip() for line in out.splitlines() if "\u2502 monitored sessions" in line]
    written = json.loads(path.read_text())
    assert [look["steps"] for look in written["implementations"]["monitored"]["looks"]] == list(range(1, 11))
    assert "monitored_sessions" in written["implementations"]["monitored"]["grew"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--steps", "9"], "at least 10"),
        (["--program", "other"], "invalid choice: 'other'"),
        (["--implementation", "other"], "invalid choice: 'other'"),
    ],
)
def test_bad_arguments(arguments, complaint, capsys):
    try:
        code = main(["soak", *arguments])
    except SystemExit as usage:
        code = usage.code
    assert code == USAGE
    assert complaint in capsys.readouterr().err
