"""The text of a graph, beside the one that `tf.io.write_graph` writes."""

import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from monitored.graph_text import Serialized, graph_text, write_graph_text


def written_by_tensorflow(graph_def: tf.GraphDef, folder: pathlib.Path) -> bytes:
    tf.io.write_graph(graph_def, str(folder), "graph.pbtxt")
    return (folder / "graph.pbtxt").read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("graphs")


TEXTS = st.one_of(
    st.sampled_from(["a", "^a", "a:1", "/device:CPU:0", 'q"', "back\\slash", "line\n", "é", ""]), st.text()
)
FLOATS = st.one_of(st.sampled_from([0.1, 1e-30, 1e20, -0.0, float("nan"), float("inf")]), st.floats(width=32))


@st.composite
def attributes(draw: Any) -> Any:
    kind = draw(
        st.sampled_from(["s", "i", "f", "b", "type", "shape", "tensor", "list", "func", "placeholder", "nothing"])
    )
    value = tf.AttrValue()
    if kind == "s":
        value.s = draw(st.one_of(st.binary(max_size=4), TEXTS.map(str.encode)))
    elif kind == "i":
        value.i = draw(st.integers(-(2**63), 2**63 - 1))
    elif kind == "f":
        value.f = draw(FLOATS)
    elif kind == "b":
        value.b = draw(st.booleans())
    elif kind == "type":
        value.type = draw(st.sampled_from([0, 1, 3, 9, 101]))
    elif kind == "shape":
        value.shape.CopyFrom(tf.TensorShape(draw(st.sampled_from([None, [], [2, None]]))).as_proto())
    elif kind == "tensor":
        array = draw(st.sampled_from([np.float32([0.1, 2]), np.int64(3), np.array(b'x"'), np.zeros([0], np.float64)]))
        value.tensor.CopyFrom(tf.make_tensor_proto(array))
    elif kind == "list":
        value.list.s.extend(draw(st.lists(st.binary(max_size=3), max_size=2)))
        value.list.f.extend(draw(st.lists(FLOATS, max_size=2)))
    elif kind == "func":
        value.func.name = draw(TEXTS)
        value.func.attr["inner"].i = 1
        value.func.attr["another"].f = draw(FLOATS)
    elif kind == "placeholder":
        value.placeholder = draw(TEXTS)
    return value


@st.composite
def graph_defs(draw: Any) -> Any:
    graph_def = tf.GraphDef()
    for _ in range(draw(st.integers(0, 4))):
        node = graph_def.node.add(name=draw(TEXTS), op=draw(TEXTS), device=draw(TEXTS))
        node.input.extend(draw(st.lists(TEXTS, max_size=3)))
        for key in draw(st.lists(TEXTS, max_size=3, unique=True)):
            node.attr[key].CopyFrom(draw(attributes()))
        if draw(st.integers(0, 5)) == 0:
            node.experimental_debug_info.original_node_names.append(draw(TEXTS))
    if draw(st.booleans()):
        graph_def.versions.producer = draw(st.integers(1, 2000))
    return graph_def


@settings(max_examples=200)
@given(graph_def=graph_defs())
@pytest.mark.rule("MTS-CKH-01")
def test_the_text_is_that_of_tensorflow(folder: pathlib.Path, graph_def: Any) -> None:
    """Byte for byte, whatever names, devices and attributes hold."""
    assert graph_text(graph_def).encode() == written_by_tensorflow(graph_def, folder)


@pytest.mark.rule("MTS-CKH-01")
def test_the_text_of_a_graph_that_trains(folder: pathlib.Path) -> None:
    """Gradients, conditions with their functions, a queue, summaries, a saver."""
    with tf.Graph().as_default() as graph:
        step = tf.train.get_or_create_global_step()
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        weights = tf.get_variable("weights", [3, 1])
        loss = tf.reduce_mean(tf.square(tf.matmul(x, weights) - 0.1))
        tf.cond(loss > 0.5, lambda: loss * 0.1, lambda: loss / 3)
        tf.train.AdamOptimizer(0.01).minimize(loss, global_step=step)
        queue = tf.FIFOQueue(2, tf.string, name="queue")
        queue.enqueue('a "quoted" text')
        tf.summary.scalar("loss", loss)
        tf.train.Saver()
    for add_shapes in (True, False):
        graph_def = graph.as_graph_def(add_shapes=add_shapes)
        assert graph_def.library.function
        assert graph_text(graph_def).encode() == written_by_tensorflow(graph_def, folder)


def test_the_file_is_replaced_and_its_folder_made(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "new" / "folder"
    for name in ("first", "second"):
        write_graph_text(tf.GraphDef(node=[tf.NodeDef(name=name, op="NoOp")]), str(folder), "graph.pbtxt")
        assert f'name: "{name}"' in (folder / "graph.pbtxt").read_text()
    assert [path.name for path in folder.iterdir()] == ["graph.pbtxt"]


def test_bytes_are_written_as_they_are(tmp_path: pathlib.Path) -> None:
    tf.io.write_graph(Serialized(b"\x00\xff"), str(tmp_path), "bytes", as_text=False)
    assert (tmp_path / "bytes").read_bytes() == b"\x00\xff"
