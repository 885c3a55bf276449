"""Values that are wrong for most arguments, by name; rows pick from them."""

import pathlib
from typing import Any

import numpy as np

from conformance.attempts import EqualToAll, Fresh, Obliging, hostile
from conformance.trace import tf

NAN, INF = float("nan"), float("inf")


class NoMethods:
    """An object that has nothing."""

    def __repr__(self) -> str:
        return "<no methods>"


class OnlyBegin:
    """A hook that lacks all methods but one."""

    def begin(self) -> None:
        pass


def pick(values: dict[str, Any], names: str) -> dict[str, Any]:
    return {name: values[name] for name in names.split()}


OBJECTS = {
    "None": None, "5": 5, "text": "text", "empty_text": "", "list": Fresh(lambda t: []),
    "dict": Fresh(lambda t: {}), "object": NoMethods(), "class": NoMethods, "True": True, "bytes": b"text",
    "obliging": Obliging(), "fails_at_bool": Fresh(lambda t: hostile("__bool__")),
    "fails_at_eq": Fresh(lambda t: hostile("__eq__")), "fails_at_len": Fresh(lambda t: hostile("__len__")),
    "fails_at_iter": Fresh(lambda t: hostile("__iter__")), "fails_at_hash": Fresh(lambda t: hostile("__hash__")),
    "fails_at_index": Fresh(lambda t: hostile("__index__")), "fails_at_str": Fresh(lambda t: hostile("__str__")),
    "equal_to_all": EqualToAll(),
}  # fmt: skip
NUMBERS = {
    "None": None, "0": 0, "-1": -1, "2": 2, "NaN": NAN, "inf": INF, "-inf": -INF, "huge": 10**30, "1.5": 1.5,
    "1e-9": 1e-9, "True": True, "False": False, "text": "3", "empty_text": "", "bytes": b"3", "complex": 1j,
    "int64": np.int64(2), "float32": np.float32(1.5), "array": np.array(2), "array_of_two": np.array([1, 2]),
    "list": [2], "object": NoMethods(), "equal_to_all": EqualToAll(), "tensor": Fresh(lambda t: tf.constant(2)),
    "fails_at_le": Fresh(lambda t: hostile("__le__")), "fails_at_bool": Fresh(lambda t: hostile("__bool__")),
}  # fmt: skip
PERIODS = pick(NUMBERS, "None 0 -1 NaN inf huge 1.5 True text int64 array_of_two list object equal_to_all tensor")
FEW = pick(NUMBERS, "None 0 -1 NaN inf 1.5 text array_of_two equal_to_all tensor")
SECS = {**pick(NUMBERS, "None -1 NaN inf text tensor"), "1e10": 1e10}
PATHS = {
    "None": None, "5": 5, "True": True, "empty_text": "", "pathlib": Fresh(lambda t: pathlib.Path(t.path())),
    "bytes": b"logdir", "a_file": Fresh(lambda t: t.file()),
    "below_a_file": Fresh(lambda t: t.file() + "/logdir"), "list": Fresh(lambda t: [t.path()]),
    "nested": Fresh(lambda t: t.path("a/b/c")), "null_character": "a\0b", "object": NoMethods(),
    "fails_at_fspath": Fresh(lambda t: hostile("__fspath__")), "slash_at_the_end": Fresh(lambda t: t.path() + "/"),
    "glob": Fresh(lambda t: t.path("a[b]")), "unicode": Fresh(lambda t: t.path("d\u00e4")),
}  # fmt: skip
FOLDERS = pick(PATHS, "None 5 empty_text pathlib bytes a_file list object fails_at_fspath nested")
FLAGS = pick(OBJECTS, "None text list fails_at_bool")


def argument(name: str, call: Any) -> Any:
    """Return a call that passes the value of a row as this argument."""
    return lambda t, value: call(t, **{name: value})
