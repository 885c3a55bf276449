"""Runs programs of a saver: saves, restores and accidents, one after the other.

This module keeps to Python 3.6 syntax and to API that exists since TensorFlow 1.15, and like
`interpreter` never says what an implementation should answer.
"""

import contextlib
import os
from typing import Any

from conformance import devices, probes
from conformance import program as p
from conformance.graphs import kind_of_variables
from conformance.recorder import Recorder
from conformance.trace import tf


def perform(train: Any, record: Recorder, program: p.SaverProgram) -> None:
    """The scenario that `program` stands for."""
    _Saves(train, record, program).perform()


class _Saves:
    def __init__(self, train: Any, record: Recorder, program: p.SaverProgram) -> None:
        self.train, self.record, self.program = train, record, program
        # A relative directory is one of the working directory, which the sandbox sets back.
        self.directory = program.directory if program.relative_directory else record.path(program.directory)
        if program.relative_directory:
            os.chdir(record.directory)
        os.makedirs(self.directory)
        self.prefix = os.path.join(self.directory, "m")

    def perform(self) -> None:
        with kind_of_variables(self.program.variables), devices.scope():
            weight = tf.Variable(1.0, name="weight")
            spread = devices.current() == devices.SECOND_CPU
            with tf.device(devices.CPU) if spread else contextlib.ExitStack():
                tf.Variable([1, 2], name="pair")
        self.assign = weight.assign_add(1.0)
        self._make_saver()
        with tf.Session(config=self.record.config()) as session:
            session.run(tf.global_variables_initializer())
            for act in self.program.acts:
                self._do(act, session)
                self.record("last", list(self.saver.last_checkpoints))
                self.record("files", probes.file_names(self.directory))
                self.record.outcome("latest", self._latest)

    def _make_saver(self) -> None:
        program = self.program
        self.saver = self.train.Saver(
            max_to_keep=program.max_to_keep,
            keep_checkpoint_every_n_hours=program.keep_hours,
            save_relative_paths=program.relative,
            sharded=program.sharded,
        )

    def _latest(self) -> Any:
        return self.train.latest_checkpoint(self.directory, self.program.latest_filename)

    def _do(self, act: p.SaverAct, session: Any) -> None:
        record, saver = self.record, self.saver
        state = os.path.join(self.directory, self.program.latest_filename or "checkpoint")
        path = "{}-{}".format(self.prefix, act.value)
        if act.do == "save":
            keywords = {"write_meta_graph": self.program.write_meta, "latest_filename": self.program.latest_filename}
            record.outcome("save", lambda: saver.save(session, self.prefix, act.value, **keywords))
        elif act.do == "advance":
            record.clock.advance(act.value * 1200)
        elif act.do == "delete" and os.path.exists(path + ".index"):
            os.remove(path + ".index")
        elif act.do in ("forget", "garble") and os.path.exists(state):
            os.remove(state)
            if act.do == "garble":
                with open(state, "w") as file:
                    file.write("model_checkpoint_path: " + ("" if act.value % 2 else "{"))
        elif act.do == "restore":
            record.outcome("restore", lambda: saver.restore(session, self._latest() or path))
        elif act.do == "assign":
            record("assign", session.run(self.assign))
        elif act.do == "restart":
            self._restart(act.value)
        else:
            self._ask(act, path)

    def _restart(self, value: int) -> None:
        self._make_saver()
        state = self.record.outcome("state", self._state)
        if state is not None and value % 2:
            self.record.outcome("recover", self.saver.recover_last_checkpoints, state.all_model_checkpoint_paths)

    def _state(self) -> Any:
        return self.train.get_checkpoint_state(self.directory, self.program.latest_filename)

    def _ask(self, act: p.SaverAct, path: str) -> None:
        record, train = self.record, self.train
        if act.do == "state":
            record.outcome("state", self._state)
        elif act.do == "update":
            earlier = "{}-{}".format(self.prefix, act.value - 1)
            record.outcome("update", train.update_checkpoint_state, self.directory, path, [earlier, path])
        elif act.do == "exists":
            record.outcome("exists", train.checkpoint_exists, path)
            record("times", len(train.get_checkpoint_mtimes([path])))
        elif act.do == "remove":
            record.outcome("remove", train.remove_checkpoint, path)
