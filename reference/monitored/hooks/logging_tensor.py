"""Logging the values of tensors.

Source: tensorflow/python/training/basic_session_run_hooks.py
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from monitored.session_run_hook import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from monitored.timing import NeverTriggerTimer, SecondOrStepTimer


class LoggingTensorHook(SessionRunHook):
    """Logs tensors in the first run, then every so many runs or seconds, or only at the end.

    `tensors` are tensors or their names, or map tags to these; a dict is logged in the order of
    its sorted tags, anything else in its own. Runs are counted from `begin`, whatever the global
    step does. `formatter` makes the whole line from a dict of values by tag. Raises ValueError for
    a wrong combination of periods, or an `every_n_iter` of zero or less.

    Rules: MTS-LOG-01, MTS-LOG-02, MTS-LOG-03.
    """

    def __init__(
        self,
        tensors: Mapping[str, Any] | Iterable[Any],
        every_n_iter: int | None = None,
        every_n_secs: float | None = None,
        at_end: bool = False,
        formatter: Callable[[dict[Any, Any]], str] | None = None,
    ) -> None:
        # MTS-LOG-01
        only_at_end = at_end and every_n_iter is None and every_n_secs is None
        if not only_at_end and (every_n_iter is None) == (every_n_secs is None):
            raise ValueError("either at_end and/or exactly one of every_n_iter and every_n_secs must be provided.")
        if every_n_iter is not None and every_n_iter <= 0:
            raise ValueError(f"invalid every_n_iter={every_n_iter!s}.")
        is_dict = isinstance(tensors, dict)
        self._tag_order: Any = sorted(tensors) if is_dict else tensors
        # MTS-LOG-03, Q-29: a generator is exhausted here, which leaves no order.
        self._tensors: Any = tensors if is_dict else {tensor: tensor for tensor in tensors}
        self._formatter, self._log_at_end = formatter, at_end
        self._timer: Any = NeverTriggerTimer() if only_at_end else SecondOrStepTimer(every_n_secs, every_n_iter)

    def begin(self) -> None:
        """Look the tensors up in the default graph, and count runs from zero.

        A name without an output number means output 0, and raises ValueError if its op has more
        outputs. An unknown name raises KeyError, a tensor of another graph ValueError.

        Rules: MTS-LOG-03.
        """
        self._timer.reset()
        self._iter_count = 0
        self._current_tensors = {tag: _as_graph_element(tensor) for tag, tensor in self._tensors.items()}

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Ask for the tensors if it is time.

        Rules: MTS-LOG-02.
        """
        self._should_trigger = self._timer.should_trigger_for_step(self._iter_count)
        return SessionRunArgs(self._current_tensors) if self._should_trigger else None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Log what was asked for, and count the run."""
        if self._should_trigger:
            self._log_tensors(run_values.results)
        self._iter_count += 1

    def end(self, session: tf.Session) -> None:
        """Evaluate and log the tensors once more, if `at_end` was given."""
        if self._log_at_end:
            self._log_tensors(session.run(self._current_tensors))

    def _log_tensors(self, tensor_values: dict[Any, Any]) -> None:
        """Log one line, with the seconds since the line before it if there is one.

        Rules: MTS-LOG-02.
        """
        # Not restored if the formatter raises: tf.train leaves suppress=True behind as well.
        print_options = np.get_printoptions()
        np.set_printoptions(suppress=True)
        elapsed_secs, _ = self._timer.update_last_triggered_step(self._iter_count)
        if self._formatter:
            tf.logging.info(self._formatter(tensor_values))
        else:
            line = ", ".join(f"{tag!s} = {tensor_values[tag]!s}" for tag in self._tag_order)
            tf.logging.info("%s%s", line, "" if elapsed_secs is None else f" ({elapsed_secs:.3f} sec)")
        np.set_printoptions(**print_options)


def _as_graph_element(tensor: Any) -> Any:
    graph = tf.get_default_graph()
    if not isinstance(tensor, str):
        if not hasattr(tensor, "graph") or tensor.graph != graph:
            raise ValueError(f"Passed {tensor!s} should have graph attribute that is equal to current graph {graph!s}.")
        return tensor
    if ":" in tensor:
        return graph.as_graph_element(tensor)
    element = graph.as_graph_element(f"{tensor}:0")
    if len(element.op.outputs) > 1:
        raise ValueError(f"Name {tensor} is ambiguous, as this `Operation` has multiple outputs (at least 2).")
    return element
