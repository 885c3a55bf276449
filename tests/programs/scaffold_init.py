"""A scaffold with its own initialisation, saver and summaries, before and after a restart."""

import glob
import os
import sys

import tensorflow.compat.v1 as tf
from tensorflow.compat.v1 import train

tf.disable_eager_execution()


def job(logdir, steps):
    with tf.Graph().as_default():
        step = train.get_or_create_global_step()
        start = tf.placeholder(tf.float32, [], name="start")
        fed = tf.get_variable("fed", initializer=start, use_resource=True)
        loaded = tf.get_variable("loaded", [2], initializer=tf.zeros_initializer())
        counted = tf.Variable(0, collections=[tf.GraphKeys.LOCAL_VARIABLES], name="counted")
        value = tf.placeholder(tf.float32, [2], name="value")
        load = loaded.assign(value)
        table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [5.0, 7.0]), 0.0)
        with tf.control_dependencies([fed.assign_add(1.0), tf.assign_add(counted, 2)]):
            train_op = tf.assign_add(step, 1)
        at_the_end = [fed, counted, table.lookup(tf.constant(["b", "x"]))]
        tf.summary.scalar("fed", fed)

        def init_fn(scaffold, session):
            print("init_fn", scaffold.saver is saver, session.run(fed))
            session.run(load, {value: [3.0, 4.0]})

        saver = train.Saver(max_to_keep=2)
        scaffold = train.Scaffold(
            init_fn=init_fn,
            init_feed_dict={start: 10.0},
            ready_op=tf.report_uninitialized_variables([fed]),
            saver=saver,
        )
        hooks = [train.StopAtStepHook(num_steps=steps)]
        with train.MonitoredTrainingSession(
            checkpoint_dir=logdir, scaffold=scaffold, hooks=hooks, save_checkpoint_steps=2, save_summaries_steps=2
        ) as session:
            print(session.run_step_fn(lambda step_context: step_context.session.run([fed, loaded])))
            while not session.should_stop():
                print("step", session.run(train_op))
            print(session.run_step_fn(lambda step_context: step_context.session.run(at_the_end)))
        print("summary op", scaffold.summary_op is tf.get_collection(tf.GraphKeys.SUMMARY_OP)[0])
        copied = train.Scaffold(copy_from_scaffold=scaffold)
        print("copied", copied.saver is saver, copied.init_op is scaffold.init_op)
    print([path.replace(logdir, "") for path in saver.last_checkpoints])
    kept = glob.glob(os.path.join(logdir, "*.index"))
    print(sorted(os.path.basename(path) for path in kept))


job(sys.argv[1], 5)
job(sys.argv[1], 3)
try:
    train.Scaffold(copy_from_scaffold=5)
except TypeError as error:
    print(error)
