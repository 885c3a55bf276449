"""Programs that once differed, shrunk: both sides must show the same trace for ever."""

import functools
import os

import pytest

from conformance import coverage, run
from conformance import program as p
from conformance.interpreter import perform


@pytest.mark.parametrize("path", run.saved_programs(), ids=os.path.basename)
def test_saved_program(harness, path):
    with open(path, encoding="utf-8") as file:
        program = p.from_json(file.read())
    harness.judge(
        functools.partial(perform, program=program),
        functools.partial(coverage.rules, program),
        f"regression {os.path.basename(path)}\nprogram: {p.to_json(program)}",
        f"python -m conformance replay {path}",
        both_ways=p.runs_steps(program),
    )


def test_saved_programs_are_written_as_programs_are():
    for path in run.saved_programs():
        with open(path, encoding="utf-8") as file:
            text = file.read()
        assert p.to_json(p.from_json(text)) + "\n" == text
