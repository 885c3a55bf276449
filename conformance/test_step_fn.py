"""run_step_fn: which callables it takes, what they are given, and failures (MTS-STEP)."""

import functools

import pytest

from conformance.errors import make_error
from conformance.harness import conforms
from conformance.trace import tf

KINDS = pytest.mark.parametrize("kind", ("MonitoredSession", "SingularMonitoredSession"))


class Methods:
    def good(self, step_context):
        return step_context.run_with_hooks("c:0")

    def bad(self, ctx):
        return 1

    @staticmethod
    def static(step_context):
        return "static"

    @classmethod
    def of_class(cls, step_context):
        return "class"

    def __call__(self, step_context):
        return "call"


def two(step_context, x):
    return 1


def two_with_default(step_context, x=1):
    return 1


def self_first(self, step_context):
    return 1


def any_arguments(*args):
    return 1


def any_keywords(step_context, **kwargs):
    return 1


def keyword_only(step_context, *, z=1):
    return "keyword only"


class Decorated(tf.Module):
    @tf.Module.with_name_scope
    def good(self, step_context):
        return step_context.run_with_hooks("c:0")

    @tf.Module.with_name_scope
    def bad(self, ctx):
        return 1

    @tf.Module.with_name_scope
    def two(self, step_context, x):
        return x

    @tf.function
    def function(self, step_context):
        return 1


class DecoratedCall(tf.Module):
    @tf.Module.with_name_scope
    def __call__(self, step_context):
        return "call"


class BadDecoratedCall(tf.Module):
    @tf.Module.with_name_scope
    def __call__(self, ctx):
        return "call"


CALLABLES = {
    "lambda": lambda step_context: 5,
    "wrong name": lambda c: 5,
    "no argument": lambda: 5,
    "method": Methods().good,
    "bad method": Methods().bad,
    "static": Methods.static,
    "class method": Methods.of_class,
    "callable object": Methods(),
    "unbound": Methods.good,
    "two": two,
    "two with default": two_with_default,
    "self first": self_first,
    "*args": any_arguments,
    "**kwargs": any_keywords,
    "keyword only": keyword_only,
    "partial": functools.partial(two, x=2),
    "partial, positional": functools.partial(lambda q, step_context: q, 3),
    "None": None,
    "int": 3,
    "builtin": len,
    "builtin without a signature": max,
    "class": int,
    "decorated method": Decorated().good,
    "decorated bad method": Decorated().bad,
    "decorated method of two": Decorated().two,
    "partial of a decorated method": functools.partial(Decorated().two, x=1),
    "unbound decorated method": Decorated.good,
    "decorated callable object": DecoratedCall(),
    "decorated bad callable object": BadDecoratedCall(),
    "tf.function": tf.function(lambda step_context: 1),
    "tf.function, wrong name": tf.function(lambda ctx: 1),
    "partial of a tf.function": functools.partial(tf.function(lambda step_context, k: 1), k=1),
    "method, tf.function": Decorated().function,
}


@pytest.mark.parametrize("name", CALLABLES)
@conforms("MTS-STEP-01")
def test_callables(train, record, name):
    tf.constant(1.0, name="c")
    session = record.session([record.hook("A")])
    record.outcome("run_step_fn", session.run_step_fn, CALLABLES[name])
    session.close()


@KINDS
@conforms("MTS-STEP-02", "MTS-STEP-03", "Q-13")
def test_step_context(train, record, kind):
    value = tf.placeholder(tf.float32, [])
    session = record.session([record.hook("A")], kind)

    def raw(step_context):
        record("names", sorted(name for name in dir(step_context) if name[0] != "_"))
        record("session", record.number("tf session", step_context.session))
        return step_context.session.run(value, {value: 1.0})

    def twice(step_context):
        one = step_context.run_with_hooks(value, {value: 2.0})
        return one, step_context.run_with_hooks(fetches=value, feed_dict={value: 3.0})

    def nothing(step_context):
        return None

    record.outcome("raw", session.run_step_fn, raw)
    record.outcome("twice", session.run_step_fn, twice)
    record.outcome("nothing", session.run_step_fn, nothing)
    record.outcome("stop", session.run_step_fn, lambda step_context: step_context.request_stop())
    record("should_stop", session.should_stop())
    record.outcome("after", session.run_step_fn, raw)
    session.close()
    record.outcome("closed", session.run_step_fn, raw)


@KINDS
@conforms("MTS-STEP-03", "MTS-EXC-01")
def test_request_stop_ends_a_block(train, record, kind):
    tf.constant(1.0)

    def block():
        with record.session([record.hook("A")], kind) as session:
            while not session.should_stop():
                session.run_step_fn(lambda step_context: step_context.request_stop())
        return "left"

    record.outcome("block", block)


@KINDS
@conforms("MTS-STEP-04", "MTS-RUN-01")
def test_after_a_requested_stop(train, record, kind):
    constant = tf.constant(1.0)
    hook = record.hook("A", after_run=lambda context, _: context.request_stop())
    session = record.session([hook], kind)
    session.run(constant)
    record("should_stop", session.should_stop())
    for step_fn in (
        lambda step_context: step_context.session.run(constant),
        lambda step_context: step_context.run_with_hooks(constant),
        lambda step_context: "plain",
    ):
        record.outcome("run_step_fn", session.run_step_fn, step_fn)
    session.close()


@KINDS
@pytest.mark.parametrize("via", ("hooks", "raw"))
@pytest.mark.parametrize("error", ("AbortedError", "UnavailableError", "ValueError"))
@conforms("MTS-STEP-05", "MTS-EXC-04", "Q-12")
def test_preemption_in_a_step_fn(train, record, kind, via, error):
    weight = tf.Variable(0.0)
    session = record.session([record.hook("A")], kind)
    calls = []

    def step_fn(step_context):
        calls.append(1)
        record("step_fn", record.number("tf session", step_context.session))
        if len(calls) == 1:
            raise make_error(error, "once")
        if via == "hooks":
            return step_context.run_with_hooks(weight)
        return step_context.session.run(weight)

    record.outcome("first", session.run_step_fn, step_fn)
    record.outcome("second", session.run_step_fn, step_fn)
    session.close()


@KINDS
@pytest.mark.parametrize("parked", ("AbortedError", "KeyError", "OutOfRangeError"))
@conforms("MTS-STEP-06", "MTS-EXC-05")
def test_own_error_and_the_coordinators(train, record, kind, parked):
    tf.constant(1.0)
    session = record.session([record.hook("A")], kind)
    coordinator = record.coordinators[0]
    try:
        raise KeyError("parked") if parked == "KeyError" else make_error(parked, "parked")
    except Exception as error:
        coordinator.request_stop(error)
    calls = []

    def direct(step_context):
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("direct")
        return "done"

    def through_hooks(step_context):
        calls.append(1)
        if len(calls) == 1:
            return step_context.run_with_hooks("nope:0")
        return "done"

    record.outcome("direct", session.run_step_fn, direct)
    record("calls", len(calls))
    del calls[:]
    record.outcome("through hooks", session.run_step_fn, through_hooks)
    record("calls", len(calls))
    record.outcome("close", session.close)
