"""Bad arguments of the hooks, of the timer and of what hooks are given: see `bad_input`."""

import functools
from typing import Any

import numpy as np

from conformance.attempts import Attempt, Fresh, Obliging, Row, directly, hostile, rows, single
from conformance.bad_input_sessions import FEEDS, FETCHES, HOOKS, SAVERS, SCAFFOLDS  # fmt: skip
from conformance.bad_values import (
    FEW,
    FLAGS,
    FOLDERS,
    INF,
    NAN,
    NUMBERS,
    OBJECTS,
    PERIODS,
    NoMethods,
    argument,
    pick,
)  # fmt: skip
from conformance.trace import tf

# --- hooks --------------------------------------------------------------------------------------


def with_made(name: str, **others: Any) -> Any:
    """Return a call that makes this hook with the row's value as `argument` and trains with it."""

    def do(argument: str, t: Attempt, value: Any) -> Any:
        return t.hook(lambda: getattr(t.train, name)(**{**others, argument: value}))

    return do


def saving(t: Attempt, **arguments: Any) -> Any:
    arguments.setdefault("checkpoint_dir", t.path())
    if "save_secs" not in arguments:
        arguments.setdefault("save_steps", 1)
    t.step  # noqa: B018 - made before the saver
    scaffold = t.scaffold(saves=True)
    if "saver" not in arguments:
        arguments.setdefault("scaffold", scaffold)
    return t.train_with(t.session([t.train.CheckpointSaverHook(**arguments)], scaffold=scaffold))


def counting(t: Attempt, **arguments: Any) -> Any:
    return t.hook(lambda: t.train.StepCounterHook(**{"every_n_steps": 1, **arguments}))


def summarising(t: Attempt, **arguments: Any) -> Any:
    arguments = {"save_steps": 1, "output_dir": t.path(), **arguments}
    if "scaffold" not in arguments and "summary_op" not in arguments:
        arguments["summary_op"] = tf.summary.scalar("a", 1.0)
    return t.hook(lambda: t.train.SummarySaverHook(**arguments))


def logging(t: Attempt, tensors: Any = ("c",), **arguments: Any) -> Any:
    t.constant()
    if not arguments:
        arguments = {"every_n_iter": 1}
    return t.hook(lambda: t.train.LoggingTensorHook(tensors, **arguments))


def profiling(t: Attempt, **arguments: Any) -> Any:
    return t.hook(lambda: t.train.ProfilerHook(**{"save_steps": 1, "output_dir": t.path(), **arguments}))


LISTENERS = {
    **pick(HOOKS, "5 text object list_of_None generator fails_at_bool fails_at_iter obliging"),
    "a_listener": Fresh(lambda t: t.record.listener("L")),
    "a_class": Fresh(lambda t: [t.train.CheckpointSaverListener]),
    "a_hook_in_it": Fresh(lambda t: [t.record.hook("A")]), "set": Fresh(lambda t: {t.record.listener("L")}),
    "without_methods": [NoMethods()], "answers_text": Fresh(lambda t: [t.record.listener("L", lambda *_: "stop")]),
    "answers_what_fails_at_bool": Fresh(lambda t: [t.record.listener("L", lambda *_: hostile("__bool__"))]),
    "answers_an_array": Fresh(lambda t: [t.record.listener("L", lambda *_: np.array([1, 2]))]),
    "takes_too_little": Fresh(lambda t: [t.record.listener("L", before_save=lambda: None)]),
}  # fmt: skip
TENSORS = {
    **pick(OBJECTS, "None 5 text empty_text list dict object fails_at_iter class"),
    "list_of_None": [None], "list_of_5": [5], "unknown_name": ["no_such"], "foreign": Fresh(lambda t: [t.foreign()]),
    "a_tensor": Fresh(lambda t: t.constant()), "tensor_of_rank_1": Fresh(lambda t: tf.constant([1.0, 2.0])),
    "an_op_in_it": Fresh(lambda t: [tf.no_op()]), "name_of_no_output": Fresh(lambda t: [tf.no_op(name="n").name]),
    "two_outputs": Fresh(lambda t: [tf.split(tf.constant([1.0, 2.0]), 2)[0].op.name]), "set": {"c"},
    "generator": Fresh(lambda t: (name for name in ["c"])), "mixed_tags": {"a": "c", 1: "c"}, "None_tag": {None: "c"},
    "dict_of_foreign": Fresh(lambda t: {"a": t.foreign()}), "bytes_in_it": [b"c"], "empty_name": [""],
    "no_such_output": ["c:7"], "variable": Fresh(lambda t: [t.weight]), "same_twice": ["c", "c"],
    "list_in_it": [["c"]], "obliging": Obliging(),
}  # fmt: skip
FORMATTERS = {
    **pick(OBJECTS, "5 text object class fails_at_bool"), "takes_none": lambda: "line", "returns_None": lambda _: None,
    "returns_5": lambda _: 5, "returns_a_format": lambda _: "%d %s", "raises": lambda values: values["no such tag"],
}  # fmt: skip
WRITERS = {
    **pick(OBJECTS, "5 text object obliging fails_at_bool"), "closed": Fresh(lambda t: closed_writer(t)),
}  # fmt: skip


def closed_writer(t: Attempt) -> Any:
    writer = tf.summary.FileWriter(t.path("writer"))
    writer.close()
    return writer


FEED_FNS = {
    **pick(OBJECTS, "None 5 text object class"), "takes_one": lambda step: {}, "returns_5": lambda: 5,
    "returns_None": lambda: None, "returns_pairs": lambda: [("c:0", 1.0)], "returns_unknown": lambda: {"no_such:0": 1},
    "generator": lambda: (yield {"c:0": 1.0}), "raises_StopIteration": lambda: next(iter(())),
}  # fmt: skip

HOOKS_OF_ITS_OWN = (
    *rows("StopAtStepHook", "num_steps", "STP-01", functools.partial(with_made("StopAtStepHook"), "num_steps"), FEW),
    *rows("StopAtStepHook", "last_step", "STP-01", functools.partial(with_made("StopAtStepHook"), "last_step"), FEW),
    *single("StopAtStepHook", "STP-01", {
        "neither": lambda t: t.train.StopAtStepHook(), "both": lambda t: t.train.StopAtStepHook(1, 1),
        "both, one is 0": lambda t: t.train.StopAtStepHook(0, 5),
        "unknown keyword": lambda t: t.train.StopAtStepHook(steps=1),
        "without global step": lambda t: t.train.StopAtStepHook(1).begin(),
        "used without begin": lambda t: t.train.StopAtStepHook(1).before_run(None),
    }),
    *rows("CheckpointSaverHook", "checkpoint_dir", "CKH-07", argument("checkpoint_dir", saving), FOLDERS),
    *rows("CheckpointSaverHook", "save_secs", "CKH-02 TMR-01", argument("save_secs", saving), FEW),
    *rows("CheckpointSaverHook", "save_steps", "CKH-02 TMR-01", argument("save_steps", saving), FEW),
    *rows("CheckpointSaverHook", "checkpoint_basename", "CKP-01", argument("checkpoint_basename", saving), {
        **pick(OBJECTS, "None 5 empty_text bytes list object"), "checkpoint": "checkpoint", "nested": "a/b",
        "absolute": Fresh(lambda t: t.path("elsewhere")), "dots": "..", "glob": "m[1]*",
    }),
    *rows("CheckpointSaverHook", "saver", "CKH-06", argument("saver", saving), SAVERS),
    *rows("CheckpointSaverHook", "scaffold", "CKH-06", argument("scaffold", saving), pick(
        SCAFFOLDS, "5 text empty_text object class obliging")),
    *rows("CheckpointSaverHook", "listeners", "CKH-04", argument("listeners", saving), LISTENERS),
    *rows("CheckpointSaverHook", "save_graph_def", "CKH-07", argument("save_graph_def", saving), FLAGS),
    *single("CheckpointSaverHook", "CKH-06 TMR-01", {
        "no arguments": lambda t: t.train.CheckpointSaverHook(),
        "both periods": lambda t: t.train.CheckpointSaverHook(t.path(), 1, 1),
        "neither period": lambda t: t.train.CheckpointSaverHook(t.path()),
        "saver and scaffold": lambda t: t.train.CheckpointSaverHook(t.path(), 1, saver=5, scaffold=5),
        "unknown keyword": lambda t: t.train.CheckpointSaverHook(t.path(), steps=1),
        "no saver anywhere": lambda t: t.hook(lambda: t.train.CheckpointSaverHook(t.path(), save_steps=1)),
        "two savers": lambda t: [t.step, [tf.add_to_collection("savers", t.train.Saver()) for _ in "ab"], t.hook(
            lambda: t.train.CheckpointSaverHook(t.path(), save_steps=1))],
        "no global step": lambda t: t.train.CheckpointSaverHook(t.path(), save_steps=1).begin(),
    }),
    *rows("StepCounterHook", "every_n_steps", "STC-01", argument("every_n_steps", counting), FEW),
    *rows("StepCounterHook", "every_n_secs", "STC-01", lambda t, value: counting(
        t, every_n_steps=None, every_n_secs=value), FEW),
    *rows("StepCounterHook", "output_dir", "STC-01", argument("output_dir", counting), FOLDERS),
    *rows("StepCounterHook", "summary_writer", "STC-01", argument("summary_writer", counting), WRITERS),
    *single("StepCounterHook", "STC-01", {
        "both periods": lambda t: t.train.StepCounterHook(1, 1),
        "neither period": lambda t: t.train.StepCounterHook(None),
        "unknown keyword": lambda t: t.train.StepCounterHook(steps=1),
    }),
    *rows("SummarySaverHook", "save_steps", "SUM-02", argument("save_steps", summarising), FEW),
    *rows("SummarySaverHook", "save_secs", "SUM-02", lambda t, value: summarising(
        t, save_steps=None, save_secs=value), FEW),
    *rows("SummarySaverHook", "output_dir", "SUM-01", argument("output_dir", summarising), FOLDERS),
    *rows("SummarySaverHook", "summary_writer", "SUM-01", argument("summary_writer", summarising), WRITERS),
    *rows("SummarySaverHook", "scaffold", "SUM-03", argument("scaffold", summarising), pick(
        SCAFFOLDS, "5 text object class obliging")),
    *rows("SummarySaverHook", "summary_op", "SUM-03", argument("summary_op", summarising), {
        **pick(OBJECTS, "5 text empty_text list dict object class bytes"), "number": Fresh(lambda t: tf.constant(1.0)),
        "no_summary": Fresh(lambda t: tf.constant("no summary")), "foreign": Fresh(lambda t: t.foreign()),
        "tuple": Fresh(lambda t: (tf.summary.scalar("a", 1.0),)), "list_of_None": [None],
        "dict_of_op": Fresh(lambda t: {"a": tf.summary.scalar("a", 1.0)}), "name": Fresh(
            lambda t: tf.summary.scalar("a", 1.0).name),
    }),
    *single("SummarySaverHook", "SUM-03", {
        "no arguments": lambda t: t.train.SummarySaverHook(),
        "neither period": lambda t: t.train.SummarySaverHook(summary_op=5),
        "both periods": lambda t: t.train.SummarySaverHook(1, 1, summary_op=5),
        "both ops": lambda t: t.train.SummarySaverHook(1, scaffold=5, summary_op=5),
        "neither directory nor writer": lambda t: summarising(t, output_dir=None),
    }),
    *rows("LoggingTensorHook", "tensors", "LOG-01 LOG-03", argument("tensors", logging), TENSORS),
    *rows("LoggingTensorHook", "every_n_iter", "LOG-01", argument("every_n_iter", logging), PERIODS),
    *rows("LoggingTensorHook", "every_n_secs", "LOG-01", argument("every_n_secs", logging), FEW),
    *rows("LoggingTensorHook", "at_end", "LOG-01", argument("at_end", logging), FLAGS),
    *rows("LoggingTensorHook", "formatter", "LOG-02", lambda t, value: logging(
        t, every_n_iter=1, formatter=value), FORMATTERS),
    *single("LoggingTensorHook", "LOG-01", {
        "no arguments": lambda t: t.train.LoggingTensorHook(),
        "both periods": lambda t: t.train.LoggingTensorHook([], 1, 1),
        "neither period": lambda t: t.train.LoggingTensorHook([]),
        "used without begin": lambda t: t.train.LoggingTensorHook([], 1).before_run(None),
    }),
    *rows("NanTensorHook", "loss_tensor", "NAN-01", functools.partial(with_made("NanTensorHook"), "loss_tensor"), {
        **pick(TENSORS, "None 5 text empty_text list dict object an_op_in_it unknown_name a_tensor tensor_of_rank_1"),
        "string": Fresh(lambda t: tf.constant("nan")), "empty": Fresh(lambda t: tf.zeros([0])),
        "infinity": Fresh(lambda t: tf.constant(INF)), "int": Fresh(lambda t: tf.constant(1)),
        "complex_nan": Fresh(lambda t: tf.constant(complex(NAN, 0))), "foreign": Fresh(lambda t: t.foreign()),
        "a_single_one": Fresh(lambda t: tf.constant([NAN])), "list_of_one": Fresh(lambda t: [tf.constant(NAN)]),
    }),
    *rows("NanTensorHook", "fail_on_nan_loss", "NAN-01", lambda t, value: t.hook(lambda: t.train.NanTensorHook(
        tf.constant(NAN), value)), FLAGS),
    *rows("FinalOpsHook", "final_ops", "FIN-01", functools.partial(with_made("FinalOpsHook"), "final_ops"), {
        **pick(FETCHES, "None 5 text empty_text list dict object class foreign_tensor generator set list_of_None"),
    }),
    *rows("FinalOpsHook", "final_ops_feed_dict", "FIN-01", functools.partial(
        with_made("FinalOpsHook", final_ops="global_step:0"), "final_ops_feed_dict"), pick(
        FEEDS, "5 text pairs unknown_name None_key")),
    *rows("FeedFnHook", "feed_fn", "FED-01", lambda t, value: [t.constant(), with_made("FeedFnHook")(
        "feed_fn", t, value)], FEED_FNS),
    *rows("GlobalStepWaiterHook", "wait_until_step", "GSW-01", functools.partial(
        with_made("GlobalStepWaiterHook"), "wait_until_step"), FEW),
    *rows("ProfilerHook", "save_steps", "PRF-01", argument("save_steps", profiling), FEW),
    *rows("ProfilerHook", "output_dir", "PRF-01", argument("output_dir", profiling), {
        **FOLDERS, "braces": Fresh(lambda t: t.path("a{b}c")),
    }),
    *rows("ProfilerHook", "show_dataflow", "PRF-01", argument("show_dataflow", profiling), FLAGS),
    *rows("ProfilerHook", "show_memory", "PRF-01", argument("show_memory", profiling), FLAGS),
    *single("ProfilerHook", "PRF-01", {
        "neither period": lambda t: t.train.ProfilerHook(output_dir=t.path()),
        "both periods": lambda t: t.train.ProfilerHook(1, 1, t.path()),
    }),
    *single("NanTensorHook", "NAN-01", {
        "no arguments": lambda t: t.train.NanTensorHook(),
        "an error with arguments": lambda t: str(t.train.NanLossDuringTrainingError(1, 2)),
    }),
    *single("FeedFnHook", "FED-01", {"no arguments": lambda t: t.train.FeedFnHook()}),
    *single("FinalOpsHook", "FIN-01", {
        "no arguments": lambda t: t.train.FinalOpsHook(),
        "values before the end": lambda t: t.train.FinalOpsHook(5).final_ops_values,
        "values are set": lambda t: directly(setattr, t.train.FinalOpsHook(5), "final_ops_values", 1),
    }),
    *single("GlobalStepWaiterHook", "GSW-01", {
        "no arguments": lambda t: t.train.GlobalStepWaiterHook(),
        "without global step": lambda t: t.train.GlobalStepWaiterHook(1).begin(),
    }),
)  # fmt: skip


def timed(t: Attempt, every_secs: Any = None, every_steps: Any = None) -> Any:
    timer = t.train.SecondOrStepTimer(every_secs, every_steps)
    for step in (0, 1, 3):
        t.tries("due", timer.should_trigger_for_step, step)
        t.tries("marked", timer.update_last_triggered_step, step)
        t.record.clock.advance(1.0)
    return timer.last_triggered_step()


def asked(t: Attempt, step: Any) -> Any:
    timer = t.train.SecondOrStepTimer(every_steps=2)
    for _ in "ab":
        t.tries("due", timer.should_trigger_for_step, step)
        t.tries("marked", timer.update_last_triggered_step, 1)
        t.tries("marked with it", timer.update_last_triggered_step, step)
    return timer.last_triggered_step()


CONTRACT = (
    *rows("SecondOrStepTimer", "every_secs", "TMR-01 TMR-02", argument("every_secs", timed), NUMBERS),
    *rows("SecondOrStepTimer", "every_steps", "TMR-01 TMR-02", argument("every_steps", timed), NUMBERS),
    *rows("SecondOrStepTimer.should_trigger_for_step", "step", "TMR-02 TMR-03", asked, NUMBERS),
    *single("SecondOrStepTimer", "TMR-01", {
        "neither": lambda t: t.train.SecondOrStepTimer(), "both": lambda t: t.train.SecondOrStepTimer(1, 1),
        "both, 0 and 0": lambda t: t.train.SecondOrStepTimer(0, 0),
        "unknown keyword": lambda t: t.train.SecondOrStepTimer(steps=1),
        "reset with an argument": lambda t: t.train.SecondOrStepTimer(1).reset(1),
        "no step to ask for": lambda t: t.train.SecondOrStepTimer(1).should_trigger_for_step(),
        "no step to mark": lambda t: t.train.SecondOrStepTimer(1).update_last_triggered_step(),
    }),
    *single("SessionRunArgs", "RUN-03", {
        "no arguments": lambda t: t.train.SessionRunArgs(),
        "4 positional": lambda t: t.train.SessionRunArgs(1, 2, 3, 4),
        "unknown keyword": lambda t: t.train.SessionRunArgs(1, feeds={}),
        "fetches is set": lambda t: directly(setattr, t.train.SessionRunArgs(1), "fetches", 2),
        "as a tuple": lambda t: [tuple(t.train.SessionRunArgs(1)), len(t.train.SessionRunArgs(1))],
        "equal to a tuple": lambda t: t.train.SessionRunArgs(1) == (1, None, None),
        "replaced": lambda t: t.train.SessionRunArgs(1)._replace(no_such=1),
    }),
    *single("SessionRunValues", "RUN-08", {
        "no arguments": lambda t: t.train.SessionRunValues(),
        "2 arguments": lambda t: t.train.SessionRunValues(1, 2),
        "unknown keyword": lambda t: t.train.SessionRunValues(1, 2, 3, metadata=4),
    }),
    *single("SessionRunContext", "RUN-04", {
        "no arguments": lambda t: t.train.SessionRunContext(),
        "of None": lambda t: [t.train.SessionRunContext(None, None).session, t.train.SessionRunContext(
            None, None).stop_requested],
        "session is set": lambda t: directly(setattr, t.train.SessionRunContext(None, None), "session", 1),
        "stop_requested is set": lambda t: directly(
            setattr, t.train.SessionRunContext(None, None), "stop_requested", True),
        "request_stop with an argument": lambda t: t.train.SessionRunContext(None, None).request_stop(1),
    }),
    *single("SessionRunHook", "LIFE-01", {
        "begin with an argument": lambda t: t.train.SessionRunHook().begin(1),
        "after_create_session without": lambda t: t.train.SessionRunHook().after_create_session(),
        "before_run without": lambda t: t.train.SessionRunHook().before_run(),
        "after_run with one": lambda t: t.train.SessionRunHook().after_run(1),
        "end without": lambda t: t.train.SessionRunHook().end(), "made with an argument": lambda t: (
            t.train.SessionRunHook(1)),
    }),
    *single("CheckpointSaverListener", "CKH-04", {
        "before_save without": lambda t: t.train.CheckpointSaverListener().before_save(),
        "after_save with one": lambda t: t.train.CheckpointSaverListener().after_save(1),
        "end with three": lambda t: t.train.CheckpointSaverListener().end(1, 2, 3),
    }),
)  # fmt: skip


ROWS: tuple[Row, ...] = (*HOOKS_OF_ITS_OWN, *CONTRACT)
