"""Everything public is documented and typed, and every rule has its code and its test."""

import ast
import re
from pathlib import Path

import pytest

import monitored
from conformance import rules

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "reference" / "monitored"
RULES = ROOT / "docs" / "rules.md"
RULE_RANGE = re.compile(r"\b(MTS-[A-Z]+-)(\d\d) to \1(\d\d)\b")
RULE_ID = re.compile(r"\b(?:MTS-[A-Z]+-\d\d|Q-\d\d)\b")

NO_CODE = {"MTS-ARG-13": "out of scope: the reference has no distribute coordinator"}
"""Rules without an anchor in the reference, each with the reason."""

NO_TEST: dict[str, str] = {}
"""Rules that no test names, each with the reason."""


def sources(*folders):
    return {p: p.read_text(encoding="utf-8") for f in folders for p in sorted((ROOT / f).rglob("*.py"))}


def defined(text):
    return re.findall(r"^- \*\*((?:MTS|Q)-[A-Z0-9-]+)\*\* ", text, flags=re.MULTILINE)


def ids_in(text):
    """Every rule id in a text, those of a range such as MTS-CKH-01 to MTS-CKH-08 one by one."""
    text = " ".join(text.split())  # a docstring may break the line inside a range
    return set(RULE_ID.findall(text)) | {
        f"{chapter}{number:02}"
        for chapter, first, last in RULE_RANGE.findall(text)
        for number in range(int(first), int(last) + 1)
    }


def cited(folders):
    here = Path(__file__)
    return {rule for path, text in sources(*folders).items() if path != here for rule in ids_in(text)}


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


def test_ranges_of_rules_are_read():
    assert ids_in("Rules: MTS-CKH-08 to\n    MTS-CKH-10, Q-04.") == {"MTS-CKH-08", "MTS-CKH-09", "MTS-CKH-10", "Q-04"}


def test_rule_ids_are_unique():
    ids = defined(RULES.read_text(encoding="utf-8"))
    assert len(ids) > 150
    assert sorted(ids) == sorted(set(ids))
    assert all(RULE_ID.fullmatch(rule) for rule in ids)


def test_every_cited_rule_exists():
    ids = set(defined(RULES.read_text(encoding="utf-8")))
    unknown = cited(["reference", "tests", "conformance", "examples"]) - ids
    assert {rule for rule in unknown if not rule.startswith("MTS-NO-")} == set(), "MTS-NO is for made-up ones"


def test_conformance_knows_the_same_rules():
    ids = {rule for rule in defined(RULES.read_text(encoding="utf-8")) if rule.startswith("MTS-")}
    assert set(rules.RULES) == ids


@pytest.mark.parametrize(
    ("folders", "excused"), [(["reference"], NO_CODE), (["tests", "conformance"], NO_TEST)], ids=["code", "test"]
)
def test_every_rule_is_anchored(folders, excused):
    ids = {rule for rule in defined(RULES.read_text(encoding="utf-8")) if rule.startswith("MTS-")}
    found = cited(folders)
    assert sorted(ids - found - set(excused)) == []
    assert sorted(found & set(excused)) == [], "excused, yet cited: take it off the list"
