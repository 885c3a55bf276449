"""A chief and a worker in two processes, sharing variables over gRPC.

Arguments: chief or worker, their two addresses, a folder for checkpoints and one for signals. Each
signal is a file: the one that waits looks for it, so that the order of the steps is always the same.
"""

import os
import sys
import time

import tensorflow.compat.v1 as tf
from tensorflow.compat.v1 import train

tf.disable_eager_execution()
TIME_LIMIT_SECS = 500


def signal(folder, name):
    with open(os.path.join(folder, name), "w"):
        pass


def wait_for(folder, name):
    deadline = time.monotonic() + TIME_LIMIT_SECS
    while not os.path.exists(os.path.join(folder, name)):
        if time.monotonic() > deadline:
            sys.exit(f"no signal {name}")
        time.sleep(0.02)


class Report(train.SessionRunHook):
    def after_create_session(self, session, coord):
        print("created", session.run(train.get_global_step()))

    def end(self, session):
        print("end", session.run(train.get_global_step()))


def main(role, chief_address, worker_address, logdir, signals):
    cluster = tf.train.ClusterSpec({"chief": [chief_address], "worker": [worker_address]})
    server = tf.train.Server(cluster, job_name=role, task_index=0)
    with tf.device("/job:chief/task:0"):
        step = train.get_or_create_global_step()
        total = tf.get_variable("total", initializer=0.0)
    with tf.device(f"/job:{role}/task:0"):
        amount = tf.constant(1.0 if role == "chief" else 100.0)
    with tf.control_dependencies([tf.assign_add(total, amount)]):
        advance = tf.assign_add(step, 1)
    is_chief = role == "chief"
    if not is_chief:
        wait_for(signals, "chief is ready")
    with train.MonitoredTrainingSession(
        master=server.target,
        is_chief=is_chief,
        checkpoint_dir=logdir,
        hooks=[Report(), train.StopAtStepHook(last_step=6)],
        chief_only_hooks=[Report()],
        save_checkpoint_steps=2,
        stop_grace_period_secs=5,
    ) as session:
        if is_chief:
            for _ in range(3):
                print("step", session.run(advance))
            signal(signals, "chief is ready")
            wait_for(signals, "worker is done")
        else:
            for _ in range(2):
                print("step", session.run(advance))
        while is_chief and not session.should_stop():
            print("step", session.run(advance))
        print("total", session.run_step_fn(lambda step_context: step_context.session.run(total)))
    if is_chief:
        print(train.latest_checkpoint(logdir).replace(logdir, ""))
        signal(signals, "chief is done")
    else:
        signal(signals, "worker is done")
        # A worker that leaves takes its server along, and the chief's session needs that.
        wait_for(signals, "chief is done")


main(*sys.argv[1:])
