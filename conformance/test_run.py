"""One run: what hooks are given, what is fetched, fed and handed back (MTS-RUN)."""

from conformance.harness import conforms
from conformance.trace import tf


@conforms("MTS-RUN-02", "MTS-LIFE-01", "MTS-CLOSE-01")
def test_order(train, record):
    constant = tf.constant(1.0)
    session = record.session([record.hook("A"), record.hook("B")])
    record.outcome("run", session.run, constant)
    record.outcome("close", session.close)
