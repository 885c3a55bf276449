"""Hypothesis strategies for programs.

A strategy never produces a program that cannot end: every error fires at one call only, so that
preemption is not retried for ever.
"""

from hypothesis import strategies as st

from conformance import program as p

_options = st.builds(
    p.Options,
    trace_level=st.sampled_from((0, 0, 1)),
    timeout_in_ms=st.sampled_from((0, 60000, 90000)),
    output_partition_graphs=st.booleans(),
)
_feeds = st.lists(
    st.builds(p.Feed, key=st.sampled_from(p.KEYS), value=st.sampled_from((0.0, 2.5, -1.0))),
    max_size=2,
    unique_by=lambda feed: feed.key,
).map(tuple)

requests = st.builds(p.Request, fetches=st.sampled_from(p.FETCHES), feeds=_feeds, options=st.none() | _options)


@st.composite
def actions(draw: st.DrawFn) -> p.Action:
    """One thing a hook does, once."""
    stage = draw(st.sampled_from(p.STAGES))
    call = 1 if stage == "begin" else draw(st.integers(1, 3))
    do = draw(st.sampled_from(("raise", "raise", *p.ACTIONS)))
    error = draw(st.sampled_from(p.ERRORS)) if do in ("raise", "coordinator_error") else None
    return p.Action(stage, call, do, error)


hooks = st.builds(
    p.Hook,
    request=st.none() | requests,
    actions=st.lists(actions(), max_size=2, unique_by=lambda action: (action.stage, action.call)).map(tuple),
)

runs = st.builds(
    p.Run,
    fetches=st.sampled_from([kind for kind in p.FETCHES if kind != "none"]),
    feeds=_feeds,
    options=st.none() | _options,
    metadata=st.booleans(),
    step_fn=st.sampled_from((False, False, True)),
    ask_should_stop=st.booleans(),
)

programs = st.builds(
    p.Program,
    session=st.sampled_from(p.SESSIONS),
    hooks=st.lists(hooks, max_size=4).map(tuple),
    runs=st.lists(runs, min_size=1, max_size=6).map(tuple),
    with_block=st.booleans(),
    checkpoint_steps=st.none() | st.integers(1, 3),
    go_on_after_errors=st.booleans(),
    body_error=st.none() | st.sampled_from(p.ERRORS),
    close_again=st.booleans(),
    increment=st.sampled_from((1, 1, 0, 2, 5)),
    default_scaffold=st.sampled_from((False, False, False, False, True)),
)
