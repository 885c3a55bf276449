"""The clock of the tests, behind `time.time` and `time.sleep`."""


class VirtualClock:
    """Time that passes only when told to, or when somebody sleeps."""

    START = 1_700_000_000.0

    def __init__(self) -> None:
        self.now = self.START
        self.sleeps: list[float] = []

    def advance(self, secs: float) -> None:
        """Let `secs` seconds pass; negative ones set the clock back."""
        self.now += secs

    def reset(self) -> None:
        """Go back to the start, for the second implementation of a comparison."""
        self.now = self.START
        self.sleeps = []

    def time(self) -> float:
        return self.now

    def sleep(self, secs: float) -> None:
        self.sleeps.append(secs)
        self.now += secs
