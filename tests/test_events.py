"""Event files beside those of tf.train's hooks (MTS-EVT)."""

import os
import re
import socket

import pytest
import tensorflow.compat.v1 as tf
from hosting import MONITORED, TENSORFLOW, comparable, events

import monitored
from conformance import disk_faults


def event_files(folder):
    return [name for name in os.listdir(folder) if name.startswith("events.out.")]


def save_and_count(run, folder, secs=1.0):
    hooks = [
        run.hooks.StepCounterHook(1, output_dir=folder),
        run.hooks.CheckpointSaverHook(folder, save_steps=9, saver=run.saver),
    ]
    with run.session(hooks) as session:
        run.step(session, secs=secs)
        run.step(session, secs=secs)


@pytest.mark.rule("MTS-EVT-01")
def test_sessions_of_a_process_share_a_writer(same):
    """The second goes on in the first one's file, without a new header."""

    def program(run):
        run.build_step()
        run.saver = tf.train.Saver()
        save_and_count(run, run.dir)
        save_and_count(run, run.dir)
        run.see(len(event_files(run.dir)))

    shown = same(program)
    kinds = [kind for _, kind, _ in shown["events"]]
    assert kinds.count("file_version") == 1
    assert shown["seen"] == [[("int", "1")]]


@pytest.mark.rule("MTS-EVT-01")
def test_a_directory_spelt_differently_has_another_writer(same):
    """The exact string counts."""

    def program(run):
        run.build_step()
        # In a folder that is not read back: two writers of one second may share a file name.
        inner = os.path.join(run.dir, "inner")
        for folder in (inner, inner + "/"):
            hook = run.hooks.StepCounterHook(output_dir=folder)
            hook.begin()
            run.see(hook._summary_writer is tf.summary.FileWriterCache.get(inner))

    assert [seen[0][1] for seen in same(program)["seen"]] == ["True", "False"]


@pytest.mark.rule("MTS-EVT-03")
def test_the_order_of_the_default_hooks_events(same):
    """Within a run the speed, then summaries, then the checkpoint."""

    def program(run):
        run.build_step()
        tf.summary.scalar("a", tf.constant(1.0))
        with run.host.MonitoredTrainingSession(
            checkpoint_dir=run.dir, save_checkpoint_steps=2, save_summaries_steps=2, log_step_count_steps=2
        ) as session:
            for _ in range(5):
                run.step(session, secs=1)

    oracle, ours = (
        [
            (step, kind, content if kind in ("summary", "session_log") else "")
            for step, kind, content in same.observe(program, which, which)["events"]
        ]
        for which in (TENSORFLOW, MONITORED)
    )
    assert ours == oracle
    assert len(ours) > 12


def train(run, summary_every, checkpoint_every, runs):
    """Run a session that writes summaries and saves, and close it."""
    run.build_step()
    run.saver = tf.train.Saver()
    summary = tf.summary.scalar("a", tf.constant(1.0))
    hooks = [
        run.hooks.SummarySaverHook(summary_every, output_dir=run.dir, summary_op=summary),
        run.hooks.CheckpointSaverHook(run.dir, save_steps=checkpoint_every, saver=run.saver),
    ]
    with run.session(hooks) as session:
        for _ in range(runs):
            run.step(session)


@pytest.mark.rule("MTS-EVT-04", "Q-37")
def test_what_is_on_disk_when_a_session_is_closed(same):
    """What the summaries' flush came after is not, however cleanly it ends."""

    def program(run):
        train(run, 1, 9, runs=1)
        run.see([(step, kind) for step, kind, _ in events(run.dir)])

    same(program)


@pytest.mark.rule("MTS-EVT-04", "Q-37")
@pytest.mark.parametrize("runs", [2, 3])
def test_a_checkpoint_of_the_last_run_is_on_disk(same, runs):
    """What `end` saves is not: the flush of the summaries came before it."""

    def program(run):
        train(run, 9, 2, runs)
        run.see([step for step, kind, log in events(run.dir) if kind == "session_log" and "CHECKPOINT" in log])

    assert same(program)["seen"] == [comparable([[0, 2]])]


@pytest.mark.rule("MTS-EVT-04")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("train", [tf.train, monitored], ids=["tf.train", "monitored"])
def test_events_that_cannot_be_written(train, tmp_path):
    """The flush at the end says so, and the process writes no more events there."""
    big = tf.Summary(value=[tf.Summary.Value(tag="x" * 1_000, simple_value=1.0)]).SerializeToString()
    folder = str(tmp_path / "events")

    def session(*hooks):
        hook = train.SummarySaverHook(1, output_dir=folder, summary_op=tf.constant(big))
        return train.MonitoredSession(hooks=[hook, *hooks])

    with tf.Graph().as_default():
        count = train.get_or_create_global_step().assign_add(1)
        later, ends = train.SessionRunHook(), []
        later.end = ends.append
        first = session(later)
        tf.summary.FileWriterCache.get(folder).flush()
        (name,) = event_files(folder)
        size = os.path.getsize(os.path.join(folder, name))
        with disk_faults.files_at_most(size + 100, folder):
            assert first.run(count) == 1
            with pytest.raises(IndexError, match="File too large"):
                first.close()
        assert ends == []
    size = os.path.getsize(os.path.join(folder, name))
    with tf.Graph().as_default():
        count = train.get_or_create_global_step().assign_add(1)
        with session() as second:
            assert second.run(count) == 1
    assert event_files(folder) == [name]
    assert os.path.getsize(os.path.join(folder, name)) == size


@pytest.mark.rule("MTS-EVT-05")
def test_the_name_of_an_event_file(same):
    """Ten digits of seconds, then the host."""

    def program(run):
        run.build_step()
        run.saver = tf.train.Saver()
        save_and_count(run, run.dir)
        (name,) = event_files(run.dir)
        run.see(re.sub(r"\d{10}", "<secs>", name, count=1))

    shown = same(program)["seen"][0][0][1]
    assert shown.startswith(f"events.out.tfevents.<secs>.{socket.gethostname()}")
