"""Who makes the `tf.Session`: a chief initialises or restores, a worker waits for the chief.

How a session becomes ready is `session_manager.py`.
"""

import abc
from typing import Any

import tensorflow.compat.v1 as tf

from monitored.scaffold import Scaffold
from monitored.session_manager import SessionManager


class SessionCreator(abc.ABC):
    """Makes the sessions of a MonitoredSession; called again after each preemption.

    Rule: MTS-SES-14.
    """

    @abc.abstractmethod
    def create_session(self) -> tf.Session:
        """Return a new session that is ready to train."""
        raise NotImplementedError(f"create_session is not implemented for {self}.")


class _ScaffoldedSessionCreator(SessionCreator):
    """Finalises a scaffold, hence the graph, before a session is made. Rule: MTS-GRAPH-01."""

    def __init__(self, scaffold: Any, master: str, config: Any) -> None:
        self._scaffold: Any = scaffold or Scaffold()
        self._master, self._config = master, config
        self._session_manager: SessionManager | None = None

    def _finalize(self) -> SessionManager:
        """Finalise the scaffold; return the manager made from it the first time."""
        self._scaffold.finalize()
        # MTS-SES-14
        if not self._session_manager:
            self._session_manager = SessionManager(
                local_init_op=self._scaffold.local_init_op,
                local_init_feed_dict=self._scaffold.local_init_feed_dict,
                ready_op=self._scaffold.ready_op,
                ready_for_local_init_op=self._scaffold.ready_for_local_init_op,
                graph=tf.get_default_graph(),
            )
        return self._session_manager


class ChiefSessionCreator(_ScaffoldedSessionCreator):
    """Makes sessions that are restored from a checkpoint or else initialised.

    `master` is the target of the `tf.Session`. `checkpoint_dir` restores what its state file
    names, `checkpoint_filename_with_path` that file; both is a ValueError when a session is made.

    Rules: MTS-SES-01 to MTS-SES-07, MTS-SES-14.
    Source: tensorflow/python/training/monitored_session.py
    """

    def __init__(
        self,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: tf.ConfigProto | None = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
    ) -> None:
        super().__init__(scaffold, master, config)
        self._checkpoint_dir = checkpoint_dir
        self._checkpoint_filename_with_path = checkpoint_filename_with_path

    def create_session(self) -> tf.Session:
        """Finalise the graph and return a session that is restored or initialised."""
        manager = self._finalize()
        scaffold = self._scaffold
        source = (scaffold.saver, self._checkpoint_dir, self._checkpoint_filename_with_path)
        init = {"init_feed_dict": scaffold.init_feed_dict, "init_fn": scaffold.init_fn}
        return manager.prepare_session(self._master, scaffold.init_op, *source, config=self._config, **init)


class WorkerSessionCreator(_ScaffoldedSessionCreator):
    """Makes sessions over a model that the chief initialises or restores.

    `create_session` raises DeadlineExceededError when that takes more than `max_wait_secs` seconds.

    Rules: MTS-ARG-12, MTS-SES-10.
    Source: tensorflow/python/training/monitored_session.py
    """

    def __init__(
        self, scaffold: Any = None, master: str = "", config: Any = None, max_wait_secs: float = 30 * 60
    ) -> None:
        super().__init__(scaffold, master, config)
        self._max_wait_secs = max_wait_secs

    def create_session(self) -> tf.Session:
        """Finalise the graph and return a session once the model is ready."""
        manager = self._finalize()
        return manager.wait_for_session(self._master, config=self._config, max_wait_secs=self._max_wait_secs)
