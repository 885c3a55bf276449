"""Train a small classifier on the UCI handwritten digits, with either implementation.

    python examples/digits.py                                 # monitored
    python examples/digits.py --implementation tensorflow     # the same program on tf.train

The program shows a whole training job: tf.data input, checkpoints, summaries, logging, a NaN guard,
a last step, a progress bar. It may be killed at any time, even with SIGKILL: started again with the
same arguments it goes on from the last checkpoint, whichever implementation wrote it.

What a resume does to the input: the batch of a step is a function of the seed and the step alone
(every epoch has its own order of the rows), and the input starts at the step that was restored. So
no batch is lost or seen twice, and a job that was killed ends with the same variables, bit for bit,
as one that was not; only the seed has to be the same.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

# TensorFlow reads these while it is imported: less chatter, and sums in one fixed order.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np
import tensorflow.compat.v1 as tf
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sklearn.datasets import load_digits

IMPLEMENTATIONS = ("monitored", "tensorflow")
BATCH_SIZE = 64
HIDDEN_UNITS = 64
LEARNING_RATE = 0.01
TEST_ROWS = 360
CHECKPOINT_EVERY_STEPS = 100
SUMMARY_EVERY_STEPS = 50
LOG_EVERY_STEPS = 100


class Outcome(NamedTuple):
    """What a finished job has to show."""

    first_step: int
    last_step: int
    test_accuracy: float
    checkpoint: str


class Digits(NamedTuple):
    """Images as rows of 64 numbers from 0 to 1, and their labels."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def implementation(name: str) -> Any:
    """Return the namespace called `train` from here on; the only place that knows there are two."""
    if name == "tensorflow":
        return tf.train
    import monitored  # noqa: PLC0415 - tf.train alone must do without it

    return monitored


def load_data() -> Digits:
    """Split the 1,797 digits, always in the same way: the test rows do not depend on the seed."""
    digits = load_digits()
    order = np.random.RandomState(0).permutation(len(digits.target))
    images = (digits.data[order] / 16.0).astype(np.float32)
    labels = digits.target[order].astype(np.int64)
    split = len(labels) - TEST_ROWS
    return Digits(images[:split], labels[:split], images[split:], labels[split:])


def batches_from(first_step: tf.Tensor, data: Digits, seed: int) -> tf.data.Dataset:
    """Return the batches of `first_step` and all later ones."""
    rows = len(data.train_labels)
    per_epoch = rows // BATCH_SIZE
    images, labels = tf.constant(data.train_images), tf.constant(data.train_labels)

    def batch_of(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        epoch, position = step // per_epoch, step % per_epoch
        shuffled = tf.argsort(tf.random.stateless_uniform([rows], [seed, epoch]), stable=True)
        chosen = shuffled[position * BATCH_SIZE : (position + 1) * BATCH_SIZE]
        return tf.gather(images, chosen), tf.gather(labels, chosen)

    return tf.data.Dataset.range(first_step, tf.int64.max).map(batch_of).prefetch(1)


def next_batch(global_step: tf.Variable, data: Digits, seed: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the coming step's images and labels.

    The iterator is initialised with the tables, that is after the variables were initialised or
    restored and again after every recovery, so that it always starts at the step in force.
    """
    batches = batches_from(global_step.read_value(), data, seed)
    iterator = tf.data.make_initializable_iterator(batches)
    tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    images, labels = iterator.get_next()
    images.set_shape([BATCH_SIZE, data.train_images.shape[1]])
    labels.set_shape([BATCH_SIZE])
    return images, labels


def logits_of(images: tf.Tensor, seed: int) -> tf.Tensor:
    """Return ten scores an image, from two dense layers whose variables are made once."""
    with tf.variable_scope("model", reuse=tf.AUTO_REUSE, use_resource=True):
        hidden = tf.nn.relu(_dense(images, HIDDEN_UNITS, "hidden", seed))
        return _dense(hidden, 10, "scores", seed)


def _dense(inputs: tf.Tensor, units: int, name: str, seed: int) -> tf.Tensor:
    with tf.variable_scope(name):
        glorot = tf.glorot_uniform_initializer(seed=seed)
        weights = tf.get_variable("weights", [inputs.shape[1], units], initializer=glorot)
        biases = tf.get_variable("biases", [units], initializer=tf.zeros_initializer())
        return tf.matmul(inputs, weights) + biases


def accuracy_of(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return the share of images whose best score is that of their label."""
    return tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), labels), tf.float32))


def step_before_increment(global_step: tf.Variable) -> tf.Tensor:
    """Return the step as the hooks read it in a run; the increment must come after it.

    Hooks read the step in the very run that increments it. Left alone TensorFlow does the two in
    any order, and what a hook does at which step changes from run to run. Hooks of both
    implementations use the tensor in this collection if there is one.
    """
    read = tf.identity(global_step.read_value(), name="step_before_increment")
    tf.add_to_collection("global_step_read_op_cache", read)
    return read


def train_op_of(loss: tf.Tensor, global_step: tf.Variable) -> tf.Tensor:
    """Return the new step, once the variables are updated and the hooks have read the old step."""
    update = tf.train.AdamOptimizer(LEARNING_RATE).minimize(loss)
    with tf.control_dependencies([update, step_before_increment(global_step)]):
        return tf.identity(tf.assign_add(global_step, 1), name="step_after_increment")


def build_and_train(
    train: Any,
    logdir: str,
    steps: int,
    seed: int,
    *,
    hooks: tuple[Any, ...] = (),
    on_step: Callable[[int], object] = lambda step: None,
    **session_arguments: Any,
) -> Outcome:
    """Train in a new graph until `steps` steps are done in all, those before a restart included.

    `train` is `monitored`, `tf.train`, or anything with the same names. `hooks` are added after the
    job's own, `on_step` is called with the step that a session starts at and after each one, and
    `session_arguments` replace those of MonitoredTrainingSession.
    """
    data = load_data()
    with tf.Graph().as_default():
        tf.set_random_seed(seed)
        global_step = train.get_or_create_global_step()
        images, labels = next_batch(global_step, data, seed)
        logits = logits_of(images, seed)
        loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
        train_op = train_op_of(loss, global_step)
        tf.summary.scalar("loss", loss)
        tf.summary.scalar("batch_accuracy", accuracy_of(logits, labels))
        test_accuracy = accuracy_of(logits_of(tf.constant(data.test_images), seed), data.test_labels)

        test_hook = train.FinalOpsHook(test_accuracy)
        arguments: dict[str, Any] = {
            "checkpoint_dir": logdir,
            "hooks": [
                train.StopAtStepHook(last_step=steps),
                train.NanTensorHook(loss),
                train.LoggingTensorHook({"loss": loss}, every_n_iter=LOG_EVERY_STEPS),
                test_hook,
                *hooks,
            ],
            "save_checkpoint_steps": CHECKPOINT_EVERY_STEPS,
            "save_summaries_steps": SUMMARY_EVERY_STEPS,
            "log_step_count_steps": LOG_EVERY_STEPS,
            "config": one_thread(),
        }
        with train.MonitoredTrainingSession(**{**arguments, **session_arguments}) as session:
            # Read without the hooks: a job that is already done takes no further step.
            first_step = step = int(session.run_step_fn(lambda step_context: step_context.session.run(global_step)))
            on_step(step)
            while step < steps and not session.should_stop():
                step = int(session.run(train_op))
                on_step(step)
    return Outcome(first_step, step, float(test_hook.final_ops_values), train.latest_checkpoint(logdir))


def one_thread() -> tf.ConfigProto:
    """Return a session config in which sums are done in one order only."""
    return tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)


def at_least(smallest: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from `smallest` up."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not smallest <= number < 2**31:
            raise argparse.ArgumentTypeError(f"{number} is not between {smallest} and 2**31 - 1")
        return number

    return parse


def folder(text: str) -> str:
    """Return the path of a folder that exists or can be made."""
    path = os.path.abspath(os.path.expanduser(text))
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be a folder: {error.strerror}") from None
    return path


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Return the command line's arguments, or leave with status 2 and a message."""
    parser = argparse.ArgumentParser(
        description="Train a classifier of handwritten digits; resumes when started again.",
        epilog="A killed job that is started again with the same --logdir goes on from its last "
        "checkpoint, with the batches that come next; the implementation may be another one.",
    )
    parser.add_argument(
        "--implementation",
        choices=IMPLEMENTATIONS,
        default="monitored",
        help="whose MonitoredTrainingSession, hooks and checkpoints to use (default: %(default)s)",
    )
    parser.add_argument(
        "--logdir",
        type=folder,
        help="where checkpoints and summaries go "
        "(default: digits-IMPLEMENTATION-seed-SEED in the system's temporary folder)",
    )
    parser.add_argument(
        "--steps",
        type=at_least(1),
        default=600,
        help="the step to end at, counted from the first start (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=at_least(0),
        default=1,
        help="what initial weights and batches are drawn from (default: %(default)s)",
    )
    arguments = parser.parse_args(argv)
    if arguments.logdir is None:
        name = f"digits-{arguments.implementation}-seed-{arguments.seed}"
        arguments.logdir = folder(os.path.join(tempfile.gettempdir(), name))
    return arguments


def train_with_progress(arguments: argparse.Namespace) -> Outcome:
    """Train with a bar and the log on a terminal, and with neither anywhere else."""
    console = Console(stderr=True)
    if console.is_terminal:
        tf.logging.set_verbosity(tf.logging.INFO)
        tf.get_logger().handlers = [RichHandler(console=console, show_path=False)]
    else:
        tf.logging.set_verbosity(tf.logging.ERROR)
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("steps", total=arguments.steps)
        return build_and_train(
            implementation(arguments.implementation),
            arguments.logdir,
            arguments.steps,
            arguments.seed,
            on_step=lambda step: progress.update(task, completed=step),
        )


def main(argv: list[str] | None = None) -> int:
    """Run the job that the command line describes and say how it went."""
    arguments = parse_arguments(argv)
    outcome = train_with_progress(arguments)
    if outcome.first_step:
        print(f"resumed at step {outcome.first_step}")
    print(f"test accuracy {outcome.test_accuracy:.4f} after {outcome.last_step} steps")
    print(f"checkpoint {outcome.checkpoint}")
    print(f"summaries  tensorboard --logdir {arguments.logdir}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
