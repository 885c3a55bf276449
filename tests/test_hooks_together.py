"""Several hooks in one session, at random: everything they write, in its order."""

import pytest
import tensorflow.compat.v1 as tf
from hosting import EVERYTHING
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitored import SessionRunArgs, SessionRunHook

STEP_PERIODS = st.sampled_from([1, 2, 3, 7])
SECOND_PERIODS = st.sampled_from([0.5, 1.0, 3.0])
PERIODS = st.one_of(st.tuples(STEP_PERIODS, st.none()), st.tuples(st.none(), SECOND_PERIODS))
HOOKS = {
    "counter": lambda run, period: run.hooks.StepCounterHook(*period, run.dir),
    "summaries": lambda run, period: run.hooks.SummarySaverHook(
        *period, run.dir, summary_op=tf.get_collection(tf.GraphKeys.SUMMARIES)
    ),
    "checkpoints": lambda run, period: run.hooks.CheckpointSaverHook(
        run.dir, save_steps=period[0], save_secs=period[1], saver=run.saver
    ),
    "log": lambda run, period: run.hooks.LoggingTensorHook(["value"], *period, at_end=True),
    "stop": lambda run, period: run.hooks.StopAtStepHook(num_steps=period[0] or 5),
}


@settings(
    max_examples=20,
    suppress_health_check=[*settings.default.suppress_health_check, HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(HOOKS)), PERIODS), max_size=4),
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.25, 1.0])), max_size=6),
    st.integers(0, 3),
)
@pytest.mark.rule("MTS-EVT-03")
def test_any_hooks_on_any_schedule(same, hooks, runs, start):
    """Events, files, log lines and values do not depend on whose hooks they are."""

    def program(run):
        run.build_step(start)
        run.saver = tf.train.Saver(max_to_keep=2)
        tf.summary.scalar("summary", tf.constant(2.5, name="value"))
        made = [HOOKS[name](run, period) for name, period in hooks]
        with run.session(made) as session:
            for by, secs in runs:
                if session.should_stop():
                    break
                run.step(session, by, secs)

    same(program, EVERYTHING)


@pytest.mark.parametrize("order", [1, -1])
def test_hooks_of_both_kinds_in_one_session(same, order):
    """The contract is all that hooks need of a session, and sessions of hooks."""

    def program(run):
        run.build_step()

        class Recorder(SessionRunHook):
            def before_run(self, run_context):
                return SessionRunArgs({"step": tf.train.get_global_step()})

            def after_run(self, run_context, run_values):
                run.see(sorted(run_values.results), run_context.stop_requested)

            def end(self, session):
                run.see("end")

        hooks = [tf.train.StopAtStepHook(last_step=3), Recorder(), run.hooks.LoggingTensorHook(["by"], every_n_iter=2)]
        with run.session(hooks[::order]) as session:
            while not session.should_stop():
                run.step(session, secs=1)

    same(program, EVERYTHING)
