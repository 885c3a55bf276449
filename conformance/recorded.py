"""`draw` and `compare`: programs for a recording, and two recordings side by side.

A recording is what `conformance.record` writes, on a release that may be too old for the rest of the
harness. What differs is grouped by what kind of event differs and where in it.
"""

import argparse
import json
import sys
from collections import Counter
from typing import NamedTuple

import hypothesis
from rich.console import Console
from rich.table import Table

from conformance import campaign, run, strategies
from conformance import program as p
from conformance.compare import compare, explain
from conformance.divergences import Register
from conformance.trace import Event, from_json

# Real processes need the whole harness.
_DRAWN = [name for name in strategies.BY_NAME if name != "new processes"]
_NOTHING_FORGIVEN = Register((), "0")


class Recording(NamedTuple):
    """The versions it was made with, and by program the trace, or the text that says why it could not be run."""

    versions: dict[str, str]
    traces: dict[str, list[Event] | str]

    @property
    def name(self) -> str:
        """What was recorded, for people."""
        return f"{self.versions['implementation']} of TensorFlow {self.versions['tensorflow']}"


def load(path: str) -> Recording:
    """Read a recording; ValueError or KeyError if it is none."""
    with open(path, encoding="utf-8") as file:
        versions = json.loads(next(file, "{}"))
        if "tensorflow" not in versions:
            raise ValueError("is no recording: its first line names no TensorFlow version")
        lines = [json.loads(line) for line in file]
    traces = {line["program"]: from_json(line["trace"]) if "trace" in line else line["failed"] for line in lines}
    return Recording(versions, traces)


def draw_texts(names: list[str], programs: int, seed: int) -> list[str]:
    """Return different programs of these strategies, in JSON."""
    drawn: dict[str, None] = {}
    for batch in campaign.batches(names, programs, seed, programs):
        campaign.draw(batch, lambda program: drawn.update({p.to_json(program): None}), hypothesis.Phase.generate)
    return list(drawn)


def differences(one: Recording, other: Recording) -> tuple[dict[tuple[str, str], list[str]], Counter[str]]:
    """Return the reports of what differs by kind of event and place in it, and counts of the rest."""
    found: dict[tuple[str, str], list[str]] = {}
    counts: Counter[str] = Counter()
    for text, expected in one.traces.items():
        observed = other.traces.get(text, "is not in the second recording")
        if isinstance(expected, str) or isinstance(observed, str):
            counts["not run by both"] += 1
        else:
            difference = compare(expected, observed, _NOTHING_FORGIVEN).difference
            counts["the same" if difference is None else "different"] += 1
            if difference is not None:
                event = difference.oracle or difference.subject
                report = explain(difference, expected, observed, (one.name, other.name), f"program: {text}")
                found.setdefault((event.kind if event else "", difference.path), []).append(report)
    counts["not run by both"] += len(set(other.traces) - set(one.traces))
    return dict(sorted(found.items(), key=lambda item: -len(item[1]))), counts


def add_draw_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `draw`."""
    parser.add_argument("--programs", type=run.positive, default=500, metavar="N", help="how many (default: 500)")
    parser.add_argument("--seed", type=int, default=0, help="the seed (default: 0)")
    parser.add_argument("--strategy", action="append", choices=_DRAWN, help="only this (repeatable)")
    parser.add_argument("--out", metavar="FILE", required=True, help="where the programs go, one a line")


def main_draw(arguments: argparse.Namespace) -> int:
    """The `draw` command; return the exit code."""
    programs = draw_texts(arguments.strategy or _DRAWN, arguments.programs, arguments.seed)
    with open(arguments.out, "w", encoding="utf-8") as file:
        file.writelines(text + "\n" for text in programs)
    print(f"{len(programs)} programs in {arguments.out}; next: python -m conformance.record {arguments.out} --out FILE")
    return 0


def add_compare_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `compare`."""
    parser.add_argument("first", help="a recording, taken as right")
    parser.add_argument("second", help="another recording of the same programs")
    parser.add_argument("--most", type=int, default=5, metavar="N", help="print so many differences whole (default: 5)")


def main_compare(arguments: argparse.Namespace) -> int:
    """The `compare` command; 0 the same, 1 different, 2 no recordings or nothing in them that both ran."""
    recordings = []
    for path in (arguments.first, arguments.second):
        try:
            recordings.append(load(path))
        except (OSError, ValueError, KeyError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 2
    one, other = recordings
    found, counts = differences(one, other)
    console = Console()
    for reports in list(found.values())[: arguments.most]:
        console.print(reports[0] + "\n", markup=False, highlight=False, soft_wrap=True)
    table = Table(title=f"{other.name} against {one.name}")
    table.add_column("event")
    table.add_column("where in it")
    table.add_column("programs", justify="right")
    for (kind, path), reports in found.items():
        table.add_row(kind, path, str(len(reports)))
    if found:
        console.print(table)
    console.print(", ".join(f"{name}: {count}" for name, count in counts.items() if count))
    failed = [trace for recording in recordings for trace in recording.traces.values() if isinstance(trace, str)]
    if failed:
        console.print(
            f"{len(failed)} programs failed while they were recorded, the first with:\n{failed[0]}", markup=False
        )
    if not counts["the same"] + counts["different"]:
        print("no program was run by both", file=sys.stderr)
        return 2
    return 1 if found else 0
