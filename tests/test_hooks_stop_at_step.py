"""StopAtStepHook beside tf.train's (MTS-STP)."""

import pytest
import tensorflow.compat.v1 as tf
from hosting import comparable

TARGETS = [{"num_steps": 4}, {"last_step": 5}, {"last_step": 15}, {"num_steps": 0}]


def runs_until_it_stops(run, session, by=1):
    """Run until it is time to stop, advancing the step by so many each time; return how many runs that took."""
    runs = 0
    while not session.should_stop():
        run.step(session, by)
        runs += 1
    return runs


@pytest.mark.parametrize("by", [0, 1, 2, 10])
@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.rule("MTS-STP-01", "MTS-STP-02", "Q-28")
def test_when_it_stops(same, by, target):
    """At least one run, one too many after a jump, none without steps."""

    def program(run):
        run.build_step(start=1)
        hook = run.hooks.StopAtStepHook(**target)
        with run.session([hook]) as session:
            for runs in range(20):
                if session.should_stop():
                    break
                run.step(session, by)
        run.see(runs, hook._last_step, hook._num_steps)

    same(program)


@pytest.mark.rule("MTS-STP-01", "Q-27")
def test_a_hook_used_again_keeps_its_first_target(same):
    """One run, then stop."""

    def program(run):
        run.build_step()
        hook = run.hooks.StopAtStepHook(num_steps=3)
        for _ in range(2):
            with run.session([hook]) as session:
                runs = runs_until_it_stops(run, session, by=4)
            run.see(runs, hook._last_step)

    same(program)


@pytest.mark.parametrize(("by", "runs"), [(1, 15), (2, 8), (3, 6), (5, 4), (10, 3)])
@pytest.mark.rule("MTS-STP-02", "Q-28")
def test_how_late_it_stops(same, by, runs):
    """At 15: in time by ones and twos, a run late where one less would have done."""

    def program(run):
        run.build_step()
        with run.session([run.hooks.StopAtStepHook(last_step=15)]) as session:
            count = runs_until_it_stops(run, session, by)
        run.see(count)

    assert same(program)["seen"] == [comparable([runs])]


@pytest.mark.parametrize(("restored", "runs"), [(False, [3, 3]), (True, [3, 1])])
@pytest.mark.rule("MTS-STP-01", "Q-27")
def test_runs_of_a_second_session(same, restored, runs):
    """One run where the first has stopped, as many as the first from the beginning."""

    def program(run):
        run.build_step()
        run.saver = tf.train.Saver()
        hook = run.hooks.StopAtStepHook(num_steps=3)
        for _ in runs:
            hooks = [hook]
            if restored:
                hooks.append(run.hooks.CheckpointSaverHook(run.dir, save_steps=9, saver=run.saver))
            with run.session(hooks, run.scaffold(saver=run.saver), run.dir if restored else None) as session:
                count = runs_until_it_stops(run, session)
            run.see(count)

    assert same(program)["seen"] == [comparable([count]) for count in runs]


@pytest.mark.rule("MTS-STP-01")
def test_arguments(same):
    """Exactly one of the two."""

    def program(run):
        run.call(run.hooks.StopAtStepHook)
        run.call(run.hooks.StopAtStepHook, 0, 0)
        run.call(run.hooks.StopAtStepHook, num_steps=None, last_step=None)

    same(program)


@pytest.mark.rule("MTS-ARG-11")
def test_without_a_global_step(same):
    """RuntimeError at begin."""
    same(lambda run: run.session([run.hooks.StopAtStepHook(1)], run.host.Scaffold()))
