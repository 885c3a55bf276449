"""The public names, and what they may be called with: names, order, kinds and defaults."""

import inspect

import pytest

SESSIONS = (
    "MonitoredTrainingSession MonitoredSession SingularMonitoredSession SessionCreator "
    "ChiefSessionCreator WorkerSessionCreator Scaffold SessionManager"
).split()
HOOKS = (
    "SessionRunHook SessionRunArgs SessionRunContext SessionRunValues CheckpointSaverHook "
    "CheckpointSaverListener StepCounterHook SummarySaverHook StopAtStepHook LoggingTensorHook "
    "NanTensorHook NanLossDuringTrainingError GlobalStepWaiterHook FinalOpsHook FeedFnHook "
    "ProfilerHook SecondOrStepTimer"
).split()
THREADS = "Coordinator LooperThread QueueRunner add_queue_runner start_queue_runners".split()
CHECKPOINTS = (
    "Saver latest_checkpoint get_checkpoint_state update_checkpoint_state "
    "generate_checkpoint_state_proto checkpoint_exists remove_checkpoint get_checkpoint_mtimes"
).split()
GLOBAL_STEP = ("get_global_step create_global_step get_or_create_global_step assert_global_step global_step").split()
NAMES = SESSIONS + HOOKS + THREADS + CHECKPOINTS + GLOBAL_STEP
TF14_PARAMETERS = (
    "master is_chief checkpoint_dir scaffold hooks chief_only_hooks save_checkpoint_secs "
    "save_summaries_steps save_summaries_secs config stop_grace_period_secs log_step_count_steps"
).split()


def described(function):
    parameters = []
    for parameter in inspect.signature(function).parameters.values():
        default = parameter.default
        if default is inspect.Parameter.empty:
            default = "(required)"
        elif type(default) is object:
            default = "(not given)"
        parameters.append((parameter.name, parameter.kind.name, repr(default)))
    return parameters


def public_members(cls):
    return {
        name: inspect.getattr_static(cls, name)
        for name in dir(cls)
        if not name.startswith("_") and name not in dir(BaseException)
    }


def kind_of(member):
    if isinstance(member, property):
        return "property"
    if isinstance(member, (staticmethod, classmethod)):
        return type(member).__name__
    if inspect.isclass(member):
        return "class"
    return "method" if callable(member) else "attribute"


@pytest.mark.parametrize("name", NAMES)
def test_exists_and_is_called_the_same(harness, name):
    oracle = getattr(harness.oracle.namespace, name)
    subject = getattr(harness.subject.namespace, name)
    assert inspect.isclass(subject) == inspect.isclass(oracle)
    if issubclass(oracle, tuple) if inspect.isclass(oracle) else False:
        # Built-in constructors show their fields, and their defaults, in another way.
        assert subject._fields == oracle._fields
        assert described(subject.__new__)[1:] == described(oracle.__new__)[1:]
    elif inspect.isclass(oracle):
        # A constructor without a signature of its own is object's or a builtin exception's.
        own = "__init__" in vars(oracle) or "__init__" in vars(subject)
        assert not own or described(subject.__init__) == described(oracle.__init__)
    else:
        assert described(subject) == described(oracle)


@pytest.mark.parametrize("name", NAMES)
def test_members_exist_and_are_called_the_same(harness, name):
    oracle = getattr(harness.oracle.namespace, name)
    subject = getattr(harness.subject.namespace, name)
    if not inspect.isclass(oracle) or issubclass(oracle, tuple):
        return
    members = public_members(oracle)
    for member_name, member in members.items():
        theirs = inspect.getattr_static(subject, member_name)
        assert kind_of(theirs) == kind_of(member), member_name
        if kind_of(member) in ("method", "staticmethod", "classmethod"):
            assert described(getattr(subject, member_name)) == described(getattr(oracle, member_name)), member_name


@pytest.mark.parametrize("name", NAMES)
def test_bases_are_the_public_ones(harness, name):
    oracle = getattr(harness.oracle.namespace, name)
    subject = getattr(harness.subject.namespace, name)
    if not inspect.isclass(oracle):
        return
    public = {*NAMES, *dir(__builtins__), "Thread", "ABC"}

    def bases(cls):
        return {base.__name__ for base in cls.__mro__ if base.__name__ in public}

    assert bases(oracle) - {"ABC"} <= bases(subject)


def test_positional_calls_of_the_first_release_keep_their_meaning(harness):
    for side in (harness.oracle, harness.subject):
        names = list(inspect.signature(side.namespace.MonitoredTrainingSession).parameters)
        assert names[: len(TF14_PARAMETERS)] == TF14_PARAMETERS


def test_step_context_is_a_name_of_the_session(harness):
    for side in (harness.oracle, harness.subject):
        context = side.namespace.MonitoredSession.StepContext
        assert sorted(public_members(context)) == ["request_stop", "run_with_hooks", "session"]
    ours, theirs = (side.namespace.MonitoredSession.StepContext for side in (harness.oracle, harness.subject))
    assert described(ours.run_with_hooks) == described(theirs.run_with_hooks)
