"""The index of the search: one entry a section, row or name, so that a result is a rule and not a long page.

The page is `_templates/search.html`, the ranking `_static/search.js`. The index is a script and not data to fetch, so
that the search works in a browser that reads the site from a folder.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

FILE = "search-sections.js"
_ROW_ID = re.compile(r"D\d\d", re.IGNORECASE)
_SKIPPED = (nodes.title, nodes.comment, nodes.raw, addnodes.toctree, addnodes.index, addnodes.only)
_SPACED = (addnodes.desc_signature, addnodes.desc_parameterlist)


def entries(page: str, document: nodes.document) -> Iterator[list[str]]:
    """Return page, anchor, title, title of the page, text and keywords of all that has an address on a page."""
    titles = list(document.findall(nodes.title))
    of_page = _words(titles[0]) if titles else page
    keywords = " ".join(m["content"] for m in document.findall(nodes.meta) if m.get("name") == "keywords")
    for node in document.findall(_is_unit):
        title, anchor = _title(node)
        if title == of_page:
            anchor = ""
        text = " ".join(map(_words, node[2:])) if isinstance(node, nodes.row) else _words(node, node)
        yield [page, anchor, title, of_page, text, *([keywords] if keywords and not anchor else [])]


def _is_unit(node: nodes.Node) -> bool:
    if isinstance(node, nodes.row):
        return bool(_row_id(node))
    if isinstance(node, addnodes.desc):
        return bool(node[0].get("ids"))
    return isinstance(node, nodes.section)


def _row_id(row: nodes.row) -> str:
    found = [name for part in row[0].findall(nodes.inline) for name in part["ids"] if _ROW_ID.fullmatch(name)]
    return found[0] if found else ""


def _title(node: Any) -> tuple[str, str]:
    if isinstance(node, nodes.row):
        return f"{_words(node[0])} {_words(node[1])}", _row_id(node)
    if isinstance(node, addnodes.desc):
        return node[0]["ids"][0], node[0]["ids"][0]
    return _words(node.next_node(nodes.title)), node["ids"][0]


def _words(node: Any, unit: nodes.Node | None = None) -> str:
    """Return the text of a node; inside a unit, without its title and without what is a unit of its own."""
    if isinstance(node, nodes.Text):
        return node.astext()
    parts = []
    for child in node.children:
        if unit is not None and (isinstance(child, _SKIPPED) or _is_unit(child) or _is_facts(child)):
            continue
        parts.append(_words(child, unit))
    runs_on = isinstance(node, nodes.TextElement) and not isinstance(node, _SPACED)
    text = ("" if runs_on else " ").join(parts)
    return " ".join(text.split()) if node is unit or unit is None else text


def _is_facts(node: nodes.Node) -> bool:
    return "rule-facts" in getattr(node, "attributes", {}).get("classes", ())


def _write(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    found = [e for page in sorted(app.env.found_docs) for e in entries(page, app.env.get_doctree(page))]
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    (Path(app.outdir) / FILE).write_text(f"const SECTIONS = {text};\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the index at the end of each build."""
    app.connect("build-finished", _write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
