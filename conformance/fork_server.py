"""Runs conformance tests against changed copies of a package, one forked child for each copy.

TensorFlow takes seconds to import and pytest seconds to collect, so one parent does both, and every
child starts from there. TensorFlow's threads start with the first session and do not survive a
fork: the parent makes none, and refuses to. It knows nothing of why a copy is changed, or of what
its fate means.
"""

import compileall
import contextlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
from typing import Any, Callable, Iterator, NamedTuple

import pytest

_MEMORY_BYTES = 12 << 30
_FIRST_PATIENCE_SECS = 300.0


class Trial(NamedTuple):
    """What one child does: import the package with `sources` changed, run `tests` until one fails.

    `patience_secs` gives for each test how long it may take; with `record` the child runs all of
    them and reports which lines of the package each one ran.
    """

    name: str
    sources: dict[str, str]
    tests: list[int]
    patience_secs: list[float]
    record: bool = False


class Outcome(NamedTuple):
    """How a trial ended: `verdict` is killed, survived, timeout or crashed; `test` ended it."""

    name: str
    verdict: str
    test: str
    tests: int
    programs: int
    seconds: float
    reason: str


class Measured(NamedTuple):
    """One test on the unchanged package: did it pass, how long it took, which lines it ran."""

    test: int
    passed: bool
    seconds: float
    lines: dict[str, list[int]]


class ForkServer:
    """A pytest plugin: collects the tests, then lets `work(server)` decide what runs."""

    def __init__(self, package: str, directory: str, work: Callable[["ForkServer"], None]) -> None:
        self.package, self._work = package, work
        self.folder = tempfile.mkdtemp(prefix="mutants-")
        self._clean = os.path.join(self.folder, "clean", package)
        shutil.copytree(directory, self._clean, ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(self._clean, quiet=2)
        self.items: list[Any] = []
        self.names: list[str] = []
        self.failure: BaseException | None = None
        self._failed: list[str] = []

    def __enter__(self) -> "ForkServer":
        return self

    def __exit__(self, *_: Any) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        import hypothesis  # pytest wants to be first to import its plugins

        # A killed mutant's smallest program interests nobody.
        hypothesis.settings.register_profile(
            "mutants",
            hypothesis.settings.default,
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
            report_multiple_bugs=False,
        )
        hypothesis.settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        self.items = session.items
        self.names = [item.nodeid for item in self.items]
        if self.package in sys.modules:
            raise RuntimeError(f"{self.package} was imported while tests were collected")
        with _no_sessions():
            try:
                self._work(self)
            except Exception as error:
                self.failure = error
        return True

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self._failed.append(_reason(report))

    def sources(self) -> str:
        """Return the directory of the unchanged package, as it was when the server started."""
        return self._clean

    def run(self, trials: Iterator[Trial], jobs: int, report: Callable[[Trial, Any], None]) -> None:
        """Run trials, `jobs` at a time; `report` gets every Measured, and an Outcome at the end."""
        running: dict[int, _Child] = {}
        exhausted = False
        try:
            while True:
                while not exhausted and len(running) < jobs:
                    trial = next(trials, None)
                    if trial is None:
                        exhausted = True
                    else:
                        child = self._fork(trial)
                        running[child.pipe] = child
                if not running:
                    return
                ready, _, _ = select.select(list(running), [], [], 0.2)
                for pipe in list(running):
                    child = running[pipe]
                    outcome = child.read(report) if pipe in ready else child.late()
                    if outcome is not None:
                        del running[pipe]
                        child.end()
                        report(child.trial, outcome)
        finally:
            for child in running.values():
                child.end()

    def _fork(self, trial: Trial) -> "_Child":
        folder = tempfile.mkdtemp(prefix="one-", dir=self.folder)
        self._write_copy(trial, folder)
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(reading)
                self._be_a_child(trial, folder, writing)
                status = 0
            finally:
                os._exit(status)
        os.close(writing)
        return _Child(trial, pid, reading, folder, self.names)

    def _write_copy(self, trial: Trial, folder: str) -> None:
        copy = os.path.join(folder, self.package)
        shutil.copytree(self._clean, copy, copy_function=os.link)
        for module, source in trial.sources.items():
            path = os.path.join(copy, *module.split(".")) + ".py"
            os.unlink(path)
            with open(path, "w", encoding="utf-8") as file:
                file.write(source)
            name = module.rpartition(".")[2]
            for compiled in os.listdir(_cache_of(path)) if os.path.isdir(_cache_of(path)) else ():
                if compiled.startswith(name + "."):
                    os.unlink(os.path.join(_cache_of(path), compiled))

    def _be_a_child(self, trial: Trial, folder: str, pipe: int) -> None:
        os.setpgid(0, 0)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        resource.setrlimit(resource.RLIMIT_AS, (_virtual_memory() + _MEMORY_BYTES,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        tempfile.tempdir = folder
        sys.dont_write_bytecode = True
        sys.path.insert(0, folder)
        os.environ["PYTHONPATH"] = os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
        _allow_sessions()
        counter = _count_programs()
        recorder = _LineRecorder(os.path.join(folder, self.package)) if trial.record else None

        def send(**message: Any) -> None:
            os.write(pipe, json.dumps(message).encode() + b"\n")

        for position, index in enumerate(trial.tests):
            send(kind="start", test=index, position=position, programs=counter[0])
            if recorder:
                recorder.lines.clear()
            started = time.perf_counter()
            passed = self._passes(index, trial, position)
            if recorder:
                seconds = time.perf_counter() - started
                send(kind="measured", test=index, passed=passed, seconds=seconds, lines=recorder.result())
            elif not passed:
                programs, reason = counter[0], self._failed[-1]
                # Twice, so that a test that fails now and then is no judge.
                if not self._passes(index, trial, position):
                    send(kind="killed", programs=programs, reason=reason)
                    return
        send(kind="survived", programs=counter[0])

    def _passes(self, index: int, trial: Trial, position: int) -> bool:
        item = self.items[index]
        following = trial.tests[position + 1 : position + 2]
        self._failed = []
        try:
            item.config.hook.pytest_runtest_protocol(
                item=item, nextitem=self.items[following[0]] if following else None
            )
        except BaseException as error:  # pytest.exit, or what a mutant lets through
            self._failed.append(f"{type(error).__name__}: {error}"[:300])
        loaded = sys.modules.get(self.package)
        if loaded is not None and not str(loaded.__file__).startswith(self.folder):
            raise RuntimeError(f"the child imported {loaded.__file__}")
        return not self._failed


class _Child:
    """The parent's view of one child: what it has said, and by when it must say more."""

    def __init__(self, trial: Trial, pid: int, pipe: int, folder: str, names: list[str]) -> None:
        self.trial, self.pipe = trial, pipe
        self._pid, self._folder, self._names = pid, folder, names
        self._started = time.monotonic()
        self._deadline = self._started + _FIRST_PATIENCE_SECS
        self._unread = b""
        self._test, self._position, self._programs = -1, 0, 0

    def read(self, report: Callable[[Trial, Any], None]) -> Outcome | None:
        data = os.read(self.pipe, 1 << 20)
        if not data:
            return self._outcome("crashed", "the process ended without a word")
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            outcome = self._hear(json.loads(line), report)
            if outcome is not None:
                return outcome
        return None

    def _hear(self, message: dict[str, Any], report: Callable[[Trial, Any], None]) -> Outcome | None:
        kind = message.pop("kind")
        self._programs = message.pop("programs", self._programs)
        if kind == "measured":
            report(self.trial, Measured(**message))
        elif kind == "start":
            self._test, self._position = message["test"], message["position"]
            self._deadline = time.monotonic() + self.trial.patience_secs[self._position]
        elif kind == "killed":
            return self._outcome("killed", message["reason"])
        elif kind == "survived":
            self._test, self._position = -1, len(self.trial.tests) - 1
            return self._outcome("survived", "")
        return None

    def late(self) -> Outcome | None:
        if time.monotonic() < self._deadline:
            return None
        return self._outcome("timeout", "the test did not end in time")

    def _outcome(self, verdict: str, reason: str) -> Outcome:
        test = self._names[self._test] if self._test >= 0 else ""
        seconds = time.monotonic() - self._started
        return Outcome(self.trial.name, verdict, test, self._position + 1, self._programs, seconds, reason)

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self.pipe)
        shutil.rmtree(self._folder, ignore_errors=True)


class _LineRecorder:
    """Notes which lines of a package run, in every thread."""

    def __init__(self, directory: str) -> None:
        self._directory = directory + os.sep
        self.lines: set[tuple[str, int]] = set()
        if hasattr(sys, "monitoring"):
            self._monitor()
        else:
            threading.settrace(self._trace)
            sys.settrace(self._trace)

    def _monitor(self) -> None:
        monitoring = sys.monitoring  # type: ignore[attr-defined]
        tool, events = monitoring.COVERAGE_ID, monitoring.events

        def entered(code: Any, _: int) -> Any:
            if code.co_filename.startswith(self._directory):
                monitoring.set_local_events(tool, code, events.LINE)
            return monitoring.DISABLE

        monitoring.use_tool_id(tool, "conformance")
        monitoring.register_callback(tool, events.PY_START, entered)
        monitoring.register_callback(tool, events.LINE, lambda code, line: self.lines.add((code.co_filename, line)))
        monitoring.set_events(tool, events.PY_START)

    def _trace(self, frame: Any, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(self._directory):
            return None
        if event == "line":
            self.lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._trace

    def result(self) -> dict[str, list[int]]:
        """Return the lines by module since they were last cleared."""
        found: dict[str, list[int]] = {}
        for path, line in sorted(self.lines.copy()):
            module = path[len(self._directory) : -len(".py")].replace(os.sep, ".")
            found.setdefault(module, []).append(line)
        return found


def _cache_of(path: str) -> str:
    return os.path.join(os.path.dirname(path), "__pycache__")


def _virtual_memory() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _reason(report: Any) -> str:
    text = str(report.longrepr)
    marked = [line[1:].strip() for line in text.splitlines() if line.startswith("E  ")]
    return " | ".join(line for line in marked[:5] if line)[:400] or text.strip().splitlines()[-1][:400]


def _count_programs() -> list[int]:
    from conformance.harness import Harness

    counter = [0]
    judge = Harness.judge

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        counter[0] += 1
        return judge(self, *args, **kwargs)

    Harness.judge = counting  # type: ignore[method-assign]
    return counter


@contextlib.contextmanager
def _no_sessions() -> Iterator[None]:
    """Refuse to make a session in this process until a child allows it."""
    import tensorflow.compat.v1 as tf

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("the parent of forked children must not make a session")

    tf.Session.__new__ = refuse
    try:
        yield
    finally:
        _allow_sessions()


def _allow_sessions() -> None:
    import tensorflow.compat.v1 as tf

    # Deleting it instead would leave a class that takes no arguments.
    tf.Session.__new__ = lambda cls, *_, **__: object.__new__(cls)
