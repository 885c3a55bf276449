"""A gRPC target: a chief and a worker against one in-process server (MTS-SES, MTS-ARG)."""

import functools

import pytest

from conformance.harness import conforms
from conformance.trace import tf


@functools.lru_cache(maxsize=None)
def server():
    # A server cannot be stopped; the whole run shares one.
    return tf.train.Server.create_local_server(config=tf.ConfigProto(device_count={"GPU": 0}))


def shared_graph(record):
    """The same variables for every session of one scenario, in a container of their own."""
    with tf.container(record.directory):
        step = record.global_step()
        weight = tf.get_variable("weight", [], initializer=tf.zeros_initializer())
    with tf.control_dependencies([step]):
        return tf.assign_add(weight, 1.0)


@pytest.fixture(autouse=True)
def same_target_on_both_sides():
    yield
    tf.Session.reset(server().target)


def grpc_session(train, record, **arguments):
    record("tf session on", "the server")
    return train.MonitoredTrainingSession(server().target, config=record.config(), **arguments)


@conforms("MTS-SES-01", "MTS-SES-10", "MTS-ARG-08", "MTS-ARG-12")
def test_chief_and_worker(train, record):
    with record.graph():
        add = shared_graph(record)
        chief = grpc_session(train, record, checkpoint_dir=record.path("logdir"), hooks=[record.hook("C")])
        record("chief", chief.run(add))
        with record.graph():
            add_too = shared_graph(record)
            worker = grpc_session(train, record, is_chief=False, hooks=[record.hook("W")])
            record("worker", worker.run(add_too))
            worker.close()
        record("chief", chief.run(add))
        chief.close()


@conforms("MTS-SES-10")
def test_worker_waits_for_the_chief(train, record):
    made = []

    def start_chief(_):
        if len(record.clock.slept) == 2:
            with tf.Graph().as_default():
                shared_graph(record)
                made.append(grpc_session(train, record))

    with record.graph():
        add = shared_graph(record)
        record.clock.on_sleep = start_chief
        worker = grpc_session(train, record, is_chief=False, hooks=[record.hook("W")])
        record.clock.on_sleep = None
        record("worker", worker.run(add))
        record("slept", record.clock.slept)
        worker.close()
    made[0].close()
