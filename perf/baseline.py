"""What earlier runs cost, and whether a new one costs more beyond noise.

`baseline.json` holds the ratios that a check compares with, one entry for each TensorFlow release
and device; `history.json` holds all that were ever committed, for the plot. Only ratios are
compared, since seconds say more of the machine than of the code.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from perf.measure import Estimate, is_regression

FOLDER = Path(__file__).resolve().parent
BASELINE = FOLDER / "baseline.json"
HISTORY = FOLDER / "history.json"
REPEATS = 3
"""A case must be slower in each of so many measurements before it counts as slower."""

Ratios = dict[str, dict[str, dict[str, float]]]


def key(report: dict[str, Any]) -> str:
    """Return what reports must share to be compared: TensorFlow's release and the device."""
    release = ".".join(report["versions"]["tensorflow"].split(".")[:2])
    return f"tensorflow {release}, {report['settings']['device']}"


def ratios_of(results: Iterable[dict[str, Any]]) -> Ratios:
    """Return each case's ratios to `tf.train` and to its floor, by the clock that counts."""
    return {r["id"]: compared(r) for r in results if "ratios" in r}


def compared(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the ratios of one case that a baseline holds."""
    ratios = result["ratios"][result["clock"]]
    names = [name for name in ("tf.train", result["floor"]) if name in ratios]
    return {name: {k: round(v, 4) for k, v in ratios[name].items()} for name in names}


def save(report: dict[str, Any], baseline: Path = BASELINE, history: Path = HISTORY) -> None:
    """Make a report the baseline of its release and device, and add it to the history.

    Cases that were not measured this time keep their ratios.
    """
    entry = {"created": report["created"], "commit": report["versions"]["commit"], "machine": report["machine"]}
    baselines = load(baseline)
    entry["ratios"] = baselines.get(key(report), {}).get("ratios", {}) | ratios_of(report["results"])
    baselines[key(report)] = entry
    _write(baseline, baselines)
    past = load(history)
    past.setdefault(key(report), []).append(entry)
    _write(history, past)


def load(path: Path) -> dict[str, Any]:
    """Return a file's contents, nothing if it is not there."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _write(path: Path, contents: Any) -> None:
    path.write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")


def slower(result: dict[str, Any], before: dict[str, dict[str, float]], tolerance: float) -> list[str]:
    """Say which of a case's ratios grew beyond noise."""
    found = []
    for name, now in compared(result).items():
        if name in before and is_regression(Estimate(**now), Estimate(**before[name]), tolerance):
            found.append(f"{before[name]['value']:.2f} -> {now['value']:.2f} of {name}")
    return found


def confirm(
    measure: Callable[[], dict[str, Any]], before: dict[str, dict[str, float]], tolerance: float
) -> tuple[list[str], int]:
    """Measure until it is not slower, at most three times; return what was slower each time, and how often measured."""
    for repeat in range(1, REPEATS + 1):
        found = slower(measure(), before, tolerance)
        if not found:
            return [], repeat
    return found, REPEATS
