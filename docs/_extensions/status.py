"""The directive `status`: tables and a picture from the JSON files that the tools wrote.

    :::{status} conformance
    :::

NAMES has what there is. What is shown is made by `tools.status`; a file that is missing, or is no JSON, is an error.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tools import status

Files = list[Path]


def _run() -> tuple[Path, status.Json]:
    return status.results("nightly-*/result.json")[0]


def _conformance() -> tuple[str, Files]:
    path, result = _run()
    return status.conformance(result, path), [path]


def _of_the_run(show: Callable[[status.Json], str]) -> Callable[[], tuple[str, Files]]:
    def made() -> tuple[str, Files]:
        path, result = _run()
        return show(result), [path]

    return made


def _mutants() -> tuple[str, Files]:
    path, result = status.results("mutants-*.json")[0]
    return status.mutants(result, path), [path]


def _scenarios() -> tuple[Path, status.Json]:
    return status.results("rules-*.json")[0]


def _divergence_table() -> tuple[str, Files]:
    (path, complete), (other, scenarios) = _run(), _scenarios()
    made = [
        status.divergence_table(status.load(status.REGISTER), complete, scenarios),
        "How often each kind of run met an entry: the complete one, which draws and enumerates programs and knows "
        "neither clusters nor what was registered after it, and the written scenarios and tests.",
    ]
    for run, file, command in (
        (complete, path, status.conformance_command(complete)),
        (scenarios, other, scenarios["command"]),
    ):
        made += [status.made_with(run["date"], run["versions"], run["versions"]["platform"])]
        made += [status.generated(file, command)]
    return "\n\n".join(made), [path, other, status.REGISTER]


def _performance() -> tuple[str, Files]:
    baselines = status.load(status.BASELINE)
    return "\n".join(status.performance(key, entry) for key, entry in baselines.items()), [status.BASELINE]


def _picture() -> tuple[str, Files]:
    baselines, past = status.load(status.BASELINE), status.load(status.HISTORY)
    parts = []
    for key, entry in baselines.items():
        earlier = [each for each in past.get(key, []) if each["created"] != entry["created"]]
        before = earlier[-1] if earlier else None
        parts += [status.measured_with(key, entry), "", status.picture(entry, before)]
        if before:
            parts.append(f"Thin strokes: the baseline before it. {status.measured_with(key, before)}\n")
    return "\n".join(parts), [status.BASELINE, status.HISTORY]


def _history() -> tuple[str, Files]:
    past = status.load(status.HISTORY)
    return "\n".join(status.history(key, entries) for key, entries in past.items()), [status.HISTORY]


def _crashes() -> tuple[str, Files]:
    found = status.results("crashes-*.json")
    return status.crash_tables(found), [path for path, _ in found]


def _soak() -> tuple[str, Files]:
    found = status.results("soak-*.json")
    return status.soak_tables(found), [path for path, _ in found]


NAMES: dict[str, Callable[[], tuple[str, Files]]] = {
    "conformance": _conformance,
    "strategies": _of_the_run(status.strategies),
    "scope": _of_the_run(status.scope),
    "rules": _of_the_run(status.rules_by_group),
    "mutants": _mutants,
    "divergences": _divergence_table,
    "performance": _performance,
    "performance-picture": _picture,
    "history": _history,
    "crashes": _crashes,
    "soak": _soak,
}


_INTERVAL = re.compile(r"(\d) \[([\d.]+), ([\d.]+)\]")
"""A ratio and its interval, which stay on one line."""


class StatusDirective(SphinxDirective):
    """What one tool found last, as Markdown that is parsed in place."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return what the name stands for; the page is read anew when the files change."""
        name = self.arguments[0]
        try:
            if name == "divergence-entries":
                return self._entries()
            text, files = NAMES[name]()
        except KeyError as error:
            raise self.error(f"status {name}: nothing has the name {error}; known: {', '.join(NAMES)}") from error
        except (OSError, ValueError) as error:
            raise self.error(f"status {name}: {error}") from error
        self._note(files)
        return self._parsed(text).children

    def _note(self, files: Files) -> None:
        for file in files:
            self.env.note_dependency(str(file))

    def _parsed(self, text: str) -> nodes.Element:
        container = nodes.container()
        text = _INTERVAL.sub("\\1\u00a0[\\2,\u00a0\\3]", text)
        self.state.nested_parse(StringList(text.split("\n"), "status"), self.content_offset, container)
        return container

    def _entries(self) -> list[nodes.Node]:
        """A section for each entry of the register, so that DIV-01 has an address."""
        self._note([status.REGISTER])
        sections: list[nodes.Node] = []
        for entry in status.load(status.REGISTER):
            anchor = entry["id"].lower()
            section = nodes.section(ids=[anchor], names=[anchor])
            section += nodes.title("", f"{entry['id']}: {entry['verdict']}")
            self.state.document.note_explicit_target(section)
            section += self._parsed(status.divergence(entry)).children
            sections.append(section)
        return sections


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the directive to Sphinx."""
    app.add_directive("status", StatusDirective)
    app.add_css_file("status.css")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
