"""GlobalStepWaiterHook beside tf.train's (MTS-GSW)."""

import time

import pytest

WAITS = [(-1, 1), (0, 1), (1, 1), (5, 1), (5, 700), (3000, 700), (3000, 1000), (3000, 1001)]


@pytest.mark.parametrize(("wait_until_step", "per_poll"), WAITS)
@pytest.mark.rule("MTS-GSW-01")
def test_waiting(same, monkeypatch, wait_until_step, per_poll):
    """Polls every half second, logs first and after each thousand steps."""

    def program(run):
        run.build_step()
        raw = []

        def sleep(secs):
            run.clock.sleep(secs)
            raw[0].run(run._step, {run._by: per_poll})

        monkeypatch.setattr(time, "sleep", sleep)
        hook = run.hooks.GlobalStepWaiterHook(wait_until_step)
        with run.session([hook]) as session:
            raw.append(session._tf_sess())
            for _ in range(2):
                run.see(run.step(session, fetch=hook._global_step_tensor))
                run.see(hook._worker_is_started)

    same(program)


@pytest.mark.rule("MTS-GSW-01")
def test_a_wait_that_is_broken_off_begins_again(same, monkeypatch):
    """The hook counts as started only after the wait."""

    def program(run):
        run.build_step()

        def sleep(secs):
            raise KeyError("woken up")

        monkeypatch.setattr(time, "sleep", sleep)
        hook = run.hooks.GlobalStepWaiterHook(3)
        session = run.session([hook])
        for _ in range(2):
            run.call(run.step, session)
        run.see(hook._worker_is_started)
        session.close()

    same(program)


@pytest.mark.rule("MTS-GSW-01")
def test_without_a_global_step(same):
    """The error names a class that is not quite this one."""
    same(lambda run: run.session([run.hooks.GlobalStepWaiterHook(1)], run.host.Scaffold()))
