"""The picture of the whole repository, which the README shows as well."""

from pictures.contents import overview as contents
from pictures.drawing import BODY, Drawing, Rect


def wide() -> Drawing:
    """From left to right."""
    drawing = Drawing(720)
    program = _card(drawing, 2, 30, 150, contents.PROGRAM, "plain", height=112)
    oracle = _card(drawing, 196, 20, 158, contents.ORACLE, "quiet", height=54)
    subject = _card(drawing, 196, 98, 158, contents.SUBJECT, "accent", height=54)
    traces = _card(drawing, 398, 38, 132, contents.TRACES, "plain", height=96)
    equal = _card(drawing, 574, 38, 144, contents.EQUAL, "good", height=96)
    for middle in (oracle, subject):
        y = middle.middle[1]
        drawing.arrow((program.right, y), (middle.x, y))
        drawing.arrow((middle.right, y), (traces.x, y))
    drawing.arrow((traces.right, traces.middle[1]), (equal.x, equal.middle[1]))
    drawing.text(398, 12, 320, contents.HARNESS, BODY, "quiet", align="middle")
    _card(drawing, 2, 176, 716, contents.RULES, "plain")
    return drawing


def narrow() -> Drawing:
    """From top to bottom."""
    drawing = Drawing(350)
    program = _card(drawing, 2, 2, 346, contents.PROGRAM, "plain")
    y = program.bottom + 24
    oracle = _card(drawing, 2, y, 166, contents.ORACLE, "quiet", height=54)
    subject = _card(drawing, 182, y, 166, contents.SUBJECT, "accent", height=54)
    y = max(oracle.bottom, subject.bottom) + 24
    traces = _card(drawing, 2, y, 346, contents.TRACES, "plain")
    for middle in (oracle, subject):
        x = middle.middle[0]
        drawing.arrow((x, program.bottom), (x, middle.y))
        drawing.arrow((x, middle.bottom), (x, traces.y))
    equal = _card(drawing, 2, traces.bottom + 24, 346, contents.EQUAL, "good")
    drawing.arrow((traces.middle[0], traces.bottom), (traces.middle[0], equal.y))
    _card(drawing, 2, equal.bottom + 14, 346, contents.RULES, "plain")
    return drawing


def _card(
    drawing: Drawing, x: float, y: float, width: float, words: tuple[str, str], look: str, height: float = 0
) -> Rect:
    heading, line = words
    return drawing.card(x, y, width, heading, [line], look, height=height)
