"""Running one saver program on `tf.train` and on `monitored`, and reading what it left behind."""

import os
import re
import tempfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
from outcomes import log_lines, outcome

import monitored

SIDES = {"tensorflow": tf.train, "monitored": monitored}
CONFIG = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=2, device_count={"CPU": 2})

ESTIMATOR_ADVICE = (
    " If you're using an Estimator, you'll need to return a tf.train.Saver inside a tf.train.Scaffold "
    "from your model_fn."
)
"""What TensorFlow up to 2.15 says besides when an object-based checkpoint lacks a variable."""


class Side(SimpleNamespace):
    """What a program gets: an implementation, its twin, a directory, and a place for what it sees."""

    train: Any
    other: Any
    directory: str

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def try_(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call, note what came of it, and return the value (None after an exception)."""
        result = outcome(call, *args, **kwargs)
        self.seen.append(result)
        return result[1] if result[0] == "returned" else None

    def note(self, *values: Any) -> None:
        self.seen.append(_plain(values))

    def note_files(self, *directories: str) -> None:
        for directory in directories or (self.directory,):
            names = sorted(
                os.path.relpath(os.path.join(root, file), directory)
                for root, _, files in os.walk(directory)
                for file in files
            )
            self.seen.append(names)
            for name in names:
                if os.path.basename(name) == "checkpoint":
                    with open(os.path.join(directory, name), encoding="utf-8") as file:
                        self.seen.append(file.read())

    def note_checkpoint(self, prefix: str) -> None:
        self.seen.append(contents(prefix))


def contents(prefix: str) -> dict[str, Any]:
    """Every tensor of a checkpoint, by name."""
    reader = tf.train.NewCheckpointReader(prefix)
    return {name: _plain(outcome(reader.get_tensor, name)) for name in reader.get_variable_to_shape_map()}


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(map(_plain, value))
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def session(**kwargs: Any) -> tf.Session:
    return tf.Session(config=CONFIG, **kwargs)


def observe(name: str, program: Callable[[Side], Any]) -> list[Any]:
    """Run a program on one side in a fresh graph and directory; return all that can be seen."""
    with tempfile.TemporaryDirectory() as directory, log_lines() as lines:
        other = next(train for key, train in SIDES.items() if key != name)
        side = Side(train=SIDES[name], other=other, directory=directory, seen=[])
        with tf.Graph().as_default():
            program(side)
        seen = [*side.seen, ("log", *(line for line in lines if "is deprecated and will" not in line[1]))]
        return [_normalised(item, directory) for item in seen]


def assert_same(program: Callable[[Side], Any]) -> list[Any]:
    """Run a program on both sides and compare; return what was seen, for further looks."""
    expected, got = observe("tensorflow", program), observe("monitored", program)
    for number, (theirs, ours) in enumerate(zip(expected, got, strict=True)):
        assert ours == theirs, f"observation {number}:\nmonitored:  {ours}\ntensorflow: {theirs}"
    return got


def _normalised(value: Any, directory: str) -> Any:
    if hasattr(value, "saver_def"):
        return "a saver"
    if isinstance(value, str):
        text = value.replace(directory, "<D>").replace(ESTIMATOR_ADVICE, "")
        if text.startswith(("Graph execution error", "Restoring from checkpoint failed")) or "[[{{" in text:
            text = re.split(r"\n\t? ?\[\[\{\{|Graph execution error|Detected at node", text)[0]
        return re.sub(r"0x[0-9a-f]+|Tensor\(\"[^\"]*\"|tmp[0-9a-f]{32}", "...", text)
    if isinstance(value, (list, tuple)):
        return type(value)(_normalised(item, directory) for item in value)
    if isinstance(value, dict):
        return {_normalised(key, directory): _normalised(item, directory) for key, item in value.items()}
    return value
