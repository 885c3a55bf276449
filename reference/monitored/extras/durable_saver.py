"""Checkpoints that outlive a power cut: everything is on the disk before the state file names it.

A process that is killed loses nothing without this: what it wrote is the kernel's. A machine that
loses power loses what the kernel has not yet written, in no particular order: a state file can be
there and the checkpoint that it names be empty.

What is written, and how files are named, listed and deleted, is `Saver`'s business.
"""

import os
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
    first save into a folder flushes the folders above it too, as far as they can be opened.

    What cannot be flushed raises OSError with the path: the state file is the earlier one, the
    checkpoints it lists are there, and the files of this one stay behind, unlisted.

    Takes what `Saver` takes, and is given as `Scaffold(saver=...)` or to a hook. Local folders only:
    a path with a scheme (`gs://...`) raises ValueError, since nothing can be said of when such a
    store is done. An empty saver writes the meta graph alone, and flushes nothing.

    Rules: MTS-CKP-01 to MTS-CKP-08, but for the order of meta graph and state file.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._flushed_folders: set[str] = set()
        super().__init__(*args, **kwargs)

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
        self._flush(directory, written)
        if write_state:
            state_name = "checkpoint" if latest_filename is None else latest_filename
            self._list_checkpoint(written, os.path.dirname(save_path), state_name)
            self._delete_one_evicted(meta_graph_suffix)
        return written

    def _flush(self, directory: str, path: str) -> None:
        for file in _files_of(directory, path):
            _fsync(file)
        _fsync(directory)
        if directory not in self._flushed_folders:
            _flush_folders_above(directory)
            self._flushed_folders.add(directory)

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


def _files_of(directory: str, path: str) -> Iterator[str]:
    """Find a checkpoint's files, those of the V1 format and of shards too, whatever characters are in its name."""
    name = os.path.basename(checkpoint_state.meta_graph_filename(path, ""))[: -len(".")]
    for found in sorted(os.listdir(directory)):
        if found == name or found.startswith((f"{name}.", f"{name}-")):
            yield os.path.join(directory, found)


def _flush_folders_above(directory: str) -> None:
    # The folder itself may be new, and is as lost as its files when the one above does not know it.
    above = os.path.dirname(os.path.abspath(directory))
    while above != os.path.dirname(above):
        if os.access(above, os.R_OK):
            _fsync(above)
        above = os.path.dirname(above)


def _fsync(path: str) -> None:
    """Flush a file or a folder to the disk; OSError names it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise OSError(error.errno, f"cannot be flushed to the disk: {error.strerror}", path) from None
    finally:
        os.close(descriptor)
