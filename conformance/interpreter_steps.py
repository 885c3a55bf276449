"""Runs programs of built-in hooks with periods, over several lives of one directory.

This module keeps to Python 3.6 syntax and to API that exists since TensorFlow 1.15, and like
`interpreter` never says what an implementation should answer.
"""

import contextlib
import os
from typing import Any

import numpy as np

from conformance import devices, graphs
from conformance import program as p
from conformance.errors import make_error
from conformance.graphs import kind_of_variables
from conformance.recorder import Recorder
from conformance.trace import tf


def perform(train: Any, record: Recorder, program: p.StepProgram) -> None:
    """The scenario that `program` stands for."""
    _Lives(train, record, program).perform()


class _Lives:
    def __init__(self, train: Any, record: Recorder, program: p.StepProgram) -> None:
        self.train, self.record, self.program = train, record, program
        self.directory = record.path("logdir")

    def perform(self) -> None:
        first = 0
        for number in range(1, len(self.program.lives) + 1):
            if number == len(self.program.lives) or self.program.lives[number].new_process:
                self._perform_one_process(first, number)
                first = number

    def _perform_one_process(self, first: int, after: int) -> None:
        """Live the lives of one process; what it finds in the directory it finds as a new process would."""
        self._forget_writers(first)
        if not self.program.real_processes:
            self.perform_some(first, after)
            return
        from conformance import processes  # which old releases need not have

        processes.run_in_process(self.train, self.record, _live_some, (self.program, first, after, self.directory))
        while os.path.exists(self.directory + "-moved"):
            self.directory += "-moved"

    def _forget_writers(self, number: int) -> None:
        tf.summary.FileWriterCache.clear()
        self.record.put_events_aside("before-life-{}".format(number + 1))

    def perform_some(self, first: int, after: int) -> None:
        """Live some of the lives, here."""
        for number in range(first, after):
            life = self.program.lives[number]
            label = "life {}".format(number + 1)
            if life.damage == "moved":
                self._forget_writers(number)
            self._damage(life.damage)
            graph = tf.Graph()
            self.record.graphs.append(graph)
            with graph.as_default():
                with kind_of_variables(self.program.variables), devices.scope():
                    self._build_graph()
                self.record.outcome(label, self._live, life)
                self.record.graph_state(label + ": graph", graph)
            if number + 1 < len(self.program.lives):
                self.record.files(label + ": files", os.path.basename(self.directory))

    def _build_graph(self) -> None:
        step, read = graphs.global_step_and_read(self.train)
        self.increment = tf.placeholder(tf.int64, [], name="increment")
        self.loss = tf.placeholder_with_default(1.5, [], name="loss")
        weight = tf.Variable(3.0, name="weight")
        with tf.control_dependencies([read]):
            moved = tf.assign_add(step, self.increment)
        with tf.control_dependencies([moved]):
            self.train_op = tf.assign_add(weight, self.loss)
        with tf.device(None):
            self.summary = tf.summary.scalar("loss", self.loss)

    def _live(self, life: p.Life) -> str:
        program = self.program
        scaffold = None
        if not program.default_scaffold:
            scaffold = graphs.small_scaffold(self.train, self.train.Saver(), self.summary)
        arguments = {"scaffold": scaffold}
        if program.directory:
            arguments["checkpoint_dir"] = self.directory
        if life.session == "MonitoredTrainingSession":
            given = {
                "save_checkpoint_steps": program.save_steps,
                "save_checkpoint_secs": program.save_secs,
                "save_summaries_steps": program.summary_steps,
                "save_summaries_secs": program.summary_secs,
                "log_step_count_steps": program.log_steps,
            }
            arguments.update((name, value) for name, value in given.items() if value != "")
        self.failing = None
        hooks = [self._built_in(hook, scaffold) for hook in life.hooks]
        hooks.append(self.record.hook("A", before_run=self._fail(False), after_run=self._fail(True)))
        session = self.record.session(hooks, life.session, **arguments)
        if not life.go_on_after_errors:
            with session:
                self._body(session, life)
            return "left the block"
        self.record.outcome("body", self._body, session, life)
        self.record.outcome("close", session.close)
        return "closed"

    def _body(self, session: Any, life: p.Life) -> None:
        for plan in life.steps:
            self.record.clock.advance(plan.advance)
            if session.should_stop():
                self.record("stopped")
                break
            self.failing = plan if plan.error is not None else None
            feeds = {self.increment: np.array(plan.increment) if plan.array else plan.increment}
            if plan.nan:
                feeds[self.loss] = np.array(np.nan, np.float32) if plan.array else float("nan")
            with self._obstruction() if plan.obstructed else contextlib.ExitStack():
                if life.go_on_after_errors:
                    self.record.outcome("run", session.run, self.train_op, feeds)
                else:
                    self.record("run", session.run(self.train_op, feeds))
        if life.body_error is not None:
            raise make_error(life.body_error, "from the body")

    @contextlib.contextmanager
    def _obstruction(self) -> Any:
        """Put folders where the indices of new checkpoints would go, however far the steps went."""
        made = []
        farthest = 1 + sum(abs(step.increment) for life in self.program.lives for step in life.steps)
        if os.path.isdir(self.directory):
            for step in range(-farthest, farthest + 1):
                path = os.path.join(self.directory, "model.ckpt-{}.index".format(step))
                if not os.path.exists(path):
                    os.mkdir(path)
                    made.append(path)
        try:
            yield
        finally:
            for path in made:
                os.rmdir(path)

    def _fail(self, late: bool) -> Any:
        def fail(*_: Any) -> None:
            plan = self.failing
            if plan is not None and plan.late == late:
                self.failing = None
                raise make_error(plan.error, "once")

        return fail

    def _built_in(self, hook: p.BuiltIn, scaffold: Any) -> Any:
        steps, secs = hook.steps, hook.secs
        train, name = self.train, hook.kind
        where = self.directory if self.program.directory else self.record.path("elsewhere")
        if name == "CheckpointSaverHook":
            listeners = []
            if hook.stop_after_save is not None:
                saves = []  # type: List[int]

                def after_save(_: Any, step: int) -> bool:
                    saves.append(step)
                    return len(saves) == hook.stop_after_save

                listeners.append(self.record.listener("L", after_save))
            return train.CheckpointSaverHook(where, secs, steps, scaffold=scaffold, listeners=listeners)
        if name == "StepCounterHook":
            return train.StepCounterHook(steps, secs, output_dir=where)
        if name == "SummarySaverHook":
            return train.SummarySaverHook(steps, secs, output_dir=where, summary_op=self.summary)
        if name == "LoggingTensorHook":
            return train.LoggingTensorHook({"loss": self.loss}, steps, secs, at_end=hook.flag)
        if name == "StopAtStepHook":
            return train.StopAtStepHook(**{"last_step" if hook.flag else "num_steps": steps})
        if name == "NanTensorHook":
            return train.NanTensorHook(self.loss, fail_on_nan_loss=hook.flag)
        if name == "FinalOpsHook":
            return train.FinalOpsHook([self.loss], {self.loss: 2.0} if hook.flag else None)
        if name == "FeedFnHook":
            return train.FeedFnHook(lambda: {self.loss: np.array(4.0, np.float32) if hook.flag else 4.0})
        if name == "GlobalStepWaiterHook":
            return train.GlobalStepWaiterHook(0)
        return train.ProfilerHook(steps, secs, output_dir=where, show_memory=hook.flag)

    def _damage(self, damage: Any) -> None:
        state = os.path.join(self.directory, "checkpoint")
        if damage is None or not os.path.exists(state):
            return
        self.record("damaged", damage)
        if damage == "no state":
            os.remove(state)
        elif damage in ("empty state", "garbage state"):
            with open(state, "w") as file:
                file.write("" if damage == "empty state" else "garbage{")
        elif damage == "moved":
            moved = self.directory + "-moved"
            os.rename(self.directory, moved)
            self.directory = moved
        else:
            ending = {"no data": ".data-00000-of-00001", "no index": ".index"}[damage]
            files = [name for name in os.listdir(self.directory) if name.endswith(ending)]
            newest = max(files, key=lambda name: int(name[len("model.ckpt-") : -len(ending)]), default=None)
            if newest is not None:
                os.remove(os.path.join(self.directory, newest))


def _live_some(train: Any, record: Recorder, lives: Any) -> None:
    program, first, after, directory = lives
    there = _Lives(train, record, program)
    there.directory = directory
    there.perform_some(first, after)
