"""FinalOpsHook beside tf.train's (MTS-FIN)."""

import pytest
import tensorflow.compat.v1 as tf


@pytest.mark.parametrize("structure", ["one", "list", "dict", "none"])
@pytest.mark.rule("MTS-FIN-01")
def test_values(same, structure):
    """In the structure that was asked for; None before the end."""

    def program(run):
        run.build_step()
        fed = tf.placeholder(tf.float32, [])
        ops = {"one": fed * 2, "list": [fed, fed + 1], "dict": {"x": fed}, "none": None}
        hook = run.hooks.FinalOpsHook(ops[structure], {fed: 3.0})
        with run.session([hook]) as session:
            run.step(session)
            run.see(hook.final_ops_values)
        values = hook.final_ops_values
        run.see(sorted(values.items()) if structure == "dict" else values)

    same(program)


@pytest.mark.parametrize("error", ["out of range", "stop iteration", "other", "not fed"])
@pytest.mark.rule("MTS-FIN-01")
def test_errors(same, error):
    """Raised out of the block; the two that look like the end of input warn before."""

    def python(*_):
        raise (StopIteration() if error == "stop iteration" else ValueError("other"))

    def program(run):
        run.build_step()
        ops = {
            "out of range": lambda: tf.data.make_one_shot_iterator(tf.data.Dataset.range(0)).get_next(),
            "stop iteration": lambda: tf.py_func(python, [], tf.int64),
            "other": lambda: tf.py_func(python, [], tf.int64),
            "not fed": lambda: tf.placeholder(tf.float32, [], name="p"),
        }
        hook = run.hooks.FinalOpsHook(ops[error]())
        try:
            with run.session([hook]) as session:
                run.step(session)
        finally:
            run.see(hook.final_ops_values)

    assert same(program)["ended"]


@pytest.mark.rule("MTS-FIN-01")
def test_a_stop_iteration_of_the_session_itself(same):
    """The warning does not depend on where the error comes from."""

    class Session:
        def run(self, fetches, feed_dict):
            raise StopIteration(fetches, feed_dict)

    same(lambda run: run.call(run.hooks.FinalOpsHook("x", {"y": 1}).end, Session()))
