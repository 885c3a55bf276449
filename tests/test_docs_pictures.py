"""The pictures of the documentation are drawn well: nothing overlaps, links exist, both colour schemes are complete."""

import ast
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import pictures
from conformance.rules import RULES
from pictures import endings, text
from pictures.contents import endings as endings_contents
from pictures.drawing import LOOKS, TONES, Drawing
from pictures.text import Font

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "_extensions" / "pictures"
SHEET = re.sub(r"/\*.*?\*/", "", (FOLDER / "static" / "pictures.css").read_text(encoding="utf-8"), flags=re.DOTALL)
SVG = "{http://www.w3.org/2000/svg}"

FORMS = [(name, form) for name in pictures.DRAWINGS for form in ("wide", "narrow")]
ROOM = {"wide": 720, "narrow": 358}
"""What the site's column is wide, and what a phone of 390 pixels leaves."""


def drawing_of(name, form):
    _, wide, narrow = pictures.DRAWINGS[name]
    return {"wide": wide, "narrow": narrow}[form]()


def figure_of(name):
    return ET.fromstring(pictures.figure(name, f"picture-{name}", lambda rule: f"rules.html?a=1&b=2#{rule.lower()}"))


def text_of(element):
    return " ".join("".join(element.itertext()).split())


# What is drawn.


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_nothing_overlaps_or_leaves_its_box(name, form):
    drawing = drawing_of(name, form)
    assert drawing.faults() == []
    assert drawing.width <= ROOM[form]
    assert len(drawing.texts) >= 10
    assert len(drawing.boxes) > 5


def test_the_picture_of_the_readme_is_the_one_that_is_drawn():
    written = (ROOT / "docs" / "overview.svg").read_text(encoding="utf-8")
    assert written == pictures.standalone("overview"), (
        "cd docs/_extensions && python -m pictures overview ../overview.svg"
    )
    ET.fromstring(written)


def crossing():
    drawing = Drawing(200)
    drawing.box(10, 10, 100, 40)
    drawing.text(90, 20, 100, "across the border")
    return drawing


def lines_over(plate, behind, look=None):
    drawing = Drawing(200)
    if look:
        drawing.box(10, 10, 150, 40, look)
    drawing.text(20, 20, 100, "some words", plate=plate)
    drawing.line((30, 0), (30, 60), behind=behind)
    return drawing


def boxes(*places, line=()):
    drawing = Drawing(200)
    for place in places:
        drawing.box(*place)
    if line:
        drawing.arrow(*line)
    return drawing


def words(*places, width=200):
    drawing = Drawing(width)
    for x, y in places:
        drawing.text(x, y, 150, "some words")
    return drawing


@pytest.mark.parametrize(
    ("drawing", "fault"),
    [
        (crossing(), "crosses the border"),
        (words((10, 10), (30, 15)), "overlaps"),
        (words((60, 10), width=100), "leaves the canvas"),
        (lines_over(plate=False, behind=False), "crosses 'some words'"),
        (lines_over(plate=False, behind=True), "crosses 'some words'"),
        (lines_over(plate=True, behind=False), "crosses 'some words'"),
        (lines_over(plate=False, behind=True, look="quiet"), "crosses 'some words'"),
        (boxes((10, 10, 50, 50), (40, 40, 50, 50)), "overlaps"),
        (boxes((10, 10, 250, 50)), "leaves the canvas"),
        (boxes((10, 10, 50, 50), line=((0, 30), (100, 30))), "passes through"),
        (boxes((10, 10, 50, 50), line=((30, 0), (30, 100))), "passes through"),
        (boxes((10, 10, 50, 50), line=((30, 70), (300, 70))), "leaves the canvas"),
    ],
)
def test_faults_are_found(drawing, fault):
    assert any(fault in found for found in drawing.faults()), drawing.faults()


@pytest.mark.parametrize(
    "drawing",
    [
        words((10, 10), (10, 40)),
        lines_over(plate=True, behind=True),
        lines_over(plate=False, behind=True, look="plain"),
        boxes((10, 10, 100, 50), (20, 20, 50, 20)),
        boxes((10, 10, 50, 50), line=((60, 30), (100, 30), (100, 60))),
    ],
)
def test_what_is_well_drawn_has_no_faults(drawing):
    assert drawing.faults() == []


def test_unknown_colours_are_refused():
    with pytest.raises(ValueError, match="'purple' is none of plain, "):
        Drawing(10).box(0, 0, 1, 1, "purple")
    with pytest.raises(ValueError, match="'purple' is none of plain, "):
        Drawing(100).text(0, 0, 50, "x", tone="purple")
    with pytest.raises(ValueError, match="'purple' is none of plain, "):
        Drawing(10).line((0, 0), (1, 1), look="purple")


# Text.


def test_lines_are_as_wide_as_they_may_be_and_no_wider():
    content = "a session that is `closed by its owner` is not opened again MTS-CLOSE-05"
    font = Font(13)
    whole = text.width_of(text.runs(content), font)
    assert text.wrapped(content, whole, font) == [text.runs(content)]
    for width in range(90, int(whole), 7):
        lines = text.wrapped(content, width, font)
        assert all(text.width_of(line, font) <= width for line in lines)
        assert " ".join("".join(run.text for run in line) for line in lines) == content.replace("`", "")
        code = " ".join(run.text for line in lines for run in line if run.style == "code")
        assert code == "closed by its owner"
        assert [run.text for line in lines for run in line if run.style == "rule"] == ["MTS-CLOSE-05"]
    with pytest.raises(ValueError, match="'session' is wider than 40"):
        text.wrapped(content, 40, font)


def test_widths_are_those_of_the_font():
    # Arial at 1000 pixels: advance widths of the letters in thousandths.
    assert text.width_of(text.runs("Wi j"), Font(1000)) == pytest.approx((944 + 222 + 278 + 222) * text.SLACK)
    assert text.width_of(text.runs("Wi"), Font(1000, bold=True)) == pytest.approx((944 + 278) * text.SLACK)
    code = 4 * 602 * text.CODE_SIZE
    assert text.width_of(text.runs("`ab c`"), Font(1000)) == pytest.approx(code)
    with pytest.raises(ValueError, match="the width of"):
        text.width_of(text.runs("\N{SNOWMAN}"), Font(10))


# What comes out.


@pytest.mark.parametrize("name", pictures.NAMES)
def test_a_figure_is_well_formed_with_caption_and_words_for_screen_readers(name):
    figure = figure_of(name)
    ids = [element.get("id") for element in figure.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert all(each.startswith(f"picture-{name}") for each in ids)
    assert figure.get("aria-labelledby") == figure.find("figcaption").get("id")
    svgs = figure.findall(f"{SVG}svg")
    assert [svg.get("class") for svg in svgs] == ([] if name in pictures.TABLES else ["wide", "narrow"])
    for svg in svgs:
        title, description = list(svg)[:2]
        assert (title.tag, description.tag) == (f"{SVG}title", f"{SVG}desc")
        assert (svg.get("aria-labelledby"), svg.get("aria-describedby")) == (title.get("id"), description.get("id"))
        assert len(title.text) > 5
        assert len(description.text) > 100


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_both_forms_say_the_same_of_rules(name, form):
    wide, narrow = (drawing_of(name, each).rule_ids() for each in ("wide", "narrow"))
    assert wide == narrow


@pytest.mark.parametrize("name", pictures.NAMES)
def test_links_lead_to_rules_that_exist(name):
    figure = figure_of(name)
    links = [*figure.iter(f"{SVG}a"), *figure.iter("a")]
    assert links or name == "overview", "the picture of the whole names no single rule"
    for link in links:
        rule = text_of(link)
        assert rule in RULES
        assert link.get("href") == f"rules.html?a=1&b=2#{rule.lower()}"
    # An id that is not a link would be one that the text missed.
    assert len(re.findall(r"MTS-[A-Z]+-\d+", "".join(figure.itertext()))) == len(links)


def test_the_table_has_every_ending_and_says_what_marks_mean():
    figure = figure_of("endings")
    rows = [row for row in figure.iter("tr") if row.get("class") != "group"][1:]
    all_endings = [ending for group in endings_contents.GROUPS.values() for ending in group.values()]
    assert len(rows) == len(all_endings) > 15
    columns = len(figure.find(".//thead/tr"))
    for row, ending in zip(rows, all_endings, strict=True):
        assert len(row) == columns
        assert text_of(row[0]).startswith(ending.text.replace("`", ""))
        marks = [cell.find("span") for cell in row[1:6]]
        assert [mark.get("aria-label") for mark in marks] == [endings_contents.MARKS[m][1] for m in ending.marks]
        assert [cell.get("data-label") for cell in row[1:6]] == list(endings_contents.METHODS)
        assert [text_of(cell) for cell in row[6:]] == [each.replace("`", "") for each in (ending.session, ending.sees)]
    legend = figure.find("ul")
    assert len(legend) == len(endings_contents.MARKS)
    assert endings.rule_ids() <= set(RULES)


# Colours.


def blocks_of(sheet):
    """Yield (selector, declarations) of each rule of a style sheet, whatever it is nested in."""
    return re.findall(r"([^{};]+)\{([^{}]*)\}", sheet)


def definitions(part):
    return dict(re.findall(r"(--picture-[a-z-]+): ([^;]+);", part))


LIGHT, DARK, DARK_BY_SYSTEM = (
    definitions(body) for selector, body in blocks_of(SHEET) if "--picture-text:" in body or "--picture-accent:" in body
)
COLOURS = re.compile(r"#[0-9a-fA-F]{3,8}\b|\b(?:rgba?|hsla?)\(|\b(?:white(?!-)|black|red|green|blue|gr[ae]y|orange)\b")


def test_colours_are_variables_and_variables_are_defined():
    used = set()
    for selector, body in blocks_of(SHEET):
        if "--picture-accent:" in body:
            continue
        assert not COLOURS.search(body), selector
        used |= set(re.findall(r"var\((--[a-z-]+)\)", body))
    assert used == set(LIGHT)
    svg = "".join(pictures.figure(name, "x", str) for name in pictures.NAMES)
    assert "style=" not in svg
    assert not re.search(r'\b(?:fill|stroke|color)="', svg)


def test_dark_is_asked_for_in_both_ways():
    own = {name for name, value in LIGHT.items() if not value.startswith("var(--color-")}
    assert set(DARK) == own
    assert DARK == DARK_BY_SYSTEM
    assert 'body[data-theme="dark"]' in SHEET
    assert re.search(r'prefers-color-scheme: dark\) \{\s*body:not\(\[data-theme="light"\]\)', SHEET)


def test_every_look_has_its_colours():
    for look in set(LOOKS) - {"plain"}:
        for shape in ("box", "line", "head"):
            assert f".{shape}.{look} {{" in SHEET
    for tone in set(TONES) - {"plain"}:
        assert f"text.{tone} {{" in SHEET
    for mark in set(endings_contents.MARKS) - {endings_contents.EVERY}:
        assert f".mark.{mark}" in SHEET


def luminance(colour):
    colour = colour.lstrip("#")
    colour = "".join(2 * digit for digit in colour) if len(colour) == 3 else colour
    parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


# The theme's own colours: page, boxes, text, quiet text. The link's colour is set in conf.py.
THEME = {
    "light": (LIGHT, "#fff", "#f8f9fb", "#000", "#5a5c63"),
    "dark": ({**LIGHT, **DARK}, "#131416", "#1a1c1e", "#cfd0d0", "#9ca0a5"),
}


@pytest.mark.parametrize("scheme", THEME)
def test_text_can_be_read(scheme):
    own, page, box, words, quiet = THEME[scheme]
    conf = (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")
    (link,) = re.findall(rf'"{scheme}_css_variables": \{{.*"color-brand-content": "(#\w+)"', conf)
    tinted = [own[f"--picture-{look}-box"] for look in ("accent", "good", "bad", "warn")]
    for ground in (page, box, *tinted):
        for colour in (words, quiet, link):
            assert contrast(colour, ground) >= 4.5, (colour, ground)
    for tone in ("accent", "good", "bad", "warn"):
        for ground in (page, own[f"--picture-{tone}-box"]):
            assert contrast(own[f"--picture-{tone}"], ground) >= 4.5, (tone, ground)


def test_contrast_is_that_of_the_standard():
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


# How it is built.


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_drawing_needs_nothing_but_python(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    packages = {name.split(".")[0] for name in names}
    allowed = {"pictures", "ast", "collections", "dataclasses", "html", "itertools", "re", "typing"}
    if path.name == "__main__.py":
        allowed |= {"pathlib", "sys"}
    if path.name == "directive.py":
        allowed |= {"docutils", "sphinx", "identifiers", "pathlib"}
    assert packages <= allowed
