"""The global step: finding it, making it, and the one tensor through which every hook reads it.

Incrementing it is the training op's business. The read tensor lives in a graph collection that
`tf.train` uses too, so hooks of both kinds in one session fetch the same tensor.

Source: tensorflow/python/training/training_util.py
"""

from typing import Any

import tensorflow.compat.v1 as tf

_READ_COLLECTION = "global_step_read_op_cache"


def get_or_create_global_step(graph: tf.Graph | None = None) -> Any:
    """Return the global step of `graph` (the default graph if None), making one if there is none.

    Raises what `get_global_step` and `create_global_step` raise. A graph with several items in the
    GLOBAL_STEP collection counts as having none, so it is given one more.

    Rules: MTS-GS-01, MTS-GS-02.
    """
    # None if there are several, so that there will be one more.
    found = get_global_step(graph)
    return create_global_step(graph) if found is None else found


def get_global_step(graph: tf.Graph | None = None) -> Any:
    """Return the global step of `graph` (the default graph if None), or None if it has none.

    It is the single item of the GLOBAL_STEP collection, else the tensor named "global_step:0".
    Several items in the collection are logged as an error and answered with None. Raises TypeError
    where `assert_global_step` does.

    Rules: MTS-GS-01.
    """
    graph = graph or tf.get_default_graph()
    found = graph.get_collection(tf.GraphKeys.GLOBAL_STEP)
    if len(found) > 1:
        tf.logging.error("Multiple tensors in global_step collection.")
        return None
    if not found:
        try:
            found = [graph.get_tensor_by_name("global_step:0")]
        except KeyError:
            return None
    assert_global_step(found[0])
    return found[0]


def create_global_step(graph: tf.Graph | None = None) -> Any:
    """Make the global step of `graph` (the default graph if None): an int64 scalar variable, 0.

    It is not trainable and joins the collections GLOBAL_VARIABLES and GLOBAL_STEP. The current
    name scope does not change its name, the current variable scope does. Raises ValueError if the
    graph has a global step.

    Rules: MTS-GS-02.
    """
    graph = graph or tf.get_default_graph()
    if get_global_step(graph) is not None:
        raise ValueError('"global_step" already exists.')
    if tf.executing_eagerly():
        with tf.device("cpu:0"):
            return _zero_variable()
    # MTS-GS-02, Q-41: out of the name scope, not of the variable scope.
    with graph.as_default(), graph.name_scope(None):
        return _zero_variable()


def _zero_variable() -> Any:
    collections = [tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.GLOBAL_STEP]
    untrained = {"trainable": False, "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA}
    zero = {"shape": [], "dtype": tf.int64, "initializer": tf.zeros_initializer()}
    return tf.get_variable(tf.GraphKeys.GLOBAL_STEP, **zero, **untrained, collections=collections)


def assert_global_step(global_step_tensor: Any) -> None:
    """Raise TypeError unless the argument is an integer scalar, as a tensor or a variable.

    bool is not an integer type here; a shape that is not fully known is let through.

    Rules: MTS-GS-01.
    """
    if not isinstance(global_step_tensor, (tf.compat.v2.Variable, tf.Tensor)):
        raise TypeError(f'Existing "global_step" must be a Variable or Tensor: {global_step_tensor!s}.')
    if not global_step_tensor.dtype.base_dtype.is_integer:
        raise TypeError(f'Existing "global_step" does not have integer type: {global_step_tensor.dtype!s}')
    shape = global_step_tensor.get_shape()
    if shape.ndims != 0 and shape.is_fully_defined():
        raise TypeError(f'Existing "global_step" is not scalar: {shape!s}')


def global_step(sess: tf.Session, global_step_tensor: Any) -> int:
    """Return the value of `global_step_tensor` (a tensor, variable or name) as a Python int."""
    return int(global_step_tensor.numpy() if tf.executing_eagerly() else sess.run(global_step_tensor))


def global_step_read(graph: tf.Graph | None = None) -> Any:
    """Return the tensor by which hooks fetch the global step, or None without a global step.

    There is one for each graph, made at the first call. It gives the initial value as long as the
    variable is uninitialised, unless that is a reference variable under control flow v2. A train op that
    should be seen one step late by every hook has to depend on this tensor. Raises RuntimeError if
    the collection holds several.

    Rules: MTS-GS-03.
    """
    graph = graph or tf.get_default_graph()
    reads = graph.get_collection(_READ_COLLECTION)
    if len(reads) > 1:
        raise RuntimeError(f"There are multiple items in collection {_READ_COLLECTION}. There should be only one.")
    step = None if reads else get_global_step(graph)
    if step is not None:
        with graph.as_default(), graph.name_scope(None), graph.name_scope(step.op.name + "/"):
            # Adding zero copies: a fetched reference variable could change under the reader.
            reads = [_value_or_initial_value(step) + 0]
        graph.add_to_collection(_READ_COLLECTION, reads[0])
    return reads[0] if reads else None


def _value_or_initial_value(step: Any) -> Any:
    if not isinstance(step, tf.compat.v2.Variable):
        return step
    return tf.cond(tf.is_variable_initialized(step), step.read_value, lambda: step.initial_value)


def variable_read_by(read: Any) -> Any:
    """Return the variable whose value, once it is initialised, `read` of `global_step_read` has; else None."""
    for step in read.graph.get_collection(tf.GraphKeys.GLOBAL_STEP) if isinstance(read, tf.Tensor) else []:
        if isinstance(step, tf.compat.v2.Variable) and read.op.name == step.op.name + "/add":
            return step
    return None


def global_step_read_for(reader: str) -> Any:
    """Return `global_step_read()`; raises RuntimeError naming `reader` if there is no global step.

    Rules: MTS-ARG-11.
    """
    if (read := global_step_read()) is None:
        raise RuntimeError(f"Global step should be created to use {reader}.")
    return read
