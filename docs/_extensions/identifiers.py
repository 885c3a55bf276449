"""Ids in the text become links: rules (MTS-EXC-05, Q-12), rows of the differences (D05), divergences (DIV-10)."""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

from sources import rule_addresses

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


class LinkIdentifiers(SphinxPostTransform):
    """Link each id that is not linked yet; one that nothing has is a warning."""

    default_priority = 900

    def run(self, **_: Any) -> None:
        """Split texts at ids."""
        addresses = rule_addresses(self.env)
        for text in list(self.document.findall(nodes.Text)):
            if not _ID.search(text) or any(isinstance(a, _NOT_IN) for a in _ancestors(text)):
                continue
            parts: list[nodes.Node] = []
            end = 0
            for match in _ID.finditer(text):
                parts += [nodes.Text(text[end : match.start()]), self._link(match[0], addresses, text)]
                end = match.end()
            text.parent.replace(text, [p for p in [*parts, nodes.Text(text[end:])] if p.astext()])

    def _link(self, name: str, addresses: dict[str, tuple[str, str]], where: nodes.Text) -> nodes.Node:
        found = addresses.get(name.lower())
        if not found:
            _LOG.warning("nothing has the id %s", name, location=where.parent)
            return nodes.Text(name)
        page, anchor = found
        uri = self.app.builder.get_relative_uri(self.env.docname, page) + f"#{anchor}"
        if page == self.env.docname:
            uri = f"#{anchor}"
        return nodes.reference("", name, refuri=uri, internal=True, classes=["id-link"])


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
