"""The harness judged by itself: it notices, it forgives only what it says, it can be replayed."""

import ast
import json
import os
import subprocess
import sys
import time
import warnings

import pytest

from conformance import divergences, implementations, program
from conformance.compare import compare
from conformance.errors import make_error
from conformance.harness import ConformanceError
from conformance.interpreter import run_program
from conformance.rules import GROUPS, RULES
from conformance.sandbox import run_in_sandbox
from conformance.trace import Describer, Event, from_json, normalise_text, tf, to_json

FOLDER = os.path.dirname(os.path.abspath(__file__))
NOTHING = divergences.Register((), "2.21.0")


class Altered:
    """The oracle's namespace with some names replaced."""

    def __init__(self, namespace, **changed):
        self._namespace = namespace
        self.__dict__.update(changed)

    def __getattr__(self, name):
        return getattr(self._namespace, name)


def wrong_implementations(train):
    """Small wrong implementations, each with one change to the semantics."""

    class Backwards(train.MonitoredSession):
        def __init__(self, session_creator=None, hooks=None, **rest):
            super().__init__(session_creator, list(hooks or [])[::-1], **rest)

    class EndsTwice(train.MonitoredSession):
        def close(self):
            for hook in self._hooks:
                hook.end(self._tf_sess())
            super().close()

    class Swallows(train.MonitoredSession):
        def __exit__(self, kind, value, traceback):
            super().__exit__(kind, value, traceback)
            return True

    class NeverStops(train.MonitoredSession):
        def should_stop(self):
            super().should_stop()
            return False

    class DropsFeeds(train.MonitoredSession):
        def run(self, fetches, feed_dict=None, options=None, run_metadata=None):
            return super().run(fetches, None, options, run_metadata)

    class SavesLate(train.CheckpointSaverHook):
        def after_create_session(self, session, coord):
            pass

    return {
        "hooks backwards": Altered(train, MonitoredSession=Backwards),
        "end called twice": Altered(train, MonitoredSession=EndsTwice),
        "errors of the block swallowed": Altered(train, MonitoredSession=Swallows),
        "never stops": Altered(train, MonitoredSession=NeverStops),
        "feeds dropped": Altered(train, MonitoredSession=DropsFeeds),
        "no checkpoint at creation": Altered(train, CheckpointSaverHook=SavesLate),
    }


PROBING = program.Program(
    hooks=(program.Hook(), program.Hook(actions=(program.Action("after_run", 2, "request_stop"),))),
    runs=(program.Run(), program.Run(feeds=(program.Feed("a", 5.0),)), program.Run()),
    checkpoint_steps=1,
    body_error="ValueError",
)


@pytest.mark.parametrize("name", list(wrong_implementations(tf.train)))
def test_a_wrong_implementation_is_noticed(harness, name):
    train = harness.oracle.namespace
    wrong = wrong_implementations(train)[name]
    plan = PROBING if name != "end called twice" else PROBING._replace(body_error=None, with_block=False)
    verdict = compare(run_program(train, plan), run_program(wrong, plan), NOTHING)
    assert verdict.difference is not None


def test_equal_runs_have_equal_traces(harness):
    train = harness.oracle.namespace
    first, second = run_program(train, PROBING), run_program(train, PROBING)
    assert first == second
    assert from_json(json.loads(json.dumps(to_json(first)))) == first


def test_a_difference_says_what_where_and_how_to_replay(harness):
    def scenario(train, record):
        record("same", 1)
        record("which", train is harness.oracle.namespace)

    other = implementations.Implementation("other", Altered(harness.oracle.namespace))
    with pytest.raises(ConformanceError) as caught:
        harness.judge(scenario, (), "the harness's own test", "replay me", other)
    harness.failed.discard("the harness's own test")
    for text in ("first differing event: 1", "other differs from", "which: true", "replay: replay me"):
        assert text in str(caught.value)


def test_an_unknown_rule_is_refused(harness):
    with pytest.raises(ValueError, match="MTS-NO-01"):
        harness.judge(lambda train, record: None, ("MTS-NO-01",), "", "")


def test_a_scenario_that_fails_is_the_scenarios_fault(harness):
    def scenario(train, record):
        raise LookupError("a bug in the scenario")

    with pytest.raises(LookupError):
        run_in_sandbox(harness.oracle.namespace, scenario)


def test_a_sandbox_leaves_nothing(harness):
    before = time.time, time.sleep, tf.Session.__init__, warnings.showwarning, dict(os.environ)
    places = []

    def scenario(train, record):
        places.append(record.directory)
        record.global_step()
        session = record.session([record.hook("A")])  # never closed
        record("run", session.run(tf.train.get_global_step()))
        time.sleep(3600)  # on the virtual clock

    started = time.monotonic()
    run_in_sandbox(harness.oracle.namespace, scenario)
    assert time.monotonic() - started < 600
    assert not os.path.exists(places[0])
    assert before == (time.time, time.sleep, tf.Session.__init__, warnings.showwarning, dict(os.environ))
    assert "close" not in vars(tf.Session)


def entry(**match):
    return divergences.Divergence("D", ">=1.0", divergences.VERDICTS[0], "because", (), match)


def test_the_register_forgives_what_it_matches_and_nothing_else():
    left = [Event("a", {"x": 1}), Event("b", 2)]
    right = [Event("a", {"x": 3}), Event("b", 2)]
    register = divergences.Register((entry(kind="^a$", path=r"^\.x$", oracle="1", subject="3"),), "2.21.0")
    assert compare(left, right, register).difference is None
    assert register.used == {"D": 1}
    other = divergences.Register((entry(kind="^a$", oracle="2"),), "2.21.0")
    assert compare(left, right, other).difference is not None
    assert other.unused() == ["D"]
    elsewhere = divergences.Register((entry(kind="^a$")._replace(tensorflow="<2"),), "2.21.0")
    assert compare(left, right, elsewhere).difference is not None
    assert elsewhere.unused() == []


def test_a_missing_event_can_be_registered():
    left, right = [Event("a", 1), Event("b", 2)], [Event("b", 2)]
    register = divergences.Register((entry(kind="^a$")._replace(skip="oracle"),), "2.21.0")
    assert compare(left, right, register).difference is None
    assert compare(left, right, NOTHING).difference.oracle_index == 0


@pytest.mark.parametrize(
    "change", ({"verdict": "fine"}, {"reason": ""}, {"match": {}}, {"skip": "all"}, {"match": {"kind": "("}})
)
def test_a_bad_entry_is_refused(tmp_path, change):
    good = {**entry(kind="a")._asdict(), **change}
    path = tmp_path / "divergences.json"
    path.write_text(json.dumps([good]))
    with pytest.raises((ValueError, Exception), match=".+"):
        divergences.load(str(path))


def test_the_register_is_valid():
    for known in divergences.load():
        assert all(rule in RULES for rule in known.rules)


def test_text_is_normalised():
    cases = {
        "<monitored.scaffold.Scaffold object at 0x7f12>": "<Scaffold object at 0x>",
        "<function a.<locals>.b at 0x7f12>": "<function>",
        "events.out.tfevents.1600000000.host.1": "events.out.tfevents.<time>",
        "_MonitoredSession.run() takes 2": "run() takes 2",
        "/tmp/x/y": "<place>/y",
    }
    for text, expected in cases.items():
        assert normalise_text(text, (("/tmp/x", "<place>"),)) == expected


def test_values_are_described():
    import numpy as np

    describe = Describer().describe
    assert describe(np.float32(1.0)) == describe(1.0)
    assert describe(np.int64(3)) == describe(3)
    assert describe(float("nan")) == "nan"
    assert describe((1,)) != describe([1])
    assert describe({"a": 1, "b": 2}) != describe({"b": 2, "a": 1})
    for error in program.ERRORS:
        json.dumps(describe(make_error(error, "text")))


@pytest.mark.parametrize(
    "name",
    (
        "interpreter",
        "interpreter_arguments",
        "interpreter_coordinator",
        "interpreter_creation",
        "interpreter_hooks",
        "interpreter_saver",
        "interpreter_steps",
        "errors",
        "trace",
        "probes",
        "program",
        "recorder",
        "sandbox",
        "idleness",
        "devices",
        "graphs",
        "record",
    ),
)
def test_the_recording_side_keeps_to_old_syntax(name):
    with open(os.path.join(FOLDER, name + ".py"), encoding="utf-8") as file:
        tree = ast.parse(file.read(), feature_version=(3, 6))
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert "__future__" not in imported
    assert "dataclasses" not in imported


def test_rules_have_titles():
    assert len(RULES) == 146
    assert len(GROUPS) == 26
    assert all(title and title == title.strip() for title in RULES.values())


def test_an_implementation_may_be_an_attribute():
    loaded = implementations.load("tensorflow.compat.v1:train")
    assert loaded.namespace is tf.train
    assert implementations.load("tensorflow.compat.v1.train").namespace is tf.train
    with pytest.raises(ImportError, match="no_such_module"):
        implementations.load("no_such_module.train")


def test_replay_from_the_command_line(tmp_path, harness):
    path = tmp_path / "program.json"
    path.write_text(program.to_json(PROBING))
    command = [sys.executable, "-m", "conformance", "replay", str(path)]
    sides = ["--oracle", harness.oracle.name, "--subject", harness.subject.name]
    root = os.path.dirname(FOLDER)
    environment = {
        **os.environ,
        "CONFORMANCE_SHOW": "",
        "PYTHONPATH": os.pathsep.join([os.path.join(root, "reference"), root]),
    }
    done = subprocess.run(
        command + sides, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=1800
    )
    assert (done.returncode, done.stdout.strip()) == (0, "no difference"), done.stderr
