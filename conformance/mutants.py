"""`python -m conformance mutants`: does the harness notice when `monitored` is wrong?

Plants the faults of `faults`, and mutates the package by rote (`mutation`); runs the conformance
tests on every changed copy (`fork_server`), likeliest to notice first; says which were noticed, by
which test and after how many programs, and lists the rest with the verdict people have given them.
"""

import argparse
import ast
import hashlib
import importlib.util
import itertools
import json
import math
import os
import platform
import random
import re
import sys
import time
import warnings
from collections import Counter, defaultdict
from typing import Any, Iterator, NamedTuple

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from conformance import mutation
from conformance.faults import FILE, Fault, load
from conformance.fork_server import ForkServer, Measured, Outcome, Trial
from conformance.rules import GROUPS, group_of

PACKAGE = "monitored"
FOLDER = os.path.dirname(os.path.abspath(__file__))
VERDICTS_FILE = os.path.join(FOLDER, "equivalent_mutants.json")
BASELINE_FILE = os.path.join("build", "conformance", "baseline.json")
JOURNAL_FILE = os.path.join("build", "conformance", "mutants.jsonl")
_PATIENCE_SECS, _PATIENCE_FACTOR = 20.0, 10.0
_PATIENCE_WITHOUT_BASELINE_SECS = 90.0
# What people found to change nothing is tried only as long as shows that they were not plainly wrong.
_JUDGED_SECS = 5.0
_CHEAP_SECS = 0.03
NOTICED = ("killed", "timeout", "crashed")


class Change(NamedTuple):
    """A planted fault or an automatic mutant, as a changed copy of the package and what may tell."""

    name: str
    kind: str
    module: str
    rules: tuple[str, ...]
    description: str
    sources: dict[str, str]
    lines: dict[str, set[int]]
    places: set[str]
    mutant: mutation.Mutant | None = None


def planted(fault: Fault, sources: dict[str, str]) -> Change:
    """Return the changed copy for a fault; ValueError if the text it replaces is not there."""
    changed: dict[str, str] = {}
    lines: dict[str, set[int]] = defaultdict(set)
    places = set()
    for module, old, new in fault.edits:
        source = changed.get(module, sources[module])
        changed[module], first, last = mutation.replace_text(source, old, new, fault.name)
        ast.parse(changed[module])
        telling, place = mutation.lines_that_tell(source, first, last)
        lines[module] |= telling
        places.add(place)
    module = fault.edits[0][0]
    return Change(fault.name, "planted", module, fault.rules, fault.description, changed, dict(lines), places)


def automatic(mutant: mutation.Mutant, source: str) -> Change:
    """Return the changed copy for an automatic mutant."""
    lines, place = mutation.lines_that_tell(source, mutant.first_line, mutant.last_line)
    description = f"{' '.join(mutant.before.split())}  ->  {' '.join(mutant.after.split())}"
    changed = {mutant.module: mutant.apply(source)}
    return Change(
        mutant.id, "automatic", mutant.module, (), description, changed, {mutant.module: lines}, {place}, mutant
    )


class Journal:
    """What became of changes, kept while a campaign runs, so that the next one need not try them again.

    A change that a test noticed stays noticed until its module changes. Any other is tried again when
    a source of the package, the harness or the tests changes, or when it is given more time: a test may
    run out of time because the machine is busy.
    """

    def __init__(self, path: str, state: str) -> None:
        self._path, self._state = path, state
        self._known: dict[str, dict[str, Any]] = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    entry = json.loads(line)
                    self._known[entry["key"]] = entry

    def known(self, change: Change, budget: float) -> Outcome | None:
        """Return how the change ended before, if with so many seconds for its tests it would so again."""
        entry = self._known.get(_key_of(change))
        if entry is None:
            return None
        holds = entry["state"] == self._state and (entry.get("budget") or math.inf) >= budget
        if entry["outcome"]["verdict"] != "killed" and not holds:
            return None
        return Outcome(**{**entry["outcome"], "name": change.name})

    def keep(self, change: Change, budget: float, outcome: Outcome) -> None:
        """Write down how a change ended, with how many seconds for its tests."""
        limit = None if budget == math.inf else budget
        entry = {"key": _key_of(change), "state": self._state, "budget": limit, "outcome": outcome._asdict()}
        os.makedirs(os.path.dirname(self._path) or ".", exist_ok=True)
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def _key_of(change: Change) -> str:
    return hashlib.sha256(json.dumps(sorted(change.sources.items())).encode()).hexdigest()[:24]


class Chooser:
    """Decides which tests run on a change, and in which order."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self._rules = _rules_of_tests(names)
        self._seconds: dict[int, float] = {}
        self._lines: dict[int, dict[str, set[int]]] = {}
        self._kills: dict[str, Counter[str]] = defaultdict(Counter)
        self.left_out: set[int] = set()
        turns: Counter[str] = Counter()
        self._turn = []
        for name in names:
            self._turn.append(turns[_function(name)])
            turns[_function(name)] += 1

    def learn(self, measured: list[Measured]) -> None:
        """Take over the baseline; tests that failed on the unchanged package judge nothing."""
        for one in measured:
            if one.passed:
                self._seconds[one.test] = one.seconds
                self._lines[one.test] = {module: set(lines) for module, lines in one.lines.items()}
        self.left_out = set(range(len(self.names))) - set(self._seconds)

    def noticed(self, change: Change, test: str) -> None:
        """Remember that `test` noticed a change in this module: it may notice the next."""
        self._kills[change.module][_function(test)] += 1

    def tests_for(self, change: Change) -> list[int]:
        """Return the tests that can notice a change, likeliest and cheapest first."""
        able = [test for test in range(len(self.names)) if test not in self.left_out]
        if self._lines and "module" not in change.places:
            able = [test for test in able if self._meets(test, change) or self._looks(test, change)]
        return sorted(able, key=lambda test: self._rank(test, change))

    def _looks(self, test: int, change: Change) -> bool:
        """Whether it is a change to what calls may look like, and a test that looks at that and calls nothing."""
        return "header" in change.places and self._lines.get(test) == {}

    def _meets(self, test: int, change: Change) -> bool:
        ran = self._lines[test]
        return any(lines & ran.get(module, set()) for module, lines in change.lines.items())

    def _rank(self, test: int, change: Change) -> tuple[Any, ...]:
        function = _function(self.names[test])
        proves = bool(set(change.rules) & self._rules[function])
        meets = not self._lines or self._meets(test, change)
        promising = self._turn[test] < 2 and self._seconds.get(test, 0.0) < 1.0
        kills = self._kills[change.module][function] if promising else 0
        # One of each test function before a second of any, as parametrisations see much the same; but
        # what takes next to no time is tried in full.
        seconds = self._seconds.get(test, 0.0)
        turn = 0 if 0.0 < seconds < _CHEAP_SECS else self._turn[test]
        return (not self._looks(test, change), not proves, not meets, -kills, turn, seconds, test)

    def within(self, tests: list[int], budget: float) -> list[int]:
        """Return the first tests that together take no longer than `budget` seconds."""
        ends = itertools.accumulate(self._seconds.get(test, 0.0) for test in tests)
        return [test for test, end in zip(tests, ends, strict=True) if end <= budget]

    def patience(self, tests: list[int]) -> list[float]:
        """Return for each test how long it may take."""
        if not self._seconds:
            return [_PATIENCE_WITHOUT_BASELINE_SECS] * len(tests)
        return [_PATIENCE_SECS + _PATIENCE_FACTOR * self._seconds[test] for test in tests]


def _function(name: str) -> str:
    return name.split("[", 1)[0]


def _rules_of_tests(names: list[str]) -> dict[str, set[str]]:
    """Return the rules that each test function cites, or else those its module does."""
    found: dict[str, set[str]] = {}
    by_file: dict[str, dict[str, set[str]]] = {}
    for name in names:
        path, _, function = _function(name).partition("::")
        if path not in by_file:
            with open(path, encoding="utf-8") as file:
                by_file[path] = _rules_in(file.read())
        cited = by_file[path]
        found[_function(name)] = cited.get(function.rpartition("::")[2]) or cited[""]
    return found


def _rules_in(source: str) -> dict[str, set[str]]:
    lines = source.splitlines()
    cited: dict[str, set[str]] = {}
    whole = list(lines)
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
            cited[node.name] = set(re.findall(r"MTS-[A-Z]+-\d\d", "\n".join(lines[start : node.end_lineno])))
            whole[start : node.end_lineno] = [""] * (node.end_lineno - start)
    cited[""] = set(re.findall(r"MTS-[A-Z]+-\d\d", "\n".join(whole)))
    return cited


class Campaign:
    """One call of the command: baseline, trials, results."""

    def __init__(self, arguments: argparse.Namespace, directory: str, console: Console) -> None:
        self._arguments = arguments
        self._directory = directory
        self._console = console
        self._started = time.monotonic()
        self._equivalents = load_equivalents()
        self.results: list[dict[str, Any]] = []
        self.left_out: list[str] = []
        self.skipped = 0
        self.reused = 0
        self._untried: dict[str, int] = {}
        self.baseline_secs = 0.0
        self._journal: Journal | None = None

    def work(self, server: ForkServer) -> None:
        """Run everything; called by the fork server once the tests are collected."""
        self._started = time.monotonic()
        sources = mutation.read_package(server.sources())
        changes = self._changes(sources)
        chooser = Chooser(server.names)
        if not self._arguments.no_baseline:
            self._journal = Journal(self._arguments.journal, _baseline_key(server))
            chooser.learn(self._baseline(server))
            self.left_out = [server.names[test] for test in sorted(chooser.left_out)]
        trials = self._trials(changes, chooser)
        by_name = {change.name: change for change in changes}
        with self._progress() as progress:
            task = progress.add_task("changes", total=len(changes), note="")

            def report(trial: Trial, outcome: Any) -> None:
                change = by_name[trial.name]
                if outcome.verdict == "survived" and self._untried.get(change.name):
                    outcome = outcome._replace(reason=f"{self._untried[change.name]} tests not tried")
                self._keep(change, outcome)
                if self._journal is not None:
                    self._journal.keep(change, self._budget_of(change), outcome)
                if outcome.verdict == "killed":
                    chooser.noticed(change, outcome.test)
                survivors = sum(result["verdict"] == "survived" for result in self.results)
                progress.update(task, advance=1, note=f"{survivors} survive")
                # A bar that nobody watches shows nothing until the end.
                if not self._console.is_terminal and (outcome.verdict == "survived" or not len(self.results) % 50):
                    seconds = time.monotonic() - self._started
                    print(
                        f"{len(self.results)}/{len(changes)} {seconds:.0f} s: {change.name} {outcome.verdict}",
                        flush=True,
                    )

            server.run(trials, self._arguments.jobs, report)
            progress.update(task, completed=len(self.results))
        self.skipped = len(changes) - len(self.results)

    def _changes(self, sources: dict[str, str]) -> list[Change]:
        arguments = self._arguments
        changes = []
        if arguments.planted:
            changes += [planted(fault, sources) for fault in load(arguments.faults)]
        if arguments.automatic:
            # Of the extras tf.train has no like: no differential test can notice a change to them.
            like = [module for module in sources if not module.startswith("extras.")]
            found = [mutant for module in like for mutant in mutation.mutants_of(module, sources[module])]
            if arguments.sample is not None and arguments.sample < len(found):
                found = random.Random(arguments.seed).sample(found, arguments.sample)
            changes += [automatic(mutant, sources[mutant.module]) for mutant in found]
        if arguments.only:
            changes = [change for change in changes if re.search(arguments.only, change.name)]
        return changes

    def _trials(self, changes: list[Change], chooser: Chooser) -> Iterator[Trial]:
        for change in changes:
            if self._arguments.minutes and time.monotonic() - self._started > 60 * self._arguments.minutes:
                return
            budget = self._budget_of(change)
            before = self._journal.known(change, budget) if self._journal is not None else None
            if before is not None:
                self.reused += 1
                self._keep(change, before)
                continue
            tests = chooser.tests_for(change)
            if tests:
                tried = chooser.within(tests, budget)
                self._untried[change.name] = len(tests) - len(tried)
                yield Trial(change.name, change.sources, tried, chooser.patience(tried))
            else:
                self._keep(change, Outcome(change.name, "survived", "", 0, 0, 0.0, "no test runs this line"))

    def _budget_of(self, change: Change) -> float:
        judged = change.mutant is not None and why_equivalent(change.mutant, self._equivalents)
        return min(self._arguments.budget, _JUDGED_SECS) if judged else float(self._arguments.budget)

    def _keep(self, change: Change, outcome: Outcome) -> None:
        result: dict[str, Any] = {
            "name": change.name,
            "kind": change.kind,
            "rules": list(change.rules),
            "description": change.description,
            **{key: value for key, value in outcome._asdict().items() if key != "name"},
        }
        result["seconds"] = round(outcome.seconds, 2)
        if change.mutant is not None:
            result["where"] = change.mutant.where
            if outcome.verdict == "survived":
                result["equivalent"] = why_equivalent(change.mutant, self._equivalents)
        self.results.append(result)

    def _baseline(self, server: ForkServer) -> list[Measured]:
        key = _baseline_key(server)
        try:
            with open(BASELINE_FILE, encoding="utf-8") as file:
                stored = json.load(file)
            if stored["key"] == key:
                return [Measured(*one) for one in stored["measured"]]
        except (OSError, ValueError, KeyError):
            pass
        started = time.monotonic()
        measured: list[Measured] = []
        with self._progress() as progress:
            task = progress.add_task("unchanged", total=len(server.names), note="")

            def report(_: Trial, heard: Any) -> None:
                if isinstance(heard, Measured):
                    measured.append(heard)
                    progress.update(task, advance=1, note="" if heard.passed else server.names[heard.test])

            waiting = list(range(len(server.names)))
            while waiting:
                trial = Trial("unchanged", {}, waiting, [300.0] * len(waiting), record=True)
                server.run(iter([trial]), 1, report)
                done = {one.test for one in measured}
                # A test that took its process with it is left out, the rest go on in a new one.
                waiting = [test for test in waiting if test not in done][1:]
        self.baseline_secs = time.monotonic() - started
        os.makedirs(os.path.dirname(BASELINE_FILE), exist_ok=True)
        with open(BASELINE_FILE, "w", encoding="utf-8") as file:
            json.dump({"key": key, "measured": measured}, file)
        return measured

    def _progress(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        return Progress(*columns, TextColumn("{task.fields[note]}"), console=self._console)


def _baseline_key(server: ForkServer) -> str:
    """Return a digest of all that tests depend on: the package, the harness, the tests and the versions."""
    import tensorflow as tf

    from conformance import divergences, ledger

    versions = [tf.__version__, platform.python_version(), *server.names]
    folders = {server.sources(), FOLDER, *(os.path.dirname(name.split("::")[0]) or "." for name in server.names)}
    return ledger.digest_of_code({os.path.abspath(folder) for folder in folders}, versions, [divergences.DATA_FILE])


def load_equivalents(path: str = VERDICTS_FILE) -> list[dict[str, Any]]:
    """Read the survivors that people have found to change nothing, each with its reason.

    An entry is about one change, by operator and text, unless it says that it is about the `whole` function.
    """
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    entries: list[dict[str, Any]] = document["mutants"]
    for entry in entries:
        if not entry.get("module") or not entry.get("reason"):
            raise ValueError(f"needs a module and a reason: {entry}")
        if not (entry.get("whole") or (entry.get("operator") and entry.get("before"))):
            raise ValueError(f"needs an operator and a text, or to be about the whole function: {entry}")
        unknown = set(entry) - {"module", "where", "operator", "before", "after", "reason", "whole"}
        if unknown:
            raise ValueError(f"unknown keys {sorted(unknown)}: {entry}")
        entry["reason"] = document["reasons"].get(entry["reason"], entry["reason"])
    return entries


def why_equivalent(mutant: mutation.Mutant, entries: list[dict[str, Any]]) -> str:
    """Return the reason why a mutant changes nothing, or an empty text.

    Every key an entry gives must equal the mutant's; line numbers do not matter.
    """
    for entry in entries:
        given = {key: value for key, value in entry.items() if key not in ("reason", "whole")}
        if all(" ".join(str(getattr(mutant, key)).split()) == value for key, value in given.items()):
            return str(entry["reason"])
    return ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options; neither `--planted` nor `--automatic` means both."""
    parser.add_argument("--planted", action="store_true", help="the planted faults only")
    parser.add_argument("--automatic", action="store_true", help="the automatic mutants only")
    parser.add_argument("--sample", type=int, metavar="N", help="N automatic mutants (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample and of generated programs")
    parser.add_argument("--only", metavar="REGEX", help="changes whose name matches")
    parser.add_argument("--faults", metavar="FILE", default=FILE, help="the planted faults")
    parser.add_argument("--tests", nargs="+", metavar="PATH", default=[FOLDER], help="tests to run")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--minutes", type=float, help="start no further change after that long")
    parser.add_argument(
        "--budget", type=float, default=math.inf, metavar="SECS", help="for the tests of one change (default: no limit)"
    )
    parser.add_argument("--no-baseline", action="store_true", help="run no test on the unchanged package first")
    parser.add_argument(
        "--journal",
        metavar="FILE",
        default=JOURNAL_FILE,
        help="what earlier calls found, and where this one adds to it",
    )
    parser.add_argument("--out", metavar="FILE", help="write the results as JSON")


def main(arguments: argparse.Namespace) -> int:
    """Run the command; 0 if all was noticed, 1 if a fault or mutant survived, 2 if nothing could run."""
    if not (arguments.planted or arguments.automatic):
        arguments.planted = arguments.automatic = True
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        print(f"cannot find the package {PACKAGE}", file=sys.stderr)
        return 2
    console = Console()
    campaign = Campaign(arguments, next(iter(spec.submodule_search_locations)), console)
    started = time.monotonic()
    # What Python warns of is threads that a fork interrupts; the parent's are idle.
    warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
    with ForkServer(PACKAGE, next(iter(spec.submodule_search_locations)), campaign.work) as server:
        options = ["-qq", "--no-header", "--no-summary", "-s", "-p", "no:cacheprovider", "-p", "no:randomly"]
        # Hypothesis may have been imported by another command's module; its asserts are not ours to show.
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        # That module runs this command; clusters are processes that import the package anew.
        options += [f"--ignore={os.path.join(FOLDER, name)}" for name in ("test_proof_of_power.py", "cluster")]
        options += ["--continue-on-collection-errors", f"--hypothesis-seed={arguments.seed}"]
        pytest.main([*arguments.tests, *options], plugins=[server])
        if server.failure is not None:
            raise server.failure
        if not server.items:
            print("no tests were collected", file=sys.stderr)
            return 2
    document = summary(campaign, arguments, time.monotonic() - started)
    print_tables(document, console)
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
    return 1 if document["holes"] else 0


def summary(campaign: Campaign, arguments: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """Return everything about a campaign as JSON values."""
    import tensorflow as tf

    results = campaign.results
    alive = [result for result in results if result["verdict"] == "survived"]
    mechanical = [result for result in results if result["kind"] == "automatic"]
    equivalent = [result for result in mechanical if result.get("equivalent")]
    killed = sum(result["verdict"] in NOTICED for result in mechanical)
    counted = len(mechanical) - len(equivalent)
    return {
        "package": PACKAGE,
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
        "seed": arguments.seed,
        "seconds": round(seconds, 1),
        "baseline_seconds": round(campaign.baseline_secs, 1),
        "not_started": campaign.skipped,
        "known_from_earlier_calls": campaign.reused,
        "tests_left_out": campaign.left_out,
        "planted": sum(result["kind"] == "planted" for result in results),
        "caught": sum(result["kind"] == "planted" and result["verdict"] in NOTICED for result in results),
        "groups": _by_group([result for result in results if result["kind"] == "planted"]),
        "automatic": len(mechanical),
        "killed": killed,
        "equivalent": len(equivalent),
        "kill_rate": round(killed / counted, 4) if counted else None,
        "holes": [result["name"] for result in alive if not result.get("equivalent")],
        "results": results,
    }


def _by_group(results: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    groups = {}
    for group in GROUPS:
        mine = [result for result in results if group in {group_of(rule) for rule in result["rules"]}]
        caught = [result for result in mine if result["verdict"] in NOTICED]
        programs = sorted(result["programs"] for result in caught)
        groups[group] = {
            "planted": len(mine),
            "caught": len(caught),
            "median_programs": programs[len(programs) // 2] if programs else 0,
        }
    return groups


def print_tables(document: dict[str, Any], console: Console) -> None:
    """Print caught/planted by group, killed/run by module, and every survivor."""
    results = document["results"]
    if document["planted"]:
        table = Table(title=f"planted faults: {document['caught']} of {document['planted']} caught")
        for column in ("rules", "planted", "caught", "programs until caught (median)"):
            table.add_column(column, justify="left" if column == "rules" else "right")
        for group, row in document["groups"].items():
            table.add_row(group, *(str(value) for value in row.values()))
        console.print(table)
    if document["automatic"]:
        _print_modules(document, console)
    for result in results:
        if result["verdict"] == "survived":
            label = f"equivalent: {result['equivalent']}" if result.get("equivalent") else "HOLE"
            note = f" ({result['reason']})" if result["reason"] else f" after {result['tests']} tests"
            console.print(f"survived: {result['name']}{note}", style="yellow" if label != "HOLE" else "red")
            console.print(
                f"    {result.get('where', '')} {result['description']}\n    {label}", highlight=False, markup=False
            )
    for name in document["tests_left_out"]:
        console.print(f"fails on the unchanged package, judged nothing: {name}", style="red", markup=False)
    if document["not_started"]:
        console.print(f"out of time: {document['not_started']} changes were not started", style="yellow")
    total = len(results)
    each = document["seconds"] / total if total else 0.0
    console.print(f"{document['seconds']:.0f} s in all, {each:.1f} s a change, TensorFlow {document['tensorflow']}")


def _print_modules(document: dict[str, Any], console: Console) -> None:
    rate = "none" if document["kill_rate"] is None else format(document["kill_rate"], ".1%")
    killed = f"{document['killed']} of {document['automatic']} killed"
    console.print(f"automatic mutants: {killed}, {document['equivalent']} equivalent, kill rate {rate}")
    table = Table()
    for column in ("module", "run", "killed", "equivalent", "holes"):
        table.add_column(column, justify="left" if column == "module" else "right")
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for result in document["results"]:
        if result["kind"] == "automatic":
            row = rows[result["name"].split(":")[0]]
            row["run"] += 1
            row["killed"] += result["verdict"] in NOTICED
            row["equivalent"] += bool(result.get("equivalent"))
            row["holes"] += result["name"] in document["holes"]
    for module, row in sorted(rows.items()):
        table.add_row(module, *(str(row[key]) for key in ("run", "killed", "equivalent", "holes")))
    console.print(table)
