"""Configuration of the site; `tox run -e docs` builds it."""

import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS / "_extensions"), str(ROOT), str(ROOT / "reference")]

project = "monitored"
author = "the authors of monitored"
(release,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "specification", "sources", "identifiers"]
exclude_patterns = ["_build", "_extensions", "results", "rules.md"]
root_doc = "index"

myst_enable_extensions = ["colon_fence", "attrs_inline", "deflist"]
myst_heading_anchors = 4
nitpicky = False

html_theme = "furo"
html_title = f"monitored {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
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
autodoc_default_options = {"members": True, "show-inheritance": True}


def _code_in_docstrings(app, what, name, obj, options, lines):  # noqa: ANN001, ANN202
    """Docstrings here mark code by single backticks, as Markdown does; reStructuredText wants two."""
    lines[:] = [re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line) for line in lines]


def setup(app):  # noqa: ANN001, ANN201
    """Connect what is configured here."""
    app.connect("autodoc-process-docstring", _code_in_docstrings)
