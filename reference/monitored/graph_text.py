"""The text of a graph, as `tf.io.write_graph` writes it, in a quarter of the time.

Most attributes of a graph's nodes are alike, so each different one is printed once. Knows the
layout of a node and leaves everything else to protobuf's own printer.
"""

import functools
import os
import re
import tempfile
from collections.abc import Callable
from typing import Any

import tensorflow.compat.v1 as tf
from google.protobuf import text_format

_PRINTED_AS_IT_IS = re.compile(r"[\w ./:^>-]*", re.ASCII)


class Serialized:
    """Bytes that `tf.io.write_graph` takes for a message and writes as they are."""

    def __init__(self, contents: bytes) -> None:
        self._contents = contents

    def SerializeToString(self, deterministic: bool | None = None) -> bytes:
        """Return the bytes."""
        return self._contents


def write_graph_text(graph_def: tf.GraphDef, directory: str, name: str) -> None:
    """Write a graph as text, replacing the file in one move; makes the directory."""
    tf.io.write_graph(Serialized(graph_text(graph_def).encode()), directory, name, as_text=False)


def graph_text(graph_def: tf.GraphDef) -> str:
    """Return the text of a graph."""
    printed: Callable[..., str] = functools.partial(text_format.MessageToString, **_options())

    @functools.cache
    def attribute(key: str, value: bytes) -> str:
        return printed(_node(key, value), indent=2)

    def text_of(node: Any) -> str:
        name, op, device, inputs, attributes = node.name, node.op, node.device, node.input, node.attr
        names = " ".join((name, op, device, *inputs))
        usual_fields = 2 + bool(inputs) + bool(device) + bool(attributes)
        if not (name and op and len(node.ListFields()) == usual_fields and _PRINTED_AS_IT_IS.fullmatch(names)):
            return f"node {{\n{printed(node, indent=2)}}}\n"
        parts = [f'node {{\n  name: "{name}"\n  op: "{op}"\n', *[f'  input: "{each}"\n' for each in inputs]]
        if device:
            parts.append(f'  device: "{device}"\n')
        parts += [
            attribute(key, value.SerializeToString(deterministic=True)) for key, value in sorted(attributes.items())
        ]
        return "".join(parts) + "}\n"

    rest = tf.GraphDef()
    rest.CopyFrom(graph_def)
    rest.ClearField("node")
    nodes = "".join(map(text_of, graph_def.node))
    return nodes + printed(rest)


def _node(key: str, value: bytes) -> Any:
    node = tf.NodeDef()
    node.attr[key].MergeFromString(value)
    return node


@functools.cache
def _options() -> dict[str, str]:
    # TensorFlow's releases print floats differently, and nothing but a printed one tells how.
    probe = tf.GraphDef(node=[tf.NodeDef(attr={"a": tf.AttrValue(f=0.1)})])
    with tempfile.TemporaryDirectory() as directory:
        tf.io.write_graph(probe, directory, "probe")
        with open(os.path.join(directory, "probe"), encoding="utf-8") as file:
            text = file.read()
    return {} if text == text_format.MessageToString(probe) else {"float_format": ""}
