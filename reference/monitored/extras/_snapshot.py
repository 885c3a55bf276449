"""The values of a checkpoint at one moment, in the guise of a session that a saver can save from.

The ops that write a checkpoint are copied into a small graph of their own in which each tensor to be
written is a placeholder, and a session of that graph is given to the saver. So the saver's own code
names, writes, lists and deletes files; and what is written, and whether, depends neither on the
steps that run meanwhile nor on the life of the session the values came from.
"""

import contextlib
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from monitored import _tensorflow, compiled_step

_WRITERS = {"SaveV2": 3, "SaveSlices": 3, "Save": 2}
"""The ops that write values, and how many of their inputs come before the values."""

_HARMLESS = {"MergeV2Checkpoints"} | _WRITERS.keys()
"""The ops with side effects that may run apart from the graph: they touch nothing but files."""


class Snapshots:
    """Copies what savers save, out of one session."""

    def __init__(self, session: tf.Session) -> None:
        self._graph = session.graph
        self._of_saver: tuple[Any, SnapshotSession | None] = (None, None)

    def take(self, session: tf.Session, saver: Any) -> Any:
        """Copy the values that `saver` saves; return what it can save them from.

        That is `session` itself, with nothing copied, if the saver has no ops of its own (it is
        empty, or no `Saver`) or if they cannot be run apart.
        """
        saver_def = getattr(saver, "saver_def", None)
        if saver_def is None:
            return session
        if self._of_saver[0] is not saver:
            self._of_saver = (saver, self._detached(saver_def))
        detached = self._of_saver[1]
        if detached is None:
            return session
        detached.copy_values_of(session)
        return detached

    def close(self) -> None:
        """Let go of everything; nothing may be being written."""
        if self._of_saver[1] is not None:
            self._of_saver[1].close()
        self._of_saver = (None, None)

    def _detached(self, saver_def: Any) -> "SnapshotSession | None":
        try:
            return SnapshotSession(self._graph, saver_def.save_tensor_name)
        except ValueError as error:
            tf.logging.warning("Checkpoints are saved synchronously: %s", error)
            return None


class SnapshotSession(_tensorflow.SessionInterface):  # type: ignore[misc]
    """What a saver takes for a session; runs the ops that write, on values copied before.

    The memory of the copies is kept for the next ones: to get it anew from the system takes longer
    than to copy. Raises ValueError if the op that saves needs more of the graph than values.
    """

    def __init__(self, graph: tf.Graph, save_tensor_name: str) -> None:
        self._graph = graph
        self._tensors: list[Any] = []
        self._copies: list[Any] = []
        self._feeds: dict[str, Any] = {}
        self._read: Any = None
        with tf.Graph().as_default() as own_graph:
            tf.import_graph_def(self._writing_graph(graph.as_graph_element(save_tensor_name).op), name="")
        # In the thread that saves, and on no GPU: nothing here competes with the steps for either.
        config = tf.ConfigProto(inter_op_parallelism_threads=-1, device_count={"GPU": 0})
        self._session = tf.Session(graph=own_graph, config=config)

    @property
    def graph(self) -> tf.Graph:
        """The graph whose values these are: the one that belongs into the meta graph."""
        return self._graph

    @property
    def sess_str(self) -> Any:
        """The target of the session that writes: this process."""
        return self._session.sess_str

    def copy_values_of(self, session: tf.Session) -> None:
        """Copy the values to be written by the next run; `session` is the same one every time."""
        if self._read is None:
            self._read = _reader(session, self._tensors)
        values = self._read(session)
        self._copies = [*map(_copy_into, self._copies or [None] * len(values), values)]
        self._feeds = {f"{_placeholder(index)}:0": value for index, value in enumerate(self._copies)}

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Run the ops that write what was copied last, once."""
        feeds, self._feeds = self._feeds, {}
        return self._session.run(fetches, {**feeds, **(feed_dict or {})}, options, run_metadata)

    def close(self) -> None:
        """Close the session that writes."""
        self._session.close()

    def _writing_graph(self, last: tf.Operation) -> tf.GraphDef:
        """Return the ops before `last`, with placeholders for the values to be written."""
        made, seen, waiting = tf.GraphDef(), {last.name}, [last]
        while waiting:
            op = waiting.pop()
            if op.op_def.is_stateful and op.type not in _HARMLESS:
                raise ValueError(f"the ops of the saver depend on {op.name!r}, a {op.type}, which keeps a state.")
            first_value = _WRITERS.get(op.type, len(op.inputs))
            made.node.append(self._copy(op, first_value))
            for before in (*(tensor.op for tensor in op.inputs[:first_value]), *op.control_inputs):
                if before.name not in seen:
                    seen.add(before.name)
                    waiting.append(before)
        if not any(node.op in _WRITERS for node in made.node):
            raise ValueError(f"{last.name!r} runs none of {', '.join(_WRITERS)}.")
        for index, tensor in enumerate(self._tensors):
            placeholder = made.node.add(name=_placeholder(index), op="Placeholder")
            placeholder.attr["dtype"].type = tensor.dtype.base_dtype.as_datatype_enum
        made.versions.CopyFrom(self._graph.graph_def_versions)
        return made

    def _copy(self, op: tf.Operation, first_value: int) -> tf.NodeDef:
        copy = tf.NodeDef()
        copy.CopyFrom(op.node_def)
        copy.device = ""
        copy.attr.pop("_class", None)  # which op it is next to; that one may stay behind
        for position in range(first_value, len(op.inputs)):
            copy.input[position] = _placeholder(len(self._tensors))
            self._tensors.append(op.inputs[position])
        return copy


def _reader(session: tf.Session, tensors: list[Any]) -> Any:
    """Return what reads the tensors of the session it is given, from where they are if that is in this process.

    It does not keep the session alive.
    """
    if compiled_step.ENABLED and _tensorflow.is_local_session(session):
        with contextlib.suppress(TypeError, tf.errors.OpError):  # session.run then serves or refuses it
            run = _tensorflow.compiled_run(session, [tensor.name for tensor in tensors], [], [], here=True)
            return lambda _: run()
    return lambda session: session.run(tensors)


def _copy_into(memory: Any, value: Any) -> Any:
    """Return a copy of `value`, in `memory` if it fits; what nothing else can change is its own copy."""
    if type(value) is not np.ndarray or value.flags.owndata:
        return value
    if memory is None or memory.shape != value.shape or memory.dtype != value.dtype:
        return value.copy()
    np.copyto(memory, value)
    return memory


def _placeholder(index: int) -> str:
    return f"monitored_snapshot_{index}"
