"""Sessions that begin and end in every way, and threads that come and go within one.

Every function that runs something takes `train`, which is `tf.train` or `monitored`: both run the
same program.
"""

import contextlib
import functools
import itertools
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow.compat.v1 as tf

from perf.held import Held
from perf.look import left_over, look
from perf.plants import Plant
from perf.sides import SIDES, Setting

INPUTS = 12
"""What the queue of a session is given before its input ends."""

STEPS = 3
"""Steps of a session that ends by itself; fewer than its input would do for."""

COUNT = "count:0"
CHURN_EVERY = 50
"""Steps between threads that come and go."""

GRACE_SECS = 600


def model(train: Any, inputs: int) -> tf.Graph:
    """Return a graph with a global step, a weight, a summary, and a queue filled by two threads."""
    with tf.Graph().as_default() as graph:
        step = train.get_or_create_global_step()
        source = tf.get_variable("source", initializer=0, trainable=False, collections=[tf.GraphKeys.LOCAL_VARIABLES])
        queue = tf.FIFOQueue(4, [tf.int32], shapes=[()])
        fill = [queue.enqueue(tf.count_up_to(source, inputs)) for _ in range(2)]
        train.add_queue_runner(train.QueueRunner(queue, fill))
        weight = tf.get_variable("weight", initializer=1.0)
        update = weight.assign_sub(0.001 * tf.cast(queue.dequeue(), tf.float32))
        tf.summary.scalar("weight", weight)
        with tf.control_dependencies([update]):
            tf.identity(step.assign_add(1), name="count")
    return graph


def sessions(
    one_graph: bool, setting: Setting, side: str, number: int, looks: set[int], save_every: int, plant: Plant
) -> Iterator[Held]:
    """Run `number` sessions, each over a graph of its own or all over `one_graph`.

    Each has a checkpoint folder of its own, which is deleted afterwards. Event writers stay open in
    TensorFlow's cache, on either side, until somebody clears it: a program that goes on has to, and
    this one does.
    """
    start = time.perf_counter()
    train = SIDES[side]
    graph = model(train, INPUTS) if one_graph else None
    endings = itertools.cycle(ENDINGS)
    for count in range(1, number + 1):
        folder = setting.new_folder()
        with (graph or model(train, INPUTS)).as_default():
            next(endings)(train, setting, folder, plant)
        tf.summary.FileWriterCache.clear()
        _delete(folder, setting.folder)
        if count in looks:
            yield look(count, 0, time.perf_counter() - start)


def _delete(folder: str, parent: str) -> None:
    """Delete the folder; what saving has forgotten there stays, beside it, to be counted."""
    for name in left_over(os.listdir(folder)):
        os.replace(os.path.join(folder, name), os.path.join(parent, f"{os.path.basename(folder)}-{name}"))
    shutil.rmtree(folder)


def _session(train: Any, setting: Setting, folder: str, plant: Plant, *hooks: Any) -> Any:
    session = train.MonitoredTrainingSession(
        checkpoint_dir=folder,
        hooks=list(hooks),
        config=setting.config,
        stop_grace_period_secs=GRACE_SECS,
        save_checkpoint_steps=2,
        save_summaries_steps=2,
        log_step_count_steps=2,
    )
    plant.grow(session, folder)
    return session


def _ends_normally(train: Any, setting: Setting, folder: str, plant: Plant, *hooks: Any) -> None:
    stop = train.StopAtStepHook(num_steps=STEPS)
    with _session(train, setting, folder, plant, stop, *hooks) as session:
        while not session.should_stop():
            session.run(COUNT)


def _ends_by_an_error(train: Any, setting: Setting, folder: str, plant: Plant) -> None:
    with contextlib.suppress(ArithmeticError), _session(train, setting, folder, plant) as session:
        session.run(COUNT)
        raise ArithmeticError("an error of the program")


def _is_preempted(error: Any, train: Any, setting: Setting, folder: str, plant: Plant) -> None:
    calls = itertools.count(1)

    class Preemption(train.SessionRunHook):  # type: ignore[misc, name-defined]
        def before_run(self, run_context: Any) -> None:
            if next(calls) == STEPS - 1:
                raise error(None, None, "preempted")

    _ends_normally(train, setting, folder, plant, Preemption())
    if next(calls) <= STEPS + 1:
        raise RuntimeError("the session did not go on after the preemption")


def _is_stopped_by_a_thread(train: Any, setting: Setting, folder: str, plant: Plant) -> None:
    class Stopping(train.SessionRunHook):  # type: ignore[misc, name-defined]
        def after_create_session(self, session: Any, coord: Any) -> None:
            self.coord, self.go = coord, threading.Event()
            train.LooperThread.loop(coord, None, self.stop)

        def stop(self) -> None:
            self.go.wait(GRACE_SECS)
            self.coord.request_stop()

        def after_run(self, run_context: Any, run_values: Any) -> None:
            self.go.set()
            self.coord.wait_for_stop(GRACE_SECS)

    with _session(train, setting, folder, plant, Stopping()) as session:
        session.run(COUNT)
        if not session.should_stop():
            raise RuntimeError("the thread did not stop the session")


def _runs_out_of_input(train: Any, setting: Setting, folder: str, plant: Plant) -> None:
    with _session(train, setting, folder, plant) as session:
        while True:
            session.run(COUNT)


def _is_closed_twice(train: Any, setting: Setting, folder: str, plant: Plant) -> None:
    session = _session(train, setting, folder, plant)
    session.run(COUNT)
    session.close()
    try:
        session.close()
    except RuntimeError:
        return
    raise RuntimeError("the second close was no error")


ENDINGS: tuple[Callable[..., None], ...] = (
    _ends_normally,
    _ends_by_an_error,
    functools.partial(_is_preempted, tf.errors.AbortedError),
    _is_stopped_by_a_thread,
    _runs_out_of_input,
    functools.partial(_is_preempted, tf.errors.UnavailableError),
    _is_closed_twice,
)
"""The ways in which a session ends, in turn."""


class _Churn:
    """Threads that come and go: registered with the session's coordinator, and under one of their own."""

    def __init__(self, train: Any) -> None:
        self._train = train
        self._coordinator = train.Coordinator()
        # What has no input ends at once; there is nothing to close.
        nothing, queue = tf.no_op(), tf.FIFOQueue(1, [tf.int32])
        empty = queue.enqueue(tf.count_up_to(tf.get_variable("empty", initializer=0, trainable=False), 0))
        self._runner = train.QueueRunner(queue, [empty], close_op=nothing, cancel_op=nothing)

    def once(self, session: tf.Session, session_coordinator: Any) -> None:
        """Have threads come and go once; all are gone afterwards."""
        ended = threading.Thread(target=int)
        session_coordinator.register_thread(ended)
        ended.start()
        ended.join()
        turns = [threading.Event(), threading.Event()]
        for turn in turns:
            self._train.LooperThread.loop(self._coordinator, None, turn.set)
        self._runner.create_threads(session, self._coordinator, daemon=True, start=True)
        for turn in turns:
            turn.wait(GRACE_SECS)
        self._coordinator.request_stop()
        self._coordinator.join([ended], stop_grace_period_secs=GRACE_SECS)
        self._coordinator.clear_stop()


def threads(setting: Setting, side: str, number: int, looks: set[int], save_every: int, plant: Plant) -> Iterator[Held]:
    """Run `number` steps of one session, threads coming and going beside the queue's."""
    start = time.perf_counter()
    train = SIDES[side]
    found: list[Any] = []

    class Coordinated(train.SessionRunHook):  # type: ignore[misc, name-defined]
        def after_create_session(self, session: Any, coord: Any) -> None:
            found[:] = session, coord

    folder = setting.new_folder()
    with model(train, tf.int32.max).as_default():
        churn = _Churn(train)
        arguments = {"checkpoint_dir": folder, "save_checkpoint_steps": save_every, "hooks": [Coordinated()]}
        with train.MonitoredTrainingSession(config=setting.config, **arguments) as session:
            for count in range(1, number + 1):
                session.run(COUNT)
                if count % CHURN_EVERY == 0:
                    churn.once(*found)
                if count in looks:
                    plant.grow(session, folder)
                    yield look(count, count // save_every, time.perf_counter() - start, folder)
