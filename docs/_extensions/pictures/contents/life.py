"""The states of a MonitoredSession and what leads from one to the next."""

from dataclasses import dataclass

TITLE = "The life of a session"
CAPTION = (
    "The states of a `MonitoredSession`. A preemption is `AbortedError` or `UnavailableError`. A "
    "`SingularMonitoredSession` has no recovery: there a preemption is an error like others."
)
DESCRIPTION = (
    "A state diagram. Constructing leads to running, or, when the constructor raises, to failed. While the session is "
    "open it is running, recovering after a preemption, or stopping once a hook has asked for it. A clean end calls "
    "end of each hook and then closes; any other exception that leaves the with block closes without calling end. "
    "Closed is the last state."
)


@dataclass(frozen=True)
class State:
    """A state: its name, and what happens in it."""

    name: str
    lines: tuple[str, ...]
    look: str = "plain"


@dataclass(frozen=True)
class Transition:
    """From a state to the next, and why; from a state to itself for what changes nothing."""

    source: str
    target: str
    text: str
    look: str = "plain"


STATES = {
    "constructing": State(
        "constructing",
        (
            "1. `begin` of each hook",
            "2. create the session: finalise the graph, restore or initialise, check that the model is ready",
            "3. start queue runners",
            "4. `after_create_session` of each hook",
            "MTS-LIFE-01",
        ),
        "accent",
    ),
    "failed": State(
        "failed",
        ("No `end`, and nothing is undone: a `tf.Session` that was made stays open, queue runners run on.",),
        "bad",
    ),
    "running": State("running", ("`run` calls the hooks around each step. MTS-RUN-02",), "good"),
    "recovering": State(
        "recovering", ("Close the old session, make a new one: 2 to 4 of constructing. MTS-EXC-13",), "warn"
    ),
    "stopping": State("stopping", ("`should_stop()` is true.",), "warn"),
    "ending": State("ending", ("`end` of each hook, in list order. MTS-CLOSE-01",)),
    "closing": State("closing", ("Stop and join the threads, close the `tf.Session`. MTS-CLOSE-01",)),
    "closed": State("closed", (), "quiet"),
}
OPEN = ("running", "recovering", "stopping")
"""The states in which the session is open: what leads out of all of them is drawn once."""

TRANSITIONS = {
    "made": Transition("constructing", "running", "all done"),
    "preempted while made": Transition(
        "constructing", "constructing", "A preemption in 2 to 4: again from 2, for ever. MTS-LIFE-05"
    ),
    "begin raises": Transition(
        "constructing",
        "failed",
        "Any error in 1; any other than a preemption in 2 to 4. MTS-LIFE-03 MTS-LIFE-04",
        "bad",
    ),
    "step": Transition("running", "running", "Any other error leaves `run`; the session stays usable. MTS-EXC-03"),
    "preempted": Transition("running", "recovering", "A preemption in `run` or of a thread MTS-EXC-04", "warn"),
    "recovered": Transition("recovering", "running", "done; `run` runs its step again", "good"),
    "recovery preempted": Transition("recovering", "recovering", "A preemption: once more. MTS-EXC-04"),
    "recovery fails": Transition(
        "recovering", "recovering", "Any other error leaves `run`; the next `run` tries again. MTS-EXC-12"
    ),
    "asked to stop": Transition("running", "stopping", "a hook calls `request_stop()` MTS-RUN-10"),
    "run while stopping": Transition("stopping", "stopping", "`run` raises `RuntimeError`. MTS-RUN-01"),
    "stop forgotten": Transition(
        "stopping", "recovering", "`should_stop()` finds a thread preempted: the stop is forgotten MTS-EXC-11", "warn"
    ),
    "clean end": Transition(
        "open",
        "ending",
        "The `with` block ends, or is left by exactly `OutOfRangeError` or `StopIteration`; or `close()`. MTS-EXC-01",
        "good",
    ),
    "error": Transition("open", "closing", "Any other exception leaves the `with` block. MTS-EXC-02", "bad"),
    "ended": Transition("ending", "closing", "also when an `end` raises MTS-CLOSE-02"),
    "closed": Transition(
        "closing",
        "closed",
        "what an `end` or a thread raised is raised now; a thread's preemption is logged MTS-EXC-08",
    ),
    "run when closed": Transition(
        "closed", "closed", "`run` raises `AttributeError`, `should_stop()` is true. MTS-CLOSE-05"
    ),
    "closed again": Transition(
        "closed", "closed", "`close()` calls `end(None)`, then raises `RuntimeError`. MTS-CLOSE-03"
    ),
}
