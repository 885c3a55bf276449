"""A report as one HTML file: the tables of `report.py` and plots, nothing to fetch."""

import html
import io
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot as plt

from perf import baseline
from perf import report as reports
from perf.sides import FLOOR, MONITORED, TF_TRAIN

COLORS = {
    MONITORED: "#1f6fb4",
    TF_TRAIN: "#d1662a",
    FLOOR: "#6a6a6a",
    "make_callable": "#a9a9a9",
    "plain file": "#b79f00",
}

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1150px; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 13px; }
td, th { border-bottom: 1px solid #ddd; padding: .25rem .6rem; text-align: left; white-space: nowrap; }
td:first-child { white-space: normal; }
.met { color: #1a7f37; font-weight: 600; } .missed { color: #c62828; font-weight: 600; }
figure { margin: 1.5rem 0; } svg { max-width: 100%; height: auto; } .scroll { overflow-x: auto; }
"""


def write(report: dict[str, Any], path: Path, history: Path = baseline.HISTORY) -> None:
    """Write the page."""
    parts = [
        "<h1>What a monitored session costs</h1>",
        f"<p>{html.escape(_summary(report))}</p>",
        "<h2>Targets</h2><p>Medians of paired ratios with their intervals; ~ where 1 is within.</p>",
        _table(reports.TARGET_HEADER, reports.target_rows(report)),
        *_plots(report, baseline.load(history)),
        "<h2>How cost grows</h2>",
        _table(("cost of a", "per", MONITORED, TF_TRAIN), reports.growth_rows(report)),
        "<h2>All cases, per call</h2>",
        _table(reports.CASE_HEADER, reports.case_rows(report)),
    ]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>perf</title><style>{STYLE}</style>'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head + "\n".join(parts) + "</html>\n", encoding="utf-8")


def _summary(report: dict[str, Any]) -> str:
    machine, versions = report["machine"], report["versions"]
    names = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{report['created']}; {names}; {machine['processor']}, {machine['cores']} cores at load {machine['load']}"


def _table(header: tuple[str, ...], rows: Any) -> str:
    def cell(text: str) -> str:
        kind = f' class="{text}"' if text in ("met", "missed") else ""
        return f"<td{kind}>{html.escape(text)}</td>"

    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _plots(report: dict[str, Any], history: dict[str, Any]) -> list[str]:
    results = report["results"]

    def named(kind: str, *starts: str) -> list[dict[str, Any]]:
        return [r for r in results if r["kind"] == kind and r["name"].startswith(starts) and "threads" not in r["name"]]

    stalls = [r for r in named("stall_checkpoint", "10x") if not r["axis"]["more_ops"]]
    creations = [r for r in named("time_create", "10x") if "adam" not in r["name"]]
    plots = [
        _lines("Step by number of hooks", named("time_step", "default-list-unfed"), "hooks", "hooks", 1e6, "us"),
        _lines("Checkpoint stall by size, 10 variables", stalls, "megabytes", "MB", 1e3, "ms", log=True),
        _lines("Session creation by ops more, 10 variables", creations, "more_ops", "ops more", 1e3, "ms"),
        _history(history.get(baseline.key(report), [])),
    ]
    return [plot for plot in plots if plot]


def _lines(title: str, results: list[Any], axis: str, label: str, scale: float, unit: str, log: bool = False) -> str:
    """Plot what each subject costs along an axis, intervals as bars."""
    results = sorted(results, key=lambda r: r["axis"][axis])
    if len(results) < 2:
        return ""
    figure, axes = plt.subplots(figsize=(8, 4.2))
    for name, color in COLORS.items():
        found = [(r["axis"][axis], r["cost"][r["clock"]].get(name)) for r in results]
        points = [(x, cost) for x, cost in found if cost]
        if points:
            middle = [cost["value"] * scale for _, cost in points]
            below = [(cost["value"] - cost["low"]) * scale for _, cost in points]
            above = [(cost["high"] - cost["value"]) * scale for _, cost in points]
            axes.errorbar(
                [x for x, _ in points], middle, [below, above], label=name, color=color, marker="o", capsize=3
            )
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set(title=title, xlabel=label, ylabel=unit)
    axes.legend(frameon=False)
    return _figure(figure, axes)


def _history(entries: list[dict[str, Any]]) -> str:
    """Plot the ratios to `tf.train` of the cases that guard the baseline, one baseline after another."""
    from perf import cases  # noqa: PLC0415 - only for the names of those cases

    if not entries:
        return ""
    figure, axes = plt.subplots(figsize=(8, 4.6))
    for case in cases.select("default", gate=True):
        found = [(i, entry["ratios"].get(case.id, {}).get(TF_TRAIN)) for i, entry in enumerate(entries)]
        points = [(i, ratio) for i, ratio in found if ratio]
        if points:
            axes.plot([i for i, _ in points], [r["value"] for _, r in points], marker="o", label=case.id)
    axes.set_xticks(range(len(entries)), [f"{e['created'][:10]}\n{e['commit'][:7]}" for e in entries], fontsize=8)
    axes.set_ylim(bottom=0)
    axes.axhline(1, color="#bbb", linewidth=1)
    axes.set(title="Committed baselines: cost against tf.train", ylabel="ratio")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return _figure(figure, axes)


def _figure(figure: Any, axes: Any) -> str:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#eee")
    file = io.StringIO()
    figure.savefig(file, format="svg", bbox_inches="tight")
    plt.close(figure)
    text = file.getvalue()
    return f"<figure>{text[text.index('<svg') :]}</figure>"
