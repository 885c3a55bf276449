"""The graphs that are trained while measuring: how many variables, bytes and ops, and nothing else.

A model is built once and kept as a MetaGraphDef, so that a graph of its own for each subject and
round costs little. Both sides get the same one.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.python.framework.meta_graph import import_scoped_meta_graph

TRAIN, LOSS, INPUT, COUNT = "train", "loss:0", "input:0", "count:0"
"""Names in each graph: the training op, its loss, what may be fed, and the op that only counts the step."""


@dataclass(frozen=True)
class Size:
    """A model of `variables` variables of `floats` floats, trained with Adam or by plain descent."""

    variables: int = 1
    floats: int = 10
    adam: bool = False
    more_ops: int = 0
    summaries: int = 1
    device: str = "cpu"


def tiny(device: str = "cpu", **changes: Any) -> Size:
    """The model of the step benchmarks: a step so small that only the session's own cost shows."""
    return Size(device=device, **changes)


@functools.lru_cache(maxsize=4)
def meta_graph(size: Size) -> tuple[tf.MetaGraphDef, int]:
    """Build a model; return it and the number of its ops."""
    with tf.Graph().as_default() as graph, tf.device(f"/{size.device}:0"):
        _build(size)
        return tf.train.export_meta_graph(), len(graph.get_operations())


def _build(size: Size) -> None:
    with tf.device("/cpu:0"):
        step = tf.train.get_or_create_global_step()
    x = tf.placeholder_with_default(np.zeros(10, np.float32), [10], name="input")
    variables = [tf.get_variable(f"w{i}", [size.floats], use_resource=True) for i in range(size.variables)]
    total = tf.reduce_sum(x) + tf.add_n([tf.reduce_sum(w * 0.5) for w in variables])
    loss = tf.identity(total, name="loss")
    if size.adam:
        updates = tf.train.AdamOptimizer(0.01).minimize(loss)
    else:
        updates = tf.group([w.assign_sub(0.1 * tf.reduce_sum(x) * tf.ones_like(w)) for w in variables])
    with tf.device("/cpu:0"):
        count = tf.identity(tf.assign_add(step, 1), name="count")
        tf.group(updates, count, name=TRAIN)
        with tf.name_scope("more"):
            for i in range(size.more_ops):
                tf.constant(0.0, name=f"op{i}")
        for i in range(size.summaries):
            tf.summary.scalar(f"summary{i}", loss)


def new_graph(size: Size) -> tf.Graph:
    """Return a graph of this model that nothing has been added to."""
    graph = tf.Graph()
    with graph.as_default():
        # Not tf.train.import_meta_graph: that adds the ops of a Saver.
        import_scoped_meta_graph(meta_graph(size)[0])
    return graph


def op_count(size: Size) -> int:
    """Return the number of ops of a model."""
    return meta_graph(size)[1]


def config(device: str, threads: bool) -> tf.ConfigProto:
    """Return the configuration of all sessions.

    Without `threads` the ops run in the thread that calls, as a step's time is then the time spent on
    it and nothing else. With them, they run as they do by default, on a pool.
    """
    made = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1 if threads else -1)
    if device == "gpu":
        made.gpu_options.allow_growth = True
    return made
