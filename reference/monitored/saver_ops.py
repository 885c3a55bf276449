"""The graph side of a saver: the ops that write and read checkpoints.

Responsible for save and restore ops, sharded by device or not, in the V2 and V1 formats, and for
the SaverDef that names them. Not responsible for what is saved (``saveables.py``) or for when, where and
how many (``saver.py``).

Source: tensorflow/python/training/saver.py
"""

import os
import re
from collections.abc import Sequence
from typing import Any

import tensorflow.compat.v1 as tf

from monitored import saveables as saveables_lib

_V1, _V2 = tf.train.SaverDef.V1, tf.train.SaverDef.V2

_NAMES = ("filename_tensor_name", "save_tensor_name", "restore_op_name")

Shards = Sequence[tuple[str, Sequence[Any]]]


class SaverOps:
    """Builds a saver's ops into the graph of what it saves."""

    def __init__(self, write_version: int = _V2) -> None:
        self._write_version = write_version

    def build(self, var_list: Any, reshape: bool, sharded: bool, **options: Any) -> Any:
        """Add the ops and return the SaverDef that names them; ``options`` as a saver takes them.

        Reading is sequential on each device in any case: ``restore_sequentially`` changes nothing.
        """
        saveables = saveables_lib.saveables_of(var_list)
        with tf.name_scope(options["name"], "save", [saveable.op for saveable in saveables]):
            target = options["filename"] or "model"
            prefix = tf.placeholder_with_default(target, shape=(), name="filename")
            # freeze_graph and others look for "save/Const:0".
            prefix = tf.placeholder_with_default(prefix, shape=(), name="Const")
            if sharded:
                shards = _by_device(saveables)
                saved = self._save_shards(prefix, shards)
                restored = _restore_shards(prefix, shards, reshape)
            else:
                saved = self._save(prefix, saveables)
                restored = _restore(prefix, saveables, reshape, "restore_all")
        _make_partitioned_variables_readable()
        return tf.train.SaverDef(
            filename_tensor_name=prefix.name,
            save_tensor_name=saved.name,
            restore_op_name=restored.name,
            max_to_keep=options["max_to_keep"],
            sharded=sharded,
            keep_checkpoint_every_n_hours=options["keep_checkpoint_every_n_hours"],
            version=self._write_version,
        )

    def _save(self, prefix: Any, saveables: Sequence[Any]) -> Any:
        specs, names, slices = _stored(saveables)
        tensors = [spec.tensor for spec in specs]
        if self._write_version == _V1:
            write = tf.raw_ops.SaveSlices(filename=prefix, tensor_names=names, shapes_and_slices=slices, data=tensors)
        elif self._write_version == _V2:
            write = tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=slices, tensors=tensors)
        else:
            raise RuntimeError(f"Unexpected write_version: {self._write_version}")
        with tf.control_dependencies([write]), tf.get_default_graph().colocate_with(prefix.op):
            return tf.identity(prefix, name="control_dependency")

    def _save_shards(self, prefix: Any, shards: Shards) -> Any:
        count = tf.constant(len(shards), name="num_shards")
        merged_later = self._write_version == _V2
        target = _temporary_prefix(prefix) if merged_later else prefix
        parts = []
        for index, (device, saveables) in enumerate(shards):
            with tf.device(_on_cpu(device) if merged_later else device):
                part = tf.raw_ops.ShardedFilename(basename=target, shard=index, num_shards=count)
                parts.append(self._save(part, saveables))
        with tf.control_dependencies(parts):
            if not merged_later:
                return tf.raw_ops.ShardedFilespec(basename=prefix, num_shards=count)
            with tf.device(_on_cpu(shards[-1][0])):
                merge = tf.raw_ops.MergeV2Checkpoints(
                    checkpoint_prefixes=parts, destination_prefix=prefix, delete_old_dirs=True
                )
                with tf.control_dependencies([merge]):
                    return tf.identity(prefix)


def check(saver_def: Any) -> None:
    """Refuse with ValueError what is no SaverDef, or one that does not name its ops."""
    if not isinstance(saver_def, tf.train.SaverDef):
        raise ValueError(f"saver_def must be a saver_pb2.SaverDef: {saver_def}")
    for field in _NAMES[1:]:
        if not getattr(saver_def, field):
            raise ValueError(f"saver_def must specify the {field}: {saver_def}")


def add_scope(saver_def: Any, scope: str) -> None:
    """Change a SaverDef so that it names the ops as imported under a name scope."""
    for field in _NAMES:
        setattr(saver_def, field, f"{scope.rstrip('/')}/{getattr(saver_def, field)}")


def without_scope(saver_def: Any, scope: str) -> Any:
    """Return a SaverDef that names the ops as exported from a name scope; None if one is outside."""
    stripped = tf.train.SaverDef()
    stripped.CopyFrom(saver_def)
    for field in _NAMES:
        name = getattr(saver_def, field)
        if not name.startswith(scope):
            return None
        setattr(stripped, field, re.sub(rf"^{scope.rstrip('/')}/+", "", name))
    return stripped


def refuse_eager_mode(var_list: Any) -> None:
    """Raise RuntimeError, after TensorFlow's warning, when there is no graph to build in."""
    if not tf.executing_eagerly():
        return
    tf.logging.warning(
        "Saver is deprecated, please switch to tf.train.Checkpoint or tf.keras.Model.save_weights "
        "for training checkpoints. When executing eagerly variables do not necessarily have "
        "unique names, and so the variable.name-based lookups Saver performs are error-prone."
    )
    if var_list is None:
        text = "When eager execution is enabled, `var_list` must specify"
        raise RuntimeError(f"{text} a list or dict of variables to save")
    raise RuntimeError("Saver works on graphs: use tf.train.Checkpoint when executing eagerly.")


def warn_of_v1() -> None:
    """Log that the format is outdated."""
    stars = 55 * "*"
    tf.logging.warning(stars)
    tf.logging.warning("TensorFlow's V1 checkpoint format has been deprecated.")
    tf.logging.warning("Consider switching to the more efficient V2 format:")
    tf.logging.warning("   `tf.train.Saver(write_version=tf.train.SaverDef.V2)`")
    tf.logging.warning("now on by default.")
    tf.logging.warning(stars)


def _stored(saveables: Sequence[Any]) -> tuple[list[Any], list[str], list[str]]:
    specs = [spec for saveable in saveables for spec in saveable.specs]
    return specs, [spec.name for spec in specs], [spec.slice_spec for spec in specs]


def _temporary_prefix(prefix: Any) -> Any:
    # Shards are written beside the target and moved there by the merge, so a reader never meets
    # half a checkpoint. S3 shows files late: there, a temporary folder would lose them.
    with tf.device("CPU"):
        on_s3 = tf.strings.regex_full_match(prefix, "^s3://.*")
        return tf.strings.join([prefix, tf.where(on_s3, ".part", os.path.normpath("_temp/part"))])


def _restore_shards(prefix: Any, shards: Shards, reshape: bool) -> Any:
    restores = []
    for device, saveables in shards:
        with tf.device(device):
            restores.append(_restore(prefix, saveables, reshape, "restore_shard"))
    return tf.group(*restores, name="restore_all")


def _restore(prefix: Any, saveables: Sequence[Any], reshape: bool, name: str) -> Any:
    specs, names, slices = _stored(saveables)
    types = [spec.dtype for spec in specs]
    with tf.device("cpu:0"):
        tensors = tf.raw_ops.RestoreV2(prefix=prefix, tensor_names=names, shape_and_slices=slices, dtypes=types)
    unread = iter(tensors)
    assigns = []
    for saveable in saveables:
        shapes = [_shape(spec.tensor) for spec in saveable.specs] if reshape else None
        assigns.append(saveable.restore([next(unread) for _ in saveable.specs], shapes))
    return tf.group(*assigns, name=name)


def _shape(tensor: Any) -> Any:
    shape = tensor.get_shape()
    return shape if shape.is_fully_defined() else tf.shape(tensor)


def _by_device(saveables: Sequence[Any]) -> Shards:
    shards: dict[str, list[Any]] = {}
    for saveable in saveables:
        devices = {tf.DeviceSpec.from_string(spec.device or "").to_string() for spec in saveable.specs}
        if len(devices) != 1:
            raise ValueError(f"All tensors of a saveable object must be on the same device: {saveable.name}")
        shards.setdefault(devices.pop(), []).append(saveable)
    return sorted(shards.items())


def _on_cpu(device: str) -> str:
    return str(tf.DeviceSpec.from_string(device).replace(device_type="CPU", device_index=0).to_string())


def _make_partitioned_variables_readable() -> None:
    # A meta graph's collection stores a partitioned variable as the name of its concatenation, so
    # that op has to exist.
    graph = tf.get_default_graph()
    known = {op.name for op in graph.get_operations()}
    for key in graph.get_all_collection_keys():
        for item in filter(saveables_lib.is_partitioned, graph.get_collection(key)):
            if item.name not in known:
                known.add(item.as_tensor().op.name)
