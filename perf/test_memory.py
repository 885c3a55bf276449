"""What a session costs in memory."""

from collections.abc import Callable
from typing import Any

from perf.cases import Case

Paired = Callable[[Case], dict[str, Any]]


def test_memory_steps(case: Case, paired: Paired) -> None:
    """RSS gained by 100,000 steps with default hooks."""
    assert paired(case)["cost"]


def test_memory_save(case: Case, paired: Paired) -> None:
    """The peak during a save, above what was held before."""
    assert paired(case)["cost"]
