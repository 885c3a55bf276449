"""The cluster of the example: real processes, real gRPC, real kills."""

import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import threading

import pytest
import tensorflow.compat.v1 as tf

from examples import cluster, digits
from tools.samples import blocks

TIME_LIMIT_SECS = 1200


def arguments(tmp_path, *more):
    fixed = ["--logdir", str(tmp_path), "--time-limit", str(TIME_LIMIT_SECS), "--workers", "1"]
    return cluster.parse_arguments([*fixed, *more])


class Lines:
    """What the processes printed, and somebody who waits for it."""

    def __init__(self):
        self.lines = []
        self._changed = threading.Condition()

    def __call__(self, task, line):
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def wait_for(self, pattern, after=0):
        """Wait until one of the lines after the first `after` matches; return how many there are up to it."""

        def found():
            numbers = (number for number, line in enumerate(self.lines[after:], after + 1) if re.search(pattern, line))
            return next(numbers, 0)

        with self._changed:
            number = self._changed.wait_for(found, TIME_LIMIT_SECS)
        assert number, f"no line {pattern} after {self.lines[:after][-1:]}"
        return number

    def accuracy(self):
        (found,) = re.findall(r"^test accuracy (.*)$", "\n".join(self.lines), re.MULTILINE)
        return float(found)


@pytest.mark.parametrize("implementation", digits.IMPLEMENTATIONS)
@pytest.mark.parametrize("how", [[], ["--sync"]], ids=["asynchronous", "synchronous"])
def test_it_learns_as_much_as_one_process(tmp_path, implementation, how):
    """Within 3 of 100 images, for the order of the batches is another one."""
    lines = Lines()
    steps = 300
    asked = arguments(tmp_path, "--steps", str(steps), "--implementation", implementation, *how)
    members = cluster.run_cluster(asked, on_line=lines)
    assert [member.starts for member in members.values()] == [1, 1, 1]
    alone = digits.build_and_train(tf.train, str(tmp_path / "alone"), steps, seed=1)
    assert lines.accuracy() > alone.test_accuracy - 0.03
    ended = {line.split(":")[0] for line in lines.lines if "ended after" in line}
    assert ended == {"chief 0", "worker 0"}
    checkpoint = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(tmp_path)))
    assert checkpoint.get_tensor("global_step") >= steps


def set_global_step(task, step):
    """Set it as another client of the parameter server that is `task`."""
    with tf.Graph().as_default(), tf.device("/job:ps/task:0"):
        assigned = tf.train.get_or_create_global_step().assign(step)
        config = tf.ConfigProto(device_filters=["/job:ps"])
        with tf.Session(f"grpc://{task.cluster['ps'][0]}", config=config) as session:
            session.run(assigned.op)


@pytest.mark.parametrize("implementation", digits.IMPLEMENTATIONS)
def test_it_survives_a_kill_of_each_role(tmp_path, implementation):
    """One after the other: the chief and the parameter server take the training back to a checkpoint."""
    lines = Lines()
    done = []
    steps = 10**9  # it ends when all are back, whoever is slow

    def kill_each(members):
        lines.wait_for("^worker 0: step ")
        for name, sign_of_life in (("chief 0", "trains"), ("ps 0", "serves"), ("worker 0", "trains")):
            seen = len(lines.lines)
            os.kill(members[name].pid, signal.SIGKILL)
            seen = lines.wait_for(f"^{name}: SIGKILL, starts again", seen)
            seen = lines.wait_for(f"^{name}: {sign_of_life}$", seen)
            lines.wait_for("^chief 0: step ", seen)
            done.append(name)
        lines.wait_for("^worker 0: step ", seen)
        lines.wait_for(r"^chief 0: step (1[5-9]|[2-9]\d|\d{3,})\d\d$", seen)  # at least 1500
        set_global_step(members["ps 0"].task, steps)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        killing = []
        asked = arguments(tmp_path, "--steps", str(steps), "--implementation", implementation)
        members = cluster.run_cluster(
            asked, on_line=lines, on_start=lambda members: killing.append(pool.submit(kill_each, members))
        )
        killing[0].result(TIME_LIMIT_SECS)
    assert done == ["chief 0", "ps 0", "worker 0"]
    # After the parameter server's kill the runtime may cancel a step, and then the process starts again.
    assert {name: member.starts - member.failures for name, member in members.items()} == dict.fromkeys(members, 2)
    assert members["ps 0"].failures == 0
    assert lines.accuracy() > 0.9
    assert tf.train.latest_checkpoint(str(tmp_path))
    for member in members.values():
        with pytest.raises(ProcessLookupError):
            os.kill(member.pid, 0)


@pytest.mark.parametrize(
    "tf_config",
    ["", "{}", "[]", '{"cluster": {}}', json.dumps({"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 1}})],
)
def test_a_tf_config_that_is_not_one(tf_config):
    with pytest.raises(ValueError, match="TF_CONFIG needs a cluster and a task that is in it"):
        cluster.task_from(tf_config)


def test_a_cluster_without_chief():
    config = {"cluster": {"ps": ["a:1"], "worker": ["b:1"]}, "task": {"type": "ps", "index": 0}}
    with pytest.raises(ValueError, match="needs a chief and a ps"):
        cluster.task_from(json.dumps(config))


def test_tasks_of_a_cluster_here():
    tasks = cluster.tasks_of(2, 3)
    assert [task.name for task in tasks] == ["ps 0", "ps 1", "chief 0", "worker 0", "worker 1", "worker 2"]
    assert len({address for found in tasks[0].cluster.values() for address in found}) == 6
    for task in tasks:
        assert cluster.task_from(task.as_tf_config()) == task
    assert {task.replicas for task in tasks} == {4}


def test_an_error_that_is_being_printed_spoils_no_line():
    program = "import sys; sys.stderr.write('Exception in '); sys.stderr.flush(); print('chief 0: ended', flush=True)"
    said, ended = [], threading.Event()

    def on_line(line):
        said.append(line)
        ended.set()

    member = cluster.Member(cluster.tasks_of(1, 0)[1], [sys.executable, "-c", program], on_line)
    member.start()
    assert ended.wait(TIME_LIMIT_SECS)
    member.end()
    assert said == ["chief 0: ended"]
    assert sorted(member.last_lines) == ["Exception in ", "chief 0: ended\n"]


def test_what_ends_with_an_error_starts_again_but_not_for_ever(tmp_path):
    lines = Lines()
    asked = arguments(tmp_path, "--restarts", "1")
    asked.logdir = __file__
    with pytest.raises(RuntimeError, match=r"(ps|chief) 0 ended with exit code 2:\n(?s:.*)cannot be a folder"):
        cluster.run_cluster(asked, on_line=lines)
    lines.wait_for("^(ps|chief) 0: exit code 2, starts again$")


def test_time_is_limited(tmp_path):
    asked = arguments(tmp_path, "--steps", "1000000")
    asked.time_limit = 1
    with pytest.raises(TimeoutError, match="not done after 1 s: chief 0, worker 0"):
        cluster.run_cluster(asked)


def test_the_tf_configs_of_the_page_are_ones():
    cluster_of_kubernetes = re.search(r"cluster: '(.*)'", blocks("docs/cluster.md", "yaml")[0])[1]
    values = re.findall(r"value: '(.*)'", blocks("docs/cluster.md", "yaml")[0])
    found = [value.replace("$(CLUSTER)", cluster_of_kubernetes).replace("$(INDEX)", "0") for value in values]
    assert [cluster.task_from(each).name for each in found] == ["ps 0", "worker 0"]
    script = blocks("docs/cluster.md", "sh")[1].replace(
        "python examples/cluster.py --logdir /data/run1", "printenv TF_CONFIG"
    )
    printed = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert [cluster.task_from(line).name for line in printed] == ["ps 0", "chief 0", "worker 0", "worker 1"]


@pytest.mark.parametrize("imported", ["from tensorflow.compat.v1 import train", "import monitored as train"])
def test_the_program_of_the_page_hangs_on_one_implementation(imported):
    program = blocks("docs/cluster.md", "python")[-1].replace("from tensorflow.compat.v1 import train", imported)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=600, check=True)
    expected = blocks("docs/cluster.md", "text")[-1]
    assert done.stdout == (expected if "tensorflow" in imported else expected.replace("True", "False"))
