"""The picture of a cluster that starts."""

from pictures.contents import cluster as contents
from pictures.contents.cluster import Call
from pictures.drawing import Drawing
from pictures.sequence import HEAD, SequenceDrawing
from pictures.text import Font


def wide() -> Drawing:
    """With much room between the lifelines."""
    return _drawn(720, 180, HEAD)


def narrow() -> Drawing:
    """With less of it."""
    return _drawn(350, 111, Font(12, bold=True))


def _drawn(width: float, head_width: float, head: Font) -> Drawing:
    sequence = SequenceDrawing(width, contents.PARTICIPANTS, head_width, head=head)
    for step in contents.STEPS:
        if isinstance(step, Call):
            sequence.call(step.source, step.target, step.text, step.look, step.returns)
        else:
            sequence.note(step.first, step.last, step.heading, step.lines, step.look)
    sequence.lifelines()
    limit = contents.LIMIT
    sequence.note(limit.first, limit.last, limit.heading, limit.lines, limit.look)
    return sequence.drawing
