"""What a step costs: kinds of sessions, shapes of fetches, feeds, hooks."""

from collections.abc import Callable
from typing import Any

from perf.cases import Case

Paired = Callable[[Case], dict[str, Any]]


def test_time_step(case: Case, paired: Paired) -> None:
    """One step, beside one of tf.train, Session.run and Session.make_callable."""
    assert paired(case)["cost"]


def test_time_hook_profiler(case: Case, paired: Paired) -> None:
    """What HookProfiler adds to a step for each hook it times."""
    assert paired(case)["cost"]


def test_time_one_more_hook(case: Case, paired: Paired) -> None:
    """What one more hook that fetches a tensor adds to a step."""
    assert paired(case)["cost"]
