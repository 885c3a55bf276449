"""The marker `rule`, and the results of rules that tools read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import rule_results

ROOT = Path(__file__).resolve().parent.parent
TESTS = """
import pytest

pytestmark = pytest.mark.rule("MTS-RUN-01")

@pytest.mark.rule("MTS-RUN-02", "Q-01")
@pytest.mark.parametrize("value", [1, 2, 3])
def test_value(value):
    assert value < 3

@pytest.mark.rule("MTS-RUN-01")
def test_skipped():
    pytest.skip("not here")

class TestClass:
    def test_one(self):
        pass

@pytest.fixture
def broken():
    yield
    raise ValueError

@pytest.mark.rule("MTS-RUN-03")
def test_torn_down(broken):
    pass
"""


def run(folder, text, *options):
    """Run pytest on a file of tests as a process of its own."""
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    (folder / "test_some.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "tools.rule_results", "-p", "no:randomly", "-q", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


def test_what_became_of_each_rule_is_written(tmp_path):
    (tmp_path / "conftest.py").write_text('def pytest_rules_json_facts():\n    return {"subject": "a fork"}\n')
    done = run(tmp_path, TESTS, "--rules-json=rules.json")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    written = json.loads((tmp_path / "rules.json").read_text())
    assert {"date", "versions", "command", "rules"} <= set(written)
    assert set(written["versions"]) == {"tensorflow", "python", "platform"}
    assert written["command"].startswith("python -m pytest ")
    assert written["subject"] == "a fork"
    value, skipped, one, torn_down = (
        f"test_some.py::{name}" for name in ("test_value", "test_skipped", "TestClass::test_one", "test_torn_down")
    )
    assert written["rules"] == {
        "MTS-RUN-01": {"passed": 3, "failed": 2, "skipped": 1, "tests": sorted([value, skipped, one, torn_down])},
        "MTS-RUN-02": {"passed": 2, "failed": 1, "skipped": 0, "tests": [value]},
        "MTS-RUN-03": {"passed": 0, "failed": 1, "skipped": 0, "tests": [torn_down]},
        "Q-01": {"passed": 2, "failed": 1, "skipped": 0, "tests": [value]},
    }


def test_the_folder_of_the_file_is_made_and_tests_may_go_elsewhere(tmp_path):
    done = run(tmp_path, "import os\n\ndef test():\n    os.chdir('/')\n", "--rules-json=not/yet/there.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "not" / "yet" / "there.json").read_text())["rules"] == {}


@pytest.mark.parametrize(
    ("path", "complaint"), [("file/x.json", "the folder of file/x.json cannot be made"), (".", "is a folder")]
)
def test_a_file_that_cannot_be_written_is_refused_before_any_test(tmp_path, path, complaint):
    (tmp_path / "file").touch()
    done = run(tmp_path, "def test():\n    open('ran', 'w')\n", f"--rules-json={path}")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert complaint in done.stdout + done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("'MTS-NO-99'", "test_some.py::test is marked with what is no rule: MTS-NO-99"),
        ("5", "no rule: 5"),
        ("", "takes ids, and at least one"),
        ("'MTS-RUN-01', also='MTS-RUN-02'", "takes ids, and at least one"),
    ],
)
def test_a_mark_that_names_no_rule_is_refused(tmp_path, arguments, complaint):
    text = f"import pytest\n\n@pytest.mark.rule({arguments})\ndef test():\n    pass\n"
    done = run(tmp_path, text)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert complaint in done.stdout + done.stderr


def results(**changed):
    entry = {"passed": 1, "failed": 0, "skipped": 2, "tests": ["tests/test_a.py::test"]}
    given = {"date": "2026-01-01", "versions": {"python": "3.12"}, "command": "python -m pytest a", "rules": {}}
    return {**given, "rules": {"MTS-RUN-01": entry}, **changed}


def test_results_of_several_runs_are_merged():
    other = {"passed": 2, "failed": 1, "skipped": 0, "tests": ["tests/test_b.py::test", "tests/test_a.py::test"]}
    second = results(
        date="2026-01-02", command="python -m pytest b", subject="s", rules={"MTS-RUN-01": other, "Q-01": other}
    )
    both = ["tests/test_a.py::test", "tests/test_b.py::test"]
    first = results(divergences={"DIV-02": 1, "DIV-01": 2})
    second["divergences"] = {"DIV-02": 3}
    assert rule_results.merge([first, second]) == {
        "date": "2026-01-02",
        "versions": {"python": "3.12"},
        "subject": "s",
        "command": "python -m pytest a && python -m pytest b",
        "divergences": {"DIV-01": 2, "DIV-02": 4},
        "rules": {
            "MTS-RUN-01": {"passed": 3, "failed": 1, "skipped": 2, "tests": both},
            "Q-01": {**other, "tests": both},
        },
    }


@pytest.mark.parametrize("changed", [{"versions": {"python": "3.10"}}, {"subject": "other"}])
def test_results_of_different_things_are_not_merged(changed):
    with pytest.raises(ValueError, match=rf"results of different {next(iter(changed))} cannot be merged"):
        rule_results.merge([results(subject="s"), results(**changed)])


def test_files_are_merged_from_the_command_line(tmp_path):
    paths = [str(tmp_path / name) for name in ("all.json", "a.json", "b.json")]
    for path in paths[1:]:
        rule_results.write(path, results())
    assert rule_results.main(paths) == 0
    assert json.loads(Path(paths[0]).read_text())["rules"]["MTS-RUN-01"]["passed"] == 2


def test_files_of_different_things_are_refused(tmp_path, capsys):
    paths = [str(tmp_path / name) for name in ("all.json", "a.json", "b.json")]
    for path, subject in zip(paths[1:], ("one", "other"), strict=True):
        rule_results.write(path, results(subject=subject))
    assert rule_results.main(paths) == 1
    assert "results of different subject cannot be merged" in capsys.readouterr().err
    assert not Path(paths[0]).exists()


def test_a_file_that_is_not_there_is_refused(tmp_path, capsys):
    merged, gone = tmp_path / "all.json", str(tmp_path / "gone.json")
    assert rule_results.main([str(merged), gone]) == 1
    assert gone in capsys.readouterr().err
    assert not merged.exists()
