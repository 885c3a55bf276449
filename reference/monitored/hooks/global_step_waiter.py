"""Holding a worker back until the others have trained for a while.

Source: tensorflow/python/training/basic_session_run_hooks.py
"""

import time

import tensorflow.compat.v1 as tf

from monitored.global_step import global_step_read_for
from monitored.session_run_hook import SessionRunContext, SessionRunHook


class GlobalStepWaiterHook(SessionRunHook):
    """Waits in the first run of the hook until the global step reaches `wait_until_step`.

    Zero or less means no wait. A stop request does not end the wait.

    Rules: MTS-GSW-01.
    """

    def __init__(self, wait_until_step: int) -> None:
        self._wait_until_step = wait_until_step

    def begin(self) -> None:
        """Find the global step; raises RuntimeError if there is none."""
        self._worker_is_started = False
        self._global_step_tensor = global_step_read_for("_GlobalStepWaiterHook")

    def before_run(self, run_context: SessionRunContext) -> None:
        """Wait, the first time, reading the global step every half second.

        Logs at the start, and whenever more than 1000 steps have passed since the last line.

        Rules: MTS-GSW-01.
        """
        target, logged_step = self._wait_until_step, 0
        # The comparisons are not turned round: NaN is waited for for ever.
        if not self._worker_is_started and not target <= 0:
            text = "Waiting for global step %d before starting training."
            tf.logging.info(text, target)
            # MTS-GSW-01, Q-44: asks nobody whether to stop.
            while not (step := run_context.session.run(self._global_step_tensor)) >= target:
                if step - logged_step > 1000:
                    tf.logging.info(f"{text} Current step is %d.", target, step)
                    logged_step = step
                time.sleep(0.5)
        self._worker_is_started = True
