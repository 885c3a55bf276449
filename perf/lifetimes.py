"""What a session costs at its turns: created with a first save, started again, recovered."""

import functools
import os
import shutil
from collections.abc import Callable
from typing import Any

import tensorflow.compat.v1 as tf

from perf import models
from perf.measure import Subject
from perf.sides import FLOOR, SIDES, Setting, monitored_session, within


class _Creation:
    """Makes a session over a new graph each time, which is imported before the clock starts."""

    def __init__(self, side: str, size: models.Size, setting: Setting, folder: Callable[[], str]) -> None:
        self._train, self._size, self._setting, self._folder = SIDES.get(side), size, setting, folder
        self._session: Any = None

    def prepare(self) -> None:
        self.close()
        self._graph, self._to = models.new_graph(self._size), self._folder()

    def run(self) -> None:
        with self._graph.as_default():
            self._session = self._train.MonitoredTrainingSession(checkpoint_dir=self._to, config=self._setting.config)

    def close(self) -> None:
        if self._session is not None:
            with self._graph.as_default():
                self._session.close()
        self._session = None


class _BareCreation(_Creation):
    """Initialises or restores with `Session.run`, and saves with the bare op."""

    def run(self) -> None:
        with self._graph.as_default():
            variables = tf.global_variables()
            names, slices = [v.op.name for v in variables], [""] * len(variables)
            init = tf.global_variables_initializer()
            prefix = os.path.join(self._to, "bare")
            save = tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=slices, tensors=variables)
            self._session = tf.Session(config=self._setting.config)
            self._session.run(init)
            self._session.run(save)


def creation(setting: Setting, size: models.Size) -> dict[str, Subject]:
    """A session with default hooks, made in an empty folder, its first checkpoint written."""
    kinds = dict.fromkeys(SIDES, _Creation) | {FLOOR: _BareCreation}
    made = {name: kind(name, size, setting, setting.new_folder) for name, kind in kinds.items()}
    return {name: Subject(each.run, each.prepare, each.close) for name, each in made.items()}


def restart(setting: Setting, size: models.Size) -> dict[str, Subject]:
    """A session made again, in a new graph, over a folder with a checkpoint."""
    subjects = {}
    saved = setting.new_folder()
    first = monitored_session("tf.train", size, setting, checkpoint_dir=saved)
    within(first.graph, first.close)()
    for side in SIDES:
        folder = os.path.join(setting.new_folder(), "copy")
        shutil.copytree(saved, folder)
        # The state file names the checkpoint by its full path.
        state = os.path.join(folder, "checkpoint")
        with open(state, encoding="utf-8") as file:
            text = file.read()
        with open(state, "w", encoding="utf-8") as file:
            file.write(text.replace(saved, folder))
        made = _Creation(side, size, setting, functools.partial(str, folder))
        subjects[side] = Subject(made.run, made.prepare, made.close)
    return subjects


def recovery(setting: Setting, size: models.Size) -> dict[str, Subject]:
    """The step that finds the session preempted: a new session, restored, its first save, the step."""
    subjects = {}
    for side, train in SIDES.items():
        preemption = _preempting_hook(train)
        session = monitored_session(side, size, setting, checkpoint_dir=setting.new_folder(), hooks=[preemption])
        fetch = session.graph.get_tensor_by_name(models.COUNT)
        subjects[side] = Subject(
            within(session.graph, functools.partial(session.run, fetch)),
            preemption.arm,
            within(session.graph, session.close),
        )
    return subjects


def _preempting_hook(train: Any) -> Any:
    class PreemptingHook(train.SessionRunHook):  # type: ignore[misc, name-defined]
        """Raises once, when armed, what a lost worker raises."""

        def __init__(self) -> None:
            self._armed = False

        def arm(self) -> None:
            self._armed = True

        def before_run(self, run_context: Any) -> None:
            if self._armed:
                self._armed = False
                raise tf.errors.AbortedError(None, None, "preempted")

    return PreemptingHook()
