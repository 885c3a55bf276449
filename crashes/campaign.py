"""The kills: jobs that are killed again and again while they train, each time looked at and started again.

A job is one folder and several processes, one after the other; the last of them is left alone to
its end.
"""

import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from crashes import folder, trainer
from crashes.marks import INSIDE_A_SAVE, Marks, Phase
from crashes.server import Server, Trainer

KILLS_OF_A_JOB = 10
STEPS_AFTER_THE_LAST_KILL = 8
_PATIENCE_SECS = 600.0
_GRANULARITY_SECS = 0.0002
_FIRST_GUESS_SECS = 0.02
_OTHER_FILES_MEBIBYTES = 50.0
"""Meta graphs, events, graphs as text: some 30 kB each."""

_WEIGHTS = {
    Phase.STARTING: 4,
    Phase.BETWEEN: 4,
    Phase.BEFORE: 10,
    Phase.VALUES: 34,
    Phase.STATE: 16,
    Phase.DELETING: 10,
    Phase.META: 16,
    Phase.WRITTEN: 6,
}
"""How often a kill is aimed at each phase, in percent."""

_DURABLE_WEIGHTS = {**_WEIGHTS, Phase.VALUES: 17, Phase.FLUSHING: 17}


class Config(NamedTuple):
    """A kind of job: how it saves, and what."""

    asynchronous: bool
    size: str

    @property
    def name(self) -> str:
        """How it is called on the command line and in tables."""
        return f"{'async' if self.asynchronous else 'sync'}-{self.size}"


SIZES = {"small": (4, 10), "large": (40, 2**18)}
"""Variables, and floats in each: 160 bytes, 40 MiB."""

CONFIGS = tuple(Config(asynchronous, size) for asynchronous in (False, True) for size in SIZES)


class Kill(NamedTuple):
    """One kill: what it was aimed at, where the trainer was, what was found, and how the next process began.

    `restart` is what was wrong with that, `restored` the step at which it began; -1 if it ended
    before it could say, so that nothing was observed of it unless it ended by itself.
    """

    config: str
    number: int
    aimed_at: str
    phase: str
    announced: int
    step: int
    losses: list[str]
    meta: str
    left_over: dict[str, int]
    restart: str = ""
    restored: int = -1

    @property
    def restart_observed(self) -> bool:
        """Whether it is known how the next process began."""
        return bool(self.restart) or self.restored >= 0

    @property
    def inside_a_save(self) -> bool:
        """Whether a checkpoint was being written."""
        return Phase[self.phase] in INSIDE_A_SAVE


class StuckError(Exception):
    """A trainer did nothing for too long, or ended by itself."""


def configs(implementation: str, only: str = "") -> list[Config]:
    """Return the kinds of jobs of an implementation; of these `only`, such as sync, large or sync-large."""
    wanted = set(only.split("-")) if only else set()
    return [
        config
        for config in CONFIGS
        if wanted <= set(config.name.split("-")) and not (implementation != "monitored" and config.asynchronous)
    ]


def run(
    server: Server,
    implementation: str,
    kinds: list[Config],
    kills: int,
    seed: int,
    where: str | None = None,
    plant: str = "",
    durable: bool = False,
) -> Iterator[Kill]:
    """Kill `kills` trainers, as many of each kind; yield each kill as soon as its restart is known."""
    shares = [kills // len(kinds) + (index < kills % len(kinds)) for index in range(len(kinds))]
    for config, share in zip(kinds, shares, strict=True):
        for first in range(0, share, KILLS_OF_A_JOB):
            draw = random.Random(f"{seed} {implementation} {config.name} {first}")
            with tempfile.TemporaryDirectory(prefix="crashes-", dir=where) as place:
                job = _Job(server, config, place, draw, implementation=implementation, plant=plant, durable=durable)
                yield from job.run(range(first, min(first + KILLS_OF_A_JOB, share)))


class _Job:
    """One folder, and the processes that train in it."""

    def __init__(self, server: Server, config: Config, place: str, draw: random.Random, **how: Any) -> None:
        self._server, self._config, self._draw = server, config, draw
        variables, floats = SIZES[config.size]
        paths = {name: os.path.join(place, name) for name in ("folder", "marks", "errors")}
        size = {"variables": variables, "floats": floats}
        self._task = trainer.Job(asynchronous=config.asynchronous, **size, **paths, **how)
        self._marks = Marks(self._task.marks, new=True)

    def run(self, numbers: range) -> Iterator[Kill]:
        try:
            kill, expected = None, 0
            weights = _DURABLE_WEIGHTS if self._task.durable else _WEIGHTS
            for number in numbers:
                aimed_at = self._draw.choices(list(weights), list(weights.values()))[0]
                restart, phase = self._one_process(aimed_at, self._draw.randint(1, 4), self._draw.random(), expected)
                found = folder.look(self._task.folder, self._marks.announced)
                if kill is not None:
                    yield kill._replace(restart=restart, restored=self._marks.restored)
                elif restart:  # what goes wrong with a first process is not the restart of any other
                    found.losses.append(f"the first process: {restart}")
                kill = Kill(self._config.name, number, aimed_at.name, phase.name, self._marks.announced, *found)
                if self._marks.restored >= 0:
                    # Where this process never began, the next one has to begin where it should have.
                    expected = max(found.step, 0)
            assert kill is not None
            restart = self._last_process(max(kill.step, 0))
            yield kill._replace(restart=restart, restored=self._marks.restored)
        finally:
            self._marks.close()

    def _one_process(self, aimed_at: Phase, save: int, within: float, expected: int) -> tuple[str, Phase]:
        """Start a process and kill it; return what is wrong with its beginning, and where it was killed."""
        process, found = self._start(self._task), ""
        try:
            if aimed_at is Phase.STARTING:
                _wait(within * max(self._marks.secs(Phase.STARTING), _FIRST_GUESS_SECS))
            else:
                self._wait_for(process, lambda: self._marks.restored >= 0)
                self._aim(process, aimed_at, save, within)
        except StuckError as error:
            found = str(error)
        finally:
            ended_by_itself = process.has_ended()
            code = process.kill()
        if ended_by_itself or code != -signal.SIGKILL:
            found = (
                f"ended by itself with exit code {code}, in the phase {self._marks.phase.name}: {self._last_words()}"
            )
        if not found and self._marks.restored >= 0:
            found = self._beginning(expected)
        return found, self._marks.phase

    def _last_process(self, step: int) -> str:
        """Let a process train on from `step` to its end; return what is wrong with it."""
        last_step = step + STEPS_AFTER_THE_LAST_KILL
        process = self._start(self._task._replace(last_step=last_step))
        process.has_ended(_PATIENCE_SECS)
        code = process.kill()
        found = folder.look(self._task.folder, last_step)
        failed = [self._error()] if code != 0 else []
        return "; ".join([*failed, *filter(None, [self._beginning(step)]), *found.losses])

    def _beginning(self, expected: int) -> str:
        restored = self._marks.restored
        return "" if restored == expected else f"began at step {restored} in place of {expected}"

    def _start(self, task: trainer.Job) -> Trainer:
        self._marks.start()
        if os.path.exists(task.errors):
            os.remove(task.errors)
        return self._server.start(task)

    def _aim(self, process: Trainer, aimed_at: Phase, save: int, within: float) -> None:
        """Wait until the trainer is in a phase of a save, and then for a share of the phase's time."""
        marks = self._marks
        self._wait_for(process, lambda: marks.saves >= save)
        deadline = time.monotonic() + _PATIENCE_SECS
        while marks.phase is not aimed_at:  # without a pause: some phases are shorter than the shortest
            if time.monotonic() > deadline:
                raise StuckError(self._error())
        _wait(within * (marks.secs(aimed_at) or _FIRST_GUESS_SECS))

    def _wait_for(self, process: Trainer, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECS
        while not condition():
            if process.has_ended() or time.monotonic() > deadline:
                raise StuckError(self._error())
            time.sleep(_GRANULARITY_SECS)

    def _error(self) -> str:
        return (
            self._last_words() or f"did not go on within {_PATIENCE_SECS:.0f} s, in the phase {self._marks.phase.name}"
        )

    def _last_words(self) -> str:
        """Return the last line of what a trainer wrote when it failed."""
        if not os.path.exists(self._task.errors):
            return ""
        with open(self._task.errors, encoding="utf-8") as file:
            return (file.read().strip().splitlines() or [""])[-1]


def _wait(secs: float) -> None:
    until = time.perf_counter() + secs
    while time.perf_counter() < until:
        pass


def needed_mebibytes(kinds: list[Config]) -> float:
    """Return how much room the jobs need, one after the other: what is kept, and two left over by each kill."""
    largest = max(4 * variables * floats for variables, floats in (SIZES[config.size] for config in kinds))
    return (trainer.KEPT + 1 + 2 * KILLS_OF_A_JOB) * largest / 2**20 + _OTHER_FILES_MEBIBYTES


def free_mebibytes(where: str | None) -> float:
    """Return how much room there is for the jobs."""
    return shutil.disk_usage(where or tempfile.gettempdir()).free / 2**20
