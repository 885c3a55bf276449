"""Noticing that the loss is no longer a number.

Source: tensorflow/python/training/basic_session_run_hooks.py
"""

from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from monitored.session_run_hook import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues


class NanLossDuringTrainingError(RuntimeError):
    """The loss became NaN; its text is always the same.

    Rules: MTS-NAN-01.
    """

    def __str__(self) -> str:
        return "NaN loss during training."


class NanTensorHook(SessionRunHook):
    """Ends training after a run whose loss is NaN: with an error, or by requesting stop.

    Infinity passes. `loss_tensor` is anything to fetch that has one element.

    Rules: MTS-NAN-01.
    """

    def __init__(self, loss_tensor: Any, fail_on_nan_loss: bool = True) -> None:
        self._loss_tensor, self._fail_on_nan_loss = loss_tensor, fail_on_nan_loss

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the loss."""
        return SessionRunArgs(self._loss_tensor)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Look at the loss.

        NaN is logged, as an error and raised as NanLossDuringTrainingError, or, with
        `fail_on_nan_loss=False`, as a warning that goes with the request to stop. An array of
        several elements raises ValueError.

        Rules: MTS-NAN-01.
        """
        # MTS-NAN-01, Q-23: too late to prevent a save by a hook before this one.
        if np.isnan(run_values.results):
            text = "Model diverged with loss = NaN."
            if self._fail_on_nan_loss:
                tf.logging.error(text)
                raise NanLossDuringTrainingError
            tf.logging.warning(text)
            run_context.request_stop()
