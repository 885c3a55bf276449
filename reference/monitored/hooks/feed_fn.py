"""Feeding each run from a function.

Source: tensorflow/python/training/basic_session_run_hooks.py
"""

from collections.abc import Callable, Mapping
from typing import Any

from monitored.session_run_hook import SessionRunArgs, SessionRunContext, SessionRunHook


class FeedFnHook(SessionRunHook):
    """Feeds each run with what `feed_fn()` returns for it: values by tensor, or None.

    Rules: MTS-FED-01.
    """

    def __init__(self, feed_fn: Callable[[], Mapping[Any, Any] | None]) -> None:
        self.feed_fn = feed_fn

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Call `feed_fn` and ask for its feeds; fetches nothing."""
        return SessionRunArgs(fetches=None, feed_dict=self.feed_fn())
