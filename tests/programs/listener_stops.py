"""Checkpoint listeners: one that keeps a diary, one that ends the training."""

import sys

import tensorflow.compat.v1 as tf
from tensorflow.compat.v1 import train

tf.disable_eager_execution()


class Diary(train.CheckpointSaverListener):
    def begin(self):
        print("begin", train.get_global_step().name)

    def before_save(self, session, global_step_value):
        print("before save", int(global_step_value))

    def after_save(self, session, global_step_value):
        print("after save", int(global_step_value))

    def end(self, session, global_step_value):
        print("end", int(global_step_value))


class StopAfter(train.CheckpointSaverListener):
    def __init__(self, step):
        self.step = step

    def after_save(self, session, global_step_value):
        return global_step_value >= self.step


def job(logdir, stop_after):
    with tf.Graph().as_default():
        step = train.get_or_create_global_step()
        advance = tf.assign_add(step, 1)
        saver_hook = train.CheckpointSaverHook(logdir, save_steps=3, listeners=[Diary(), StopAfter(stop_after)])
        with train.MonitoredTrainingSession(
            checkpoint_dir=logdir, save_checkpoint_secs=None, hooks=[saver_hook]
        ) as session:
            while not session.should_stop():
                print("step", session.run(advance))
        print(train.latest_checkpoint(logdir).replace(logdir, ""))


job(sys.argv[1], 5)
job(sys.argv[1], 0)
