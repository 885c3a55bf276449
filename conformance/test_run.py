"""One run: what hooks are given, what is fetched, fed and handed back (MTS-RUN)."""

import collections

import numpy as np
import pytest

from conformance import graphs
from conformance.errors import make_error
from conformance.harness import conforms
from conformance.trace import tf

KINDS = pytest.mark.parametrize("kind", ("MonitoredSession", "SingularMonitoredSession"))
Triple = collections.namedtuple("Triple", "one two three")


def asks(train, fetches=None, feeds=None, options=None):
    """Return a before_run that asks for this in every run."""
    return lambda context: train.SessionRunArgs(fetches, feeds, options)


class FakeSession:
    """What reaches a session, for a creator that makes no tf.Session."""

    graph = None

    def __init__(self, record):
        self.record = record

    def run(self, fetches, feed_dict=None, options=None, run_metadata=None):
        self.record("reached the session", [fetches, feed_dict, options, type(run_metadata).__name__])
        return {key: ("value", fetch) for key, fetch in fetches.items()}

    def close(self):
        self.record("fake session closed")


def fake_creator(train, record):
    class Creator(train.SessionCreator):
        def create_session(self):
            return FakeSession(record)

    return Creator()


@KINDS
@conforms("MTS-RUN-01", "MTS-RUN-02", "MTS-RUN-10")
def test_stop_requested_by_a_hook(train, record, kind):
    constant = tf.constant(1.0)
    for stage in ("before_run", "after_run"):
        with record.graph():
            constant = tf.constant(1.0)
            stop = {stage: lambda context, *_: context.request_stop()}
            session = record.session([record.hook("A", **stop), record.hook("B")], kind)
            record("run", session.run(constant))
            record("should_stop", session.should_stop())
            record.outcome("run again", session.run, constant)
            session.close()


@KINDS
@pytest.mark.parametrize("failing", ("before_run", "after_run", "run"))
@conforms("MTS-RUN-10", "MTS-EXC-03", "Q-10")
def test_stop_is_lost_when_the_run_fails(train, record, kind, failing):
    value = tf.placeholder(tf.float32, [])
    calls = []

    def stop(context):
        if not calls:
            context.request_stop()

    def fail(*_):
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("once")

    stages = {failing: fail} if failing != "run" else {"before_run": lambda _: calls.append(1)}
    session = record.session([record.hook("A", before_run=stop), record.hook("B", **stages)], kind)
    record.outcome("run", session.run, value, None if failing == "run" else {value: 1.0})
    record("should_stop", session.should_stop())
    record.outcome("run", session.run, value, {value: 1.0})
    record("should_stop", session.should_stop())
    session.close()


@KINDS
@conforms("MTS-RUN-01", "MTS-EXC-06")
def test_coordinator_stop_does_not_block_run(train, record, kind):
    constant = tf.constant(1.0)
    session = record.session([record.hook("A")], kind)
    record.coordinators[0].request_stop()
    record("should_stop", session.should_stop())
    record.outcome("run", session.run, constant)
    session.close()
    record("joined", record.coordinators[0].joined)


def fetch_shapes():
    a = tf.constant(1.0, name="a")
    b = tf.constant([2.0, 3.0], name="b")
    op = tf.no_op(name="op")
    sparse = tf.SparseTensor([[0]], [4.0], [2])
    return [
        a, [a, b], {"x": a, "y": [b, op]}, (a, b), "a:0", "a", "nope:0", op, [], {}, (), None,
        [a, None], Triple(a, [b], {"z": a}), [[a], [[b]]], [a, a], sparse, 5, 1.5, object(),
        collections.OrderedDict([("z", a), ("c", b)]), tf.ragged.constant([[1], [2, 3]]),
    ]  # fmt: skip


@pytest.mark.parametrize("index", range(22))
@conforms("MTS-RUN-03", "MTS-RUN-08")
def test_fetch_structures(train, record, index):
    plain = tf.constant(9.0)
    fetches = fetch_shapes()[index]
    session = record.session([record.hook("A", before_run=asks(train, fetches)), record.hook("B")])
    record.outcome("hook's", session.run, plain)
    session.close()
    session = record.session([record.hook("C", before_run=asks(train, plain))])
    record.outcome("user's", session.run, fetches)
    session.close()


@pytest.mark.parametrize("variables", ["resource", "reference"])
@KINDS
@conforms("MTS-RUN-08")
def test_results_are_copies(train, record, kind, variables):
    with graphs.kind_of_variables(variables):
        vector = tf.Variable([1.0, 2.0])
    count = tf.assign_add(vector, [1.0, 1.0])
    fetches = [vector, tf.identity(vector), tf.constant([3.0, 4.0])]
    session = record.session([record.hook("A", before_run=asks(train, vector))], kind)
    for _ in range(3):
        record.keep(record("run", session.run(fetches)), overwrite=True)
        record.kept()
        session.run(count)
        record.kept()
    session.close()


@conforms("MTS-RUN-03", "MTS-RUN-05", "MTS-RUN-08", "MTS-GRAPH-01")
def test_what_reaches_the_session(train, record):
    hooks = [
        record.hook("A", before_run=asks(train, "fetch of A", {"x": 1})),
        record.hook("B", before_run=asks(train, {"k": "fetch of B"}, {"y": 2})),
        record.hook("C"),
        record.hook("D", before_run=asks(train, None, {})),
    ]
    creator = fake_creator(train, record)
    session = train.MonitoredSession(session_creator=creator, hooks=hooks)
    for feeds in (None, {}, {"u": 3}):
        record("run", session.run(["q"], feeds))
    session.close()
    session = train.MonitoredSession(session_creator=creator, hooks=[])
    feeds = record.describer.name({"u": 3}, "the user's dictionary")
    session.run("q", feed_dict=feeds)
    session.run("q", feed_dict=record.describer.name({}, "the user's empty dictionary"))
    session.close()


@conforms("MTS-RUN-04", "MTS-RUN-08")
def test_context_and_values(train, record):
    value = tf.placeholder(tf.float32, [])
    options = tf.RunOptions(timeout_in_ms=70000)
    metadata = tf.RunMetadata()
    feeds = {value: 3.0}
    seen = []

    def look(context, values=None):
        seen.append((context, values))
        arguments = context.original_args
        record(
            "identities",
            [
                arguments.fetches is value,
                arguments.feed_dict is feeds,
                arguments.options,
                context is seen[0][0],
                tf.get_default_session() is None,
                type(context.session).__name__,
                type(context).__name__,
            ],
        )
        if values is not None:
            record("same objects", [values.options is options, values.run_metadata is metadata])

    hooks = [record.hook(name, before_run=look, after_run=look) for name in "AB"]
    session = record.session(hooks)
    record("run", session.run(value, feeds, options, metadata))
    session.close()


FEEDS = {
    "disjoint": ({"a": 1.0}, None, {"b": 2.0}),
    "two hooks": ({"a": 1.0}, {"a": 1.0}, {"b": 2.0}),
    "hook and user": ({"a": 1.0}, None, {"a": 1.0, "b": 2.0}),
    "both hooks and user": ({"a": 1.0}, {"b": 2.0}, {"a": 1.0, "b": 2.0}),
    "name against tensor": ({"a:0": 10.0}, None, {"a": 1.0, "b": 2.0}),
    "tensor against name": ({"a": 10.0}, None, {"a:0": 1.0, "b": 2.0}),
    "hooks: tensor, name": ({"a": 10.0}, {"a:0": 20.0}, {"b": 2.0}),
    "hooks: name, tensor": ({"a:0": 10.0}, {"a": 20.0}, {"b": 2.0}),
    "override a constant": ({"c": 9.0}, None, {"a": 1.0, "b": 2.0}),
    "empty dictionaries": ({}, {}, {"a": 1.0, "b": 2.0}),
    # Two placeholders without a value would race for the error.
    "nobody feeds a": (None, None, {"b": 2.0}),
    "only hooks": ({"a": 1.0, "b": 2.0}, None, {}),
    "unknown name": ({"zzz:0": 1.0}, None, {"a": 1.0, "b": 2.0}),
    "None as value": ({"a": None}, None, {"b": 1.0}),
}


@pytest.mark.parametrize("case", FEEDS)
@conforms("MTS-RUN-05", "MTS-RUN-06", "Q-18")
def test_feeds(train, record, case):
    tensors = {
        "a": tf.placeholder(tf.float32, [], name="a"),
        "b": tf.placeholder(tf.float32, [], name="b"),
        "c": tf.constant(5.0, name="c"),
    }
    total = tensors["a"] + tensors["b"] + tensors["c"]
    feeds = [
        None if plan is None else {tensors.get(key, key): value for key, value in plan.items()} for plan in FEEDS[case]
    ]
    copies = [None if plan is None else dict(plan) for plan in feeds]
    first, second, user = feeds
    hooks = [
        record.hook("A", before_run=asks(train, None, first)),
        record.hook("B", before_run=asks(train, None, second)),
        record.hook("C"),
    ]
    session = record.session(hooks)
    record.outcome("run", session.run, total, user)
    record("unchanged", [now == before for now, before in zip(feeds, copies)])
    session.close()


@pytest.mark.parametrize("bad", ([("a", 1)], "abc", [], 0, (), 5))
@conforms("MTS-RUN-05")
def test_feeds_of_a_wrong_type(train, record, bad):
    constant = tf.constant(1.0)
    session = record.session([record.hook("A", before_run=asks(train, None, bad))])
    record.outcome("hook's", session.run, constant)
    session.close()
    session = record.session([])
    record.outcome("user's", session.run, constant, bad)
    session.close()


def options_of(**fields):
    options = tf.RunOptions()
    for name, value in fields.items():
        target = options
        *path, last = name.split("__")
        for part in path:
            target = getattr(target, part)
        setattr(target, last, value)
    return options


def watching(*names):
    options = tf.RunOptions()
    for name in names:
        options.debug_options.debug_tensor_watch_opts.add(node_name=name, output_slot=1)
    return options


OPTIONS = {
    "none": lambda: (None,),
    "trace": lambda: (options_of(trace_level=1), options_of(trace_level=3)),
    "trace, user's higher": lambda: (options_of(trace_level=3), options_of(trace_level=1)),
    "timeout": lambda: (options_of(timeout_in_ms=60000), options_of(timeout_in_ms=90000)),
    "timeout, user's": lambda: (options_of(timeout_in_ms=90000), options_of(timeout_in_ms=60000)),
    "timeout, no user": lambda: (None, options_of(timeout_in_ms=90000)),
    "pool": lambda: (options_of(), options_of(inter_op_thread_pool=-1)),
    "pool, user's": lambda: (options_of(inter_op_thread_pool=-1), options_of()),
    "partition graphs": lambda: (options_of(), options_of(output_partition_graphs=True), options_of()),
    "allocations": lambda: (None, options_of(report_tensor_allocations_upon_oom=True)),
    "disk": lambda: (None, options_of(debug_options__reset_disk_byte_usage=True)),
    "step of debugger": lambda: (None, options_of(debug_options__global_step=7)),
    "watches": lambda: (watching("w"), watching("x", "y"), watching("x")),
    "experimental": lambda: (None, options_of(experimental__use_run_handler_pool=True)),
    "an empty merge": lambda: (options_of(), options_of()),
    "no options at all": lambda: (None, object()),
}


@pytest.mark.parametrize("case", OPTIONS)
@conforms("MTS-RUN-07", "MTS-RUN-08", "Q-19")
def test_options(train, record, case):
    user, *of_hooks = OPTIONS[case]()
    hooks = [
        record.hook("H{}".format(index), before_run=asks(train, None, None, options))
        for index, options in enumerate(of_hooks)
    ]
    creator = fake_creator(train, record)
    session = train.MonitoredSession(session_creator=creator, hooks=hooks)
    for _ in range(2):
        record.outcome("run", session.run, "fetch", options=user)
        record("user's options", None if user is None else user.SerializeToString())
    record("hooks' options", list(of_hooks))
    session.close()


class Duck(collections.namedtuple("Duck", "fetches feed_dict options")):
    pass


@pytest.mark.parametrize("case", ("list", "tensor", "dict", "0", "False", "string", "duck"))
@conforms("MTS-RUN-09")
def test_what_before_run_returns(train, record, case):
    constant = tf.constant(4.0)
    returned = {
        "list": [constant],
        "tensor": constant,
        "dict": {},
        "0": 0,
        "False": False,
        "string": train.SessionRunArgs("nope:0"),
        "duck": Duck(constant, None, None),
    }[case]
    session = record.session([record.hook("A", before_run=lambda _: returned), record.hook("B")])
    record.outcome("run", session.run, constant)
    session.close()


@conforms("MTS-RUN-11")
def test_a_hook_twice(train, record):
    tensors = [tf.constant(1.0), tf.constant(2.0)]
    calls = []

    def ask(context):
        calls.append(1)
        return train.SessionRunArgs(tensors[len(calls) % 2])

    hook = record.hook("A", before_run=ask)
    session = record.session([hook, hook])
    record.outcome("run", session.run, tensors[0])
    session.close()


@pytest.mark.parametrize("case", ("equal", "unhashable", "unhashable asks", "called caller"))
@conforms("MTS-RUN-11", "MTS-RUN-03", "Q-20")
def test_odd_equality_of_hooks(train, record, case):
    tensors = [tf.constant(1.0), tf.constant(2.0)]

    class Equal(train.SessionRunHook):
        def __eq__(self, other):
            return isinstance(other, Equal)

        def __hash__(self):
            return 7

    class Unhashable(train.SessionRunHook):
        __hash__ = None

        def __eq__(self, other):
            return self is other

    class Caller(train.SessionRunHook):
        def __eq__(self, other):
            return other == "caller" or other is self

        def __hash__(self):
            return hash("caller")

    base = {"equal": Equal, "called caller": Caller}.get(case, Unhashable)
    quiet = case == "unhashable"
    hooks = [
        record.hook(name, base=base, before_run=None if quiet else asks(train, tensor))
        for name, tensor in zip("AB", tensors)
    ]
    session = record.session(hooks if case == "equal" else hooks[1:])
    record.outcome("run", session.run, tensors[0])
    session.close()


@pytest.mark.parametrize("requests", ("nothing", "a tensor"))
@conforms("MTS-RUN-11", "Q-40")
def test_when_an_unhashable_hook_is_noticed(train, record, requests):
    count = tf.Variable(0.0)
    increment = tf.assign_add(count, 1.0)

    class Unhashable(train.SessionRunHook):
        __hash__ = None

        def __eq__(self, other):
            return self is other

    before_run = asks(train, count) if requests == "a tensor" else None
    hooks = [record.hook("A"), record.hook("B", base=Unhashable, before_run=before_run)]
    session = record.session(hooks)
    record.outcome("run", session.run, increment)
    record("count", session._tf_sess().run(count))
    session.close()


@KINDS
@conforms("MTS-RUN-12")
def test_no_tf_session(train, record, kind):
    tf.Variable(1.0)
    seen = []
    hook = record.hook(
        "A",
        after_create_session=lambda *_: seen.append(tf.get_default_session()),
        before_run=lambda *_: seen.append(tf.get_default_session()),
        end=lambda *_: seen.append(tf.get_default_session()),
    )
    session = record.session([hook], kind)
    for name in ("as_default", "make_callable", "partial_run", "list_devices", "sess_str", "graph"):
        record(name, hasattr(session, name))
    saver = tf.get_collection(tf.GraphKeys.SAVERS)[0]
    record.outcome("save", saver.save, session, record.path("x"))
    session.run(tf.get_default_graph().get_operations()[0])
    session.close()
    record("default sessions", seen)


@KINDS
@conforms("MTS-RUN-13")
def test_a_hook_runs_the_session(train, record, kind):
    constant = tf.constant(1.0)
    depth = []

    def again(context):
        depth.append(1)
        if len(depth) == 1:
            record("inner", session.run(constant))

    session = record.session([record.hook("A", before_run=again), record.hook("B")], kind)
    record("outer", session.run(constant))
    session.close()


@KINDS
@conforms("MTS-RUN-13", "MTS-RUN-01", "MTS-RUN-10")
def test_an_inner_run_stops_the_session(train, record, kind):
    constant = tf.constant(1.0)
    depth = []

    def again(context):
        depth.append(1)
        if len(depth) == 1:
            record("inner", session.run(constant))
        else:
            context.request_stop()

    session = record.session([record.hook("A", before_run=again)], kind)
    record("outer", session.run(constant))
    record("should_stop", session.should_stop())
    record.outcome("run", session.run, constant)
    session.close()


@KINDS
@pytest.mark.parametrize("stage", ("before_run", "after_run"))
@conforms("MTS-RUN-13", "MTS-EXC-04", "MTS-EXC-11")
def test_an_inner_run_recovers(train, record, kind, stage):
    constant = tf.constant(1.0)
    inner, calls = [], []

    def run_inside(context, *_):
        if not inner:
            inner.append(1)
            context.request_stop()
            record.outcome("inner", session.run, constant)

    def fail(*_):
        calls.append(1)
        if len(calls) == (1 if stage == "before_run" else 2):
            raise make_error("AbortedError", "once")

    session = record.session([record.hook("A", **{stage: run_inside}), record.hook("B", before_run=fail)], kind)
    for _ in range(2):
        record.outcome("outer", session.run, constant)
        record.outcome("should_stop", session.should_stop)
    record.outcome("close", session.close)


@KINDS
@pytest.mark.parametrize("stage", ("before_run", "after_run"))
@conforms("MTS-CLOSE-05", "MTS-CLOSE-03", "Q-22")
def test_a_hook_closes_the_session(train, record, kind, stage):
    constant = tf.constant(1.0)
    hook = record.hook("A", **{stage: lambda *_: session.close()})
    session = record.session([hook, record.hook("B")], kind)
    record.outcome("run", session.run, constant)
    record.outcome("close", session.close)


@conforms("MTS-RUN-02")
def test_how_run_is_called(train, record):
    value = tf.placeholder(tf.float32, [], name="value")
    session = record.session([])
    record.outcome("positional", session.run, value, {value: 1.0})
    record.outcome("keywords", lambda: session.run(fetches=value, feed_dict={value: 2.0}))
    record.outcome("nothing", session.run)
    record.outcome("all four", session.run, value, {value: 1.0}, None, None)
    record.outcome("five", session.run, value, {value: 1.0}, None, None, 1)
    record.outcome("unknown", lambda: session.run(value, foo=1))
    record.outcome("not fed", session.run, value)
    record.outcome("bad feed", session.run, value, {value: "text"})
    session.close()


@conforms("MTS-EXC-03", "MTS-RUN-02")
def test_session_stays_usable_after_a_failing_run(train, record):
    queue = tf.FIFOQueue(1, [tf.float32])
    close, dequeue = queue.close(), queue.dequeue()
    constant = tf.constant(1.0)
    session = record.session([record.hook("A"), record.hook("B")])
    session.run(close)
    record.outcome("end of input", session.run, dequeue)
    record.outcome("again", session.run, constant)
    session.close()


@conforms("MTS-RUN-09")
def test_run_arguments_object(train, record):
    record.outcome("nothing", train.SessionRunArgs)
    record.outcome("one", lambda: list(train.SessionRunArgs(1)))
    record.outcome("text", lambda: str(train.SessionRunArgs(1, {2: 3})))
    record.outcome("replace", lambda: train.SessionRunArgs(1)._replace(options=4))
    record.outcome("equal", lambda: train.SessionRunArgs(1, 2) == (1, 2, None))
    context = train.SessionRunContext(train.SessionRunArgs(1), None)
    record("context", [context.original_args, context.session, context.stop_requested])
    context.request_stop()
    record("stop", context.stop_requested)
    record.outcome("read only", setattr, context, "stop_requested", False)
    error = make_error("ValueError", "x")
    record("values", train.SessionRunValues(results=error, options=None, run_metadata=None))


@KINDS
@conforms("MTS-RUN-03", "MTS-RUN-08")
def test_requests_that_look_alike(train, record, kind):
    a, b = tf.constant(1.0), tf.constant([2.0, 3.0])
    session = record.session([record.hook("A", silent=True)], kind)
    asked = {"x": a}
    record("x", session.run(asked))
    asked["y"] = b
    record("x and y", session.run(asked))
    record("x again", session.run({"x": a}))
    for nothing in ([], {}, (), [[], {}]):
        record("nothing", session.run(nothing))
    asked = [a]
    record("a", session.run(asked))
    asked[0] = b
    record("b", session.run(asked))
    for key in (1, 1.0, True, (1,), "1"):
        results = session.run({key: a})
        record("key", [type(one).__name__ for one in results])
    for fetches in ([a, b], (a, b), Triple(a, b, a), Triple(b, a, a), {"x": a, "y": b}, {"y": a, "x": b}):
        record("run", session.run(fetches))
    session.close()


@KINDS
@conforms("MTS-RUN-03", "MTS-RUN-05", "MTS-RUN-08")
def test_ops_handles_and_fed_tensors_among_fetches(train, record, kind):
    count = tf.Variable(0.0)
    more = tf.assign_add(count, 1.0).op
    x = tf.placeholder_with_default([1.0, 2.0], [2])
    handle, doubled = tf.get_session_handle(x), x * 2.0
    with record.session([record.hook("A", silent=True)], kind) as session:
        for fetches in ([more, x], {"op": more, "x": [x, more]}, more):
            record("run", session.run(fetches))
        record("count", session.run(count))
        given = np.float32([5, 6])
        results = session.run([x, more], {x: given})
        record("fed", [results[0] is given, results])
        record("sum", session.run(doubled, {x: given}))
        record("handle", type(session.run(handle)).__name__)
        record("handles", [type(one).__name__ for one in session.run([handle, x])])


@pytest.mark.parametrize("replaced", ("in a subclass", "in the object"))
@conforms("MTS-RUN-02", "MTS-LIFE-02")
def test_a_session_whose_run_is_its_own(train, record, replaced):
    constant = tf.constant(1.0)

    class Recording(tf.Session):
        def run(self, fetches, *args, **kwargs):
            record("run of the subclass", sorted(map(str, fetches)) if isinstance(fetches, dict) else None)
            return tf.Session.run(self, fetches, *args, **kwargs)

    class Creator(train.SessionCreator):
        def create_session(self):
            if replaced == "in a subclass":
                return Recording(config=record.config())
            session = tf.Session(config=record.config())
            run = session.run

            def own(*args, **kwargs):
                record("run of the object")
                return run(*args, **kwargs)

            session.run = own
            return session

    with train.MonitoredSession(Creator(), [record.hook("A", silent=True)]) as session:
        for _ in range(2):
            record("run", session.run(constant))


@conforms("MTS-RUN-07", "MTS-EXC-04", "Q-19")
def test_options_of_a_repeated_run(train, record):
    constant = tf.constant(1.0)
    options = tf.RunOptions()
    watch = tf.RunOptions()
    watch.debug_options.debug_tensor_watch_opts.add(node_name="a", output_slot=0)
    failures = iter((True, True, False))

    def fail(*_):
        record("watched", len(options.debug_options.debug_tensor_watch_opts))
        if next(failures):
            raise make_error("AbortedError", "again")

    ask = record.hook("A", before_run=lambda _: train.SessionRunArgs(None, options=watch))
    session = record.session([ask, record.hook("B", before_run=fail)])
    record.outcome("run", lambda: session.run(constant, options=options))
    record("options", options)
    session.close()
