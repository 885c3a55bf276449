"""Which method of the hooks is called under which ending of a session: the truth table."""

from dataclasses import dataclass

TITLE = "What is called under each ending"
CAPTION = (
    "A `MonitoredSession` with several hooks in a `with` block, unless the line says something else. `before_run` and "
    "`after_run` are those of the last step."
)

EVERY, UNTIL, TWICE, AGAIN, NEVER = "every", "until", "twice", "again", "never"
MARKS = {
    EVERY: ("\N{CHECK MARK}", "called, for each hook"),
    UNTIL: ("\N{CHECK MARK}\N{BALLOT X}", "called up to the hook that raises, no further"),
    TWICE: ("\N{CHECK MARK}\N{CHECK MARK}", "called twice for each hook, the second time in the new session"),
    AGAIN: ("\N{CHECK MARK} None", "called for each hook, then once more with None for the session"),
    NEVER: ("\N{EN DASH}", "not called"),
}

CLOSED, OPEN, NONE, BOTH_CLOSED = "closed", "stays open", "none made", "old and new closed"

NOTHING = "nothing"
THAT = "that exception"
FROM_CONSTRUCTOR = "that exception, from the constructor"
ALREADY_CLOSED = "`RuntimeError`: already closed"

METHODS = ("begin", "after_create_session", "before_run", "after_run", "end")


@dataclass(frozen=True)
class Ending:
    """A row: what ends the session, a mark for each of `METHODS`, the fate of the session, and what the caller sees."""

    text: str
    marks: tuple[str, str, str, str, str]
    session: str
    sees: str
    rules: str


_ALL = (EVERY, EVERY, EVERY, EVERY, EVERY)
_NO_END = (EVERY, EVERY, EVERY, EVERY, NEVER)

CLEAN = {
    "block ends": Ending("the block runs to its end", _ALL, CLOSED, NOTHING, "MTS-EXC-02 MTS-CLOSE-01"),
    "request_stop": Ending(
        "a hook calls `request_stop()`, the loop asks `should_stop()`", _ALL, CLOSED, NOTHING, "MTS-RUN-10"
    ),
    "end of input": Ending(
        "`Session.run` raises `OutOfRangeError`", (EVERY, EVERY, EVERY, NEVER, EVERY), CLOSED, NOTHING, "MTS-EXC-01"
    ),
    "StopIteration": Ending("the body raises `StopIteration`", _ALL, CLOSED, NOTHING, "MTS-EXC-01"),
    "close": Ending("`close()` without a `with` block", _ALL, CLOSED, NOTHING, "MTS-CLOSE-01"),
}
IN_THE_BLOCK = {
    "body raises": Ending("the body raises any other exception", _NO_END, CLOSED, THAT, "MTS-EXC-02"),
    "subclass": Ending(
        "the body raises a subclass of `OutOfRangeError` or `StopIteration`", _NO_END, CLOSED, THAT, "MTS-EXC-01"
    ),
    "run raises": Ending(
        "`Session.run` raises any other exception", (EVERY, EVERY, EVERY, NEVER, NEVER), CLOSED, THAT, "MTS-EXC-03"
    ),
    "thread": Ending("the block runs to its end, a thread has reported an exception", _ALL, CLOSED, THAT, "MTS-EXC-08"),
}
IN_A_HOOK = {
    "begin raises": Ending(
        "`begin` raises", (UNTIL, NEVER, NEVER, NEVER, NEVER), NONE, FROM_CONSTRUCTOR, "MTS-LIFE-03"
    ),
    "after_create_session raises": Ending(
        "`after_create_session` raises", (EVERY, UNTIL, NEVER, NEVER, NEVER), OPEN, FROM_CONSTRUCTOR, "MTS-LIFE-04"
    ),
    "before_run raises": Ending("`before_run` raises", (EVERY, EVERY, UNTIL, NEVER, NEVER), CLOSED, THAT, "MTS-EXC-03"),
    "after_run raises": Ending("`after_run` raises", (EVERY, EVERY, EVERY, UNTIL, NEVER), CLOSED, THAT, "MTS-EXC-03"),
    "end raises": Ending("`end` raises", (EVERY, EVERY, EVERY, EVERY, UNTIL), CLOSED, THAT, "MTS-CLOSE-02"),
}
NO_SESSION = {
    "not ready": Ending(
        "creating the session raises: the model is not ready, a checkpoint is missing",
        (EVERY, NEVER, NEVER, NEVER, NEVER),
        OPEN,
        FROM_CONSTRUCTOR,
        "MTS-LIFE-04",
    )
}
PREEMPTION = {
    "preempted": Ending(
        "`Session.run` is preempted; then the block runs to its end",
        (EVERY, TWICE, TWICE, EVERY, EVERY),
        BOTH_CLOSED,
        NOTHING,
        "MTS-EXC-04",
    ),
    "preempted, singular": Ending(
        "the same in a `SingularMonitoredSession`", (EVERY, EVERY, EVERY, NEVER, NEVER), CLOSED, THAT, "MTS-EXC-04"
    ),
    "preemption in body": Ending("the body itself raises a preemption error", _NO_END, CLOSED, THAT, "MTS-EXC-10"),
}
CLOSING_ODDLY = {
    "closed twice": Ending(
        "`close()`, then `close()` again", (EVERY, EVERY, EVERY, EVERY, AGAIN), CLOSED, ALREADY_CLOSED, "MTS-CLOSE-03"
    ),
    "closed in block": Ending(
        "`close()` inside the block, which then ends",
        (EVERY, EVERY, EVERY, EVERY, AGAIN),
        CLOSED,
        ALREADY_CLOSED,
        "MTS-CLOSE-04",
    ),
    "no with": Ending(
        "no `with` block, and `after_run` raises: `run` may be called again",
        (EVERY, EVERY, EVERY, UNTIL, NEVER),
        OPEN,
        THAT,
        "MTS-EXC-03",
    ),
    "dropped": Ending("neither a `with` block nor `close()`", _NO_END, OPEN, NOTHING, "MTS-CLOSE-01"),
}

GROUPS = {
    "Clean endings": CLEAN,
    "Errors in the block": IN_THE_BLOCK,
    "Errors in a hook": IN_A_HOOK,
    "Errors while the session is made": NO_SESSION,
    "Preemption": PREEMPTION,
    "Without a block, or closed twice": CLOSING_ODDLY,
}
