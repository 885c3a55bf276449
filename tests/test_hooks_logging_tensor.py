"""LoggingTensorHook beside tf.train's (MTS-LOG)."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

PERIODS = [
    {"every_n_iter": 1},
    {"every_n_iter": 3},
    {"every_n_iter": 1.5},
    {"every_n_secs": 0.8},
    {"every_n_secs": 0},
    {"every_n_secs": -1},
    {"every_n_iter": 10, "at_end": True},
    {"at_end": True},
]


def build():
    """Make tensors of every kind that prints in its own way."""
    return {
        "a": tf.constant(1.5, name="a"),
        "b": tf.constant([1e-9, 2.0], name="b"),
        "c": tf.constant(0.1, name="c"),
        "d": tf.constant("text", name="d"),
        "e": tf.constant(7, name="e"),
        "two": tf.split(tf.constant([1, 2]), 2, name="two")[0],
    }


def log(run, tensors, runs=4, **kwargs):
    run.build_step()
    tensors = tensors(build())
    hook = run.hooks.LoggingTensorHook(tensors, **kwargs)
    with run.session([hook]) as session:
        for _ in range(runs):
            run.step(session, by=5, secs=0.5)
        run.see(hook._iter_count)


@pytest.mark.parametrize("runs", [0, 1, 5])
@pytest.mark.parametrize("period", PERIODS, ids=str)
@pytest.mark.rule("MTS-LOG-02")
def test_when_it_logs(same, period, runs):
    """Counts runs, not steps; the time since the last line from the second line on."""
    same(lambda run: log(run, lambda made: ["a", "e"], runs, **period))


TENSORS = {
    "names": lambda made: ["a", "b:0", "c", "d", "e"],
    "tensors": lambda made: list(made.values()),
    "tuple": lambda made: ("e", "a"),
    "dict": lambda made: {"z": "a", "m": made["b"], "b": "c:0"},
    "mixed dict": lambda made: {"z": "a", 1: "b"},
    "one name": lambda made: "a",
    "generator": lambda made: (name for name in ("a", "b")),
    "empty": lambda made: [],
    "empty dict": lambda made: {},
    "ambiguous": lambda made: ["two"],
    "second output": lambda made: ["two:1"],
    "unknown": lambda made: ["unknown"],
    "unknown output": lambda made: ["a:1"],
    "not a tensor": lambda made: [3],
    "other graph": lambda made: [foreign()],
    "operation": lambda made: {"op": made["a"].op},
}


def foreign():
    with tf.Graph().as_default():
        return tf.constant(1, name="foreign")


@pytest.mark.parametrize("tensors", TENSORS)
@pytest.mark.rule("MTS-LOG-03")
def test_what_it_logs(same, tensors):
    """Order, names, and what is refused at begin."""
    same(lambda run: log(run, TENSORS[tensors], every_n_iter=2))


@pytest.mark.parametrize("formatter", ["dict", "none", "percent", "raises"])
@pytest.mark.rule("MTS-LOG-03", "Q-29")
def test_formatter(same, formatter):
    """Its answer is the line; one that raises leaves numpy's print options changed."""

    def raises(values):
        raise ValueError("cannot format")

    formatters = {
        "dict": lambda values: f"F:{sorted(values)} {values['b']}",
        "none": lambda values: None,
        "percent": lambda values: "100%s",
        "raises": raises,
    }

    def program(run):
        np.set_printoptions(suppress=False)
        try:
            log(run, lambda made: ["a", "b"], every_n_iter=1, formatter=formatters[formatter])
        finally:
            run.see(np.get_printoptions()["suppress"])

    same(program)


@pytest.mark.rule("MTS-LOG-01")
def test_arguments(same):
    def program(run):
        for kwargs in (
            {},
            {"every_n_iter": 1, "every_n_secs": 1},
            {"every_n_iter": 1, "every_n_secs": 1, "at_end": True},
            {"every_n_iter": 0},
            {"every_n_iter": -1, "at_end": True},
            {"every_n_iter": -0.5},
        ):
            run.call(run.hooks.LoggingTensorHook, ["a"], **kwargs)
        hook = run.hooks.LoggingTensorHook(["a"], 2, None, True, str)
        run.see(hook._timer._every_steps, hook._log_at_end, hook._formatter is str)
        run.see(hook._tag_order, sorted(hook._tensors))

    same(program)


@pytest.mark.rule("MTS-LOG-02")
def test_a_second_session_counts_anew(same):
    """`begin` resets the count and the timer."""

    def program(run):
        run.build_step()
        build()
        hook = run.hooks.LoggingTensorHook(["a"], every_n_iter=3)
        for _ in range(2):
            with run.session([hook]) as session:
                for _ in range(2):
                    run.step(session, secs=0.5)

    same(program)


def test_what_subclasses_rely_on(same):
    """The private names that public code uses: `_log_tensors`, `_current_tensors`."""

    def program(run):
        run.build_step()
        build()

        class Subclass(run.hooks.LoggingTensorHook):
            def _log_tensors(self, tensor_values):
                run.see(sorted(tensor_values), self._iter_count, self._should_trigger)
                super()._log_tensors(tensor_values)

        hook = Subclass({"x": "a"}, every_n_iter=2, at_end=True)
        with run.session([hook]) as session:
            run.see(sorted(hook._current_tensors))
            for _ in range(3):
                run.step(session)

    same(program)
