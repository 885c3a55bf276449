"""Evaluating something once, at the end of a session.

Source: tensorflow/python/training/basic_session_run_hooks.py
"""

from collections.abc import Mapping
from typing import Any

import tensorflow.compat.v1 as tf

from monitored.session_run_hook import SessionRunHook

_OUT_OF_INPUT = (
    "An OutOfRangeError or StopIteration exception is raised by the code in FinalOpsHook. This typically means the "
    "Ops running by the FinalOpsHook have a dependency back to some input source, which should not happen. For "
    "example, for metrics in tf.estimator.Estimator, all metrics functions return two Ops: `value_op` and  "
    "`update_op`. Estimator.evaluate calls the `update_op` for each batch of the data in input source and, once it "
    "is exhausted, it call the `value_op` to get the metric values. The `value_op` here should have dependency back "
    "to variables reading only, rather than reading another batch from input. Otherwise, the `value_op`, executed by "
    "`FinalOpsHook`, triggers another data reading, which ends OutOfRangeError/StopIteration. Please fix that."
)


class FinalOpsHook(SessionRunHook):
    """Evaluates `final_ops`, anything `tf.Session.run` accepts, when the session ends cleanly.

    Rules: MTS-FIN-01.
    """

    def __init__(self, final_ops: Any, final_ops_feed_dict: Mapping[Any, Any] | None = None) -> None:
        self._final_ops, self._final_ops_feed_dict = final_ops, final_ops_feed_dict
        self._final_ops_values: Any = None

    @property
    def final_ops_values(self) -> Any:
        """The values of the final ops, in their structure; None before the end."""
        return self._final_ops_values

    def end(self, session: tf.Session) -> None:
        """Evaluate the final ops, if there are any.

        OutOfRangeError and StopIteration leave it like any error, with a warning logged that says
        why they do not belong here.

        Rules: MTS-FIN-01.
        """
        if self._final_ops is not None:
            try:
                self._final_ops_values = session.run(self._final_ops, feed_dict=self._final_ops_feed_dict)
            except (tf.errors.OutOfRangeError, StopIteration):
                tf.logging.warning(_OUT_OF_INPUT)
                raise
