"""The graphs that generated programs run on: built op by op, or imported from a serialised one.

A job may build its graph or start from a meta graph; a session must not tell them apart. An
imported graph also takes a fraction of the time, which is what lets the small scope be run
completely. This module keeps to Python 3.6 syntax and to API that exists since TensorFlow 1.15.
"""

import contextlib
from typing import Any, Dict, NamedTuple, Tuple

from conformance import devices
from conformance.trace import tf


class _Template(NamedTuple):
    """A serialised graph, and the names that its tensors and its scaffold pieces have in it."""

    meta_graph: Any
    tensors: Dict[str, str]
    scaffold: Dict[str, str]


_templates = {}  # type: Dict[Any, _Template]


@contextlib.contextmanager
def kind_of_variables(kind: str) -> Any:
    """Make variables of this kind, resource or reference, inside the block."""
    was_resource = tf.resource_variables_enabled()
    (tf.enable_resource_variables if kind == "resource" else tf.disable_resource_variables)()
    try:
        yield
    finally:
        (tf.enable_resource_variables if was_resource else tf.disable_resource_variables)()


def global_step_and_read(train: Any) -> Any:
    """Make the global step and the tensor by which the hooks read it, which whatever changes it must wait for.

    The tensor is put into the collection that the hooks share. If an increment did not wait for it,
    every schedule would be a race.
    """
    step = train.get_or_create_global_step()
    key = "global_step_read_op_cache"
    if not tf.get_collection(key):
        with tf.name_scope(step.op.name + "/"):
            tf.add_to_collection(key, step.value() + 0)
    return step, tf.get_collection(key)[0]


def increment_after_reads(train: Any, increment: int = 1) -> Any:
    """Make the global step and return an op that increments it after the hooks have read it."""
    step, read = global_step_and_read(train)
    with tf.control_dependencies([read]):
        return tf.assign_add(step, increment)


def scaffold_ops(summary_op: Any = None) -> Dict[str, Any]:
    """Make pieces of a scaffold that cost nothing: making the default ones takes longer than all else."""
    nothing = tf.constant([], tf.string)
    return {
        "init_op": tf.group(*[v.initializer for v in tf.global_variables()]),
        "ready_op": nothing,
        "ready_for_local_init_op": nothing,
        "local_init_op": tf.no_op(),
        "summary_op": tf.constant(b"") if summary_op is None else summary_op,
    }


def small_scaffold(train: Any, saver: Any, summary_op: Any = None, pieces: Any = None) -> Any:
    """Return a scaffold of ops that cost nothing: `pieces`, or new ones."""
    return train.Scaffold(saver=saver, **(pieces or scaffold_ops(summary_op)))


def small_session_scaffold(train: Any, record: Any, saves: bool, pieces: Any = None) -> Any:
    """Return a small scaffold; without anything to save, its saver only says that it is built."""
    return small_scaffold(train, train.Saver() if saves else _NoSaver(record), pieces=pieces)


class _NoSaver:
    """A saver for sessions without a checkpoint directory; only its building is seen."""

    def __init__(self, record: Any) -> None:
        self._record = record

    def build(self) -> None:
        self._record("saver built")


def small(train: Any, graph: str, variables: str, increment: int = 1, more: Tuple[str, ...] = ()) -> Any:
    """Put the small graph into the default graph; return its tensors, and its scaffold pieces or None.

    It has a global step whose increment is "step", inputs "a" and "b", and a weight that grows by
    their sum after every increment, "total". `more` may name a "variable" that no step changes, and a
    "vector" that is read, and then counted up, by every "total". A built graph leaves the scaffold
    pieces to be made.
    """
    if graph == "imported":
        return _import(variables, increment, more)
    with kind_of_variables(variables), devices.scope():
        return _build(train, increment, more), None


def _build(train: Any, increment: int, more: Tuple[str, ...]) -> Dict[str, Any]:
    step = increment_after_reads(train, increment)
    a = tf.placeholder_with_default(1.0, [], name="a")
    b = tf.placeholder_with_default(2.0, [], name="b")
    weight = tf.Variable(3.0, name="weight")
    made = {}
    before_total = [step]
    if "vector" in more:
        vector = tf.Variable([8.0, 9.0], name="vector")
        made["vector"] = vector.read_value()
        with tf.control_dependencies([made["vector"]]):
            before_total.append(tf.assign_add(vector, [1.0, 1.0]))
    with tf.control_dependencies(before_total):
        total = tf.assign_add(weight, a + b)
    made.update({"step": step, "a": a, "b": b, "total": total, "sum": a * 10.0 + b})
    if "variable" in more:
        made["variable"] = tf.Variable(6.0, name="fixed")
    return made


def _import(variables: str, increment: int, more: Tuple[str, ...]) -> Any:
    key = variables, increment, more, devices.current()
    if key not in _templates:
        _templates[key] = _make_template(variables, increment, more)
    template = _templates[key]
    tf.train.import_meta_graph(template.meta_graph)
    graph = tf.get_default_graph()
    return tuple(
        {key: graph.as_graph_element(name) for key, name in names.items()}
        for names in (template.tensors, template.scaffold)
    )


def _make_template(variables: str, increment: int, more: Tuple[str, ...]) -> _Template:
    with tf.Graph().as_default():
        with kind_of_variables(variables), devices.scope():
            tensors = _build(tf.train, increment, more)
            # A variable, and what an assignment to a resource variable returns, cannot be found by name.
            tensors = {
                key: value if isinstance(value, tf.Tensor) else tf.identity(value) for key, value in tensors.items()
            }
        pieces = scaffold_ops()
        meta_graph = tf.train.export_meta_graph()
    # With a saver in the file, importing it does not make another.
    meta_graph.saver_def.filename_tensor_name = meta_graph.saver_def.save_tensor_name = "a:0"
    meta_graph.saver_def.restore_op_name = "a"
    meta_graph.saver_def.version = tf.train.SaverDef.V2
    return _Template(meta_graph, _names(tensors), _names(pieces))


def _names(elements: Dict[str, Any]) -> Dict[str, str]:
    return {key: element.name for key, element in elements.items()}
