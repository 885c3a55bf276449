"""CheckpointSaverHook beside tf.train's (MTS-CKH)."""

import pathlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hosting import comparable


def listener(run, name="listener", stop_at=(), fail_at=()):
    """Make a listener that records its calls."""

    class Listener(run.hooks.CheckpointSaverListener):
        def begin(self):
            run.see(name, "begin")

        def before_save(self, session, step):
            run.see(name, "before", step, type(session).__name__)
            if step in fail_at:
                raise ValueError(f"{name} fails at {step}")

        def after_save(self, session, step):
            run.see(name, "after", step)
            return step in stop_at

        def end(self, session, step):
            run.see(name, "end", step)

    return Listener()


def train(run, session, increments, secs=0.0):
    for by in increments:
        if session.should_stop():
            run.see("stopped")
            return
        run.step(session, by, secs)


@pytest.mark.parametrize("save_steps", [0, 1, 2, 5, 100])
@pytest.mark.parametrize("increments", [[1] * 7, [3] * 5, [10, 0, 10, 0], [4, -2, 1, 1], []], ids=str)
@pytest.mark.rule("MTS-CKH-01", "MTS-CKH-02", "MTS-CKH-03", "MTS-CKH-04")
def test_when_it_saves_by_steps(same, save_steps, increments):
    """At creation, when due by the real step, at the end if it moved."""

    def program(run):
        run.build_step(start=2)
        hook = run.hooks.CheckpointSaverHook(
            run.dir, save_steps=save_steps, saver=tf.train.Saver(), listeners=[listener(run)]
        )
        with run.session([hook]) as session:
            train(run, session, increments)
        run.see(hook._timer.last_triggered_step(), hook._save_path, hook._checkpoint_dir)

    same(program)


@pytest.mark.parametrize("secs", [0.0, 4.9, 5.0, -1.0])
@pytest.mark.rule("MTS-CKH-02", "MTS-TMR-02")
def test_when_it_saves_by_time(same, secs):
    """Every five seconds, the end of the period included."""

    def program(run):
        run.build_step()
        hook = run.hooks.CheckpointSaverHook(run.dir, save_secs=5, saver=tf.train.Saver(), listeners=[listener(run)])
        with run.session([hook]) as session:
            train(run, session, [1, 1, 0, 1, 1], secs)

    same(program)


@pytest.mark.parametrize("stop_at", [[0], [2], [5], [0, 2, 4]], ids=str)
@pytest.mark.rule("MTS-CKH-04")
def test_a_listener_that_stops_training(same, stop_at):
    """After a run only; the listeners behind it are called all the same."""

    def program(run):
        run.build_step()
        listeners = [listener(run, "first", stop_at), listener(run, "second")]
        hook = run.hooks.CheckpointSaverHook(run.dir, save_steps=2, saver=tf.train.Saver(), listeners=listeners)
        with run.session([hook]) as session:
            train(run, session, [1] * 5)

    logs = same(program)["logs"]
    if 2 in stop_at:
        assert any("requested that training be stopped" in text for _, text in logs)


@pytest.mark.parametrize("fail_at", [[0], [2], [5]], ids=str)
@pytest.mark.rule("MTS-CKH-05", "Q-32")
def test_a_save_that_fails(same, fail_at):
    """Not tried again at the same step, not even at the end."""

    def program(run):
        run.build_step()
        hook = run.hooks.CheckpointSaverHook(
            run.dir, save_steps=2, saver=tf.train.Saver(), listeners=[listener(run, fail_at=fail_at)]
        )
        session = run.session([hook])
        for _ in range(5):
            run.call(run.step, session)
        run.call(session.close)

    same(program)


@pytest.mark.parametrize("body", [ValueError("x"), StopIteration()], ids=repr)
@pytest.mark.rule("MTS-CKH-03")
def test_the_last_save_needs_a_clean_end(same, body):
    """An exception in the body means no save at the end."""

    def program(run):
        run.build_step()
        hook = run.hooks.CheckpointSaverHook(run.dir, save_steps=100, saver=tf.train.Saver(), listeners=[listener(run)])
        with run.session([hook]) as session:
            run.step(session)
            raise body

    same(program)


@pytest.mark.rule("MTS-CKH-01", "MTS-SES-02")
def test_a_second_session_goes_on(same):
    """A save right after the restore, at the same step."""

    def program(run):
        run.build_step()
        saver = tf.train.Saver()
        scaffold = run.scaffold(saver=saver)
        for _ in range(2):
            hook = run.hooks.CheckpointSaverHook(run.dir, save_steps=2, scaffold=scaffold, listeners=[listener(run)])
            with run.session([hook], scaffold, checkpoint_dir=run.dir) as session:
                train(run, session, [1] * 3)
            run.see([pathlib.Path(path).name for path in saver.last_checkpoints])

    same(program)


@pytest.mark.rule("MTS-CKH-01", "MTS-EXC-04")
def test_after_a_recovery_it_saves_again(same):
    """Each underlying session gets its first checkpoint."""

    def program(run):
        run.build_step()
        failures = [tf.errors.AbortedError(None, None, "gone")]

        class Failing(tf.train.SessionRunHook):
            def after_run(self, run_context, run_values):
                if failures:
                    raise failures.pop()

        hook = run.hooks.CheckpointSaverHook(run.dir, save_steps=10, saver=tf.train.Saver(), listeners=[listener(run)])
        with run.session([hook, Failing()], checkpoint_dir=run.dir) as session:
            train(run, session, [1] * 3)

    same(program)


@pytest.mark.parametrize("save_graph_def", [True, False])
@pytest.mark.rule("MTS-CKH-07", "MTS-EVT-02")
def test_what_is_written(same, save_graph_def):
    """Files, and both graph events in either case."""

    def program(run):
        run.build_step()
        tf.get_variable("weights", initializer=tf.ones([2, 3]))
        tf.add_to_collection("anything", tf.constant(1, name="anything"))
        saver = tf.train.Saver(sharded=True)
        hook = run.hooks.CheckpointSaverHook(
            run.dir, save_steps=2, saver=saver, checkpoint_basename="m", save_graph_def=save_graph_def
        )
        # Made by a later hook: part of the graph that is written.
        late = run.hooks.FeedFnHook(dict)
        late.begin = lambda: tf.constant(2, name="late")
        with run.session([hook, late]) as session:
            train(run, session, [1] * 2)
        graph_def = tf.get_default_graph().as_graph_def(add_shapes=True)
        if save_graph_def:
            tf.io.write_graph(graph_def, run.dir, "expected")
            written = pathlib.Path(run.dir, "graph.pbtxt").read_bytes()
            assert written == pathlib.Path(run.dir, "expected").read_bytes()

    shown = same(program)
    assert ("graph.pbtxt" in shown["files"]) is save_graph_def
    assert ("m-2.meta" in shown["files"]) is save_graph_def
    kinds = [kind for _, kind, _ in shown["events"]]
    assert kinds.count("graph_def") == kinds.count("meta_graph_def") == 2


@pytest.mark.parametrize("save_graph_def", [True, False])
@pytest.mark.rule("MTS-CKH-07")
def test_how_the_saver_is_called(same, save_graph_def):
    """With `write_meta_graph`, which a saver of an older release's hook need not take."""

    class Older:
        saver_def = None

        def save(self, session, path, global_step=None):
            raise AssertionError

    class Lenient(Older):
        def save(self, session, path, **keywords):
            self.keywords = keywords

    def program(run):
        run.build_step()
        hook, older = [
            run.hooks.CheckpointSaverHook(run.dir, save_steps=2, saver=saver, save_graph_def=save_graph_def)
            for saver in (Lenient(), Older())
        ]
        with run.session([hook]) as session:
            run.step(session)
        run.see(sorted(hook._saver.keywords.items()))
        run.call(run.session, [older])

    keywords, refused = same(program)["seen"]
    assert keywords == comparable([[("global_step", np.int64(1)), ("write_meta_graph", save_graph_def)]])
    assert refused[1][1] == "TypeError"
    assert "unexpected keyword argument 'write_meta_graph'" in refused[2][1]


@pytest.mark.rule("MTS-CKH-07", "Q-31")
def test_an_empty_saver(same):
    """It has no saver_def and writes no checkpoint."""

    def program(run):
        run.build_step()
        saver = tf.train.Saver({}, allow_empty=True)
        hook = run.hooks.CheckpointSaverHook(run.dir, save_steps=2, saver=saver)
        with run.session([hook]) as session:
            train(run, session, [1] * 2)

    same(program)


@pytest.mark.parametrize("collected", [0, 1, 2])
@pytest.mark.parametrize("given", ["saver", "scaffold", "neither"])
@pytest.mark.rule("MTS-CKH-06")
def test_which_saver(same, collected, given):
    """The given one, the scaffold's, else the single one of the SAVERS collection."""

    def program(run):
        run.build_step()
        savers = [tf.train.Saver() for _ in range(collected + 1)]
        for saver in savers[1:]:
            tf.add_to_collection(tf.GraphKeys.SAVERS, saver)
        scaffold = run.scaffold(saver=savers[0])
        arguments = {"saver": {"saver": savers[0]}, "scaffold": {"scaffold": scaffold}}
        hook = run.hooks.CheckpointSaverHook(run.dir, save_steps=2, **arguments.get(given, {}))
        with run.session([hook], scaffold) as session:
            run.step(session)
        run.see(savers.index(hook._get_saver()), hook._saver is None, hook._scaffold is None)

    same(program)


@pytest.mark.rule("MTS-CKH-06", "MTS-CKH-08")
def test_arguments(same):
    """The log line comes before any complaint."""

    def program(run):
        make = run.hooks.CheckpointSaverHook
        saver = scaffold = object()
        for kwargs in (
            {},
            {"save_secs": 1, "save_steps": 1},
            {"saver": saver, "scaffold": scaffold, "save_steps": 1},
            {"saver": saver, "scaffold": scaffold},
        ):
            run.call(make, run.dir, **kwargs)
        run.call(make, None, save_steps=1)
        hook = make(run.dir, None, 3, saver, "base", None, None, False)
        run.see(hook._save_path, hook._listeners, hook._save_graph_def, hook._timer._every_steps)
        run.see(make(run.dir, 5)._timer._every_secs)

    same(program)


@pytest.mark.rule("Q-42")
def test_a_path_object_as_directory(same):
    """The constructor takes it, the first write does not: as in tf.train."""

    def program(run):
        run.build_step()
        hook = run.hooks.CheckpointSaverHook(pathlib.Path(run.dir), save_steps=2)
        run.session([hook])

    assert same(program)["ended"]


@pytest.mark.rule("MTS-ARG-11")
def test_without_a_global_step(same):
    """RuntimeError at begin; listeners are not called, the event file exists."""

    def program(run):
        hook = run.hooks.CheckpointSaverHook(run.dir, save_steps=1, listeners=[listener(run)])
        run.session([hook], run.host.Scaffold())

    same(program)


@pytest.mark.parametrize("steps_per_run", [1, 3])
def test_what_subclasses_rely_on(same, steps_per_run):
    """The private names that public code uses: `_save`, `_get_saver`, `_set_steps_per_run`."""

    def program(run):
        run.build_step()

        class Subclass(run.hooks.CheckpointSaverHook):
            def begin(self):
                super().begin()
                run.see(type(self._summary_writer).__name__, self._global_step_tensor.dtype)

            def _save(self, session, step):
                run.see("save", step, isinstance(step, np.integer))
                return super()._save(session, step) or step == 8

            def _get_saver(self):
                return saver

        saver = tf.train.Saver()
        hook = Subclass(run.dir, save_steps=4)
        hook._listeners.append(listener(run))
        run.see(hook._steps_per_run)
        hook._set_steps_per_run(steps_per_run)
        run.see(hook._steps_per_run)
        with run.session([hook]) as session:
            train(run, session, [3] * 6)

    same(program)
