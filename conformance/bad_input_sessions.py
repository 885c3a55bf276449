"""Bad arguments of sessions, their creators, scaffolds and session managers, and of `run`: see `bad_input`."""

import collections
import functools
import inspect
from typing import Any

import numpy as np

from conformance.attempts import Attempt, Fresh, Obliging, Row, directly, hostile, rows, single
from conformance.bad_values import (
    FEW,
    FLAGS,
    FOLDERS,
    NAN,
    NUMBERS,
    OBJECTS,
    PATHS,
    SECS,
    NoMethods,
    OnlyBegin,
    argument,
    pick,
)  # fmt: skip
from conformance.trace import tf

# --- MonitoredTrainingSession -------------------------------------------------------------------


def job(t: Attempt, **arguments: Any) -> Any:
    return t.job(**arguments)


def job_in_a_folder(t: Attempt, **arguments: Any) -> Any:
    return t.job(checkpoint_dir=t.path(), **arguments)


def hook_without(*names: str) -> Any:
    """A hook as a class without a base, which has all methods but some."""
    methods = {
        "begin": lambda self: None, "after_create_session": lambda self, session, coord: None,
        "before_run": lambda self, context: None, "after_run": lambda self, context, values: None,
        "end": lambda self, session: None,
    }  # fmt: skip
    return type("PartialHook", (), {name: do for name, do in methods.items() if name not in names})()


def hook_that(**methods: Any) -> Any:
    """A hook whose methods are replaced; each is given without self."""
    made = hook_without()
    for name, method in methods.items():
        setattr(made, name, method)
    return made


class UnhashableHook:
    """A whole hook that cannot be a key."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        whole = hook_without()
        for name in ("begin", "after_create_session", "before_run", "after_run", "end"):
            setattr(self, name, getattr(whole, name))
        self.before_run = lambda context: tf.train.SessionRunArgs(context.session.graph.get_tensor_by_name("c:0"))


HOOKS = {
    "5": 5, "text": "text", "object": NoMethods(), "dict_of_hook": Fresh(lambda t: {t.record.hook("A"): 1}),
    "set": Fresh(lambda t: {t.record.hook("A")}), "generator": Fresh(lambda t: (t.record.hook(n) for n in "AB")),
    "tuple": Fresh(lambda t: (t.record.hook("A"),)), "a_hook": Fresh(lambda t: t.record.hook("A")),
    "list_of_None": Fresh(lambda t: [None]), "list_of_class": Fresh(lambda t: [t.train.SessionRunHook]),
    "list_of_list": Fresh(lambda t: [[t.record.hook("A")]]), "list_of_text": Fresh(lambda t: ["hook"]),
    "obliging": Obliging(), "fails_at_iter": Fresh(lambda t: hostile("__iter__")),
    "fails_at_bool": Fresh(lambda t: hostile("__bool__")), "fails_at_len": Fresh(lambda t: hostile("__len__")),
    "array": Fresh(lambda t: np.array([t.record.hook("A"), t.record.hook("B")])),
    "function": len, "good_then_bad": Fresh(lambda t: [t.record.hook("A"), NoMethods()]),
}  # fmt: skip
SCAFFOLDS = {
    **pick(OBJECTS, "5 text empty_text dict object obliging fails_at_bool"),
    "class": Fresh(lambda t: t.train.Scaffold), "a_saver": Fresh(lambda t: t.train.Saver(allow_empty=True)),
    "of_another_graph": Fresh(lambda t: t.foreign(lambda: t.scaffold())),
}  # fmt: skip
FEW_SCAFFOLDS = pick(SCAFFOLDS, "5 object class obliging of_another_graph")
CONFIGS = {
    **pick(OBJECTS, "5 text dict object"), "class": tf.ConfigProto, "another_message": tf.RunOptions(),
    "no_gpu_options": tf.ConfigProto(intra_op_parallelism_threads=-7, inter_op_parallelism_threads=-1),
}  # fmt: skip
MASTERS = {**pick(OBJECTS, "None 5 list bytes object"), "unknown_scheme": "nowhere://there", "text": "local2"}


TRAINING_SESSION = (
    *rows("MonitoredTrainingSession", "master", "LIFE-01", argument("master", job), MASTERS),
    *rows("MonitoredTrainingSession", "is_chief", "ARG-08", argument("is_chief", job), {
        **FLAGS, "NaN": NAN, "numpy_false": np.bool_(False), "array_of_two": np.array([True, False]),
    }),
    *rows("MonitoredTrainingSession", "checkpoint_dir", "ARG-05", argument("checkpoint_dir", job), PATHS),
    *rows("MonitoredTrainingSession", "summary_dir", "ARG-05", argument("summary_dir", job), {
        **FOLDERS, "fails_at_bool": Fresh(lambda t: hostile("__bool__")),
    }),
    *rows("MonitoredTrainingSession", "scaffold", "ARG-09 SCF-02", argument("scaffold", job), SCAFFOLDS),
    *rows("MonitoredTrainingSession", "hooks", "ARG-08", argument("hooks", lambda t, hooks: job(
        t, hooks=hooks)), HOOKS),
    *rows("MonitoredTrainingSession", "chief_only_hooks", "ARG-08", argument("chief_only_hooks", job), pick(
        HOOKS, "5 text dict_of_hook generator a_hook list_of_None fails_at_bool fails_at_len")),
    *rows("MonitoredTrainingSession(worker)", "hooks", "ARG-08", lambda t, hooks: job(
        t, hooks=hooks, is_chief=False), pick(HOOKS, "5 generator set list_of_None fails_at_bool array")),
    *rows("MonitoredTrainingSession", "save_checkpoint_secs", "ARG-02 ARG-04",
          argument("save_checkpoint_secs", job_in_a_folder), FEW),
    *rows("MonitoredTrainingSession", "save_checkpoint_steps", "ARG-02 ARG-04",
          argument("save_checkpoint_steps", job_in_a_folder), FEW),
    *rows("MonitoredTrainingSession", "save_summaries_steps", "ARG-01 ARG-04", lambda t, value: job(
        t, summary_dir=t.path(), save_summaries_steps=value), pick(
        NUMBERS, "text NaN list object equal_to_all tensor")),
    *rows("MonitoredTrainingSession", "log_step_count_steps", "ARG-06", lambda t, value: job(
        t, summary_dir=t.path(), log_step_count_steps=value), pick(NUMBERS, "text NaN inf list array_of_two tensor")),
    *rows("MonitoredTrainingSession", "config", "LIFE-01", argument("config", job), CONFIGS),
    *rows("MonitoredTrainingSession", "stop_grace_period_secs", "CLOSE-06", argument(
        "stop_grace_period_secs", job), SECS),
    *rows("MonitoredTrainingSession(worker)", "max_wait_secs", "ARG-12 SES-10", lambda t, value: job(
        t, is_chief=False, max_wait_secs=value, scaffold=t.scaffold(ready_op=tf.constant(["never"]))),
        pick(NUMBERS, "0 -1 NaN -inf 2 text list tensor complex")),
    *rows("MonitoredTrainingSession", "save_graph_def", "CKH-07", argument("save_graph_def", job_in_a_folder), FLAGS),
    *single("MonitoredTrainingSession", "ARG-03", {
        "unknown keyword": lambda t: job(t, no_such_argument=1),
        "17 positional": lambda t: t.train.MonitoredTrainingSession(*[None] * 17),
        "master twice": lambda t: t.train.MonitoredTrainingSession("", master=""),
        "all positional None": lambda t: t.train.MonitoredTrainingSession(*[None] * 16),
        "both checkpoint periods": lambda t: job_in_a_folder(t, save_checkpoint_secs=1, save_checkpoint_steps=1),
        "both summary periods": lambda t: job_in_a_folder(t, save_summaries_secs=1, save_summaries_steps=1),
        "no variables": lambda t: t.train.MonitoredTrainingSession(checkpoint_dir=t.path()),
    }),
)  # fmt: skip


# --- MonitoredSession, SingularMonitoredSession, creators ---------------------------------------


class Creator:
    """A session creator that returns what it is told."""

    def __init__(self, make: Any) -> None:
        self.create_session = make


def closed_session() -> Any:
    session = tf.Session()
    session.close()
    return session


def monitored(t: Attempt, creator: Any) -> Any:
    t.constant()
    session = t.train.MonitoredSession(creator)
    return [session.should_stop(), session.run("c:0"), session.graph is tf.get_default_graph(), session.close()]


def with_hook(t: Attempt, hook: Any) -> Any:
    t.constant()
    return t.train_with(t.session([hook]))


BEFORE_RUN = {
    "5": 5, "text": "text", "dict": Fresh(lambda t: {"c": "c:0"}), "list": Fresh(lambda t: []), "False": False,
    "tensor": Fresh(lambda t: tf.constant(1.0)), "class": Fresh(lambda t: t.train.SessionRunArgs),
    "unknown_fetch": Fresh(lambda t: t.train.SessionRunArgs("no_such:0")),
    "feeds_of_5": Fresh(lambda t: t.train.SessionRunArgs(None, 5)),
    "feeds_as_pairs": Fresh(lambda t: t.train.SessionRunArgs(None, [("c:0", 2.0)])),
    "options_of_text": Fresh(lambda t: t.train.SessionRunArgs(None, None, "options")),
    "options_as_dict": Fresh(lambda t: t.train.SessionRunArgs(None, None, {"trace_level": 3})),
    "options_of_another_message": Fresh(lambda t: t.train.SessionRunArgs(None, None, tf.ConfigProto(
        allow_soft_placement=True))),
    "empty_fetches": Fresh(lambda t: t.train.SessionRunArgs([])),
    "foreign_fetch": Fresh(lambda t: t.train.SessionRunArgs(t.foreign())), "obliging": Obliging(),
    "values": Fresh(lambda t: t.train.SessionRunValues("c:0", None, None)),
}  # fmt: skip

SESSIONS = (
    *rows("MonitoredSession", "session_creator", "LIFE-01", monitored, {
        **pick(OBJECTS, "5 text empty_text object class obliging fails_at_bool"),
        "tf_Session": Fresh(lambda t: t.raw_session()),
        "class_of_creator": Fresh(lambda t: t.train.ChiefSessionCreator),
        "creates_None": Creator(lambda: None), "creates_5": Creator(lambda: 5), "needs_an_argument": Creator(len),
        "creates_a_closed_session": Creator(closed_session), "creates_a_class": Creator(lambda: tf.Session),
        "raises_StopIteration": Creator(lambda: next(iter(()))),
        "of_another_graph": Fresh(lambda t: Creator(lambda: tf.Session(graph=tf.Graph()))),
    }),
    *rows("MonitoredSession", "hooks", "LIFE-06", lambda t, hooks: t.train_with(t.session(hooks)), HOOKS),
    *rows("MonitoredSession", "stop_grace_period_secs", "CLOSE-06", lambda t, value: t.train_with(
        t.session(stop_grace_period_secs=value)), SECS),
    *single("MonitoredSession", "LIFE-01", {
        "unknown keyword": lambda t: t.train.MonitoredSession(scaffold=None),
        "4 positional": lambda t: t.train.MonitoredSession(None, None, 1, 2),
        "a closed graph of a hook": lambda t: t.train.MonitoredSession(hooks=[t.train.StopAtStepHook(1)]),
        "a finalized graph": lambda t: [tf.get_default_graph().finalize(), t.train.MonitoredSession()],
        "no variables": lambda t: t.train.MonitoredSession().close(),
    }),
    *single("a hook of MonitoredSession", "LIFE-02 RUN-02", {
        "without " + name: functools.partial(lambda name, t: with_hook(t, hook_without(name)), name)
        for name in ("begin", "after_create_session", "before_run", "after_run", "end")
    }),
    *single("a hook of MonitoredSession", "LIFE-02 RUN-02", {
        "with one method": lambda t: with_hook(t, OnlyBegin()),
        "begin takes too much": lambda t: with_hook(t, hook_that(begin=lambda session: None)),
        "after_create_session takes too little": lambda t: with_hook(t, hook_that(after_create_session=lambda: None)),
        "before_run takes too little": lambda t: with_hook(t, hook_that(before_run=lambda: None)),
        "after_run takes too little": lambda t: with_hook(t, hook_that(after_run=lambda context: None)),
        "end takes too little": lambda t: with_hook(t, hook_that(end=lambda: None)),
        "before_run is None": lambda t: with_hook(t, hook_that(before_run=None)),
        "unhashable": lambda t: with_hook(t, UnhashableHook()),
        "the session itself": lambda t: with_hook(t, t.session()),
        "a listener": lambda t: with_hook(t, t.record.listener("L")),
    }),
    *rows("before_run of a hook", "returns", "RUN-09", lambda t, value: with_hook(t, hook_that(
        before_run=lambda context: value)), BEFORE_RUN),
    *rows("SingularMonitoredSession", "hooks", "LIFE-06", lambda t, hooks: t.train_with(
        t.session(hooks, kind="SingularMonitoredSession")), pick(HOOKS, "5 generator list_of_None fails_at_bool")),
    *rows("SingularMonitoredSession", "scaffold", "SCF-02", lambda t, scaffold: t.train_with(
        t.session(kind="SingularMonitoredSession", scaffold=scaffold)), FEW_SCAFFOLDS),
    *rows("SingularMonitoredSession", "checkpoint_dir", "SES-04", lambda t, value: t.train_with(
        t.session(kind="SingularMonitoredSession", saves=True, checkpoint_dir=value)), FOLDERS),
    *rows("SingularMonitoredSession", "checkpoint_filename_with_path", "SES-03", lambda t, value: t.train_with(
        t.session(kind="SingularMonitoredSession", saves=True, checkpoint_filename_with_path=value)), FOLDERS),
    *single("SingularMonitoredSession", "SES-03", {
        "directory and file": lambda t: t.session(
            kind="SingularMonitoredSession", checkpoint_dir=t.path(), checkpoint_filename_with_path=t.path("x")),
        "unknown keyword": lambda t: t.train.SingularMonitoredSession(session_creator=None),
        "8 positional": lambda t: t.train.SingularMonitoredSession(*[None] * 8),
        "raw_session with an argument": lambda t: t.session(kind="SingularMonitoredSession").raw_session(1),
    }),
    *rows("ChiefSessionCreator", "scaffold", "SCF-02", lambda t, scaffold: [
        t.step, t.train.ChiefSessionCreator(scaffold, config=t.record.config()).create_session()], FEW_SCAFFOLDS),
    *rows("ChiefSessionCreator", "master", "LIFE-01", lambda t, master: t.train.ChiefSessionCreator(
        t.scaffold(), master).create_session(), MASTERS),
    *rows("ChiefSessionCreator", "config", "LIFE-01", lambda t, config: t.train.ChiefSessionCreator(
        t.scaffold(), config=config).create_session(), CONFIGS),
    *single("ChiefSessionCreator", "SES-03", {
        "unknown keyword": lambda t: t.train.ChiefSessionCreator(max_wait_secs=1),
        "6 positional": lambda t: t.train.ChiefSessionCreator(*[None] * 6),
        "directory and file": lambda t: t.train.ChiefSessionCreator(
            t.scaffold(), checkpoint_dir="a", checkpoint_filename_with_path="b").create_session(),
        "create_session with an argument": lambda t: t.train.ChiefSessionCreator(t.scaffold()).create_session(1),
    }),
    *rows("WorkerSessionCreator", "max_wait_secs", "SES-10", lambda t, value: t.train.WorkerSessionCreator(
        t.scaffold(ready_op=tf.constant(["never"])), config=t.record.config(), max_wait_secs=value).create_session(),
        pick(NUMBERS, "None 0 -1 NaN inf text list object tensor")),
    *rows("WorkerSessionCreator", "scaffold", "SCF-02", lambda t, scaffold: [
        t.step, t.train.WorkerSessionCreator(scaffold, max_wait_secs=1).create_session()], FEW_SCAFFOLDS),
    *single("SessionCreator", "LIFE-01", {
        "made directly": lambda t: directly(t.train.SessionCreator),
        "without create_session": lambda t: directly(type("Incomplete", (t.train.SessionCreator,), {})),
        "create_session of the base": lambda t: t.train.SessionCreator.create_session(None),
    }),
)  # fmt: skip


# --- run and run_step_fn ------------------------------------------------------------------------


def running(call: Any) -> Any:
    """Return a call of a row that runs once wrongly and then, in the same session, rightly."""

    def do(t: Attempt, value: Any) -> Any:
        t.constant()
        tf.Variable(3.0, name="weight")
        tf.placeholder(tf.float32, [], name="p")
        session = t.session([t.record.hook("A", silent=True)])
        t.tries("run", call, session, value)
        t.tries("a good run after it", session.run, t.step)
        return [session.should_stop(), session.close()]

    return do


Pair = collections.namedtuple("Pair", "left right")

FETCHES = {
    **pick(OBJECTS, "None 5 text empty_text list dict object class True obliging fails_at_iter equal_to_all"),
    "name_of_op": "c", "no_such_output": "c:5", "bytes": b"c:0", "tuple": (), "list_of_None": [None],
    "tuple_key": {("a", 1): "c:0"}, "dict_with_None_key": {None: "c:0"}, "set": {"c:0"}, "generator": Fresh(
        lambda t: (name for name in ["c:0"])), "named_tuple": Pair("c:0", ["c:0"]),
    "class_of_named_tuple": Pair, "foreign_tensor": Fresh(lambda t: t.foreign()),
    "foreign_op": Fresh(lambda t: t.foreign(tf.no_op)), "array_of_names": np.array(["c:0"]), "NaN": NAN,
    "unfed_placeholder": "p:0", "frozen_set": frozenset(["c:0"]),
    "nested_too_odd": [["c:0", {"a": ("c:0", None)}]], "default_dict": collections.defaultdict(list, a="c:0"),
    "slash": "/", "colon": ":", "control_input": "^c", "text_with_space": "c :0", "graph": Fresh(lambda t: tf.Graph()),
}  # fmt: skip
FEEDS = {
    **pick(OBJECTS, "5 text empty_text list object class True obliging fails_at_bool"),
    "pairs": [("p:0", 1.0)], "unknown_name": {"no_such:0": 1}, "None_key": {None: 1}, "int_key": {5: 1},
    "None_value": {"p:0": None}, "text_value": {"p:0": "text"}, "ragged_value": {"p:0": [[1], [1, 2]]},
    "wrong_shape": {"p:0": [1.0, 2.0]}, "NaN_value": {"p:0": NAN}, "huge_value": {"p:0": 10**400},
    "object_value": {"p:0": NoMethods()}, "complex_value": {"p:0": 1j}, "bool_value": {"p:0": True},
    "tensor_value": Fresh(lambda t: {"p:0": tf.constant(1.0)}), "name_of_op": {"p": 1.0},
    "foreign_key": Fresh(lambda t: {t.foreign(): 1.0}), "tuple_key": {("p:0", "c:0"): (1.0, 2.0)},
    "generator_value": Fresh(lambda t: {"p:0": (x for x in [1.0])}), "bytes_key": {b"p:0": 1.0},
    "same_tensor_twice": Fresh(lambda t: {"p:0": 1.0, tf.get_default_graph().get_tensor_by_name("p:0"): 2.0}),
    "unfeedable": Fresh(lambda t: {"global_step:0": 1}), "array_of_objects": {"p:0": np.array(None)},
    "variable_by_name": {"weight:0": 1.0}, "value_fails_at_len": Fresh(lambda t: {"p:0": hostile("__len__")}),
    "mapping_proxy": Fresh(lambda t: type("T", (), {"p:0": 1.0}).__dict__),
}  # fmt: skip


def run_as(name: str) -> Any:
    fetches = "p:0" if name == "feed_dict" else "c:0"
    return running(lambda session, value: session.run(fetches, **{name: value}))


def step_fn(context: Any) -> Any:
    return context.session


class Methods:
    """Step functions that are methods."""

    def good(self, step_context: Any) -> str:
        return "called"

    def other_name(self, context: Any) -> str:
        return "called"

    @staticmethod
    def static(step_context: Any) -> str:
        return "called"

    @classmethod
    def of_class(cls, step_context: Any) -> str:
        return "called"

    def __call__(self, step_context: Any) -> str:
        return "called"


class CallsItself:
    """An object that is called with the right argument, but for an annotation of its own."""

    def __call__(self, step_context: Any, /) -> str:
        return "called"


async def coroutine(step_context: Any) -> str:
    return "called"


def generator(step_context: Any) -> Any:
    yield "called"


def only_by_keyword(*, step_context: Any) -> str:
    return "called"


STEP_FNS = {
    **pick(OBJECTS, "None 5 text list dict object class obliging"), "without_argument": lambda: "called",
    "another_name": lambda context: "called", "two": lambda step_context, other: "called",
    "wrong_order": lambda step_context, self: "called", "self_first": lambda self, step_context: "called",
    "any": lambda *step_context: "called", "keywords": lambda **step_context: "called",
    "with_default": lambda step_context=1: "called", "and_any": lambda step_context, *rest: "called",
    "and_keywords": lambda step_context, **rest: "called", "and_default": lambda step_context, other=1: "called",
    "only_by_keyword": only_by_keyword, "and_only_by_keyword": lambda step_context, *, other=1: "called",
    "builtin": len, "type": int, "partial": functools.partial(lambda a, step_context: "called", 1),
    "partial_of_all": functools.partial(lambda step_context: "called", 1),
    "partial_by_keyword": functools.partial(lambda step_context: "called", step_context=1),
    "partial_of_partial": functools.partial(functools.partial(lambda a, b, step_context: "called", 1), 2),
    "method": Methods().good, "unbound_method": Methods.good, "method_of_another_name": Methods().other_name,
    "static_method": Methods.static, "class_method": Methods.of_class, "object_with_call": Methods(),
    "positional_only": CallsItself(), "coroutine": coroutine, "generator": generator, "signature_lies": Fresh(
        lambda t: with_signature(lambda other: "called", "step_context")), "wrapped": functools.wraps(
        lambda step_context: None)(lambda *_: "called"), "exception": ValueError,
}  # fmt: skip


def with_signature(function: Any, *names: str) -> Any:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    function.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    return function


IN_STEP_FNS = {
    "no arguments": lambda step_context: step_context.run_with_hooks(),
    "unknown keyword": lambda step_context: step_context.run_with_hooks("c:0", no_such=1),
    "five arguments": lambda step_context: step_context.run_with_hooks("c:0", None, None, None, None),
    "unknown fetch": lambda step_context: step_context.run_with_hooks("no_such:0"),
    "request_stop with an argument": lambda step_context: step_context.request_stop("why"),
    "request_stop": lambda step_context: step_context.request_stop(),
    "session is set": lambda step_context: directly(setattr, step_context, "session", None),
    "no such attribute": lambda step_context: directly(getattr, step_context, "should_stop")(),
    "raises StopIteration": lambda step_context: next(iter(())),
    "closes the raw session": lambda step_context: step_context.session.close(),
}  # fmt: skip

RUNS = (
    *rows("run", "fetches", "RUN-03", running(lambda session, value: session.run(value)), FETCHES),
    *rows("run", "feed_dict", "RUN-05", run_as("feed_dict"), FEEDS),
    *rows("run", "options", "RUN-07", run_as("options"), {
        **pick(OBJECTS, "5 text empty_text list dict object fails_at_bool"), "class": tf.RunOptions,
        "another_message": tf.RunMetadata(), "negative_timeout": tf.RunOptions(timeout_in_ms=-1),
    }),
    *rows("run", "run_metadata", "RUN-08", run_as("run_metadata"), {
        **pick(OBJECTS, "5 text empty_text list dict object"), "class": tf.RunMetadata,
        "another_message": tf.RunOptions(),
    }),
    *single("run", "RUN-03", {
        name: functools.partial(lambda call, t: running(lambda session, _: call(session))(t, None), call)
        for name, call in {
            "no arguments": lambda session: session.run(),
            "unknown keyword": lambda session: session.run("c:0", feeds={}),
            "five arguments": lambda session: session.run("c:0", None, None, None, None),
            "fetches twice": lambda session: session.run("c:0", fetches="c:0"),
            "by keyword": lambda session: session.run(fetches="c:0"),
            "should_stop with an argument": lambda session: session.should_stop(1),
            "graph is set": lambda session: directly(setattr, session, "graph", None),
            "no such attribute": lambda session: directly(getattr, session, "partial_run")("c:0"),
            "as_default": lambda session: directly(getattr, session, "as_default")(),
        }.items()
    }),
    *single("a closed MonitoredSession", "CLOSE-05", {
        name: functools.partial(lambda call, t: closed_and(t, call), call)
        for name, call in {
            "run": lambda session: session.run("global_step:0"), "close": lambda session: session.close(),
            "run_step_fn": lambda session: session.run_step_fn(lambda step_context: 1),
            "enter": lambda session: session.__enter__() is session,
            "graph": lambda session: session.graph, "should_stop": lambda session: session.should_stop(),
            "exit": lambda session: session.__exit__(ValueError, ValueError(), None),
            "exit with odd types": lambda session: session.__exit__("ValueError", 5, 5),
            "close with an argument": lambda session: session.close(1),
        }.items()
    }),
    *rows("run_step_fn", "step_fn", "STEP-01", running(lambda session, value: session.run_step_fn(value)), STEP_FNS),
    *rows("in a step function", "", "STEP-02 STEP-03", running(
        lambda session, value: session.run_step_fn(value)), IN_STEP_FNS),
    *single("run_step_fn", "STEP-01", {
        "no arguments": lambda t: running(lambda session, _: session.run_step_fn())(t, None),
        "two arguments": lambda t: running(lambda session, _: session.run_step_fn(step_fn, 1))(t, None),
    }),
)  # fmt: skip


def closed_and(t: Attempt, call: Any) -> Any:
    session = t.session([t.record.hook("A")])
    session.close()
    return call(session)


# --- Scaffold and SessionManager ----------------------------------------------------------------


def finalized(t: Attempt, **pieces: Any) -> Any:
    """Finalise a scaffold with these pieces and make a session of it."""
    t.step  # noqa: B018 - made before the initialisers
    scaffold = t.scaffold(**pieces)
    scaffold.finalize()
    return t.train.ChiefSessionCreator(scaffold, config=t.record.config()).create_session()


OPS = {
    **pick(OBJECTS, "5 text empty_text list dict object class obliging fails_at_bool"),
    "foreign_op": Fresh(lambda t: t.foreign(tf.no_op)), "tensor": Fresh(lambda t: t.constant()),
    "name": Fresh(lambda t: t.constant().op.name), "list_of_ops": Fresh(lambda t: [tf.no_op(), tf.no_op()]),
    "function": lambda: tf.no_op(), "uninitialised": Fresh(lambda t: tf.identity(tf.Variable(1.0, name="late"))),
}  # fmt: skip
READY_OPS = {
    **pick(OPS, "5 text list dict object foreign_op tensor name uninitialised"),
    "op": Fresh(lambda t: tf.no_op()), "one_name": Fresh(lambda t: tf.constant("a")),
    "names": Fresh(lambda t: tf.constant(["a", "b"])), "bad_utf8": Fresh(lambda t: tf.constant([b"\xff"])),
    "bool": Fresh(lambda t: tf.constant(False)), "int32": Fresh(lambda t: tf.constant([7])),
    "int64": Fresh(lambda t: tf.constant([7], tf.int64)), "matrix": Fresh(lambda t: tf.constant([["a"]])),
    "empty_floats": Fresh(lambda t: tf.zeros([0])), "list_of_tensors": Fresh(lambda t: [tf.constant(["a"])]),
}  # fmt: skip
INIT_FNS = {
    **pick(OBJECTS, "5 text list object class obliging fails_at_bool"), "takes_none": lambda: None,
    "takes_one": lambda scaffold: None, "takes_three": lambda scaffold, session, more: None, "builtin": len,
    "returns_5": lambda scaffold, session: 5, "raises": lambda scaffold, session: {}["no such key"],
    "closes": lambda scaffold, session: session.close(), "adds_ops": lambda scaffold, session: tf.no_op() and None,
}  # fmt: skip
SAVERS = {
    **pick(OBJECTS, "5 text empty_text dict object class obliging fails_at_bool"),
    "class_of_saver": Fresh(lambda t: t.train.Saver),
    "unbuilt": Fresh(lambda t: t.train.Saver(defer_build=True)),
    "saver_def": tf.train.SaverDef(), "of_another_graph": Fresh(lambda t: t.foreign(
        lambda: t.train.Saver([tf.Variable(1.0)]))),
}  # fmt: skip

SCAFFOLD = (
    *rows("Scaffold", "init_op", "SCF-02 SES-01", argument("init_op", finalized), OPS),
    *rows("Scaffold", "init_fn", "SCF-07", argument("init_fn", finalized), INIT_FNS),
    *rows("Scaffold", "init_feed_dict", "SCF-10", argument("init_feed_dict", finalized), pick(
        FEEDS, "5 text list object pairs unknown_name None_key")),
    *rows("Scaffold", "ready_op", "SES-08 SES-07", argument("ready_op", finalized), READY_OPS),
    *rows("Scaffold", "ready_for_local_init_op", "SES-08 SES-09", argument("ready_for_local_init_op", finalized), pick(
        READY_OPS, "5 list dict object one_name names bool int64 uninitialised")),
    *rows("Scaffold", "local_init_op", "SES-01", argument("local_init_op", finalized), OPS),
    *rows("Scaffold", "local_init_feed_dict", "SCF-10", argument("local_init_feed_dict", finalized), pick(
        FEEDS, "5 text pairs None_key")),
    *rows("Scaffold", "saver", "SCF-06 SCF-10", argument("saver", finalized), SAVERS),
    *rows("Scaffold", "copy_from_scaffold", "SCF-08", lambda t, value: t.train.Scaffold(copy_from_scaffold=value), {
        **SCAFFOLDS, "session": Fresh(lambda t: t.raw_session()),
    }),
    *rows("Scaffold", "summary_op", "SUM-03", lambda t, value: [t.step, t.train_with(t.session(
        [t.train.SummarySaverHook(1, output_dir=t.path(), scaffold=(scaffold := t.scaffold(summary_op=value)))],
        scaffold=scaffold))], {
        **pick(OBJECTS, "5 text empty_text list object"), "number": Fresh(lambda t: tf.constant(1.0)),
        "tuple_of_ops": Fresh(lambda t: (tf.summary.scalar("a", 1.0),)),
        "no_summary": Fresh(lambda t: tf.constant("no summary")), "empty_list": Fresh(lambda t: []),
    }),
    *single("Scaffold", "SCF-02 SCF-03", {
        "unknown keyword": lambda t: t.train.Scaffold(no_such=1),
        "11 positional": lambda t: t.train.Scaffold(*[None] * 11),
        "finalize with an argument": lambda t: t.train.Scaffold().finalize(tf.Graph()),
        "in a finalized graph": lambda t: [t.step, tf.get_default_graph().finalize(), t.train.Scaffold().finalize()],
        "init_op is set": lambda t: directly(setattr, t.train.Scaffold(), "init_op", None),
        "get_or_default without function": lambda t: t.train.Scaffold.get_or_default("a", "key", None),
        "get_or_default of no key": lambda t: t.train.Scaffold.get_or_default("a", None, lambda: 1),
        "get_or_default of an unhashable key": lambda t: t.train.Scaffold.get_or_default("a", [], lambda: 1),
        "get_or_default, function takes one": lambda t: t.train.Scaffold.get_or_default("a", "key", lambda x: 1),
        "get_or_default without arguments": lambda t: t.train.Scaffold.get_or_default(),
        "odd items in collections": lambda t: [
            t.step, tf.add_to_collection("init_op", 5), tf.add_to_collection("savers", 5),
            t.train.Scaffold().finalize(),
        ],
        "a wrong table": lambda t: [tf.add_to_collection("table_initializer", 5), t.train.Scaffold().finalize()],
        "a wrong resource": lambda t: [tf.add_to_collection("resources", 5), t.train.Scaffold().finalize()],
        "a wrong variable": lambda t: [tf.add_to_collection("variables", 5), t.train.Scaffold().finalize()],
        "a wrong local variable": lambda t: [tf.add_to_collection("local_variables", 5), t.train.Scaffold().finalize()],
        "a wrong summary": lambda t: [tf.add_to_collection("summaries", 5), t.train.Scaffold().finalize()],
    }),
)  # fmt: skip


def manager(t: Attempt, **arguments: Any) -> Any:
    t.step  # noqa: B018 - made before the initialisers
    return t.train.SessionManager(**arguments)


def prepared(t: Attempt, master: Any = "", manager_of: Any = (), **arguments: Any) -> Any:
    made = manager(t, **dict(manager_of))
    arguments.setdefault("init_op", tf.global_variables_initializer())
    return made.prepare_session(master, config=arguments.pop("config", t.record.config()), **arguments)


def recovered(t: Attempt, **arguments: Any) -> Any:
    arguments.setdefault("saver", None)
    return manager(t).recover_session("", config=t.record.config(), **arguments)


SESSION_MANAGER = (
    *rows("SessionManager", "graph", "SES-01", lambda t, graph: manager(t, graph=graph).prepare_session(
        "", init_op=tf.global_variables_initializer()), {
        **pick(OBJECTS, "5 text empty_text object fails_at_bool"), "class": tf.Graph,
        "another": Fresh(lambda t: tf.Graph()), "graph_def": tf.GraphDef(),
    }),
    *rows("SessionManager", "local_init_op", "SES-01", lambda t, value: prepared(
        t, manager_of={"local_init_op": value}), pick(OPS, "5 text dict foreign_op uninitialised")),
    *rows("SessionManager", "ready_op", "SES-08", lambda t, value: prepared(
        t, manager_of={"ready_op": value}), pick(READY_OPS, "5 dict one_name names bad_utf8 bool op")),
    *rows("SessionManager", "recovery_wait_secs", "SES-10", lambda t, value: manager(
        t, recovery_wait_secs=value, ready_op=tf.constant(["never"])).wait_for_session("", max_wait_secs=60),
        pick(NUMBERS, "None 0 -1 NaN inf text list int64 tensor")),
    *rows("SessionManager", "local_init_run_options", "SES-01", lambda t, value: prepared(
        t, manager_of={"local_init_op": tf.no_op(), "local_init_run_options": value}),
        pick(OBJECTS, "5 text dict")),
    *single("SessionManager", "SES-09", {
        "unknown keyword": lambda t: t.train.SessionManager(no_such=1),
        "8 positional": lambda t: t.train.SessionManager(*[None] * 8),
        "ready_for_local_init_op alone": lambda t: t.train.SessionManager(ready_for_local_init_op=5),
        "ready_for_local_init_op fails at str": lambda t: t.train.SessionManager(
            ready_for_local_init_op=hostile("__str__")),
    }),
    *rows("SessionManager.prepare_session", "master", "SES-01", argument("master", prepared), MASTERS),
    *rows("SessionManager.prepare_session", "init_op", "SES-06", argument("init_op", prepared), {"None": None, **OPS}),
    *rows("SessionManager.prepare_session", "init_fn", "SES-01", argument("init_fn", prepared), {
        **pick(OBJECTS, "5 text object class fails_at_bool"), "takes_none": lambda: None, "returns_5": lambda _: 5,
    }),
    *rows("SessionManager.prepare_session", "init_feed_dict", "SES-01", argument("init_feed_dict", prepared), pick(
        FEEDS, "5 text pairs None_key")),
    *rows("SessionManager.prepare_session", "checkpoint_dir", "SES-04", lambda t, value: prepared(
        t, saver=manager(t) and t.train.Saver(), checkpoint_dir=value), FOLDERS),
    *rows("SessionManager.prepare_session", "checkpoint_filename_with_path", "SES-03", lambda t, value: prepared(
        t, saver=manager(t) and t.train.Saver(), checkpoint_filename_with_path=value), FOLDERS),
    *rows("SessionManager.prepare_session", "saver", "SES-04", lambda t, value: prepared(
        t, saver=value, checkpoint_dir=t.path()), SAVERS),
    *rows("SessionManager.prepare_session", "max_wait_secs", "SES-11", lambda t, value: prepared(
        t, saver=manager(t) and t.train.Saver(), checkpoint_dir=t.path(), wait_for_checkpoint=True,
        max_wait_secs=value), pick(NUMBERS, "None 0 -1 NaN 2 text list tensor")),
    *rows("SessionManager.prepare_session", "config", "SES-01", argument("config", prepared), CONFIGS),
    *single("SessionManager.prepare_session", "SES-03 SES-06", {
        "no arguments": lambda t: manager(t).prepare_session(),
        "unknown keyword": lambda t: prepared(t, no_such=1),
        "directory and file": lambda t: prepared(
            t, saver=t.step and t.train.Saver(), checkpoint_dir="a", checkpoint_filename_with_path="b"),
        "nothing to initialise with": lambda t: prepared(t, init_op=None),
        "wait_for_checkpoint without directory": lambda t: prepared(t, wait_for_checkpoint=True),
    }),
    *rows("SessionManager.recover_session", "checkpoint_dir", "SES-12", argument("checkpoint_dir", recovered), FOLDERS),
    *rows("SessionManager.recover_session", "saver", "SES-12", lambda t, value: recovered(
        t, saver=value, checkpoint_dir=t.path()), pick(SAVERS, "5 text object class_of_saver")),
    *rows("SessionManager.wait_for_session", "max_wait_secs", "SES-10", lambda t, value: manager(
        t, ready_op=tf.constant(["never"])).wait_for_session("", max_wait_secs=value),
        pick(NUMBERS, "None 0 -1 NaN -inf 2 text list tensor complex")),
    *rows("SessionManager.wait_for_session", "master", "SES-10", lambda t, value: manager(t).wait_for_session(
        value, max_wait_secs=1), MASTERS),
)  # fmt: skip


ROWS: tuple[Row, ...] = (*TRAINING_SESSION, *SESSIONS, *RUNS, *SCAFFOLD, *SESSION_MANAGER)
