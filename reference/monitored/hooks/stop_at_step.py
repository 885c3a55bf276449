"""Stopping when the global step has got far enough.

Source: tensorflow/python/training/basic_session_run_hooks.py
"""

from typing import Any

import tensorflow.compat.v1 as tf

from monitored.global_step import global_step_read_for
from monitored.session_run_hook import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues


class StopAtStepHook(SessionRunHook):
    """Stops at an absolute global step, or a number of global steps after the start.

    The target is fixed when the hook's first session is created; neither a recovery nor use in
    another session moves it. Raises ValueError unless exactly one of the two is given.

    Rules: MTS-STP-01, MTS-STP-02.
    """

    def __init__(self, num_steps: int | None = None, last_step: int | None = None) -> None:
        if num_steps is None and last_step is None:
            raise ValueError("One of num_steps or last_step must be specified.")
        if num_steps is not None and last_step is not None:
            raise ValueError("Only one of num_steps or last_step can be specified.")
        self._num_steps, self._last_step = num_steps, last_step

    def begin(self) -> None:
        """Find the global step; raises RuntimeError if there is none."""
        self._global_step_tensor = global_step_read_for("StopAtStepHook")

    def after_create_session(self, session: tf.Session, coord: Any) -> None:
        """Set the target, if only a number of steps was given and this is the first session.

        Rules: MTS-STP-01.
        """
        # MTS-STP-01, Q-27
        if self._last_step is None:
            self._last_step = session.run(self._global_step_tensor) + self._num_steps

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the global step."""
        return SessionRunArgs(self._global_step_tensor)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Request stop if the target is reached.

        The fetched step may be from before this run's increment, so the real one is read when the
        next would do; a run that increments by more is noticed one run late.

        Rules: MTS-STP-02.
        """
        stale_step, session = run_values.results, run_context.session
        # MTS-STP-02, Q-28
        if stale_step + 1 >= self._last_step and session.run(self._global_step_tensor) >= self._last_step:
            run_context.request_stop()
