"""A drawing of boxes, lines and text that knows where everything is, and writes itself as SVG.

Positions are pixels from the top left. Colours are classes, which `static/pictures.css` gives the site's colours,
so that a drawing is right in light and in dark. `faults` says what overlaps or sticks out; a test wants it empty.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from pictures import text as texts
from pictures.text import Font, Line

LOOKS = ("plain", "accent", "good", "bad", "warn", "quiet")
"""The colours of boxes and lines."""

TONES = ("plain", "quiet", "accent", "good", "bad", "warn")
"""The colours of text."""

BODY = Font(12.5)
"""What most of a picture is set in."""

LinkOf = Callable[[str], str]
Point = tuple[float, float]

_ASCENT = 0.98
"""From the top of a line to its baseline, in font sizes, for lines `LINE_HEIGHT` high."""


@dataclass(frozen=True)
class Rect:
    """A rectangle with its sides parallel to the edges."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The x of the right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The y of the lower side."""
        return self.y + self.height

    @property
    def middle(self) -> Point:
        """The centre."""
        return self.x + self.width / 2, self.y + self.height / 2

    def meets(self, other: "Rect") -> bool:
        """Whether the insides of two rectangles have a point in common."""
        apart = self.right <= other.x or other.right <= self.x or self.bottom <= other.y or other.bottom <= self.y
        return not apart

    def holds(self, other: "Rect") -> bool:
        """Whether the other one is inside."""
        return self.x <= other.x and other.right <= self.right and self.y <= other.y and other.bottom <= self.bottom


@dataclass(frozen=True)
class _Text:
    place: Rect
    line: Line
    on_plate: bool


@dataclass(frozen=True)
class _Stroke:
    points: tuple[Point, ...]
    behind: bool

    def segments(self) -> list[Rect]:
        """Each piece as a thin rectangle."""
        pieces = []
        for (x1, y1), (x2, y2) in itertools.pairwise(self.points):
            pieces.append(Rect(min(x1, x2) - 0.5, min(y1, y2) - 0.5, abs(x2 - x1) + 1, abs(y2 - y1) + 1))
        return pieces


class Drawing:
    """What is drawn, in the order in which it was drawn; its height is what it needs."""

    def __init__(self, width: float) -> None:
        self.width = width
        self.texts: list[_Text] = []
        self.boxes: list[Rect] = []
        self._filled: list[Rect] = []
        self.strokes: list[_Stroke] = []
        self._back: list[str] = []
        self._front: list[tuple[str, Line | None]] = []

    @property
    def height(self) -> float:
        """Down to the lowest thing, and a little more."""
        bottoms = [box.bottom for box in self.boxes] + [text.place.bottom for text in self.texts]
        bottoms += [y for stroke in self.strokes for _, y in stroke.points]
        return max(bottoms, default=0) + 2

    def box(self, x: float, y: float, width: float, height: float, look: str = "plain", radius: float = 6) -> Rect:
        """Draw a rectangle."""
        _known(look, LOOKS)
        place = Rect(x, y, width, height)
        self.boxes.append(place)
        if look != "quiet":
            self._filled.append(place)
        shape = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}"'
        self._front.append((f'<rect class="box {look}" {shape}/>', None))
        return place

    def text(
        self,
        x: float,
        y: float,
        width: float,
        content: str,
        font: Font = BODY,
        tone: str = "plain",
        align: str = "start",
        plate: bool = False,
    ) -> float:
        """Set a text in lines at most `width` wide, from `y` down; return where it ends.

        `align` is start, middle or end, within the width. With a plate, lines behind it are hidden.
        """
        _known(tone, TONES)
        for line in texts.wrapped(content, width, font):
            taken = texts.width_of(line, font)
            left = x + {"start": 0.0, "middle": (width - taken) / 2, "end": width - taken}[align]
            place = Rect(left, y, taken, font.line_height)
            if plate:
                shape = f'x="{left - 3:.1f}" y="{y:.1f}" width="{taken + 6:.1f}" height="{font.line_height:.1f}"'
                self._front.append((f'<rect class="plate" {shape}/>', None))
            self.texts.append(_Text(place, line, plate))
            anchor_x = x + {"start": 0.0, "middle": width / 2, "end": width}[align]
            weight = ' font-weight="bold"' if font.bold else ""
            head = (
                f'<text class="{tone}" x="{anchor_x:.1f}" y="{y + font.size * _ASCENT:.1f}" '
                f'font-size="{font.size:g}" text-anchor="{align}"{weight}>'
            )
            self._front.append((head, line))
            y += font.line_height
        return y

    def card(
        self,
        x: float,
        y: float,
        width: float,
        heading: str,
        lines: Sequence[str] = (),
        look: str = "plain",
        font: Font = BODY,
        tone: str = "plain",
        height: float = 0,
    ) -> Rect:
        """Draw a box with a bold heading and paragraphs, as high as they need, or as `height` if that is more."""
        content = [(heading, Font(font.size, bold=True), tone), *((line, font, "plain") for line in lines)]
        content = [each for each in content if each[0]]
        space = width - 20
        heights = [len(texts.wrapped(line, space, each)) * each.line_height for line, each, _ in content]
        place = self.box(x, y, width, max(height, sum(heights) + 4 * len(content) + 10), look)
        y += 7
        for line, each, colour in content:
            y = self.text(x + 10, y, space, line, each, colour) + 4
        return place

    def line(
        self, *points: Point, look: str = "plain", dashed: bool = False, head: bool = False, behind: bool = False
    ) -> None:
        """Draw a line through points, with an arrow's head at its end or not; lines behind may be covered."""
        _known(look, LOOKS)
        self.strokes.append(_Stroke(points, behind))
        dash = " dashed" if dashed else ""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        drawn = f'<polyline class="line {look}{dash}" points="{path}"/>'
        if head:
            drawn += f'<polygon class="head {look}" points="{_head(*points[-2:])}"/>'
        if behind:
            self._back.append(drawn)
        else:
            self._front.append((drawn, None))

    def arrow(self, *points: Point, look: str = "plain", dashed: bool = False) -> None:
        """Draw a line with a head at its end."""
        self.line(*points, look=look, dashed=dashed, head=True)

    def svg(self, identity: str, title: str, description: str, link_of: LinkOf, form: str = "") -> str:
        """The drawing as an SVG element; `identity` is what its ids begin with."""
        parts = [
            f'<svg class="{form}" xmlns="http://www.w3.org/2000/svg" width="{self.width:g}" height="{self.height:.0f}" '
            f'viewBox="0 0 {self.width:g} {self.height:.0f}" role="group" '
            f'aria-labelledby="{identity}-title" aria-describedby="{identity}-desc">',
            f'<title id="{identity}-title">{escape(title)}</title>',
            f'<desc id="{identity}-desc">{escape(description)}</desc>',
            *self._back,
        ]
        for drawn, line in self._front:
            parts.append(drawn if line is None else drawn + _spans(line, link_of) + "</text>")
        return "\n".join([*parts, "</svg>"])

    def rule_ids(self) -> set[str]:
        """The rules that the drawing links to."""
        return {run.text for text in self.texts for run in text.line if run.style == "rule"}

    def faults(self) -> list[str]:
        """What overlaps or leaves the canvas, a sentence each."""
        canvas = Rect(0, 0, self.width, self.height)
        found = [f"{_said(text)} leaves the canvas" for text in self.texts if not canvas.holds(text.place)]
        found += [f"{box} leaves the canvas" for box in self.boxes if not canvas.holds(box)]
        for stroke in self.strokes:
            found += [f"{stroke} leaves the canvas" for x, y in stroke.points if not canvas.holds(Rect(x, y, 0, 0))]
        for one, other in itertools.combinations(self.texts, 2):
            if one.place.meets(other.place):
                found.append(f"{_said(one)} overlaps {_said(other)}")
        for one_box, other_box in itertools.combinations(self.boxes, 2):
            if one_box.meets(other_box) and not (one_box.holds(other_box) or other_box.holds(one_box)):
                found.append(f"{one_box} overlaps {other_box}")
        for text in self.texts:
            for box in self.boxes:
                if text.place.meets(box) and not box.holds(text.place):
                    found.append(f"{_said(text)} crosses the border of {box}")
        return found + self._faults_of_strokes()

    def _faults_of_strokes(self) -> list[str]:
        found = []
        for stroke in self.strokes:
            for piece in stroke.segments():
                met = [text for text in self.texts if piece.meets(text.place)]
                met = [text for text in met if not (stroke.behind and self._is_covered(text))]
                found += [f"{stroke} crosses {_said(text)}" for text in met]
                if stroke.behind:
                    continue
                # A line may end at a box, lie inside it, or leave it; it may not pass through.
                for box in self.boxes:
                    inner = Rect(box.x + 1, box.y + 1, box.width - 2, box.height - 2)
                    if _passes_through(piece, inner):
                        found.append(f"{stroke} passes through {box}")
        return found

    def _is_covered(self, text: _Text) -> bool:
        return text.on_plate or any(box.holds(text.place) for box in self._filled)


def _passes_through(piece: Rect, box: Rect) -> bool:
    across = piece.x < box.x and piece.right > box.right and box.y < piece.middle[1] < box.bottom
    down = piece.y < box.y and piece.bottom > box.bottom and box.x < piece.middle[0] < box.right
    return across or down


def _head(before: Point, tip: Point) -> str:
    """The corners of an arrow's head; lines are parallel to the edges."""
    (x1, y1), (x2, y2) = before, tip
    length = max(abs(x2 - x1), abs(y2 - y1)) or 1
    dx, dy = (x2 - x1) / length, (y2 - y1) / length
    corners = [tip, (x2 - 8 * dx - 4 * dy, y2 - 8 * dy + 4 * dx), (x2 - 8 * dx + 4 * dy, y2 - 8 * dy - 4 * dx)]
    return " ".join(f"{x:g},{y:g}" for x, y in corners)


def _spans(line: Line, link_of: LinkOf) -> str:
    spans = []
    for run in line:
        words = escape(run.text)
        if run.style == "rule":
            words = f'<a href="{escape(link_of(run.text))}"><tspan class="rule">{words}</tspan></a>'
        elif run.style == "code":
            words = f'<tspan class="code">{words}</tspan>'
        spans.append(words)
    return "".join(spans)


def _said(text: _Text) -> str:
    return repr("".join(run.text for run in text.line))


def _known(name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise ValueError(f"{name!r} is none of {', '.join(names)}")
