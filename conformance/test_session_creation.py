"""Creating a session: initialise, restore, wait, readiness (MTS-SES)."""

import glob
import os
import shutil

import numpy as np
import pytest
from tensorflow.python.ops import resources

from conformance.harness import conforms
from conformance.trace import tf


def save_three(train, record, directory, name="m", cls=None):
    """Write checkpoints 0, 1 and 2 of `weight` = 10, 20, 30 below `directory`."""
    os.makedirs(directory, exist_ok=True)
    with tf.Graph().as_default(), tf.Session(config=record.config()) as session:
        weight = tf.Variable(1.0, name="weight")
        saver = (cls or train.Saver)()
        for step, value in enumerate((10.0, 20.0, 30.0)):
            session.run(tf.assign(weight, value))
            saver.save(session, os.path.join(directory, name), global_step=step)


def make_and_read(train, record, label, **creator):
    with record.graph():
        weight = tf.Variable(1.0, name="weight")
        scaffold = train.Scaffold(init_fn=lambda *_: record("init_fn"))

        def make():
            session = record.session([record.hook("A")], scaffold=scaffold, **creator)
            try:
                return session.run(weight)
            finally:
                session.close()

        record.outcome(label, make)
        if hasattr(scaffold.saver, "last_checkpoints"):
            record("last checkpoints", list(scaffold.saver.last_checkpoints))


@conforms("MTS-SES-01", "MTS-SES-02", "MTS-SES-03", "MTS-SES-05")
def test_directory_or_file(train, record):
    save_three(train, record, record.path("saved"))
    directory, file = record.path("saved"), record.path("saved", "m-0")
    make_and_read(train, record, "neither")
    make_and_read(train, record, "directory", checkpoint_dir=directory)
    make_and_read(train, record, "file", checkpoint_filename_with_path=file)
    make_and_read(train, record, "both", checkpoint_dir=directory, checkpoint_filename_with_path=file)
    make_and_read(train, record, "missing directory", checkpoint_dir=record.path("no"))
    make_and_read(train, record, "missing file", checkpoint_filename_with_path=record.path("no-1"))
    make_and_read(train, record, "file in a missing place", checkpoint_filename_with_path="/no/n-1")
    make_and_read(train, record, "empty", checkpoint_dir="", checkpoint_filename_with_path="")


STATES = {
    "gone": 'model_checkpoint_path: "gone-1"\n',
    "gone, absolute": 'model_checkpoint_path: "/nowhere/gone-1"\n',
    "garbage": "garbage {{{",
    "empty": "",
    "only all": 'all_model_checkpoint_paths: "m-0"\n',
    "an older one": 'model_checkpoint_path: "m-0"\nall_model_checkpoint_paths: "m-0"\n',
    "unknown field": 'model_checkpoint_path: "m-1"\nunknown: 3\n',
    "one of all missing": (
        'model_checkpoint_path: "m-2"\nall_model_checkpoint_paths: "m-0"\n'
        'all_model_checkpoint_paths: "gone"\nall_model_checkpoint_paths: "m-2"\n'
    ),
    "none": None,
}


@pytest.mark.parametrize("state", STATES)
@conforms("MTS-SES-04", "MTS-SES-05", "MTS-CKP-05", "Q-36")
def test_state_files(train, record, state):
    directory = record.path("saved")
    save_three(train, record, directory)
    if STATES[state] is None:
        os.remove(os.path.join(directory, "checkpoint"))
    else:
        with open(os.path.join(directory, "checkpoint"), "w") as file:
            file.write(STATES[state])
    make_and_read(train, record, state, checkpoint_dir=directory)


DAMAGE = ("index missing", "data missing", "index empty", "index garbage", "data cut", "all gone")


@pytest.mark.parametrize("damage", DAMAGE)
@conforms("MTS-SES-04", "MTS-SES-05")
def test_damaged_checkpoints(train, record, damage):
    directory = record.path("saved")
    save_three(train, record, directory)
    index = os.path.join(directory, "m-2.index")
    data = glob.glob(os.path.join(directory, "m-2.data*"))[0]
    if damage in ("index missing", "all gone"):
        os.remove(index)
    if damage in ("data missing", "all gone"):
        os.remove(data)
    if damage.startswith("index e") or damage.startswith("index g"):
        with open(index, "wb") as file:
            file.write(b"" if "empty" in damage else b"garbage" * 10)
    if damage == "data cut":
        with open(data, "wb") as file:
            file.write(b"\x00")
    make_and_read(train, record, damage, checkpoint_dir=directory)


@conforms("MTS-SES-04", "MTS-SES-15")
def test_graph_and_checkpoint_differ(train, record):
    directory = record.path("saved")
    save_three(train, record, directory)
    for label, build in (
        ("another variable", lambda: [tf.Variable(1.0, name="weight"), tf.Variable(2.0, name="w")]),
        ("another shape", lambda: [tf.Variable([1.0, 2.0], name="weight")]),
        ("another shape, reference", lambda: [tf.Variable([1.0, 2.0], name="weight", use_resource=False)]),
        ("another shape, resource", lambda: [tf.Variable([1.0, 2.0], name="weight", use_resource=True)]),
        ("another type", lambda: [tf.Variable(1, name="weight")]),
        ("other names", lambda: [tf.Variable(1.0, name="other")]),
    ):
        with record.graph():
            build()

            def make():
                session = record.session(checkpoint_dir=directory)
                values = session.run(tf.global_variables())
                session.close()
                return values

            record.outcome(label, make)


@conforms("MTS-SES-13", "MTS-SCF-06")
def test_nothing_to_restore_into(train, record):
    directory = record.path("saved")
    save_three(train, record, directory)
    tf.constant(1.0)
    scaffold = train.Scaffold(init_fn=lambda *_: record("init_fn"))
    record.outcome("make", lambda: record.session(scaffold=scaffold, checkpoint_dir=directory).close())


def manager_cases(train):
    """Name to a function that prepares a session in a graph with one variable."""
    ready = tf.report_uninitialized_variables

    def prepare(manager_arguments=None, **arguments):
        return lambda record: train.SessionManager(**(manager_arguments or {})).prepare_session(
            "", config=record.config(), **arguments
        )

    weight = tf.global_variables()[0]
    saver = train.Saver()
    both = {"checkpoint_dir": "/x", "checkpoint_filename_with_path": "/y"}
    return {
        "nothing": lambda: prepare(),
        "init_op": lambda: prepare({"ready_op": ready()}, init_op=tf.global_variables_initializer()),
        "init_fn, not ready": lambda: prepare({"ready_op": ready()}, init_fn=lambda s: None),
        "init_op, not ready": lambda: prepare({"ready_op": ready()}, init_op=tf.no_op(name="nop")),
        "not ready for local init": lambda: prepare(
            {"local_init_op": tf.no_op(name="lop"), "ready_for_local_init_op": ready()}, init_op=tf.no_op(name="nop")
        ),
        "ready_for_local_init_op alone": lambda: prepare({"ready_for_local_init_op": ready()}),
        "both places": lambda: prepare(init_op=tf.no_op(), saver=saver, **both),
        "both places, no saver": lambda: prepare(init_op=tf.no_op(), **both),
        "missing file": lambda: prepare(init_op=tf.no_op(), saver=saver, checkpoint_filename_with_path="/no/y"),
        "list as init_op": lambda: prepare({"ready_op": tf.constant(["not"])}, init_op=[tf.no_op()]),
        "only local init": lambda: prepare({"local_init_op": tf.no_op()}),
        "ready: int32": lambda: prepare({"ready_op": tf.constant([3, 4])}, init_op=tf.no_op()),
        "ready: operation": lambda: prepare({"ready_op": tf.no_op()}, init_op=tf.no_op()),
        "ready: float": lambda: prepare({"ready_op": tf.constant([3.0])}, init_op=tf.no_op()),
        "ready: empty float": lambda: prepare({"ready_op": tf.constant([], tf.float32)}, init_op=tf.no_op()),
        "ready: scalar string": lambda: prepare({"ready_op": tf.constant("abc")}, init_op=tf.no_op()),
        "ready: matrix": lambda: prepare({"ready_op": tf.constant([["a"], ["b"]])}, init_op=tf.no_op()),
        "ready: bool": lambda: prepare({"ready_op": tf.constant(False)}, init_op=tf.no_op()),
        "ready reads a variable": lambda: prepare({"ready_op": weight.read_value()}, init_op=tf.no_op()),
        "ready fails otherwise": lambda: prepare(
            {"ready_op": tf.check_numerics(tf.log(-1.0 * tf.ones([])), "bad")}, init_op=tf.no_op()
        ),
        "graph given": lambda: prepare({"graph": tf.get_default_graph(), "ready_op": None}, init_op=tf.no_op()),
    }


CASES = (
    "nothing", "init_op", "init_fn, not ready", "init_op, not ready", "not ready for local init",
    "ready_for_local_init_op alone", "both places", "both places, no saver", "missing file",
    "list as init_op", "only local init", "ready: int32", "ready: operation", "ready: float",
    "ready: empty float", "ready: scalar string", "ready: matrix", "ready: bool",
    "ready reads a variable", "ready fails otherwise", "graph given",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@conforms("MTS-SES-03", "MTS-SES-06", "MTS-SES-07", "MTS-SES-08", "MTS-SES-09")
def test_prepare_session(train, record, case):
    tf.Variable(1.0, name="weight")
    prepare = manager_cases(train)[case]()
    record.outcome(case, prepare, record)


@conforms("MTS-SES-07")
def test_names_of_uninitialised_variables(train, record):
    tf.Variable(1.0, name="weight")
    tf.Variable(1.0, name="bias")
    scaffold = train.Scaffold(init_op=tf.no_op(name="nop"))
    record.outcome("make", record.session, scaffold=scaffold)
    with record.graph():
        tf.Variable(1.0, name="weight")
        scaffold = train.Scaffold(ready_op=tf.constant(["foo", "bar"], name="custom"))
        record.outcome("make", record.session, scaffold=scaffold)
    with record.graph():
        tf.Variable(1.0, name="weight")
        scaffold = train.Scaffold(ready_for_local_init_op=tf.constant(["foo"], name="custom"))
        record.outcome("make", record.session, scaffold=scaffold)


def watched_manager(train, record, **arguments):
    """A session manager whose sessions write down the names of what they run."""
    original = tf.Session.run

    def run(self, fetches, feed_dict=None, options=None, run_metadata=None):
        record("run", getattr(fetches, "name", None) or repr(type(fetches).__name__))
        return original(self, fetches, feed_dict, options, run_metadata)

    tf.Session.run = run
    record.releases.append(_unwatch)
    return train.SessionManager(**arguments)


def _unwatch():
    if "run" in vars(tf.Session):
        del tf.Session.run


@conforms("MTS-SES-01", "MTS-SES-02", "MTS-SES-12", "MTS-SES-15", "MTS-SES-10")
def test_order(train, record):
    weight = tf.Variable(1.0, name="weight")
    directory = record.path("saved")
    os.makedirs(directory)
    init, local = tf.no_op(name="INIT"), tf.no_op(name="LOCAL")
    ready = tf.constant([], tf.string, name="READY")
    ready_local = tf.constant([], tf.string, name="READY_LOCAL")
    saver = train.Saver(name="saver")
    with tf.Session(config=record.config()) as session:
        session.run(weight.initializer)
        saver.save(session, os.path.join(directory, "m"), global_step=1)
    manager = watched_manager(train, record, local_init_op=local, ready_op=ready, ready_for_local_init_op=ready_local)
    config = record.config()
    init_arguments = {"init_op": init, "init_fn": lambda s: record("init_fn"), "config": config}
    try:
        manager.prepare_session("", **init_arguments)
        record("---")
        manager.prepare_session("", saver=saver, checkpoint_dir=directory, **init_arguments)
        record("---")
        file = os.path.join(directory, "m-1")
        manager.prepare_session("", saver=saver, checkpoint_filename_with_path=file, **init_arguments)
        record("---")
        for place in (directory, record.path("none")):
            session, ready = manager.recover_session("", saver=saver, checkpoint_dir=place, config=config)
            record("recovered", ready)
        record("recovered", manager.recover_session("", config=config)[1])
        record("---")
        manager.wait_for_session("", config=config)
        record("---")
        manager.prepare_session("", checkpoint_dir=directory, **init_arguments)
    finally:
        _unwatch()


@pytest.mark.parametrize("longest, wait", ((0, 30), (29, 30), (30, 30), (31, 30), (100, 30), (5.5, 2), (-1, 30)))
@conforms("MTS-SES-10", "MTS-SES-15")
def test_waiting_in_vain(train, record, longest, wait):
    tf.Variable(1.0, name="weight")
    ready = tf.report_uninitialized_variables()
    manager = train.SessionManager(
        ready_op=ready, ready_for_local_init_op=ready, local_init_op=tf.no_op(), recovery_wait_secs=wait
    )
    record.outcome("wait", manager.wait_for_session, "", config=record.config(), max_wait_secs=longest)
    record("slept", record.clock.slept)


@pytest.mark.parametrize("polls", (0, 1, 3))
@pytest.mark.parametrize("longest", (None, 65, float("inf")))
@conforms("MTS-SES-10")
def test_waiting_until_ready(train, record, polls, longest):
    left = [polls]

    def uninitialised():
        left[0] -= 1
        return [] if left[0] < 0 else [b"weight"]

    ready = tf.py_func(lambda: __import__("numpy").array(uninitialised(), dtype=object), [], tf.string)
    manager = train.SessionManager(ready_op=ready)
    record.outcome(
        "wait", lambda: type(manager.wait_for_session("", config=record.config(), max_wait_secs=longest)).__name__
    )
    record("slept", record.clock.slept)


@pytest.mark.parametrize("longest, sleeps", ((30, 0), (30.5, 1), (60, 1), (60.5, 2), (100, 3)))
@conforms("MTS-SES-10")
def test_an_attempt_takes_time_too(train, record, longest, sleeps):
    def uninitialised():
        record.clock.advance(0.1)
        return np.array([b"weight"], dtype=object)

    manager = train.SessionManager(ready_op=tf.py_func(uninitialised, [], tf.string))
    record.outcome("wait", manager.wait_for_session, "", config=record.config(), max_wait_secs=longest)
    assert record.clock.slept == sleeps * [30]


@conforms("MTS-SES-10")
def test_without_pauses_nothing_ends_the_waiting(train, record):
    attempts = []

    def uninitialised():
        record.clock.advance(0.1)
        attempts.append(record.clock.time())
        return np.array([b"weight"] * (len(attempts) < 100), dtype=object)

    manager = train.SessionManager(ready_op=tf.py_func(uninitialised, [], tf.string), recovery_wait_secs=0)
    manager.wait_for_session("", config=record.config(), max_wait_secs=1)
    assert record.clock.slept == 99 * [0]
    assert attempts[-1] - attempts[0] > 9


@pytest.mark.parametrize("longest", (0, 30, 60, 61))
@conforms("MTS-SES-11")
def test_waiting_for_a_checkpoint(train, record, longest):
    tf.Variable(1.0, name="weight")
    record.outcome(
        "prepare",
        lambda: (
            type(
                train.SessionManager().prepare_session(
                    "",
                    init_op=tf.global_variables_initializer(),
                    saver=train.Saver(),
                    checkpoint_dir=record.path("none"),
                    wait_for_checkpoint=True,
                    max_wait_secs=longest,
                    config=record.config(),
                )
            ).__name__
        ),
    )
    record("slept", record.clock.slept)


@conforms("MTS-SES-11")
def test_checkpoint_appears_while_waiting(train, record):
    weight = tf.Variable(1.0, name="weight")
    directory = record.path("saved")

    def appear(_):
        if len(record.clock.slept) == 2:
            save_three(train, record, directory)

    record.clock.on_sleep = appear
    session = train.SessionManager().prepare_session(
        "",
        init_op=tf.global_variables_initializer(),
        saver=train.Saver(),
        checkpoint_dir=directory,
        wait_for_checkpoint=True,
        config=record.config(),
    )
    record("weight", session.run(weight))
    record("slept", record.clock.slept)


@pytest.mark.parametrize("longest", (0, 100, None))
@conforms("MTS-SES-10", "MTS-ARG-12", "MTS-GRAPH-01")
def test_worker_waits(train, record, longest):
    tf.Variable(1.0, name="weight")
    arguments = {} if longest is None else {"max_wait_secs": longest}
    creator = train.WorkerSessionCreator(config=record.config(), **arguments)
    record.outcome("make", train.MonitoredSession, session_creator=creator, hooks=[record.hook("A")])
    record("slept", [len(record.clock.slept), sum(record.clock.slept)])


@conforms("MTS-SES-10")
def test_worker_runs_local_init_only(train, record):
    local = tf.Variable(3.0, collections=[tf.GraphKeys.LOCAL_VARIABLES])
    scaffold = train.Scaffold(init_fn=lambda *_: record("init_fn"))
    creator = train.WorkerSessionCreator(scaffold=scaffold, config=record.config())
    session = train.MonitoredSession(session_creator=creator, hooks=[record.hook("A")])
    record("local", session.run(local))
    session.close()


@conforms("MTS-SES-14", "MTS-SCF-09")
def test_a_creator_creates_again(train, record):
    tf.Variable(1.0, name="weight")
    creator = train.ChiefSessionCreator(config=record.config())
    sizes = []
    sessions = []
    for _ in range(2):
        sessions.append(creator.create_session())
        sizes.append(len(tf.get_default_graph().get_operations()))
    record("same", [sessions[0] is sessions[1], sizes[0] == sizes[1]])


@conforms("MTS-SES-14")
def test_creators_by_default(train, record):
    record("chief", type(train.ChiefSessionCreator()._scaffold).__name__)
    record("worker", type(train.WorkerSessionCreator()._scaffold).__name__)
    record.outcome("abstract", lambda: type(train.SessionCreator()))


@conforms("MTS-SES-05", "MTS-CKP-02")
def test_last_checkpoints_after_a_restore(train, record):
    directory = record.path("saved")
    save_three(train, record, directory)
    os.remove(os.path.join(directory, "m-1.index"))
    for arguments in ({"checkpoint_dir": directory}, {"checkpoint_filename_with_path": os.path.join(directory, "m-0")}):
        with record.graph():
            tf.Variable(1.0, name="weight")
            saver = train.Saver(max_to_keep=3)
            record("before", list(saver.last_checkpoints))
            train.SessionManager().prepare_session(
                "", init_op=tf.no_op(), saver=saver, config=record.config(), **arguments
            )
            record("after", list(saver.last_checkpoints))
            record("stamps", [type(stamp).__name__ for _, stamp in saver._last_checkpoints])


@pytest.mark.parametrize("place", ("file", "empty directory", "directory that lists none"))
@conforms("MTS-SES-05")
def test_what_becomes_of_a_list_that_is_not_empty(train, record, place):
    save_three(train, record, record.path("saved"))
    with open(record.path("saved", "checkpoint"), "w") as file:
        file.write('model_checkpoint_path: "m-1"\n')
    arguments = {
        "file": {"checkpoint_filename_with_path": record.path("saved", "m-0")},
        "empty directory": {"checkpoint_dir": record.path("nowhere")},
        "directory that lists none": {"checkpoint_dir": record.path("saved")},
    }[place]
    weight = tf.Variable(1.0, name="weight")
    scaffold = train.Scaffold()
    preemptions = [tf.errors.AbortedError(None, None, "preempted")]

    def preempted(context, values):
        if preemptions:
            scaffold.saver.save(context.session, record.path("new"), global_step=7)
            record("before", list(scaffold.saver.last_checkpoints))
            raise preemptions.pop()

    session = record.session([record.hook("A", after_run=preempted)], scaffold=scaffold, **arguments)
    session.run(weight)
    kept = record("after", list(scaffold.saver.last_checkpoints))
    assert kept == ([] if place == "directory that lists none" else [record.path("new-7")])
    session.close()


@conforms("MTS-SES-04", "MTS-CKP-04", "Q-36")
def test_a_moved_directory(train, record):
    save_three(train, record, record.path("first"))
    shutil.move(record.path("first"), record.path("second"))
    record("latest", train.latest_checkpoint(record.path("second")))
    make_and_read(train, record, "moved", checkpoint_dir=record.path("second"))


@conforms("MTS-SES-15", "MTS-SES-02", "MTS-SCF-09")
def test_log_lines(train, record):
    save_three(train, record, record.path("saved"))
    tf.Variable(1.0, name="weight")
    record.session(checkpoint_dir=record.path("saved")).close()
    record("lines", record.logs())


@conforms("MTS-SES-01", "MTS-SES-10")
def test_a_manager_of_another_graph(train, record):
    other = tf.Graph()
    for graph in (None, other):
        manager = train.SessionManager(graph=graph)
        for make in (manager.prepare_session, manager.recover_session, manager.wait_for_session):
            arguments = {"init_op": tf.no_op()} if make == manager.prepare_session and graph is None else {}
            made = record.outcome("make", make, "", config=record.config(), **arguments)
            session = made[0] if isinstance(made, tuple) else made
            record("graph", session is not None and [session.graph is other, session.graph is tf.get_default_graph()])


@conforms("MTS-SES-01")
def test_a_creator_that_creates_nothing(train, record):
    class Creator(train.SessionCreator):
        def create_session(self):
            return super().create_session()

    creator = record.describer.name(Creator(), "creator")
    try:
        creator.create_session()
    except NotImplementedError as error:
        record("refused", str(error).split(" for ")[0])


@pytest.mark.parametrize("in_place", ("in the directory", "by name", "nowhere"))
@conforms("MTS-SES-02", "MTS-SES-05", "MTS-SCF-02")
def test_initialisers_of_a_saved_model(train, record, in_place):
    counted = tf.Variable(0.0, name="counted", collections=[tf.GraphKeys.LOCAL_VARIABLES])
    weight = tf.Variable(1.0, name="weight")
    tf.add_to_collection("saved_model_initializers", counted.assign(7.0).op)
    saver = train.Saver([weight])
    with tf.Session(config=record.config()) as session:
        session.run(weight.initializer)
        saver.save(session, record.path("d", "m") if in_place != "nowhere" else record.path("m"))
    arguments = {
        "in the directory": {"checkpoint_dir": record.path("d")},
        "by name": {"checkpoint_filename_with_path": record.path("d", "m")},
        "nowhere": {},
    }[in_place]
    scaffold = train.Scaffold(saver=saver, local_init_op=tf.no_op(), ready_op=tf.constant([], tf.string))
    creator = train.ChiefSessionCreator(scaffold, config=record.config(), **arguments)
    record("values", creator.create_session().run([counted, weight]))


@pytest.mark.parametrize("shared", (False, True))
@conforms("MTS-SCF-05", "MTS-SES-08")
def test_resources_are_waited_for_and_made(train, record, shared):
    handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="made")
    create = tf.raw_ops.AssignVariableOp(resource=handle, value=tf.constant(3.0))
    resources.register_resource(handle, create, tf.raw_ops.VarIsInitializedOp(resource=handle), is_shared=shared)
    value = tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)
    scaffold = train.Scaffold()
    scaffold.finalize()
    with tf.Session(config=record.config()) as session:
        for op in (scaffold.ready_op, scaffold.ready_for_local_init_op):
            record("missing", session.run(op).tolist())
        for op in (scaffold.init_op, scaffold.local_init_op):
            session.run(op)
            record("missing", session.run(scaffold.ready_op).tolist())
        record("value", session.run(value))
    record("made", train.ChiefSessionCreator(scaffold, config=record.config()).create_session().run(value))


@pytest.mark.parametrize("in_place", ("in the directory", "by name"))
@conforms("MTS-SES-02")
def test_a_restore_comes_after_the_initialisers_of_a_saved_model(train, record, in_place):
    save_three(train, record, record.path("saved"))
    weight = tf.Variable(1.0, name="weight")
    count = tf.Variable(0.0, name="count", collections=[tf.GraphKeys.LOCAL_VARIABLES])
    with tf.control_dependencies([count.initializer]):
        for value in (5.0, 6.0):
            tf.add_to_collection("saved_model_initializers", count.assign_add(value).op)
    tf.add_to_collection("saved_model_initializers", weight.assign(7.0).op)
    place = {"checkpoint_dir": record.path("saved")}
    if in_place == "by name":
        place = {"checkpoint_filename_with_path": record.path("saved", "m-0")}
    scaffold = train.Scaffold(local_init_op=tf.no_op(), init_fn=lambda *_: record("init_fn"))
    session = record.session(scaffold=scaffold, **place)
    record("values", session.run([weight, count]))
    session.close()


@conforms("MTS-SES-03")
def test_both_places_are_refused_in_an_open_session(train, record, monkeypatch):
    tf.Variable(1.0, name="weight")
    places = {"checkpoint_dir": "/x", "checkpoint_filename_with_path": "/y"}
    creator = record.outcome("make", lambda: record.describer.name(train.ChiefSessionCreator(**places), "creator"))
    original = tf.Session.__init__

    def note(self, *args, **kwargs):
        record("opened")
        original(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(tf.Session, "__init__", note)
        record.outcome("create", creator.create_session)


READY = {
    "list": lambda: [tf.constant(["a"])],
    "empty list": lambda: [],
    "int64": lambda: tf.constant([1], tf.int64),
    "int32 matrix": lambda: tf.constant([[1]]),
    "int32 scalar": lambda: tf.constant(5),
    "float scalar": lambda: tf.constant(1.5),
    "int64 scalar": lambda: tf.constant(5, tf.int64),
    "float matrix": lambda: tf.constant([[1.5]]),
    "empty matrix": lambda: tf.constant([[]], tf.string),
    "tuple": lambda: (tf.constant([], tf.string),),
    "dict": lambda: {"a": tf.constant([], tf.string)},
    "not UTF-8": lambda: tf.constant([b"\xff"]),
    "another error": lambda: tf.check_numerics(tf.log(-tf.ones([])), "bad"),
    "nothing to fetch": lambda: 5,
}


@pytest.mark.parametrize("piece", ("ready_op", "ready_for_local_init_op"))
@pytest.mark.parametrize("case", READY)
@conforms("MTS-SES-08")
def test_values_of_a_readiness_op(train, record, case, piece):
    manager = train.SessionManager(**{piece: READY[case](), "local_init_op": tf.no_op()})
    prepare = manager.prepare_session
    record.outcome("prepare", lambda: type(prepare("", init_op=tf.no_op(), config=record.config())).__name__)


@conforms("MTS-SES-08", "MTS-SES-10")
def test_a_worker_does_not_wait_for_an_error(train, record):
    manager = train.SessionManager(ready_op=READY["another error"]())
    record.outcome("wait", manager.wait_for_session, "", config=record.config(), max_wait_secs=100)
    assert not record.clock.slept


@pytest.mark.parametrize("piece", ("ready_op", "ready_for_local_init_op"))
@conforms("MTS-SES-07")
def test_how_the_text_names_an_init_fn(train, record, piece):
    class InitFn:
        def __call__(self, session):
            pass

        def __str__(self):
            return "its str"

        def __repr__(self):
            return "its repr"

    manager = train.SessionManager(**{piece: tf.constant(["a"]), "local_init_op": tf.constant(1, name="local")})
    record.outcome("prepare", manager.prepare_session, "", init_fn=InitFn(), config=record.config())
    assert "init fn: its str" in str(record.events[-1].data)


EMPTY = {
    "a file that is not there": lambda record: {"checkpoint_filename_with_path": record.path("none")},
    "a state that names none": lambda record: {"checkpoint_dir": record.path()},
    "no state": lambda record: {"checkpoint_dir": record.path("none")},
}


@pytest.mark.parametrize("case", EMPTY)
@conforms("MTS-SES-13", "MTS-SES-12")
def test_an_empty_saver_and_nothing_there(train, record, case):
    with open(record.path("checkpoint"), "w") as file:
        file.write('model_checkpoint_path: "gone-1"\n')
    tf.constant(1.0)
    place = EMPTY[case](record)
    saver = train.Saver(allow_empty=True)
    init = {"init_op": tf.no_op(name="INIT"), "init_fn": lambda _: record("init_fn")}
    manager = watched_manager(train, record, ready_op=tf.constant([], tf.string, name="READY"))
    try:
        config = record.config()
        record.outcome("prepare", lambda: manager.prepare_session("", saver=saver, config=config, **init, **place))
        record.outcome("recover", lambda: manager.recover_session("", saver=saver, config=config, **place)[1])
    finally:
        _unwatch()
