"""Configuration of the site; `tox run -e docs` builds it."""

import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS / "_extensions"), str(ROOT), str(ROOT / "reference")]

import sources  # noqa: E402 - found since the line above

project = "monitored"
author = "the authors of monitored"
project_copyright = f"{author}, Apache-2.0"
(release,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.linkcode",
    "specification",
    "sources",
    "identifiers",
    "breaks",
    "search",
    "status",
    "pictures",
]
exclude_patterns = ["_build", "_extensions", "_templates"]
root_doc = "index"

myst_enable_extensions = ["colon_fence", "attrs_inline", "deflist"]
myst_heading_anchors = 4
nitpicky = False

html_theme = "furo"
html_title = f"monitored {release}"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_favicon = "_static/favicon.svg"
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    "navigation_with_keys": True,
    "light_css_variables": {"color-brand-primary": "#0b5cad", "color-brand-content": "#0b5cad"},
    "dark_css_variables": {"color-brand-primary": "#7ab8ff", "color-brand-content": "#7ab8ff"},
}
pygments_style = "default"
pygments_dark_style = "github-dark"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 68


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """Return the address of a name's source, as seen from a page in `api/`."""
    value: Any = importlib.import_module(info["module"])
    for part in info["fullname"].split("."):
        value = getattr(value, part, None)
    value = inspect.unwrap(getattr(value, "fget", value))
    try:
        path = Path(inspect.getsourcefile(value) or "").resolve().relative_to(ROOT)
        line = inspect.getsourcelines(value)[1]
    except (TypeError, ValueError):  # not ours, or no function
        return None
    return f"../{sources.page_name(str(path))}.html#L{line}"


def _from_markdown(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Make reStructuredText of docstrings: plain text, with code in single backticks and in indented blocks."""
    changed: list[str] = []
    for line in (re.sub(r"^(Source: )([\w/]+\.py)$", r"\1`\2`", line) for line in lines):  # a path in TensorFlow
        begins_block = line.startswith("    ") and changed and not changed[-1]
        before = next((c for c in reversed(changed) if c), "")
        if begins_block and before and not before.startswith((" ", "-", "*", "::")):
            changed += ["::", ""]
        if line.startswith("Source: "):
            changed.append("")
        changed.append(line if line.startswith("    ") else re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line))
    lines[:] = changed


def setup(app: Sphinx) -> None:
    """Connect what is configured here."""
    app.connect("autodoc-process-docstring", _from_markdown)
