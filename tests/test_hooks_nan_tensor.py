"""NanTensorHook beside tf.train's (MTS-NAN)."""

import pytest
import tensorflow.compat.v1 as tf

from monitored import NanLossDuringTrainingError

LOSSES = {
    "fine": [1.0, 2.0],
    "nan": [1.0, float("nan")],
    "infinite": [float("inf"), -float("inf")],
    "one element": [[float("nan")]],
    "several elements": [[1.0, 2.0]],
    "integer": [1],
}


@pytest.mark.parametrize("losses", LOSSES)
@pytest.mark.parametrize("fail", [True, False])
@pytest.mark.rule("MTS-NAN-01")
def test_losses(same, losses, fail):
    """An error, or a warning and a request to stop; only NaN counts."""

    def program(run):
        run.build_step()
        values = LOSSES[losses]
        loss = tf.placeholder(tf.as_dtype(tf.constant(values[0]).dtype), None)
        hook = run.hooks.NanTensorHook(loss, fail)
        feeds = iter(values)
        feed = run.hooks.FeedFnHook(lambda: {loss: next(feeds)})
        with run.session([hook, feed]) as session:
            for _ in values:
                run.step(session)
                run.see(session.should_stop())

    same(program)


@pytest.mark.rule("MTS-NAN-01")
def test_arguments(same):
    """Fails unless told otherwise."""

    def program(run):
        loss = object()
        hook = run.hooks.NanTensorHook(loss)
        run.see(hook._loss_tensor is loss, hook._fail_on_nan_loss)

    same(program)


@pytest.mark.parametrize("arguments", [(), ("x",), ("x", 1)])
@pytest.mark.rule("MTS-NAN-01")
def test_the_error(arguments):
    """A RuntimeError whose text is always the same."""
    expected = tf.train.NanLossDuringTrainingError(*arguments)
    got = NanLossDuringTrainingError(*arguments)
    assert isinstance(got, RuntimeError)
    assert (str(got), got.args) == (str(expected), expected.args)
