"""Work that is done in a forked process, for so many seconds at most.

It knows nothing of what the work is. The process and all that it started are gone when `fork` returns.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

Tell = Callable[[str], None]
"""What the work tells of itself, text by text, without NUL."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, or None if it was killed for its time; and what it told."""

    status: int | None
    told: list[str]
    limit: float

    @property
    def why(self) -> str:
        """The end in words."""
        return f"not done after {self.limit:g} s" if self.status is None else f"exit code {self.status}"


def fork(work: Callable[[Tell], None], limit: float) -> Ended:
    """Do `work` in a forked process, whose exit code is 1 if it raises and 0 if it does not."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _do(work, reading, writing)
    os.close(writing)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)  # here and there, for nobody knows who comes first
    try:
        told, status = _wait(child, reading, time.monotonic() + limit)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        os.close(reading)
    return Ended(status, [part.decode() for part in told.split(b"\0")[:-1]], limit)


def _do(work: Callable[[Tell], None], reading: int, writing: int) -> None:
    status = 1
    try:
        os.close(reading)
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        work(lambda text: _write_all(writing, text.encode() + b"\0"))
        status = 0
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def output_to(path: str, stream: int) -> None:
    """Let what this process writes to a stream (1 or 2), and its children, go to a file."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, stream)
    os.close(file)


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _wait(child: int, reading: int, deadline: float) -> tuple[bytes, int | None]:
    """Return what the child told until it ended, and its exit code; None if it had to be killed."""
    told = b""
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        late = time.monotonic() > deadline
        if late and not pid:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
        # a child of the child may hold the other end: so no waiting for the end of the file
        while select.select([reading], [], [], 0 if pid or late else 0.01)[0] and (more := os.read(reading, 1 << 16)):
            told += more
        if pid:
            return told, os.waitstatus_to_exitcode(status)
        if late:
            return told, None
