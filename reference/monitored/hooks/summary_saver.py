"""Writing the graph's summaries to an event file now and then.

Source: tensorflow/python/training/basic_session_run_hooks.py
"""

from typing import Any

import tensorflow.compat.v1 as tf

from monitored.compiled_step import TensorReader
from monitored.global_step import global_step_read_for, variable_read_by
from monitored.session_run_hook import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from monitored.timing import SecondOrStepTimer


class SummarySaverHook(SessionRunHook):
    """Fetches the summaries in the first run and then periodically, and writes them as events.

    They are `summary_op`, one string tensor or a list of them, or what `scaffold.summary_op` is
    when it is time. Raises ValueError unless exactly one of these two is given, and exactly one of
    the two periods. Without writer and directory it asks for summaries and drops them.

    Rules: MTS-SUM-01, MTS-SUM-02, MTS-SUM-03.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str | None = None,
        summary_writer: Any = None,
        scaffold: Any = None,
        summary_op: Any = None,
    ) -> None:
        if (scaffold is None) == (summary_op is None):
            raise ValueError("Exactly one of scaffold or summary_op must be provided.")
        self._scaffold, self._summary_op = scaffold, summary_op
        self._summary_writer, self._output_dir = summary_writer, output_dir
        self._timer = SecondOrStepTimer(every_secs=save_secs, every_steps=save_steps)
        self._reader = TensorReader(variable_read_by)

    def begin(self) -> None:
        """Open the directory's event writer if none was given, and find the global step.

        Raises RuntimeError if there is no global step.
        """
        if self._summary_writer is None and self._output_dir:
            self._summary_writer = tf.summary.FileWriterCache.get(self._output_dir)
        self._next_step: Any = None
        self._global_step_tensor = global_step_read_for("SummarySaverHook")

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the global step, and for the summaries if it is time for the step to come.

        Rules: MTS-SUM-01, MTS-SUM-02.
        """
        self._request_summary = self._next_step is None or self._timer.should_trigger_for_step(self._next_step)
        requests = {"global_step": self._global_step_tensor}
        if self._request_summary and (summary_op := self._get_summary_op()) is not None:
            requests["summary"] = summary_op
        return SessionRunArgs(requests)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Write the summaries at the real global step; before the first ones, the START record.

        Rules: MTS-SUM-01, MTS-SUM-02, MTS-SUM-03.
        """
        if not self._summary_writer:
            return
        # MTS-SUM-02
        step = run_values.results["global_step"] + 1
        if self._request_summary:
            step = self._reader.read(run_context.session, self._global_step_tensor)
            # MTS-SUM-01
            if self._next_step is None:
                self._summary_writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), step)
            self._timer.update_last_triggered_step(step)
            for summary in run_values.results.get("summary", []):
                self._summary_writer.add_summary(summary, step)
        self._next_step = step + 1

    def end(self, session: tf.Session | None = None) -> None:
        """Flush the writer; what hooks behind this one write at the end may come after that.

        Rules: MTS-EVT-04.
        """
        if self._summary_writer:
            self._summary_writer.flush()

    def _get_summary_op(self) -> list[Any] | None:
        """Return the summaries as a list, None if there are none."""
        # MTS-ARG-09, MTS-SUM-03, Q-30: a tuple is not a list, and becomes the one item of one.
        summary_op = self._scaffold.summary_op if self._summary_op is None else self._summary_op
        return summary_op if summary_op is None or isinstance(summary_op, list) else [summary_op]
