"""Hooks of one's own around a small regression, with logging and a last step."""

import sys

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.compat.v1 import train

tf.disable_eager_execution()


class TraceHook(train.SessionRunHook):
    def __init__(self, name, loss):
        self.name, self.loss = name, loss

    def begin(self):
        self.root = tf.sqrt(self.loss)
        print(self.name, "begin", tf.get_default_graph().finalized)

    def after_create_session(self, session, coord):
        print(self.name, "created", session.graph.finalized, coord.should_stop())

    def before_run(self, run_context):
        feeds = run_context.original_args.feed_dict
        print(self.name, "before", sorted(t.name for t in feeds), run_context.stop_requested)
        return train.SessionRunArgs({"root": self.root, "again": [self.loss]})

    def after_run(self, run_context, run_values):
        print(self.name, "after", sorted(run_values.results), f"{run_values.results['root']:.6f}")

    def end(self, session):
        print(self.name, "end", session.run(train.get_global_step()))


class StopWhenSmall(train.SessionRunHook):
    def __init__(self, loss, below):
        self.loss, self.below = loss, below

    def before_run(self, run_context):
        return train.SessionRunArgs(self.loss)

    def after_run(self, run_context, run_values):
        if run_values.results < self.below:
            print("loss is small")
            run_context.request_stop()


def main(logdir):
    step = train.get_or_create_global_step()
    inputs = tf.placeholder(tf.float32, [None, 2], name="inputs")
    targets = tf.placeholder(tf.float32, [None, 1], name="targets")
    weights = tf.get_variable("weights", [2, 1], initializer=tf.zeros_initializer())
    loss = tf.reduce_mean(tf.square(tf.matmul(inputs, weights) - targets))
    train_op = tf.train.GradientDescentOptimizer(0.2).minimize(loss, global_step=step)
    final = train.FinalOpsHook({"weights": weights})
    hooks = [
        TraceHook("one", loss),
        train.NanTensorHook(loss),
        StopWhenSmall(loss, 0.02),
        train.StopAtStepHook(last_step=50),
        train.LoggingTensorHook([loss], every_n_iter=4, formatter=lambda values: "logged"),
        final,
        TraceHook("two", loss),
    ]
    rng = np.random.RandomState(0)
    with train.MonitoredTrainingSession(checkpoint_dir=logdir, hooks=hooks, save_checkpoint_steps=10) as session:
        while not session.should_stop():
            rows = rng.rand(8, 2).astype(np.float32)
            feeds = {inputs: rows, targets: rows.sum(1, keepdims=True)}
            _, value = session.run([train_op, loss], feed_dict=feeds)
            print(f"loss {value:.6f}")
    print(final.final_ops_values["weights"].ravel().tolist())
    print(train.latest_checkpoint(logdir).replace(logdir, ""))


main(sys.argv[1])
