"""Ties the paired measurement to pytest-benchmark: one test a case, one benchmark round a round.

pytest-benchmark's timer is a clock that passes only by the seconds that a call of `monitored` took,
so its own table and its files show what `monitored` costs; the ratios are in `extra_info`.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from perf import cases, sides


class MonitoredClock:
    """A clock that is put forward by what was measured."""

    now = 0.0

    def __call__(self) -> float:
        """Return the seconds measured so far."""
        return self.now


CLOCK = MonitoredClock()
_results: list[dict[str, Any]] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `python -m perf run` passes on."""
    group = parser.getgroup("perf", "what monitored sessions cost")
    group.addoption("--perf-profile", choices=cases.PROFILES, default="default", help="how much is measured")
    group.addoption("--perf-device", choices=("cpu", "gpu"), default="cpu", help="where the models are")
    group.addoption("--perf-only", default="", help="only cases whose id contains this")
    group.addoption("--perf-guards", action="store_true", help="only the cases that guard the baseline")
    group.addoption("--perf-json", default="", help="write what was measured to this file")


def pytest_configure(config: pytest.Config) -> None:
    """Set TensorFlow up before any graph is made."""
    sides.start()
    if config.getoption("--perf-device") == "gpu" and not sides.has_gpu():
        raise pytest.UsageError(sides.NO_GPU)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `test_<kind>` the cases of its kind."""
    if "case" in metafunc.fixturenames:
        option = metafunc.config.getoption
        kind = metafunc.function.__name__.removeprefix("test_")
        found = cases.select(option("--perf-profile"), kind, option("--perf-only"), option("--perf-guards"))
        metafunc.parametrize("case", found, ids=[case.name for case in found])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure with our own clock, in groups by kind; leave out kinds without a case in this profile."""
    items[:] = [item for item in items if not item.name.endswith("[NOTSET]")]
    for item in items:
        item.add_marker(pytest.mark.benchmark(timer=CLOCK, group=item.name.partition("[")[0].removeprefix("test_")))


@pytest.fixture
def paired(benchmark: Any, request: pytest.FixtureRequest) -> Iterator[Callable[[cases.Case], dict[str, Any]]]:
    """Return what measures a case, interleaved with what it is compared to, and keeps the result."""
    opened: list[cases.Measurement] = []

    def measure(case: cases.Case) -> dict[str, Any]:
        option = request.config.getoption
        measurement = cases.Measurement(case, option("--perf-profile"), option("--perf-device"))
        opened.append(measurement)
        measurement.open()

        def one_round() -> None:
            CLOCK.now += max(0.0, measurement.round())

        if case.values:
            benchmark.pedantic(measurement.measure_values, rounds=1, iterations=1)
        else:
            benchmark.pedantic(one_round, rounds=measurement.effort.rounds, iterations=1)
        result = measurement.result()
        _results.append(result)
        _write(request.config)  # after each case: a long run that is broken off is not lost
        benchmark.extra_info.update({key: result.get(key) for key in ("clock", "ratios", "target", "axis")})
        return result

    yield measure
    for measurement in opened:
        measurement.close()


def _write(config: pytest.Config) -> None:
    path = config.getoption("--perf-json")
    if path:
        Path(path).write_text(json.dumps(_results), encoding="utf-8")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what was measured, if only that it was nothing."""
    _write(session.config)
