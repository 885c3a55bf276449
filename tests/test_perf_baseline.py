"""What counts as slower than the baseline, and what a report says."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from perf import __main__ as command
from perf import baseline, cases, page, report, sides

ROOT = Path(__file__).resolve().parent.parent


def ratio(value, spread=0.01):
    return {"value": value, "low": value - spread, "high": value + spread, "samples": 9}


def result(value, case="time_step[a]", floor=0.7, **more):
    cost = {name: ratio(1e-5 * n) for n, name in enumerate(("monitored", "tf.train", "floor"), 1)}
    ratios = {"tf.train": ratio(value), "floor": ratio(floor), "make_callable": ratio(3.0)}
    kind, _, name = case.rstrip("]").partition("[")
    return {
        "id": case,
        "kind": kind,
        "name": name,
        "axis": {"hooks": 0},
        "clock": "cpu",
        "cost": {"cpu": cost, "wall": cost},
        "ratios": {"cpu": ratios, "wall": ratios},
        "floor": "floor",
        **more,
    }


TARGET = {"row": "a step", "tf_train": 0.35, "floor": 0.6, "floor_name": "Session.run", "tf_met": True}


def made(*results, device="cpu"):
    return report.make(list(results), {"profile": "default", "device": device, "only": ""})


def test_a_baseline_holds_the_ratios_that_count():
    assert baseline.ratios_of([result(0.3), {"id": "memory", "clock": "bytes"}]) == {
        "time_step[a]": {"tf.train": ratio(0.3), "floor": ratio(0.7)}
    }


def test_baselines_are_kept_apart_by_release_and_device(tmp_path):
    paths = tmp_path / "baseline.json", tmp_path / "history.json"
    for value in (0.3, 0.2):
        baseline.save(made(result(value)), *paths)
    baseline.save(made(result(0.1), device="gpu"), *paths)
    saved, history = map(baseline.load, paths)
    cpu, gpu = (baseline.key(made(device=device)) for device in ("cpu", "gpu"))
    assert saved[cpu]["ratios"]["time_step[a]"]["tf.train"]["value"] == 0.2
    assert set(saved) == {cpu, gpu}
    assert [len(history[key]) for key in (cpu, gpu)] == [2, 1]


BEFORE = {"tf.train": ratio(0.3), "floor": ratio(0.7)}


@pytest.mark.parametrize(
    ("values", "slower", "measured"),
    [([0.30], False, 1), ([0.40, 0.30], False, 2), ([0.40, 0.40, 0.31], False, 3), ([0.40, 0.41, 0.42], True, 3)],
)
def test_slower_is_what_is_slower_three_times(values, slower, measured):
    results = [result(value) for value in values]
    found, times = baseline.confirm(lambda: results.pop(0), BEFORE, tolerance=0.1)
    assert (found == ["0.30 -> 0.42 of tf.train"]) is slower
    assert (times, results) == (measured, [])


def test_a_step_dearer_beside_either_is_slower():
    assert baseline.slower(result(0.3, floor=0.9), BEFORE, 0.1) == ["0.70 -> 0.90 of floor"]
    assert baseline.slower(result(0.3), {}, 0.1) == []


def test_the_planted_slowdown_makes_a_step_dearer(monkeypatch):
    now = [0.0]

    def run(secs):
        now[0] += secs
        return "result"

    def look():
        now[0] += 1e-6
        return now[0]

    monkeypatch.setattr(sides.time, "thread_time", look)
    slowed = sides._slowed(run, 0.3)
    assert slowed(1.0) == "result"
    assert now[0] == pytest.approx(1.3, abs=1e-4)


def test_nothing_is_planted_unless_asked_for(monkeypatch):
    monkeypatch.delenv(sides.PLANT, raising=False)
    run = sides.monitored.MonitoredSession.run
    assert sides.plant_slowdown() == 0
    assert sides.monitored.MonitoredSession.run is run


def test_cases_have_names_of_their_own_and_a_module_that_runs_them():
    found = cases.every()
    assert len({case.id for case in found}) == len(found)
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "perf").glob("test_*.py"))
    assert {case.kind for case in found if f"def test_{case.kind}(" not in tests} == set()
    assert all(profile in case.effort for case in found for profile in case.profiles)


def test_the_profiles_grow():
    sizes = [len(cases.select(profile)) for profile in cases.PROFILES]
    assert sizes == sorted(set(sizes))
    default = {case.id for case in cases.select("default")}
    assert {case.id for case in cases.every() if case.target} <= default
    assert {case.id for case in cases.every() if case.gate} <= default


def test_the_table_tells_met_from_missed():
    rows = report.target_rows(made(result(0.3, target=TARGET | {"floor_met": False})))
    assert rows == [
        ("a step", "0.30 [0.29, 0.31]", "<= 0.35", "met", "0.70 [0.69, 0.71]", "<= 0.60", "missed", "Session.run")
    ]


def test_a_ratio_that_may_be_one_is_marked():
    assert report.ratio_text(ratio(0.995)) == "~0.99 [0.98, 1.00]"
    assert report.ratio_text(None) == "-"


def test_reports_are_read_back_printed_and_drawn(tmp_path):
    hooks = [result(0.3, f"time_step[default-list-unfed-{n}hooks]", axis={"hooks": n}) for n in (0, 4)]
    first = made(*hooks, result(0.3, target=TARGET | {"floor_met": None}))
    report.write(first, tmp_path / "perf.json")
    assert report.read(tmp_path / "perf.json") == first
    out = io.StringIO()
    report.print_tables(first, Console(file=out, width=170))
    assert "time_step[default-list-unfed-4hooks]" in out.getvalue()
    baseline.save(first, tmp_path / "baseline.json", tmp_path / "history.json")
    page.write(first, tmp_path / "perf.html", tmp_path / "history.json")
    text = (tmp_path / "perf.html").read_text(encoding="utf-8")
    assert text.count("<svg") == 2
    assert "http" not in text.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    ).replace("https://matplotlib.org", ""), "the page fetches nothing"


def test_no_gpu_is_said_clearly():
    arguments = [sys.executable, "-m", "perf", "check", "--device", "gpu"]
    if sides.has_gpu():
        pytest.skip("there is a GPU")
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == command.USAGE
    assert sides.NO_GPU in done.stderr


def test_a_report_that_is_none_is_refused(tmp_path, capsys):
    path = tmp_path / "perf.json"
    path.write_text("[]", encoding="utf-8")
    assert command.main(["report", str(path)]) == command.USAGE
    assert "is not a report" in capsys.readouterr().err
