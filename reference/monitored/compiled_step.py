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

Build = Callable[[list[Any]], Any]
"""Puts fetched values back into the structure that was asked for."""

_LEAVES = (tf.Tensor, tf.Operation, tf.compat.v2.Variable)
_WRAPPED_BY_SESSION_RUN = ("GetSessionHandle", "GetSessionHandleV2")


class StepRunner:
    """Runs requests in a session like `session.run`, at a fraction of its cost.

    Left to the plain way: sessions other than an open `tf.Session` of this process; fetches other
    than tensors, ops, variables and names in lists, tuples and dicts; feeds other than tensors with
    arrays of exactly their type and shape; and whatever `session.run` would refuse.
    """

    def __init__(self) -> None:
        self._plans: dict[Any, _Plan | None] = {}

    def run(self, session: Any, fetches: dict[Any, Any], feed_dict: Any) -> dict[Any, Any] | None:
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
            self._plans[key] = _plan(session, fetches, list(feeds))
        plan = self._plans[key]
        if plan is None or not plan.accepts(feeds.values()):
            return None
        results: dict[Any, Any] = plan.build(plan.run(*feeds.values()))
        return results


class _Plan:
    """One shape of request, compiled. `kept` keeps alive whatever the plan is found by."""

    def __init__(self, run: Callable[..., list[Any]], build: Build, feeds: list[tf.Tensor], kept: list[Any]) -> None:
        self.run, self.build = run, build
        self._inputs = [(np.dtype(feed.dtype.as_numpy_dtype), feed.shape, _full_shape(feed)) for feed in feeds]
        self._kept = (feeds, kept)

    def accepts(self, values: Iterable[Any]) -> bool:
        """Whether the fed values are arrays of the right types and shapes as they are."""
        for value, (dtype, shape, usual) in zip(values, self._inputs, strict=True):
            if type(value) is not np.ndarray or value.dtype != dtype:
                return False
            if value.shape != usual and not shape.is_compatible_with(value.shape):
                return False
        return True


def _plan(session: tf.Session, fetches: Any, feeds: list[Any]) -> _Plan | None:
    """Compile a request; None if it is one for `session.run` to serve or to refuse."""
    graph = session.graph
    request = _Request(graph)
    try:
        build = request.note(fetches)
    except (KeyError, TypeError, ValueError):
        return None
    tensors, targets, kept = list(request.tensors), list(request.targets), request.kept
    if not (tensors or targets) or not all(_is_plain_feed(feed, graph) for feed in feeds):
        return None
    inputs = [feed.name for feed in feeds]
    if set(inputs) & set(tensors):
        return None
    run = _tensorflow.compiled_run(session, tensors, targets, inputs)
    return None if run is None else _Plan(run, build, feeds, kept)


class _Request:
    """What a request fetches and runs, each tensor once, and what holds its parts together."""

    def __init__(self, graph: tf.Graph) -> None:
        self._graph = graph
        self.tensors: dict[str, int] = {}
        self.targets: dict[str, None] = {}
        self.kept: list[Any] = []

    def note(self, fetches: Any) -> Build:
        """Note what to fetch and which ops to run; return what rebuilds this structure."""
        kind = type(fetches)
        if kind is dict:
            keys, parts = list(fetches), [self.note(value) for value in fetches.values()]
            self.kept += keys
            return lambda values: {key: part(values) for key, part in zip(keys, parts, strict=True)}
        if isinstance(fetches, (list, tuple)):
            parts = [self.note(value) for value in fetches]
            if kind is list:
                return lambda values: [part(values) for part in parts]
            if kind is tuple:
                return lambda values: tuple([part(values) for part in parts])
            return lambda values: kind(*[part(values) for part in parts])
        self.kept.append(fetches)
        element = self._graph.as_graph_element(fetches)
        if isinstance(element, tf.Operation):
            self.targets[element.name] = None
            return lambda values: None
        if element.op.type in _WRAPPED_BY_SESSION_RUN:
            raise TypeError(f"session.run returns an object for {element.name}")
        return operator.itemgetter(self.tensors.setdefault(element.name, len(self.tensors)))


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


def _is_plain_feed(feed: Any, graph: tf.Graph) -> bool:
    """Whether a fed key is a tensor of this graph, of numbers, that may be fed."""
    if not isinstance(feed, tf.Tensor) or feed.graph is not graph or not graph.is_feedable(feed):
        return False
    return not np.dtype(feed.dtype.as_numpy_dtype).hasobject


def _full_shape(feed: tf.Tensor) -> tuple[int, ...] | None:
    """Return the static shape as a tuple, None if it is not fully known."""
    return tuple(feed.shape.as_list()) if feed.shape.is_fully_defined() else None
