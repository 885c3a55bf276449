"""What was measured, as JSON and as tables for a terminal. The page is `page.py`."""

import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
from rich.console import Console
from rich.table import Table

import monitored
from perf import measure, sides
from perf.measure import Estimate
from perf.sides import FLOOR, MONITORED, TF_TRAIN

ROOT = Path(__file__).resolve().parent.parent


def make(results: list[dict[str, Any]], settings: dict[str, Any]) -> dict[str, Any]:
    """Return a report: what was measured, with what, where."""
    return {
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": _versions(),
        "machine": _machine(),
        "settings": settings,
        "results": results,
    }


def _versions() -> dict[str, str]:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    return {
        "commit": commit,
        "monitored": getattr(monitored, "__version__", "source"),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
    }


def _machine() -> dict[str, Any]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.processor() or platform.machine()
    load = os.getloadavg() if hasattr(os, "getloadavg") else ()
    gpus = [gpu.name for gpu in tf.config.experimental.list_physical_devices("GPU")]
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "load": [round(x, 2) for x in load],
        "gpus": gpus,
    }


def write(report: dict[str, Any], path: Path) -> None:
    """Write a report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """Read a report; ValueError if the file is none."""
    report = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(report, dict) or "results" not in report:
        raise ValueError(f"{path} is not a report of python -m perf run")
    return report


def ratio_text(ratio: dict[str, float] | None) -> str:
    """Return a ratio with its interval, `~` before one that may as well be 1; `-` for none."""
    if ratio is None:
        return "-"
    estimate = Estimate(**ratio)
    mark = "" if measure.is_significant(estimate) else "~"
    return f"{mark}{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def duration(secs: float) -> str:
    """Return seconds in the unit in which they read best."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if abs(secs) >= size:
            return f"{secs / size:.3g} {unit}"
    return f"{secs / 1e-6:.2g} us"


def amount(result: dict[str, Any], name: str) -> str:
    """Return what one subject cost, by the clock that counts."""
    cost = result["cost"][result["clock"]].get(name)
    if cost is None:
        return "-"
    if result["clock"] == "bytes":
        return f"{cost['value'] / 1024:,.0f} kB [{cost['low'] / 1024:,.0f}, {cost['high'] / 1024:,.0f}]"
    return duration(cost["value"])


def ratio(result: dict[str, Any], name: str | None, clock: str | None = None) -> dict[str, float] | None:
    """Return one ratio of a case, None where there is none."""
    found: dict[str, float] | None = result.get("ratios", {}).get(clock or result["clock"], {}).get(name)
    return found


TARGET_HEADER = ("what", "vs tf.train", "target", "", "vs floor", "target", "", "floor is")


def target_rows(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the table of targets: measured ratio, target and verdict, against tf.train and floor."""
    rows = []
    for result in report["results"]:
        target = result.get("target")
        if not target:
            continue
        if result["clock"] == "bytes":
            ours, theirs, floor = (amount(result, name) for name in (MONITORED, TF_TRAIN, FLOOR))
            rows.append(
                (
                    f"{target['row']}: {ours}",
                    theirs,
                    "<= it",
                    _word(target["tf_met"]),
                    floor,
                    "0",
                    _word(target["floor_met"]),
                    target["floor_name"],
                )
            )
            continue
        limit = target["floor"]
        rows.append(
            (
                target["row"],
                ratio_text(ratio(result, TF_TRAIN)),
                f"<= {target['tf_train']:.2f}",
                _word(target["tf_met"]),
                ratio_text(ratio(result, result["floor"])) if limit else "-",
                f"<= {limit:.2f}" if limit else "-",
                _word(target["floor_met"]),
                target["floor_name"] if limit else "-",
            )
        )
    return rows


def _word(met: bool | None) -> str:
    return {True: "met", False: "missed", None: ""}[met]


CASE_HEADER = ("case", "monitored", "tf.train", "floor", "vs tf.train", "vs floor", "the other clock, vs tf.train")


def case_rows(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the table of all cases."""
    rows = []
    for result in report["results"]:
        floor = result.get("floor") or FLOOR
        other = {"cpu": "wall", "wall": "cpu"}.get(result["clock"])
        rows.append(
            (
                result["id"],
                *(amount(result, name) for name in (MONITORED, TF_TRAIN, floor)),
                ratio_text(ratio(result, TF_TRAIN)),
                ratio_text(ratio(result, floor)),
                ratio_text(ratio(result, TF_TRAIN, other)) if other else "-",
            )
        )
    return rows


def growth_rows(report: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return how cost grows: per hook, op, variable, byte, for each side."""
    rows = []
    for title, results, axis, unit in _series(report):
        points = {
            side: [(r["axis"][axis], r["cost"][r["clock"]][side]["value"]) for r in results]
            for side in (MONITORED, TF_TRAIN)
        }
        if len({size for size, _ in points[MONITORED]}) < 2:
            continue
        ours, theirs = (measure.growth(points[side]) for side in (MONITORED, TF_TRAIN))
        rows.append((title, unit, duration(ours), duration(theirs)))
    return rows


def _series(report: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]], str, str]]:
    results = report["results"]

    def of(kind: str, **fixed: float) -> list[dict[str, Any]]:
        return [
            r
            for r in results
            if r["kind"] == kind and "adam" not in r["name"] and all(r["axis"].get(k) == v for k, v in fixed.items())
        ]

    steps = [r for r in of("time_step") if r["name"].startswith("default-list-unfed") and "threads" not in r["name"]]
    megabytes = of("stall_checkpoint", variables=10, more_ops=0)
    many = [r for r in of("stall_checkpoint", more_ops=0) if r["name"].split("-")[0].endswith("x1000")]
    return [
        ("step", steps, "hooks", "hook"),
        ("step that writes summaries", of("time_summary"), "summaries", "summary"),
        ("checkpoint stall", megabytes, "megabytes", "MB"),
        ("checkpoint stall", many, "variables", "variable"),
        ("checkpoint stall", of("stall_checkpoint", variables=10, megabytes=10 * 1000 * 4 / 2**20), "more_ops", "op"),
        ("session creation", of("time_create", variables=10), "more_ops", "op"),
        ("restart", of("time_restart", variables=10), "more_ops", "op"),
    ]


def print_tables(report: dict[str, Any], console: Console | None = None) -> None:
    """Print targets, all cases, and how cost grows."""
    # Piped into a file, a table must not be cut to eighty columns.
    console = console or Console(width=None if sys.stdout.isatty() else 170)
    _print(console, "All cases, per call", CASE_HEADER, case_rows(report))
    growth = growth_rows(report)
    if growth:
        _print(console, "How cost grows", ("cost of a", "per", MONITORED, TF_TRAIN), growth)
    targets = target_rows(report)
    if targets:
        _print(console, "Targets: medians of paired ratios [interval], ~ where 1 is within", TARGET_HEADER, targets)
    settings, versions = report["settings"], report["versions"]
    plant = settings.get("planted slowdown")
    console.print(
        f"TensorFlow {versions['tensorflow']}, Python {versions['python']}, commit {versions['commit']}, profile "
        f"{settings['profile']}, {settings['device']}, {report['machine']['cores']} cores at load "
        f"{report['machine']['load']}" + (f", {sides.PLANT}={plant}" if plant else ""),
        highlight=False,
    )


def _print(console: Console, title: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(title=title.replace("[", "\\["), title_justify="left")
    for index, name in enumerate(header):
        table.add_column(name, no_wrap=index > 0)
    for row in rows:
        # Names of cases hold brackets, which rich would take for markup.
        cells = [cell.replace("[", "\\[") for cell in row]
        table.add_row(*({"met": "[green]met", "missed": "[red]missed"}.get(cell, cell) for cell in cells))
    console.print(table)
