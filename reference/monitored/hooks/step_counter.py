"""Measuring how fast the global step advances.

Source: tensorflow/python/training/basic_session_run_hooks.py
"""

from typing import Any

import tensorflow.compat.v1 as tf

from monitored.compiled_step import TensorReader
from monitored.global_step import get_global_step, global_step_read_for, variable_read_by
from monitored.session_run_hook import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from monitored.timing import SecondOrStepTimer, due_step


class StepCounterHook(SessionRunHook):
    """Logs steps per second, and writes them as a summary if it has a writer or a directory.

    Raises ValueError unless exactly one of the two periods is given.

    Rules: MTS-STC-01, MTS-STC-02, MTS-STC-03.
    """

    def __init__(
        self,
        every_n_steps: int | None = 100,
        every_n_secs: float | None = None,
        output_dir: str | None = None,
        summary_writer: Any = None,
    ) -> None:
        if (every_n_steps is None) == (every_n_secs is None):
            raise ValueError("exactly one of every_n_steps and every_n_secs should be provided.")
        self._timer = SecondOrStepTimer(every_steps=every_n_steps, every_secs=every_n_secs)
        self._summary_writer, self._output_dir = summary_writer, output_dir
        self._last_global_step: Any = None
        # MTS-STC-01, Q-28
        self._steps_per_run, self._reader = 1, TensorReader(variable_read_by)

    def _set_steps_per_run(self, steps_per_run: int) -> None:
        self._steps_per_run = steps_per_run

    def begin(self) -> None:
        """Open the directory's event writer if none was given, and find the global step.

        Raises RuntimeError if there is no global step.
        """
        if self._summary_writer is None and self._output_dir:
            self._summary_writer = tf.summary.FileWriterCache.get(self._output_dir)
        self._global_step_tensor = global_step_read_for("StepCounterHook")
        self._summary_tag = get_global_step().op.name + "/sec"

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the global step."""
        return SessionRunArgs(self._global_step_tensor)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Report the speed if it is time; the first time only starts the measurement.

        Rules: MTS-STC-01.
        """
        stale_step = run_values.results
        source = (self._reader.read, run_context.session, self._global_step_tensor)
        step = due_step(self._timer, stale_step, self._steps_per_run, *source)
        if step is not None:
            elapsed_time, elapsed_steps = self._timer.update_last_triggered_step(step)
            if elapsed_time is not None:
                self._log_and_record(elapsed_steps, elapsed_time, step)
        self._warn_if_not_increased(stale_step)
        self._last_global_step = stale_step

    def _log_and_record(self, elapsed_steps: Any, elapsed_time: float, global_step: Any) -> None:
        """Log and write `elapsed_steps` over `elapsed_time` seconds; no time elapsed gives inf.

        Rules: MTS-STC-02.
        """
        steps_per_sec = elapsed_steps / elapsed_time
        if self._summary_writer is not None:
            value = tf.Summary.Value(tag=self._summary_tag, simple_value=steps_per_sec)
            self._summary_writer.add_summary(tf.Summary(value=[value]), global_step)
        tf.logging.info("%s: %g", self._summary_tag, steps_per_sec)

    def _warn_if_not_increased(self, stale_step: Any) -> None:
        """Warn that two runs saw the same global step, at most five times a process.

        Rules: MTS-STC-03.
        """
        if stale_step == self._last_global_step:
            text = "It seems that global step (tf.train.get_global_step) has not been increased. "
            text += "Current value (could be stable): %s vs previous value: %s. You could increase the global step by "
            text += "passing tf.train.get_global_step() to Optimizer.apply_gradients or Optimizer.minimize."
            tf.logging.log_first_n(tf.logging.WARN, text, 5, stale_step, self._last_global_step)
