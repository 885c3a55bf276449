"""One attempt to use `tf.train` wrongly, and what becomes of it.

A row of the table in `bad_input` says what is called and with which argument. Here is what a row is
made of: values that are hostile, ways of using what the call returned for a few steps, and `perform`,
which makes a scenario of a row. An attempt that does not end is an outcome like any other.
"""

import contextlib
import functools
import os
import re
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from conformance import graphs, probes
from conformance.recorder import Recorder
from conformance.trace import tf

_MOST_SLEEPS = 30
_LONGEST_SECS = 30.0
_TABLE = os.path.join(os.path.dirname(__file__), "bad_")
_REFUSED_CALL = re.compile(r"(\w+)[\w.<>]*\(\) (?:got|takes|missing) ")


class Row(NamedTuple):
    """One line of the table: what is called, with which argument, which rules that tries, and how."""

    what: str
    argument: str
    rules: tuple[str, ...]
    call: Callable[["Attempt"], Any]

    @property
    def id(self) -> str:
        """A name for a command line, unique in the table."""
        return re.sub(r"[^\w.=-]+", "_", f"{self.what}-{self.argument}").strip("_")


class Fresh(NamedTuple):
    """A value that is made anew for each attempt, in its graph and folder."""

    make: Callable[["Attempt"], Any]


class StillWaitingError(BaseException):
    """The attempt was given up: it slept again and again, or took too long in real time."""


class MistakeInTableError(Exception):
    """A row fails by itself, before or beside what it calls: both sides would agree on that."""


def rows(
    what: str, argument: str, rules: str, call: Callable[["Attempt", Any], Any], values: dict[str, Any]
) -> tuple[Row, ...]:
    """Return a row for each value, called `argument=name of the value`; `call` takes attempt and value."""
    cited = tuple("MTS-" + rule for rule in rules.split())

    def call_with(value: Any, attempt: "Attempt") -> Any:
        return call(attempt, value.make(attempt) if isinstance(value, Fresh) else value)

    return tuple(
        Row(what, f"{argument}={name}" if argument else name, cited, functools.partial(call_with, value))
        for name, value in values.items()
    )


def single(what: str, rules: str, calls: dict[str, Callable[["Attempt"], Any]]) -> tuple[Row, ...]:
    """Return a row for each call, which says itself what is wrong with it."""
    cited = tuple("MTS-" + rule for rule in rules.split())
    return tuple(Row(what, name, cited, call) for name, call in calls.items())


def directly(call: Callable[..., Any], *args: Any) -> Any:
    """Return `call(*args)`, where the answer to try may be an AttributeError or TypeError of the call itself."""
    return call(*args)


def perform(train: Any, record: Recorder, row: Row) -> None:
    """The scenario of a row: its outcome, and whether anything of it is left in the graph.

    MistakeInTableError if the row itself is wrong.
    """
    attempt = Attempt(train, record, row.id)
    os.chdir(record.directory)  # a path may be relative, however odd; the sandbox goes back
    with _watchdog(record):
        record.outcome(row.id, attempt.noting_mistakes(row.call), attempt)
    if attempt.mistakes:
        raise MistakeInTableError(f"{row.id}: {attempt.mistakes[0]!r}") from attempt.mistakes[0]
    record("operations", probes.op_types(tf.get_default_graph()))


def _is_a_mistake_in_the_table(error: Exception) -> bool:
    """Whether the table raises this, and not what it calls.

    Python raises the TypeError for a call with wrong arguments in the caller's frame; it is a mistake only
    if the function is the harness's own.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    while frames and frames[-1].f_code.co_name in ("__getattr__", "_getattr"):  # of TensorFlow's modules
        frames.pop()
    if not (frames and frames[-1].f_code.co_filename.startswith(_TABLE)):
        return False
    refused = isinstance(error, TypeError) and _REFUSED_CALL.match(str(error))
    if not refused:
        return True
    called = {**globals(), **frames[-1].f_globals}.get(refused[1])
    return str(getattr(called, "__module__", "")).startswith("conformance.")


@contextlib.contextmanager
def _watchdog(record: Recorder) -> Iterator[None]:
    """Give up what sleeps for ever on the virtual clock, and what hangs in real time.

    Real time is the last resort: a step that hangs in the runtime ends when its session is closed.
    """

    def slept(_: float) -> None:
        if len(record.clock.slept) > _MOST_SLEEPS:
            raise StillWaitingError("it sleeps again and again")

    def too_long(*_: Any) -> None:
        raise StillWaitingError("it takes too long")

    def close_sessions() -> None:
        for session in record.sessions:
            session.close()

    record.clock.on_sleep = slept
    closing = threading.Timer(_LONGEST_SECS, close_sessions)
    saved = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, _LONGEST_SECS, _LONGEST_SECS)
    closing.start()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, saved)
        closing.cancel()
        closing.join()
        record.clock.on_sleep = None


class Attempt:
    """What a row's call works with: an implementation, and short ways of using it."""

    def __init__(self, train: Any, record: Recorder, name: str) -> None:
        self.train = train
        self.record = record
        self._name = name
        self._step: Any = None
        self._weight: Any = None
        self.mistakes: list[Exception] = []

    def tries(self, what: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Record the outcome of a part of the attempt, under the row's name."""
        return self.record.outcome(f"{self._name}: {what}", self.noting_mistakes(call), *args, **kwargs)

    def noting_mistakes(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return `call`, with what it raises by a mistake in the table added to `mistakes`."""

        def noting(*args: Any, **kwargs: Any) -> Any:
            try:
                return call(*args, **kwargs)
            except (AttributeError, NameError, TypeError) as error:
                if _is_a_mistake_in_the_table(error):
                    self.mistakes.append(error)
                raise

        return noting

    @property
    def step(self) -> Any:
        """The op that increments the global step; both are made at the first use."""
        if self._step is None:
            self._step = self.record.global_step()
        return self._step

    @property
    def weight(self) -> Any:
        """The variable `weight` of two numbers, made at the first use."""
        if self._weight is None:
            self._weight = tf.Variable([1.0, 2.0], name="weight")
        return self._weight

    def path(self, name: str = "logdir") -> str:
        """Return a path in the attempt's folder."""
        return self.record.path(name)

    def file(self, name: str = "file", text: str = "text") -> str:
        """Return the path of a file with this text."""
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def constant(self) -> Any:
        """Make the constant `c` in the default graph."""
        return tf.constant(1.0, name="c")

    def foreign(self, make: Callable[[], Any] = lambda: tf.constant(2.0, name="foreign")) -> Any:
        """Return what `make` makes, in another graph."""
        with tf.Graph().as_default():
            return make()

    def scaffold(self, saves: bool = False, **pieces: Any) -> Any:
        """Return a scaffold of ops that cost nothing, but for the given pieces."""
        if not saves:
            pieces.setdefault("saver", graphs._NoSaver(self.record))
        else:
            pieces.setdefault("saver", self.train.Saver())
        return self.train.Scaffold(**{**graphs.scaffold_ops(), **pieces})

    def session(self, hooks: Any = None, kind: str = "MonitoredSession", saves: bool = False, **arguments: Any) -> Any:
        """Make a session that costs little."""
        self.step  # noqa: B018 - made before the initialisers
        if "scaffold" not in arguments:
            arguments["scaffold"] = self.scaffold(saves)
        return self.record.session(hooks, kind=kind, **arguments)

    def raw_session(self, *initializers: Any) -> Any:
        """Return a `tf.Session` in which the variables are initialised."""
        session = tf.Session(config=self.record.config())
        session.run([tf.global_variables_initializer(), *initializers])
        return session

    def train_with(self, session: Any, times: int = 2) -> Any:
        """Run the step in a session, unless it wants to stop, and close it; return the steps."""
        seen = []
        with session:
            while len(seen) < times and not session.should_stop():
                seen.append(session.run(self.step))
            self.record("wants to stop", session.should_stop())
        return seen

    def hook(self, make: Callable[[], Any], saves: bool = False, times: int = 2) -> Any:
        """Make a hook and train with it, the global step and its reading being there already."""
        self.step  # noqa: B018 - made before the hook
        return self.train_with(self.session([make()], saves=saves), times)

    def job(self, **arguments: Any) -> Any:
        """Make a MonitoredTrainingSession and train with it; return its hooks and the steps."""
        saves = "checkpoint_dir" in arguments
        session = self.session(kind="MonitoredTrainingSession", saves=saves, **arguments)
        return self.train_with(session)


class Hostile:
    """An object that fails at one kind of use, the one it is asked for by name; its text is its name."""

    def __init__(self, use: str) -> None:
        self._use = use

    def __repr__(self) -> str:
        return f"<fails at {self._use}>"


def hostile(method: str) -> Any:
    """Return an object whose `method` raises LookupError; it has no other special methods."""

    def fail(*_: Any) -> Any:
        raise LookupError(f"{method} was called")

    return type("Hostile", (Hostile,), {method: fail, "__hash__": fail if method == "__hash__" else object.__hash__})(
        method
    )


class EqualToAll:
    """Equal to whatever it is compared with."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: Any) -> bool:
        return True

    def __repr__(self) -> str:
        return "<equal to all>"


class Obliging:
    """Has every attribute, can be called, and returns itself: what a careless mock is."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self

    def __repr__(self) -> str:
        return "<obliging>"
