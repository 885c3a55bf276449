"""A real training job on both sides: the handwritten digits of `examples/digits.py`."""

import pytest

from conformance.harness import conforms

digits = pytest.importorskip("examples.digits")


def train_digits(train, record, steps, seed=1):
    def on_step(_):
        record.clock.advance(0.25)

    outcome = digits.build_and_train(
        train, record.path("logdir"), steps, seed, hooks=(record.hook("A", silent=True),), on_step=on_step
    )
    record("outcome", outcome)


@conforms("MTS-ARG-07", "MTS-EVT-03", "MTS-CKH-07", "MTS-LOG-02", "MTS-STP-02", "MTS-FIN-01")
def test_variables_files_and_log_are_equal(train, record):
    train_digits(train, record, 250)


@conforms("MTS-SES-02", "MTS-CKH-01", "MTS-EVT-01", "MTS-STP-02")
def test_resume(train, record):
    train_digits(train, record, 120)
    train_digits(train, record, 170)
    train_digits(train, record, 170)
