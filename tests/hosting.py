"""Programs for hooks, run with either implementation of the hooks and of the session.

A program is a function of a `Run`. Everything observable of it (what it recorded, how it ended, log
lines, files, events) must be the same as for hooks and session of `tf.train`.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from typing import Any

import tensorflow.compat.v1 as tf
from clock import VirtualClock
from google.protobuf import text_format
from tensorflow.python.platform import tf_logging

import monitored
from monitored.global_step import global_step_read

TENSORFLOW = tf.train
MONITORED = monitored
CONFIG = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=2)
OUR_HOOKS = {"our hooks in tf.train": (MONITORED, TENSORFLOW), "our hooks in ours": (MONITORED, MONITORED)}
EVERYTHING = {"tf.train hooks in ours": (TENSORFLOW, MONITORED), **OUR_HOOKS}


class Run:
    """One program run: whose hooks, whose session, where, and what was seen.

    `hooks` and `host` are namespaces with the names of `tf.train`.
    """

    def __init__(self, hooks: Any, host: Any, folder: str, clock: VirtualClock) -> None:
        self.hooks = hooks
        self.host = host
        self.dir = folder
        self.clock = clock
        self.seen: list[Any] = []

    def see(self, *what: Any) -> None:
        """Record something to be compared."""
        self.seen.append(comparable(what))

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call, and record what was returned or raised."""
        try:
            self.see("returned", function(*args, **kwargs))
        except Exception as error:
            self.see("raised", type(error).__name__, first_line(error))

    def build_step(self, start: int = 0) -> None:
        """Make a global step that starts at `start`, and the op that `step` runs."""
        global_step_variable = tf.train.create_global_step()
        # Outside: TensorFlow drops a control dependency that an input of the op has already.
        self._by = tf.placeholder(tf.int64, [], name="by")
        # The hooks fetch the step before it is incremented; unordered, they would see either.
        with tf.control_dependencies([global_step_read()]):
            self._step = global_step_variable.assign_add(self._by).op
        self._start = global_step_variable.assign(start).op

    def step(self, session: Any, by: int = 1, secs: float = 0.0, fetch: Any = ()) -> Any:
        """Let `secs` pass, then run the session once, incrementing the global step by `by`."""
        self.clock.advance(secs)
        return session.run((self._step, fetch), {self._by: by})[1]

    def scaffold(self, **kwargs: Any) -> Any:
        """Make a scaffold of the host whose ops are TensorFlow's, so that graphs are equal."""
        return self.host.Scaffold(
            init_op=tf.global_variables_initializer(),
            init_fn=lambda scaffold, session: session.run(self._start),
            # Identity: TensorFlow complains of such reports when nothing uses them.
            ready_op=tf.identity(tf.report_uninitialized_variables()),
            ready_for_local_init_op=tf.identity(tf.report_uninitialized_variables(tf.global_variables())),
            local_init_op=tf.local_variables_initializer(),
            **{"saver": tf.train.Saver(), **kwargs},
        )

    def session(self, hooks: list[Any], scaffold: Any = None, checkpoint_dir: str | None = None) -> Any:
        """Make a monitored session of the host."""
        creator = self.host.ChiefSessionCreator(
            scaffold=scaffold or self.scaffold(), config=CONFIG, checkpoint_dir=checkpoint_dir
        )
        return self.host.MonitoredSession(session_creator=creator, hooks=hooks)


class Comparison:
    """Runs programs in all combinations; made by the `same` fixture."""

    def __init__(self, folder: str, clock: VirtualClock, logs: list[tuple[str, str]]) -> None:
        self._folder = folder
        self._clock = clock
        self._logs = logs

    def __call__(self, program: Callable[[Run], None], combinations: dict[str, Any] = OUR_HOOKS) -> dict[str, Any]:
        """Run `program` in all combinations, and return what it showed in every one of them."""
        expected = self.observe(program, TENSORFLOW, TENSORFLOW)
        for name, combination in combinations.items():
            assert self.observe(program, *combination) == expected, name
        return expected

    def observe(self, program: Callable[[Run], None], hooks: Any, host: Any) -> dict[str, Any]:
        """Run `program` in a fresh graph, folder, clock and process state."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._clock.reset()
        self._logs[:] = []
        tf_logging._log_counter_per_token.clear()
        run = Run(hooks, host, self._folder, self._clock)
        ended = None
        with tf.Graph().as_default():
            try:
                program(run)
            except Exception as error:
                ended = (type(error).__name__, first_line(error))
        tf.summary.FileWriterCache.clear()
        return {
            "ended": ended,
            "seen": run.seen,
            "logs": [(level, normal(text)) for level, text in self._logs if not _once(text)],
            "slept": list(self._clock.sleeps),
            "files": files(self._folder),
            "events": events(self._folder),
        }


def _once(text: str) -> bool:
    """Whether TensorFlow says this once a process only: that something is deprecated."""
    return "is deprecated and will be removed" in text


def files(folder: str) -> dict[str, str]:
    """Return relative path to what matters of the content, for every file."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            shown = "events" if name.startswith("events.out.") else os.path.relpath(path, folder)
            found[shown] = ""
            if name in _CONTENT:
                with open(path, encoding="utf-8") as file:
                    found[shown] = _CONTENT[name](file.read())
    return dict(sorted(found.items()))


def events(folder: str) -> list[tuple[Any, ...]]:
    """Return (step, kind, content) of every event, in order."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    paths = [os.path.join(folder, name) for name in names if name.startswith("events.out.")]
    return [
        (event.step, event.WhichOneof("what"), _content(event))
        for path in paths
        for event in tf.train.summary_iterator(path)
    ]


def _content(event: tf.Event) -> str:
    kind = event.WhichOneof("what")
    value = getattr(event, kind)
    if kind == "graph_def":
        return digest(graph_text(tf.GraphDef.FromString(value)))
    if kind == "meta_graph_def":
        meta_graph = tf.MetaGraphDef.FromString(value)
        graph = graph_text(meta_graph.graph_def)
        meta_graph.ClearField("graph_def")
        return digest(str(meta_graph) + graph)
    if kind == "tagged_run_metadata":
        return str(value.tag)
    return str(value)


def graph_text(graph_def: tf.GraphDef) -> str:
    """Return the graph as text, without the numbers that functions get through the process."""
    functions = [text_format.MessageToString(function) for function in graph_def.library.function]
    nodes = tf.GraphDef()
    nodes.CopyFrom(graph_def)
    nodes.library.ClearField("function")
    texts = [text_format.MessageToString(nodes), *functions]
    texts = [re.sub(r"(_cond_(?:true|false))_\d+", r"\1", text) for text in texts]
    return "".join([texts[0], *sorted(texts[1:])])


_CONTENT = {"checkpoint": str, "graph.pbtxt": lambda text: digest(graph_text(text_format.Parse(text, tf.GraphDef())))}


def digest(text: str) -> str:
    """Return a text's length and hash: what a failure shows of something too long to read."""
    return f"{len(text)} characters, sha256 {hashlib.sha256(text.encode()).hexdigest()}"


def comparable(value: Any) -> Any:
    """Return values whose equality is exact: with the type of each, arrays as text."""
    if isinstance(value, (list, tuple)):
        return [comparable(item) for item in value]
    return (type(value).__name__, normal(str(value)))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text."""
    return normal(str(error).partition("\n")[0])


def normal(text: str) -> str:
    """Take out addresses, and where a class is defined."""
    text = re.sub(r"0x[0-9a-f]+", "0x", text)
    return re.sub(r"<(?:tensorflow|monitored)[\w.]*\.(\w+) object", r"<\1 object", text)
