"""`python -m conformance enumerate`: the complete small scope, nothing sampled.

Faults: up to two hooks, three runs, every session class, with and without a `with` block; every
single fault and every pair of faults, where a fault is something a hook does at one call of one
stage: raise or report to the coordinator an error of any type, request a stop, close the session.

Arguments: every combination of the five periods of MonitoredTrainingSession, as chief and as worker,
with and without a directory.

What is left out is the same program: if with the first fault alone the call of the second is never
reached, the pair runs exactly as the first fault alone, event by event, because a fault has no effect
before its call. Which calls are reached is read from the oracle's trace of the single fault, and the
subject showed the same trace. Nothing else is left out.

Single faults run in both of the subject's ways of executing a step, all else in the one that a bit of the
program's digest says.
"""

import argparse
import itertools
import time
from collections import Counter
from typing import Any, Callable, Iterator, NamedTuple

from conformance import campaign
from conformance import program as p
from conformance.compare import ConformanceError
from conformance.ledger import Ledger

RUNS = 3
_CALLS = {"begin": 1, "after_create_session": 2, "before_run": RUNS, "after_run": RUNS, "end": 2}
_SESSIONS = ("MonitoredSession", "SingularMonitoredSession")
_PERIODS = (
    "save_checkpoint_secs", "save_checkpoint_steps", "save_summaries_steps", "save_summaries_secs",
    "log_step_count_steps",
)  # fmt: skip
_PIECE = 200
_ORIGINS = ("single faults", "pairs of faults", "arguments")

Fault = tuple[int, p.Action]
Reached = dict[str, int]


class Setting(NamedTuple):
    """What a fault happens in: a session class, a with block or none, one hook or two."""

    session: str
    with_block: bool
    hooks: int


class Slice(NamedTuple):
    """One part of the work: singles of a setting, pairs that begin with one fault, or arguments."""

    what: str
    setting: Any
    first: int = 0
    count: int = 0


SETTINGS = tuple(Setting(*one) for one in itertools.product(_SESSIONS, (True, False), (1, 2)))


def faults(hooks: int) -> list[Fault]:
    """Return every single fault for that many hooks: which hook, and the action."""
    found = []
    for hook in range(hooks):
        for stage, calls in _CALLS.items():
            for call in range(1, calls + 1):
                found += [(hook, p.Action(stage, call, "raise", error)) for error in p.ERRORS]
                found += [(hook, p.Action(stage, call, do)) for do in ("request_stop", "close")]
                if stage != "begin":  # no coordinator yet
                    found += [(hook, p.Action(stage, call, "coordinator_error", error)) for error in p.ERRORS]
    return found


def program_with(setting: Setting, chosen: tuple[Fault, ...]) -> p.Program:
    """Return the program in which these faults happen, and three runs are tried."""
    hooks = tuple(
        p.Hook(actions=tuple(action for hook, action in chosen if hook == index)) for index in range(setting.hooks)
    )
    return p.Program(
        session=setting.session,
        hooks=hooks,
        runs=(p.Run(),) * RUNS,
        with_block=setting.with_block,
        go_on_after_errors=not setting.with_block,
        graph="imported",
    )


def pairs(setting: Setting, first: int) -> Iterator[tuple[Fault, Fault]]:
    """Yield the pairs of the fault with that number and a later one, at another call."""
    every = faults(setting.hooks)
    one = every[first]
    for other in every[first + 1 :]:
        if (one[0], one[1].stage, one[1].call) != (other[0], other[1].stage, other[1].call):
            yield one, other


def argument_programs() -> list[p.ArgumentsProgram]:
    """Return the full lattice of periods, as chief and worker, with and without a directory."""
    programs = []
    for values in itertools.product(p.PERIODS, repeat=len(_PERIODS)):
        periods = dict(zip(_PERIODS, values, strict=True))
        for is_chief, directory in itertools.product((True, False), (p.LEFT_OUT, "a")):
            programs.append(
                p.ArgumentsProgram(is_chief=is_chief, checkpoint_dir=directory, graph="imported", **periods)
            )
    return programs


def slices() -> list[Slice]:
    """Return all of the work in pieces, in a fixed order."""
    made = []
    for setting in SETTINGS:
        for first in range(len(faults(setting.hooks))):
            made.append(Slice("faults", setting, first))
    count = len(p.PERIODS) ** len(_PERIODS) * 4
    made += [Slice("arguments", None, start, _PIECE) for start in range(0, count, _PIECE)]
    return made


def totals() -> dict[str, int]:
    """Return how many programs there are, before those that are the same are left out."""
    singles = sum(len(faults(setting.hooks)) for setting in SETTINGS)
    both = 0
    for setting in SETTINGS:
        places = Counter((hook, action.stage, action.call) for hook, action in faults(setting.hooks))
        total = sum(places.values())
        both += (total * total - sum(count * count for count in places.values())) // 2
    return {"single faults": singles, "pairs of faults": both, "arguments": len(argument_programs())}


class Enumerator:
    """Compares slices; remembers which calls each single fault leads to."""

    def __init__(self) -> None:
        self._reached: dict[tuple[Setting, Fault], Reached] = {}

    def __call__(self, comparer: campaign.Comparer, piece: Slice) -> None:
        """Compare every program of one piece."""
        if piece.what == "arguments":
            for program in argument_programs()[piece.first : piece.first + piece.count]:
                self._compare(comparer, program, "arguments")
            return
        setting = piece.setting
        one = faults(setting.hooks)[piece.first]
        self._run_single(comparer, setting, one, "single faults")
        for pair in pairs(setting, piece.first):
            comparer.tally.programs["pairs considered"] += 1
            if all(self._meets(comparer, setting, *order) for order in (pair, pair[::-1])):
                self._compare(comparer, program_with(setting, pair), "pairs of faults")

    def _meets(self, comparer: campaign.Comparer, setting: Setting, alone: Fault, other: Fault) -> bool:
        """Whether the call of `other` is reached when only `alone` happens."""
        if (setting, alone) not in self._reached:
            self._run_single(comparer, setting, alone, None)
        hook, action = other
        return self._reached[setting, alone].get(f"{'AB'[hook]}.{action.stage}", 0) >= action.call

    def _run_single(self, comparer: campaign.Comparer, setting: Setting, one: Fault, origin: str | None) -> None:
        program = program_with(setting, (one,))
        if origin is not None:
            trace = self._compare(comparer, program, origin)
        else:
            trace = comparer.record(program)
        counts = Counter(event.kind for event in trace) if trace is not None else None
        # A single fault that differs says nothing of which calls the other side reaches: leave nothing out.
        self._reached[setting, one] = counts if counts is not None else _Everything()

    def _compare(self, comparer: campaign.Comparer, program: Any, origin: str) -> Any:
        try:
            return comparer.compare(program, origin, in_turn=origin != "single faults")
        except ConformanceError:
            comparer.keep_difference(origin, 0)
        except Exception:
            comparer.note_error(program)
        return None


class _Everything(dict[str, int]):
    def get(self, key: str, default: Any = None) -> Any:
        return max(_CALLS.values())


_enumerator = Enumerator()


def run_slice(comparer: campaign.Comparer, piece: Slice) -> None:
    """Compare one piece; what a process learns of single faults it keeps."""
    _enumerator(comparer, piece)


def part(text: str) -> tuple[int, int]:
    """Read `i/n`, the i-th of n parts (from 1), or `today/n`, another part each day."""
    number, _, count = text.partition("/")
    if number == "today" and count.isdigit() and int(count):
        number = str(int(time.time() // 86400) % int(count) + 1)
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is not i/n with 1 <= i <= n")
    return int(number), int(count)


def select(pieces: list[Slice], chosen: tuple[int, int]) -> list[Slice]:
    """Return every n-th piece, beginning with the i-th: parts are disjoint and alike."""
    return pieces[chosen[0] - 1 :: chosen[1]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--slice", type=part, default=(1, 1), metavar="I/N", help="only the I-th of N equal parts")
    parser.add_argument("--pieces", type=int, metavar="N", help="stop after so many pieces, and estimate the rest")


def main(
    arguments: argparse.Namespace,
    sides: campaign.Sides,
    regressions: str,
    track: Callable[..., int],
    kept: Ledger | None = None,
) -> tuple[campaign.Tally, Any]:
    """Compare the chosen part; return the tally and what is known of the whole; `track` shows progress."""
    pieces = slices()
    chosen = select(pieces, arguments.slice)
    if arguments.pieces:
        chosen = chosen[:: max(1, len(chosen) // arguments.pieces)][: arguments.pieces]
    started = time.monotonic()
    tally = campaign.Tally()
    tasks = campaign.run_tasks(sides, chosen, run_slice, arguments.jobs, regressions, None, kept)
    done = track("enumerate", tasks, len(chosen), tally)
    seconds = campaign.seconds_of(tally, _ORIGINS, time.monotonic() - started, arguments.jobs)
    ran = sum(tally.programs[name] for name in _ORIGINS)
    known = totals()
    considered = tally.programs["pairs considered"]
    rate = ran / seconds if seconds else 0.0
    share = tally.programs["pairs of faults"] / considered if considered else 1.0
    distinct = known["single faults"] + round(known["pairs of faults"] * share) + known["arguments"]
    whole = {
        "programs": known,
        "pieces": [done, len(pieces)],
        "pairs_considered": considered,
        "share_of_pairs_that_are_programs_of_their_own": round(share, 3),
        "programs_run": ran,
        "distinct_programs_in_all": distinct,
        "programs_per_second": round(rate, 2),
        "hours_for_all": round(distinct / rate / 3600, 2) if rate else None,
        "complete": done == len(pieces),
    }
    return tally, whole


def describe(whole: Any) -> str:
    """Return what is known of the whole, for people."""
    known = whole["programs"]
    lines = [f"{name}: {count:,}" for name, count in known.items()]
    state = (
        "all of them" if whole["complete"] else f"an estimate from {whole['pieces'][0]} of {whole['pieces'][1]} pieces"
    )
    lines.append(
        f"{whole['share_of_pairs_that_are_programs_of_their_own']:.0%} of the pairs are programs of their own; "
        f"{whole['distinct_programs_in_all']:,} distinct programs in all ({state})"
    )
    lines.append(f"{whole['programs_per_second']} programs/s: {whole['hours_for_all']} hours for the whole")
    return "\n".join(lines)
