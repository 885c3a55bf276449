"""The global step beside tf.train's (MTS-GS)."""

import importlib

import pytest
import tensorflow.compat.v1 as tf
from hosting import graph_text
from tensorflow.python.training import training_util

# `monitored.global_step` is the function of that name.
ours = importlib.import_module("monitored.global_step")

TENSORFLOW = (tf.train, training_util._get_or_create_global_step_read)
MONITORED = (ours, ours.global_step_read)


def variable(name="global_step", value=0, collect=False, **kwargs):
    collections = [tf.GraphKeys.GLOBAL_VARIABLES]
    if collect:
        collections.append(tf.GraphKeys.GLOBAL_STEP)
    kwargs.setdefault("dtype", tf.int64)
    return tf.get_variable(name, initializer=tf.constant(value, **kwargs), collections=collections)


def item(make):
    tf.add_to_collection(tf.GraphKeys.GLOBAL_STEP, make())


def scoped():
    with tf.variable_scope("bar"), tf.name_scope("foo"):
        tf.train.create_global_step()


GRAPHS = {
    "empty": lambda: None,
    "made": tf.train.create_global_step,
    "made in a scope": scoped,
    "by name": variable,
    "by name, a tensor": lambda: tf.constant(3, name="global_step"),
    "by name, float": lambda: variable(value=0.5, dtype=tf.float32),
    "by name, bool": lambda: variable(value=True, dtype=tf.bool),
    "by name, not a scalar": lambda: variable(value=[1, 2]),
    "by name, int32 placeholder": lambda: tf.placeholder(tf.int32, name="global_step"),
    "by name, vector of unknown length": lambda: tf.placeholder(tf.int32, [None], name="global_step"),
    "by name, no output": lambda: tf.no_op(name="global_step"),
    "collected": lambda: variable("other", 4, collect=True),
    "collected twice": lambda: [variable(name, collect=True) for name in "ab"],
    "collected, a tensor": lambda: item(lambda: tf.constant(5) * 2),
    "collected, text": lambda: item(lambda: "x"),
    "collected, an operation": lambda: item(lambda: tf.no_op("x")),
    "collected, a reference variable": lambda: item(lambda: tf.Variable(6, use_resource=False, dtype=tf.int32)),
}
CALLS = {
    "get": lambda module, read: module.get_global_step(),
    "create": lambda module, read: module.create_global_step(),
    "get or create": lambda module, read: module.get_or_create_global_step(),
    "create in a name scope": lambda module, read: in_scope(tf.name_scope, module),
    "create in a variable scope": lambda module, read: in_scope(tf.variable_scope, module),
    "read": lambda module, read: read(),
    "read twice": lambda module, read: (read(), read()),
    "get of an explicit graph": lambda module, read: module.get_global_step(tf.get_default_graph()),
}


def in_scope(scope, module):
    with scope("outer"):
        return module.create_global_step()


def observe(implementation, build, call, logs):
    """Return what the call gave or raised, the logs, the graph and its collections."""
    logs[:] = []
    with tf.Graph().as_default() as graph:
        build()
        try:
            outcome = str(call(*implementation))
        except Exception as error:
            outcome = (type(error), error.args)
        collections = {
            key: [str(item) for item in graph.get_collection(key)]
            for key in graph.get_all_collection_keys()
            if key != tf.GraphKeys.COND_CONTEXT
        }
        return outcome, list(logs), graph_text(graph.as_graph_def()), collections


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.rule("MTS-GS-01", "MTS-GS-02", "MTS-GS-03")
def test_every_function_on_every_graph(tf_logs, graph, call):
    """Same result, same graph to the last name, same log."""
    build, function = GRAPHS[graph], CALLS[call]
    expected = observe(TENSORFLOW, build, function, tf_logs)
    assert observe(MONITORED, build, function, tf_logs) == expected


@pytest.mark.parametrize("initialised", [True, False])
@pytest.mark.rule("MTS-GS-03")
def test_the_read_tensor_gives_the_initial_value_at_first(fresh_graph, config, initialised):
    step = variable("step", 7, collect=True)
    read = ours.global_step_read()
    with tf.Session(config=config) as session:
        if initialised:
            session.run(step.initializer)
            session.run(step.assign_add(1))
        assert session.run(read) == (8 if initialised else 7)


@pytest.mark.rule("MTS-GS-03")
def test_both_implementations_share_one_read_tensor(fresh_graph):
    """Hooks of both kinds can be mixed in one session."""
    tf.train.create_global_step()
    assert ours.global_step_read() is training_util._get_or_create_global_step_read()


@pytest.mark.parametrize("use_resource", [True, False])
@pytest.mark.parametrize("make_read", [ours.global_step_read, training_util._get_or_create_global_step_read])
def test_the_variable_behind_the_read_tensor(fresh_graph, make_read, use_resource):
    """It is known of either implementation's read tensor, and of no other tensor."""
    step = tf.get_variable("step", initializer=7, use_resource=use_resource, trainable=False)
    tf.add_to_collection(tf.GraphKeys.GLOBAL_STEP, step)
    read = make_read()
    assert ours.variable_read_by(read) is step
    for other in (step, read.op.inputs[0], step + 0, "step/add:0", None):
        assert ours.variable_read_by(other) is None
    with tf.Graph().as_default():  # whatever the default graph is
        assert ours.variable_read_by(read) is step
    fresh_graph.clear_collection(tf.GraphKeys.GLOBAL_STEP)
    assert ours.variable_read_by(read) is None


@pytest.mark.rule("MTS-GS-03")
def test_several_read_tensors(fresh_graph):
    """RuntimeError."""
    for _ in range(2):
        tf.add_to_collection(training_util.GLOBAL_STEP_READ_KEY, tf.constant(1))
    with pytest.raises(RuntimeError) as expected:
        training_util._get_or_create_global_step_read()
    with pytest.raises(RuntimeError) as got:
        ours.global_step_read()
    assert got.value.args == expected.value.args


def test_the_value_of_a_global_step(fresh_graph, config):
    """`global_step` gives a Python int, of a tensor, a variable or a name."""
    step = variable("step", 7)
    with tf.Session(config=config) as session:
        session.run(step.initializer)
        for fetch in (step, "step/Read/ReadVariableOp:0"):
            value = ours.global_step(session, fetch)
            assert value == tf.train.global_step(session, fetch) == 7
            assert type(value) is int


@pytest.mark.parametrize("implementation", [TENSORFLOW, MONITORED], ids=["tf.train", "ours"])
def test_eager(implementation):
    """Eagerly the global step is a variable on the CPU, found through the default graph."""
    module, _ = implementation
    try:
        step = module.create_global_step()
        assert "CPU:0" in step.device
        assert (step.dtype, step.shape.rank, step.trainable) == (tf.int64, 0, False)
        assert module.get_global_step() is step
        step.assign_add(3)
        assert module.global_step(None, step) == 3
        with pytest.raises(ValueError, match="already exists"):
            module.create_global_step()
    finally:
        tf.reset_default_graph()


@pytest.mark.parametrize("value", ["x", 1, None, 1.5])
@pytest.mark.rule("MTS-GS-01")
def test_what_is_no_global_step(value):
    """TypeError, with the value in the text."""
    with pytest.raises(TypeError) as expected:
        tf.train.assert_global_step(value)
    with pytest.raises(TypeError) as got:
        ours.assert_global_step(value)
    assert got.value.args == expected.value.args


@pytest.mark.rule("MTS-ARG-11")
def test_naming_who_needs_a_global_step(fresh_graph):
    """Hooks name themselves."""
    with pytest.raises(RuntimeError, match=r"^Global step should be created to use SomeHook\.$"):
        ours.global_step_read_for("SomeHook")
    tf.train.create_global_step()
    assert ours.global_step_read_for("SomeHook") is ours.global_step_read()
