"""What every test gets: a graph of its own, a clock that never really waits, and the log."""

import gc
import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import hypothesis
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from clock import VirtualClock

THREAD_GRACE_SECS = 60.0
"""A thread that ends has ended long before, also on a busy machine."""

MOST_GRAPHS = 60

# How long an example takes, and how many are drawn before one will do, says nothing of what is tested.
hypothesis.settings.register_profile(
    "tests",
    deadline=None,
    suppress_health_check=[
        hypothesis.HealthCheck.data_too_large,
        hypothesis.HealthCheck.filter_too_much,
        hypothesis.HealthCheck.too_slow,
    ],
)
hypothesis.settings.load_profile("tests")

pytest.register_assert_rewrite("hosting")


class _ListHandler(logging.Handler):
    def __init__(self, records: list[tuple[str, str]]) -> None:
        super().__init__(logging.DEBUG)
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        # TensorFlow announces its own deprecations once a process, naming its own files.
        if "is deprecated and will be removed" not in message:
            self._records.append((record.levelname, message))


@pytest.fixture
def fresh_graph() -> Iterator[tf.Graph]:
    """A new graph, the default one during the test."""
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualClock:
    """A virtual clock behind `time.time` and `time.sleep`, for both implementations alike."""
    virtual = VirtualClock()
    monkeypatch.setattr(time, "time", virtual.time)
    monkeypatch.setattr(time, "sleep", virtual.sleep)
    return virtual


@pytest.fixture
def tf_logs() -> Iterator[list[tuple[str, str]]]:
    """The (level, message) pairs of TensorFlow's logger from INFO up; `[:] = []` clears them."""
    logger = logging.getLogger("tensorflow")
    records: list[tuple[str, str]] = []
    handler = _ListHandler(records)
    verbosity = tf.logging.get_verbosity()
    tf.logging.set_verbosity(tf.logging.INFO)
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)
    tf.logging.set_verbosity(verbosity)


@pytest.fixture
def same(tmp_path: Path, clock: VirtualClock, tf_logs: list[tuple[str, str]]) -> Any:
    """A function that runs a program in every combination of hooks and session; see `hosting`."""
    from hosting import Comparison  # noqa: PLC0415 - needs what only the tests of hooks need

    return Comparison(str(tmp_path / "run"), clock, tf_logs)


@pytest.fixture(scope="session")
def config() -> tf.ConfigProto:
    """A session config that takes few threads."""
    return tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=2)


@pytest.fixture(scope="session", autouse=True)
def _no_folder_or_graph_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Refuse temporary folders that stay, and graphs that pile up: TensorFlow keeps a few."""
    folder = tmp_path_factory.mktemp("temporary")
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    yield
    tempfile.tempdir = before
    # What AutoGraph generates, and Python compiles, TensorFlow removes when the process ends.
    left = [path.name for path in folder.iterdir() if not path.name.startswith(("__autograph_", "__pycache__"))]
    assert not left, f"temporary files left: {left}"
    gc.collect()
    # isinstance would ask a weak proxy of something that is gone.
    graphs = sum(issubclass(type(thing), tf.Graph) for thing in gc.get_objects())
    assert graphs <= MOST_GRAPHS, f"graphs left: {graphs}"


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Close the cached writers, restore numpy's print options, and refuse leaked threads."""
    threads = set(threading.enumerate())
    print_options = np.get_printoptions()
    yield
    np.set_printoptions(**print_options)
    tf.summary.FileWriterCache.clear()
    leaked = [t for t in threading.enumerate() if t not in threads]
    deadline = time.monotonic() + THREAD_GRACE_SECS
    for thread in leaked:
        thread.join(max(0.0, deadline - time.monotonic()))
    leaked = [t for t in leaked if t.is_alive()]
    assert not leaked, f"threads left running: {[t.name for t in leaked]}"
