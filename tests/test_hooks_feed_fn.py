"""FeedFnHook beside tf.train's: rules MTS-FED-*."""

import tensorflow.compat.v1 as tf


def test_it_feeds_each_run(same):
    """MTS-FED-01: the function is called before every run; None feeds nothing."""

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


def test_a_function_that_fails(same):
    """MTS-FED-01: its error is the run's."""

    def program(run):
        run.build_step()
        with run.session([run.hooks.FeedFnHook(lambda: 1 // 0)]) as session:
            run.step(session)

    same(program)
