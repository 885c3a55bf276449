"""Saving checkpoints while training goes on.

A save is cut in two. Between two steps the values of everything that is saved are copied into memory
of this process; that is as long as training stands still. A thread then has the saver write these
values, the state file and the meta graph, and delete what is no longer kept, while steps go on. What
is written is what `CheckpointSaverHook` would have written at that step, byte for byte.

When to save is `CheckpointSaverHook`'s business, as are names and events; how files are written and
which are kept, the saver's. `_snapshot.py` is what the saver writes from.
"""

import threading
from collections.abc import Sequence
from typing import Any

import tensorflow.compat.v1 as tf

from monitored.extras._snapshot import Snapshots
from monitored.hooks import CheckpointSaverHook
from monitored.session_run_hook import SessionRunContext, SessionRunValues

WHEN_BUSY = ("wait", "skip")


class AsyncCheckpointSaverHook(CheckpointSaverHook):
    """A `CheckpointSaverHook` that writes in a thread of its own, one checkpoint at a time.

    A save that comes due while the one before is still being written waits for it, or with
    `when_busy="skip"` is left out; both are logged and counted. The first save of a session and the
    one at its end are never left out, and the session's end waits for the last to be written.

    Listeners are called in the training thread: `before_save` just before the values are copied,
    `after_save` as soon as a step ends and the checkpoint is there, so a stop that it asks for comes
    that much later. Whatever the writing raised is raised by the first `after_run` that finds it, or
    by `end`; the checkpoints before it, and the state file, are as they were.

    Closing a session that failed waits for the thread as for all of the coordinator's, so that a
    recovery finds the newest checkpoint; so does the end of the process. What is killed meanwhile
    leaves the earlier checkpoints.

    It needs as much memory again as the checkpoint has bytes, from the first save on. A saver whose
    ops cannot be run apart from the graph (one built under control dependencies) saves
    synchronously, with a WARNING. In a cluster the chief writes all shards, so their values travel to it.

    Use it in place of the default hook, on the chief only:

        MonitoredTrainingSession(
            checkpoint_dir=folder, save_checkpoint_secs=None, save_checkpoint_steps=None,
            chief_only_hooks=[AsyncCheckpointSaverHook(folder, save_secs=600)],
        )

    Raises ValueError where `CheckpointSaverHook` does, and for another `when_busy`.

    Rules: MTS-CKH-01 to MTS-CKH-08 but for the time at which `after_save` is called.
    """

    def __init__(
        self,
        checkpoint_dir: str,
        save_secs: float | None = None,
        save_steps: int | None = None,
        saver: Any = None,
        checkpoint_basename: str = "model.ckpt",
        scaffold: Any = None,
        listeners: Sequence[Any] | None = None,
        save_graph_def: bool = True,
        when_busy: str = "wait",
    ) -> None:
        if when_busy not in WHEN_BUSY:
            raise ValueError(f"when_busy must be one of {', '.join(map(repr, WHEN_BUSY))}, not {when_busy!r}.")
        how = (saver, checkpoint_basename, scaffold, listeners, save_graph_def)
        super().__init__(checkpoint_dir, save_secs, save_steps, *how)
        self._when_busy = when_busy
        self._writer = _Writer()
        self._saved_step: Any = None
        self._waits = self._skips = 0

    @property
    def waits(self) -> int:
        """How many saves had to wait for the one before to be written."""
        return self._waits

    @property
    def skips(self) -> int:
        """How many saves were left out because the one before was still being written."""
        return self._skips

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is being written, for at most `timeout` seconds; return whether that is so."""
        self._writer.join(timeout)
        return not self._writer.is_alive()

    def after_create_session(self, session: tf.Session, coord: Any) -> None:
        """Write the graph as `CheckpointSaverHook` does, and start the first save of this session.

        A save of the session before, which failed, is waited for.
        """
        self._finish(session)
        self._snapshots = Snapshots(session)
        coord.register_thread(self._writer)
        super().after_create_session(session, coord)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Finish a save that has been written, raising what it raised; start one that is due."""
        if self._writer.has_result() and self._finish(run_context.session):
            run_context.request_stop()
        super().after_run(run_context, run_values)

    def end(self, session: tf.Session) -> None:
        """Save unless the last save was at this global step, wait for it, call the listeners' `end`."""
        self._finish(session)
        last_step = session.run(self._global_step_tensor)
        if last_step != self._saved_step:
            self._save(session, last_step)
            self._finish(session)
        self._snapshots.close()
        for listener in self._listeners:
            listener.end(session, last_step)

    def _save(self, session: tf.Session, step: Any) -> bool:
        """Copy what is to be saved at `step` and have it written; whether the save before it asks for a stop."""
        if self._writer.is_alive():
            if self._when_busy == "skip":
                self._skips += 1
                tf.logging.warning("Skipping the checkpoint for %d: the one before is still being written.", step)
                return False
            self._waits += 1
            tf.logging.info("The checkpoint for %d waits until the one before is written.", step)
        should_stop = self._finish(session)
        saver = self._get_saver()
        self._announce_save(session, step)
        source = self._snapshots.take(session, saver)
        self._saved_step = step
        self._writer.start(step, lambda: self._write(saver, source, step))
        if source is session:
            self._writer.join()
        return should_stop

    def _write(self, saver: Any, session: Any, step: Any) -> None:
        # A thread has no default graph, and without one TensorFlow 2 executes eagerly.
        with session.graph.as_default():
            super()._write(saver, session, step)

    def _finish(self, session: tf.Session) -> bool:
        """Wait for the save in flight, raise what it raised, call `after_save`; whether one asks for a stop."""
        step = self._writer.result()
        return step is not None and self._tell_of_save(session, step)


class _Writer:
    """Runs one call at a time in a thread, and keeps what became of it until somebody asks.

    For a coordinator it is a thread that lives while something is being written. Its real threads
    are no daemons: the end of the process waits for them.
    """

    name = "AsyncCheckpointSaver"

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._step: Any = None
        self._error: BaseException | None = None

    def start(self, step: Any, write: Any) -> None:
        """Call `write` in a new thread; nothing else may be in flight."""

        def work() -> None:
            try:
                write()
            except BaseException as error:
                self._error = error

        self._step = step
        self._thread = threading.Thread(target=work, name=f"{self.name}-{step}")
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether something is being written."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def join(self, timeout: float | None = None) -> None:
        """Wait until nothing is being written."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def has_result(self) -> bool:
        """Whether a call has ended whose result nobody has taken."""
        return self._thread is not None and not self._thread.is_alive()

    def result(self) -> Any:
        """Wait for the call; return its step, None if there was none, or raise what it raised."""
        self.join()
        step, error = self._step, self._error
        self._thread = self._step = self._error = None
        if error is not None:
            raise error
        return step
