"""Code lines of the reference beside those of TensorFlow for the same surface.

A code line holds at least one token that is not a comment; docstrings and blank lines do not count.
Both sides are counted by the same function, and TensorFlow's files are only read, never imported.

    python tools/sizes.py            the table (needs an installed TensorFlow)
    python tools/sizes.py --readme   put the table by concern into README.md
    python tools/sizes.py --check    only whether the reference keeps its limits

It does not judge: what is counted and which limits hold is all here.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import statistics
import sys
import sysconfig
import tokenize
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "reference" / "monitored"
README = ROOT / "README.md"

MAX_TOTAL = 2500
MAX_MODULE = 250
MAX_FUNCTION = 60

CHEAPER = {"compiled_step.py", "graph_text.py"}
"""Modules that say nothing new: what they do, a plain call of TensorFlow does slower. Not part of MAX_TOTAL."""

# TensorFlow's module -> the names in it that the reference has no counterpart for. A string that
# starts with "only:" turns it round: just these names count.
TENSORFLOW_MODULES = {
    "training/monitored_session.py": {
        "_create_monitored_session_with_worker_context"  # the distribute coordinator's builder
    },
    "training/basic_session_run_hooks.py": set(),
    "training/session_run_hook.py": set(),
    "training/session_manager.py": set(),
    "training/coordinator.py": set(),
    "training/queue_runner_impl.py": set(),
    "training/training_util.py": {"_increment_global_step"},
    "training/saver.py": {
        # meta graphs are read and written by TensorFlow on both sides
        "import_meta_graph",
        "_import_meta_graph_with_return_elements",
        "_create_saver_from_imported_meta_graph",
        "export_meta_graph",
        # loading a tf.train.Checkpoint's files through a Saver
        "object_graph_key_mapping",
        "saver_from_object_based_checkpoint",
        # metrics of TensorFlow's own
        "_get_duration_microseconds",
        "_get_checkpoint_size",
    },
    "training/saving/saveable_object.py": set(),
    "training/saving/saveable_object_util.py": {
        "only:",
        "set_cpu0",
        "ReferenceVariableSaveable",
        "ResourceVariableSaveable",
        "_tensor_comes_from_variable",
        "saveable_objects_for_op",
        "op_list_to_dict",
        "_add_saveable",
        "validate_and_slice_inputs",
    },
    "checkpoint/checkpoint_management.py": {"CheckpointManager"},
}

CONCERNS = {
    "sessions, scaffold": (
        "training_session.py monitored_session.py session_layers.py step.py session_creator.py scaffold.py errors.py",
        "training/monitored_session.py",
    ),
    "making a session ready": ("session_manager.py", "training/session_manager.py"),
    "hooks and their contract": (
        "session_run_hook.py timing.py hooks/",
        "training/session_run_hook.py training/basic_session_run_hooks.py",
    ),
    "threads": (
        "coordinator.py looper_thread.py queue_runners.py",
        "training/coordinator.py training/queue_runner_impl.py",
    ),
    "checkpoints": (
        "saver saveables.py retention.py checkpoint_state.py object_checkpoint.py",
        "training/saver.py training/saving/ checkpoint/",
    ),
    "global step": ("global_step.py", "training/training_util.py"),
    "package, private door": ("__init__.py _tensorflow.py", ""),
    "the same, cheaper": (" ".join(sorted(CHEAPER)), ""),
}
"""What the modules are about: ours and TensorFlow's by the beginnings of their names."""

_NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


class Function(NamedTuple):
    """One function or method, however deeply nested, and its code lines."""

    where: str
    lines: int


def _docstring_lines(tree: ast.AST) -> set[int]:
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, holders) and ast.get_docstring(node, clean=False) is not None:
            text = node.body[0]
            lines.update(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    return lines


def code_lines(source: str) -> set[int]:
    """The numbers of the lines that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NOT_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines - _docstring_lines(ast.parse(source))


def _annotations(tree: ast.AST) -> list[ast.expr]:
    found = [n.annotation for n in ast.walk(tree) if isinstance(n, (ast.arg, ast.AnnAssign)) and n.annotation]
    functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return found + [function.returns for function in functions if function.returns]


def code_tokens(source: str) -> list[int]:
    """The line of each code token outside annotations: as many, however long the lines are."""
    tree = ast.parse(source)
    docstrings = _docstring_lines(tree)
    # ast counts columns in bytes, tokenize in characters: the same in ASCII sources
    annotations = [
        ((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0))
        for node in _annotations(tree)
    ]
    return [
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in _NOT_CODE
        and token.start[0] not in docstrings
        and not any(start <= token.start < end for start, end in annotations)
    ]


def count(path: Path, names: set[str] | None = None, measure: Callable[[str], Iterable[int]] = code_lines) -> int:
    """Code lines, or tokens, of a module less those of the top-level `names` (see TENSORFLOW_MODULES)."""
    source = path.read_text(encoding="utf-8")
    names = names or set()
    named = {
        line
        for node in ast.parse(source).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in names
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    return sum((line in named) == ("only:" in names) for line in measure(source))


def functions(path: Path) -> list[Function]:
    """Every function of a module with its code lines, nested ones counted in their owner too."""
    source = path.read_text(encoding="utf-8")
    lines = code_lines(source)
    return [
        Function(
            f"{path.relative_to(ROOT)}:{node.lineno} {node.name}",
            len(lines & set(range(node.lineno, (node.end_lineno or node.lineno) + 1))),
        )
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def reference_modules(extras: bool = False) -> list[Path]:
    """The reference's files in the order of their names; those of `extras/`, which TensorFlow lacks, on demand."""
    return sorted(path for path in REFERENCE.rglob("*.py") if extras or "extras" not in path.parts)


def violations() -> list[str]:
    """Which limits the reference breaks; empty when it keeps them all."""
    found = [
        f"{path.relative_to(ROOT)}: {lines} code lines, at most {MAX_MODULE}"
        for path in reference_modules(extras=True)
        if (lines := count(path)) > MAX_MODULE
    ]
    if (total := sum(count(path) for path in reference_modules() if path.name not in CHEAPER)) > MAX_TOTAL:
        found.append(f"reference: {total} code lines without {', '.join(sorted(CHEAPER))}, at most {MAX_TOTAL}")
    found += [
        f"{function.where}: {function.lines} code lines, at most {MAX_FUNCTION}"
        for path in reference_modules(extras=True)
        for function in functions(path)
        if function.lines > MAX_FUNCTION
    ]
    return found


def both(measure: Callable[[str], Iterable[int]] = code_lines) -> tuple[dict[str, int], dict[str, int]]:
    """The sizes of our modules and of TensorFlow's; the latter empty where it is not installed."""
    ours = {path.relative_to(REFERENCE).as_posix(): count(path, measure=measure) for path in reference_modules()}
    package = Path(sysconfig.get_paths()["purelib"]) / "tensorflow" / "python"
    if not package.is_dir():
        return ours, {}
    return ours, {name: count(package / name, names, measure) for name, names in TENSORFLOW_MODULES.items()}


def readme_table() -> list[str]:
    """The table by concern, in Markdown."""

    def lines_of(sizes: dict[str, int], prefixes: str) -> int:
        return sum(lines for name, lines in sizes.items() if name.startswith(tuple(prefixes.split()) or "-"))

    ours, theirs = both()
    rows = ["| | `monitored` | TensorFlow |", "|---|---:|---:|"]
    counted = 0
    for concern, (left, right) in CONCERNS.items():
        a, b = lines_of(ours, left), lines_of(theirs, right)
        rows.append(f"| {concern} | {a:,} | {b:,} |")
        counted += a + b
    if counted != sum(ours.values()) + sum(theirs.values()):
        raise ValueError(f"CONCERNS misses a module or has one twice: {sorted(ours)}")
    rows.append(f"| **all** | **{sum(ours.values()):,}** | **{sum(theirs.values()):,}** |")
    return rows


def update_readme() -> None:
    """Put the table by concern in the place of the one in README.md."""
    rows = readme_table()
    text = README.read_text(encoding="utf-8")
    before, old_head, rest = text.partition(rows[0] + "\n")
    after = re.sub(r"\A(\|.*\n)*", "", rest)
    if not old_head:
        raise ValueError(f"README.md has no table that begins with {rows[0]!r}")
    README.write_text(before + "\n".join(rows) + "\n" + after, encoding="utf-8")


def table() -> list[str]:
    """The lines of the table: modules, totals, functions."""
    ours, theirs = both()
    left = [*ours.items(), ("total", sum(ours.values()))]
    right = [*theirs.items(), ("total", sum(theirs.values()))] if theirs else []
    lines = [f"{'monitored':<32}{'lines':>6}    {'tensorflow/python':<42}{'lines':>6}"]
    for i in range(max(len(left), len(right)) - 1):
        a = left[i] if i < len(left) - 1 else ("", "")
        b = right[i] if i < len(right) - 1 else ("", "")
        lines.append(f"{a[0]:<32}{a[1]:>6}    {b[0]:<42}{b[1]:>6}".rstrip())
    a, b = left[-1], right[-1] if right else ("", "")
    lines.append(f"{a[0]:<32}{a[1]:>6}    {b[0]:<42}{b[1]:>6}".rstrip())
    a, b = (sum(side.values()) for side in both(code_tokens))
    lines.append(f"{'in tokens, types aside':<32}{a:>6}    {'':<42}{b:>6}")
    sizes = [function.lines for path in reference_modules() for function in functions(path)]
    if sizes:
        lines.append(f"functions: {len(sizes)}, median {statistics.median(sizes):g} code lines, longest {max(sizes)}")
    return lines


def main() -> int:
    """Print the table or the broken limits; 1 if any limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="print only broken limits")
    parser.add_argument("--readme", action="store_true", help="update README.md")
    arguments = parser.parse_args()
    found = violations()
    if arguments.readme:
        update_readme()
    elif not arguments.check:
        print("\n".join(table()))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
