"""The divergence register: differences that are known, wanted, and each have a checkable reason.

An entry names itself, the TensorFlow releases it holds for, a verdict, a reason, and how the
differing event looks. An entry that matches nothing in a full run is out of date, and fails it.
"""

import json
import os
import re
from collections.abc import Collection
from typing import Any, NamedTuple

from packaging.specifiers import SpecifierSet

DATA_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "divergences.json")
VERDICTS = ("not a promise", "TensorFlow bug not copied", "cheaper and visible", "clearer error")


class Divergence(NamedTuple):
    """One registered difference; `match` holds regular expressions on the differing event.

    `kind` is searched in the event's kind, `path` in the path of the differing part, `oracle` and
    `subject` in the JSON text of the differing part of each side, `event` in that of the oracle's
    whole event, `subject_event` in that of the subject's. `skip` says which side's event
    the comparison steps over. `place` names the folder of scenarios that alone can meet it, if not all can.
    """

    id: str
    tensorflow: str
    verdict: str
    reason: str
    rules: tuple[str, ...]
    match: dict[str, str]
    skip: str = "both"
    place: str = ""


class Register:
    """The entries that hold for one TensorFlow release, and how often each was met."""

    def __init__(self, entries: tuple[Divergence, ...], version: str) -> None:
        self.entries = tuple(entry for entry in entries if SpecifierSet(entry.tensorflow).contains(version, True))
        self.used = dict.fromkeys((entry.id for entry in self.entries), 0)

    def match(self, difference: Any) -> Divergence | None:
        """Return the entry that explains `difference`, counting it, or None."""
        for entry in self.entries:
            if _matches(entry, difference):
                self.used[entry.id] += 1
                return entry
        return None

    def unused(self, places: Collection[str] = ("",)) -> list[str]:
        """Return the ids of entries of these places that no difference has matched."""
        return [entry.id for entry in self.entries if entry.place in places and not self.used[entry.id]]


def _matches(entry: Divergence, difference: Any) -> bool:
    event = difference.oracle or difference.subject
    texts = {
        "kind": event.kind,
        "path": difference.path,
        "event": json.dumps(event.data),
        "oracle": json.dumps(difference.oracle_part),
        "subject": json.dumps(difference.subject_part),
        "subject_event": json.dumps(difference.subject.data if difference.subject else None),
    }
    return all(re.search(pattern, texts[key]) for key, pattern in entry.match.items())


def load(path: str = DATA_FILE) -> tuple[Divergence, ...]:
    """Read and check the register's data file; ValueError names the entry that is wrong."""
    with open(path, encoding="utf-8") as file:
        entries = tuple(Divergence(**{**item, "rules": tuple(item["rules"])}) for item in json.load(file))
    for entry in entries:
        if entry.verdict not in VERDICTS or not entry.reason or not entry.match:
            raise ValueError(f"{entry.id}: needs a known verdict, a reason and a matcher")
        if entry.skip not in ("both", "oracle", "subject"):
            raise ValueError(f"{entry.id}: unknown skip {entry.skip!r}")
        for pattern in entry.match.values():
            re.compile(pattern)
    if len({entry.id for entry in entries}) != len(entries):
        raise ValueError("two entries of the register share an id")
    return entries
