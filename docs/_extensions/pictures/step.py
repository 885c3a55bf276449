"""The picture of one step."""

from pictures.contents import step as contents
from pictures.contents.step import Call
from pictures.drawing import Drawing
from pictures.sequence import Group, SequenceDrawing


def wide() -> Drawing:
    """With a lifeline for each layer."""
    names = {participant.key: participant.name for participant in contents.PARTICIPANTS}
    return _drawn(720, names, 92, {key: key for key in names}, "recover", contents.GROUP)


def narrow() -> Drawing:
    """With one lifeline for all layers."""
    aliases = {participant.key: participant.narrow for participant in contents.PARTICIPANTS}
    return _drawn(350, contents.NARROW_NAMES, 80, aliases, "caller")


def _drawn(
    width: float,
    names: dict[str, str],
    head_width: float,
    alias: dict[str, str],
    first: str,
    group: Group | None = None,
) -> Drawing:
    sequence = SequenceDrawing(width, names, head_width, group)
    for step in contents.STEPS:
        if not isinstance(step, Call):
            sequence.note(first, "session", step.heading, step.lines, step.look)
        elif alias[step.source] != alias[step.target]:
            look = "accent" if step.event == "session.run" else "plain"
            sequence.call(alias[step.source], alias[step.target], step.text, look, step.returns)
    sequence.lifelines()
    errors = contents.ERRORS
    sequence.note("caller", "session", errors.heading, errors.lines, errors.look)
    return sequence.drawing
