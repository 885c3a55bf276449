"""A parameter server and two workers in one process, as programs test their distributed training.

Each task is a `tf.train.Server`, each worker a thread with a graph and a session of its own. How the
workers take turns is fixed, so that a small model of `SyncReplicasOptimizer` (tokens, stale gradients)
says what global step, local steps and weight must be, on `tf.train` and on `monitored`.
"""

import contextlib
import faulthandler
import itertools
import socket
import tempfile
import threading
import time

import pytest
import tensorflow.compat.v1 as tf

import monitored
from conformance.cluster.addresses import free_addresses

WORKERS = 2
LEARNING_RATE = 0.5
INITIAL = 64.0
GRADIENTS = (1.0, 3.0)
"""What each worker contributes in each step: the mean tells whether both were counted."""

LIMIT_SECS = 600
GRACE_SECS = 0.1
"""How long a chief waits for its queue runner, which nothing but the end of the session can wake."""

POLL_SECS = 0.01
STEPS = 6

sides = pytest.mark.parametrize("train", [tf.train, monitored], ids=["tf.train", "monitored"])


def start_cluster(attempts=5):
    """Start the servers; on other ports if somebody took one between finding and using it."""
    ps, *workers = free_addresses(1 + WORKERS)
    spec = tf.train.ClusterSpec({"ps": [ps], "worker": workers})
    config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=4)
    tasks = [("ps", 0), *[("worker", index) for index in range(WORKERS)]]
    try:
        return spec, [tf.train.Server(spec, job_name=job, task_index=task, config=config) for job, task in tasks]
    except tf.errors.UnknownError:
        if attempts == 1:
            raise
        return start_cluster(attempts - 1)


@pytest.fixture(scope="module")
def cluster():
    """The servers of all tests: they cannot be stopped. Each test has a container of its own."""
    return start_cluster()


def run_in_threads(*functions, limit_secs=LIMIT_SECS):
    """Run each in a thread of its own; raise what the first to fail raised, and show stacks if one hangs."""
    errors = []

    def run(function):
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(function,), daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + limit_secs
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in threads):
        with tempfile.TemporaryFile("w+") as file:
            faulthandler.dump_traceback(file, all_threads=True)
            file.seek(0)
            pytest.fail(f"threads still run after {limit_secs} s, errors {errors}; stacks:\n{file.read()}")
    if errors:
        raise errors[0]


class Job:
    """One training of both workers: its place in the cluster, and how they wait for each other."""

    def __init__(self, cluster, container):
        self.spec, (_, *self.workers) = cluster
        self.container = container
        self.chief_is_ready = threading.Event()
        self.both_are_ready = threading.Barrier(WORKERS, timeout=LIMIT_SECS)
        self.both_are_done = threading.Barrier(WORKERS, timeout=LIMIT_SECS)

    @contextlib.contextmanager
    def graph(self, train, index):
        """The model in a graph of worker `index`: yields global step and weight."""
        device = tf.train.replica_device_setter(worker_device=f"/job:worker/task:{index}", cluster=self.spec)
        with tf.Graph().as_default() as graph, graph.container(self.container), tf.device(device):
            yield train.get_or_create_global_step(), tf.get_variable("weight", initializer=INITIAL)

    def session(self, train, index, hooks, by_creator=False, **arguments):
        """Make the session; a worker's not before the chief's is there: it would look every 30 seconds."""
        if index:
            assert self.chief_is_ready.wait(LIMIT_SECS)
        master = self.workers[index].target
        if by_creator:
            creator = (train.WorkerSessionCreator if index else train.ChiefSessionCreator)(master=master)
            session = train.MonitoredSession(creator, hooks, stop_grace_period_secs=GRACE_SECS)
        else:
            session = train.MonitoredTrainingSession(
                master, is_chief=index == 0, hooks=hooks, stop_grace_period_secs=GRACE_SECS, **arguments
            )
        self.chief_is_ready.set()
        return session

    @contextlib.contextmanager
    def observer(self, *extra):
        """A function that reads (global step, weight, *what `extra` makes) on the parameter server."""
        with tf.Graph().as_default() as graph, graph.container(self.container), tf.device("/job:ps/task:0"):
            step = tf.train.get_or_create_global_step()
            tensors = [step, tf.get_variable("weight", []), *[make() for make in extra]]
            with tf.Session(self.workers[0].target) as session:
                yield lambda: [value.item() for value in session.run(tensors)]


class Model:
    """What SyncReplicasOptimizer does, in numbers.

    A gradient counts unless its worker's local step is behind. Enough of them make one step: their
    mean is applied, and each replica may take a token, which becomes its local step.
    """

    def __init__(self, aggregate, tokens):
        self.aggregate, self.tokens = aggregate, [0] * tokens
        self.global_step, self.weight = 0, INITIAL
        self.local_steps, self.gradients = [0] * WORKERS, []

    def contribute(self, worker):
        if self.local_steps[worker] >= self.global_step:
            self.gradients.append(GRADIENTS[worker])
        if len(self.gradients) == self.aggregate:
            self.weight -= LEARNING_RATE * sum(self.gradients) / len(self.gradients)
            self.global_step += 1
            self.tokens += [self.global_step] * max(self.aggregate, WORKERS)
            self.gradients = []

    def take(self, worker):
        self.local_steps[worker] = self.tokens.pop(0)


def token_queue_size():
    return tf.FIFOQueue(-1, [tf.int64], shapes=[()], shared_name="sync_token_q").size()


def wait_until(holds, what):
    deadline = time.monotonic() + LIMIT_SECS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(POLL_SECS)


class Rounds:
    """Both workers do a step at the same time, which both must if both gradients are needed."""

    def __init__(self, model, settle):
        self.barrier = threading.Barrier(WORKERS, lambda: self.play(model, settle), timeout=LIMIT_SECS)

    def play(self, model, settle):
        for action in (model.contribute, model.take):
            for worker in range(WORKERS):
                action(worker)
        settle()

    def step(self, worker, run):
        run()
        self.barrier.wait()


class Turns:
    """The workers take turns; the chief has the first."""

    def __init__(self, model, settle):
        self.model, self.settle = model, settle
        self.may_go = [threading.Semaphore(int(worker == 0)) for worker in range(WORKERS)]

    def step(self, worker, run):
        assert self.may_go[worker].acquire(timeout=LIMIT_SECS)
        run()
        self.model.contribute(worker)
        self.model.take(worker)
        self.settle()
        self.may_go[(worker + 1) % WORKERS].release()


@pytest.fixture
def thread_errors(monkeypatch):
    """The types of what ended threads that nobody asks any more."""
    types = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: types.append(arguments.exc_type))
    return types


def container_of(request):
    return "".join(character if character.isalnum() else "." for character in request.node.name)


@pytest.mark.parametrize(
    ("aggregate", "num_tokens", "order", "by_creator"),
    [
        pytest.param(2, 0, Rounds, False, id="no tokens at first"),
        pytest.param(2, -1, Rounds, False, id="default tokens"),
        pytest.param(1, 0, Turns, False, id="one gradient a step"),
        pytest.param(2, 0, Rounds, True, id="session creators"),
    ],
)
@sides
def test_synchronous_training(
    train, cluster, aggregate, num_tokens, order, by_creator, request, tmp_path, thread_errors
):
    job = Job(cluster, container_of(request))
    model = Model(aggregate, tokens=aggregate if num_tokens == -1 else num_tokens)
    seen = {}

    with job.observer(token_queue_size) as observe:

        def settle():
            """Wait for the last thing that a synchronous step does, which is to hand out tokens."""
            wait_until(lambda: observe()[-1] == len(model.tokens), f"never {len(model.tokens)} tokens")

        steps = order(model, settle)

        def work(index):
            with job.graph(train, index) as (global_step, weight):
                train_op, hook = synchronous_step(global_step, weight, index, aggregate, WORKERS, num_tokens)
                (local_step,) = tf.local_variables()
                arguments = {} if by_creator or index else {"checkpoint_dir": str(tmp_path)}
                with job.session(train, index, [hook], by_creator, **arguments) as session:
                    job.both_are_ready.wait()
                    for _ in range(STEPS):
                        steps.step(index, lambda: session.run(train_op))
                    fetches = [global_step, weight, local_step]
                    seen[index] = session.run_step_fn(lambda step_context: step_context.session.run(fetches))
                    job.both_are_done.wait()
                assert session.should_stop()

        run_in_threads(lambda: work(0), lambda: work(1))

        assert model.global_step == {0: 6, -1: 5}[num_tokens] if aggregate == 2 else model.global_step > 0
        # What the workers read while the session ran, and what is left when both are gone.
        assert seen == {w: [model.global_step, model.weight, model.local_steps[w]] for w in range(WORKERS)}
        assert observe() == [model.global_step, model.weight, len(model.tokens)]
    if not by_creator:
        saved = tf.train.load_checkpoint(train.latest_checkpoint(str(tmp_path)))
        assert saved.get_tensor("global_step") == model.global_step
        assert saved.get_tensor("weight") == model.weight
    wait_until(lambda: not queue_runner_threads(), "the queue runner of the chief still runs")
    # It waits for gradients when its session is closed, unless it has just been about to.
    assert thread_errors in ([tf.errors.CancelledError], [])


def queue_runner_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("QueueRunnerThread")]


def synchronous_step(global_step, weight, index, aggregate, replicas, num_tokens):
    """Return what a replica runs, and the hook of its optimizer."""
    optimizer = tf.train.SyncReplicasOptimizer(
        tf.train.GradientDescentOptimizer(LEARNING_RATE), replicas_to_aggregate=aggregate, total_num_replicas=replicas
    )
    train_op = optimizer.apply_gradients([(tf.constant(GRADIENTS[index]), weight)], global_step)
    return train_op, optimizer.make_session_run_hook(index == 0, num_tokens)


@pytest.mark.rule("MTS-QR-02")
@sides
def test_a_synchronous_chief_that_ends_ends_its_worker(train, cluster, request, thread_errors):
    """The worker waits for a token, which only the chief's gradient would bring; it gets the end of data."""
    job = Job(cluster, container_of(request))
    hook, after = train.SessionRunHook(), []
    hook.end = lambda session: after.append("end")

    def work(index):
        with job.graph(train, index) as (global_step, weight):
            train_op, optimizer_hook = synchronous_step(global_step, weight, index, 2, WORKERS, num_tokens=0)
            with job.session(train, index, [optimizer_hook, *([hook] if index else [])]) as session:
                job.both_are_ready.wait()
                if index:
                    session.run(train_op)
                    after.append("a step")
            if index:
                after.append("without an error")

    run_in_threads(lambda: work(0), lambda: work(1))
    assert after == ["end", "without an error"]


@pytest.mark.rule("MTS-QR-02")
@pytest.mark.parametrize("again", ["recovered", "started again"])
@sides
def test_a_synchronous_chief_cannot_train_again(train, cluster, again, request, thread_errors):
    """Its tokens are in a queue of the parameter server, which its first session closed."""
    job = Job(cluster, container_of(request))
    preemptions = [tf.errors.AbortedError(None, None, "preempted")] if again == "recovered" else []

    class Preempted(train.SessionRunHook):
        steps = 0

        def before_run(self, run_context):
            self.steps += 1
            if self.steps == 3 and preemptions:
                raise preemptions.pop()

    def one_session(steps):
        with job.graph(train, 0) as (global_step, weight):
            train_op, optimizer_hook = synchronous_step(global_step, weight, 0, 1, 1, num_tokens=1)
            with job.session(train, 0, [optimizer_hook, Preempted()]) as session:
                for _ in range(steps):
                    session.run(train_op)
                    done.append(session.should_stop())

    done = []
    if again == "started again":
        run_in_threads(lambda: one_session(2))
    with pytest.raises(tf.errors.CancelledError, match="sync_token_q_EnqueueMany"):
        run_in_threads(lambda: one_session(3))
    assert done == [False, False]


@pytest.mark.rule("MTS-QR-02")
@sides
def test_a_shared_queue_stays_closed(train, cluster, request):
    """After a recovery no more than what the queue had left is taken out of it."""
    job = Job(cluster, container_of(request))
    capacity, before, taken = 3, 2, []
    preemptions = [tf.errors.AbortedError(None, None, "preempted")]

    class Preempted(train.SessionRunHook):
        def before_run(self, run_context):
            if len(taken) == before and preemptions:
                raise preemptions.pop()

    def work():
        with job.graph(train, 0):
            queue = tf.FIFOQueue(capacity, [tf.int32], shapes=[()], shared_name="numbers")
            train.add_queue_runner(train.QueueRunner(queue, [queue.enqueue(1)]))
            dequeue = queue.dequeue()
            with contextlib.suppress(tf.errors.CancelledError), job.session(train, 0, [Preempted()]) as session:
                while len(taken) < 100:
                    taken.append(session.run(dequeue))

    run_in_threads(work)
    assert not preemptions
    assert before <= len(taken) <= before + capacity


@pytest.mark.parametrize("worker_train", [tf.train, monitored], ids=["worker tf.train", "worker monitored"])
@sides
def test_asynchronous_training(train, worker_train, cluster, request, tmp_path):
    """The worker of either implementation waits for the chief of either one to do half of its steps."""
    job = Job(cluster, container_of(request))
    seen = {0: [], 1: []}

    def work(index):
        module = worker_train if index else train
        with job.graph(module, index) as (global_step, weight):
            # Without the lock one of two updates at a time may be lost.
            optimizer = tf.train.GradientDescentOptimizer(LEARNING_RATE, use_locking=True)
            update = optimizer.apply_gradients([(tf.constant(GRADIENTS[index]), weight)])
            with tf.control_dependencies([update]):
                advance = global_step.assign_add(1)
            hooks = [module.GlobalStepWaiterHook(STEPS // 2)] if index else []
            arguments = {} if index else {"checkpoint_dir": str(tmp_path)}
            with job.session(module, index, hooks, **arguments) as session:
                job.both_are_ready.wait()
                for _ in range(STEPS):
                    seen[index].append(session.run(advance).item())
                job.both_are_done.wait()

    run_in_threads(lambda: work(0), lambda: work(1))
    # A step is read after it is counted, so both may see the later one of two.
    assert all(earlier < later for steps in seen.values() for earlier, later in itertools.pairwise(steps))
    assert max(seen[0] + seen[1]) == 2 * STEPS
    assert min(seen[1]) > STEPS // 2
    weight = INITIAL - LEARNING_RATE * STEPS * sum(GRADIENTS)
    with job.observer() as observe:
        assert observe() == [2 * STEPS, weight]
    saved = tf.train.load_checkpoint(train.latest_checkpoint(str(tmp_path)))
    assert [saved.get_tensor(name) for name in ("global_step", "weight")] == [2 * STEPS, weight]


def test_a_port_that_is_taken_meanwhile_costs_another_attempt(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        offers = [[f"127.0.0.1:{taken.getsockname()[1]}", *free_addresses(WORKERS)], free_addresses(1 + WORKERS)]
        monkeypatch.setitem(globals(), "free_addresses", lambda number: offers.pop(0))
        spec, servers = start_cluster()
    assert offers == []
    assert len(servers) == spec.num_tasks("ps") + spec.num_tasks("worker")


def test_a_thread_that_hangs_is_shown_with_its_stack(monkeypatch):
    hangs, go_on = threading.Event(), threading.Event()

    def hang():
        hangs.set()
        go_on.wait()

    # The limit ends while it hangs, and not before it has begun.
    monkeypatch.setattr(threading.Thread, "join", lambda thread, timeout: hangs.wait())
    with pytest.raises(pytest.fail.Exception, match=r"still run after 0\.1 s") as failure:
        run_in_threads(hang, limit_secs=0.1)
    go_on.set()
    assert "in hang" in str(failure.value)


def test_what_a_thread_raises_is_raised():
    with pytest.raises(ZeroDivisionError):
        run_in_threads(lambda: 1 / 0, lambda: None)
