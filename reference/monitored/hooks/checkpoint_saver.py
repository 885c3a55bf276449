"""Saving checkpoints while training, and telling listeners about each save.

How a checkpoint is written, and which old ones are deleted, is the saver's business.

Source: tensorflow/python/training/basic_session_run_hooks.py
"""

import os
from collections.abc import Sequence
from typing import Any

import tensorflow.compat.v1 as tf

from monitored.compiled_step import TensorReader
from monitored.global_step import global_step_read_for, variable_read_by
from monitored.graph_text import write_graph_text
from monitored.session_run_hook import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from monitored.timing import SecondOrStepTimer, due_step


class CheckpointSaverListener:
    """The base of what wants to act around each save; its four methods do nothing.

    Rules: MTS-CKH-03, MTS-CKH-04.
    """

    def begin(self) -> None:
        """Add to the graph what the listener needs; called from the hook's `begin`."""

    def before_save(self, session: tf.Session, global_step_value: Any) -> None:
        """Act before the checkpoint of `global_step_value`, a numpy integer, is written."""

    def after_save(self, session: tf.Session, global_step_value: Any) -> bool | None:
        """Act after the checkpoint is written; a true answer stops training.

        The answer counts after a run only, not at the first save of a session nor at the last.
        """

    def end(self, session: tf.Session, global_step_value: Any) -> None:
        """Act at the session's clean end, after the last save, which may have been long ago."""


class CheckpointSaverHook(SessionRunHook):
    """Saves a checkpoint when the session is created, then periodically, then at the end.

    Logs its creation first of all. Raises ValueError if both `saver` and `scaffold` are given, or
    unless exactly one of `save_secs` and `save_steps` is.

    Rules: MTS-CKH-01 to MTS-CKH-08.
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
    ) -> None:
        # MTS-CKH-08
        tf.logging.info("Create CheckpointSaverHook.")
        # MTS-CKH-06
        if saver is not None and scaffold is not None:
            raise ValueError("You cannot provide both saver and scaffold.")
        self._saver, self._scaffold = saver, scaffold
        self._checkpoint_dir, self._save_path = checkpoint_dir, os.path.join(checkpoint_dir, checkpoint_basename)
        self._timer = SecondOrStepTimer(every_secs=save_secs, every_steps=save_steps)
        self._listeners = listeners or []
        # More than one run takes: the real global step is looked at after every run (MTS-CKH-02).
        self._steps_per_run = 1000000
        self._save_graph_def, self._reader = save_graph_def, TensorReader(variable_read_by)

    def _set_steps_per_run(self, steps_per_run: int) -> None:
        self._steps_per_run = steps_per_run

    def begin(self) -> None:
        """Open the directory's event writer, find the global step, call the listeners' `begin`.

        The writer is one for each directory and process, so a later session goes on in the same
        file. Raises RuntimeError if there is no global step.

        Rules: MTS-EVT-01, MTS-EVT-05.
        """
        self._summary_writer = tf.summary.FileWriterCache.get(self._checkpoint_dir)
        self._global_step_tensor = global_step_read_for("CheckpointSaverHook")
        for listener in self._listeners:
            listener.begin()

    def after_create_session(self, session: tf.Session, coord: Any) -> None:
        """Write the graph, to graph.pbtxt and as events, and the first checkpoint of this session.

        So there is a checkpoint before the first step, again right after a restore, and after each
        recovery. `save_graph_def=False` leaves out graph.pbtxt, not the events.

        Rules: MTS-CKH-01, MTS-CKH-07, MTS-EVT-02.
        """
        global_step = session.run(self._global_step_tensor)
        self._write_graph()
        # MTS-CKH-01, MTS-CKH-04: a listener that wants to stop is not heard yet.
        self._save(session, global_step)
        self._timer.update_last_triggered_step(global_step)

    def _write_graph(self) -> None:
        # Not in begin: hooks after this one still add to the graph there (MTS-EVT-02).
        graph = tf.get_default_graph()
        graph_def = graph.as_graph_def(add_shapes=True)
        if self._save_graph_def:
            # MTS-CKH-07, Q-42: TensorFlow wants text here, and takes no path object.
            write_graph_text(graph_def, self._checkpoint_dir, "graph.pbtxt")
        saver_def = saver.saver_def if (saver := self._get_saver()) else None
        meta_graph_def = tf.train.export_meta_graph(graph_def=graph_def, saver_def=saver_def)
        self._summary_writer.add_graph(graph)
        self._summary_writer.add_meta_graph(meta_graph_def)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the global step."""
        return SessionRunArgs(self._global_step_tensor)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Save if it is time by the real global step, and stop if a listener says so.

        The timer is marked first: a save that raises is not tried again at this step.

        Rules: MTS-CKH-02, MTS-CKH-04, MTS-CKH-05.
        """
        session, stale_step = run_context.session, run_values.results
        source = (self._reader.read, session, self._global_step_tensor)
        step = due_step(self._timer, stale_step, self._steps_per_run, *source)
        if step is not None:
            # MTS-CKH-05, Q-32
            self._timer.update_last_triggered_step(step)
            if self._save(session, step):
                run_context.request_stop()

    def end(self, session: tf.Session) -> None:
        """Save unless the last save was at this global step, then call the listeners' `end`.

        Rules: MTS-CKH-03.
        """
        last_step = session.run(self._global_step_tensor)
        # MTS-CKH-03, Q-32
        if last_step != self._timer.last_triggered_step():
            self._save(session, last_step)
        for listener in self._listeners:
            listener.end(session, last_step)

    def _save(self, session: tf.Session, step: Any) -> bool:
        """Save at `step`, listeners around it; returns whether one of them wants to stop.

        Rules: MTS-CKH-04, MTS-CKH-08.
        """
        self._announce_save(session, step)
        self._write(self._get_saver(), session, step)
        return self._tell_of_save(session, step)

    def _announce_save(self, session: tf.Session, step: Any) -> None:
        tf.logging.info("Calling checkpoint listeners before saving checkpoint %d...", step)
        for listener in self._listeners:
            listener.before_save(session, step)
        tf.logging.info("Saving checkpoints for %d into %s.", step, self._save_path)

    def _write(self, saver: Any, session: Any, step: Any) -> None:
        saver.save(session, self._save_path, global_step=step, write_meta_graph=self._save_graph_def)
        # MTS-EVT-03, MTS-EVT-04, Q-37, Q-38: without the step, and not flushed.
        log = tf.SessionLog(status=tf.SessionLog.CHECKPOINT, checkpoint_path=self._save_path)
        self._summary_writer.add_session_log(log, step)

    def _tell_of_save(self, session: tf.Session, step: Any) -> bool:
        """Call the listeners after a save; return whether one of them wants to stop."""
        tf.logging.info("Calling checkpoint listeners after saving checkpoint %d...", step)
        should_stop = False
        for listener in self._listeners:
            if listener.after_save(session, step):
                tf.logging.info(f"A CheckpointSaverListener requested that training be stopped. listener: {listener}")
                should_stop = True
        return should_stop

    def _get_saver(self) -> Any:
        """Return the given saver, else the scaffold's, else the single item of SAVERS.

        Rules: MTS-CKH-06.
        """
        if self._saver is not None:
            return self._saver
        if self._scaffold is not None:
            return self._scaffold.saver
        key = tf.GraphKeys.SAVERS
        savers = tf.get_collection(key)
        if not savers:
            text = "Please add a saver to the collection or provide a saver or scaffold."
            raise RuntimeError(f"No items in collection {key}. {text}")
        if len(savers) > 1:
            text = "Please indicate which one to use by passing it to the constructor."
            raise RuntimeError(f"More than one item in collection {key}. {text}")
        # shared by all hooks that come this way, whatever their directory.
        self._saver = savers[0]
        return self._saver
