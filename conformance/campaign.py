"""Runs many programs and keeps the tally: what was run, what it met, what differed, where time went.

A campaign is a list of tasks, each a small value that any process can do: a batch of sampled
programs (a strategy, a seed and a number), or a slice of the enumeration. With several jobs the
tasks go to processes; the tallies add up to the same.
"""

import concurrent.futures
import contextlib
import functools
import gc
import hashlib
import multiprocessing
import os
import sys
import threading
import time
import traceback
from collections import Counter
from typing import Any, Callable, Iterable, Iterator, NamedTuple

import hypothesis

from conformance import coverage, devices, implementations, strategies
from conformance import program as p
from conformance.compare import ConformanceError
from conformance.harness import Harness
from conformance.interpreter import perform, run_program
from conformance.ledger import Ledger

FOLDER = os.path.dirname(os.path.abspath(__file__))
_SLOWEST = 10
_DIFFERENCES_A_STRATEGY = 3
_SAMPLE_SECS = 0.005
ELSEWHERE = "waiting for another process"
_sleep = time.sleep
_clock = time.monotonic  # time.time is virtual while a program runs


class Sides(NamedTuple):
    """What is compared, and where: names of the implementations, and the device or None."""

    oracle: str
    subject: str
    device: str | None = None


class Batch(NamedTuple):
    """`count` programs that the strategy called `strategy` draws from `seed`."""

    strategy: str
    seed: int
    count: int


class Difference(NamedTuple):
    """One difference: its report, the shrunk program, what found it, and the command that replays it."""

    origin: str
    seed: int
    report: str
    program: str
    file: str
    replay: str


class Tally:
    """What a number of programs came to; tallies add up."""

    def __init__(self) -> None:
        self.programs: Counter[str] = Counter()
        self.produced: dict[str, Counter[str]] = {}
        self.seconds: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.divergent: Counter[str] = Counter()
        self.divergences: Counter[str] = Counter()
        self.samples: Counter[str] = Counter()
        self.distinct: set[bytes] = set()
        self.slowest: list[tuple[float, str]] = []
        self.differences: list[Difference] = []
        self.errors: list[tuple[str, str]] = []

    def add(self, other: "Tally") -> None:
        """Take over what another tally holds."""
        for name in ("programs", "seconds", "rules", "divergent", "divergences", "samples"):
            getattr(self, name).update(getattr(other, name))
        for origin, counts in other.produced.items():
            self.produced.setdefault(origin, Counter()).update(counts)
        self.distinct |= other.distinct
        self.slowest = sorted(self.slowest + other.slowest, reverse=True)[:_SLOWEST]
        self.differences += other.differences
        self.errors += other.errors

    def note(self, origin: str, text: str, seconds: float) -> None:
        """Count one program and how long its comparison took."""
        self.programs[origin] += 1
        self.seconds[origin] += seconds
        self.distinct.add(hashlib.blake2b(text.encode(), digest_size=8).digest())
        if len(self.slowest) < _SLOWEST or seconds > self.slowest[-1][0]:
            self.slowest = sorted([*self.slowest, (round(seconds, 4), text)], reverse=True)[:_SLOWEST]


class Comparer:
    """Compares one program after another on the same sides."""

    def __init__(self, sides: Sides, regressions: str) -> None:
        self.sides = sides
        self.harness = Harness(sides.oracle, sides.subject)
        self.regressions = regressions
        self.tally = Tally()
        self.last: tuple[str, str] = ("", "")

    def compare(self, program: Any, origin: str, in_turn: bool = False) -> Any:
        """Compare one program in both ways or, with `in_turn`, in the one that its digest says.

        ConformanceError if it differs. Return the oracle's trace.
        """
        text = p.to_json(program)
        plain = in_turn and bool(hashlib.blake2b(text.encode(), digest_size=1).digest()[0] % 2)
        started = _clock()
        scenario = functools.partial(perform, program=program)
        _, replay = self._kept(text)
        title = f"a program of {origin}\nprogram: {text}"
        try:
            with devices.on(self.sides.device):
                rules = functools.partial(coverage.rules, program)
                both_ways = p.runs_steps(program) and not in_turn
                trace = self.harness.judge(scenario, rules, title, replay, both_ways=both_ways, plain=plain)
                if self.sides.device is not None:
                    self.harness.judge_devices(scenario, title, replay)
                self.tally.produced.setdefault(origin, Counter()).update(coverage.produced(program, trace))
            return trace
        except ConformanceError as error:
            self.last = (text, str(error))
            raise
        finally:
            self.tally.note(origin, text, _clock() - started)

    def record(self, program: Any) -> Any:
        """Return the oracle's trace of a program, without comparing."""
        with devices.on(self.sides.device):
            return run_program(self.harness.oracle.namespace, program)

    def keep_difference(self, origin: str, seed: int) -> None:
        """Save the last program that differed, and put it on the tally."""
        text, report = self.last
        os.makedirs(self.regressions, exist_ok=True)
        path, replay = self._kept(text)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        self.tally.differences.append(Difference(origin, seed, report, text, path, replay))

    def note_error(self, program: Any) -> None:
        """Put the exception that is being handled on the tally: the harness's own, not a difference."""
        self.tally.errors.append((p.to_json(program), traceback.format_exc()))

    def take_tally(self) -> Tally:
        """Return the tally, with the harness's own counts, and begin a new one."""
        tally, harness = self.tally, self.harness
        tally.rules.update(harness.rules)
        tally.divergent.update(harness.divergent)
        tally.divergences.update(harness.register.used)
        for counter in (harness.rules, harness.divergent, harness.programs, harness.differences, harness.registered):
            counter.clear()
        harness.failed.clear()
        harness.register.used = dict.fromkeys(harness.register.used, 0)
        self.tally = Tally()
        return tally

    def _kept(self, text: str) -> tuple[str, str]:
        """Return the path a program is kept under if it differs, and the command that replays it."""
        path = os.path.join(self.regressions, name_of(text))
        return path, replay_command(self.sides, path)


def replay_command(sides: Sides, path: str) -> str:
    """Return the command that compares the program in `path` on these sides."""
    options = "".join(
        f" --{side} {name}"
        for side, name, usual in (
            ("oracle", sides.oracle, implementations.DEFAULT_ORACLE),
            ("subject", sides.subject, implementations.DEFAULT_SUBJECT),
        )
        if name != usual
    )
    return f"python -m conformance replay{options}{' --device gpu' if sides.device else ''} {path}"


def name_of(text: str) -> str:
    """Return the file name that a program is saved under: the same program, the same name."""
    kind = type(p.from_json(text)).__name__
    return f"{kind.lower()}-{hashlib.blake2b(text.encode(), digest_size=5).hexdigest()}.json"


def draw(batch: Batch, use: Callable[[Any], None], *phases: hypothesis.Phase) -> None:
    """Call `use` with each program of a batch; what it raises comes out, shrunk if that is a phase."""

    def check(program: Any) -> None:
        use(program)

    check = hypothesis.given(program=strategies.BY_NAME[batch.strategy])(check)
    check = hypothesis.seed(batch.seed)(check)
    settings = hypothesis.settings(
        max_examples=batch.count,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=phases,
    )
    settings(check)()


def run_batch(comparer: Comparer, batch: Batch) -> None:
    """Compare a batch of sampled programs; the first that differs is shrunk and ends the batch.

    What the harness itself could not do is noted, and the batch goes on.
    """

    def check(program: Any) -> None:
        try:
            comparer.compare(program, batch.strategy)
        except ConformanceError:
            raise
        except Exception:
            comparer.note_error(program)

    try:
        draw(batch, check, hypothesis.Phase.generate, hypothesis.Phase.shrink)
    except ConformanceError:
        comparer.keep_difference(batch.strategy, batch.seed)
    except hypothesis.errors.Flaky:
        if not comparer.last[0]:
            raise
        comparer.keep_difference(batch.strategy + " (not every time)", batch.seed)


def batches(names: Iterable[str], programs: int, seed: int, size: int) -> list[Batch]:
    """Split `programs` over the strategies by weight, in batches, in an order that mixes them."""
    names = list(names)
    weights = [strategies.WEIGHTS[name] for name in names]
    made = []
    for name, weight in zip(names, weights, strict=True):
        share = -(-programs * weight // sum(weights))
        for number, start in enumerate(range(0, share, size)):
            digest = hashlib.blake2b(f"{name}/{number}/{seed}".encode(), digest_size=4).digest()
            batch = Batch(name, int.from_bytes(digest, "big"), min(size, share - start))
            made.append((number * size / share, batch))
    return [batch for _, batch in sorted(made, key=lambda pair: pair[0])]


Work = Callable[[Comparer, Any], None]


def run_tasks(
    sides: Sides,
    tasks: Iterable[Any],
    work: Work,
    jobs: int,
    regressions: str,
    deadline: float | None = None,
    ledger: Ledger | None = None,
) -> Iterator[tuple[Any, Tally]]:
    """Do the tasks, yielding each with its tally as it ends; stop at `deadline` on the monotonic clock.

    A task whose strategy has shown enough differences is left out. What the ledger knows is taken from it.
    """
    if ledger is None:
        yield from _run_tasks(sides, tasks, work, jobs, regressions, deadline, Counter())
        return
    unknown, shown = [], Counter[str]()
    for task in tasks:
        tally = ledger.known(sides, task)
        if tally is None:
            unknown.append(task)
        else:
            shown[getattr(task, "strategy", "")] += len(tally.differences)
            ledger.reused += 1
            yield task, tally
    for task, tally in _run_tasks(sides, unknown, work, jobs, regressions, deadline, shown):
        ledger.keep(sides, task, tally)
        yield task, tally


def _run_tasks(
    sides: Sides,
    tasks: Iterable[Any],
    work: Work,
    jobs: int,
    regressions: str,
    deadline: float | None,
    shown: Counter[str],
) -> Iterator[tuple[Any, Tally]]:
    def wanted(task: Any) -> bool:
        late = deadline is not None and _clock() > deadline
        return not late and shown[getattr(task, "strategy", "")] < _DIFFERENCES_A_STRATEGY

    if jobs == 1:
        comparer = Comparer(sides, regressions)
        for task in tasks:
            if wanted(task):
                tally = _do(comparer, work, task)
                shown[getattr(task, "strategy", "")] += len(tally.differences)
                yield task, tally
        return
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(jobs, context, _start, (sides, regressions)) as pool:
        waiting: dict[Any, Any] = {}
        remaining = iter(tasks)
        while True:
            while len(waiting) < jobs + 1:
                task = next((task for task in remaining if wanted(task)), None)
                if task is None:
                    break
                waiting[pool.submit(_do_in_process, work, task)] = task
            if not waiting:
                return
            done, _ = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                task, tally = waiting.pop(future), future.result()
                shown[getattr(task, "strategy", "")] += len(tally.differences)
                yield task, tally


_comparer: list[Comparer] = []


def _start(sides: Sides, regressions: str) -> None:
    _comparer.append(Comparer(sides, regressions))


def _do_in_process(work: Work, task: Any) -> Tally:
    return _do(_comparer[0], work, task)


def seconds_of(tally: Tally, origins: Iterable[str], elapsed: float, jobs: int) -> float:
    """Return how long programs of these origins took: what an earlier call did, too, which no clock here saw."""
    return max(elapsed, sum(tally.seconds[origin] for origin in origins) / jobs)


def _do(comparer: Comparer, work: Work, task: Any) -> Tally:
    subject = getattr(comparer.harness.subject.namespace, "__file__", None) or FOLDER
    with _sampled(os.path.dirname(subject)) as samples:
        work(comparer, task)
        gc.collect()  # the harness has switched the collector off
    tally = comparer.take_tally()
    tally.samples.update(samples)
    return tally


@contextlib.contextmanager
def _sampled(subject: str) -> Iterator[Counter[str]]:
    """Look every few milliseconds at whose code the calling thread is in, and count.

    Before Python 3.12 nothing is counted: to look at the frames of a running thread can crash there.
    """
    samples: Counter[str] = Counter()
    if sys.version_info < (3, 12):
        yield samples
        return
    thread = threading.get_ident()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            frame = sys._current_frames().get(thread)
            samples[_whose(frame, subject)] += 1
            del frame
            _sleep(_SAMPLE_SECS)

    watcher = threading.Thread(target=look, name="sampler", daemon=True)
    watcher.start()
    try:
        yield samples
    finally:
        stop.set()
        watcher.join()


def _whose(frame: Any, subject: str) -> str:
    """Whose call the innermost code serves; what the standard library or NumPy does counts for its caller."""
    while frame is not None:
        name = frame.f_code.co_filename
        if "/tensorflow/" in name:
            return "tensorflow"
        if name.startswith(FOLDER):
            return ELSEWHERE if name.endswith("processes.py") else "harness"
        if "/hypothesis/" in name:
            return "generation"
        if name.startswith(subject):
            return "subject"
        frame = frame.f_back
    return "other"
