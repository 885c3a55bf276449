"""What a monitored session does about a preemption, in order; what is lost and what is kept."""

from dataclasses import dataclass

TITLE = "Recovery from a preemption"
CAPTION = "What happens inside one call of `run` when a step is preempted. The caller only sees that it took longer."
DESCRIPTION = (
    "A column of stages from top to bottom: a step raises AbortedError or UnavailableError; the old session is "
    "closed; a new one is made, restored or initialised; queue runners start; after_create_session is called; the "
    "step is run again. A preemption while the session is made begins again with making it, one in the repeated step "
    "with closing. Beside it, what is lost and what is kept."
)


@dataclass(frozen=True)
class Stage:
    """One stage: a heading, lines, and the events that a test records of it, with two hooks A and B."""

    heading: str
    lines: tuple[str, ...]
    events: tuple[str, ...]
    look: str = "plain"


PREEMPTED = Stage(
    "1. The step is preempted",
    (
        "`AbortedError` or `UnavailableError` from a hook or from `Session.run`, or reported by a thread. "
        "MTS-EXC-04 MTS-EXC-05",
    ),
    ("A.before_run", "B.before_run", "session.run"),
    "bad",
)
CLOSED = Stage(
    "2. The old session is closed",
    (
        "Its coordinator asks the threads to stop and joins them; then the `tf.Session` is closed. MTS-CLOSE-01",
        "`end` is not called.",
    ),
    ("coord.stop", "session.close"),
)
CREATED = Stage(
    "3. A new session is made",
    (
        "Restored from `checkpoint_dir` if that names a checkpoint, else initialised by `init_op`. MTS-EXC-13",
        "A worker waits until the chief has done so. MTS-SES-10",
    ),
    ("session.create", "session.restore"),
    "accent",
)
SHOWN = Stage(
    "4. The hooks see it",
    (
        "A new coordinator; queue runners start; `after_create_session` of each hook, in list order. MTS-LIFE-01",
        "`begin` is not called again. MTS-LIFE-02",
    ),
    ("A.after_create_session", "B.after_create_session"),
)
REPEATED = Stage(
    "5. The step runs again, whole",
    ("From the first `before_run` on, with the caller's own arguments. MTS-EXC-04",),
    ("A.before_run", "B.before_run", "session.run", "A.after_run", "B.after_run"),
    "good",
)
STAGES = (PREEMPTED, CLOSED, CREATED, SHOWN, REPEATED)

MADE_AGAIN = "Preempted in 3 or 4: again from 3; what was opened stays open. MTS-LIFE-05"
RUN_AGAIN = "Preempted in 5: again from 2. Both without a limit and without a pause. MTS-EXC-04"
OTHER_ERROR = (
    "Any other error in 2, 3 or 4 leaves `run`. `should_stop()` is then true, yet the next `run` begins at 3. "
    "MTS-EXC-12"
)

LOST = {
    "steps": "on the chief: the steps since the newest checkpoint; without one, all MTS-EXC-13",
    "stop": "a stop that a hook asked for MTS-EXC-11",
    "objects": "the `tf.Session` and the coordinator; hooks get new ones MTS-CLOSE-07",
}
KEPT = {
    "graph": "the graph, finalised as it was",
    "hooks": "what hooks remember: timers, the target of `StopAtStepHook` MTS-EXC-13",
    "arguments": "the arguments of `run`",
}
