"""The saver beside `tf.train.Saver`: the same program on both, everything it leaves compared."""

import collections
import inspect
import os
import pathlib
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf2
import tensorflow.compat.v1 as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from saver_sides import CONFIG, assert_same, contents, session
from tensorflow.python.training import saver as tf_saver

import monitored
from conformance import debugger
from monitored import _tensorflow, saver_ops
from monitored.saver import saver_for_checkpoint_object, saver_or_default

PUBLIC = ["__init__", *(name for name in vars(tf.train.Saver) if not name.startswith("_"))]


def variable(name="v", value=1.0, resource=True, **kwargs):
    with tf.variable_scope(tf.get_variable_scope(), use_resource=resource):
        return tf.get_variable(name, initializer=tf.constant(value), **kwargs)


def started():
    sess = session()
    sess.run([tf.global_variables_initializer(), tf.local_variables_initializer(), tf.tables_initializer()])
    return sess


def test_signatures():
    def shape(cls, name):
        member = inspect.getattr_static(cls, name)
        if isinstance(member, property):
            return property
        function = member.__func__ if isinstance(member, staticmethod) else member
        return type(member), [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]

    for name in PUBLIC:
        assert shape(monitored.Saver, name) == shape(tf.train.Saver, name), name


# One save


SAVES = {
    "no step": ({}, {}),
    "int": ({}, {"global_step": 7}),
    "numpy": ({}, {"global_step": np.int64(8)}),
    "float": ({}, {"global_step": 7.5}),
    "negative": ({}, {"global_step": -3}),
    "string": ({}, {"global_step": "7"}),
    "bool": ({}, {"global_step": True}),
    "padded": ({"pad_step_number": True}, {"global_step": 7}),
    "padded negative": ({"pad_step_number": True}, {"global_step": -7}),
    "state name with a folder": ({}, {"latest_filename": "x/y"}),
    "state name": ({}, {"latest_filename": "other", "global_step": 1}),
    "empty state name": ({}, {"latest_filename": "", "global_step": 1}),
    "suffix": ({}, {"meta_graph_suffix": "graph", "global_step": 1}),
    "no meta graph": ({}, {"write_meta_graph": False}),
    "no state": ({}, {"write_state": False, "global_step": 1}),
    "stripped": ({}, {"strip_default_attrs": True}),
    "sharded": ({"sharded": True}, {"global_step": 1}),
    "relative": ({"save_relative_paths": True}, {"global_step": 1}),
    "reshape": ({"reshape": True}, {"global_step": 1}),
    "named": ({"name": "mine"}, {"global_step": 1}),
    "sequential": ({"restore_sequentially": True}, {"global_step": 1}),
    "default file name": ({"filename": "somewhere"}, {"global_step": 1}),
    "V1": ({"write_version": tf.train.SaverDef.V1}, {"global_step": 1}),
    "V1 sharded": ({"write_version": tf.train.SaverDef.V1, "sharded": True}, {"global_step": 1}),
    "forever": ({"max_to_keep": None}, {"global_step": 1}),
    "zero": ({"max_to_keep": 0}, {"global_step": 1}),
    "none": ({"max_to_keep": -1}, {"global_step": 1}),
}


@pytest.mark.parametrize(("options", "how"), SAVES.values(), ids=SAVES)
@pytest.mark.parametrize("name", ["m", "checkpoint", "absent/m", "with 'quotes' é"])
@pytest.mark.rule("MTS-CKP-01", "MTS-CKP-04")
def test_one_save(name, options, how):
    def program(side):
        variable("v", [1.0, 2.0])
        variable("r", 3, resource=False)
        saver = side.try_(side.train.Saver, **options)
        with started() as sess:
            path = side.try_(saver.save, sess, side.path(name), **how)
            side.note(saver.last_checkpoints)
            side.note_files()
            if path and tf.train.checkpoint_exists(path):
                side.note_checkpoint(path)
                sess.run(tf.global_variables_initializer())
                side.try_(saver.restore, sess, path)

    assert_same(program)


def test_a_save_of_what_is_a_path_only_in_spirit():
    def program(side):
        variable()
        saver = side.train.Saver()
        with started() as sess:
            side.try_(saver.save, sess, side.path("m").encode())
            side.try_(saver.save, sess, pathlib.Path(side.path("m")))
            side.try_(saver.save, sess, None)
            side.try_(saver.restore, sess, side.path("m").encode())
            side.try_(saver.restore, sess, pathlib.Path(side.path("m")))

    assert_same(program)


@pytest.mark.rule("MTS-CKP-01")
def test_the_step_may_be_a_tensor():
    def program(side):
        step = variable("step", 9)
        saver = side.train.Saver()
        with started() as sess:
            side.try_(saver.save, sess, side.path("m"), global_step=step)
            side.try_(saver.save, sess, side.path("m"), global_step=tf.constant(4))
            side.try_(saver.save, sess, side.path("m"), tf.constant([4]))
        side.note_files()

    assert_same(program)


@pytest.mark.rule("MTS-CKP-04")
def test_relative_directories(monkeypatch):
    def program(side):
        monkeypatch.chdir(side.directory)
        os.mkdir("d")
        variable()
        for options in ({}, {"save_relative_paths": True}):
            saver = side.train.Saver(max_to_keep=2, **options)
            with started() as sess:
                for step in range(3):
                    side.try_(saver.save, sess, "d/m", step)
                side.try_(saver.save, sess, "here")
            side.note(saver.last_checkpoints)
            side.note_files()
            side.try_(side.train.latest_checkpoint, "d")

    assert_same(program)


@pytest.mark.rule("MTS-CKP-08")
def test_refusals():
    def program(side):
        saver, path = side.train.Saver, side.path("m")
        side.try_(saver)
        v = variable()
        deferred = saver(defer_build=True)
        side.try_(deferred.save, None, path)
        side.note(deferred.saver_def, deferred._is_built)
        deferred.build()
        side.try_(saver, var_list=[v], defer_build=True)
        for bad in ("text", 3, object()):
            side.try_(deferred.save, bad, path)
        for bad in (None, path, side.path("absent/m"), ""):
            with session() as sess:
                side.try_(deferred.restore, sess, bad)
        with session() as sess:
            side.try_(deferred.save, sess, path)

    assert_same(program)


@pytest.mark.parametrize("sessions", [monitored, tf.train], ids=["monitored", "tensorflow"])
@pytest.mark.parametrize("kind", ["MonitoredSession", "SingularMonitoredSession"])
@pytest.mark.rule("MTS-RUN-12")
def test_a_monitored_session_is_refused(kind, sessions):
    def program(side):
        variable()
        saver = side.train.Saver()
        with getattr(sessions, kind)() as sess:
            side.try_(lambda: saver.save(sess, side.path("m")))

    got = str(assert_same(program))
    assert "'sess' must be a Session" in got


def test_sessions_of_every_kind_are_taken():
    def program(side):
        variable()
        saver = side.train.Saver()
        inner = started()
        interactive = tf.InteractiveSession(config=CONFIG)
        interactive.run(tf.global_variables_initializer())
        for sess in (inner, interactive, debugger.wrap(inner)):
            side.try_(saver.save, sess, side.path("m"))
        interactive.close()
        inner.close()

    assert_same(program)


@pytest.mark.rule("MTS-SCF-06", "Q-31")
def test_an_empty_saver_only_writes_the_meta_graph():
    def program(side):
        saver = side.train.Saver(allow_empty=True)
        side.note(saver.saver_def, saver._is_empty, saver.as_saver_def(), saver.to_proto())
        with session() as sess:
            side.try_(saver.save, sess, side.path("m"), 3)
            side.try_(saver.restore, sess, None)
        side.note_files()
        side.note(saver.last_checkpoints)

    assert_same(program)


# Sequences of saves


steps = st.lists(st.one_of(st.integers(0, 4), st.none()), min_size=1, max_size=9)
limits = st.sampled_from([None, 0, 1, 2, 5, -1])


@settings(max_examples=30)
@given(data=st.data(), limit=limits, relative=st.booleans(), numbers=steps)
@pytest.mark.rule("MTS-CKP-02", "MTS-CKP-03")
def test_sequences(data, limit, relative, numbers):
    hours = data.draw(st.sampled_from([10000.0, 1.0, 0.1, 0.0]), label="keep every n hours")
    ticks = data.draw(
        st.lists(st.sampled_from([0.0, 100.0, 3600.0, -500.0]), min_size=len(numbers), max_size=len(numbers)),
        label="seconds between saves",
    )
    lost = data.draw(st.sets(st.integers(0, len(numbers) - 1), max_size=2), label="files lost before")
    restart = data.draw(st.integers(0, len(numbers)), label="restart before")

    def program(side):
        clock = mock.Mock(return_value=1e9)
        with mock.patch("time.time", clock), tf.Graph().as_default():
            v = variable()
            options = {"keep_checkpoint_every_n_hours": hours, "save_relative_paths": relative}
            saver = side.train.Saver(max_to_keep=limit, **options)
            later = side.train.Saver(max_to_keep=1, name="later", **options)
            with started() as sess:
                for number, (step, tick) in enumerate(zip(numbers, ticks, strict=True)):
                    clock.return_value += tick
                    if number in lost:
                        for file in os.listdir(side.directory):
                            if file.startswith("m-1"):
                                os.remove(side.path(file))
                    if number == restart:
                        state = side.train.get_checkpoint_state(side.directory)
                        saver = later
                        saver.recover_last_checkpoints(state.all_model_checkpoint_paths if state else [])
                        saver.set_last_checkpoints_with_time(
                            [(path, 1e9 + 50.0 * i) for i, path in enumerate(saver.last_checkpoints)]
                        )
                    sess.run(v.assign(number))
                    side.try_(saver.save, sess, side.path("m"), step, write_meta_graph=number % 2 == 0)
                    side.note(saver.last_checkpoints, saver._last_checkpoints, saver._next_checkpoint_time)
                    side.note_files()
            latest = side.try_(side.train.latest_checkpoint, side.directory)
            if latest:
                side.note_checkpoint(latest)

    assert_same(program)


def test_lists_of_checkpoints_can_be_set():
    def program(side):
        variable()
        saver = side.train.Saver(max_to_keep=1)
        saver.set_last_checkpoints(["a", "b"])
        side.note(saver.last_checkpoints, saver._last_checkpoints)
        side.try_(saver.set_last_checkpoints, ("a",))
        side.try_(saver.set_last_checkpoints_with_time, ("a",))
        own = [(side.path("m-0"), 5.0), (side.path("m-1"), 6.0)]
        saver.set_last_checkpoints_with_time(own)
        with started() as sess:
            for step in (2, 3, 1, 4):
                saver.save(sess, side.path("m"), step)
                side.note([path for path, _ in own])
        side.note_files()
        saver.recover_last_checkpoints([side.path("m-4"), side.path("m-9"), side.path("no/m"), side.path("m-1")])
        side.note(saver.last_checkpoints)

    assert_same(program)


def test_a_checkpoint_that_cannot_be_deleted_is_only_logged():
    def program(side):
        variable()
        saver = side.train.Saver(max_to_keep=1)
        with started() as sess:
            saver.save(sess, side.path("m"), 0)
            os.remove(side.path("m-0.meta"))
            os.mkdir(side.path("m-0.meta"))
            with open(side.path("m-0.meta/full"), "w"):
                pass
            side.try_(saver.save, sess, side.path("m"), 1)
        side.note_files()

    assert "Ignoring: " in str(assert_same(program)[-1])


@pytest.mark.rule("MTS-CKP-08")
def test_a_failed_save_changes_nothing():
    def program(side):
        v = variable()
        missing = tf.get_variable("missing", [2])
        saver = side.train.Saver()
        with session() as sess:
            sess.run(v.initializer)
            side.try_(saver.save, sess, side.path("m"), 1)
            side.note_files()
            side.note(saver.last_checkpoints)
            sess.run(missing.initializer)
            side.try_(saver.save, sess, side.path("m"), 2)
            side.note(saver.last_checkpoints)

    assert_same(program)


# What is saved


def sliced(resource):
    with tf.variable_scope("scope", use_resource=resource):
        return tf.get_variable(
            "p", [5, 2], initializer=tf.random_uniform_initializer(seed=1), partitioner=tf.fixed_size_partitioner(3)
        )


def parts(resource):
    return list(sliced(resource))


VAR_LISTS = {
    "list": lambda a, b, resource: [b, a],
    "tuple": lambda a, b, resource: (a, b),
    "set": lambda a, b, resource: ({a.name: a}.keys() and {*(x.experimental_ref() for x in ())}) or [a, b],
    "nested": lambda a, b, resource: [[a], (b,)],
    "dict": lambda a, b, resource: {"x": a, "w": b},
    "dict of slices": lambda a, b, resource: {"x": parts(resource), "w": b},
    "dict of a partitioned variable": lambda a, b, resource: {"x": sliced(resource)},
    "partitioned": lambda a, b, resource: [sliced(resource)],
    "slices": lambda a, b, resource: [*parts(resource), a],
    "one slice": lambda a, b, resource: parts(resource)[1:2],
    "tensors": lambda a, b, resource: [a._ref() if hasattr(a, "_ref") else a.read_value()],
    "everything": lambda a, b, resource: sliced(resource) and None,
    "empty list": lambda a, b, resource: [],
    "twice": lambda a, b, resource: [a, a],
    "two names": lambda a, b, resource: {"x": a, "y": a},
    "partitioned twice": lambda a, b, resource: [*[sliced(resource)] * 2],
    "partitioned and parts": lambda a, b, resource: [p := sliced(resource), *p],
    "numbers": lambda a, b, resource: [1],
    "number in a dict": lambda a, b, resource: {"x": 1},
    "constant": lambda a, b, resource: [tf.constant(1.0)],
    "constant in a dict": lambda a, b, resource: {"x": tf.constant(1.0)},
    "no name": lambda a, b, resource: {1: a},
    "list of a whole variable": lambda a, b, resource: {"x": [a]},
    "list of a number": lambda a, b, resource: {"x": [1]},
    "slices of two": lambda a, b, resource: {"x": [parts(resource)[0], slice_of_another(resource)]},
    "string": lambda a, b, resource: "v",
    "variable": lambda a, b, resource: a,
}


def slice_of_another(resource):
    with tf.variable_scope("other"):
        return parts(resource)[0]


@pytest.mark.parametrize("sharded", [False, True], ids=["whole", "sharded"])
@pytest.mark.parametrize("resource", [True, False], ids=["resource", "reference"])
@pytest.mark.parametrize("make", VAR_LISTS.values(), ids=VAR_LISTS)
def test_what_can_be_saved(make, resource, sharded):
    def program(side):
        with tf.device("/cpu:1"):
            a = variable("a", [1.0, 2.0], resource)
        with tf.device("/cpu:0"):
            b = variable("b", 3, resource)
        saver = side.try_(side.train.Saver, make(a, b, resource), sharded=sharded)
        if not saver:
            return
        with started() as sess:
            path = side.try_(saver.save, sess, side.path("m"))
            side.note_files()
            side.note_checkpoint(path)
            before = sess.run(tf.global_variables())
            sess.run([v.assign(tf.zeros_like(v)) for v in tf.global_variables()])
            side.try_(saver.restore, sess, path)
            side.note([np.array_equal(x, y) for x, y in zip(before, sess.run(tf.global_variables()), strict=True)])

    assert_same(program)


def test_partitions_can_change_between_save_and_restore():
    def program(side):
        for count in (2, 3, 1):
            with tf.Graph().as_default():
                partitioner = tf.fixed_size_partitioner(count)
                tf.get_variable("p", [6, 2], partitioner=partitioner, initializer=tf.ones_initializer())
                saver = side.train.Saver()
                with started() as sess:
                    if count == 2:
                        saver.save(sess, side.path("m"))
                    sess.run([v.assign(tf.zeros_like(v)) for v in tf.global_variables()])
                    side.try_(saver.restore, sess, side.path("m"))
                    side.note([value.tolist() for value in sess.run(tf.global_variables())])

    assert_same(program)


def test_a_partitioned_variable_in_a_collection_survives_the_meta_graph():
    def program(side):
        p = sliced(True)
        for key in ("mine", "mine too"):
            tf.add_to_collection(key, p)
        saver = side.train.Saver()
        side.note(len(tf.get_default_graph().get_operations()))
        meta = saver.export_meta_graph()
        with tf.Graph().as_default():
            tf.train.import_meta_graph(meta)
            side.note([item.name for item in tf.get_collection("mine")])

    assert_same(program)


def table(name="table"):
    return tf.lookup.experimental.DenseHashTable(
        tf.int64, tf.int64, -1, empty_key=-1, deleted_key=-2, name=name, checkpoint=True
    )


@pytest.mark.parametrize("sharded", [False, True])
def test_tables_and_iterators_are_saved(sharded):
    def program(side):
        lookup = table()
        iterator = tf.data.make_one_shot_iterator(tf.data.Dataset.range(10))
        item = iterator.get_next()
        tf.add_to_collection(tf.GraphKeys.SAVEABLE_OBJECTS, tf.data.experimental.make_saveable_from_iterator(iterator))
        variable()
        fill = lookup.insert(tf.constant([1, 2], tf.int64), tf.constant([3, 4], tf.int64))
        look = lookup.lookup(tf.constant([1, 2, 5], tf.int64))
        saver = side.train.Saver(sharded=sharded)
        with started() as sess:
            sess.run([fill, item])
            sess.run(item)
            saver.save(sess, side.path("m"))
            side.note(sorted(tf.train.load_checkpoint(side.path("m")).get_variable_to_shape_map()))
        with started() as sess:
            side.try_(saver.restore, sess, side.path("m"))
            side.note(sess.run([look, item]))

    assert_same(program)


@pytest.mark.parametrize("form", ["list", "dict"])
def test_tables_can_be_listed(form):
    def program(side):
        lookup = tf.lookup.experimental.DenseHashTable(
            tf.int64, tf.int64, -1, empty_key=-1, deleted_key=-2, name="table", checkpoint=False
        )
        saver = side.try_(side.train.Saver, {"list": [lookup, variable()], "dict": {"x": lookup}}[form])
        fill = lookup.insert(tf.constant([1, 2], tf.int64), tf.constant([3, 4], tf.int64))
        look = lookup.lookup(tf.constant([1, 2, 5], tf.int64))
        with started() as sess:
            sess.run(fill)
            side.try_(saver.save, sess, side.path("m"))
            side.note(sorted(tf.train.load_checkpoint(side.path("m")).get_variable_to_shape_map()))
        with started() as sess:
            side.try_(saver.restore, sess, side.path("m"))
            side.note(sess.run(look))

    assert_same(program)


@pytest.mark.parametrize("form", ["list", "dict"])
def test_trackable_objects_are_saved(form):
    def program(side):
        iterator = tf.data.make_initializable_iterator(tf.data.Dataset.range(10))
        item = iterator.get_next()
        given = {"list": [variable(), iterator], "dict": {"x": variable("w"), "it": iterator}}[form]
        saver = side.try_(side.train.Saver, given)
        if not saver:
            return
        with started() as sess:
            sess.run(iterator.initializer)
            sess.run([item])
            side.try_(saver.save, sess, side.path("m"))
            side.note(sorted(tf.train.load_checkpoint(side.path("m")).get_variable_to_shape_map()))
        with started() as sess:
            sess.run(iterator.initializer)
            side.try_(saver.restore, sess, side.path("m"))
            side.note(int(sess.run(item)))

    assert_same(program)


class Counted(tf2.Module):
    """A trackable object in the older form: it names the makers of its saveables."""

    def __init__(self):
        super().__init__(name="counted")
        self.first, self.second = variable("first"), variable("second")

    def _gather_saveables_for_checkpoint(self):
        def make(name="default"):
            return tf_saver.BaseSaverBuilder.ResourceVariableSaveable(self.first, "", name)

        return {"VARIABLE_VALUE": make, "other": self.second}


@pytest.mark.parametrize("form", ["list", "dict"])
def test_trackable_objects_that_name_their_saveables(form):
    def program(side):
        item = Counted()
        saver = side.try_(side.train.Saver, {"list": [item], "dict": {"x": item}}[form])
        with started() as sess:
            side.try_(lambda: saver.save(sess, side.path("m")))
        side.note_files()
        if tf.train.checkpoint_exists(side.path("m")):
            side.note_checkpoint(side.path("m"))

    assert_same(program)


def test_variables_of_a_distribution_strategy():
    def program(side):
        with tf2.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]).scope():
            variable("v", [1.0, 2.0])
        saver = side.train.Saver()
        with started() as sess:
            side.try_(saver.save, sess, side.path("m"))
            side.note_checkpoint(side.path("m"))
            side.try_(saver.restore, sess, side.path("m"))

    assert_same(program)


def test_saveables_of_several_devices_are_refused_when_sharded():
    def program(side):
        with tf.device("/cpu:0"):
            a = variable("a")
        with tf.device("/cpu:1"):
            b = variable("b")
        specs = [tf_saver.BaseSaverBuilder.SaveSpec(v.read_value(), "", v.op.name) for v in (a, b)]
        specs[0].device, specs[1].device = "/cpu:0", "/cpu:1"
        odd = tf_saver.BaseSaverBuilder.SaveableObject(a, specs, "odd")
        side.try_(side.train.Saver, [odd], sharded=True)

    assert_same(program)


# Restoring


@pytest.mark.parametrize("reshape", [False, True])
@pytest.mark.parametrize("resource", [True, False], ids=["resource", "reference"])
@pytest.mark.parametrize("shape", [[4], [2, 2], [3], []])
def test_restoring_another_shape(shape, resource, reshape):
    def program(side):
        with tf.Graph().as_default(), tf.variable_scope("", use_resource=resource):
            tf.get_variable("v", initializer=[1.0, 2.0, 3.0, 4.0])
            with started() as sess:
                side.train.Saver().save(sess, side.path("m"))
        with tf.variable_scope("", use_resource=resource):
            v = tf.get_variable("v", shape)
        with started() as sess:
            saver = side.train.Saver(reshape=reshape)
            side.try_(saver.restore, sess, side.path("m"))
            side.note(sess.run(v.op.name + ("/Read/ReadVariableOp:0" if resource else ":0")).shape)

    assert_same(program)


def test_reshape_of_a_variable_without_a_static_shape():
    def program(side):
        for resource in (True, False):
            with tf.Graph().as_default(), tf.variable_scope("", use_resource=resource):
                tf.get_variable("v", initializer=tf.placeholder_with_default([1.0, 2.0], [None]), validate_shape=False)
                saver = side.train.Saver(reshape=True)
                with started() as sess:
                    side.try_(saver.save, sess, side.path("m"))
                    side.try_(saver.restore, sess, side.path("m"))

    assert_same(program)


def saved_variable(side, name="v", value=1.0, **options):
    with tf.Graph().as_default():
        variable(name, value)
        with started() as sess:
            return side.train.Saver(**options).save(sess, side.path("m"))


@pytest.mark.parametrize("sharded", [False, True])
def test_restoring_what_is_not_there(sharded):
    def program(side):
        path = saved_variable(side, sharded=sharded)
        variable("v")
        variable("w")
        saver = side.train.Saver(sharded=sharded)
        with started() as sess:
            side.try_(saver.restore, sess, path)

    got = assert_same(program)
    assert "Restoring from checkpoint failed. This is most likely due to a Variable name" in str(got)


def test_restoring_another_type():
    def program(side):
        path = saved_variable(side)
        variable("v", 1)
        with started() as sess:
            side.try_(side.train.Saver().restore, sess, path)

    assert "a mismatch between the current graph and the graph" in str(assert_same(program))


@pytest.mark.parametrize("damage", [".index", ".data-00000-of-00001"])
def test_restoring_a_damaged_checkpoint(damage):
    def program(side):
        path = saved_variable(side)
        with open(path + damage, "w") as file:
            file.write("nonsense")
        variable("v")
        with started() as sess:
            side.try_(side.train.Saver().restore, sess, path)
        os.remove(path + damage)
        with started() as sess:
            side.try_(side.train.Saver().restore, sess, path)

    assert_same(program)


@pytest.mark.parametrize("version", [tf.train.SaverDef.V1, tf.train.SaverDef.V2])
@pytest.mark.parametrize("sharded", [False, True])
def test_each_side_restores_what_the_other_saved(version, sharded):
    def program(side):
        with tf.device("/cpu:0"):
            a = variable("a", [1.0, 2.0])
        with tf.device("/cpu:1"):
            variable("b", b"text", resource=False)
        sliced(True)
        options = {"sharded": sharded, "write_version": version}
        ours, theirs = side.train.Saver(**options), side.other.Saver(**options)
        with started() as sess:
            before = sess.run(tf.global_variables())
            path = side.try_(ours.save, sess, side.path("m"), 1)
            side.note_files()
            sess.run(tf.variables_initializer([a]))
            sess.run(tf.assign(a, [0.0, 0.0]))
            side.try_(theirs.restore, sess, path)
            side.note([np.array_equal(x, y) for x, y in zip(before, sess.run(tf.global_variables()), strict=True)])
            theirs.recover_last_checkpoints(ours.last_checkpoints)
            side.note(theirs.last_checkpoints)
            side.try_(side.other.latest_checkpoint, side.directory)

    assert_same(program)


def test_saving_through_a_server():
    server = tf.train.Server.create_local_server()

    def program(side):
        with tf.device("/job:localhost/task:0/cpu:0"):
            v = variable("a", [1.0, 2.0])
        variable("b")
        saver = side.train.Saver(sharded=True)
        with tf.Session(server.target) as sess:
            sess.run(tf.global_variables_initializer())
            side.try_(saver.save, sess, side.path("m"), 1)
            sess.run(v.assign([0.0, 0.0]))
            side.try_(saver.restore, sess, side.path("m-1"))
            side.note(sess.run(v))
        side.note_files()

    assert_same(program)


# Saver definitions and meta graphs


def without_names(saver_def):
    copy = type(saver_def)()
    copy.CopyFrom(saver_def)
    for field in ("filename_tensor_name", "save_tensor_name", "restore_op_name"):
        copy.ClearField(field)
    return str(copy)


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("version", [tf.train.SaverDef.V1, tf.train.SaverDef.V2])
def test_saver_definitions_and_graphs_agree(sharded, version):
    def program(side):
        variable("v", [1.0])
        variable("r", resource=False)
        sliced(True)
        saver = side.train.Saver(
            sharded=sharded, write_version=version, max_to_keep=3, keep_checkpoint_every_n_hours=0.3
        )
        graph = tf.get_default_graph()
        definition = saver.as_saver_def()
        side.note(without_names(definition), definition.filename_tensor_name, definition.restore_op_name)
        graph.get_tensor_by_name(definition.save_tensor_name)
        side.note(sorted(collections.Counter(op.type for op in graph.get_operations()).items()))
        side.note({key: len(graph.get_collection(key)) for key in graph.get_all_collection_keys()})

    assert_same(program)


def test_a_saver_made_from_the_other_sides_definition():
    def program(side):
        v = variable()
        definition = side.other.Saver(max_to_keep=1, sharded=True).to_proto()
        before = len(tf.get_default_graph().get_operations())
        saver = side.train.Saver(saver_def=definition)
        side.note(len(tf.get_default_graph().get_operations()) - before, saver._is_empty, saver._write_version)
        assert saver.saver_def is definition
        with started() as sess:
            for step in range(2):
                side.try_(saver.save, sess, side.path("m"), step)
            sess.run(v.assign(5.0))
            side.try_(saver.restore, sess, side.path("m-1"))
            side.note(float(sess.run(v)))
        side.note_files()
        side.note(without_names(side.train.Saver.from_proto(definition).to_proto()))

    assert_same(program)


def test_private_attributes_that_public_code_reads(fresh_graph):
    variable()
    theirs, ours = tf.train.Saver(), monitored.Saver(name="ours")
    assert set(vars(theirs)) <= set(vars(ours))
    same = set(vars(theirs)) - {"saver_def", "_builder", "_name", "_next_checkpoint_time"}
    assert {key: vars(ours)[key] for key in same} == {key: vars(theirs)[key] for key in same}


def test_unusable_definitions():
    def program(side):
        side.try_(side.train.Saver, saver_def="text")
        side.try_(side.train.Saver, saver_def=tf.train.SaverDef())
        side.try_(side.train.Saver, saver_def=tf.train.SaverDef(save_tensor_name="a"))
        side.try_(side.train.Saver, saver_def=tf.train.SaverDef(), defer_build=True)

    assert_same(program)


def test_scopes_of_definitions():
    def program(side):
        variable()
        with tf.name_scope("outer"):
            saver = side.train.Saver(name="inner")
        names = saver.saver_def.filename_tensor_name, saver.saver_def.restore_op_name
        side.note(names)
        for scope in (None, "outer", "outer/", "outer/inner", "other", "out"):
            proto = saver.to_proto(scope)
            side.note(proto and (proto.filename_tensor_name, proto.restore_op_name))
        proto = saver.to_proto("outer")
        for scope in (None, "", "s", "s/"):
            copy = type(proto)()
            copy.CopyFrom(proto)
            made = side.train.Saver.from_proto(copy, scope)
            side.note(made.saver_def.filename_tensor_name, made.saver_def.restore_op_name, made._name)

    assert_same(program)


def _attributes(node):
    return [node.op, *sorted((key, str(value)) for key, value in node.attr.items())]


def meta_summary(meta):
    nodes = meta.graph_def.node
    collections_ = {key: str(meta.collection_def[key]) for key in meta.collection_def if key != "savers"}
    return (
        sorted(op.name for op in meta.meta_info_def.stripped_op_list.op),
        meta.meta_info_def.stripped_default_attrs,
        sorted(collections.Counter(node.op for node in nodes).items()),
        {node.name: _attributes(node) for node in nodes if not node.name.startswith("save/")},
        sorted(_attributes(node) for node in nodes if node.name.startswith("save/")),
        sorted(meta.collection_def),
        collections_,
        without_names(meta.saver_def),
    )


@pytest.mark.parametrize("strip", [False, True])
def test_meta_graph_files_agree(strip):
    def program(side):
        variable("v", [1.0, 2.0])
        variable("r", resource=False)
        tf.add_to_collection(tf.GraphKeys.SAVERS, side.train.Saver())
        saver = tf.get_collection(tf.GraphKeys.SAVERS)[0]
        with started() as sess:
            saver.save(sess, side.path("m"), 1, strip_default_attrs=strip, save_debug_info=True)
        side.note_files()
        meta = tf.MetaGraphDef()
        with open(side.path("m-1.meta"), "rb") as file:
            meta.ParseFromString(file.read())
        side.note(*meta_summary(meta))

    assert_same(program)


@pytest.mark.parametrize("scope", [None, "imported"])
def test_an_exported_meta_graph_trains_on(scope):
    def program(side):
        v = variable("v", 2.0)
        tf.add_to_collection(tf.GraphKeys.SAVERS, side.train.Saver(sharded=True))
        with started() as sess:
            tf.get_collection(tf.GraphKeys.SAVERS)[0].save(sess, side.path("m"))
        with tf.Graph().as_default():
            saver = side.try_(lambda: bool(tf.train.import_meta_graph(side.path("m.meta"), import_scope=scope)))
            (saver,) = tf.get_collection(tf.GraphKeys.SAVERS)
            side.note(type(saver).__name__)
            again = side.train.Saver(saver_def=saver.to_proto())
            with session() as sess:
                side.try_(again.restore, sess, side.path("m"))
                side.note([float(value) for value in sess.run(tf.global_variables())])
                side.try_(again.save, sess, side.path("n"))
        side.note(v.name)
        side.note_files()

    assert_same(program)


def test_exporting_meta_graphs():
    def program(side):
        variable()
        saver = side.train.Saver()
        for kwargs in (
            {},
            {"filename": side.path("text"), "as_text": True},
            {"collection_list": ["trainable_variables"]},
            {"clear_devices": True, "clear_extraneous_savers": True},
            {"export_scope": "save"},
        ):
            side.try_(lambda kw=kwargs: meta_summary(saver.export_meta_graph(**kw)))
        side.note_files()

    assert_same(program)


def test_a_builder_can_be_given():
    class Builder(tf_saver.BulkSaverBuilder):
        def save_op(self, filename_tensor, saveables):
            return super().save_op(tf.strings.join([filename_tensor, ".own"]), saveables)

    def program(side):
        variable()
        saver = side.train.Saver(builder=Builder())
        with started() as sess:
            side.try_(saver.save, sess, side.path("m"))
        side.note_files()

    assert_same(program)


# Object-based checkpoints


def test_a_name_based_saver_restores_an_object_based_checkpoint():
    def program(side):
        with tf.Graph().as_default():
            checkpoint = tf.train.Checkpoint(x=variable("a", 5.0), y=variable("b", 6.0))
            with started() as sess, sess.as_default():
                path = checkpoint.save(side.path("m"))
        a, b = variable("a"), variable("b")
        saver, whole = side.train.Saver({"a": a}), side.train.Saver(name="whole")
        with started() as sess:
            for chosen in (saver, saver, whole):
                sess.run(tf.global_variables_initializer())
                side.try_(chosen.restore, sess, path)
                side.note([float(value) for value in sess.run([a, b])])
            side.note(saver._object_restore_saver is not None)
            variable("c")
            variable("d")
            side.try_(side.train.Saver(name="more").restore, sess, path)
            tf.get_default_graph().finalize()
            side.try_(whole.restore, sess, path)

    assert_same(program)


def test_a_finalised_graph_cannot_take_an_object_based_checkpoint():
    def program(side):
        with tf.Graph().as_default():
            checkpoint = tf.train.Checkpoint(x=variable("a", 5.0))
            with started() as sess, sess.as_default():
                path = checkpoint.save(side.path("m"))
        variable("a")
        saver = side.train.Saver()
        with started() as sess:
            tf.get_default_graph().finalize()
            side.try_(saver.restore, sess, path)

    assert_same(program)


def object_checkpoint():
    inner = tf2.train.Checkpoint(w=variable("w", [1.0, 2.0]))
    return tf2.train.Checkpoint(inner=inner, v=variable("v", 3.0, resource=False), again=inner)


def theirs_for(checkpoint):
    return tf.train.Scaffold(saver=checkpoint).finalize().saver


def ours_for(checkpoint):
    return saver_for_checkpoint_object(checkpoint)


@pytest.mark.rule("MTS-SCF-10")
def test_a_checkpoint_object_becomes_a_saver(tmp_path):
    stored = []
    for number, make in enumerate((theirs_for, ours_for)):
        with tf.Graph().as_default():
            saver = make(object_checkpoint())
            with session() as sess:
                if not tf.get_default_graph().finalized:
                    tf.global_variables_initializer()
                sess.run([v.initializer for v in tf.global_variables()])
                path = saver.save(sess, str(tmp_path / f"m{number}"), 1)
                stored.append(contents(path))
    assert stored[0] == stored[1]
    for path in (tmp_path / "m0-1", tmp_path / "m1-1"):
        with tf.Graph().as_default():
            checkpoint = object_checkpoint()
            zero = [v.assign(tf.zeros_like(v)) for v in tf.trainable_variables()]
            saver = ours_for(checkpoint)
            status = checkpoint.restore(str(path))
            with session() as sess:
                sess.run(zero)
                status.run_restore_ops(sess)
                assert [np.sum(sess.run(v)) for v in tf.trainable_variables()] == [3.0, 3.0]
                sess.run(zero)
                saver.restore(sess, str(path))
                assert [np.sum(sess.run(v)) for v in tf.trainable_variables()] == [3.0, 3.0]


def test_a_checkpoint_object_becomes_a_saver_the_public_way(tmp_path, monkeypatch, fresh_graph):
    checkpoint = object_checkpoint()
    full = ours_for(checkpoint)
    monkeypatch.setattr(_tensorflow, "FORCE_FALLBACK", True)
    plain = ours_for(checkpoint)
    zero = [v.assign(tf.zeros_like(v)) for v in tf.trainable_variables()]
    with started() as sess:
        paths = full.save(sess, str(tmp_path / "full")), plain.save(sess, str(tmp_path / "plain"))
        expected, got = map(contents, paths)
        del expected["_CHECKPOINTABLE_OBJECT_GRAPH"]
        assert got == expected
        for path in paths:
            sess.run(zero)
            plain.restore(sess, path)
            assert [np.sum(sess.run(v)) for v in tf.trainable_variables()] == [3.0, 3.0]


# Inside sessions


@pytest.mark.parametrize("saver", [monitored, tf.train], ids=["own saver", "tf saver"])
@pytest.mark.parametrize("host", [monitored, tf.train], ids=["own session", "tf session"])
def test_savers_and_sessions_of_both_kinds_mix(host, saver, tmp_path):
    def train(runs):
        with tf.Graph().as_default():
            step = tf.train.get_or_create_global_step()
            increment = tf.assign_add(step, 1)
            scaffold = host.Scaffold(saver=saver.Saver(max_to_keep=2, defer_build=True))
            with host.MonitoredTrainingSession(
                checkpoint_dir=str(tmp_path), scaffold=scaffold, save_checkpoint_steps=1, config=CONFIG
            ) as sess:
                values = [int(sess.run(increment)) for _ in range(runs)]
            return values, [os.path.basename(path) for path in scaffold.saver.last_checkpoints]

    first, kept = train(3)
    second, later = train(2)
    assert second[-1] == 5
    assert len(first) == 3
    assert (kept, later) == (["model.ckpt-2", "model.ckpt-3"], ["model.ckpt-4", "model.ckpt-5"])
    assert {name.split(".")[1] for name in os.listdir(tmp_path) if name.endswith("index")} == {"ckpt-4", "ckpt-5"}


@pytest.mark.parametrize("names", [(), ("a",)])
@pytest.mark.rule("MTS-SCF-06")
def test_the_default_saver(names, fresh_graph):
    for name in names:
        variable(name)
    saver = saver_or_default()
    assert tf.get_collection(tf.GraphKeys.SAVERS) == [saver]
    assert saver_or_default() is saver
    assert tf_saver._get_saver_or_default() is saver
    assert saver._is_empty is not bool(names)
    assert (saver._sharded, saver._allow_empty, saver._max_to_keep) == (True, True, 5)


@pytest.mark.rule("MTS-SCF-04")
def test_two_default_savers_are_one_too_many(fresh_graph):
    variable()
    for _ in range(2):
        tf.add_to_collection(tf.GraphKeys.SAVERS, monitored.Saver())
    with pytest.raises(RuntimeError) as theirs:
        tf_saver._get_saver_or_default()
    with pytest.raises(RuntimeError) as ours:
        saver_or_default()
    assert ours.value.args == theirs.value.args


def test_no_graph_no_saver(tf_logs):
    assert tf.executing_eagerly()
    texts = []
    for train in (tf.train, monitored):
        tf_logs[:] = []
        with pytest.raises(RuntimeError) as raised:
            train.Saver()
        texts.append((str(raised.value), list(tf_logs)))
        with pytest.raises(ValueError, match="build cannot be deferred"):
            train.Saver([1], defer_build=True)
    assert texts[0] == texts[1]
    with pytest.raises(RuntimeError, match="Saver works on graphs"):
        monitored.Saver([tf2.Variable(1.0)])


def test_build_needs_a_graph():
    texts = []
    for train in (tf.train, monitored):
        with tf.Graph().as_default():
            variable()
            saver = train.Saver(defer_build=True)
        with pytest.raises(RuntimeError) as raised:
            saver.build()
        texts.append(str(raised.value))
    assert texts[0] == texts[1]


def test_another_graph_than_the_default_one():
    def program(side):
        with tf.Graph().as_default() as graph:
            v = variable()
        saver = side.try_(lambda: side.train.Saver([v]).saver_def.restore_op_name)
        side.note(saver in [op.name for op in graph.get_operations()])

    assert_same(program)


def test_an_unknown_format_is_refused(fresh_graph):
    v = variable()
    with pytest.raises(RuntimeError, match="Unexpected write_version: 0"):
        saver_ops.SaverOps(tf.train.SaverDef.LEGACY).build(
            [v], False, False, name=None, filename=None, max_to_keep=1, keep_checkpoint_every_n_hours=1.0
        )


def meta_graphs_of_one_session(side):
    """What `.meta` holds at each of several saves, while graph and session change in between."""
    variable()
    saver = side.train.Saver()
    texts = []

    def save(sess, step, **how):
        saver.save(sess, side.path("m"), step, **how)
        with open(side.path(f"m-{step}.meta"), "rb") as file:
            meta = tf.MetaGraphDef.FromString(file.read())
        texts.append((len(meta.graph_def.node), sorted(meta.collection_def), meta.meta_info_def.stripped_default_attrs))

    graph = tf.get_default_graph()
    with started() as sess:
        save(sess, 0)
        tf.constant(1, name="later")
        save(sess, 1)
        graph.finalize()
        save(sess, 2)
        save(sess, 3)
        save(sess, 4, strip_default_attrs=True)
        save(sess, 5)
        graph._unsafe_unfinalize()
        tf.add_to_collection("mine", "text")
        tf.constant(2, name="later_still")
        graph.finalize()
        save(sess, 6)
        graph._unsafe_unfinalize()
    tf.add_to_collection("another", "text")
    graph.finalize()
    with tf.Session() as sess:
        saver.restore(sess, side.path("m-6"))
        save(sess, 7)
    return texts


def test_the_meta_graph_is_that_of_the_moment():
    """It is made once while nothing changes, and anew once something does."""

    def program(side):
        nodes, collections, stripped = zip(*meta_graphs_of_one_session(side), strict=True)
        side.note([count - nodes[0] for count in nodes], collections, stripped)

    assert_same(program)


def test_the_meta_graph_of_a_final_graph_is_made_once(fresh_graph, tmp_path, monkeypatch):
    variable()
    saver, exported = monitored.Saver(), []
    export = saver.export_meta_graph
    monkeypatch.setattr(saver, "export_meta_graph", lambda *a, **k: exported.append(a) or export(*a, **k))
    fresh_graph.finalize()
    with tf.Session() as sess:
        for v in tf.global_variables():
            sess.run(v.initializer)
        paths = [saver.save(sess, str(tmp_path / "m"), step) for step in range(3)]
    assert len(exported) == 1
    contents = {(tmp_path / f"{path}.meta").read_bytes() for path in paths}
    assert len(contents) == 1
