"""The picture of a recovery."""

import itertools

from pictures.contents import recovery as contents
from pictures.drawing import Drawing, Rect

_GAP = 22


def wide() -> Drawing:
    """The stages on the left, what is lost and kept on the right."""
    drawing = Drawing(720)
    _stages(drawing, 400)
    top = _card(drawing, 440, 2, 278, "Lost", contents.LOST, "warn")
    top = _card(drawing, 440, top + 14, 278, "Kept", contents.KEPT, "good")
    drawing.card(440, top + 14, 278, "Another error", [contents.OTHER_ERROR], "bad")
    return drawing


def narrow() -> Drawing:
    """The stages, and below them what is lost and kept."""
    drawing = Drawing(350)
    bottom = _stages(drawing, 348)
    bottom = drawing.card(2, bottom + 14, 346, "Another error", [contents.OTHER_ERROR], "bad").bottom
    bottom = _card(drawing, 2, bottom + 10, 346, "Lost", contents.LOST, "warn")
    _card(drawing, 2, bottom + 10, 346, "Kept", contents.KEPT, "good")
    return drawing


def _stages(drawing: Drawing, right: float) -> float:
    """Draw the stages one below the other, and the way back; return where they end."""
    width, y, places = right - 2 - 26, 2.0, []
    for stage in contents.STAGES:
        places.append(drawing.card(2, y, width, stage.heading, stage.lines, stage.look))
        y = places[-1].bottom + _GAP
    middle = 2 + width / 2
    for above, below in itertools.pairwise(places):
        drawing.arrow((middle, above.bottom), (middle, below.y))
    _, closed, created, shown, repeated = places
    inner, outer = right - 14, right - 2
    _back(drawing, shown, created, inner, "warn")
    _back(drawing, repeated, closed, outer, "bad")
    y = drawing.text(2, y - _GAP + 8, width + 20, contents.MADE_AGAIN, tone="warn")
    return drawing.text(2, y + 4, width + 20, contents.RUN_AGAIN, tone="bad")


def _back(drawing: Drawing, below: Rect, above: Rect, lane: float, look: str) -> None:
    start, end = below.middle[1], above.middle[1]
    drawing.arrow((below.right, start), (lane, start), (lane, end), (above.right, end), look=look, dashed=True)


def _card(drawing: Drawing, x: float, y: float, width: float, heading: str, items: dict[str, str], look: str) -> float:
    return drawing.card(x, y, width, heading, list(items.values()), look).bottom
