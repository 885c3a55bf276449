"""What is on disk: event files, the saver, the checkpoint state (MTS-EVT, MTS-CKP)."""

import glob
import os
import warnings

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from conformance import probes
from conformance.harness import conforms
from conformance.trace import tf

# --- event files ---------------------------------------------------------------------------------


def run_default_session(train, record, runs, **arguments):
    with record.graph():
        step = record.global_step()
        tf.summary.scalar("sc", tf.cast(tf.train.get_global_step(), tf.float32))
        session = record.session(kind="MonitoredTrainingSession", **arguments)
        for _ in range(runs):
            record.clock.advance(0.5)
            session.run(step)
        session.close()


EVERY_TWO = {"save_summaries_steps": 2, "log_step_count_steps": 2, "save_checkpoint_steps": 2}


@conforms("MTS-EVT-02", "MTS-EVT-03", "MTS-EVT-01", "Q-38")
def test_default_session(train, record):
    directory = record.path("logdir")
    run_default_session(train, record, 5, checkpoint_dir=directory, **EVERY_TWO)
    record.files("after the first")
    run_default_session(train, record, 3, checkpoint_dir=directory, **EVERY_TWO)


@pytest.mark.parametrize("save_graph_def", (True, False))
@conforms("MTS-EVT-03", "MTS-ARG-05", "MTS-CKH-07")
def test_two_directories(train, record, save_graph_def):
    run_default_session(
        train,
        record,
        5,
        checkpoint_dir=record.path("checkpoints"),
        summary_dir=record.path("summaries"),
        save_graph_def=save_graph_def,
        **EVERY_TWO,
    )


@conforms("MTS-EVT-01")
def test_a_trailing_slash_is_another_writer(train, record):
    for directory in ("logdir", "logdir/"):
        step_arguments = {"summary_dir": record.path(directory), **EVERY_TWO}
        run_default_session(train, record, 3, **step_arguments)
        record.put_events_aside("first" if directory == "logdir" else "second")
    writers = [record.path("logdir"), record.path("logdir/")]
    record("same", len({id(tf.summary.FileWriterCache.get(name)) for name in writers}))


class FakeWriter:
    """Writes down what is asked of an event writer, flushes included."""

    def __init__(self, record):
        self.record = record

    def get_logdir(self):
        return "logdir"

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*arguments, **keywords):
            sizes = [
                len(argument) > 0 if isinstance(argument, bytes) else type(argument).__name__ for argument in arguments
            ]
            numbers = [argument for argument in arguments if isinstance(argument, (int, np.integer))]
            self.record("writer." + name, [sizes, numbers, sorted(keywords)])

        return call


@conforms("MTS-EVT-04", "MTS-EVT-01", "MTS-SUM-03", "Q-37")
def test_calls_of_the_writer(train, record):
    # What is flushed when decides what is on disk at close.
    cache = tf.summary.FileWriterCache
    saved = cache.__dict__["get"]
    writers = {}

    def get(directory):
        if directory not in writers:
            record("writer for", directory)
            writers[directory] = FakeWriter(record)
        return writers[directory]

    cache.get = staticmethod(get)
    try:
        run_default_session(train, record, 5, checkpoint_dir=record.path("logdir"), **EVERY_TWO)
    finally:
        cache.get = saved


@conforms("MTS-EVT-04", "Q-37")
def test_what_is_on_disk_at_close(train, record):
    run_default_session(train, record, 1, checkpoint_dir=record.path("logdir"))
    for name in sorted(os.listdir(record.path("logdir"))):
        if "tfevents" in name:
            path = record.path("logdir", name)
            events = tf.train.summary_iterator(path)
            record("on disk", [[event.step, event.WhichOneof("what")] for event in events])
    record("saved", train.latest_checkpoint(record.path("logdir")))


@conforms("MTS-EVT-04")
def test_a_closed_writer(train, record):
    step = record.global_step()
    hook = train.CheckpointSaverHook(record.path("logdir"), save_steps=1)
    session = record.session([hook])
    session.run(step)
    tf.summary.FileWriterCache.clear()
    with warnings.catch_warnings():
        session.run(step)
        session.close()


@conforms("MTS-EVT-05")
def test_names_of_event_files(train, record):
    run_default_session(train, record, 1, checkpoint_dir=record.path("logdir"))
    names = [name for name in os.listdir(record.path("logdir")) if "tfevents" in name]
    parts = [name.split(".") for name in names]
    record("names", [[part[:3], len(part[3]), part[3].isdigit()] for part in parts])


@conforms("MTS-EVT-02")
def test_first_graph_event(train, record):
    # The first graph is as of the first hook's begin, the second is complete.
    record.global_step()
    session = record.session(kind="MonitoredTrainingSession", checkpoint_dir=record.path("logdir"))
    session.close()
    tf.summary.FileWriterCache.clear()
    graphs = []
    for name in os.listdir(record.path("logdir")):
        if "tfevents" in name:
            for event in tf.train.summary_iterator(record.path("logdir", name)):
                if event.WhichOneof("what") == "graph_def":
                    graph = tf.GraphDef()
                    graph.ParseFromString(event.graph_def)
                    graphs.append({node.name for node in graph.node})
    record("count", len(graphs))
    record("grows", graphs[0] < graphs[1])
    record("saver", [any(n.startswith("save") for n in graph) for graph in graphs])


# --- the saver -----------------------------------------------------------------------------------


def saver_and_session(train, record, **arguments):
    weight = tf.Variable(1.0, name="weight")
    saver = train.Saver(**arguments)
    session = tf.Session(config=record.config())
    session.run(weight.initializer)
    return saver, session


SAVES = {
    "no step": {},
    "int": {"global_step": 7},
    "numpy": {"global_step": np.int64(8)},
    "float": {"global_step": 7.5},
    "negative": {"global_step": -3},
    "string": {"global_step": "9"},
    "bool": {"global_step": True},
    "zero": {"global_step": 0},
    "latest with a folder": {"latest_filename": "x/y"},
    "latest": {"latest_filename": "latest", "global_step": 1},
    "no meta": {"global_step": 1, "write_meta_graph": False},
    "no state": {"global_step": 1, "write_state": False},
    "suffix": {"global_step": 1, "meta_graph_suffix": "other"},
    "stripped": {"global_step": 1, "strip_default_attrs": True},
    "debug info": {"global_step": 1, "save_debug_info": True},
}


@pytest.mark.parametrize("case", SAVES)
@conforms("MTS-CKP-01", "MTS-CKP-04", "MTS-CKP-08")
def test_save(train, record, case):
    saver, session = saver_and_session(train, record)
    record.outcome("save", saver.save, session, record.path("m"), **SAVES[case])
    record("last", list(saver.last_checkpoints))
    session.close()


@conforms("MTS-CKP-01", "MTS-CKP-06", "MTS-CKP-08")
def test_save_in_odd_places(train, record):
    saver, session = saver_and_session(train, record)
    record.outcome("tensor step", saver.save, session, record.path("t"), tf.constant(9))
    record.outcome("collides", saver.save, session, record.path("checkpoint"))
    record.outcome("collides, step", saver.save, session, record.path("checkpoint"), 1)
    record.outcome("no parent", saver.save, session, record.path("no", "sub", "x"))
    record.outcome("no session", saver.save, "session", record.path("b"))
    saved = os.getcwd()
    os.chdir(record.path())
    try:
        record.outcome("empty path", saver.save, session, "")
        record.outcome("no folder", saver.save, session, "here", 1)
    finally:
        os.chdir(saved)
    record.outcome("bytes", saver.save, session, record.path("bytes").encode())
    record.outcome("a number", saver.save, session, 5)
    session.close()
    record.outcome("closed", saver.save, session, record.path("b"))


@conforms("MTS-CKP-08", "MTS-SCF-06")
def test_restore_in_odd_places(train, record):
    saver, session = saver_and_session(train, record)
    record.outcome("none", saver.restore, session, None)
    record.outcome("missing", saver.restore, session, record.path("nope"))
    record.outcome("missing folder", saver.restore, session, "/no/nope")
    record.outcome("empty", saver.restore, session, "")
    path = saver.save(session, record.path("m"))
    record.outcome("good", saver.restore, session, path)
    record.outcome("bytes", saver.restore, session, path.encode())
    record.outcome("index", saver.restore, session, path + ".index")
    record.outcome("no session", saver.restore, "session", path)
    session.close()


BUILDS = {
    "nothing": {},
    "allow empty": {"allow_empty": True},
    "deferred": {"defer_build": True},
    "deferred, given": {"defer_build": True, "var_list": [1]},
    "empty list": {"var_list": []},
    "empty dict": {"var_list": {}},
    "a number": {"var_list": [5]},
    "a string": {"var_list": "x"},
    "version": {"write_version": 7},
}


@pytest.mark.parametrize("case", BUILDS)
@pytest.mark.parametrize("variables", (0, 1))
@conforms("MTS-CKP-08", "MTS-SCF-06")
def test_build(train, record, case, variables):
    if variables:
        tf.Variable(1.0, name="weight")
    saver = record.outcome("make", train.Saver, **BUILDS[case])
    if saver is None:
        return
    record("saver_def", saver.saver_def is None)
    with tf.Session(config=record.config()) as session:
        session.run(tf.global_variables_initializer())
        record.outcome("save", saver.save, session, record.path("m"), 1)
        record.outcome("restore", saver.restore, session, record.path("m-1"))
        record.outcome("build", saver.build)
        record.outcome("save", saver.save, session, record.path("m"), 2)


KINDS = {
    "resource": lambda: tf.Variable([1.0, 2.0], name="v", use_resource=True),
    "reference": lambda: tf.Variable([1.0, 2.0], name="v", use_resource=False),
    "string": lambda: tf.Variable([b"a", b"bc"], name="v"),
    "int": lambda: tf.Variable([[1, 2]], name="v", dtype=tf.int64),
    "bool": lambda: tf.Variable([True], name="v"),
    "half": lambda: tf.Variable([1.5], name="v", dtype=tf.float16),
    "complex": lambda: tf.Variable([1 + 2j], name="v", dtype=tf.complex64),
    "empty": lambda: tf.Variable(tf.zeros([0, 3]), name="v"),
    "partitioned": lambda: tf.get_variable(
        "v", [5, 2], partitioner=tf.fixed_size_partitioner(3), initializer=tf.ones_initializer()
    ),
    "scoped": lambda: tf.get_variable("a/b/c", [2], initializer=tf.ones_initializer()),
    "local": lambda: tf.Variable(1.0, name="v", collections=[tf.GraphKeys.LOCAL_VARIABLES]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "arguments",
    (
        {},
        {"sharded": True},
        {"reshape": True},
        {"restore_sequentially": True},
        {"pad_step_number": True, "save_relative_paths": True, "name": "own"},
    ),
    ids=lambda arguments: "-".join(arguments) or "plain",
)
@conforms("MTS-CKP-01", "MTS-CKP-04", "MTS-SES-02")
def test_kinds_of_variables(train, record, kind, arguments):
    KINDS[kind]()
    tf.Variable(5.0, name="also")
    saver = train.Saver(**arguments)
    variables = tf.global_variables()
    with tf.Session(config=record.config()) as session:
        session.run(tf.global_variables_initializer())
        path = record.outcome("save", saver.save, session, record.path("m"), 3)
        before = session.run(variables)
    with tf.Session(config=record.config()) as session:
        record.outcome("restore", saver.restore, session, path)
        record("equal", [np.array_equal(x, y) for x, y in zip(before, session.run(variables))])
    record("saver_def", [saver.saver_def.sharded, saver.saver_def.version])


LISTS = {
    "list": lambda v: v,
    "dict": lambda v: {"first": v[0], "second": v[1]},
    "swapped": lambda v: {v[0].op.name: v[1], v[1].op.name: v[0]},
    "same twice": lambda v: [v[0], v[0]],
    "same name twice": lambda v: {"x": v[0], "y": v[0]},
    "tuple": lambda v: tuple(v),
    "a tensor": lambda v: [v[0].value()],
    "one": lambda v: [v[1]],
    "one variable, no list": lambda v: v[0],
}


@pytest.mark.parametrize("case", LISTS)
@conforms("MTS-CKP-01", "MTS-CKP-08")
def test_what_is_saved(train, record, case):
    variables = [tf.Variable(float(index), name="v{}".format(index)) for index in range(3)]
    made = record.outcome("make", lambda: train.Saver(LISTS[case](variables)))
    if made is None:
        return
    with tf.Session(config=record.config()) as session:
        session.run(tf.global_variables_initializer())
        path = record.outcome("save", made.save, session, record.path("m"))
        for variable in variables:
            session.run(tf.assign(variable, -1.0))
        record.outcome("restore", made.restore, session, path)
        record("values", session.run(variables))


@conforms("MTS-CKP-01", "MTS-SCF-05")
def test_lookup_tables(train, record):
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1, name="table")
    insert = table.insert(tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64))
    look = table.lookup(tf.constant(["a", "b", "c"]))
    tf.Variable(1.0, name="weight")
    saver = train.Saver()
    with tf.Session(config=record.config()) as session:
        session.run(tf.global_variables_initializer())
        session.run(insert)
        path = saver.save(session, record.path("m"))
    with tf.Session(config=record.config()) as session:
        saver.restore(session, path)
        record("restored", session.run(look))


@conforms("MTS-CKP-01", "MTS-CKH-07")
def test_two_devices(train, record):
    for index in range(2):
        with tf.device("/cpu:{}".format(index)):
            tf.Variable([float(index)], name="v{}".format(index))
    config = record.config()
    config.device_count["CPU"] = 2
    for sharded in (False, True):
        saver = train.Saver(sharded=sharded)
        with tf.Session(config=config) as session:
            session.run(tf.global_variables_initializer())
            path = saver.save(session, record.path("m{}".format(sharded)))
        with tf.Session(config=config) as session:
            saver.restore(session, path)
            record("values", session.run(tf.global_variables()))


@pytest.mark.parametrize("reshape", (False, True))
@conforms("MTS-CKP-08", "MTS-SES-04")
def test_another_shape(train, record, reshape):
    with record.graph():
        saver, session = saver_and_session(train, record)
        path = saver.save(session, record.path("m"))
        session.close()
    for shape in ([1], [1, 1], [2], []):
        with record.graph():
            weight = tf.Variable(tf.zeros(shape), name="weight")
            saver = train.Saver(reshape=reshape)
            with tf.Session(config=record.config()) as session:
                record.outcome("restore", saver.restore, session, path)
                record.outcome("value", session.run, weight)


@conforms("MTS-CKP-01", "MTS-CKH-07")
def test_meta_graphs(train, record):
    saver, session = saver_and_session(train, record)
    tf.add_to_collection("mine", tf.constant(1.0))
    path = saver.save(session, record.path("m"), global_step=1)
    record.outcome("export", lambda: type(saver.export_meta_graph(record.path("x"))).__name__)
    proto = saver.export_meta_graph(collection_list=["mine"])
    record("collections", sorted(proto.collection_def))
    record("as text", len(saver.to_proto().save_tensor_name) > 0)
    session.close()
    with record.graph():
        again = tf.train.import_meta_graph(path + ".meta")
        with tf.Session(config=record.config()) as other:
            again.restore(other, path)
            record("weight", other.run("weight/Read/ReadVariableOp:0"))
        own = train.Saver(saver_def=again.saver_def)
        with tf.Session(config=record.config()) as other:
            own.restore(other, path)
            record("weight", other.run("weight/Read/ReadVariableOp:0"))
            own.save(other, record.path("again"), global_step=2)
    with record.graph():
        scoped = tf.train.import_meta_graph(path + ".meta", import_scope="inner")
        own = train.Saver(saver_def=saver.saver_def, name="inner")
        with tf.Session(config=record.config()) as other:
            record.outcome("scoped", own.restore, other, path)
            record("same ops", own.saver_def.restore_op_name == scoped.saver_def.restore_op_name)
    with record.graph():
        tf.Variable(1.0, name="weight")
        from_proto = train.Saver.from_proto(saver.saver_def)
        record("proto", type(from_proto.saver_def).__name__)


@conforms("MTS-CKP-02", "MTS-CKP-08")
def test_lists_of_last_checkpoints(train, record):
    saver, session = saver_and_session(train, record)
    record.outcome("list", saver.set_last_checkpoints, ["a", "b"])
    record("last", list(saver.last_checkpoints))
    record.outcome("tuple", saver.set_last_checkpoints, ("a",))
    record.outcome("with time", saver.set_last_checkpoints_with_time, [("c", 1.0), ("d", 2.0)])
    record("last", list(saver.last_checkpoints))
    record.outcome("save", saver.save, session, record.path("m"), 1)
    record("last", list(saver.last_checkpoints))
    record.outcome("recover", saver.recover_last_checkpoints, [record.path("m-1"), "gone", ""])
    record("last", list(saver.last_checkpoints))
    session.close()


@conforms("MTS-CKP-02", "MTS-CKP-07")
def test_shrinking_over_a_restart(train, record):
    for keep, steps, restore in ((5, range(5), False), (2, range(5, 8), True)):
        with record.graph():
            saver, session = saver_and_session(train, record, max_to_keep=keep)
            if restore:
                state = train.get_checkpoint_state(record.path())
                saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
            for step in steps:
                saver.save(session, record.path("m"), global_step=step)
            record("last", list(saver.last_checkpoints))
            session.close()


@conforms("MTS-CKP-03", "MTS-CKP-02")
def test_keeping_every_n_hours(train, record):
    for hours in (1.0, 0.5, 0.0, 1e9):
        with record.graph():
            saver, session = saver_and_session(train, record, max_to_keep=2, keep_checkpoint_every_n_hours=hours)
            os.makedirs(record.path(str(hours)))
            for step in range(8):
                saver.save(session, record.path(str(hours), "m"), global_step=step)
                record.clock.advance(1300)
            record("last", list(saver.last_checkpoints))
            session.close()


@conforms("MTS-CKP-08")
def test_old_format(train, record):
    saver, session = saver_and_session(train, record, write_version=tf.train.SaverDef.V1)
    path = record.outcome("save", saver.save, session, record.path("m"), 1)
    if path:
        record.outcome("restore", saver.restore, session, path)
        record("exists", train.checkpoint_exists(path))
        record("latest", train.latest_checkpoint(record.path()))
    session.close()


_steps = st.integers(0, 4)
_operations = st.lists(
    st.tuples(st.just("save"), _steps)
    | st.tuples(st.just("advance"), st.sampled_from((600, 3600, 7200)))
    | st.tuples(st.just("delete"), _steps)
    | st.tuples(st.just("restart"), st.booleans())
    | st.tuples(st.just("forget"), st.just(0)),
    min_size=1,
    max_size=10,
)


@pytest.mark.rule("MTS-CKP-02", "MTS-CKP-03", "MTS-CKP-04", "MTS-CKP-05", "MTS-CKP-07")
@hypothesis.settings(max_examples=50)
@hypothesis.given(
    keep=st.sampled_from((None, 0, 1, 2, 3, -1)),
    hours=st.sampled_from((1.0, 10000.0)),
    relative=st.booleans(),
    operations=_operations,
)
def test_random_sequences_of_saves(harness, rules, keep, hours, relative, operations):
    def scenario(train, record):
        graph = tf.get_default_graph()
        arguments = {"max_to_keep": keep, "keep_checkpoint_every_n_hours": hours, "save_relative_paths": relative}
        saver, session = saver_and_session(train, record, **arguments)
        for name, value in operations:
            if name == "save":
                record.outcome("save", lambda: saver.save(session, record.path("m"), value, write_meta_graph=False))
            elif name == "advance":
                record.clock.advance(value)
            elif name == "delete" and os.path.exists(record.path("m-{}.index".format(value))):
                os.remove(record.path("m-{}.index".format(value)))
            elif name == "forget" and os.path.exists(record.path("checkpoint")):
                os.remove(record.path("checkpoint"))
            elif name == "restart":
                with graph.as_default():
                    saver = train.Saver(**arguments)
                state = train.get_checkpoint_state(record.path())
                if value and state:
                    saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
            record("last", list(saver.last_checkpoints))
            record("files", probes.file_names(record.directory))
            record("latest", train.latest_checkpoint(record.directory))
        session.close()

    harness.judge(
        scenario,
        rules,
        "a random sequence of saves\nkeep={} hours={} relative={} operations={}".format(
            keep, hours, relative, operations
        ),
        "python -m pytest conformance/test_files.py -k random",
    )


# --- the checkpoint state ------------------------------------------------------------------------

TEXTS = {
    "empty": "",
    "junk": "junk{",
    "relative": 'model_checkpoint_path: "m-1"\nall_model_checkpoint_paths: "m-0"\nall_model_checkpoint_paths: "m-1"\n',
    "absolute": 'model_checkpoint_path: "/abs/m-1"\n',
    "unknown field": 'model_checkpoint_path: "m-1"\nunknown_field: 3\n',
    "pattern": 'model_checkpoint_path: "m*"\n',
    "no model": 'all_model_checkpoint_paths: "m-1"\n',
    "stamps": 'model_checkpoint_path: "m-1"\nall_model_checkpoint_timestamps: 3.5\nlast_preserved_timestamp: 1.5\n',
    "not utf-8": b'model_checkpoint_path: "\xff\xfe"\n',
    "bom": "\ufeffmodel_checkpoint_path: 'm-1'\n",
}


@pytest.mark.parametrize("case", TEXTS)
@pytest.mark.parametrize("files", ((), ("m-1.index",), ("m-1",)), ids=str)
@conforms("MTS-CKP-05", "MTS-CKP-07")
def test_reading_the_state(train, record, case, files):
    text = TEXTS[case]
    with open(record.path("checkpoint"), "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    for name in files:
        with open(record.path(name), "w") as file:
            file.write("x")
    record.outcome("state", train.get_checkpoint_state, record.path())
    record.outcome("latest", train.latest_checkpoint, record.path())
    os.rename(record.path("checkpoint"), record.path("other"))
    record.outcome("state", train.get_checkpoint_state, record.path(), latest_filename="other")
    record.outcome("latest", train.latest_checkpoint, record.path(), "other")


@conforms("MTS-CKP-05")
def test_reading_where_nothing_is(train, record):
    for place in (record.path("none"), "", None, "/", record.path().encode(), 5):
        record.outcome("state", train.get_checkpoint_state, place)
        record.outcome("latest", train.latest_checkpoint, place)
    os.makedirs(record.path("checkpoint"))
    record.outcome("a folder", train.get_checkpoint_state, record.path())
    os.rmdir(record.path("checkpoint"))


GENERATED = {
    "absolute": ("/d", "/d/m-1", ["/d/m-0", "/d/m-1"]),
    "alone": ("/d", "/d/m-1"),
    "not last": ("/d", "/d/m-1", ["/d/m-0"]),
    "relative": ("d", "d/m-1", ["d/m-0", "d/m-1"]),
    "outside": ("d", "e/m-1", ["e/m-1"]),
    "relative, absolute path": ("d", "/x/m-1", ["d/m-0", "/x/m-1"]),
    "absolute, relative path": ("/d", "m-1", ["m-1"]),
    "stamps do not fit": ("/d", "/d/m", ["/d/m"], [1.0, 2.0]),
    "stamps": ("/d", "/d/m", ["/d/m"], [1.5], 3.5),
    "stamps, not last": ("/d", "/d/m", ["/d/n"], [1.5]),
    "empty": ("", "m-1", []),
}


@pytest.mark.parametrize("case", GENERATED)
@conforms("MTS-CKP-06", "MTS-CKP-04")
def test_generating_the_state(train, record, case):
    arguments = [list(item) if isinstance(item, list) else item for item in GENERATED[case]]
    record.outcome("generate", train.generate_checkpoint_state_proto, *arguments)
    record("caller's list", arguments[2:3])


@conforms("MTS-CKP-06", "MTS-CKP-04")
def test_updating_the_state(train, record):
    update = train.update_checkpoint_state
    path = record.path
    record.outcome("update", update, path(), path("m-5"), [path("m-4"), path("m-5")])
    record.files("first")
    record.outcome("collides", update, path(), path("checkpoint"))
    record.outcome("other name", update, path(), path("m-5"), latest_filename="zz")
    record("exists", os.path.exists(path("zz")))
    record.outcome("stamps", update, path(), path("m"), None, "stamped", [path("m")], 2.5)
    record.outcome("no folder", update, path("no"), path("m"))
    record.outcome("strange names", update, path(), path('q"uote\n\u00e9'))
    record.files("last")


@conforms("MTS-CKP-07")
def test_existence_times_and_removal(train, record):
    for name in (
        "q-1.index", "q-1.data-00000-of-00001", "q-1.meta", "q-1.data-00000-of-1", "q-10.index",
        "q-1.other", "v1", "v1.meta",
    ):  # fmt: skip
        with open(record.path(name), "w") as file:
            file.write("x")
    for name in ("q-1", "q", "q-2", "q-?", "q-*", "v1", ""):
        record.outcome(name, train.checkpoint_exists, record.path(name))
    for names in (["q-1", "none", "q-10"], [], ["v1"]):
        times = train.get_checkpoint_mtimes([record.path(name) for name in names])
        record("times", [type(time).__name__ for time in times])
    record.outcome("remove", train.remove_checkpoint, record.path("q-1"))
    record("left", sorted(os.listdir(record.path())))
    record.outcome("remove", train.remove_checkpoint, record.path("gone"))
    record.outcome("old", train.remove_checkpoint, record.path("v1"), tf.train.SaverDef.V1)
    record.outcome("suffix", train.remove_checkpoint, record.path("q-10"), meta_graph_suffix="x")
    record("left", sorted(os.listdir(record.path())))


@pytest.mark.parametrize(
    "name", ("plain", "sp ace", 'q"uote', "\u00e9t\u00e9", "br[1]", "st*r", "back\\slash", "ap'os")
)
@conforms("MTS-CKP-07", "MTS-CKP-04", "MTS-CKP-05", "MTS-CKP-02", "Q-33")
def test_odd_names_of_directories(train, record, name):
    directory = record.path(name)
    for runs, restore in ((3, False), (1, True)):
        with record.graph():
            step = record.global_step()
            saver = train.Saver(max_to_keep=2)
            scaffold = train.Scaffold(saver=saver)
            hook = train.CheckpointSaverHook(directory, save_steps=1, scaffold=scaffold)

            def whole():
                session = record.session([hook], scaffold=scaffold, checkpoint_dir=directory if restore else None)
                for _ in range(runs):
                    record("run", session.run(step))
                session.close()

            record.outcome("whole", whole)
            record("latest", train.latest_checkpoint(directory))


@conforms("MTS-CKP-04", "MTS-CKP-05")
def test_every_field_of_a_state(train, record):
    fields = {"all_model_checkpoint_timestamps": [1.5], "last_preserved_timestamp": 2.5}
    record(
        "state",
        train.generate_checkpoint_state_proto(record.path(), record.path("m-1"), [record.path("m-1")], **fields),
    )
    train.update_checkpoint_state(record.path(), record.path("m-1"), None, None, [1.5], 2.5)
    record("written", train.get_checkpoint_state(record.path()))


@conforms("MTS-CKP-07")
def test_what_is_deleted_with_a_checkpoint(train, record):
    for name in ("q-1.index", "q-1.data-00000-of-00001", "q-1.meta", "q-1.meta!", "q-1.other", "q-10.meta"):
        with open(record.path(name), "w"):
            pass
    record.outcome("remove", train.remove_checkpoint, record.path("q-1"))
    record("left", sorted(os.listdir(record.path())))


STEPS = {
    "cut": lambda: tf.constant(7.9),
    "tensor": lambda: tf.constant(-7, tf.int64),
    "bool tensor": lambda: tf.constant(True),
    "large": lambda: 1234567890,
    "numpy": lambda: np.int32(5),
    "numpy float": lambda: np.float64(5.0),
    "true": lambda: True,
    "negative": lambda: -3,
}


@pytest.mark.parametrize("padded", (False, True))
@pytest.mark.parametrize("case", STEPS)
@conforms("MTS-CKP-01")
def test_numbers_in_names(train, record, case, padded):
    step = STEPS[case]()
    saver, session = saver_and_session(train, record, pad_step_number=padded)
    record.outcome("save", saver.save, session, record.path("m"), step, write_meta_graph=False)
    session.close()


@pytest.mark.parametrize("keep", (None, 0, -1, 1))
@pytest.mark.parametrize("recovered", (0, 3))
@conforms("MTS-CKP-02", "MTS-SES-05", "Q-35")
def test_special_numbers_of_checkpoints_after_a_restart(train, record, keep, recovered):
    with record.graph():
        saver, session = saver_and_session(train, record)
        for step in range(3):
            saver.save(session, record.path("m"), step, write_meta_graph=False)
        session.close()
    with record.graph():
        saver, session = saver_and_session(train, record, max_to_keep=keep)
        state = train.get_checkpoint_state(record.path())
        for path in glob.glob(record.path("m-*")):
            os.utime(path, (1.0, 1.0))  # or the clock, which is behind, keeps them for good
        saver.recover_last_checkpoints(list(state.all_model_checkpoint_paths)[:recovered])
        for step in range(10, 15):
            saver.save(session, record.path("m"), step, write_meta_graph=False)
            record("last", list(saver.last_checkpoints))
            record("state", list(train.get_checkpoint_state(record.path()).all_model_checkpoint_paths))
            record("files", probes.file_names(record.directory))
        session.close()


@conforms("MTS-CKP-02", "MTS-CKP-06")
def test_a_state_that_is_not_written_leaves_a_deletion_to_later_saves(train, record):
    saver, session = saver_and_session(train, record, max_to_keep=1)
    saver.save(session, record.path("m"), 0, write_meta_graph=False)
    os.remove(record.path("checkpoint"))
    os.mkdir(record.path("checkpoint"))
    for step in (1, 2):
        record.outcome("save", saver.save, session, record.path("m"), step, write_meta_graph=False)
        record("last", list(saver.last_checkpoints))
    os.rmdir(record.path("checkpoint"))
    for step in (3, 4, 5):
        record.outcome("save", saver.save, session, record.path("m"), step, write_meta_graph=False)
        record("last", list(saver.last_checkpoints))
        record("files", probes.file_names(record.directory))
    session.close()


@pytest.mark.parametrize("sharded", (False, True))
@conforms("MTS-CKP-06", "MTS-CKP-08")
def test_saving_over_the_state_file_and_into_a_new_directory(train, record, sharded):
    saver, session = saver_and_session(train, record, sharded=sharded)
    record.outcome("collides", saver.save, session, record.path("checkpoint"), write_meta_graph=False)
    record.outcome("one is missing", saver.save, session, record.path("new", "m"), write_meta_graph=False)
    record.outcome("two are missing", saver.save, session, record.path("no", "sub", "m"), write_meta_graph=False)
    session.close()


@conforms("MTS-CKP-06")
def test_a_relative_path_that_collides(train, record):
    saved = os.getcwd()
    os.chdir(record.path())
    try:
        os.mkdir("d")
        for directory, path in (("d", "d/checkpoint"), ("d", "checkpoint"), (".", "checkpoint"), ("", "checkpoint")):
            record.outcome("update", train.update_checkpoint_state, directory, path)
    finally:
        os.chdir(saved)
