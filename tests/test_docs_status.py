"""What the status pages show is what the results say: made-up results here, the committed ones for their form."""

import json
import re
from pathlib import Path

import pytest

from conformance import __main__ as conformance
from conformance import divergences
from crashes.__main__ import parser
from perf.__main__ import _parser
from tools import status

PATH = status.RESULTS / "made-up-2026-01-02-tensorflow-9.8.0.json"
VERSIONS = {"tensorflow": "9.8.0", "python": "3.99", "hypothesis": "7", "platform": "Plan 9"}


def cells(markdown):
    """The rows of all tables in a text, without the lines of dashes."""
    lines = [line[1:-1].replace("\\|", "\0") for line in markdown.splitlines() if line.startswith("| ")]
    rows = [[cell.strip().replace("\0", "\\|") for cell in line.split("|")] for line in lines]
    return [row for row in rows if set(row[0]) != {"-"}]


def run(**changes):
    made = {
        "date": "2026-01-02T03:04:05+00:00",
        "verdict": "same",
        "oracle": "tf.train",
        "subject": "monitored",
        "two_ways": True,
        "devices": ["CPU"],
        "profile": "nightly",
        "seed": 7,
        "versions": VERSIONS,
        "programs": 1234,
        "programs_distinct": 1200,
        "strategies": {"few": {"programs": 34, "seconds": 99.7}, "many": {"programs": 1200, "seconds": 0.3}},
        "time": {"tensorflow": 0.95, "harness": 0.05},
        "rules": {"MTS-EXC-01": {"verdict": "pass"}, "MTS-EXC-02": {"verdict": "divergent"}},
        "groups": {"MTS-EXC": {"rules": 2, "pass": 1, "divergent": 1, "untested": 0, "programs": 3, "scenarios": 4}},
        "chapters": {"passed": 5, "failed": 0},
        "enumeration": {
            "programs": {"pairs": 50},
            "pieces": [2, 3],
            "distinct_programs_in_all": 40,
            "programs_run": 30,
            "complete": False,
        },
        "differences": [],
        "divergences": {"DIV-01": 3},
        "divergences_unused": ["DIV-02"],
    }
    return {**made, **changes}


def entry(name="DIV-01", **changes):
    made = {
        "id": name,
        "tensorflow": ">=2.12",
        "verdict": "not a promise",
        "reason": "Because.",
        "rules": ["MTS-EXC-01"],
        "match": {"kind": "^a|b$"},
    }
    return {**made, **changes}


# Text


def test_a_table_keeps_what_is_in_its_cells():
    made = status.table(("a", "b"), [("x|y", 12345), ("z", 0.5)])
    assert made.splitlines() == ["| a | b |", "| --- | ---: |", "| x\\|y | 12,345 |", "| z | 0.5 |"]


@pytest.mark.parametrize(("text", "shown"), [("a", "`a`"), ("a`b", "`` a`b ``")])
def test_code_holds_backticks(text, shown):
    assert status.code(text) == shown


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(0, 3, "0 %"), (1, 2, "50 %"), (1, 1000, "below 1 %"), (1, 100, "1 %")]
)
def test_shares(part, whole, text):
    assert status.share(part, whole) == text


@pytest.mark.parametrize(
    ("result", "date"),
    [({"date": "2026-03-04T00:00"}, "2026-03-04"), ({"created": "2026-03-05"}, "2026-03-05"), ({}, "2026-01-02")],
)
def test_the_date_of_a_result(result, date):
    assert status.date_of(result, PATH) == date


def test_the_newest_result_comes_first(monkeypatch, tmp_path):
    for name, date in (("a", "2026-01-02"), ("b", "2026-05-06"), ("c", "2025-12-31")):
        (tmp_path / f"x-{name}.json").write_text(json.dumps({"date": date}), encoding="utf-8")
    monkeypatch.setattr(status, "RESULTS", tmp_path)
    assert [path.stem for path, _ in status.results("x-*.json")] == ["x-b", "x-a", "x-c"]


@pytest.mark.parametrize(("first", "second"), [("2026-01-02T03:00", "2026-01-02T04:00"), ("2026-01-02", "2026-01-02")])
def test_of_two_results_of_a_day_the_later_comes_first(monkeypatch, tmp_path, first, second):
    for name, date in (("a", first), ("b", second)):
        (tmp_path / f"x-{name}.json").write_text(json.dumps({"date": date}), encoding="utf-8")
    monkeypatch.setattr(status, "RESULTS", tmp_path)
    assert [path.stem for path, _ in status.results("x-*.json")] == ["x-b", "x-a"]


def test_a_result_that_is_missing_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(status, "RESULTS", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"x-\*\.json"):
        status.results("x-*.json")


# Conformance


def test_a_complete_run_is_dated_and_says_its_verdict():
    made = status.conformance(run(), PATH)
    assert made.startswith("2026-01-02, TensorFlow 9.8.0, Python 3.99, Plan 9, Hypothesis 7.")
    rows = dict(row for row in cells(made) if len(row) == 2)
    assert rows["verdict"] == "the same"
    assert rows["programs"] == "1,234, of which 1,200 are distinct"
    assert rows["rules"] == "1 pass, 1 divergent"
    assert "`python -m conformance run --profile nightly --seed 7` wrote; never edited by hand" in made
    assert "--subject my_fork.train" in status.conformance(run(subject="my_fork.train"), PATH)


def test_another_verdict_is_not_called_the_same():
    rows = cells(status.conformance(run(verdict="different", differences=[{}]), PATH))
    assert ["verdict", "different"] in rows
    assert ["differences", "1 that no entry of the register explains"] in rows


def test_programs_by_strategy():
    rows = cells(status.strategies(run()))
    assert rows[1:] == [["many", "1,200", "below 1 %"], ["few", "34", "100 %"], ["**all**", "1,234", "100 %"]]


def test_a_scope_that_is_not_complete_says_so():
    assert "Not all of it: 2 of 3 pieces." in status.scope(run())
    whole = {**run()["enumeration"], "pieces": [3, 3], "complete": True}
    assert "\nAll of it: 3 of 3 pieces." in status.scope(run(enumeration=whole))


def test_rules_by_group_add_up():
    assert cells(status.rules_by_group(run()))[1:] == [
        ["MTS-EXC", "2", "1", "1", "0", "3", "4"],
        ["**all**", "2", "1", "1", "0", "", ""],
    ]


def test_every_mutant_is_in_one_row():
    path, result = status.results("mutants-*.json")[0]
    rows = [int(row[1].replace(",", "")) for row in cells(status.mutants(result, path))[1:]]
    assert sum(rows[:-1]) == rows[-1]


# Divergences


def test_a_matcher_in_words():
    match = {"kind": "^a$", "oracle": "x", "subject": "y`"}
    assert status.matcher_in_words(entry(match=match, skip="subject")) == (
        "an event where the kind of the event matches `^a$`, what `tf.train` has there matches `x`, and what the "
        "subject has there matches `` y` ``. The event of the subject is stepped over."
    )


def test_every_matcher_of_the_register_has_words():
    for each in divergences.load():
        assert set(each.match) <= set(status.MATCHER)
        assert each.skip in status.SKIPPED


def test_an_entry_has_its_reason_and_all_of_its_facts():
    made = status.divergence(entry())
    assert made.startswith("Because.\n")
    rows = dict(row for row in cells(made) if len(row) == 2)
    assert rows["TensorFlow"] == "`>=2.12`"
    assert rows["rules"] == "MTS-EXC-01"
    assert "`^a\\|b$`" in made


def test_how_often_runs_met_an_entry():
    scenarios = {"date": "2026-02-03T00:00:00", "divergences": {"DIV-01": 1, "DIV-03": 1200}}
    rows = cells(status.divergence_table([entry(f"DIV-0{n}") for n in (1, 2, 3)], run(), scenarios))
    assert [row[4:] for row in rows] == [
        ["complete run 2026-01-02", "scenarios 2026-02-03"],
        ["3", "1"],
        ["0", "0"],  # of a complete run that knew it
        ["-", "1,200"],  # registered after the complete run
    ]


# Performance


def ratio(value, low, high):
    return {"value": value, "low": low, "high": high, "samples": 9}


def baseline(**ratios):
    return {
        "created": "2026-01-02T03:04:05",
        "commit": "abcdef0",
        "machine": {"processor": "Abacus", "cores": 2, "system": "Plan 9", "load": [1.5], "gpus": []},
        "ratios": ratios
        or {
            "time_step[10x2]": {"tf.train": ratio(0.5, 0.25, 0.75), "floor": ratio(1.5, 1.25, 2)},
            "time_step[9x2]": {"tf.train": ratio(1.1, 0.9, 1.2), "plain file": ratio(2, 1, 3)},
            "time_restore[a]": {"tf.train": ratio(2, 1.5, 4)},
            "time_hook_profiler[none]": {},
        },
    }


def test_ratios_that_may_be_one_are_marked():
    assert status.ratio_text(ratio(0.5, 0.25, 0.75)) == "0.50 [0.25, 0.75]"
    assert status.ratio_text(ratio(1.1, 0.9, 1.2)) == "~1.10 [0.90, 1.20]"
    assert status.ratio_text(None) == "-"


def test_cases_are_in_order_of_size_within_a_kind():
    assert status.in_order(baseline()["ratios"]) == ["time_step[9x2]", "time_step[10x2]", "time_restore[a]"]


def test_a_baseline_is_dated_and_has_all_its_ratios():
    made = status.performance("tensorflow 9.8, cpu", baseline())
    assert made.startswith(
        "2026-01-02, TensorFlow 9.8, Python not recorded, Plan 9, Abacus, 2 cores at load 1.5, CPU, "
    )
    assert cells(made)[1:] == [
        ["a step", "`9x2`", "~1.10 [0.90, 1.20]", "~2.00 [1.00, 3.00] of plain file"],
        ["", "`10x2`", "0.50 [0.25, 0.75]", "1.50 [1.25, 2.00]"],
        ["a restore", "`a`", "2.00 [1.50, 4.00]", "-"],
    ]


def test_a_history_of_one_shows_nothing():
    assert status.history("tensorflow 9.8, cpu", [baseline()]) == ""


def test_a_history_shows_each_baseline_in_a_column():
    before = baseline(**{"time_step[9x2]": {"tf.train": ratio(1.5, 1.4, 1.6)}})
    (header, row) = cells(status.history("tensorflow 9.8, cpu", [before, baseline()]))
    assert header[2:] == ["2026-01-02, abcdef0", "2026-01-02, abcdef0"]
    assert row == ["a step", "`9x2`", "1.50 [1.40, 1.60]", "~1.10 [0.90, 1.20]"]


def test_the_picture_has_every_case_where_its_ratio_is():
    """From 1/4 to 4, so one is in the middle, and a half at a quarter of what is between the margins."""
    made = status.picture(baseline())
    places = [float(x) for x in re.findall(r'<circle cx="([\d.]+)%"', made)]
    width = 100 - 2 * status.MARGIN
    assert len(places) == 3
    assert places[1] == pytest.approx(status.MARGIN + width / 4, abs=0.01)
    assert places[2] == pytest.approx(status.MARGIN + width * 3 / 4, abs=0.01)
    assert f'<line class="one" x1="{50:.2f}%"' in made
    assert made.count('class="case unsure"') == 1
    assert re.findall(r'class="axis"[^>]*>([^<]*)<', made) == ["1/4", "1/2", "1", "2", "4"]
    assert 'class="earlier"' not in made
    assert status.picture(baseline(), baseline()).count('class="earlier"') == 3


def test_the_picture_is_one_piece_of_html():
    """An empty line would end it, for Markdown."""
    assert "\n" not in status.picture(baseline()).rstrip("\n")
    assert "&lt;b&gt;" in status.picture(baseline(**{"time_step[<b>]": {"tf.train": ratio(1, 1, 1)}}))


def test_the_picture_of_one_ratio_that_is_one():
    assert "nan" not in status.picture(baseline(**{"time_step[a]": {"tf.train": ratio(1, 1, 1)}}))


@pytest.mark.parametrize("path", [status.BASELINE, status.HISTORY], ids=["baseline", "history"])
def test_every_kind_of_case_has_words(path):
    entries = [each for found in status.load(path).values() for each in (found if isinstance(found, list) else [found])]
    kinds = {case.partition("[")[0] for each in entries for case in each["ratios"]}
    assert kinds <= set(status.KINDS)


# Crashes


def kill(**changes):
    made = {"config": "sync", "phase": "VALUES", "losses": [], "restart": "", "meta": "whole", "step": 4, "restored": 4}
    return {**made, **changes}


def kills(*found, **changes):
    made = {
        "implementation": "monitored",
        "seed": 7,
        "date": "2026-01-02",
        "versions": VERSIONS,
        "machine": {"system": "Plan 9"},
        "kills": len(found),
        "inside_a_save": 1,
        "losses": 0,
        "failed_restarts": 0,
        "every_kill": list(found),
    }
    return {**made, **changes}


def test_kills_by_phase():
    found = kills(
        kill(),
        kill(losses=["torn"], phase="STATE", meta="missing"),
        kill(config="async", restored=-1),
        kill(restart="exit 1", restored=-1),
    )
    rows = {row[0]: row[1:] for row in cells(status.crash_table(PATH, found))}
    assert rows["killed while"] == [
        "sync", "async", "kills", "losses", "bad restarts", "not observed", "no meta graph"
    ]  # fmt: skip
    assert rows["values and index"] == ["2", "1", "3", "0", "1", "1", "0"]
    assert rows["state file"] == ["1", "0", "1", "1", "0", "0", "1"]
    assert rows["**all**"] == ["3", "1", "4", "1", "1", "1", "1"]
    assert "flushing to the disk" not in rows


def test_what_a_file_did_not_count_is_not_shown_as_none():
    old = kill()
    del old["restored"]
    made = status.crash_table(PATH, kills(old))
    assert "not observed" not in cells(made)[0]
    assert "were not counted yet" in made


def test_the_newest_of_each_kind_is_shown_and_no_planted_fault():
    found = [
        (PATH, kills(kill(), date="2026-02-02", implementation="tensorflow")),
        (PATH, kills(kill(), date="2026-02-01", plant="state-first")),
        (PATH, kills(kill(), kill(), date="2026-01-02", durable=True)),
        (PATH, kills(kill(), kill(), kill(), date="2026-01-01")),
        (PATH, kills(kill(), date="2025-01-01")),
    ]
    made = status.crash_tables(found)
    assert re.findall(r"--kills .*? --json", made) == [
        "--kills 3 --seed 7 --json",
        "--kills 2 --seed 7 --durable --json",
        "--kills 1 --seed 7 --implementation tensorflow --json",
    ]


def test_long_runs_show_the_second_look_and_the_last():
    looks = [{"steps": step, "rss": step * status.MIB, "threads": step} for step in (1, 2, 3)]
    result = {
        "created": "2026-01-02",
        "versions": VERSIONS,
        "program": {"name": "same", "about": "steps", "unit": "steps"},
        "rss_bound": 4 * status.MIB,
        "implementations": {"monitored": {"looks": looks, "grew": ["threads"], "known to grow": {"rss": "why"}}},
    }
    made = status.soak_tables([(PATH, result)])
    rows = {row[0]: row[1:] for row in cells(made)}
    assert rows["memory in MiB"] == ["2.0", "3.0"]
    assert rows["threads of the system"] == ["2", "3"]
    assert "`monitored`: threads of the system grew; memory in MiB did, as is known: why." in made
    assert "`python -m perf soak --program same --steps 3 --json FILE`" in made


# The committed results


def test_all_that_is_shown_can_be_made_from_the_committed_results():
    path, result = status.results("nightly-*/result.json")[0]
    register = status.load(status.REGISTER)
    made = [
        status.conformance(result, path),
        status.strategies(result),
        status.scope(result),
        status.rules_by_group(result),
        status.divergence_table(register, result, status.results("rules-*.json")[0][1]),
        *(status.divergence(each) for each in register),
        *(status.performance(key, each) for key, each in status.load(status.BASELINE).items()),
        *(status.picture(each) for each in status.load(status.BASELINE).values()),
        *(status.history(key, each) for key, each in status.load(status.HISTORY).items()),
        status.crash_tables(status.results("crashes-*.json")),
        status.soak_tables(status.results("soak-*.json")),
    ]
    assert all(made)
    for source in {name for text in made for name in re.findall(r"\{source\}`([^`]*)`", text)}:
        assert (Path(status.ROOT) / source).is_file()


def test_the_commands_that_are_shown_are_ones(monkeypatch):
    """The parsers of the programs read them; nothing runs."""
    path, result = status.results("nightly-*/result.json")[0]
    monkeypatch.setattr(conformance.run, "main", lambda options: options)
    assert conformance.main(status.conformance_command(result).split()[3:]).seed == result["seed"]
    for path, result in status.results("crashes-*.json"):
        assert parser().parse_args(status.crash_command(result).split()[3:]).kills == result["kills"], path
    for path, result in status.results("soak-*.json"):
        (command,) = re.findall(r"`python -m perf (soak .*?)`", status.soak_table(path, result))
        assert _parser().parse_args(command.split()).program == result["program"]["name"]
    assert _parser().parse_args(["run", "--save-baseline"]).save_baseline
