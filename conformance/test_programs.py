"""Generated programs of every kind: both sides show the same trace, and so do both ways of a step."""

import functools

import hypothesis
import pytest
from hypothesis import strategies as st

from conformance import campaign, coverage, enumeration, implementations, strategies
from conformance import program as p
from conformance.interpreter import perform, run_program
from conformance.rules import RULES
from conformance.test_hook_programs import keep

everything = pytest.mark.parametrize("strategy", strategies.BY_NAME)


@everything
@hypothesis.settings(max_examples=30)
@hypothesis.given(data=st.data())
def test_random_programs(harness, strategy, data):
    program = data.draw(strategies.BY_NAME[strategy])
    text = p.to_json(program)
    with keep(text) as path:
        harness.judge(
            functools.partial(perform, program=program),
            functools.partial(coverage.rules, program),
            f"a random program of {strategy}\nprogram: {text}",
            f"python -m conformance replay {path}",
            both_ways=p.runs_steps(program),
        )


@everything
@hypothesis.given(data=st.data())
def test_json_round_trip(strategy, data):
    program = data.draw(strategies.BY_NAME[strategy])
    again = p.from_json(p.to_json(program))
    assert again == program
    assert type(again) is type(program)


def test_unknown_kind_is_refused():
    with pytest.raises(TypeError, match="Unknown kind of program 'Song'"):
        p.from_json('{"program": "Song"}')


def test_what_is_counted_was_seen(harness):
    stop = p.Action("after_run", 1, "request_stop")
    preempted = p.Action("before_run", 1, "raise", "AbortedError")
    never = p.Action("before_run", 3, "raise", "ValueError")
    program = p.Program(hooks=(p.Hook(actions=(preempted, stop, never)),), runs=(p.Run(),) * 3)
    trace = run_program(harness.oracle.namespace, program)
    seen = coverage.produced(program, trace)
    assert {"recovered from preemption", "request_stop in after_run", "raise AbortedError"} <= seen
    assert "raise ValueError" not in seen
    rules = coverage.rules(program, trace)
    assert {"MTS-EXC-04", "MTS-RUN-01"} <= set(rules) <= set(RULES)
    assert "MTS-EXC-02" not in rules


def test_the_plain_way_is_compared_too(harness):
    subject = harness.subject
    assert implementations.has_two_ways(implementations.load("monitored"))
    assert not implementations.has_two_ways(implementations.load("tensorflow.compat.v1.train"))
    if not implementations.has_two_ways(subject):
        pytest.skip("the subject has one way of executing a step")
    switch = implementations._switch(subject)
    ways = []

    def scenario(train, record):
        if train is subject.namespace:
            ways.append(switch.ENABLED)

    usual = switch.ENABLED
    harness.judge(scenario, (), "", "", both_ways=True)
    assert ways == [usual, False]
    assert switch.ENABLED == usual


def test_batches_add_up_and_differ():
    made = campaign.batches(strategies.BY_NAME, 1000, 5, 50)
    assert 1000 <= sum(batch.count for batch in made) < 1000 + len(strategies.BY_NAME)
    assert len({(batch.strategy, batch.seed) for batch in made}) == len(made)
    assert made == campaign.batches(strategies.BY_NAME, 1000, 5, 50)


# --- the complete small scope --------------------------------------------------------------------


def test_parts_of_the_enumeration_are_all_of_it():
    pieces = enumeration.slices()
    parts = [enumeration.select(pieces, (number, 7)) for number in range(1, 8)]
    assert sorted(map(repr, sum(parts, []))) == sorted(map(repr, pieces))


def test_totals_count_what_is_generated():
    counts = [
        sum(1 for first in range(len(enumeration.faults(setting.hooks))) for _ in enumeration.pairs(setting, first))
        for setting in enumeration.SETTINGS
        if setting.hooks == 1
    ]
    both = [setting for setting in enumeration.SETTINGS if setting.hooks == 2]
    piece = sum(1 for _ in enumeration.pairs(both[0], 0))
    assert len(set(counts)) == 1
    assert sum(counts) + piece * len(both) < enumeration.totals()["pairs of faults"]
    places = {(hook, action.stage, action.call) for hook, action in enumeration.faults(1)}
    assert len(places) == sum(enumeration._CALLS.values())
    assert enumeration.totals()["arguments"] == 7**5 * 4


def test_a_pair_that_is_left_out_is_the_single_fault(harness):
    """The reduction, tried: a fault whose call is not reached changes nothing."""
    setting = enumeration.Setting("MonitoredSession", True, 2)
    first = (0, p.Action("before_run", 2, "raise", "ValueError"))
    second = (1, p.Action("before_run", 2, "raise", "AbortedError"))
    train = harness.oracle.namespace
    alone = run_program(train, enumeration.program_with(setting, (first,)))
    assert [event.kind for event in alone].count("B.before_run") == 1
    assert run_program(train, enumeration.program_with(setting, (first, second))) == alone


def test_a_piece_of_the_enumeration(harness, tmp_path):
    sides = campaign.Sides(harness.oracle.name, harness.subject.name)
    setting = enumeration.Setting("SingularMonitoredSession", True, 1)
    last = len(enumeration.faults(1)) - 23
    pieces = [enumeration.Slice("faults", setting, last), enumeration.Slice("arguments", None, 3000, 5)]
    tally = campaign.Tally()
    for _, one in campaign.run_tasks(sides, pieces, enumeration.run_slice, 1, str(tmp_path)):
        tally.add(one)
    assert tally.differences == []
    assert (tally.programs["single faults"], tally.programs["arguments"]) == (1, 5)
    assert tally.programs["pairs considered"] == len(list(enumeration.pairs(setting, last)))


def test_todays_part_of_the_enumeration(harness, tmp_path):
    sides = campaign.Sides(harness.oracle.name, harness.subject.name)
    pieces = enumeration.select(enumeration.slices(), enumeration.part("today/3000"))
    tally = campaign.Tally()
    for _, one in campaign.run_tasks(sides, pieces, enumeration.run_slice, 1, str(tmp_path)):
        tally.add(one)
    assert [difference.report for difference in tally.differences] == []
