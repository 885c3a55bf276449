"""Runs programs that drive a coordinator, alone or of a session, from outside.

This module keeps to Python 3.6 syntax and to API that exists since TensorFlow 1.15, and like
`interpreter` never says what an implementation should answer.
"""

import contextlib
import threading
from typing import Any

from conformance import devices, graphs
from conformance import program as p
from conformance.errors import make_error
from conformance.recorder import Recorder
from conformance.trace import tf


def perform(train: Any, record: Recorder, program: p.CoordinatorProgram) -> None:
    """The scenario that `program` stands for."""
    _Driven(train, record, program).perform()


class _Driven:
    def __init__(self, train: Any, record: Recorder, program: p.CoordinatorProgram) -> None:
        self.train, self.record, self.program = train, record, program
        self.coordinator = None  # type: Any
        self.session = None  # type: Any
        self.fails = None  # type: Any
        self.threads = []  # type: List[Any]

    def perform(self) -> None:
        if self.program.session is None:
            types = tuple(type(make_error(name, "")) for name in self.program.clean_stop)
            arguments = {"clean_stop_exception_types": types} if types else {}
            self.coordinator = self.record.outcome("make", lambda: self.train.Coordinator(**arguments))
        else:
            self._make_session()
        for act in self.program.acts:
            if self.coordinator is None:
                break
            self._do(act)
            self.record("stopped, joined", [self.coordinator.should_stop(), self.coordinator.joined])
        for thread, released in self.threads:
            released.set()
            thread.join()

    def _make_session(self) -> None:
        with devices.scope():
            self.total = tf.assign_add(tf.Variable(1.0, name="weight"), 1.0)
        scaffold = graphs.small_session_scaffold(self.train, self.record, False)

        def keep(_: Any, coordinator: Any) -> None:
            self.coordinator = coordinator

        def fail(_: Any) -> None:
            if self.fails is not None:
                error, self.fails = self.fails, None
                raise make_error(error, "from run")

        hooks = [self.record.hook("A", after_create_session=keep, before_run=fail)]
        self.session = self.record.session(hooks, self.program.session, scaffold=scaffold, stop_grace_period_secs=2)

    def _do(self, act: p.Act) -> None:
        record, coordinator = self.record, self.coordinator
        error = make_error(act.error or "ValueError", "told")
        if act.do == "request_stop":
            record.outcome(act.do, coordinator.request_stop)
        elif act.do == "report":
            record.outcome(act.do, self._report, error, False)
        elif act.do == "report tuple":
            record.outcome(act.do, self._report, error, True)
        elif act.do == "report outside":
            record.outcome(act.do, coordinator.request_stop, error)
        elif act.do == "clear_stop":
            record.outcome(act.do, coordinator.clear_stop)
        elif act.do == "join":
            record.outcome(act.do, lambda: coordinator.join(stop_grace_period_secs=0.02))
            record("slept", [round(secs, 6) for secs in record.clock.slept])
        elif act.do == "raise":
            record.outcome(act.do, coordinator.raise_requested_exception)
        elif act.do == "stop_on_exception":
            record.outcome(act.do, self._with_coordinator, error if act.error else None)
        elif act.do == "wait":
            record.outcome(act.do, coordinator.wait_for_stop, 0.001)
        elif act.do == "looper":
            record.outcome(act.do, self._loop, error if act.error else None)
        elif act.do.startswith("thread"):
            self._start_thread(act.do, error)
        elif self.session is not None:
            self._use_session(act)

    def _use_session(self, act: p.Act) -> None:
        if act.do == "bad run":
            self.fails = act.error or "ValueError"
        if act.do in ("run", "bad run"):
            self.record.outcome(act.do, self.session.run, self.total)
            self.fails = None
        elif act.do == "should_stop":
            self.record.outcome(act.do, self.session.should_stop)
        elif act.do == "close":
            self.record.outcome(act.do, self.session.close)

    def _report(self, error: BaseException, as_tuple: bool) -> None:
        try:
            raise error
        except BaseException as raised:
            self.coordinator.request_stop((type(raised), raised, raised.__traceback__) if as_tuple else raised)

    def _with_coordinator(self, error: Any) -> str:
        with self.coordinator.stop_on_exception():
            if error is not None:
                raise error
        return "swallowed"

    def _loop(self, error: Any) -> int:
        rounds = []  # type: List[int]

        def round_of_the_loop() -> None:
            rounds.append(1)
            if len(rounds) == 2 and error is not None:
                raise error
            if len(rounds) == 3:
                self.coordinator.request_stop()

        saved = getattr(threading, "excepthook", None)  # since Python 3.8
        threading.excepthook = lambda uncaught: self.record("uncaught in a thread", uncaught.exc_value)
        try:
            self.train.LooperThread.loop(self.coordinator, None, round_of_the_loop).join()
        finally:
            threading.excepthook = saved
        return len(rounds)

    def _start_thread(self, what: str, error: BaseException) -> None:
        released = threading.Event()

        def body() -> None:
            if what == "thread stays":
                released.wait(60)
            elif what == "thread fails":
                with contextlib.suppress(BaseException):
                    self._with_coordinator(error)

        thread = threading.Thread(target=body, name="T", daemon=True)
        self.coordinator.register_thread(thread)
        thread.start()
        self.threads.append((thread, released))
        if what != "thread stays":
            thread.join()
