"""Whether every link of a built site leads somewhere, and whether it can be viewed without a network.

    python -m tools.links build/docs

Reads all HTML files below a folder. An error is a link to a file that is not there, or to a part of a page that the
page does not have; an id that stands twice on a page; and anything a page would load from elsewhere (scripts, styles,
pictures, fonts). Links that a reader may follow to other sites are counted and not tried. Exit codes: 0 nothing found,
1 something found, 2 no pages there.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {"script": "src", "img": "src", "source": "src", "iframe": "src", "link": "href"}
"""Elements that make a browser load what an attribute names; a `link` only if it is a style, an icon or the like."""
_LOADED_LINKS = {"stylesheet", "icon", "shortcut icon", "preload", "prefetch", "manifest"}
_CSS_URL = re.compile(r"url\(\s*['\"]?(?!data:)([^'\")]+)|@import\s+['\"]([^'\"]+)")


@dataclass
class Page:
    """What matters of one page: its ids, what it links to, what it loads."""

    ids: list[str] = field(default_factory=list)
    links: list[tuple[int, str]] = field(default_factory=list)
    loads: list[tuple[int, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element is called, links to and loads."""
        given = {name: value or "" for name, value in attrs}
        line = self.getpos()[0]
        if "id" in given:
            self.page.ids.append(given["id"])
        if tag == "a" and "href" in given:
            self.page.links.append((line, given["href"]))
        loaded = given.get(_LOADED.get(tag, ""), "")
        if loaded and (tag != "link" or given.get("rel", "").lower() in _LOADED_LINKS):
            self.page.loads.append((line, loaded))

    handle_startendtag = handle_starttag


@dataclass
class Checked:
    """What a site holds, and what is wrong with it."""

    pages: int = 0
    links: int = 0
    outside: int = 0
    errors: list[str] = field(default_factory=list)


def read(folder: Path) -> dict[Path, Page]:
    """Read every page below a folder."""
    pages = {}
    for path in sorted(folder.rglob("*.html")):
        reader = _Reader()
        reader.feed(path.read_text(encoding="utf-8"))
        pages[path] = reader.page
    return pages


def check(folder: Path) -> Checked:
    """Check every page and style sheet below a folder."""
    folder = folder.resolve()
    pages = read(folder)
    ids = {path: set(page.ids) for path, page in pages.items()}
    checked = Checked(pages=len(pages))
    for path, page in pages.items():
        shown = path.relative_to(folder)
        twice = (
            sorted({name for name in page.ids if page.ids.count(name) > 1}) if len(page.ids) > len(ids[path]) else []
        )
        checked.errors += [f"{shown}: the id {name!r} stands twice" for name in twice]
        for line, target in page.links:
            if urlsplit(target).scheme or target.startswith("//"):
                checked.outside += 1
                continue
            checked.links += 1
            checked.errors += [f"{shown}:{line}: {problem}" for problem in _follow(target, path, folder, ids)]
        for line, target in page.loads:
            checked.errors += [f"{shown}:{line}: {problem}" for problem in _load(target, path, folder)]
    for path in sorted(folder.rglob("*.css")):
        for match in _CSS_URL.finditer(path.read_text(encoding="utf-8")):
            target = match[1] or match[2]
            checked.errors += [f"{path.relative_to(folder)}: {problem}" for problem in _load(target, path, folder)]
    return checked


def _follow(target: str, path: Path, folder: Path, ids: dict[Path, set[str]]) -> Iterator[str]:
    parts = urlsplit(target)
    file = _file(unquote(parts.path), path, folder)
    if not file.is_file():
        yield f"{target!r} leads to no file"
    elif parts.fragment and file in ids and unquote(parts.fragment) not in ids[file]:
        yield f"{target!r}: {file.relative_to(folder)} has no such part"


def _load(target: str, path: Path, folder: Path) -> Iterator[str]:
    parts = urlsplit(target)
    if parts.scheme == "data" or target.startswith("#"):
        return
    if parts.scheme or target.startswith("//"):
        yield f"{target!r} is loaded from the network"
    elif not _file(unquote(parts.path), path, folder).is_file():
        yield f"{target!r} is loaded and is not there"


def _file(target: str, path: Path, folder: Path) -> Path:
    if not target:
        return path
    file = (folder / target.lstrip("/") if target.startswith("/") else path.parent / target).resolve()
    return file / "index.html" if file.is_dir() else file


def main(arguments: list[str] | None = None) -> int:
    """Check a site and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tools.links", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", help="where the site was built")
    folder = Path(parser.parse_args(arguments).folder)
    checked = check(folder)
    if not checked.pages:
        print(f"no pages in {folder}; build the site first: tox run -e docs", file=sys.stderr)
        return 2
    print(*checked.errors, sep="\n", end="\n" if checked.errors else "")
    print(
        f"links: {checked.pages} pages, {checked.links} links within the site, {checked.outside} to other sites (not "
        f"tried), {len(checked.errors)} errors"
    )
    return 1 if checked.errors else 0


if __name__ == "__main__":
    sys.exit(main())
