"""Small changes to a package's source: those a person planted, and those made by rote.

A change replaces some text of some modules. Planted faults (`faults`) are written as old and new
text; automatic mutants are found here by walking the syntax tree with a fixed list of operators.
This module only reads and makes source text; it runs nothing.
"""

import ast
import os
import re
from collections import Counter
from typing import Any, NamedTuple

_NEGATED = {
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_SHIFTED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult}
_CONVERSIONS = {"bool", "dict", "float", "int", "list", "set", "sorted", "str", "tuple"}
_OTHER_ERROR = {"ValueError": "RuntimeError", "RuntimeError": "ValueError", "TypeError": "ValueError"}
OPERATORS = (
    "arithmetic", "argument", "boolean", "boundary", "call", "comparison", "constant", "exception", "statement",
)  # fmt: skip


class Mutant(NamedTuple):
    """One automatic change: `before` at `line` of `module`, inside function `where`, becomes `after`."""

    id: str
    module: str
    operator: str
    line: int
    where: str
    before: str
    after: str
    start: int
    end: int
    first_line: int
    last_line: int

    def apply(self, source: str) -> str:
        """Return the module's source with this change made."""
        data = source.encode()
        return (data[: self.start] + self.after.encode() + data[self.end :]).decode()


def read_package(directory: str) -> dict[str, str]:
    """Return the source of every module below `directory`, by dotted name relative to it."""
    sources = {}
    for folder, _, names in sorted(os.walk(directory)):
        for name in sorted(names):
            if name.endswith(".py"):
                path = os.path.relpath(os.path.join(folder, name), directory)
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    sources[path[: -len(".py")].replace(os.sep, ".")] = file.read()
    return sources


def mutants_of(module: str, source: str) -> list[Mutant]:
    """Return all automatic mutants of one module, in the order of the source."""
    finder = _Finder(module, source)
    finder.visit(ast.parse(source))
    counts: Counter[str] = Counter()
    named = []
    for mutant in sorted(finder.found, key=lambda mutant: (mutant.start, mutant.operator, mutant.after)):
        name = f"{module}:{mutant.line}:{mutant.operator}"
        counts[name] += 1
        number = f":{counts[name]}" if counts[name] > 1 else ""
        named.append(mutant._replace(id=name + number))
    return named


def replace_text(source: str, old: str, new: str, label: str) -> tuple[str, int, int]:
    """Replace the one occurrence of `old`; return the text and the first and last line replaced.

    Any run of white space in `old` stands for any other, so that formatting does not matter, and
    further lines of `new` are indented like the line where the occurrence begins. ValueError if
    `old` does not occur exactly once: a fault must not silently miss its place.
    """
    pattern = r"\s+".join(re.escape(word) for word in old.split())
    found = list(re.finditer(pattern, source))
    if len(found) != 1:
        raise ValueError(f"{label}: its text occurs {len(found)} times, not once: {old!r}")
    start, end = found[0].span()
    line = source[source.rfind("\n", 0, start) + 1 :]
    indented = new.replace("\n", "\n" + line[: len(line) - len(line.lstrip())])
    first = source.count("\n", 0, start) + 1
    return source[:start] + indented + source[end:], first, first + source.count("\n", start, end)


def lines_that_tell(source: str, first: int, last: int) -> tuple[set[int], str]:
    """Return lines without which a change in lines `first` to `last` cannot matter, and where it is.

    In a function's "body" those lines have to run; in its "header" the body has to, or somebody looks
    at the signature. What is elsewhere in the "module" happens at import, and any test may notice,
    though those that run the returned lines are likelier to.
    """
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    innermost: Any = None
    for node in functions:
        start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        if start <= first and last <= node.end_lineno and (innermost is None or node.lineno >= innermost.lineno):
            innermost = node
    if innermost is None:
        return {line for node in functions for line in range(node.body[0].lineno, node.end_lineno + 1)}, "module"
    if first >= innermost.body[0].lineno:
        return set(range(first, last + 1)), "body"
    return set(range(innermost.body[0].lineno, innermost.end_lineno + 1)), "header"


class _Finder(ast.NodeVisitor):
    """Walks a module and notes every place where an operator applies."""

    def __init__(self, module: str, source: str) -> None:
        self._module = module
        self._data = source.encode()
        self._starts = [0]
        for line in self._data.split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._where: list[str] = []
        self._statements: list[ast.stmt] = []
        self.found: list[Mutant] = []

    def _note(self, operator: str, node: Any, after: str) -> None:
        start = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[node.end_lineno - 1] + node.end_col_offset
        self._note_span(operator, node.lineno, start, end, after)

    def _note_span(self, operator: str, line: int, start: int, end: int, after: str) -> None:
        before = self._data[start:end].decode()
        if before == after:
            return
        first, last = self._extent(line)
        where = ".".join(self._where)
        self.found.append(Mutant("", self._module, operator, line, where, before, after, start, end, first, last))

    def _extent(self, line: int) -> tuple[int, int]:
        """Return the lines of the simple statement, or of the compound statement's header."""
        statement = self._statements[-1]
        body = getattr(statement, "body", None)
        last = max(statement.lineno, line) if body else statement.end_lineno
        return statement.lineno, last

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt):
            self._statements.append(node)
            super().visit(node)
            self._statements.pop()
        else:
            super().visit(node)

    def _visit_definition(self, node: Any) -> None:
        # Annotations and decorators are no behaviour; a docstring is none either.
        if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases):
            return
        if not isinstance(node, ast.ClassDef):
            for default in [*node.args.defaults, *node.args.kw_defaults]:
                if default is not None:
                    self.visit(default)
        self._where.append(node.name)
        for child in node.body:
            self.visit(child)
        self._where.pop()

    visit_ClassDef = visit_FunctionDef = visit_AsyncFunctionDef = _visit_definition  # noqa: N815

    def visit_Assign(self, node: ast.Assign) -> None:
        if ast.unparse(node.targets[0]) == "__all__":
            return
        if any(isinstance(target, (ast.Attribute, ast.Subscript)) for target in node.targets):
            self._note("statement", node, "pass")
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is None:
            return
        if isinstance(node.target, ast.Attribute):
            self._note("statement", node, "pass")
        self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._note("statement", node, "pass")
        self.generic_visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        self._note("statement", node, "pass")

    def visit_Break(self, node: ast.Break) -> None:
        self._note("statement", node, "pass")

    def visit_Continue(self, node: ast.Continue) -> None:
        self._note("statement", node, "pass")

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self._note("statement", node, "return None")
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._note("statement", node, "pass")
        if isinstance(node.exc, ast.Call):
            name = ast.unparse(node.exc.func)
            other = "tf.errors.InternalError" if name.startswith("tf.") else _OTHER_ERROR.get(name)
            if other:
                self._note("exception", node.exc.func, other)
        self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> None:
        self._note("statement", node, "pass")

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self._note("call", node, "pass")
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        items = [ast.unparse(item.context_expr) for item in node.items]
        plain = not any(item.optional_vars for item in node.items)
        # Without a lock only a race would tell.
        if plain and not any(item.endswith("_lock") for item in items):
            start = self._starts[node.lineno - 1] + node.col_offset
            last = node.items[-1].context_expr
            end = self._starts[last.end_lineno - 1] + last.end_col_offset
            self._note_span("call", node.lineno, start, end, "if True")
        self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self._note("exception", node.type, "ZeroDivisionError")
            wider = {"Exception": "BaseException", "BaseException": "Exception"}
            self._note("exception", node.type, wider.get(ast.unparse(node.type), "Exception"))
        for child in node.body:
            self.visit(child)

    def visit_If(self, node: Any) -> None:
        self._note_condition(node.test)
        self.generic_visit(node)

    visit_IfExp = visit_If  # noqa: N815

    def visit_While(self, node: ast.While) -> None:
        if not isinstance(node.test, (ast.Compare, ast.Constant)):
            self._note("boolean", node.test, "False")
        self.visit(node.test) if not isinstance(node.test, ast.Constant) else None
        for child in [*node.body, *node.orelse]:
            self.visit(child)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._note_condition(test)
        self.generic_visit(node)

    def _note_condition(self, test: ast.expr) -> None:
        negatable = not isinstance(test, (ast.Compare, ast.BoolOp, ast.UnaryOp))
        if negatable:
            self._note("boolean", test, f"(not ({ast.unparse(test)}))")

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        self._note("boolean", node, f"({ast.unparse(ast.BoolOp(other, node.values))})")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._note("boolean", node, f"({ast.unparse(node.operand)})")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        if len(node.ops) == 1:
            for operator, table in (("comparison", _NEGATED), ("boundary", _SHIFTED)):
                other = table.get(type(node.ops[0]))
                if other is not None:
                    changed = ast.Compare(node.left, [other()], node.comparators)
                    self._note(operator, node, f"({ast.unparse(changed)})")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        other = _ARITHMETIC.get(type(node.op))
        strings = any(
            isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
            for side in (node.left, node.right)
        )
        if other is not None and not strings:
            self._note("arithmetic", node, f"({ast.unparse(ast.BinOp(node.left, other(), node.right))})")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in _CONVERSIONS and len(node.args) == 1:
            if not node.keywords:
                self._note("call", node, f"({ast.unparse(node.args[0])})")
        for index, keyword in enumerate(node.keywords):
            if keyword.arg is not None and not (isinstance(keyword.value, ast.Constant) and keyword.arg == "name"):
                kept = node.keywords[:index] + node.keywords[index + 1 :]
                self._note("argument", node, ast.unparse(ast.Call(node.func, node.args, kept)))
        self.visit(node.func)
        for argument in node.args:
            self.visit(argument)
        for keyword in node.keywords:
            # Names of ops inside the graph are nobody's business.
            if keyword.arg != "name":
                self.visit(keyword.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._note("constant", node, str(not value))
        elif isinstance(value, (int, float)):
            self._note("constant", node, repr(value + 1))
        elif isinstance(value, str):
            self._note("constant", node, repr(value + "!"))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        changed = ast.JoinedStr([*node.values, ast.Constant("!")])
        self._note("constant", node, ast.unparse(changed))
