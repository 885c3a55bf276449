"""A hook program: what a generated scenario does, as small typed values with a JSON form.

A program says which session is made, which hooks it has and what each hook does at which call of
which stage, what is run, and how it ends. It says nothing of what should happen: that is what the
oracle is for. This module keeps to Python 3.6 syntax.
"""

import json
from typing import Any, NamedTuple, Optional, Tuple

SESSIONS = ("MonitoredSession", "SingularMonitoredSession", "MonitoredTrainingSession")
STAGES = ("begin", "after_create_session", "before_run", "after_run", "end")
ERRORS = (
    "ValueError",
    "SubclassOfValueError",
    "StopIteration",
    "SubclassOfStopIteration",
    "OutOfRangeError",
    "SubclassOfOutOfRangeError",
    "AbortedError",
    "UnavailableError",
    "SubclassOfAbortedError",
    "KeyboardInterrupt",
)
ACTIONS = ("request_stop", "raise", "coordinator_error", "close", "run")
FETCHES = ("none", "op", "tensor", "name", "list", "tuple", "dict", "nested", "namedtuple", "empty")
KEYS = ("a", "b", "a by name")


class Action(NamedTuple):
    """At call `call` (from 1) of stage `stage`, do `do`; `error` names what is raised or reported."""

    stage: str
    call: int
    do: str
    error: Optional[str] = None


class Options(NamedTuple):
    """The fields of RunOptions that are merged."""

    trace_level: int = 0
    timeout_in_ms: int = 0
    output_partition_graphs: bool = False


class Feed(NamedTuple):
    """One fed placeholder: `key` says which, and whether by tensor or by name."""

    key: str
    value: float


class Request(NamedTuple):
    """What a hook asks of every run: a kind of fetches, feeds, options; `calls` are the runs."""

    fetches: str = "none"
    feeds: Tuple[Feed, ...] = ()
    options: Optional[Options] = None


class Hook(NamedTuple):
    """One hook: its request (None: before_run returns None) and its actions."""

    request: Optional[Request] = None
    actions: Tuple[Action, ...] = ()


class Run(NamedTuple):
    """One call of `session.run`, or of `run_step_fn` around it."""

    fetches: str = "tensor"
    feeds: Tuple[Feed, ...] = ()
    options: Optional[Options] = None
    metadata: bool = False
    step_fn: bool = False
    ask_should_stop: bool = True


class Program(NamedTuple):
    """A whole scenario; `checkpoint_steps` adds a directory and a CheckpointSaverHook.

    Building the default scaffold's ops takes longer than everything else, so most programs give
    their own small ones.
    """

    session: str = "MonitoredSession"
    hooks: Tuple[Hook, ...] = ()
    runs: Tuple[Run, ...] = ()
    with_block: bool = True
    checkpoint_steps: Optional[int] = None
    go_on_after_errors: bool = False
    body_error: Optional[str] = None
    close_again: bool = False
    increment: int = 1
    default_scaffold: bool = False


_NESTED = {
    (Program, "hooks"): Hook,
    (Program, "runs"): Run,
    (Hook, "request"): Request,
    (Hook, "actions"): Action,
    (Request, "feeds"): Feed,
    (Request, "options"): Options,
    (Run, "feeds"): Feed,
    (Run, "options"): Options,
}


def to_json(program: Program) -> str:
    """Return a program as JSON text; fields with their default value are left out."""
    return json.dumps(_to_plain(program), sort_keys=True)


def from_json(text: str) -> Program:
    """Return the program that `to_json` wrote; TypeError names an unknown field."""
    return _from_plain(Program, json.loads(text))


def _to_plain(value: Any) -> Any:
    if hasattr(value, "_fields"):
        defaults = value._field_defaults
        return {
            field: _to_plain(getattr(value, field))
            for field in value._fields
            if field not in defaults or getattr(value, field) != defaults[field]
        }
    if isinstance(value, tuple):
        return [_to_plain(item) for item in value]
    return value


def _from_plain(cls: Any, data: Any) -> Any:
    fields = {}
    for name, value in data.items():
        nested = _NESTED.get((cls, name))
        if nested is not None and isinstance(value, list):
            value = tuple(_from_plain(nested, item) for item in value)
        elif nested is not None and value is not None:
            value = _from_plain(nested, value)
        fields[name] = value
    return cls(**fields)
