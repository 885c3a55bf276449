"""The rules of one step that need no session: merging options and feeds."""

from typing import Any

import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given
from hypothesis import strategies as st
from tensorflow.python.training import monitored_session as tf_layers

from monitored import step
from monitored.session_run_hook import SessionRunArgs

watches = st.lists(st.sampled_from(["a", "b"]), max_size=2)


@st.composite
def run_options(draw: Any) -> tf.RunOptions:
    """RunOptions with any of the fields that are merged, and some that are not."""
    options = tf.RunOptions()
    if draw(st.booleans()):
        options.trace_level = draw(st.sampled_from([0, 1, 2, 3]))
        options.timeout_in_ms = draw(st.integers(-5, 5))
        options.inter_op_thread_pool = draw(st.integers(-2, 2))
        options.output_partition_graphs = draw(st.booleans())
        options.report_tensor_allocations_upon_oom = draw(st.booleans())
    if draw(st.booleans()):
        options.debug_options.reset_disk_byte_usage = draw(st.booleans())
        options.debug_options.global_step = draw(st.integers(0, 3))
        for name in draw(watches):
            options.debug_options.debug_tensor_watch_opts.add().node_name = name
    if draw(st.booleans()):
        options.experimental.use_run_handler_pool = True
    return options


@given(options=run_options(), requests=st.lists(run_options(), max_size=3))
@pytest.mark.rule("MTS-RUN-07")
def test_options_merge_as_in_tensorflow(options: tf.RunOptions, requests: list[tf.RunOptions]) -> None:
    """Bit for bit, presence of fields included."""
    theirs = tf.RunOptions()
    theirs.CopyFrom(options)
    layer = tf_layers._HookedSession(None, [])
    for request in requests:
        step.merge_run_options(options, request)
        layer._merge_run_options(theirs, request)
    assert options.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)


class Feeder:
    """A hook that feeds."""

    def __init__(self, feeds: Any, log: list[Any]) -> None:
        self.feeds, self.log = feeds, log

    def before_run(self, context: Any) -> Any:
        self.log.append("before")
        return SessionRunArgs(None, self.feeds)

    def after_run(self, context: Any, values: Any) -> None:
        self.log.append(("after", values.results))


class FeedKeeper:
    """A session that shows what it was fed."""

    def run(self, fetches: Any, feed_dict: Any, options: Any, run_metadata: Any) -> Any:
        self.feeds = feed_dict
        return fetches


feeds = st.none() | st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3), max_size=2)


@given(user=feeds, hooks=st.lists(feeds, max_size=3))
@pytest.mark.rule("MTS-RUN-05", "MTS-RUN-06")
def test_feeds_join_as_in_tensorflow(user: Any, hooks: list[Any]) -> None:
    """The joined dict, its order and identity, and conflicts."""

    def outcome(run: Any) -> list[Any]:
        session, log = FeedKeeper(), []
        given_hooks = [Feeder(hook, log) for hook in hooks]
        try:
            run(session, given_hooks)
            fed = session.feeds
            log.append((fed is user, None if fed is None else list(fed.items())))
        except RuntimeError as error:
            # The order of several conflicting keys comes from a set.
            log.append(sorted(str(error)))
        return log

    ours = outcome(lambda session, hooks: step.run_step(session, hooks, "f", user, None, None))
    theirs = outcome(lambda session, hooks: tf_layers._HookedSession(session, hooks).run("f", user))
    assert ours == theirs


@pytest.mark.parametrize("request_", [object(), 5, "text"])
@pytest.mark.rule("MTS-RUN-09")
def test_a_request_of_another_kind_is_refused_like_in_tensorflow(request_: Any) -> None:
    class Odd:
        def before_run(self, context: Any) -> Any:
            return request_

    def outcome(run: Any) -> Any:
        with pytest.raises(AttributeError) as caught:
            run()
        return str(caught.value)

    assert outcome(lambda: step.run_step(FeedKeeper(), [Odd()], "f", None, None, None)) == outcome(
        lambda: tf_layers._HookedSession(FeedKeeper(), [Odd()]).run("f")
    )
