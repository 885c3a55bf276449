"""The checker of code blocks notices what is wrong with a page, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools import commands, samples
from tools.forking import fork

ROOT = Path(__file__).resolve().parent.parent
LIMIT_SECS = 1800


def fence(language, *lines):
    return "\n".join([f"```{language}", *lines, "```", ""])


# Reading


def test_blocks_are_read_in_order_wherever_they_are():
    page = "\n".join([
        "# Title",
        "",
        fence("python", "print(1)"),
        fence("text", "1"),
        "- an item",
        "",
        "  ```json",
        "  {}",
        "  ```",
        "",
        ":::{rule} MTS-EXC-01 a title",
        ":since: 1.4",
        "",
        "A sentence.",
        "```sh",
        "true",
        "```",
        ":::",
        "",
        "```{code-block} ini",
        ":caption: a file",
        "",
        "[a]",
        "```",
        "",
        "````{note}",
        fence("yaml", "a: 1") + "````",
        "",
        "```{toctree}",
        "cluster",
        "```",
    ])  # fmt: skip
    found = samples.blocks_of(page)
    lines = page.splitlines()
    assert [block.language for block in found] == ["python", "text", "json", "sh", "ini", "yaml"]
    for block in found:
        assert lines[block.line - 1].strip() == block.code.splitlines()[0]
    assert [block.expected for block in found] == ["1\n", *[None] * 5]


def test_only_what_follows_directly_is_the_output():
    page = fence("python", "print(1)") + "It prints\n\n" + fence("text", "1")
    assert [block.expected for block in samples.blocks_of(page)] == [None, None]


def test_a_block_that_is_only_indented_has_no_language():
    (block,) = samples.blocks_of("A text:\n\n    python -m perf\n")
    assert (block.line, block.language, block.kind) == (3, "", "indented")


def test_code_in_sentences_is_read_with_its_line():
    text = "One `a`\nand `b\nc`.\n\n| `d` |\n|---|\n| `e` |\n"
    assert [code for _, code in samples.inline_code(text)] == ["a", "b c", "d", "e"]
    assert samples.inline_code(text)[0] == (1, "a")
    assert samples.inline_code(text)[1] == (2, "b c")


def test_examples_in_docstrings_are_programs():
    source = '"""A module.\n\n>>> 1 + 1\n2\n"""\n\n\ndef f():\n    """Do it.\n\n    ```json\n    {}\n    ```\n    """\n'
    found = samples.docstring_blocks(source)
    assert [(block.line, block.language, block.code) for block in found] == [
        (3, "python", "1 + 1\n"),
        (12, "json", "{}\n"),
    ]
    assert found[0].expected == "2\n"


# Comparing


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "b\n", False),
        ("a\n", "a", False),
        ("a\n", "a\na\n", False),
        ("a\n...\nb\n", "a\nb\n", True),
        ("a\n...\nb\n", "a\nx\ny\nb\n", True),
        ("a\n...\n", "b\n", False),
        ("a...\n", "ab\n", False),
        ("a.b\n", "acb\n", False),
    ],
)
def test_outputs_are_the_same_to_the_letter(shown, printed, same):
    assert (samples.difference(shown, printed) == "") == same


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        ("b 10.0   7%\na2   9 ms\n", True),
        ("a2 1 ms\nb 3 4%\n", True),
        ("a2 1 s\nb 3 4%\n", False),
        ("a2 1 ms\n", False),
        ("a2 1 ms\nc 3 4%\n", False),
        ("a3 1 ms\nb 3 4%\n", False),
    ],
)
def test_of_what_was_measured_only_the_words_are_the_same(printed, same):
    assert (samples.difference("a2 1.5 ms\nb 100   20%\n", printed, measured=True) == "") == same


# Data


@pytest.mark.parametrize(
    ("language", "good", "bad"),
    [
        ("json", "{}", "{"),
        ("yaml", "a: 1\n---\nb: 2", "a: ["),
        ("toml", "a = 1", "a = "),
        ("ini", "[a]\nb = 1", "b = 1"),
    ],
)
def test_data_is_parsed(language, good, bad):
    assert samples.parse(samples.Block(1, language, "", good)) == ""
    assert samples.parse(samples.Block(1, language, "", bad)) != ""


# Commands


def test_lines_of_a_script():
    script = "# all\na b \\\n  c  # d\n\ne 'f\ng'\n"
    assert [number for number, _ in commands.logical_lines(script)] == [1, 4]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a b", [["a", "b"]]),
        ("X=1 a", [["a"]]),
        ("a 'b; c' && d | e > file; f 2>&1 # g", [["a", "b; c"], ["d"], ["e"], ["f"]]),
        ("f() { a $1; }", [["a", "$1"]]),
        ("for i in 1 2; do a $i; done", [["a", "$i"]]),
        ("X=1", []),
    ],
)
def test_simple_commands_of_a_line(line, expected):
    assert [words for _, words in commands.simple_commands(line)] == expected


@pytest.mark.parametrize(
    "environment", ["conformance", "perf-check", "py311-tf215", "py310-tf212", "py313-tf221", "py312"]
)
def test_environments_of_tox_are_known(environment):
    assert commands.tox_commands(environment)


@pytest.mark.parametrize("environment", ["conformence", "py311-tf999", "tf1", "testenv", ""])
def test_other_environments_of_tox_are_not(environment):
    with pytest.raises(commands.WrongCommandError, match="no environment"):
        commands.tox_commands(environment)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("install tox", ""),
        ("install -e . --group conformance", ""),
        ("install -e .[examples]", ""),
        ("install monitored-session[examples]", ""),
        ("install --group nonsense", "no dependency group 'nonsense'"),
        ("install .[nonsense]", "no extra 'nonsense'"),
        ("install -r nonsense.txt", "no nonsense.txt"),
        ("instal tox", "no command instal"),
    ],
)
def test_arguments_of_pip(line, wrong):
    if wrong:
        with pytest.raises(commands.WrongCommandError, match=wrong):
            commands.check_pip(line.split())
    else:
        commands.check_pip(line.split())


@pytest.mark.parametrize(
    ("code", "is_one"),
    [
        ("python -m conformance mutants", True),
        ("MONITORED_STEP=plain python -m perf run", True),
        ("python tools/sizes.py", True),
        ("tox run -e test", True),
        ("pip install tox", True),
        ("python", False),
        ("tox.ini", False),
        ("session.run", False),
    ],
)
def test_what_looks_like_a_command(code, is_one):
    assert commands.looks_like_a_command(code) == is_one


# Processes


def test_a_process_that_does_not_end_is_ended():
    """Without a wait: the limit is over before it begins."""
    ended = fork(lambda tell: fork(lambda _: sys.stdin.read(), 0), 0)
    assert ended.status is None
    assert ended.why == "not done after 0 s"


# Whole pages

GOOD = {
    "python": fence("python", "print('one')", "x = 1") + fence("text", "one"),
    "namespace": fence("python", "x = 1") + fence("python", "print(x)") + fence("text", "1"),
    "folder": fence("python", "import os", "print(os.listdir())") + fence("text", "[]"),
    "both sides": fence("python", "import monitored as train", "print(train.StopAtStepHook.__name__)")
    + fence("text", "StopAtStepHook"),
    "graph of the page": fence("python", "import tensorflow.compat.v1 as tf", "print(tf.constant(1).op.type)")
    + fence("text", "Const"),
    "hard exit": fence("python", "import os", "print(1, flush=True)", "os._exit(0)") + fence("text", "1"),
    "text alone": fence("text", "anything"),
    "help": fence("sh", "python -m perf --help  # a comment"),
    "output of a command": fence("sh", "python tools/contract.py")
    + fence("text", "the reference keeps to what it may use of TensorFlow"),
    "parsed": fence("sh", "python -m perf run --only time_step", "python examples/cluster.py --logdir /nowhere/run"),
    "tox": fence("sh", "tox run -e perf -- --only time_step", "tox run -e test,static"),
    "pytest": fence("sh", "python -m pytest tests/test_project_sizes.py -k sizes"),
    "function": fence("sh", "start() { A=$1 python examples/cluster.py; }", "start ps"),
    "users": fence("sh", "python my_training.py --fast"),
    "sentence": "`python -m conformance draw` and `tox run -e perf` and `python -m perf report FILE.json`.\n",
}

WRONG = {
    "quotes that do not close": ('Run `python -m conformance "run`.\n', "No closing quotation"),
    "output": (fence("python", "print(1)") + fence("text", "2"), "the output"),
    "output on one side": (
        fence("python", "import monitored as train", "print(train.__name__)") + fence("text", "monitored"),
        "python on tf.train",
    ),
    "no output": (fence("python", "x = 1") + fence("text", "1"), "-1"),
    "output not shown": (fence("python", "print(1)"), "it prints"),
    "exception": ("# A title\n\n" + fence("python", "x = 1", "x.nonsense()"), "AttributeError"),
    "after an exception": (fence("python", "1 / 0") + fence("python", "x = 1"), "not run"),
    "no graph": (
        fence("python", "import tensorflow.compat.v1 as tf", "with tf.Graph().as_default(): pass", "tf.constant(1).op"),
        "eager execution",
    ),
    "syntax": (fence("python", "1 +"), "SyntaxError"),
    "exit code": (fence("python", "raise SystemExit(1)"), "SystemExit"),
    "hard exit": (fence("python", "import os", "os._exit(3)"), "exit code 3"),
    "language": (fence("cobol", "STOP RUN."), "'cobol'"),
    "no language": (fence("", "x"), "''"),
    "indented": ("Text:\n\n    x = 1\n", "an indented block"),
    "json": (fence("json", "{'a': 1}"), "JSONDecodeError"),
    "command": (fence("sh", "frobnicate --all"), "unknown command 'frobnicate'"),
    "function of another page": (fence("sh", "start ps"), "unknown command 'start'"),
    "python -c": (fence("sh", "python -c '1 +'"), "python -c: invalid syntax"),
    "command later in the line": (fence("sh", "cd docs && frobnicate"), "unknown command 'frobnicate'"),
    "shell": (fence("sh", "if true"), "bash -n"),
    "program": (fence("sh", "python -m nonsense"), "no program nonsense"),
    "script": (fence("sh", "python tools/nonsense.py"), "no program tools/nonsense.py"),
    "option": (fence("sh", "python -m perf run --nonsense"), "unrecognized arguments: --nonsense"),
    "choice": (fence("sh", "python -m crashes --kills 10 --plant nonsense"), "--plant must be one of"),
    "exit code of a command": (
        fence("sh", "python -m conformance replay conformance/regressions/nonsense.json"),
        "exit code 2",
    ),
    "output of a command": (fence("sh", "python tools/contract.py") + fence("text", "all is bad"), "the output"),
    "tox": (fence("sh", "tox run -e nonsense"), "no environment 'nonsense'"),
    "tox, behind --": (fence("sh", "tox run -e perf -- --nonsense"), "unrecognized arguments: --nonsense"),
    "tox, nothing behind --": (fence("sh", "tox run -e static -- --nonsense"), "take no arguments"),
    "pip": (fence("sh", "pip install -e . --group nonsense"), "no dependency group"),
    "pytest, path": (fence("sh", "python -m pytest tests/nonsense.py"), "there is no tests/nonsense.py"),
    "pytest, option": (fence("sh", "python -m pytest tests --nonsense"), "unrecognized arguments: --nonsense"),
    "pytest, nothing": (fence("sh", "pytest tests/test_project_sizes.py -k nonsense"), "selects no test"),
    "sentence": ("See `python -m perf run --nonsense`.\n", "unrecognized arguments: --nonsense"),
}


def check_pages(folder, pages, *options):
    """Run the program once: the findings of each page, and the process that has ended."""
    names = {name: folder / f"page{number}.md" for number, name in enumerate(pages)}
    for name, path in names.items():
        path.write_text(pages[name], encoding="utf-8")
    command = [sys.executable, "-m", "tools.samples", "--json", str(folder / "all.json"), *options]
    done = subprocess.run(
        [*command, *map(str, names.values())], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_SECS, check=False
    )
    reports = {report["page"]: report for report in json.loads((folder / "all.json").read_text(encoding="utf-8"))}
    return {name: reports[str(path)]["findings"] for name, path in names.items()}, done


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """What one run of the program says of all pages above, which takes as long as the machine is busy."""
    wrong = {f"wrong: {name}": page for name, (page, _) in WRONG.items()}
    return check_pages(tmp_path_factory.mktemp("pages"), {**GOOD, **wrong})


def failures(findings):
    return [f"{each['language']}: {each['message']}" for each in findings if each["outcome"] == "failed"]


@pytest.mark.parametrize("name", GOOD)
def test_a_good_page_passes(checked, name):
    findings, _ = checked
    assert findings[name]
    assert failures(findings[name]) == []


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_page_is_noticed(checked, name):
    findings, _ = checked
    said = failures(findings[f"wrong: {name}"])
    assert any(WRONG[name][1] in each for each in said), said


def test_a_page_that_does_not_end_is_noticed(tmp_path):
    """In a run of its own: a limit that it is worth waiting for would end other pages on a busy machine."""
    findings, done = check_pages(tmp_path, {"page": fence("python", "import signal", "signal.pause()")}, "--limit", "1")
    assert failures(findings["page"]) == ["python: not done after 1 s"]
    assert done.returncode == samples.FAILED


def test_failures_are_printed_with_their_place_and_how_to_look_again(checked):
    _, done = checked
    assert done.returncode == samples.FAILED
    place = next(line for line in done.stdout.splitlines() if ": exit code 3" in line)
    assert ".md:2: python: " in place
    assert f"again: python -m tools.samples {place.partition(':')[0]}" in done.stdout


def test_a_traceback_names_the_line_of_the_page(checked):
    findings, _ = checked
    (failed,) = (each for each in findings["wrong: exception"] if each["outcome"] == "failed")
    assert "line 5, in <module>" in failed["message"]
    assert "x.nonsense()" in failed["message"]
    assert "samples.py" not in failed["message"]


def test_the_parser_of_a_program_makes_no_folders(checked):
    assert not Path("/nowhere").exists()


def test_a_page_that_is_not_there(capsys):
    assert samples.main(["nonsense.md"]) == samples.USAGE
    assert "no such page" in capsys.readouterr().err


def test_all_pages_are_found():
    found = {path.relative_to(ROOT).as_posix() for path in samples.pages()}
    assert {"README.md", "docs/extras.md", "docs/results/README.md", "conformance/regressions/README.md"} <= found
