"""Broken links, and pages that would need a network, are found."""

import pytest

from tools import links

GOOD = (
    '<html><head><link rel="stylesheet" href="a.css"></head><body id="top"><a href="b/c.html#part">c</a></body></html>'
)
FILES = {
    "index.html": GOOD,
    "b/c.html": '<p id="part"><a href="../#top">up</a> <a href="https://x.org">x</a></p>',
    "a.css": "",
}


@pytest.fixture
def site(tmp_path):
    for path, text in FILES.items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


def test_a_good_site(site, capsys):
    assert links.main([str(site)]) == 0
    assert capsys.readouterr().out == (
        "links: 2 pages, 2 links within the site, 1 to other sites (not tried), 0 errors\n"
    )


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("b/c.html", '<a href="gone.html">x</a>', "b/c.html:1: 'gone.html' leads to no file"),
        ("b/c.html", "<p>", "index.html:1: 'b/c.html#part': b/c.html has no such part"),
        ("b/c.html", '<p id="part"></p>\n<p id="part"></p>', "b/c.html: the id 'part' stands twice"),
        (
            "b/c.html",
            '<p id="part"><script src="https://cdn/x.js"></script>',
            "'https://cdn/x.js' is loaded from the network",
        ),
        ("b/c.html", '<p id="part"><img src="x.png">', "'x.png' is loaded and is not there"),
        ("a.css", "@font-face { src: url(//fonts/x.woff) }", "a.css: '//fonts/x.woff' is loaded from the network"),
        ("a.css", '@import "https://cdn/x.css";', "a.css: 'https://cdn/x.css' is loaded from the network"),
    ],
)
def test_what_is_wrong_is_found(site, capsys, path, text, said):
    (site / path).write_text(text, encoding="utf-8")
    assert links.main([str(site)]) == 1
    assert said in capsys.readouterr().out


def test_nothing_to_check(tmp_path, capsys):
    assert links.main([str(tmp_path)]) == 2
    assert "build the site first" in capsys.readouterr().err
