"""Runs a program against one implementation, in a sandbox, and returns the trace.

What each kind of program asks for is in a module of its own, `interpreter_hooks` and its like. They
know what a program asks for, never what an implementation should answer. This module keeps to Python
3.6 syntax and to API that exists since TensorFlow 1.15.
"""

from typing import Any, List

from conformance import (
    devices,
    interpreter_arguments,
    interpreter_coordinator,
    interpreter_creation,
    interpreter_hooks,
    interpreter_saver,
    interpreter_steps,
)
from conformance import program as p
from conformance.recorder import Recorder
from conformance.sandbox import run_in_sandbox
from conformance.trace import Event

_PERFORM = {
    p.Program: interpreter_hooks.perform,
    p.StepProgram: interpreter_steps.perform,
    p.CoordinatorProgram: interpreter_coordinator.perform,
    p.ArgumentsProgram: interpreter_arguments.perform,
    p.SaverProgram: interpreter_saver.perform,
    p.CreationProgram: interpreter_creation.perform,
}


def run_program(train: Any, program: Any) -> List[Event]:
    """Run `program` against the implementation `train` and return what was observed."""
    return run_in_sandbox(train, lambda train, record: perform(train, record, program))


def perform(train: Any, record: Recorder, program: Any) -> None:
    """The scenario that `program`, of whichever kind, stands for."""
    with devices.on_second_if(getattr(program, "second_device", False)):
        _PERFORM[type(program)](train, record, program)
