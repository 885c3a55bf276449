"""Where code within a line may break: never inside a short word, and in a long one between the parts of a name or path.

The style sheet forbids every break inside a piece of `code`; what is inserted here allows those that read well. So
the dashes of an option stay with its name, and a long path breaks after a slash, not within a word.
"""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.writers.html5 import HTML5Translator

_WHOLE, _WHOLE_IN_A_TABLE = 30, 26
"""Characters; a word that is no longer stays whole."""

_OPTION = re.compile(r"--?[a-z][a-z-]*=?")

_BREAK = re.compile(r"(?<=[/=(,:|\[])(?=[\w^])|(?<=\.)(?!(?:py|json|html|md)\b)(?=[^\W\d])|(?<=[^\W_][_-])(?=[^\W\d_])")
"""After a slash, a dot, a bracket, the underscore or hyphen between two words; not before an ending or a number."""


class Break(nodes.General, nodes.Inline, nodes.Element):
    """A place where a line may break."""


def pieces(word: str) -> list[str]:
    """Return the parts of a long word between which a line may break."""
    option = _OPTION.match(word)
    head = option[0] if option else ""
    return [p for p in (head, *_BREAK.split(word[len(head) :])) if p]


class BreakLiterals(SphinxPostTransform):
    """Put a break between the pieces of each long word."""

    default_priority = 950  # once ids are links

    def run(self, **_: Any) -> None:
        """Split the texts of literals."""
        for literal in list(self.document.findall(nodes.literal)):
            whole = _WHOLE_IN_A_TABLE if _in_a_table(literal) else _WHOLE
            for text in list(literal.findall(nodes.Text)):
                parts: list[nodes.Node] = []
                for word in re.findall(r"\S+|\s+", text):
                    for piece in pieces(word) if len(word) > whole else [word]:
                        parts += [nodes.Text(piece), Break()]
                    parts.pop()
                if len(parts) > 1:
                    text.parent.replace(text, parts)


def _in_a_table(node: nodes.Node) -> bool:
    return node is not None and (isinstance(node, nodes.entry) or _in_a_table(node.parent))


def _visit_html(translator: HTML5Translator, _node: Break) -> None:
    translator.body.append("<wbr>")
    raise nodes.SkipNode


def _visit_other(_translator: Any, _node: Break) -> None:
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the breaks to Sphinx."""
    other = (_visit_other, None)
    app.add_node(Break, html=(_visit_html, None), text=other, latex=other, man=other, texinfo=other)
    app.add_post_transform(BreakLiterals)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
