"""The directive `rule`, and the line about all rules at the end of a build.

    :::{rule} MTS-EXC-01 exactly OutOfRangeError and StopIteration end a block cleanly
    :since: 1.4
    :differences: D21

    What happens.
    :::

becomes a section of its own, so that it has an address and the search knows it, followed by what `tools.rules` knows:
releases, places in the code, tests, and what came of them.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from tools import rules
from tools.status import table

_LOG = logging.getLogger(__name__)
_SHOWN = 3
"""More places in the code than this are folded away; tests always are."""


class RuleDirective(SphinxDirective):
    """A rule: its title as a heading, its text, and the facts about it."""

    required_arguments = 1
    optional_arguments = 0
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar = {"since": directives.unchanged_required, "differences": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Return the section; an unknown rule is one that `tools.rules` did not find on the same page."""
        name, _, title = self.arguments[0].partition(" ")
        traced = rules.trace().get(name)
        if traced is None:
            raise self.error(f"{name} is no rule that `python -m tools.rules` finds")
        section = nodes.section(ids=[name.lower()], names=[name.lower()], classes=["rule"])
        heading = nodes.title("", "", nodes.inline("", name, classes=["rule-id"]), nodes.Text(" " + title))
        section += heading
        self.state.document.note_explicit_target(section)
        self.state.nested_parse(StringList(self.content), self.content_offset, section)
        section += _facts(traced)
        return [section]


def _facts(traced: rules.Traced) -> nodes.Node:
    rule = traced.rule
    releases: list[nodes.Node] = [nodes.Text("TensorFlow " + ", ".join(rule.releases))]
    if rule.differences:
        releases += [nodes.Text("; what differed: " + ", ".join(rule.differences))]
    rows = [("Holds in", releases)]
    if rule.id in rules.OUT_OF_SCOPE:
        rows.append(("Code", [nodes.Text(f"none: {rules.OUT_OF_SCOPE[rule.id]}")]))
    elif traced.code:
        rows.append(("Code", _code(traced.code)))
    rows.append(("Tests", _tests(traced)))
    facts = nodes.definition_list(classes=["rule-facts"])
    for label, content in rows:
        body = nodes.definition("", *(list(content) if _is_block(content) else [nodes.paragraph("", "", *content)]))
        facts += nodes.definition_list_item("", nodes.term("", label), body)
    return facts


def _is_block(content: list[nodes.Node]) -> bool:
    return any(isinstance(c, nodes.bullet_list) for c in content)


def _code(places: list[rules.Place]) -> list[nodes.Node]:
    shown = _list(places[:_SHOWN])
    if len(places) <= _SHOWN:
        return [shown]
    return [shown, *_folded([nodes.Text(f"{len(places) - _SHOWN} more")], places[_SHOWN:])]


def _tests(traced: rules.Traced) -> list[nodes.Node]:
    verdict = _verdict(traced.result)
    if not traced.tests:
        return [verdict]
    count = len(traced.tests)
    return _folded([nodes.Text(f"{count} test{'' if count == 1 else 's'}, "), verdict], traced.tests)


def _folded(summary: list[nodes.Node], places: list[rules.Place]) -> list[nodes.Node]:
    opening, closing = nodes.raw("", "<details><summary>", format="html"), nodes.raw("", "</summary>", format="html")
    return [opening, *summary, closing, _list(places, files=True), nodes.raw("", "</details>", format="html")]


def _list(places: Iterable[rules.Place], files: bool = False) -> nodes.bullet_list:
    """Return links to places: what is there, after the name of its file where that tells something."""
    items = nodes.bullet_list(classes=["rule-places"])
    for place in places:
        file = PurePosixPath(place.path).name
        text = f"{file} {place.name}".strip() if files else place.name or file
        reference = nodes.reference("", "", nodes.literal("", text), refuri=f"source:{place.path}#{place.line}")
        reference["reftitle"] = f"{place.path}:{place.line}"
        items += nodes.list_item("", nodes.paragraph("", "", reference))
    return items


def _verdict(result: rules.Result) -> nodes.Node:
    text = result.verdict
    if result.date:
        text += f" on {result.date}, TensorFlow {result.tensorflow}"
    return nodes.inline("", text, classes=["verdict", "verdict-" + result.verdict.replace(" ", "-")])


class CoverageDirective(SphinxDirective):
    """How many rules of each chapter stand in the code, are tested and pass; `summary` says it in a sentence."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a table with a row for each chapter, and the last run's date."""
        everything = list(rules.trace().values())
        lines = [f"{rules.count(everything)}."] if self.arguments else _coverage_table(everything, self._chapters())
        run = rules.read_results()
        if run:
            version = run["versions"]
            lines[-1] += "" if self.arguments else "\n"
            lines += [f"Tests of {run['date'][:10]}, TensorFlow {version['tensorflow']}, Python {version['python']}."]
        container = nodes.container()
        self.state.nested_parse(StringList("\n".join(lines).split("\n"), "coverage"), self.content_offset, container)
        return list(container.children)

    def _chapters(self) -> list[str]:
        """The pages that are listed above, in their order."""
        lists = self.state.document.findall(addnodes.toctree)
        return [f"docs/{name}.md" for each in lists for name in each["includefiles"]]


def _coverage_table(everything: list[rules.Traced], order: list[str]) -> list[str]:
    chapters: dict[str, list[rules.Traced]] = {page: [] for page in order}
    for traced in everything:
        chapters.setdefault(traced.rule.page, []).append(traced)
    rows = []
    for page, some in [*chapters.items(), ("", everything)]:
        c = rules.count(some)
        ids = " ".join(f"[{group}]{{.rule-ids}}" for group in dict.fromkeys(t.rule.group for t in some))
        name = f"[](/{page.removeprefix('docs/')}) {ids}" if page else "all"
        rows.append((name, c.rules, c.code, c.test, c.passing))
    return table(("chapter", "rules", "with code", "with a test", "passing"), rows).splitlines()


def _note_sources(app: Sphinx, env: Any, docnames: list[str]) -> None:
    """Read pages with rules anew: what they show stands in other files, too."""
    docnames.extend(d for d in env.found_docs if d.startswith("specification/") and d not in docnames)


def _summarise(app: Sphinx, env: Any) -> None:
    everything = list(rules.trace().values())
    counts = rules.count(everything)
    _LOG.info("specification: %s", counts)
    for gap in rules.missing(everything):
        _LOG.warning("%s", gap)


def _start(app: Sphinx) -> None:
    rules.trace.cache_clear()


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the directive to Sphinx."""
    app.add_directive("rule", RuleDirective)
    app.add_directive("coverage", CoverageDirective)
    app.connect("builder-inited", _start)
    app.connect("env-before-read-docs", _note_sources)
    app.connect("env-check-consistency", _summarise)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
