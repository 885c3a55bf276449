"""The verdict on two traces: equal, or the first event that differs and is not registered.

Knows nothing of how traces are made.
"""

import json
from typing import Any, NamedTuple

from conformance.divergences import Divergence, Register
from conformance.trace import Event

_AROUND = 3
_LONGEST_LINE = 1200


class Difference(NamedTuple):
    """The first differing event: where it is on both sides, and which part of it differs."""

    oracle_index: int
    subject_index: int
    oracle: Event | None
    subject: Event | None
    path: str
    oracle_part: Any
    subject_part: Any


class Verdict(NamedTuple):
    """The first unregistered difference, if any, and the registered ones passed on the way."""

    difference: Difference | None
    registered: tuple[Divergence, ...]


class ConformanceError(AssertionError):
    """The subject was observed to behave differently from the oracle."""


def compare(oracle: list[Event], subject: list[Event], register: Register, tolerance: float = 0.0) -> Verdict:
    """Walk both traces; stop at the first difference that no registered divergence matches.

    Floating-point numbers may differ by `tolerance`, relative to the larger one or to 1.
    """
    left = right = 0
    registered = []
    while left < len(oracle) or right < len(subject):
        ours = oracle[left] if left < len(oracle) else None
        theirs = subject[right] if right < len(subject) else None
        if ours == theirs or (tolerance and _close(ours, theirs, tolerance)):
            left, right = left + 1, right + 1
            continue
        path, part, other = _first_differing_part(ours, theirs)
        difference = Difference(left, right, ours, theirs, path, part, other)
        entry = register.match(difference)
        if entry is None:
            return Verdict(difference, tuple(registered))
        registered.append(entry)
        left += entry.skip in ("both", "oracle")
        right += entry.skip in ("both", "subject")
    return Verdict(None, tuple(registered))


def _close(left: Any, right: Any, tolerance: float) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return abs(left - right) <= tolerance * max(1.0, abs(left), abs(right))
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(_close(left[key], right[key], tolerance) for key in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)) and len(left) == len(right):
        return all(_close(one, other, tolerance) for one, other in zip(left, right, strict=True))
    return bool(left == right)


def _first_differing_part(oracle: Event | None, subject: Event | None) -> tuple[str, Any, Any]:
    if oracle is None or subject is None:
        return "", oracle, subject
    if oracle.kind != subject.kind:
        return "kind", oracle.kind, subject.kind
    return _descend("", oracle.data, subject.data)


def _descend(path: str, left: Any, right: Any) -> tuple[str, Any, Any]:
    if isinstance(left, dict) and isinstance(right, dict):
        for key in [*left, *(key for key in right if key not in left)]:
            if key not in left or key not in right:
                return f"{path}.{key}", left.get(key, "(absent)"), right.get(key, "(absent)")
            if left[key] != right[key]:
                return _descend(f"{path}.{key}", left[key], right[key])
    if isinstance(left, list) and isinstance(right, list):
        for index, (one, other) in enumerate(zip(left, right, strict=False)):
            if one != other:
                return _descend(f"{path}[{index}]", one, other)
        if len(left) != len(right):
            shorter = min(len(left), len(right))
            return f"{path}[{shorter}:]", left[shorter:], right[shorter:]
    return path, left, right


def explain(
    difference: Difference,
    oracle: list[Event],
    subject: list[Event],
    names: tuple[str, str],
    subject_of_test: str,
    replay: str = "",
    rules: tuple[str, ...] = (),
) -> str:
    """Return the report of a difference: what, where, both sides around it, rules in play, how to replay it."""
    lines = [
        f"{names[1]} differs from {names[0]}.",
        f"first differing event: {difference.oracle_index} (oracle), "
        f"{difference.subject_index} (subject){_at(difference.path)}",
        f"  oracle  {_short(difference.oracle_part)}",
        f"  subject {_short(difference.subject_part)}",
        "",
        f"oracle, {names[0]}:",
        *_window(oracle, difference.oracle_index),
        f"subject, {names[1]}:",
        *_window(subject, difference.subject_index),
        "",
        subject_of_test,
        *([f"rules that it tries: {', '.join(rules)}"] if rules else []),
        *([f"replay: {replay}"] if replay else []),
    ]
    return "\n".join(lines)


def _at(path: str) -> str:
    return f", at {path}" if path else ""


def _window(trace: list[Event], index: int) -> list[str]:
    lines = []
    for position in range(max(0, index - _AROUND), min(len(trace), index + _AROUND + 1)):
        mark = ">" if position == index else " "
        event = trace[position]
        lines.append(f" {mark} {position:3d} {event.kind}: {_short(event.data)}")
    if index >= len(trace):
        lines.append(f" > {len(trace):3d} (the trace ends here)")
    return lines


def _short(value: Any) -> str:
    text = json.dumps(value) if not isinstance(value, str) else value
    if len(text) <= _LONGEST_LINE:
        return text
    return text[:_LONGEST_LINE] + f"... ({len(text)} characters)"
