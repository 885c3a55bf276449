"""Random hook programs: whatever hooks do at whatever call, both sides show the same trace."""

import contextlib
import functools
import os

import hypothesis
import pytest
from hypothesis import strategies as st

from conformance import program as p
from conformance import strategies
from conformance.interpreter import perform

RULES = (
    "MTS-LIFE-01", "MTS-LIFE-02", "MTS-LIFE-03", "MTS-LIFE-04", "MTS-LIFE-05",
    "MTS-GRAPH-04", "MTS-RUN-01", "MTS-RUN-02", "MTS-RUN-03", "MTS-RUN-04", "MTS-RUN-05",
    "MTS-RUN-06", "MTS-RUN-07", "MTS-RUN-08", "MTS-RUN-10",
    "MTS-STEP-02", "MTS-STEP-05", "MTS-STEP-06",
    "MTS-EXC-01", "MTS-EXC-02", "MTS-EXC-03", "MTS-EXC-04", "MTS-EXC-05", "MTS-EXC-06",
    "MTS-EXC-07", "MTS-EXC-08", "MTS-EXC-09", "MTS-EXC-10", "MTS-EXC-11", "MTS-EXC-12",
    "MTS-EXC-13", "MTS-CLOSE-01", "MTS-CLOSE-02", "MTS-CLOSE-03", "MTS-CLOSE-05",
    "MTS-CKH-01", "MTS-CKH-02", "MTS-CKH-03",
)  # fmt: skip
FAILURES = os.path.join("build", "conformance")


@contextlib.contextmanager
def keep(text):
    """Keep a program that differs, yielding the path; the last failing example is the shrunk one."""
    path = os.path.join(FAILURES, "failing-program.json")
    try:
        yield path
    except AssertionError:
        os.makedirs(FAILURES, exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        raise


def judge(harness, rules, program):
    text = p.to_json(program)
    with keep(text) as path:
        harness.judge(
            functools.partial(perform, program=program),
            rules,
            f"a random hook program\nprogram: {text}",
            f"python -m conformance replay {path}",
        )


@pytest.mark.rule(*RULES)
@hypothesis.given(program=strategies.programs)
def test_random_hook_programs(harness, rules, program):
    judge(harness, rules, program)


@hypothesis.given(program=strategies.programs)
def test_json_round_trip(program):
    assert p.from_json(p.to_json(program)) == program


@hypothesis.given(data=st.data())
def test_unknown_fields_are_refused(data):
    name = data.draw(st.text(min_size=1).filter(lambda text: text not in p.Program._fields))
    with pytest.raises(TypeError):
        p._from_plain(p.Program, {name: 1})
