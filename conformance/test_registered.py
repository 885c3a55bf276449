"""What differs and is registered: each scenario here must still differ, or the register is out of date."""

import contextlib
import logging

import pytest
import tensorflow.compat.v1 as tf
from tensorflow.python.distribute import distribute_coordinator_context
from tensorflow.python.eager import context
from tensorflow.python.util import deprecation

from conformance.harness import conforms


class WorkerContext:
    """What TensorFlow's distribute coordinator, which nothing public starts any more, leaves behind."""

    is_chief = should_save_summary = should_checkpoint = True
    task_type = _strategy = None
    task_id = 0

    def __init__(self, train):
        self._train = train
        self.asked = 0

    def session_creator(self, scaffold=None, config=None, checkpoint_dir=None, max_wait_secs=None):
        self.asked += 1
        return self._train.ChiefSessionCreator(scaffold=scaffold, config=config, checkpoint_dir=checkpoint_dir)


@contextlib.contextmanager
def current(worker):
    """Make this the worker context of the thread."""
    distribute_coordinator_context._worker_context.current = worker
    try:
        yield
    finally:
        del distribute_coordinator_context._worker_context.current


@conforms("MTS-ARG-13")
def test_under_a_worker_context(train, record):
    record.global_step()
    users, chiefs = record.hook("user's", silent=True), record.hook("chief's", silent=True)
    verbosity = tf.logging.get_verbosity()
    tf.logging.set_verbosity(tf.logging.ERROR)  # the order of the hooks is the difference, not a line about it
    try:
        with current(WorkerContext(train)):
            session = train.MonitoredTrainingSession(
                checkpoint_dir=record.directory, hooks=[users], chief_only_hooks=[chiefs]
            )
    finally:
        tf.logging.set_verbosity(verbosity)
    record("hooks under a worker context", [session._hooks.index(hook) for hook in (users, chiefs)])
    session.close()


@pytest.mark.parametrize("given", (True, False), ids=("a creator is given", "none is given"))
@conforms("MTS-ARG-13")
def test_the_creator_under_a_worker_context(train, record, given):
    record.global_step()
    worker = WorkerContext(train)
    with current(worker):
        session = train.MonitoredSession(train.ChiefSessionCreator() if given else None)
    record("a creator was given" if given else "creators asked of a worker context", worker.asked)
    session.close()


class CollectiveAllReduceStrategy:
    """TensorFlow knows a collective strategy by the name of its class."""


@pytest.mark.parametrize(
    "writes, task_type, folder", ((True, "worker", ""), (False, "worker", "tmp_worker_3"), (False, None, "tmp"))
)
@pytest.mark.rule("MTS-ARG-13")
def test_a_collective_strategy_in_tensorflow(tmp_path, writes, task_type, folder):
    worker = WorkerContext(tf.train)
    worker.is_chief = worker.should_save_summary = worker.should_checkpoint = writes
    worker.task_type, worker.task_id, worker._strategy = task_type, 3, CollectiveAllReduceStrategy()
    chiefs = tf.train.SessionRunHook()
    try:
        with current(worker), tf.Graph().as_default():
            tf.train.create_global_step()
            session = tf.train.MonitoredTrainingSession(
                is_chief=not writes, checkpoint_dir=str(tmp_path), chief_only_hooks=[chiefs], save_graph_def=False
            )
            hooks = list(session._hooks)
            session.close()
    finally:
        tf.summary.FileWriterCache.clear()
    assert (chiefs in hooks) == writes
    summaries, checkpoints = hooks[-2:]
    assert [summaries._output_dir, checkpoints._checkpoint_dir] == 2 * [str(tmp_path / folder)]
    assert [checkpoints._timer._every_secs, checkpoints._timer._every_steps] == [None, 1000]


@conforms("MTS-CKP-01")
def test_a_saver_where_there_is_no_graph(train, record):
    with context.eager_mode():
        record.outcome("a saver of a list, executing eagerly", train.Saver, [])


class Deprecations(logging.Handler):
    """Counts warnings of something deprecated, which the comparison of logs leaves out."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def emit(self, record):
        self.count += "is deprecated" in record.getMessage()


@conforms("MTS-CKP-07")
def test_deprecation_warnings(train, record):
    deprecation._PRINTED_WARNING.clear()
    handler, logger = Deprecations(), logging.getLogger("tensorflow")
    logger.addHandler(handler)
    try:
        train.get_checkpoint_mtimes([record.path("absent")])
        train.remove_checkpoint(record.path("absent"))
    finally:
        logger.removeHandler(handler)
    record("warns of its own deprecation", handler.count > 0)
