"""The private names that programs in the wild reach for: docs/compatibility.md, row by row.

Every test runs on `monitored` and on `tf.train`: what passes on only one side is no contract.
"""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow.compat.v1 as tf
from tensorflow.python.training import monitored_session as tf_layers

import monitored
from monitored import session_layers
from monitored.global_step import global_step_read

DOC = Path(__file__).resolve().parent.parent / "docs" / "compatibility.md"

OURS = SimpleNamespace(
    train=monitored,
    wrapped=session_layers.SessionLayer,
    recovering=session_layers.RecoveringSession,
    coordinated=session_layers.CoordinatedSession,
    hooked=session_layers.HookedSession,
)
THEIRS = SimpleNamespace(
    train=tf.train,
    wrapped=tf_layers._WrappedSession,
    recovering=tf_layers._RecoverableSession,
    coordinated=tf_layers._CoordinatedSession,
    hooked=tf_layers._HookedSession,
)

pytestmark = pytest.mark.usefixtures("fresh_graph")


@pytest.fixture(params=[OURS, THEIRS], ids=["monitored", "tensorflow"])
def side(request):
    return request.param


def train_op():
    """An op that adds one to the global step, after hooks have read it."""
    step = tf.train.get_or_create_global_step()
    read = global_step_read()
    with tf.control_dependencies([read]):
        return tf.assign_add(step, 1)


def monitored_session(side, hooks, config):
    creator = side.train.ChiefSessionCreator(config=config)
    return side.train.MonitoredSession(creator, hooks)


def test_four_times_sess_leads_to_the_tf_session(side, config):
    with monitored_session(side, [], config) as session:
        layers = [session._sess, session._sess._sess, session._sess._sess._sess]
        assert [type(layer) for layer in layers] == [side.recovering, side.coordinated, side.hooked]
        raw = session._sess._sess._sess._sess
        assert type(raw) is tf.Session
        assert raw is session._tf_sess()
        inner = session
        while type(inner).__name__ != "Session":
            inner = inner._sess
        assert inner is raw


def test_a_singular_session_has_one_layer_less(side, config):
    with side.train.SingularMonitoredSession(config=config) as session:
        assert session._sess._sess._sess is session.raw_session()


def test_the_creator_knows_session_and_coordinator(side, config):
    seen = []

    class Hook(side.train.SessionRunHook):
        def after_create_session(self, session, coord):
            seen.extend([session, coord])

    with monitored_session(side, [Hook()], config) as session:
        assert session._coordinated_creator.tf_sess is seen[0]
        assert session._coordinated_creator.coord is seen[1]
    assert session._coordinated_creator.tf_sess is None


def test_hooks_are_listed_in_their_order(side, config, tmp_path):
    train_op()
    tf.summary.scalar("loss", 1.0)
    mine, first = side.train.SessionRunHook(), side.train.SessionRunHook()
    with side.train.MonitoredTrainingSession(
        checkpoint_dir=str(tmp_path), hooks=[mine], chief_only_hooks=[first], config=config
    ) as session:
        names = [type(hook).__name__ for hook in session._hooks]
        assert names[1:-1] == ["StepCounterHook", "SummarySaverHook", "CheckpointSaverHook"]
        assert session._hooks[0] is first
        assert session._hooks[-1] is mine
        assert session._hooks[2]._summary_writer is session._hooks[1]._summary_writer


def test_is_closed(side, config):
    session = monitored_session(side, [], config)
    assert not session._is_closed()
    session.close()
    assert session._is_closed()


def test_should_stop_can_be_set_from_outside(side, config):
    with monitored_session(side, [], config) as session:
        session._sess._sess._sess._should_stop = True
        assert session.should_stop()
        with pytest.raises(RuntimeError, match="Run called even after should_stop requested"):
            session.run(tf.constant(1) if not tf.get_default_graph().finalized else "none:0")


def test_a_layer_wraps_any_session(side):
    fake = SimpleNamespace(graph="graph", sess_str="target", run=lambda *a, **k: (a, k), close=list)
    layer = side.wrapped(fake)
    assert (layer.graph, layer.sess_str, layer._sess) == ("graph", "target", fake)
    assert layer.run("x", feed_dict=None) == (("x",), {"feed_dict": None})
    assert not layer.should_stop()
    layer.close()
    assert layer._sess is None
    assert layer.should_stop()


def test_a_layer_asks_its_check_stop(side):
    class Stopped(side.wrapped):
        def _check_stop(self):
            return True

    assert Stopped(SimpleNamespace()).should_stop()


def test_step_context_is_reached_through_the_session(side, config):
    with monitored_session(side, [], config) as session:
        context = session.run_step_fn(lambda step_context: step_context)
        assert isinstance(context, side.train.MonitoredSession.StepContext)


def test_the_checkpoint_saver_shows_its_parts(side, config, tmp_path):
    train_op()
    folder = str(tmp_path)
    scaffold = side.train.Scaffold()
    hook = side.train.CheckpointSaverHook(folder, save_steps=2, scaffold=scaffold)
    assert hook._saver is None
    assert hook._checkpoint_dir == folder
    assert hook._save_path == str(tmp_path / "model.ckpt")
    assert hook._scaffold is scaffold
    assert hook._listeners == []
    assert isinstance(hook._timer, side.train.SecondOrStepTimer)
    with side.train.MonitoredSession(side.train.ChiefSessionCreator(scaffold, config=config), [hook]):
        assert hook._get_saver() is scaffold.saver
        assert hook._global_step_tensor.dtype == tf.int64
        assert hook._summary_writer is tf.summary.FileWriterCache.get(folder)
        assert hook._timer.last_triggered_step() == 0


def test_listeners_can_be_appended(side, config, tmp_path):
    train_op()
    saved = []

    class Listener(side.train.CheckpointSaverListener):
        def after_save(self, session, global_step_value):
            saved.append(int(global_step_value))

    hook = side.train.CheckpointSaverHook(str(tmp_path), save_steps=100)
    hook._listeners.append(Listener())
    tf.add_to_collection(tf.GraphKeys.SAVERS, side.train.Saver())
    monitored_session(side, [hook], config).close()
    assert saved == [0]


def test_a_subclass_replaces_save(side, config, tmp_path):
    op = train_op()
    saved = []

    class Quiet(side.train.CheckpointSaverHook):
        def _save(self, session, step):
            saved.append(int(step))
            return len(saved) == 2  # as a listener that wants to stop

    hook = Quiet(str(tmp_path), save_steps=1)
    tf.add_to_collection(tf.GraphKeys.SAVERS, side.train.Saver())
    with monitored_session(side, [hook], config) as session:
        session.run(op)
        assert session.should_stop()
    assert saved == [0, 1]
    assert tf.gfile.Glob(str(tmp_path / "model.ckpt*")) == []


def test_save_can_be_called(side, config, tmp_path):
    train_op()
    hook = side.train.CheckpointSaverHook(str(tmp_path), save_steps=100)
    tf.add_to_collection(tf.GraphKeys.SAVERS, side.train.Saver())
    with monitored_session(side, [hook], config) as session:
        assert not hook._save(session._tf_sess(), 7)
    assert side.train.checkpoint_exists(str(tmp_path / "model.ckpt-7"))


def test_steps_per_run_is_set_by_its_method(side, tmp_path):
    scaffold = side.train.Scaffold()
    for hook in (
        side.train.CheckpointSaverHook(str(tmp_path), save_steps=5, scaffold=scaffold),
        side.train.StepCounterHook(),
        side.train.SummarySaverHook(save_steps=5, scaffold=scaffold),
    ):
        if hasattr(hook, "_set_steps_per_run"):
            hook._set_steps_per_run(4)
            assert hook._steps_per_run == 4
        assert isinstance(hook._timer, side.train.SecondOrStepTimer)
    assert hasattr(side.train.StepCounterHook, "_set_steps_per_run")
    assert hasattr(side.train.CheckpointSaverHook, "_set_steps_per_run")


def test_a_subclass_replaces_log_and_record(side, config, clock):
    op = train_op()
    seen = []

    class Counter(side.train.StepCounterHook):
        def _log_and_record(self, elapsed_steps, elapsed_time, global_step):
            seen.append((int(elapsed_steps), elapsed_time, int(global_step)))

    with monitored_session(side, [Counter(every_n_steps=2)], config) as session:
        for _ in range(5):
            clock.advance(1.0)
            session.run(op)
    assert seen == [(2, 2.0, 3), (2, 2.0, 5)]


def test_the_summary_hooks_show_their_writers(side, config, tmp_path):
    op = train_op()
    tf.summary.scalar("loss", 1.0)
    folder = str(tmp_path)
    scaffold = side.train.Scaffold()
    hooks = [
        side.train.StepCounterHook(output_dir=folder),
        side.train.SummarySaverHook(save_steps=1, output_dir=folder, scaffold=scaffold),
    ]
    creator = side.train.ChiefSessionCreator(scaffold, config=config)
    with side.train.MonitoredSession(creator, hooks) as session:
        session.run(op)
        for hook in hooks:
            assert hook._summary_writer is tf.summary.FileWriterCache.get(folder)
            assert hook._global_step_tensor is not None


def test_begin_can_be_overridden_and_called(side, config):
    op = train_op()
    seen = []

    class Logger(side.train.LoggingTensorHook):
        def begin(self):
            super().begin()
            seen.append(type(self._timer))

    with monitored_session(side, [Logger([op], every_n_iter=1)], config):
        pass
    assert seen == [side.train.SecondOrStepTimer]


def test_a_parameter_server_program_stops_at_its_step(side, config):
    op = train_op()
    hook = side.train.StopAtStepHook(num_steps=2)
    with monitored_session(side, [hook], config) as session:
        assert hook._last_step == 2
        while not session.should_stop():
            value = session.run(op)
    assert value == 2


@pytest.mark.parametrize("inner", [OURS, THEIRS], ids=["monitored hooks", "tensorflow hooks"])
def test_hooks_are_accepted_by_what_they_do(side, inner, config, tmp_path):
    op = train_op()
    scaffold = inner.train.Scaffold()
    hooks = [
        inner.train.StopAtStepHook(last_step=3),
        inner.train.CheckpointSaverHook(str(tmp_path), save_steps=1, scaffold=scaffold),
    ]
    creator = inner.train.ChiefSessionCreator(scaffold, config=config)
    with side.train.MonitoredSession(creator, hooks) as session:
        while not session.should_stop():
            session.run(op)
    assert side.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "model.ckpt-3")


def test_every_row_of_the_page_names_a_test_that_exists():
    rows = [line for line in DOC.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert len(rows) >= 15
    for row in rows:
        tests = re.findall(r"`(test_\w+)`", row.rsplit("|", 2)[1])
        assert tests, row
        assert all(callable(globals().get(test)) for test in tests), row
