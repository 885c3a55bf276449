"""Long names in code may break after a point, slash, underscore, bracket or equals sign; options do not break.

On a narrow screen a name that does not fit would otherwise break anywhere (`after_create_s`, `ession`). The places are
`<wbr>`, so that what is copied or searched for stays one word. Those of the class "short" are in names that fit a line
of a phone, but not a column beside others, those of the class "long" in names that fill a line of any screen;
`_static/site.css` says where they count.
"""

import re
from typing import Any

from sphinx.application import Sphinx

_NAME = re.compile(r'(?<=<span class="pre">)[^<\s]{24,}(?=</span>)')
_PLACE = re.compile(r"(?<=[A-Za-z0-9])(?:_(?=[A-Za-z0-9]{2})|[./](?=\w{5})|[(=](?=\w))")
"""Not before the last few letters of a name: `.py` and `.run` stay where they are."""
_OPTION = re.compile(r'(?<=<span class="pre)(?=">--?[a-z][^<\s]{,35}</span>)')
"""An option, which else would break after its dashes."""
_LINE, _LONG = 40, 60
"""Characters of a name that a line of a phone has no room for, and of one that breaks on every screen."""


def with_breaks(page: str) -> str:
    """Return the HTML of a page with the places at which its long names may break."""
    return _NAME.sub(_broken, _OPTION.sub(" option", page))


def _broken(name: re.Match[str]) -> str:
    length = len(name[0])
    mark = '<wbr class="long">' if length >= _LONG else "<wbr>" if length >= _LINE else '<wbr class="short">'
    return _PLACE.sub(lambda place: place[0] + mark, name[0])


def _mark(app: Sphinx, page: str, template: str, context: dict[str, Any], document: object) -> None:
    if "body" in context:
        context["body"] = with_breaks(context["body"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Mark the places in every page."""
    app.connect("html-page-context", _mark)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
