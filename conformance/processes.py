"""Real new processes for the lives of a program that asks for them.

A process that has run a session cannot be forked, and importing TensorFlow takes seconds. So one
server imports it and never makes a session; each process starts as a copy of that server, which
takes a moment.
"""

import multiprocessing
from typing import Any, Callable, NamedTuple

from conformance import devices, implementations
from conformance.recorder import Recorder
from conformance.sandbox import Clock, run_in_sandbox
from conformance.trace import Event

_PATIENCE_SECS = 600.0

Work = Callable[[Any, Recorder, Any], None]


class ProcessError(Exception):
    """A process of a scenario failed or did not end; what it does is caught there, so this is the harness's fault."""


class _Task(NamedTuple):
    """Everything a process needs; `work(train, record, argument)` is what it does there."""

    implementation: str
    plain: bool
    device: Any
    directory: str
    now: float
    work: Work
    argument: Any


def run_in_process(train: Any, record: Recorder, work: Work, argument: Any) -> None:
    """Do `work` in a sandbox in a process of its own, on the same directory and clock; take over its trace."""
    implementation = implementations.of_namespace(train)
    task = _Task(
        implementation.name,
        implementations.is_plain(implementation),
        devices.current(),
        record.directory,
        record.clock.now,
        work,
        argument,
    )
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["conformance.interpreter"])
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_in_process, args=(sending, task), daemon=True)
    process.start()
    sending.close()
    try:
        if not receiving.poll(_PATIENCE_SECS):
            raise ProcessError("a process did not end within {} s".format(_PATIENCE_SECS))
        events, record.clock.now = receiving.recv()
    except EOFError:
        process.join()
        raise ProcessError("a process ended with exit code {}".format(process.exitcode)) from None
    finally:
        process.kill()
        process.join()
        receiving.close()
    record.events.extend(Event(*event) for event in events)


def _in_process(sending: Any, task: _Task) -> None:
    implementation = implementations.load(task.implementation)
    clock = Clock(task.now)
    with devices.on(task.device), implementations.plain_steps(implementation, task.plain):
        events = run_in_sandbox(
            implementation.namespace,
            lambda train, record: task.work(train, record, task.argument),
            task.directory,
            clock,
        )
    sending.send(([tuple(event) for event in events], clock.now))
    sending.close()
