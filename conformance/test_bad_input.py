"""The table of bad arguments, a row at a time; a replay names the row."""

import functools
import json
import os

import pytest

from conformance import __main__, attempts, bad_input, run
from conformance.rules import RULES
from conformance.trace import tf

RUNS = ("run", "run_step_fn", "in a step function", "before_run of a hook", "FeedFnHook")
WRONG = "conformance.wrong_implementation"


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row.id, marks=pytest.mark.rule(*row.rules)) for row in bad_input.TABLE]
)
def test_row(harness, rules, row):
    scenario = functools.partial(attempts.perform, row=row)
    sides = f"--oracle {harness.oracle.name} --subject {harness.subject.name}"
    replay = f"{bad_input.replay_of(row)} {sides}"
    title = f"{row.what}({row.argument})"
    trace = harness.judge(scenario, rules, title, replay, both_ways=row.what in RUNS)
    outcomes = [event.data for event in trace if event.kind.startswith(row.id)]
    assert outcomes
    assert not any(data.get("raised", {}).get("type") == "NameError" for data in outcomes), "a mistake in the table"


def test_the_table_is_large_and_its_ids_are_unique():
    ids = [row.id for row in bad_input.TABLE]
    assert len(ids) >= 2200
    assert len(set(ids)) == len(ids)
    assert {rule for row in bad_input.TABLE for rule in row.rules} <= set(RULES)


def test_an_attempt_that_sleeps_for_ever_is_given_up(harness):
    (row,) = [row for row in bad_input.TABLE if row.id == "GlobalStepWaiterHook-wait_until_step=NaN"]
    verdict = bad_input.judge(harness, row)
    assert verdict.verdict == "agrees"
    assert verdict.oracle == "StillWaitingError: it sleeps again and again"


def planted(what, source):
    """A row whose call is `source`, as if that were in a module of the table."""
    path = os.path.join(os.path.dirname(bad_input.__file__), "bad_input_planted.py")
    names = {"tf": tf, "Attempt": attempts.Attempt, "directly": attempts.directly}
    return attempts.Row(what, "planted", (), eval(compile("lambda t: " + source, path, "eval"), names))


@pytest.mark.parametrize(
    "source",
    [
        "t.no_such",
        "t.train.no_such",
        "tf.no_such",
        "t.train.Coordinator().no_such()",
        "no_such",
        "None + 1",
        "(lambda: 1)(2)",
        "t.path(1, 2, 3)",
        "Attempt()",
        "t.tries('part', lambda: None + 1)",
        "t.hook(lambda: t.train.no_such)",
    ],
)
def test_a_mistake_in_a_row_is_a_failure_of_the_harness(harness, source):
    with pytest.raises(attempts.MistakeInTableError, match="^planted-planted: "):
        bad_input.judge(harness, planted("planted", source))


@pytest.mark.parametrize(
    "source",
    [
        "t.train.Coordinator(types=())",
        "t.train.Coordinator().should_stop(1)",
        "t.session().run()",
        "directly(setattr, t.train.Coordinator(), 'joined', True)",
        "t.train.Coordinator(5)",
        "t.train.StopAtStepHook(1).before_run(None)",
    ],
)
def test_what_is_refused_is_no_mistake(harness, source):
    verdict = bad_input.judge(harness, planted("planted", source))
    assert (verdict.verdict, verdict.oracle.partition(":")[0] in ("TypeError", "AttributeError")) == ("agrees", True)


def test_a_difference_counts_more_than_a_failure(monkeypatch, capsys):
    monkeypatch.setattr(bad_input, "TABLE", (planted("StopAtStepHook", "no_such"), *bad_input.TABLE))
    both = ["bad-input", "--subject", WRONG, "--filter", "^StopAtStepHook-(planted|last_step=text)$"]
    assert __main__.main(both) == run.DIFFERENT
    assert __main__.main(["bad-input", "--filter", "^StopAtStepHook-planted$"]) == run.BROKEN
    assert capsys.readouterr().err.count("the harness failed on StopAtStepHook-planted: MistakeInTableError") == 2


@pytest.fixture(scope="module")
def same(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("bad-input") / "rows.json")
    return path, __main__.main(["bad-input", "--filter", "^SecondOrStepTimer-(neither|every_secs=NaN)", "--json", path])


def test_the_command_writes_what_both_sides_say(same):
    path, code = same
    assert code == run.SAME
    with open(path, encoding="utf-8") as file:
        rows = {row["id"]: row for row in json.load(file)}
    assert list(rows) == ["SecondOrStepTimer-every_secs=NaN", "SecondOrStepTimer-neither"]
    refused = rows["SecondOrStepTimer-neither"]
    assert refused["verdict"] == "agrees"
    assert refused["oracle"] == refused["subject"] == "ValueError: Either every_secs or every_steps should be provided."
    assert refused["rules"] == ["MTS-TMR-01"]
    assert rows["SecondOrStepTimer-every_secs=NaN"]["oracle"] == "accepted: 3"


def test_the_command_prints_a_table(capsys):
    assert __main__.main(["bad-input", "--filter", "^StopAtStepHook-(neither|both)$"]) == run.SAME
    text = " ".join(capsys.readouterr().out.split())
    assert "2 rows: 2 agrees, 0 registered, 0 differs" in text
    assert "ValueError" in text
    assert "the same" in text


def test_the_command_finds_a_difference(capsys):
    line = ["bad-input", "--filter", "^StopAtStepHook-last_step=text$", "--subject", WRONG]
    assert __main__.main(line) == run.DIFFERENT
    text = capsys.readouterr().out
    assert "1 differs" in text
    assert "replay: python -m conformance bad-input --filter" in text


def test_registered_rows_say_which_entry(capsys):
    assert __main__.main(["bad-input", "--filter", "^Saver-write_version=3$"]) == run.SAME
    text = " ".join(capsys.readouterr().out.split())
    assert "1 registered" in text
    assert "DIV-01" in text


@pytest.mark.parametrize("line", (["--filter", "no such row"], ["--filter", "("], ["--subject", "no_such_module"]))
def test_wrong_usage_of_the_command(line, capsys):
    assert __main__.main(["bad-input", *line]) == run.USAGE
    assert capsys.readouterr().err


def test_the_command_lists_the_rows(capsys):
    assert __main__.main(["bad-input", "--list", "--filter", "^Scaffold-init_fn=5$"]) == run.SAME
    assert capsys.readouterr().out == "Scaffold-init_fn=5\n"
