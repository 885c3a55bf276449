"""The trace: what one run of a scenario let anybody observe, in order, as plain JSON values.

Everything is recorded on the harness's side. This module describes values and exceptions and holds
the one list of what is forgiven (`NORMALISATIONS`); what is read from graphs and disks is in
`probes`. It keeps to Python 3.6 syntax, so that the same file can record old releases.

Forgiven beyond the text rules below:
- numpy scalars and Python numbers of equal value are the same (`describe`);
- an OpError's text is its first line, its node and traceback are TensorFlow's own (`describe_exception`);
- order of dictionary keys built from sets is not looked at where a scenario says so;
- what an assignment to a variable returns has no name: it is an op's (`describe`);
- op names inside the graph, numbers of nodes in graph events, and bytes of checkpoint files: `probes`
  compares variables by name and value, file sets, collections and event records instead;
- wall time of events, contents of RunMetadata and of timelines: `probes` compares their presence.
"""

import re
from typing import Any, Dict, List, NamedTuple, Tuple

import numpy as np

try:
    import tensorflow.compat.v1 as tf
except ImportError:  # TensorFlow before 1.13
    import tensorflow as tf

Json = Any


VARIABLE_OPS = ("VarHandleOp", "VariableV2", "Variable")
# Resource variables are no instances of the first since TensorFlow 2.
_VARIABLES = (tf.Variable, tf.compat.v2.Variable) if hasattr(tf.compat, "v2") else (tf.Variable,)


class Event(NamedTuple):
    """One observation: what kind, and what was seen, as JSON values."""

    kind: str
    data: Json


class Normalisation(NamedTuple):
    """One thing that is forgiven in any text, and why."""

    reason: str
    pattern: str
    replacement: str


NORMALISATIONS: Tuple[Normalisation, ...] = (
    Normalisation("addresses of objects", r"\b0x[0-9a-fA-F]+", "0x"),
    Normalisation(
        "objects and classes live in different modules",
        r"<(class ')?(?:[A-Za-z_]\w*\.)+(?:<locals>\.)?([A-Za-z_]\w*)",
        r"<\1\2",
    ),
    Normalisation(
        "functions are named by where they were defined",
        r"<(function|bound method) (?:[\w<>]+\.)*([\w<>]+?)(?: of <[^>]*>)?(?: at 0x)?>",
        r"<\1>",
    ),
    Normalisation(
        "Python names a method by its class since 3.10 in argument errors",
        r"(?:[A-Za-z_]\w*\.)+([A-Za-z_]\w*\(\) (?:missing|takes|got))",
        r"\1",
    ),
    Normalisation(
        "Python names a property's class since 3.11, with the class around it",
        r"(property '\w+' of ')(?:\w+\.)+",
        r"\1",
    ),
    Normalisation(
        "tensors print with op names and, by release, another class",
        r"<tf\.Tensor '[^']*'|<(?:Symbolic)?Tensor '[^']*'|(?:Symbolic)?Tensor\(\"[^\"]*\"",
        "<Tensor",
    ),
    Normalisation(
        "operations print as a whole node",
        r'name: "[^"]*"\nop: "[^"]*"\n(?:(?:input|attr|device)[^\n]*\n(?:  [^\n]*\n|\}\n)*)*',
        "<operation>",
    ),
    Normalisation(
        "the runtime puts the failing node and Python's stack around the kernel's message",
        r"(?s)Graph execution error:\s*|Detected at node .*?Node: '[^']*'\n"
        r"|\n+Original stack trace for .*\Z",
        "",
    ),
    Normalisation("nodes in kernel messages", r"\s*\[\[\{*[^\]]*\]\]|\{\{node [^}]*\}\}", ""),
    Normalisation("the runtime counts resources over the process", r"'_\d+_(\w+)'", r"'\1'"),
    Normalisation("temporary file names", r"\.tmp[0-9a-f]{32}\b", ".tmp<random>"),
    Normalisation("what the runtime calls a file while it writes it", r"\.tempstate\d+", ".tempstate<random>"),
    Normalisation("wall time in event file names", r"tfevents\.\d+\.[^\s/\"']+", "tfevents.<time>"),
)
_COMPILED = [(re.compile(rule.pattern), rule.replacement) for rule in NORMALISATIONS]
# TensorFlow warns once a process and function that something is deprecated, with paths of its own
# files; the reference has no deprecated functions of its own. It complains of unused tensors when
# the garbage collector happens to find them. AutoGraph converts a function once a process, and Python
# 3.13 warns of how it does that.
_NOT_OF_THE_RUN = re.compile(
    r"^From .*: .* is deprecated|\(from .*\) is deprecated|Object was never used|'___pyct_anno'", re.DOTALL
)


def normalise_text(text: str, places: Tuple[Tuple[str, str], ...] = ()) -> str:
    """Return `text` with temporary places named and every entry of NORMALISATIONS applied."""
    for path, name in places:
        text = text.replace(path, name)
    for pattern, replacement in _COMPILED:
        text = pattern.sub(replacement, text)
    return text


def is_of_the_run(text: str) -> bool:
    """Whether a log line belongs to the run, not to the process or its garbage collector."""
    return not _NOT_OF_THE_RUN.search(text)


class Describer:
    """Turns values into JSON, with stable names for the objects a scenario knows.

    Objects are named by `name`, or numbered by kind in the order they are first seen (`number`), so
    that identity is compared without addresses.
    """

    def __init__(self, places: Tuple[Tuple[str, str], ...] = ()) -> None:
        self._places = places
        self._texts: Dict[str, str] = {}
        self._names: Dict[int, str] = {}
        self._counts: Dict[str, int] = {}
        self._kept: List[Any] = []

    def name(self, value: Any, name: str) -> Any:
        """Describe `value` as `<name>` from now on, and return it."""
        self._names[id(value)] = name
        self._kept.append(value)
        return value

    def number(self, kind: str, value: Any) -> str:
        """Return `kind 1`, `kind 2`, ... : the same text for the same object."""
        if value is None:
            return "none"
        known = self._names.get(id(value))
        if known is None:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            known = "{} {}".format(kind, self._counts[kind])
            self.name(value, known)
        return known

    def text(self, text: str) -> str:
        """Return `text` normalised; most texts of a scenario come many times."""
        known = self._texts.get(text)
        if known is None:
            known = self._texts[text] = normalise_text(text, self._places)
        return known

    def describe(self, value: Any) -> Json:
        """Return a JSON value that is equal for equal observations."""
        if id(value) in self._names:
            return "<{}>".format(self._names[id(value)])
        if value is None or isinstance(value, (bool, int)):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return {"bytes": self.text(value.decode("latin-1"))}
        if isinstance(value, (float, np.generic, np.ndarray)):
            return _describe_number(value)
        if isinstance(value, BaseException):
            return self.exception(value)
        if isinstance(value, type):
            return "<class {}>".format(value.__name__)
        return self._describe_container(value)

    def _describe_container(self, value: Any) -> Json:
        if isinstance(value, dict):
            return {"dict": [[self.describe(k), self.describe(v)] for k, v in value.items()]}
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            pairs = [[field, self.describe(getattr(value, field))] for field in value._fields]
            return {type(value).__name__: pairs}
        if isinstance(value, (list, tuple, set, frozenset)):
            items = [self.describe(item) for item in value]
            if isinstance(value, (set, frozenset)):
                items.sort(key=repr)
            return items if isinstance(value, list) else {type(value).__name__: items}
        if hasattr(value, "SerializeToString") and hasattr(value, "DESCRIPTOR"):
            return {value.DESCRIPTOR.name: self.text(" ".join(str(value).split()))}
        if isinstance(value, tf.Operation):
            return "<operation {}>".format(value.type)
        if isinstance(value, tf.Tensor):
            return "<tensor of {}>".format(value.op.type)
        if isinstance(value, _VARIABLES):
            # What an assignment returns is a variable of some releases, with an op's name.
            return "<variable {}>".format(value.name) if value.op.type in VARIABLE_OPS else "<assigned variable>"
        return "<{}>".format(type(value).__name__)

    def exception(self, error: BaseException) -> Json:
        """Return type, arguments, message and chain of an exception."""
        described = {"type": type(error).__name__, "bases": _public_bases(error)}
        if isinstance(error, tf.errors.OpError):
            described["code"] = error.error_code
            described["message"] = _first_line(self.text(str(error.message)))
        else:
            described["args"] = [self.describe(argument) for argument in error.args]
            described["message"] = self.text(str(error))
        described["cause"] = _type_name(error.__cause__)
        described["context"] = _type_name(error.__context__)
        described["suppress_context"] = error.__suppress_context__
        return described


def _first_line(message: str) -> str:
    return next((line.strip() for line in message.split("\n") if line.strip()), "")


def _public_bases(error: BaseException) -> List[str]:
    return [base.__name__ for base in type(error).__mro__[1:] if base is not object]


def _type_name(value: Any) -> Any:
    return None if value is None else type(value).__name__


def _describe_number(value: Any) -> Json:
    if isinstance(value, np.generic):
        value = value.item()
        if isinstance(value, bytes):
            return {"bytes": value.decode("latin-1")}
    if isinstance(value, np.ndarray):
        items = [_describe_number(item) for item in value.reshape(-1)]
        return {"array": str(value.dtype), "shape": list(value.shape), "values": items}
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value if isinstance(value, (bool, int, float, str)) else repr(value)


def to_json(trace: List[Event]) -> List[Json]:
    """Return a trace as JSON values."""
    return [[event.kind, event.data] for event in trace]


def from_json(data: List[Json]) -> List[Event]:
    """Return the trace that `to_json` wrote."""
    return [Event(kind, value) for kind, value in data]
