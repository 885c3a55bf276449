"""What is said of a process that runs for long."""

import dataclasses
import os
import subprocess
import sys

import pytest

from perf import soak
from perf.__main__ import FAILED, OK, USAGE

BEFORE = soak.Held(steps=20, rss=2**28, threads=3, handles=9, plans=2, saves=1, seconds=1.0)


@pytest.mark.parametrize(
    ("change", "grown"),
    [
        ({}, []),
        ({"threads": 4}, ["threads"]),
        ({"handles": 10, "plans": 3}, ["handles", "plans"]),
        ({"plans": 1, "rss": 2**27}, []),
        ({"rss": 2**28 + soak.RSS_BOUND}, []),
        ({"rss": 2**28 + soak.RSS_BOUND + 1}, ["rss"]),
        ({"steps": 90, "saves": 7, "seconds": 9.0}, []),
    ],
)
def test_what_grew(change, grown):
    assert dataclasses.replace(BEFORE, **change).grew_since(BEFORE) == grown
    assert soak.grew([BEFORE, BEFORE, dataclasses.replace(BEFORE, **change)]) == grown


def run_command(*arguments):
    command = [sys.executable, "-m", "perf", "soak", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("program", sorted(soak.PROGRAMS))
def test_a_short_one(program):
    """The keys that are new in each step fill the cache of plans, which has an end."""
    code, out, err = run_command("--steps", "2000", "--save-every", "100", "--program", program)
    rows = [line.split() for line in out.splitlines() if line.strip()[:1].isdigit()]
    assert [row[0] for row in rows] == [f"{number:,}" for number in range(200, 2001, 200)], err
    assert rows[-1][5] == "20"
    plans = [int(row[4]) for row in rows]
    assert max(plans) <= 64
    assert plans[-1] == plans[1] == (64 if program == "key" else {"list": 4}.get(program, 2))
    assert code in (OK, FAILED)  # memory needs longer to settle
    assert ("nothing grew" in out) is (code == OK)
    assert "threads" not in out.splitlines()[-1]
    assert "handles" not in out.splitlines()[-1]


def test_bad_arguments():
    code, _, err = run_command("--steps", "9")
    assert code == USAGE
    assert "at least 10" in err
    assert run_command("--program", "other")[0] == USAGE
