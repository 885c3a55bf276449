"""Where a scenario runs: alone, with nothing of the process leaking in or out.

A sandbox is a fresh graph, directory, event writer cache, log capture, virtual clock and warning
capture; sessions and threads that a scenario leaves behind are counted as an observation and then
ended. This module keeps to Python 3.6 syntax and to API that exists since TensorFlow 1.15.
"""

import contextlib
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
import warnings
from typing import Any, Callable, List

import numpy as np

from conformance import idleness, probes
from conformance.recorder import Recorder
from conformance.trace import Event, is_of_the_run, tf

_real_sleep = time.sleep
_real_monotonic = time.monotonic
# A thread that was told to stop needs some real time, however far the virtual clock jumps.
_LONGEST_REAL_SLEEP_SECS = 0.01
# On a busy machine a moment is longer: until nobody else could run, or somebody seems to do so for ever.
_LONGEST_MOMENT_SECS = 1.0
# For threads that end: real time in which nobody could run, and at all.
_PATIENCE_SECS = 0.3
_LONGEST_PATIENCE_SECS = 10.0
_CLEAN_UP_SECS = 60.0


class LeakedThreadError(Exception):
    """A thread of a scenario outlived its sandbox, although everything it waits for was ended."""


class Clock:
    """A clock that stands still unless a scenario or a sleep moves it."""

    def __init__(self, start: float = 1600000000.0) -> None:
        self.now = start
        self.slept = []  # type: List[float]
        self.on_sleep = None  # type: Any

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self.now

    def sleep(self, secs: float) -> None:
        """Move the clock by `secs`, and give other threads a moment of real time; it fails as the real one does."""
        if secs < 0:
            raise ValueError("sleep length must be non-negative")
        self.slept.append(secs)
        self.now += secs
        if self.on_sleep is not None:
            self.on_sleep(secs)
        _real_sleep(min(max(secs, 0.0), _LONGEST_REAL_SLEEP_SECS))
        idleness.let_others_run(_LONGEST_MOMENT_SECS)

    def advance(self, secs: float) -> None:
        """Move the clock by `secs`, which may be negative."""
        self.now += secs


class _LogCapture(logging.Handler):
    def __init__(self, record: Recorder) -> None:
        super().__init__()
        self._record = record

    def emit(self, record: Any) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError) as error:  # logging goes on after a line that it cannot format
            text = "{} cannot be formatted: {}".format(record.msg, error)
        if is_of_the_run(text):
            self._record.log(record.levelname, text, bool(record.exc_info))


def run_in_sandbox(
    train: Any, scenario: Callable[[Any, Recorder], Any], directory: Any = None, clock: Any = None
) -> List[Event]:
    """Run `scenario(train, record)` in a fresh sandbox and return its trace.

    An exception that the scenario itself lets out is the scenario's bug, and propagates. A directory
    that is given is used as it is and left there; a clock that is given goes on.
    """
    own_directory = directory is None
    directory = directory or tempfile.mkdtemp(prefix="conformance-")
    record = Recorder(train, directory, clock or Clock())
    threads_before = set(threading.enumerate())
    made = record.sessions
    try:
        with contextlib.ExitStack() as stack:
            stack.callback(os.chdir, os.getcwd())
            stack.enter_context(_virtual_time(record.clock))
            stack.enter_context(_captured_log(record))
            stack.enter_context(_captured_warnings(record))
            stack.enter_context(_tracked_sessions(record, made))
            graph = tf.Graph()
            record.graphs.append(graph)
            try:
                with graph.as_default():
                    scenario(train, record)
                record.graph_state("graph at the end", graph)
            finally:
                tf.summary.FileWriterCache.clear()
                record("threads left", _thread_names(threads_before))
                _end_everything(record, made, threads_before)
        events = list(record.events)
        if record.thread_events:
            events.append(Event("seen by other threads", _sorted_events(record.thread_events)))
        state = probes.directory_state(directory, record.describer)
        events.append(Event("files at the end", state))
        return events
    finally:
        if own_directory:
            shutil.rmtree(directory, ignore_errors=True)


def _sorted_events(events: List[Event]) -> Any:
    # How threads interleave is not compared.
    return sorted(([event.kind, event.data] for event in events), key=repr)


@contextlib.contextmanager
def _virtual_time(clock: Clock) -> Any:
    saved = time.time, time.sleep
    time.time, time.sleep = clock.time, clock.sleep
    try:
        yield
    finally:
        time.time, time.sleep = saved


@contextlib.contextmanager
def _captured_log(record: Recorder) -> Any:
    logger = logging.getLogger("tensorflow")
    saved = list(logger.handlers), logger.propagate, logger.level
    print_options = np.get_printoptions()
    logger.handlers = [_LogCapture(record)]
    logger.propagate = False
    logger.setLevel(logging.INFO)
    _forget_limited_warnings()
    tf.summary.FileWriterCache.clear()
    try:
        yield
    finally:
        logger.handlers, logger.propagate = saved[0], saved[1]
        logger.setLevel(saved[2])
        np.set_printoptions(**print_options)


def _forget_limited_warnings() -> None:
    # Warnings "at most five times a process" are counted in a private table that both sides share.
    module = sys.modules.get("tensorflow.python.platform.tf_logging")
    counts = getattr(module, "_log_counter_per_token", None)
    if isinstance(counts, dict):
        counts.clear()


@contextlib.contextmanager
def _captured_warnings(record: Recorder) -> Any:
    def show(message: Any, category: Any, *_: Any, **__: Any) -> None:
        if is_of_the_run(str(message)):
            record("warning", [category.__name__, str(message)])

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def _tracked_sessions(record: Recorder, made: List[Any]) -> Any:
    """Record every tf.Session that is made and closed, whoever does it.

    A session on a graph that is not the scenario's is an implementation's private matter.
    """
    cls = tf.Session
    original_init, original_close = cls.__init__, cls.close
    own_close = "close" in vars(cls)

    def init(self: Any, target: str = "", graph: Any = None, config: Any = None) -> None:
        self._session = None  # without it, __del__ of a session that cannot be made fails, and warns
        original_init(self, target, graph, config)
        made.append(self)
        if any(graph is self.graph for graph in record.graphs):
            record("tf session made", [record.number("tf session", self), target, config])

    def close(self: Any) -> Any:
        # A session of an earlier sandbox may be collected, and so closed, at any time.
        of_the_scenario = any(graph is self.graph for graph in record.graphs)
        if of_the_scenario and any(session is self for session in made):
            record.in_order("tf session closed", record.number("tf session", self))
        return original_close(self)

    cls.__init__, cls.close = init, close
    try:
        yield
    finally:
        cls.__init__ = original_init
        if own_close:
            cls.close = original_close
        else:
            del cls.close


def _new_threads(before: Any) -> List[Any]:
    return [thread for thread in threading.enumerate() if thread not in before]


def _thread_names(before: Any) -> List[str]:
    """Return the names of queue runner threads that do not end by themselves, others as a count."""
    start = idle_since = _real_monotonic()
    while _new_threads(before) and idle_since < start + _LONGEST_PATIENCE_SECS:
        now = _real_monotonic()
        if idleness.running_threads() > 1:
            idle_since = now
        elif now > idle_since + _PATIENCE_SECS:
            break
        _real_sleep(0.005)
    names = [thread.name for thread in _new_threads(before)]
    return sorted(name if name.startswith("QueueRunnerThread-") else "another thread" for name in names)


def _end_everything(record: Recorder, sessions: List[Any], threads_before: Any) -> None:
    count = len(record.events), len(record.thread_events)
    for release in record.releases:
        release()
    for coordinator in record.coordinators:
        try:
            coordinator.request_stop()
        except BaseException as error:  # the exception a scenario parked there
            del error
    for session in sessions:
        session.close()
    deadline = _real_monotonic() + _CLEAN_UP_SECS
    while _new_threads(threads_before):
        if _real_monotonic() > deadline:
            names = [thread.name for thread in _new_threads(threads_before)]
            raise LeakedThreadError(", ".join(names))
        _real_sleep(0.002)
    # What the cleaning did is no observation.
    del record.events[count[0] :]
    del record.thread_events[count[1] :]
