"""The processes of a cluster, told step by step what to do.

A scenario runs in the process of the tests and does not train itself: it starts members, gives each
one task after another, and kills some. What a member observes comes back with the answer to each
task, so that the trace of a killed one is whole up to its last task. Order is the scenario's: a
member that sleeps, waiting for another one, is held there until the scenario lets it go on.
"""

import glob
import itertools
import json
import multiprocessing
import os
import re
import select
import signal
import time
from typing import Any

from conformance import idleness, implementations
from conformance.cluster import tasks
from conformance.cluster.addresses import free_addresses
from conformance.cluster.seat import Position, Task, live
from conformance.recorder import Recorder
from conformance.trace import Event, Normalisation

_PATIENCE_SECS = 600.0
"""How long a task may take before it counts as hanging."""

_NOTICED_SECS = 0.3
_LOOK_SECS = 0.05
_SLEEPS = 1000

NORMALISATIONS = (
    Normalisation(
        "what the runtime says of a peer that is gone or has started anew depends on what was on its way just then",
        r"(?s)(?:={5,}\n|(?:[A-Z]+: )?From /job:|Session handle is not found|RecvTensor expects|failed to connect"
        r"|Socket closed|Connection re|recvmsg:|sendmsg:|Broken pipe|End of TCP stream|Stream removed|GOAWAY"
        r"|={5,}$).*",
        "<what the runtime says of a lost peer>",
    ),
)


class HangError(Exception):
    """A member did not answer in time."""


class MemberError(Exception):
    """A member ended without a word, although nobody killed it."""


class Member:
    """One process of a cluster, as the scenario sees it."""

    def __init__(self, name: str, position: Position) -> None:
        self.name = name
        self.events: list[Event] = []
        self._folder = position.directory
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["conformance.interpreter", "conformance.cluster.tasks"])
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=live, args=(theirs, position), daemon=True)
        self._process.start()
        theirs.close()

    def begin(self, task: Task, *arguments: Any, **options: Any) -> None:
        """Let the member start on a task, and return at once."""
        self._connection.send((task, arguments, options))

    def finish(self) -> Any:
        """Wait until the member has done its task, letting it go on whenever it sleeps; return the task's value."""
        for _ in range(_SLEEPS):
            kind, value = self._hear()
            if kind == "done":
                return value
            self.go_on()
        raise HangError(f"{self.name} slept {_SLEEPS} times without getting done with its task")

    def do(self, task: Task, *arguments: Any, **options: Any) -> Any:
        """Let the member do a task, and wait for it."""
        self.begin(task, *arguments, **options)
        return self.finish()

    def leave(self) -> None:
        """Let the member end its sandbox, so that its trace ends with what it leaves; its server goes on serving."""
        self._connection.send(None)
        self.finish()

    def close_and_leave(self, wait_for_threads: bool = False) -> None:
        """Let the member close its session as a with block does that ended well, and leave.

        With `wait_for_threads` it first waits for threads that outlive the closing.
        """
        self.do(tasks.close)
        if wait_for_threads:
            self.do(tasks.wait_for_threads)
        self.leave()

    def wait_for_sleep(self) -> float:
        """Wait until the member sleeps in the midst of its task, and hold it there; return for how long it would."""
        kind, value = self._hear()
        if kind != "sleeps":
            raise MemberError(f"{self.name} was done, and did not sleep")
        return float(value)

    def go_on(self) -> None:
        """Let a member that sleeps go on."""
        self._connection.send(None)

    def is_busy_for(self, secs: float) -> bool:
        """Return whether the member, given so many seconds of real time, is still not done with its task.

        What it waits for a core does not count.
        """
        assert self._process.pid
        given, then, worked = 0.0, time.monotonic(), idleness.seconds_of_work(self._process.pid)
        while given < secs:
            if self._connection.poll(_LOOK_SECS):
                return False
            now, work = time.monotonic(), idleness.seconds_of_work(self._process.pid)
            could_run = idleness.running_threads(self._process.pid) > 0
            given += min(now - then, work - worked) if could_run else now - then
            then, worked = now, work
        return True

    def kill(self) -> None:
        """End the process with SIGKILL, whatever it does, and wait until it is gone and its peers can know."""
        self._process.kill()
        self._process.join()
        # How much of its events a killed process has written is chance.
        for path in glob.glob(os.path.join(glob.escape(self._folder), "**", "events.out.tfevents*"), recursive=True):
            os.remove(path)
        select.select([], [], [], _NOTICED_SECS)

    def end(self) -> None:
        """Kill the process if it is still there, and forget it."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _hear(self) -> tuple[str, Any]:
        if not self._connection.poll(_PATIENCE_SECS):
            # It says where it is before it dies.
            assert self._process.pid
            os.kill(self._process.pid, signal.SIGUSR1)
            self._process.join(10)
            raise HangError(f"{self.name} has not answered for {_PATIENCE_SECS} s; its stacks are in the output")
        try:
            kind, value, events = self._connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            raise MemberError(f"{self.name} ended with exit code {self._process.exitcode}") from None
        self.events.extend(Event(*event) for event in events)
        return kind, value


class Cluster:
    """The members of one scenario; as a context manager it ends them all and records their traces.

    `fail_fast` is whether their runtime reports a peer that is gone at once, or waits until it is back;
    None is the runtime's own choice.
    """

    def __init__(
        self, train: Any, record: Recorder, ps: int = 1, workers: int = 1, fail_fast: bool | None = None
    ) -> None:
        addresses = iter(free_addresses(ps + 1 + workers))
        self.addresses = {
            job: list(itertools.islice(addresses, number))
            for job, number in (("ps", ps), ("chief", 1), ("worker", workers))
            if number
        }
        self.members: list[Member] = []
        self._environment = {} if fail_fast is None else {"GRPC_FAIL_FAST": str(fail_fast).lower()}
        self._train, self._record = train, record

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, error_type: Any, error: Any, traceback: Any) -> None:
        for member in self.members:
            member.end()
        for member in self.members:
            for event in without_retries(member.events):
                # Already described, in its own process.
                self._record.events.append(Event(f"{member.name}: {event.kind}", self._normalise(event.data)))

    def _normalise(self, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: self._normalise(value) for key, value in data.items()}
        if isinstance(data, list):
            return [self._normalise(value) for value in data]
        if not isinstance(data, str):
            return data
        for job, addresses in self.addresses.items():
            for index, address in enumerate(addresses):
                data = data.replace(address, f"<{job} {index}>")
        for rule in NORMALISATIONS:
            data = re.sub(rule.pattern, rule.replacement, data)
        return data

    def start(self, job: str, index: int = 0, serves: bool = True) -> Member:
        """Start a process, and its server if it `serves`."""
        implementation = implementations.of_namespace(self._train)
        plain = implementations.is_plain(implementation)
        # Checkpoints are the chief's; what other members find there while it writes is no observation.
        folder = self._record.path() if job == "chief" else self._record.path(f"{job} {index}")
        os.makedirs(folder, exist_ok=True)
        position = Position(implementation.name, plain, folder, self._environment, self.addresses, job, index)
        lives = sum(member.name.startswith(f"{job} {index}, ") for member in self.members)
        member = Member(f"{job} {index}, life {lives + 1}", position)
        self.members.append(member)
        if serves:
            member.do(tasks.serve)
        return member

    def start_each(self, *jobs: str) -> list[Member]:
        """Start the first process of each of these jobs."""
        return [self.start(job) for job in jobs]


def without_retries(events: list[Event]) -> list[Event]:
    """Return the trace without what is a matter of time: attempts that the runtime alone made fail.

    There is no pause between attempts to make a session; how many there are until a peer is back is chance,
    and one is left. A step whose server has just been replaced ends with AbortedError or, by chance, with
    CancelledError, after which it is run again (`tasks.run`); only the last one is left.
    """
    kept: list[Event] = []
    last = -1
    for event in events:
        kept.append(event)
        if event.kind == "log" and event.data[1].startswith("An error was raised while a session was being created"):
            attempt = _last_of(kept, "tf session made") - 1
            if last == attempt:
                del kept[attempt:]
            last = len(kept)
        elif event.kind == "run" and "CancelledError" in json.dumps(event.data):
            del kept[_last_of(kept, ".before_run") :]
    numbers: dict[str, str] = {}

    def renumber(found: re.Match[str]) -> str:
        of_kind = sum(name.startswith(found[1]) for name in numbers)
        return numbers.setdefault(found[0], f"{found[1]} {of_kind + 1}")

    counted = r"\b(tf session|context|metadata|coordinator) \d+"
    return [Event(each.kind, json.loads(re.sub(counted, renumber, json.dumps(each.data)))) for each in kept]


def _last_of(events: list[Event], kind: str) -> int:
    return max(index for index, each in enumerate(events) if each.kind.endswith(kind))


def leave(*members: Member, wait_for_threads: bool = False) -> None:
    """Let each member close its session and leave, one after the other."""
    for member in members:
        member.close_and_leave(wait_for_threads)
