"""How a cluster starts: one chief, one worker, one parameter server."""

from dataclasses import dataclass

TITLE = "A cluster starts"
CAPTION = (
    "One chief, one worker and one parameter server. Any of them may come first; each further worker does what this "
    "one does."
)
DESCRIPTION = (
    "A sequence from top to bottom. The parameter server waits for calls. The worker makes a session and asks whether "
    "the model is ready; it is not, so the worker closes the session, sleeps for 30 seconds and asks again in a new "
    "one. Meanwhile the chief restores the newest checkpoint or initialises the variables, runs the local "
    "initialisation, and saves the first checkpoint. The worker's next look finds the model ready. Then both train; "
    "only the chief saves."
)

WAIT_SECS = 30
MAX_WAIT_SECS = 7200

PARTICIPANTS = {"worker": "worker", "ps": "parameter server", "chief": "chief"}


@dataclass(frozen=True)
class Call:
    """A call to the parameter server, or with `returns` its answer."""

    source: str
    target: str
    text: str
    returns: bool = False
    look: str = "plain"


@dataclass(frozen=True)
class Note:
    """What happens at one or more participants."""

    first: str
    last: str
    heading: str
    lines: tuple[str, ...] = ()
    look: str = "plain"


STEPS: tuple[Call | Note, ...] = (
    Note(
        "worker",
        "chief",
        "Worker and chief, each: `begin` of each hook, graph finalised",
        ("MTS-LIFE-01 MTS-GRAPH-01",),
    ),
    Call("worker", "ps", "ready?"),
    Call("ps", "worker", "no, not initialised", True, "bad"),
    Note("worker", "worker", f"Closes its session, sleeps {WAIT_SECS} s", ("MTS-SES-10",), "warn"),
    Call("chief", "ps", "A checkpoint? Restore it. MTS-SES-02", look="accent"),
    Call("chief", "ps", "None? `init_op`, `init_fn` MTS-SES-01", look="accent"),
    Call("chief", "ps", "`local_init_op`; ready? MTS-SES-01"),
    Call("ps", "chief", "ready", True, "good"),
    Note("ps", "chief", "Chief: `after_create_session`", ("The first checkpoint is saved. MTS-CKH-01",)),
    Call("worker", "ps", "in a new session: ready?"),
    Call("ps", "worker", "ready", True, "good"),
    Note("worker", "ps", "Worker: `after_create_session`"),
    Note(
        "worker", "chief", "Both train", ("Only the chief saves checkpoints and writes summaries. MTS-ARG-08",), "good"
    ),
)

LIMIT = Note(
    "worker",
    "chief",
    "How long does the worker look?",
    (
        f"Until `max_wait_secs`, by default {MAX_WAIT_SECS} s, would be over before its next look: then "
        "`DeadlineExceededError`. MTS-SES-10 MTS-ARG-12",
        "After a preemption each replica makes a new session in the same way. MTS-EXC-13",
    ),
)
