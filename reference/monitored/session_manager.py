"""Makes a `tf.Session` that is ready to train: restored, initialised, or waited for.

A chief prepares (`prepare_session`), a worker waits until the chief has (`wait_for_session`). What
is to be initialised or restored is decided by `scaffold.py` and `session_creator.py`.
"""

import contextlib
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from monitored import _tensorflow
from monitored.checkpoint_state import get_checkpoint_state


class SessionManager:
    """Makes ready sessions over one graph.

    `ready_op` and `ready_for_local_init_op` give the names of what is not initialised yet, so an
    empty value means ready; None means always ready. `local_init_op` (with `local_init_feed_dict`
    and `local_init_run_options`) runs once in each session, after restore or init. Times are in
    seconds; `recovery_wait_secs` is how long to sleep between looks.

    ValueError if `ready_for_local_init_op` is given without `local_init_op`.

    Rules: MTS-SES-01 to MTS-SES-15.
    Source: tensorflow/python/training/session_manager.py
    """

    def __init__(
        self,
        local_init_op: tf.Operation | None = None,
        ready_op: tf.Operation | None = None,
        ready_for_local_init_op: tf.Operation | None = None,
        graph: tf.Graph | None = None,
        recovery_wait_secs: float = 30,
        local_init_run_options: tf.RunOptions | None = None,
        local_init_feed_dict: dict[Any, Any] | None = None,
    ) -> None:
        self._graph = tf.get_default_graph() if graph is None else graph
        self._ready_op, self._ready_for_local_init_op = ready_op, ready_for_local_init_op
        self._local_init_op = local_init_op
        self._local_init_options = {"feed_dict": local_init_feed_dict, "options": local_init_run_options}
        self._recovery_wait_secs = recovery_wait_secs
        self._target: str | None = None
        # MTS-SES-09
        if ready_for_local_init_op is not None and local_init_op is None:
            text = "If you pass a ready_for_local_init_op you must also pass a local_init_op"
            raise ValueError(f"{text} , ready_for_local_init_op [{ready_for_local_init_op}]")

    def prepare_session(
        self,
        master: str,
        init_op: tf.Operation | None = None,
        saver: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: tf.ConfigProto | None = None,
        init_feed_dict: dict[Any, Any] | None = None,
        init_fn: Callable[[tf.Session], None] | None = None,
    ) -> tf.Session:
        """Return a session restored from a checkpoint or, if there is none, initialised.

        In order: restore, or else `init_op` with `init_feed_dict` and then `init_fn(session)`;
        `local_init_op` once the model is ready for it; the check that the model is ready. A restore
        replaces `init_op` and `init_fn` entirely.

        RuntimeError if there is nothing to initialise with, or the model is not ready afterwards;
        ValueError if a directory and a file are given, or the checkpoint is missing.

        Rules: MTS-SES-01 to MTS-SES-07, MTS-SES-11, MTS-SES-13.
        """
        wait_secs = max_wait_secs if wait_for_checkpoint else 0
        source = (saver, checkpoint_dir, checkpoint_filename_with_path, wait_secs)
        session, restored = self._open_and_restore(master, config, *source)
        if not restored:
            # MTS-SES-06
            if init_op is None and not init_fn and self._local_init_op is None:
                raise RuntimeError("Model is not initialized and no init_op or init_fn or local_init_op was given")
            # MTS-SES-01, MTS-SES-02
            if init_op is not None:
                session.run(init_op, feed_dict=init_feed_dict)
            if init_fn:
                init_fn(session)
        # MTS-SES-07
        failure, init = "Init operations did not make model ready", f"Init op: {_name_of(init_op)}, init fn: {init_fn}"
        ready, reason = self._try_run_local_init_op(session)
        if not ready:
            raise RuntimeError(f"{failure} for local_init.  {init}, error: {reason}")
        ready, reason = self._model_ready(session)
        if not ready:
            raise RuntimeError(f"{failure}.  {init}, local_init_op: {self._local_init_op}, error: {reason}")
        return session

    def recover_session(
        self,
        master: str,
        saver: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: tf.ConfigProto | None = None,
    ) -> tuple[tf.Session, bool]:
        """Return a session, and whether it was restored and is ready.

        `local_init_op` is tried even when nothing was restored; `init_op` never runs.

        Rule: MTS-SES-12.
        """
        wait_secs = max_wait_secs if wait_for_checkpoint else 0
        source = (saver, checkpoint_dir, checkpoint_filename_with_path, wait_secs)
        session, restored = self._open_and_restore(master, config, *source)
        ready, reason = self._try_run_local_init_op(session)
        if not restored:
            return session, False
        place = checkpoint_dir or checkpoint_filename_with_path
        purpose = "ready" if ready else "ready for local init"
        if ready:
            ready, reason = self._model_ready(session)
        if ready:
            tf.logging.info("Restored model from %s", place)
        else:
            tf.logging.info("Restoring model from %s did not make model %s: %s", place, purpose, reason)
        return session, ready

    def wait_for_session(
        self, master: str, config: tf.ConfigProto | None = None, max_wait_secs: float | None = math.inf
    ) -> tf.Session:
        """Return a session once somebody else has initialised the model.

        Looks in a new session every `recovery_wait_secs`. DeadlineExceededError when the next look
        would come later than `max_wait_secs` after the start (None: never).

        Rules: MTS-SES-10, MTS-SES-15.
        """
        self._target = master
        if max_wait_secs is None:
            max_wait_secs = math.inf
        start = time.time()
        while True:
            session = tf.Session(self._target, graph=self._graph, config=config)
            not_ready: str | None = None
            local_init_done, not_ready_for_local_init = self._try_run_local_init_op(session)
            if local_init_done:
                ready, not_ready = self._model_ready(session)
                if ready:
                    return session
            with contextlib.suppress(Exception):  # a new one is opened in any case
                session.close()
            # Subtracted, not compared: a recovery wait that is no number fails with the message of `-`.
            if max(0, max_wait_secs - (time.time() - start)) - self._recovery_wait_secs < 0:
                text = f"Session was not ready after waiting {int(max_wait_secs)} secs."
                raise tf.errors.DeadlineExceededError(None, None, text)
            text = "Waiting for model to be ready.  Ready_for_local_init_op:  %s, ready: %s"
            tf.logging.info(text, not_ready_for_local_init, not_ready)
            time.sleep(self._recovery_wait_secs)

    def _open_and_restore(
        self, master: str, config: Any, saver: Any, checkpoint_dir: Any, filename: Any, wait_secs: float
    ) -> tuple[tf.Session, bool]:
        """Open a session and restore the given file, or what the directory's state file names.

        Rules: MTS-SES-03 to MTS-SES-05, MTS-SES-11, MTS-SES-13.
        """
        self._target = master
        _tensorflow.initialize_strategy_system()
        session = tf.Session(self._target, graph=self._graph, config=config)
        # MTS-SES-03
        if checkpoint_dir and filename:
            raise ValueError("Can not provide both checkpoint_dir and checkpoint_filename_with_path.")
        if not saver:
            return session, False
        if filename:
            _restore(session, saver, filename)
            return session, True
        if not checkpoint_dir:
            return session, False
        state = get_checkpoint_state(checkpoint_dir)
        # MTS-SES-11
        waited: float = 0
        while not state and waited < wait_secs:
            tf.logging.info("Waiting for checkpoint to be available.")
            time.sleep(self._recovery_wait_secs)
            waited += self._recovery_wait_secs
            state = get_checkpoint_state(checkpoint_dir)
        if not state:
            return session, False
        # MTS-SES-04, MTS-SES-13, Q-36: a checkpoint that is named and not there is an error.
        _restore(session, saver, state.model_checkpoint_path)
        # MTS-SES-05
        saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
        return session, True

    def _try_run_local_init_op(self, session: tf.Session) -> tuple[bool, str | None]:
        """Run the local init op once the model is ready for it; else say what is missing."""
        if self._local_init_op is None:
            return True, None
        ready, reason = _is_ready(self._ready_for_local_init_op, session, "Model not ready for local init")
        if not ready:
            return False, reason
        # MTS-SES-15
        tf.logging.info("Running local_init_op.")
        session.run(self._local_init_op, **self._local_init_options)
        tf.logging.info("Done running local_init_op.")
        return True, None

    def _model_ready(self, session: tf.Session) -> tuple[bool, str | None]:
        """Say whether the model is ready, and if not, what is missing."""
        return _is_ready(self._ready_op, session, "Model not ready")


def _restore(session: tf.Session, saver: Any, path: str) -> None:
    """Restore `path`; a graph loaded from a SavedModel runs its own initialisers first."""
    initializers = tf.get_collection("saved_model_initializers")
    if initializers:
        session.run(initializers)
    saver.restore(session, path)


def _is_ready(op: Any, session: tf.Session, complaint: str) -> tuple[bool, str | None]:
    """Say whether the readiness `op` holds: no op, no value, an int32 value, or an empty one.

    Rule: MTS-SES-08.
    """
    if op is None:
        return True, None
    try:
        missing = session.run(op)
        if missing is None or missing.dtype == np.int32 or missing.size == 0:
            return True, None
        names = ", ".join([name.decode("utf-8") for name in missing])
    except tf.errors.FailedPreconditionError as error:
        if "uninitialized" not in str(error):
            tf.logging.warning("%s : error [%s]", complaint, str(error))
            raise
        return False, str(error)
    return False, "Variables not initialized: " + names


def _name_of(op: Any) -> str:
    return "None" if op is None else str(getattr(op, "name", f"<no name for {type(op)}>"))
