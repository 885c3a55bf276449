"""Programs: what a generated scenario does, as small typed values with a JSON form.

A program says what is made, what is done with it in which order, and what goes wrong when. It says
nothing of what should happen: that is what the oracle is for. There are six kinds:

- `Program`: one session, hooks of the user's, what each does at which call of which stage;
- `StepProgram`: built-in hooks with periods, increments, the clock, restarts, damaged directories;
- `CoordinatorProgram`: a coordinator, alone or of a session, driven from outside;
- `ArgumentsProgram`: one call of MonitoredTrainingSession;
- `SaverProgram`: a sequence of saves, restores and accidents;
- `CreationProgram`: a scaffold, readiness, restoring, queue runners, a graph used twice.

This module keeps to Python 3.6 syntax.
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
ACTIONS = ("request_stop", "raise", "coordinator_error", "close", "run", "add_hook", "drop_hooks")
FETCHES = (
    "none", "op", "tensor", "name", "list", "tuple", "dict", "nested", "namedtuple", "empty", "duplicates", "sparse",
    "ragged", "variable", "vector", "ops", "out of range", "invalid",
)  # fmt: skip
STEP_FUNCTIONS = ("lambda", "method", "object", "partial", "wrong name", "two arguments", "no function")
HOOKS = ("plain", "equal", "same", "unhashable", "duck")
CONTAINERS = ("list", "tuple", "set", "generator")
VARIABLES = ("resource", "reference")
GRAPHS = ("built", "imported")
KEYS = ("a", "b", "a by name", "sum")


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
    """One fed tensor: `key` says which, and whether by tensor or by name; "sum" is no placeholder.

    The value is fed as a Python number, or as an array of the tensor's type.
    """

    key: str
    value: float
    array: bool = False


class Request(NamedTuple):
    """What a hook asks of every run: a kind of fetches, feeds, options.

    Without feeds it gives None or, with `empty_feeds`, an empty dictionary. The object of the options is
    another each time or, with `same_options`, one that all who want equal options so share.
    """

    fetches: str = "none"
    feeds: Tuple[Feed, ...] = ()
    options: Optional[Options] = None
    empty_feeds: bool = False
    same_options: bool = False


class Hook(NamedTuple):
    """One hook: its request (None: before_run returns None) and its actions.

    `kind` says how odd the object is: equal to any other of its kind, the same object as the hook
    before, without a hash, or of no hook class.
    """

    request: Optional[Request] = None
    actions: Tuple[Action, ...] = ()
    kind: str = "plain"


class Run(NamedTuple):
    """One call of `session.run`, or of `run_step_fn` around it, which may also request a stop after.

    The step function runs with hooks `hooked_runs` times, and once through the raw session if `raw_run`;
    `function` says what kind of callable it is. `empty_feeds`, `same_options`: as in `Request`.
    """

    fetches: str = "tensor"
    feeds: Tuple[Feed, ...] = ()
    options: Optional[Options] = None
    metadata: bool = False
    step_fn: bool = False
    ask_should_stop: bool = True
    stop_in_step_fn: bool = False
    function: str = "lambda"
    hooked_runs: int = 1
    raw_run: bool = False
    empty_feeds: bool = False
    same_options: bool = False


class Program(NamedTuple):
    """A whole scenario; `checkpoint_steps` adds a directory and a CheckpointSaverHook.

    Building the default scaffold's ops takes longer than everything else, so most programs give
    their own small ones. An imported graph comes from a meta graph.
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
    container: str = "list"
    variables: str = "resource"
    graph: str = "built"
    second_device: bool = False


BUILT_IN_HOOKS = (
    "CheckpointSaverHook", "StepCounterHook", "SummarySaverHook", "LoggingTensorHook", "StopAtStepHook",
    "NanTensorHook", "FinalOpsHook", "FeedFnHook", "GlobalStepWaiterHook", "ProfilerHook",
)  # fmt: skip
DAMAGES = ("no state", "empty state", "garbage state", "no data", "no index", "moved")


class BuiltIn(NamedTuple):
    """A built-in hook: its periods, and `flag`, the one thing about it that can be on or off.

    `flag` means: log at the end, fail on NaN, a last step (else a number of steps).
    """

    kind: str
    steps: Optional[float] = None
    secs: Optional[float] = None
    flag: bool = False
    stop_after_save: Optional[int] = None


class Step(NamedTuple):
    """One run: how far the global step and the clock move first, what the loss is, what fails once.

    `error` is raised before the run, or with `late` after it. While a step is obstructed, no new
    checkpoint of the directory can get its index: a save fails half-way. The increment is fed as a
    Python number, or as an array.
    """

    increment: int = 1
    advance: float = 0.5
    nan: bool = False
    error: Optional[str] = None
    late: bool = False
    obstructed: bool = False
    array: bool = False


class Life(NamedTuple):
    """One session from its making to its end; the next life finds the same directory.

    `damage` is done to the directory before; a life may begin a new process or go on in the last one's. Its
    session is used in a `with` block or, if it goes on after errors, without one, and then closed.
    """

    steps: Tuple[Step, ...] = ()
    hooks: Tuple[BuiltIn, ...] = ()
    session: str = "MonitoredTrainingSession"
    new_process: bool = True
    damage: Optional[str] = None
    body_error: Optional[str] = None
    go_on_after_errors: bool = False


class StepProgram(NamedTuple):
    """Lives on one directory; the periods are MonitoredTrainingSession's, "" for left out.

    With `real_processes` a life with a new process, and those that go on in it, run in a process of
    their own; without, open event writers are forgotten, which is nearly all that a new process changes.
    """

    lives: Tuple[Life, ...] = ()
    directory: bool = True
    save_steps: Any = ""
    save_secs: Any = ""
    summary_steps: Any = ""
    summary_secs: Any = ""
    log_steps: Any = ""
    variables: str = "resource"
    default_scaffold: bool = False
    real_processes: bool = False
    second_device: bool = False


COORDINATOR_ACTS = (
    "request_stop", "report", "report outside", "report tuple", "clear_stop", "join", "raise", "stop_on_exception",
    "wait", "thread ends", "thread fails", "thread stays", "looper", "run", "bad run", "should_stop", "close",
)  # fmt: skip


class Act(NamedTuple):
    """One thing done to a coordinator, or (run, bad run, should_stop, close) to its session."""

    do: str
    error: Optional[str] = None


class CoordinatorProgram(NamedTuple):
    """A coordinator driven from outside; `session` is whose it is, None for nobody's."""

    acts: Tuple[Act, ...] = ()
    session: Optional[str] = None
    clean_stop: Tuple[str, ...] = ()


LEFT_OUT = "(left out)"
EQUAL_TO_ANYTHING = "(equal to anything)"
PERIODS = (LEFT_OUT, None, 0, -1, False, True, 5)
DIRECTORIES = (LEFT_OUT, None, "", "a", "b")


class ArgumentsProgram(NamedTuple):
    """One call of MonitoredTrainingSession, one run, and the close.

    A period may be an object that says it equals any other.
    """

    is_chief: bool = True
    checkpoint_dir: Any = LEFT_OUT
    save_checkpoint_secs: Any = LEFT_OUT
    save_checkpoint_steps: Any = LEFT_OUT
    save_summaries_steps: Any = LEFT_OUT
    save_summaries_secs: Any = LEFT_OUT
    log_step_count_steps: Any = LEFT_OUT
    summary_dir: Any = LEFT_OUT
    hooks: int = 0
    chief_only_hooks: int = 0
    container: str = "list"
    scaffold: bool = True
    global_step: bool = True
    save_graph_def: Any = LEFT_OUT
    max_wait_secs: Any = LEFT_OUT
    graph: str = "built"


SAVER_ACTS = (
    "save", "advance", "delete", "restart", "forget", "garble", "restore", "state", "assign", "update", "exists",
    "remove",
)  # fmt: skip


class SaverAct(NamedTuple):
    """One thing done with a saver or its directory; `value` is a step or seconds."""

    do: str
    value: int = 0


class SaverProgram(NamedTuple):
    """A saver, a session, and what is done with them in a directory, absolute or of the working directory.

    With `second_device` the variables, and so the shards, are on two CPU devices.
    """

    acts: Tuple[SaverAct, ...] = ()
    max_to_keep: Optional[int] = 5
    keep_hours: float = 10000.0
    relative: bool = False
    sharded: bool = False
    variables: str = "resource"
    directory: str = "d"
    relative_directory: bool = False
    write_meta: bool = False
    latest_filename: Optional[str] = None
    second_device: bool = False


PIECES = ("absent", "explicit", "collection", "two")
CREATORS = ("chief", "worker", "recover")
QUEUES = ("ends", "fails", "endless")
READY_VALUES = ("strings", "scalar", "numbers", "matrix", "empty matrix")
THEN = ("second", "overlapping", "overlapping, first closed last", "create again", "try again", "close elsewhere")


class CreationProgram(NamedTuple):
    """How a session comes to be; each piece of the scaffold is absent, given, or found in its collection.

    A given init op may be partial: it leaves one variable out. `ready_after` polls the model is ready and
    `ready_for_local_init_after` it is ready for local initialisation, never if negative; until then the op
    says so with a `ready_value` of some type and rank (an empty matrix says that it is). `queue` says how a
    producer ends, `start_queues` whether its threads are asked for again, of the monitored session or of
    the one inside; `then` what else is done on the same graph.
    """

    creator: str = "chief"
    session: str = "MonitoredSession"
    init_op: str = "absent"
    ready_op: str = "absent"
    ready_for_local_init_op: str = "absent"
    local_init_op: str = "absent"
    summary_op: str = "absent"
    saver: str = "absent"
    init_fn: Optional[str] = None
    init_feed: bool = False
    copies: int = 0
    finalized: bool = False
    ready_after: int = 0
    ready_for_local_init_after: int = 0
    ready_value: str = "strings"
    max_wait: int = 70
    restore: Optional[str] = None
    checkpoint: bool = False
    wait: bool = False
    model: str = "some"
    prefinalised: bool = False
    then: Optional[str] = None
    queue: Optional[str] = None
    start_queues: Optional[str] = None
    global_step: str = "none"
    variables: str = "resource"


_ALL = (Program, StepProgram, CoordinatorProgram, ArgumentsProgram, SaverProgram, CreationProgram)
KINDS = {cls.__name__: cls for cls in _ALL}


def runs_steps(program: Any) -> bool:
    """Whether a program runs steps, so that ways of executing one can differ."""
    return not isinstance(program, SaverProgram)


_NESTED = {
    (StepProgram, "lives"): Life,
    (Life, "steps"): Step,
    (Life, "hooks"): BuiltIn,
    (CoordinatorProgram, "acts"): Act,
    (SaverProgram, "acts"): SaverAct,
    (Program, "hooks"): Hook,
    (Program, "runs"): Run,
    (Hook, "request"): Request,
    (Hook, "actions"): Action,
    (Request, "feeds"): Feed,
    (Request, "options"): Options,
    (Run, "feeds"): Feed,
    (Run, "options"): Options,
}


def to_json(program: Any) -> str:
    """Return a program as JSON text; fields with their default value are left out.

    The kind is named, unless it is `Program`.
    """
    plain = _to_plain(program)
    if type(program) is not Program:
        plain["program"] = type(program).__name__
    return json.dumps(plain, sort_keys=True)


def from_json(text: str) -> Any:
    """Return the program that `to_json` wrote; TypeError names an unknown field or kind."""
    plain = json.loads(text)
    kind = plain.pop("program", "Program")
    if kind not in KINDS:
        raise TypeError("Unknown kind of program {!r}".format(kind))
    return _from_plain(KINDS[kind], plain)


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
        elif isinstance(value, list):
            value = tuple(value)
        fields[name] = value
    return cls(**fields)
