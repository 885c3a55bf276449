"""What goes on in the process of a member: it does the tasks it is told, in a sandbox, until it is killed."""

import faulthandler
import os
import signal
import threading
from typing import Any, Callable, NamedTuple

from conformance import devices, implementations
from conformance.recorder import Recorder
from conformance.sandbox import Clock, run_in_sandbox

Task = Callable[..., Any]
"""A function of a seat and of plain values; what it records, returns or raises goes into the trace."""


class Position(NamedTuple):
    """Everything that a process must know to be a member of a cluster."""

    implementation: str
    plain: bool
    directory: str
    environment: dict[str, str]
    cluster: dict[str, list[str]]
    job: str
    index: int


class Seat:
    """What a task finds: who the member is, where it records, and what its earlier tasks have made."""

    def __init__(self, position: Position, train: Any, record: Recorder) -> None:
        self.cluster, self.job, self.index = position.cluster, position.job, position.index
        self.train, self.record = train, record
        self.server: Any = None
        self.graph: Any = None
        self.session: Any = None
        self.train_fetches: Any = None

    @property
    def device(self) -> str:
        """The device name of the member."""
        return f"/job:{self.job}/task:{self.index}"


def live(connection: Any, position: Position) -> None:
    """Do one task after another, in one sandbox; answer each with what was recorded meanwhile."""
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    os.environ.update(position.environment)
    implementation = implementations.load(position.implementation)
    said = 0

    def say(kind: str, value: Any, events: list[Any]) -> None:
        nonlocal said
        connection.send((kind, value, [tuple(event) for event in events[said:]]))
        said = len(events)

    def scenario(train: Any, record: Recorder) -> None:
        def hold(secs: float) -> None:
            if threading.current_thread() is threading.main_thread():
                say("sleeps", secs, record.events)
                _next(connection)

        record.clock.on_sleep = hold
        seat = Seat(position, train, record)
        for task, arguments, options in iter(lambda: _next(connection), None):
            value = record.outcome(task.__name__, task, seat, *arguments, **options)
            say("done", value, record.events)
        record.clock.on_sleep = None

    with devices.on(devices.CPU), implementations.plain_steps(implementation, position.plain):
        say("done", None, run_in_sandbox(implementation.namespace, scenario, position.directory, Clock()))
    # Its server goes on serving until the process is killed.
    _next(connection)


def _next(connection: Any) -> Any:
    try:
        return connection.recv()
    except EOFError:  # nobody is left to work for
        os._exit(1)
