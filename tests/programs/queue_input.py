"""Queue runners as input: made here, made by TensorFlow, run by a session and run by hand."""

import sys

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.compat.v1 import train

tf.disable_eager_execution()


def numbers(limit):
    left = iter(range(limit))
    value = tf.py_func(lambda: np.int64(next(left)), [], tf.int64)
    value.set_shape([])
    queue = tf.FIFOQueue(4, [tf.int64], shapes=[[]], name="numbers")
    train.add_queue_runner(train.QueueRunner(queue, [queue.enqueue(value)]))
    return queue.dequeue()


def monitored_loop(logdir):
    with tf.Graph().as_default():
        step = train.get_or_create_global_step()
        value = numbers(7)
        with tf.control_dependencies([value]), tf.control_dependencies([tf.assign_add(step, 1)]):
            squared = value * value
        with train.MonitoredTrainingSession(checkpoint_dir=logdir) as session:
            while not session.should_stop():
                print("squared", session.run(squared))
        print("ended", train.latest_checkpoint(logdir).replace(logdir, ""))


def pipeline_of_tensorflow():
    with tf.Graph().as_default():
        index = tf.train.range_input_producer(6, num_epochs=2, shuffle=False).dequeue()
        batch = tf.train.batch([index, index * 10], batch_size=4, allow_smaller_final_batch=True)
        with train.SingularMonitoredSession() as session:
            while not session.should_stop():
                print("batch", [part.tolist() for part in session.run(batch)])


def by_hand():
    with tf.Graph().as_default():
        value = numbers(5)
        coord = train.Coordinator()
        with tf.Session() as session:
            threads = train.start_queue_runners(sess=session, coord=coord)
            print(sorted(thread.name for thread in threads))
            try:
                while not coord.should_stop():
                    print("value", session.run(value))
            except tf.errors.OutOfRangeError:
                print("no more")
            finally:
                coord.request_stop()
            coord.join(threads)
            print("joined", coord.joined, [thread.is_alive() for thread in threads])


def broken_producer():
    with tf.Graph().as_default():
        queue = tf.FIFOQueue(4, [tf.float32], shapes=[[]], name="broken")
        bad = tf.debugging.check_numerics(tf.log(tf.constant(-1.0)), "not a number")
        train.add_queue_runner(train.QueueRunner(queue, [queue.enqueue(bad)]))
        value = queue.dequeue()
        try:
            with train.MonitoredSession() as session:
                session.run(value)
        except tf.errors.InvalidArgumentError as error:
            print("producer:", type(error).__name__, "not a number" in str(error))


def import_of_a_meta_graph():
    with tf.Graph().as_default():
        value = numbers(3)
        meta = tf.train.export_meta_graph()
        name = value.name
        with tf.Graph().as_default():
            tf.train.import_meta_graph(meta)
            with train.MonitoredSession() as session:
                while not session.should_stop():
                    print("imported", session.run(name))


monitored_loop(sys.argv[1])
pipeline_of_tensorflow()
by_hand()
broken_producer()
import_of_a_meta_graph()
