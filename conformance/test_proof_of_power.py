"""Does the harness notice? Planted faults, automatic mutants and a wrong implementation.

Here only that the machinery works, on a handful of changes; `python -m conformance mutants` runs
all of them.
"""

import ast
import importlib.util
import json
import math
import os
import subprocess
import sys

import pytest

from conformance import faults, fork_server, mutants, mutation, program
from conformance.compare import ConformanceError
from conformance.harness import Harness
from conformance.rules import GROUPS, RULES, group_of
from conformance.trace import tf

ORACLE = "tensorflow.compat.v1.train"
WRONG = "conformance.wrong_implementation"
HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(scope="module")
def sources():
    spec = importlib.util.find_spec(mutants.PACKAGE)
    return mutation.read_package(next(iter(spec.submodule_search_locations)))


def run_command(*arguments):
    command = [sys.executable, "-m", "conformance", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    return done.returncode, done.stdout + done.stderr


# --- planted faults ------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", faults.FAULTS, ids=lambda fault: fault.name)
def test_planted_fault_applies(fault, sources):
    change = mutants.planted(fault, sources)
    assert all(change.sources[module] != sources[module] for module in change.sources)
    assert set(fault.rules) <= set(RULES)


def test_planted_faults_are_many_and_everywhere():
    groups = {group_of(rule) for fault in faults.FAULTS for rule in fault.rules}
    assert len(faults.FAULTS) >= 80
    assert groups == set(GROUPS)


def test_fault_whose_text_is_gone():
    with pytest.raises(ValueError, match="gone: its text occurs 0 times"):
        mutation.replace_text("a = 1\n", "b = 1", "b = 2", "gone")
    with pytest.raises(ValueError, match="twice: its text occurs 2 times"):
        mutation.replace_text("a = 1\na = 1\n", "a = 1", "a = 2", "twice")


def test_white_space_of_a_fault_does_not_matter():
    source = "def f():\n    if x:\n        return g(\n            1\n        )\n"
    changed, first, last = mutation.replace_text(source, "return g( 1 )", "y = 2\nreturn y", "f")
    assert changed == "def f():\n    if x:\n        y = 2\n        return y\n"
    assert (first, last) == (3, 5)


@pytest.mark.parametrize("text", ("=== a\nb\n", "=== a (MTS-RUN-01)\nb\n--- m\nold\n", "x\n=== a (MTS-RUN-01)\n"))
def test_fault_that_is_not_written_right(text, tmp_path):
    path = tmp_path / "faults.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match="before the first fault|not written as a fault should be"):
        faults.load(str(path))


def test_planted_faults_are_caught(tmp_path):
    chosen = "after-run-in-reverse|options-merged-by-min|hook-feeds-dropped|run-after-stop"
    out = tmp_path / "out.json"
    options = ["--planted", "--no-baseline", "--jobs", "1", "--only", f"^({chosen})$", "--out", str(out)]
    status, text = run_command("mutants", *options, "--tests", os.path.join(HERE, "test_run.py"))
    assert status == 0, text
    document = json.loads(out.read_text())
    assert document["planted"] == document["caught"] == 4
    for result in document["results"]:
        assert result["verdict"] == "killed"
        assert result["test"].startswith("conformance/test_")
        assert 1 <= result["programs"] <= 20
        assert "differs from" in result["reason"]


def test_fault_that_changes_nothing_survives(tmp_path):
    planted = tmp_path / "faults.txt"
    planted.write_text(
        "=== harmless (MTS-TMR-03)\na local name is another\n--- timing\nreturn self._last_triggered_step\n"
        "+++\nstep = self._last_triggered_step\nreturn step\n"
    )
    options = ["--planted", "--no-baseline", "--jobs", "1", "--faults", str(planted)]
    status, text = run_command("mutants", *options, "--tests", os.path.join(HERE, "test_hooks_timer.py"))
    assert status == 1, text
    assert "0 of 1 caught" in text
    assert "survived: harmless" in text


def test_parent_makes_no_session():
    with fork_server._no_sessions(), tf.Graph().as_default():
        with pytest.raises(RuntimeError, match="must not make a session"):
            tf.Session()
    with tf.Graph().as_default(), tf.Session() as session:
        assert session.run(tf.constant(1)) == 1


# --- automatic mutants ---------------------------------------------------------------------------

SAMPLE = '''
"""A docstring is not mutated."""
LIMIT: int = 3

class C:
    def f(self, a: "text", b=True) -> "text":
        """Nor is this one."""
        self.x = a + 1
        if a < LIMIT and not b:
            raise ValueError(f"too {a}")
        try:
            g(a, key=b)
        except KeyError:
            return list(a)
        with open(a):
            a += 1
'''


def test_every_operator_is_applied():
    found = mutation.mutants_of("sample", SAMPLE)
    assert {mutant.operator for mutant in found} == set(mutation.OPERATORS)
    assert not any("docstring" in mutant.before or "text" in mutant.before for mutant in found)


def test_mutants_are_small_and_have_stable_names(sources):
    names = set()
    for module, source in sources.items():
        for mutant in mutation.mutants_of(module, source):
            changed = mutant.apply(source)
            ast.parse(changed)
            assert changed != source
            assert mutant.id.startswith(f"{module}:{mutant.line}:{mutant.operator}")
            names.add(mutant.id)
        assert mutation.mutants_of(module, source) == mutation.mutants_of(module, source)
    assert len(names) == sum(len(mutation.mutants_of(module, source)) for module, source in sources.items())
    assert len(names) > 1000


def test_which_lines_tell():
    assert mutation.lines_that_tell(SAMPLE, 8, 8) == ({8}, "body")
    assert mutation.lines_that_tell(SAMPLE, 6, 6) == (set(range(7, 17)), "header")
    assert mutation.lines_that_tell(SAMPLE, 3, 3) == (set(range(7, 17)), "module")


def test_verdicts_on_survivors_have_reasons(tmp_path):
    mutants.load_equivalents()
    path = tmp_path / "verdicts.json"
    for entry, complaint in (
        ({"module": "timing", "reason": ""}, "needs a module and a reason"),
        ({"module": "timing", "where": "is_due", "reason": "none"}, "about the whole function"),
        ({"module": "timing", "whole": True, "reason": "none", "line": 3}, "unknown keys"),
    ):
        path.write_text(json.dumps({"reasons": {}, "mutants": [entry]}))
        with pytest.raises(ValueError, match=complaint):
            mutants.load_equivalents(str(path))


def test_a_journal_spares_what_is_known(tmp_path):
    path = str(tmp_path / "mutants.jsonl")

    def change(text):
        return mutants.Change("m:1:call", "automatic", "m", (), "", {"m": text}, {}, set())

    def outcome(verdict):
        return fork_server.Outcome("m:1:call", verdict, "a test", 3, 5, 0.5, "")

    journal = mutants.Journal(path, "state")
    journal.keep(change("a"), 20.0, outcome("killed"))
    journal.keep(change("b"), 20.0, outcome("survived"))
    journal.keep(change("c"), math.inf, outcome("timeout"))
    same, later = mutants.Journal(path, "state"), mutants.Journal(path, "new")
    renamed = change("a")._replace(name="m:2:call")
    for journal in (same, later):
        assert journal.known(renamed, math.inf) == outcome("killed")._replace(name="m:2:call")
        assert journal.known(change("d"), 1.0) is None
    assert same.known(change("b"), 20.0) == outcome("survived")
    assert same.known(change("b"), math.inf) is None
    assert same.known(change("c"), math.inf) == outcome("timeout")
    assert later.known(change("b"), 20.0) is later.known(change("c"), 20.0) is None


# --- a wrong implementation ----------------------------------------------------------------------


def stops_at_a_step(train, record):
    step = record.global_step()
    with record.session([train.StopAtStepHook(last_step=2)]) as session:
        while not session.should_stop():
            record("step", session.run(step))


def saves_at_the_end(train, record):
    step = record.global_step()
    with record.session([train.CheckpointSaverHook(record.path("d"), save_steps=10, saver=train.Saver())]) as session:
        session.run(step)


@pytest.mark.parametrize(
    "scenario,expected", ((stops_at_a_step, "tf session closed"), (saves_at_the_end, "Saving checkpoints for 1"))
)
def test_wrong_implementation_is_reported(scenario, expected):
    harness = Harness(ORACLE, WRONG)
    with pytest.raises(ConformanceError) as caught:
        harness.judge(scenario, (), "scenario: one", "the command")
    report = str(caught.value)
    first, where, oracle, subject, *rest = report.splitlines()
    assert first == f"{WRONG} differs from {ORACLE}."
    assert where.startswith("first differing event: ")
    assert (oracle[:10], subject[:10]) == ("  oracle  ", "  subject ")
    assert expected in report
    assert rest[-2:] == ["scenario: one", "replay: the command"]
    assert harness.summary()["differences"] == 1


def test_wrong_implementation_on_the_command_line(tmp_path):
    path = tmp_path / "program.json"
    plan = program.Program(runs=(program.Run(),), body_error="SubclassOfStopIteration", hooks=(program.Hook(),))
    path.write_text(program.to_json(plan))
    status, text = run_command("replay", str(path), "--subject", WRONG)
    assert status == 1, text
    assert f"{WRONG} differs from {ORACLE}." in text
    assert "SubclassOfStopIteration" in text
    assert f"replay: python -m conformance replay --subject {WRONG} {path}" in text
