"""What is measured: every case with its subjects, its effort for each profile and its target.

`kind` is the name of the pytest-benchmark module that runs the case. A case is measured by
`Measurement`; what comes out is a plain dictionary, which is what JSON, table and page hold.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from perf import checkpoints, lifetimes, measure, memory, models, steps
from perf.measure import Effort, Estimate, Interleaved, Samples, Subject
from perf.sides import FLOOR, MONITORED, SIDES, TF_TRAIN, Setting, temporary_setting

PROFILES = ("smoke", "default", "full")

QUICK = {"smoke": Effort(5, 5, 60), "default": Effort(9, 10, 100), "full": Effort(15, 20, 200)}
"""For steps: tens of microseconds each."""
MEDIUM = {"smoke": Effort(3, 1, 1, warmup=0), "default": Effort(9, 3, 1), "full": Effort(15, 3, 1)}
SLOW = {"smoke": Effort(3, 1, 1), "default": Effort(7, 1, 1, warmup=0), "full": Effort(11, 1, 1)}
"""For what takes seconds."""


@dataclass(frozen=True)
class Target:
    """The largest ratios wanted: to `tf.train`, and to the floor where there is one."""

    row: str
    tf_train: float
    floor: float | None = None
    floor_name: str = "Session.run"


@dataclass(frozen=True)
class Case:
    """Something measured. `make` returns its subjects, or `values` the bytes of each round."""

    kind: str
    name: str
    make: Callable[[Setting], dict[str, Subject]] | None = None
    values: Callable[[Effort, str], dict[str, list[float]]] | None = None
    derive: Callable[[Samples], Samples] | None = None
    effort: dict[str, Effort] = field(default_factory=lambda: QUICK)
    profiles: tuple[str, ...] = ("default", "full")
    clock: str = "cpu"
    threads: bool = False
    floor: str = FLOOR
    target: Target | None = None
    gate: bool = False
    tolerance: float = 0.1
    axis: dict[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The name by which baselines and reports know it."""
        return f"{self.kind}[{self.name}]"


def _hook_differences(samples: Samples, hooks: int, pairs: dict[str, tuple[str, str]]) -> Samples:
    """Turn steps with more and with less, by side, into the cost of one hook."""
    return {
        clock: {side: measure.differences(by[more], by[less], hooks) for side, (more, less) in pairs.items()}
        for clock, by in samples.items()
    }


_HOOKS = {side: (f"{side}, {steps.MANY}", f"{side}, {steps.FEW}") for side in SIDES}
_TIMING = {MONITORED: (steps.TIMED, steps.UNTIMED)}


def _step(session: str, shape: str, fed: bool, hooks: int = 0, threads: bool = False, **more: Any) -> Case:
    name = f"{session}-{shape}-{'fed' if fed else 'unfed'}-{hooks}hooks{'-threads' if threads else ''}"
    make = functools.partial(steps.step_overhead, session=session, shape=shape, fed=fed, hooks=hooks)
    clock = "wall" if threads else "cpu"
    return Case("time_step", name, make, axis={"hooks": hooks}, clock=clock, threads=threads, **more)


STEP_TARGETS = {
    ("default", "list", False, 0): Target("step, default hooks, no feed", 0.35, 0.60),
    ("save_checkpoint_steps", "list", False, 0): Target("step, save_checkpoint_steps=1e6", 0.20, 0.65),
    ("bare", "list", False, 0): Target("step, no default hooks", 0.40, 0.50),
    ("default", "list", True, 0): Target("step, default hooks, one fed array", 0.45, 0.60),
}
HOOKS = (0, 1, 4, 16, 64)


def _steps() -> Iterator[Case]:
    for session in steps.SESSIONS:
        for shape in steps.SHAPES:
            for fed in (False, True):
                for hooks in HOOKS:
                    key = (session, shape, fed, hooks)
                    target = STEP_TARGETS.get(key)
                    varied = sum(a != b for a, b in zip(key, ("default", "list", False, 0), strict=True))
                    profiles = ("default", "full") if varied <= 1 else ("full",)
                    if hooks and varied > 2:
                        continue
                    if target and session == "default":
                        profiles = PROFILES
                    yield _step(*key, profiles=profiles, target=target, gate=target is not None)
    yield _step("default", "list", False, threads=True)
    yield _step("save_checkpoint_steps", "list", False, threads=True)
    yield Case(
        "time_one_more_hook",
        "one fetch",
        steps.hook_cost,
        derive=functools.partial(_hook_differences, hooks=16, pairs=_HOOKS),
        profiles=PROFILES,
        target=Target("one more hook with one fetch", 0.35),
        gate=True,
        tolerance=0.2,
    )
    yield Case(
        "time_hook_profiler",
        "one hook",
        steps.profiler_cost,
        derive=functools.partial(_hook_differences, hooks=16, pairs=_TIMING),
    )
    for count in (1, 10, 100):
        make = functools.partial(steps.summary_write, summaries=count)
        smoke = PROFILES if count == 10 else PROFILES[1:]
        yield Case("time_summary", f"{count} scalars", make, clock="wall", profiles=smoke, axis={"summaries": count})


def _name(size: models.Size) -> str:
    optimizer = "adam" if size.adam else "descent"
    more = f"-{size.more_ops}ops" if size.more_ops else ""
    return f"{size.variables}x{size.floats}-{optimizer}{more}"


def _sized(kind: str, make: Callable[..., dict[str, Subject]], size: models.Size, **more: Any) -> Case:
    megabytes = size.variables * size.floats * 4 * (3 if size.adam else 1) / 2**20
    axis = {"variables": size.variables, "megabytes": megabytes, "more_ops": size.more_ops}

    def on_device(setting: Setting) -> dict[str, Subject]:
        return make(setting, replace(size, device=setting.device))

    settings: dict[str, Any] = {"clock": "wall", "effort": MEDIUM, "tolerance": 0.25} | more
    return Case(kind, _name(size), on_device, axis=axis, **settings)


MANY_SMALL = models.Size(400, 1000, adam=True)
LARGE = models.Size(60, 2**18, adam=True)
SMALL = models.Size(20, 1000, adam=True)
TINY = models.Size(4, 1000)


def _checkpoints() -> Iterator[Case]:
    rows = {
        MANY_SMALL: (Target("checkpoint stall, 400 variables of 1,000 floats, Adam", 0.10, 1.5, "bare SaveV2"), FLOOR),
        LARGE: (
            Target("checkpoint stall, 60 variables of 1 MB, Adam, synchronous", 0.75, 1.3, "writing the bytes"),
            checkpoints.PLAIN_FILE,
        ),
    }
    for size, (target, floor) in rows.items():
        yield _sized("stall_checkpoint", checkpoints.save_stall, size, target=target, floor=floor, effort=SLOW)
    yield _sized(
        "stall_checkpoint_async",
        checkpoints.async_stall,
        LARGE,
        target=Target(
            "checkpoint stall, 60 variables of 1 MB, Adam, asynchronous", 0.25, 1.5, "copying the bytes in memory"
        ),
        floor=checkpoints.MEMORY_COPY,
        effort=SLOW,
    )
    for size in (SMALL, LARGE):
        yield _sized(
            "stall_checkpoint_durable", checkpoints.durable_stall, size, floor=checkpoints.PLAIN_FILE, effort=SLOW
        )
    yield _sized("stall_checkpoint", checkpoints.save_stall, TINY, profiles=("smoke",))
    yield _sized("stall_checkpoint", checkpoints.save_stall, SMALL, gate=True)
    for size in (models.Size(10, 1000), models.Size(10, 100_000), models.Size(10, 2_000_000)):
        yield _sized("stall_checkpoint", checkpoints.save_stall, size)
    for size in (models.Size(100, 1000), models.Size(400, 1000), models.Size(10, 1000, more_ops=5000)):
        yield _sized("stall_checkpoint", checkpoints.save_stall, size)
    for size in (TINY, SMALL, models.Size(10, 100_000), models.Size(10, 2_000_000), models.Size(400, 1000)):
        profiles = ("smoke",) if size == TINY else PROFILES[1:]
        yield _sized("time_restore", checkpoints.restore, size, profiles=profiles)


def _lifetimes() -> Iterator[Case]:
    target = Target("session creation with first save, 400 variables, Adam", 0.50)
    yield _sized("time_create", lifetimes.creation, MANY_SMALL, target=target, effort=SLOW)
    target = Target("restart from a checkpoint, 400 variables, Adam", 0.60)
    yield _sized("time_restart", lifetimes.restart, MANY_SMALL, target=target, effort=SLOW)
    for kind, make in (("time_create", lifetimes.creation), ("time_restart", lifetimes.restart)):
        yield _sized(kind, make, TINY, profiles=("smoke",))
        yield _sized(kind, make, SMALL, gate=kind == "time_create", effort=SLOW)
        yield _sized(kind, make, models.Size(10, 1000, more_ops=2000), effort=SLOW)
        yield _sized(kind, make, models.Size(10, 1000, more_ops=8000), effort=SLOW)
        yield _sized(kind, make, models.Size(100, 1000), profiles=("full",), effort=SLOW)
        yield _sized(kind, make, models.Size(1000, 1000, adam=True), profiles=("full",), effort=SLOW)
    yield _sized("time_recover", lifetimes.recovery, TINY, profiles=("smoke",))
    yield _sized("time_recover", lifetimes.recovery, SMALL, effort=SLOW)
    yield _sized("time_recover", lifetimes.recovery, models.Size(10, 1000, more_ops=8000), effort=SLOW)


def _memory(what: str, effort: Effort, device: str) -> dict[str, list[float]]:
    return memory.measure(what, effort.calls, effort.rounds, device)


def _memories() -> Iterator[Case]:
    yield Case(
        "memory_steps",
        "RSS gained per 100000 steps",
        values=functools.partial(_memory, "steps"),
        effort={"default": Effort(7, 1, 100_000), "full": Effort(15, 1, 100_000)},
        target=Target("RSS growth over 100,000 steps", 1.0, 1.0, "0 within noise"),
    )
    yield Case(
        "memory_save",
        "peak above before, 30 MB",
        values=functools.partial(_memory, "save"),
        effort={"default": Effort(7, 1, 262_144), "full": Effort(15, 1, 262_144)},
    )


def every() -> list[Case]:
    """Return all cases, in the order of the report."""
    return [*_steps(), *_checkpoints(), *_lifetimes(), *_memories()]


def select(profile: str, kind: str | None = None, only: str | None = None, gate: bool = False) -> list[Case]:
    """Return the cases of a profile, of one kind, whose id contains `only`, that guard the baseline."""
    return [
        case
        for case in every()
        if profile in case.profiles
        and kind in (None, case.kind)
        and (only or "") in case.id
        and (case.gate or not gate)
    ]


class Measurement:
    """One case being measured: open it, measure rounds, take the result, close it."""

    def __init__(self, case: Case, profile: str, device: str) -> None:
        self.case, self.profile, self.device = case, profile, device
        self.effort = case.effort[profile]
        self._context = temporary_setting(device, case.threads)
        self._samples: Samples = {}
        self._interleaved: Interleaved | None = None

    def open(self) -> None:
        """Make the subjects and warm them up."""
        setting = self._context.__enter__()
        if self.case.make is not None:
            self._interleaved = Interleaved(self.case.make(setting), self.effort)
            self._interleaved.warm_up()

    def round(self) -> float:
        """Measure one more round; return the seconds a call of `monitored` took in it."""
        assert self._interleaved is not None
        self._interleaved.round()
        self._samples = self._interleaved.samples
        if self.case.derive is not None:
            self._samples = self.case.derive(self._samples)
        return self._samples[self.clock][MONITORED][-1]

    def measure_values(self) -> None:
        """Measure all rounds of a case that has no clock."""
        assert self.case.values is not None
        self._samples = {"bytes": self.case.values(self.effort, self.device)}

    @property
    def clock(self) -> str:
        """Which clock counts: on a GPU the work is elsewhere, and this thread's time says little."""
        return "wall" if self.device == "gpu" and self.case.clock == "cpu" else self.case.clock

    def close(self) -> None:
        """Close the subjects and delete what they wrote."""
        if self._interleaved is not None:
            self._interleaved.close()
        self._context.__exit__(None, None, None)

    def result(self) -> dict[str, Any]:
        """Return what was measured, as JSON has it."""
        case = self.case
        result: dict[str, Any] = {
            "id": case.id,
            "kind": case.kind,
            "name": case.name,
            "axis": case.axis,
            "effort": asdict(self.effort),
            "samples": self._samples,
            "clock": self.clock if case.make else "bytes",
            "cost": {
                clock: {name: measure.estimate(values).as_dict() for name, values in by.items()}
                for clock, by in self._samples.items()
            },
        }
        if case.make:
            result |= self._ratios()
        if case.target:
            result["target"] = asdict(case.target) | _verdict(case.target, result)
        return result

    def _ratios(self) -> dict[str, Any]:
        ratios: dict[str, Any] = {"ratios": {}, "floor": None}
        for clock, by in self._samples.items():
            against = {name: measure.paired_ratio(by[MONITORED], by[name]) for name in by if name != MONITORED}
            ratios["ratios"][clock] = {name: ratio.as_dict() for name, ratio in against.items()}
        if self.case.floor in self._samples["wall"]:
            ratios["floor"] = self.case.floor
        return ratios


def _verdict(target: Target, result: dict[str, Any]) -> dict[str, Any]:
    """Whether the medians are within the target, each of the two on its own."""
    if result["clock"] == "bytes":
        cost = {name: Estimate(**found) for name, found in result["cost"]["bytes"].items()}
        ours = cost[MONITORED]
        return {"tf_met": ours.value <= cost[TF_TRAIN].value, "floor_met": ours.low <= max(0.0, cost[FLOOR].high)}
    ratios = result["ratios"][result["clock"]]
    floor = ratios[result["floor"]]["value"] if result["floor"] else None
    floor_met = None if target.floor is None or floor is None else floor <= target.floor
    return {"tf_met": ratios[TF_TRAIN]["value"] <= target.tf_train, "floor_met": floor_met}


def run(case: Case, profile: str, device: str) -> dict[str, Any]:
    """Measure a case from beginning to end."""
    measurement = Measurement(case, profile, device)
    try:
        measurement.open()
        if case.values:
            measurement.measure_values()
        else:
            for _ in range(measurement.effort.rounds):
                measurement.round()
        return measurement.result()
    finally:
        measurement.close()
