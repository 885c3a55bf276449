"""Checks the command lines that pages show.

- A command that is quick (QUICK) runs in a copy of the repository and must end with exit code 0.
- Another program of this repository reads its arguments with its own parser, and is stopped there.
- A tox environment must be in tox.ini; what stands behind `--` is checked as part of the environment's command.
- pytest reads its options; where tests are selected within a file or a small folder, there must be some.
- The groups, extras and files that pip is given must exist.
- Other tools are only known by name (LEFT_ALONE), and anything else is an error.

It knows nothing of pages: see tools/samples.py.
"""

from __future__ import annotations

import argparse
import configparser
import importlib
import importlib.util
import os
import re
import runpy
import shlex
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.forking import Ended, Tell, fork, output_to

ROOT = Path(__file__).resolve().parent.parent

QUICK = re.compile(
    r"""python\ (?:
        .*\ (?:--help|--list|--list-plants)
      | tools/(?:contract|sizes)\.py(?:\ --check)?
      | -m\ conformance\ bad-input\ --filter\ \S+
      | -m\ conformance\ replay\ conformance/\S+
      | -m\ (?:conformance|perf)\ report\ (?:docs|perf)/\S+(?:\ --html\ \S+|\ --out\ \S+)?
    )""",
    re.VERBOSE,
)
"""Commands that run: all is there that they need, and they are done in seconds."""

LEFT_ALONE = {
    *("bash", "cat", "cd", "cp", "docker", "echo", "export", "git", "grep", "kill", "kubectl", "less", "lint-imports"),
    *("ls", "mkdir", "mv", "mypy", "printenv", "printf", "rm", "ruff", "set", "sleep", "source", "sphinx-build"),
    *("tensorboard", "true", "ulimit", "unset", "wait", "xdg-open"),
}
"""Tools that are no part of the project, and known by name only."""

WRAPPERS = {"env", "nohup", "exec", "time", "timeout", "nice"}
KEYWORDS = {"do", "then", "else", "elif", "while", "until", "if", "!", "{", "(", "time"}
ENDS = {"done", "fi", "}", ")", "esac"}
OPERATORS = {";", "&&", "||", "|", "&", ";;", "(", ")", "()"}
REDIRECTIONS = {">", ">>", "<", ">&", "&>", "<<<", ">|"}
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
USERS_OWN = re.compile(r"(.*/)?(my|your)_\w+.*")
"""Names of programs and modules that only the reader has."""

LOOKS_LIKE_A_COMMAND = re.compile(r"(?:[A-Z_]+=\S+ )*(?:python3? (?:-m \w|\S+\.py\b)|tox |pip install |pytest \S)")


class WrongCommandError(Exception):
    """A command line that would not work."""


@dataclass(frozen=True)
class Checked:
    """What became of a command line: whether it ran, was parsed or only known; what is wrong; what it printed."""

    line: int
    how: str
    wrong: str = ""
    output: str = ""


RAN, PARSED, KNOWN = "run", "parsed", "left alone"


class Commands:
    """Checks command lines, each only once."""

    def __init__(self, copy: Path, limit: float) -> None:
        self._copy = copy
        self._limit = limit
        self._known: dict[tuple[str, frozenset[str]], Checked] = {}

    def check_script(self, text: str, first_line: int = 1) -> list[Checked]:
        """Check each command of a shell script, one a line, and the syntax of all."""
        checked = []
        functions: set[str] = set()
        bad = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
        if bad.returncode:
            return [Checked(first_line, PARSED, f"bash -n: {bad.stderr.strip()}")]
        for number, line in logical_lines(text):
            functions |= set(re.findall(r"^(?:function )?([A-Za-z_]\w*) ?\(\)", line))
            checked.append(self._check_line(line, first_line + number, functions))
        return checked

    def check_inline(self, code: str) -> str:
        """Return what is wrong with a command within a sentence; its arguments may be left out or cut short."""
        words = shlex.split(code, comments=True)
        while ASSIGNMENT.fullmatch(words[0]):
            del words[0]
        program = 3 if words[1:2] == ["-m"] else 2
        if "..." in code or (words[0].startswith("python") and len(words) == program):
            words = words[:program]
            if not words[0].startswith("python"):
                return ""
        try:
            self._check(words, bare=len(words) == program)
        except WrongCommandError as error:
            return "" if LEFT_OUT.search(str(error)) else f"{code}\n{error}"
        return ""

    def _check_line(self, line: str, number: int, functions: set[str]) -> Checked:
        key = (line, frozenset(functions))  # a script's own functions are not those of another
        if key not in self._known:
            try:
                self._known[key] = self._checked(line, functions)
            except (WrongCommandError, ValueError) as error:
                self._known[key] = Checked(0, PARSED, f"{line}\n{error}")
        known = self._known[key]
        return Checked(number, known.how, known.wrong, known.output)

    def _checked(self, line: str, functions: set[str]) -> Checked:
        simple = list(simple_commands(line))
        hows = []
        for environment, words in simple:
            if words[0] in functions:
                hows.append(KNOWN)
            elif len(simple) == 1 and QUICK.fullmatch(" ".join(words)):
                return self._run(words, environment)
            else:
                hows.append(self._check(words))
        return Checked(0, PARSED if PARSED in hows else KNOWN)

    def _check(self, words: Sequence[str], bare: bool = False) -> str:
        """Return how a command was checked, or raise WrongCommandError; a `bare` one has its arguments left out."""
        program, *rest = words
        if program in WRAPPERS:
            while rest and (rest[0].startswith("-") or ASSIGNMENT.fullmatch(rest[0]) or re.match(r"\d", rest[0])):
                del rest[0]
            return self._check(rest) if rest else KNOWN
        if [program, *rest[:2]] == ["git", "bisect", "run"]:
            return self._check(rest[2:])
        if program in ("python", "python3"):
            return self._check_python(rest, bare)
        own = {"pytest": self._check_pytest, "tox": self._check_tox, "pip": check_pip, "pip3": check_pip}
        if program in own:
            return own[program](rest)
        if program in LEFT_ALONE or USERS_OWN.fullmatch(program):
            return KNOWN
        raise WrongCommandError(f"unknown command {program!r}: correct it, or add it to tools/commands.py")

    def _check_python(self, words: list[str], bare: bool) -> str:
        while words and words[0] in ("-u", "-B", "-W", "-X"):
            words = words[2:] if words[0] in ("-W", "-X") else words[1:]
        if not words or words[0] in ("-V", "--version"):
            return KNOWN
        if words[0] == "-c":
            try:
                compile(" ".join(words[1:2]), "-c", "exec")
            except SyntaxError as error:
                raise WrongCommandError(f"python -c: {error}") from error
            return PARSED
        if words[0] == "-m":
            module, *arguments = words[1:]
            if module in ("pip", "pytest", "tox"):
                return self._check([module, *arguments])
            if module == "venv":
                return KNOWN
            source = source_of_module(module)
        else:
            module, *arguments = words
            source = ROOT / module
        if USERS_OWN.fullmatch(module):
            return KNOWN
        if source is None or not source.is_file():
            raise WrongCommandError(f"there is no program {module}")
        return PARSED if bare else self._parse(words[0] == "-m", module, source, arguments)

    def _parse(self, is_module: bool, module: str, source: Path, arguments: list[str]) -> str:
        """Let a program of this repository read its arguments, and no more."""
        text = source.read_text(encoding="utf-8")
        if not re.search(r"\bparse_args\(", text):
            if not arguments or "sys.argv" in text:
                return KNOWN  # to see whether it takes them it would have to run
            raise WrongCommandError(f"{module} has no parser that could read {shlex.join(arguments)}")
        if is_module:  # all parsers of a program are then quick
            importlib.import_module(f"{module}.__main__" if source.name == "__main__.py" else module)
        ended, said = self._forked(lambda log, tell: _parse_here(is_module, module, source, arguments, log, tell))
        if not ended.told and ended.status == 0:  # --help
            return PARSED
        if ended.told[:1] != ["parsed"]:
            raise WrongCommandError(f"its parser refuses that: {last_lines(said, 3)}")
        if ended.told[1:]:
            raise WrongCommandError(ended.told[1])
        return PARSED

    def _forked(self, work: Callable[[str, Tell], None]) -> tuple[Ended, str]:
        """Do `work`, which gets the path of its log, in a forked process; return its end and its log."""
        with tempfile.TemporaryDirectory(prefix="samples-log-") as folder:
            log = os.path.join(folder, "log")
            ended = fork(lambda tell: work(log, tell), self._limit)
            return ended, Path(log).read_text(encoding="utf-8", errors="replace").strip()

    def _check_pytest(self, words: list[str]) -> str:
        paths = [word.partition("::")[0] for word in words if not word.startswith("-") and "/" in word]
        for path in paths:
            if not (ROOT / path).exists() and not USERS_OWN.search(path):
                raise WrongCommandError(f"there is no {path}")
        # collecting all tests takes a minute
        selects = not {"tests", "conformance"} & set(words) and any(
            re.match(r"-[km]\b|--deselect", word) or "::" in word for word in words
        )
        # --markers reads all options, and then prints something in place of collecting tests
        arguments = [*words, *(["--collect-only", "-q"] if selects else ["--markers"])]
        ended, said = self._forked(lambda log, _: _pytest_here(self._copy, arguments, log))
        if ended.status == 5:
            raise WrongCommandError("it selects no test")
        if ended.status != 0:
            raise WrongCommandError(f"pytest, {ended.why}: {last_lines(said, 5)}")
        return PARSED

    def _check_tox(self, words: list[str]) -> str:
        own, behind = words, None
        if "--" in words:
            at = words.index("--")
            own, behind = words[:at], words[at + 1 :]
        if own[:1] in (["list"], ["l"]) or own == ["--help"]:
            return KNOWN
        command = own[0] if own and not own[0].startswith("-") else "run"
        if command not in ("run", "r", "exec", "e", "run-parallel", "p"):
            raise WrongCommandError(f"tox has no command {command}")
        named = re.findall(r"(?:^| )-e[ =]?(\S+)", " ".join(own))
        for name in (part for each in named for part in each.split(",")):
            commands = tox_commands(name)
            if behind is None:
                continue
            if command in ("exec", "e"):
                self._check(behind)
                continue
            with_arguments = [each for each in commands if POSARGS.search(each)]
            if not with_arguments:
                raise WrongCommandError(f"the commands of tox environment {name} take no arguments: {commands}")
            for each in with_arguments:
                text = POSARGS.sub(lambda _: shlex.join(behind), each)
                self._check(shlex.split(text.replace("{tox_root}", ".")))
        return PARSED

    def _run(self, words: list[str], environment: dict[str, str]) -> Checked:
        command = [sys.executable, *words[1:]] if words[0].startswith("python") else words
        paths = [str(self._copy / "reference"), str(self._copy)]
        try:
            done = subprocess.run(
                command, cwd=self._copy, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                timeout=self._limit, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Checked(0, RAN, f"{shlex.join(words)}\nnot done after {self._limit:g} s")
        wrong = ""
        if done.returncode:
            wrong = f"{shlex.join(words)}\nexit code {done.returncode}: {last_lines(done.stdout + done.stderr, 12)}"
        return Checked(0, RAN, wrong, done.stdout)


LEFT_OUT = re.compile(r"the following arguments are required: .*\Z|: expected (one|at least one) argument\Z")
"""What argparse says of a command of which only the beginning is there."""

REWRITTEN = "ignore::pytest.PytestAssertRewriteWarning"
"""Some of what pytest would rewrite was imported before."""

POSARGS = re.compile(r"\{posargs(:[^}]*)?\}")


def looks_like_a_command(code: str) -> bool:
    """Whether what a sentence has in backticks is meant as a command line of a program that is known here."""
    return bool(LOOKS_LIKE_A_COMMAND.match(code))


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (offset, line) of a script, continuation lines and quotes over several lines joined, comments left out."""
    kept, start = "", 0
    for number, line in enumerate(text.splitlines()):
        start = start if kept else number
        kept += line
        if kept.endswith("\\"):
            kept = kept[:-1]
            continue
        try:
            words = list(_words(kept))
        except ValueError:  # no closing quotation yet
            kept += "\n"
            continue
        if words:
            yield start, kept
        kept = ""
    if kept:
        yield start, kept


def _words(line: str) -> Iterator[str]:
    reader = shlex.shlex(line, posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    yield from reader


def simple_commands(line: str) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Yield (environment, words) of each command of a line, without operators, keywords and redirections."""
    words: list[str] = []
    reading = list(_words(line))
    while reading:
        word = reading.pop(0)
        if word == "()":  # the name of a function goes before
            words = []
        elif word in OPERATORS:
            yield from _simple(words)
            words = []
        elif word in REDIRECTIONS:
            if words and words[-1].isdigit():
                words.pop()
            reading[:1] = []
        else:
            words.append(word)
    yield from _simple(words)


def _simple(words: list[str]) -> Iterator[tuple[dict[str, str], list[str]]]:
    words = list(words)
    environment = {}
    while words and (words[0] in KEYWORDS or ASSIGNMENT.fullmatch(words[0])):
        name, equals, value = words.pop(0).partition("=")
        if equals:
            environment[name] = value
    if words and words[0] not in ENDS and words[0] not in ("for", "case", "function"):
        yield environment, words


def source_of_module(name: str) -> Path | None:
    """The file that `python -m name` runs; None if there is none in this repository."""
    if USERS_OWN.fullmatch(name):
        return None
    path = ROOT.joinpath(*name.split("."))
    for file in (path / "__main__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    return None


def _parse_here(is_module: bool, module: str, source: Path, arguments: list[str], log: str, tell: Tell) -> None:
    """In a forked process: start the program, and end when it has read its arguments."""
    for stream in (1, 2):
        output_to(log, stream)
    os.chdir(ROOT)
    warnings.simplefilter("ignore")
    parse = argparse.ArgumentParser.parse_args

    def only_parse(self: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> None:
        options = parse(self, args, namespace)
        tell("parsed")
        if wrong := CHECKS.get(module, lambda _: "")(options):
            tell(wrong)
        os._exit(0)

    def make_nothing(*_: Any, **__: Any) -> None:
        """Some arguments are folders that their parser makes."""

    argparse.ArgumentParser.parse_args = only_parse  # type: ignore[method-assign, assignment]
    os.makedirs = os.mkdir = make_nothing  # type: ignore[assignment]
    sys.argv = [str(source), *arguments]
    sys.path.insert(0, str(source.parent))
    if is_module:
        sys.modules.pop(module, None)
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(str(source), run_name="__main__")


def _pytest_here(folder: Path, arguments: list[str], log: str) -> None:
    """In a forked process: let pytest look for tests."""
    import pytest  # noqa: PLC0415 - only pages that name pytest need it

    for stream in (1, 2):
        output_to(log, stream)
    os.chdir(folder)
    for name in [
        name for name in sys.modules if name.partition(".")[0] in ("conformance", "perf", "tests", "conftest")
    ]:
        del sys.modules[name]
    sys.path[:] = [str(folder), *(path for path in sys.path if path != str(ROOT))]
    sys.exit(pytest.main(["-p", "no:cacheprovider", "-W", REWRITTEN, *arguments]))


def _check_crashes(options: argparse.Namespace) -> str:
    crashes = importlib.import_module("crashes.__main__")
    campaign, trainer = (importlib.import_module(f"crashes.{name}") for name in ("campaign", "trainer"))
    kinds = campaign.configs(options.implementation, options.only)
    return crashes._wrong(options, trainer, [config.name for config in campaign.CONFIGS], kinds)


CHECKS = {"crashes": _check_crashes}
"""What programs check of their options after parsing them: the name to what returns what is wrong."""


def tox_commands(name: str) -> list[str]:
    """The commands of a tox environment; raises WrongCommandError if tox.ini has no such environment."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "tox.ini", encoding="utf-8")
    section = f"testenv:{name}"
    if section not in config:
        factors = set(re.findall(r"^\s*([\w-]+):", config["testenv"].get("deps", ""), flags=re.MULTILINE))
        unknown = [part for part in name.split("-") if not re.fullmatch(r"py3\d+", part) and part not in factors]
        if unknown:
            raise WrongCommandError(f"tox.ini has no environment {name!r}")
        section = "testenv"
    text = config[section].get("commands", config["testenv"]["commands"])
    for _ in range(3):  # {[testenv:other]commands}
        text = re.sub(r"\{\[([\w:-]+)\](\w+)\}", lambda match: config[match[1]][match[2]], text)
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def check_pip(words: Sequence[str]) -> str:
    """Check the groups, extras and files of this project that a `pip install` names."""
    if words[:1] != ["install"]:
        if words[:1] and words[0] in ("download", "freeze", "list", "show", "uninstall", "wheel", "index", "cache"):
            return KNOWN
        raise WrongCommandError(f"pip has no command {shlex.join(words[:1])}")
    try:
        import tomllib  # noqa: PLC0415 - since Python 3.11
    except ImportError:
        import tomli as tomllib  # noqa: PLC0415 - before it
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    after = dict(zip(words, [*words[1:], ""], strict=True))
    if (group := after.get("--group")) is not None and group not in project["dependency-groups"]:
        raise WrongCommandError(f"pyproject.toml has no dependency group {group!r}")
    if (file := after.get("-r")) is not None and not (ROOT / file).is_file():
        raise WrongCommandError(f"there is no {file}")
    for word in words:
        own = re.fullmatch(rf"(?:\.|{project['project']['name']})\[([\w, -]+)\]", word)
        for extra in re.split(r"\s*,\s*", own[1]) if own else ():
            if extra not in project["project"].get("optional-dependencies", {}):
                raise WrongCommandError(f"pyproject.toml has no extra {extra!r}")
    return PARSED


def last_lines(text: str, number: int) -> str:
    """The last lines of what a program said."""
    return "\n".join(text.strip().splitlines()[-number:])
