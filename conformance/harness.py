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

from conformance import divergences, implementations
from conformance.compare import ConformanceError, compare, explain
from conformance.implementations import Implementation
from conformance.rules import GROUPS, RULES, group_of
from conformance.sandbox import run_in_sandbox
from conformance.trace import tf


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
        self.failed: set[str] = set()
        # Graphs are full of cycles. Without the million objects of TensorFlow's modules in its way,
        # the collector costs a tenth.
        gc.collect()
        gc.freeze()
        gc.disable()

    def judge(
        self,
        scenario: Callable[..., Any],
        rules: tuple[str, ...],
        subject_of_test: str,
        replay: str,
        subject: Implementation | None = None,
    ) -> None:
        """Compare one scenario and count it; ConformanceError says the first difference.

        `subject` stands in for the harness's own, for example a mixture of both sides.
        """
        subject = subject or self.subject
        unknown = [rule for rule in rules if rule not in RULES]
        if unknown:
            raise ValueError(f"unknown rules {unknown}")
        self.count(rules)
        expected = run_in_sandbox(self.oracle.namespace, scenario)
        observed = run_in_sandbox(subject.namespace, scenario)
        if os.environ.get("CONFORMANCE_SHOW"):
            for index, event in enumerate(expected):
                print(f"{index:3d} {event.kind}: {json.dumps(event.data)}")
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
        names = (self.oracle.name, subject.name)
        raise ConformanceError(explain(verdict.difference, expected, observed, names, subject_of_test, replay))

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
            "groups": groups,
        }


def conforms(*rules: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a scenario `f(train, record, ...)` a test that oracle and subject behave the same.

    Parameters after `record` are pytest's, so that a scenario can be parametrised. `rules` are the
    rules that the scenario tries.
    """

    def decorate(scenario: Callable[..., Any]) -> Callable[..., Any]:
        parameters = list(inspect.signature(scenario).parameters.values())[2:]

        @functools.wraps(scenario)
        def test(differential: Any, **arguments: Any) -> None:
            differential(functools.partial(scenario, **arguments), rules=rules)

        fixture = inspect.Parameter("differential", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        test.__signature__ = inspect.Signature([fixture, *parameters])  # type: ignore[attr-defined]
        del test.__wrapped__
        return test

    return decorate
