"""StopAtStepHook beside tf.train's: rules MTS-STP-*."""

import pytest


@pytest.mark.parametrize("by", [1, 2, 10, 0])
@pytest.mark.parametrize("target", [{"num_steps": 4}, {"last_step": 5}, {"last_step": 15}])
def test_when_it_stops(same, by, target):
    """MTS-STP-01, MTS-STP-02: at least one run, one too many after a jump, none without steps."""

    def program(run):
        run.build_step()
        with run.session([run.hooks.StopAtStepHook(**target)]) as session:
            for i in range(20):
                if session.should_stop():
                    break
                run.step(session, by)
            run.see("runs", i)

    same(program)
