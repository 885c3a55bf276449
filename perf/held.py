"""What a process holds at a moment, and what of that may not become more; needs no TensorFlow."""

from dataclasses import asdict, dataclass

COUNTS = (
    "threads",
    "python_threads",
    "handles",
    "event_files",
    "writers",
    "temporary",
    "graphs",
    "ops",
    "sessions",
    "monitored_sessions",
    "registered",
    "plans",
)
"""What may not become more, not by one."""

RSS = "rss"


@dataclass(frozen=True)
class Held:
    """What the process held after so many steps or sessions.

    `threads` are those of the system, `python_threads` those that Python knows; `handles` the open
    files, of which `event_files` are the event files; `writers` the entries of
    `tf.summary.FileWriterCache`; `temporary` the files below TMPDIR, without what a session that still
    runs has saved. `graphs` and their `ops`, `sessions` (`tf.Session`), `monitored_sessions` and
    `plans` (compiled requests) are objects alive after a collection, `registered` the threads that
    the coordinators alive keep.
    """

    steps: int
    rss: int
    threads: int = 0
    python_threads: int = 0
    handles: int = 0
    event_files: int = 0
    writers: int = 0
    temporary: int = 0
    graphs: int = 0
    ops: int = 0
    sessions: int = 0
    monitored_sessions: int = 0
    registered: int = 0
    plans: int = 0
    saves: int = 0
    seconds: float = 0.0

    def grew_since(self, before: "Held", rss_bound: float) -> list[str]:
        """Name what there is more of; of the memory, over `rss_bound` bytes more."""
        grown = [name for name in COUNTS if getattr(self, name) > getattr(before, name)]
        return grown + ([RSS] if self.rss > before.rss + rss_bound else [])

    def as_dict(self) -> dict[str, float]:
        """The fields, for JSON."""
        return asdict(self)


def grew(held: list[Held], rss_bound: float) -> list[str]:
    """Name what grew from the second look to the last."""
    return held[-1].grew_since(held[1], rss_bound)
