"""Programs written for tf.compat.v1.train: with one import changed they print the same."""

import glob
import os
import subprocess
import sys

import pytest

from conformance.cluster.addresses import free_addresses

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAMS = os.path.join(ROOT, "tests", "programs")
IMPORTS = {"tensorflow": "from tensorflow.compat.v1 import train\n", "monitored": "import monitored as train\n"}
TIME_LIMIT_SECS = 600
ALONE = ["listener_stops", "own_hooks", "queue_input", "restore_from_file", "scaffold_init"]
TOGETHER = ["chief_and_worker"]


class Run:
    """One process of a program, under one implementation."""

    def __init__(self, program, implementation, folder, *arguments):
        with open(os.path.join(PROGRAMS, f"{program}.py")) as source:
            text = source.read()
        assert text.count(IMPORTS["tensorflow"]) == 1
        (folder / "logs").mkdir(parents=True)
        changed = folder / f"{program}.py"
        changed.write_text(text.replace(IMPORTS["tensorflow"], IMPORTS[implementation]))
        path = [os.path.join(ROOT, "reference"), os.getenv("PYTHONPATH")]
        self._output, self._complaints = folder / "out", folder / "err"
        with open(self._output, "w") as out, open(self._complaints, "w") as err:
            self._process = subprocess.Popen(
                [sys.executable, str(changed), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))},
            )

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self._process.kill()
        self._process.wait()

    def printed(self):
        """Wait for a good end and return what was printed."""
        status = self._process.wait(TIME_LIMIT_SECS)
        complaints = self._complaints.read_text()
        assert status == 0, complaints[-4000:]
        assert "Traceback" not in complaints, complaints[-4000:]
        return self._output.read_text()


@pytest.mark.parametrize("program", ALONE)
def test_program_prints_the_same(program, tmp_path):
    """Both implementations at once: each in a process and a folder of its own."""
    folders = {name: tmp_path / name for name in IMPORTS}
    with (
        Run(program, "tensorflow", folders["tensorflow"], folders["tensorflow"] / "logs") as theirs,
        Run(program, "monitored", folders["monitored"], folders["monitored"] / "logs") as ours,
    ):
        expected = theirs.printed()
        assert len(expected.splitlines()) > 5
        assert ours.printed() == expected


def cluster_prints(sides, folder):
    """Run a chief and a worker under the implementations given, and return what they printed."""
    addresses = free_addresses(2)
    signals = folder / "signals"
    signals.mkdir(parents=True)
    arguments = (*addresses, folder / "logs", signals)
    with (
        Run("chief_and_worker", sides[0], folder / "chief", "chief", *arguments) as chief,
        Run("chief_and_worker", sides[1], folder / "worker", "worker", *arguments) as worker,
    ):
        return chief.printed(), worker.printed()


def test_chief_and_worker_in_two_processes(tmp_path):
    expected = cluster_prints(("tensorflow", "tensorflow"), tmp_path / "theirs")
    assert "total 204.0" in expected[0]
    assert cluster_prints(("monitored", "monitored"), tmp_path / "ours") == expected
    # A cluster may change over one process at a time.
    assert cluster_prints(("monitored", "tensorflow"), tmp_path / "mixed") == expected


def test_every_program_is_run():
    found = {os.path.basename(path)[: -len(".py")] for path in glob.glob(f"{PROGRAMS}/*.py")}
    assert found == {*ALONE, *TOGETHER}
