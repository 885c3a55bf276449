"""The rules of the specification: what they say, where the code keeps them, which tests check them, what came of it.

    python -m tools.rules                a table by chapter; exit code 1 unless every rule has code, test and a pass
    python -m tools.rules MTS-EXC-05     one rule, with its places
    python -m tools.rules --json FILE    everything, for machines

A rule is written once, in docs/specification, as a block that begins with `:::{rule} ID title`. It stands in the code
where its id is named in a docstring or a comment of `reference/`, and on a test where a `rule` or `conforms` mark has
it; a quirk stands where the rules stand that it names. What came of its tests is read from the newest
docs/results/rules-*.json. Needs nothing but Python.
"""

import argparse
import ast
import functools
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SPECIFICATION = Path("docs", "specification")
RESULTS = Path("docs", "results")
RELEASES = ("1.4", "1.15", "2.12")
"""Releases from which on a rule may hold; each holds up to the newest release that is tested."""
NEWEST = "2.21"

OUT_OF_SCOPE = {"MTS-ARG-13": "the reference has no distribute coordinator; the difference is registered as DIV-02"}
"""Rules that the reference does not implement, each with the reason."""

RULE_ID = re.compile(r"\b(?:MTS-[A-Z]+-\d\d|Q-\d\d)\b")
_RANGE = re.compile(r"\b((?:MTS-[A-Z]+|Q)-)(\d\d) to \1(\d\d)\b")
_BLOCK = re.compile(r"^:::\{rule\} (\S+) ?(.*)\n((?:.*\n)*?):::$", re.MULTILINE)
_OPTION = re.compile(r"^:(\w+): *(.*)$")
_MARKS = {"rule", "conforms"}


@dataclass(frozen=True)
class Rule:
    """One rule as it is written: `page` is relative to the repository, `line` that of its first line there."""

    id: str
    title: str
    since: str
    differences: tuple[str, ...]
    text: str
    page: str
    line: int

    @property
    def group(self) -> str:
        """`MTS-ARG` of `MTS-ARG-01`."""
        return self.id.rsplit("-", 1)[0]

    @property
    def releases(self) -> tuple[str, ...]:
        """The releases looked at in which it holds as written, oldest first."""
        known = ("1.4", "1.15", NEWEST)
        return known if self.since == "1.4" else known[1:] if self.since == "1.15" else (f"{self.since} to {NEWEST}",)


@dataclass(frozen=True, order=True)
class Place:
    """Where an id stands: `name` is the innermost class, function or method around it, empty for a module."""

    path: str
    line: int
    name: str


@dataclass
class Result:
    """What came of a rule's tests in the last run that was kept."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    date: str = ""
    tensorflow: str = ""

    @property
    def verdict(self) -> str:
        """`passed`, `failed`, or `not run`."""
        return "failed" if self.failed else "passed" if self.passed else "not run"


@dataclass
class Traced:
    """A rule with all that belongs to it."""

    rule: Rule
    code: list[Place] = field(default_factory=list)
    tests: list[Place] = field(default_factory=list)
    result: Result = field(default_factory=Result)

    @property
    def has_code(self) -> bool:
        """Whether it stands in the code, or is out of scope for a reason that is given."""
        return bool(self.code) or self.rule.id in OUT_OF_SCOPE


class SpecificationError(Exception):
    """A rule that is written twice or wrongly, or an id that stands for no rule."""


def ids_in(text: str) -> list[str]:
    """Every rule id in a text, in order, those of a range such as MTS-CKH-01 to MTS-CKH-08 one by one."""

    def spell(match: "re.Match[str]") -> str:
        chapter, first, last = match.groups()
        return " ".join(f"{chapter}{number:02}" for number in range(int(first), int(last) + 1))

    text = re.sub(r"\s+#?\s*", " ", text)  # a docstring or comment may break the line inside a range
    return list(dict.fromkeys(RULE_ID.findall(_RANGE.sub(spell, text))))


def read_rules(root: Path = ROOT) -> dict[str, Rule]:
    """Read all rules by id, in the order of the pages' names and of the rules on them."""
    rules: dict[str, Rule] = {}
    for page in sorted((root / SPECIFICATION).glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            where = f"{page.relative_to(root)}:{text[: match.start()].count(chr(10)) + 1}"
            rule = _rule(match, where)
            if rule.id in rules:
                raise SpecificationError(f"{where}: {rule.id} is also at {rules[rule.id].page}:{rules[rule.id].line}")
            rules[rule.id] = rule
        if text.count(":::{rule}") != len(_BLOCK.findall(text)):
            raise SpecificationError(f"{page.relative_to(root)}: a rule does not end, or has no id")
    return rules


def _rule(match: "re.Match[str]", where: str) -> Rule:
    name, title, block = match.groups()
    lines = block.splitlines()
    options = {}
    while lines and (option := _OPTION.match(lines[0])):
        options[option[1]] = option[2].strip()
        del lines[0]
    page, line = where.rsplit(":", 1)
    if not RULE_ID.fullmatch(name):
        raise SpecificationError(f"{where}: {name!r} is no rule id, such as MTS-EXC-05 or Q-07")
    if not title.strip():
        raise SpecificationError(f"{where}: {name} has no title")
    if unknown := set(options) - {"since", "differences"}:
        raise SpecificationError(f"{where}: {name} has the unknown option {sorted(unknown)[0]!r}")
    if options.get("since") not in RELEASES:
        raise SpecificationError(
            f"{where}: {name} holds :since: {options.get('since')!r}; one of {', '.join(RELEASES)}"
        )
    differences = tuple(re.split(r"[,\s]+", options["differences"])) if options.get("differences") else ()
    return Rule(name, title.strip(), options["since"], differences, "\n".join(lines).strip(), page, int(line))


def code_places(root: Path = ROOT) -> dict[str, list[Place]]:
    """Find where ids stand in `reference/`; a module's own lines count only for ids that nothing inside it names."""
    found: dict[str, list[Place]] = {}
    for path in sorted((root / "reference").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        scopes = list(_scopes(ast.parse(source)))
        here: dict[str, list[Place]] = {}
        for line, text in _prose(source):
            name = next((s.name for s in reversed(scopes) if s.first <= line <= s.last), "")
            for rule in ids_in(text):
                place = Place(str(path.relative_to(root)), line, name)
                if all(p.name != name for p in here.setdefault(rule, [])):
                    here[rule].append(place)
        for rule, places in here.items():
            found.setdefault(rule, []).extend([p for p in places if p.name] or places)
    return {rule: sorted(places, key=lambda p: (not p.name, p)) for rule, places in found.items()}


class _Scope(NamedTuple):
    """A class or function: first line, that of a decorator included, last line, dotted name, decorators."""

    first: int
    last: int
    name: str
    decorators: list[ast.expr]


def _scopes(tree: ast.AST, prefix: str = "") -> Iterator[_Scope]:
    """Yield each class and function, outer ones first."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = prefix + node.name
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            yield _Scope(first, node.end_lineno or node.lineno, name, node.decorator_list)
            yield from _scopes(node, name + ".")
        else:
            yield from _scopes(node, prefix)


def _prose(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each docstring's paragraph and each run of comment lines that name a rule."""
    lines = source.splitlines()
    strings = {
        number
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    paragraph: list[str] = []
    start = 1
    for number, line in enumerate([*lines, ""], 1):
        is_prose = (number in strings and line.strip()) or line.lstrip().startswith("#")
        if is_prose:
            start = start if paragraph else number
            paragraph.append(line)
            continue
        if paragraph:
            text = "\n".join(paragraph)
            if RULE_ID.search(text):
                yield start + next(i for i, p in enumerate(paragraph) if RULE_ID.search(p)), text
            paragraph = []
        if "#" in line and RULE_ID.search(line.rsplit("#", 1)[1]):
            yield number, line.rsplit("#", 1)[1]


def marked_tests(root: Path = ROOT) -> dict[str, list[Place]]:
    """Find the tests whose marks name an id: `@pytest.mark.rule(...)`, `@conforms(...)`, also on a class or module.

    First come those that check the fewest rules, for they say most about this one.
    """
    found: dict[str, list[Place]] = {}
    for folder in ("conformance", "tests"):
        for path in sorted((root / folder).rglob("test_*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            relative = str(path.relative_to(root))
            for node in tree.body:
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
                    for rule in _marked([node.value], tree):
                        found.setdefault(rule, []).append(Place(relative, node.lineno, ""))
            for scope in _scopes(tree):
                for rule in _marked(scope.decorators, tree):
                    found.setdefault(rule, []).append(Place(relative, scope.first, scope.name))
    marks = Counter(place for places in found.values() for place in set(places))
    return {rule: sorted(set(places), key=lambda p: (marks[p], p)) for rule, places in found.items()}


def _marked(expressions: list[ast.expr], tree: ast.Module) -> list[str]:
    """Return the ids that marks among expressions name, directly or by a constant of the module."""
    constants = {
        ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign) if node.targets
    }
    found: list[str] = []
    for call in (n for e in expressions for n in ast.walk(e) if isinstance(n, ast.Call)):
        if ast.unparse(call.func).rsplit(".", 1)[-1] not in _MARKS:
            continue
        for argument in call.args:
            value = argument.value if isinstance(argument, ast.Starred) else argument
            value = constants.get(value.id, value) if isinstance(value, ast.Name) else value
            found += [rule for n in ast.walk(value) if isinstance(n, ast.Constant) for rule in ids_in(str(n.value))]
    return found


def read_results(root: Path = ROOT) -> dict[str, Any]:
    """Return the newest kept run by its own date, {} if there is none."""
    kept = [dict(json.loads(path.read_text(encoding="utf-8"))) for path in (root / RESULTS).glob("rules-*.json")]
    return max(kept, key=lambda run: str(run["date"]), default={})


@functools.lru_cache
def trace(root: Path = ROOT) -> dict[str, Traced]:
    """Bring together what belongs to each rule; an id in code or on a test that is no rule is an error."""
    rules, code, tests, run = read_rules(root), code_places(root), marked_tests(root), read_results(root)
    for what, places in (("code", code), ("a test", tests)):
        for rule in sorted(set(places) - set(rules)):
            place = places[rule][0]
            if not rule.startswith("MTS-NO-"):  # made up, in tests of the harness
                raise SpecificationError(f"{place.path}:{place.line}: {rule} stands in {what}, but is no rule")
    version = run.get("versions", {}).get("tensorflow", "")
    traced = {}
    for name, rule in rules.items():
        counted = run.get("rules", {}).get(name, {})
        counts = {key: int(counted.get(key, 0)) for key in ("passed", "failed", "skipped")}
        result = Result(**counts, date=run.get("date", "")[:10], tensorflow=version)
        places = code.get(name, [])
        if rule.group == "Q" and not places:
            places = [p for named in ids_in(rule.text) for p in code.get(named, [])]
        traced[name] = Traced(rule, places, tests.get(name, []), result)
    return traced


@dataclass(frozen=True)
class Counts:
    """How many rules there are, and how many of them have what a rule must have."""

    rules: int
    code: int
    test: int
    passing: int

    @property
    def equal(self) -> bool:
        """Whether nothing is missing."""
        return self.rules == self.code == self.test == self.passing

    def __str__(self) -> str:
        return f"{self.rules} rules, {self.code} with code, {self.test} with a test, {self.passing} passing"


def count(traced: list[Traced]) -> Counts:
    """Count what some rules have."""
    return Counts(
        len(traced),
        sum(t.has_code for t in traced),
        sum(bool(t.tests) for t in traced),
        sum(t.result.verdict == "passed" for t in traced),
    )


def missing(traced: list[Traced]) -> Iterator[str]:
    """Say what each incomplete rule lacks."""
    for t in traced:
        lacks = [] if t.has_code else ["code"]
        lacks += [] if t.tests else ["a test"]
        lacks += [] if t.result.verdict == "passed" else [f"a pass ({t.result.verdict})"]
        if lacks:
            yield f"{t.rule.page}:{t.rule.line}: {t.rule.id} lacks {', '.join(lacks)}"


def _print_table(everything: dict[str, Traced]) -> None:
    groups: dict[str, list[Traced]] = {}
    for t in everything.values():
        groups.setdefault(t.rule.group, []).append(t)
    print(f"{'':12}{'rules':>8}{'code':>8}{'test':>8}{'passing':>9}")
    for group, some in [*groups.items(), ("all", list(everything.values()))]:
        c = count(some)
        print(f"{group:12}{c.rules:8}{c.code:8}{c.test:8}{c.passing:9}{'' if c.equal else '  *'}")


def _print_rule(t: Traced) -> None:
    print(f"{t.rule.id} {t.rule.title}\n{t.rule.page}:{t.rule.line}\n\n{t.rule.text}\n")
    for what, places in (("code", t.code), ("test", t.tests)):
        for place in places:
            print(f"{what}  {place.path}:{place.line}  {place.name}")
    print(f"last  {t.result.verdict} {t.result.date} TensorFlow {t.result.tensorflow}")


def main(arguments: list[str] | None = None) -> int:
    """Print the table or one rule; 0 if nothing is missing, 1 if something is, 2 for an unknown id."""
    parser = argparse.ArgumentParser(prog="python -m tools.rules", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("rule", nargs="?", help="show one rule, such as MTS-EXC-05")
    parser.add_argument("--json", metavar="FILE", help="write everything that is known, for machines")
    options = parser.parse_args(arguments)
    try:
        everything = trace()
    except SpecificationError as error:
        print(error, file=sys.stderr)
        return 1
    if options.rule:
        if options.rule not in everything:
            print(f"{options.rule} is no rule; they are in {SPECIFICATION}", file=sys.stderr)
            return 2
        _print_rule(everything[options.rule])
        return 0
    if options.json:
        Path(options.json).write_text(
            json.dumps({name: asdict(t) for name, t in everything.items()}, indent=1), encoding="utf-8"
        )
    _print_table(everything)
    gaps = list(missing(list(everything.values())))
    print(*gaps, sep="\n", end="\n" if gaps else "")
    return 1 if gaps else 0


if __name__ == "__main__":
    sys.exit(main())
