"""The reference uses of TensorFlow only what it may, and the checker notices breaches."""

import pytest
import tensorflow.compat.v1 as tf
from google.protobuf.message import Message

from tools import contract

TF = "import tensorflow.compat.v1 as tf\n"


def test_the_reference_keeps_the_contract():
    assert contract.violations() == []


@pytest.mark.parametrize(
    "source",
    [
        TF + "saver = tf.train.Saver()",
        TF + "def f(hook: tf.train.SessionRunHook) -> None: ...",
        TF + "class Hook(tf.train.SessionRunHook): ...",
        TF + "names = [tf.train.latest_checkpoint(d) for d in dirs]",
        TF + "train = tf.train",
        TF + "saver = getattr(tf.train, name)",
        TF + "saver = getattr(tf, 'train').Saver()",
        TF + "t = tf\nsaver = t.train.Saver()",
        TF + "x = tf.compat.v1.train.Coordinator()",
        TF + "x = tf.estimator.RunConfig()",
        TF + "x = tf.python.ops",
        "import tensorflow\nx = tensorflow.compat.v1.train.Saver()",
        "import tensorflow as tf2\nx = tf2.train.Checkpoint()",
        "import tensorflow.compat.v1.train",
        "import tensorflow.compat.v1.train as t\nt.Saver()",
        "from tensorflow.compat.v1 import train",
        "from tensorflow.compat.v1.train import Saver",
        "from tensorflow.compat.v1.train import *",
        "from tensorflow import *",
        "from tensorflow._api.v2.compat.v1.train import Saver",
        "from tensorflow.python.training import saver",
        "from tensorflow.python.framework import ops",
        "import tensorflow.python.framework.ops as ops",
        "from tensorflow.core.protobuf import saver_pb2",
        "import importlib\nops = importlib.import_module('tensorflow.python.framework.ops')",
        "def f():\n    from tensorflow.python.ops import io_ops\n    return io_ops",
        "import tensorflow_estimator",
        "from monitored import extras",
        "from monitored.extras import preemption",
        "import monitored.extras.preemption",
        "from . import extras",
    ],
)
def test_a_breach_is_noticed(source):
    assert contract.forbidden_uses(source, "saver")


@pytest.mark.parametrize(
    "source",
    [
        TF + "x = tf.train.SaverDef()",
        TF + "x = tf.train.Server(tf.train.ClusterSpec({}))",
        TF + "tf.train.export_meta_graph('f')",
        TF + "x = tf.saved_model.Builder('d')",
        TF + "self.train = 1\ny = self.train.Saver",
        '"""Source: tensorflow.python.training.saver, as tf.train.Saver."""',
        TF + "text = 'use tf.train.Saver'",
    ],
)
def test_what_is_allowed_passes(source):
    assert contract.forbidden_uses(source, "saver") == []


def test_the_private_door_is_narrow():
    private = "from tensorflow.python.framework import ops"
    assert contract.forbidden_uses(private, "_tensorflow") == []
    assert contract.forbidden_uses("from tensorflow.python.training import saver", "_tensorflow")
    assert contract.forbidden_uses(TF + "tf.train.Saver()", "_tensorflow")
    assert contract.forbidden_uses("from monitored import extras", "extras.other") == []


def test_the_allowed_names_are_messages_or_the_runtime():
    runtime = {"TrackableView", "ClusterSpec", "Server", "export_meta_graph", "import_meta_graph"}
    for name in contract.ALLOWED_OF_TRAIN - runtime:
        if hasattr(tf.train, name):
            assert issubclass(getattr(tf.train, name), Message), name
