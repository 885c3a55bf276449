"""examples/digits.py as people run it: a process of its own, also one that is killed."""

import contextlib
import glob
import os
import re
import subprocess
import sys
import time

import pytest
import tensorflow.compat.v1 as tf

import monitored
from examples import digits

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STEPS = 2000
LONGER_THAN_IT_LIVES = 10**9
TIME_LIMIT_SECS = 600


def start(implementation, logdir, output, steps):
    """Start the example in its own process; what it prints goes to `output` and `output`.err."""
    command = [sys.executable, os.path.join(ROOT, "examples", "digits.py")]
    command += ["--implementation", implementation, "--logdir", str(logdir), "--steps", str(steps)]
    path = os.pathsep.join(filter(None, [os.path.join(ROOT, "reference"), os.getenv("PYTHONPATH")]))
    with open(output, "w") as out, open(f"{output}.err", "w") as err:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, "PYTHONPATH": path}
        )


@contextlib.contextmanager
def ended_in_any_case(process):
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def finished(process, output):
    """Wait for the example's end and return what it printed."""
    status = process.wait(TIME_LIMIT_SECS)
    with open(output) as out, open(f"{output}.err") as err:
        printed, complaints = out.read(), err.read()
    assert status == 0, complaints
    return printed, complaints


def kill_after_a_checkpoint_later_than(step, implementation, logdir, output):
    """Run the example, kill it once it has got on, and return the step it can resume at."""
    deadline = time.monotonic() + TIME_LIMIT_SECS
    with ended_in_any_case(start(implementation, logdir, output, LONGER_THAN_IT_LIVES)) as process:
        while _last_step(logdir) <= step:
            assert process.poll() is None, "ended before it was killed"
            assert time.monotonic() < deadline, "no checkpoint appeared"
            time.sleep(0.01)
        process.kill()
        assert process.wait(TIME_LIMIT_SECS) == -9
    return _last_step(logdir)


def _last_step(logdir):
    checkpoint = tf.train.latest_checkpoint(str(logdir))
    return int(checkpoint.rpartition("-")[2]) if checkpoint else -1


def variables(logdir):
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(logdir)))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def events(logdir):
    """Return what TensorBoard would read, less times and graphs."""
    (path,) = glob.glob(os.path.join(str(logdir), "events.out.tfevents.*"))
    records = []
    for event in tf.train.summary_iterator(path):
        what = event.WhichOneof("what")
        value = getattr(event, what)
        if what == "summary":
            value = [(v.tag, v.simple_value if "/sec" not in v.tag else None) for v in value.value]
        elif what == "session_log":
            value = (value.status, os.path.basename(value.checkpoint_path))
        else:
            value = None
        records.append((what, event.step, value))
    return records


def assert_bit_equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert ours[name].dtype == value.dtype, name
        assert ours[name].tobytes() == value.tobytes(), name


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """One uninterrupted run with each implementation: the folder and what was printed."""
    folders = {name: tmp_path_factory.mktemp(name) for name in digits.IMPLEMENTATIONS}
    with contextlib.ExitStack() as running:
        processes = {
            name: running.enter_context(ended_in_any_case(start(name, folder / "logs", folder / "out", STEPS)))
            for name, folder in folders.items()
        }
        return {name: (folder / "logs", *finished(processes[name], folder / "out")) for name, folder in folders.items()}


def test_learns_and_says_where_things_are(undisturbed):
    for logdir, printed, complaints in undisturbed.values():
        accuracy = float(re.match(rf"test accuracy (\S+) after {STEPS} steps\n", printed)[1])
        assert accuracy >= 0.95
        assert f"checkpoint {logdir}/model.ckpt-{STEPS}\n" in printed
        assert f"--logdir {logdir}\n" in printed
        # Neither a bar nor a log: standard error is no terminal.
        assert "training" not in complaints
        assert "INFO" not in complaints


def test_both_implementations_write_the_same(undisturbed):
    (ours, ours_printed, _), (theirs, theirs_printed, _) = (undisturbed[name] for name in digits.IMPLEMENTATIONS)
    assert ours_printed.replace(str(ours), "") == theirs_printed.replace(str(theirs), "")
    assert_bit_equal(variables(ours), variables(theirs))
    assert events(ours) == events(theirs)
    without_events = [
        sorted(name for name in os.listdir(logdir) if not name.startswith("events")) for logdir in (ours, theirs)
    ]
    assert without_events[0] == without_events[1]


def test_killed_and_resumed_ends_as_if_undisturbed(tmp_path):
    """Each implementation resumes after itself and after the other one."""
    logdir, step = tmp_path / "logs", 0
    killed = ["monitored", "monitored", "tensorflow", "tensorflow"]
    for number, implementation in enumerate(killed):
        output = tmp_path / f"out{number}"
        step = kill_after_a_checkpoint_later_than(step, implementation, logdir, output)
        assert step > 0
    output, steps = tmp_path / "last", step + 250
    with ended_in_any_case(start("monitored", logdir, output, steps)) as process:
        printed, _ = finished(process, output)
    assert printed.startswith(f"resumed at step {step}\n")
    digits.build_and_train(monitored, str(tmp_path / "undisturbed"), steps, seed=1)
    assert_bit_equal(variables(logdir), variables(tmp_path / "undisturbed"))


BAD_ARGUMENTS = {
    "--steps 0": "argument --steps: 0 is not between 1 and",
    "--steps many": "argument --steps: 'many' is not a whole number",
    "--seed -1": "argument --seed: -1 is not between 0 and",
    "--implementation torch": "argument --implementation: invalid choice: 'torch'",
    "--logdir /dev/null/x": "argument --logdir: '/dev/null/x' cannot be a folder: Not a directory",
    "--other": "unrecognized arguments: --other",
}


@pytest.mark.parametrize("argument", BAD_ARGUMENTS)
def test_bad_arguments(argument, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(SystemExit) as left:
        digits.main(argument.split())
    assert left.value.code == 2
    assert BAD_ARGUMENTS[argument] in capsys.readouterr().err


def test_help_tells_every_option_and_default(capsys):
    with pytest.raises(SystemExit) as left:
        digits.main(["--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    for part in ("--implementation", "--logdir", "--steps", "--seed", "default: 600", "resume"):
        assert part in text


@pytest.mark.parametrize("train", [monitored, tf.train], ids=["monitored", "tensorflow"])
def test_called_in_process(train, tmp_path):
    ended, steps = [], []

    class Hook(train.SessionRunHook):
        def end(self, session):
            ended.append(session.run(tf.train.get_global_step()))

    def call(**arguments):
        return digits.build_and_train(train, str(tmp_path), 20, 3, **arguments)

    outcome = call(hooks=(Hook(),), on_step=steps.append, save_checkpoint_steps=7)
    assert (outcome.first_step, outcome.last_step, ended) == (0, 20, [20])
    assert steps == list(range(21))
    assert outcome.checkpoint == str(tmp_path / "model.ckpt-20")
    # Nothing is left to do, so nothing is done.
    assert call()[:2] == (20, 20)
    assert train.latest_checkpoint(str(tmp_path)) == outcome.checkpoint
