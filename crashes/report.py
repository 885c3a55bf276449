"""What came of the kills, as a table and as JSON."""

import json
import os
import platform
import subprocess
import sys
import time
from collections import Counter
from typing import Any, TextIO

import tensorflow.compat.v1 as tf
from rich.console import Console
from rich.table import Table

from crashes.campaign import CONFIGS, SIZES, Kill
from crashes.marks import TITLES, Phase

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def failed(kill: Kill) -> bool:
    """Whether anything was lost, or the next process did not go on from there."""
    return bool(kill.losses or kill.restart)


def make(kills: list[Kill], settings: dict[str, Any], seconds: float, where: str) -> dict[str, Any]:
    """Return the result as JSON has it; `where` is the folder that the jobs saved in."""
    return {
        **settings,
        "date": time.strftime("%Y-%m-%d"),
        "commit": _commit(),
        "versions": {"tensorflow": tf.__version__, "python": platform.python_version()},
        "machine": {"cores": os.cpu_count(), "system": platform.platform()},
        "file_system": file_system(where),
        "sizes": {name: {"variables": size[0], "floats": size[1]} for name, size in SIZES.items()},
        "seconds": round(seconds, 1),
        "kills": len(kills),
        "inside_a_save": sum(kill.inside_a_save for kill in kills),
        "losses": sum(bool(kill.losses) for kill in kills),
        "failed_restarts": sum(bool(kill.restart) for kill in kills),
        "restarts_not_observed": sum(not kill.restart_observed for kill in kills),
        "newest_meta_graph": dict(Counter(kill.meta for kill in kills)),
        "left_over": {
            kind: {"after_kills": sum(kind in k.left_over for k in kills)}
            for kind in sorted({kind for kill in kills for kind in kill.left_over})
        },
        "every_kill": [kill._asdict() for kill in kills],
    }


def _commit() -> str:
    command = ["git", "-C", _ROOT, "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def file_system(where: str) -> str:
    """Return the type of the file system that a folder is on, such as ext4; "unknown" where Linux does not say."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split() for line in file]
    except OSError:
        return "unknown"
    device = os.stat(where).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    # The type is behind a lone dash, which follows as many optional fields as there are.
    types = [fields[fields.index("-", 6) + 1] for fields in mounts if fields[2] == number]
    return types[-1] if types else "unknown"


def write(result: dict[str, Any], file: TextIO) -> None:
    """Write the result in the place of what is in the file."""
    file.truncate(0)
    json.dump(result, file, indent=1)
    file.write("\n")


def rows(kills: list[Kill]) -> list[list[str]]:
    """Return the table: the kills in each phase, by kind of job, and what was lost."""
    names = [config.name for config in CONFIGS if any(kill.config == config.name for kill in kills)]
    table = []
    for phase in Phase:
        here = [kill for kill in kills if kill.phase == phase.name]
        if phase is Phase.FLUSHING and not here:
            continue  # only a DurableSaver does that
        table.append([TITLES[phase], *_counts(here, names)])
    return [*table, ["all", *_counts(kills, names)]]


def _counts(kills: list[Kill], names: list[str]) -> list[str]:
    counts = [sum(kill.config == name for kill in kills) for name in names]
    found = [sum(bool(kill.losses) for kill in kills), sum(bool(kill.restart) for kill in kills)]
    found.append(sum(not kill.restart_observed for kill in kills))
    no_meta = sum(kill.meta != "whole" and kill.step >= 0 for kill in kills)
    return [str(number) for number in (*counts, len(kills), *found, no_meta)]


def columns(kills: list[Kill]) -> list[str]:
    """Return the titles of the columns of `rows`."""
    names = [config.name for config in CONFIGS if any(kill.config == config.name for kill in kills)]
    return ["killed while", *names, "kills", "losses", "bad restarts", "not observed", "no meta"]


def print_table(kills: list[Kill], title: str) -> None:
    """Print the table, and every loss."""
    table = Table(title=title)
    for column in columns(kills):
        table.add_column(column, justify="left" if column == "killed while" else "right")
    *phases, total = rows(kills)
    for row in phases:
        table.add_row(*row)
    table.add_section()
    table.add_row(*total, style="bold")
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    for kill in kills:
        if failed(kill):
            found = "; ".join(filter(None, [*kill.losses, kill.restart]))
            print(f"{kill.config} kill {kill.number}, {TITLES[Phase[kill.phase]]}: {found}")
