"""Start from one given checkpoint file, whatever else is in its folder."""

import os
import sys

import tensorflow.compat.v1 as tf
from tensorflow.compat.v1 import train

tf.disable_eager_execution()


def model():
    step = train.get_or_create_global_step()
    weights = tf.get_variable("weights", [3], initializer=tf.zeros_initializer())
    with tf.control_dependencies([weights.assign_add([1.0, 2.0, 3.0])]):
        return step, weights, tf.assign_add(step, 1)


def write(logdir):
    with tf.Graph().as_default():
        _, _, advance = model()
        saver = train.Saver()
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for _ in range(3):
                session.run(advance)
                path = saver.save(session, os.path.join(logdir, "given"), train.get_global_step())
                print("wrote", path.replace(logdir, ""))
        state = train.get_checkpoint_state(logdir)
        print([path.replace(logdir, "") for path in state.all_model_checkpoint_paths])


def start_from(logdir, name):
    with tf.Graph().as_default():
        step, weights, advance = model()
        creator = train.ChiefSessionCreator(
            scaffold=train.Scaffold(init_fn=lambda scaffold, session: print("not called")),
            checkpoint_filename_with_path=os.path.join(logdir, name),
        )
        try:
            with train.MonitoredSession(session_creator=creator, hooks=[train.StopAtStepHook(num_steps=2)]) as session:

                def fetch(step_context):
                    return [v.tolist() for v in step_context.session.run([step, weights])]

                print("started", session.run_step_fn(fetch))
                while not session.should_stop():
                    session.run(advance)
                    print("advanced", session.run_step_fn(fetch))
        except ValueError as error:
            print(str(error).replace(logdir, ""))


def both_given(logdir):
    with tf.Graph().as_default():
        model()
        creator = train.ChiefSessionCreator(
            checkpoint_dir=logdir, checkpoint_filename_with_path=os.path.join(logdir, "given-1")
        )
        try:
            train.MonitoredSession(session_creator=creator)
        except ValueError as error:
            print(error)


write(sys.argv[1])
start_from(sys.argv[1], "given-2")
start_from(sys.argv[1], "given-9")
both_given(sys.argv[1])
print(train.checkpoint_exists(os.path.join(sys.argv[1], "given-1")))
