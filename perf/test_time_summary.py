"""What writing summaries costs."""

from collections.abc import Callable
from typing import Any

from perf.cases import Case

Paired = Callable[[Case], dict[str, Any]]


def test_time_summary(case: Case, paired: Paired) -> None:
    """A step that merges and writes its summaries."""
    assert paired(case)["cost"]
