"""What a checkpoint costs: how long a step that saves holds up training, and the save as a whole.

The step that saves only counts itself, so that training is not on the clock. Floors: the SaveV2 op
alone, a plain file of the same bytes, and a copy of them in memory.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

import monitored
from monitored.extras import AsyncCheckpointSaverHook, DurableSaver
from perf import models
from perf.measure import Subject
from perf.sides import FLOOR, MONITORED, SIDES, TF_TRAIN, Setting, monitored_session, raw_session, within

PLAIN_FILE, MEMORY_COPY, TOTAL = "plain file", "memory copy", "monitored, until written"
NOT_FLUSHED = "monitored, not flushed"

NO_OTHER_HOOKS = {"save_summaries_steps": None, "save_summaries_secs": None, "log_step_count_steps": None}


def save_stall(setting: Setting, size: models.Size) -> dict[str, Subject]:
    """A step that saves, and the floors of saving."""
    subjects = {side: saving_step(side, size, setting) for side in SIDES}
    return subjects | _floors(size, setting)


def async_stall(setting: Setting, size: models.Size) -> dict[str, Subject]:
    """A step that saves asynchronously beside one of `tf.train` that saves, and the floors."""
    hook = AsyncCheckpointSaverHook(setting.new_folder(), save_steps=2)
    session = monitored_session(MONITORED, size, setting, hooks=[hook], **NO_OTHER_HOOKS)
    count = session.graph.get_tensor_by_name(models.COUNT)
    step = within(session.graph, lambda: session.run(count))

    def step_and_wait() -> None:
        step()
        hook.wait()

    subjects = {MONITORED: Subject(step, step_and_wait)}
    subjects[TOTAL] = Subject(step_and_wait, step_and_wait, within(session.graph, session.close))
    subjects[TF_TRAIN] = saving_step(TF_TRAIN, size, setting)
    return subjects | _floors(size, setting)


def durable_stall(setting: Setting, size: models.Size) -> dict[str, Subject]:
    """A step that saves and flushes to the disk, beside one that leaves that to the system, and the floors.

    What it costs is the disk's: measure in a folder of the file system that counts (TMPDIR).
    """
    scaffold = monitored.Scaffold(saver=DurableSaver(defer_build=True, sharded=True))
    subjects = {MONITORED: saving_step(MONITORED, size, setting, scaffold=scaffold)}
    subjects |= {NOT_FLUSHED: saving_step(MONITORED, size, setting), TF_TRAIN: saving_step(TF_TRAIN, size, setting)}
    return subjects | _floors(size, setting)


def saving_step(side: str, size: models.Size, setting: Setting, **more: Any) -> Subject:
    """Prepare with a step that does not save; run one that does, as every second one does."""
    arguments = {"checkpoint_dir": setting.new_folder(), "save_checkpoint_steps": 2, **NO_OTHER_HOOKS, **more}
    session = monitored_session(side, size, setting, **arguments)
    count = session.graph.get_tensor_by_name(models.COUNT)
    step = within(session.graph, lambda: session.run(count))
    return Subject(step, step, within(session.graph, session.close))


def bare_save(size: models.Size, setting: Setting) -> Subject:
    """The SaveV2 op, run by a bare session."""
    return _bare_save(size, setting)[0]


def _bare_save(size: models.Size, setting: Setting) -> tuple[Subject, list[Any]]:
    """Return the op as a subject, and the arrays that it saves."""
    session = raw_session(size, setting)
    folder = setting.new_folder()
    with session.graph.as_default():
        variables = tf.global_variables()
        names, slices = [v.op.name for v in variables], [""] * len(variables)
        prefix = os.path.join(folder, "bare")
        save = tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=slices, tensors=variables)
    return Subject(lambda: session.run(save), close=session.close), session.run(variables)


def _floors(size: models.Size, setting: Setting) -> dict[str, Subject]:
    bare, arrays = _bare_save(size, setting)
    path = os.path.join(setting.new_folder(), "plain")

    def write() -> None:
        with open(path, "wb") as file:
            for array in arrays:
                file.write(np.ascontiguousarray(array).data)

    return {FLOOR: bare, PLAIN_FILE: Subject(write), MEMORY_COPY: Subject(lambda: [array.copy() for array in arrays])}


def restore(setting: Setting, size: models.Size) -> dict[str, Subject]:
    """`Saver.restore` of each side, and the bare RestoreV2 ops with their assignments."""
    subjects = {}
    for side, saver_class in ((MONITORED, monitored.Saver), (TF_TRAIN, tf.train.Saver)):
        session = raw_session(size, setting)
        with session.graph.as_default():
            saver = saver_class()
        path = saver.save(session, os.path.join(setting.new_folder(), "model.ckpt"), write_meta_graph=False)
        subjects[side] = Subject(_restorer(saver, session, path), close=session.close)
    session = raw_session(size, setting)
    with session.graph.as_default():
        variables = tf.global_variables()
        names, slices = [v.op.name for v in variables], [""] * len(variables)
        dtypes = [v.dtype.base_dtype for v in variables]
        values = tf.raw_ops.RestoreV2(prefix=path, tensor_names=names, shape_and_slices=slices, dtypes=dtypes)
        assign = tf.group([v.assign(tf.ensure_shape(value, v.shape)) for v, value in zip(variables, values)])  # noqa: B905
    subjects[FLOOR] = Subject(lambda: session.run(assign), close=session.close)
    return subjects


def _restorer(saver: Any, session: Any, path: str) -> Callable[[], Any]:
    return lambda: saver.restore(session, path)
