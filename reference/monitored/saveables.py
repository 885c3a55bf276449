"""What a saver saves: from ``var_list`` to a flat list of saveables.

Responsible for the names under which values are stored, for slices of partitioned variables, and
for how a restored value gets back into its variable. Not responsible for the save and restore ops
(``saver_ops.py``).

A saveable has ``op`` (its identity), ``name``, ``specs`` (each with ``tensor``, ``slice_spec``,
``name``, ``dtype``, ``device``) and ``restore(tensors, shapes)``. TensorFlow's SaveableObjects have
the same and are taken as they are: lookup tables and data iterators arrive in that form.

Source: tensorflow/python/training/saving/saveable_object_util.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow.compat.v1 as tf

Variable = tf.compat.v2.Variable
"""The class of all variables; that of `compat.v1` covers only reference variables."""

REFERENCE_OPS = frozenset(["Variable", "VariableV2", "AutoReloadVariable"])
RESOURCE_OPS = frozenset(["VarHandleOp", "ReadVariableOp"])
TENSORS_KEY = ".TENSORS"
VALUE_KEY = "VARIABLE_VALUE"


class SaveSpec:
    """One tensor to save: its value, and the name, slice and type under which it is stored."""

    def __init__(self, tensor: Any, slice_spec: str, name: str) -> None:
        self.tensor = tensor
        self.slice_spec = slice_spec
        self.name = name
        self.dtype = tensor.dtype
        self.device = tensor.device


class VariableSaveable:
    """A variable, or a slice of one, saved through the tensor that reads it."""

    def __init__(self, op: Any, tensor: Any, slice_spec: str, name: str) -> None:
        self.op = op
        self.name = name
        self.specs = [SaveSpec(tensor, slice_spec, name)]

    def restore(self, tensors: Sequence[Any], shapes: Sequence[Any] | None) -> Any:
        """Assign the restored value, reshaped when shapes are given.

        A stored shape that differs is an error at run time for a reference variable and silently
        replaces the shape of a resource variable, as in TensorFlow.
        """
        variable = self.specs[0].tensor
        value = tensors[0] if shapes is None else tf.reshape(tensors[0], shapes[0])
        if variable.op.type in REFERENCE_OPS:
            strict = shapes is None and variable.shape.is_fully_defined()
            return tf.assign(variable, value, validate_shape=strict)
        with tf.device(variable.device):
            on_device = tf.identity(value)
            return tf.raw_ops.AssignVariableOp(resource=variable.op.inputs[0], value=on_device)


class TensorsSaveable:
    """An object that turns itself into named tensors and back, such as a data iterator."""

    def __init__(self, trackable: Any, name: str) -> None:
        self.op = trackable
        self.name = name
        self.specs: list[Any] = []
        self._keys: list[str] = []
        for key, value in trackable._serialize_to_tensors().items():
            self._keys.append(key)
            slices = value if isinstance(value, dict) else {"": value}
            self.specs += [
                _named_spec(tensor, part, name + escaped(key)) for part, tensor in slices.items()
            ]

    def restore(self, tensors: Sequence[Any], shapes: Sequence[Any] | None) -> Any:
        """Hand the restored tensors to the object; it knows their shapes itself."""
        del shapes
        restored = self.op._restore_from_tensors(dict(zip(self._keys, tensors, strict=False)))
        return tf.no_op() if restored is None else restored


def saveables_of(var_list: Any) -> list[Any]:
    """Turn a list of variables and saveables, or a dict of names to them, into saveables.

    They come sorted by name. Raises TypeError for what is no variable, ValueError for one name
    given to two variables or one variable given two names.
    """
    named = var_list if isinstance(var_list, Mapping) else named_variables(var_list)
    saveables: list[Any] = []
    seen: set[int] = set()
    for name, value in sorted(named.items(), key=lambda item: item[0]):
        for saveable in _saveables_for(value, name):
            if saveable.op is not None and id(saveable.op) in seen:
                raise ValueError(
                    f"The same saveable will be restored with two names: {saveable.name}"
                )
            seen.add(id(saveable.op))
            saveables.append(saveable)
    return saveables


def named_variables(var_list: Any) -> dict[str, Any]:
    """Give each item of a list the name it is stored under; slices of one variable share theirs."""
    if not isinstance(var_list, (list, tuple, set)):
        raise TypeError(f"Variables to save should be passed in a dict or a list. Got {var_list}")
    named: dict[str, Any] = {}
    for item in sorted(tf.nest.flatten(list(var_list)), key=lambda item: item.name):
        if is_saveable(item):
            named[item.name] = item
        elif is_partitioned(item):
            _add_once(named, item.name, item)
        elif isinstance(item, Variable) and _slice_of(item):
            _add_slice(named, _slice_of(item).full_name, item)
        elif is_trackable(item):
            made = [make() if callable(make) else make for make in _factories(item).values()]
            named.update(named_variables(made))
        else:
            tensor = _variable_tensor(item)
            if tensor is None:
                raise TypeError(f"Variable to save is not a Variable: {tf.convert_to_tensor(item)}")
            _add_once(named, _stored_name(tensor), tensor)
    return named


def is_saveable(item: Any) -> bool:
    """Whether an item has the form of a saveable, whoever made it."""
    return hasattr(item, "specs") and callable(getattr(item, "restore", None))


def is_partitioned(item: Any) -> bool:
    """Whether an item is a partitioned variable: iterable parts and a concatenated value."""
    return hasattr(item, "as_tensor") and hasattr(item, "_get_variable_list")


def is_trackable(item: Any) -> bool:
    """Whether an item is saved by its own rules rather than as a variable."""
    return hasattr(item, "_gather_saveables_for_checkpoint") and not isinstance(item, Variable)


def escaped(key: str) -> str:
    """Escape a name so that it is one part of an object-based checkpoint's key."""
    return key.replace(".", "..").replace("/", ".S")


def _saveables_for(value: Any, name: Any) -> Iterator[Any]:
    if not isinstance(name, str):
        raise TypeError(
            "names_to_saveables must be a dict mapping string names to "
            f"trackable operations. Name is not a string: {name}"
        )
    if is_saveable(value):
        yield value
    elif isinstance(value, (list, tuple)) or is_partitioned(value):
        yield from _slice_saveables(list(value), name)
    elif is_trackable(value):
        for key, make in _factories(value).items():
            full_name = name if key in (VALUE_KEY, TENSORS_KEY) else f"{name}_{key}"
            made = make(full_name) if callable(make) else make
            yield from _saveables_for(made, made.name)
    else:
        tensor = _variable_tensor(value)
        if tensor is None:
            raise TypeError(
                "names_to_saveables must be a dict mapping string names to Tensors/Variables. "
                f"Not a variable: {tf.convert_to_tensor(value)}"
            )
        yield VariableSaveable(tensor, tensor, "", name)


def _slice_saveables(slices: list[Any], name: str) -> Iterator[Any]:
    whole = None
    for part in slices:
        if is_saveable(part):
            yield part
            continue
        if not isinstance(part, Variable):
            raise ValueError(f"Slices must all be Variables: {part}")
        info = _slice_of(part)
        if not info:
            raise ValueError(f"Slices must all be slices: {part}")
        whole = whole or info.full_name
        if whole != info.full_name:
            raise ValueError(
                f"Slices must all be from the same tensor: {whole} != {info.full_name}"
            )
        yield VariableSaveable(part, _variable_tensor(part), info.spec, name)


def _factories(trackable: Any) -> dict[str, Callable[..., Any] | Any]:
    made: dict[str, Any] = trackable._gather_saveables_for_checkpoint()
    if made or not hasattr(trackable, "_serialize_to_tensors"):
        return made
    return {TENSORS_KEY: lambda name="": TensorsSaveable(trackable, name)}


def _variable_tensor(item: Any) -> Any | None:
    """Return the tensor through which an item's graph reads it; None for what is no variable."""
    if isinstance(item, Variable):
        item = item.graph.as_graph_element(item)
    if isinstance(item, tf.Tensor) and item.op.type in REFERENCE_OPS | RESOURCE_OPS:
        return item
    return None


def _stored_name(tensor: Any) -> str:
    op = tensor.op.inputs[0].op if tensor.op.type == "ReadVariableOp" else tensor.op
    name: str = op.name
    return name


def _slice_of(variable: Any) -> Any:
    return variable._get_save_slice_info()


def _add_once(named: dict[str, Any], name: str, item: Any) -> None:
    if name in named:
        raise ValueError(f"At least two variables have the same name: {name}")
    named[name] = item


def _add_slice(named: dict[str, Any], name: str, part: Any) -> None:
    group = named.setdefault(name, [])
    if not isinstance(group, list):
        raise ValueError(f"Mixing slices and non-slices with the same name: {name}")
    group.append(part)


def _named_spec(tensor: Any, slice_spec: str, name: str) -> Any:
    if hasattr(tensor, "slice_spec"):
        tensor.slice_spec, tensor.name = slice_spec, name
        return tensor
    return SaveSpec(tensor, slice_spec, name)
