"""Links into the repository: the role `source`, links to files outside docs/, and a page for each source file.

    {source}`reference/monitored/step.py`                     a file
    {source}`reference/monitored/step.py::PlainStep.run`      a class, function or method in it
    {source}`the plain step <reference/monitored/step.py>`    with a text of its own
    [the runner](../tox.ini)                                  as on any page of the repository

A page shows a file as it stands when the site is built, each line with an address, rule ids linked.
"""

import ast
import functools
import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import ReferenceRole

from identifiers import addresses
from tools.rules import RULE_ID

ROOT = Path(__file__).resolve().parent.parent.parent
_LOG = logging.getLogger(__name__)
_SCHEME = "source:"
_FOLDERS = ("reference", "conformance", "perf", "crashes", "examples", "tests", "tools", "docs/_extensions")
_LARGEST = 300_000
"""Bytes; larger files have no page, and a link to one is an error."""


class SourceRole(ReferenceRole):
    """`{source}`: a file of the repository, or something that is defined in it."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return a link that is made good when the page is written."""
        path, _, name = self.target.partition("::")
        text = self.title if self.has_explicit_title else (name or path)
        target = f"{_SCHEME}{path}" + (f"::{name}" if name else "")
        return [nodes.reference("", "", nodes.literal("", text), refuri=target)], []


class ResolveSources(SphinxPostTransform):
    """Point links into the repository at the pages made here."""

    default_priority = 5

    def run(self, **_: Any) -> None:
        """Rewrite links of the role and of rules, and links to files beside the documentation."""
        for node in list(self.document.findall(nodes.reference)):
            uri = node.get("refuri", "")
            if uri.startswith(_SCHEME):
                self._point(node, uri[len(_SCHEME) :])
        for node in list(self.document.findall(addnodes.download_reference)):
            here = Path(self.env.doc2path(self.env.docname)).parent
            path = (here / node["reftarget"].lstrip("/")).resolve()
            if path.is_file() and path.is_relative_to(ROOT):
                link = nodes.reference("", "", *node.children, refuri="")
                self._point(link, str(path.relative_to(ROOT)))
                node.replace_self(link)

    def _point(self, node: nodes.reference, target: str) -> None:
        path, _, name = target.partition("::")
        path, _, line = path.partition("#")
        if name:
            line = str(definitions(path).get(name, 0))
        if not has_page(path) or line == "0":
            _LOG.warning("nothing in the repository is %s", target, location=node)
            line = ""
        docname = page_name(path)
        node["refuri"] = self.app.builder.get_relative_uri(self.env.docname, docname) + (f"#L{line}" if line else "")
        node["internal"] = True


@functools.lru_cache
def definitions(path: str) -> dict[str, int]:
    """Return the line of each class, function, method and module-level name of a Python file."""
    if not (path.endswith(".py") and (ROOT / path).is_file()):
        return {}
    found: dict[str, int] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found.setdefault(prefix + child.name, child.lineno)
                visit(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.Assign | ast.AnnAssign):
                for target in child.targets if isinstance(child, ast.Assign) else [child.target]:
                    if isinstance(target, ast.Name):
                        found.setdefault(prefix + target.id, child.lineno)
            elif not isinstance(child, ast.expr):
                visit(child, prefix)

    visit(ast.parse((ROOT / path).read_text(encoding="utf-8")), "")
    return found


def page_name(path: str) -> str:
    """Return the name of a file's page."""
    return "source/" + path.strip("/")


@functools.lru_cache
def pages() -> tuple[str, ...]:
    """Return the files that have a page: all Python, and what people look at beside it."""
    found = [
        p for folder in _FOLDERS for p in (ROOT / folder).rglob("*") if p.suffix in (".py", ".json", ".txt", ".jsonl")
    ]
    found += [ROOT / name for name in ("pyproject.toml", "tox.ini", ".ci/run", "conftest.py", "LICENSE", "README.md")]
    found += (ROOT / "docs" / "results").rglob("*.json")
    return tuple(
        str(p.relative_to(ROOT))
        for p in sorted(found)
        if p.is_file() and "__pycache__" not in p.parts and p.stat().st_size <= _LARGEST
    )


def has_page(path: str) -> bool:
    """Whether a file of the repository has a page."""
    return path in pages()


def _write_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    if app.builder.format != "html":
        return
    formatter = HtmlFormatter(
        linenos="inline", lineanchors="L", anchorlinenos=True, wrapcode=True, cssclass="highlight"
    )
    for path in pages():
        text = (ROOT / path).read_text(encoding="utf-8")
        try:
            lexer = get_lexer_for_filename(path)
        except ClassNotFound:
            lexer = TextLexer()
        body = highlight(text, lexer, formatter).replace('name="L-', 'id="L').replace('href="#L-', 'href="#L')
        page = page_name(path)
        body = RULE_ID.sub(functools.partial(_link, addresses(app.builder, page)), body)
        heading = html.escape(path).replace("/", "/<wbr>")
        context = {"title": path, "body": f'<h1>{heading}</h1><div class="source-page">{body}</div>'}
        yield page, context, "page.html"


def _link(address_of: Callable[[str], str | None], match: "re.Match[str]") -> str:
    address = address_of(match[0])
    return f'<a href="{address}">{match[0]}</a>' if address else match[0]


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the role, the links and the pages to Sphinx."""
    app.add_role("source", SourceRole())
    app.add_post_transform(ResolveSources)
    app.connect("html-collect-pages", _write_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
