"""Hypothesis strategies for programs, by name.

A strategy never produces a program that cannot end: every error fires at one call only, so that
preemption is not retried for ever.
"""

from typing import Any

from hypothesis import strategies as st

from conformance import program as p


def _builds(kind: Any, /, **given: Any) -> st.SearchStrategy[Any]:
    """Build a typed tuple, its other fields by default: Hypothesis would make up any values for them."""
    defaults = {field: st.just(value) for field, value in kind._field_defaults.items()}
    return st.builds(kind, **{**defaults, **given})


_options = _builds(
    p.Options,
    trace_level=st.sampled_from((0, 0, 1)),
    timeout_in_ms=st.sampled_from((0, 60000, 90000)),
    output_partition_graphs=st.booleans(),
)
_feeds = st.lists(
    _builds(p.Feed, key=st.sampled_from(p.KEYS), value=st.sampled_from((0.0, 2.5, -1.0)), array=st.booleans()),
    max_size=2,
    unique_by=lambda feed: feed.key,
).map(tuple)

_rarely = st.sampled_from((False,) * 5 + (True,))
_good_fetches = tuple(kind for kind in p.FETCHES if kind not in ("out of range", "invalid"))
# What fails in the runtime ends most programs, so it is seldom asked for.
_fetches = st.sampled_from(_good_fetches * 3 + p.FETCHES[-2:])
_asked = {"feeds": _feeds, "options": st.none() | _options, "empty_feeds": st.booleans(), "same_options": st.booleans()}

requests = _builds(p.Request, fetches=_fetches, **_asked)


@st.composite
def actions(draw: st.DrawFn) -> p.Action:
    """One thing a hook does, once."""
    stage = draw(st.sampled_from(p.STAGES))
    call = 1 if stage == "begin" else draw(st.integers(1, 3))
    do = draw(st.sampled_from(("raise", "raise", "raise", *p.ACTIONS)))
    error = draw(st.sampled_from(p.ERRORS)) if do in ("raise", "coordinator_error") else None
    return p.Action(stage, call, do, error)


def _hooks(kinds: tuple[str, ...]) -> st.SearchStrategy[p.Hook]:
    return _builds(
        p.Hook,
        request=st.none() | requests,
        actions=st.lists(actions(), max_size=2, unique_by=lambda action: (action.stage, action.call)).map(tuple),
        kind=st.sampled_from(kinds),
    )


hooks = _hooks(("plain",))

runs = _builds(
    p.Run,
    fetches=_fetches.filter(lambda kind: kind != "none"),
    **_asked,
    metadata=st.booleans(),
    step_fn=st.sampled_from((False, False, True)),
    ask_should_stop=st.booleans(),
    stop_in_step_fn=st.sampled_from((False, False, True)),
    function=st.sampled_from(("lambda",) * 6 + p.STEP_FUNCTIONS),
    hooked_runs=st.sampled_from((1, 1, 1, 0, 2, 3)),
    raw_run=_rarely,
)
_cheap_runs = _builds(p.Run, fetches=runs.map(lambda run: run.fetches), feeds=_feeds)
_variables = st.sampled_from(("resource", "resource", "reference"))


def _one_way_to_fail(program: p.Program) -> p.Program:
    """Two ops that fail in one run would race for the error: keep one kind of them in a program."""

    def other(kind: str) -> str:
        return "out of range" if kind == "invalid" else kind

    kinds = {run.fetches for run in program.runs}
    kinds |= {hook.request.fetches for hook in program.hooks if hook.request is not None}
    if not {"invalid", "out of range"} <= kinds:
        return program
    return program._replace(
        runs=tuple(run._replace(fetches=other(run.fetches)) for run in program.runs),
        hooks=tuple(
            hook._replace(request=hook.request and hook.request._replace(fetches=other(hook.request.fetches)))
            for hook in program.hooks
        ),
    )


def _programs(hooks: st.SearchStrategy[p.Hook], containers: tuple[str, ...]) -> st.SearchStrategy[p.Program]:
    return _builds(
        p.Program,
        session=st.sampled_from(p.SESSIONS),
        hooks=st.lists(hooks, max_size=5).map(tuple),
        runs=st.lists(runs | _cheap_runs, min_size=1, max_size=6).map(tuple),
        with_block=st.booleans(),
        checkpoint_steps=st.none() | st.integers(1, 3),
        go_on_after_errors=st.booleans(),
        body_error=st.none() | st.none() | st.sampled_from(p.ERRORS),
        close_again=st.booleans(),
        increment=st.sampled_from((1, 1, 0, 2, 5)),
        default_scaffold=st.sampled_from((False, False, False, False, True)),
        container=st.sampled_from(containers),
        variables=_variables,
        graph=st.sampled_from(p.GRAPHS),
        second_device=_rarely,
    ).map(_one_way_to_fail)


programs = _programs(hooks, ("list",))
# A list of hooks with more than one and a saver besides keeps its order in a set only by chance.
odd_programs = _programs(_hooks(p.HOOKS), ("list", "list", "tuple", "generator")) | _programs(hooks, ("set",)).map(
    lambda program: program._replace(hooks=program.hooks[:1], checkpoint_steps=None)
)


@st.composite
def fetch_programs(draw: st.DrawFn) -> p.Program:
    """Hooks and user fetch and feed in every way; nothing fails but what the runtime refuses."""
    kinds = draw(st.lists(requests, max_size=4))
    program = p.Program(
        session=draw(st.sampled_from(p.SESSIONS)),
        hooks=tuple(p.Hook(request) for request in kinds),
        runs=tuple(draw(st.lists(runs | _cheap_runs, min_size=2, max_size=8))),
        go_on_after_errors=True,
        variables=draw(_variables),
        graph=draw(st.sampled_from(p.GRAPHS)),
    )
    return _one_way_to_fail(program)


# --- steps ---------------------------------------------------------------------------------------

_increments = st.sampled_from((1, 1, 1, 0, 2, 3, 7, 10, -1, -3))
_advances = st.sampled_from((0.5, 0.5, 0.0, 1.0, 2.0, 1.5, 700.0, -1.0))
_steps_periods = st.sampled_from((1, 2, 3, 1.5, 1000000))
_secs_periods = st.sampled_from((1, 2, 0.5, 1.5, 600))
_step = _builds(
    p.Step,
    increment=_increments,
    advance=_advances,
    nan=st.sampled_from((False,) * 9 + (True,)),
    error=st.sampled_from((None,) * 9 + ("AbortedError", "AbortedError", "UnavailableError", "ValueError")),
    late=st.booleans(),
    obstructed=st.sampled_from((False,) * 14 + (True,)),
    array=st.booleans(),
)


@st.composite
def _built_in(draw: st.DrawFn) -> p.BuiltIn:
    kind = draw(st.sampled_from(p.BUILT_IN_HOOKS))
    if kind == "StopAtStepHook":
        return p.BuiltIn(kind, draw(st.integers(1, 9)), None, draw(st.booleans()))
    if kind in ("NanTensorHook", "FinalOpsHook", "FeedFnHook", "GlobalStepWaiterHook"):
        return p.BuiltIn(kind, flag=draw(st.booleans()))
    by_steps = draw(st.booleans())
    steps = draw(_steps_periods) if by_steps else None
    secs = None if by_steps else draw(_secs_periods)
    stop = draw(st.none() | st.integers(1, 4)) if kind == "CheckpointSaverHook" else None
    return p.BuiltIn(kind, steps, secs, draw(st.booleans()), stop)


@st.composite
def _life(draw: st.DrawFn, first: bool, sessions: tuple[str, ...]) -> p.Life:
    return p.Life(
        steps=tuple(draw(st.lists(_step, max_size=8))),
        hooks=tuple(draw(st.lists(_built_in(), max_size=3))),
        session=draw(st.sampled_from(sessions)),
        new_process=True if first else draw(st.sampled_from((True, True, False))),
        damage=None if first else draw(st.sampled_from((None, None, None, *p.DAMAGES))),
        body_error=draw(st.sampled_from((None, None, None, "ValueError", "StopIteration", "OutOfRangeError"))),
        go_on_after_errors=draw(st.sampled_from((False, False, True))),
    )


@st.composite
def step_programs(draw: st.DrawFn, further_lives: tuple[int, ...] = (0, 0, 1, 1, 2)) -> p.StepProgram:
    """One to three lives on one directory (or none), with default and given built-in hooks."""
    lives = [draw(_life(True, p.SESSIONS + ("MonitoredTrainingSession",)))]
    for _ in range(draw(st.sampled_from(further_lives))):
        lives.append(draw(_life(False, p.SESSIONS)))
    save = draw(st.sampled_from(("steps", "secs", "neither", "neither", "off")))
    summaries = draw(st.sampled_from(("steps", "secs", "neither", "off")))
    return p.StepProgram(
        lives=tuple(lives),
        directory=draw(st.sampled_from((True, True, True, False))),
        save_steps=draw(_steps_periods) if save == "steps" else "",
        save_secs=draw(_secs_periods) if save == "secs" else None if save == "off" else "",
        summary_steps=draw(_steps_periods) if summaries == "steps" else None if summaries == "off" else "",
        summary_secs=draw(_secs_periods) if summaries == "secs" else "",
        log_steps=draw(st.sampled_from(("", "", 1, 2, 3, None, 0))),
        variables=draw(_variables),
        default_scaffold=draw(st.sampled_from((False, False, False, False, True))),
        second_device=draw(_rarely),
    )


process_programs = step_programs((1, 1, 2)).map(
    lambda program: program._replace(directory=True, real_processes=True, default_scaffold=False)
)


# --- the coordinator, arguments, savers ----------------------------------------------------------


@st.composite
def coordinator_programs(draw: st.DrawFn) -> p.CoordinatorProgram:
    """Up to seven acts on a coordinator, alone or of a session; at most one thread stays."""
    session = draw(st.none() | st.sampled_from(p.SESSIONS))
    known = [act for act in p.COORDINATOR_ACTS if session or act not in ("run", "bad run", "should_stop", "close")]
    made = []
    for _ in range(draw(st.integers(1, 7))):
        do = draw(st.sampled_from(known))
        if do == "thread stays" and any(act.do == do for act in made):
            do = "thread ends"
        raises = do in ("report", "report outside", "report tuple", "thread fails", "bad run")
        error = draw(st.sampled_from(p.ERRORS)) if raises else None
        if do in ("stop_on_exception", "looper"):
            error = draw(st.none() | st.sampled_from(p.ERRORS))
        made.append(p.Act(do, error))
    # An unstopped coordinator waits in join for ever if a thread stays.
    while _waits_for_ever(made):
        made = [act for act in made if act.do != "thread stays"]
    types = () if session else draw(st.sampled_from(((), (), ("ValueError",), ("StopIteration", "OutOfRangeError"))))
    return p.CoordinatorProgram(tuple(made), session, types)


def _waits_for_ever(acts: list[p.Act]) -> bool:
    stays = stopped = False
    for act in acts:
        stays = stays or act.do == "thread stays"
        stopped = stopped or act.do == "request_stop"
        stopped = stopped and act.do != "clear_stop"
        if act.do == "join" and stays and not stopped:
            return True
    return False


def _fitting(program: p.ArgumentsProgram) -> p.ArgumentsProgram:
    # An imported graph has a global step.
    program = program if program.global_step else program._replace(graph="built")
    # A worker whose model is never ready polls through two hours of virtual time: one minute will do.
    return program if program.is_chief or program.scaffold else program._replace(max_wait_secs=60)


_periods = st.sampled_from(p.PERIODS + (1.5, 100, 600))
_all_but_log_periods = st.sampled_from(p.PERIODS + (1.5, 100, 600, p.EQUAL_TO_ANYTHING))
_directories = st.sampled_from(p.DIRECTORIES)
arguments_programs = _builds(
    p.ArgumentsProgram,
    is_chief=st.sampled_from((True, True, True, False)),
    checkpoint_dir=_directories,
    save_checkpoint_secs=st.just(p.LEFT_OUT) | _all_but_log_periods,
    save_checkpoint_steps=st.just(p.LEFT_OUT) | _all_but_log_periods,
    save_summaries_steps=st.just(p.LEFT_OUT) | _all_but_log_periods,
    save_summaries_secs=st.just(p.LEFT_OUT) | _all_but_log_periods,
    log_step_count_steps=_periods,
    summary_dir=st.just(p.LEFT_OUT) | _directories,
    hooks=st.integers(0, 2),
    chief_only_hooks=st.integers(0, 2),
    container=st.sampled_from(("list", "list", *p.CONTAINERS)),
    scaffold=st.sampled_from((True, True, True, False)),
    global_step=st.sampled_from((True, True, True, True, False)),
    save_graph_def=st.sampled_from((p.LEFT_OUT, p.LEFT_OUT, True, False)),
    max_wait_secs=st.sampled_from((p.LEFT_OUT, p.LEFT_OUT, 60)),
    graph=st.sampled_from(p.GRAPHS),
).map(_fitting)

_saver_acts = _builds(
    p.SaverAct, do=st.sampled_from(("save", "save", "save", "assign", *p.SAVER_ACTS)), value=st.integers(0, 4)
)
saver_programs = _builds(
    p.SaverProgram,
    acts=st.lists(_saver_acts, min_size=1, max_size=10).map(tuple),
    max_to_keep=st.sampled_from((None, 0, 1, 2, 5, -1)),
    keep_hours=st.sampled_from((10000.0, 10000.0, 1.0, 0.4)),
    relative=st.booleans(),
    sharded=st.booleans(),
    variables=_variables,
    directory=st.sampled_from(("d", "d", "d", "with space", "with'quote", "ünicode", "gl[ob]", "deep/er", "a,b", "d/")),
    relative_directory=_rarely,
    second_device=st.booleans(),
    write_meta=st.sampled_from((False, False, False, True)),
    latest_filename=st.sampled_from((None, None, None, "latest")),
)

# --- creation ------------------------------------------------------------------------------------


@st.composite
def creation_programs(draw: st.DrawFn) -> p.CreationProgram:
    """A scaffold of any pieces, a model that becomes ready or not, something to restore or not."""
    piece = st.sampled_from(("absent", *("explicit",) * 10, *("collection",) * 8, "two"))
    creator = draw(st.sampled_from(("chief", "chief", "chief", "worker", "recover")))
    # A second session would race with the first for what its producers make.
    then = draw(st.sampled_from((None,) * 6 + p.THEN))
    plain = draw(st.booleans())
    polls = (0, 0, 0, 1, 2, -1) if creator == "worker" else (0,) * 9 + (1, -1)
    pieces = {
        name: "absent" if plain and draw(st.booleans()) else draw(piece)
        for name in ("init_op", "ready_op", "ready_for_local_init_op", "local_init_op", "summary_op", "saver")
    }
    if pieces["init_op"] == "explicit":
        pieces["init_op"] = draw(st.sampled_from(("explicit",) * 4 + ("partial",)))
    queue = draw(st.sampled_from((None, *p.QUEUES))) if then is None and creator != "recover" else None
    start_queues = (None, "monitored", "raw", "raw") if queue == "endless" else (None, "monitored")
    return p.CreationProgram(
        creator=creator,
        session=draw(st.sampled_from(p.SESSIONS[:2])) if creator == "chief" else "MonitoredSession",
        **pieces,
        init_fn=draw(st.sampled_from((None, None, None, "sets", "raises", "preempted"))),
        init_feed=draw(st.booleans()),
        copies=draw(st.sampled_from((0, 0, 0, 1, 2))),
        finalized=draw(st.sampled_from((False, False, True))),
        ready_after=draw(st.sampled_from(polls)),
        ready_for_local_init_after=draw(st.sampled_from(polls)),
        ready_value=draw(st.sampled_from(("strings",) * 4 + p.READY_VALUES)),
        max_wait=draw(st.sampled_from((70, 70, 30, 31, 59, 60, 61, 90))),
        restore=draw(st.sampled_from((None, None, "directory", "directory", "file", "file", "both"))),
        checkpoint=draw(st.booleans()),
        wait=draw(st.booleans()),
        model=draw(st.sampled_from(("some", "some", "some", "none", "local"))),
        prefinalised=draw(st.sampled_from((False,) * 7 + (True,))),
        then=then,
        queue=queue,
        start_queues=draw(st.sampled_from(start_queues)) if queue is not None else None,
        global_step=draw(st.sampled_from(("none", "created", "created", "two"))),
        variables=draw(_variables),
    )


BY_NAME = {
    "hooks": programs,
    "odd hooks": odd_programs,
    "fetches and feeds": fetch_programs(),
    "steps": step_programs(),
    "new processes": process_programs,
    "coordinator": coordinator_programs(),
    "arguments": arguments_programs,
    "saver": saver_programs,
    "creation": creation_programs(),
}
# A program of new processes takes ten times as long as another.
WEIGHTS = {
    "hooks": 16,
    "odd hooks": 8,
    "fetches and feeds": 6,
    "steps": 9,
    "new processes": 1,
    "coordinator": 8,
    "arguments": 6,
    "saver": 6,
    "creation": 8,
}
