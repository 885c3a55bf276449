"""What must hold of a checkpoint folder at any moment, however its trainer ended.

Read with TensorFlow's own readers, never with the implementation under test.
"""

import os
import re
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf


class Found(NamedTuple):
    """What is in a folder: the newest checkpoint's step (-1: none), what is lost, what is left over.

    `meta` is whether the newest checkpoint has a meta graph that parses: "whole", "missing" or "cut".
    """

    step: int
    losses: list[str]
    meta: str
    left_over: dict[str, int]


def look(folder: str, announced: int) -> Found:
    """Check a folder whose trainer had announced the checkpoint of a step (-1: of none)."""
    losses: list[str] = []
    paths = _listed(folder, losses)
    step = -1
    for path in paths:
        step = _step_of(path)
        losses += _damage(path, step)
    if step < announced:
        losses.append(f"step {announced} was announced, the newest checkpoint is of step {step}")
    return Found(step, losses, _meta(paths[-1]) if paths else "missing", _left_over(folder, paths))


def _listed(folder: str, losses: list[str]) -> list[str]:
    """Return the checkpoints that the state file lists, the newest last."""
    name = os.path.join(folder, "checkpoint")
    if not os.path.exists(name):
        return []
    with open(name, encoding="utf-8", errors="replace") as file:
        text = file.read()
    try:
        state = tf.train.get_checkpoint_state(folder)
    except ValueError:  # it names nothing
        state = None
    if state is None or not _ends(text):
        losses.append(f"the state file is no state: {text!r}")
        return []
    paths = [path for path in state.all_model_checkpoint_paths if path != state.model_checkpoint_path]
    return [*paths, state.model_checkpoint_path]


def _ends(text: str) -> bool:
    """Whether a state file is whole: its last entry is the newest checkpoint."""
    entries = re.findall(r'^(?:all_)?model_checkpoint_paths?: "(.*)"\n', text, re.MULTILINE)
    return len(entries) > 1 and entries[0] == entries[-1]


def _step_of(path: str) -> int:
    return int(path.rpartition("-")[2])


def _damage(path: str, step: int) -> list[str]:
    """Return what is wrong with a checkpoint that should be whole, and of one step."""
    try:
        reader = tf.train.load_checkpoint(path)
        values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except Exception as error:  # the readers raise many types
        return [f"{os.path.basename(path)} is listed and cannot be read: {str(error).splitlines()[0]}"]
    torn = sorted(name for name, value in values.items() if not np.all(value == step))
    if "global_step" not in values or torn:
        return [f"{os.path.basename(path)} is torn: {', '.join(torn) or 'no global_step'}"]
    return []


def _meta(path: str) -> str:
    try:
        with open(path + ".meta", "rb") as file:
            graph = tf.MetaGraphDef.FromString(file.read())
    except FileNotFoundError:
        return "missing"
    except Exception:  # protobuf has an error for each of its versions
        return "cut"
    return "whole" if graph.HasField("saver_def") else "cut"


def _left_over(folder: str, listed: list[str]) -> dict[str, int]:
    """Return the bytes of files that no state file names and nobody will ever delete, by kind."""
    known = {os.path.basename(path) for path in listed}
    sizes: dict[str, int] = {}
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if name.startswith(("events.", "graph.pbtxt", "checkpoint")) and ".tmp" not in name:
            continue
        prefix = re.sub(r"\.(index|meta|data-.*|tmp.*)$|_temp$", "", re.sub(r"\.tempstate\d+$", "", name))
        if ".tempstate" in name or ".tmp" in name or name.endswith("_temp"):
            kind = "unfinished file"
        elif prefix not in known:
            kind = "unlisted checkpoint"
        else:
            continue
        path = os.path.join(folder, name)
        sizes[kind] = sizes.get(kind, 0) + os.path.getsize(path)
    return sizes
