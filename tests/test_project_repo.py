"""The repository stands on its own, its tests do not wait, and the README tells the truth."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import samples, sizes

ROOT = Path(__file__).resolve().parent.parent
LONGEST_SLEEP_SECS = 0.05
SKIPPED = {".git", ".tox", ".venv", "build", "dist", "__pycache__"}

# Spelled in parts, so that this file does not contain them.
MACHINE_PATHS = re.compile(
    "|".join([r"\bsha" + "red/", r"(?<![\w.])/wo" + "rk/", r"/ro" + "ot/", r"(?<![\w.])/ho" + "me/"])
)


def files():
    """Every file of the repository; not of hidden folders, where tools make and delete folders at any time."""
    for folder, names, found in os.walk(ROOT):
        names[:] = sorted(name for name in names if not is_hidden(name))
        yield from (Path(folder, name) for name in sorted(found) if not is_hidden(name))


def is_hidden(name):
    return name in SKIPPED or (name.startswith(".") and name not in (".ci", ".gitignore")) or name.endswith(".egg-info")


def test_nothing_depends_on_one_machine():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in files()
        if path.suffix not in {".pyc", ".png"}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if MACHINE_PATHS.search(line)
    ]
    assert found == []


def constants(tree):
    """Module-level names that stand for a number."""
    return {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, int | float)
    }


def long_sleeps(source):
    """Each `time.sleep` of a source that is too long, or whose length cannot be read off.

    A line that says so sleeps on the virtual clock.
    """
    lines = source.splitlines()
    tree = ast.parse(source)
    known = constants(tree)
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) in ("time.sleep", "sleep")):
            continue
        if lines[node.lineno - 1].endswith("# on the virtual clock"):
            continue
        argument = node.args[0]
        secs = known.get(argument.id) if isinstance(argument, ast.Name) else getattr(argument, "value", None)
        if not isinstance(secs, int | float) or secs > LONGEST_SLEEP_SECS:
            yield f"line {node.lineno}: {ast.unparse(node)}"


def test_no_test_sleeps_long():
    found = [
        f"{path.relative_to(ROOT)} {sleep}"
        for folder in ("tests", "conformance")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for sleep in long_sleeps(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("time.sleep(0.01)", 0),
        ("WAIT = 0.05\ntime.sleep(WAIT)", 0),
        ("time.sleep(1)", 1),
        ("WAIT = 2\ndef f():\n    time.sleep(WAIT)", 1),
        ("time.sleep(f())", 1),
        ("time.sleep(9)  # on the virtual clock", 0),
    ],
)
def test_long_sleeps_are_noticed(source, count):
    assert len(list(long_sleeps(source))) == count


def test_the_pages_with_programs_print_what_they_say():
    """The build of the documentation checks all pages, this those whose programs users copy, on this TensorFlow."""
    command = [sys.executable, "-m", "tools.samples", "README.md", "docs/extras.md", "docs/crashes.md"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_program_of_the_readme_is_short():
    (program,) = samples.blocks("README.md", "python")
    assert len(program.strip().splitlines()) <= 15


def test_the_readme_shows_the_table_of_sizes():
    """Ours to the line; TensorFlow's as of the release it was counted with, so not compared here."""
    shown = re.findall(r"^\|.*\| [\d*,]+ \|.*\|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    ours = [row.split("|")[1:3] for row in shown]
    assert ours == [row.split("|")[1:3] for row in sizes.readme_table()[2:]], "run tools/sizes.py --readme"
