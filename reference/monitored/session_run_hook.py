"""The hook contract: what a hook is, what it may ask for, and what it is given.

This module holds only the contract. Who calls hooks, and when, is `session_layers.py` (around a
step) and `monitored_session.py` (around a session).

Which method fires under each way of a session's ending:

| ending                                        | `end` | session closed | leaves the block |
|-----------------------------------------------|-------|----------------|------------------|
| `with` block runs to its end                  | yes   | yes            | nothing          |
| body raises exactly OutOfRangeError           | yes   | yes            | nothing          |
| body raises exactly StopIteration             | yes   | yes            | nothing          |
| body raises anything else, subclasses too     | no    | yes            | that exception   |
| a hook's `end` raises                         | the hooks before it | yes | that exception  |
| `close()` without `with`                      | yes   | yes            | nothing          |
| the constructor raises                        | no    | no             | that exception   |
| preemption in `run` (MonitoredSession)        | no    | yes, and a new one is made | nothing |

`begin` fires once for each monitored session, `after_create_session` once for each underlying
session, so again after every recovery.
"""

from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf


class SessionRunArgs(NamedTuple):
    """What one step is asked for: by the user's `run`, or by a hook's `before_run`.

    `fetches` is anything `tf.Session.run` accepts (None asks for nothing), `feed_dict` maps tensors
    to values, `options` is a `tf.RunOptions` to be merged into the step's own.

    Rules: MTS-RUN-03, MTS-RUN-05, MTS-RUN-07.
    """

    fetches: Any
    feed_dict: Any = None
    options: Any = None


class SessionRunValues(NamedTuple):
    """What a step gave back to one hook.

    `results` has the structure of the hook's own fetches and is None if it asked for none;
    `options` and `run_metadata` are the step's objects, the same ones for every hook.

    Rules: MTS-RUN-03, MTS-RUN-08.
    """

    results: Any
    options: Any
    run_metadata: Any


class SessionRunContext:
    """One step as its hooks see it; every hook of that step gets the same object.

    Rules: MTS-RUN-04, MTS-RUN-10.
    """

    def __init__(self, original_args: SessionRunArgs, session: tf.Session) -> None:
        self._original_args = original_args
        self._session = session
        self._stop_requested = False

    @property
    def original_args(self) -> SessionRunArgs:
        """The user's fetches and feed_dict, untouched; its options are always None."""
        return self._original_args

    @property
    def session(self) -> tf.Session:
        """The raw `tf.Session` of this step; running it calls no hooks."""
        return self._session

    @property
    def stop_requested(self) -> bool:
        """Whether a hook called `request_stop` during this step."""
        return self._stop_requested

    def request_stop(self) -> None:
        """Make this step the last one.

        The step itself is finished, with every `after_run`; a step that fails or is retried
        forgets the request.
        """
        self._stop_requested = True


class SessionRunHook:
    """The base of hooks: five methods that do nothing.

    A hook needs only these methods, not this class. Methods of several hooks are called in list
    order at every stage.

    Rules: MTS-LIFE-01, MTS-LIFE-02, MTS-RUN-02, MTS-CLOSE-01.
    """

    def begin(self) -> None:
        """Add to the graph what the hook needs.

        Called once, before the session exists; the graph is finalised afterwards.
        """

    def after_create_session(self, session: tf.Session, coord: Any) -> None:
        """Look at a session that is initialised or restored.

        Called once for each underlying session, so again after each recovery. `coord` is that
        session's coordinator.
        """

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Say what this hook wants from the coming step; None means nothing."""

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Use what the step gave; not called if the step or an earlier hook raised."""

    def end(self, session: tf.Session) -> None:
        """Act on the session for the last time, just before it is closed cleanly."""
