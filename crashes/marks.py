"""Where a trainer is, in memory that outlives it: a file that both sides have mapped.

To mark a phase is to store a few numbers, so that it slows nothing down; what was stored last is
there after a SIGKILL, since the pages are the kernel's.
"""

import enum
import mmap
import time


class Phase(enum.IntEnum):
    """What a trainer is doing; from BEFORE on it is writing a checkpoint."""

    STARTING = 0
    BETWEEN = 1
    BEFORE = 2
    VALUES = 3
    STATE = 4
    DELETING = 5
    META = 6
    WRITTEN = 7
    FLUSHING = 8


TITLES = {
    Phase.STARTING: "making the session",
    Phase.BETWEEN: "between saves",
    Phase.BEFORE: "before the values",
    Phase.VALUES: "values and index",
    Phase.STATE: "state file",
    Phase.DELETING: "deleting an old one",
    Phase.META: "meta graph",
    Phase.WRITTEN: "before announcing",
    Phase.FLUSHING: "flushing to the disk",
}

INSIDE_A_SAVE = tuple(Phase)[Phase.BEFORE :]

_ANNOUNCED, _RESTORED, _SAVES, _PHASE, _DURATIONS = range(5)
_NUMBERS = _DURATIONS + len(Phase)


def _number(index: int, says: str) -> property:
    """Return an attribute of Marks that is one of its numbers."""

    def get(marks: "Marks") -> int:
        return marks._numbers[index]

    def put(marks: "Marks", number: int) -> None:
        marks._numbers[index] = number

    return property(get, put, doc=says)


class Marks:
    """The numbers of one trainer. The trainer writes, whoever watches it reads."""

    def __init__(self, path: str, new: bool = False) -> None:
        with open(path, "w+b" if new else "r+b") as file:
            if new:
                file.truncate(8 * _NUMBERS)
            self._memory = mmap.mmap(file.fileno(), 8 * _NUMBERS)
        self._numbers = memoryview(self._memory).cast("q")
        self._since = time.perf_counter_ns()
        if new:
            self.announced = -1
            self.start()

    def close(self) -> None:
        """Unmap the file."""
        self._numbers.release()
        self._memory.close()

    def start(self) -> None:
        """Begin another process of the same job; what was announced, and how long phases took, stays."""
        self.restored, self.saves = -1, 0
        self._numbers[_PHASE] = Phase.STARTING

    @property
    def phase(self) -> Phase:
        """What is going on."""
        return Phase(self._numbers[_PHASE])

    @phase.setter
    def phase(self, phase: Phase) -> None:
        now = time.perf_counter_ns()
        self._numbers[_DURATIONS + self._numbers[_PHASE]] = now - self._since
        self._numbers[_PHASE], self._since = phase, now

    def secs(self, phase: Phase) -> float:
        """How long a phase lasted when it last came to its end; 0.0 if it never did."""
        return self._numbers[_DURATIONS + phase] / 1e9

    announced = _number(_ANNOUNCED, "The step of the last checkpoint that a listener was told of; -1 before the first.")
    restored = _number(_RESTORED, "The step at which this process began; -1 until it has a session.")
    saves = _number(_SAVES, "How many saves this process has begun.")
