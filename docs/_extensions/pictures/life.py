"""The picture of the life of a session."""

from pictures import text as texts
from pictures.contents import life as contents
from pictures.drawing import Drawing, Rect
from pictures.text import Font

_LABEL = Font(12)


def wide() -> Drawing:
    """The way of a session on the left, what goes wrong on the right."""
    drawing = Drawing(720)
    left, right = (12.0, 262.0), (474.0, 234.0)  # x and width of the two columns
    gap_x, gap_width = 282.0, 184.0

    constructing = _state(drawing, *left, 2, "constructing")
    failed = _state(drawing, *right, 2, "failed")
    _between(drawing, constructing, failed, "begin raises", constructing.y + 56, gap_x, gap_width)

    frame_top = constructing.bottom + 46
    running = _state(drawing, *left, frame_top + 34, "running")
    recovering = _state(drawing, *right, frame_top + 34, "recovering")
    _down(drawing, constructing, running, "made", constructing.bottom + 8)
    y = running.y + 34
    _between(drawing, running, recovering, "preempted", y, gap_x, gap_width)
    _between(drawing, running, recovering, "recovered", running.bottom - 8, gap_x, gap_width, back=True)

    top = max(running.bottom, recovering.bottom) + 48
    stopping = _state(drawing, *left, top, "stopping")
    _down(drawing, running, stopping, "asked to stop", running.bottom + 10)
    lane = right[0] + right[1] / 2
    y = stopping.middle[1] + 18
    drawing.arrow((stopping.right, y), (lane, y), (lane, recovering.bottom), look="warn")
    _label(drawing, "stop forgotten", gap_x, y - 6, gap_width, above=True)

    frame_bottom = stopping.bottom + 14
    frame = drawing.box(2, frame_top, 716, frame_bottom - frame_top, "quiet")
    drawing.text(480, frame_top + 7, 228, "open", Font(12.5, bold=True), "quiet", "end")

    text_y = frame.bottom + 8
    below = _label(drawing, "clean end", left[0] + 48, text_y, 300)
    ending = _state(drawing, *left, below + 10, "ending")
    x = left[0] + 30
    drawing.arrow((x, frame.bottom), (x, ending.y), look="good")
    _label(drawing, "error", lane + 12, text_y, 110)

    label_end = _label(drawing, "ended", left[0] + 48, ending.bottom + 8, 230)
    closing = _state(drawing, left[0], 696, label_end + 8, "closing")
    drawing.arrow((x, ending.bottom), (x, closing.y))
    drawing.arrow((lane, frame.bottom), (lane, closing.y), look="bad")

    label_end = _label(drawing, "closed", left[0] + 48, closing.bottom + 8, 500)
    closed = _state(drawing, left[0], 696, label_end + 8, "closed")
    drawing.arrow((x, closing.bottom), (x, closed.y))
    return drawing


def narrow() -> Drawing:
    """One column; a rail on the left leads past what goes wrong, one on the right leads back."""
    drawing = Drawing(350)
    x, inset = 26.0, 60.0
    constructing = _state(drawing, 2, 346, 2, "constructing")
    y = _label(drawing, "begin raises", inset, constructing.bottom + 10, 256)
    failed = _state(drawing, inset, 288, y + 8, "failed")
    drawing.arrow((inset + 270, constructing.bottom), (inset + 270, failed.y), look="bad")

    y = _label(drawing, "made", x + 12, failed.bottom + 10, 280)
    frame_top = y + 14
    running = _state(drawing, 10, 316, frame_top + 30, "running")
    drawing.arrow((x, constructing.bottom), (x, running.y))
    y = _label(drawing, "preempted", inset + 32, running.bottom + 8, 200)
    recovering = _state(drawing, inset, 266, y + 8, "recovering")
    drawing.arrow((inset + 20, running.bottom), (inset + 20, recovering.y), look="warn")
    rail = 338.0
    drawing.arrow(
        (recovering.right, recovering.y + 18), (rail, recovering.y + 18), (rail, running.y + 18),
        (running.right, running.y + 18), look="good",
    )  # fmt: skip
    y = _label(drawing, "recovered", inset, recovering.bottom + 6, 266, align="end")
    y = _label(drawing, "asked to stop", x + 12, y + 12, 280)
    stopping = _state(drawing, 10, 316, y + 10, "stopping")
    drawing.arrow((x, running.bottom), (x, stopping.y))
    drawing.arrow(
        (stopping.right, stopping.y + 18), (rail, stopping.y + 18), (rail, recovering.bottom - 18),
        (recovering.right, recovering.bottom - 18), look="warn",
    )  # fmt: skip
    y = _label(drawing, "stop forgotten", 10, stopping.bottom + 8, 316)
    frame = drawing.box(2, frame_top, 346, y + 10 - frame_top, "quiet")
    drawing.text(180, frame_top + 7, 158, "open", Font(12.5, bold=True), "quiet", "end")

    y = _label(drawing, "clean end", x + 12, frame.bottom + 8, 200)
    y = max(y, _label(drawing, "error", 256, frame.bottom + 8, 66))
    ending = _state(drawing, 2, 240, y + 8, "ending")
    drawing.arrow((x, frame.bottom), (x, ending.y), look="good")
    y = _label(drawing, "ended", x + 12, ending.bottom + 8, 200)
    closing = _state(drawing, 2, 346, y + 8, "closing")
    drawing.arrow((x, ending.bottom), (x, closing.y))
    drawing.arrow((rail, frame.bottom), (rail, closing.y), look="bad")
    y = _label(drawing, "closed", x + 12, closing.bottom + 8, 300)
    closed = _state(drawing, 2, 346, y + 8, "closed")
    drawing.arrow((x, closing.bottom), (x, closed.y))
    return drawing


def _state(drawing: Drawing, x: float, width: float, y: float, key: str) -> Rect:
    """Draw a state with what happens in it, and what leads from it to itself."""
    state = contents.STATES[key]
    stays = [each.text for each in contents.TRANSITIONS.values() if each.source == each.target == key]
    return drawing.card(x, y, width, state.name, [*state.lines, *stays], state.look)


def _label(
    drawing: Drawing, key: str, x: float, y: float, width: float, align: str = "start", above: bool = False
) -> float:
    """Write why a transition happens, down from `y` or above it; return where the text ends."""
    transition = contents.TRANSITIONS[key]
    if above:
        y -= len(texts.wrapped(transition.text, width, _LABEL)) * _LABEL.line_height
    return drawing.text(x, y, width, transition.text, _LABEL, _tone(transition.look), align)


def _tone(look: str) -> str:
    return "plain" if look == "plain" else look


def _between(
    drawing: Drawing, one: Rect, other: Rect, key: str, y: float, x: float, width: float, back: bool = False
) -> None:
    """Draw an arrow to the right, or back, with its text above it."""
    ends = [(one.right, y), (other.x, y)]
    drawing.arrow(*(reversed(ends) if back else ends), look=contents.TRANSITIONS[key].look)
    _label(drawing, key, x, y - 5, width, "middle", above=True)


def _down(drawing: Drawing, above: Rect, below: Rect, key: str, y: float) -> None:
    """Draw an arrow down with its text at its right."""
    x = above.x + 30
    drawing.arrow((x, above.bottom), (x, below.y), look=contents.TRANSITIONS[key].look)
    _label(drawing, key, x + 12, y, 360)
