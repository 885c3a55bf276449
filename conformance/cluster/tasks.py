"""What members of a cluster can be told to do: each task is a function of a seat and of plain values."""

import threading
from typing import Any

from conformance import graphs
from conformance.cluster.seat import Seat
from conformance.trace import tf


def serve(seat: Seat) -> None:
    """Start the member's server; a parameter server does nothing else."""
    config = tf.ConfigProto(device_count={"GPU": 0}, intra_op_parallelism_threads=1, inter_op_parallelism_threads=4)
    seat.server = tf.train.Server(
        tf.train.ClusterSpec(seat.cluster), job_name=seat.job, task_index=seat.index, config=config
    )


def open_session(
    seat: Seat,
    kind: str = "MonitoredTrainingSession",
    hooks: tuple[str, ...] = (),
    last_step: int | None = None,
    filters: bool = True,
    save_steps: int | None = 2,
    max_wait_secs: int = 7200,
    sync: int = 0,
    **options: Any,
) -> None:
    """Build the graph and open a session of `kind` on the member's server, with a recording hook.

    `hooks` names more of HOOKS. With `filters` the session sees the parameter servers and the member
    itself only. `sync` replicas train synchronously; 0 is each on its own.
    """
    seat.graph = tf.Graph()
    seat.record.graphs.append(seat.graph)
    with seat.graph.as_default():
        more = _build_synchronous(seat, sync) if sync else _build(seat)
        all_hooks = [seat.record.hook(seat.job), *more, *(HOOKS[name](seat) for name in hooks)]
        if last_step is not None:
            all_hooks.append(seat.train.StopAtStepHook(last_step=last_step))
        config = seat.record.config()
        if filters:
            config.device_filters.extend(["/job:ps", seat.device])
        chief, folder = seat.job == "chief", seat.record.path("logdir")
        if kind == "MonitoredTrainingSession":
            seat.session = seat.train.MonitoredTrainingSession(
                seat.server.target, chief, folder, hooks=all_hooks, save_checkpoint_steps=save_steps,
                save_summaries_steps=None, save_summaries_secs=None, log_step_count_steps=None, config=config,
                max_wait_secs=max_wait_secs, **options,
            )  # fmt: skip
        elif kind == "SingularMonitoredSession":
            seat.session = seat.train.SingularMonitoredSession(
                all_hooks, master=seat.server.target, config=config, checkpoint_dir=folder, **options
            )
        elif chief:
            creator = seat.train.ChiefSessionCreator(None, seat.server.target, config, folder)
            seat.session = seat.train.MonitoredSession(creator, all_hooks, **options)
        else:
            creator = seat.train.WorkerSessionCreator(None, seat.server.target, config, max_wait_secs)
            seat.session = seat.train.MonitoredSession(creator, all_hooks, **options)


def _build(seat: Seat) -> list[Any]:
    with tf.device(_placed(seat)):
        first = tf.get_variable("first", [], initializer=tf.zeros_initializer())
        second = tf.get_variable("second", [2], initializer=tf.zeros_initializer())
        amount = tf.constant(1.0 if seat.job == "chief" else 100.0 * (seat.index + 1))
        with tf.device(seat.device):
            own = tf.get_local_variable("own", [], initializer=tf.zeros_initializer())
        with tf.control_dependencies([graphs.increment_after_reads(seat.train)]):
            added = [tf.assign_add(first, amount), tf.assign_add(second, tf.fill([2], amount)), tf.assign_add(own, 1.0)]
        with tf.control_dependencies(added):
            seat.train_fetches = [v.read_value() for v in (seat.train.get_global_step(), first, second, own)]
    return []


def _build_synchronous(seat: Seat, replicas: int) -> list[Any]:
    """A weight with gradient 1 at the chief and 3 at a worker, averaged over all replicas in each step."""
    with tf.device(_placed(seat)):
        step = seat.train.get_or_create_global_step()
        weight = tf.get_variable("weight", [], initializer=tf.zeros_initializer())
        loss = weight * tf.constant(1.0 if seat.job == "chief" else 3.0)
        optimizer = tf.train.SyncReplicasOptimizer(tf.train.GradientDescentOptimizer(0.5), replicas, replicas)
        train_op = optimizer.minimize(loss, global_step=step)
        seat.train_fetches = train_op
    return [optimizer.make_session_run_hook(seat.job == "chief", num_tokens=0)]


def _placed(seat: Seat) -> Any:
    return tf.train.replica_device_setter(cluster=tf.train.ClusterSpec(seat.cluster), worker_device=seat.device)


HOOKS = {
    "wait for step 3": lambda seat: seat.train.GlobalStepWaiterHook(3),
    "final": lambda seat: seat.train.FinalOpsHook(seat.train_fetches),
    "unavailable once": lambda seat: _unavailable_once(seat),
}


def _unavailable_once(seat: Seat) -> Any:
    raised: list[bool] = []

    def after_run(context: Any, values: Any) -> None:
        if not raised:
            raised.append(True)
            raise tf.errors.UnavailableError(None, None, "as a hook says it")

    return seat.record.hook("unavailable once", silent=True, after_run=after_run)


def run(seat: Seat, times: int = 1) -> None:
    """Run some steps; the trace has each one's results, or what it raised. One that is cancelled is run again."""
    with seat.graph.as_default():
        for _ in range(times):
            for _ in range(_ATTEMPTS):
                if not _run_once(seat):
                    break


_ATTEMPTS = 6


def _run_once(seat: Seat) -> bool:
    """Run a step, and return whether it was cancelled."""
    cancelled = False

    def step() -> Any:
        nonlocal cancelled
        try:
            return seat.session.run(seat.train_fetches)
        except tf.errors.CancelledError:
            cancelled = True
            raise

    seat.record.outcome("run", step)
    return cancelled


def run_to_the_end(seat: Seat, at_most: int = 20) -> None:
    """Run steps until the session says that it is time to stop, as a training loop does."""
    with seat.graph.as_default():
        for _ in range(at_most):
            if seat.session.should_stop():
                return
            seat.record("run", seat.session.run(seat.train_fetches))


def should_stop(seat: Seat) -> bool:
    """Ask the session."""
    with seat.graph.as_default():
        return bool(seat.session.should_stop())


def step_function(seat: Seat, stop: bool = False) -> Any:
    """Run a step function that reads through the raw session, runs with hooks, and may request a stop."""

    def function(step_context: Any) -> Any:
        before = step_context.session.run(seat.train_fetches[0])
        result = step_context.run_with_hooks(seat.train_fetches)
        if stop:
            step_context.request_stop()
        return before, result

    with seat.graph.as_default():
        return seat.session.run_step_fn(function)


def close(seat: Seat) -> None:
    """Close the session as a with block that ended well does."""
    with seat.graph.as_default():
        seat.session.__exit__(None, None, None)


def close_after_an_error(seat: Seat) -> None:
    """Close the session as a with block does that an error leaves: without calling its hooks' `end`."""
    error = ValueError("of the with block")
    with seat.graph.as_default():
        seat.session.__exit__(ValueError, error, None)


def wait_for_threads(seat: Seat) -> None:
    """Wait until no other thread of Python is left, for what must be over before the trace ends."""
    tf.summary.FileWriterCache.clear()
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(300)
