"""The pytest side of the harness: options, the `differential` fixture, the table at the end."""

import json
import os
import random
import shlex
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import hypothesis
import pytest
from rich.console import Console
from rich.table import Table

from conformance import implementations
from tools.rule_results import rules_of

_HARNESS = pytest.StashKey[Any]()
_SEED = pytest.StashKey[int]()


def pytest_addoption(parser: Any) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--oracle", help="the implementation that is right (default: tf.train)")
    group.addoption("--subject", help="the implementation under test (default: monitored)")
    group.addoption("--conformance-json", metavar="PATH", help="write the result as JSON")


def pytest_configure(config: Any) -> None:
    seed = config.getoption("--hypothesis-seed", None)
    seed = random.SystemRandom().randrange(2**32) if seed is None else int(seed)
    config.stash[_SEED] = seed
    examples = int(os.environ.get("CONFORMANCE_EXAMPLES", "150"))
    hypothesis.settings.register_profile(
        "conformance",
        max_examples=examples,
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("conformance")


def pytest_report_header(config: Any) -> list[str]:
    return [
        f"conformance: {_subject(config)} against {_oracle(config)}",
        f"conformance: --hypothesis-seed={config.stash[_SEED]}",
    ]


def pytest_collection_modifyitems(config: Any, items: Any) -> None:
    for item in items:
        function = getattr(item, "obj", None)
        if getattr(function, "is_hypothesis_test", False):
            hypothesis.seed(config.stash[_SEED])(function)


def _oracle(config: Any) -> str:
    return implementations.oracle_name(config.getoption("--oracle"))


def _subject(config: Any) -> str:
    return implementations.subject_name(config.getoption("--subject"))


@pytest.fixture(scope="session")
def harness(pytestconfig: Any) -> Any:
    from conformance.harness import Harness

    try:
        made = Harness(_oracle(pytestconfig), _subject(pytestconfig))
    except Exception as error:
        pytest.exit(f"cannot load what is compared: {error!r}", pytest.ExitCode.USAGE_ERROR)
    pytestconfig.stash[_HARNESS] = made
    return made


def _options(config: Any) -> str:
    given = [("--oracle", config.getoption("--oracle")), ("--subject", config.getoption("--subject"))]
    return "".join(f" {option}={shlex.quote(value)}" for option, value in given if value)


@pytest.hookimpl(optionalhook=True)
def pytest_rules_json_facts(config: Any) -> dict[str, Any]:
    made = config.stash.get(_HARNESS, None)
    met = {"divergences": dict(sorted(made.register.used.items()))} if made else {}
    return {"oracle": _oracle(config), "subject": _subject(config), **met}


@pytest.fixture
def rules(request: Any) -> tuple[str, ...]:
    """The rules that the test is marked with, as the tally counts them: without quirks."""
    return tuple(rule for rule in rules_of(request.node) if not rule.startswith("Q-"))


@pytest.fixture
def differential(harness: Any, request: Any, rules: Any) -> Any:
    """Return `differential(scenario)`: run on both sides, compare everything, for the rules of the test's marker."""

    def compare(scenario: Any) -> None:
        node = request.node.nodeid
        replay = f"python -m pytest{_options(request.config)} {shlex.quote(node)}"
        harness.judge(scenario, rules, f"scenario: {node}", replay)

    return compare


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: Any, exitstatus: Any) -> None:
    made = session.config.stash.get(_HARNESS, None)
    if made is None or made.oracle.name == made.subject.name:
        return
    if exitstatus == pytest.ExitCode.OK and made.register.unused(_complete_places(session.config)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _complete_places(config: Any) -> set[str]:
    """Return the places of scenarios of which this run has all: `cluster`, and "" for all others."""
    if config.getoption("keyword") or config.getoption("markexpr") or config.getoption("deselect"):
        return set()
    folder = os.path.dirname(os.path.abspath(__file__))
    cluster = os.path.join(folder, "cluster")
    given = {os.path.abspath(argument) for argument in config.args}
    left_out = {os.path.abspath(path) for path in config.getoption("ignore") or ()}
    places = {""} if folder in given else set()
    return places | ({"cluster"} if given & {folder, cluster} and cluster not in left_out else set())


def pytest_terminal_summary(terminalreporter: Any, exitstatus: Any, config: Any) -> None:
    made = config.stash.get(_HARNESS, None)
    if made is None:
        return
    summary = made.summary()
    summary["seed"] = config.stash[_SEED]
    summary["exit_status"] = int(exitstatus)
    _print_table(terminalreporter, summary)
    if made.oracle.name != made.subject.name:
        for name in made.register.unused(_complete_places(config)):
            terminalreporter.write_line(f"divergence {name} matched nothing", red=True)
    path = config.getoption("--conformance-json")
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(summary, file, indent=2)


def _print_table(terminalreporter: Any, summary: Any) -> None:
    table = Table(title=f"{summary['subject']} against {summary['oracle']}")
    for column in ("rules", "known", "tried", "programs", "differences", "registered"):
        table.add_column(column, justify="left" if column == "rules" else "right")
    keys = ("rules_known", "rules_tried", "programs", "differences", "registered")
    for group, row in summary["groups"].items():
        table.add_row(group, *(str(row[key]) for key in keys))
    registered = sum(summary["divergences"].values())
    totals = [summary[key] for key in keys[:4]] + [registered]
    table.add_section()
    table.add_row("all", *(str(total) for total in totals), style="bold")
    terminalreporter.section("conformance")
    writer = terminalreporter._tw
    console = Console(file=writer._file, width=min(writer.fullwidth, 100), force_terminal=None)
    console.print(table)
    console.print(f"TensorFlow {summary['tensorflow']}, seed {summary['seed']}", highlight=False)
