"""Planted faults: wrong implementations of the monitored session, each one small change.

They are written in `faults.txt`, one after the other: `=== name (rules)`, a line that says what is
wrong, and for each place `--- module`, the text as it is, `+++`, the text instead. White space in
the old text stands for any white space; new lines are indented like the place they go to. A fault
must apply: text that is gone, or there twice, is an error, so that none plants nothing.
"""

import os
import re
from typing import NamedTuple

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "faults.txt")


class Fault(NamedTuple):
    """One wrong implementation: `edits` are (module, text as it is, text instead)."""

    name: str
    rules: tuple[str, ...]
    description: str
    edits: tuple[tuple[str, str, str], ...]


def load(path: str = FILE) -> tuple[Fault, ...]:
    """Read the faults; ValueError names one that is not written as it should be."""
    with open(path, encoding="utf-8") as file:
        first, *blocks = re.split(r"^=== ", file.read(), flags=re.MULTILINE)
    if first.strip():
        raise ValueError(f"text before the first fault: {first!r}")
    faults = tuple(_fault(block) for block in blocks)
    if len({fault.name for fault in faults}) != len(faults):
        raise ValueError("two faults share a name")
    return faults


def _fault(block: str) -> Fault:
    head, description, body = block.split("\n", 2)
    matched = re.fullmatch(r"([a-z0-9-]+) \((MTS-[A-Z]+-\d\d(?:, MTS-[A-Z]+-\d\d)*)\)", head)
    edits = []
    first, *places = re.split(r"^--- ", body, flags=re.MULTILINE)
    for place in places:
        module, _, texts = place.partition("\n")
        old, mark, new = texts.partition("+++\n")
        if mark:
            edits.append((module.strip(), old.strip("\n"), new.rstrip("\n")))
    if matched is None or first.strip() or not edits or len(edits) != len(places):
        raise ValueError(f"not written as a fault should be: {block!r}")
    return Fault(matched[1], tuple(matched[2].split(", ")), description, tuple(edits))


FAULTS = load()
