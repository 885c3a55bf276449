"""The trainer that is killed: a real session that saves every few steps.

Every element of every variable is the global step, set in the step itself. So a checkpoint whose
numbers are not all its step is a torn one.
"""

import functools
import os
import traceback
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

import monitored
from crashes.marks import Marks, Phase
from monitored.extras import AsyncCheckpointSaverHook, DurableSaver

SAVE_STEPS = 4
KEPT = 3
IMPLEMENTATIONS: dict[str, Any] = {"monitored": monitored, "tensorflow": tf.train}

_PHASES = {
    "monitored": {
        "_list_checkpoint": Phase.STATE,
        "_delete_one_evicted": Phase.DELETING,
        "_write_meta_graph": Phase.META,
    },
    "tensorflow": {
        "_RecordLastCheckpoint": Phase.STATE,
        "_MaybeDeleteOldCheckpoints": Phase.DELETING,
        "export_meta_graph": Phase.META,
    },
}
"""The methods of a saver at whose beginning another phase begins; `save` besides, and `_flush` of a DurableSaver."""

PLANTS = {
    "state-first": "the state file is replaced before the values are written",
    "announce-first": "a checkpoint is announced before it is written",
    "torn": "one variable is a step behind the others",
    "in-place": "the state file is rewritten in place, a byte at a time",
}
"""Faults that a trainer can be given, to see that they are noticed."""

PLANTS_OF_MONITORED = ("in-place",)
"""Those that change what only a saver of `monitored` has."""


class Job(NamedTuple):
    """What a trainer does, and where."""

    implementation: str
    asynchronous: bool
    variables: int
    floats: int
    folder: str
    marks: str
    errors: str
    durable: bool = False
    plant: str = ""
    last_step: int = 0


def run(job: Job) -> None:
    """Train until somebody kills this process, or to the job's last step; write what fails to `errors`."""
    try:
        _train(job)
    except BaseException:
        with open(job.errors, "w", encoding="utf-8") as file:
            file.write(traceback.format_exc())
        os._exit(1)


def _train(job: Job) -> None:
    train = IMPLEMENTATIONS[job.implementation]
    tf.logging.set_verbosity(tf.logging.ERROR)
    marks = Marks(job.marks)
    with tf.Graph().as_default():
        step = tf.train.get_or_create_global_step()
        variables = [
            tf.get_variable(f"v{i}", [job.floats], initializer=tf.zeros_initializer()) for i in range(job.variables)
        ]
        count = _count(step, variables, job.plant)
        saver = _saver(DurableSaver if job.durable else train.Saver, job, marks)
        hook_class = AsyncCheckpointSaverHook if job.asynchronous else train.CheckpointSaverHook
        saving = hook_class(
            job.folder, save_steps=SAVE_STEPS, saver=saver, listeners=[_listener(train, marks, job.plant)]
        )
        hooks = [_first_look(train, marks, step, variables, job.plant), saving]
        if job.last_step:
            hooks.append(train.StopAtStepHook(last_step=job.last_step))
        creator = train.ChiefSessionCreator(train.Scaffold(saver=saver), checkpoint_dir=job.folder)
        with train.MonitoredSession(creator, hooks) as session:
            while not session.should_stop():
                session.run(count)


def _count(step: Any, variables: list[Any], plant: str) -> tf.Operation:
    """Return the op that counts the step and fills every variable with it."""
    counted = step.assign_add(1, read_value=True)
    fills = [tf.fill(variable.shape, tf.cast(counted, tf.float32)) for variable in variables]
    if plant == "torn":
        fills[-1] -= 1.0
    return tf.group(*(variable.assign(fill) for variable, fill in zip(variables, fills, strict=True)))


def _saver(base: Any, job: Job, marks: Marks) -> Any:
    """Make a saver that marks what it is doing."""

    class MarkingSaver(base):
        def save(self, sess: Any, save_path: str, global_step: Any = None, **arguments: Any) -> Any:
            if job.plant == "state-first":
                _state_first(self, f"{save_path}-{global_step}")
            marks.phase = Phase.VALUES
            written = super().save(sess, save_path, global_step, **arguments)
            marks.phase = Phase.WRITTEN
            return written

    flushing = {"_flush": Phase.FLUSHING} if job.durable else {}
    for method, phase in {**_PHASES[job.implementation], **flushing}.items():
        setattr(MarkingSaver, method, _marking(getattr(base, method), marks, phase))
    if job.plant == "in-place":
        MarkingSaver._list_checkpoint = _in_place(MarkingSaver._list_checkpoint)
    return MarkingSaver(max_to_keep=KEPT)


def _marking(method: Any, marks: Marks, phase: Phase) -> Any:
    @functools.wraps(method)
    def marked(*args: Any, **kwargs: Any) -> Any:
        marks.phase = phase
        return method(*args, **kwargs)

    return marked


def _listener(train: Any, marks: Marks, plant: str) -> Any:
    """Make a listener that marks and announces; a checkpoint is announced when after_save has been called."""

    class Listener(train.CheckpointSaverListener):
        def before_save(self, session: Any, global_step_value: Any) -> None:
            marks.phase = Phase.BEFORE
            marks.saves += 1
            if plant == "announce-first":
                marks.announced = int(global_step_value)

        def after_save(self, session: Any, global_step_value: Any) -> None:
            marks.announced = int(global_step_value)
            marks.phase = Phase.BETWEEN

    return Listener()


def _first_look(train: Any, marks: Marks, step: Any, variables: list[Any], plant: str) -> Any:
    """Make a hook that refuses a session whose variables are not of one step, and marks which it is."""

    class FirstLook(train.SessionRunHook):
        def after_create_session(self, session: Any, coord: Any) -> None:
            now, *values = session.run([step, *variables])
            if not all(np.all(value == now) for value in values) and plant != "torn":
                raise ValueError(f"restored variables are not all of step {now}")
            marks.restored = int(now)

    return FirstLook()


def _state_first(saver: Any, path: str) -> None:
    """The planted fault of that name."""
    tf.train.update_checkpoint_state(os.path.dirname(path), path, [*saver.last_checkpoints, path])


def _in_place(list_checkpoint: Any) -> Any:
    """The planted fault of that name."""

    def listed(self: Any, path: str, directory: str, state_name: str) -> None:
        list_checkpoint(self, path, directory, state_name)
        name = os.path.join(directory, state_name)
        with open(name, "rb") as file:
            text = file.read()
        with open(name, "wb", buffering=0) as file:
            for byte in text:
                file.write(bytes([byte]))

    return listed
