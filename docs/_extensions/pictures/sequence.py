"""Sequence pictures: lifelines from top to bottom, calls between them, notes across them."""

from pictures import text as texts
from pictures.drawing import BODY, Drawing
from pictures.text import Font

HEAD = Font(13, bold=True)
GROUP = Font(11.5)

Group = tuple[str, str, str]
"""The first and the last participant of some that belong together, and what they are called together."""


class SequenceDrawing:
    """A drawing with a cursor that goes down; participants stand side by side at equal distances."""

    def __init__(
        self, width: float, names: dict[str, str], head_width: float, group: Group | None = None, head: Font = HEAD
    ) -> None:
        self.drawing = Drawing(width)
        self._head = head
        self._names = names
        self._head_width = head_width
        distance = (width - head_width - 4) / (len(names) - 1)
        self._x = {key: 2 + head_width / 2 + index * distance for index, key in enumerate(names)}
        self._y = self._heads(2 if group is None else self._group(*group))
        self._top = self._y

    def _heads(self, y: float) -> float:
        for key, name in self._names.items():
            left = self._x[key] - self._head_width / 2
            self.drawing.box(left, y, self._head_width, 28)
            self.drawing.text(left, y + 5, self._head_width, name, self._head, align="middle")
        return y + 28

    def _group(self, first: str, last: str, name: str) -> float:
        left, right = self._x[first] - self._head_width / 2, self._x[last] + self._head_width / 2
        y = self.drawing.text(left, 2, right - left, name, GROUP, "quiet", "middle") + 3
        self.drawing.line((left, y + 5), (left, y), (right, y), (right, y + 5), look="quiet")
        return y + 9

    def call(self, source: str, target: str, content: str, look: str = "plain", dashed: bool = False) -> None:
        """Draw an arrow with its text above it, in two lines or, if that is not enough, begun further left."""
        ends = self._x[source], self._x[target]
        left, right = min(ends) + 8, self.drawing.width - 2
        lines = texts.wrapped(content, right - 4, BODY)
        taken = max(texts.width_of(line, BODY) for line in lines) + 0.1
        if left + taken > right:
            lines = texts.wrapped(content, right - left, BODY)
            taken = right - left
            if len(lines) > 2:
                taken = max(texts.width_of(line, BODY) for line in texts.wrapped(content, right - 4, BODY)) + 0.1
                left = right - taken
        self._y = self.drawing.text(left, self._y + 8, taken, content, BODY, plate=True) + 4
        self.drawing.line((ends[0], self._y), (ends[1], self._y), look=look, dashed=dashed, head=True)
        self._y += 2

    def note(self, first: str, last: str, heading: str, lines: tuple[str, ...], look: str) -> None:
        """Draw a box across the lifelines from one participant to another."""
        left, right = self._x[first] - self._head_width / 2, self._x[last] + self._head_width / 2
        self._y = self.drawing.card(left, self._y + 12, right - left, heading, lines, look).bottom

    def space(self, height: float) -> None:
        """Go down."""
        self._y += height

    def lifelines(self) -> None:
        """Draw the lifelines, behind everything, from the heads down to here."""
        self._y += 12
        for x in self._x.values():
            self.drawing.line((x, self._top), (x, self._y), look="quiet", dashed=True, behind=True)
