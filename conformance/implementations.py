"""The two implementations that are compared, named in one place.

An implementation is any module, or `module:attribute`, that has the names of `tf.train`. The oracle
is right by definition; the subject is what is being judged. Environment variables or the options
`--oracle` and `--subject` choose others, for example a TensorFlow fork, or TensorFlow against
itself to judge the harness.
"""

import contextlib
import importlib
import os
from typing import Any, Iterator, NamedTuple

DEFAULT_ORACLE = "tensorflow.compat.v1.train"
DEFAULT_SUBJECT = "monitored"


class Implementation(NamedTuple):
    """A name as the user gave it, and the namespace it stands for."""

    name: str
    namespace: Any


_loaded: dict[int, Implementation] = {}


def of_namespace(namespace: Any) -> Implementation:
    """Return the implementation that was loaded with this namespace; LookupError if none was."""
    if id(namespace) not in _loaded:
        raise LookupError(f"{namespace!r} was not loaded by name")
    return _loaded[id(namespace)]


def load(name: str) -> Implementation:
    """Return the implementation called `name`: `package.module`, or `package.module:attribute`.

    The trailing parts of a dotted name may be attributes, as in `tensorflow.compat.v1.train`.
    Raises ImportError with the name if nothing of it can be imported.
    """
    module_name, _, attribute = name.partition(":")
    attributes = attribute.split(".") if attribute else []
    parts = module_name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            namespace: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError as error:
            if length == 1 or not ".".join(parts[:length]).startswith(str(error.name)):
                raise ImportError(f"Cannot import the implementation {name!r}: {error}") from error
            continue
        try:
            for part in parts[length:] + attributes:
                namespace = getattr(namespace, part)
        except AttributeError as error:
            raise ImportError(f"Cannot import the implementation {name!r}: {error}") from error
        _loaded[id(namespace)] = Implementation(name, namespace)
        return _loaded[id(namespace)]
    raise ImportError(f"Cannot import the implementation {name!r}")


class _Mixture:
    """A namespace that takes some names from one implementation and the rest from another."""

    def __init__(self, most: Any, some: Any, names: frozenset[str]) -> None:
        self._most, self._some, self._names = most, some, names

    def __getattr__(self, name: str) -> Any:
        return getattr(self._some if name in self._names else self._most, name)


def mixture(most: Implementation, some: Implementation, names: frozenset[str]) -> Implementation:
    """Return `most` with `names` taken from `some`: parts of one must work inside the other."""
    label = f"{most.name} with {', '.join(sorted(names))} of {some.name}"
    return Implementation(label, _Mixture(most.namespace, some.namespace, names))


def has_two_ways(implementation: Implementation) -> bool:
    """Whether the implementation executes steps in a compiled way that can be switched off."""
    return _switch(implementation) is not None


@contextlib.contextmanager
def plain_steps(implementation: Implementation, wanted: bool = True) -> Iterator[None]:
    """If wanted, execute the implementation's steps the plain way: `compiled_step.ENABLED` of its package is off."""
    module = _switch(implementation) if wanted else None
    if module is None:
        yield
        return
    saved, module.ENABLED = module.ENABLED, False
    try:
        yield
    finally:
        module.ENABLED = saved


def is_plain(implementation: Implementation) -> bool:
    """Whether the implementation's steps are executed the plain way now, although it has another."""
    module = _switch(implementation)
    return module is not None and not module.ENABLED


def _switch(implementation: Implementation) -> Any:
    package = implementation.name.partition(":")[0].partition(".")[0]
    try:
        module = importlib.import_module(package + ".compiled_step")
    except (ImportError, ValueError):
        return None
    return module if hasattr(module, "ENABLED") else None


def oracle_name(option: str | None = None) -> str:
    """Return the oracle's name: the option, else CONFORMANCE_ORACLE, else `tf.train`."""
    return option or os.environ.get("CONFORMANCE_ORACLE") or DEFAULT_ORACLE


def subject_name(option: str | None = None) -> str:
    """Return the subject's name: the option, else CONFORMANCE_SUBJECT, else `monitored`."""
    return option or os.environ.get("CONFORMANCE_SUBJECT") or DEFAULT_SUBJECT
