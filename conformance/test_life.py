"""From construction to close: order, counts, and the graph's state (MTS-LIFE, MTS-GRAPH)."""

import pytest

from conformance.errors import make_error
from conformance.harness import conforms
from conformance.trace import tf

KINDS = pytest.mark.parametrize("kind", ("MonitoredSession", "SingularMonitoredSession"))
ERRORS = ("ValueError", "StopIteration", "OutOfRangeError", "AbortedError", "KeyboardInterrupt")


def raise_once(name, times=1):
    """Return a callable that raises at its first `times` calls."""
    calls = []

    def fail(*_):
        calls.append(1)
        if len(calls) <= times:
            raise make_error(name, "once")

    return fail


@KINDS
@conforms("MTS-LIFE-01", "MTS-LIFE-02", "MTS-GRAPH-01", "MTS-GRAPH-04", "MTS-SES-15")
def test_order_of_construction(train, record, kind):
    weight = tf.Variable(0.0, name="weight")
    tf.Variable(3.0, name="local", collections=[tf.GraphKeys.LOCAL_VARIABLES])
    graph = tf.get_default_graph()

    def state(*_):
        record("state", [graph.finalized, tf.get_default_graph() is graph])

    hooks = [record.hook("A", begin=state, after_create_session=state, before_run=state, end=state), record.hook("B")]

    def init_fn(scaffold, session):
        record("init_fn", [type(scaffold).__name__, session.run(weight)])

    session = record.session(hooks, kind, scaffold=train.Scaffold(init_fn=init_fn))
    record("made", [graph.finalized, session.should_stop(), session.graph is graph])
    session.run(weight)
    session.run(weight)
    session.close()
    record("closed", [graph.finalized, session.should_stop(), session.graph])


@KINDS
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("stage", ("begin", "after_create_session", "before_run", "after_run", "end"))
@conforms(
    "MTS-LIFE-03", "MTS-LIFE-04", "MTS-LIFE-05", "MTS-EXC-03", "MTS-EXC-04", "MTS-EXC-10",
    "MTS-CLOSE-02", "MTS-GRAPH-04", "Q-06",
)  # fmt: skip
def test_error_in_each_stage(train, record, stage, error, kind):
    constant = tf.constant(1.0)
    hooks = [record.hook("A"), record.hook("B", **{stage: raise_once(error)}), record.hook("C")]

    def block():
        with record.session(hooks, kind) as session:
            record("run", session.run(constant))
        return "left the block"

    record.outcome("block", block)


@KINDS
@pytest.mark.parametrize("error", ("AbortedError", "UnavailableError", "ValueError"))
@conforms("MTS-LIFE-05", "MTS-LIFE-04", "MTS-SES-01")
def test_error_in_init_fn(train, record, error, kind):
    tf.Variable(0.0, name="weight")
    fail = raise_once(error, times=2)

    def init_fn(scaffold, session):
        record("init_fn")
        fail()

    def make():
        record.session([record.hook("A")], kind, scaffold=train.Scaffold(init_fn=init_fn)).close()

    record.outcome("make", make)


@conforms("MTS-LIFE-04", "MTS-LIFE-05")
def test_preemption_while_constructing_leaves_coordinator_alone(train, record):
    constant = tf.constant(1.0)
    seen = []

    def fail(session, coord):
        seen.append((session, coord))
        if len(seen) == 1:
            raise make_error("AbortedError", "first")

    session = record.session([record.hook("A", after_create_session=fail)])
    record("coordinators", [[coord.should_stop(), coord.joined] for _, coord in seen])
    record.outcome("first session still runs", seen[0][0].run, constant)
    session.close()
    record("coordinators", [[coord.should_stop(), coord.joined] for _, coord in seen])


@conforms("MTS-LIFE-04")
def test_failing_init_op(train, record):
    bad = tf.check_numerics(tf.log(tf.constant(-1.0)), "bad")
    tf.Variable(bad, name="weight")
    record.outcome("make", record.session, [record.hook("A")])


@KINDS
@conforms("MTS-LIFE-06")
def test_hooks_are_kept_by_reference(train, record, kind):
    constant = tf.constant(1.0)
    hooks = [record.hook("A")]
    session = record.session(hooks, kind)
    hooks.append(record.hook("Z"))
    session.run(constant)
    hooks.pop(0)
    session.run(constant)
    session.close()


@KINDS
@pytest.mark.parametrize("container", (None, list, tuple, iter, set))
@conforms("MTS-LIFE-06", "Q-21")
def test_containers_of_hooks(train, record, container, kind):
    constant = tf.constant(1.0)
    hooks = container([record.hook("A")]) if container else None
    session = record.session(hooks, kind)
    record.outcome("run", session.run, constant)
    record.outcome("close", session.close)


@conforms("MTS-LIFE-03")
def test_not_a_hook(train, record):
    tf.constant(1.0)
    record.outcome("make", record.session, [5])


@KINDS
@conforms("MTS-GRAPH-02", "Q-15")
def test_close_under_another_default_graph(train, record, kind):
    own = tf.get_default_graph()
    tf.constant(1.0)
    session = record.session([record.hook("A")], kind)
    with record.graph("other") as other:
        other.finalize()
        session.close()
        record("finalised", [own.finalized, other.finalized])


@KINDS
@conforms("MTS-GRAPH-03")
def test_graph_finalised_before(train, record, kind):
    tf.constant(1.0)
    scaffold = train.Scaffold()
    scaffold.finalize()
    session = record.session([record.hook("A")], kind, scaffold=scaffold)
    session.close()
    record("finalised", tf.get_default_graph().finalized)


@KINDS
@conforms("MTS-GRAPH-05", "MTS-SCF-03")
def test_second_session_on_a_graph(train, record, kind):
    tf.Variable(1.0, name="weight")
    sizes = []
    for _ in range(2):
        record.session([record.hook("A")], kind).close()
        sizes.append(len(tf.get_default_graph().get_operations()))
    record("nothing added", sizes[0] == sizes[1])


@conforms("MTS-GRAPH-05", "MTS-SCF-03")
def test_pieces_of_the_first_session_that_no_collection_has(train, record):
    tf.Variable(1.0, name="weight")
    scaffold = train.Scaffold(init_op=tf.global_variables_initializer(), saver=train.Saver())
    record.session(scaffold=scaffold).close()
    size = len(tf.get_default_graph().get_operations())
    record.session().close()
    assert len(tf.get_default_graph().get_operations()) > size
    record.graph_state("graph")


@conforms("MTS-GRAPH-05")
def test_a_variable_that_comes_between_two_sessions(train, record):
    tf.Variable(1.0, name="weight")
    record.session().close()
    late = tf.Variable(2.0, name="late").read_value()
    size = len(tf.get_default_graph().get_operations())
    session = record.session()
    assert len(tf.get_default_graph().get_operations()) == size
    record("saved", tf.get_collection(tf.GraphKeys.SAVERS)[0].save(session._tf_sess(), record.path("m")))
    record("variables", [name for name, _ in tf.train.list_variables(record.path("m"))])
    with pytest.raises(tf.errors.FailedPreconditionError):
        session.run(late)
    session.close()


@conforms("MTS-GRAPH-01", "MTS-GRAPH-02", "MTS-SCF-02")
def test_recovery_under_another_default_graph(train, record):
    graph, other = tf.get_default_graph(), tf.Graph()
    weight = tf.Variable(1.0, name="weight")
    session = record.session([record.hook("A", after_run=raise_once("AbortedError"))])
    with other.as_default():
        tf.summary.scalar("loss", 1.0)
        size = len(other.get_operations())
        record("run", session.run(weight))
        assert other.finalized
        assert len(other.get_operations()) == size + 1
        assert session.graph is graph
        session.close()
    record("finalised", [graph.finalized, other.finalized])


@KINDS
@conforms("MTS-GRAPH-04")
def test_a_second_close_unfinalises_again(train, record, kind):
    graph = tf.get_default_graph()
    session = record.session([], kind)
    session.close()
    graph.finalize()
    record.outcome("close again", session.close)
    assert not graph.finalized


@pytest.mark.parametrize("first", (0, 1))
@conforms("MTS-GRAPH-05")
def test_overlapping_sessions(train, record, first):
    graph = tf.get_default_graph()
    tf.Variable(1.0)
    sessions = [record.session([record.hook("A")]), record.session([record.hook("B")])]
    record("finalised", graph.finalized)
    sessions[first].close()
    record("finalised", graph.finalized)
    sessions[1 - first].close()
    record("finalised", graph.finalized)


@conforms("MTS-GRAPH-04", "MTS-LIFE-04", "Q-14")
def test_failed_construction_then_another(train, record):
    graph = tf.get_default_graph()
    tf.Variable(1.0, name="weight")
    failing = record.hook("A", after_create_session=raise_once("ValueError"))
    record.outcome("first", record.session, [failing])
    record("finalised", graph.finalized)
    record.outcome("second", record.session, [record.hook("B", begin=lambda: tf.constant(3.0))])
    record.session([record.hook("C")]).close()
    record("finalised", graph.finalized)


@conforms("MTS-GRAPH-01", "MTS-GRAPH-04")
def test_custom_creator_leaves_the_graph_open(train, record):
    constant = tf.constant(1.0)

    class Creator(train.SessionCreator):
        def create_session(self):
            return tf.Session(config=record.config())

    session = train.MonitoredSession(session_creator=Creator(), hooks=[record.hook("A")])
    record("finalised", tf.get_default_graph().finalized)
    record("run", session.run(constant))
    session.close()
    record("finalised", tf.get_default_graph().finalized)


@KINDS
@conforms("MTS-GRAPH-04")
def test_ops_cannot_be_added_while_open(train, record, kind):
    session = record.session([], kind)
    record.outcome("while open", lambda: tf.constant(2.0) is not None)
    session.close()
    record.outcome("after", lambda: tf.constant(2.0) is not None)


@conforms("MTS-LIFE-02")
def test_hooks_share_a_coordinator(train, record):
    tf.constant(1.0)
    record.session([record.hook("A"), record.hook("B")]).close()


@KINDS
@conforms("MTS-LIFE-06")
def test_an_empty_list_of_hooks_is_not_kept(train, record, kind):
    constant = tf.constant(1.0)
    hooks = []
    session = record.session(hooks, kind)
    hooks.append(record.hook("late"))
    record("run", session.run(constant))
    session.close()


@KINDS
@pytest.mark.parametrize("key", ("INIT_OP", "SUMMARY_OP", "SAVERS"))
@conforms("MTS-LIFE-04", "MTS-SCF-02", "MTS-SCF-04", "MTS-GRAPH-04")
def test_a_scaffold_that_cannot_be_finalised(train, record, key, kind):
    tf.Variable(1.0, name="weight")
    for _ in range(2):
        tf.add_to_collection(getattr(tf.GraphKeys, key), train.Saver() if key == "SAVERS" else tf.no_op())
    record.outcome("make", record.session, [record.hook("A")], kind)
    record("finalised", tf.get_default_graph().finalized)
    record("ready_op", len(tf.get_collection(tf.GraphKeys.READY_OP)))


@KINDS
@conforms("MTS-GRAPH-03", "MTS-GRAPH-02")
def test_a_hook_finalises_the_graph(train, record, kind):
    tf.Variable(1.0, name="weight")
    train.Scaffold().finalize()
    graph = tf.get_default_graph()
    graph._unsafe_unfinalize()
    session = record.session([record.hook("A", begin=graph.finalize)], kind)
    record("finalised", graph.finalized)
    session.close()
    record("finalised", graph.finalized)
