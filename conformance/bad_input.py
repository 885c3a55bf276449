"""Bad and borderline arguments, one a row: what `tf.train` makes of them, an implementation must.

The table is in modules by subject. A row has what is called, the argument, the rules it tries, and the
call; `attempts` says how a row is run and what is observed: the outcome, the log, the graph and its
operations, sessions, threads and files. Where a call is accepted, the row goes on to use what it
returned. `python -m conformance bad-input` prints the table with what both sides say.
"""

import argparse
import functools
import json
import re
import sys
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from conformance import attempts, bad_input_checkpoints, bad_input_hooks, bad_input_sessions, bad_input_threads
from conformance.attempts import Row
from conformance.compare import compare, explain
from conformance.sandbox import run_in_sandbox
from conformance.trace import Event

TABLE: tuple[Row, ...] = (
    *bad_input_sessions.ROWS, *bad_input_hooks.ROWS, *bad_input_threads.ROWS, *bad_input_checkpoints.ROWS,
)  # fmt: skip
_LONGEST_TEXT = 200


class Verdict(NamedTuple):
    """What both sides say to a row, and whether that is the same; a report if it is not."""

    row: Row
    oracle: str
    subject: str
    verdict: str
    divergences: tuple[str, ...]
    report: str


def replay_of(row: Row) -> str:
    """The command that runs this row alone."""
    return "python -m conformance bad-input --filter '^{}$'".format(re.escape(row.id))


def judge(harness: Any, row: Row) -> Verdict:
    """Run a row on both sides: it agrees, differs in a registered way, or differs."""
    scenario = functools.partial(attempts.perform, row=row)
    expected, observed = (run_in_sandbox(side.namespace, scenario) for side in (harness.oracle, harness.subject))
    verdict = compare(expected, observed, harness.register)
    word, report = ("registered" if verdict.registered else "agrees"), ""
    if verdict.difference is not None:
        word, names = "differs", (harness.oracle.name, harness.subject.name)
        title = "{}({})".format(row.what, row.argument)
        report = explain(verdict.difference, expected, observed, names, title, replay_of(row), row.rules)
    used = tuple(entry.id for entry in verdict.registered)
    return Verdict(row, _said(row, expected), _said(row, observed), word, used, report)


def _said(row: Row, trace: list[Event]) -> str:
    """The outcome of a row in one line; where parts of it failed, these."""
    failures = [_failure(event.data["raised"]) for event in trace if _is_outcome(row, event) and "raised" in event.data]
    if failures:
        return "; ".join(dict.fromkeys(failures))
    outcome = next(event.data["returned"] for event in trace if event.kind == row.id)
    return "accepted: " + json.dumps(outcome)


def _is_outcome(row: Row, event: Event) -> bool:
    return event.kind == row.id or event.kind.startswith(row.id + ": ")


def _failure(raised: Any) -> str:
    return "{}: {}".format(raised["type"], raised["message"])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = "Run the table of bad arguments on both sides and print what they say. Exit codes: 0 nothing "
    parser.description += (
        "differs, 1 something does, 2 wrong usage, 4 the harness failed on a row but nothing differs. "
    )
    parser.description += "A mistake in a row is a failure of the harness."
    parser.add_argument("--oracle", help="the implementation that is right (default: tf.train)")
    parser.add_argument("--subject", help="the implementation under test (default: monitored)")
    parser.add_argument("--filter", metavar="REGEX", default="", help="only rows whose id, WHAT-ARGUMENT, matches")
    parser.add_argument("--verdict", choices=("agrees", "registered", "differs"), help="print only these rows")
    parser.add_argument("--json", metavar="FILE", help="write all rows, with both outcomes in full, as JSON")
    parser.add_argument("--list", action="store_true", help="print the ids of the rows and run nothing")


def main(arguments: argparse.Namespace) -> int:
    """Run the rows that the filter leaves, print them, and return the exit code."""
    from conformance import implementations, run
    from conformance.harness import Harness

    try:
        chosen = [row for row in TABLE if re.search(arguments.filter, row.id)]
        if not chosen:
            raise ValueError("--filter {!r} matches no row".format(arguments.filter))
        if arguments.list:
            print("\n".join(row.id for row in chosen))
            return run.SAME
        sides = implementations.oracle_name(arguments.oracle), implementations.subject_name(arguments.subject)
        harness = Harness(*sides)
    except (ValueError, re.error, ImportError) as error:
        print(error, file=sys.stderr)
        return run.USAGE
    verdicts, broken = [], 0
    for row in chosen:
        try:
            verdicts.append(judge(harness, row))
        except Exception as error:
            broken += 1
            print("the harness failed on {}: {!r}".format(row.id, error), file=sys.stderr)
    _print(harness, [one for one in verdicts if arguments.verdict in (None, one.verdict)], verdicts)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump([_as_json(verdict) for verdict in verdicts], file, indent=1)
    if any(verdict.verdict == "differs" for verdict in verdicts):
        return run.DIFFERENT
    return run.BROKEN if broken else run.SAME


def _print(harness: Any, shown: list[Verdict], verdicts: list[Verdict]) -> None:
    table = Table(title="{} against {}".format(harness.subject.name, harness.oracle.name))
    for column in ("what", "argument", harness.oracle.name + " says", harness.subject.name + " says", "verdict"):
        table.add_column(column, overflow="fold")
    for one in shown:
        theirs = "the same" if one.subject == one.oracle else _short(one.subject)
        word = " ".join([one.verdict, *dict.fromkeys(one.divergences)])
        table.add_row(*map(_plain, (one.row.what, one.row.argument, _short(one.oracle), theirs, word)))
    console = Console()
    console.print(table)
    for one in shown:
        if one.report:
            console.print(one.report, markup=False, highlight=False, soft_wrap=True)
    counts = ["{} {}".format(sum(one.verdict == word for one in verdicts), word) for word in (
        "agrees", "registered", "differs")]  # fmt: skip
    console.print("{} rows: {}".format(len(verdicts), ", ".join(counts)), highlight=False)


def _plain(text: str) -> str:
    return text.replace("[", "\\[")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "..."


def _as_json(verdict: Verdict) -> dict[str, Any]:
    fields = {"id": verdict.row.id, **verdict.row._asdict(), **verdict._asdict()}
    return {key: value for key, value in fields.items() if key not in ("row", "call")}
