"""The scaffold: default pieces, collections, copies (MTS-SCF)."""

import itertools
import os

import pytest

from conformance.harness import conforms
from conformance.trace import tf

KEYS = (
    "INIT_OP", "READY_OP", "READY_FOR_LOCAL_INIT_OP", "LOCAL_INIT_OP", "SUMMARY_OP", "SAVERS",
)  # fmt: skip
PIECES = (
    "init_op", "init_fn", "init_feed_dict", "ready_op", "ready_for_local_init_op", "local_init_op",
    "local_init_feed_dict", "summary_op", "saver",
)  # fmt: skip


def build_variables(what):
    if "global" in what:
        tf.Variable(1.0, name="weight")
        tf.Variable(2.0, name="bias")
    if "local" in what:
        tf.Variable(3.0, name="local", collections=[tf.GraphKeys.LOCAL_VARIABLES])
    if "summary" in what:
        tf.summary.scalar("loss", 1.0)
    if "table" in what:
        initializer = tf.lookup.KeyValueTensorInitializer(["a"], [1])
        tf.lookup.StaticHashTable(initializer, -1)
    if "nothing" in what:
        tf.constant(1.0)


def describe(record, scaffold):
    return {name: getattr(scaffold, name) for name in PIECES}


GRAPHS = ("nothing", "global", "local", "global local", "global summary", "table", "global table")


@pytest.mark.parametrize("what", GRAPHS)
@conforms("MTS-SCF-01", "MTS-SCF-02", "MTS-SCF-05", "MTS-SCF-06", "MTS-SCF-09")
def test_default_pieces(train, record, what):
    build_variables(what)
    scaffold = train.Scaffold()
    record("before", describe(record, scaffold))
    record("returns itself", scaffold.finalize() is scaffold)
    record("after", describe(record, scaffold))
    saver = scaffold.saver
    record("saver", [saver._sharded, saver._allow_empty, saver._max_to_keep, saver._is_empty])
    record("saver_def", saver.saver_def is None)
    record.graph_state("graph")
    pieces = describe(record, scaffold)
    size = len(tf.get_default_graph().get_operations())
    scaffold.finalize()
    again = describe(record, scaffold)
    record("finalised twice", [again[name] is pieces[name] for name in PIECES])
    record("nothing added", len(tf.get_default_graph().get_operations()) == size)


@pytest.mark.parametrize("what", GRAPHS)
@conforms("MTS-SCF-05", "MTS-SES-08")
def test_values_of_the_default_pieces(train, record, what):
    build_variables(what)
    scaffold = train.Scaffold().finalize()
    session = tf.Session(config=record.config())
    for op in (None, scaffold.init_op, scaffold.local_init_op):
        if op is not None:
            record.outcome("run", session.run, op)
        record.outcome("ready", session.run, scaffold.ready_op)
        record.outcome("ready for local init", session.run, scaffold.ready_for_local_init_op)
    session.close()


@pytest.mark.parametrize("key", KEYS)
@conforms("MTS-SCF-03", "MTS-SCF-04", "Q-02")
def test_items_in_a_collection(train, record, key):
    for count in (1, 2):
        with record.graph("with {} items".format(count)):
            tf.Variable(1.0)
            items = [train.Saver() if key == "SAVERS" else tf.no_op() for _ in range(count)]
            for item in items:
                tf.add_to_collection(getattr(tf.GraphKeys, key), item)
            scaffold = train.Scaffold()
            record.outcome("finalize", lambda: scaffold.finalize() is scaffold)
            pieces = describe(record, scaffold)
            record("used", [name for name in PIECES if pieces[name] is items[0]])


@conforms("MTS-SCF-03", "MTS-SCF-01")
def test_explicit_pieces_stay_out_of_collections(train, record):
    tf.Variable(1.0)
    nothing = tf.constant([], tf.string)
    scaffold = train.Scaffold(
        init_op=tf.no_op(),
        ready_op=nothing,
        ready_for_local_init_op=nothing,
        local_init_op=tf.no_op(),
        summary_op=tf.constant("summary"),
        saver=train.Saver(),
    )
    record("before", describe(record, scaffold))
    scaffold.finalize()
    record("after", describe(record, scaffold))


@conforms("MTS-SCF-03")
def test_get_or_default(train, record):
    get = train.Scaffold.get_or_default
    tf.add_to_collection("one", 1)
    for number in (1, 2):
        tf.add_to_collection("two", number)
    record.outcome("one", get, "one", "one", lambda: 5)
    record.outcome("two", get, "two", "two", lambda: 5)
    for name, value in (("none", None), ("seven", 7), ("zero", 0), ("false", False)):
        record.outcome(name, get, name, name, lambda: value)
        record("collection", tf.get_collection(name))
        record.outcome(name, get, name, name, lambda: 9)


@conforms("MTS-SCF-07", "MTS-SCF-08")
def test_init_fn_and_copies(train, record):
    tf.Variable(1.0, name="weight")
    op, other = tf.no_op(), tf.no_op()
    seen = []
    base = train.Scaffold(
        init_op=op,
        init_fn=lambda scaffold, session: seen.append((scaffold, session)),
        init_feed_dict={"k": 1},
        local_init_op=op,
        local_init_feed_dict={"l": 2},
    )
    copy = train.Scaffold(copy_from_scaffold=base, init_op=other)
    record("copied", describe(record, copy))
    record("own", [copy.init_op is other, copy.local_init_op is op])
    copy.init_fn("a session")
    record("called with", [seen[0][0] is copy, seen[0][1]])
    record.outcome("by the argument's name", lambda: copy.init_fn(sess="a session"))
    base.finalize()
    second = train.Scaffold(copy_from_scaffold=base)
    record("same", [second.saver is base.saver, second.ready_op is base.ready_op])
    for wrong in (5, "x", object()):
        record.outcome("not a scaffold", lambda: train.Scaffold(copy_from_scaffold=wrong))


@conforms("MTS-SCF-07")
def test_falsy_init_fn(train, record):
    class Falsy:
        def __bool__(self):
            return False

        def __call__(self, *_):
            raise ValueError("never called")

    record("dropped", train.Scaffold(init_fn=Falsy()).init_fn is None)
    record.outcome("not callable", lambda: train.Scaffold(init_fn=5).init_fn("session"))


@conforms("MTS-SCF-07", "MTS-SES-01")
def test_init_fn_sees_initialised_variables(train, record):
    weight = tf.Variable(1.0, name="weight")

    def init_fn(scaffold, session):
        record("init_fn", [type(scaffold).__name__, session.run(weight)])

    record.session(scaffold=train.Scaffold(init_fn=init_fn)).close()


@conforms("MTS-SCF-10", "MTS-SES-01")
def test_feeds_of_init_ops(train, record):
    fed = tf.placeholder(tf.float32, [])
    weight = tf.Variable(fed, name="weight")
    local = tf.Variable(0.0, collections=[tf.GraphKeys.LOCAL_VARIABLES])
    scaffold = train.Scaffold(
        init_feed_dict={fed: 5.0}, local_init_op=tf.assign(local, fed), local_init_feed_dict={fed: 6.0}
    )
    session = record.session(scaffold=scaffold)
    record("values", session.run([weight, local]))
    session.close()


@conforms("MTS-SCF-10")
def test_missing_feed_of_init_op(train, record):
    fed = tf.placeholder(tf.float32, [])
    tf.Variable(fed, name="weight")
    record.outcome("make", record.session)


@conforms("MTS-SCF-10", "Q-43")
def test_checkpoint_objects_as_saver(train, record):
    import tensorflow.compat.v2 as tf2

    weight = tf.Variable(1.0, name="weight")
    for cls in (tf2.train.Checkpoint, tf.train.Checkpoint):
        scaffold = train.Scaffold(saver=cls(weight=weight))
        record.outcome(cls.__name__, lambda: scaffold.finalize() is scaffold)
        record("saver", type(scaffold.saver).__name__)


PIECE_STATES = ("absent", "explicit", "one in collection", "two in collection")


@pytest.mark.parametrize("seed", range(4))
@conforms("MTS-SCF-02", "MTS-SCF-03", "MTS-SCF-04", "MTS-SCF-06")
def test_lattice(train, record, seed):
    # Every pair of pieces in every pair of states, a quarter in each test.
    pairs = list(itertools.combinations(range(len(KEYS)), 2))
    combinations = list(itertools.product(pairs, PIECE_STATES[1:], PIECE_STATES[1:]))
    names = ("init_op", "ready_op", "ready_for_local_init_op", "local_init_op", "summary_op", "saver")
    for (first, second), one, other in combinations[seed::4]:
        with record.graph("{} {}, {} {}".format(names[first], one, names[second], other)):
            tf.Variable(1.0)
            nothing = tf.constant([], tf.string)
            arguments = dict.fromkeys(names[1:3], nothing)
            arguments.update(init_op=tf.no_op(), local_init_op=tf.no_op(), saver=train.Saver())
            arguments["summary_op"] = tf.constant("")
            for index, state in ((first, one), (second, other)):
                item = arguments[names[index]]
                if state != "explicit":
                    arguments.pop(names[index])
                    for _ in range(1 if state.startswith("one") else 2):
                        tf.add_to_collection(getattr(tf.GraphKeys, KEYS[index]), item)
            scaffold = train.Scaffold(**arguments)
            record.outcome("finalize", lambda: scaffold.finalize() is scaffold)


@conforms("MTS-SCF-02", "MTS-SCF-09")
def test_finalising_twice(train, record):
    class Saver(train.Saver):
        def build(self):
            record("build", tf.get_default_graph().finalized)
            super().build()

    tf.Variable(1.0, name="weight")
    graph = tf.get_default_graph()
    scaffold = train.Scaffold(saver=Saver(defer_build=True))
    for _ in range(2):
        record.outcome("finalize", lambda: scaffold.finalize() is scaffold)
        record("finalised", graph.finalized)
        graph._unsafe_unfinalize()


@conforms("MTS-SCF-02", "MTS-SCF-05")
def test_summaries_that_come_between_two_sessions(train, record):
    tf.Variable(1.0, name="weight")
    graph = tf.get_default_graph()
    scaffold = train.Scaffold()
    record.session(scaffold=scaffold).close()
    record("at first", scaffold.summary_op)
    tf.summary.scalar("loss", 1.0)
    size = len(graph.get_operations())
    record.session(scaffold=scaffold).close()
    record("then", scaffold.summary_op)
    assert len(graph.get_operations()) == size + 1
    assert tf.get_collection(tf.GraphKeys.SUMMARY_OP) == [scaffold.summary_op]


@pytest.mark.parametrize("collection", ("mine", "nowhere"))
@pytest.mark.parametrize("use_resource", (False, True))
@conforms("MTS-SCF-05", "MTS-SES-08")
def test_ready_op_without_variables(train, record, collection, use_resource):
    collections = [collection] if collection == "mine" else []
    weight = tf.Variable(1.0, name="weight", collections=collections, use_resource=use_resource)
    scaffold = train.Scaffold().finalize()
    with tf.Session(config=record.config()) as session:
        for op in (None, weight.initializer):
            if op is not None:
                session.run(op)
            record("ready", session.run(scaffold.ready_op))
            record("ready for local init", session.run(scaffold.ready_for_local_init_op))
    record.outcome("session", lambda: record.session().close())


@pytest.mark.parametrize("write_meta_graph", (True, False))
@conforms("MTS-SCF-06", "MTS-SES-13", "Q-31")
def test_what_an_empty_saver_writes(train, record, write_meta_graph):
    tf.constant(1.0)
    saver = train.Scaffold().finalize().saver
    with tf.Session(config=record.config()) as session:
        arguments = {"global_step": 3, "write_meta_graph": write_meta_graph}
        record.outcome("save", saver.save, session, record.path("m"), **arguments)
        record.outcome("restore", saver.restore, session, record.path("none"))
    record("last", list(saver.last_checkpoints))
    record("files", sorted(os.listdir(record.path())))
