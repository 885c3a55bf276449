"""The statistics of perf/ say what they claim, on samples whose answer is known."""

import random

import pytest

from perf import measure
from perf.measure import Effort, Estimate, Interleaved, Subject


def test_coverage_is_that_of_order_statistics():
    assert measure.coverage(6, 1) == pytest.approx(1 - 2 / 64)
    assert measure.coverage(7, 1) == pytest.approx(1 - 2 / 128)
    assert measure.coverage(9, 2) == pytest.approx(1 - 20 / 512)


@pytest.mark.parametrize(
    ("samples", "low", "high"), [(1, 1, 1), (3, 1, 3), (7, 1, 7), (9, 2, 8), (15, 4, 12), (21, 6, 16)]
)
def test_the_interval_is_the_narrowest_that_is_sure_enough(samples, low, high):
    values = list(range(1, samples + 1))
    random.shuffle(values)
    assert measure.estimate(values) == Estimate((samples + 1) / 2, low, high, samples)


def test_intervals_hold_the_median_as_often_as_they_promise():
    draw = random.Random(5)
    hits = sum(measure.estimate([draw.expovariate(1) for _ in range(9)]).holds(0.6931) for _ in range(1000))
    assert 940 <= hits <= 985  # 0.961 is what nine samples promise


def test_one_sample_far_off_moves_nothing():
    assert measure.estimate([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 90.0]) == Estimate(1, 1, 1, 9)


def test_nothing_measured_is_an_error():
    with pytest.raises(ValueError, match="values is empty"):
        measure.estimate([])


def test_ratios_are_taken_within_rounds():
    slow_rounds = [1.0, 5.0, 2.0, 9.0, 1.5, 3.0, 4.0]
    ratio = measure.paired_ratio([0.5 * secs for secs in slow_rounds], slow_rounds)
    assert ratio == Estimate(0.5, 0.5, 0.5, 7)
    with pytest.raises(ValueError, match="1 samples are paired with 2"):
        measure.paired_ratio([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("low", "high", "significant"), [(0.9, 1.1, False), (0.7, 0.9, True), (1.01, 1.2, True)])
def test_a_ratio_means_something_if_its_interval_leaves_out_one(low, high, significant):
    assert measure.is_significant(Estimate((low + high) / 2, low, high, 7)) is significant


def test_growth_is_the_slope_whatever_one_point_says():
    assert measure.growth([(0, 10), (1, 12), (2, 14), (3, 16), (4, 90)]) == 2
    with pytest.raises(ValueError, match="two sizes"):
        measure.growth([(1, 1), (1, 2)])


def test_differences_are_per_unit():
    assert measure.differences([17.0, 33.0], [1.0, 1.0], 16) == [1.0, 2.0]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (Estimate(0.30, 0.29, 0.31, 7), False),  # the same
        (Estimate(0.39, 0.38, 0.40, 7), True),  # 30 % slower
        (Estimate(0.39, 0.30, 0.50, 7), False),  # 30 % slower, perhaps
        (Estimate(0.32, 0.315, 0.325, 7), False),  # slower for sure, and not by much
        (Estimate(0.20, 0.19, 0.21, 7), False),  # faster
    ],
)
def test_a_regression_is_both_sure_and_large(now, expected):
    assert measure.is_regression(now, Estimate(0.30, 0.29, 0.31, 7), tolerance=0.1) is expected


class Clocks:
    """Time that passes only in subjects."""

    def __init__(self, monkeypatch):
        self.now, self.calls = 0.0, []
        monkeypatch.setattr(measure.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(measure.time, "thread_time", lambda: self.now / 2)

    def subject(self, name, secs, prepare_secs=0.0):
        def run():
            self.calls.append(name)
            self.now += secs

        def prepare():
            self.calls.append("prepare " + name)
            self.now += prepare_secs

        return Subject(run, prepare, lambda: self.calls.append("close " + name))


def test_subjects_take_turns_and_only_run_is_timed(monkeypatch):
    clocks = Clocks(monkeypatch)
    subjects = {"a": clocks.subject("a", 2.0, prepare_secs=100.0), "b": clocks.subject("b", 3.0)}
    interleaved = Interleaved(subjects, Effort(rounds=2, blocks=2, calls=2))
    interleaved.warm_up()
    assert clocks.calls == ["prepare a", "a", "prepare b", "b"]
    clocks.calls.clear()
    interleaved.round()
    first, second = ["prepare a", "a", "a"], ["prepare b", "b", "b"]
    assert clocks.calls == first + second + second + first
    interleaved.round()
    interleaved.close()
    assert clocks.calls[-2:] == ["close a", "close b"]
    assert interleaved.samples == {
        "wall": {"a": [2.0, 2.0], "b": [3.0, 3.0]},
        "cpu": {"a": [1.0, 1.0], "b": [1.5, 1.5]},
    }


def test_garbage_is_not_collected_on_the_clock():
    seen = []
    interleaved = Interleaved({"a": Subject(lambda: seen.append(measure.gc.isenabled()))}, Effort(1, 1, 3))
    interleaved.round()
    assert seen == [False] * 3
    assert measure.gc.isenabled()
