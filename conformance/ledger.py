"""What the tasks of a long run came to, written down, so that one that was cut off can go on.

It knows nothing of what a task is or what it comes to. Whether results are still good is decided by a
digest of the code they come from.
"""

import contextlib
import glob
import hashlib
import importlib.util
import os
import pickle
import sys
from typing import Any, Iterable

import hypothesis

from conformance import divergences
from conformance.trace import tf

FOLDER = os.path.dirname(os.path.abspath(__file__))


class LedgerError(Exception):
    """A ledger cannot be gone on with: there is none, or it is of other code."""


class Ledger:
    """What each task came to, written down as it ends, so that a long run that was cut off can go on.

    `state` stands for everything that a result depends on; a ledger of another state is no use.
    """

    def __init__(self, path: str, state: str, seed: int | None, resume: bool) -> None:
        self.seed = seed
        self.reused = 0
        self._path = path
        self._known: dict[str, Any] = {}
        if resume:
            self._read(state)
            return
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "wb") as file:
            pickle.dump((state, seed), file)

    def _read(self, state: str) -> None:
        seed = self.seed
        try:
            with open(self._path, "rb") as file:
                of_state, self.seed = pickle.load(file)
                end = file.tell()
                with contextlib.suppress(EOFError, pickle.UnpicklingError):  # it may have been cut off while writing
                    while True:
                        key, tally = pickle.load(file)
                        self._known[key] = tally
                        end = file.tell()
        except FileNotFoundError:
            raise LedgerError(f"{self._path} is not there: nothing to go on with") from None
        except (EOFError, pickle.UnpicklingError):
            raise LedgerError(f"{self._path} was cut off as it began: start again without --resume") from None
        if of_state != state:
            raise LedgerError(f"{self._path} is of other code or versions: start again without --resume")
        if seed not in (None, self.seed):
            raise LedgerError(f"{self._path} is of seed {self.seed}: leave --seed out to go on with it")
        os.truncate(self._path, end)

    def known(self, sides: Any, task: Any) -> Any:
        """Return what a task came to before."""
        return self._known.get(repr((sides, task)))

    def keep(self, sides: Any, task: Any, tally: Any) -> None:
        """Write down what a task came to."""
        with open(self._path, "ab") as file:
            pickle.dump((repr((sides, task)), tally), file)


def state_of_code(implementations: Iterable[str]) -> str:
    """Return a digest of the harness, of the implementations' own packages and of the versions they run on."""
    versions = tf.__version__, sys.version, hypothesis.__version__
    folders = {FOLDER}
    for name in implementations:
        package = name.partition(":")[0].partition(".")[0]
        spec = importlib.util.find_spec(package)
        if spec is not None and package != "tensorflow":
            folders |= set(spec.submodule_search_locations or [os.path.dirname(spec.origin or FOLDER)])
    return digest_of_code(folders, versions, (divergences.DATA_FILE,))


def digest_of_code(folders: Iterable[str], versions: Any, files: Iterable[str] = ()) -> str:
    """Return a digest of all Python below the folders, of the files and of the versions."""
    digest = hashlib.sha256(repr(versions).encode())
    found = [
        (folder, path) for folder in folders for path in glob.glob(f"{glob.escape(folder)}/**/*.py", recursive=True)
    ]
    for folder, path in sorted(found) + [(os.path.dirname(path), path) for path in files]:
        with open(path, "rb") as file:
            digest.update(os.path.relpath(path, folder).encode() + file.read())
    return digest.hexdigest()
