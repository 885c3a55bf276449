"""Replicas that train in step: SyncReplicasOptimizer, its hook, and what a kill does to it (MTS-EXC, MTS-QR)."""

import pytest

from conformance.cluster import tasks
from conformance.cluster.members import Cluster, leave
from conformance.harness import conforms


def in_step(*members):
    """Let each member run one step; none can end before all have begun."""
    for member in members:
        member.begin(tasks.run)
    for member in members:
        member.finish()


GRACE = {"stop_grace_period_secs": 0.1}
"""The chief's queue runner waits for gradients that nobody will send: its thread outlives any grace period."""


@conforms("MTS-QR-01", "MTS-SES-10")
def test_in_step(train, record):
    with Cluster(train, record) as cluster:
        _, chief, worker = cluster.start_each("ps", "chief", "worker")
        chief.do(tasks.open_session, sync=2, **GRACE)
        worker.do(tasks.open_session, sync=2, **GRACE)
        for _ in range(4):
            in_step(chief, worker)
        leave(worker, chief, wait_for_threads=True)


@conforms("MTS-SES-10")
def test_a_replica_is_missing(train, record):
    """A step waits for the other replica, also for one that comes late."""
    with Cluster(train, record) as cluster:
        _, chief, worker = cluster.start_each("ps", "chief", "worker")
        chief.do(tasks.open_session, sync=2, **GRACE)
        chief.begin(tasks.run)
        record("the chief waits", chief.is_busy_for(1.0))
        worker.do(tasks.open_session, sync=2, **GRACE)
        worker.do(tasks.run)
        chief.finish()
        leave(worker, chief, wait_for_threads=True)


@pytest.mark.parametrize("killed", ["worker", "chief"])
@conforms("MTS-EXC-13", "MTS-SES-10", "MTS-QR-01")
def test_a_replica_is_killed_and_back(train, record, killed):
    """In the midst of a step of the other one, which ends when it is back."""
    with Cluster(train, record) as cluster:
        members = {job: cluster.start(job) for job in ("ps", "chief", "worker")}
        for job in ("chief", "worker"):
            members[job].do(tasks.open_session, sync=2, **GRACE)
        for _ in range(2):
            in_step(members["chief"], members["worker"])
        other = members["worker" if killed == "chief" else "chief"]
        members[killed].kill()
        other.begin(tasks.run)
        record("the other waits", other.is_busy_for(1.0))
        members[killed] = cluster.start(killed)
        members[killed].do(tasks.open_session, sync=2, **GRACE)
        members[killed].do(tasks.run)
        other.finish()
        in_step(members["chief"], members["worker"])
        leave(members["worker"], members["chief"], wait_for_threads=True)
