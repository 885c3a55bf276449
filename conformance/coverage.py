"""What a generated program really met: read from its trace, not from what was intended.

`produced` says which of the things a strategy claims to generate happened; `rules` names the rules
that the program tried, each only if the oracle's trace shows the situation the rule speaks of.
"""

from typing import Any, Iterator

from conformance import devices
from conformance import program as p
from conformance.trace import Event

_PREEMPTIONS = ("AbortedError", "UnavailableError", "SubclassOfAbortedError")
_CLEAN = ("OutOfRangeError", "StopIteration")


def produced(program: Any, trace: list[Event]) -> set[str]:
    """Return what this program brought about, as short texts that are counted."""
    return set(_PRODUCED[type(program)](program, _Seen(trace)))


def rules(program: Any, trace: list[Event]) -> tuple[str, ...]:
    """Return the rules that this program tried."""
    return tuple(sorted({"MTS-" + rule for rule in _RULES[type(program)](program, _Seen(trace))}))


class _Seen:
    """A trace with the questions that are asked of it."""

    def __init__(self, trace: list[Event]) -> None:
        self.trace = trace
        self.kinds = [event.kind for event in trace]
        self.made = self.kinds.count("tf session made")
        self.closed = self.kinds.count("tf session closed")
        self.logs = [event.data[1] for event in trace if event.kind == "log"]

    def stage(self, name: str) -> int:
        return sum(kind.endswith("." + name) for kind in self.kinds)

    def raised(self, kind: str) -> str | None:
        """The type that the first event of this kind raised, if it did."""
        for event in self.trace:
            if event.kind == kind and isinstance(event.data, dict) and "raised" in event.data:
                return str(event.data["raised"]["type"])
        return None

    def of_threads(self) -> list[Event]:
        """What other threads recorded."""
        return [Event(*data) for event in self.trace if event.kind == "seen by other threads" for data in event.data]

    def messages(self) -> Iterator[str]:
        """The messages of everything that was raised."""
        for event in self.trace:
            if isinstance(event.data, dict) and "raised" in event.data:
                yield str(event.data["raised"]["message"])

    def closed_after_a_failed_save(self) -> bool:
        """Whether a session was closed with no save between one that failed and the close."""
        failed = False
        for event in self.trace:
            if event.kind == "log" and event.data[1].startswith("Saving checkpoints for"):
                failed = False
            elif event.kind == "run" and isinstance(event.data, dict) and "raised" in event.data:
                failed = failed or "tempstate" in str(event.data["raised"]["message"])
            elif event.kind == "close" and failed:
                return True
        return False

    def said(self, start: str) -> int:
        return sum(text.startswith(start) for text in self.logs)

    def has(self, kind: str) -> bool:
        return kind in self.kinds

    def files(self) -> list[str]:
        last = self.trace[-1]
        return list(last.data["files"]) if last.kind == "files at the end" else []

    def fired(self, program: p.Program) -> Iterator[tuple[int, p.Action]]:
        """The actions whose call was reached, with their hook's position."""
        for index, hook in enumerate(program.hooks):
            name = "ABCD"[index] if index < 4 else f"H{index}"
            for action in hook.actions:
                if self.kinds.count(f"{name}.{action.stage}") >= action.call:
                    yield index, action


def _hook_features(program: p.Program, seen: _Seen) -> Iterator[str]:
    yield program.session
    yield f"{len(program.hooks)} hooks"
    yield "with block" if program.with_block else "no with block"
    fired = [action for _, action in seen.fired(program)]
    yield f"{min(len(fired), 4)} actions happened"
    for action in fired:
        yield f"{action.do} in {action.stage}"
        if action.error:
            yield f"{action.do} {action.error}"
    raising = [action for action in fired if action.do == "raise"]
    if len(raising) > 1 or (raising and program.body_error):
        yield "two failures"
    if seen.made > 1:
        yield "recovered from preemption"
    if seen.made > 2:
        yield "recovered twice"
    if program.body_error and seen.raised("session") == program.body_error:
        yield "the body's error came out"
    for run in program.runs:
        yield f"fetches {run.fetches}"
        if run.feeds:
            yield "user feeds"
    for hook in program.hooks:
        if hook.kind != "plain":
            yield f"hook {hook.kind}"
        if hook.request is not None:
            yield f"hook fetches {hook.request.fetches}"
    if seen.has("step function called"):
        functions = {run.function: run for run in program.runs if run.step_fn}
        for function, run in functions.items():
            yield f"step function: {function}, {run.hooked_runs} hooked runs" + (", a raw run" if run.raw_run else "")
    feeds = [feed for asked in [*program.runs, *_requests(program)] for feed in asked.feeds]
    if seen.stage("before_run") or seen.has("run"):
        for feed in feeds:
            yield f"fed {feed.key}" + (" as an array" if feed.array else "")
        if any(asked.same_options and asked.options for asked in [*program.runs, *_requests(program)]):
            yield "options objects that are shared"
    yield f"hooks in a {program.container}"
    yield f"{program.variables} variables"
    if program.checkpoint_steps is not None:
        yield "checkpoints"
    if program.default_scaffold:
        yield "default scaffold"
    yield from _placement(program)


def _requests(program: p.Program) -> list[p.Request]:
    return [hook.request for hook in program.hooks if hook.request is not None]


def _placement(program: Any) -> Iterator[str]:
    if program.second_device and devices.current() is None:
        yield "on a second device"
    if getattr(program, "graph", "built") == "imported":
        yield "an imported graph"


def _hook_rules(program: p.Program, seen: _Seen) -> Iterator[str]:
    fired = [action for _, action in seen.fired(program)]
    raised = {action.stage: action.error for action in fired if action.do == "raise"}
    yield "LIFE-01"
    yield "LIFE-06"
    if "begin" in raised:
        yield "LIFE-03"
    if seen.made and seen.stage("begin"):
        yield "LIFE-02"
    if "after_create_session" in raised:
        yield "LIFE-05" if raised["after_create_session"] in _PREEMPTIONS else "LIFE-04"
    if seen.made:
        yield from ("GRAPH-01", "GRAPH-04", "SES-01", "SES-08", "SCF-02", "SCF-09", "RUN-12")
        yield "SCF-05" if program.default_scaffold else "SCF-01"
        if program.default_scaffold:
            yield "SES-15"
    if seen.has("after: finalised"):
        yield from ("GRAPH-02", "CLOSE-01", "CLOSE-05")
    ran = seen.stage("before_run")
    if ran:
        yield from ("RUN-02", "RUN-04")
    if seen.stage("after_run"):
        yield from ("RUN-03", "RUN-08", "EXC-06")
    yield from _request_rules(program, seen, ran)
    yield from _ending_rules(program, seen, fired, raised)
    if seen.made > 1:
        yield from ("EXC-04", "EXC-13", "CLOSE-07", "SES-14")
        if any(action.do == "request_stop" for action in fired):
            yield "EXC-11"
        if any(run.step_fn for run in program.runs):
            yield "STEP-05"
        if raised.get("after_create_session"):
            yield "EXC-12"
    if program.checkpoint_steps is not None and seen.said("Saving checkpoints for"):
        yield from ("CKH-01", "CKH-04", "CKH-07", "CKH-08", "CKP-01", "CKP-04", "EVT-03", "SES-04", "GS-03", "TMR-02")
        if seen.said("Saving checkpoints for") > 1:
            yield "CKH-02"
        if seen.stage("end"):
            yield "CKH-03"
        if seen.made > 1:
            yield from ("SES-02", "SES-05")
    if program.session == "MonitoredTrainingSession":
        yield from ("ARG-07", "ARG-08", "ARG-09")


def _request_rules(program: p.Program, seen: _Seen, ran: int) -> Iterator[str]:
    if not ran:
        return
    asked = _requests(program)
    if any(request.feeds for request in asked):
        yield "RUN-05"
        yield "RUN-06"
    if any(request.options for request in asked) or any(run.options for run in program.runs):
        yield "RUN-07"
    if asked:
        yield "RUN-09"
    if any(hook.kind in ("equal", "same", "unhashable") for hook in program.hooks):
        yield "RUN-11"
    if any(run.step_fn for run in program.runs):
        yield "STEP-01"
    if seen.has("step function called"):
        yield "STEP-02"
        if any(run.step_fn and run.hooked_runs for run in program.runs):
            yield "STEP-06"


def _ending_rules(program: p.Program, seen: _Seen, fired: list[p.Action], raised: Any) -> Iterator[str]:
    dos = {(action.do, action.stage) for action in fired}
    if any(do == "request_stop" for do, _ in dos):
        yield "RUN-01"
    if ("request_stop", "before_run") in dos:
        yield "RUN-10"
    if any(run.step_fn and run.stop_in_step_fn for run in program.runs) and seen.has("step function called"):
        yield "STEP-03"
    if any(do == "request_stop" for do, _ in dos) and any(run.step_fn for run in program.runs[1:]):
        yield "STEP-04"
    if any(do == "run" for do, _ in dos):
        yield "RUN-13"
    errors = [error for stage, error in raised.items() if stage in ("before_run", "after_run")]
    if errors:
        yield "EXC-03"
    if program.with_block:
        if any(error in _CLEAN for error in [*errors, program.body_error]):
            yield "EXC-01"
        if any(error and error not in _CLEAN + _PREEMPTIONS for error in [*errors, program.body_error]):
            yield "EXC-02"
        if any(do == "close" for do, _ in dos):
            yield "CLOSE-04"
    if any(do == "coordinator_error" for do, _ in dos):
        yield from ("EXC-05", "EXC-07", "EXC-08", "EXC-09", "EXC-14", "CRD-01", "CRD-04")
    if "end" in raised:
        yield "CLOSE-02"
        if raised["end"] in _PREEMPTIONS:
            yield "EXC-10"
    if program.close_again and seen.has("close again"):
        yield "CLOSE-03"


def _step_features(program: p.StepProgram, seen: _Seen) -> Iterator[str]:
    yield f"{len(program.lives)} lives"
    if program.real_processes:
        yield f"{sum(life.new_process for life in program.lives)} processes"
    yield "a directory" if program.directory else "no directory"
    yield f"{program.variables} variables"
    yield from _placement(program)
    for life in program.lives:
        yield life.session
        for hook in life.hooks:
            yield hook.kind
        for step in life.steps:
            yield "increment " + ("backwards" if step.increment < 0 else str(min(step.increment, 4)))
            yield "clock " + ("back" if step.advance < 0 else "still" if not step.advance else "on")
    for event in seen.trace:
        if event.kind == "damaged":
            yield f"damage: {event.data}"
    if any("tempstate" in text for text in seen.messages()):
        yield "a save failed half-way"
    if any(step.array for life in program.lives for step in life.steps):
        yield "increments fed as arrays"
    if seen.said("Restoring parameters from"):
        yield "restored"
    if seen.made > len(program.lives):
        yield "recovered from preemption"
    if seen.has("stopped"):
        yield "stopped by a hook"
    if seen.said("Saving checkpoints for") > 1:
        yield "several checkpoints"


_OF_HOOK = {
    "CheckpointSaverHook": ("CKH-06", "CKH-04", "TMR-01"),
    "StepCounterHook": ("STC-01", "STC-02"),
    "SummarySaverHook": ("SUM-01", "SUM-02", "SUM-03"),
    "LoggingTensorHook": ("LOG-01", "LOG-02", "LOG-03"),
    "StopAtStepHook": ("STP-01", "STP-02"),
    "NanTensorHook": ("NAN-01",),
    "FinalOpsHook": ("FIN-01",),
    "FeedFnHook": ("FED-01",),
    "GlobalStepWaiterHook": ("GSW-01",),
    "ProfilerHook": ("PRF-01",),
}


def _step_rules(program: p.StepProgram, seen: _Seen) -> Iterator[str]:
    runs = seen.kinds.count("run")
    if seen.made:
        yield from ("LIFE-01", "GRAPH-01", "SES-01", "SCF-06" if program.default_scaffold else "SCF-02", "GS-01")
    if runs:
        yield from ("GS-03", "TMR-02", "TMR-03")
        for life in program.lives:
            for hook in life.hooks:
                yield from _OF_HOOK[hook.kind]
    if seen.said("Saving checkpoints for"):
        yield from ("CKH-01", "CKH-04", "CKH-07", "CKH-08", "CKP-01", "CKP-04", "CKP-06")
        if seen.said("Saving checkpoints for") > 1:
            yield from ("CKH-02", "CKH-03")
        if seen.said("Saving checkpoints for") > 5:
            yield "CKP-02"
        if seen.closed_after_a_failed_save():
            yield "CKH-05"
    if seen.said("Restoring parameters from"):
        yield from ("SES-02", "SES-04", "SES-05", "CKP-05")
    if seen.has("damaged"):
        yield from ("SES-04", "CKP-05")
    if seen.made > len(program.lives):
        yield from ("EXC-04", "EXC-13")
    if any("tfevents" in name for name in seen.files()):
        yield from ("EVT-01", "EVT-02", "EVT-04", "EVT-05")
    if program.directory and any(life.session == "MonitoredTrainingSession" for life in program.lives):
        yield from ("ARG-01", "ARG-02", "ARG-05", "ARG-06", "ARG-07", "ARG-09", "EVT-03", "STC-01", "SUM-01")
    if any("global step has not been increased" in text or "It seems that global step" in text for text in seen.logs):
        yield "STC-03"


def _coordinator_features(program: p.CoordinatorProgram, seen: _Seen) -> Iterator[str]:
    yield program.session or "a coordinator alone"
    for act in program.acts:
        yield act.do + (f" {act.error}" if act.error else "")
    if seen.raised("join"):
        yield "join raised"
    if seen.made > 1:
        yield "recovered from preemption"


def _coordinator_rules(program: p.CoordinatorProgram, seen: _Seen) -> Iterator[str]:
    done = [act.do for act in program.acts if act.do in seen.kinds or act.do.startswith("thread")]
    if any(do in ("request_stop", "report", "report tuple") for do in done):
        yield "CRD-01"
    if "join" in done:
        yield "CRD-03"
        if done[-1] != "join":
            yield "CRD-02"
    if "report outside" in done:
        yield "CRD-04"
    if "looper" in done:
        yield "LPR-01"
    if "thread stays" in done and "close" in done and seen.said("Coordinator stopped with threads still running"):
        yield "CLOSE-06"
    if "stop_on_exception" in done or "thread fails" in done:
        yield "CRD-05"
    if any("Coordinator" in text or "Error reported" in text for text in seen.logs):
        yield "CRD-06"
    if program.session is not None:
        failed = any(do in ("report", "report tuple", "thread fails") for do in done)
        if failed and "run" in done:
            yield "EXC-06"
        if failed and "bad run" in done:
            yield from ("EXC-05", "EXC-14")
        if failed and "should_stop" in done:
            yield "EXC-07"
        if failed and "close" in done:
            yield "EXC-08"
        if done.count("close") > 1:
            yield "CLOSE-03"
        yield "EXC-09"


def _arguments_features(program: p.ArgumentsProgram, seen: _Seen) -> Iterator[str]:
    yield "chief" if program.is_chief else "worker"
    yield f"hooks in a {program.container}"
    yield "a directory" if program.checkpoint_dir in ("a", "b") else "no directory"
    yield "the call raised" if seen.raised("call") else "the call was fine"
    for name in p.ArgumentsProgram._fields:
        if name.startswith(("save_", "log_")):
            yield f"{name}={getattr(program, name)}"


def _arguments_rules(program: p.ArgumentsProgram, seen: _Seen) -> Iterator[str]:
    if not program.is_chief:
        yield from ("ARG-08", "ARG-12", "SES-10")
        return
    yield from ("ARG-01", "ARG-02", "ARG-07", "ARG-09")
    given = [program.save_checkpoint_secs, program.save_checkpoint_steps]
    others = [program.save_summaries_secs, program.save_summaries_steps]
    if any(all(value not in (None, p.LEFT_OUT, p.EQUAL_TO_ANYTHING) for value in pair) for pair in (given, others)):
        yield "ARG-03"
    if p.EQUAL_TO_ANYTHING in (*given, *others):
        yield "ARG-10"
    if any(value in (None, 0, -1) for value in [*given, *others, program.log_step_count_steps]):
        yield "ARG-04"
    if program.checkpoint_dir in ("a", "b") or program.summary_dir in ("a", "b"):
        yield from ("ARG-05", "ARG-06")
        if any("Global step should be created" in message for message in seen.messages()):
            yield from ("ARG-11", "GS-01")
    if program.container != "list":
        yield "ARG-08"
    if not program.scaffold:
        yield from ("SCF-02", "SCF-05", "SCF-06")


def _saver_features(program: p.SaverProgram, seen: _Seen) -> Iterator[str]:
    yield f"max_to_keep={program.max_to_keep}"
    yield f"{program.variables} variables"
    yield from _placement(program)
    yield ("relative " if program.relative_directory else "") + f"directory {program.directory}"
    for act in program.acts:
        yield act.do
    if seen.raised("restore"):
        yield "restore raised"


def _saver_rules(program: p.SaverProgram, seen: _Seen) -> Iterator[str]:
    done = {act.do for act in program.acts}
    if "save" in done:
        yield from ("CKP-01", "CKP-02", "CKP-04", "CKP-06")
        if program.keep_hours < 100:
            yield "CKP-03"
    if done & {"state", "restart", "garble", "forget"}:
        yield "CKP-05"
    if done & {"exists", "remove"}:
        yield "CKP-07"
    if seen.raised("restore") or seen.raised("save"):
        yield "CKP-08"
    if "update" in done:
        yield "CKP-06"


_SIGN_OF = {
    "second": "make another",
    "overlapping": "make another",
    "overlapping, first closed last": "make another",
    "create again": "creator",
    "try again": "make again",
    "close elsewhere": "finalised elsewhere",
}
_PIECES = ("init_op", "ready_op", "ready_for_local_init_op", "local_init_op", "summary_op", "saver")


def _creation_features(program: p.CreationProgram, seen: _Seen) -> Iterator[str]:
    yield program.creator
    for name in _PIECES:
        yield f"{name} {getattr(program, name)}"
    yield f"variables {program.model}"
    yield f"restore {program.restore}" + (", a checkpoint" if program.checkpoint else "")
    polls = [event.data for event in [*seen.trace, *seen.of_threads()] if event.kind == "polled"]
    if polls:
        yield f"polled: a {program.ready_value} if not ready"
        yield f"{min(3, max(count for _, count in polls))} polls of one op"
    yield f"queue {program.queue}"
    if seen.has("start queues"):
        yield f"queues started again: {program.start_queues}"
    yield "the session was made" if seen.made and not seen.raised("make") else "making the session failed"
    if program.then and seen.has(_SIGN_OF[program.then]):
        yield program.then
    if seen.said("Restoring parameters from"):
        yield "restored"


def _creation_rules(program: p.CreationProgram, seen: _Seen) -> Iterator[str]:
    pieces = [getattr(program, name) for name in _PIECES]
    yield "SCF-01"
    if program.creator == "recover":
        yield "SES-12"
        if program.wait and program.restore == "directory":
            yield "SES-11"
        if program.ready_for_local_init_op == "explicit" and program.local_init_op == "absent":
            yield "SES-09"
        return
    yield from ("SCF-02", "SCF-05", "SCF-06")
    if "collection" in pieces:
        yield "SCF-03"
    if "two" in pieces:
        yield "SCF-04"
    if program.init_fn:
        yield "SCF-07"
    if program.copies:
        yield "SCF-08"
    if program.init_feed:
        yield "SCF-10"
    restored = seen.said("Restoring parameters from")
    if any(message.startswith("Can not provide both") for message in seen.messages()):
        yield "SES-03"
    if seen.said("Graph was finalized."):
        yield "SCF-09"
    failed = seen.raised("make")
    if program.creator == "worker" and seen.made:
        yield from ("SES-10", "ARG-12")
    if failed == "RuntimeError" and seen.made:
        yield from ("SES-06", "SES-07", "LIFE-04")
    if program.model == "none" and program.restore == "directory" and program.checkpoint and seen.made:
        yield "SES-13"
    if program.global_step != "none":
        yield from ("GS-01", "GS-02")
    if failed or not seen.made:
        return
    yield from ("SES-01", "SES-08", "SES-15", "GRAPH-01")
    if restored:
        yield "SES-02"
    if program.prefinalised or program.finalized:
        yield "GRAPH-03"
    if program.then in ("second", "overlapping", "overlapping, first closed last"):
        yield from ("GRAPH-02", "GRAPH-05")
    if program.then == "create again":
        yield "SES-14"
    if seen.has("finalised elsewhere"):
        yield "GRAPH-02"
    if program.queue:
        yield from ("QR-01", "QR-02")
        if program.queue != "endless":
            yield from ("QR-03", "QR-05" if program.queue == "ends" else "QR-06")
    if program.start_queues and seen.has("start queues"):
        yield "QR-07" if program.start_queues == "monitored" else "QR-04"


_PRODUCED: Any = {
    p.Program: _hook_features,
    p.StepProgram: _step_features,
    p.CoordinatorProgram: _coordinator_features,
    p.ArgumentsProgram: _arguments_features,
    p.SaverProgram: _saver_features,
    p.CreationProgram: _creation_features,
}
_RULES: Any = {
    p.Program: _hook_rules,
    p.StepProgram: _step_rules,
    p.CoordinatorProgram: _coordinator_rules,
    p.ArgumentsProgram: _arguments_rules,
    p.SaverProgram: _saver_rules,
    p.CreationProgram: _creation_rules,
}
