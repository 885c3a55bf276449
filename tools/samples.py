"""Runs or checks every code block of the pages, so that what they show is true.

    python -m tools.samples                  all pages, and the docstrings of the reference
    python -m tools.samples docs/extras.md   some

- ```python blocks run as a script would, in a process a page: one namespace, in order, in an empty folder. A page
  that makes no graph itself (OWN_GRAPH) has one of its own as the default.
  A ```text block that follows directly is their exact output; a line `...` stands for any lines. Its
  numbers and the order of its lines may differ if it says ```text measured. A block that prints has its
  output below it.
- A page that has `import monitored as train` runs on `tf.train` as well, and must print the same.
- Commands in ```sh blocks, and those in `code` that begin like one, run in a copy of the repository if they
  are quick; of others the program's own parser reads the arguments. See tools/commands.py.
- ```json, ```yaml, ```toml and ```ini blocks are parsed. Other ```text blocks are left alone.
- A block without a language, or with another, is an error; so is one that is only indented.

It knows no TensorFlow but as something that is imported once, before the processes fork.

Exit codes: 0 all is well, 1 something is not, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import ast
import configparser
import contextlib
import difflib
import doctest
import json
import os
import re
import select
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from types import TracebackType

from markdown_it import MarkdownIt

from tools.commands import Commands, looks_like_a_command
from tools.forking import Tell, fork, output_to

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = {"build", "dist", "node_modules", "__pycache__"}
LIMIT_SECS = 300.0
OK, FAILED, USAGE = range(3)

LEFT_ALONE, PARSED, RUN, WRONG = "left alone", "parsed", "run", "failed"

SAME_ON_BOTH = "import monitored as train"
ON_TF_TRAIN = "from tensorflow.compat.v1 import train"

OWN_GRAPH = re.compile(r"\btf\.Graph\(\)|\bdisable_(?:eager_execution|v2_behavior)\(\)")
"""What pages have that do not rely on a default graph; TensorFlow 2 is eager without one."""

ADMONITIONS = {"note", "tip", "hint", "important", "warning", "caution", "admonition", "dropdown", "rule"}
"""Directives with Markdown in them; what is in others is not a page's own."""


@dataclass(frozen=True)
class Block:
    """A code block of a page. `line` is that of its first line of code; `language` is empty without one.

    `kind` is what the fence says behind the language. `expected` is the output that follows directly, and
    `measured` whether only its words are to be the same.
    """

    line: int
    language: str
    kind: str
    code: str
    expected: str | None = None
    measured: bool = False


@dataclass
class Finding:
    """What became of one block, or one command."""

    line: int
    language: str
    outcome: str
    message: str = ""


@dataclass
class Report:
    """What became of a page."""

    page: str
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, line: int, language: str, outcome: str, message: str = "") -> None:
        self.findings.append(Finding(line, language, outcome, message))

    @property
    def failures(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.outcome == WRONG]


# Reading


def blocks_of(text: str, first_line: int = 1) -> list[Block]:
    """Return the code blocks of a Markdown text in order, whatever they are nested in.

    The ```text block that directly follows a program is its output, and listed as a block too.
    """
    found: list[Block] = []
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    previous = None
    for token in tokens:
        if token.type == "code_block":
            found.append(Block(first_line + token.map[0], "", "indented", token.content))
        elif token.type == "fence":
            found += _fence(token.info.strip(), token.content, first_line + token.map[0] + 1)
        if token.type == "fence" and previous is not None and token.info.split()[:1] == ["text"]:
            program = found[-2]
            found[-2] = Block(
                program.line, program.language, program.kind, program.code, token.content, found[-1].kind == "measured"
            )
        previous = token if token.type == "fence" and token.info.split()[:1] in (["python"], ["sh"]) else None
    return found


def _fence(info: str, content: str, line: int) -> list[Block]:
    directive = re.match(r"\{([\w:-]+)\}\s*(\S*)", info)
    if directive is None:
        language, _, kind = info.partition(" ")
        return [Block(line, language, kind.strip(), content)]
    name, argument = directive.groups()
    if name in ("code-block", "code", "sourcecode"):
        options = re.match(r"(:[\w-]+:.*\n)*\n?", content)
        skipped = options[0] if options else ""
        return [Block(line + skipped.count("\n"), argument, "", content[len(skipped) :])]
    return blocks_of(content, line) if name in ADMONITIONS else []


def blocks(page: str | Path, language: str) -> list[str]:
    """Return the code of a page's blocks in one language; the page's path is from the repository's root."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [block.code for block in blocks_of(text) if block.language == language]


def inline_code(text: str) -> list[tuple[int, str]]:
    """Return (line, code) of what is in backticks within paragraphs, lists and tables."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "inline" and token.children:
            line = token.map[0] + 1 if token.map else 1
            for child in token.children:
                if child.type in ("softbreak", "hardbreak"):
                    line += 1
                elif child.type == "code_inline":
                    found.append((line, child.content))
    return found


def docstring_blocks(source: str) -> list[Block]:
    """Return what a module's docstrings show: fences, and the examples of `>>>` as python blocks."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            continue
        text = ast.get_docstring(node)
        if not text:
            continue
        line = node.body[0].lineno
        found += [block for block in blocks_of(text, line) if block.language]
        found += [
            Block(line + example.lineno, "python", "", example.source, example.want or None)
            for example in doctest.DocTestParser().get_examples(text)
        ]
    return found


def pages() -> list[Path]:
    """Return all pages of the repository: Markdown files outside of hidden folders and of what is built."""
    found = []
    for folder, names, files in os.walk(ROOT):  # below hidden folders, tools make and delete folders at any time
        names[:] = [name for name in names if name not in SKIPPED and not name.startswith(".")]
        found += [Path(folder, name) for name in files if name.endswith(".md") and not name.startswith(".")]
    return sorted(found)


def modules() -> list[Path]:
    """Return the modules of the reference whose docstrings show something that can be run."""
    return [
        path
        for path in sorted((ROOT / "reference").rglob("*.py"))
        if docstring_blocks(path.read_text(encoding="utf-8"))
    ]


# Programs


def difference(expected: str, output: str, measured: bool = False) -> str:
    """Return how an output differs from what the page shows; nothing where it does not."""
    if measured:
        expected, output = (_without_numbers(text) for text in (expected, output))
    if expected == output or (not measured and _pattern(expected).fullmatch(output)):
        return ""
    return "\n".join(
        line.rstrip("\n")
        for line in difflib.unified_diff(
            expected.splitlines(True), output.splitlines(True), "the page", "the output", n=2
        )
    )


def _pattern(expected: str) -> re.Pattern[str]:
    """The outputs that a text stands for: a line `...` is any number of lines."""
    return re.compile(
        "".join(r"(?:.*\n)*?" if line == "...\n" else re.escape(line) for line in expected.splitlines(True))
    )


def _without_numbers(text: str) -> str:
    """The lines in the order of the alphabet, each number an N, whatever the columns are filled up with."""
    lines = [re.sub(r"\s+", " ", re.sub(r"(?<![A-Za-z_])\d[\d.,]*", "N", line)).strip() for line in text.splitlines()]
    return "".join(line + "\n" for line in sorted(lines))


def run_python(page: str, found: list[Block], report: Report, limit: float, on_tf_train: bool = False) -> None:
    """Run the python blocks of a page in a process of their own, and add what became of each."""
    where = "python on tf.train" if on_tf_train else "python"
    with tempfile.TemporaryDirectory(prefix="samples-") as folder:
        ended = fork(lambda tell: _run_blocks(page, found, folder, on_tf_train, tell), limit)
        for number, block in enumerate(found):
            output, log = (
                path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
                for path in (Path(folder, f"{number}.out"), Path(folder, f"{number}.err"))
            )
            # os._exit(0) in the last block is an end like any other
            if number >= len(ended.told) and not (number == len(found) - 1 and ended.status == 0):
                report.add(block.line, where, WRONG, _indented(log, ended.why))
                for later in found[number + 1 :]:
                    report.add(later.line, where, WRONG, f"not run, since the block in line {block.line} failed")
                return
            wrong = difference(block.expected or "", output, block.measured)
            if wrong and block.expected is None:
                wrong = "it prints, and no ```text block follows directly that shows what:\n" + output
            report.add(block.line, where, WRONG if wrong else RUN, wrong)


def _run_blocks(page: str, found: list[Block], folder: str, on_tf_train: bool, tell: Tell) -> None:
    """In the process of a page: run the blocks, each with an output of its own; tell of each that is done."""
    work, temporary = Path(folder, "work"), Path(folder, "tmp")
    work.mkdir()
    temporary.mkdir()
    os.chdir(work)
    os.environ["TMPDIR"] = str(temporary)
    tempfile.tempdir = None
    warnings.simplefilter("ignore")
    with contextlib.ExitStack() as stack:
        if not any(OWN_GRAPH.search(block.code) for block in found):
            import tensorflow.compat.v1 as tf  # noqa: PLC0415 - is there already

            stack.enter_context(tf.Graph().as_default())
        _run_each(page, found, folder, on_tf_train, tell)


def _run_each(page: str, found: list[Block], folder: str, on_tf_train: bool, tell: Tell) -> None:
    namespace: dict[str, object] = {"__name__": "__main__"}
    for number, block in enumerate(found):
        for stream, name in ((1, "out"), (2, "err")):
            output_to(os.path.join(folder, f"{number}.{name}"), stream)
        code = block.code.replace(SAME_ON_BOTH, ON_TF_TRAIN) if on_tf_train else block.code
        try:
            exec(compile("\n" * (block.line - 1) + code, page, "exec"), namespace)
        except BaseException as error:
            if not (isinstance(error, SystemExit) and error.code in (None, 0)):
                traceback.print_exception(error.with_traceback(_below_this(error)))
                sys.exit(1)
        sys.stdout.flush()
        sys.stderr.flush()
        tell(str(number))


def _below_this(error: BaseException) -> TracebackType | None:
    return error.__traceback__.tb_next if error.__traceback__ else None


def _indented(log: str, why: str) -> str:
    lines = log.rstrip().splitlines()[-30:]
    return "\n".join([why, *("  " + line for line in lines)])


# Data


def parse(block: Block) -> str:
    """Return why a block of data cannot be parsed; nothing where it can."""
    try:
        PARSERS[block.language](block.code)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _parse_yaml(text: str) -> None:
    import yaml  # noqa: PLC0415 - only pages with YAML need it

    for _ in yaml.safe_load_all(text):
        pass


def _parse_toml(text: str) -> None:
    try:
        import tomllib  # noqa: PLC0415 - since Python 3.11
    except ImportError:
        import tomli as tomllib  # noqa: PLC0415 - before it
    tomllib.loads(text)


def _parse_ini(text: str) -> None:
    configparser.ConfigParser(interpolation=None).read_string(text)


PARSERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "yaml": _parse_yaml,
    "toml": _parse_toml,
    "ini": _parse_ini,
}


# Pages


def check_page(path: Path, limit: float, commands: Commands) -> Report:
    """Run and check all blocks of a page, or of a module's docstrings."""
    start = time.monotonic()
    page = _name(path)
    report = Report(page)
    text = path.read_text(encoding="utf-8")
    found = docstring_blocks(text) if path.suffix == ".py" else blocks_of(text)
    programs = [block for block in found if block.language == "python"]
    if programs:
        run_python(str(path), programs, report, limit)
        if any(SAME_ON_BOTH in block.code for block in programs):
            run_python(str(path), programs, report, limit, on_tf_train=True)
    for block in found:
        _check_block(block, report, commands)
    if path.suffix != ".py":
        for line, code in inline_code(text):
            if looks_like_a_command(code):
                wrong = commands.check_inline(code)
                report.add(line, "code", WRONG if wrong else PARSED, wrong)
    report.seconds = time.monotonic() - start
    return report


def check_pages(asked: list[Path], limit: float, copy: Path, jobs: int) -> Iterator[tuple[int, Report]]:
    """Check pages in forked processes; yield the number of each page and its report as they are done.

    RuntimeError if a process ends before its pages are done.
    """
    texts = [path.read_text(encoding="utf-8") for path in asked]
    order = sorted(range(len(asked)), key=lambda number: -texts[number].count("```"))  # the long ones first
    waiting, fill = os.pipe()
    os.write(fill, b"".join(number.to_bytes(2, "big") for number in order))
    os.close(fill)
    workers = {}
    for _ in range(min(jobs, len(asked))):
        reading, writing = os.pipe()
        sys.stdout.flush()
        if (child := os.fork()) == 0:
            _work(asked, limit, copy, waiting, writing)
        os.close(writing)
        workers[child] = os.fdopen(reading, encoding="utf-8")
    os.close(waiting)
    left = set(order)
    files = list(workers.values())
    while files:
        for file in select.select(files, [], [])[0]:
            line = file.readline()  # a worker writes whole lines
            if not line:
                files.remove(file)
                continue
            number, page, findings, seconds = json.loads(line)
            left.discard(number)
            yield number, Report(page, [Finding(*each) for each in findings], seconds)
    for child, file in workers.items():
        file.close()
        os.waitpid(child, 0)
    if left:
        raise RuntimeError(f"not checked, for the process that did it ended: {', '.join(str(asked[n]) for n in left)}")


def _work(asked: list[Path], limit: float, copy: Path, waiting: int, writing: int) -> None:
    """In a forked process: check pages while there are any."""
    status = 1
    try:
        commands = Commands(copy, LIMIT_SECS)
        while number := os.read(waiting, 2):
            place = int.from_bytes(number, "big")
            report = check_page(asked[place], limit, commands)
            findings = [astuple(finding) for finding in report.findings]
            line = json.dumps([place, report.page, findings, report.seconds]).encode() + b"\n"
            while line:
                line = line[os.write(writing, line) :]
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _check_block(block: Block, report: Report, commands: Commands) -> None:
    if block.language in PARSERS:
        wrong = parse(block)
        report.add(block.line, block.language, WRONG if wrong else PARSED, wrong)
    elif block.language == "sh":
        _check_commands(block, report, commands)
    elif block.language == "text":
        report.add(block.line, "text", LEFT_ALONE)
    elif block.language != "python":
        what = "an indented block" if block.kind == "indented" else f"a block of language {block.language!r}"
        known = ", ".join(("python", "sh", "text", *PARSERS))
        report.add(block.line, block.language or "none", WRONG, f"{what}: write ```LANGUAGE, one of {known}")


def _check_commands(block: Block, report: Report, commands: Commands) -> None:
    checked = commands.check_script(block.code, block.line)
    for command in checked:
        report.add(command.line, "sh", WRONG if command.wrong else command.how, command.wrong)
    if block.expected is not None and all(command.how == RUN and not command.wrong for command in checked):
        output = "".join(command.output for command in checked)
        if wrong := difference(block.expected, output, block.measured):
            report.add(block.line, "sh", WRONG, wrong)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def print_failures(report: Report) -> None:
    """Print what is wrong with a page, and how to check it again."""
    for finding in report.failures:
        head, *rest = finding.message.splitlines() or ["failed"]
        print(f"\n{report.page}:{finding.line}: {finding.language}: {head}")
        for line in rest:
            print("    " + line)
    if report.failures:
        print(f"\nagain: python -m tools.samples {report.page}\n", flush=True)


def print_table(reports: list[Report]) -> None:
    """Print how many blocks and commands of each page did what."""
    rows = [("page", "run", "parsed", "left alone", "failed", "seconds")]
    totals: Counter[str] = Counter()
    for report in reports:
        counts = Counter(finding.outcome for finding in report.findings)
        totals.update(counts)
        rows.append((report.page, *_counted(counts), f"{report.seconds:.1f}"))
    rows.append(("all", *_counted(totals), f"{sum(report.seconds for report in reports):.1f}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print(row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)))


def _counted(counts: Counter[str]) -> tuple[str, ...]:
    return tuple(str(counts[outcome]) for outcome in (RUN, PARSED, LEFT_ALONE, WRONG))


@contextlib.contextmanager
def copy_of_the_repository() -> Iterator[Path]:
    """A copy in which commands may write: the files that are not hidden and not built."""
    with tempfile.TemporaryDirectory(prefix="samples-copy-") as folder:
        copy = Path(folder, "copy")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*SKIPPED, ".*", "*.egg-info"))
        yield copy


@contextlib.contextmanager
def _no_log() -> Iterator[None]:
    """Lets go what this process, not only its Python, writes to stderr."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def start_tensorflow() -> None:
    """Import TensorFlow, quietly, and start nothing of it, so that processes can be forked."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    paths = [str(ROOT / "reference"), str(ROOT)]
    sys.path[:0] = paths
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])
    with warnings.catch_warnings(), _no_log():
        warnings.simplefilter("ignore")
        import tensorflow.compat.v1 as tf  # noqa: PLC0415 - after the environment is set
    tf.logging.set_verbosity(tf.logging.ERROR)


def main(line: list[str] | None = None) -> int:
    """Check the pages; return the exit code."""
    parser = argparse.ArgumentParser(
        "python -m tools.samples", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE", help="Markdown files, or modules (default: all)")
    parser.add_argument("--limit", type=float, default=LIMIT_SECS, help="seconds for a page's programs (%(default)g)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="pages at a time (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what became of each block there")
    options = parser.parse_args(line)
    asked = [path.resolve() for path in options.pages] or [*pages(), *modules()]
    if missing := [str(path) for path in asked if not path.is_file()]:
        print(f"no such page: {', '.join(missing)}", file=sys.stderr)
        return USAGE
    start_tensorflow()
    done: dict[int, Report] = {}
    with copy_of_the_repository() as copy:
        for number, report in check_pages(asked, options.limit, copy, max(1, options.jobs)):
            done[number] = report
            said = f"{len(report.failures)} failed" if report.failures else "ok"
            print(f"[{len(done)}/{len(asked)}] {report.page}: {said}, {report.seconds:.1f} s", flush=True)
            print_failures(report)
    reports = [done[number] for number in range(len(asked))]
    print()
    print_table(reports)
    if options.json:
        options.json.write_text(json.dumps([asdict(report) for report in reports], indent=1) + "\n", encoding="utf-8")
    return FAILED if any(report.failures for report in reports) else OK


if __name__ == "__main__":
    sys.exit(main())
