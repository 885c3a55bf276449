"""FeedFnHook beside tf.train's (MTS-FED)."""

import pytest
import tensorflow.compat.v1 as tf


@pytest.mark.rule("MTS-FED-01")
def test_it_feeds_each_run(same):
    """The function is called before every run; None feeds nothing."""

    def program(run):
        run.build_step()
        fed = tf.placeholder_with_default(-1, [])
        feeds = iter([{fed: 5}, None, {}, {"PlaceholderWithDefault:0": 6}])
        hook = run.hooks.FeedFnHook(lambda: next(feeds))
        run.see(callable(hook.feed_fn))
        with run.session([hook]) as session:
            for _ in range(5):
                run.call(run.step, session, fetch=fed)

    same(program)


@pytest.mark.rule("MTS-FED-01")
def test_a_function_that_fails(same):
    """Its error is the run's."""

    def program(run):
        run.build_step()
        with run.session([run.hooks.FeedFnHook(lambda: 1 // 0)]) as session:
            run.step(session)

    same(program)
