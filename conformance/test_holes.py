"""Scenarios that a wrong implementation was needed to think of: each closes a hole that a mutant found."""

import threading

import numpy as np
import pytest

from conformance.harness import conforms
from conformance.interpreter import make_error
from conformance.trace import tf


def float_tensor(function):
    value = tf.py_func(function, [], tf.float32)
    value.set_shape([])
    return value


@conforms("MTS-QR-03", "MTS-QR-05")
def test_a_queue_stays_open_until_its_last_thread_ends(train, record):
    queue = tf.FIFOQueue(10, [tf.float32], shapes=[[]], name="q")
    numbers = iter(range(3))

    def end_at_once():
        raise make_error("StopIteration", "no more")

    def go_on_alone():
        for _ in range(2000):
            if all(thread.name != "QueueRunnerThread-q-first" for thread in threading.enumerate()):
                break
            threading.Event().wait(0.001)
        for number in numbers:
            return np.float32(number)
        raise make_error("StopIteration", "no more")

    first = queue.enqueue(float_tensor(end_at_once), name="first")
    second = queue.enqueue(float_tensor(go_on_alone), name="second")
    train.add_queue_runner(train.QueueRunner(queue, [first, second]))
    dequeue = queue.dequeue()
    values = []
    with record.session([record.hook("A", silent=True)]) as session:
        while not session.should_stop():
            values.append(session.run(dequeue))
    record("values", values)


@pytest.mark.parametrize("kind", ("MonitoredSession", "SingularMonitoredSession", "MonitoredTrainingSession"))
@conforms("MTS-QR-07")
def test_monitored_sessions_start_their_queue_runners_themselves(train, record, kind):
    queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="q")
    train.add_queue_runner(train.QueueRunner(queue, [queue.enqueue(1.0, name="put")]))
    with record.session([record.hook("A", silent=True)], kind) as session:
        record.outcome("start", train.start_queue_runners, session)

    class OtherSession:
        pass

    record.outcome("other", train.start_queue_runners, OtherSession())


@pytest.mark.parametrize("lasting", (0.0, 0.25, 2.5))
@conforms("MTS-LPR-01")
def test_rounds_keep_to_their_times(train, record, lasting):
    coordinator = train.Coordinator()
    waits = []

    def wait_for_stop(timeout):
        # Waiting moves the virtual clock; the sixth wait is the last.
        waits.append(round(timeout, 6))
        record.clock.advance(max(timeout, 0.0))
        return len(waits) > 5

    coordinator.wait_for_stop = wait_for_stop
    looper = train.LooperThread(coordinator, 1.0, lambda: record.clock.advance(lasting))
    looper.run()
    record("waits", waits)
