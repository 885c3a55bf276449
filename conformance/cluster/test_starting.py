"""How the members of a cluster find each other: who comes first, who waits, who joins and leaves when (MTS-SES)."""

import pytest

from conformance.cluster import tasks
from conformance.cluster.members import Cluster, leave
from conformance.harness import conforms

A_MOMENT_SECS = 2.0
"""Real time after which a member that is still busy is said to wait."""


@conforms("MTS-SES-01", "MTS-SES-10", "MTS-ARG-08")
def test_chief_first(train, record):
    with Cluster(train, record) as cluster:
        _, chief, worker = cluster.start_each("ps", "chief", "worker")
        chief.do(tasks.open_session)
        chief.do(tasks.run, 2)
        worker.do(tasks.open_session)
        worker.do(tasks.run)
        chief.do(tasks.run)
        leave(worker, chief)


@conforms("MTS-SES-10", "MTS-SES-15")
def test_worker_first(train, record):
    """It polls, and says so, until the chief has initialised."""
    with Cluster(train, record) as cluster:
        _, chief, worker = cluster.start_each("ps", "chief", "worker")
        worker.begin(tasks.open_session)
        for _ in range(3):
            record("slept", worker.wait_for_sleep())
            worker.go_on()
        worker.wait_for_sleep()
        chief.do(tasks.open_session)
        worker.go_on()
        worker.finish()
        worker.do(tasks.run)
        leave(worker, chief)


@conforms("MTS-SES-10", "MTS-SES-15")
def test_two_workers_and_a_late_chief(train, record):
    """The chief's process starts when both have waited; one of them looks again while the chief has not trained."""
    with Cluster(train, record, workers=2) as cluster:
        cluster.start("ps")
        workers = [cluster.start("worker", index) for index in range(2)]
        for worker in workers:
            worker.begin(tasks.open_session)
            worker.wait_for_sleep()
        chief = cluster.start("chief")
        chief.do(tasks.open_session)
        workers[0].go_on()
        workers[0].finish()
        chief.do(tasks.run, 2)
        workers[0].do(tasks.run)
        workers[1].go_on()
        workers[1].finish()
        workers[1].do(tasks.run)
        leave(*workers, chief)


@pytest.mark.parametrize("max_wait_secs", [0, 29, 100])
@conforms("MTS-SES-10", "MTS-ARG-12")
def test_chief_never(train, record, max_wait_secs):
    """The worker gives up, and can wait again."""
    with Cluster(train, record) as cluster:
        cluster.start("ps")
        worker = cluster.start("worker")
        for _ in range(2):
            worker.do(tasks.open_session, max_wait_secs=max_wait_secs)
        worker.leave()


@pytest.mark.parametrize("chief", ["with a session", "only started"])
@conforms("MTS-SES-10")
def test_half_initialised(train, record, chief):
    """A worker needs initialised variables, not a chief: one whose session has ended leaves them behind."""
    with Cluster(train, record) as cluster:
        _, member, worker = cluster.start_each("ps", "chief", "worker")
        if chief == "with a session":
            member.do(tasks.open_session)
            member.do(tasks.run)
            member.do(tasks.close)
        worker.do(tasks.open_session, max_wait_secs=29)
        worker.do(tasks.run)
        worker.leave()


@conforms("MTS-SES-10", "MTS-STP-01")
def test_joins_midway_and_uneven_steps(train, record):
    """Last steps are of the cluster: whoever passes them says so to itself, the others find out by a step too many."""
    with Cluster(train, record, workers=2) as cluster:
        cluster.start("ps")
        chief, quick, slow = cluster.start("chief"), cluster.start("worker", 0), cluster.start("worker", 1)
        chief.do(tasks.open_session, last_step=9)
        chief.do(tasks.run, 3)
        quick.do(tasks.open_session, last_step=9)
        quick.do(tasks.run, 5)
        slow.do(tasks.open_session, last_step=9)
        slow.do(tasks.run_to_the_end)
        for member in (quick, chief):
            member.do(tasks.should_stop)
            member.do(tasks.run_to_the_end)
        leave(slow, quick, chief)


@pytest.mark.parametrize("first", ["worker", "chief"])
@conforms("MTS-STP-01", "MTS-CLOSE-01")
def test_one_finishes_first(train, record, first):
    """Closes its session and is gone, server and all; the other one trains on."""
    with Cluster(train, record) as cluster:
        cluster.start("ps")
        members = {job: cluster.start(job) for job in ("chief", "worker")}
        for member in members.values():
            member.do(tasks.open_session, last_step=6)
            member.do(tasks.run)
        leave(members[first])
        members.pop(first).kill()
        (other,) = members.values()
        other.do(tasks.run_to_the_end)
        leave(other)


@conforms("MTS-SES-01")
def test_without_device_filters(train, record):
    """A session waits, within the runtime, until every process of the cluster is there."""
    with Cluster(train, record) as cluster:
        cluster.start("ps")
        chief = cluster.start("chief")
        chief.begin(tasks.open_session, filters=False)
        record("the chief waits", chief.is_busy_for(A_MOMENT_SECS))
        worker = cluster.start("worker")
        chief.finish()
        chief.do(tasks.run)
        worker.do(tasks.open_session, filters=False)
        worker.do(tasks.run)
        leave(worker, chief)


@conforms("MTS-SES-01")
def test_without_a_parameter_server(train, record):
    """The same, whatever the filters: the variables' process must be there."""
    with Cluster(train, record) as cluster:
        chief = cluster.start("chief")
        chief.begin(tasks.open_session)
        record("the chief waits", chief.is_busy_for(A_MOMENT_SECS))
        cluster.start("ps")
        chief.finish()
        chief.do(tasks.run)
        leave(chief)


@conforms("MTS-SES-02", "MTS-SES-10", "MTS-EXC-13")
def test_chief_restores_while_workers_wait(train, record):
    """A checkpoint of an earlier job: the workers begin at its step."""
    with Cluster(train, record) as cluster:
        _, chief = cluster.start_each("ps", "chief")
        chief.do(tasks.open_session)
        chief.do(tasks.run, 5)
        leave(chief)
        for member in cluster.members:
            member.kill()
        _, worker = cluster.start_each("ps", "worker")
        worker.begin(tasks.open_session)
        worker.wait_for_sleep()
        chief = cluster.start("chief")
        chief.do(tasks.open_session)
        worker.go_on()
        worker.finish()
        worker.do(tasks.run)
        chief.do(tasks.run)
        leave(worker, chief)


@conforms("MTS-GSW-01")
def test_waits_for_a_step(train, record):
    """A worker that starts late on purpose: GlobalStepWaiterHook polls before each of its runs."""
    with Cluster(train, record) as cluster:
        _, chief, worker = cluster.start_each("ps", "chief", "worker")
        chief.do(tasks.open_session)
        worker.do(tasks.open_session, hooks=("wait for step 3",))
        worker.begin(tasks.run)
        for _ in range(3):
            record("slept", worker.wait_for_sleep())
            chief.do(tasks.run)
            worker.go_on()
        worker.finish()
        leave(worker, chief)


@conforms("MTS-CKP-01", "MTS-SES-02")
def test_two_parameter_servers(train, record):
    """One checkpoint of shards that two servers wrote; the next job reads it, with the servers started anew."""
    with Cluster(train, record, ps=2) as cluster:
        for _ in range(2):
            for index in range(2):
                cluster.start("ps", index)
            chief = cluster.start("chief")
            chief.do(tasks.open_session)
            chief.do(tasks.run, 3)
            leave(chief)
            for member in cluster.members:
                member.kill()


@pytest.mark.parametrize("kind", ["MonitoredSession", "SingularMonitoredSession"])
@conforms("MTS-SES-10", "MTS-SES-01")
def test_other_sessions(train, record, kind):
    """Sessions made of a creator; a worker of the singular kind initialises like a chief, so only the chief has one."""
    with Cluster(train, record) as cluster:
        _, chief, worker = cluster.start_each("ps", "chief", "worker")
        chief.do(tasks.open_session, kind=kind)
        chief.do(tasks.run)
        worker.do(tasks.open_session, kind="MonitoredSession")
        worker.do(tasks.run)
        chief.do(tasks.run)
        leave(worker, chief)


@conforms("MTS-SES-01")
def test_two_chiefs(train, record):
    """The second one initialises what the first one has trained."""
    with Cluster(train, record) as cluster:
        cluster.start("ps")
        chief, again = cluster.start("chief"), cluster.start("worker")
        chief.do(tasks.open_session)
        chief.do(tasks.run, 2)
        again.do(tasks.open_session, kind="SingularMonitoredSession")
        again.do(tasks.run)
        chief.do(tasks.run)
        leave(again, chief)


@conforms("MTS-STEP-01", "MTS-STEP-03")
def test_step_functions(train, record):
    """Of both replicas; a stop that one of them requests is its own."""
    with Cluster(train, record) as cluster:
        _, chief, worker = cluster.start_each("ps", "chief", "worker")
        chief.do(tasks.open_session)
        worker.do(tasks.open_session)
        chief.do(tasks.step_function)
        worker.do(tasks.step_function, stop=True)
        for member in (worker, chief):
            member.do(tasks.should_stop)
        leave(worker, chief)
