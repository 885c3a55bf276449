"""Which of a session's hooks costs what.

Only the time in the hooks' own methods is measured. What a hook costs otherwise, the tensors that it
has every step fetch, is part of the run and shows only when the hook is left out.
"""

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, TextIO

import tensorflow.compat.v1 as tf

from monitored.global_step import get_global_step

STAGES = ("begin", "after_create_session", "before_run", "after_run", "end")
RUN = "session.run"
"""The row of what is between the hooks: the run itself, and the session's own work around it."""


class HookProfiler:
    """Times every method of every hook of a session, step by step.

        profiler = HookProfiler(folder)
        with profiler.attach(MonitoredTrainingSession(hooks=profiler.watch(hooks), ...)) as session:
            ...

    `attach` takes a session and times all its hooks, those it made itself too, from then on;
    `watch` times hooks before there is a session, so that their `begin` and first
    `after_create_session` count. Either alone will do. The hooks stay who they are: each gets timed
    methods of its own until `detach`.

    When the last hook's `end` is done, a table goes to `file` (`report` is the same text at any
    time). With `output_dir`, the mean microseconds a step of each hook's `before_run` and
    `after_run` are written as scalars `hook_us/...` every `every_n_steps` steps, at the global step
    where there is one, and the first `trace_steps` steps as `hooks.trace.json`, which
    chrome://tracing and Perfetto show.

    Costs a few microseconds a hook and step. Raises ValueError for periods that are not positive
    integers, and for a hook that lets nobody set an attribute.
    """

    def __init__(
        self,
        output_dir: str | None = None,
        every_n_steps: int = 100,
        trace_steps: int = 100,
        file: TextIO | None = None,
    ) -> None:
        for name, value in (("every_n_steps", every_n_steps), ("trace_steps", trace_steps)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer, not {value!r}.")
        self._output_dir, self._every_n_steps, self._trace_steps = output_dir, every_n_steps, trace_steps
        self._file = file
        self._hooks: list[Any] = []
        self._first: Any = None
        self._last: Any = None
        self._names: dict[int, str] = {}
        self._replaced: list[tuple[Any, str, Any]] = []
        self._clocks: dict[tuple[str, str], _Clock] = {}
        self._run = self._clocks[RUN, "run"] = _Clock()
        self._steps = 0
        self._left_before_run = 0
        self._trace: list[tuple[str, str, int, int]] = []

    def watch(self, hooks: Iterable[Any] | None) -> list[Any]:
        """Time these hooks from now on; return them as a list."""
        watched = list(hooks or ())
        for hook in watched:
            self._watch(hook)
        return watched

    def attach(self, session: Any) -> Any:
        """Time all hooks of a monitored session from now on; return the session."""
        hooks = getattr(session, "_hooks", None)
        if hooks is None:
            raise ValueError(f"session must be a monitored session, which has hooks, not {session!r}.")
        if in_order := self.watch(hooks):
            self._first, self._last = in_order[0], in_order[-1]
        return session

    def detach(self) -> None:
        """Stop timing for good; what was measured stays."""
        for hook, stage, own in self._replaced:
            delattr(hook, stage)
            if own is not None:
                setattr(hook, stage, own)
        self._replaced = []

    def microseconds(self) -> dict[tuple[str, str], float]:
        """Return the mean microseconds of a call, by hook and method; RUN and "run" for what is between."""
        return {key: clock.mean_us() for key, clock in self._clocks.items() if clock.calls}

    def report(self) -> str:
        """Return the table: a row a hook, dearest first, in microseconds."""
        rows = sorted(self._rows(), key=lambda row: -row[-1])
        total = sum(row[-1] for row in rows) or 1.0
        width = max(len("hook"), *(len(row[0]) for row in rows))
        lines = [f"{'hook':<{width}}  before_run   after_run    longest   us a step  share"]
        for name, before, after, longest, both in rows:
            numbers = "  ".join(f"{value:>{10}.1f}" for value in (before, after, longest, both))
            lines.append(f"{name:<{width}}  {numbers}  {both / total:>4.0%}")
        lines.append(f"{self._steps} steps, {total:.1f} us each, from the first hook's before_run on")
        once = [
            f"{name}.{stage} {clock.total / 1e6:.1f} ms"
            for (name, stage), clock in self._clocks.items()
            if clock.calls and stage in ("begin", "after_create_session", "end")
        ]
        return "\n".join([*lines, *once])

    def _rows(self) -> list[tuple[str, float, float, float, float]]:
        steps = self._steps or 1
        rows = [(RUN, 0.0, 0.0, self._run.longest / 1e3, self._run.total / 1e3 / steps)]
        for hook in self._hooks:
            name = self._names[id(hook)]
            before, after = self._clocks[name, "before_run"], self._clocks[name, "after_run"]
            parts = before.total / 1e3 / steps, after.total / 1e3 / steps
            rows.append((name, *parts, max(before.longest, after.longest) / 1e3, sum(parts)))
        return rows

    def _watch(self, hook: Any) -> None:
        if any(known is hook for known in self._hooks):
            return
        names = set(self._names.values())
        name, number = type(hook).__name__, 1
        while name in names:
            number += 1
            name = f"{type(hook).__name__}_{number}"
        self._names[id(hook)] = name
        for stage in STAGES:
            clock = self._clocks[name, stage] = _Clock()
            timed = self._timed(hook, getattr(hook, stage), name, stage, clock)
            try:
                own = vars(hook).get(stage)
                setattr(hook, stage, timed)
            except (AttributeError, TypeError):
                text = f"hook {name} lets nobody set its attribute {stage!r}, so it cannot be timed."
                raise ValueError(text) from None
            self._replaced.append((hook, stage, own))
        self._hooks.append(hook)
        self._first, self._last = self._hooks[0], hook

    def _timed(self, hook: Any, method: Callable[..., Any], name: str, stage: str, clock: "_Clock") -> Any:
        now = time.perf_counter_ns
        opens, closes = stage == "after_run", stage == "before_run"

        @functools.wraps(method)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = now()
            if opens and hook is self._first:
                self._note(RUN, "run", self._run, self._left_before_run, start)
            try:
                return method(*args, **kwargs)
            finally:
                end = now()
                self._note(name, stage, clock, start, end)
                if closes:
                    self._left_before_run = end
                elif hook is self._last:
                    self._close_step(stage, args)

        return timed

    def _note(self, name: str, stage: str, clock: "_Clock", start: int, end: int) -> None:
        clock.add(end - start)
        if self._steps < self._trace_steps and self._output_dir is not None:
            self._trace.append((name, stage, start, end))

    def _close_step(self, stage: str, args: tuple[Any, ...]) -> None:
        """After the last hook: count the step and write what is due; in the end, tell."""
        if stage == "after_run":
            self._steps += 1
            if self._output_dir is not None:
                if self._steps % self._every_n_steps == 0:
                    self._write_scalars(args[0].session)
                if self._steps == self._trace_steps:
                    self._write_trace()
        elif stage == "end":
            if self._output_dir is not None:
                tf.summary.FileWriterCache.get(self._output_dir).flush()
                if self._steps < self._trace_steps:
                    self._write_trace()
            print(self.report(), file=self._file or sys.stderr)

    def _write_scalars(self, session: Any) -> None:
        step = get_global_step(session.graph)
        at = self._steps if step is None else session.run(step)
        summary = tf.Summary()
        for (name, stage), clock in self._clocks.items():
            if calls := clock.calls - clock.written_calls:
                if stage in ("before_run", "after_run", "run"):
                    value = (clock.total - clock.written_total) / 1e3 / calls
                    summary.value.add(tag=f"hook_us/{name}/{stage}", simple_value=value)
                clock.written_calls, clock.written_total = clock.calls, clock.total
        tf.summary.FileWriterCache.get(self._output_dir).add_summary(summary, at)

    def _write_trace(self) -> None:
        """Write what was traced as Chrome's trace events, a line a hook."""
        rows = {name: number for number, name in enumerate([RUN, *self._names.values()])}
        events: list[dict[str, Any]] = [
            {"ph": "M", "name": "thread_name", "pid": 0, "tid": number, "args": {"name": name}}
            for name, number in rows.items()
        ]
        for name, stage, start, end in self._trace:
            times = {"ts": start / 1e3, "dur": (end - start) / 1e3}
            events.append({"ph": "X", "name": stage, "cat": name, "pid": 0, "tid": rows[name], **times})
        tf.io.gfile.makedirs(self._output_dir)
        with tf.io.gfile.GFile(os.path.join(self._output_dir or "", "hooks.trace.json"), "w") as file:
            file.write(json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}))
        self._trace = []


class _Clock:
    """The calls of one method: how many, and nanoseconds in all and of the longest."""

    __slots__ = ("calls", "longest", "total", "written_calls", "written_total")

    def __init__(self) -> None:
        self.calls = self.total = self.longest = self.written_calls = self.written_total = 0

    def add(self, nanoseconds: int) -> None:
        self.calls += 1
        self.total += nanoseconds
        self.longest = max(self.longest, nanoseconds)

    def mean_us(self) -> float:
        return self.total / 1e3 / self.calls
