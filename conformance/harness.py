"""One comparison: run a scenario on both sides, judge, and keep the tally.

The tally is what the table at the end of a run and its JSON are made of.
"""

import functools
import gc
import inspect
import json
import os
from collections import Counter
from typing import Any, Callable

from conformance import devices, divergences, implementations
from conformance.compare import ConformanceError, compare, explain
from conformance.implementations import Implementation
from conformance.rules import GROUPS, RULES, group_of
from conformance.sandbox import run_in_sandbox
from conformance.trace import Event, tf

Rules = tuple[str, ...] | Callable[[list[Event]], tuple[str, ...]]


class Harness:
    """Two implementations, the register, and the tally of what was compared."""

    def __init__(self, oracle: str, subject: str) -> None:
        self.oracle = implementations.load(oracle)
        self.subject = implementations.load(subject)
        self.register = divergences.Register(divergences.load(), tf.__version__)
        self.rules: Counter[str] = Counter()
        self.programs: Counter[str] = Counter()
        self.differences: Counter[str] = Counter()
        self.registered: Counter[str] = Counter()
        self.divergent: Counter[str] = Counter()
        self.failed: set[str] = set()
        # Graphs are full of cycles. Without the million objects of TensorFlow's modules in its way,
        # the collector costs a tenth.
        gc.collect()
        gc.freeze()
        gc.disable()

    def judge(
        self,
        scenario: Callable[..., Any],
        rules: Rules,
        subject_of_test: str,
        replay: str,
        subject: Implementation | None = None,
        both_ways: bool = False,
        plain: bool = False,
    ) -> list[Event]:
        """Compare one scenario and count it; return the oracle's trace.

        ConformanceError says the first difference. `rules` are those the scenario tries, or a
        function that tells them from the oracle's trace. `subject` stands in for the harness's own,
        for example a mixture of both sides. With `both_ways`, a subject that has a compiled and a
        plain way of executing a step is compared in either, with `plain` in the plain way only.
        """
        subject = subject or self.subject
        expected = run_in_sandbox(self.oracle.namespace, scenario)
        rules = rules(expected) if callable(rules) else rules
        unknown = [rule for rule in rules if rule not in RULES]
        if unknown:
            raise ValueError(f"unknown rules {unknown}")
        self.count(rules)
        if os.environ.get("CONFORMANCE_SHOW"):
            for index, event in enumerate(expected):
                print(f"{index:3d} {event.kind}: {json.dumps(event.data)}")
        for is_plain in _ways(subject, both_ways, plain):
            with implementations.plain_steps(subject, is_plain):
                observed = run_in_sandbox(subject.namespace, scenario)
            name = f"{subject.name} (plain steps)" if is_plain else subject.name
            self._decide(expected, observed, rules, name, subject_of_test, replay)
        return expected

    def judge_devices(self, scenario: Callable[..., Any], subject_of_test: str, replay: str) -> None:
        """Compare the subject's trace on the CPU with its trace on the device that is set."""
        observed = run_in_sandbox(self.subject.namespace, scenario)
        with devices.on(devices.CPU):
            expected = run_in_sandbox(self.subject.namespace, scenario)
        names = (f"{self.subject.name} on the CPU", f"{self.subject.name} on {devices.current()}")
        verdict = compare(expected, observed, self.register, devices.TOLERANCE)
        if verdict.difference is not None:
            raise ConformanceError(explain(verdict.difference, expected, observed, names, subject_of_test, replay))

    def _decide(
        self,
        expected: list[Event],
        observed: list[Event],
        rules: tuple[str, ...],
        name: str,
        subject_of_test: str,
        replay: str,
    ) -> None:
        verdict = compare(expected, observed, self.register)
        groups = {group_of(rule) for rule in rules}
        for group in groups:
            self.registered[group] += len(verdict.registered)
        if verdict.difference is None:
            return
        # A property may meet the same difference many times while it shrinks; count tests.
        title = subject_of_test.partition("\n")[0]
        if title not in self.failed:
            self.failed.add(title)
            for group in groups:
                self.differences[group] += 1
            self.divergent.update(rules)
        names = (self.oracle.name, name)
        report = explain(verdict.difference, expected, observed, names, subject_of_test, replay, rules)
        raise ConformanceError(report)

    def count(self, rules: tuple[str, ...]) -> None:
        """Count one program that tries `rules`."""
        for rule in rules:
            self.rules[rule] += 1
        for group in {group_of(rule) for rule in rules}:
            self.programs[group] += 1
        self.programs["all"] += 1

    def summary(self) -> dict[str, Any]:
        """Return the tally as JSON values."""
        groups = {}
        for group in GROUPS:
            known = [rule for rule in RULES if group_of(rule) == group]
            groups[group] = {
                "rules_known": len(known),
                "rules_tried": sum(bool(self.rules[rule]) for rule in known),
                "rules_untried": [rule for rule in known if not self.rules[rule]],
                "programs": self.programs[group],
                "differences": self.differences[group],
                "registered": self.registered[group],
            }
        return {
            "oracle": self.oracle.name,
            "subject": self.subject.name,
            "tensorflow": tf.__version__,
            "programs": self.programs["all"],
            "rules_known": len(RULES),
            "rules_tried": sum(bool(self.rules[rule]) for rule in RULES),
            "differences": len(self.failed),
            "divergences": dict(self.register.used),
            "rules": {rule: self.rules[rule] for rule in RULES},
            "rules_divergent": dict(self.divergent),
            "groups": groups,
        }


def _ways(subject: Implementation, both_ways: bool, plain: bool) -> tuple[bool, ...]:
    """Return, for each way of executing a step to compare, whether it is the plain one."""
    if not implementations.has_two_ways(subject):
        return (False,)
    if plain:
        return (True,)
    return (False, True) if both_ways else (False,)


def conforms(*rules: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a scenario `f(train, record, ...)` a test that oracle and subject behave the same.

    Parameters after `record` are pytest's, so that a scenario can be parametrised. `rules` are the
    rules and quirks that the scenario tries; the test is marked with them.
    """
    import pytest  # the commands that compare programs do without it

    def decorate(scenario: Callable[..., Any]) -> Callable[..., Any]:
        parameters = list(inspect.signature(scenario).parameters.values())[2:]

        @functools.wraps(scenario)
        def test(differential: Any, **arguments: Any) -> None:
            differential(functools.partial(scenario, **arguments))

        fixture = inspect.Parameter("differential", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        test.__signature__ = inspect.Signature([fixture, *parameters])  # type: ignore[attr-defined]
        del test.__wrapped__
        return pytest.mark.rule(*rules)(test)

    return decorate
