"""The pictures of the documentation are true: real sessions, of tf.train and of monitored, do what they show."""

import contextlib
import ctypes
import gc
import inspect
import itertools
import os
import struct
import sys
import threading

import pytest
import tensorflow.compat.v1 as tf
from tensorflow.python.client.session import BaseSession
from tensorflow.python.training import monitored_session as tf_layers

import monitored
from monitored import compiled_step, session_layers
from monitored.extras import AsyncCheckpointSaverHook
from pictures.contents import cluster, endings, life, recovery, save, step
from pictures.contents.endings import GROUPS
from pictures.contents.step import Call

SIDES = {"tf.train": tf.train, "monitored": monitored}
LAYERS = {
    "tf.train": {
        "recover": tf_layers._RecoverableSession,
        "coordinate": tf_layers._CoordinatedSession,
        "hook": tf_layers._HookedSession,
    },
    "monitored": {
        "recover": session_layers.RecoveringSession,
        "coordinate": session_layers.CoordinatedSession,
        "hook": session_layers.HookedSession,
    },
}


class PlantedError(Exception):
    """What the tests raise where any error will do."""


class Preempted(tf.errors.AbortedError):
    def __init__(self):
        super().__init__(None, None, "preempted")


class EndOfInput(tf.errors.OutOfRangeError):
    """A kind of end of input that is not exactly it."""

    def __init__(self):
        super().__init__(None, None, "end of input")


class Hook:
    """Writes down each call, and raises what is planned for it, once."""

    def __init__(self, name, stage):
        self.name, self._stage = name, stage
        self.steps = 0

    def _called(self, method, *details):
        self._stage.note(f"{self.name}.{method}", *details)
        error = self._stage.planned.pop((self.name, method), None)
        if error is not None:
            raise error

    def begin(self):
        self._called("begin")

    def after_create_session(self, session, coord):
        self._stage.coord = coord
        self._called("after_create_session", session, coord)

    def before_run(self, context):
        self.steps += 1
        if (self.name, "request_stop") in self._stage.planned:
            del self._stage.planned[self.name, "request_stop"]
            context.request_stop()
        self._called("before_run", context)
        # Whatever the session runs next is the step itself.
        self._stage.awaits_run = self.name == self._stage.names[-1]

    def after_run(self, context, values):
        self._called("after_run", context)

    def end(self, session):
        self._called("end", session)


class Stage:
    """One side with recording hooks, and everything that happens on it in order."""

    def __init__(self, side, monkeypatch, names="ABC"):
        self.side, self.train = side, SIDES[side]
        self.events, self.planned, self.raw_sessions = [], {}, []
        self.closed_sessions = []
        self.names = names
        self.hooks = [Hook(name, self) for name in names]
        self.constructed = False
        self.coord = self.session = None
        self.run_raises, self.raised = [], []
        self.awaits_run = self.in_run = False
        self._stand_in(monkeypatch)

    def note(self, event, *details):
        self.events.append((event, details))

    def log(self):
        return [event for event, _ in self.events]

    def _stand_in(self, monkeypatch):
        stage = self

        def patch(owner, name, before, after=None):
            original = getattr(owner, name)

            def patched(self, *args, **kwargs):
                before(self)
                result = original(self, *args, **kwargs)
                if after:
                    after()
                return result

            monkeypatch.setattr(owner, name, patched)

        def created(session):
            stage.raw_sessions.append(session)
            stage.note("session.create")

        def closed(session):
            # The garbage collector closes sessions too, a second time.
            if session in stage.raw_sessions and session not in stage.closed_sessions:
                stage.closed_sessions.append(session)
                stage.note("session.close")

        def run_begins(session):
            stage.in_run, stage.awaits_run = stage.awaits_run, False
            if stage.in_run:
                stage.note("session.run")
                if stage.run_raises:
                    stage.raised.append(stage.run_raises.pop(0))
                    raise stage.raised[-1]

        def run_ends():
            if stage.in_run:
                stage.note("session.return")
            stage.in_run = False

        patch(BaseSession, "__init__", created)
        patch(BaseSession, "close", closed)
        patch(BaseSession, "run", run_begins, run_ends)
        patch(self.train.Coordinator, "request_stop", lambda coord: stage.note("coord.stop"))
        patch(self.train.Saver, "restore", lambda saver: stage.note("session.restore"))
        for key, layer in LAYERS[self.side].items():
            begun = lambda layer, key=key: stage.note(f"{key}.run")  # noqa: E731
            patch(layer, "run", begun, lambda key=key: stage.note(f"{key}.return"))
        # What Session.run does in a step is seen where steps are plain runs.
        monkeypatch.setattr(compiled_step, "ENABLED", False)

    def build(self):
        self.count = self.train.get_or_create_global_step()
        self.op = self.count.assign_add(1)

    def open(self, creator=None, singular=False, scaffold=None):
        """Construct a session."""
        if not hasattr(self, "op"):
            self.build()
        self.first_hook = self.hooks[0]
        if singular:
            self.session = self.train.SingularMonitoredSession(hooks=self.hooks, scaffold=scaffold)
        else:
            creator = creator or self.train.ChiefSessionCreator(scaffold=scaffold)
            self.session = self.train.MonitoredSession(creator, hooks=self.hooks)
        self.constructed = True
        return self.session

    def step(self):
        """Run one step of the session."""
        self.note("step")
        try:
            value = self.session.run(self.op)
        except RuntimeError as error:
            if "should_stop requested" in str(error):
                self.note("step refused")
            raise
        except AttributeError:
            self.note("step on closed")
            raise
        except BaseException:
            self.note("step not recovered" if self.session.should_stop() else "step failed")
            raise
        self.note("step done")
        return value

    def is_open(self, session):
        try:
            session.run([])
        except RuntimeError:
            return False
        return True

    def report(self, error):
        """Have a thread's error reported to the coordinator."""
        try:
            raise error
        except BaseException as caught:
            self.coord.request_stop(caught)

    def tidy(self):
        for session in self.raw_sessions:
            session.close()
        # The errors outlive the test; the frames of their tracebacks need not.
        for error in (ERROR, *self.raised, *self.run_raises):
            error.__traceback__ = error.__context__ = None


@pytest.fixture(params=SIDES)
def side(request):
    return request.param


@pytest.fixture
def stage(side, monkeypatch, fresh_graph):
    made = Stage(side, monkeypatch)
    yield made
    made.tidy()


@pytest.fixture
def two_hooks(side, monkeypatch, fresh_graph):
    made = Stage(side, monkeypatch, "AB")
    yield made
    made.tidy()


# The table of endings.

ERROR = PlantedError("planted")


def block(stage, last=lambda stage: None, **how):
    with stage.open(**how):
        stage.step()
        last(stage)


def raising(error):
    def body(stage):
        raise error

    return body


def asks_until_stop(stage):
    stage.planned["B", "request_stop"] = True
    with stage.open() as session:
        while not session.should_stop():
            stage.step()


def failing_run(error, **how):
    def ends(stage):
        stage.run_raises = [error]
        block(stage, **how)

    return ends


def failing_hook(method):
    def ends(stage):
        stage.planned["B", method] = ERROR
        block(stage)

    return ends


def closes(stage):
    stage.open()
    stage.step()
    stage.session.close()


def closes_twice(stage):
    closes(stage)
    stage.session.close()


def steps_without_block(stage):
    stage.planned["B", "after_run"] = ERROR
    stage.open()
    stage.step()


def drops_it(stage):
    stage.open()
    stage.step()
    stage.session = None
    gc.collect()


def is_not_ready(stage):
    stage.build()
    block(stage, scaffold=stage.train.Scaffold(init_op=tf.no_op()))


ENDINGS = {
    "block ends": (None, block),
    "request_stop": (None, asks_until_stop),
    "end of input": (None, failing_run(tf.errors.OutOfRangeError(None, None, "end"))),
    "StopIteration": (None, lambda stage: block(stage, raising(StopIteration()))),
    "close": (None, closes),
    "body raises": (ERROR, lambda stage: block(stage, raising(ERROR))),
    "subclass": (EndOfInput, lambda stage: block(stage, raising(EndOfInput()))),
    "run raises": (ERROR, failing_run(ERROR)),
    "thread": (ERROR, lambda stage: block(stage, lambda stage: stage.report(ERROR))),
    "begin raises": (ERROR, failing_hook("begin")),
    "after_create_session raises": (ERROR, failing_hook("after_create_session")),
    "before_run raises": (ERROR, failing_hook("before_run")),
    "after_run raises": (ERROR, failing_hook("after_run")),
    "end raises": (ERROR, failing_hook("end")),
    "not ready": (RuntimeError, is_not_ready),
    "preempted": (None, failing_run(Preempted())),
    "preempted, singular": (Preempted, failing_run(Preempted(), singular=True)),
    "preemption in body": (Preempted, lambda stage: block(stage, raising(Preempted()))),
    "closed twice": ("Session is already closed.", closes_twice),
    "closed in block": ("Session is already closed.", lambda stage: block(stage, lambda s: s.session.close())),
    "no with": (ERROR, steps_without_block),
    "dropped": (None, drops_it),
}
"""For each row what is raised (an object, a type, a RuntimeError's text or nothing), and the program."""


def seen_by_caller(stage, expected, program):
    """Run a program; say in the table's words what its caller sees."""
    raised = None
    try:
        program(stage)
    except BaseException as error:
        raised = error
    if raised is None:
        return endings.NOTHING if expected is None else "nothing, unexpectedly"
    if type(raised) is RuntimeError and expected == str(raised) == "Session is already closed.":
        return endings.ALREADY_CLOSED
    if raised is not expected and type(raised) is not expected:
        return repr(raised)
    return endings.THAT if stage.constructed else endings.FROM_CONSTRUCTOR


def mark_of(stage, method):
    """What the table says of a method, from the calls there were."""
    events = stage.events
    if method in ("before_run", "after_run") and "step" in stage.log():
        last = max(index for index, (event, _) in enumerate(events) if event == "step")
        events = events[last:]
    calls = [(event.split(".")[0], details) for event, details in events if event.endswith(f".{method}")]
    names = "".join(name for name, _ in calls)
    if names == 2 * stage.names:
        without_session = [details == (None,) for _, details in calls]
        half = len(stage.names)
        assert without_session in ([False] * 2 * half, [False] * half + [True] * half)
        return endings.AGAIN if any(without_session) else endings.TWICE
    return {"": endings.NEVER, stage.names: endings.EVERY, stage.names[:2]: endings.UNTIL}[names]


def fate_of(stage):
    """What the table says of the raw sessions."""
    is_open = [stage.is_open(session) for session in stage.raw_sessions]
    return {(): endings.NONE, (False,): endings.CLOSED, (True,): endings.OPEN, (False, False): endings.BOTH_CLOSED}[
        tuple(is_open)
    ]


ROWS = {key: ending for group in GROUPS.values() for key, ending in group.items()}


def test_every_ending_has_a_program():
    assert set(ENDINGS) == set(ROWS)


@pytest.mark.parametrize("key", ROWS)
def test_ending(stage, key):
    row = ROWS[key]
    sees = seen_by_caller(stage, *ENDINGS[key])
    marks = tuple(mark_of(stage, method) for method in endings.METHODS)
    assert (marks, fate_of(stage), sees) == (row.marks, row.session, row.sees)
    if key == "no with":
        assert stage.step() == 2  # the step whose after_run failed has counted
        assert stage.is_open(stage.raw_sessions[0])


# One step.


def test_step(two_hooks):
    two_hooks.open()
    first = len(two_hooks.events)
    assert two_hooks.step() == 1
    events = [event for event in two_hooks.log()[first:] if not event.startswith("step")]
    assert events == [call.event for call in step.STEPS if isinstance(call, Call)]
    two_hooks.session.close()


def test_calls_of_a_step_go_where_they_are_drawn():
    keys = {participant.key for participant in step.PARTICIPANTS}
    narrow = {participant.narrow for participant in step.PARTICIPANTS}
    assert narrow == set(step.NARROW_NAMES)
    for call in step.STEPS:
        if not isinstance(call, Call):
            assert call.at in keys
            continue
        who, what = call.event.split(".")
        assert {call.source, call.target} <= keys
        assert call.returns == (what == "return")
        owner = call.source if call.returns else call.target
        assert owner == {"A": "hooks", "B": "hooks"}.get(who, who)


def test_a_stop_is_heeded_before_any_hook(two_hooks):
    two_hooks.planned["A", "request_stop"] = True
    with two_hooks.open():
        two_hooks.step()  # is finished, though A asked in before_run
        assert two_hooks.log()[-2:] == ["recover.return", "step done"]
        assert two_hooks.session.should_stop()
        seen = len(two_hooks.events)
        with pytest.raises(RuntimeError, match="Run called even after should_stop requested"):
            two_hooks.step()
        assert two_hooks.log()[seen:] == ["step", "recover.run", "coordinate.run", "hook.run", "step refused"]


def test_an_error_in_a_step_leaves_at_once_and_forgets_a_stop(two_hooks):
    two_hooks.planned = {("A", "request_stop"): True, ("B", "before_run"): ERROR}
    with two_hooks.open():
        with pytest.raises(PlantedError):
            two_hooks.step()
        assert two_hooks.log()[-3:] == ["A.before_run", "B.before_run", "step failed"]
        assert not two_hooks.session.should_stop()


def test_a_preemption_of_a_thread_replaces_the_error_of_a_step(two_hooks):
    two_hooks.planned["B", "after_run"] = ERROR
    with two_hooks.open():
        two_hooks.report(Preempted())
        assert two_hooks.step() == 1  # in a new session, initialised again
    assert len(two_hooks.raw_sessions) == 2


# A recovery.


class Recovery:
    """A session that starts from a checkpoint at step 10 and has run two steps."""

    def __init__(self, stage, folder):
        self.stage = stage
        stage.build()
        saver = stage.train.Saver()
        with tf.Session() as session:
            session.run(stage.count.assign(10))
            saver.save(session, os.path.join(folder, "model.ckpt"), global_step=10)
        stage.raw_sessions.clear()
        scaffold = stage.train.Scaffold(saver=saver)
        stage.open(stage.train.ChiefSessionCreator(scaffold=scaffold, checkpoint_dir=folder))
        stage.step()
        assert stage.step() == 12
        stage.events.clear()


@pytest.fixture
def recovery_stage(two_hooks, tmp_path):
    Recovery(two_hooks, str(tmp_path))
    yield two_hooks
    if two_hooks.session is not None:
        two_hooks.session.close()


IN_PICTURE = {event for stage_ in recovery.STAGES for event in stage_.events} | {"A.begin", "B.begin", "A.end", "B.end"}


def drawn(events):
    return [event for event in events if event in IN_PICTURE]


def test_recovery(recovery_stage):
    recovery_stage.run_raises = [Preempted()]
    assert recovery_stage.step() == 11
    assert drawn(recovery_stage.log()) == [event for each in recovery.STAGES for event in each.events]


def test_what_a_recovery_loses_and_keeps(recovery_stage):
    stage = recovery_stage
    graph, steps = stage.session.graph, stage.hooks[0].steps
    stage.planned["A", "request_stop"] = True
    stage.run_raises = [Preempted()]
    old_coord = stage.coord
    value = stage.step()
    contexts = [details[0] for event, details in stage.events if event == "A.before_run"]
    lost = {
        "steps": value == 11,
        "stop": not stage.session.should_stop(),
        "objects": len({id(context.session) for context in contexts}) == 2 and stage.coord is not old_coord,
    }
    kept = {
        "graph": stage.session.graph is graph and graph.finalized,
        "hooks": stage.hooks[0].steps == steps + 2,
        "arguments": all(context.original_args.fetches is stage.op for context in contexts),
    }
    assert lost == dict.fromkeys(recovery.LOST, True)
    assert kept == dict.fromkeys(recovery.KEPT, True)


def test_a_stop_is_lost_when_should_stop_recovers(recovery_stage):
    recovery_stage.planned["A", "request_stop"] = True
    recovery_stage.step()
    recovery_stage.report(Preempted())
    assert not recovery_stage.session.should_stop()
    assert recovery_stage.step() == 11


def test_a_preemption_while_the_session_is_made_goes_back_to_making(recovery_stage):
    recovery_stage.run_raises = [Preempted()]
    recovery_stage.planned["A", "after_create_session"] = Preempted()
    recovery_stage.step()
    preempted, closed, created, shown, repeated = (list(each.events) for each in recovery.STAGES)
    expected = [*preempted, *closed, *created, "A.after_create_session", *created, *shown, *repeated]
    assert drawn(recovery_stage.log()) == expected
    # The first was there from the beginning.
    opened = [recovery_stage.is_open(session) for session in recovery_stage.raw_sessions]
    assert opened == [False, True, True]


def test_a_preemption_of_the_repeated_step_goes_back_to_closing(recovery_stage):
    recovery_stage.run_raises = [Preempted(), Preempted()]
    recovery_stage.step()
    preempted, *again, repeated = (list(each.events) for each in recovery.STAGES)
    round_ = [*preempted, *itertools.chain.from_iterable(again)]
    assert drawn(recovery_stage.log()) == [*round_, *round_, *repeated]


def test_another_error_while_the_session_is_made_leaves_run(recovery_stage):
    recovery_stage.run_raises = [Preempted()]
    recovery_stage.planned["B", "after_create_session"] = ERROR
    with pytest.raises(PlantedError):
        recovery_stage.step()
    assert recovery_stage.session.should_stop()
    recovery_stage.events.clear()
    assert recovery_stage.step() == 11
    _, _, *rest = (list(each.events) for each in recovery.STAGES)
    assert drawn(recovery_stage.log()) == [*itertools.chain.from_iterable(rest)]


def test_another_error_while_the_old_session_is_closed_leaves_run(recovery_stage):
    recovery_stage.report(ERROR)
    recovery_stage.events.clear()
    recovery_stage.run_raises = [Preempted()]
    with pytest.raises(PlantedError):
        recovery_stage.step()
    preempted, closed, *rest = (list(each.events) for each in recovery.STAGES)
    assert drawn(recovery_stage.log()) == [*preempted, *closed]
    assert recovery_stage.session.should_stop()
    recovery_stage.events.clear()
    assert recovery_stage.step() == 11
    assert drawn(recovery_stage.log()) == [*itertools.chain.from_iterable(rest)]


# The life of a session.


def path_of(stage):
    """The states that a session was seen in, an event each, from what happened on the stage."""
    path, ready, leaving = [], False, False
    hooks = stage.names
    for event, _ in stage.events:
        state = None
        if event == f"{hooks[0]}.begin" or (event == "session.create" and not ready):
            state = "constructing"
        elif event == "constructor raised":
            state = "failed"
        elif event == "constructed":
            ready = True
            state = "running"
        elif event == "session.create":
            state = "recovering"
        elif event in ("step done", "step failed", "should_stop recovered"):
            state = "running"
        elif event in ("stop asked for", "step refused"):
            state = "stopping"
        elif event == f"{hooks[0]}.end":
            state = "closed" if "closed" in path else "ending"
        elif event == "leaving":
            leaving = True
        elif event == "session.close" and leaving:
            state = "closing"
        elif event in ("left", "step on closed"):
            state = "closed"
        if state:
            path.append(state)
    return path


def lives(stage, body=lambda stage: None, error=None):
    """Construct a session, run a body in its block, and leave that, by an error or not."""
    try:
        session = stage.open()
    except BaseException:
        stage.note("constructor raised")
        return
    stage.note("constructed")
    with contextlib.suppress(PlantedError), session:
        body(stage)
        stage.note("leaving")
        if error:
            raise error
    stage.note("left")


def refused(stage):
    stage.planned["A", "request_stop"] = True
    stage.step()
    assert stage.session.should_stop()
    stage.note("stop asked for")
    with pytest.raises(RuntimeError):
        stage.step()


def begin_raises(stage):
    stage.planned["B", "begin"] = Preempted()  # not even that is tried again
    lives(stage)
    assert not stage.raw_sessions


def preempted_while_made(stage):
    stage.planned["B", "after_create_session"] = Preempted()
    lives(stage)
    assert stage.log().count("A.begin") == 1
    assert stage.log().count("A.after_create_session") == 2


def step_fails(stage):
    def body(stage):
        stage.planned["B", "after_run"] = ERROR
        with pytest.raises(PlantedError):
            stage.step()
        assert stage.step() == 2

    lives(stage, body)


def preempted(*errors):
    def scenario(stage):
        def body(stage):
            stage.run_raises = [*errors]
            assert stage.step() == 1

        lives(stage, body)

    return scenario


def recovery_fails(stage):
    def body(stage):
        stage.run_raises = [Preempted()]
        stage.planned["B", "after_create_session"] = ERROR
        with pytest.raises(PlantedError):
            stage.step()
        assert stage.session.should_stop()
        assert stage.step() == 1

    lives(stage, body)


def stop_forgotten(stage):
    def body(stage):
        stage.planned["A", "request_stop"] = True
        stage.step()
        assert stage.session.should_stop()
        stage.note("stop asked for")
        stage.report(Preempted())
        assert not stage.session.should_stop()
        stage.note("should_stop recovered")
        stage.step()

    lives(stage, body)


def run_when_closed(stage):
    lives(stage)
    assert stage.session.should_stop()
    with pytest.raises(AttributeError):
        stage.step()


def closed_again(stage):
    lives(stage)
    with pytest.raises(RuntimeError, match="already closed"):
        stage.session.close()
    assert [details for event, details in stage.events if event == "A.end"][-1] == (None,)


def ended_by_error_in_end(stage):
    stage.planned["B", "end"] = ERROR
    lives(stage)


LIVES = {
    "made": lives,
    "preempted while made": preempted_while_made,
    "begin raises": begin_raises,
    "step": step_fails,
    "preempted": preempted(Preempted()),
    "recovered": preempted(Preempted()),
    "recovery preempted": preempted(Preempted(), Preempted()),
    "recovery fails": recovery_fails,
    "asked to stop": lambda stage: lives(stage, refused),
    "run while stopping": lambda stage: lives(stage, refused),
    "stop forgotten": stop_forgotten,
    "clean end": lambda stage: lives(stage, error=tf.errors.OutOfRangeError(None, None, "end")),
    "error": lambda stage: lives(stage, error=ERROR),
    "ended": ended_by_error_in_end,
    "closed": lives,
    "run when closed": run_when_closed,
    "closed again": closed_again,
}


def arrows():
    """Every way from state to state that is drawn, those out of the open states one by one."""
    found = set()
    for transition in life.TRANSITIONS.values():
        sources = life.OPEN if transition.source == "open" else (transition.source,)
        found |= {(source, transition.target) for source in sources}
    return found


def test_every_transition_has_a_program_and_its_states():
    assert set(LIVES) == set(life.TRANSITIONS)
    assert {state for arrow in arrows() for state in arrow} == set(life.STATES)


@pytest.mark.parametrize("key", life.TRANSITIONS)
def test_life(two_hooks, key):
    LIVES[key](two_hooks)
    path = path_of(two_hooks)
    moves = set(itertools.pairwise(path))
    transition = life.TRANSITIONS[key]
    source = "running" if transition.source == "open" else transition.source
    assert (source, transition.target) in moves, path
    assert {move for move in moves if move[0] != move[1]} <= arrows(), path


def test_a_stopping_session_ends_as_a_running_one(two_hooks):
    lives(two_hooks, refused)
    assert path_of(two_hooks)[-4:] == ["stopping", "ending", "closing", "closed"]


def test_the_order_of_construction(two_hooks):
    two_hooks.open()
    order = drawn_construction(two_hooks.log())
    assert order == ["A.begin", "B.begin", "session.create", "A.after_create_session", "B.after_create_session"]
    assert two_hooks.session.graph.finalized
    two_hooks.session.close()


def drawn_construction(log):
    return [event for event in log if event.split(".")[1] in ("begin", "create", "after_create_session")]


def test_a_session_whose_constructor_failed_stays_as_it_is(two_hooks):
    two_hooks.planned["B", "after_create_session"] = ERROR
    lives(two_hooks)
    assert two_hooks.is_open(two_hooks.raw_sessions[0])
    assert not two_hooks.coord.should_stop()
    assert tf.get_default_graph().finalized


# A save.


class Watched:
    """A folder whose changes the kernel tells in the order in which they happen."""

    CREATED, MOVED_HERE, DELETED, FOLDER = 0x100, 0x80, 0x200, 0x40000000

    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        self._folder, self._numbers = folder, itertools.count()
        self._file = libc.inotify_init1(os.O_NONBLOCK)
        libc.inotify_add_watch(self._file, folder.encode(), self.CREATED | self.MOVED_HERE | self.DELETED)

    def mark(self, name):
        """Put something of the test's own into the order."""
        with open(os.path.join(self._folder, f"mark {next(self._numbers)} {name}"), "x", encoding="utf-8"):
            pass

    def read(self):
        """Return (is deletion, name) of each change since the last call, folders and temporary files aside."""
        changes = []
        while True:
            try:
                data = os.read(self._file, 65536)
            except BlockingIOError:
                return changes
            while data:
                _, mask, _, length = struct.unpack_from("iIII", data)
                name = data[16 : 16 + length].rstrip(b"\0").decode()
                data = data[16 + length :]
                if not mask & self.FOLDER and ".tmp" not in name and "tempstate" not in name:
                    changes.append((bool(mask & self.DELETED), name))

    def close(self):
        os.close(self._file)


@pytest.fixture
def watched(tmp_path):
    watch = Watched(str(tmp_path))
    yield watch
    watch.close()


def parts_of(changes, number):
    """Put changes of a folder into the picture's words."""
    parts = []
    for deleted, name in changes:
        if name.startswith("mark "):
            part = name.split(" ", 2)[2]
        elif deleted:
            part = "delete"
        elif name == "checkpoint":
            part = "state"
        else:
            kinds = {f"model.ckpt-{number}.index": "index", f"model.ckpt-{number}.meta": "meta"}
            part = "data" if name.startswith(f"model.ckpt-{number}.data-") else kinds[name]
        if parts[-1:] != [part]:
            parts.append(part)
    return parts


class Marking(tf.train.CheckpointSaverListener):
    def __init__(self, watch):
        self._watch = watch

    def before_save(self, session, step):
        self._watch.mark("before_save")

    def after_save(self, session, step):
        self._watch.mark("after_save")


def add_event_mark(hook, watch):
    """Put the event into the order: the writer's buffer hides when it is added."""
    writer, add = hook._summary_writer, hook._summary_writer.add_session_log

    def marked(*args):
        add(*args)
        watch.mark("event")

    writer.add_session_log = marked
    return lambda: delattr(writer, "add_session_log")


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


@linux_only
def test_synchronous_save(side, fresh_graph, tmp_path, watched):
    train = SIDES[side]
    op = train.get_or_create_global_step().assign_add(1)
    scaffold = train.Scaffold(saver=train.Saver(max_to_keep=1, sharded=True))
    listener = Marking(watched)
    hook = train.CheckpointSaverHook(str(tmp_path), save_steps=2, scaffold=scaffold, listeners=[listener])
    with train.MonitoredSession(train.ChiefSessionCreator(scaffold=scaffold), hooks=[hook]) as session:
        restore = add_event_mark(hook, watched)
        session.run(op)
        watched.read()
        session.run(op)
        watched.mark("step N+1")
        changes = watched.read()
        restore()
    assert parts_of(changes, 2) == [*(part.key for part in save.SYNCHRONOUS), "step N+1"]


def gated(train):
    """A saver that writes when its gate is open."""

    class Gated(train.Saver):
        gate = threading.Event()

        def save(self, *args, **kwargs):
            assert self.gate.wait(600)
            return super().save(*args, **kwargs)

    return Gated(max_to_keep=1, sharded=True)


@linux_only
def test_asynchronous_save(side, fresh_graph, tmp_path, watched, monkeypatch):
    train = SIDES[side]
    count = train.get_or_create_global_step()
    op = count.assign_add(1)
    saver = gated(train)
    scaffold = train.Scaffold(saver=saver)
    listener = Marking(watched)
    hook = AsyncCheckpointSaverHook(str(tmp_path), save_steps=100, scaffold=scaffold, listeners=[listener])
    copied = threading.Event()

    def written(*args):
        watched.mark("copy")
        copied.set()
        AsyncCheckpointSaverHook._write(hook, *args)

    with train.MonitoredSession(train.ChiefSessionCreator(scaffold=scaffold), hooks=[hook]) as session:
        restore = add_event_mark(hook, watched)
        saver.gate.set()
        hook.wait()
        session.run(op)  # finishes the first save, at 0
        saver.gate.clear()
        for _ in range(98):
            session.run(op)
        watched.read()
        monkeypatch.setattr(hook, "_write", written)
        session.run(op)  # step N, 100: the save begins
        for number in range(1, save.STEPS_MEANWHILE + 1):
            assert copied.wait(600)
            assert session.run(op) == 100 + number
            watched.mark(f"step N+{number}")
        saver.gate.set()
        assert hook.wait(600)
        session.run(op)
        watched.mark(f"step N+{save.STEPS_MEANWHILE + 1}")
        changes = watched.read()
        restore()
    before, copy, *files, after = (part.key for part in save.ASYNCHRONOUS)
    meanwhile = [f"step N+{number}" for number in range(1, save.STEPS_MEANWHILE + 1)]
    last = f"step N+{save.STEPS_MEANWHILE + 1}"
    # Steps end while nothing is written yet; after_save comes in the step that finds the files.
    assert parts_of(changes, 100) == [before, copy, *meanwhile, *files, after, last]


def test_an_asynchronous_save_holds_the_values_of_its_step(side, fresh_graph, tmp_path):
    train = SIDES[side]
    op = train.get_or_create_global_step().assign_add(1)
    saver = gated(train)
    scaffold = train.Scaffold(saver=saver)
    hook = AsyncCheckpointSaverHook(str(tmp_path), save_steps=100, scaffold=scaffold)
    with train.MonitoredSession(train.ChiefSessionCreator(scaffold=scaffold), hooks=[hook]) as session:
        session.run(op)
        saver.gate.set()
        assert hook.wait(600)
        assert tf.train.load_variable(str(tmp_path / "model.ckpt-0"), "global_step") == 0


# A cluster.


def test_a_worker_looks_again_every_30_seconds(side, fresh_graph, clock, monkeypatch):
    train = SIDES[side]
    count = train.get_or_create_global_step()
    initializer = tf.global_variables_initializer()
    server = tf.train.Server.create_local_server()  # sessions on a server share its variables
    log, looking = [], []
    create, close, sleep = BaseSession.__init__, BaseSession.close, clock.sleep

    def created(session, *args, **kwargs):
        log.append("look")
        looking.append(session)
        create(session, *args, **kwargs)

    def closed(session):
        if session in looking:
            looking.remove(session)  # the garbage collector closes it once more
            log.append("close")
        close(session)

    def slept(secs):
        sleep(secs)  # on the virtual clock
        log.append(secs)
        if len(clock.sleeps) == 2:
            with tf.Session(server.target) as chief:
                log.pop()  # that was the chief
                looking.clear()
                chief.run(initializer)

    monkeypatch.setattr(BaseSession, "__init__", created)
    monkeypatch.setattr(BaseSession, "close", closed)
    monkeypatch.setattr("time.sleep", slept)
    session = train.WorkerSessionCreator(master=server.target).create_session()
    assert session.run(count) == 0
    session.close()
    assert log == [*["look", "close", cluster.WAIT_SECS] * 2, "look", "close"]


def test_a_worker_looks_for_two_hours(side):
    default = inspect.signature(SIDES[side].MonitoredTrainingSession).parameters["max_wait_secs"].default
    assert default == cluster.MAX_WAIT_SECS
