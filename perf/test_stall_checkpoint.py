"""How long a checkpoint holds up training."""

from collections.abc import Callable
from typing import Any

from perf.cases import Case

Paired = Callable[[Case], dict[str, Any]]


def test_stall_checkpoint(case: Case, paired: Paired) -> None:
    """A step that saves, beside the bare SaveV2 op and a plain file of the same bytes."""
    assert paired(case)["cost"]


def test_stall_checkpoint_async(case: Case, paired: Paired) -> None:
    """The same with a background thread, and the time until the checkpoint is there."""
    assert paired(case)["cost"]


def test_stall_checkpoint_durable(case: Case, paired: Paired) -> None:
    """A step that saves and flushes what it saved to the disk."""
    assert paired(case)["cost"]
