"""What it costs to make a session, the first time, again, and after a preemption."""

from collections.abc import Callable
from typing import Any

from perf.cases import Case

Paired = Callable[[Case], dict[str, Any]]


def test_time_create(case: Case, paired: Paired) -> None:
    """A session with default hooks in an empty folder, first save included."""
    assert paired(case)["cost"]


def test_time_restart(case: Case, paired: Paired) -> None:
    """The same over a folder with a checkpoint, first save included."""
    assert paired(case)["cost"]


def test_time_recover(case: Case, paired: Paired) -> None:
    """The step that finds its session gone."""
    assert paired(case)["cost"]
