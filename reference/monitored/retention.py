"""Which checkpoints a saver keeps: pure functions of paths and times.

Responsible for the order of the list of checkpoints, for what leaves it, and for whether something
that left is spared because of ``keep_checkpoint_every_n_hours``. Not responsible for files, clocks
or the state file: ``saver.py`` passes times in and carries the answers out.

Source: tensorflow/python/training/saver.py
"""

from collections.abc import Sequence

SavedCheckpoint = tuple[str, float]
"""A checkpoint's path and the time it was saved at, in seconds since the epoch."""


def record(
    listed: Sequence[SavedCheckpoint], path: str, now: float, max_to_keep: int
) -> tuple[list[SavedCheckpoint], SavedCheckpoint | None]:
    """Put a checkpoint saved at ``now`` at the newest end; return the list and what fell off it, if any.

    A path that is listed already moves to the newest end. When the list is then longer than
    ``max_to_keep``, its oldest entry falls off: one a save at most, so a list that was recovered
    under a larger limit shrinks only by saves to a path that it has. With a negative limit every
    save makes one fall off. With zero nothing is recorded.

    Rules: MTS-CKP-02. Quirks: Q-35.
    """
    if not max_to_keep:
        return list(listed), None
    # Each entry is taken apart, so that one that is no pair fails here, before the state file is written.
    renewed = [(listed_path, when) for listed_path, when in listed if listed_path != path]
    renewed.append((path, now))
    # MTS-CKP-02, Q-35
    fallen = renewed.pop(0) if len(renewed) > max_to_keep else None
    return renewed, fallen


def spare(saved_at: float, next_keep_time: float, keep_every_n_hours: float) -> tuple[bool, float]:
    """Say whether an evicted checkpoint's files stay, and the next time from which one may.

    A checkpoint saved strictly after ``next_keep_time`` stays for good, and that time then moves on
    by one period.

    Rules: MTS-CKP-03.
    """
    if saved_at > next_keep_time:
        return True, next_keep_time + keep_every_n_hours * 3600
    return False, next_keep_time
