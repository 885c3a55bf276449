"""What the rules of running, step functions, errors, closing and threads say of their edges, on both sides.

The expectations are those of the text, so that a rule that says too much or too little fails here, which a comparison
of the two sides cannot notice.
"""

import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import monitored

pytestmark = [
    pytest.mark.parametrize("train", [tf.train, monitored], ids=["tf.train", "monitored"]),
    pytest.mark.usefixtures("fresh_graph"),
]
KINDS = pytest.mark.parametrize("kind", ["MonitoredSession", "SingularMonitoredSession"])


def aborted(text: str = "aborted") -> tf.errors.AbortedError:
    return tf.errors.AbortedError(None, None, text)


class Hook(tf.train.SessionRunHook):
    """Notes what is called, and what it is given; does what `stages` say."""

    def __init__(self, name: str = "A", **stages: Callable[..., Any]) -> None:
        self.name, self.stages = name, stages
        self.calls: list[str] = []
        self.sessions: list[tf.Session] = []
        self.coordinators: list[Any] = []

    def _do(self, stage: str, *args: Any) -> Any:
        self.calls.append(f"{self.name}.{stage}")
        return self.stages[stage](*args) if stage in self.stages else None

    def after_create_session(self, session: tf.Session, coord: Any) -> None:
        self.sessions.append(session)
        self.coordinators.append(coord)
        self._do("after_create_session", session, coord)

    def before_run(self, run_context: Any) -> Any:
        return self._do("before_run", run_context)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self._do("after_run", run_context, run_values)

    def end(self, session: tf.Session) -> None:
        self._do("end", session)


def once(error: BaseException, at: int = 1) -> Callable[..., None]:
    """A stage that raises `error` at its call number `at`."""
    calls: list[int] = []

    def stage(*_: Any) -> None:
        calls.append(1)
        if len(calls) == at:
            raise error

    return stage


def report(coordinator: Any, error: BaseException) -> None:
    """Report an error as the thread does that has caught it."""
    try:
        raise error
    except BaseException as caught:
        coordinator.request_stop(caught)


def session_of(train: Any, kind: str, hooks: list[Hook], **kwargs: Any) -> Any:
    return getattr(train, kind)(hooks=hooks, **kwargs)


@pytest.mark.rule("MTS-RUN-03")
def test_results_that_are_no_arrays(train: Any) -> None:
    text, operation = tf.constant(b"text"), tf.no_op(name="nothing")
    sparse = tf.SparseTensor([[1]], [2.0], [3])
    slices = tf.IndexedSlices(tf.constant([[4.0]]), tf.constant([0]))
    with train.MonitoredSession() as session:
        assert session.run(text) == b"text"
        assert type(session.run(text)) is bytes
        assert session.run(operation) is None
        assert session.run("nothing") is None
        assert isinstance(session.run(sparse), tf.SparseTensorValue)
        assert type(session.run(slices)).__name__ == "IndexedSlicesValue"


@pytest.mark.rule("MTS-RUN-03")
def test_the_value_of_a_fed_tensor(train: Any) -> None:
    fed, array = tf.placeholder(tf.float32, [2]), np.zeros(2, np.float32)
    with train.MonitoredSession() as session:
        assert session.run(fed, {fed: array}) is array
        assert isinstance(session.run(fed, {fed: [1.0, 2.0]}), np.ndarray)


@pytest.mark.rule("MTS-RUN-05")
def test_what_serves_as_feeds(train: Any) -> None:
    a, b = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    total = tf.add(a, b)
    request: list[Any] = []
    hook = Hook(before_run=lambda _: train.SessionRunArgs(None, request[-1]))
    with train.MonitoredSession(hooks=[hook]) as session:
        request.append(types.MappingProxyType({a: 1.0}))
        assert session.run(total, types.MappingProxyType({b: 2.0})) == 3.0
        request.append({a: 1.0, b: 5.0})
        for nothing in ({}, [], 0, False):
            assert session.run(total, nothing) == 6.0
        with pytest.raises(AttributeError, match="'list' object has no attribute 'keys'"):
            session.run(total, [1])
        request.append([1])
        with pytest.raises(AttributeError, match="'list' object has no attribute 'keys'"):
            session.run(total, {b: 2.0})
        request.append(None)
        with pytest.raises(TypeError):
            session.run(total, [1])


@pytest.mark.rule("MTS-RUN-11")
@pytest.mark.parametrize("second", ["no request", "no fetches"])
def test_a_hook_twice_that_fetches_once(train: Any, second: str) -> None:
    tensor, results = tf.constant(7.0), []
    later = None if second == "no request" else train.SessionRunArgs(None)
    requests = iter([train.SessionRunArgs(tensor), later])
    hook = Hook(before_run=lambda _: next(requests), after_run=lambda _, values: results.append(values.results))
    with train.MonitoredSession(hooks=[hook, hook]) as session:
        session.run(tensor)
    assert results == [7.0, 7.0]


@pytest.mark.rule("MTS-RUN-11")
def test_a_hook_twice_that_feeds(train: Any) -> None:
    fed = tf.placeholder(tf.float32, [])
    hook = Hook(before_run=lambda _: train.SessionRunArgs(None, {fed: 1.0}))
    with train.MonitoredSession(hooks=[hook, hook]) as session:
        with pytest.raises(RuntimeError, match="Same tensor is fed by two hooks"):
            session.run(fed)


@pytest.mark.rule("MTS-RUN-02")
def test_a_stop_requested_too_late(train: Any) -> None:
    tensor, contexts = tf.constant(1.0), []
    with train.MonitoredSession(hooks=[Hook(before_run=contexts.append)]) as session:
        session.run(tensor)
        contexts[0].request_stop()
        assert not session.should_stop()
        session.run(tensor)
        assert not session.should_stop()


@pytest.mark.rule("MTS-RUN-13")
@pytest.mark.parametrize("stage", ["before_run", "after_run"])
def test_an_inner_run_recovers(train: Any, stage: str) -> None:
    tensor, inner = tf.constant(1.0), []

    def run_inside(context: Any, *_: Any) -> None:
        if not inner:
            context.request_stop()
            inner.append(0)
            inner.append(session.run(tensor))

    outer = Hook(**{stage: run_inside})
    preempted = Hook("B", before_run=once(aborted(), at=1 if stage == "before_run" else 2))
    session = train.MonitoredSession(hooks=[outer, preempted])
    if stage == "before_run":
        with pytest.raises(AttributeError, match=r"^'NoneType' object has no attribute 'run'$"):
            session.run(tensor)
        assert preempted.calls.count("B.before_run") == 3  # that of the outer run came last
    else:
        assert session.run(tensor) == 1.0
    assert inner == [0, 1.0]
    assert len(outer.sessions) == 2
    assert not session.should_stop()
    assert session.run(tensor) == 1.0
    session.close()


@KINDS
@pytest.mark.rule("MTS-EXC-03")
def test_who_is_called_after_before_run_raised(train: Any, kind: str) -> None:
    count = tf.Variable(0.0)
    increment = tf.assign_add(count, 1.0)
    hooks = [Hook("A"), Hook("B", before_run=once(ValueError())), Hook("C")]
    session = session_of(train, kind, hooks)
    with pytest.raises(ValueError):
        session.run(increment)
    assert [call for hook in hooks for call in hook.calls if "run" in call] == ["A.before_run", "B.before_run"]
    assert session.run(increment) == 1.0
    session.close()


@pytest.mark.rule("MTS-EXC-07")
@pytest.mark.parametrize("reported", [None, ValueError("new"), aborted("new"), KeyboardInterrupt("new")], ids=repr)
def test_should_stop_recovers_into_a_stopped_session(train: Any, reported: BaseException | None) -> None:
    tensor = tf.constant(1.0)

    def stop_the_second(_: Any, coordinator: Any) -> None:
        if len(hook.coordinators) == 2:
            coordinator.request_stop() if reported is None else report(coordinator, reported)

    hook = Hook(after_create_session=stop_the_second)
    session = train.MonitoredSession(hooks=[hook])
    report(hook.coordinators[0], aborted("old"))
    if reported is None:
        assert session.should_stop()
    else:
        with pytest.raises(type(reported), match="new"):
            session.should_stop()
    assert len(hook.sessions) == 2
    if isinstance(reported, tf.errors.AbortedError):
        assert not session.should_stop()
        assert len(hook.sessions) == 3
    elif not isinstance(reported, KeyboardInterrupt):
        assert session.should_stop()
    assert session.run(tensor) == 1.0
    if isinstance(reported, ValueError | KeyboardInterrupt):
        with pytest.raises(type(reported), match="new"):
            session.close()
    else:
        session.close()


@pytest.mark.rule("MTS-EXC-12", "MTS-EXC-08")
def test_closing_after_a_recovery_that_failed(train: Any) -> None:
    tensor, ended = tf.constant(1.0), []
    hook = Hook(before_run=once(aborted()), end=ended.append)
    session = train.MonitoredSession(hooks=[hook])
    report(hook.coordinators[0], ValueError("held"))
    with pytest.raises(ValueError, match="held"):
        session.run(tensor)
    session.close()
    assert ended == hook.sessions
    assert len(ended) == 1
    with pytest.raises(RuntimeError, match="closed Session"):
        ended[0].run(tensor)
    with pytest.raises(ValueError, match="held"):  # as it does still
        hook.coordinators[0].raise_requested_exception()


@pytest.fixture
def server() -> str:
    """The address of a server in this process, which keeps its variables from session to session."""
    return tf.train.Server.create_local_server().target


@pytest.mark.rule("MTS-EXC-13")
def test_variables_on_a_server_after_recovery(train: Any, server: str) -> None:
    def counter() -> tf.Tensor:
        count = tf.Variable(0.0, name=f"count_{train.__name__.rpartition('.')[2]}")
        return tf.assign_add(count, 1.0)

    increment = counter()
    chief = train.MonitoredSession(train.ChiefSessionCreator(master=server), [Hook(before_run=once(aborted(), at=5))])
    assert [chief.run(increment) for _ in range(2)] == [1.0, 2.0]
    with tf.Graph().as_default():
        workers = counter()
        hook = Hook(before_run=once(aborted(), at=2))
        worker = train.MonitoredSession(train.WorkerSessionCreator(master=server), [hook])
        assert [worker.run(workers) for _ in range(2)] == [3.0, 4.0]
        assert len(hook.sessions) == 2
        worker.close()
    assert [chief.run(increment) for _ in range(3)] == [5.0, 6.0, 1.0]
    chief.close()


@pytest.mark.rule("MTS-EXC-13")
def test_recovery_from_the_file_that_was_named(train: Any, tmp_path: Any) -> None:
    count = tf.Variable(0.0)
    increment, saver = tf.assign_add(count, 1.0), tf.train.Saver()
    with tf.Session() as session:
        count.load(10.0, session)
        path = saver.save(session, str(tmp_path / "model"), 1)
        count.load(20.0, session)
        saver.save(session, str(tmp_path / "model"), 2)
    creator = train.ChiefSessionCreator(checkpoint_filename_with_path=path)
    with train.MonitoredSession(creator, [Hook(before_run=once(aborted(), at=2))]) as session:
        assert [session.run(increment) for _ in range(2)] == [11.0, 11.0]


@KINDS
@pytest.mark.rule("MTS-EXC-14")
def test_the_cause_of_a_run_s_error_is_lost(train: Any, kind: str) -> None:
    def fail(_: Any) -> None:
        raise ValueError("of the run") from LookupError("its cause")

    tensor, hook = tf.constant(1.0), Hook(before_run=fail)
    session = session_of(train, kind, [hook])
    with pytest.raises(ValueError) as alone:
        session.run(tensor)
    assert isinstance(alone.value.__cause__, LookupError)
    held = KeyError("held")
    report(hook.coordinators[0], held)
    with pytest.raises(ValueError) as both:
        session.run(tensor)
    assert both.value.__cause__ is None
    assert both.value.__context__ is held
    assert both.value.__suppress_context__
    with pytest.raises(KeyError):
        session.close()


@KINDS
@pytest.mark.rule("MTS-CLOSE-04")
@pytest.mark.parametrize("body", [ValueError("body"), StopIteration("body")], ids=repr)
def test_the_context_of_a_second_close(train: Any, kind: str, body: Exception) -> None:
    tf.constant(1.0)
    hook = Hook()
    with pytest.raises(RuntimeError, match=r"Session is already closed\.") as raised:
        with session_of(train, kind, [hook]) as session:
            session.close()
            raise body
    assert raised.value.__context__ is body
    assert hook.calls.count("A.end") == (1 if isinstance(body, ValueError) else 2)


@KINDS
@pytest.mark.rule("MTS-CLOSE-06")
def test_the_grace_period_begins_with_the_closing(train: Any, kind: str, clock: Any) -> None:
    tf.constant(1.0)
    released = threading.Event()

    def start(_: Any, coordinator: Any) -> None:
        thread = threading.Thread(target=released.wait, args=(30,), daemon=True)
        coordinator.register_thread(thread)
        thread.start()

    hook = Hook(after_create_session=start)
    session = session_of(train, kind, [hook], stop_grace_period_secs=5.0)
    hook.coordinators[0].request_stop()
    clock.advance(60.0)
    before = clock.time()
    session.close()
    assert 5.0 <= clock.time() - before < 5.1
    released.set()


@KINDS
@pytest.mark.rule("MTS-STEP-02", "MTS-STEP-06")
@pytest.mark.parametrize("held", [False, True])
def test_a_step_function_that_catches_a_preemption(train: Any, kind: str, held: bool) -> None:
    tensor = tf.constant(1.0)
    hook = Hook(before_run=once(ValueError() if held else aborted("run")))
    session = session_of(train, kind, [hook])
    if held:
        report(hook.coordinators[0], aborted("held"))

    def catch(step_context: Any) -> str:
        with pytest.raises(tf.errors.AbortedError, match="held" if held else "run"):
            step_context.run_with_hooks(tensor)
        return "caught"

    assert session.run_step_fn(catch) == "caught"
    assert len(hook.sessions) == 1
    if held and kind == "SingularMonitoredSession":
        with pytest.raises(tf.errors.AbortedError):
            session.close()
    else:
        session.close()


@pytest.mark.rule("MTS-STEP-05")
def test_a_step_function_after_a_recovery_that_failed(train: Any) -> None:
    tensor = tf.constant(1.0)
    hook = Hook(before_run=once(aborted()), after_create_session=once(ValueError(), at=2))
    session = train.MonitoredSession(hooks=[hook])
    with pytest.raises(ValueError):
        session.run(tensor)
    assert session.run_step_fn(lambda step_context: step_context.session) is hook.sessions[1]
    assert len(hook.sessions) == 3
    assert session.run(tensor) == 1.0
    session.close()
    hook.sessions[1].close()


@pytest.mark.rule("MTS-STEP-01")
def test_step_functions_that_python_knows_less_of(train: Any) -> None:
    class Module(tf.Module):
        @tf.Module.with_name_scope
        def step(self, step_context: Any) -> str:
            return self.name

        @tf.Module.with_name_scope
        def other(self, x: Any) -> None: ...

    tf.constant(1.0)
    with train.MonitoredSession() as session:
        assert session.run_step_fn(Module("module").step) == "module"
        with pytest.raises(ValueError, match=r"Got \('self', 'x'\) instead"):
            session.run_step_fn(Module().other)
        with pytest.raises(ValueError, match=r"Got \('obj',\) instead"):
            session.run_step_fn(len)
        for unknown in (max, int, 5):
            with pytest.raises(TypeError, match=r"^unsupported callable$"):
                session.run_step_fn(unknown)


@KINDS
@pytest.mark.rule("MTS-QR-06")
@pytest.mark.parametrize("preempted", [False, True])
def test_what_a_failing_producer_leaves(train: Any, kind: str, preempted: bool) -> None:
    queue = tf.FIFOQueue(10, tf.float32, [[]])
    enqueue, cancel, dequeue = queue.enqueue(1.0), queue.close(cancel_pending_enqueues=True), queue.dequeue()

    def produce(session: tf.Session, coordinator: Any) -> None:
        session.run(enqueue)
        session.run(enqueue)
        session.run(cancel)
        if len(hook.sessions) == 1:
            report(coordinator, aborted("producer") if preempted else ValueError("producer"))

    hook, got = Hook(after_create_session=produce), []

    def consume() -> None:
        with session_of(train, kind, [hook]) as session:
            while True:
                got.append(session.run(dequeue))

    if preempted and kind == "MonitoredSession":
        consume()
    else:
        with pytest.raises(tf.errors.AbortedError if preempted else ValueError, match="producer"):
            consume()
    assert len(got) == 2 * len(hook.sessions)
    assert len(hook.sessions) == (2 if preempted and kind == "MonitoredSession" else 1)
    assert ("A.end" in hook.calls) == (not preempted or kind == "MonitoredSession")


@pytest.mark.rule("MTS-CRD-02")
def test_reports_after_a_join(train: Any) -> None:
    coordinator = train.Coordinator()
    coordinator.join()
    with pytest.raises(KeyError, match="handled"):
        try:
            raise KeyError("handled")
        except KeyError:
            coordinator.request_stop(ValueError("passed"))
    for report_without_a_handler in (ValueError("x"), 0, False):
        with pytest.raises(TypeError):
            coordinator.request_stop(report_without_a_handler)
    assert not coordinator.should_stop()


@pytest.mark.rule("MTS-CRD-03")
def test_threads_that_join_does_not_wait_for(train: Any) -> None:
    coordinator, released = train.Coordinator(), threading.Event()
    coordinator.register_thread(threading.Thread(target=released.wait))
    coordinator.join()
    assert coordinator.joined
    assert not coordinator.should_stop()

    coordinator, late = train.Coordinator(), threading.Thread(target=released.wait, args=(30,))

    def register_late() -> None:
        late.start()
        coordinator.register_thread(late)

    first = threading.Thread(target=register_late)
    coordinator.register_thread(first)
    waits: list[bool] = []

    def wait_for_stop(timeout: float | None = None) -> bool:
        waits.append(True)
        first.start()
        first.join()
        return False

    coordinator.wait_for_stop = wait_for_stop
    first.is_alive = lambda: not waits  # type: ignore[method-assign]  # `join` sees it live once
    coordinator.join()
    assert waits
    assert late.is_alive()
    coordinator.request_stop()
    coordinator.join(stop_grace_period_secs=-1)  # a RuntimeError if `late` were registered still
    released.set()
    late.join()


@pytest.mark.rule("MTS-CRD-04")
@pytest.mark.parametrize(
    ("report_", "raised", "kept"),
    [
        ((ValueError, ValueError("x"), None), None, (ValueError, "^x$")),
        ((1, 2, 3), None, (TypeError, "exceptions must derive from BaseException")),
        ((None, None, None), TypeError, (TypeError, "exceptions must derive from BaseException")),
        ((None, ValueError("x"), None), TypeError, (ValueError, "^x$")),
        ((ValueError, ValueError("x")), TypeError, (ValueError, "unpack")),
        ((ValueError, ValueError("x"), None, None), TypeError, (ValueError, "unpack")),
        (("only",), IndexError, None),
        ((), IndexError, None),
        (ValueError("x"), TypeError, (TypeError, "exceptions must derive from BaseException")),
    ],
    ids=repr,
)
def test_odd_reports(train: Any, report_: Any, raised: Any, kept: Any) -> None:
    coordinator = train.Coordinator()
    if raised is None:
        coordinator.request_stop(report_)
    else:
        with pytest.raises(raised):
            coordinator.request_stop(report_)
    assert coordinator.should_stop() == (raised is None)
    for ask in (coordinator.raise_requested_exception, coordinator.join):
        if kept is None:
            ask()
        else:
            with pytest.raises(kept[0], match=kept[1]):
                ask()


@pytest.mark.rule("MTS-CRD-04")
def test_a_clean_stop_is_asked_of_the_exception_passed(train: Any) -> None:
    ended = tf.errors.OutOfRangeError(None, None, "ended")
    for handled, passed, error in ((ended, ValueError(), ended), (ValueError(), ended, None)):
        coordinator = train.Coordinator()
        try:
            raise handled
        except Exception:
            coordinator.request_stop(passed)
        assert coordinator.should_stop()
        try:
            coordinator.raise_requested_exception()
        except Exception:
            assert sys.exc_info()[1] is error
        else:
            assert error is None


@pytest.mark.rule("MTS-CRD-05")
def test_stop_on_exception_after_a_join(train: Any) -> None:
    coordinator = train.Coordinator()
    coordinator.join()
    with pytest.raises(KeyboardInterrupt):
        with coordinator.stop_on_exception():
            raise KeyboardInterrupt
    with coordinator.stop_on_exception():
        raise tf.errors.OutOfRangeError(None, None, "ended")
