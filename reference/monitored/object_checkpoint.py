"""Where name-based savers meet object-based checkpoints (`tf.train.Checkpoint`).

Responsible for reading the names inside an object-based checkpoint, for pointing saveables at
them, and for what a failed restore by name tells the user. Not responsible for object-based saving as
such: that is TensorFlow's.

Source: tensorflow/python/training/saver.py
"""

from typing import Any

import tensorflow.compat.v1 as tf
from tensorflow.compat.v2.train import TrackableView

from monitored import _tensorflow
from monitored.saveables import Variable, escaped, saveables_of

RESTORED_BY_NAME = (
    "Restoring an object-based checkpoint using a name-based saver. This may be somewhat fragile, "
    "and will re-build the Saver. Instead, consider loading object-based checkpoints using "
    "tf.train.Checkpoint()."
)
"""What a saver that falls back to this module warns of."""

_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_MISMATCH = (
    "\n\nExisting variables not in the checkpoint: {missing}\n\n"
    "Variables names when this checkpoint was written which don't exist now: {extra}\n\n"
    "({common} variable name(s) did match)\n\n"
    "Could not find some variables in the checkpoint (see names above). Saver was attempting to "
    "load an object-based checkpoint (saved using tf.train.Checkpoint or "
    "tf.keras.Model.save_weights) using variable names. If the checkpoint was written with eager "
    "execution enabled, it's possible that variable names have changed (for example missing a "
    "'_1' suffix). It's also possible that there are new variables which did not exist when the "
    "checkpoint was written. You can construct a Saver(var_list=...) with only the variables "
    "which previously existed, and if variable names have changed you may need to make this a "
    "dictionary with the old names as keys."
)


def keys_by_variable_name(prefix: str) -> dict[str, str]:
    """Return under which key an object-based checkpoint stores each variable.

    Raises NotFoundError for a name-based checkpoint.
    """
    with tf.Graph().as_default():
        wanted = {"tensor_names": [_OBJECT_GRAPH], "shape_and_slices": [""], "dtypes": [tf.string]}
        (stored,) = tf.raw_ops.RestoreV2(prefix=prefix, **wanted)
        # This file is read here, whatever devices and master the user's session has.
        with tf.Session(config=tf.ConfigProto(device_count={"GPU": 0})) as session:
            serialized = session.run(stored)
    objects = _tensorflow.message_class("tensorflow.TrackableObjectGraph").FromString(serialized)
    return {attribute.full_name: attribute.checkpoint_key for node in objects.nodes for attribute in node.attributes}


def saveables_under_object_keys(var_list: Any, keys: dict[str, str]) -> list[Any]:
    """Make saveables of variables that read the keys of an object-based checkpoint.

    Raises NotFoundError naming the variables that have no key, and the keys without a variable.
    """
    saveables = saveables_of(var_list)
    specs = [spec for saveable in saveables for spec in saveable.specs]
    wanted = {spec.name for spec in specs}
    if missing := wanted - keys.keys():
        message = _MISMATCH.format(
            missing=", ".join(sorted(missing)),
            extra=", ".join(sorted(keys.keys() - wanted)),
            common=len(wanted & keys.keys()),
        )
        raise tf.errors.NotFoundError(None, None, message)
    for spec in specs:
        spec.name = keys[spec.name]
    return saveables


def saveables_of_checkpoint(checkpoint: Any) -> Any:
    """Return what a `tf.train.Checkpoint` saves, as it is now: what it tracks later is not saved.

    That is its objects' values and a description of its objects. Where TensorFlow's own list of
    them is missing, it is the values of variables alone, under the same keys.
    """
    found = _tensorflow.object_graph_saveables(checkpoint)
    if found is not None:
        return found
    view = TrackableView(checkpoint)
    paths = {id(checkpoint): ""}
    variables = {}
    for item in view.descendants():
        for name, child in view.children(item).items():
            paths.setdefault(id(child), f"{paths[id(item)]}{escaped(name)}/")
        if isinstance(item, Variable):
            variables[f"{paths[id(item)]}.ATTRIBUTES/VARIABLE_VALUE"] = item
    return saveables_of(variables)


def explained(error: tf.errors.OpError, cause: str) -> tf.errors.OpError:
    """Return an error of the same type that says what a failed restore most likely means."""
    message = (
        f"Restoring from checkpoint failed. This is most likely due to {cause} from the checkpoint. Please "
        "ensure that you have not altered the graph expected based on the checkpoint. Original error:"
    )
    return type(error)(error.node_def, error.op, f"{message}\n\n{error.message}")
