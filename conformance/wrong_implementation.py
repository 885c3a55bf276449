"""A miniature wrong implementation: `tf.train` with three faults, to see what the harness says.

    python -m pytest conformance --subject=conformance.wrong_implementation

The faults: a `with` block ends cleanly by subclasses of StopIteration too; StopAtStepHook stops one
step late; CheckpointSaverHook saves nothing at the end.
"""

from typing import Any

import tensorflow.compat.v1 as tf


class MonitoredSession(tf.train.MonitoredSession):
    """Asks `issubclass` where `tf.train` asks for the very class (MTS-EXC-01)."""

    def __exit__(self, exception_type: Any, exception_value: Any, traceback: Any) -> Any:
        if exception_type is not None and issubclass(exception_type, StopIteration):
            exception_type = StopIteration
        return super().__exit__(exception_type, exception_value, traceback)


class StopAtStepHook(tf.train.StopAtStepHook):
    """Counts from one (MTS-STP-02)."""

    def __init__(self, num_steps: Any = None, last_step: Any = None) -> None:
        super().__init__(num_steps, None if last_step is None else last_step + 1)


class CheckpointSaverHook(tf.train.CheckpointSaverHook):
    """Forgets the last checkpoint (MTS-CKH-03)."""

    def end(self, session: Any) -> None:
        for listener in self._listeners:
            listener.end(session, session.run(self._global_step_tensor))


def __getattr__(name: str) -> Any:
    return getattr(tf.train, name)
