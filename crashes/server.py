"""Starts trainers cheaply: a process that has imported TensorFlow, and forks them off.

TensorFlow takes seconds to import, and its threads do not survive a fork once a session has run. So
the server never runs one. It has one trainer at a time, and tells its process id and how it ended.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from typing import Any, BinaryIO

from crashes import trainer

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Server:
    """The checker's end. A context manager: at the end of the block the server ends too."""

    def __init__(self) -> None:
        paths = [_ROOT, *filter(None, map(os.path.abspath, sys.path))]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        command = [sys.executable, "-m", "crashes.server"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment
        )

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: Any) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def start(self, job: trainer.Job) -> "Trainer":
        """Start a trainer; the one before must have ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        return Trainer(int(self._process.stdout.readline()), self._process.stdout)


class Trainer:
    """A trainer that was started."""

    def __init__(self, pid: int, answers: Any) -> None:
        self._pid, self._answers = pid, answers
        self._code: int | None = None

    def has_ended(self, within_secs: float = 0.0) -> bool:
        """Whether it ends within so many seconds."""
        if self._code is None and select.select([self._answers], [], [], within_secs)[0]:
            self._code = int(self._answers.readline())
        return self._code is not None

    def kill(self) -> int:
        """End it with SIGKILL if it has not ended; return its exit code, -9 for the signal."""
        if not self.has_ended():
            with contextlib.suppress(ProcessLookupError):  # it ends by itself at this moment
                os.kill(self._pid, signal.SIGKILL)
            self._code = int(self._answers.readline())
        assert self._code is not None
        return self._code


def serve(jobs: BinaryIO, answers: int) -> None:
    """Start one trainer after the other, until there are no more jobs."""
    for line in jobs:
        pid = os.fork()
        if pid == 0:
            jobs.close()
            trainer.run(trainer.Job(*json.loads(line)))
            os._exit(0)
        os.write(answers, b"%d\n" % pid)
        os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    # What trainers print must not get between the answers.
    own_output = os.dup(1)
    os.dup2(2, 1)
    serve(sys.stdin.buffer, own_output)
