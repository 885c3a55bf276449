"""What the members of a cluster notice when one of them is killed, and what they do then (MTS-EXC)."""

import random

import pytest

from conformance.cluster import tasks
from conformance.cluster.members import Cluster, leave
from conformance.cluster.test_starting import A_MOMENT_SECS
from conformance.harness import conforms

LONG_ENOUGH_SECS = 8.0
"""Real time in which everything that does not wait for another process is done, on a slow machine too."""


def training(cluster, steps=3, **options):
    """Start a parameter server, a chief and a worker, and train a little; return them."""
    ps, chief, worker = cluster.start_each("ps", "chief", "worker")
    chief.do(tasks.open_session, **options)
    worker.do(tasks.open_session, **options)
    chief.do(tasks.run, steps)
    worker.do(tasks.run)
    return ps, chief, worker


@conforms("MTS-SES-10")
def test_worker(train, record):
    """The chief does not notice; the worker's next life goes on where the cluster is."""
    with Cluster(train, record) as cluster:
        _, chief, worker = training(cluster)
        worker.kill()
        chief.do(tasks.run, 2)
        worker = cluster.start("worker")
        worker.do(tasks.open_session)
        worker.do(tasks.run)
        chief.do(tasks.run)
        leave(worker, chief)


@conforms("MTS-EXC-04", "MTS-EXC-13")
def test_worker_without_device_filters(train, record):
    """The chief's next step fails; it makes a new session, which waits until there is a worker, and restores."""
    with Cluster(train, record) as cluster:
        _, chief, worker = training(cluster, filters=False)
        worker.kill()
        chief.begin(tasks.run)
        record("the chief waits", chief.is_busy_for(A_MOMENT_SECS))
        worker = cluster.start("worker")
        chief.finish()
        chief.do(tasks.run)
        worker.do(tasks.open_session, filters=False)
        worker.do(tasks.run)
        leave(worker, chief)


@conforms("MTS-EXC-13", "MTS-SES-02")
def test_chief(train, record):
    """The worker goes on; the chief's next life restores, which takes the worker back as well."""
    with Cluster(train, record) as cluster:
        _, chief, worker = training(cluster)
        chief.kill()
        worker.do(tasks.run, 4)
        chief = cluster.start("chief")
        chief.do(tasks.open_session)
        worker.do(tasks.run)
        chief.do(tasks.run)
        leave(worker, chief)


@conforms("MTS-SES-10")
def test_chief_before_it_was_ready(train, record):
    """Killed between starting and initialising: the worker waits for the next one."""
    with Cluster(train, record) as cluster:
        _, chief, worker = cluster.start_each("ps", "chief", "worker")
        worker.begin(tasks.open_session)
        worker.wait_for_sleep()
        chief.kill()
        worker.go_on()
        worker.wait_for_sleep()
        chief = cluster.start("chief")
        chief.do(tasks.open_session)
        worker.go_on()
        worker.finish()
        worker.do(tasks.run)
        leave(worker, chief)


@conforms("MTS-EXC-04", "MTS-EXC-13", "MTS-SES-02")
def test_parameter_server_and_the_chief_notices_first(train, record):
    """UnavailableError as gRPC raises it: the chief restores, then the worker joins it."""
    with Cluster(train, record) as cluster:
        ps, chief, worker = training(cluster)
        ps.kill()
        chief.begin(tasks.run)
        record("the chief waits", chief.is_busy_for(A_MOMENT_SECS))
        cluster.start("ps")
        chief.finish()
        worker.do(tasks.run)
        leave(worker, chief)


@conforms("MTS-EXC-04", "MTS-SES-10")
def test_parameter_server_and_the_worker_notices_first(train, record):
    """The worker polls until the chief has restored."""
    with Cluster(train, record) as cluster:
        ps, chief, worker = training(cluster)
        ps.kill()
        worker.begin(tasks.run)
        record("the worker waits", worker.is_busy_for(A_MOMENT_SECS))
        cluster.start("ps")
        worker.wait_for_sleep()
        chief.do(tasks.run)
        worker.go_on()
        worker.finish()
        leave(worker, chief)


@conforms("MTS-EXC-04", "MTS-EXC-13", "Q-45")
def test_parameter_server_that_is_away_for_longer_than_the_grace_period(train, record):
    """Recovering closes the old session as closing does; the new one waits for the server in any case."""
    with Cluster(train, record) as cluster:
        ps, chief, worker = training(cluster, steps=4, stop_grace_period_secs=1)
        ps.kill()
        chief.begin(tasks.run)
        record("the chief waits", chief.is_busy_for(1 + LONG_ENOUGH_SECS))
        cluster.start("ps")
        chief.finish()
        worker.do(tasks.run)
        leave(worker, chief, wait_for_threads=True)


@conforms("MTS-EXC-04")
def test_parameter_server_that_is_back_before_anybody_notices(train, record):
    """AbortedError as the runtime raises it: the server knows nothing of the session."""
    with Cluster(train, record) as cluster:
        ps, chief, worker = training(cluster)
        ps.kill()
        cluster.start("ps")
        chief.do(tasks.run)
        worker.do(tasks.run)
        leave(worker, chief)


@conforms("MTS-EXC-03")
def test_parameter_server_of_a_singular_session(train, record):
    """It does not recover: the error is the caller's."""
    with Cluster(train, record) as cluster:
        ps, chief = cluster.start_each("ps", "chief")
        chief.do(tasks.open_session, kind="SingularMonitoredSession")
        chief.do(tasks.run)
        ps.kill()
        cluster.start("ps")
        chief.do(tasks.run)
        chief.do(tasks.should_stop)
        leave(chief)


@conforms("MTS-STEP-05")
def test_parameter_server_within_a_step_function(train, record):
    with Cluster(train, record) as cluster:
        ps, chief, _ = training(cluster)
        ps.kill()
        cluster.start("ps")
        chief.do(tasks.step_function)
        chief.do(tasks.run)
        leave(chief)


@conforms("MTS-EXC-13", "MTS-SES-02")
def test_all(train, record):
    """Only the checkpoint is left."""
    with Cluster(train, record) as cluster:
        for _ in range(2):
            training(cluster)
            for member in cluster.members:
                member.kill()
        _, chief = cluster.start_each("ps", "chief")
        chief.do(tasks.open_session)
        chief.do(tasks.run)
        leave(chief)


@pytest.mark.parametrize("closing", [tasks.close, tasks.close_after_an_error], ids=lambda task: task.__name__)
@pytest.mark.parametrize("closed", ["chief", "worker"])
@conforms("MTS-CLOSE-01", "Q-45")
def test_closing_while_the_parameter_server_is_dead(train, record, closed, closing):
    """The runtime would wait until it is back, however long that takes, which the grace period must limit."""
    with Cluster(train, record) as cluster:
        ps, chief, worker = training(cluster, steps=4, stop_grace_period_secs=1)
        ps.kill()
        member = {"chief": chief, "worker": worker}[closed]
        member.begin(closing)
        record("closing hangs", member.is_busy_for(1 + LONG_ENOUGH_SECS))
        cluster.start("ps")
        member.finish()
        member.do(tasks.wait_for_threads)
        member.leave()


@pytest.mark.parametrize("closing", [tasks.close, tasks.close_after_an_error], ids=lambda task: task.__name__)
@pytest.mark.parametrize("closed", ["chief", "worker"])
@conforms("MTS-EXC-08", "MTS-EXC-10", "MTS-CLOSE-01", "Q-45")
def test_closing_while_the_parameter_server_is_dead_and_the_runtime_fails_fast(train, record, closed, closing):
    """Hooks that reach for the server raise, and the session is closed."""
    with Cluster(train, record, fail_fast=True) as cluster:
        ps, chief, worker = training(cluster)
        ps.kill()
        member = {"chief": chief, "worker": worker}[closed]
        member.do(closing)
        member.leave()


@pytest.mark.parametrize("kind", ["MonitoredTrainingSession", "SingularMonitoredSession"])
@conforms("MTS-EXC-04", "MTS-EXC-03")
def test_parameter_server_and_the_runtime_fails_fast(train, record, kind):
    """UnavailableError as gRPC raises it; one session recovers once the server is back, the other leaves it to us."""
    with Cluster(train, record, fail_fast=True) as cluster:
        ps, chief = cluster.start_each("ps", "chief")
        chief.do(tasks.open_session, kind=kind)
        chief.do(tasks.run, 3)
        ps.kill()
        chief.begin(tasks.run)
        if record("the chief waits", chief.is_busy_for(A_MOMENT_SECS)):
            cluster.start("ps")
        chief.finish()
        chief.do(tasks.should_stop)
        leave(chief)


@pytest.mark.parametrize("closed", ["chief", "worker"])
@conforms("MTS-CLOSE-01")
def test_closing_while_the_other_replica_is_dead(train, record, closed):
    """Without device filters, so that the session knows of it."""
    with Cluster(train, record) as cluster:
        _, chief, worker = training(cluster, filters=False)
        member, other = (chief, worker) if closed == "chief" else (worker, chief)
        other.kill()
        leave(member)


@conforms("MTS-EXC-04", "MTS-EXC-13")
def test_error_of_a_hook_and_then_of_the_server(train, record):
    """Two recoveries, the first one with every process alive."""
    with Cluster(train, record) as cluster:
        ps, chief, worker = training(cluster, hooks=("unavailable once", "final"))
        ps.kill()
        cluster.start("ps")
        chief.do(tasks.run)
        worker.do(tasks.run)
        leave(worker, chief)


@pytest.mark.parametrize("seed", range(6))
@conforms("MTS-EXC-04", "MTS-EXC-13", "MTS-SES-10")
def test_at_random_steps(train, record, seed):
    """A member killed at some step and started again, three times; whoever is left trains on in between."""
    chance = random.Random(seed)
    with Cluster(train, record) as cluster:
        members = dict(zip(("ps", "chief", "worker"), training(cluster), strict=True))
        for _ in range(3):
            for _ in range(chance.randrange(4)):
                members[chance.choice(["chief", "worker"])].do(tasks.run)
            killed = chance.choice(["ps", "chief", "worker"])
            members[killed].kill()
            if killed != "ps":
                members["worker" if killed == "chief" else "chief"].do(tasks.run, chance.randrange(3))
            members[killed] = cluster.start(killed)
            if killed == "ps":
                # The chief restores before the worker looks.
                members["chief"].do(tasks.run)
                members["worker"].do(tasks.run)
            else:
                members[killed].do(tasks.open_session)
        leave(members["worker"], members["chief"])
