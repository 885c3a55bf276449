"""MonitoredTrainingSession's arguments, and the default hooks they lead to (MTS-ARG)."""

import itertools
import pathlib

import pytest

from conformance.harness import conforms
from conformance.trace import tf

OMITTED = "(omitted)"
PERIODS = (OMITTED, None, 0, -1, False, True, 5, 1.5)


def describe_hooks(record, session):
    described = []
    for hook in session._hooks:
        timer = getattr(hook, "_timer", None)
        described.append(
            [
                type(hook).__name__,
                getattr(hook, "name", None),
                [timer._every_secs, timer._every_steps] if timer is not None else None,
                getattr(hook, "_output_dir", None) or getattr(hook, "_checkpoint_dir", None),
            ]
        )
    return described


def try_arguments(train, record, label, **arguments):
    arguments = {name: value for name, value in arguments.items() if value is not OMITTED}

    def make():
        session = record.session(kind="MonitoredTrainingSession", **arguments)
        try:
            return describe_hooks(record, session)
        finally:
            session.close()

    with record.graph():
        record.global_step()
        nothing = tf.constant([], tf.string)
        arguments.setdefault(
            "scaffold",
            train.Scaffold(
                init_op=tf.global_variables_initializer(),
                ready_op=nothing,
                ready_for_local_init_op=nothing,
                local_init_op=tf.no_op(),
                saver=train.Saver(),
            ),
        )
        record.outcome(label, make)


@pytest.mark.parametrize("one", PERIODS, ids=str)
@conforms("MTS-ARG-01", "MTS-ARG-03", "MTS-ARG-04", "MTS-ARG-05")
def test_summary_periods(train, record, one):
    for other in PERIODS:
        try_arguments(
            train,
            record,
            f"steps={one} secs={other}",
            summary_dir=record.path("logdir"),
            save_summaries_steps=one,
            save_summaries_secs=other,
            log_step_count_steps=None,
        )


@pytest.mark.parametrize("one", PERIODS, ids=str)
@conforms("MTS-ARG-02", "MTS-ARG-03", "MTS-ARG-04", "Q-01")
def test_checkpoint_periods(train, record, one):
    for index, other in enumerate(PERIODS):
        try_arguments(
            train,
            record,
            f"steps={one} secs={other}",
            checkpoint_dir=record.path(str(index)),
            save_checkpoint_steps=one,
            save_checkpoint_secs=other,
            save_summaries_steps=None,
            log_step_count_steps=None,
        )


@conforms("MTS-ARG-06", "MTS-ARG-04")
def test_log_step_count_steps(train, record):
    for value in PERIODS:
        try_arguments(
            train,
            record,
            f"log_step_count_steps={value}",
            summary_dir=record.path("logdir"),
            save_summaries_steps=None,
            save_summaries_secs=None,
            log_step_count_steps=value,
        )


@conforms("MTS-ARG-05", "MTS-ARG-04", "MTS-ARG-09")
def test_directories(train, record):
    places = (OMITTED, None, "", record.path("one"), record.path("two"))
    for checkpoint_dir, summary_dir in itertools.product(places, places):
        for is_chief in (True, False):
            try_arguments(
                train,
                record,
                f"{is_chief} {checkpoint_dir} {summary_dir}",
                checkpoint_dir=checkpoint_dir,
                summary_dir=summary_dir,
                is_chief=is_chief,
            )


@conforms("MTS-ARG-07", "MTS-ARG-08", "MTS-EVT-03")
def test_order_of_hooks(train, record):
    step = record.global_step()
    tf.summary.scalar("loss", 1.0)
    containers = {"hooks": [record.hook("user")], "chief_only_hooks": [record.hook("chief")]}
    session = record.session(kind="MonitoredTrainingSession", checkpoint_dir=record.path("logdir"), **containers)
    record("hooks", describe_hooks(record, session))
    record("aliased", [session._hooks is value for value in containers.values()])
    record("containers", [len(value) for value in containers.values()])
    session.run(step)
    session.close()


@conforms("MTS-ARG-08", "MTS-ARG-12")
def test_worker_ignores_what_is_the_chiefs(train, record):
    tf.constant(1.0, name="c")
    hooks = [record.hook("user")]
    session = record.session(
        hooks,
        kind="MonitoredTrainingSession",
        is_chief=False,
        checkpoint_dir=record.path("logdir"),
        chief_only_hooks=[record.hook("chief")],
        save_summaries_steps=1,
        save_summaries_secs=1,
    )
    creator = session._coordinated_creator._session_creator
    record("hooks", describe_hooks(record, session))
    record("same list", session._hooks is hooks)
    record("creator", [type(creator).__name__, creator._max_wait_secs])
    record("run", session.run("c:0"))
    session.close()


@pytest.mark.parametrize("is_chief", (True, False))
@pytest.mark.parametrize("container", (tuple, iter, set))
@conforms("MTS-ARG-08", "MTS-LIFE-06", "Q-21")
def test_containers_of_hooks(train, record, container, is_chief):
    tf.constant(1.0, name="c")
    session = record.session(container([record.hook("A")]), kind="MonitoredTrainingSession", is_chief=is_chief)
    record.outcome("run", session.run, "c:0")
    session.close()


@conforms("MTS-ARG-10")
def test_not_given_is_recognised_by_equality(train, record):
    class EqualToAll:
        __hash__ = None

        def __eq__(self, other):
            return True

        def __gt__(self, other):
            return True

    directory = record.path("logdir")
    for name in ("save_summaries_steps", "save_summaries_secs", "save_checkpoint_steps"):
        try_arguments(train, record, name, checkpoint_dir=directory, **{name: EqualToAll()})


@conforms("MTS-ARG-11")
def test_no_global_step(train, record):
    for arguments in (
        {},
        {"save_summaries_steps": None, "save_checkpoint_secs": None},
        {"log_step_count_steps": None},
        {"log_step_count_steps": None, "save_summaries_steps": None},
    ):
        with record.graph():
            tf.Variable(1)
            record.outcome(
                "make",
                record.session,
                kind="MonitoredTrainingSession",
                checkpoint_dir=record.path("logdir"),
                **arguments,
            )


@conforms("MTS-ARG-01", "MTS-ARG-02", "MTS-ARG-12")
def test_positional_call(train, record):
    record.global_step()
    session = train.MonitoredTrainingSession(
        "", True, record.path("logdir"), None, [record.hook("A")], None,
        7, 8, None, record.config(), 9, 10,
    )  # fmt: skip
    record("hooks", describe_hooks(record, session))
    session.close()


@pytest.mark.parametrize("bad", ("hooks", "scaffold", "checkpoint_dir", "max_wait_secs"))
@conforms("MTS-ARG-03")
def test_arguments_of_a_wrong_type(train, record, bad):
    record.global_step()
    for value in (5, 1.5, object, {"a": 1}):
        with record.graph():
            record.global_step()
            record.outcome(bad, record.session, kind="MonitoredTrainingSession", **{bad: value})


@pytest.mark.parametrize("name", ("checkpoint_dir", "summary_dir"))
@conforms("MTS-ARG-05", "Q-42")
def test_a_path_object_as_directory(train, record, name):
    record.global_step()
    directory = pathlib.Path(record.path("logdir"))
    record.outcome("make", lambda: record.session(kind="MonitoredTrainingSession", **{name: directory}).close())


@conforms("MTS-ARG-13")
def test_no_distribute_coordinator(train, record):
    # Without a worker context the arguments go to the plain builder; with one is out of scope.
    record.global_step()
    session = record.session(kind="MonitoredTrainingSession")
    record("hooks", describe_hooks(record, session))
    session.close()


PAIRS = ((5, 5), (0, 5), (-1, 5), (0, 0), (0, -1), (False, False), (None, 5))


@pytest.mark.parametrize("where", ("with its directory", "with the other directory", "nowhere", "on a worker"))
@conforms("MTS-ARG-03", "Q-01")
def test_where_a_pair_of_periods_is_looked_at(train, record, where):
    for index, pair in enumerate(PAIRS):
        for name, own, other in (("summaries", "summary_dir", None), ("checkpoint", "checkpoint_dir", "summary_dir")):
            arguments = {} if where == "nowhere" else {own: record.path(str(index))}
            if where == "with the other directory":
                arguments = {other: record.path(str(index))} if other else {}
            periods = {"save_" + name + "_steps": pair[0], "save_" + name + "_secs": pair[1]}
            hooks = [record.hook("A")]
            label = "{} {}".format(name, pair)
            is_chief = where != "on a worker"
            try_arguments(train, record, label, hooks=hooks, is_chief=is_chief, **arguments, **periods)


@pytest.mark.parametrize("is_chief", (True, False))
@conforms("MTS-ARG-08", "MTS-LIFE-06")
def test_an_empty_list_of_hooks(train, record, is_chief):
    tf.constant(1.0, name="c")
    hooks = []
    session = record.session(hooks, kind="MonitoredTrainingSession", is_chief=is_chief)
    hooks.append(record.hook("late"))
    record("run", session.run("c:0"))
    record("hooks", len(session._hooks))
    session.close()
