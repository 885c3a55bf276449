"""Everything public is documented and typed, and every rule has its code and its test."""

import ast
import re
from pathlib import Path

import pytest

import monitored
from conformance.rules import RULES
from tools import rules

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "reference" / "monitored"
RULE_ID = re.compile(r"(?:MTS-[A-Z]+|Q)-\d\d")
RANGE = re.compile(r"\b(MTS-[A-Z]+-)\d\d\s+to\s+\1\d\d\b")
KNOWN = rules.read_rules()


def sources(*folders):
    return {p: p.read_text(encoding="utf-8") for f in folders for p in sorted((ROOT / f).rglob("*.py"))}


def public_nodes(tree, prefix=""):
    """Yield (name, node) of each public class, function and method, nested functions aside."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public_nodes(node, f"{prefix}{node.name}.")


def is_overload(node):
    return any("overload" in ast.unparse(d) or ".setter" in ast.unparse(d) for d in node.decorator_list)


@pytest.mark.parametrize("path", sorted(REFERENCE.rglob("*.py")), ids=lambda p: str(p.relative_to(REFERENCE)))
def test_everything_public_is_documented_and_typed(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    missing = [] if ast.get_docstring(tree) else ["the module's docstring"]
    for name, node in public_nodes(tree):
        if not ast.get_docstring(node) and not is_overload(node):
            missing.append(f"docstring of {name}")
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            arguments += [a for a in (node.args.vararg, node.args.kwarg) if a]
            missing += [
                f"type of {name}({a.arg})" for a in arguments if a.annotation is None and a.arg not in ("self", "cls")
            ]
            if node.returns is None:
                missing.append(f"return type of {name}")
    assert missing == []


def test_every_public_name_has_a_docstring_of_its_own():
    for name in monitored.__all__:
        value = getattr(monitored, name)
        assert value.__doc__, name
        if isinstance(value, type):
            assert "__doc__" in vars(value), name


def test_every_cited_rule_exists():
    made_up = ROOT / "tests" / "test_tools_rules.py"  # it writes repositories of its own
    files = sources("reference", "tests", "conformance", "examples")
    cited = {rule for path, text in files.items() if path != made_up for rule in rules.ids_in(text)}
    assert {rule for rule in cited - set(KNOWN) if not rule.startswith("MTS-NO-")} == set(), (
        "MTS-NO is for made-up ones"
    )


def test_conformance_knows_the_same_rules():
    assert {name: rule.title for name, rule in KNOWN.items() if name.startswith("MTS-")} == RULES


def test_every_rule_stands_in_the_code_at_its_place():
    """A range, such as a class has, is no place."""
    found = {rule for text in sources("reference").values() for rule in RULE_ID.findall(RANGE.sub("", text))}
    assert sorted(set(KNOWN) - found - set(rules.OUT_OF_SCOPE)) == []
    assert sorted(found & set(rules.OUT_OF_SCOPE)) == [], "out of scope, yet in the code: take it off the list"


def test_every_rule_is_a_mark_of_a_conformance_test():
    marked = rules.marked_tests()
    compared = {rule for rule, places in marked.items() if any(p.path.startswith("conformance/") for p in places)}
    assert sorted(set(KNOWN) - compared) == []
    assert sorted(set(marked) - set(KNOWN)) == []


def test_only_tests_have_marks():
    places = {place for places in rules.marked_tests().values() for place in places if place.name}
    assert [p for p in places if not p.name.rpartition(".")[2].lower().startswith("test")] == []
