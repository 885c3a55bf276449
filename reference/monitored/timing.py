"""When to act: decisions that depend on the step and the time alone.

Acting, and reading the step from a session, is the hooks' business. Time is in seconds and read
with `time.time()`; steps are compared as they come, Python or numpy integers alike.

Source: tensorflow/python/training/basic_session_run_hooks.py
"""

import time
from collections.abc import Callable
from typing import Any


def is_due(step: Any, now: float, last_step: Any, last_time: Any, secs: float | None, steps: float | None) -> bool:
    """Whether to act at `step` and `now`, having acted at `last_step` and `last_time`.

    True if there was no last time, False at the same step again, else whether the period of `secs`
    or of `steps` is over, its end included. A step that went back is not due by steps.

    Rules: MTS-TMR-02.
    """
    if last_step is None:
        return True
    if step == last_step:
        return False
    by_secs = secs is not None and now >= last_time + secs
    return bool(by_secs or (steps is not None and step >= last_step + steps))


class SecondOrStepTimer:
    """A timer that is due every so many seconds, or every so many steps.

    It is due at once when never triggered, and never twice at one step. Raises ValueError unless
    exactly one of the two periods is given; zero and negative ones count as given.

    Rules: MTS-TMR-01, MTS-TMR-02, MTS-TMR-03.
    """

    def __init__(self, every_secs: float | None = None, every_steps: float | None = None) -> None:
        self.reset()
        self._every_secs, self._every_steps = every_secs, every_steps
        if every_secs is None and every_steps is None:
            raise ValueError("Either every_secs or every_steps should be provided.")
        if every_secs is not None and every_steps is not None:
            raise ValueError("Can not provide both every_secs and every_steps.")

    def reset(self) -> None:
        """Forget when it was last triggered."""
        self._last_triggered_step: Any = None
        self._last_triggered_time: Any = None

    def should_trigger_for_step(self, step: Any) -> bool:
        """Whether it is due at `step` and the present time; changes nothing.

        Rules: MTS-TMR-02.
        """
        last_step, last_time = self._last_triggered_step, self._last_triggered_time
        return is_due(step, time.time(), last_step, last_time, self._every_secs, self._every_steps)

    def update_last_triggered_step(self, step: Any) -> tuple[float | None, Any]:
        """Mark it triggered at `step`, now.

        Returns the seconds and the steps since it was last triggered, both None the first time and
        negative if the clock or the step went back.

        Rules: MTS-TMR-03.
        """
        now, last_time = time.time(), self._last_triggered_time
        elapsed = (None, None) if last_time is None else (now - last_time, step - self._last_triggered_step)
        self._last_triggered_step, self._last_triggered_time = step, now
        return elapsed

    def last_triggered_step(self) -> Any:
        """Return the step at which it was last triggered, None if never."""
        return self._last_triggered_step


class NeverTriggerTimer:
    """A timer that is never due and remembers nothing.

    Rules: MTS-TMR-03.
    """

    def reset(self) -> None:
        """Do nothing."""

    def should_trigger_for_step(self, step: Any) -> bool:
        """Return False."""
        return False

    def update_last_triggered_step(self, step: Any) -> tuple[None, None]:
        """Return (None, None)."""
        return (None, None)

    def last_triggered_step(self) -> None:
        """Return None."""


def due_step(
    timer: SecondOrStepTimer, stale_step: Any, steps_per_run: int, read: Callable[..., Any], *source: Any
) -> Any:
    """Return the step at which to act after a run, or None for not now.

    A step fetched in the run may be from before its increment, so it counts `steps_per_run` late.
    Only if the timer is due by that guess is the real step read, by `read(*source)`, and asked
    about again.

    Rules: MTS-CKH-02, MTS-STC-01.
    """
    if not timer.should_trigger_for_step(stale_step + steps_per_run):
        return None
    step = read(*source)
    return step if timer.should_trigger_for_step(step) else None
