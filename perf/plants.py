"""Leaks that are planted, to see that a long run would report one."""

import os
import threading
from typing import Any

import tensorflow.compat.v1 as tf


class Plant:
    """Holds on to something each time that `grow` is called: what `kind` says, or nothing.

    `session` keeps the session (with its graph), `thread` starts one that never ends, `handle` opens a
    file, `file` leaves one in the folder, `writer` opens an event writer.
    """

    def __init__(self, kind: str = "") -> None:
        self._kind = kind
        self._kept: list[Any] = []
        self._never = threading.Event()

    def grow(self, session: Any, folder: str) -> None:
        """Hold one more."""
        if self._kind:
            self._kept.append(getattr(self, f"_{self._kind}")(session, folder))

    def _session(self, session: Any, folder: str) -> Any:
        return session

    def _thread(self, session: Any, folder: str) -> Any:
        thread = threading.Thread(target=self._never.wait, daemon=True)
        thread.start()
        return thread

    def _handle(self, session: Any, folder: str) -> Any:
        return open(os.devnull, "rb")

    def _file(self, session: Any, folder: str) -> Any:
        with open(os.path.join(folder, f"{len(self._kept)}.tempstate"), "w", encoding="ascii"):
            return None

    def _writer(self, session: Any, folder: str) -> Any:
        return tf.summary.FileWriterCache.get(os.path.join(os.path.dirname(folder), f"planted-{len(self._kept)}"))
