"""The cheap way to run a step: compiled once for each shape of request, then reused.

`tf.Session.run` takes a request apart and puts the results together anew each time. This module
does so once, keeps the plan, and afterwards only hands values in and out. It knows nothing of hooks.
Nothing observable differs: whatever could is left to `session.run`, which is the plain way. Set
`MONITORED_STEP=plain` in the environment, or `ENABLED` to False, to go the plain way always.
"""

import functools
import os
import weakref
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
        # Requests that only look different, by fresh keys for instance, share what is dear to make.
        self._compiled_run = functools.lru_cache(MAX_PLANS)(_tensorflow.compiled_run)

    def run(self, session: Any, fetches: dict[Any, Any], feed_dict: Any) -> Any:
        """Return the values of `fetches`; None, with nothing run, if this is for the plain way."""
        feeds = feed_dict or {}
        if not (ENABLED and type(feeds) is dict and _tensorflow.is_local_session(session)):
            return None
        shape = _shape_of(fetches)
        if shape is None:
            return None
        shape += map(id, feeds)
        key = tuple(shape)
        try:
            plan = self._plans[key]
        except KeyError:
            if len(self._plans) >= MAX_PLANS:
                del self._plans[next(iter(self._plans))]
            plan = self._plans[key] = _plan_of(session, fetches, list(feeds), self._compiled_run)
        if plan is None or (feeds and not plan.accepts(feeds.values())):
            return None
        return plan.run(*feeds.values())


class TensorReader:
    """Reads a tensor like `session.run(tensor)`, cheaply when session and tensor are those of before.

    `shortcut` returns, for a tensor, what has the same value, is cheaper to fetch, and may raise
    FailedPreconditionError; or None. The session is not kept alive, as hooks outlive theirs.
    """

    def __init__(self, shortcut: Callable[[Any], Any] = lambda tensor: None) -> None:
        self._find_shortcut, self._shortcut = shortcut, None
        self._plan: _Plan | None = None
        self._session: Callable[[], Any] = lambda: None
        self._tensor: Any = None

    def read(self, session: Any, tensor: Any) -> Any:
        """Return the tensor's value."""
        if not (ENABLED and _tensorflow.is_local_session(session)):
            return session.run(tensor)
        if session is not self._session() or tensor is not self._tensor:
            self._session, self._tensor = weakref.ref(session), tensor
            self._shortcut = self._find_shortcut(tensor)
            fetch = tensor if self._shortcut is None else self._shortcut
            # In the thread that calls: sooner done than waking another.
            self._plan = _plan_of(session, fetch, [], functools.partial(_tensorflow.compiled_run, here=True))
        try:
            return session.run(tensor) if self._plan is None else self._plan.run()
        except tf.errors.FailedPreconditionError:
            if self._shortcut is None:
                raise
            return session.run(tensor)


class _Plan:
    """One shape of request, compiled; raises if it is for `session.run` to serve or to refuse.

    Each tensor is fetched once. Whatever the plan is found by is kept alive.
    """

    def __init__(self, session: tf.Session, fetches: Any, feeds: list[Any], compiled_run: Any) -> None:
        self._graph = session.graph
        self._tensors: dict[str, int] = {}
        self._targets: dict[str, None] = {}
        self._kept: dict[str, Any] = {"feeds": feeds}
        # An expression puts the results together, several times as fast as a walk over the fetches.
        self._build = eval(f"lambda values: {self._expression(fetches)}", self._kept)
        self._inputs = [self._input(feed) for feed in feeds]
        if not (self._tensors or self._targets):
            raise ValueError("nothing to run")
        self._run = compiled_run(session, (*self._tensors,), (*self._targets,), tuple(feed.name for feed in feeds))

    def accepts(self, values: Iterable[Any]) -> bool:
        """Whether the fed values are arrays of the right types and shapes as they are."""
        for value, (dtype, shape, usual) in zip(values, self._inputs, strict=True):
            if type(value) is not np.ndarray or value.dtype != dtype:
                return False
            if value.shape != usual and not shape.is_compatible_with(value.shape):
                return False
        return True

    def run(self, *fed: Any) -> Any:
        """Run it with these values fed; return the results in the structure of the fetches."""
        # A compiled run hands out the memory of a variable itself; session.run copies, so do we.
        values = self._run(*fed)
        return self._build([v.copy() if type(v) is np.ndarray and not v.flags.owndata else v for v in values])

    def _expression(self, fetches: Any) -> str:
        """Note what to fetch and which ops to run; return the Python that makes the results of `values`."""
        kind = type(fetches)
        if kind is dict:
            return f"{{{', '.join(f'{self._keep(key)}: {self._expression(value)}' for key, value in fetches.items())}}}"
        if isinstance(fetches, (list, tuple)):
            parts = "".join(f"{self._expression(value)}, " for value in fetches)
            if kind is list:
                return f"[{parts}]"
            return f"({parts})" if kind is tuple else f"{self._keep(kind)}({parts})"
        self._keep(fetches)
        element = self._graph.as_graph_element(fetches)
        if isinstance(element, tf.Operation):
            self._targets[element.name] = None
            return "None"
        if element.op.type.startswith("GetSessionHandle"):
            raise TypeError(f"session.run returns an object for {element.name}")
        return f"values[{self._tensors.setdefault(element.name, len(self._tensors))}]"

    def _keep(self, item: Any) -> str:
        name = f"kept{len(self._kept)}"
        self._kept[name] = item
        return name

    def _input(self, feed: Any) -> tuple[np.dtype[Any], Any, Any]:
        """Return the type and shape that values of a fed tensor must have, its full shape if known."""
        dtype = np.dtype(feed.dtype.as_numpy_dtype) if isinstance(feed, tf.Tensor) else None
        if dtype is None or dtype.hasobject or feed.graph is not self._graph or not self._graph.is_feedable(feed):
            raise ValueError(f"session.run converts or refuses what is fed to {feed}")
        if feed.name in self._tensors:
            raise ValueError(f"session.run returns what is fed to {feed}")
        return dtype, feed.shape, tuple(feed.shape.as_list()) if feed.shape.is_fully_defined() else None


def _plan_of(session: tf.Session, fetches: Any, feeds: list[Any], compiled_run: Any) -> _Plan | None:
    try:
        return _Plan(session, fetches, feeds, compiled_run)
    except (KeyError, SyntaxError, TypeError, ValueError, tf.errors.OpError):
        return None


def _shape_of(fetches: dict[Any, Any]) -> list[Any] | None:
    """Return what a plan is found by, level by level; None for what has no plan.

    Names stand for themselves, containers for their kind, length and contents, all else for its
    identity.
    """
    shape: list[Any] = []
    containers: list[Any] = [fetches]
    for container in containers:  # which grow meanwhile
        kind, parts = type(container), container
        if kind is dict:
            shape += (kind, len(container), *[key if type(key) is str else id(key) for key in container])
            parts = container.values()
        elif kind is list or kind is tuple or (issubclass(kind, tuple) and hasattr(kind, "_fields")):
            shape += (kind, len(container))
        else:
            return None
        for part in parts:
            if isinstance(part, _LEAVES):
                shape.append(id(part))
            elif type(part) is str:
                shape.append(part)
            else:
                shape.append(None)
                containers.append(part)
    return shape
