"""The recorder a scenario writes to, and the hooks it hands out.

A scenario is a function `scenario(train, record)`: `train` has the names of `tf.train`, `record` is
a `Recorder`. Whatever the scenario, its hooks and the log say lands in one list of events, in order.
This module keeps to Python 3.6 syntax.
"""

import contextlib
import os
import threading
from typing import Any, Callable, Iterator, List

import numpy as np

from conformance import devices, graphs, probes
from conformance.trace import Describer, Event, tf

STAGES = ("begin", "after_create_session", "before_run", "after_run", "end")


class Recorder:
    """Collects the events of one scenario run against one implementation."""

    def __init__(self, train: Any, directory: str, clock: Any) -> None:
        self.train = train
        self.directory = directory
        self.clock = clock
        self.events = []  # type: List[Event]
        self.thread_events = []  # type: List[Event]
        self.coordinators = []  # type: List[Any]
        self.graphs = []  # type: List[Any]
        self.sessions = []  # type: List[Any]
        self.releases = []  # type: List[Callable[[], Any]]
        self._arrays = []  # type: List[List[Any]]
        self.describer = Describer(((directory, "<directory>"), (os.path.realpath(directory), "<directory>")))
        self._main_thread = threading.current_thread()

    def __call__(self, kind: str, value: Any = None) -> Any:
        """Record `value` under `kind` and return it."""
        self._append(kind, self.describer.describe(value))
        return value

    def in_order(self, kind: str, value: Any) -> None:
        """Record what the scenario's thread does, or waits for while another thread does it."""
        self.events.append(Event(kind, self.describer.describe(value)))

    def _append(self, kind: str, data: Any) -> None:
        kind = self.describer.text(kind)
        if threading.current_thread() is self._main_thread:
            self.events.append(Event(kind, data))
        else:
            self.thread_events.append(Event(kind, data))

    def outcome(self, event_kind: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `function`, record what it returned or raised, and return its value, else None."""
        try:
            value = function(*args, **kwargs)
        except BaseException as error:
            self._append(event_kind, {"raised": self.describer.exception(error)})
            return None
        self._append(event_kind, {"returned": self.describer.describe(value)})
        return value

    def keep(self, results: Any, overwrite: bool = False) -> None:
        """Hold on to the arrays among a run's results, as users do; `overwrite` puts zeros into them first."""
        for array in _arrays(results):
            if overwrite and array.flags.writeable:
                array.fill(0)
            self._arrays.append([array, array.copy()])

    def kept(self) -> None:
        """Record which of the arrays held are still as they were: nobody but their holder may change them."""
        if self._arrays:
            self("results held are as they were", [bool(np.array_equal(now, then)) for now, then in self._arrays])
        for pair in self._arrays:
            pair[1] = pair[0].copy()

    def log(self, level: str, text: str, with_traceback: bool) -> None:
        """Record one log line; lines of other threads go to a list of their own."""
        self._append("log", [level, self.describer.text(text), with_traceback])

    def logs(self) -> List[str]:
        """Return the text of the log lines so far."""
        return [event.data[1] for event in self.events if event.kind == "log"]

    def path(self, *parts: str) -> str:
        """Return a path below the scenario's directory."""
        return os.path.join(self.directory, *parts)

    def config(self) -> Any:
        """Return the session configuration that every scenario uses: one thread a run, no rewriting.

        Ops run in the thread that calls `run`, so that what nothing orders has one order. GPU memory
        is taken as it is needed, since several processes share it.
        """
        config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=-1)
        config.allow_soft_placement = False
        config.gpu_options.allow_growth = True
        if devices.current() == devices.SECOND_CPU:
            config.device_count["CPU"] = 2
        config.graph_options.optimizer_options.opt_level = -1
        if hasattr(config.graph_options.rewrite_options, "disable_meta_optimizer"):
            config.graph_options.rewrite_options.disable_meta_optimizer = True
        return config

    def number(self, kind: str, value: Any) -> str:
        """Return a stable name for an object that is compared by identity."""
        return self.describer.number(kind, value)

    @contextlib.contextmanager
    def graph(self, label: str = "graph") -> Any:
        """Make a fresh default graph, and record its state at the end."""
        graph = tf.Graph()
        self.graphs.append(graph)
        with graph.as_default():
            yield graph
        self(label, probes.graph_state(graph, self.describer))

    def graph_state(self, label: str, graph: Any = None) -> None:
        """Record whether a graph (the default one) is finalised, and its collections."""
        graph = graph or tf.get_default_graph()
        self._append(label, probes.graph_state(graph, self.describer))

    def files(self, label: str = "files", directory: str = "") -> None:
        """Record everything a reader finds in the scenario's directory (or one below it).

        Event writers are flushed, not closed: a second writer that opens within the same second
        would cut off the first one's file.
        """
        for writer in list(tf.summary.FileWriterCache._cache.values()):
            writer.flush()
        self._append(label, probes.directory_state(self.path(directory), self.describer))

    def put_events_aside(self, prefix: str) -> None:
        """Rename the event files so far: two writers that open within one second would share a file."""
        for folder, _, names in os.walk(self.directory):
            for name in names:
                if name.startswith("events.out.tfevents"):
                    os.rename(os.path.join(folder, name), os.path.join(folder, "{}.{}".format(prefix, name)))

    def hook(self, name: str, silent: bool = False, base: Any = None, **stages: Any) -> Any:
        """Return a hook that records its callbacks and does what `stages` say.

        Each stage is a callable that takes the callback's arguments; its value is the callback's.
        """
        unknown = set(stages) - set(STAGES)
        if unknown:
            raise ValueError("unknown stages {}".format(sorted(unknown)))
        base = base or self.train.SessionRunHook
        made = type("RecordingHook", (_RecordingHook, base), {})(self, name, silent, stages)
        return self.describer.name(made, "hook {}".format(name))

    def listener(self, name: str, after_save: Any = None, before_save: Any = None) -> Any:
        """Return a checkpoint listener that records its callbacks."""
        base = self.train.CheckpointSaverListener
        made = type("RecordingListener", (_RecordingListener, base), {})(self, name, before_save, after_save)
        return self.describer.name(made, "listener {}".format(name))

    def session(self, hooks: Any = None, kind: str = "MonitoredSession", **kwargs: Any) -> Any:
        """Make a session of class `kind`; creator and session arguments may be mixed."""
        kwargs.setdefault("config", self.config())
        if kind in ("SingularMonitoredSession", "MonitoredTrainingSession"):
            return getattr(self.train, kind)(hooks=hooks, **kwargs)
        grace = {}
        if "stop_grace_period_secs" in kwargs:
            grace["stop_grace_period_secs"] = kwargs.pop("stop_grace_period_secs")
        creator = self.train.ChiefSessionCreator(**kwargs)
        return getattr(self.train, kind)(session_creator=creator, hooks=hooks, **grace)

    def global_step(self, increment: int = 1) -> Any:
        """Make the global step and return an op that increments it after the hooks have read it."""
        return graphs.increment_after_reads(self.train, increment)


class _RecordingHook:
    def __init__(self, record: Recorder, name: str, silent: bool, stages: Any) -> None:
        self.record = record
        self.name = name
        self._silent = silent
        self._stages = stages

    def _do(self, stage: str, seen: Any, *args: Any) -> Any:
        if not self._silent:
            self.record("{}.{}".format(self.name, stage), seen)
        action = self._stages.get(stage)
        return action(*args) if action is not None else None

    def begin(self) -> Any:
        return self._do("begin", {"finalised": tf.get_default_graph().finalized})

    def after_create_session(self, session: Any, coord: Any) -> Any:
        if coord is not None:  # a hook before this one may have closed the session
            self.record.coordinators.append(coord)
        seen = {
            "session": self.record.number("tf session", session),
            "coord": self.record.number("coordinator", coord),
            "finalised": getattr(session.graph, "finalized", None),
        }
        return self._do("after_create_session", seen, session, coord)

    def before_run(self, run_context: Any) -> Any:
        return self._do("before_run", self._context(run_context), run_context)

    def after_run(self, run_context: Any, run_values: Any) -> Any:
        seen = self._context(run_context)
        seen["results"] = run_values.results
        seen["options"] = run_values.options
        seen["metadata"] = self.record.number("metadata", run_values.run_metadata)
        self.record.keep(run_values.results)
        return self._do("after_run", seen, run_context, run_values)

    def end(self, session: Any) -> Any:
        return self._do("end", {"session": self.record.number("tf session", session)}, session)

    def _context(self, context: Any) -> Any:
        return {
            "context": self.record.number("context", context),
            "session": self.record.number("tf session", context.session),
            "arguments": context.original_args,
            "stop_requested": context.stop_requested,
        }


def _arrays(results: Any) -> Iterator[Any]:
    if isinstance(results, dict):
        results = list(results.values())
    if isinstance(results, (list, tuple)):
        for part in results:
            yield from _arrays(part)
    elif isinstance(results, np.ndarray) and not results.dtype.hasobject:
        yield results


class _RecordingListener:
    def __init__(self, record: Recorder, name: str, before: Any, after: Any) -> None:
        self.record = record
        self.name = name
        self._before = before
        self._after = after

    def begin(self) -> None:
        self.record(self.name + ".begin")

    def before_save(self, session: Any, global_step_value: Any) -> Any:
        self._saw("before_save", session, global_step_value)
        return self._before(session, global_step_value) if self._before else None

    def after_save(self, session: Any, global_step_value: Any) -> Any:
        self._saw("after_save", session, global_step_value)
        return self._after(session, global_step_value) if self._after else None

    def end(self, session: Any, global_step_value: Any) -> None:
        self._saw("end", session, global_step_value)

    def _saw(self, stage: str, session: Any, step: Any) -> None:
        number = self.record.number("tf session", session)
        self.record(self.name + "." + stage, [number, step, type(step).__name__])
