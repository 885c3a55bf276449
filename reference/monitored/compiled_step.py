"""The cheap way to run a step: compiled once for each shape of request, then reused.

`tf.Session.run` takes a request apart and puts the results together anew each time. This module
does so once, keeps the plan, and afterwards only hands values in and out. It knows nothing of hooks.
Nothing observable differs: whatever could is left to `session.run`, which is the plain way. Set
`MONITORED_STEP=plain` in the environment, or `ENABLED` to False, to go the plain way always.
"""

import operator
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from monitored import _tensorflow

ENABLED = os.environ.get("MONITORED_STEP") != "plain"

MAX_PLANS = 64
"""Shapes of request kept for each session; the oldest is dropped first."""

_LEAVES = (tf.Tensor, tf.Operation, tf.compat.v2.Variable)


class StepRunner:
    """Runs requests in a session like `session.run`, at a fraction of its cost.

    Left to the plain way: sessions other than an open `tf.Session` of this process; fetches other
    than tensors, ops, variables and names in lists, tuples and dicts; feeds other than tensors with
    arrays of exactly their type and shape; and whatever `session.run` would refuse.
    """

    def __init__(self) -> None:
        self._plans: dict[Any, _Plan | None] = {}

    def run(self, session: Any, fetches: dict[Any, Any], feed_dict: Any) -> Any:
        """Return the values of `fetches`; None, with nothing run, if this is for the plain way."""
        feeds = feed_dict or {}
        if not (ENABLED and type(feeds) is dict and _tensorflow.is_local_session(session)):
            return None
        shape = _shape_of(fetches)
        if shape is None:
            return None
        key = (shape, *map(id, feeds))
        if key not in self._plans:
            if len(self._plans) >= MAX_PLANS:
                del self._plans[next(iter(self._plans))]
            try:
                self._plans[key] = _Plan(session, fetches, list(feeds))
            except (KeyError, TypeError, ValueError, tf.errors.OpError):
                self._plans[key] = None
        plan = self._plans[key]
        if plan is None or not plan.accepts(feeds.values()):
            return None
        return plan.build([*map(_own, plan.run(*feeds.values()))])


class TensorReader:
    """Reads a tensor like `session.run(tensor)`, cheaply when session and tensor are those of before."""

    def __init__(self) -> None:
        self._runner, self._session = StepRunner(), None

    def read(self, session: Any, tensor: Any) -> Any:
        """Return the tensor's value."""
        if session is not self._session:
            self._runner, self._session = StepRunner(), session
        results = self._runner.run(session, {"": tensor}, None)
        return session.run(tensor) if results is None else results[""]


class _Plan:
    """One shape of request, compiled; raises if it is for `session.run` to serve or to refuse.

    Each tensor is fetched once. Whatever the plan is found by is kept alive.
    """

    def __init__(self, session: tf.Session, fetches: Any, feeds: list[Any]) -> None:
        self._graph = session.graph
        self._tensors: dict[str, int] = {}
        self._targets: dict[str, None] = {}
        self._kept = list(feeds)
        self.build = self._builder(fetches)
        self._inputs = [self._input(feed) for feed in feeds]
        if not (self._tensors or self._targets):
            raise ValueError("nothing to run")
        elements = list(self._tensors), list(self._targets), [feed.name for feed in feeds]
        self.run = _tensorflow.compiled_run(session, *elements)

    def accepts(self, values: Iterable[Any]) -> bool:
        """Whether the fed values are arrays of the right types and shapes as they are."""
        for value, (dtype, shape, usual) in zip(values, self._inputs, strict=True):
            if type(value) is not np.ndarray or value.dtype != dtype:
                return False
            if value.shape != usual and not shape.is_compatible_with(value.shape):
                return False
        return True

    def _builder(self, fetches: Any) -> Callable[[list[Any]], Any]:
        """Note what to fetch and which ops to run; return what puts fetched values into this structure."""
        kind = type(fetches)
        if kind is dict:
            keys, parts = list(fetches), [self._builder(value) for value in fetches.values()]
            self._kept += keys
            return lambda values: {key: part(values) for key, part in zip(keys, parts, strict=True)}
        if isinstance(fetches, (list, tuple)):
            parts = [self._builder(value) for value in fetches]
            if kind is list or kind is tuple:
                return lambda values: kind([part(values) for part in parts])
            return lambda values: kind(*[part(values) for part in parts])
        self._kept.append(fetches)
        element = self._graph.as_graph_element(fetches)
        if isinstance(element, tf.Operation):
            self._targets[element.name] = None
            return lambda values: None
        if element.op.type.startswith("GetSessionHandle"):
            raise TypeError(f"session.run returns an object for {element.name}")
        return operator.itemgetter(self._tensors.setdefault(element.name, len(self._tensors)))

    def _input(self, feed: Any) -> tuple[np.dtype[Any], Any, Any]:
        """Return the type and shape that values of a fed tensor must have, its full shape if known."""
        dtype = np.dtype(feed.dtype.as_numpy_dtype) if isinstance(feed, tf.Tensor) else None
        if dtype is None or dtype.hasobject or feed.graph is not self._graph or not self._graph.is_feedable(feed):
            raise ValueError(f"session.run converts or refuses what is fed to {feed}")
        if feed.name in self._tensors:
            raise ValueError(f"session.run returns what is fed to {feed}")
        return dtype, feed.shape, tuple(feed.shape.as_list()) if feed.shape.is_fully_defined() else None


def _own(value: Any) -> Any:
    # A compiled run hands out the memory of a variable itself; session.run copies, so do we.
    return value.copy() if type(value) is np.ndarray and not value.flags.owndata else value


def _shape_of(fetches: Any) -> Any:
    """Return what a plan is found by, None for what has no plan.

    Names stand for themselves, containers for their kind and contents, all else for its identity.
    """
    kind = type(fetches)
    if kind is str:
        return fetches
    if kind is dict:
        contents = [*map(_shape_of, fetches.values())]
        keys = [key if type(key) is str else id(key) for key in fetches]
        return None if None in contents else (kind, *keys, *contents)
    if kind is list or kind is tuple or (issubclass(kind, tuple) and hasattr(kind, "_fields")):
        contents = [*map(_shape_of, fetches)]
        return None if None in contents else (kind, *contents)
    return id(fetches) if isinstance(fetches, _LEAVES) else None
