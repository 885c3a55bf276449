"""What it costs to read a checkpoint."""

from collections.abc import Callable
from typing import Any

from perf.cases import Case

Paired = Callable[[Case], dict[str, Any]]


def test_time_restore(case: Case, paired: Paired) -> None:
    """Saver.restore, beside the bare RestoreV2 ops."""
    assert paired(case)["cost"]
