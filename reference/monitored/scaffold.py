"""The parts a training graph needs beside the model: init, readiness, summaries, a saver.

A Scaffold collects them and makes those that are missing; it runs nothing.
"""

import os
from collections.abc import Callable
from typing import Any

import tensorflow.compat.v1 as tf

from monitored import _tensorflow
from monitored.saver import saver_for_checkpoint_object, saver_or_default

_MADE_IF_MISSING = ("init_op", "ready_op", "ready_for_local_init_op", "local_init_op", "summary_op")
_PARTS = (*_MADE_IF_MISSING, "init_feed_dict", "local_init_feed_dict", "saver")


class Scaffold:
    """The parts of a training graph; what is None is found or made by `finalize`.

    `init_op` runs with `init_feed_dict` when nothing is restored, then
    `init_fn(scaffold, session)`; `local_init_op` runs with `local_init_feed_dict` in every session. `ready_op` and
    `ready_for_local_init_op` give the names of what is not initialised. `saver` may be a
    `tf.train.Checkpoint`. Parts left None come from `copy_from_scaffold` if that is given;
    TypeError if it is no scaffold.

    Rules: MTS-SCF-01 to MTS-SCF-10.
    Source: tensorflow/python/training/monitored_session.py
    """

    def __init__(
        self,
        init_op: tf.Operation | None = None,
        init_feed_dict: dict[Any, Any] | None = None,
        init_fn: Callable[["Scaffold", tf.Session], None] | None = None,
        ready_op: tf.Tensor | None = None,
        ready_for_local_init_op: tf.Tensor | None = None,
        local_init_op: tf.Operation | None = None,
        summary_op: tf.Tensor | None = None,
        saver: Any = None,
        copy_from_scaffold: "Scaffold | None" = None,
        local_init_feed_dict: dict[Any, Any] | None = None,
    ) -> None:
        # MTS-SCF-01
        self._init_op, self._init_feed_dict, self._user_init_fn = init_op, init_feed_dict, init_fn
        self._ready_op, self._ready_for_local_init_op = ready_op, ready_for_local_init_op
        self._local_init_op, self._local_init_feed_dict = local_init_op, local_init_feed_dict
        self._summary_op, self._saver = summary_op, saver
        if copy_from_scaffold is not None:
            self._fill_from(copy_from_scaffold)
        # MTS-SCF-07: `sess` is what the argument is called in TensorFlow.
        init_fn = self._user_init_fn
        self._init_fn = (lambda sess: init_fn(self, sess)) if init_fn else None

    def _fill_from(self, other: "Scaffold") -> None:
        """Take over each part that is None here. Rule: MTS-SCF-08."""
        if not all(hasattr(type(other), part) for part in _PARTS):
            raise TypeError("copy_from_scaffold is not a Scaffold instance.")
        if self._user_init_fn is None:
            self._user_init_fn = other._user_init_fn
        for part in _PARTS:
            if getattr(self, "_" + part) is None:
                setattr(self, "_" + part, getattr(other, part))

    def finalize(self) -> "Scaffold":
        """Fill in the missing parts, build the saver, finalise the default graph; return self.

        A missing part is the single item of its graph collection, or is made and put there;
        RuntimeError if the collection holds several. Safe to call again.

        Rules: MTS-SCF-02 to MTS-SCF-06, MTS-SCF-09, MTS-SCF-10.
        """
        makers = (_default_init_op, _default_ready_op, _default_local_ready_op, Scaffold.default_local_init_op)
        for part, make in zip(_MADE_IF_MISSING, (*makers, tf.summary.merge_all), strict=True):
            if getattr(self, "_" + part) is None:
                # MTS-SCF-02, MTS-SCF-03
                key = getattr(tf.GraphKeys, part.upper())
                setattr(self, "_" + part, Scaffold.get_or_default(part, key, make))
        # MTS-SCF-06
        if self._saver is None:
            self._saver = saver_or_default()
        # MTS-SCF-10, Q-43: the Checkpoint of TensorFlow 2; that of TensorFlow 1 has no `build`.
        if isinstance(self._saver, _tensorflow.Checkpoint):
            self._saver = saver_for_checkpoint_object(self._saver)
        else:
            self._saver.build()
        # MTS-GRAPH-01
        tf.get_default_graph().finalize()
        # MTS-SCF-09
        tf.logging.info("Graph was finalized.")
        return self

    @property
    def init_fn(self) -> Callable[[tf.Session], None] | None:
        """What runs after `init_op`, as a function of the session. Rule: MTS-SCF-07."""
        return self._init_fn

    @property
    def init_op(self) -> tf.Operation | None:
        """Initialises global variables and shared resources; skipped after a restore."""
        return self._init_op

    @property
    def init_feed_dict(self) -> dict[Any, Any] | None:
        """The feeds of `init_op`."""
        return self._init_feed_dict

    @property
    def ready_op(self) -> tf.Tensor | None:
        """The names of all variables and resources that are not initialised."""
        return self._ready_op

    @property
    def ready_for_local_init_op(self) -> tf.Tensor | None:
        """The names of the global variables and shared resources that are not initialised."""
        return self._ready_for_local_init_op

    @property
    def local_init_op(self) -> tf.Operation | None:
        """Initialises local variables, tables and local resources, in every session."""
        return self._local_init_op

    @property
    def local_init_feed_dict(self) -> dict[Any, Any] | None:
        """The feeds of `local_init_op`."""
        return self._local_init_feed_dict

    @property
    def summary_op(self) -> tf.Tensor | None:
        """All summaries merged; None if the graph has none."""
        return self._summary_op

    @property
    def saver(self) -> Any:
        """Saves and restores the model."""
        return self._saver

    @staticmethod
    def get_or_default(arg_name: str, collection_key: str, default_constructor: Callable[[], Any]) -> Any:
        """Return the single item of a collection, or make one and put it there unless None.

        RuntimeError, its arguments unformatted as TensorFlow leaves them, if there are several.

        Rules: MTS-SCF-03, MTS-SCF-04.
        """
        items = tf.get_collection(collection_key)
        if len(items) > 1:
            text = 'More than one item in the collection "%s". Please indicate which one to use by passing it to '
            text += "the tf.Scaffold constructor as:  tf.Scaffold(%s=item to use)"
            # MTS-SCF-04, Q-02
            raise RuntimeError(text, collection_key, arg_name)
        # MTS-GRAPH-05
        if items:
            return items[0]
        made = default_constructor()
        if made is not None:
            tf.add_to_collection(collection_key, made)
        return made

    @staticmethod
    def default_local_init_op() -> tf.Operation:
        """Return an op that initialises local variables, tables and local resources.

        Rule: MTS-SCF-05.
        """
        variables, tables = tf.local_variables_initializer(), tf.tables_initializer()
        return tf.group(variables, tables, _initialize(tf.GraphKeys.LOCAL_RESOURCES))


def _default_init_op() -> tf.Operation:
    # MTS-SCF-05
    variables, resources = tf.global_variables_initializer(), _initialize(tf.GraphKeys.RESOURCES)
    return tf.group(variables, resources, tf.get_collection("saved_model_initializers"))


def _default_ready_op() -> tf.Tensor:
    # MTS-SCF-05
    variables = tf.report_uninitialized_variables()
    return tf.concat([variables, _uninitialized(tf.GraphKeys.RESOURCES, tf.GraphKeys.LOCAL_RESOURCES)], 0)


def _default_local_ready_op() -> tf.Tensor:
    # MTS-SCF-05
    variables = tf.report_uninitialized_variables(tf.global_variables())
    return tf.concat([variables, _uninitialized(tf.GraphKeys.RESOURCES)], 0)


def _initialize(collection_key: str) -> tf.Operation:
    return tf.group(*[resource.create for resource in tf.get_collection(collection_key)], name="init")


def _uninitialized(*collection_keys: str) -> tf.Tensor:
    """Return the handle names of those resources that are not initialised."""
    resources = [resource for key in collection_keys for resource in tf.get_collection(key)]
    device = os.environ.get("TF_DEVICE_FOR_UNINITIALIZED_VARIABLE_REPORTING", "/cpu:0")
    with tf.name_scope("report_uninitialized_resources"), tf.device(device):
        if not resources:
            return tf.constant([], dtype=tf.string)
        missing = tf.logical_not(tf.stack([resource.is_initialized for resource in resources]))
        return tf.boolean_mask(tf.constant([resource.handle.name for resource in resources]), missing)
