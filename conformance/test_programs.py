"""Generated programs of every kind: both sides show the same trace, and so do both ways of a step."""

import argparse
import functools
import importlib
import os

import hypothesis
import pytest
from hypothesis import strategies as st

from conformance import campaign, coverage, enumeration, implementations, ledger, processes, strategies
from conformance import program as p
from conformance.interpreter import perform, run_program
from conformance.rules import RULES
from conformance.sandbox import run_in_sandbox
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


@pytest.mark.parametrize("variables", p.VARIABLES)
def test_an_imported_graph_is_the_built_one(harness, variables):
    """Whoever uses a session cannot tell where its graph came from."""
    runs = (p.Run(), p.Run("variable", (p.Feed("a", 2.5),)), p.Run("list"))
    program = p.Program(hooks=(p.Hook(p.Request("tensor")),), runs=runs, variables=variables)
    built, imported = (run_program(harness.oracle.namespace, program._replace(graph=graph)) for graph in p.GRAPHS)
    assert [event for event in built if "arguments" not in str(event.data)] == [
        event for event in imported if "arguments" not in str(event.data)
    ]


def test_lives_in_real_processes(harness):
    step = p.Step()
    lives = (p.Life((step,)), p.Life((step, step)), p.Life((step,), new_process=False))
    program = p.StepProgram(lives, save_steps=1, real_processes=True)
    trace = run_program(harness.oracle.namespace, program)
    kinds = [event.kind for event in trace]
    assert [kind for kind in kinds if kind in ("life 1", "life 2", "life 3", "threads left")] == [
        "life 1", "threads left", "life 2", "life 3", "threads left", "threads left",
    ]  # fmt: skip
    assert [event.data[1] for event in trace if event.kind == "log" and "Restoring" in event.data[1]] == [
        "Restoring parameters from <directory>/logdir/model.ckpt-1",
        "Restoring parameters from <directory>/logdir/model.ckpt-3",
    ]
    with pytest.raises(LookupError, match="was not loaded by name"):
        run_program(argparse.Namespace(), program)


def test_a_process_that_dies_is_the_harnesss_fault(harness):
    def scenario(train, record):
        processes.run_in_process(train, record, end_at_once, 7)

    with pytest.raises(processes.ProcessError, match="exit code 7"):
        run_in_sandbox(harness.oracle.namespace, scenario)


def end_at_once(_, __, code):
    os._exit(code)


# --- campaigns -----------------------------------------------------------------------------------


def test_a_ledger_goes_on_where_it_ended(harness, tmp_path):
    sides = campaign.Sides(harness.oracle.name, harness.subject.name)
    made = campaign.batches(["saver"], 4, 5, 2)
    path = str(tmp_path / "ledger.pickle")

    def work_through(kept):
        return list(campaign.run_tasks(sides, made, campaign.run_batch, 1, str(tmp_path), None, kept))

    first = work_through(ledger.Ledger(path, "state", 5, False))
    with open(path, "ab") as file:
        file.write(b"\x80\x04cut off")
    again = ledger.Ledger(path, "state", None, True)
    assert again.seed == 5
    assert again.reused == 0
    second = work_through(again)
    assert [task for task, _ in second] == [task for task, _ in first] == made
    assert [tally.seconds for _, tally in second] == [tally.seconds for _, tally in first]
    assert again.reused == 2
    with pytest.raises(ledger.LedgerError, match="other code or versions"):
        ledger.Ledger(path, "another state", None, True)
    with pytest.raises(ledger.LedgerError, match="leave --seed out"):
        ledger.Ledger(path, "state", 6, True)
    with pytest.raises(ledger.LedgerError, match="nothing to go on with"):
        ledger.Ledger(path + ".no", "state", None, True)
    names = (sides.oracle, sides.subject)
    assert ledger.state_of_code(names) == ledger.state_of_code(names)
    assert ledger.state_of_code(names) != ledger.state_of_code(("jinja2", *names))


FED = {
    "hooks": lambda array: p.Program(runs=(p.Run(feeds=(p.Feed("a", 2.5, array),)),) * 2),
    "steps": lambda array: p.StepProgram((p.Life((p.Step(array=array), p.Step(array=array))),)),
}


@pytest.mark.parametrize("kind", FED)
def test_steps_that_are_fed_arrays_are_compiled(harness, monkeypatch, kind):
    """Otherwise comparing both ways of a step would compare the plain way with itself."""
    if not implementations.has_two_ways(harness.subject):
        pytest.skip("the subject has one way of executing a step")
    runner = importlib.import_module(harness.subject.name.partition(".")[0] + ".compiled_step").StepRunner
    run, compiled = runner.run, []

    def watched(self, session, fetches, feed_dict):
        result = run(self, session, fetches, feed_dict)
        if feed_dict:
            compiled.append(result is not None)
        return result

    monkeypatch.setattr(runner, "run", watched)
    for array in (True, False):
        compiled.clear()
        run_program(harness.subject.namespace, FED[kind](array))
        assert compiled == [array] * 2


def test_a_harness_error_is_no_difference(harness, tmp_path, monkeypatch):
    def fail(self, program, origin):
        raise OSError("a full disk")

    monkeypatch.setattr(campaign.Comparer, "compare", fail)
    comparer = campaign.Comparer(campaign.Sides(harness.oracle.name, harness.subject.name), str(tmp_path))
    campaign.run_batch(comparer, campaign.Batch("saver", 3, 2))
    tally = comparer.take_tally()
    assert tally.differences == []
    assert [text.splitlines()[-1] for _, text in tally.errors] == ["OSError: a full disk"] * 2


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
