"""MonitoredTrainingSession: from arguments to hooks and a session creator, nothing else.

Start reading here; `monitored_session.py` is next.
"""

from typing import Any

import tensorflow.compat.v1 as tf

from monitored.hooks import CheckpointSaverHook, StepCounterHook, SummarySaverHook
from monitored.monitored_session import MonitoredSession
from monitored.scaffold import Scaffold
from monitored.session_creator import ChiefSessionCreator, WorkerSessionCreator
from monitored.session_run_hook import SessionRunHook

USE_DEFAULT: Any = object()
"""Stands for "not given"; compared with `==`. Rule: MTS-ARG-10."""


def MonitoredTrainingSession(
    master: str = "",
    is_chief: bool = True,
    checkpoint_dir: str | None = None,
    scaffold: Scaffold | None = None,
    hooks: list[SessionRunHook] | None = None,
    chief_only_hooks: list[SessionRunHook] | None = None,
    save_checkpoint_secs: float | None = USE_DEFAULT,
    save_summaries_steps: int | None = USE_DEFAULT,
    save_summaries_secs: float | None = USE_DEFAULT,
    config: tf.ConfigProto | None = None,
    stop_grace_period_secs: float = 120,
    log_step_count_steps: int | None = 100,
    max_wait_secs: float = 7200,
    save_checkpoint_steps: int | None = USE_DEFAULT,
    summary_dir: str | None = None,
    save_graph_def: bool = True,
) -> MonitoredSession:
    """Return a MonitoredSession with the hooks that a training job usually has.

    A chief initialises, or restores from `checkpoint_dir`, and runs in this order
    `chief_only_hooks`, StepCounterHook (every `log_step_count_steps` steps), SummarySaverHook
    (every `save_summaries_steps` steps or `save_summaries_secs` seconds), CheckpointSaverHook
    (every `save_checkpoint_steps` steps or `save_checkpoint_secs` seconds), `hooks`. The first two
    of its own write to `summary_dir`, or else `checkpoint_dir`, the third to `checkpoint_dir`; each
    is left out without a directory, or if its periods are None, 0 or negative.

    Not given, summaries are saved every 100 steps and checkpoints every 600 seconds; giving one
    period of a pair switches the other one off, giving both is a ValueError if their hook is to be
    added. A worker (`is_chief=False`) runs `hooks` only and waits at most `max_wait_secs` seconds
    for the chief.

    `master` is the target of the session (a gRPC address, or empty for this process) and `config`
    its configuration; closing waits `stop_grace_period_secs` seconds for threads;
    `save_graph_def=False` writes neither `graph.pbtxt` nor `.meta` files.

    Rules: MTS-ARG-01 to MTS-ARG-12, MTS-EVT-03.
    Source: tensorflow/python/training/monitored_session.py
    """
    summaries = _periods(save_summaries_secs, save_summaries_steps, default_secs=None, default_steps=100)
    checkpoints = _periods(save_checkpoint_secs, save_checkpoint_steps, default_secs=600, default_steps=None)
    # MTS-ARG-09
    scaffold = scaffold or Scaffold()
    # MTS-ARG-08, MTS-ARG-12, Q-21: the caller's own list, and nothing of what is a chief's.
    if not is_chief:
        worker = WorkerSessionCreator(scaffold, master, config, max_wait_secs)
        return MonitoredSession(worker, hooks or [], stop_grace_period_secs)

    # MTS-ARG-07, MTS-ARG-08
    all_hooks: list[Any] = list(chief_only_hooks or ())
    # MTS-ARG-05
    summary_dir = summary_dir or checkpoint_dir
    # MTS-ARG-06
    if summary_dir and _is_on(log_step_count_steps):
        all_hooks.append(StepCounterHook(output_dir=summary_dir, every_n_steps=log_step_count_steps))
    if summary_dir and _is_on(summaries["save_steps"], summaries["save_secs"]):
        all_hooks.append(SummarySaverHook(scaffold=scaffold, output_dir=summary_dir, **summaries))
    if checkpoint_dir and _is_on(checkpoints["save_secs"], checkpoints["save_steps"]):
        checkpoints |= {"scaffold": scaffold, "save_graph_def": save_graph_def}
        all_hooks.append(CheckpointSaverHook(checkpoint_dir, **checkpoints))
    # so hooks of the user see a step when it is saved.
    all_hooks.extend(hooks or ())
    chief = ChiefSessionCreator(scaffold, master, config, checkpoint_dir)
    return MonitoredSession(chief, all_hooks, stop_grace_period_secs)


def _periods(secs: Any, steps: Any, default_secs: float | None, default_steps: int | None) -> dict[str, Any]:
    """Return a hook's periods: the defaults if neither is given, None for one that is not.

    Rules: MTS-ARG-01, MTS-ARG-02, MTS-ARG-10.
    """
    if steps == USE_DEFAULT and secs == USE_DEFAULT:
        return {"save_secs": default_secs, "save_steps": default_steps}
    # MTS-ARG-03, Q-01: both, if both are given; the hook's timer refuses that.
    secs, steps = (None if period == USE_DEFAULT else period for period in (secs, steps))
    return {"save_secs": secs, "save_steps": steps}


def _is_on(*periods: Any) -> bool:
    """Whether a period switches its hook on: one that is neither None, False, 0 nor negative.

    Rule: MTS-ARG-04.
    """
    return any(period and period > 0 for period in periods)
