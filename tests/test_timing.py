"""The timers beside tf.train's, under one virtual clock (MTS-TMR)."""

import time
from unittest import mock

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from clock import VirtualClock
from hypothesis import example, given
from hypothesis import strategies as st
from tensorflow.python.training import basic_session_run_hooks

from monitored.timing import NeverTriggerTimer, SecondOrStepTimer, due_step, is_due

DUE, UPDATE = "should_trigger_for_step", "update_last_triggered_step"
PERIODS = st.one_of(
    st.fixed_dictionaries({"every_steps": st.sampled_from([-3, 0, 1, 2, 3, 1.5, 10, 10**9])}),
    st.fixed_dictionaries({"every_secs": st.sampled_from([-10, 0, 0.25, 1, 2.5, 600])}),
)
STEPS = st.one_of(st.integers(0, 12), st.integers(0, 12).map(np.int64))
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("advance"), st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0, 2.5])),
        st.tuples(st.just(DUE), STEPS),
        st.tuples(st.just(UPDATE), STEPS),
        st.tuples(st.just("last_triggered_step")),
        st.tuples(st.just("reset")),
    ),
    max_size=20,
)


def _answers(timer, operations):
    clock = VirtualClock()
    answers = []
    with mock.patch.object(time, "time", clock.time):
        for name, *arguments in operations:
            if name == "advance":
                clock.advance(*arguments)
            else:
                answer = getattr(timer, name)(*arguments)
                answers.append((name, answer, type(answer)))
    return answers


@given(PERIODS, OPERATIONS)
@example({"every_secs": 2.5}, [(UPDATE, 3), ("advance", 2.5), (DUE, 2), (DUE, 3)])
@example({"every_steps": 0}, [(UPDATE, 3), (DUE, 2), (DUE, 3), (DUE, 4)])
@pytest.mark.rule("MTS-TMR-02", "MTS-TMR-03")
def test_any_use_of_a_timer(period, operations):
    """Same answers, of the same type, whatever is done in which order."""
    expected = _answers(tf.train.SecondOrStepTimer(**period), operations)
    assert _answers(SecondOrStepTimer(**period), operations) == expected


@given(OPERATIONS)
@pytest.mark.rule("MTS-TMR-03")
def test_never_trigger_timer(operations):
    """Never due, nothing remembered."""
    expected = _answers(basic_session_run_hooks.NeverTriggerTimer(), operations)
    assert _answers(NeverTriggerTimer(), operations) == expected


@pytest.mark.parametrize("secs", [None, 0, 5])
@pytest.mark.parametrize("steps", [None, 0, 5])
@pytest.mark.rule("MTS-TMR-01")
def test_periods_that_are_accepted(secs, steps):
    """Exactly one of the two."""

    def outcome(make):
        try:
            timer = make(every_secs=secs, every_steps=steps)
        except ValueError as error:
            return str(error)
        return (timer._every_secs, timer._every_steps, timer.last_triggered_step())

    assert outcome(SecondOrStepTimer) == outcome(tf.train.SecondOrStepTimer)


@pytest.mark.parametrize(
    ("step", "now", "by_steps", "by_secs"),
    [
        (10, 100.0, False, False),  # the same step again
        (12, 105.0, False, True),  # the end of a period belongs to it
        (13, 104.9, True, False),
        (9, 104.9, False, False),  # back
        (9, 105.0, False, True),
    ],
)
@pytest.mark.rule("MTS-TMR-02")
def test_decision(step, now, by_steps, by_secs):
    """Periods of 3 steps and of 5 seconds, last over at step 10 and second 100."""
    assert is_due(step, now, 10, 100.0, None, 3) is by_steps
    assert is_due(step, now, 10, 100.0, 5, None) is by_secs


@pytest.mark.rule("MTS-TMR-02")
def test_the_first_time_is_always_due():
    assert is_due(0, 0.0, None, None, 5, None) is True
    assert is_due(0, 0.0, None, None, None, 3) is True


@pytest.mark.rule("MTS-CKH-02", "MTS-STC-01")
def test_the_real_step_is_read_only_if_it_can_matter():
    timer = SecondOrStepTimer(every_steps=5)
    timer.update_last_triggered_step(10)
    reads = iter([14, 15])
    assert due_step(timer, 13, 1, lambda: next(reads)) is None
    assert due_step(timer, 13, 2, lambda: next(reads)) is None
    assert due_step(timer, 14, 1, lambda: next(reads)) == 15
