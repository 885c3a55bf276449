"""Checkpoints that outlive a power cut: everything is on the disk before the state file names it.

A process that is killed loses nothing without this: what it wrote is the kernel's. A machine that
loses power loses what the kernel has not yet written, in no particular order: a state file can be
there and the checkpoint that it names be empty.

What is written, and how files are named, listed and deleted, is `Saver`'s business.
"""

import errno
import os
import pathlib
import re
import uuid
from collections.abc import Iterator
from typing import Any

import tensorflow.compat.v1 as tf

from monitored import checkpoint_state
from monitored.saver import Saver


class DurableSaver(Saver):
    """A `Saver` whose checkpoints are on the disk when the state file names them, and when `save` returns.

    In this order: the values, the index and the meta graph are written and flushed to the disk with
    `fsync`, then the folder; the new state file is written beside the old one, flushed, and moved
    over it; the folder is flushed again; only then is an old checkpoint deleted. So there is another
    difference to `Saver`: the meta graph is there before the state file names its checkpoint. The
    folders above are flushed with the folder, those that can be opened, since it may be new.

    Only what this machine has written is flushed. Parameter servers on other machines write the
    values of their variables themselves, and no flush here reaches what their kernels still hold.

    What cannot be flushed raises OSError with the path. Until the new state file is moved into place
    the earlier one stands, and the checkpoints it lists are there. If only the last flush fails, that
    of the folder after the move, the new state file stands and lists this checkpoint, but may not
    outlive a loss of power. The files of this checkpoint stay. If the folder was flushed, but the state
    file could not be written, flushed or moved, the saver counts this checkpoint among its last ones:
    the next save lists it, and it is deleted in its turn. If not, nothing lists or deletes it.

    Takes what `Saver` takes, and is given as `Scaffold(saver=...)` or to a hook. Local folders only:
    a path with a scheme (`gs://...`) raises ValueError, since nothing can be said of when such a
    store is done. An empty saver writes the meta graph alone, and flushes nothing.

    Rules: MTS-CKP-01 to MTS-CKP-08, but for the order of meta graph and state file.
    """

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
        """Write a checkpoint as `Saver.save` does, each file on the disk before the state file names it."""
        save_path = tf.compat.as_str(save_path)
        if "://" in save_path:
            text = "must be in a local folder, whose files can be flushed to the disk"
            raise ValueError(f"save_path of a DurableSaver {text}, not {save_path!r}. Use Saver for other stores.")
        names = (save_path, global_step, latest_filename, meta_graph_suffix)
        how = (strip_default_attrs, save_debug_info)
        written = super().save(sess, *names, write_meta_graph, False, *how)
        if written is None:
            return None
        directory = os.path.dirname(save_path) or os.curdir
        self._flush(directory, written, meta_graph_suffix)
        if write_state:
            state_name = "checkpoint" if latest_filename is None else latest_filename
            self._list_checkpoint(written, os.path.dirname(save_path), state_name)
            self._delete_one_evicted(meta_graph_suffix)
        return written

    def _flush(self, directory: str, path: str, meta_graph_suffix: str) -> None:
        for file in _files_of(directory, path, meta_graph_suffix):
            _fsync(file)
        _fsync(directory)
        _flush_folders_above(directory)

    def _list_checkpoint(self, path: str, directory: str, state_name: str) -> None:
        """Have the state written under another name, and move it to its own when it is on the disk."""
        state_file = os.path.join(directory, state_name)
        if state_file == path:
            super()._list_checkpoint(path, directory, state_name)  # which says that it must not be
            return
        unfinished = f"{state_name}.tmp{uuid.uuid4().hex}"
        super()._list_checkpoint(path, directory, unfinished)
        try:
            _fsync(os.path.join(directory, unfinished))
            os.replace(os.path.join(directory, unfinished), state_file)
        except OSError:
            os.remove(os.path.join(directory, unfinished))
            raise
        _fsync(directory or os.curdir)


def _files_of(directory: str, path: str, meta_graph_suffix: str) -> Iterator[str]:
    """Find a checkpoint's files: index and data, or the file or the shards of the V1 format; the meta graph."""
    # A sharded V1 checkpoint is named with a pattern in the place of the shard's number.
    name = re.sub(r"(\\\?){5}(?=\\-of\\-\d+\Z)", "[0-9?]{5}", re.escape(os.path.basename(path)))
    meta_graph = re.escape(os.path.basename(checkpoint_state.meta_graph_filename(path, meta_graph_suffix)))
    theirs = re.compile(rf"{name}(\.index|\.data-\d+-of-\d+)?|{meta_graph}")
    for found in sorted(os.listdir(directory)):
        if theirs.fullmatch(found):
            yield os.path.join(directory, found)


def _flush_folders_above(directory: str) -> None:
    # A folder that is new is as lost as its files when the one above does not know it.
    for above in pathlib.Path(os.path.realpath(directory)).parents:
        try:
            _fsync(str(above))
        except PermissionError:
            continue
        except OSError as error:
            # Some file systems cannot flush a folder; on one that is read-only nothing is new.
            if error.errno not in (errno.EINVAL, errno.EROFS):
                raise


def _fsync(path: str) -> None:
    """Flush a file or a folder to the disk; OSError names it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise OSError(error.errno, f"cannot be flushed to the disk: {error.strerror}", path) from None
    finally:
        os.close(descriptor)
