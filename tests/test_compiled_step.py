"""The compiled way to run a step, beside `tf.Session.run` of the same request."""

import gc
import threading
from collections import namedtuple
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from monitored import _tensorflow, compiled_step
from monitored.compiled_step import StepRunner, TensorReader

Pair = namedtuple("Pair", ["first", "second"])


class Model:
    """A graph with one of each thing that can be fetched or fed."""

    def __init__(self, config: tf.ConfigProto) -> None:
        with tf.Graph().as_default() as self.graph:
            self.x = tf.placeholder_with_default(np.float32([1, 2]), [2], name="x")
            self.any_length = tf.placeholder_with_default(np.int64([1]), [None], name="any_length")
            self.any_shape = tf.placeholder_with_default(np.float64(3), None, name="any_shape")
            self.text = tf.placeholder_with_default("text", [], name="text")
            self.variable = tf.get_variable("v", initializer=5.0)
            self.count = tf.get_variable("count", initializer=0)
            self.increment = tf.assign_add(self.count, 1, name="increment")
            self.step = tf.group(self.increment, name="step")
            self.double = tf.multiply(self.x, 2, name="double")
            self.sparse = tf.SparseTensor([[0]], [1.0], [3])
            self.failing = tf.debugging.assert_equal(self.x, [1.0, 2.0], name="failing")
            self.needs_feed = tf.placeholder(tf.float32, [], name="needs_feed") + 1
            self.session = tf.Session(config=config)
            self.session.run(tf.global_variables_initializer())

    def leaves(self) -> list[Any]:
        return [
            self.double, self.x, self.variable, self.step, self.count.op, "double:0", "x", "step",
            self.any_length, self.any_shape, self.text,
        ]  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    model = Model(tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=2))
    yield model
    model.session.close()


def same(left: Any, right: Any) -> bool:
    """Whether two results are equal in values, types and structure."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, (np.ndarray, np.generic)):
        return left.dtype == right.dtype and left.shape == right.shape and bool(np.all(left == right))
    return bool(left == right)


def structures(leaves: Any) -> Any:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            st.tuples(inner, inner).map(lambda two: Pair(*two)),
        ),
        max_leaves=6,
    )


FEEDS: dict[str, Any] = {
    "x": [np.float32([3, 4]), np.float64([3, 4]), [3.0, 4.0], np.float32([1]), np.int32([5, 6])],
    "any_length": [np.int64([1, 2, 3]), np.int64([]), np.int64(3)],
    "any_shape": [np.float64([[1]]), np.float64(2), 2.5],
    "text": ["other", np.array("other", dtype=object)],
}


def outcome(run: Any) -> Any:
    try:
        return run()
    except Exception as error:
        return type(error), str(error), getattr(error, "op", None), type(error.__context__)


@settings(max_examples=150)
@given(data=st.data())
@pytest.mark.rule("MTS-RUN-03", "MTS-RUN-05")
def test_results_are_those_of_session_run(model: Model, data: Any) -> None:
    """Values, types and structure; what it does not do it leaves."""
    fetches = {"caller": data.draw(structures(st.sampled_from(range(len(model.leaves())))).map(
        lambda drawn: _replace(drawn, model.leaves())
    ))}  # fmt: skip
    names = data.draw(st.lists(st.sampled_from(sorted(FEEDS)), unique=True, max_size=2))
    feeds = {getattr(model, name): data.draw(st.sampled_from(FEEDS[name])) for name in names}
    plain = outcome(lambda: model.session.run(fetches, feeds))
    runner = StepRunner()
    for _ in range(2):
        compiled = outcome(lambda: runner.run(model.session, fetches, feeds))
        assert compiled is None or same(compiled, plain) or compiled == plain


def _replace(drawn: Any, leaves: list[Any]) -> Any:
    if isinstance(drawn, int):
        return leaves[drawn]
    if isinstance(drawn, dict):
        return {key: _replace(value, leaves) for key, value in drawn.items()}
    if isinstance(drawn, Pair):
        return Pair(*[_replace(value, leaves) for value in drawn])
    return type(drawn)(_replace(value, leaves) for value in drawn)


def test_the_usual_requests_are_compiled(model: Model) -> None:
    runner = StepRunner()
    for fetches in (model.double, [model.step, model.double], {"d": "double:0"}, Pair(model.step, model.variable)):
        assert runner.run(model.session, {"caller": fetches}, None) is not None
    assert runner.run(model.session, {"caller": model.double}, {model.x: np.float32([1, 1])}) is not None


def test_the_rest_is_left_to_session_run(model: Model) -> None:
    runner, array = StepRunner(), np.float32([1, 1])
    for fetches, feeds in (
        (model.sparse, None),
        (None, None),
        ("absent:0", None),
        ([], None),
        (model.x, {model.x: array}),
        (model.double, {"x:0": array}),
        (model.double, {model.x: array.astype(np.float64)}),
        (model.double, {model.text: "a"}),
        (model.double, [(model.x, array)]),
    ):
        assert runner.run(model.session, {"caller": fetches}, feeds) is None


@pytest.mark.rule("MTS-EXC-03")
def test_errors_are_those_of_session_run(model: Model) -> None:
    """Type, message, operation and chaining."""
    runner = StepRunner()
    for fetches, feeds in ((model.failing, {model.x: np.float32([9, 9])}), (model.needs_feed, None)):
        plain = outcome(lambda: model.session.run({"caller": fetches}, feeds))
        assert outcome(lambda: runner.run(model.session, {"caller": fetches}, feeds)) == plain
        assert plain[0] is tf.errors.InvalidArgumentError


@pytest.mark.parametrize("use_resource", [True, False])
@pytest.mark.rule("MTS-RUN-08")
def test_results_are_the_callers_own(use_resource: bool) -> None:
    """Writing to a result changes no variable, and no later step changes a result."""
    with tf.Graph().as_default():
        variable = tf.get_variable("v", initializer=[1.0, 2.0], use_resource=use_resource)
        constant = tf.constant([3.0, 4.0])
        fed = tf.placeholder(tf.float32, [2])
        fetches = {"caller": [variable, constant, tf.identity(variable), tf.identity(fed)]}
        count = tf.assign_add(variable, [1.0, 1.0])
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            runner, array = StepRunner(), np.float32([5, 6])
            first = runner.run(session, fetches, {fed: array})["caller"]
            for result in first:
                assert result.flags.writeable
                result[:] += 100
            assert list(array) == [5, 6]
            second = runner.run(session, fetches, {fed: array})["caller"]
            assert np.array_equal(second, [[1, 2], [3, 4], [1, 2], [5, 6]])
            session.run(count)
            assert np.array_equal(second, [[1, 2], [3, 4], [1, 2], [5, 6]])
            assert list(session.run(variable)) == [2, 3]


def test_each_fetch_runs_once(model: Model) -> None:
    before = model.session.run(model.count)
    StepRunner().run(model.session, {"a": model.increment, "b": [model.increment, model.step]}, None)
    assert model.session.run(model.count) == before + 1


def test_sessions_of_another_kind_are_left_alone(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    fetches = {"caller": model.double}

    class Recording(tf.Session):
        def run(self, *args: Any, **kwargs: Any) -> Any:
            return "recorded"

    with Recording(graph=model.graph) as recording:
        assert StepRunner().run(recording, fetches, None) is None
    closed = tf.Session(graph=model.graph)
    closed.close()
    assert StepRunner().run(closed, fetches, None) is None
    with tf.Session(graph=model.graph) as replaced:
        replaced.run = lambda *args, **kwargs: "replaced"
        assert StepRunner().run(replaced, fetches, None) is None
        replaced.run = model.session.run
        assert StepRunner().run(replaced, fetches, None) is None
    monkeypatch.setattr(_tensorflow, "FORCE_FALLBACK", True)
    assert StepRunner().run(model.session, fetches, None) is None


def test_the_plain_way_can_be_forced(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_step, "ENABLED", False)
    assert StepRunner().run(model.session, {"caller": model.double}, None) is None


def test_without_the_private_methods_nothing_is_compiled(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        graph = model.graph

    with pytest.raises(TypeError):
        _tensorflow.compiled_run(Bare(), [], [], [])
    monkeypatch.setattr(_tensorflow, "FORCE_FALLBACK", True)
    with pytest.raises(TypeError):
        _tensorflow.compiled_run(model.session, ["double:0"], [], [])


def test_the_number_of_plans_is_bounded(model: Model) -> None:
    """A fresh request every time does not make the cache grow."""
    runner = StepRunner()
    with model.graph.as_default():
        for number in range(compiled_step.MAX_PLANS + 10):
            fresh = tf.constant(float(number))
            assert runner.run(model.session, {"caller": fresh}, None) == {"caller": number}
    assert len(runner._plans) == compiled_step.MAX_PLANS
    assert runner.run(model.session, {"caller": model.double}, None) is not None


def test_a_list_that_changes_is_another_request(model: Model) -> None:
    runner, fetches = StepRunner(), [model.double]
    assert len(runner.run(model.session, {"caller": fetches}, None)["caller"]) == 1
    fetches[:] = [model.variable, model.double]
    gc.collect()
    assert runner.run(model.session, {"caller": fetches}, None)["caller"][0] == 5.0


def test_a_graph_may_grow_between_steps(model: Model) -> None:
    runner = StepRunner()
    runner.run(model.session, {"caller": model.double}, None)
    with model.graph.as_default():
        later = model.double + 1
    assert list(runner.run(model.session, {"caller": later}, None)["caller"]) == [3.0, 5.0]
    assert list(runner.run(model.session, {"caller": model.double}, None)["caller"]) == [2.0, 4.0]


def test_requests_nested_too_deep_for_an_expression_are_left_to_session_run(model: Model) -> None:
    for depth, is_compiled in ((20, True), (250, False)):
        fetches: Any = model.variable
        for _ in range(depth):
            fetches = [fetches]
        compiled = StepRunner().run(model.session, {"caller": fetches}, None)
        assert (compiled is not None) is is_compiled
        assert compiled is None or same(compiled, model.session.run({"caller": fetches}))


@pytest.mark.rule("MTS-RUN-03")
def test_keys_that_look_alike_are_not_mixed_up(model: Model) -> None:
    """Results have the keys that were asked with, whatever these say they are equal to."""
    runner = StepRunner()
    for key in (1, True, 1.0, "1", (1,)):
        (returned,) = runner.run(model.session, {"caller": {key: model.double}}, None)["caller"]
        assert returned is key


def test_keys_that_are_always_new_compile_once(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling again takes as long as the graph is large."""
    compiled = []
    compile = model.session._make_callable_from_options
    monkeypatch.setattr(
        model.session, "_make_callable_from_options", lambda options: compiled.append(options) or compile(options)
    )
    runner = StepRunner()
    for number in range(compiled_step.MAX_PLANS + 10):
        fetches = {"caller": {f"step {number}": [model.double], (number,): model.step}}
        results = runner.run(model.session, fetches, {model.x: np.float32([number, 0])})["caller"]
        assert list(results) == [f"step {number}", (number,)]
        assert list(results[f"step {number}"][0]) == [2 * number, 0]
    assert len(compiled) == 1
    for feeds in (None, {model.any_length: np.int64([1])}):
        runner.run(model.session, {"caller": [model.double, model.step]}, feeds)
    assert len(compiled) == 3


class Readings:
    """A session beside a count of what `session.run` is asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, session: tf.Session) -> None:
        self.plain = 0
        run = tf.Session.run

        def counted(session: tf.Session, *args: Any, **kwargs: Any) -> Any:
            self.plain += 1
            return run(session, *args, **kwargs)

        monkeypatch.setattr(tf.Session, "run", counted)
        monkeypatch.setattr(_tensorflow, "_SESSION_RUN", counted)


def test_a_reader_reads_without_session_run(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    readings, reader = Readings(monkeypatch, model.session), TensorReader()
    for tensor in (model.double, model.variable, model.double, [model.double, model.text]):
        assert same(reader.read(model.session, tensor), model.session.run(tensor))
    assert readings.plain == 4  # those of this test
    with tf.Session(graph=model.graph) as other:
        other.run(model.variable.initializer)
        assert reader.read(other, model.variable) == 5.0
    monkeypatch.setattr(compiled_step, "ENABLED", False)
    readings.plain = 0
    assert list(reader.read(model.session, model.double)) == [2, 4]
    assert readings.plain == 1


def test_a_reader_takes_the_shortcut_while_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    with tf.Graph().as_default():
        variable = tf.get_variable("v", initializer=5.0)
        default = tf.constant(7.0)
        reader = TensorReader(lambda tensor: variable if tensor is default else None)
        with tf.Session() as session:
            readings = Readings(monkeypatch, session)
            assert reader.read(session, default) == 7.0  # nothing is initialised
            assert readings.plain == 1
            session.run(variable.initializer)
            assert reader.read(session, default) == 5.0
            assert readings.plain == 2
            assert reader.read(session, tf.constant(3.0)) == 3.0
        with tf.Session() as session, pytest.raises(tf.errors.FailedPreconditionError):
            reader.read(session, variable)


def test_a_reader_reads_in_the_thread_that_asks() -> None:
    with tf.Graph().as_default():
        thread = tf.py_func(threading.get_ident, [], tf.int64)
        with tf.Session() as session:
            assert TensorReader().read(session, thread) == threading.get_ident()
