"""Bad arguments of savers, of the state file and of the global step: see `bad_input`."""

import pathlib
from typing import Any

import numpy as np

from conformance.attempts import Attempt, Fresh, Obliging, Row, directly, hostile, rows, single
from conformance.bad_input_sessions import closed_session  # fmt: skip
from conformance.bad_values import FLAGS, INF, NAN, NUMBERS, OBJECTS, PATHS, PERIODS, argument, pick  # fmt: skip
from conformance.trace import tf

# --- checkpoints --------------------------------------------------------------------------------


def saver_of(t: Attempt, **arguments: Any) -> Any:
    """Make a saver with these arguments; save twice, restore, and return what it lists."""
    t.weight  # noqa: B018 - made before the saver
    saver = t.train.Saver(**arguments)
    session = t.raw_session()
    for step in (1, 2):
        t.tries("save", saver.save, session, t.path("model"), global_step=step)
    t.tries("restore", saver.restore, session, t.path("model-2"))
    return [saver.last_checkpoints, saver.as_saver_def() is None]


def saving_to(t: Attempt, sess: Any = None, save_path: Any = None, **arguments: Any) -> Any:
    tf.Variable([1.0, 2.0], name="weight")
    tf.constant("text", name="text")
    tf.constant([1, 2], name="two")
    saver = t.train.Saver()
    session = t.raw_session() if sess is None else sess
    t.tries("save", saver.save, session, t.path("model") if save_path is None else save_path, **arguments)
    return saver.last_checkpoints


def restoring(t: Attempt, sess: Any = None, save_path: Any = None) -> Any:
    weight = tf.Variable([1.0, 2.0], name="weight")
    saver = t.train.Saver()
    session = t.raw_session()
    saver.save(session, t.path("model"))
    session.run(weight.initializer)
    t.tries("restore", saver.restore, session if sess is None else sess, save_path)
    return session.run(weight)


def listed(method: str) -> Any:
    """Return a call that gives a saver a list of checkpoints and saves after that."""

    def do(t: Attempt, value: Any) -> Any:
        tf.Variable(1.0, name="weight")
        saver = t.train.Saver(max_to_keep=1)
        t.tries("listed", getattr(saver, method), value)
        t.tries("last_checkpoints", lambda: saver.last_checkpoints)
        t.tries("save", saver.save, t.raw_session(), t.path("model"))
        return saver.last_checkpoints

    return do


VAR_LISTS = {
    **pick(OBJECTS, "5 text empty_text list dict object class bytes fails_at_bool fails_at_iter obliging"),
    "tuple": Fresh(lambda t: (t.weight,)), "generator": Fresh(lambda t: iter([t.weight])),
    "set": Fresh(lambda t: {"weight"}), "list_of_None": [None], "list_of_names": ["weight"], "list_of_5": [5],
    "tensor": Fresh(lambda t: [tf.constant(1.0)]), "a_variable": Fresh(lambda t: t.weight),
    "same_twice": Fresh(lambda t: [t.weight] * 2), "int_key": Fresh(lambda t: {5: t.weight}),
    "None_key": Fresh(lambda t: {None: t.weight}), "dict_of_tensor": Fresh(
        lambda t: {"a": tf.constant(1.0)}), "dict_of_None": {"a": None}, "dict_of_list": Fresh(
        lambda t: {"a": [t.weight]}), "dict_of_name": {"a": "weight"},
    "two_names_of_one": Fresh(lambda t: {"a": t.weight, "b": t.weight}),
    "nested_list": Fresh(lambda t: [[t.weight]]),
    "foreign": Fresh(lambda t: [t.foreign(lambda: tf.Variable(1.0, name="foreign"))]),
    "saver_in_it": Fresh(lambda t: [t.train.Saver([t.weight])]),
    "operation": Fresh(lambda t: [tf.no_op()]), "dict_of_empty_list": {"a": []},
}  # fmt: skip
SAVER_DEFS = {
    **pick(OBJECTS, "5 text empty_text dict object class fails_at_bool obliging"), "empty": tf.train.SaverDef(),
    "another_message": tf.ConfigProto(allow_soft_placement=True),
    "unknown_names": tf.train.SaverDef(
        save_tensor_name="a:0", filename_tensor_name="b:0", restore_op_name="c", version=2),
    "no_restore_op": tf.train.SaverDef(save_tensor_name="a:0", filename_tensor_name="b:0"),
}  # fmt: skip
SESSIONS_TO_SAVE = {
    **pick(OBJECTS, "5 text object class obliging"), "monitored": Fresh(lambda t: t.session()),
    "closed": Fresh(lambda t: closed_session()), "of_another_graph": Fresh(lambda t: tf.Session(graph=tf.Graph())),
    "class_of_session": tf.Session, "not_initialised": Fresh(lambda t: tf.Session(config=t.record.config())),
}  # fmt: skip
SAVE_PATHS = {
    **pick(PATHS, "5 empty_text pathlib bytes list object fails_at_fspath nested null_character below_a_file glob"),
    "slash_at_the_end": Fresh(lambda t: t.path() + "/"), "a_folder": Fresh(lambda t: t.record.directory),
    "checkpoint": Fresh(lambda t: t.path("checkpoint")), "relative": "no_such_folder/model", "not_utf8": b"\xff",
    "unicode": Fresh(lambda t: t.path("d\u00e4")), "space": Fresh(lambda t: t.path("a b")), "dot": ".",
}  # fmt: skip
STEPS = {
    **pick(NUMBERS, "0 -1 NaN inf huge 1.5 True False text empty_text bytes int64 float32"),
    **pick(NUMBERS, "array array_of_two list object"),
    "tensor": Fresh(lambda t: tf.constant(7)), "foreign": Fresh(lambda t: t.foreign()), "name": "two:0",
    "of_two": Fresh(lambda t: tf.constant([1, 2])), "unknown_name": "no_such:0", "text_tensor": "text:0",
    "float_tensor": Fresh(lambda t: tf.constant(7.9)), "variable": Fresh(
        lambda t: t.train.get_or_create_global_step()),
    "text_that_is_number": "7", "fails_at_index": Fresh(lambda t: hostile("__index__")), "dict": {},
}  # fmt: skip
CHECKPOINT_LISTS = {
    **pick(OBJECTS, "None 5 text list dict object"), "tuple": ("a", "b"), "generator": Fresh(lambda t: iter(["a"])),
    "list_of_None": Fresh(lambda t: [None]), "list_of_5": Fresh(lambda t: [5]), "paths": Fresh(
        lambda t: [t.path("old")]), "pairs": Fresh(lambda t: [(t.path("old"), 5.0)]), "triples": Fresh(
        lambda t: [("a", "b", "c")]), "pathlib": Fresh(lambda t: [pathlib.Path(t.path("old"))]),
    "bytes": Fresh(lambda t: [t.path("old").encode()]), "same_twice": Fresh(lambda t: [t.path("old")] * 2),
    "pair_of_text": Fresh(lambda t: [(t.path("old"), "text")]),
    "pair_of_None": Fresh(lambda t: [(t.path("old"), None)]),
}  # fmt: skip

SAVER = (
    *rows("Saver", "var_list", "CKP-08", argument("var_list", saver_of), VAR_LISTS),
    *rows("Saver", "max_to_keep", "CKP-02", argument("max_to_keep", saver_of), PERIODS),
    *rows("Saver", "keep_checkpoint_every_n_hours", "CKP-03", argument("keep_checkpoint_every_n_hours", lambda t, **a: (
        saver_of(t, max_to_keep=1, **a))), PERIODS),
    *rows("Saver", "name", "CKP-01", argument("name", saver_of), {
        **pick(OBJECTS, "5 empty_text list object bytes"), "slash": "a/", "space": "a b", "underscore": "_a",
    }),
    *rows("Saver", "saver_def", "CKP-08", argument("saver_def", saver_of), SAVER_DEFS),
    *rows("Saver", "builder", "CKP-08", argument("builder", saver_of), pick(OBJECTS, "5 text object class obliging")),
    *rows("Saver", "write_version", "CKP-08", argument("write_version", saver_of), {
        "None": None, "0": 0, "1": 1, "3": 3, "text": "2", "True": True, "1.5": 1.5,
    }),
    *rows("Saver", "filename", "CKP-01", argument("filename", saver_of), {
        **pick(OBJECTS, "5 empty_text list bytes object"), "pathlib": pathlib.Path("model"),
    }),
    *rows("Saver", "reshape", "CKP-08", argument("reshape", saver_of), FLAGS),
    *rows("Saver", "sharded", "CKP-01", argument("sharded", saver_of), FLAGS),
    *rows("Saver", "restore_sequentially", "CKP-08", argument("restore_sequentially", saver_of), FLAGS),
    *rows("Saver", "pad_step_number", "CKP-01", argument("pad_step_number", saver_of), FLAGS),
    *rows("Saver", "save_relative_paths", "CKP-04", argument("save_relative_paths", saver_of), FLAGS),
    *single("Saver", "CKP-08", {
        "no variables": lambda t: t.train.Saver(), "unknown keyword": lambda t: t.train.Saver(variables=[]),
        "16 positional": lambda t: t.train.Saver(*[None] * 16),
        "var_list and defer_build": lambda t: t.train.Saver([1], defer_build=True),
        "save before build": lambda t: t.train.Saver(defer_build=True).save(None, "model"),
        "restore before build": lambda t: t.train.Saver(defer_build=True).restore(None, t.path("model")),
        "build with an argument": lambda t: t.train.Saver(defer_build=True).build(1),
        "save without arguments": lambda t: t.train.Saver(allow_empty=True).save(),
        "restore without arguments": lambda t: t.train.Saver(allow_empty=True).restore(),
        "last_checkpoints is set": lambda t: directly(setattr, t.train.Saver(allow_empty=True), "last_checkpoints", []),
        "from_proto of None": lambda t: t.train.Saver.from_proto(None),
        "from_proto of 5": lambda t: t.train.Saver.from_proto(5),
        "to_proto of 5": lambda t: [tf.Variable(1.0), t.train.Saver().to_proto(5)],
        "to_proto of another scope": lambda t: [tf.Variable(1.0), t.train.Saver().to_proto("scope")],
        "export_meta_graph to a folder": lambda t: [tf.Variable(1.0), t.train.Saver().export_meta_graph(
            t.record.directory) is None],
        "export_meta_graph to 5": lambda t: [tf.Variable(1.0), t.train.Saver().export_meta_graph(5) is None],
        "export_meta_graph of odd collections": lambda t: [tf.Variable(1.0), t.train.Saver().export_meta_graph(
            collection_list=5) is None],
        "export_meta_graph of an unknown scope": lambda t: [tf.Variable(1.0), t.train.Saver().export_meta_graph(
            export_scope="no_such") is None],
        "in a finalized graph": lambda t: [tf.Variable(1.0), tf.get_default_graph().finalize(), t.train.Saver()],
        "two variables of one name": lambda t: t.train.Saver([
            tf.Variable(1.0, name="a"), t.foreign(lambda: tf.Variable(1.0, name="a"))]),
    }),
    *rows("Saver.save", "sess", "CKP-08", argument("sess", saving_to), SESSIONS_TO_SAVE),
    *rows("Saver.save", "save_path", "CKP-01 CKP-08", argument("save_path", saving_to), SAVE_PATHS),
    *rows("Saver.save", "global_step", "CKP-01", argument("global_step", saving_to), STEPS),
    *rows("Saver.save", "latest_filename", "CKP-04 CKP-08", argument("latest_filename", saving_to), {
        **pick(OBJECTS, "5 empty_text bytes list object"), "nested": "a/b", "model": "model",
        "pathlib": pathlib.Path("c"),
    }),
    *rows("Saver.save", "meta_graph_suffix", "CKP-01", argument("meta_graph_suffix", saving_to), pick(
        OBJECTS, "None 5 empty_text bytes list object")),
    *rows("Saver.save", "write_meta_graph", "CKP-01", argument("write_meta_graph", saving_to), FLAGS),
    *rows("Saver.save", "write_state", "CKP-04", argument("write_state", saving_to), FLAGS),
    *rows("Saver.save", "strip_default_attrs", "CKP-01", argument("strip_default_attrs", saving_to), FLAGS),
    *rows("Saver.restore", "sess", "CKP-08", lambda t, value: restoring(
        t, value, t.path("model")), SESSIONS_TO_SAVE),
    *rows("Saver.restore", "save_path", "CKP-08", argument("save_path", restoring), {
        "None": None, **SAVE_PATHS, "index_file": Fresh(lambda t: t.path("model.index")),
        "good_bytes": b"model", "good_path": Fresh(lambda t: pathlib.Path(
            t.path("model"))), "pattern": Fresh(lambda t: t.path("mod*")),
    }),
    *rows("Saver.set_last_checkpoints", "last_checkpoints", "CKP-02", listed("set_last_checkpoints"), CHECKPOINT_LISTS),
    *rows("Saver.set_last_checkpoints_with_time", "last_checkpoints_with_time", "CKP-02 CKP-03", listed(
        "set_last_checkpoints_with_time"), CHECKPOINT_LISTS),
    *rows("Saver.recover_last_checkpoints", "checkpoint_paths", "SES-05", listed(
        "recover_last_checkpoints"), CHECKPOINT_LISTS),
)  # fmt: skip


def state_in(t: Attempt, text: Any = 'model_checkpoint_path: "model"') -> str:
    """Write a state file with this content into the attempt's folder and return the folder."""
    with open(t.path("checkpoint"), "wb") as file:
        file.write(text.encode("utf-8") if isinstance(text, str) else text)
    return t.record.directory


def state_of(t: Attempt, checkpoint_dir: Any = None, **arguments: Any) -> Any:
    folder = state_in(t)
    return t.train.get_checkpoint_state(folder if checkpoint_dir is None else checkpoint_dir, **arguments)


def updated(t: Attempt, **arguments: Any) -> Any:
    return t.train.update_checkpoint_state(**{
        "save_dir": t.record.directory, "model_checkpoint_path": t.path("model"), **arguments})  # fmt: skip


def generated(t: Attempt, **arguments: Any) -> Any:
    return t.train.generate_checkpoint_state_proto(**{
        "save_dir": "/a", "model_checkpoint_path": "/a/model", **arguments})  # fmt: skip


STATE_TEXTS = {
    "empty": "", "garbage": "garbage {", "not_utf8": b"\xff\xfe", "unknown_field": 'no_such_field: "a"',
    "empty_path": 'model_checkpoint_path: ""', "twice": 'model_checkpoint_path: "a" model_checkpoint_path: "b"',
    "only_all": 'all_model_checkpoint_paths: "a"', "number": "model_checkpoint_path: 5", "null": "\0",
    "bad_time": 'model_checkpoint_path: "a" all_model_checkpoint_timestamps: "b"', "white_space": " \n\n",
    "comment": "# nothing", "absolute": 'model_checkpoint_path: "/no/such"', "glob": 'model_checkpoint_path: "a[b"',
}  # fmt: skip
PREFIXES = {
    **pick(PATHS, "None 5 empty_text pathlib bytes a_file list object null_character fails_at_fspath"),
    "folder": Fresh(lambda t: t.record.directory), "pattern": Fresh(lambda t: t.file() and t.path("*")),
    "open_bracket": Fresh(lambda t: t.path("a[")), "backslash": "a\\", "obliging": Obliging(),
}  # fmt: skip
LATEST = {
    **pick(OBJECTS, "5 empty_text bytes list object"), "absolute": "/no/such/file", "folder": ".",
    "parent": "../checkpoint", "pathlib": pathlib.Path("checkpoint"), "null_character": "a\0",
}  # fmt: skip
PATH_LISTS = {
    **pick(OBJECTS, "5 text dict object fails_at_bool"), "tuple": ("/a/old",),
    "generator": Fresh(lambda t: iter(["a"])), "list_of_5": Fresh(lambda t: [5]),
    "list_of_None": Fresh(lambda t: [None]),
    "pathlib": Fresh(
        lambda t: [pathlib.Path("/a/old")]), "bytes": Fresh(lambda t: [b"/a/old"]), "surrogate": Fresh(
        lambda t: ["\ud800"]),
}  # fmt: skip
TIMESTAMPS = {
    **pick(OBJECTS, "5 text dict object fails_at_bool"), "too_many": [1.0, 2.0], "of_text": ["1"], "of_None": [None],
    "NaN": [NAN], "inf": [INF], "negative": [-1.0], "tuple": (1.0,), "array": np.array([1.0]), "generator": Fresh(
        lambda t: iter([1.0])), "bool": [True], "huge": [10**400],
}  # fmt: skip

STATE_FILES = (
    *rows("get_checkpoint_state", "checkpoint_dir", "CKP-05", argument("checkpoint_dir", state_of), PATHS),
    *rows("get_checkpoint_state", "latest_filename", "CKP-05", argument("latest_filename", state_of), LATEST),
    *rows("get_checkpoint_state of a file", "text", "CKP-05", lambda t, text: t.train.get_checkpoint_state(
        state_in(t, text)), STATE_TEXTS),
    *rows("latest_checkpoint", "checkpoint_dir", "CKP-05", lambda t, value: t.train.latest_checkpoint(value), PATHS),
    *rows("latest_checkpoint", "latest_filename", "CKP-05", lambda t, value: t.train.latest_checkpoint(
        state_in(t), value), LATEST),
    *rows("latest_checkpoint of a file", "text", "CKP-05", lambda t, text: t.train.latest_checkpoint(
        state_in(t, text)), STATE_TEXTS),
    *rows("update_checkpoint_state", "save_dir", "CKP-06", argument("save_dir", updated), PATHS),
    *rows("update_checkpoint_state", "model_checkpoint_path", "CKP-06", argument("model_checkpoint_path", updated), {
        **pick(PATHS, "None 5 empty_text pathlib bytes list object"),
        "state_file": Fresh(lambda t: t.path("checkpoint")),
        "surrogate": "\ud800", "quote": 'a"b\\',
    }),
    *rows("update_checkpoint_state", "latest_filename", "CKP-06", argument("latest_filename", updated), LATEST),
    *rows("update_checkpoint_state", "all_model_checkpoint_paths", "CKP-06", argument(
        "all_model_checkpoint_paths", updated), PATH_LISTS),
    *rows("generate_checkpoint_state_proto", "save_dir", "CKP-04", argument("save_dir", generated), pick(
        PATHS, "None 5 empty_text pathlib bytes list object")),
    *rows("generate_checkpoint_state_proto", "all_model_checkpoint_paths", "CKP-04", argument(
        "all_model_checkpoint_paths", generated), PATH_LISTS),
    *rows("generate_checkpoint_state_proto", "all_model_checkpoint_timestamps", "CKP-04 CKP-06", argument(
        "all_model_checkpoint_timestamps", generated), TIMESTAMPS),
    *rows("generate_checkpoint_state_proto", "last_preserved_timestamp", "CKP-04", argument(
        "last_preserved_timestamp", generated), pick(NUMBERS, "0 -1 NaN inf huge text list object True int64 array")),
    *rows("checkpoint_exists", "checkpoint_prefix", "CKP-07", lambda t, value: t.train.checkpoint_exists(value),
          PREFIXES),
    *rows("get_checkpoint_mtimes", "checkpoint_prefixes", "CKP-07", lambda t, value: [
        t.train.get_checkpoint_mtimes(value)], {
        **pick(OBJECTS, "None 5 text empty_text dict object fails_at_iter"), "list_of_None": [None], "list_of_5": [5],
        "pathlib": Fresh(lambda t: [pathlib.Path(t.path())]), "bytes": Fresh(lambda t: [t.path().encode()]),
        "generator": Fresh(lambda t: iter([t.path("absent")])), "null_character": ["a\0b"],
    }),
    *rows("remove_checkpoint", "checkpoint_prefix", "CKP-07", lambda t, value: t.train.remove_checkpoint(value),
          PREFIXES),
    *rows("remove_checkpoint", "checkpoint_format_version", "CKP-07", lambda t, value: t.train.remove_checkpoint(
        t.file("model.index") and t.file("model") and t.path("model"), value), {
        **pick(OBJECTS, "None 5 text object equal_to_all fails_at_eq"), "1": 1, "2.0": 2.0,
    }),
    *rows("remove_checkpoint", "meta_graph_suffix", "CKP-07", lambda t, value: t.train.remove_checkpoint(
        t.path("model"), meta_graph_suffix=value), pick(OBJECTS, "None 5 empty_text bytes list object")),
    *single("checkpoint functions", "CKP-05 CKP-06 CKP-07", {
        "get_checkpoint_state without": lambda t: t.train.get_checkpoint_state(),
        "latest_checkpoint without": lambda t: t.train.latest_checkpoint(),
        "latest_checkpoint with three": lambda t: t.train.latest_checkpoint("a", "b", "c"),
        "update_checkpoint_state without": lambda t: t.train.update_checkpoint_state(),
        "generate_checkpoint_state_proto with one": lambda t: t.train.generate_checkpoint_state_proto("a"),
        "checkpoint_exists without": lambda t: t.train.checkpoint_exists(),
        "get_checkpoint_mtimes without": lambda t: t.train.get_checkpoint_mtimes(),
        "remove_checkpoint without": lambda t: t.train.remove_checkpoint(),
        "unknown keyword": lambda t: t.train.latest_checkpoint("a", name="b"),
    }),
)  # fmt: skip


# --- the global step ----------------------------------------------------------------------------

GRAPHS = {
    **pick(OBJECTS, "None 5 text empty_text object class obliging fails_at_bool"), "class_of_graph": tf.Graph,
    "another": Fresh(lambda t: tf.Graph()), "finalized": Fresh(lambda t: finalized_graph()),
    "graph_def": tf.GraphDef(),
}  # fmt: skip
IN_THE_COLLECTION = {
    **pick(OBJECTS, "None 5 text object class"), "float": Fresh(lambda t: tf.constant(1.0)),
    "vector": Fresh(lambda t: tf.constant([1])), "text_tensor": Fresh(lambda t: tf.constant("a")),
    "bool": Fresh(lambda t: tf.constant(True)), "unknown_shape": Fresh(lambda t: tf.placeholder(tf.int64)),
    "shape_of_unknown_size": Fresh(lambda t: tf.placeholder(tf.int64, [None])), "operation": Fresh(
        lambda t: tf.no_op()), "foreign": Fresh(lambda t: t.foreign(lambda: tf.constant(1, tf.int64))),
    "uint8": Fresh(lambda t: tf.constant(1, tf.uint8)), "int_scalar": Fresh(lambda t: tf.constant(1)),
    "float_variable": Fresh(lambda t: tf.Variable(1.0)), "numpy": np.int64(1), "placeholder": Fresh(
        lambda t: tf.placeholder(tf.int64, [])),
}  # fmt: skip


def finalized_graph() -> Any:
    graph = tf.Graph()
    graph.finalize()
    return graph


def with_step_in_collection(t: Attempt, value: Any) -> Any:
    """Put this where the global step is looked up, and let everything that looks it up do so."""
    tf.add_to_collection(tf.GraphKeys.GLOBAL_STEP, value)
    for name in ("get_global_step", "get_or_create_global_step", "create_global_step"):
        t.tries(name, getattr(t.train, name))
    return t.train.StopAtStepHook(1).begin()


def other_step(t: Attempt, make: Any) -> Any:
    """Make something that is called like the global step, and look that up."""
    make()
    t.tries("get_global_step", t.train.get_global_step)
    return t.train.get_or_create_global_step()


GLOBAL_STEP = (
    *rows("get_global_step", "graph", "GS-01", lambda t, value: t.train.get_global_step(value), GRAPHS),
    *rows("create_global_step", "graph", "GS-02", lambda t, value: t.train.create_global_step(value), GRAPHS),
    *rows("get_or_create_global_step", "graph", "GS-02", lambda t, value: t.train.get_or_create_global_step(value),
          GRAPHS),
    *rows("assert_global_step", "global_step_tensor", "GS-01", lambda t, value: t.train.assert_global_step(value),
          IN_THE_COLLECTION),
    *rows("the collection of the global step", "item", "GS-01 GS-03", with_step_in_collection, IN_THE_COLLECTION),
    *rows("global_step", "global_step_tensor", "GS-01", lambda t, value: t.train.global_step(t.raw_session(), value), {
        **pick(IN_THE_COLLECTION, "None 5 text object float vector text_tensor bool operation foreign placeholder"),
        "list": [1], "big": Fresh(lambda t: tf.constant(2**62, tf.int64)), "NaN": Fresh(lambda t: tf.constant(NAN)),
        "inf": Fresh(lambda t: tf.constant(INF)), "vector_of_two": Fresh(lambda t: tf.constant([1, 2])),
    }),
    *rows("global_step", "sess", "GS-01", lambda t, value: t.train.global_step(value, t.constant()), {
        **pick(OBJECTS, "None 5 text object class obliging"), "closed": Fresh(lambda t: closed_session()),
        "monitored": Fresh(lambda t: t.session()),
    }),
    *rows("something called global_step", "", "GS-01 GS-02", other_step, {
        "an operation without outputs": lambda: tf.no_op(name="global_step"),
        "a float": lambda: tf.constant(1.0, name="global_step"),
        "a vector": lambda: tf.constant([1], name="global_step"),
        "a placeholder": lambda: tf.placeholder(tf.int64, [], name="global_step"),
        "a scope": lambda: tf.constant(1, name="global_step/a"),
        "a variable of another collection": lambda: tf.Variable(1, name="global_step", collections=["mine"]),
        "a variable made twice": lambda: [tf.get_variable("global_step", initializer=1), tf.no_op()],
    }),
    *single("global step functions", "GS-01 GS-02", {
        "create twice": lambda t: [t.train.create_global_step(), t.train.create_global_step()],
        "two in the collection": lambda t: [
            [tf.add_to_collection(tf.GraphKeys.GLOBAL_STEP, 5) for _ in "ab"], t.train.get_global_step()],
        "get with two": lambda t: t.train.get_global_step(None, None),
        "create with two": lambda t: t.train.create_global_step(None, None),
        "assert without": lambda t: t.train.assert_global_step(), "read without": lambda t: t.train.global_step(),
        "read with one": lambda t: t.train.global_step(None), "unknown keyword": lambda t: (
            t.train.get_or_create_global_step(name="a")),
        "create in a finalized graph": lambda t: [tf.get_default_graph().finalize(), t.train.create_global_step()],
    }),
)  # fmt: skip


ROWS: tuple[Row, ...] = (*SAVER, *STATE_FILES, *GLOBAL_STEP)
