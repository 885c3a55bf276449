"""Ids in the text become links: rules (MTS-EXC-05, Q-12), rows of the differences (D05), divergences (DIV-10)."""

import re
from collections.abc import Callable
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

_LOG = logging.getLogger(__name__)
_ID = re.compile(r"\b(?:MTS-[A-Z]+-\d\d|Q-\d\d|DIV-\d\d|D\d\d)\b")
_NOT_IN = (nodes.reference, nodes.title, nodes.literal_block, nodes.raw, nodes.target)


def _note_anchors(app: Sphinx, doctree: nodes.document) -> None:
    env = app.env
    if not hasattr(env, "known_anchors"):
        env.known_anchors = {}
    env.known_anchors[env.docname] = {
        name for node in doctree.findall(nodes.Element) for name in node.get("ids", ()) if _ID.fullmatch(name.upper())
    }


def _forget(app: Sphinx, env: Any, docname: str) -> None:
    getattr(env, "known_anchors", {}).pop(docname, None)


def _merge(app: Sphinx, env: Any, docnames: set[str], other: Any) -> None:
    known = env.known_anchors = getattr(env, "known_anchors", {})
    known.update({d: a for d, a in getattr(other, "known_anchors", {}).items() if d in docnames})


def addresses(builder: Any, here: str) -> Callable[[str], str | None]:
    """Return what gives the address of an id as seen from the page `here`, None for an id that nothing has."""
    pages = {a: page for page, anchors in getattr(builder.env, "known_anchors", {}).items() for a in anchors}

    def address_of(name: str) -> str | None:
        anchor = name.lower()
        if anchor not in pages:
            return None
        page = pages[anchor]
        return f"#{anchor}" if page == here else f"{builder.get_relative_uri(here, page)}#{anchor}"

    return address_of


class LinkIdentifiers(SphinxPostTransform):
    """Link each id that is not linked yet; one that nothing has is a warning."""

    default_priority = 900

    def run(self, **_: Any) -> None:
        """Split texts at ids."""
        address_of = addresses(self.app.builder, self.env.docname)
        for text in list(self.document.findall(nodes.Text)):
            if not _ID.search(text) or any(isinstance(a, _NOT_IN) for a in _ancestors(text)):
                continue
            parts: list[nodes.Node] = []
            end = 0
            for match in _ID.finditer(text):
                parts += [nodes.Text(text[end : match.start()]), _link(match[0], address_of(match[0]), text)]
                end = match.end()
            text.parent.replace(text, [p for p in [*parts, nodes.Text(text[end:])] if p.astext()])


def _link(name: str, address: str | None, where: nodes.Text) -> nodes.Node:
    if address is None:
        _LOG.warning("nothing has the id %s", name, location=where.parent)
        return nodes.Text(name)
    return nodes.reference("", name, refuri=address, internal=True, classes=["id-link"])


def _ancestors(node: nodes.Node) -> list[nodes.Node]:
    found = []
    while (node := node.parent) is not None:
        found.append(node)
    return found


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the links to Sphinx."""
    app.connect("doctree-read", _note_anchors)
    app.connect("env-purge-doc", _forget)
    app.connect("env-merge-info", _merge)
    app.add_post_transform(LinkIdentifiers)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
