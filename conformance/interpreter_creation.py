"""Runs programs about how a session comes to be: scaffold, readiness, restoring, queue runners.

This module keeps to Python 3.6 syntax and to API that exists since TensorFlow 1.15, and like
`interpreter` never says what an implementation should answer.
"""

import collections
import itertools
from typing import Any

import numpy as np

from conformance import devices
from conformance import program as p
from conformance.errors import make_error
from conformance.graphs import kind_of_variables
from conformance.recorder import Recorder
from conformance.trace import tf

_COLLECTIONS = {
    "init_op": tf.GraphKeys.INIT_OP,
    "ready_op": tf.GraphKeys.READY_OP,
    "ready_for_local_init_op": tf.GraphKeys.READY_FOR_LOCAL_INIT_OP,
    "local_init_op": tf.GraphKeys.LOCAL_INIT_OP,
    "summary_op": tf.GraphKeys.SUMMARY_OP,
    "saver": tf.GraphKeys.SAVERS,
}


def perform(train: Any, record: Recorder, program: p.CreationProgram) -> None:
    """The scenario that `program` stands for."""
    _Creation(train, record, program).perform()


class _Creation:
    def __init__(self, train: Any, record: Recorder, program: p.CreationProgram) -> None:
        self.train, self.record, self.program = train, record, program
        self.polls = collections.Counter()  # type: Any
        self.preempted = False
        self.one = None  # type: Any
        self.fed = None  # type: Any
        self.weight = None  # type: Any
        self.dequeue = None  # type: Any
        self.raw_session = None  # type: Any

    def perform(self) -> None:
        if self.program.checkpoint:
            self._write_checkpoint()
        with kind_of_variables(self.program.variables), devices.scope():
            self._build_variables()
        if self.program.queue is not None:
            self._build_queue()
        if self.program.creator == "recover":
            self._recover()
            return
        scaffold = self.record.outcome("scaffold", self._scaffold)
        if scaffold is None:
            return
        if self.program.finalized:
            self.record.outcome("finalize", scaffold.finalize)
            self.record.outcome("finalize again", scaffold.finalize)
        if self.program.prefinalised:
            tf.get_default_graph().finalize()
        self._use(scaffold)

    def _write_checkpoint(self) -> None:
        with self.record.graph("graph of the checkpoint"):
            with kind_of_variables(self.program.variables):
                tf.Variable(9.0, name="weight")
            with tf.Session(config=self.record.config()) as session:
                session.run(tf.global_variables_initializer())
                self.train.Saver().save(session, self.record.path("m"))

    def _build_variables(self) -> None:
        program = self.program
        self.fed = tf.placeholder_with_default(1.0, [], name="fed")
        self.one = tf.constant(1.0, name="one")
        if program.model == "some":
            self.weight = tf.Variable(self.fed, name="weight")
        elif program.model == "local":
            self.weight = tf.Variable(2.0, name="local", trainable=False, collections=[tf.GraphKeys.LOCAL_VARIABLES])
        if program.global_step != "none":
            self.train.get_or_create_global_step()
        if program.global_step == "two":
            self.record.outcome("second global step", self.train.create_global_step)

    def _build_queue(self) -> None:
        numbers = itertools.count() if self.program.queue == "endless" else iter(range(3))

        def produce() -> Any:
            for number in numbers:
                return np.float32(number)
            raise make_error("StopIteration" if self.program.queue == "ends" else "ValueError", "no more")

        queue = tf.FIFOQueue(10, [tf.float32], shapes=[[]], name="q")
        value = tf.py_func(produce, [], tf.float32)
        value.set_shape([])
        self.train.add_queue_runner(self.train.QueueRunner(queue, [queue.enqueue(value, name="put")]))
        self.dequeue = queue.dequeue()

    def _piece(self, name: str) -> Any:
        if name == "init_op":
            variables = tf.global_variables()
            return tf.group(*[v.initializer for v in variables[self.program.init_op == "partial" :]])
        if name == "local_init_op":
            return tf.group(*[variable.initializer for variable in tf.local_variables()])
        if name == "summary_op":
            return tf.constant(b"")
        if name == "saver":
            return self.train.Saver(allow_empty=True)
        return tf.py_func(lambda: self._poll(name), [], tf.int64 if self._counts(name) else tf.string)

    def _counts(self, name: str) -> bool:
        return name == "ready_op" and self.program.ready_value == "numbers"

    def _poll(self, name: str) -> Any:
        self.polls[name] += 1
        self.record("polled", [name, self.polls[name]])
        program = self.program
        after = program.ready_after if name == "ready_op" else program.ready_for_local_init_after
        ready = 0 <= after < self.polls[name]
        missing = [] if ready else [7 if self._counts(name) else b"not yet"]
        value = np.array(missing, dtype=np.int64 if self._counts(name) else object)
        kind = program.ready_value if name == "ready_op" else "strings"
        if kind == "scalar" and not ready:
            return value.reshape([])
        if kind == "matrix":
            return value.reshape([1, -1])
        # Ready from the first: what is asked is how many names there are, not of which rank they are.
        return np.zeros([0, 3], dtype=object) if kind == "empty matrix" else value

    def _scaffold(self) -> Any:
        given = {}
        for name, key in _COLLECTIONS.items():
            how = getattr(self.program, name)
            if how in ("explicit", "partial"):
                given[name] = self._piece(name)
            elif how != "absent":
                for _ in range(2 if how == "two" else 1):
                    tf.add_to_collection(key, self._piece(name))
        if self.program.init_fn is not None:
            given["init_fn"] = self._init_fn
        if self.program.init_feed:
            given["init_feed_dict"] = {self.fed: 5.0}
        scaffold = self.train.Scaffold(**given)
        for _ in range(self.program.copies):
            scaffold = self.train.Scaffold(copy_from_scaffold=scaffold)
        self.record("before finalize", [getattr(scaffold, name) is None for name in _COLLECTIONS])
        return scaffold

    def _init_fn(self, scaffold: Any, session: Any) -> None:
        self.record("init_fn", [scaffold.init_op is not None, self.record.number("tf session", session)])
        if self.program.init_fn == "raises":
            raise make_error("ValueError", "from init_fn")
        if self.program.init_fn == "preempted" and not self.preempted:
            self.preempted = True
            raise make_error("AbortedError", "from init_fn")

    def _creator(self, scaffold: Any) -> Any:
        program = self.program
        arguments = {"scaffold": scaffold, "config": self.record.config()}
        if program.creator == "worker":
            return self.train.WorkerSessionCreator(max_wait_secs=program.max_wait, **arguments)
        if program.restore in ("directory", "both"):
            arguments["checkpoint_dir"] = self.record.path()
        if program.restore in ("file", "both"):
            arguments["checkpoint_filename_with_path"] = self.record.path("m")
        return self.train.ChiefSessionCreator(**arguments)

    def _make(self, scaffold: Any, name: str) -> Any:
        hook = self.record.hook(name, after_create_session=self._keep_raw_session)
        if self.program.session == "SingularMonitoredSession":
            directory = self.record.path() if self.program.restore == "directory" else None
            config = self.record.config()
            return self.train.SingularMonitoredSession([hook], scaffold, config=config, checkpoint_dir=directory)
        return self.train.MonitoredSession(self._creator(scaffold), [hook])

    def _keep_raw_session(self, session: Any, _: Any) -> None:
        self.raw_session = session

    def _use(self, scaffold: Any) -> None:
        record, then = self.record, self.program.then
        if then == "create again":
            creator = record.outcome("creator", self._creator, scaffold)
            for _ in range(2):
                session = creator and record.outcome("make", creator.create_session)
                if session is not None:
                    record.outcome("values", session.run, self._values())
                    session.close()
            return
        session = record.outcome("make", self._make, scaffold, "A")
        if session is None and then == "try again":
            session = record.outcome("make again", self._make, scaffold, "A")
        second = None
        if then in ("overlapping", "overlapping, first closed last"):
            second = record.outcome("make another", self._make, scaffold, "B")
        if session is not None:
            self._run(session)
            if then != "overlapping, first closed last":
                self._close(session, "close")
        if then == "second":
            second = record.outcome("make another", self._make, scaffold, "B")
        if second is not None:
            record.outcome("values of the other", second.run, self.one)
            self._close(second, "close the other")
        if session is not None and then == "overlapping, first closed last":
            self._close(session, "close")
        record("finalised", tf.get_default_graph().finalized)

    def _close(self, session: Any, label: str) -> None:
        if self.program.then == "close elsewhere":
            with tf.Graph().as_default() as elsewhere:
                elsewhere.finalize()
                self.record.outcome(label, session.close)
                self.record("finalised elsewhere", elsewhere.finalized)
        else:
            self.record.outcome(label, session.close)
        self.record("finalised", tf.get_default_graph().finalized)

    def _values(self) -> Any:
        return {"one": self.one} if self.weight is None else {"one": self.one, "weight": self.weight}

    def _run(self, session: Any) -> None:
        if self.program.start_queues is not None:
            whose = session if self.program.start_queues == "monitored" else self.raw_session
            self.record.outcome("start queues", lambda: len(self.train.start_queue_runners(whose)))
        # First the queue: what the runtime says of a missing variable depends on whether the
        # producer's thread has already made another resource.
        if self.dequeue is not None:
            for _ in range(4):
                self.record.outcome("dequeued", session.run, self.dequeue)
        self.record.outcome("values", session.run, self._values())

    def _recover(self) -> None:
        program, record = self.program, self.record
        pieces = {
            name: self._piece(name)
            for name in ("ready_op", "ready_for_local_init_op", "local_init_op")
            if getattr(program, name) == "explicit"
        }
        manager = record.outcome("manager", lambda: self.train.SessionManager(**pieces))
        if manager is None:
            return
        arguments = {"saver": self._piece("saver") if program.saver != "absent" else None}
        if program.restore in ("directory", "both"):
            arguments["checkpoint_dir"] = record.path()
        if program.restore in ("file", "both"):
            arguments["checkpoint_filename_with_path"] = record.path("m")
        arguments.update(wait_for_checkpoint=program.wait, max_wait_secs=program.max_wait, config=record.config())
        made = record.outcome("make", lambda: manager.recover_session("", **arguments))
        if made is not None:
            record("recovered", made[1])
            record.outcome("values", made[0].run, self._values())
            made[0].close()
