"""The marker `rule(*ids)` on tests, and what became of each rule as JSON: a plugin of pytest.

    python -m pytest conformance --rules-json=conformance.json
    python -m tools.rule_results all.json conformance.json tests.json    merges files of several runs

A file has, next to what was run on what, for each rule that was tried how many tests passed, failed and
were skipped, and their names; and how often each registered divergence was met. A test with parameters
counts once for each set of parameters and is named once.
"""

import argparse
import datetime
import importlib.metadata
import json
import platform
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tools import rules

ROOT = Path(__file__).resolve().parent.parent
_RESULTS = pytest.StashKey["Results"]()
_OUTCOMES = ("passed", "skipped", "failed")
"""From the least to the most that an outcome of a part of a test says about the test."""


def rules_of(node: pytest.Item) -> tuple[str, ...]:
    """Return the rules that a test is marked with, directly or through its class or module."""
    return tuple(dict.fromkeys(rule for mark in node.iter_markers("rule") for rule in mark.args))


class Results:
    """Which tests checked which rules, and how they ended."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = frozenset(known)
        self._rules: dict[str, tuple[str, ...]] = {}
        self._outcomes: dict[str, str] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read the marks of all tests; UsageError for an id that is no rule's."""
        for item in items:
            marked = rules_of(item)
            unknown = sorted({str(rule) for rule in marked} - self._known)
            if unknown:
                raise pytest.UsageError(f"{item.nodeid} is marked with what is no rule: {', '.join(unknown)}")
            if any(mark.kwargs or not mark.args for mark in item.iter_markers("rule")):
                raise pytest.UsageError(f"{item.nodeid}: the marker rule takes ids, and at least one")
            if marked:
                self._rules[item.nodeid] = marked

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of how a test ends: its worst part, set-up and tear-down included."""
        if report.nodeid in self._rules:
            so_far = self._outcomes.get(report.nodeid, "passed")
            self._outcomes[report.nodeid] = max(so_far, report.outcome, key=_OUTCOMES.index)

    def by_rule(self) -> dict[str, dict[str, Any]]:
        """Return for each rule that was tried the numbers of outcomes and the names of its tests."""
        found: dict[str, dict[str, Any]] = {}
        for node, outcome in self._outcomes.items():
            for rule in self._rules[node]:
                entry = found.setdefault(rule, {"passed": 0, "failed": 0, "skipped": 0, "tests": []})
                entry[outcome] += 1
                entry["tests"].append(node.partition("[")[0])
        return {rule: {**found[rule], "tests": sorted(set(found[rule]["tests"]))} for rule in sorted(found)}


class Hooks:
    """What other plugins may add."""

    @staticmethod
    def pytest_rules_json_facts(config: pytest.Config) -> dict[str, Any]:
        """Return what the file says about the run besides, such as what was under test."""
        raise NotImplementedError


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hook."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option."""
    parser.addoption("--rules-json", metavar="PATH", help="write what became of each rule as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and watch the tests."""
    config.addinivalue_line("markers", "rule(*ids): the rules that the test checks")
    config.stash[_RESULTS] = Results(rules.read_rules())
    config.pluginmanager.register(config.stash[_RESULTS])
    if config.option.rules_json:
        config.option.rules_json = _place(config.option.rules_json)


def _place(path: str) -> Path:
    """Return where a file is to be written, wherever the tests go, and make its folder before they begin."""
    place = Path(path).absolute()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(f"--rules-json: the folder of {path} cannot be made: {error.strerror}") from error
    if place.is_dir():
        raise pytest.UsageError(f"--rules-json: {path} is a folder")
    return place


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the file that was asked for."""
    config = session.config
    path = config.option.rules_json
    if path and not config.option.collectonly:
        facts = about(["python", "-m", "pytest", *map(str, config.invocation_params.args)])
        for more in config.hook.pytest_rules_json_facts(config=config):
            facts.update(more)
        write(path, {**facts, "rules": config.stash[_RESULTS].by_rule()})


def about(command: list[str]) -> dict[str, Any]:
    """Return when and on what `command` ran: date, versions, the commit if git is there."""
    done = "git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"
    try:
        commit = subprocess.run(done, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        commit = ""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": {"tensorflow": _tensorflow(), "python": platform.python_version(), "platform": platform.platform()},
        **({"commit": commit} if commit else {}),
        "command": shlex.join(command),
    }


def _tensorflow() -> str | None:
    """Return TensorFlow's version, without importing it."""
    if "tensorflow" in sys.modules:
        return str(sys.modules["tensorflow"].__version__)
    try:
        return importlib.metadata.version("tensorflow")
    except importlib.metadata.PackageNotFoundError:
        return None


def merge(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the results of several runs as those of one; ValueError if these were not of the same thing."""
    added = ("date", "command", "divergences", "rules")
    merged = {key: value for one in results for key, value in one.items() if key not in added}
    for key, value in merged.items():
        different = [one[key] for one in results if key in one and one[key] != value]
        if different:
            raise ValueError(f"results of different {key} cannot be merged: {different[0]!r} and {value!r}")
    by_rule: dict[str, dict[str, Any]] = {}
    for one in results:
        for rule, entry in one["rules"].items():
            so_far = by_rule.setdefault(rule, {"passed": 0, "failed": 0, "skipped": 0, "tests": []})
            by_rule[rule] = {
                **{outcome: so_far[outcome] + entry[outcome] for outcome in ("passed", "failed", "skipped")},
                "tests": sorted({*so_far["tests"], *entry["tests"]}),
            }
    return {
        "date": max(one["date"] for one in results),
        **merged,
        "command": " && ".join(one["command"] for one in results),
        "divergences": dict(sorted(sum((Counter(one.get("divergences", {})) for one in results), Counter()).items())),
        "rules": {rule: by_rule[rule] for rule in sorted(by_rule)},
    }


def write(path: str | Path, results: dict[str, Any]) -> None:
    """Write results as JSON."""
    Path(path).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Merge files into one; 0 if that was possible, 1 if they cannot be read, or are results of different things."""
    parser = argparse.ArgumentParser(prog="python -m tools.rule_results", description="Merge what several runs wrote.")
    parser.add_argument("target", help="the file to write")
    parser.add_argument("files", nargs="+", help="what `pytest --rules-json` wrote")
    options = parser.parse_args(arguments)
    try:
        merged = merge([json.loads(Path(file).read_text(encoding="utf-8")) for file in options.files])
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    write(options.target, merged)
    return 0


if __name__ == "__main__":
    sys.exit(main())
