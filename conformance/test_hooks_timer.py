"""The timers (MTS-TMR)."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from conformance.harness import conforms


@conforms("MTS-TMR-01")
def test_constructor(train, record):
    make = train.SecondOrStepTimer
    for arguments in (
        (), (1, 1), (0, 0), (0, 1), (1, 0), (None, None), (0,), (None, 0), (-1,), (None, -1),
        (5,), (None, 5), ("x",), (None, "x"), (False,), (None, True),
    ):  # fmt: skip
        record.outcome(str(arguments), lambda: type(make(*arguments)).__name__)


def use_timer(train, record, arguments, calls):
    timer = train.SecondOrStepTimer(**arguments)
    for name, value in calls:
        if name == "advance":
            record.clock.advance(value)
        elif name == "reset":
            record.outcome("reset", timer.reset)
        elif name == "update":
            result = record.outcome("update", timer.update_last_triggered_step, value)
            record("types", [type(part).__name__ for part in result or ()])
        else:
            record.outcome("should", timer.should_trigger_for_step, value)
        record("last", timer.last_triggered_step())


@conforms("MTS-TMR-02", "MTS-TMR-03")
def test_steps(train, record):
    calls = [("should", 0), ("should", 7), ("update", 1)]
    calls += [("should", step) for step in (-5, 0, 1, 2, 3, 4, 5)]
    calls += [("advance", 2), ("update", 5), ("update", 2), ("reset", None), ("should", 2)]
    calls += [("update", 9), ("update", np.int64(4)), ("should", np.int64(7))]
    for steps in (1, 3, 0, -2, 1.5, 100):
        use_timer(train, record, {"every_steps": steps}, calls)


@conforms("MTS-TMR-02", "MTS-TMR-03")
def test_seconds(train, record):
    calls = [("should", 1), ("update", 1)]
    for secs in (0, 1.0, 0.5, 0.001, -10, 60):
        calls += [("advance", secs), ("should", 0), ("should", 1), ("should", 2)]
    calls += [("update", 2), ("advance", -5), ("update", 3)]
    for secs in (1.5, 0, -10, 1e9):
        use_timer(train, record, {"every_secs": secs}, calls)


_numbers = st.integers(-5, 20) | st.sampled_from((0.5, 1.5))
_calls = st.lists(
    st.tuples(st.sampled_from(("update", "should", "advance")), _numbers) | st.just(("reset", None)), max_size=12
)


@pytest.mark.rule("MTS-TMR-02", "MTS-TMR-03")
@hypothesis.given(
    arguments=st.builds(lambda k, v: {k: v}, st.sampled_from(("every_secs", "every_steps")), _numbers), calls=_calls
)
def test_random_calls(harness, rules, arguments, calls):
    harness.judge(
        lambda train, record: use_timer(train, record, arguments, calls),
        rules,
        "random timer calls\ncalls: {} {}".format(arguments, calls),
        "python -m pytest conformance/test_hooks_timer.py -k random",
    )
