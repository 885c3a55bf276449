"""What the reference may use of TensorFlow, checked by reading its source.

import-linter sees which packages import which; this reads the attribute chains as well, so that
`tf.train.Saver`, `from tensorflow.compat.v1 import train`, `getattr(tf, "train")` and a module name
in a string are all found. It judges source text only and imports nothing of what it judges.

    python tools/contract.py         print each forbidden use; exit 1 if there is any
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "reference" / "monitored"

PRIVATE_DOOR = "_tensorflow"
"""The one module that may name TensorFlow's private parts."""

ALLOWED_OF_TRAIN = frozenset(
    {
        # messages
        "BytesList",
        "ClusterDef",
        "Example",
        "Feature",
        "FeatureList",
        "FeatureLists",
        "Features",
        "FloatList",
        "Int64List",
        "JobDef",
        "QueueRunnerDef",
        "SaverDef",
        "SequenceExample",
        "ServerDef",
        # the parts of a tf.train.Checkpoint that a user handed in
        "TrackableView",
        # TensorFlow's own runtime and graph files
        "ClusterSpec",
        "Server",
        "export_meta_graph",
        "import_meta_graph",
    }
)

_PRIVATE_ROOTS = ("tensorflow.python", "tensorflow.core", "tensorflow_estimator")
_NEVER = ("tensorflow.python.training", "tensorflow.python.checkpoint.checkpoint_management", "tensorflow_estimator")
_ALLOWED_IN_DOOR = frozenset({"Checkpoint"})  # to recognise a user's, never to make one
_PRIVATE_IN_STRING = re.compile(r"tensorflow\.(python|core)(\.|$)|tensorflow_estimator")


def _canonical(dotted: str) -> str:
    """One spelling for the same name: tf.compat.v1.train and tf.train are `tensorflow.train`."""
    return re.sub(r"^tensorflow(\.(_api|compat|v1|v2))+(?=\.|$)", "tensorflow", dotted)


class _Reader(ast.NodeVisitor):
    """Collects every TensorFlow name a module uses, as (line, canonical dotted name)."""

    def __init__(self) -> None:
        self.aliases: dict[str, str] = {}
        self.used: list[tuple[int, str]] = []
        self.imported: list[tuple[int, str]] = []
        self.strings: list[tuple[int, str]] = []

    def visit_Import(self, node: ast.Import) -> None:
        for name in node.names:
            root = name.name if name.asname else name.name.partition(".")[0]
            self.aliases[name.asname or root] = root
            self.imported.append((node.lineno, name.name))
            self._use(node, name.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for name in node.names:
            dotted = f"{'.' * node.level}{node.module or ''}.{name.name}"
            self.aliases[name.asname or name.name] = dotted
            self.imported.append((node.lineno, dotted))
            self._use(node, dotted)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        dotted = self._resolve(node.value)
        if dotted:
            for target in node.targets:
                if isinstance(target, ast.Name):
                    self.aliases[target.id] = dotted

    def visit_Attribute(self, node: ast.Attribute) -> None:
        dotted = self._resolve(node)
        if dotted:
            self._use(node, dotted)
        else:
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._use(node, self.aliases.get(node.id, ""))

    def visit_Call(self, node: ast.Call) -> None:
        dotted = self._resolve(node)
        if dotted:
            self._use(node, dotted)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.strings.append((node.lineno, node.value))

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring may cite anything
            self.generic_visit(node)

    def _use(self, node: ast.AST, dotted: str) -> None:
        if dotted.startswith("tensorflow"):
            self.used.append((getattr(node, "lineno", 0), _canonical(dotted)))

    def _resolve(self, node: ast.AST) -> str | None:
        """The dotted name an expression stands for, or None."""
        if isinstance(node, ast.Name):
            return self.aliases.get(node.id)
        if isinstance(node, ast.Attribute):
            base = self._resolve(node.value)
            return f"{base}.{node.attr}" if base else None
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "getattr"
            and len(node.args) >= 2
            and isinstance(node.args[1], ast.Constant)
        ):
            base = self._resolve(node.args[0])
            return f"{base}.{node.args[1].value}" if base else None
        return None


def _under(dotted: str, prefixes: tuple[str, ...]) -> bool:
    return any(dotted == prefix or dotted.startswith(prefix + ".") for prefix in prefixes)


def _forbidden(dotted: str, in_door: bool) -> str | None:
    """Why a canonical name may not be used, or None."""
    parts = dotted.split(".")
    if parts[:2] == ["tensorflow", "train"]:
        if len(parts) == 2:
            return "tf.train as a whole hides what is used of it"
        allowed = ALLOWED_OF_TRAIN | (_ALLOWED_IN_DOOR if in_door else frozenset())
        return None if parts[2] in allowed else "not among the allowed names of tf.train"
    if parts[:2] == ["tensorflow", "estimator"] or _under(dotted, _NEVER):
        return "the reference is an implementation of its own"
    if _under(dotted, _PRIVATE_ROOTS) and not in_door:
        return f"private to TensorFlow; only {PRIVATE_DOOR}.py may"
    if parts[-1] == "*":
        return "a star hides what is used"
    return None


def forbidden_uses(source: str, module: str) -> list[str]:
    """Each forbidden use in `source`; `module` is its dotted name within `monitored`."""
    reader = _Reader()
    reader.visit(ast.parse(source))
    in_door = module == PRIVATE_DOOR
    found = {
        (line, dotted, reason) for line, dotted in reader.used if (reason := _forbidden(dotted, in_door)) is not None
    }
    if not in_door:
        found |= {
            (line, text, "a private module named in a string")
            for line, text in reader.strings
            if _PRIVATE_IN_STRING.search(text)
        }
    if not module.startswith("extras"):
        found |= {
            (line, dotted, "the core never imports the extras")
            for line, dotted in reader.imported
            if _under(dotted.lstrip("."), ("extras", "monitored.extras"))
        }
    return [f"line {line}: {dotted}: {reason}" for line, dotted, reason in sorted(found)]


def violations() -> list[str]:
    """Each forbidden use in the reference, with its file."""
    return [
        f"{path.relative_to(ROOT)}: {use}"
        for path in sorted(REFERENCE.rglob("*.py"))
        for use in forbidden_uses(
            path.read_text(encoding="utf-8"), ".".join(path.relative_to(REFERENCE).with_suffix("").parts)
        )
    ]


if __name__ == "__main__":
    found = violations()
    print("\n".join(found) or "the reference keeps to what it may use of TensorFlow")
    sys.exit(1 if found else 0)
