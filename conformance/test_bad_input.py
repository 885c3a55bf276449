"""The table of bad arguments, a row at a time; a replay names the row."""

import functools
import json

import pytest

from conformance import __main__, attempts, bad_input, run
from conformance.rules import RULES

RUNS = ("run", "run_step_fn", "in a step function", "before_run of a hook", "FeedFnHook")
WRONG = "conformance.wrong_implementation"


@pytest.mark.parametrize("row", bad_input.TABLE, ids=lambda row: row.id)
def test_row(harness, row):
    scenario = functools.partial(attempts.perform, row=row)
    sides = f"--oracle {harness.oracle.name} --subject {harness.subject.name}"
    replay = f"{bad_input.replay_of(row)} {sides}"
    title = f"{row.what}({row.argument})"
    trace = harness.judge(scenario, row.rules, title, replay, both_ways=row.what in RUNS)
    outcomes = [event.data for event in trace if event.kind.startswith(row.id)]
    assert outcomes
    assert not any(data.get("raised", {}).get("type") == "NameError" for data in outcomes), "a mistake in the table"


def test_the_table_is_large_and_its_ids_are_unique():
    ids = [row.id for row in bad_input.TABLE]
    assert len(ids) >= 320
    assert len(set(ids)) == len(ids)
    assert {rule for row in bad_input.TABLE for rule in row.rules} <= set(RULES)


def test_an_attempt_that_sleeps_for_ever_is_given_up(harness):
    (row,) = [row for row in bad_input.TABLE if row.id == "GlobalStepWaiterHook-wait_until_step=NaN"]
    verdict = bad_input.judge(harness, row)
    assert verdict.verdict == "agrees"
    assert verdict.oracle == "StillWaitingError: it sleeps again and again"


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
