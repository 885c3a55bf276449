"""Which checkpoints are kept: the pure functions alone, and against the decisions of `tf.train.Saver`."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitored import retention

PATHS = st.sampled_from(["a", "b", "c", "d", "e", "f"])


@pytest.mark.parametrize(
    ("listed", "path", "limit", "kept", "evicted"),
    [
        ([], "a", 2, ["a"], None),
        (["a"], "b", 2, ["a", "b"], None),
        (["a", "b"], "c", 2, ["b", "c"], "a"),
        (["a", "b"], "a", 2, ["b", "a"], None),
        (["a", "b", "c", "d"], "e", 2, ["b", "c", "d", "e"], "a"),
        (["a", "b", "c", "d"], "d", 2, ["b", "c", "d"], "a"),
        ([], "a", -1, [], "a"),
        ([], "a", 0, [], None),
        (["a"], "b", 0, ["a"], None),
    ],
)
@pytest.mark.rule("MTS-CKP-02", "Q-35")
def test_record(listed, path, limit, kept, evicted):
    before = [(name, 1.0) for name in listed]
    renewed, fallen = retention.record(before, path, 2.0, limit)
    assert [name for name, _ in renewed] == kept
    assert (fallen and fallen[0]) == evicted
    assert before == [(name, 1.0) for name in listed]


@given(st.lists(PATHS, max_size=20), st.integers(-2, 5))
@pytest.mark.rule("MTS-CKP-02")
def test_the_list_is_bounded_and_nothing_is_lost(paths, limit):
    listed, gone = [], []
    for when, path in enumerate(paths):
        listed, evicted = retention.record(listed, path, float(when), limit)
        gone += [evicted] if evicted else []
    assert len(listed) <= max(limit, 0)
    assert len({name for name, _ in listed}) == len(listed)
    assert [when for _, when in listed] == sorted(when for _, when in listed)
    if limit:
        assert {name for name, _ in [*listed, *gone]} == set(paths)


@pytest.mark.parametrize(
    ("saved_at", "expected"),
    [(9.0, (False, 10.0)), (10.0, (False, 10.0)), (10.1, (True, 3610.0)), (math.inf, (True, 3610.0))],
)
@pytest.mark.rule("MTS-CKP-03")
def test_spare(saved_at, expected):
    assert retention.spare(saved_at, 10.0, 1.0) == expected
