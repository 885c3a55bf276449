"""Queue runners: threads, errors, closing and serialisation as with tf.train.QueueRunner."""

import inspect
import threading
import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from outcomes import log_lines, outcome

from monitored import _tensorflow
from monitored import coordinator as our_coordinator
from monitored import queue_runners as our_runners

THEIRS = types.SimpleNamespace(
    QueueRunner=tf.train.QueueRunner,
    add_queue_runner=tf.train.add_queue_runner,
    start_queue_runners=tf.train.start_queue_runners,
    Coordinator=tf.train.Coordinator,
)
OURS = types.SimpleNamespace(
    QueueRunner=our_runners.QueueRunner,
    add_queue_runner=our_runners.add_queue_runner,
    start_queue_runners=our_runners.start_queue_runners,
    Coordinator=our_coordinator.Coordinator,
)
# A runner of one side under the other side's coordinator and starter, too.
MIXED = types.SimpleNamespace(**{**vars(THEIRS), "QueueRunner": OURS.QueueRunner})
MIXED_2 = types.SimpleNamespace(**{**vars(OURS), "QueueRunner": THEIRS.QueueRunner})
SIDES = (THEIRS, OURS, MIXED, MIXED_2)


@pytest.fixture(autouse=True)
def _deprecation_is_no_news():
    """Only tf.train's side warns that queue runners are deprecated, and only once."""
    with log_lines(), tf.Graph().as_default():
        tf.train.start_queue_runners(tf.Session())
        queue = tf.FIFOQueue(1, [tf.float32])
        tf.train.add_queue_runner(tf.train.QueueRunner(queue, [queue.enqueue(1.0)]))


def relevant(lines):
    return [line for line in lines if "deprecated and will be removed" not in line[1]]


def compare(scenario, *args, sides=SIDES):
    results = []
    for train in sides:
        with tf.Graph().as_default(), log_lines() as lines:
            results.append((scenario(train, *args), relevant(lines)))
    for result in results[1:]:
        assert result == results[0]
    return results[0]


def python_queue(source, capacity=10, threads=1):
    """Return a queue and the ops that fill it with what `source()` returns."""
    queue = tf.FIFOQueue(capacity, [tf.float32], shapes=[[]], name="q")
    return queue, [queue.enqueue(_value(source)) for _ in range(threads)]


def _value(source):
    value = tf.py_func(lambda: np.float32(source()), [], tf.float32)
    value.set_shape([])
    return value


def counting(limit, error):
    lock, count = threading.Lock(), [0]

    def source():
        with lock:
            count[0] += 1
            if count[0] > limit:
                raise error
            return count[0]

    return source


CONSTRUCTIONS = {
    "nothing": lambda queue, op: ((), {}),
    "no ops": lambda queue, op: ((queue,), {}),
    "empty ops": lambda queue, op: ((queue, []), {}),
    "ops without queue": lambda queue, op: ((None, [op]), {}),
    "plain": lambda queue, op: ((queue, [op, op]), {}),
    "close op": lambda queue, op: ((queue, [op]), {"close_op": op, "cancel_op": op}),
    "type": lambda queue, op: ((queue, [op], None, None, tf.errors.OutOfRangeError), {}),
    "no types": lambda queue, op: ((queue, [op], None, None, ()), {}),
    "list of types": lambda queue, op: ((queue, [op], None, None, [tf.errors.OpError]), {}),
    "other type": lambda queue, op: ((queue, [op], None, None, (ValueError,)), {}),
    "other types": lambda queue, op: ((queue, [op], None, None, (ValueError, KeyError)), {}),
    "no class": lambda queue, op: ((queue, [op], None, None, (5,)), {}),
    "types": lambda queue, op: ((queue, [op], None, None, (tf.errors.OutOfRangeError, tf.errors.CancelledError)), {}),
    "definition and queue": lambda queue, op: ((queue,), {"queue_runner_def": definition()}),
    "definition and ops": lambda queue, op: ((None, [op]), {"queue_runner_def": definition()}),
    "definition": lambda queue, op: ((), {"queue_runner_def": definition()}),
    "definition in scope": lambda queue, op: ((), {"queue_runner_def": definition(), "import_scope": "in"}),
    "definition in scope/": lambda queue, op: ((), {"queue_runner_def": definition(), "import_scope": "in/"}),
    "definition elsewhere": lambda queue, op: ((), {"queue_runner_def": definition(), "import_scope": "nowhere"}),
    "old definition": lambda queue, op: ((), {"queue_runner_def": definition(codes=())}),
    "no definition": lambda queue, op: ((), {"queue_runner_def": "text"}),
}


def definition(codes=(11, 1)):
    return _tensorflow.message_class("tensorflow.QueueRunnerDef")(
        queue_name="q",
        enqueue_op_name=["q_enqueue", "q_enqueue"],
        close_op_name="q_close",
        cancel_op_name="q_cancel",
        queue_closed_exception_types=codes,
    )


def described(runner):
    return (
        runner.name,
        runner.queue.name,
        [op.name for op in runner.enqueue_ops],
        runner.close_op.name,
        runner.cancel_op.name,
        runner.queue_closed_exception_types,
        runner._queue_closed_exception_types,
        runner.exceptions_raised,
        str(runner.to_proto()),
    )


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.rule("MTS-QR-03", "Q-39")
def test_construction(construction):
    def scenario(train):
        for scope in ("", "in/"):
            with tf.name_scope(scope):
                queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
                op = queue.enqueue(1.0, name="q_enqueue")
                queue.close(name="q_close")
                queue.close(cancel_pending_enqueues=True, name="q_cancel")
        args, kwargs = CONSTRUCTIONS[construction](queue, op)
        done = outcome(train.QueueRunner, *args, **kwargs)
        names = [op.name for op in tf.get_default_graph().get_operations()]
        return (described(done[1]) if done[0] == "returned" else done), names

    compare(scenario)


def test_eager_mode_is_refused():
    def scenario(train):
        return outcome(train.QueueRunner), outcome(train.start_queue_runners)

    theirs, ours = (eagerly(scenario, train) for train in (THEIRS, OURS))
    assert ours == theirs
    assert [done[1] for done in ours] == [RuntimeError, RuntimeError]


def eagerly(scenario, train):
    """Do it in the init_scope of a traced function: it is eager whatever the default is."""
    results = []

    @tf.function
    def traced():
        with tf.init_scope():
            results.extend(scenario(train))

    traced()
    return results


@pytest.mark.rule("MTS-QR-02", "MTS-QR-04")
def test_threads_of_a_session(config):
    def scenario(train):
        queue, ops = python_queue(lambda: 1.0, threads=2)
        runner, coord = train.QueueRunner(queue, ops), train.Coordinator()
        seen_threads = []
        with tf.Session(config=config) as sess, tf.Session(config=config) as other:
            for kwargs in ({"coord": coord}, {"coord": coord, "start": True}, {"daemon": True, "start": True}):
                threads = runner.create_threads(sess, **kwargs)
                seen_threads.append([(t.name, t.daemon, t.is_alive()) for t in threads])
            threads = runner.create_threads(other, daemon=True)
            seen_threads.append([(t.name, t.daemon, t.is_alive()) for t in threads])
        return seen_threads, len(coord._registered_threads)

    compare(scenario)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.rule("MTS-QR-03", "MTS-QR-05")
def test_input_that_ends_closes_the_queue(config, threads):
    def scenario(train):
        end = StopIteration("end")
        queue, ops = python_queue(counting(5, end), threads=threads)
        value, coord = queue.dequeue(), train.Coordinator()
        train.add_queue_runner(train.QueueRunner(queue, ops))
        got = []
        with tf.Session(config=config) as sess:
            started = train.start_queue_runners(sess, coord)
            try:
                while True:
                    got.append(float(sess.run(value)))
            except tf.errors.OutOfRangeError as error:
                ended = type(error)
            stopped = coord.should_stop()
            coord.request_stop()
            coord.join(stop_grace_period_secs=600)
        return sorted(got), ended, stopped, len(started), any(t.is_alive() for t in started)

    (result, _) = compare(scenario)
    assert result[0] == [1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.rule("MTS-QR-03", "MTS-QR-06")
def test_producer_that_fails_stops_everything(config):
    def scenario(train):
        queue, ops = python_queue(counting(2, KeyError("broken")))
        value, coord = queue.dequeue(), train.Coordinator()
        train.add_queue_runner(train.QueueRunner(queue, ops))
        with tf.Session(config=config) as sess:
            train.start_queue_runners(sess, coord)
            consumed = outcome(lambda: [sess.run(value) for _ in range(5)])
            joined = outcome(coord.join, stop_grace_period_secs=600)
        return consumed[:2], joined[:2], coord.should_stop(), coord.joined

    with_logs = []
    for train in SIDES:
        with tf.Graph().as_default(), log_lines() as lines:
            with_logs.append((scenario(train), [line[1][:60] for line in relevant(lines)]))
    assert with_logs[1:] == with_logs[:1] * 3


@pytest.mark.rule("MTS-QR-03")
def test_without_coordinator_errors_are_kept(config, monkeypatch):
    def scenario(train):
        queue, ops = python_queue(counting(0, KeyError("broken")))
        runner = train.QueueRunner(queue, ops)
        raised = []
        monkeypatch.setattr(threading, "excepthook", lambda hook: raised.append(hook.exc_value))
        with tf.Session(config=config) as sess:
            (thread,) = runner.create_threads(sess, start=True)
            thread.join()
            kept = list(runner.exceptions_raised)
            (again,) = runner.create_threads(sess)
        return kept == raised, [type(e) for e in kept], runner.exceptions_raised, again.name

    results = []
    for train in (THEIRS, OURS):
        with tf.Graph().as_default(), log_lines() as lines:
            results.append((scenario(train), [(line[0], line[1][:40]) for line in relevant(lines)]))
    assert results[0] == results[1]
    assert results[0][1][0][1].startswith("Exception in QueueRunner: ")


class Session:
    """A session as scripted: the n-th run of an op raises what the script says."""

    graph = property(lambda self: tf.get_default_graph())

    def __init__(self, enqueue=(), other=None):
        self.enqueue, self.other, self.runs = list(enqueue), other, []

    def make_callable(self, op):
        self.runs.append(("made", op))

        def call():
            error = self.enqueue.pop(0)
            self.runs.append(("enqueue", type(error)))
            if error:
                raise error

        return call

    def run(self, op):
        self.runs.append(op)
        if self.other:
            raise self.other


OP = types.SimpleNamespace(name="an_op")
QUEUE = types.SimpleNamespace(name="a_queue")


@pytest.mark.parametrize("coordinated", [False, True])
@pytest.mark.parametrize("close_error", [None, ValueError("close"), KeyboardInterrupt()])
@pytest.mark.parametrize(
    "last",
    [
        tf.errors.OutOfRangeError(None, None, "end"),
        tf.errors.CancelledError(None, None, "cancelled"),
        tf.errors.AbortedError(None, None, "gone"),
        ValueError("broken"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.rule("MTS-QR-02", "MTS-QR-03")
def test_one_thread_step_by_step(last, close_error, coordinated, monkeypatch):
    def scenario(train):
        escaped = []
        monkeypatch.setattr(threading, "excepthook", lambda hook: escaped.append(hook.exc_value))
        ended = (tf.errors.OutOfRangeError, tf.errors.CancelledError)
        runner = train.QueueRunner(QUEUE, [OP], "close", "cancel", ended)
        sess, coord = Session([None, None, last], close_error), train.Coordinator()
        threads = runner.create_threads(sess, coord if coordinated else None)
        history = []
        for number, thread in enumerate(threads):
            if number:
                coord.request_stop()
            thread.start()
            thread.join()
            history.append((thread.name, thread.daemon, coord.should_stop()))
        again = len(runner.create_threads(sess))
        kept = [type(error) for error in escaped], runner.exceptions_raised
        return history, sess.runs, kept, outcome(coord.join)[:3], again

    compare(scenario)


@pytest.mark.rule("MTS-QR-03")
def test_last_of_several_threads_closes():
    def scenario(train):
        end = tf.errors.OutOfRangeError(None, None, "end")
        runner = train.QueueRunner(QUEUE, [OP, OP], "close", "cancel")
        sess = Session([end, end])
        runs = []
        for thread in runner.create_threads(sess):
            runs.append(len(runner.create_threads(sess)))
            thread.start()
            thread.join()
            runs.append(list(sess.runs))
        return runs, len(runner.create_threads(sess))

    compare(scenario)


def test_stop_before_the_start_enqueues_nothing():
    def scenario(train):
        runner, coord = train.QueueRunner(QUEUE, [OP], "close", "cancel"), train.Coordinator()
        coord.request_stop()
        sess = Session()
        for thread in runner.create_threads(sess, coord, start=True):
            thread.join()
        return sorted(map(str, sess.runs)), outcome(coord.join)

    compare(scenario)


class MonitoredSession:
    """Known by its name alone."""


class Subclass(MonitoredSession):
    pass


@pytest.mark.parametrize("sess", [None, 5, MonitoredSession(), Subclass(), Session(), tf.Session])
@pytest.mark.rule("MTS-QR-07")
def test_what_can_be_started(sess):
    compare(lambda train: outcome(train.start_queue_runners, sess))


@pytest.mark.rule("MTS-QR-01", "MTS-QR-07")
def test_default_session_and_empty_collection(config):
    def scenario(train):
        with tf.Session(config=config).as_default() as sess, sess:
            return train.start_queue_runners(), train.start_queue_runners(collection="others")

    result, lines = compare(scenario)
    assert result == ([], [])
    assert [line[0] for line in lines] == ["WARNING", "WARNING"]


@pytest.mark.rule("MTS-QR-01")
def test_collections_graphs_and_flags(config):
    def scenario(train):
        coord = train.Coordinator()
        for name, collection in (("one", None), ("two", "mine"), ("three", "mine")):
            queue = tf.FIFOQueue(1, [tf.float32], name=name)
            runner = train.QueueRunner(queue, [queue.enqueue(1.0)])
            train.add_queue_runner(runner, *([collection] if collection else []))
        with tf.Session(config=config) as sess, tf.Graph().as_default():
            # The session's graph counts, and its collections.
            default = train.start_queue_runners(sess, start=False)
            mine = train.start_queue_runners(sess, coord, False, False, collection="mine")
        return [(t.name, t.daemon, t.is_alive()) for t in (*default, *mine)]

    compare(scenario)


@pytest.mark.parametrize("scope", [None, "", "outer", "outer/", "elsewhere", "out"])
def test_names_in_a_definition_are_relative_to_a_scope(scope):
    def scenario(train):
        with tf.name_scope("outer/"):
            queue = tf.FIFOQueue(1, [tf.float32], name="q")
            runner = train.QueueRunner(queue, [queue.enqueue(1.0)])
        return str(runner.to_proto(scope)), str(runner.to_proto(export_scope=scope))

    compare(scenario)


def test_from_proto_gives_a_runner_of_the_same_kind(fresh_graph):
    for train in (THEIRS, OURS):
        queue = tf.FIFOQueue(1, [tf.float32], name="q")
        runner = train.QueueRunner(queue, [queue.enqueue(1.0)])
        again = train.QueueRunner.from_proto(runner.to_proto())
        assert type(again) is train.QueueRunner
        assert again.to_proto() == runner.to_proto()


def test_meta_graphs_hold_runners(config):
    def scenario(train):
        end = StopIteration("end")
        queue, ops = python_queue(counting(2, end))
        value = queue.dequeue(name="value")
        train.add_queue_runner(train.QueueRunner(queue, ops))
        meta = tf.train.export_meta_graph()
        got, coord = [], train.Coordinator()
        with tf.Graph().as_default():
            tf.train.import_meta_graph(meta)
            with tf.Session(config=config) as sess:
                train.start_queue_runners(sess, coord)
                for _ in range(2):
                    got.append(float(sess.run(value.name)))
                coord.request_stop()
                coord.join(stop_grace_period_secs=600)
        kept = meta.collection_def[tf.GraphKeys.QUEUE_RUNNERS].bytes_list.value
        return got, [str(_tensorflow.message_class("tensorflow.QueueRunnerDef").FromString(one)) for one in kept]

    compare(scenario)


def test_signatures():
    def shape(function):
        parameters = inspect.signature(function).parameters.values()
        return [(p.name, p.kind, p.default) for p in parameters]

    for name in ("add_queue_runner", "start_queue_runners"):
        assert shape(getattr(OURS, name)) == shape(getattr(THEIRS, name)), name
    public = [name for name in dir(THEIRS.QueueRunner) if not name.startswith("_")]
    for name in ("__init__", *public):
        theirs, ours = getattr(THEIRS.QueueRunner, name), getattr(OURS.QueueRunner, name)
        assert isinstance(ours, property) == isinstance(theirs, property), name
        if callable(theirs):
            assert shape(ours) == shape(theirs), name
