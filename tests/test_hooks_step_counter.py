"""StepCounterHook beside tf.train's (MTS-STC)."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

PERIODS = [
    {"every_n_steps": 1},
    {"every_n_steps": 2},
    {"every_n_steps": 5},
    {"every_n_steps": 0},
    {"every_n_steps": None, "every_n_secs": 1.5},
    {"every_n_steps": None, "every_n_secs": 0},
    {},
]


@pytest.mark.parametrize("increments", [[1] * 8, [4] * 6, [3, 0, 0, 3, 9, 1], [2, -1, 2]], ids=str)
@pytest.mark.parametrize("period", PERIODS, ids=str)
@pytest.mark.rule("MTS-STC-01")
def test_when_it_reports(same, period, increments):
    """Nothing the first time, then the speed at the real step, logged and written."""

    def program(run):
        run.build_step(start=1)
        hook = run.hooks.StepCounterHook(output_dir=run.dir, **period)
        with run.session([hook]) as session:
            for by in increments:
                run.step(session, by, secs=0.5)
        run.see(hook._summary_tag, hook._last_global_step, hook._timer.last_triggered_step())

    same(program)


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.rule("MTS-STC-02")
def test_no_time_elapsed(same):
    """Infinite speed, not an error."""

    def program(run):
        run.build_step()
        with run.session([run.hooks.StepCounterHook(1, output_dir=run.dir)]) as session:
            run.step(session)
            run.step(session)

    assert ("INFO", "global_step/sec: inf") in same(program)["logs"]


@pytest.mark.rule("MTS-STC-03")
def test_warnings_are_limited_for_the_process(same):
    """Five, however many hooks see the same step again."""

    def program(run):
        run.build_step()
        for _ in range(2):
            with run.session([run.hooks.StepCounterHook(), run.hooks.StepCounterHook()]) as session:
                for by in (0, 0, 1, 0):
                    run.step(session, by)

    logs = same(program)["logs"]
    assert sum(level == "WARNING" for level, _ in logs) == 5


@pytest.mark.parametrize("writer", ["given", "none"])
@pytest.mark.rule("MTS-STC-01")
def test_where_it_writes(same, writer):
    """A given writer goes before the directory; without either it only logs."""

    def program(run):
        run.build_step()
        given = tf.summary.FileWriter(run.dir) if writer == "given" else None
        folder = run.dir + "/unused" if given else None
        hook = run.hooks.StepCounterHook(1, None, folder, given)
        with run.session([hook]) as session:
            for _ in range(3):
                run.step(session, secs=0.1)
        run.see(type(hook._summary_writer).__name__)
        if given:
            given.close()

    same(program)


@pytest.mark.rule("MTS-STC-01")
def test_arguments(same):
    """Exactly one period."""

    def program(run):
        make = run.hooks.StepCounterHook
        run.call(make, every_n_steps=None)
        run.call(make, every_n_steps=1, every_n_secs=1)
        run.call(make, every_n_secs=1)
        run.see(make()._timer._every_steps, make()._steps_per_run)

    same(program)


@pytest.mark.rule("MTS-ARG-11")
def test_without_a_global_step(same):
    """RuntimeError at begin, with the event file already there."""
    same(lambda run: run.session([run.hooks.StepCounterHook(output_dir=run.dir)], run.host.Scaffold()))


@pytest.mark.parametrize("steps_per_run", [1, 4])
def test_what_subclasses_rely_on(same, steps_per_run):
    """The private names that public code uses: `_log_and_record`, `_set_steps_per_run`."""

    def program(run):
        run.build_step()

        class Subclass(run.hooks.StepCounterHook):
            def _log_and_record(self, elapsed_steps, elapsed_time, global_step):
                run.see(elapsed_steps, elapsed_time, global_step)
                run.see(isinstance(elapsed_steps, np.integer), self._global_step_tensor.name)
                super()._log_and_record(elapsed_steps, elapsed_time, global_step)

        hook = Subclass(5, output_dir=run.dir)
        hook._set_steps_per_run(steps_per_run)
        with run.session([hook]) as session:
            for _ in range(6):
                run.step(session, 4, secs=0.5)

    same(program)
