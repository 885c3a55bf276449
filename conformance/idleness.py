"""Whether threads still have something to do, which on a busy machine time alone does not tell.

Linux says of each thread whether it runs, could run, or waits for something; where nobody says it, all
threads count as waiting. This module keeps to Python 3.6 syntax.
"""

import os
import threading
import time
from typing import Any, List

_real_sleep = time.sleep  # time.sleep is virtual while a scenario runs
_real_monotonic = time.monotonic
_PAUSE_SECS = 0.002


def running_threads(process: Any = "self") -> int:
    """Return how many threads of a process run, or would if a core were free; a waiting disk counts as running."""
    folder = "/proc/{}/task".format(process)
    threads = _threads(folder)
    running = sum(_runs(os.path.join(folder, thread, "stat")) for thread in threads)
    # One that has come meanwhile was started by one that runs, or waits for it.
    return running + (_threads(folder) != threads)


def _threads(folder: str) -> List[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _runs(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"R", b"D")
    except OSError:  # it has ended
        return False


def seconds_of_work(process: int) -> float:
    """Return for how long cores have worked for a process, 0 where nobody can tell."""
    try:
        with open("/proc/{}/stat".format(process), "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def let_others_run(most_secs: float) -> None:
    """Wait until every other thread of this process waits, but not longer than so.

    One that waits for Python's lock does not count as waiting: the caller lets go of the lock while it looks.
    """
    deadline = _real_monotonic() + most_secs
    while threading.active_count() > 1 and _real_monotonic() < deadline:
        _real_sleep(_PAUSE_SECS)
        if running_threads() <= 1:  # the caller is one
            break
