"""Each layer alone, around a scripted session, beside TensorFlow's own layer of the same kind."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given
from hypothesis import strategies as st
from tensorflow.python.training import monitored_session as tf_layers

from monitored import errors, session_layers
from monitored.coordinator import Coordinator

LIMIT_SECS = 600
"""What is not done by then hangs."""


class SubAborted(tf.errors.AbortedError):
    """A kind of preemption that only a subclass check sees."""


ERRORS: dict[str, Callable[[], BaseException]] = {
    "value": lambda: ValueError("value"),
    "stop": lambda: StopIteration("stop"),
    "end of input": lambda: tf.errors.OutOfRangeError(None, None, "end of input"),
    "aborted": lambda: tf.errors.AbortedError(None, None, "aborted"),
    "sub-aborted": lambda: SubAborted(None, None, "sub-aborted"),
    "unavailable": lambda: tf.errors.UnavailableError(None, None, "unavailable"),
    "interrupt": lambda: KeyboardInterrupt("interrupt"),
}


class ScriptedSession:
    """Anything with `run`, `close`, `graph` and `sess_str`: all that a layer asks for."""

    graph = "the graph"
    sess_str = "the target"

    def __init__(self, log: list[Any], runs: list[str | None], close: str | None = None) -> None:
        self._log = log
        self._runs = runs
        self._close = close

    def run(self, *args: Any, **kwargs: Any) -> Any:
        self._log.append(("run", args, sorted(kwargs)))
        outcome = self._runs.pop(0) if self._runs else None
        if outcome is not None:
            raise ERRORS[outcome]()
        return kwargs.get("fetches", args[0] if args else None)

    def close(self) -> None:
        self._log.append("close")
        if self._close is not None:
            raise ERRORS[self._close]()


def outcome_of(call: Callable[[], Any]) -> Any:
    """What a call gave: its value, or everything about its exception that a caller can see."""
    try:
        return ("value", call())
    except BaseException as error:
        context = error.__context__
        return (type(error), str(error), type(context), error.__suppress_context__, type(error.__cause__))


class Sides:
    """The layers of both implementations under one set of names."""

    monitored = (
        session_layers.RecoveringSession,
        session_layers.CoordinatedSession,
        session_layers.HookedSession,
        Coordinator,
    )
    tensorflow = (
        tf_layers._RecoverableSession,
        tf_layers._CoordinatedSession,
        tf_layers._HookedSession,
        tf.train.Coordinator,
    )


def on_both(scenario: Callable[..., list[Any]]) -> None:
    ours, theirs = scenario(*Sides.monitored), scenario(*Sides.tensorflow)
    assert ours == theirs


maybe_error = st.none() | st.sampled_from(sorted(ERRORS))
ACTIONS = ("run", "should_stop", "close", "step_fn")


def act(layer: Any, action: str, log: list[Any]) -> Any:
    if action == "run":
        return outcome_of(lambda: layer.run("f", feed_dict=None))
    if action == "should_stop":
        return outcome_of(layer.should_stop)
    if action == "close":
        return outcome_of(layer.close)

    def step_fn(step_context: Any) -> Any:
        log.append(("step_fn", step_context.session))
        return step_context.run_with_hooks("f")

    return outcome_of(lambda: layer.run_step_fn(step_fn, "raw", None))


@given(
    runs=st.lists(maybe_error, max_size=6),
    close=maybe_error,
    creations=st.lists(maybe_error, max_size=4),
    actions=st.lists(st.sampled_from(ACTIONS), max_size=5),
)
@pytest.mark.rule("MTS-EXC-04", "MTS-EXC-12", "MTS-LIFE-05")
def test_recovering_alone(runs: Any, close: Any, creations: Any, actions: Any) -> None:
    """Around a session that has no should_stop."""

    def scenario(recovering: Any, coordinated: Any, hooked: Any, _: Any) -> list[Any]:
        log: list[Any] = []
        script, makes = list(runs), list(creations)

        class Creator:
            def create_session(self) -> Any:
                log.append("create")
                outcome = makes.pop(0) if makes else None
                if outcome is not None:
                    raise ERRORS[outcome]()
                return hooked(ScriptedSession(log, script, close), [])

        made: list[Any] = []
        log.append(outcome_of(lambda: made.append(recovering(Creator()))))
        for action in actions if made else ():
            log.append(act(made[0], action, log))
        return log

    on_both(scenario)


@given(
    runs=st.lists(maybe_error, max_size=4),
    close=maybe_error,
    reported=maybe_error,
    actions=st.lists(st.sampled_from(ACTIONS), max_size=4),
)
@pytest.mark.rule("MTS-EXC-05", "MTS-EXC-06", "MTS-EXC-14", "MTS-CLOSE-01")
def test_coordinated_alone(runs: Any, close: Any, reported: Any, actions: Any) -> None:
    """A thread may have reported an error."""

    def scenario(_: Any, coordinated: Any, __: Any, coordinator: Any) -> list[Any]:
        log: list[Any] = []
        coord = coordinator(clean_stop_exception_types=[])
        layer = coordinated(ScriptedSession(log, list(runs), close), coord, 1)
        if reported is not None:
            try:
                raise ERRORS[reported]()
            except BaseException as error:
                coord.request_stop(error)
        for action in actions:
            log.append(act(layer, action, log))
        return log

    on_both(scenario)


def test_a_layer_passes_on_graph_and_target() -> None:
    """A layer wraps anything with `run`, `close`, `graph` and `sess_str`."""

    def scenario(recovering: Any, coordinated: Any, hooked: Any, coordinator: Any) -> list[Any]:
        inner = hooked(ScriptedSession([], []), [])
        layer = coordinated(inner, coordinator())
        return [layer.graph, layer.sess_str, layer.should_stop(), layer._sess is inner]

    on_both(scenario)


@pytest.mark.parametrize("stop_in", ["before_run", "after_run", None])
@pytest.mark.rule("MTS-RUN-01", "MTS-RUN-02", "MTS-RUN-03", "MTS-RUN-10")
def test_hooked_alone(stop_in: str | None) -> None:
    """Exactly what reaches the session inside."""

    class Recorder:
        def __init__(self, name: str, fetches: Any, log: list[Any]) -> None:
            self.name, self.fetches, self.log = name, fetches, log

        def before_run(self, context: Any) -> Any:
            self.log.append((self.name, "before", tuple(context.original_args)))
            if stop_in == "before_run":
                context.request_stop()
            return tf.train.SessionRunArgs(self.fetches)

        def after_run(self, context: Any, values: Any) -> None:
            self.log.append((self.name, "after", values.results, type(values.options).__name__))
            if stop_in == "after_run":
                context.request_stop()

    def scenario(_: Any, __: Any, hooked: Any, ___: Any) -> list[Any]:
        log: list[Any] = []
        layer = hooked(ScriptedSession(log, []), [Recorder("a", ["x"], log), Recorder("b", None, log)])
        for _ in range(2):
            log.append(outcome_of(lambda: layer.run("f", feed_dict={"k": 1})))
        log.append(layer.should_stop())
        return log

    on_both(scenario)


class OnAServer(tf.Session):
    """A session whose runtime waits, when it is closed, until `server_is_back`; or fails with `error`."""

    sess_str = b"grpc://somewhere"

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(graph=tf.Graph())
        self.server_is_back = threading.Event()
        self.closed_by: threading.Thread | None = None
        self._error = error

    def close(self) -> None:
        if not self.server_is_back.wait(LIMIT_SECS):
            raise AssertionError("nobody let the session be closed")
        self.closed_by = threading.current_thread()
        super().close()
        if self._error is not None:
            raise self._error


def closing(session: Any, grace: Any) -> tuple[Any, float]:
    layer = session_layers.CoordinatedSession(session_layers.HookedSession(session, []), Coordinator(), grace)
    started = time.monotonic()
    layer.close()
    return layer, time.monotonic() - started


@pytest.mark.parametrize("grace", [0, 1, -5, True])
@pytest.mark.rule("Q-45")
def test_closing_a_session_on_a_server_has_a_limit(grace: Any, caplog: Any) -> None:
    session = OnAServer()
    with caplog.at_level("WARNING", "tensorflow"):
        layer, seconds = closing(session, grace)
    assert layer._sess is None
    assert 0.9 < seconds < LIMIT_SECS / 2  # and not as long as the session waits
    assert caplog.messages == [errors.NOT_CLOSED % 1.0]
    session.server_is_back.set()
    (thread,) = [each for each in threading.enumerate() if each.name == "CloseSession"]
    thread.join()
    assert session.closed_by is thread


@pytest.mark.parametrize("grace", [120, 1e10, float("inf"), float("nan"), None, "text"])
@pytest.mark.rule("Q-45")
def test_a_healthy_server_is_waited_for(grace: Any) -> None:
    session = OnAServer()
    session.server_is_back.set()
    layer, _ = closing(session, grace)
    assert layer._sess is None
    assert session.closed_by is not None
    assert session.closed_by.name == ("MainThread" if grace in (None, "text") else "CloseSession")


@pytest.mark.parametrize("error", [tf.errors.UnavailableError(None, None, "gone"), ValueError("odd")])
def test_what_closing_in_a_thread_raises_is_as_without(error: Exception, caplog: Any) -> None:
    session = OnAServer(error)
    session.server_is_back.set()
    hooked = session_layers.HookedSession(session, [])
    hooked.close_within_secs = LIMIT_SECS
    with caplog.at_level("WARNING", "tensorflow"):
        if isinstance(error, ValueError):
            with pytest.raises(ValueError, match="odd"):
                hooked.close()
            assert caplog.messages == []
        else:
            hooked.close()
            assert caplog.messages == [errors.PREEMPTED_IN_CLOSE % error]
    assert hooked._sess is None


def test_where_no_thread_can_be_started(monkeypatch: Any) -> None:
    """As at the end of the interpreter, where a session may be closed by `atexit`."""
    session = OnAServer()
    session.server_is_back.set()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    layer, _ = closing(session, 120)
    assert layer._sess is None
    assert session.closed_by is threading.main_thread()


def refuse(thread: threading.Thread) -> None:
    raise RuntimeError("can't create new thread at interpreter shutdown")
