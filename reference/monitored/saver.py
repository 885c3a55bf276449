"""``Saver``: writes a graph's variables to checkpoints and reads them back.

Responsible for what a call of ``save`` or ``restore`` does, step by step: names, the run of the
save or restore op, the state file, deleting old checkpoints, the meta graph. Not responsible for
the ops (``saver_ops.py``), for what is saved (``saveables.py``), for which checkpoints are kept
(``retention.py``), or for the format of the state file (``checkpoint_state.py``).

Source: tensorflow/python/training/saver.py
"""

import math
import os
import time
import weakref
from typing import Any

import tensorflow.compat.v1 as tf

from monitored import _tensorflow, checkpoint_state, object_checkpoint, retention
from monitored.global_step import global_step as read_global_step
from monitored.graph_text import Serialized
from monitored.object_checkpoint import explained
from monitored.saveables import everything_saveable
from monitored.saver_ops import SaverOps, add_scope, check, refuse_eager_mode, warn_of_v1, without_scope

_V2: int = tf.train.SaverDef.V2
_BUILD_OPTIONS = ("reshape", "sharded", "max_to_keep", "keep_checkpoint_every_n_hours", "name", "filename")


class Saver:
    """Saves variables under numbered paths, keeps the newest few, and restores them.

    It works in graph mode. A checkpoint written by `tf.train.Saver` restores here and the other way
    round; so do state files, meta graphs and SaverDefs.
    """

    def __init__(
        self,
        var_list: Any = None,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        saver_def: Any = None,
        builder: Any = None,
        defer_build: bool = False,
        allow_empty: bool = False,
        write_version: int = _V2,
        pad_step_number: bool = False,
        save_relative_paths: bool = False,
        filename: str | None = None,
    ) -> None:
        """Take what to save and how, and add the ops unless ``defer_build``.

        ``var_list`` None means all global variables and everything in SAVEABLE_OBJECTS, as of the
        moment the ops are built; with none of these, ValueError unless ``allow_empty``, and then
        the saver is empty: it saves a meta graph and restores nothing. With ``saver_def`` no ops are added:
        those it names are used, and ``name`` is the scope they were imported under.
        """
        if defer_build and var_list:
            text = "Either set defer_build=False or var_list=None."
            raise ValueError(f"If `var_list` is provided then build cannot be deferred. {text}")
        refuse_eager_mode(var_list)
        self._var_list, self._allow_empty = var_list, allow_empty
        self._reshape, self._sharded, self._restore_sequentially = reshape, sharded, restore_sequentially
        self._max_to_keep, self._keep_checkpoint_every_n_hours = max_to_keep, keep_checkpoint_every_n_hours
        self._name, self._filename, self._builder = name, filename, builder
        self._pad_step_number, self._save_relative_paths = pad_step_number, save_relative_paths
        self.saver_def, self._write_version = saver_def, write_version
        self._is_built = False
        self._is_empty: bool | None = None
        self._last_checkpoints: list[retention.SavedCheckpoint] = []
        self._checkpoints_to_be_deleted: list[retention.SavedCheckpoint] = []
        self._next_checkpoint_time = math.inf
        self._object_restore_saver: Saver | None = None
        self._meta_graph: tuple[Any, Any] = (None, None)
        if not defer_build:
            self.build()
        if self.saver_def:
            check(self.saver_def)
            self._write_version = self.saver_def.version

    def build(self) -> None:
        """Add the save and restore ops to the graph; a second call does nothing."""
        if tf.executing_eagerly():
            raise RuntimeError("Use save/restore instead of build in eager mode.")
        if self._is_built:
            return
        self._is_built = True
        if not self.saver_def:
            self._build_ops()
            if self._is_empty:
                return
        elif self._name:
            add_scope(self.saver_def, self._name)
        check(self.saver_def)
        period = self.saver_def.keep_checkpoint_every_n_hours * 3600
        self._next_checkpoint_time = time.time() + period

    def save(
        self,
        sess: Any,
        save_path: str,
        global_step: Any = None,
        latest_filename: str | None = None,
        meta_graph_suffix: str = "meta",
        write_meta_graph: bool = True,
        write_state: bool = True,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> str | None:
        """Write a checkpoint, the state file and the meta graph; return the checkpoint's path.

        In this order: run the save op, list the checkpoint, replace the state file, delete at most
        one old checkpoint, write the meta graph. ``global_step`` (a number, or a tensor that is
        evaluated) is appended to the path. An empty saver writes the meta graph alone and returns
        None. Raises RuntimeError before ``build``, TypeError for what is no `tf.Session` (a
        monitored session is none), ValueError for a missing parent directory or a path that
        collides with the state file.

        Rules: MTS-CKP-01, MTS-CKP-02, MTS-CKP-04, MTS-CKP-06, MTS-CKP-08. Quirks: Q-31.
        """
        if not self._is_built:
            raise RuntimeError("`build()` should be called before save if defer_build==True")
        state_name = "checkpoint" if latest_filename is None else latest_filename
        if self._write_version != _V2:
            warn_of_v1()
        if os.path.split(state_name)[0]:
            raise ValueError("'latest_filename' must not contain path components")
        save_path = tf.compat.as_str(save_path)
        # MTS-CKP-01
        target = self._numbered_path(sess, save_path, global_step, state_name)
        if not _tensorflow.is_session(sess):
            raise TypeError(f"'sess' must be a Session; {sess}")
        written: str | None = None
        #
        if not self._is_empty:
            directory = os.path.dirname(save_path)
            try:
                fetch, feed = self.saver_def.save_tensor_name, self.saver_def.filename_tensor_name
                written = tf.compat.as_str(sess.run(fetch, {feed: target}))
                # MTS-CKP-02, MTS-CKP-04
                if write_state:
                    self._list_checkpoint(written, directory, state_name)
                    self._delete_one_evicted(meta_graph_suffix)
            except (tf.errors.FailedPreconditionError, tf.errors.NotFoundError):
                if tf.io.gfile.isdir(directory):
                    raise
                # MTS-CKP-08
                text = f"Parent directory of {save_path} doesn't exist, can't save."
                raise ValueError(text)  # noqa: B904 - chained as TensorFlow does
        if write_meta_graph:
            meta_file = checkpoint_state.meta_graph_filename(target, meta_graph_suffix)
            self._write_meta_graph(sess, meta_file, strip_default_attrs, save_debug_info)
        return written

    def restore(self, sess: Any, save_path: str) -> None:
        """Assign every variable the value that a checkpoint holds for it.

        An empty saver does nothing. Raises ValueError for None and for a path without files. A
        variable that the checkpoint lacks raises NotFoundError, any other mismatch
        InvalidArgumentError, each with a hint before the original message. A resource variable
        takes a stored value of another shape silently. An object-based checkpoint is restored by
        variable names, with a WARNING.

        Rules: MTS-SES-13, MTS-CKP-08.
        """
        if self._is_empty:
            return
        if save_path is None:
            raise ValueError("Can't load save_path when it is None.")
        prefix = tf.compat.as_text(save_path)
        if not checkpoint_state.checkpoint_exists(prefix):
            raise ValueError("The passed save_path is not a valid checkpoint: " + prefix)
        tf.logging.info("Restoring parameters from %s", prefix)
        try:
            feed = {self.saver_def.filename_tensor_name: save_path}
            sess.run(self.saver_def.restore_op_name, feed)
        except tf.errors.NotFoundError as error:
            self._restore_by_object_keys(sess, save_path, error)
        except tf.errors.InvalidArgumentError as error:
            cause = "a mismatch between the current graph and the graph"
            raise explained(error, cause)  # noqa: B904 - chained as TensorFlow does

    @property
    def last_checkpoints(self) -> list[str]:
        """The paths of the checkpoints not yet deleted, oldest first, as a new list."""
        return [path for path, _ in self._last_checkpoints]

    def set_last_checkpoints(self, last_checkpoints: list[str]) -> None:
        """Replace the list of checkpoints; these will never be deleted.

        Their time is infinite, so each counts as saved after every keep time.
        """
        assert isinstance(last_checkpoints, list)
        self._last_checkpoints = [(path, math.inf) for path in last_checkpoints]

    def set_last_checkpoints_with_time(self, last_checkpoints_with_time: list[Any]) -> None:
        """Replace the list of checkpoints by (path, seconds since the epoch), oldest first."""
        assert isinstance(last_checkpoints_with_time, list)
        self._last_checkpoints = last_checkpoints_with_time

    def recover_last_checkpoints(self, checkpoint_paths: list[str]) -> None:
        """Replace the list by those of the given checkpoints that exist, timed by their files.

        Rules: MTS-SES-05.
        """
        found = []
        for path in checkpoint_paths:
            try:
                changed = checkpoint_state.get_checkpoint_mtimes([path])
            except tf.errors.NotFoundError:
                continue  # Another process deletes old checkpoints meanwhile.
            found += [(path, when) for when in changed]
        self.set_last_checkpoints_with_time(found)

    def as_saver_def(self) -> Any:
        """Return the SaverDef; None while unbuilt or for an empty saver."""
        return self.saver_def

    def to_proto(self, export_scope: str | None = None) -> Any:
        """Return the SaverDef with a scope removed from its names; None if one is outside it."""
        if export_scope is None:
            return self.saver_def
        return without_scope(self.saver_def, export_scope)

    @staticmethod
    def from_proto(saver_def: Any, import_scope: str | None = None) -> "Saver":
        """Make a saver that uses the ops a SaverDef names, imported under a scope if given."""
        return Saver(saver_def=saver_def, name=import_scope)

    def export_meta_graph(
        self,
        filename: str | None = None,
        collection_list: list[str] | None = None,
        as_text: bool = False,
        export_scope: str | None = None,
        clear_devices: bool = False,
        clear_extraneous_savers: bool = False,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> Any:
        """Return the default graph as MetaGraphDef with this saver in it, and write it if named."""
        graph_def = tf.get_default_graph().as_graph_def(add_shapes=True)
        what = (filename, None, graph_def, self.saver_def, collection_list, as_text, None, export_scope)
        how = (clear_devices, clear_extraneous_savers, strip_default_attrs, save_debug_info)
        return tf.train.export_meta_graph(*what, *how)

    def _build_ops(self) -> None:
        if self._var_list is None:
            self._var_list = everything_saveable()
        if not self._var_list and not self._allow_empty:
            raise ValueError("No variables to save")
        self._is_empty = not self._var_list
        if self._is_empty:
            return
        self._builder = self._builder or SaverOps(self._write_version)
        options = {option: getattr(self, f"_{option}") for option in (*_BUILD_OPTIONS, "restore_sequentially")}
        self.saver_def = self._builder.build(self._var_list, **options)

    def _write_meta_graph(self, sess: Any, file: str, strip: bool, debug: bool) -> None:
        """Write the meta graph; that of a graph which stays final is made once for each session."""
        how: dict[str, Any] = {"strip_default_attrs": strip, "save_debug_info": debug}
        state = (weakref.ref(sess), sess.graph.version, strip)
        stays = sess.graph.finalized and not debug
        if stays and state == self._meta_graph[0]:
            tf.io.write_graph(self._meta_graph[1], *os.path.split(file), as_text=False)
            return
        with sess.graph.as_default():
            exported = self.export_meta_graph(file, **how)
        if stays:
            self._meta_graph = (state, Serialized(exported.SerializeToString(deterministic=True)))

    def _numbered_path(self, sess: Any, save_path: str, step: Any, state_name: str) -> str:
        if step is None:
            # MTS-CKP-06
            if os.path.basename(save_path) == state_name and not self._sharded:
                names = f"'{state_name}' and '{save_path}'"
                raise ValueError(f"'latest_filename' collides with 'save_path': {names}")
            return save_path
        if not isinstance(step, tf.compat.integral_types):
            step = read_global_step(sess, step)
        return f"{save_path}-{step:08d}" if self._pad_step_number else f"{save_path}-{step:d}"

    def _list_checkpoint(self, path: str, directory: str, state_name: str) -> None:
        if limit := self.saver_def.max_to_keep:
            kept, evicted = retention.record(self._last_checkpoints, path, time.time(), limit)
            self._last_checkpoints[:] = kept
            if evicted:
                self._checkpoints_to_be_deleted.append(evicted)
        paths = self.last_checkpoints
        if self._save_relative_paths:
            path, *paths = (_relative_to(directory, item) for item in (path, *paths))
        checkpoint_state.update_checkpoint_state(directory, path, paths, state_name)

    def _delete_one_evicted(self, meta_graph_suffix: str) -> None:
        if not self._checkpoints_to_be_deleted:
            return
        # MTS-CKP-02, MTS-CKP-03
        path, saved_at = self._checkpoints_to_be_deleted.pop(0)
        spared, self._next_checkpoint_time = retention.spare(
            saved_at, self._next_checkpoint_time, self.saver_def.keep_checkpoint_every_n_hours
        )
        if spared:
            return
        try:
            checkpoint_state.remove_checkpoint(path, self.saver_def.version, meta_graph_suffix)
        except Exception as error:
            tf.logging.warning("Ignoring: %s", str(error))

    def _restore_by_object_keys(self, sess: Any, save_path: str, error: tf.errors.OpError) -> None:
        try:
            keys = object_checkpoint.keys_by_variable_name(save_path)
        except tf.errors.NotFoundError:
            cause = "a Variable name or other graph key that is missing"
            raise explained(error, cause)  # noqa: B904 - chained as TensorFlow does
        tf.logging.warning(object_checkpoint.RESTORED_BY_NAME)
        var_list = everything_saveable() if self._var_list is None else self._var_list
        saveables = object_checkpoint.saveables_under_object_keys(var_list, keys)
        if self._object_restore_saver is None:
            self._object_restore_saver = Saver(saveables)
        self._object_restore_saver.restore(sess, save_path)


def saver_or_default() -> Any:
    """Return the one saver in the collection SAVERS, or add a sharded one that may be empty.

    Several raise RuntimeError.

    Rules: MTS-SCF-04, MTS-SCF-06.
    """
    savers = tf.get_collection(tf.GraphKeys.SAVERS)
    if len(savers) > 1:
        text = "Please indicate which one to use by passing it to the constructor."
        raise RuntimeError(f"More than one item in collection {tf.GraphKeys.SAVERS}. {text}")
    if savers:
        # MTS-GRAPH-05
        return savers[0]
    saver = Saver(sharded=True, allow_empty=True)
    tf.add_to_collection(tf.GraphKeys.SAVERS, saver)
    return saver


def saver_for_checkpoint_object(checkpoint: Any) -> "Saver":
    """Make a saver that writes and reads what a `tf.train.Checkpoint` tracks, in its format.

    Rules: MTS-SCF-10.
    """
    return Saver(object_checkpoint.saveables_of_checkpoint(checkpoint), sharded=True)


def _relative_to(directory: str, path: str) -> str:
    return os.path.relpath(path, directory) if os.path.isabs(path) else path
