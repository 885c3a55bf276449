"""One step: who calls whom, in which order."""

from dataclasses import dataclass

TITLE = "One step"
CAPTION = (
    "One call of `run` on a session with two hooks, A and B. The three layers in the middle are one object to the "
    "caller."
)
DESCRIPTION = (
    "A sequence from top to bottom. The caller calls run; the recovering, the coordinated and the hooked layer pass "
    "it on. The hooked layer refuses if a stop was requested before. It calls before_run of each hook in list order, "
    "merges what they ask for with what the caller asks for, calls Session.run once, calls after_run of each hook in "
    "the same order, looks whether one asked to stop, and returns the caller's values. An error leaves at once; the "
    "recovering layer answers a preemption with a new session and runs the step again."
)


@dataclass(frozen=True)
class Participant:
    """Who takes part: what it is called, and under whom it is drawn where there is little room."""

    key: str
    name: str
    narrow: str


@dataclass(frozen=True)
class Call:
    """A call from one participant to another, or with `returns` its end; `event` is what a test records of it."""

    source: str
    target: str
    text: str
    event: str
    returns: bool = False


@dataclass(frozen=True)
class Note:
    """What one participant does by itself: a heading and lines."""

    at: str
    heading: str
    lines: tuple[str, ...]
    look: str = "plain"


PARTICIPANTS = (
    Participant("caller", "caller", "caller"),
    Participant("recover", "recover", "layers"),
    Participant("coordinate", "coordinate", "layers"),
    Participant("hook", "hook", "layers"),
    Participant("hooks", "hooks A, B", "hooks"),
    Participant("session", "`tf.Session`", "session"),
)
NARROW_NAMES = {"caller": "caller", "layers": "layers", "hooks": "hooks A, B", "session": "`tf.Session`"}
GROUP = ("recover", "hook", "layers of the monitored session")

STEPS: tuple[Call | Note, ...] = (
    Call("caller", "recover", "`run(fetches, feed_dict)`", "recover.run"),
    Call("recover", "coordinate", "`run`", "coordinate.run"),
    Call("coordinate", "hook", "`run`", "hook.run"),
    Note(
        "hook",
        "A hook asked to stop in an earlier step?",
        ("Then `RuntimeError`, and no hook is called. MTS-RUN-01",),
        "warn",
    ),
    Call("hook", "hooks", "`A.before_run(context)`", "A.before_run"),
    Call("hook", "hooks", "`B.before_run(context)`, in list order MTS-RUN-02", "B.before_run"),
    Note(
        "hook",
        "Merge what all ask for",
        (
            "Fetches: a dict, `'caller'` first, then an entry for each hook that fetches. MTS-RUN-03",
            "Feeds: of the hooks and the caller; a tensor fed twice is an error. MTS-RUN-05 MTS-RUN-06",
            "Options: the hooks' are merged into the caller's object. MTS-RUN-07",
        ),
        "accent",
    ),
    Call("hook", "session", "`run`, once", "session.run"),
    Call("session", "hook", "the values, one array for each tensor MTS-RUN-08", "session.return", True),
    Call("hook", "hooks", "`A.after_run(context, values)`", "A.after_run"),
    Call("hook", "hooks", "`B.after_run(...)`, same order MTS-RUN-02", "B.after_run"),
    Note(
        "hook",
        "Did a hook call `context.request_stop()`?",
        ("Then this was the last step: `should_stop()` is true from now on. MTS-RUN-10",),
        "warn",
    ),
    Call("hook", "coordinate", "values", "hook.return", True),
    Call("coordinate", "recover", "values", "coordinate.return", True),
    Call("recover", "caller", "the caller's values", "recover.return", True),
)

ERRORS = Note(
    "caller",
    "When something raises on the way",
    (
        "Hook layer: the error leaves at once. Later hooks are not called, a stop asked for in this step is forgotten. "
        "MTS-EXC-03 MTS-RUN-10",
        "Coordinate layer: if a thread has reported a preemption, that is raised instead. MTS-EXC-05",
        "Recover layer: `AbortedError` and `UnavailableError` close the session; a new one is made, and the whole "
        "step runs again. MTS-EXC-04",
    ),
    "bad",
)
