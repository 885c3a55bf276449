"""One step: collect what hooks ask for, run it with the user's fetches, hand out the parts.

This is the only module that calls hooks around a step. It decides nothing about sessions, stopping
or recovery, which are `session_layers.py`, and leaves to `compiled_step.py` to make the one
`session.run` cheap.
"""

from collections.abc import Callable, Iterable
from typing import Any

import tensorflow.compat.v1 as tf

from monitored.compiled_step import StepRunner
from monitored.session_run_hook import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues

_tuple = tuple.__new__  # makes a named tuple in a third of the time

CALLER = "caller"
"""The key of the user's own fetches; a hook that equals it takes their place. Rules: MTS-RUN-03, Q-20."""


def run_step(
    session: Any,
    hooks: Iterable[SessionRunHook],
    fetches: Any,
    feed_dict: dict[Any, Any] | None,
    options: tf.RunOptions | None,
    run_metadata: tf.RunMetadata | None,
    run: Callable[..., Any] | None = None,
    runner: StepRunner | None = None,
) -> tuple[Any, bool]:
    """Run one step with its hooks; return the user's results and whether a hook asked to stop.

    `before_run` of every hook, one `session.run` of everything, `after_run` of every hook, each in
    list order. An exception anywhere ends the step there, unchanged. The user's `options` are
    merged into in place and, like `run_metadata`, are what every hook gets; None makes new ones.
    `run` is what runs the merged request, `session.run` by default: a layer passes its own, which
    notices that a hook has closed it meanwhile. `runner` does it cheaper where nobody gave options
    or asked for metadata.

    Rules: MTS-RUN-02, MTS-RUN-03, MTS-RUN-04, MTS-RUN-07, MTS-RUN-08, MTS-RUN-10, MTS-EXC-03.
    """
    runner = runner if options is None and run_metadata is None else None
    # MTS-RUN-04
    context = SessionRunContext(_tuple(SessionRunArgs, (fetches, feed_dict, None)), session)
    # MTS-RUN-07, MTS-RUN-08, Q-19: the user's own objects if there are any.
    options, run_metadata = options or tf.RunOptions(), run_metadata or tf.RunMetadata()
    requested, feeds, has_options = _collect_requests(hooks, context, fetches, feed_dict, options)
    outputs = None if runner is None or has_options else runner.run(session, requested, feeds)
    if outputs is None:
        outputs = (run or session.run)(fetches=requested, feed_dict=feeds, options=options, run_metadata=run_metadata)
    # MTS-RUN-08, MTS-RUN-11, Q-40: one that asked for nothing is looked up too, and must be hashable.
    for hook in hooks:
        hook.after_run(context, _tuple(SessionRunValues, (outputs.get(hook), options, run_metadata)))
    # MTS-RUN-10, Q-20
    return outputs[CALLER], context.stop_requested


def _collect_requests(
    hooks: Iterable[SessionRunHook], context: SessionRunContext, fetches: Any, feed_dict: Any, options: tf.RunOptions
) -> tuple[dict[Any, Any], dict[Any, Any] | None, bool]:
    """Ask each hook; return all fetches by who asked, all feeds, and whether any had options.

    These are merged into `options`.
    """
    requested: dict[Any, Any] = {CALLER: fetches}
    hook_feeds: dict[Any, Any] = {}
    has_options = False
    for hook in hooks:
        request = hook.before_run(context)
        if request is None:
            continue
        # MTS-RUN-03, MTS-RUN-09, MTS-RUN-11
        if request.fetches is not None:
            requested[hook] = request.fetches
        # MTS-RUN-05, MTS-RUN-06
        if request.feed_dict:
            _refuse_double_feeds("Same tensor is fed by two hooks.", hook_feeds, request.feed_dict)
            hook_feeds.update(request.feed_dict)
        if request.options:
            merge_run_options(options, request.options)
            has_options = True
    return requested, _join_feeds(hook_feeds, feed_dict) if hook_feeds else feed_dict, has_options


def _join_feeds(hook_feeds: dict[Any, Any], user_feeds: Any) -> Any:
    """Return the step's feeds where hooks feed: theirs, then the user's.

    Rules: MTS-RUN-05, MTS-RUN-06.
    """
    if user_feeds:
        _refuse_double_feeds("Same tensor is fed by a SessionRunHook and user.", user_feeds, hook_feeds)
        hook_feeds.update(user_feeds)
    return hook_feeds


def _refuse_double_feeds(message: str, feeds: dict[Any, Any], others: dict[Any, Any]) -> None:
    """Raise RuntimeError if a key is in both; `"a:0"` and the tensor `a` are different keys.

    Rule: MTS-RUN-06.
    """
    #
    conflicts = set(feeds.keys()) & set(others.keys())
    if conflicts:
        raise RuntimeError(f"{message} Conflict(s): {list(conflicts)}")


def merge_run_options(options: tf.RunOptions, requested: tf.RunOptions) -> None:
    """Merge one hook's options into the step's, in place.

    The larger number wins, either flag is enough, watched tensors add up. Anything merged, even
    nothing, leaves `debug_options` present. Other fields are not merged.

    Rule: MTS-RUN-07.
    """
    for field in ("trace_level", "timeout_in_ms", "inter_op_thread_pool"):
        setattr(options, field, max(getattr(options, field), getattr(requested, field)))
    options.output_partition_graphs |= requested.output_partition_graphs
    debug, asked = options.debug_options, requested.debug_options
    # options that are used again watch more each time.
    debug.debug_tensor_watch_opts.extend(asked.debug_tensor_watch_opts)
    debug.reset_disk_byte_usage = debug.reset_disk_byte_usage or asked.reset_disk_byte_usage
    options.report_tensor_allocations_upon_oom |= requested.report_tensor_allocations_upon_oom
