"""What differs and is registered: each scenario here must still differ, or the register is out of date."""

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


@conforms("MTS-ARG-13")
def test_under_a_worker_context(train, record):
    record.global_step()
    users, chiefs = record.hook("user's", silent=True), record.hook("chief's", silent=True)
    verbosity = tf.logging.get_verbosity()
    tf.logging.set_verbosity(tf.logging.ERROR)  # the order of the hooks is the difference, not a line about it
    distribute_coordinator_context._worker_context.current = WorkerContext(train)
    try:
        session = train.MonitoredTrainingSession(
            checkpoint_dir=record.directory, hooks=[users], chief_only_hooks=[chiefs]
        )
    finally:
        del distribute_coordinator_context._worker_context.current
        tf.logging.set_verbosity(verbosity)
    record("hooks under a worker context", [session._hooks.index(hook) for hook in (users, chiefs)])
    session.close()


@pytest.mark.parametrize("given", (True, False), ids=("a creator is given", "none is given"))
@conforms("MTS-ARG-13")
def test_the_creator_under_a_worker_context(train, record, given):
    record.global_step()
    worker = WorkerContext(train)
    distribute_coordinator_context._worker_context.current = worker
    try:
        session = train.MonitoredSession(train.ChiefSessionCreator() if given else None)
    finally:
        del distribute_coordinator_context._worker_context.current
    record("a creator was given" if given else "creators asked of a worker context", worker.asked)
    session.close()


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
