"""Faults of a disk, real where one can be had: each a context manager that ends them again.

A fault takes the folder that is saved into. The only fake is a `rename` that fails, which no local
file system does on request; it stands in the function below both sides.
"""

import contextlib
import errno
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any
from unittest import mock

from tensorflow.python.lib.io import file_io

from conformance.trace import tf

_NOBODY = 65534


@contextlib.contextmanager
def files_at_most(size: int, folder: str) -> Iterator[None]:
    """No file of this process can grow beyond `size` bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def mode(bits: int, folder: str) -> Iterator[None]:
    """The folder has these permission bits, and the process no right to pass over them."""
    above = os.path.dirname(folder)
    before = os.stat(folder).st_mode, os.stat(above).st_mode
    os.chmod(above, 0o755)
    os.chmod(folder, bits)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(_NOBODY)
    try:
        _is_what_stops(bits, folder)
        yield
    finally:
        if is_root:
            os.seteuid(0)
        os.chmod(folder, before[0])
        os.chmod(above, before[1])


@contextlib.contextmanager
def open_folder(near: str) -> Iterator[str]:
    """A folder for `mode`: for root the lowest one at or above `near` that every user can get to has it."""
    path = os.path.realpath(near)
    while os.geteuid() == 0 and not _everybody_gets_to(path):
        path = os.path.dirname(path)
    made = tempfile.mkdtemp(dir=path)
    os.chmod(made, 0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


def _everybody_gets_to(path: str) -> bool:
    above = os.path.dirname(path)
    return bool(os.stat(path).st_mode & 0o001) and (above == path or _everybody_gets_to(above))


def _is_what_stops(bits: int, folder: str) -> None:
    """See that the bits of the folder decide what is allowed, and not those of a folder above it."""
    try:
        os.stat(folder)  # needs only the folders above
        if bits & 0o444 == 0o444:
            os.listdir(folder)
    except PermissionError as error:
        text = f"user {os.geteuid()} cannot get there: use one where every folder above has mode 0755"
        raise RuntimeError(f"mode {bits:#o} of folder {folder!r} would not be the fault, {text}") from error


@contextlib.contextmanager
def gone(folder: str) -> Iterator[None]:
    """The folder is somewhere else."""
    os.rename(folder, folder + ".aside")
    try:
        yield
    finally:
        _remove(folder)
        os.rename(folder + ".aside", folder)


@contextlib.contextmanager
def a_file(folder: str) -> Iterator[None]:
    """A file is in the folder's place."""
    with gone(folder):
        with open(folder, "w") as file:
            file.write("no folder")
        yield


@contextlib.contextmanager
def a_dangling_link(folder: str) -> Iterator[None]:
    """A link to nowhere is in the folder's place."""
    with gone(folder):
        os.symlink(folder + ".nowhere", folder)
        yield


@contextlib.contextmanager
def another_folder(folder: str) -> Iterator[None]:
    """Somebody has moved the folder away and made an empty one."""
    with gone(folder):
        os.mkdir(folder)
        yield


@contextlib.contextmanager
def in_place_of(name: str, folder: str) -> Iterator[None]:
    """A folder that is not empty is where a file called `name` belongs."""
    path = os.path.join(folder, name)
    kept = os.path.exists(path)
    if kept:
        os.rename(path, path + ".aside")
    os.makedirs(os.path.join(path, "full"))
    try:
        yield
    finally:
        shutil.rmtree(path)
        if kept:
            os.rename(path + ".aside", path)


@contextlib.contextmanager
def rename(
    error: Any, folder: str, after: bool = False, before: Any = None, times: float = float("inf")
) -> Iterator[None]:
    """Moving a file raises `error`, before or `after` it has moved, so many times; `before` is called first of all."""
    real = file_io._pywrap_file_io.RenameFile
    failed: list[bool] = []

    def fail(*arguments: Any) -> None:
        if before is not None:
            before()
        fails = error is not None and len(failed) < times
        if after or not fails:
            real(*arguments)
        if fails:
            failed.append(True)
            raise error

    with mock.patch.object(file_io._pywrap_file_io, "RenameFile", fail):
        yield


@contextlib.contextmanager
def deleted_meanwhile(suffix: str) -> Iterator[None]:
    """Another process deletes each file with this suffix just before this one does."""
    real = file_io._pywrap_file_io.DeleteFile

    def late(path: Any, *arguments: Any) -> None:
        if os.fsdecode(path).endswith(suffix):
            os.remove(path)
        real(path, *arguments)

    with mock.patch.object(file_io._pywrap_file_io, "DeleteFile", late):
        yield


RENAME_ERRORS = {
    "refused": lambda: tf.errors.PermissionDeniedError(None, None, "rename is refused"),
    "no room": lambda: tf.errors.ResourceExhaustedError(None, None, "no room to rename"),
    "internal": lambda: tf.errors.InternalError(None, None, "what the file server says"),
    "not there": lambda: tf.errors.NotFoundError(None, None, "nothing to rename"),
    "OSError": lambda: OSError(errno.EIO, "cannot rename"),
}


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)


@contextlib.contextmanager
def damaged(how: str, path: str) -> Iterator[None]:
    """The file is empty, cut, longer, has a bit flipped, is another file, a folder, or gone."""
    with open(path, "rb") as file:
        content = bytearray(file.read())
    os.rename(path, path + ".aside")
    if how == "folder":
        os.mkdir(path)
    elif how != "gone":
        with open(path, "wb") as file:
            file.write(_changed(content, how))
    try:
        yield
    finally:
        _remove(path)
        os.rename(path + ".aside", path)


def _changed(content: bytearray, how: str) -> bytes:
    middle = len(content) // 2
    if how == "cut":
        del content[middle:]
    elif how == "one byte short":
        del content[-1]
    elif how == "longer":
        content += b"\0" * 100
    elif how.startswith("flipped"):
        content[{"flipped": middle, "flipped first": 0, "flipped last": -1}[how]] ^= 0x80
    elif how == "foreign":
        content = bytearray(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4)
    elif how == "zeros":
        content = bytearray(len(content))
    else:
        assert how == "empty", how
        content = bytearray()
    return bytes(content)
