"""The picture of a save: two timelines, side by side or one below the other."""

from collections.abc import Iterable

from pictures.contents import save as contents
from pictures.contents.save import Part
from pictures.drawing import Drawing, Rect
from pictures.text import Font

_WIDTH = 350.0
_LEFT = 132.0
_GAP = 16.0
_HEAD = Font(12, bold=True)
_SMALL = Font(12)


def wide() -> Drawing:
    """Both side by side."""
    drawing = Drawing(2 * _WIDTH + 20)
    _synchronous(drawing, 0, 2)
    _asynchronous(drawing, _WIDTH + 20, 2)
    return drawing


def narrow() -> Drawing:
    """One below the other."""
    drawing = Drawing(_WIDTH)
    _asynchronous(drawing, 0, _synchronous(drawing, 0, 2) + 26)
    return drawing


def _synchronous(drawing: Drawing, x: float, y: float) -> float:
    y = _heads(drawing, x, y, contents.SYNCHRONOUS_NAME)
    y = _step(drawing, x, y, "step N").bottom + 8
    bottom = _parts(drawing, x, y, contents.SYNCHRONOUS)
    _card(drawing, x, y, "`after_run`", ("training waits for the hook",), "warn", bottom - y)
    y = _step(drawing, x, bottom + 8, "step N+1").bottom
    return drawing.text(x + 2, y + 10, _WIDTH - 4, contents.SYNCHRONOUS_NOTE, _SMALL)


def _asynchronous(drawing: Drawing, x: float, y: float) -> float:
    y = _heads(drawing, x, y, contents.ASYNCHRONOUS_NAME)
    y = _step(drawing, x, y, "step N").bottom + 8
    bottom = _parts(drawing, x, y, (contents.BEFORE, contents.COPY))
    _card(drawing, x, y, "`after_run`", ("training waits for the hook",), "warn", bottom - y)
    y = bottom + 8
    first = drawing.text(x + 2 + _LEFT + _GAP, y + 2, 190, "in a thread, meanwhile", _HEAD, "quiet") + 5
    bottom = _parts(drawing, x, first, contents.FILES)
    height = (bottom - y - 8 * (contents.STEPS_MEANWHILE - 1)) / contents.STEPS_MEANWHILE
    for number in range(1, contents.STEPS_MEANWHILE + 1):
        y = _step(drawing, x, y, f"step N+{number}", height).bottom + 8
    y = _step(drawing, x, y, f"step N+{contents.STEPS_MEANWHILE + 1}").bottom + 8
    bottom = _parts(drawing, x, y, (contents.AFTER,))
    _card(drawing, x, y, "`after_run`", (), "warn", bottom - y)
    y = _step(drawing, x, bottom + 8, f"step N+{contents.STEPS_MEANWHILE + 2}").bottom
    return drawing.text(x + 2, y + 10, _WIDTH - 4, contents.ASYNCHRONOUS_NOTE, _SMALL)


def _heads(drawing: Drawing, x: float, y: float, name: str) -> float:
    y = drawing.text(x + 2, y, _WIDTH - 4, name, Font(13.5, bold=True)) + 8
    drawing.text(x + 2, y, _LEFT, "training", _HEAD, "quiet")
    return drawing.text(x + 2 + _LEFT + _GAP, y, 190, "the save", _HEAD, "quiet") + 6


def _step(drawing: Drawing, x: float, y: float, name: str, height: float = 0) -> Rect:
    return _card(drawing, x, y, name, (), "good", height)


def _card(
    drawing: Drawing, x: float, y: float, heading: str, lines: tuple[str, ...], look: str, height: float = 0
) -> Rect:
    return drawing.card(x + 2, y, _LEFT, heading, lines, look, _SMALL, height=height)


def _parts(drawing: Drawing, x: float, y: float, parts: Iterable[Part]) -> float:
    """Draw parts of a save in the right column; return where they end."""
    left = x + 2 + _LEFT + _GAP
    for part in parts:
        y = drawing.card(left, y, x + _WIDTH - 2 - left, "", (part.text,), part.look, _SMALL).bottom + 6
    return y - 6
