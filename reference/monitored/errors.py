"""Which errors mean what to a monitored session, and the words it logs about them.

Nothing here raises or catches; `session_layers.py` and `monitored_session.py` do.
"""

from typing import Final

import tensorflow.compat.v1 as tf

PREEMPTION_ERRORS: Final = (tf.errors.AbortedError, tf.errors.UnavailableError)
"""A task went away: a MonitoredSession makes a new session. Rules: MTS-EXC-04, MTS-LIFE-05."""

END_OF_INPUT_ERRORS: Final = (tf.errors.OutOfRangeError, StopIteration)
"""A normal end of training when exactly one of these leaves the body. Rule: MTS-EXC-01."""

_REPEATED = (
    "This error may also occur due to a gRPC failure caused by high memory or network bandwidth "
    "usage in the parameter servers. If this error occurs repeatedly, try increasing the number of "
    "parameter servers assigned to the job. Error: %s"
)
_REPLACED = (
    "This may be due to a preemption in a connected worker or parameter server. The current "
    "session will be closed and a new session will be created. " + _REPEATED
)

PREEMPTED_IN_CREATION: Final = (
    "An error was raised while a session was being created. This may be due to a preemption of a "
    "connected worker or parameter server. A new session will be created. " + _REPEATED
)
PREEMPTED_IN_RUN: Final = "An error was raised. " + _REPLACED
PREEMPTED_IN_STOP_CHECK: Final = "An error was raised while considering whether the session is complete. " + _REPLACED
PREEMPTED_IN_CLOSE: Final = (
    "An error occurred when attempting to close the session. This may be due to a preemption in a "
    "connected worker or parameter server. Error: %s"
)
NOT_CLOSED: Final = (
    "The session was not closed within %.3g seconds, what was left of the grace period: a process of its cluster may "
    "be gone. It is left to the runtime. GRPC_FAIL_FAST=true in the environment makes the runtime give up at once."
)
