"""Tracing a run now and then, for chrome://tracing and TensorBoard.

Source: tensorflow/python/training/basic_session_run_hooks.py
"""

import os
from typing import Any

import tensorflow.compat.v1 as tf

from monitored._tensorflow import chrome_trace
from monitored.global_step import global_step_read_for
from monitored.session_run_hook import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from monitored.timing import SecondOrStepTimer


class ProfilerHook(SessionRunHook):
    """Traces a run periodically, never the first one.

    Each trace becomes a file `timeline-<global step>.json` in `output_dir`, and the run's metadata an
    event tagged `step_<global step>`. The event writer is opened by the constructor. Raises
    ValueError unless exactly one of the two periods is given.

    Rules: MTS-PRF-01.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str = "",
        show_dataflow: bool = True,
        show_memory: bool = False,
    ) -> None:
        self._output_file = os.path.join(output_dir, "timeline-{}.json")
        self._file_writer = tf.summary.FileWriterCache.get(output_dir)
        self._show_dataflow, self._show_memory = show_dataflow, show_memory
        self._timer = SecondOrStepTimer(every_secs=save_secs, every_steps=save_steps)

    def begin(self) -> None:
        """Find the global step; raises RuntimeError if there is none."""
        self._next_step: Any = None
        self._global_step_tensor = global_step_read_for("ProfilerHook")

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the global step, and for a full trace if it is time for the step to come."""
        self._request_summary = self._next_step is not None and self._timer.should_trigger_for_step(self._next_step)
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE) if self._request_summary else None
        return SessionRunArgs({"global_step": self._global_step_tensor}, options=options)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Write the trace, if there is one; the first run starts the timer.

        Rules: MTS-PRF-01.
        """
        stale_step = run_values.results["global_step"]
        step = stale_step + 1
        if self._next_step is None:
            self._timer.update_last_triggered_step(stale_step)
        if self._request_summary:
            step = run_context.session.run(self._global_step_tensor)
            self._timer.update_last_triggered_step(step)
            metadata = run_values.run_metadata
            self._save(step, self._output_file.format(step), metadata.step_stats)
            self._file_writer.add_run_metadata(metadata, f"step_{step:d}")
        self._next_step = step + 1

    def _save(self, step: Any, save_path: str, step_stats: Any) -> None:
        tf.logging.info("Saving timeline for %d into '%s'.", step, save_path)
        with tf.gfile.Open(save_path, "w") as file:
            file.write(chrome_trace(step_stats, self._show_dataflow, self._show_memory))
