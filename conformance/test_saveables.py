"""What a saver takes apart: objects that serialise themselves, slices, shapes, odd lists (MTS-CKP)."""

import os

import numpy as np
import pytest
from tensorflow.python.eager import context
from tensorflow.python.lib.io import file_io
from tensorflow.python.training.saving.saveable_object import SaveableObject, SaveSpec

from conformance import graphs
from conformance.errors import make_error
from conformance.harness import conforms
from conformance.trace import tf


class Number(SaveableObject):
    """Saves a number under a name; what is restored goes nowhere."""

    def __init__(self, number, name, op="itself"):
        value = tf.constant(number)
        super().__init__(value if op == "itself" else op, [SaveSpec(value, "", name)], name)

    def restore(self, restored_tensors, restored_shapes):
        return tf.group(restored_tensors[0])


class Gathers(tf.Module):
    """Says in the older way what is to be saved: by key, things to be named, or made already."""

    def __init__(self, *keys):
        super().__init__()
        self._keys = keys

    def _gather_saveables_for_checkpoint(self):
        return {key: lambda name="unnamed", number=float(i): Number(number, name) for i, key in enumerate(self._keys)}


class Serialises(tf.Module):
    """Says in the newer way what is to be saved, and takes it back itself."""

    def __init__(self, returns_op=True):
        super().__init__()
        self.state, self._returns_op = tf.Variable([1.0, 2.0], name="state"), returns_op

    def _serialize_to_tensors(self):
        return {"a.b": self.state.read_value(), "-c/d": tf.constant("text")}

    def _restore_from_tensors(self, restored):
        op = self.state.assign(tf.ensure_shape(restored["a.b"], [2]) + 10.0)
        return tf.group(op, tf.identity(restored["-c/d"])) if self._returns_op else None


class Both(Gathers, Serialises):
    """Says it in both ways."""

    def __init__(self):
        Serialises.__init__(self)
        self._keys = ("old",)


class Half:
    """Has what a saveable has, but for one thing."""

    def __init__(self, lacks):
        self.name = "half"
        if lacks != "specs":
            self.specs = []
        if lacks != "restore":
            self.restore = lambda *_: tf.no_op()


def variable(name="v", **arguments):
    return tf.Variable([1.0, 2.0], name=name, **arguments)


def twice():
    one = variable()
    return {"a": one, "b": one}


LISTS = {
    "gathers": lambda: {"g": Gathers("x", "y.z")},
    "gathers its own name": lambda: {"g": Gathers("VARIABLE_VALUE", "x")},
    "gathers its tensors": lambda: {"g": Gathers(".TENSORS", "x")},
    "gathers, in a list": lambda: [Gathers("x")],
    "gathers nothing": lambda: {"g": Gathers(), "v": variable()},
    "serialises": lambda: {"s": Serialises()},
    "serialises, restores at once": lambda: {"s": Serialises(returns_op=False)},
    "serialises, in a list": lambda: [Serialises()],
    "both ways": lambda: {"b": Both()},
    "a saveable": lambda: [Number(3.0, "three")],
    "a saveable by another name": lambda: {"t": Number(3.0, "three")},
    "without ops": lambda: [Number(3.0, "three", None), Number(4.0, "four", None)],
    "of one op": lambda: [Number(3.0, "three", "op"), Number(4.0, "four", "op")],
    "no specs": lambda: [Half("specs")],
    "no restore": lambda: [Half("restore")],
    "twice": twice,
    "a set": lambda: {variable()},
    "a tuple": lambda: (variable("b"), variable("a")),
    "nested": lambda: [[variable("b")], (variable("a"),)],
    "one name": lambda: [variable("a"), tf.raw_ops.VariableV2(shape=[2], dtype=tf.float32, name="b"), variable("a")],
    "a text": lambda: "v",
    "a generator": lambda: (variable() for _ in range(1)),
}


def partitioned():
    with tf.variable_scope("scope", partitioner=tf.fixed_size_partitioner(2)):
        return tf.get_variable("weight", [4], initializer=tf.ones_initializer())


def mutable_table():
    return tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1, name="table")


VAR_LISTS = {
    "a partitioned variable": lambda: [partitioned()],
    "a partitioned variable by name": lambda: {"w": partitioned()},
    "a constant": lambda: [tf.constant(1.0, name="one")],
    "a constant by name": lambda: {"c": tf.constant(1.0, name="one")},
    "a number by name": lambda: {"c": 5.0},
    "a table": lambda: [mutable_table()],
    "a table by name": lambda: {"t": mutable_table()},
    "a name that is none": lambda: {5: tf.Variable(1.0)},
    "a variable's first op": lambda: [tf.raw_ops.Variable(shape=[2], dtype=tf.float32, name="old")],
    "a variable's op": lambda: [tf.raw_ops.VariableV2(shape=[2], dtype=tf.float32, name="op")],
    "a variable's op by name": lambda: {"o": tf.raw_ops.VariableV2(shape=[2], dtype=tf.float32, name="op")},
    "a handle": lambda: [tf.Variable(1.0, use_resource=True).handle],
    "a handle by name": lambda: {"h": tf.Variable(1.0, use_resource=True).handle},
    "a read": lambda: {"r": tf.Variable(1.0, use_resource=True).value()},
    "two of one name": lambda: [tf.raw_ops.VariableV2(shape=[2], dtype=tf.float32, name="op") for _ in "12"][:1] * 2,
    "names in another order": lambda: {"b": tf.Variable(1.0, name="x"), "a": tf.Variable(2.0, name="y")},
}


def save_and_restore(train, record, var_list):
    """Make a saver of what `var_list` makes, save and restore, or record how it is refused."""
    try:
        saver = train.Saver(var_list())
    except Exception as error:
        # A message may show an operation whole, with a name that TensorFlow chose.
        record("refused", [type(error).__name__, str(error)])
        return
    with tf.Session(config=record.config()) as session:
        session.run([tf.global_variables_initializer(), tf.tables_initializer()])
        saved = record.outcome("save", saver.save, session, record.path("m"))
        record.outcome("restore", saver.restore, session, record.path("m"))
        record("values", session.run(tf.global_variables()))
    record("stored", sorted(tf.train.list_variables(saved)) if saved else None)


@pytest.mark.parametrize("case", VAR_LISTS)
@conforms("MTS-CKP-01", "MTS-CKP-08")
def test_what_a_saver_is_given(train, record, case):
    save_and_restore(train, record, VAR_LISTS[case])


@pytest.mark.parametrize("case", LISTS)
@conforms("MTS-CKP-01", "MTS-CKP-08")
def test_what_is_in_a_list(train, record, case):
    save_and_restore(train, record, LISTS[case])


@pytest.mark.parametrize("reshape", (False, True))
@pytest.mark.parametrize("shape", ([2], [3], [2, 1], None, [None]), ids=str)
@pytest.mark.parametrize("variables", ("resource", "reference"))
@conforms("MTS-CKP-08", "MTS-SES-13")
def test_restored_into_another_shape(train, record, variables, shape, reshape):
    with record.graph(), graphs.kind_of_variables(variables):
        variable()
        saver = train.Saver()
        with tf.Session(config=record.config()) as session:
            session.run(tf.global_variables_initializer())
            saver.save(session, record.path("m"))
    known = shape is not None and None not in shape
    with record.graph(), graphs.kind_of_variables(variables):
        size = shape if known else [4]
        initial = tf.placeholder_with_default(np.zeros(size, np.float32), shape)
        target = tf.Variable(initial, name="v", validate_shape=known, shape=shape if variables == "resource" else None)
        saver = train.Saver(reshape=reshape)
        with tf.Session(config=record.config()) as session:
            session.run(target.initializer)
            record.outcome("restore", saver.restore, session, record.path("m"))
            record.outcome("value", session.run, target)


@pytest.mark.parametrize("device", ("/device:CPU:0", "/device:CPU:1", "/device:GPU:0"))
@conforms("MTS-CKP-01")
def test_where_slices_are_read(train, record, device):
    with graphs.kind_of_variables("resource"), tf.device(device):
        with tf.variable_scope("scope", partitioner=tf.fixed_size_partitioner(2)):
            tf.get_variable("weight", [4], initializer=tf.ones_initializer())
    train.Saver()
    for op in tf.get_default_graph().get_operations():
        if op.type == "SaveV2":
            sources = [tensor.op for tensor in op.inputs[3:]]
            record("sources", [[source.type, source.device] for source in sources])
            record("their", [[one.op.type, one.op.device] for source in sources for one in source.inputs])


@conforms("MTS-CKP-01", "MTS-CKP-08")
def test_a_table_comes_back(train, record):
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1, name="table")
    insert = table.insert(["a", "b"], [1, 2])
    more = table.insert(["b", "c"], [5, 6])
    look = table.lookup(tf.constant(["a", "b", "c"]))
    saver = train.Saver({"t": table})
    with tf.Session(config=record.config()) as session:
        session.run(insert)
        saver.save(session, record.path("m"))
        session.run(more)
        saver.restore(session, record.path("m"))
        record("looked up", session.run(look))


@pytest.mark.parametrize("scope", ("outer", "outer/", None))
@conforms("MTS-CKP-01", "MTS-CKP-08")
def test_a_definition_under_a_scope(train, record, scope):
    with tf.name_scope("outer"):
        variable()
        definition = train.Saver(name="inner").to_proto(export_scope="outer" if scope else None)
    saver = train.Saver.from_proto(definition, import_scope=scope)
    record("definition", saver.as_saver_def())
    with tf.Session(config=record.config()) as session:
        session.run(tf.global_variables_initializer())
        record.outcome("save", saver.save, session, record.path("m"))
        record.outcome("restore", saver.restore, session, record.path("m"))


DEFINITIONS = {
    "a text": lambda _: "a definition",
    "empty": lambda _: tf.train.SaverDef(),
    "without a save op": lambda made: tf.train.SaverDef(restore_op_name=made.restore_op_name),
    "without a restore op": lambda made: tf.train.SaverDef(save_tensor_name=made.save_tensor_name),
    "of the first format": lambda made: changed(made, version=tf.train.SaverDef.V1),
    "of another period": lambda made: changed(made, keep_checkpoint_every_n_hours=0.25, max_to_keep=1),
}


def changed(definition, **fields):
    copy = tf.train.SaverDef()
    copy.CopyFrom(definition)
    for name, value in fields.items():
        setattr(copy, name, value)
    return copy


@pytest.mark.parametrize("defer", (False, True))
@pytest.mark.parametrize("case", DEFINITIONS)
@conforms("MTS-CKP-01", "MTS-CKP-02", "MTS-CKP-03")
def test_savers_of_definitions(train, record, case, defer):
    variable()
    definition = DEFINITIONS[case](train.Saver().saver_def)
    saver = record.outcome(
        "make", lambda: record.describer.name(train.Saver(saver_def=definition, defer_build=defer), "saver")
    )
    if saver is None:
        return
    record.outcome("build", saver.build)
    with tf.Session(config=record.config()) as session:
        session.run(tf.global_variables_initializer())
        for step in (1, 2, 3):
            record.clock.advance(1000)
            record.outcome("save", saver.save, session, record.path("m"), step)
    record("last", saver.last_checkpoints)


@conforms("MTS-CKP-02")
def test_lists_of_checkpoints_that_are_none(train, record):
    variable()
    saver = train.Saver()
    for paths in (["a", "b"], ("a", "b"), None, "ab"):
        record.outcome("set", saver.set_last_checkpoints, paths)
    for pairs in ([("a", 1.0)], (("a", 1.0),), None):
        record.outcome("set with times", saver.set_last_checkpoints_with_time, pairs)
    record("last", saver.last_checkpoints)


@pytest.mark.parametrize("error", ("NotFoundError", "PermissionDeniedError", "ValueError"))
@conforms("MTS-SES-05")
def test_checkpoints_that_cannot_be_dated(train, record, error, monkeypatch):
    variable()
    saver = train.Saver()
    for name in ("m-1.index", "m-2.index"):
        with open(record.path(name), "w"):
            pass

    def stat(path):
        if b"m-1" in tf.compat.as_bytes(path):
            raise make_error(error, "no date")
        return real(path)

    real = file_io._pywrap_file_io.Stat
    monkeypatch.setattr(file_io._pywrap_file_io, "Stat", stat)
    record.outcome("recover", saver.recover_last_checkpoints, [record.path("m-1"), record.path("m-2")])
    monkeypatch.undo()
    record("last", saver.last_checkpoints)


@conforms("MTS-CKP-01")
def test_debug_information(train, record):
    variable()
    saver = train.Saver()
    with tf.Session(config=record.config()) as session:
        session.run(tf.global_variables_initializer())
        tf.get_default_graph().finalize()
        for step, asked in enumerate((False, True, True, False)):
            record.outcome("save", saver.save, session, record.path("m"), step, save_debug_info=asked)
            record("files", sorted(name for name in os.listdir(record.path()) if "-{}".format(step) in name))


@conforms("MTS-CKP-01", "MTS-QR-07")
def test_where_there_is_no_graph(train, record):
    variable()
    saver = train.Saver(defer_build=True)
    with context.eager_mode():
        record("eager", tf.executing_eagerly())
        record.outcome("saver", train.Saver)
        record.outcome("deferred", train.Saver, defer_build=True)
        record.outcome("runner", train.QueueRunner)
        record.outcome("start", train.start_queue_runners)
        record.outcome("build", saver.build)


@pytest.mark.parametrize("which", ("a", "b", "both", "all", "by definition"))
@conforms("MTS-CKP-08", "MTS-SES-13")
def test_some_variables_of_an_object_based_checkpoint(train, record, which):
    with record.graph():
        checkpoint = tf.train.Checkpoint(x=variable("a"), y=variable("y"), z=variable("z"))
        with tf.Session(config=record.config()).as_default() as session:
            session.run(tf.global_variables_initializer())
            checkpoint.write(record.path("objects"), session=session)
            session.close()
    with record.graph():
        a, b, c = variable("a"), variable("b"), variable("c")
        lists = {"a": [a], "b": [b], "both": [a, b], "all": [c, b, a], "by definition": None}
        saver = train.Saver(lists[which])
        if which == "by definition":
            saver = train.Saver(saver_def=train.Saver([a]).saver_def)
        with tf.Session(config=record.config()) as session:
            session.run([a.assign([5.0, 6.0]), b.initializer])
            for _ in range(2):
                record.outcome("restore", saver.restore, session, record.path("objects"))
                record("values", session.run([a, b]))


@pytest.mark.parametrize("final", (False, True))
@conforms("MTS-CKP-01", "MTS-CKP-08")
def test_a_save_under_another_default_graph(train, record, final):
    variable("mine")
    saver = train.Saver(pad_step_number=True)
    if final:
        tf.get_default_graph().finalize()
    with tf.Session(config=record.config()) as session:
        session.run([one.initializer for one in tf.global_variables()])
        with tf.Graph().as_default():
            variable("other")
            for step in (7, 123456789):
                record("saved", saver.save(session, record.path("m"), step))
    record.files()


@pytest.mark.parametrize("sharded", (False, True))
@pytest.mark.parametrize("limits", ({}, {"filename": "elsewhere"}, {"max_to_keep": 0}, {"max_to_keep": None}), ids=str)
@conforms("MTS-CKP-01", "MTS-CKP-02")
def test_what_a_definition_says(train, record, limits, sharded):
    with tf.device("/cpu:0"):
        variable("a")
    variable("b")
    saver = train.Saver(sharded=sharded, **limits)
    record("kept", [saver.saver_def.max_to_keep, saver.saver_def.sharded])
    with tf.Session(config=record.config()) as session:
        session.run(tf.global_variables_initializer())
        record("target", session.run(saver.saver_def.filename_tensor_name))
        for step in range(3):
            record.outcome("save", saver.save, session, record.path("m"), step, write_meta_graph=False)
    record("files", sorted(os.path.join(where, name) for where, _, names in os.walk(record.path()) for name in names))
    record("folders", sorted(where for where, _, _ in os.walk(record.path())))


@pytest.mark.parametrize(
    "devices", (("/cpu:0", "/cpu:1"), ("/gpu:1", "/cpu:0"), ("/job:ps/task:1/cpu:1", "/gpu:0")), ids=str
)
@conforms("MTS-CKP-01", "MTS-SCF-06")
def test_where_shards_are_written_first(train, record, devices):
    for name, device in zip("ab", devices):
        with tf.device(device):
            variable(name)
    graph = tf.get_default_graph()
    before = set(graph.get_operations())
    saver = train.Saver(sharded=True)
    made = [op for op in graph.get_operations() if op not in before]
    types = ("SaveV2", "MergeV2Checkpoints", "ShardedFilename", "StringJoin", "RegexFullMatch", "RestoreV2")
    record("devices", sorted([op.type, op.device] for op in made if op.type in types))
    (prefix,) = [op.outputs[0] for op in made if op.type == "StringJoin"]
    with tf.Session(config=tf.ConfigProto(device_count={"CPU": 2}, allow_soft_placement=True)) as session:
        for target in ("s3://bucket/m", "/folder/m", "xs3://bucket/m"):
            record.outcome("prefix", session.run, prefix, {saver.saver_def.filename_tensor_name: target})


def parts(name="weight", **arguments):
    with tf.variable_scope("scope", partitioner=tf.fixed_size_partitioner(2)):
        return list(tf.get_variable(name, [4], initializer=tf.ones_initializer(), **arguments))


SLICES = {
    "its slices": lambda: {"w": parts()},
    "its slices, as reference variables": lambda: {"w": parts(use_resource=False)},
    "one of two": lambda: {"w": parts()[:1]},
    "slices in a list": parts,
    "a constant": lambda: {"w": [tf.constant(1.0)]},
    "a slice and a constant": lambda: {"w": [*parts(), tf.constant(1.0)]},
    "a whole variable": lambda: {"w": [variable()]},
    "of two variables": lambda: {"w": [*parts(), *parts("other")]},
    "a saveable": lambda: {"w": [Number(3.0, "three")]},
    "a slice and a saveable": lambda: {"w": [*parts(), Number(3.0, "three")]},
    "beside a saveable of their name": lambda: [*parts(), Number(3.0, "scope/weight")],
}


@pytest.mark.parametrize("case", SLICES)
@conforms("MTS-CKP-01", "MTS-CKP-08")
def test_slices(train, record, case):
    save_and_restore(train, record, SLICES[case])


class OnTwoDevices(Number):
    def __init__(self):
        super().__init__(1.0, "one")
        with tf.device("/cpu:1"):
            self.specs = [*self.specs, SaveSpec(tf.constant(2.0), "", "two")]


@pytest.mark.parametrize("sharded", (False, True))
@conforms("MTS-CKP-01")
def test_a_saveable_on_two_devices(train, record, sharded):
    record.outcome("saver", lambda: train.Saver([OnTwoDevices()], sharded=sharded).saver_def.sharded)
