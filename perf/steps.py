"""What one step costs: kinds of sessions, shapes of fetches, feeds, numbers of hooks, summaries.

Every maker returns subjects whose `run` is one step of the same tiny model.
"""

import io
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from monitored.extras import HookProfiler
from perf import models
from perf.measure import Subject
from perf.sides import FLOOR, MONITORED, SIDES, Setting, monitored_session, raw_session, within

NEVER = 1_000_000_000

SESSIONS: dict[str, dict[str, Any]] = {
    "bare": {},
    "default": {"checkpoint_dir": None},
    "save_checkpoint_steps": {"checkpoint_dir": None, "save_checkpoint_steps": 1_000_000},
    "save_checkpoint_secs": {"checkpoint_dir": None, "save_checkpoint_secs": 1_000_000},
}
"""The arguments of each kind of session; the folder is filled in."""

SHAPES: dict[str, Any] = {
    "op": models.TRAIN,
    "tensor": models.LOSS,
    "list": [models.TRAIN, models.LOSS],
    "dict": {"train": models.TRAIN, "loss": models.LOSS},
    "nested": {"train": models.TRAIN, "values": [models.LOSS, (models.COUNT, {"input": models.INPUT})]},
}
"""Fetches by name; `_resolve` makes them those of a graph, as programs have them."""


def _resolve(shape: Any, graph: tf.Graph) -> Any:
    if isinstance(shape, dict):
        return {key: _resolve(value, graph) for key, value in shape.items()}
    if isinstance(shape, (list, tuple)):
        return type(shape)(_resolve(value, graph) for value in shape)
    return graph.as_graph_element(shape)


def _flat(fetches: Any) -> list[Any]:
    return tf.nest.flatten(fetches)


def fetching_hook(side: str, fetch: str) -> Any:
    """Return a hook that asks for one tensor, reads it, and does no more."""
    train = SIDES[side]

    class FetchingHook(train.SessionRunHook):  # type: ignore[misc, name-defined]
        """Fetches one tensor a step."""

        def __init__(self) -> None:
            self.last: Any = None

        def begin(self) -> None:
            self._arguments = train.SessionRunArgs(tf.get_default_graph().get_tensor_by_name(fetch))

        def before_run(self, run_context: Any) -> Any:
            return self._arguments

        def after_run(self, run_context: Any, run_values: Any) -> None:
            self.last = run_values.results

    return FetchingHook()


def _arguments(kind: str, setting: Setting) -> dict[str, Any]:
    arguments = dict(SESSIONS[kind])
    if "checkpoint_dir" in arguments:
        arguments["checkpoint_dir"] = setting.new_folder()
    return arguments


def step_overhead(setting: Setting, session: str, shape: str, fed: bool, hooks: int = 0) -> dict[str, Subject]:
    """A step of each side, of `Session.run` and of `Session.make_callable`, the fetches the same.

    Where there are hooks, the bare ones fetch for them too: the tensor `loss`.
    """
    size = models.tiny(setting.device)
    value = np.ones(10, np.float32)
    subjects = {}
    for side in SIDES:
        made = [fetching_hook(side, models.LOSS) for _ in range(hooks)]
        over = monitored_session(side, size, setting, hooks=made, **_arguments(session, setting))
        subjects[side] = _one_step(over, shape, value if fed else None)
    over = raw_session(size, setting)
    subjects[FLOOR] = _one_step(over, shape, value if fed else None)
    # One session serves both: only the second one closes it.
    subjects[FLOOR].close = lambda: None
    feeds = [over.graph.get_tensor_by_name(models.INPUT)] if fed else None
    compiled = over.make_callable(_flat(_resolve(SHAPES[shape], over.graph)), feeds)
    subjects["make_callable"] = Subject((lambda: compiled(value)) if fed else compiled, close=over.close)
    return subjects


def _one_step(session: Any, shape: str, value: Any) -> Subject:
    fetches = _resolve(SHAPES[shape], session.graph)
    feeds = None if value is None else {session.graph.get_tensor_by_name(models.INPUT): value}
    return Subject(lambda: session.run(fetches, feed_dict=feeds), close=within(session.graph, session.close))


FEW, MANY = "few hooks", "many hooks"


def hook_cost(setting: Setting, few: int = 0, many: int = 16) -> dict[str, Subject]:
    """Steps with few and with many hooks: the difference, divided by their number, is what one costs."""
    size = models.tiny(setting.device)
    subjects = {}
    for side in SIDES:
        for name, count in ((FEW, few), (MANY, many)):
            hooks = [fetching_hook(side, models.LOSS) for _ in range(count)]
            arguments = _arguments("default", setting)
            subjects[f"{side}, {name}"] = _one_step(
                monitored_session(side, size, setting, hooks=hooks, **arguments), "list", None
            )
    return subjects


UNTIMED, TIMED = "hooks", "hooks, timed"


def profiler_cost(setting: Setting, hooks: int = 16) -> dict[str, Subject]:
    """Steps of `monitored` with hooks, and the same while a HookProfiler times them and writes what it found."""
    subjects = {}
    for name in (UNTIMED, TIMED):
        made = [fetching_hook(MONITORED, models.LOSS) for _ in range(hooks)]
        session = monitored_session(MONITORED, models.tiny(setting.device), setting, hooks=made)
        if name == TIMED:
            HookProfiler(setting.new_folder(), file=io.StringIO()).attach(session)
        subjects[name] = _one_step(session, "list", None)
    return subjects


def summary_write(setting: Setting, summaries: int) -> dict[str, Subject]:
    """A step that writes its summaries; bare: `Session.run` of them and `FileWriter.add_summary`."""
    size = models.tiny(setting.device, summaries=summaries)
    subjects = {}
    for side in SIDES:
        arguments = {"save_summaries_steps": 1, "log_step_count_steps": None, "save_checkpoint_secs": None}
        over = monitored_session(side, size, setting, checkpoint_dir=setting.new_folder(), **arguments)
        subjects[side] = _one_step(over, "list", None)
    with models.new_graph(size).as_default() as graph:
        merged = tf.summary.merge_all()
        session = tf.Session(config=setting.config)
        session.run(tf.global_variables_initializer())
    writer = tf.summary.FileWriter(setting.new_folder())
    fetches = [*_resolve(["train", "loss:0", "count:0"], graph), merged]

    def step() -> None:
        values = session.run(fetches)
        writer.add_summary(values[-1], values[-2])

    def close() -> None:
        writer.close()
        session.close()

    subjects[FLOOR] = Subject(step, close=close)
    return subjects
