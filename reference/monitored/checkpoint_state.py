"""The ``checkpoint`` state file, and the files that belong to a checkpoint's path.

Responsible for reading and writing the state file and for finding, dating and deleting a
checkpoint's files. Not responsible for what is inside checkpoints (``saver_ops.py``) or for which
of them to keep (``retention.py``). Every look at the file system treats a path as a glob pattern,
as TensorFlow does, so a directory with glob characters in its name saves but does not restore
(quirk Q-33).

Source: tensorflow/python/checkpoint/checkpoint_management.py
"""

import os
import re
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow.compat.v1 as tf
from google.protobuf import text_format

from monitored import _tensorflow

CheckpointState = _tensorflow.message_class("tensorflow.CheckpointState")
"""The message that the state file holds as text."""

Directory = str | os.PathLike[str]


def latest_checkpoint(checkpoint_dir: Directory, latest_filename: str | None = None) -> str | None:
    """Return the path of the newest checkpoint that the state file names, if its files exist.

    None without a readable state file. None and an ERROR log line when neither a V2 index file nor
    a V1 file matches the path.

    Rules: MTS-CKP-05. Quirks: Q-33.
    """
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    if state is None:
        return None
    path: str = state.model_checkpoint_path
    if checkpoint_exists(path):
        return path
    tf.logging.error("Couldn't match files for checkpoint %s", path)
    return None


def get_checkpoint_state(checkpoint_dir: Directory, latest_filename: str | None = None) -> Any:
    """Read the state file, with its relative paths joined to the directory.

    None when there is no such file; None and two WARNING log lines when it cannot be read or
    parsed. A state that names no newest checkpoint raises ValueError, an empty file included; a file
    that is not UTF-8 raises UnicodeDecodeError.

    Rules: MTS-CKP-05. Quirks: Q-36.
    """
    directory = os.fspath(checkpoint_dir)
    state_file = _state_file(directory, latest_filename)
    state = CheckpointState()
    try:
        if not tf.io.gfile.exists(state_file):
            return None
        with tf.io.gfile.GFile(state_file) as file:
            text_format.Merge(file.read(), state)
    except (tf.errors.OpError, text_format.ParseError) as error:
        tf.logging.warning("%s: %s", type(error).__name__, error)
        tf.logging.warning("%s: Checkpoint ignored", state_file)
        return None
    # MTS-CKP-05, Q-36
    if not state.model_checkpoint_path:
        raise ValueError("Invalid checkpoint state loaded from " + directory)
    state.model_checkpoint_path = os.path.join(directory, state.model_checkpoint_path)
    paths = state.all_model_checkpoint_paths
    paths[:] = [os.path.join(directory, path) for path in paths]
    return state


def generate_checkpoint_state_proto(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: list[str] | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> Any:
    """Make the message that the state file holds.

    The newest path is appended to the caller's list when it is not its last entry (INFO log line).
    Under a relative directory, relative paths are rewritten relative to it, in the caller's list
    too. Timestamps, when given, must be as many as the paths: ValueError otherwise.

    Rules: MTS-CKP-04, MTS-CKP-06.
    """
    newest, times = model_checkpoint_path, all_model_checkpoint_timestamps
    paths = [] if all_model_checkpoint_paths is None else all_model_checkpoint_paths
    if not paths or paths[-1] != newest:
        tf.logging.info("%s is not in all_model_checkpoint_paths. Manually adding it.", newest)
        if not hasattr(paths, "append"):
            raise AttributeError(f"all_model_checkpoint_paths must be a list, to which a path is added. Got {paths!r}")
        paths.append(newest)
    if times and len(times) != len(paths):
        text = "Checkpoint timestamps, if provided, must match checkpoint paths"
        raise ValueError(f"{text} (got paths {paths} and timestamps {times})")
    if not os.path.isabs(save_dir):
        newest = _relative_to(save_dir, newest)
        paths[:] = [_relative_to(save_dir, path) for path in paths]
    return CheckpointState(
        model_checkpoint_path=newest,
        all_model_checkpoint_paths=paths,
        all_model_checkpoint_timestamps=times,
        last_preserved_timestamp=last_preserved_timestamp,
    )


def update_checkpoint_state(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: list[str] | None = None,
    latest_filename: str | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> None:
    """Write the state file of a directory, replacing the old one in one move.

    A checkpoint whose path is the state file's own raises RuntimeError.

    Rules: MTS-CKP-04, MTS-CKP-06.
    """
    state_file = _state_file(save_dir, latest_filename)
    newest, paths, times = model_checkpoint_path, all_model_checkpoint_paths, all_model_checkpoint_timestamps
    state = generate_checkpoint_state_proto(save_dir, newest, paths, times, last_preserved_timestamp)
    # MTS-CKP-06
    if state_file == state.model_checkpoint_path:
        text = "conflicts with path used for checkpoint state.  Please use a different save path."
        raise RuntimeError(f"Save path '{newest}' {text}")
    _replace_file(state_file, text_format.MessageToString(state))


def checkpoint_exists(checkpoint_prefix: str) -> bool:
    """Say whether a V2 index file, or else a V1 file, matches the path.

    Rules: MTS-CKP-07.
    """
    return any(tf.io.gfile.glob(pattern) for pattern in (checkpoint_prefix + ".index", checkpoint_prefix))


def get_checkpoint_mtimes(checkpoint_prefixes: Iterable[str]) -> list[float]:
    """Return when the checkpoints that exist were last changed, in seconds since the epoch.

    Those that do not exist are left out, so the answer may be shorter than the question.

    Rules: MTS-CKP-07.
    """
    found = []
    for prefix in checkpoint_prefixes:
        for pattern in (prefix + ".index", prefix):
            if matches := tf.io.gfile.glob(pattern):
                found.append(tf.io.gfile.stat(matches[0]).mtime_nsec / 1e9)
                break
    return found


def remove_checkpoint(
    checkpoint_prefix: str, checkpoint_format_version: int = tf.train.SaverDef.V2, meta_graph_suffix: str = "meta"
) -> None:
    """Delete a checkpoint's files: the meta graph, then the index, then the data.

    What is not there is not missed; a file that vanishes meanwhile is logged as WARNING.

    Rules: MTS-CKP-07. Quirks: Q-33.
    """
    patterns = [meta_graph_filename(checkpoint_prefix, meta_graph_suffix)]
    if checkpoint_format_version == tf.train.SaverDef.V2:
        patterns += [checkpoint_prefix + ".index", checkpoint_prefix + ".data-?????-of-?????"]
    else:
        patterns.append(checkpoint_prefix)
    for pattern in patterns:
        for path in tf.io.gfile.glob(pattern):
            _delete_if_there(path)


def meta_graph_filename(checkpoint_filename: str, meta_graph_suffix: str = "meta") -> str:
    """Name the meta graph file of a checkpoint; a V1 shard suffix is not part of the name."""
    # Joined, not added or formatted: a suffix that is no text is refused with the message of `join`.
    return ".".join([re.sub(r"-[\d\?]+-of-\d+$", "", checkpoint_filename), meta_graph_suffix])


def _state_file(directory: str, latest_filename: str | None) -> str:
    return os.path.join(directory, "checkpoint" if latest_filename is None else latest_filename)


def _relative_to(directory: str, path: str) -> str:
    return path if os.path.isabs(path) else os.path.relpath(path, directory)


def _delete_if_there(path: str) -> None:
    try:
        tf.io.gfile.remove(path)
    except tf.errors.NotFoundError:
        text = "possibly because another process/thread is also deleting/moving the same file"
        tf.logging.warning("Hit NotFoundError when deleting '%s', " + text, path)


def _replace_file(path: str, text: str) -> None:
    # A reader must see the old text or the new one, never half of it.
    unfinished = f"{path}.tmp{uuid.uuid4().hex}"
    with tf.io.gfile.GFile(unfinished, "w") as file:
        file.write(text)
    try:
        tf.io.gfile.rename(unfinished, path, overwrite=True)
    except tf.errors.OpError:
        tf.io.gfile.remove(unfinished)
        raise
