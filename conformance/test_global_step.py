"""The global step: finding, creating, reading it (MTS-GS)."""

import pytest
from tensorflow.python.eager import context

from conformance.harness import conforms
from conformance.trace import tf


def two_in_collection():
    for _ in range(2):
        tf.add_to_collection(tf.GraphKeys.GLOBAL_STEP, tf.Variable(0, trainable=False))


GRAPHS = {
    "nothing": lambda train: None,
    "created": lambda train: train.create_global_step(),
    "by name": lambda train: tf.constant(5, name="global_step"),
    "float by name": lambda train: tf.constant(5.0, name="global_step"),
    "bool by name": lambda train: tf.constant(True, name="global_step"),
    "vector by name": lambda train: tf.constant([5], name="global_step"),
    "matrix by name": lambda train: tf.constant([[5]], name="global_step"),
    "unknown shape": lambda train: tf.placeholder(tf.int64, name="global_step"),
    "int16 by name": lambda train: tf.constant(5, tf.int16, name="global_step"),
    "quantised by name": lambda train: tf.placeholder(tf.qint32, [], name="global_step"),
    "unsigned by name": lambda train: tf.placeholder(tf.uint16, [], name="global_step"),
    "operation by name": lambda train: tf.no_op(name="global_step"),
    "two": lambda train: two_in_collection(),
    "junk": lambda train: tf.add_to_collection(tf.GraphKeys.GLOBAL_STEP, "not a tensor"),
    "a tensor": lambda train: tf.add_to_collection(tf.GraphKeys.GLOBAL_STEP, tf.constant(3)),
    "a variable": lambda train: tf.add_to_collection(tf.GraphKeys.GLOBAL_STEP, tf.Variable(3)),
    "a float variable": lambda train: tf.add_to_collection(tf.GraphKeys.GLOBAL_STEP, tf.Variable(3.0)),
    "a reference variable": lambda train: tf.add_to_collection(
        tf.GraphKeys.GLOBAL_STEP, tf.Variable(3, use_resource=False)
    ),
}


def describe(step):
    if step is None or isinstance(step, (str, bool)):
        return step
    return [type(step).__name__, step.name, step.dtype.base_dtype.name, str(step.shape)]


@pytest.mark.parametrize("case", GRAPHS)
@pytest.mark.parametrize("function", ("get_global_step", "get_or_create_global_step", "create_global_step"))
@conforms("MTS-GS-01", "MTS-GS-02", "Q-41")
def test_find_or_create(train, record, case, function):
    GRAPHS[case](train)
    record.outcome(function, lambda: describe(getattr(train, function)()))
    record.outcome("again", lambda: describe(getattr(train, function)()))
    record.graph_state("graph")


@conforms("MTS-GS-02", "Q-41")
def test_scopes(train, record):
    with tf.name_scope("foo"), tf.variable_scope("bar"):
        record("step", describe(train.create_global_step()))
    record("trainable", len(tf.trainable_variables()))
    with record.graph():
        with tf.name_scope("foo"):
            record("step", describe(train.create_global_step()))


@conforms("MTS-GS-02", "MTS-GS-01")
def test_another_graph(train, record):
    other = tf.Graph()
    step = train.create_global_step(other)
    record("graph", step.graph is other)
    record("here", train.get_global_step())
    record("there", train.get_global_step(other) is step)
    record("same", train.get_or_create_global_step(other) is step)
    record.outcome("exists", train.create_global_step, other)
    record.outcome("not a graph", train.get_global_step, 5)


@conforms("MTS-GS-01")
def test_assert(train, record):
    for value in (
        tf.constant(1), tf.constant(True), tf.constant(1.0), tf.constant([1]), 3, None,
        tf.placeholder(tf.int64), tf.placeholder(tf.int32, [None]), tf.Variable(1), tf.constant("x"),
    ):  # fmt: skip
        record.outcome("assert", train.assert_global_step, value)


@conforms("MTS-GS-01")
def test_value(train, record):
    step = train.create_global_step()
    with tf.Session(config=record.config()) as session:
        record.outcome("uninitialised", train.global_step, session, step)
        session.run(step.initializer)
        value = record.outcome("value", train.global_step, session, step)
        record("type", type(value).__name__)
        record.outcome("tensor", train.global_step, session, step.value())
        record.outcome("name", train.global_step, session, "global_step:0")
        record.outcome("none", train.global_step, session, None)


@conforms("MTS-GS-03")
def test_read_of_the_hooks(train, record):
    # No read was made before: the hooks make it, once, and share it.
    step = train.create_global_step()
    increment = tf.assign_add(step, 0)  # nothing orders it against the hooks' read
    hooks = [train.StepCounterHook(every_n_steps=1), train.StopAtStepHook(last_step=3)]
    session = record.session(hooks)
    key = "global_step_read_op_cache"
    record("reads", [[tensor.dtype.name, tensor.op.type] for tensor in tf.get_collection(key)])
    record("used", [hook._global_step_tensor is tf.get_collection(key)[0] for hook in hooks])
    record("run", session.run(tf.get_collection(key)[0]))
    session.run(increment)
    session.close()


@conforms("MTS-GS-03")
def test_odd_reads(train, record):
    for count in (1, 2):
        with record.graph():
            train.create_global_step()
            for _ in range(count):
                tf.add_to_collection("global_step_read_op_cache", tf.constant(7, tf.int64))
            hook = train.StopAtStepHook(last_step=3)
            record.outcome("begin", hook.begin)
            record("used", hook.__dict__.get("_global_step_tensor"))


@conforms("MTS-GS-03")
def test_read_before_initialisation(train, record):
    train.create_global_step()
    hook = train.StopAtStepHook(num_steps=3)
    hook.begin()
    with tf.Session(config=record.config()) as session:
        record.outcome("read", session.run, hook._global_step_tensor)
        record.outcome("after_create_session", hook.after_create_session, session, None)


@conforms("MTS-GS-03")
def test_reference_variable(train, record):
    with tf.variable_scope("", use_resource=False):
        step = train.create_global_step()
    record("step", describe(step))
    read_hook = train.StopAtStepHook(last_step=2)
    increment = tf.assign_add(step, 1)
    session = record.session([read_hook])
    record("run", session.run(increment.op))
    session.close()


@conforms("MTS-GS-01", "MTS-GS-02")
def test_where_there_is_no_graph(train, record):
    with context.eager_mode():
        step = train.create_global_step(tf.Graph())
        record("step", [int(step), step.dtype.name, step.trainable, step.device.split("/")[-1]])
        record("value", train.global_step(None, step))
    graph = tf.get_default_graph()
    for key in sorted(graph.get_all_collection_keys()):
        record(key, len(graph.get_collection(key)))
        graph.clear_collection(key)  # what eager variables are, only eager mode can tell
