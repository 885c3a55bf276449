"""What a saver saves: from ``var_list`` to a flat list of saveables.

Responsible for the names under which values are stored, for slices of partitioned variables, and
for how a restored value gets back into its variable. Not responsible for the save and restore ops
(``saver_ops.py``).

A saveable has ``op`` (its identity), ``name``, ``specs`` (each with ``tensor``, ``slice_spec``,
``name``, ``dtype``, ``device``) and ``restore(tensors, shapes)``. TensorFlow's SaveableObjects have
the same and are taken as they are: lookup tables and data iterators arrive in that form.

Source: tensorflow/python/training/saving/saveable_object_util.py
"""

from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow.compat.v1 as tf

Variable = tf.compat.v2.Variable
"""The class of all variables; that of `compat.v1` covers only reference variables."""

_REFERENCE_OPS = frozenset(["Variable", "VariableV2", "AutoReloadVariable"])
_VARIABLE_OPS = _REFERENCE_OPS | {"VarHandleOp", "ReadVariableOp"}
_OWN_NAME = ("VARIABLE_VALUE", ".TENSORS")  # the latter from TensorFlow 2.12 alone


class SaveSpec:
    """One tensor to save: where its value comes from, and the name, slice and type it is stored as."""

    def __init__(self, source: Any, slice_spec: str, name: str) -> None:
        self.source, self.slice_spec, self.name = source, slice_spec, name
        self.dtype, self.device = source.dtype, source.device

    @property
    def tensor(self) -> Any:
        """The value; for a slice, read by new ops wherever the save ops are being made."""
        return _read_slice(self.source) if isinstance(self.source, Variable) else self.source


class VariableSaveable:
    """The tensor that reads a variable, or a slice of a partitioned variable."""

    def __init__(self, op: Any, slice_spec: str, name: str) -> None:
        self.op, self.name, self.specs = op, name, [SaveSpec(op, slice_spec, name)]

    def restore(self, tensors: Sequence[Any], shapes: Sequence[Any] | None) -> Any:
        """Assign the restored value, reshaped when shapes are given.

        A stored shape that differs is an error at run time for a reference variable and silently
        replaces the shape of a resource variable, as in TensorFlow.
        """
        variable = self.op
        value = tensors[0] if shapes is None else tf.reshape(tensors[0], shapes[0])
        if variable.op.type in _REFERENCE_OPS:
            strict = shapes is None and variable.shape.is_fully_defined()
            return tf.assign(variable, value, validate_shape=strict)
        with tf.device(variable.device):
            handle = variable.handle if isinstance(variable, Variable) else variable.op.inputs[0]
            return tf.raw_ops.AssignVariableOp(resource=handle, value=tf.identity(value))


class TrackableSaveable:
    """An object that turns itself into named tensors and back, such as a table or an iterator."""

    def __init__(self, trackable: Any, name: str) -> None:
        self.op, self.name, self._values = trackable, name, trackable._serialize_to_tensors()
        self.specs = [SaveSpec(value, "", name + escaped(key)) for key, value in self._values.items()]

    def restore(self, tensors: Sequence[Any], _shapes: Sequence[Any] | None) -> Any:
        """Hand the restored tensors to the object; it knows their shapes itself."""
        restored = self.op._restore_from_tensors(dict(zip(self._values, tensors, strict=True)))
        return tf.no_op() if restored is None else restored


def saveables_of(var_list: Any) -> list[Any]:
    """Turn a list of variables and saveables, or a dict of names to them, into saveables.

    They come sorted by name. Raises TypeError for what is no variable, ValueError for one name
    given to two variables or one variable given two names.
    """
    named = var_list if isinstance(var_list, dict) else _named(var_list)
    saveables: list[Any] = []
    seen: set[int] = set()
    for name, item in sorted(named.items(), key=lambda pair: pair[0]):
        for saveable in _saveables_for(item, name):
            if saveable.op is not None and id(saveable.op) in seen:
                text = "The same saveable will be restored with two names"
                raise ValueError(f"{text}: {saveable.name}")
            seen.add(id(saveable.op))
            saveables.append(saveable)
    return saveables


def everything_saveable() -> list[Any]:
    """Return what a saver saves unless told: the global variables and the saveable objects."""
    keys = tf.GraphKeys
    return [*tf.get_collection(keys.GLOBAL_VARIABLES), *tf.get_collection(keys.SAVEABLE_OBJECTS)]


def is_partitioned(item: Any) -> bool:
    """Whether an item is a partitioned variable: parts, and a value that concatenates them."""
    return hasattr(item, "as_tensor") and hasattr(item, "_get_variable_list")


def escaped(key: str) -> str:
    """Escape a name so that it is one part of an object-based checkpoint's key."""
    return key.replace(".", "..").replace("/", ".S")


def _named(var_list: Any) -> dict[str, Any]:
    """Give each item the name it is stored under; slices of one variable share theirs."""
    if not isinstance(var_list, (list, tuple, set)):
        raise TypeError(f"Variables to save should be passed in a dict or a list. Got {var_list}")
    named: dict[str, Any] = {}
    for item in sorted(tf.nest.flatten(list(var_list)), key=_own_name):
        if _is_saveable(item):
            named[item.name] = item
        elif isinstance(item, Variable) and (info := item._get_save_slice_info()):
            slices = named.setdefault(info.full_name, [])
            if not isinstance(slices, list):
                text = "Mixing slices and non-slices with the same name"
                raise ValueError(f"{text}: {info.full_name}")
            slices.append(item)
        elif _is_trackable(item):
            named |= _named(_parts(item))
        else:
            name, stored = _name_and_tensor(item)
            if name in named:
                raise ValueError(f"At least two variables have the same name: {name}")
            named[name] = stored
    return named


def _own_name(item: Any) -> str:
    if not hasattr(item, "name"):
        raise AttributeError(f"Variables to save should be variables, or have a name. Got {item!r} among them")
    name: str = item.name
    return name


def _name_and_tensor(item: Any) -> tuple[str, Any]:
    if is_partitioned(item):
        return item.name, item
    tensor = _variable_tensor(item, "Variable to save is not a Variable")
    reader = tensor.op.type == "ReadVariableOp"
    return (tensor.op.inputs[0] if reader else tensor).op.name, tensor


def _saveables_for(item: Any, name: Any) -> Iterator[Any]:
    text = "names_to_saveables must be a dict mapping string names to"
    if not isinstance(name, str):
        raise TypeError(f"{text} trackable operations. Name is not a string: {name}")
    if _is_saveable(item):
        yield item
    elif isinstance(item, (list, tuple)) or is_partitioned(item):
        yield from _slice_saveables(item, name)
    elif _is_trackable(item):
        for part in _parts(item, name):
            yield from _saveables_for(part, part.name)
    else:
        tensor = _variable_tensor(item, f"{text} Tensors/Variables. Not a variable")
        yield VariableSaveable(tensor, "", name)


def _slice_saveables(slices: Any, name: str) -> Iterator[Any]:
    whole = None
    for part in slices:
        if _is_saveable(part):
            yield part
            continue
        if not isinstance(part, Variable):
            raise ValueError(f"Slices must all be Variables: {part}")
        info = part._get_save_slice_info()
        if not info:
            raise ValueError(f"Slices must all be slices: {part}")
        whole = whole or info.full_name
        if whole != info.full_name:
            text = "Slices must all be from the same tensor"
            raise ValueError(f"{text}: {whole} != {info.full_name}")
        yield VariableSaveable(part, info.spec, name)


def _parts(trackable: Any, name: str | None = None) -> list[Any]:
    made = trackable._gather_saveables_for_checkpoint()
    inherited = tf.Module._serialize_to_tensors
    if not made and getattr(type(trackable), "_serialize_to_tensors", inherited) is not inherited:
        return [TrackableSaveable(trackable, name or "")]
    named = {key: [name if key in _OWN_NAME else f"{name}_{key}"] if name else [] for key in made}
    return [make(*named[key]) if callable(make) else make for key, make in made.items()]


def _variable_tensor(item: Any, refusal: str) -> Any:
    """Return the tensor through which an item's graph reads it; TypeError for no variable."""
    if isinstance(item, Variable):
        return item.graph.as_graph_element(item)
    tensor = tf.convert_to_tensor(item)
    if tensor.op.type not in _VARIABLE_OPS:
        raise TypeError(f"{refusal}: {tensor}")
    return tensor


def _read_slice(variable: Any) -> Any:
    # Slices are how the largest variables come: reading one must not double its memory.
    if not hasattr(variable, "handle"):
        return _variable_tensor(variable, "")
    with tf.device(variable.device):
        value = variable.read_value_no_copy()
        with tf.device("/device:CPU:0"):
            return tf.identity(value)


def _is_saveable(item: Any) -> bool:
    return hasattr(item, "specs") and callable(getattr(item, "restore", None))


def _is_trackable(item: Any) -> bool:
    plain = isinstance(item, Variable) and not isinstance(item, tf.compat.v2.distribute.DistributedValues)
    return hasattr(item, "_gather_saveables_for_checkpoint") and not plain
