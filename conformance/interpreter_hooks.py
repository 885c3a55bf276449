"""Runs programs of the user's hooks: what each does at which call of which stage.

This module keeps to Python 3.6 syntax and to API that exists since TensorFlow 1.15, and like
`interpreter` never says what an implementation should answer.
"""

import collections
import functools
from typing import Any, List

import numpy as np

from conformance import devices, graphs
from conformance import program as p
from conformance.errors import make_error
from conformance.recorder import Recorder
from conformance.trace import tf

Pair = collections.namedtuple("Pair", "left right")


def perform(train: Any, record: Recorder, program: p.Program) -> None:
    """The scenario that `program` stands for."""
    _Performance(train, record, program).perform()


class _Ordered:
    """A hook whose place in a set does not depend on its address."""

    position = 0

    def __hash__(self) -> int:
        return self.position

    def __eq__(self, other: Any) -> bool:
        return self is other


class _Equal:
    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _Equal)


class _Unhashable:
    __hash__ = None  # type: Any

    def __eq__(self, other: Any) -> bool:
        return self is other


def _end_of_input() -> Any:
    raise StopIteration("the end of the input")


def _callable(kind: str, step: Any) -> Any:
    """Return a step function of this kind that calls `step`; some are no good."""

    class Holder:
        def method(self, step_context: Any) -> Any:
            return step(step_context)

        __call__ = method

    return {
        "lambda": lambda step_context: step(step_context),
        "method": Holder().method,
        "object": Holder(),
        "partial": functools.partial(lambda before, step_context: step(step_context), "before"),
        "wrong name": lambda context: step(context),
        "two arguments": lambda step_context, other: step(step_context),
        "no function": "no function",
    }[kind]


class _Performance:
    def __init__(self, train: Any, record: Recorder, program: p.Program) -> None:
        self.train = train
        self.record = record
        self.program = program
        self.session = None  # type: Any
        self.coordinator = None  # type: Any
        self.calls = collections.Counter()  # type: Any
        self.tensors = {}  # type: Any
        self.pieces = None  # type: Any
        self.options = {}  # type: Any
        self.hooks = []  # type: List[Any]

    def perform(self) -> None:
        self._make_graph()
        hooks = self._hooks()
        with_block = self.program.with_block
        self.record.outcome("session", self._inside_with if with_block else self._outside, hooks)
        if self.session is not None:
            self._look("after")
            if self.program.close_again:
                self.record.outcome("close again", self.session.close)

    def _make_graph(self) -> None:
        program = self.program
        kinds = [run.fetches for run in program.runs]
        kinds += [hook.request.fetches for hook in program.hooks if hook.request is not None]
        self.tensors, self.pieces = graphs.small(
            self.train,
            program.graph,
            program.variables,
            program.increment,
            tuple(kind for kind in ("variable", "vector") if kind in kinds),
        )
        a, b = self.tensors["a"], self.tensors["b"]
        with devices.scope():
            if "sparse" in kinds:
                self.tensors["sparse"] = tf.SparseTensor([[0, 1]], tf.stack([a]), [1, 2])
            if "ragged" in kinds:
                self.tensors["ragged"] = tf.RaggedTensor.from_row_lengths(tf.stack([a, b, a]), [2, 1])
        # What fails waits for every assignment: otherwise the values after it would be a race.
        with tf.control_dependencies([self.tensors["total"]]):
            if "invalid" in kinds:
                with devices.scope():
                    self.tensors["invalid"] = tf.check_numerics(a / 0.0, "not a number")
            if "out of range" in kinds:
                self.tensors["out of range"] = tf.py_func(_end_of_input, [], tf.float32)

    def _make_session(self, hooks: List[Any]) -> Any:
        program = self.program
        scaffold = (
            None
            if program.default_scaffold
            else graphs.small_session_scaffold(
                self.train, self.record, program.checkpoint_steps is not None, self.pieces
            )
        )
        arguments = {"scaffold": scaffold}
        if program.checkpoint_steps is not None:
            arguments["checkpoint_dir"] = self.record.path("logdir")
        if program.session == "MonitoredTrainingSession":
            if program.checkpoint_steps is not None:
                arguments["save_checkpoint_steps"] = program.checkpoint_steps
                arguments["log_step_count_steps"] = 2
        elif program.checkpoint_steps is not None:
            saver = self.train.CheckpointSaverHook(
                self.record.path("logdir"), save_steps=program.checkpoint_steps, scaffold=scaffold
            )
            hooks = hooks + [saver]
        self.hooks = hooks
        container = {"list": lambda hooks: hooks, "tuple": tuple, "set": set, "generator": iter}[program.container]
        self.session = self.record.session(container(hooks), program.session, **arguments)
        return self.session

    def _inside_with(self, hooks: List[Any]) -> str:
        with self._make_session(hooks):
            self._body()
        return "left the block"

    def _outside(self, hooks: List[Any]) -> str:
        self._make_session(hooks)
        self.record.outcome("body", self._body)
        self.record.outcome("close", self.session.close)
        return "closed"

    def _body(self) -> None:
        for index, run in enumerate(self.program.runs):
            self.record.clock.advance(0.5)
            if run.ask_should_stop and self.record.outcome("should_stop", self.session.should_stop):
                self.record("stopped before run", index)
                break
            if self.program.go_on_after_errors:
                results = self.record.outcome("run", self._run, run)
            else:
                results = self.record("run", self._run(run))
            self.record.keep(results, overwrite=True)
        if self.program.body_error is not None:
            raise make_error(self.program.body_error, "from the body")

    def _run(self, run: p.Run) -> Any:
        self.record.kept()
        fetches, feeds = self._fetches(run.fetches), self._feeds(run)
        options = self._options(run)
        metadata = tf.RunMetadata() if run.metadata else None

        def step(step_context: Any) -> Any:
            self.record("step function called")
            values = [step_context.run_with_hooks(fetches, feeds, options, metadata) for _ in range(run.hooked_runs)]
            if run.raw_run:
                self.record("raw run", step_context.session.run(self.tensors["sum"]))
            if run.stop_in_step_fn:
                step_context.request_stop()
            return values

        if not (run.step_fn and hasattr(self.session, "run_step_fn")):
            value = self.session.run(fetches, feeds, options, metadata)
        else:
            value = self.session.run_step_fn(_callable(run.function, step))
        if options is not None:
            self.record("options after the run", options)
        if metadata is not None:
            self.record("metadata was filled", len(metadata.step_stats.dev_stats) > 0)
        return value

    def _look(self, label: str) -> None:
        record = self.record
        record.kept()
        record.outcome(label + ": should_stop", self.session.should_stop)
        record(label + ": session has a graph", self.session.graph is not None)
        record(label + ": finalised", tf.get_default_graph().finalized)
        for index, coordinator in enumerate(dict.fromkeys(record.coordinators)):
            state = [coordinator.should_stop(), coordinator.joined]
            record("{}: coordinator {} stopped, joined".format(label, index + 1), state)

    def _hooks(self) -> List[Any]:
        hooks = []  # type: List[Any]
        for index, plan in enumerate(self.program.hooks):
            again = plan.kind == "same" and hooks
            hooks.append(hooks[-1] if again else self._hook(index, plan))
        return hooks

    def _hook(self, index: int, plan: p.Hook) -> Any:
        name = "ABCD"[index] if index < 4 else "H{}".format(index)

        def stage(which: str) -> Any:
            return lambda *arguments: self._act(name, plan, which, arguments)

        base = {"equal": _Equal, "unhashable": _Unhashable, "duck": object}.get(plan.kind, _Ordered)
        if base is not object:
            base = type(base.__name__, (base, self.train.SessionRunHook), {})
        hook = self.record.hook(name, base=base, **{which: stage(which) for which in p.STAGES})
        hook.position = index
        return hook

    def _act(self, name: str, plan: p.Hook, stage: str, arguments: Any) -> Any:
        if stage == "after_create_session":
            self.coordinator = arguments[1]
        self.calls[name, stage] += 1
        for action in plan.actions:
            if (action.stage, action.call) == (stage, self.calls[name, stage]):
                self._do(name, action, arguments)
        if stage != "before_run" or plan.request is None:
            return None
        request = plan.request
        return self.train.SessionRunArgs(self._fetches(request.fetches), self._feeds(request), self._options(request))

    def _do(self, name: str, action: p.Action, arguments: Any) -> None:
        text = "from {} in {}".format(name, action.stage)
        if action.do == "raise":
            raise make_error(action.error or "ValueError", text)
        if action.do == "request_stop":
            if action.stage in ("before_run", "after_run"):
                arguments[0].request_stop()
            elif self.coordinator is not None:
                self.record.outcome(text + ": stop", self.coordinator.request_stop)
        elif action.do == "coordinator_error" and self.coordinator is not None:
            self.record.outcome(text + ": report", self._report, action.error, text)
        elif action.do == "close" and self.session is not None:
            self.session.close()
        elif action.do == "run" and self.session is not None:
            self.record(text + ": nested run", self.session.run(self.tensors["sum"]))
        elif action.do == "add_hook":
            self.hooks.append(self.record.hook("added"))
        elif action.do == "drop_hooks":
            del self.hooks[:]

    def _report(self, error: str, text: str) -> None:
        # The coordinator wants to be told of an exception while it is being handled.
        try:
            raise make_error(error, text + ", reported")
        except BaseException as reported:
            self.coordinator.request_stop(reported)

    def _fetches(self, kind: str) -> Any:
        total, plain = self.tensors["total"], self.tensors["sum"]
        return {
            "none": None,
            "op": self.tensors["step"].op,
            "tensor": total,
            "name": plain.name,
            "list": [total, plain],
            "tuple": (plain, total),
            "dict": {"total": total, "plain": plain},
            "nested": {"x": [plain, (total, plain)], "y": plain},
            "namedtuple": Pair(total, plain),
            "empty": [],
            "duplicates": [plain, total, (plain, plain.name)],
            "sparse": self.tensors.get("sparse"),
            "ragged": [self.tensors.get("ragged"), plain],
            "variable": self.tensors.get("variable"),
            "vector": [self.tensors.get("vector"), self.tensors.get("vector"), plain],
            "ops": {"op": total.op, "ops": [plain.op, total.op.name]},
            "out of range": [plain, self.tensors.get("out of range")],
            "invalid": self.tensors.get("invalid"),
        }[kind]

    def _feeds(self, asked: Any) -> Any:
        if not asked.feeds:
            return {} if asked.empty_feeds else None
        keys = {"a": self.tensors["a"], "b": self.tensors["b"], "a by name": "a:0", "sum": self.tensors["sum"]}
        return {keys[feed.key]: np.array(feed.value, np.float32) if feed.array else feed.value for feed in asked.feeds}

    def _options(self, asked: Any) -> Any:
        plan = asked.options
        if plan is None:
            return None
        if asked.same_options and plan in self.options:
            return self.options[plan]
        options = tf.RunOptions(
            trace_level=plan.trace_level,
            timeout_in_ms=plan.timeout_in_ms,
            output_partition_graphs=plan.output_partition_graphs,
        )
        if asked.same_options:
            self.options[plan] = options
        return options
