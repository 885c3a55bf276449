"""One session that runs steps for as long as wanted, with its default hooks and asynchronous saves."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from monitored import CheckpointSaverListener
from monitored.extras import AsyncCheckpointSaverHook
from perf import models
from perf.held import Held
from perf.look import look
from perf.plants import Plant
from perf.sides import Setting, monitored_session


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


STEPS = {"same": _same, "list": _list, "lambda": _lambda, "key": _key, "feed": _feed}
"""What is new in each step: nothing, the fetch list, the step function, a key, what is fed."""


def steps(
    kind: str, setting: Setting, side: str, number: int, looks: set[int], save_every: int, plant: Plant
) -> Iterator[Held]:
    """Run `number` steps; yield what is held after each number of them in `looks`."""
    start = time.perf_counter()
    folder = setting.new_folder()
    saves = _Saves()
    saver_hook = AsyncCheckpointSaverHook(folder, save_steps=save_every, listeners=[saves])
    arguments = {"checkpoint_dir": folder, "save_checkpoint_secs": None, "hooks": [saver_hook]}
    with monitored_session(side, models.tiny(setting.device), setting, **arguments) as session:
        step = STEPS[kind](session)
        for count in range(1, number + 1):
            step(count)
            if count in looks:
                saver_hook.wait()
                plant.grow(session, folder)
                yield look(count, saves.number, time.perf_counter() - start, folder)
