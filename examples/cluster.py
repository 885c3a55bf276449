"""Train the classifier of digits.py on a cluster: parameter servers, a chief and workers.

    python examples/cluster.py                                # 1 parameter server, a chief, 2 workers, here
    python examples/cluster.py --workers 4 --ps 2 --sync      # larger, and all replicas in step
    python examples/cluster.py --implementation tensorflow    # the same cluster on tf.train

Without TF_CONFIG in the environment it starts every process on this machine, shows how far the
training is, starts again whatever is killed, and ends them all. With TF_CONFIG it is one of these
processes, on whatever host it runs:

    TF_CONFIG='{"cluster": {"ps": ["host0:2222"], "chief": ["host1:2222"], "worker": ["host2:2222"]},
                "task": {"type": "worker", "index": 0}}' python examples/cluster.py --logdir /data/run1

Each replica has the whole graph, with the variables on the parameter servers (between-graph
replication). The chief initialises or restores them; each parameter server writes its part of a
checkpoint, so all need the same `--logdir`, also after a restart. A parameter server never ends by
itself: stop it when the chief has ended.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import digits
import tensorflow.compat.v1 as tf
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

REPLICAS = ("chief", "worker")
CHECKPOINT_EVERY_STEPS = 50
TRAINS = "trains"
STEP_EVERY_SECS = 0.5
"""How often a replica says where it is."""


class Task(NamedTuple):
    """One process of a cluster: what it is, and where the others are."""

    cluster: dict[str, list[str]]
    type: str
    index: int

    @property
    def name(self) -> str:
        """What the process is called in output."""
        return f"{self.type} {self.index}"

    @property
    def device(self) -> str:
        """The device of everything that is not a variable."""
        return f"/job:{self.type}/task:{self.index}"

    @property
    def replica(self) -> int:
        """The number of a replica; the chief is 0."""
        return 0 if self.type == "chief" else 1 + self.index

    @property
    def replicas(self) -> int:
        """How many replicas train."""
        return sum(len(self.cluster.get(type, [])) for type in REPLICAS)

    def as_tf_config(self) -> str:
        """The value of TF_CONFIG for this process."""
        return json.dumps({"cluster": self.cluster, "task": {"type": self.type, "index": self.index}})


def task_from(tf_config: str) -> Task:
    """Read TF_CONFIG; ValueError says what is wrong with it."""
    try:
        config = json.loads(tf_config)
        cluster, type, index = config["cluster"], config["task"]["type"], int(config["task"]["index"])
        cluster[type][index]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(
            f"TF_CONFIG needs a cluster and a task that is in it, not {tf_config!r}: {type_name(error)} {error}"
        ) from error
    if "ps" not in cluster or "chief" not in cluster:
        raise ValueError(f"the cluster of TF_CONFIG needs a chief and a ps, not {sorted(cluster)}")
    return Task(cluster, type, index)


def type_name(error: Exception) -> str:
    """The name of an exception's class."""
    return type(error).__name__


# One process.


def run_task(task: Task, arguments: argparse.Namespace) -> None:
    """Be one process of the cluster, until the training ends or, as a parameter server, for ever."""
    server = tf.train.Server(
        tf.train.ClusterSpec(task.cluster), job_name=task.type, task_index=task.index, config=digits.one_thread()
    )
    if task.type == "ps":
        say(f"{task.name}: serves")
        server.join()
    train_replica(task, server.target, arguments)


def train_replica(task: Task, target: str, arguments: argparse.Namespace) -> None:
    """Train until the cluster has done its steps; the chief tests and saves at the end."""
    train = digits.implementation(arguments.implementation)
    data = digits.load_data()
    is_chief = task.type == "chief"
    placed = tf.train.replica_device_setter(cluster=tf.train.ClusterSpec(task.cluster), worker_device=task.device)
    with tf.Graph().as_default(), tf.device(placed):
        tf.set_random_seed(arguments.seed)
        global_step = train.get_or_create_global_step()
        # Each replica has an order of the rows of its own.
        images, labels = digits.next_batch(global_step, data, arguments.seed + 1000 * task.replica)
        loss = tf.losses.sparse_softmax_cross_entropy(labels, digits.logits_of(images, arguments.seed))
        optimizer = tf.train.AdamOptimizer(digits.LEARNING_RATE)
        hooks = [train.StopAtStepHook(last_step=arguments.steps), train.NanTensorHook(loss)]
        if arguments.sync:
            optimizer = tf.train.SyncReplicasOptimizer(optimizer, task.replicas, task.replicas)
        train_op = optimizer.minimize(loss, global_step=global_step)
        if arguments.sync:
            hooks.append(optimizer.make_session_run_hook(is_chief, num_tokens=0))
        logits = digits.logits_of(tf.constant(data.test_images), arguments.seed)
        test_hook = train.FinalOpsHook(digits.accuracy_of(logits, data.test_labels))
        with train.MonitoredTrainingSession(
            master=target,
            is_chief=is_chief,
            checkpoint_dir=arguments.logdir,
            hooks=[*hooks, *([test_hook] if is_chief else [])],
            save_checkpoint_steps=CHECKPOINT_EVERY_STEPS,
            save_summaries_steps=None,
            save_summaries_secs=None,
            log_step_count_steps=None,
            config=config_of(task),
            stop_grace_period_secs=10,
        ) as session:
            say(f"{task.name}: {TRAINS}")
            done = say_steps(task, iterate(session, train_op, global_step))
    say(f"{task.name}: ended after {done} steps of its own")
    if is_chief:
        say(f"test accuracy {float(test_hook.final_ops_values):.4f}")


def iterate(session: Any, train_op: Any, global_step: Any) -> Iterator[int]:
    """Run steps until it is time to stop; yield the global step after each."""
    while not session.should_stop():
        yield int(session.run([train_op, global_step])[1])


def say_steps(task: Task, steps: Iterator[int]) -> int:
    """Say now and then where the training is; return how many steps there were."""
    done, last = 0, 0.0
    for step in steps:
        done += 1
        if time.monotonic() - last >= STEP_EVERY_SECS:
            last = time.monotonic()
            say(f"{task.name}: step {step}")
    return done


def config_of(task: Task) -> tf.ConfigProto:
    """Return a session config that sees the parameter servers and itself only.

    So a session neither waits for other replicas nor fails when one of them does.
    """
    config = digits.one_thread()
    config.device_filters.extend(["/job:ps", task.device])
    return config


def say(line: str) -> None:
    """Print a line at once: whoever started this process reads it."""
    print(line, flush=True)


# All processes, on this machine.


class Member:
    """A process of the cluster, started again when it was killed or ended with an error."""

    def __init__(self, task: Task, command: list[str], on_line: Callable[[str], None]) -> None:
        self.task = task
        self.starts = self.failures = 0
        self.last_lines: collections.deque[str] = collections.deque(maxlen=20)
        self._command, self._on_line = command, on_line
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and pass on what it says.

        Errors have a pipe of their own: threads print theirs piece by piece, at any time, also within a line of output.
        """
        self.starts += 1
        environment = {**os.environ, "TF_CONFIG": self.task.as_tf_config()}
        self._process = subprocess.Popen(
            self._command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        pipes = ((self._process.stdout, self._on_line), (self._process.stderr, lambda line: None))
        self._readers = [threading.Thread(target=self._read, args=each, daemon=True) for each in pipes]
        for reader in self._readers:
            reader.start()

    def _read(self, lines: Any, on_line: Callable[[str], None]) -> None:
        with lines:
            for line in lines:
                self.last_lines.append(line)
                on_line(line.rstrip("\n"))

    @property
    def pid(self) -> int:
        """The process that runs now."""
        assert self._process is not None
        return self._process.pid

    def exit_code(self) -> int | None:
        """Return how it ended, negative for a signal, None while it runs or has not started."""
        return None if self._process is None else self._process.poll()

    def end(self) -> None:
        """End it, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for reader in self._readers:
                reader.join(10)


def free_addresses(number: int) -> list[str]:
    """Return addresses on this machine that nobody listens at.

    They are below the ports that systems give to outgoing connections, so that none of these takes the
    port of a killed process before its next life does.
    """
    found: list[str] = []
    with contextlib.ExitStack() as held:
        while len(found) < number:
            port = random.SystemRandom().randrange(10000, 30000)
            with contextlib.suppress(OSError):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(f"127.0.0.1:{port}")
    return found


def tasks_of(ps: int, workers: int) -> list[Task]:
    """Return the processes of a cluster on this machine."""
    addresses = free_addresses(ps + 1 + workers)
    cluster = {"ps": addresses[:ps], "chief": addresses[ps : ps + 1], "worker": addresses[ps + 1 :]}
    cluster = {type: found for type, found in cluster.items() if found}
    return [Task(cluster, type, index) for type, found in cluster.items() for index in range(len(found))]


def run_cluster(
    arguments: argparse.Namespace,
    *,
    on_line: Callable[[Task, str], None] = lambda task, line: None,
    on_start: Callable[[dict[str, Member]], None] = lambda members: None,
) -> dict[str, Member]:
    """Start all processes and wait for the replicas to end; what is killed or fails meanwhile starts again.

    For a step whose server was killed now and then fails with an error from which no session recovers. Workers start
    once the chief trains: one that finds no initialised variables looks again only after 30 seconds. `on_start` gets
    the processes by name when all have started. Raises RuntimeError if one has ended with an error more often than
    `arguments.restarts` times, TimeoutError after `arguments.time_limit` seconds; no process outlives the call.
    """
    command = [sys.executable, os.path.abspath(__file__), *own_arguments(arguments)]
    chief_trains = threading.Event()

    def on_line_of(task: Task) -> Callable[[str], None]:
        def pass_on(line: str) -> None:
            if line == f"{task.name}: {TRAINS}":
                chief_trains.set()
            on_line(task, line)

        return pass_on

    tasks = tasks_of(arguments.ps, arguments.workers)
    members = {task.name: Member(task, command, on_line_of(task)) for task in tasks}
    later: list[Member] | None = [member for member in members.values() if member.task.type == "worker"]
    until = time.monotonic() + arguments.time_limit
    try:
        for member in members.values():
            if member.task.type != "worker":
                member.start()
        replicas = {name: member for name, member in members.items() if member.task.type in REPLICAS}
        while replicas:
            if time.monotonic() > until:
                raise TimeoutError(f"not done after {arguments.time_limit} s: {', '.join(replicas)}")
            if chief_trains.is_set() and later is not None:
                for member in later:
                    member.start()
                later = None
                on_start(members)
            for name, member in members.items():
                code = member.exit_code()
                if code == 0:
                    replicas.pop(name, None)
                elif code is not None:
                    if code > 0 and member.failures == arguments.restarts:
                        member.end()
                        raise RuntimeError(f"{name} ended with exit code {code}:\n{''.join(member.last_lines)}")
                    member.failures += code > 0
                    why = f"exit code {code}" if code > 0 else signal.Signals(-code).name
                    on_line(member.task, f"{name}: {why}, starts again")
                    member.start()
            time.sleep(0.05)
    finally:
        for member in members.values():
            member.end()
    return members


def own_arguments(arguments: argparse.Namespace) -> list[str]:
    """Return the arguments with which each process is started."""
    own = ["--implementation", arguments.implementation, "--logdir", arguments.logdir]
    own += ["--steps", str(arguments.steps), "--seed", str(arguments.seed)]
    return own + (["--sync"] if arguments.sync else [])


def run_cluster_with_progress(arguments: argparse.Namespace) -> None:
    """Run the cluster with a bar on a terminal and with lines anywhere else."""
    console = Console(stderr=True)
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    accuracy, steps_by = "", {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        shown = bar.add_task("steps", total=arguments.steps)

        def on_line(task: Task, line: str) -> None:
            nonlocal accuracy
            if found := re.fullmatch(r".*: step (\d+)", line):
                bar.update(shown, completed=min(int(found[1]), arguments.steps))
            elif found := re.fullmatch(r"test accuracy (.*)", line):
                accuracy = found[1]
            elif found := re.fullmatch(r".*: ended after (\d+) steps of its own", line):
                steps_by[task.name] = int(found[1])
            elif line.startswith(f"{task.name}: "):
                console.print(line, highlight=False)

        members = run_cluster(arguments, on_line=on_line)
        bar.update(shown, completed=arguments.steps)
    for name, member in members.items():
        again = f", started {member.starts} times" if member.starts > 1 else ""
        print(f"{name:<10} {f'{steps_by[name]} steps' if name in steps_by else 'served'}{again}")
    print(f"test accuracy {accuracy} after {arguments.steps} steps")
    print(f"checkpoint {tf.train.latest_checkpoint(arguments.logdir)}")


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Return the command line's arguments, or leave with status 2 and a message."""
    parser = argparse.ArgumentParser(
        description="Train a classifier of handwritten digits on a cluster.",
        epilog="With TF_CONFIG in the environment it is one process of the cluster that is described there.",
    )
    parser.add_argument("--implementation", choices=digits.IMPLEMENTATIONS, default="monitored", help="(%(default)s)")
    parser.add_argument("--logdir", type=digits.folder, help="where checkpoints go (a new temporary folder)")
    parser.add_argument("--steps", type=digits.at_least(1), default=600, help="of all replicas together (%(default)s)")
    parser.add_argument("--seed", type=digits.at_least(0), default=1, help="of weights and batches (%(default)s)")
    parser.add_argument("--sync", action="store_true", help="average gradients over all replicas in each step")
    parser.add_argument("--ps", type=digits.at_least(1), default=1, help="parameter servers to start (%(default)s)")
    parser.add_argument("--workers", type=digits.at_least(0), default=2, help="beside the chief (%(default)s)")
    parser.add_argument(
        "--restarts", type=digits.at_least(0), default=3, help="of each process that ends with an error (%(default)s)"
    )
    parser.add_argument(
        "--time-limit", type=digits.at_least(1), default=900, help="seconds after which all is ended (%(default)s)"
    )
    arguments = parser.parse_args(argv)
    if arguments.logdir is None:
        arguments.logdir = tempfile.mkdtemp(prefix="cluster-")
    return arguments


def main(argv: list[str] | None = None) -> int:
    """Run the cluster, or one process of it, and say how it went."""
    arguments = parse_arguments(argv)
    tf.logging.set_verbosity(tf.logging.ERROR)
    tf_config = os.environ.get("TF_CONFIG")
    try:
        if tf_config:
            run_task(task_from(tf_config), arguments)
        else:
            run_cluster_with_progress(arguments)
    except (RuntimeError, TimeoutError, ValueError) as error:
        print(f"{type_name(error)}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
