"""Text that is measured without a font at hand: words, their widths, and lines that fit.

The pictures ask for Arial, Helvetica or Liberation Sans, which have the same widths, and a monospaced font in
which every character is 0.602 em wide or less. What is measured here is therefore what a browser shows,
but for fonts that are a little wider: `SLACK` is room for them.

A text is plain but for two things: `code` stands between backticks, and the id of a rule is a link to it.
"""

import re
from dataclasses import dataclass
from html import escape

RULE_ID = re.compile(r"\b(?:MTS-[A-Z]+-\d\d|Q-\d\d)\b")

SLACK = 1.03
LINE_HEIGHT = 1.36
CODE_SIZE = 0.92
"""Monospaced fonts look larger than others of the same size."""
RULE_SIZE = 0.84

_MONOSPACED = 0.602
# Thousandths of an em, from the space on.
_REGULAR = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 "
    "584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 "
    "667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 "
    "278 556 500 722 500 500 500 334 260 334 584"
)
_BOLD = (
    "278 333 474 556 556 889 722 238 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 333 333 "
    "584 584 584 611 975 722 722 722 722 667 611 778 722 278 556 722 611 833 722 778 667 778 722 667 611 722 667 944 "
    "667 667 611 333 278 333 584 556 333 556 611 556 611 556 333 611 611 278 278 556 278 889 611 611 611 611 389 556 "
    "333 611 556 778 556 556 500 389 280 389 584"
)
_WIDTHS = {
    False: {chr(32 + i): int(width) / 1000 for i, width in enumerate(_REGULAR.split())},
    True: {chr(32 + i): int(width) / 1000 for i, width in enumerate(_BOLD.split())},
}


@dataclass(frozen=True)
class Font:
    """How a line is set: the size in pixels, and whether it is bold."""

    size: float = 13
    bold: bool = False

    @property
    def line_height(self) -> float:
        """From one line to the next, in pixels."""
        return self.size * LINE_HEIGHT


@dataclass(frozen=True)
class Run:
    """Characters of one style: "plain", "code" or "rule"."""

    text: str
    style: str = "plain"

    def width(self, font: Font) -> float:
        """How wide the run is, in pixels."""
        if self.style == "code":
            return len(self.text) * _MONOSPACED * font.size * CODE_SIZE
        size = font.size * (RULE_SIZE if self.style == "rule" else 1)
        widths = _WIDTHS[font.bold and self.style == "plain"]
        unknown = sorted(set(self.text) - widths.keys())
        if unknown:
            raise ValueError(f"the width of {unknown} in {self.text!r} is not known")
        return sum(widths[character] for character in self.text) * size * SLACK


Line = tuple[Run, ...]


def runs(text: str) -> Line:
    """Cut a text into runs of one style."""
    found: list[Run] = []
    for index, part in enumerate(text.split("`")):
        if index % 2:
            found.append(Run(part, "code"))
            continue
        start = 0
        for match in RULE_ID.finditer(part):
            found += [Run(part[start : match.start()]), Run(match.group(), "rule")]
            start = match.end()
        found.append(Run(part[start:]))
    return tuple(run for run in found if run.text)


def width_of(line: Line, font: Font) -> float:
    """How wide a line is, in pixels."""
    return sum(run.width(font) for run in line)


def html(text: str) -> str:
    """The text as HTML, code marked as code; ids of rules are left to the reader."""
    return "".join(
        f"<code>{escape(run.text)}</code>" if run.style == "code" else escape(run.text) for run in runs(text)
    )


def _words(text: str) -> list[list[Run]]:
    """Cut a text at its spaces; a word may be of several runs."""
    words: list[list[Run]] = [[]]
    for run in runs(text):
        for index, piece in enumerate(run.text.split(" ")):
            if index:
                words.append([])
            if piece:
                words[-1].append(Run(piece, run.style))
    return [word for word in words if word]


def wrapped(text: str, width: float, font: Font) -> list[Line]:
    """Break a text into lines at most `width` wide; ValueError for a word that is wider."""
    lines: list[Line] = []
    current: list[Run] = []
    for word in _words(text):
        if width_of(tuple(word), font) > width:
            raise ValueError(f"{''.join(run.text for run in word)!r} is wider than {width:.0f}")
        # The space between two words of code is code, so that what was between backticks stays whole.
        joint = "code" if current and current[-1].style == word[0].style == "code" else "plain"
        longer = [*current, Run(" ", joint), *word] if current else word
        if width_of(tuple(longer), font) > width:
            lines.append(_joined(current))
            current = list(word)
        else:
            current = longer
    if current:
        lines.append(_joined(current))
    return lines


def _joined(parts: list[Run]) -> Line:
    """Join neighbouring runs of one style."""
    joined: list[Run] = []
    for run in parts:
        if joined and joined[-1].style == run.style != "rule":
            joined[-1] = Run(joined[-1].text + run.text, run.style)
        else:
            joined.append(run)
    return tuple(joined)
