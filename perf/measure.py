"""Compares the cost of several things fairly: interleaved, paired, with an interval.

One round runs every subject in turn, many small blocks each, so that whatever slows the machine
slows them all; a subject's sample of the round is the median of its blocks. Ratios are taken within
rounds, and what is reported is their median with an interval from order statistics, which assumes
nothing about how the noise is distributed. Knows nothing of sessions.
"""

import contextlib
import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.thread_time}
"""`cpu` is the time this thread was computing: what others do on the machine is not in it."""

CONFIDENCE = 0.95


class Subject:
    """Something whose cost is measured: `run` is on the clock, the rest is not."""

    def __init__(
        self, run: Callable[[], Any], prepare: Callable[[], Any] | None = None, close: Callable[[], Any] | None = None
    ) -> None:
        self.run = run
        self.prepare = prepare or (lambda: None)
        self.close = close or (lambda: None)


@dataclass(frozen=True)
class Effort:
    """How often to measure: `rounds` of `blocks` of `calls` calls, for each subject."""

    rounds: int = 7
    blocks: int = 10
    calls: int = 100
    warmup: int = 1


Samples = dict[str, dict[str, list[float]]]
"""Seconds per call: by clock, then by subject, one number a round."""


@contextlib.contextmanager
def _without_gc() -> Iterator[None]:
    """Garbage is collected before, not within: that takes longer than many steps."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Interleaved:
    """Measures subjects side by side, one round at a time."""

    def __init__(self, subjects: Mapping[str, Subject], effort: Effort) -> None:
        self._subjects, self._effort = dict(subjects), effort
        self.samples: Samples = {clock: {name: [] for name in subjects} for clock in CLOCKS}
        self._rounds = 0

    def warm_up(self) -> None:
        """Run each subject's first calls, which are not counted."""
        for subject in self._subjects.values():
            for _ in range(self._effort.warmup):
                subject.prepare()
                subject.run()

    def round(self) -> None:
        """Measure every subject once more; another one begins each time."""
        names = list(self._subjects)
        blocks: Samples = {clock: {name: [] for name in names} for clock in CLOCKS}
        with _without_gc():
            for block in range(self._effort.blocks):
                start = (self._rounds + block) % len(names)
                for name in names[start:] + names[:start]:
                    for clock, secs in _time_block(self._subjects[name], self._effort.calls).items():
                        blocks[clock][name].append(secs)
        for clock, by_name in blocks.items():
            for name, values in by_name.items():
                self.samples[clock][name].append(statistics.median(values))
        self._rounds += 1

    def close(self) -> None:
        """Close every subject."""
        for subject in self._subjects.values():
            subject.close()


def _time_block(subject: Subject, calls: int) -> dict[str, float]:
    """Return the seconds per call by each clock."""
    run = subject.run
    subject.prepare()
    wall, cpu = time.perf_counter(), time.thread_time()
    for _ in range(calls):
        run()
    cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
    return {"wall": wall / calls, "cpu": cpu / calls}


@dataclass(frozen=True)
class Estimate:
    """A median with its interval, and how many samples it is of."""

    value: float
    low: float
    high: float
    samples: int

    def holds(self, value: float) -> bool:
        """Whether the interval contains a value."""
        return self.low <= value <= self.high

    def as_dict(self) -> dict[str, float]:
        """The fields, for JSON."""
        return asdict(self)


def coverage(samples: int, rank: int) -> float:
    """How surely the median lies between the `rank`-th smallest and the `rank`-th largest sample."""
    outside = sum(math.comb(samples, k) for k in range(rank)) / 2**samples
    return 1 - 2 * outside


def estimate(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Return the median with the narrowest symmetric interval of order statistics that is sure enough.

    Fewer than six samples cannot be 95 % sure: then it is their whole range.
    """
    if not values:
        raise ValueError("values is empty")
    ordered = sorted(values)
    rank = 1
    while rank < (len(ordered) + 1) // 2 and coverage(len(ordered), rank + 1) >= confidence:
        rank += 1
    return Estimate(statistics.median(ordered), ordered[rank - 1], ordered[-rank], len(ordered))


def paired_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> Estimate:
    """Return the median of the ratios within rounds."""
    if len(numerator) != len(denominator):
        raise ValueError(f"{len(numerator)} samples are paired with {len(denominator)}")
    return estimate([above / below if below else math.nan for above, below in zip(numerator, denominator, strict=True)])


def is_significant(ratio: Estimate) -> bool:
    """Whether two costs differ at all: 1 is outside the ratio's interval."""
    return not ratio.holds(1.0)


def differences(larger: Sequence[float], smaller: Sequence[float], units: float) -> list[float]:
    """Return round by round what one of `units` more costs."""
    return [(above - below) / units for above, below in zip(larger, smaller, strict=True)]


def growth(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope through points (size, cost): the median of those of all pairs (Theil-Sen)."""
    slopes = [(c2 - c1) / (s2 - s1) for i, (s1, c1) in enumerate(points) for s2, c2 in points[i + 1 :] if s1 != s2]
    if not slopes:
        raise ValueError("points of at least two sizes are needed")
    return statistics.median(slopes)


def is_regression(now: Estimate, before: Estimate, tolerance: float) -> bool:
    """Whether a cost ratio grew beyond noise.

    Its interval lies above the earlier one, and its median is more than `tolerance` (0.1: 10 %)
    above the earlier one's.
    """
    return now.low > before.high and now.value > before.value * (1 + tolerance)
