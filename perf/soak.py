"""Whether a long training leaves anything behind: memory, threads, files, graphs, sessions.

A program runs for as long as wanted and what its process holds is looked at ten times. What it held at
the second look is what it may hold at the last. Each implementation runs in a process of its own:

    python -m perf.soak monitored sessions=2000

prints each look of it as a line of JSON; `python -m perf soak` starts that and shows both sides.
"""

import argparse
import datetime
import functools
import gc
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from perf.held import RSS, Held, grew

LOOKS = 10
"""How often it is looked at."""

MIB = 2**20

IMPLEMENTATIONS = {"monitored": "monitored", "tensorflow": "tf.train"}
"""What the command line calls them, and what the rest of `perf` does."""

PLANTS = ("session", "thread", "handle", "file", "writer")
"""What can be planted, to see that it would be reported: `plants.py`."""


@dataclass(frozen=True)
class Program:
    """A program: how many steps or sessions by default, and by how much memory may differ.

    Counts may not grow at all. Memory may, by `rss_bound` bytes from the second look to the last, for
    allocators give back in lumps: over 2,000 sessions in which nothing grew, the looks from the second on
    were up to 5.5 MiB apart, over 200,000 steps up to 1 MiB.
    """

    about: str
    number: int
    unit: str = "steps"
    rss_bound: int = 4 * MIB


PROGRAMS = {
    **{
        name: Program(f"one session, new in each step: {what}", 1_000_000)
        for name, what in {
            "same": "nothing",
            "list": "the fetch list",
            "lambda": "the step function",
            "key": "a key of the fetches",
            "feed": "the array that is fed",
        }.items()
    },
    "sessions": Program("sessions that end in every way, a graph each", 2_000, "sessions", 8 * MIB),
    "sessions-one-graph": Program("sessions that end in every way, all over one graph", 2_000, "sessions", 8 * MIB),
    "threads": Program("one session, threads that come and go beside it", 200_000),
}

_ENDED_THREADS = "its coordinator keeps every registered thread until it is joined"
KEPT_BY_TENSORFLOW = {("tensorflow", "threads"): {"registered": _ENDED_THREADS, RSS: _ENDED_THREADS}}
"""Implementation and program -> what grows there and why; no other growth is let through."""


def measure(name: str, side: str, number: int, save_every: int, plant: str, folder: str) -> Iterator[Held]:
    """Run a program in this process; yield each look."""
    from perf import plants, soak_sessions, soak_steps  # noqa: PLC0415 - not for who only starts processes
    from perf.sides import Setting  # noqa: PLC0415

    run: Callable[..., Iterator[Held]]
    if name == "threads":
        run = soak_sessions.threads
    elif name.startswith("sessions"):
        run = functools.partial(soak_sessions.sessions, name == "sessions-one-graph")
    else:
        run = functools.partial(soak_steps.steps, name)
    # What is there by now is no part of what is looked for, and looking is then cheap.
    gc.collect()
    gc.freeze()
    setting = Setting("cpu", threads=True, folder=folder)
    looks = {round(look * number / LOOKS) for look in range(1, LOOKS + 1)}
    yield from run(setting, side, number, looks, save_every, plants.Plant(plant))


def started(name: str, implementation: str, number: int, save_every: int, plant: str = "") -> Iterator[Held]:
    """Run a program in a process of its own; yield each look as it is made.

    RuntimeError if the process fails.
    """
    with tempfile.TemporaryDirectory(prefix="perf-") as folder:
        command = [sys.executable, "-m", "perf.soak", implementation, f"{name}={number}", f"--save-every={save_every}"]
        # Threads that come and go leave malloc's arenas behind, which would drown what is looked for.
        environment = {**os.environ, "TMPDIR": folder, "MALLOC_ARENA_MAX": "2"}
        with (
            tempfile.TemporaryFile("w+") as errors,
            subprocess.Popen(
                [*command, f"--plant={plant}"], stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
            ) as process,
        ):
            for line in process.stdout or ():
                yield Held(**json.loads(line))
            if process.wait():
                errors.seek(0)
                raise RuntimeError(f"{' '.join(command)}: exit {process.returncode}\n{errors.read()[-2000:]}")


def verdict(name: str, implementation: str, held: list[Held]) -> tuple[list[str], dict[str, str]]:
    """Return what grew and may not, and what grew and is known to, with the reason."""
    grown = grew(held, PROGRAMS[name].rss_bound)
    known = KEPT_BY_TENSORFLOW.get((implementation, name), {})
    return [what for what in grown if what not in known], {what: known[what] for what in grown if what in known}


def rows(results: dict[str, list[Held]]) -> list[tuple[str, ...]]:
    """Return what is held at the second look and at the last, for each implementation: a row for each kind."""
    fields = [field for field in Held.__dataclass_fields__ if field != "steps"]
    return [
        (
            field.replace("_", " "),
            *(amount(field, getattr(look, field)) for held in results.values() for look in (held[1], held[-1])),
        )
        for field in fields
    ]


def amount(field: str, value: float) -> str:
    """Say how much there is of something."""
    return f"{value / MIB:,.1f} MiB" if field == RSS else f"{value:,.0f}"


def as_json(name: str, results: dict[str, list[Held]]) -> dict[str, Any]:
    """Return everything about a run."""
    verdicts = {implementation: verdict(name, implementation, held) for implementation, held in results.items()}
    return {
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), "tensorflow": importlib.metadata.version("tensorflow")},
        "program": {"name": name, "about": PROGRAMS[name].about, "unit": PROGRAMS[name].unit},
        "rss_bound": PROGRAMS[name].rss_bound,
        "implementations": {
            implementation: {
                "grew": verdicts[implementation][0],
                "known to grow": verdicts[implementation][1],
                "looks": [look.as_dict() for look in held],
            }
            for implementation, held in results.items()
        },
    }


def main(arguments: list[str] | None = None) -> None:
    """Run programs in this process; print each look as JSON."""
    parser = argparse.ArgumentParser("python -m perf.soak")
    parser.add_argument("implementation", choices=IMPLEMENTATIONS)
    parser.add_argument("programs", nargs="+", help="NAME=STEPS")
    parser.add_argument("--save-every", type=int, default=10_000)
    parser.add_argument("--plant", default="")
    options = parser.parse_args(arguments)
    from perf import sides  # noqa: PLC0415 - after the arguments are found right

    sides.start()
    side = IMPLEMENTATIONS[options.implementation]
    for program in options.programs:
        name, _, number = program.partition("=")
        folder = tempfile.mkdtemp(prefix="soak-")
        for held in measure(name, side, int(number), options.save_every, options.plant, folder):
            sys.stdout.write(json.dumps(held.as_dict()) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
