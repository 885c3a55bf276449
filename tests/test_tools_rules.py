"""What the traceability check finds, and that it notices what is missing."""

import json
import textwrap

import pytest

from tools import rules

PAGE = """
    # Errors

    :::{rule} MTS-EXC-01 how a block ends
    :since: 1.15
    :differences: D21, D22

    It ends.
    :::

    :::{rule} Q-01 a surprise
    :since: 1.4

    It follows from MTS-EXC-01.
    :::
"""
CODE = '''
    """All of MTS-EXC-01 to MTS-EXC-02."""

    class Session:
        def run(self):
            """Run. Rule:
            MTS-EXC-01."""

        def close(self):
            # MTS-EXC-01
            return 1
'''
TEST = """
    RULES = ("MTS-EXC-01",)
    pytestmark = pytest.mark.rule("Q-01")

    @conforms(*RULES)
    def test_block():
        pass

    class TestMore:
        @pytest.mark.rule("MTS-EXC-01", "Q-01")
        def test_other(self):
            "MTS-EXC-07 is only talked about."
"""


@pytest.fixture
def repository(tmp_path):
    def write(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        rules.trace.cache_clear()

    write("docs/specification/errors.md", PAGE)
    write("reference/monitored/session.py", CODE.replace(" to MTS-EXC-02", ""))
    write("conformance/test_session.py", TEST)
    run = {"date": "2026-01-02T03:04:05", "versions": {"tensorflow": "2.21.0", "python": "3.12.1"}}
    run["rules"] = {"MTS-EXC-01": {"passed": 2, "failed": 0, "skipped": 0}, "Q-01": {"passed": 1, "failed": 0}}
    write("docs/results/rules-2026-01-02.json", json.dumps(run))
    return tmp_path, write


def test_a_rule_is_read(repository):
    root, _ = repository
    rule = rules.read_rules(root)["MTS-EXC-01"]
    assert (rule.title, rule.since, rule.differences) == ("how a block ends", "1.15", ("D21", "D22"))
    assert (rule.text, rule.page, rule.line) == ("It ends.", "docs/specification/errors.md", 3)
    assert rule.releases == ("1.15", "2.21")


def test_places_are_the_innermost_ones(repository):
    root, _ = repository
    names = [(p.line, p.name) for p in rules.code_places(root)["MTS-EXC-01"]]
    assert names == [(6, "Session.run"), (9, "Session.close")]


def test_a_module_counts_for_what_nothing_inside_it_names(repository):
    root, write = repository
    write("reference/monitored/session.py", CODE)
    assert [p.name for p in rules.code_places(root)["MTS-EXC-02"]] == [""]


def test_marks_are_found_by_constant_class_and_module(repository):
    root, _ = repository
    marked = rules.marked_tests(root)
    assert [p.name for p in marked["MTS-EXC-01"]] == ["test_block", "TestMore.test_other"]
    assert [p.name for p in marked["Q-01"]] == ["", "TestMore.test_other"]
    assert "MTS-EXC-07" not in marked


def test_all_is_well(repository):
    root, _ = repository
    traced = list(rules.trace(root).values())
    assert rules.count(traced).equal
    assert list(rules.missing(traced)) == []
    assert traced[0].result.verdict == "passed"
    assert traced[0].result.date == "2026-01-02"


@pytest.mark.parametrize(
    ("path", "old", "new", "lacks"),
    [
        ("reference/monitored/session.py", "MTS-EXC-01", "nothing", "code"),
        ("conformance/test_session.py", '"MTS-EXC-01"', '"MTS-NO-01"', "a test"),
        (
            "docs/results/rules-2026-01-02.json",
            '"passed": 2, "failed": 0',
            '"passed": 2, "failed": 1',
            "a pass (failed)",
        ),
        ("docs/results/rules-2026-01-02.json", '"passed": 2', '"passed": 0', "a pass (not run)"),
    ],
)
def test_what_is_missing_is_said(repository, path, old, new, lacks):
    root, _ = repository
    file = root / path
    assert old in file.read_text(encoding="utf-8")
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    rules.trace.cache_clear()
    traced = list(rules.trace(root).values())
    assert not rules.count(traced).equal
    assert f"docs/specification/errors.md:3: MTS-EXC-01 lacks {lacks}" in list(rules.missing(traced))


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        (
            "reference/monitored/other.py",
            '"""MTS-EXC-99"""',
            "reference/monitored/other.py:1: MTS-EXC-99 stands in code",
        ),
        ("tests/test_x.py", '@pytest.mark.rule("Q-99")\ndef test(): pass', "tests/test_x.py:1: Q-99 stands in a test"),
        ("docs/specification/z.md", PAGE, "z.md:3: MTS-EXC-01 is also at docs/specification/errors.md:3"),
        ("docs/specification/z.md", ":::{rule} MTS-EXC-02 title\n:since: 1.4\n", "a rule does not end"),
        (
            "docs/specification/z.md",
            ":::{rule} MTS-EXC-02 title\n:since: 1.5\n:::\n",
            ":since: '1.5'; one of 1.4, 1.15",
        ),
        ("docs/specification/z.md", ":::{rule} MTS-EXC-02\n:since: 1.4\n:::\n", "MTS-EXC-02 has no title"),
        ("docs/specification/z.md", ":::{rule} EXC-2 title\n:since: 1.4\n:::\n", "'EXC-2' is no rule id"),
        ("docs/specification/z.md", ":::{rule} Q-02 title\n:sinse: 1.4\n:::\n", "unknown option 'sinse'"),
    ],
)
def test_mistakes_are_errors(repository, path, text, said):
    root, write = repository
    write(path, text)
    with pytest.raises(rules.SpecificationError) as error:
        rules.trace(root)
    assert said in str(error.value)


def test_ranges_of_rules_are_read():
    text = "Rules: MTS-CKH-08 to\n    # MTS-CKH-10, Q-04."
    assert rules.ids_in(text) == ["MTS-CKH-08", "MTS-CKH-09", "MTS-CKH-10", "Q-04"]


def test_the_command_shows_a_rule(capsys):
    assert rules.main(["MTS-EXC-01"]) == 0
    shown = capsys.readouterr().out
    assert "docs/specification/errors.md" in shown
    assert "reference/monitored/monitored_session.py" in shown
    assert rules.main(["MTS-EXC-99"]) == 2
    assert "MTS-EXC-99 is no rule" in capsys.readouterr().err
