"""A thread that repeats something until its coordinator says stop.

Responsible for when the repeated code runs. What it is, is the caller's `target` or a subclass's
`run_loop`; when to stop is the coordinator's (`coordinator.py`).
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from monitored.coordinator import Coordinator

_Round = Callable[..., object] | None


class LooperThread(threading.Thread):
    """A daemon thread that calls `run_loop` until its coordinator stops.

    `start_loop` is called once before the first round; `stop_loop` once after the last one, also if
    there was none, but not if anything raised. What they raise goes to the coordinator.

    Rules: MTS-LPR-01.
    Source: tensorflow/python/training/coordinator.py
    """

    def __init__(
        self, coord: Any, timer_interval_secs: float | None, target: _Round = None, args: Any = None, kwargs: Any = None
    ) -> None:
        """Make the thread, not yet started, and register it with `coord`.

        Rounds begin every `timer_interval_secs` seconds, the first at once; None means back to
        back. ValueError if `coord` is neither a `Coordinator` nor `tf.train.Coordinator`, or if
        there are `args` or `kwargs` but no `target`.

        Rules: MTS-LPR-01.
        """
        # TensorFlow's class is known by its name, for nothing that supervises a session is imported from there.
        names = [(cls.__name__, cls.__module__.partition(".")[0]) for cls in type(coord).__mro__]
        if not isinstance(coord, Coordinator) and ("Coordinator", "tensorflow") not in names:
            text = "'coord' argument must be a Coordinator: %s"
            raise ValueError(text % coord)
        super().__init__()
        if not target and (args or kwargs):
            raise ValueError("'args' and 'kwargs' argument require that you also pass 'target'")
        self.daemon = True
        self._coord, self._timer_interval_secs = coord, timer_interval_secs
        # Threads that know their target when they are made are named after it, and the name shows
        # in the coordinator's messages; so these are set afterwards.
        self._target, self._args, self._kwargs = target, args or (), kwargs or {}
        coord.register_thread(self)

    @staticmethod
    def loop(
        coord: Any, timer_interval_secs: float | None, target: _Round, args: Any = None, kwargs: Any = None
    ) -> "LooperThread":
        """Start a thread that calls `target(*args, **kwargs)` in rounds, and return it.

        Rules: MTS-LPR-01.
        """
        looper = LooperThread(coord, timer_interval_secs, target, args, kwargs)
        looper.start()
        return looper

    def run(self) -> None:
        """Do all rounds; called in the new thread by `start`.

        Rounds on a timer keep to the times fixed at the start: one that took too long is followed
        at once by the next.

        Rules: MTS-LPR-01.
        """
        with self._coord.stop_on_exception():
            self.start_loop()
            if self._timer_interval_secs is None:
                while not self._coord.should_stop():
                    self.run_loop()
            else:
                due = time.time()
                while not self._coord.wait_for_stop(due - time.time()):
                    due += self._timer_interval_secs
                    self.run_loop()
            self.stop_loop()

    def start_loop(self) -> None:
        """Prepare, in the thread; for subclasses."""

    def run_loop(self) -> None:
        """Do one round: call the target if there is one."""
        if self._target:
            self._target(*self._args, **self._kwargs)

    def stop_loop(self) -> None:
        """Tidy up, in the thread, after a normal end; for subclasses."""
