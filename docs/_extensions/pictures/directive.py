"""The directive `picture`: puts a picture on a page, its rules linked to where they stand."""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

import pictures
from identifiers import addresses

_LOG = logging.getLogger(__name__)
_STATIC = str(Path(__file__).resolve().parent / "static")


class Picture(nodes.General, nodes.Element):
    """Where a picture stands, with its name."""


class PictureDirective(SphinxDirective):
    """`:::{picture} NAME`, with nothing inside."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the node; what it looks like is known when the page is written."""
        name = self.arguments[0]
        if name not in pictures.NAMES:
            raise self.error(f"there is no picture {name!r}; there are {', '.join(pictures.NAMES)}")
        self.env.note_dependency(str(Path(__file__).with_name(f"{name}.py")))
        self.env.note_dependency(str(Path(__file__).parent / "contents" / f"{name}.py"))
        node = Picture(picture=name, identity=f"picture-{name}-{self.env.new_serialno('picture')}")
        self.set_source_info(node)
        return [node]


def _visit_html(translator: HTML5Translator, node: Picture) -> None:
    builder = translator.builder
    address_of = addresses(builder, builder.current_docname)

    def link_of(rule: str) -> str:
        address = address_of(rule)
        if address is None:
            _LOG.warning("a picture names %s, which is nowhere", rule, location=node)
        return address or f"#{rule.lower()}"

    translator.body.append(pictures.figure(node["picture"], node["identity"], link_of))
    raise nodes.SkipNode


def _visit_other(translator: Any, node: Picture) -> None:
    if hasattr(translator, "add_text"):
        translator.add_text(f"[{pictures.title_of(node['picture'])}]")
    raise nodes.SkipNode


def _add_static(app: Sphinx, config: Any) -> None:
    config.html_static_path.append(_STATIC)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive, the node and the style sheet."""
    other = (_visit_other, None)
    app.add_node(Picture, html=(_visit_html, None), text=other, latex=other, man=other, texinfo=other)
    app.add_directive("picture", PictureDirective)
    app.connect("config-inited", _add_static)
    app.add_css_file("pictures.css")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
