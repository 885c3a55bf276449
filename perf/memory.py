"""What a session costs in memory; each subject in a process of its own, which this module also is.

    python -m perf.memory steps monitored 100000 7    bytes of RSS gained in each of 7 x 100,000 steps
    python -m perf.memory save tf.train 25000 7       peak bytes above before, during each of 7 saves

Linux only: it reads /proc/self.
"""

import contextlib
import gc
import json
import os
import re
import subprocess
import sys
from typing import Any

from perf import checkpoints, models, steps
from perf.sides import FLOOR, SIDES, Setting, start, temporary_setting

SUBJECTS = (*SIDES, FLOOR)
SAVED_VARIABLES = 10


def rss() -> int:
    """Return the bytes of memory that this process holds."""
    return _status("VmRSS")


def peak() -> int:
    """Return the most bytes it held since `reset_peak`."""
    return _status("VmHWM")


def reset_peak() -> None:
    """Begin anew to look for the peak."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def _status(name: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        found = re.search(rf"^{name}:\s+(\d+) kB", file.read(), re.MULTILINE)
    if found is None:
        raise OSError(f"/proc/self/status has no {name}")
    return int(found[1]) * 1024


def measure(what: str, number: int, rounds: int, device: str) -> dict[str, list[float]]:
    """Return for each subject the bytes of each round, `what` being steps or save."""
    found = {}
    for subject in SUBJECTS:
        command = [sys.executable, "-m", "perf.memory", what, subject, str(number), str(rounds), device]
        # malloc's arenas for threads that come and go would drown what is looked for.
        environment = {**os.environ, "MALLOC_ARENA_MAX": "2"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}")
        found[subject] = json.loads(done.stdout.splitlines()[-1])
    return found


def _steps(subject: str, number: int, rounds: int, setting: Setting) -> list[float]:
    run = steps.step_overhead(setting, "default", "list", fed=False)[subject].run
    for _ in range(max(1000, number // 5)):
        run()
    gained = []
    for _ in range(rounds):
        before = _settled_rss()
        for _ in range(number):
            run()
        gained.append(float(_settled_rss() - before))
    return gained


def _settled_rss() -> int:
    gc.collect()
    return rss()


def _save(subject: str, floats: int, rounds: int, setting: Setting) -> list[float]:
    size = models.Size(SAVED_VARIABLES, floats, adam=True, device=setting.device)
    if subject == FLOOR:
        saving: Any = checkpoints.bare_save(size, setting)
    else:
        saving = checkpoints.saving_step(subject, size, setting)
    extra = []
    for _ in range(rounds):
        saving.prepare()
        reset_peak()
        before = _settled_rss()
        saving.run()
        extra.append(float(max(0, peak() - before)))
    return extra


def main(arguments: list[str]) -> None:
    """Measure one subject; print its rounds as JSON."""
    what, subject, number, rounds, *device = arguments
    start()
    with temporary_setting(device[0] if device else "cpu", threads=False) as setting:
        measured = {"steps": _steps, "save": _save}[what](subject, int(number), int(rounds), setting)
    sys.stdout.write(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
