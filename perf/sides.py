"""The things that are compared: `monitored`, `tf.train`, and the bare operation below both.

Here is also the planted slowdown with which the suite shows that it would notice one:
PERF_PLANT_STEP_SLOWDOWN=0.3 makes every step of `monitored` 30 % dearer.
"""

import contextlib
import functools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import tensorflow.compat.v1 as tf

import monitored
from perf import models

MONITORED, TF_TRAIN, FLOOR = "monitored", "tf.train", "floor"
SIDES: dict[str, Any] = {MONITORED: monitored, TF_TRAIN: tf.train}
NO_GPU = "--device gpu: TensorFlow sees no GPU here (tf.config.list_physical_devices)"
PLANT = "PERF_PLANT_STEP_SLOWDOWN"


@dataclass
class Setting:
    """Where and how a case is measured: the device, and a folder for what it writes."""

    device: str = "cpu"
    threads: bool = False
    folder: str = field(default_factory=tempfile.gettempdir)

    @property
    def config(self) -> tf.ConfigProto:
        """The configuration of all sessions."""
        return models.config(self.device, self.threads)

    def new_folder(self) -> str:
        """Return an empty folder."""
        return tempfile.mkdtemp(dir=self.folder)


def start() -> float:
    """Set TensorFlow up as the programs that are measured do; return the planted slowdown, if any."""
    tf.disable_eager_execution()
    tf.logging.set_verbosity(tf.logging.ERROR)
    return plant_slowdown()


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    return bool(tf.config.experimental.list_physical_devices("GPU"))


@contextlib.contextmanager
def temporary_setting(device: str, threads: bool) -> Iterator[Setting]:
    """A setting whose folder is deleted in the end."""
    folder = tempfile.mkdtemp(prefix="perf-")
    try:
        yield Setting(device, threads, folder)
    finally:
        tf.summary.FileWriterCache.clear()
        shutil.rmtree(folder, ignore_errors=True)


def within(graph: tf.Graph, call: Callable[[], Any]) -> Callable[[], Any]:
    """Return a function that calls `call` with the graph as the default one, as programs have it."""

    def called() -> Any:
        with graph.as_default():
            return call()

    return called


def monitored_session(side: str, size: models.Size, setting: Setting, **arguments: Any) -> Any:
    """Return a session of one side over a new graph of the model."""
    with models.new_graph(size).as_default():
        return SIDES[side].MonitoredTrainingSession(config=setting.config, **arguments)


def raw_session(size: models.Size, setting: Setting) -> tf.Session:
    """Return a bare, initialised `tf.Session` over a new graph of the model."""
    with models.new_graph(size).as_default():
        session = tf.Session(config=setting.config)
        session.run(tf.global_variables_initializer())
        return session


def plant_slowdown() -> float:
    """Make `monitored`'s steps dearer by the share that the environment asks for; return it."""
    share = float(os.environ.get(PLANT) or 0)
    if share and not hasattr(monitored.MonitoredSession.run, "planted"):
        monitored.MonitoredSession.run = _slowed(monitored.MonitoredSession.run, share)
    return share


def _slowed(run: Callable[..., Any], share: float) -> Callable[..., Any]:
    @functools.wraps(run)
    def slowed(*arguments: Any, **named: Any) -> Any:
        start = time.thread_time()
        result = run(*arguments, **named)
        until = time.thread_time() + share * (time.thread_time() - start)
        while time.thread_time() < until:
            pass
        return result

    slowed.planted = True  # type: ignore[attr-defined]
    return slowed
