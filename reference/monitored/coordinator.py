"""Stopping threads together: who asked for a stop, why, and waiting until all of them are gone.

Responsible for the stop flag, the one exception that is kept, and joining. Not responsible for what
the threads do (`looper_thread.py`, `queue_runners.py`) nor for what a session makes of a reported
exception (`session_layers.py`).
"""

import contextlib
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow.compat.v1 as tf

_SHORTEST_NAP_SECS = 0.001
_Threads = Iterable[threading.Thread]


class Coordinator:
    """Lets any of several threads stop all of them, and reports why to whoever joins them.

    Threads poll `should_stop` (or block in `wait_for_stop`) and end when it says so. The first
    `request_stop` decides how the story ends: if it carried an exception, `join` raises it.

    Rules: MTS-CRD-01 to MTS-CRD-06.
    Source: tensorflow/python/training/coordinator.py
    """

    def __init__(self, clean_stop_exception_types: Iterable[type[BaseException]] | None = None) -> None:
        """Start with nothing stopped and no thread registered.

        An exception of one of `clean_stop_exception_types` (None means OutOfRangeError alone) is
        how a thread says that its work is done: it stops the others and is not raised by `join`.

        Rules: MTS-CRD-01.
        """
        types = (tf.errors.OutOfRangeError,) if clean_stop_exception_types is None else clean_stop_exception_types
        self._clean_stop_exception_types = tuple(types)
        self._registered_threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._stop_event = threading.Event()
        self._reported: Any = None
        self._joined = False

    @property
    def joined(self) -> bool:
        """Whether `join` has finished waiting since the start or the last `clear_stop`."""
        return self._joined

    def should_stop(self) -> bool:
        """Whether somebody has requested a stop."""
        return self._stop_event.is_set()

    def wait_for_stop(self, timeout: float | None = None) -> bool:
        """Block for `timeout` seconds (None: for ever) or until a stop is requested.

        Returns whether one was requested.
        """
        return self._stop_event.wait(timeout)

    def request_stop(self, ex: Any = None) -> None:
        """Set the stop flag, and keep `ex` for `join` if it is the first thing reported.

        `ex` is None, an exception, or an `exc_info` tuple. An exception object must be the one
        being handled at the moment, because what is kept is `sys.exc_info()`. After `join` nobody
        is left to report to, so `ex` is raised here instead.

        An exception reported while none is handled, or a tuple that is no `exc_info`, raises
        TypeError; the stop flag is then not set and every later `join` fails too.

        Rules: MTS-CRD-01, MTS-CRD-02, MTS-CRD-04, MTS-CRD-06, Q-24, Q-25.
        """
        with self._lock:
            # MTS-CRD-01, Q-25: () has no item 1.
            if isinstance(ex[1] if isinstance(ex, tuple) else ex, self._clean_stop_exception_types):
                ex = None
            # MTS-CRD-02
            if self._joined and ex is not None:
                _raise_value_of(ex if isinstance(ex, tuple) else sys.exc_info())
            if self.should_stop():
                return
            # MTS-CRD-04, Q-25: 0 is as good as None.
            if ex and self._reported is None:
                self._reported = _log_report(ex)
                if len(self._reported) != 3 or not all(self._reported[:2]):
                    # TensorFlow means to say what it wants here and fails while formatting it.
                    raise TypeError("not all arguments converted during string formatting")
            self._stop_event.set()

    def clear_stop(self) -> None:
        """Forget the stop, the exception and the join, so that the coordinator can be used again.

        Registered threads stay registered.

        Rules: MTS-CRD-02.
        """
        with self._lock:
            self._joined, self._reported = False, None
            self._stop_event.clear()

    @contextlib.contextmanager
    def stop_on_exception(self) -> Iterator[None]:
        """Report whatever the `with` block raises, and go on after the block.

        That includes KeyboardInterrupt and SystemExit.

        Rules: MTS-CRD-05.
        """
        try:
            yield
        except BaseException:
            self.request_stop(ex=sys.exc_info())

    def register_thread(self, thread: threading.Thread) -> None:
        """Have the next `join` wait for `thread` too.

        Threads that have ended meanwhile are forgotten: nobody has to wait for them.
        """
        with self._lock:
            self._registered_threads = {known for known in self._registered_threads if not _has_ended(known)}
            self._registered_threads.add(thread)

    def join(
        self, threads: _Threads | None = None, stop_grace_period_secs: float = 120, ignore_live_threads: bool = False
    ) -> None:
        """Wait for `threads` and the registered ones, then raise what was reported.

        The wait has no limit until somebody requests a stop; from then on threads have
        `stop_grace_period_secs` to end. Without a reported exception, threads that are still alive
        are a RuntimeError, or a log line if `ignore_live_threads`. Joining does not request a stop.
        Every call raises the reported exception anew, until `clear_stop`.

        Rules: MTS-CRD-03.
        """
        with self._lock:
            waited_for = self._registered_threads.union(() if threads is None else threads)
        while _any_alive(waited_for) and not self.wait_for_stop(1.0):
            pass
        naps = _naps(stop_grace_period_secs)
        while _any_alive(waited_for) and (nap := next(naps, None)) is not None:
            time.sleep(nap)
        stragglers = [thread.name for thread in waited_for if thread.is_alive()]

        with self._lock:
            self._joined, self._registered_threads = True, set()
            _raise_value_of(self._reported)
            text = "Coordinator stopped with threads still running: %s"
            if stragglers and not ignore_live_threads:
                raise RuntimeError(text % " ".join(stragglers))
            if stragglers:
                tf.logging.info(text, " ".join(stragglers))

    def raise_requested_exception(self) -> None:
        """Raise the reported exception if there is one.

        Rules: MTS-CRD-01.
        """
        with self._lock:
            _raise_value_of(self._reported)


def _raise_value_of(exc_info: Any) -> None:
    if exc_info:
        # The strict unpacking is what turns away a tuple of another length (D23).
        _, value, _ = exc_info
        raise value


def _log_report(ex: Any) -> Any:
    """Log what was reported and return the `exc_info` to keep for it."""
    # MTS-CRD-06
    if isinstance(ex, tuple):
        tf.logging.info("Error reported to Coordinator: %s", tf.compat.as_str_any(ex[1]), exc_info=ex)
        return ex
    tf.logging.info("Error reported to Coordinator: %s, %s", type(ex), tf.compat.as_str_any(ex))
    return sys.exc_info()


def _has_ended(thread: threading.Thread) -> bool:
    """Whether `thread` was alive and never will be again; no other kind of object is known to be so."""
    return isinstance(thread, threading.Thread) and thread.ident is not None and not thread.is_alive()


def _any_alive(threads: _Threads) -> bool:
    return any(thread.is_alive() for thread in threads)


def _naps(grace_secs: float) -> Iterator[float]:
    """Yield seconds to sleep: doubling from the shortest nap until `grace_secs` are slept away."""
    nap = _SHORTEST_NAP_SECS
    while grace_secs >= 0.0:
        yield nap
        grace_secs -= nap
        nap = max(min(2 * nap, grace_secs), _SHORTEST_NAP_SECS)
