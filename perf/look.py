"""Looks at what this process holds. Linux only: it reads /proc/self."""

import contextlib
import gc
import os
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import tensorflow.compat.v1 as tf

import monitored
from monitored.compiled_step import StepRunner
from perf import memory
from perf.held import Held

_MONITORED_SESSIONS = tuple(
    getattr(train, name) for train in (tf.train, monitored) for name in ("MonitoredSession", "SingularMonitoredSession")
)
_THREAD_COUNTS, _THREAD_PAUSE_SECS = 1000, 0.01
_COORDINATORS = (tf.train.Coordinator, monitored.Coordinator)


def look(steps: int, saves: int, seconds: float, running: str = "") -> Held:
    """Return what is held now; `running` is the checkpoint folder of a session that still runs."""
    found = _objects()
    files = _open_files()
    return Held(
        steps,
        memory.rss(),
        threads=_threads(),
        python_threads=len(threading.enumerate()),
        handles=len(files),
        event_files=sum("events.out.tfevents" in name for name in files),
        writers=len(tf.summary.FileWriterCache._cache),
        temporary=_temporary_files(running),
        saves=saves,
        seconds=seconds,
        **found,
    )


def _objects() -> Counter[str]:
    """Count what is alive after a collection."""
    gc.collect()
    found = Counter(dict.fromkeys(("graphs", "ops", "sessions", "monitored_sessions", "registered", "plans"), 0))
    for thing in gc.get_objects():
        kind: Any = type(thing)  # isinstance would ask proxies, which may fail or build things
        if issubclass(kind, tf.Graph):
            found["graphs"] += 1
            found["ops"] += len(thing.get_operations())
        elif issubclass(kind, tf.Session):
            found["sessions"] += 1
        elif issubclass(kind, _MONITORED_SESSIONS):
            found["monitored_sessions"] += 1
        elif issubclass(kind, _COORDINATORS):
            found["registered"] += len(thing._registered_threads)
        elif issubclass(kind, StepRunner):
            found["plans"] += len(thing._plans)
    return found


def _threads() -> int:
    """Count the system's threads; one that has been joined is there until it has run to its end."""
    states = _states()
    for _ in range(_THREAD_COUNTS):
        if states.count("S") == len(states):
            break
        time.sleep(_THREAD_PAUSE_SECS)
        states = _states()
    return 1 + len(states)


def _states() -> list[str]:
    """Return the state of each other thread of the process: S if it waits for something."""
    states = []
    for number in os.listdir("/proc/self/task"):
        if int(number) != threading.get_native_id():
            with contextlib.suppress(OSError):  # it has ended
                stat = Path(f"/proc/self/task/{number}/stat").read_text(encoding="utf-8")
                states.append(stat.rpartition(")")[2].split()[0])
    return states


def _open_files() -> list[str]:
    names = []
    for handle in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the folder that is listed was one itself
            names.append(os.readlink(f"/proc/self/fd/{handle}"))
    return names


def _temporary_files(running: str) -> int:
    count = 0
    for parent, _, names in os.walk(tempfile.gettempdir()):
        saved = running and os.path.commonpath([parent, running]) == running
        count += len(left_over(names) if saved else names)
    return count


def left_over(names: list[str]) -> list[str]:
    """Return the names among those of a checkpoint folder that saving should have taken away again."""
    return [name for name in names if "temp" in name or "tmp" in name]
