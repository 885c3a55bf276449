"""Whether a long training leaves anything behind: memory, threads, file handles, compiled plans.

One session with the default hooks and asynchronous saves runs steps for as long as wanted, and is
looked at now and then. What it held after the first fifth is what it may hold at the end.

Linux only: it reads /proc/self.
"""

import gc
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from monitored import CheckpointSaverListener
from monitored.compiled_step import StepRunner
from monitored.extras import AsyncCheckpointSaverHook
from perf import memory, models
from perf.sides import MONITORED, Setting, monitored_session

LOOKS = 10
"""How often it is looked at."""

RSS_BOUND = 4 * 2**20
"""Bytes by which the memory may differ without anything having grown: allocators keep some back."""


@dataclass(frozen=True)
class Held:
    """What the process held after so many steps."""

    steps: int
    rss: int
    threads: int
    handles: int
    plans: int
    saves: int
    seconds: float

    def grew_since(self, before: "Held") -> list[str]:
        """Name what there is more of."""
        grown = [name for name in ("threads", "handles", "plans") if getattr(self, name) > getattr(before, name)]
        return grown + (["rss"] if self.rss > before.rss + RSS_BOUND else [])

    def as_dict(self) -> dict[str, float]:
        """The fields, for JSON."""
        return asdict(self)


def _same(session: Any) -> Callable[[int], Any]:
    fetches = _tensors(session)
    return lambda number: session.run(fetches)


def _list(session: Any) -> Callable[[int], Any]:
    tensors = _tensors(session)
    return lambda number: session.run([tensors[number % 2], [*tensors]])


def _lambda(session: Any) -> Callable[[int], Any]:
    tensors = _tensors(session)
    return lambda number: session.run_step_fn(lambda step_context: step_context.run_with_hooks([*tensors]))


def _key(session: Any) -> Callable[[int], Any]:
    tensors = _tensors(session)
    return lambda number: session.run({f"step {number}": tensors})


def _feed(session: Any) -> Callable[[int], Any]:
    tensors, fed = _tensors(session), session.graph.get_tensor_by_name(models.INPUT)
    return lambda number: session.run([*tensors], {fed: np.full(10, number, np.float32)})


def _tensors(session: Any) -> list[Any]:
    return [session.graph.as_graph_element(name) for name in (models.TRAIN, models.LOSS)]


class _Saves(CheckpointSaverListener):
    """Counts the saves after the first one of the session, which is none of training's."""

    number = -1

    def before_save(self, session: Any, global_step_value: Any) -> None:
        self.number += 1


PROGRAMS = {"same": _same, "list": _list, "lambda": _lambda, "key": _key, "feed": _feed}
"""What is new in each step: nothing, the fetch list, the step function, a key, what is fed."""


def soak(setting: Setting, steps: int, save_every: int, program: str = "same") -> Iterator[Held]:
    """Run a session; yield what it holds at the first look, and at each of the others.

    Raises ValueError unless there are steps for every look.
    """
    if steps < LOOKS or program not in PROGRAMS:
        raise ValueError(f"steps must be at least {LOOKS}, program one of {', '.join(PROGRAMS)}: {steps}, {program}")
    start = time.perf_counter()
    folder = setting.new_folder()
    saves = _Saves()
    saver_hook = AsyncCheckpointSaverHook(folder, save_steps=save_every, listeners=[saves])
    arguments = {"checkpoint_dir": folder, "save_checkpoint_secs": None, "hooks": [saver_hook]}
    with monitored_session(MONITORED, models.tiny(setting.device), setting, **arguments) as session:
        step = PROGRAMS[program](session)
        for number in range(1, steps + 1):
            step(number)
            if number % (steps // LOOKS) == 0:
                saver_hook.wait()
                yield _look(number, saves.number, time.perf_counter() - start)


def _look(steps: int, saves: int, seconds: float) -> Held:
    gc.collect()
    plans = sum(len(found._plans) for found in gc.get_objects() if isinstance(found, StepRunner))
    threads, handles = (len(os.listdir(f"/proc/self/{kind}")) for kind in ("task", "fd"))
    return Held(steps, memory.rss(), threads, handles, plans, saves, seconds)


def grew(held: list[Held]) -> list[str]:
    """Name what grew from the second look to the last."""
    return held[-1].grew_since(held[1])
