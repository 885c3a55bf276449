"""The pictures of the documentation, drawn from source when the site is built.

    :::{picture} life
    :::

`contents/` says what the pictures show, as data that tests compare with what sessions do. One module a picture draws
it, on `drawing.py`; `directive.py` is all that needs Sphinx.
"""

from collections.abc import Callable
from typing import Any

from pictures import cluster, endings, life, overview, recovery, save, step
from pictures import text as texts
from pictures.contents import cluster as cluster_contents
from pictures.contents import endings as endings_contents
from pictures.contents import life as life_contents
from pictures.contents import overview as overview_contents
from pictures.contents import recovery as recovery_contents
from pictures.contents import save as save_contents
from pictures.contents import step as step_contents
from pictures.drawing import Drawing, LinkOf

DRAWINGS: dict[str, tuple[Any, Callable[[], Drawing], Callable[[], Drawing]]] = {
    "overview": (overview_contents, overview.wide, overview.narrow),
    "life": (life_contents, life.wide, life.narrow),
    "step": (step_contents, step.wide, step.narrow),
    "recovery": (recovery_contents, recovery.wide, recovery.narrow),
    "save": (save_contents, save.wide, save.narrow),
    "cluster": (cluster_contents, cluster.wide, cluster.narrow),
}
"""For each picture its words, its form for a page and its form for a phone."""

_STANDALONE = """
text { font-family: Arial, Helvetica, sans-serif; fill: #1f2328; }
text .code { font-family: ui-monospace, monospace; }
text.quiet { fill: #59636e; }
.box { fill: #f6f8fa; stroke: #818b98; }
.box.quiet { fill: none; }
.box.accent { fill: #e9effd; stroke: #2757dd; }
.box.good { fill: #e3f5e8; stroke: #176f30; }
.line { fill: none; stroke: #59636e; }
.head { fill: #59636e; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; }
text.quiet { fill: #9198a1; }
.box { fill: #151b23; stroke: #656c76; }
.box.accent { fill: #16233d; stroke: #7fb2ff; }
.box.good { fill: #12291a; stroke: #5fcf80; }
.line { stroke: #9198a1; }
.head { fill: #9198a1; }
}
"""
"""The colours of a picture that stands outside the site, on a page that is white or nearly black."""

TABLES: dict[str, tuple[Any, Callable[[LinkOf], str]]] = {"endings": (endings_contents, endings.table)}
"""Pictures that are tables, which fit any width."""

NAMES = (*DRAWINGS, *TABLES)


def title_of(name: str) -> str:
    """What a picture is called."""
    return str((DRAWINGS.get(name) or TABLES[name])[0].TITLE)


def figure(name: str, identity: str, link_of: LinkOf) -> str:
    """A picture as an HTML figure; ids in it begin with `identity`, `link_of` gives the address of a rule."""
    if name in TABLES:
        words, table = TABLES[name]
        inner = table(link_of)
    else:
        words, wide, narrow = DRAWINGS[name]
        inner = "\n".join(
            form().svg(f"{identity}-{size}", words.TITLE, words.DESCRIPTION, link_of, size)
            for size, form in (("wide", wide), ("narrow", narrow))
        )
    caption = f"<b>{texts.html(words.TITLE)}.</b> {texts.html(words.CAPTION)}"
    return (
        f'<figure class="picture picture-{name}" id="{identity}" aria-labelledby="{identity}-caption">\n'
        f'{inner}\n<figcaption id="{identity}-caption">{caption}</figcaption>\n</figure>\n'
    )


def standalone(name: str) -> str:
    """A picture as an SVG file of its own, in its wide form, light or dark as the reader's system is."""
    words, wide, _ = DRAWINGS[name]
    drawn = wide().svg(name, words.TITLE, words.DESCRIPTION, "#{}".format)
    head, _, rest = drawn.partition(">")
    return f"{head}>\n<style>{_STANDALONE}</style>{rest}\n"


def setup(app: Any) -> dict[str, Any]:
    """Connect the directive to Sphinx."""
    from pictures import directive  # noqa: PLC0415 - what draws, and its tests, need no Sphinx

    return directive.setup(app)
