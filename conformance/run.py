"""`python -m conformance run`: the whole comparison, its result as JSON, table and page.

Sampled programs of every strategy, the regressions, in the longer profiles the scenario chapters
(through pytest) and in `nightly` the complete enumeration. Exit codes: 0 the same, 1 differences,
2 wrong usage, 3 the device that was asked for is not there, 4 the harness failed on some program.
"""

import argparse
import datetime
import functools
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from typing import Any, Callable, Iterable

import hypothesis
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from conformance import campaign, devices, divergences, enumeration, implementations, ledger, report, strategies
from conformance import program as p
from conformance.compare import ConformanceError
from conformance.rules import GROUPS, RULES, group_of
from conformance.trace import tf

FOLDER = campaign.FOLDER
REGRESSIONS = os.path.join(FOLDER, "regressions")
SAME, DIFFERENT, USAGE, NO_DEVICE, BROKEN = 0, 1, 2, 3, 4
PROFILES = {"quick": 1000, "default": 3500, "nightly": 20000}
NOT_CHAPTERS = ("harness", "proof_of_power", "hook_programs", "programs", "command_line", "regressions")
_BATCH = 50
_TELL_SECS = 30.0
_CHAPTER_EXAMPLES = "25"


def add_side_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say what is compared, where, and with how many processes."""
    parser.add_argument("--oracle", help="the implementation that is right (default: tf.train)")
    parser.add_argument("--subject", help="the implementation under test (default: monitored)")
    parser.add_argument("--device", choices=("cpu", "gpu", "all"), default="cpu", help="where programs compute")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser.add_argument("--jobs", type=positive, default=cores, metavar="N", help="processes (default: one a core)")
    parser.add_argument("--out", metavar="DIR", default=os.path.join("build", "conformance"), help="where results go")


def add_resume_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the option to go on with a run that was cut off."""
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out that was cut off")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_side_arguments(parser)
    add_resume_argument(parser)
    parser.add_argument("--profile", choices=PROFILES, default="default", help="how much (default: default)")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--programs", type=positive, metavar="N", help="sampled programs, in place of the profile's")
    amount.add_argument("--minutes", type=float, metavar="M", help="sample programs for so long")
    parser.add_argument("--seed", type=int, help="the seed of all sampling (default: by chance)")
    parser.add_argument("--strategy", action="append", choices=list(strategies.BY_NAME), help="only this (repeatable)")
    parser.add_argument("--no-chapters", action="store_true", help="leave the scenario chapters out")


def positive(text: str) -> int:
    """Read a number of at least 1 from the command line."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


class MissingDeviceError(Exception):
    """The device that was asked for is not there."""


def sides_of(arguments: argparse.Namespace) -> tuple[list[campaign.Sides], str]:
    """Return what is compared on which device, and a remark on what is not; ImportError, MissingDeviceError."""
    oracle = implementations.oracle_name(arguments.oracle)
    subject = implementations.subject_name(arguments.subject)
    for name in (oracle, subject):
        implementations.load(name)
    cpu = campaign.Sides(oracle, subject)
    gpu = campaign.Sides(oracle, subject, devices.GPU)
    if arguments.device == "cpu":
        return [cpu], ""
    found = devices.gpus()
    if arguments.device == "gpu":
        if not found:
            raise MissingDeviceError("--device gpu: TensorFlow sees no GPU here")
        return [gpu], ""
    return ([cpu, gpu], "") if found else ([cpu], "GPU was not run: TensorFlow sees none here")


def regressions_of(sides: campaign.Sides, out: str) -> str:
    """Where shrunk programs go: with the project's own two sides, among those that run for ever."""
    usual = (implementations.DEFAULT_ORACLE, implementations.DEFAULT_SUBJECT)
    return REGRESSIONS if (sides.oracle, sides.subject) == usual else os.path.join(out, "differences")


def track(label: str, tasks: Iterable[tuple[Any, campaign.Tally]], total: int, into: campaign.Tally) -> int:
    """Show progress while the tasks are done, add up their tallies, and return how many were done.

    Where nobody looks at a bar, a line is printed every half minute.
    """
    number = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    started = told = time.monotonic()
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=console) as progress:
        bar = progress.add_task(label, total=total, note="")
        for number, (_, tally) in enumerate(tasks, 1):
            into.add(tally)
            done = sum(count for name, count in into.programs.items() if name != "pairs considered")
            note = f"{done:,} programs, {len(into.differences)} differences"
            progress.update(bar, advance=1, note=note)
            if not console.is_terminal and time.monotonic() - told > _TELL_SECS:
                told = time.monotonic()
                print(f"{label}: {number}/{total}, {note}, {told - started:.0f} s", file=sys.stderr, flush=True)
    return number


def or_exit_code(command: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Make a command return the exit code for what keeps it from beginning, and say what that is."""

    @functools.wraps(command)
    def guarded(arguments: argparse.Namespace) -> int:
        try:
            return command(arguments)
        except (ImportError, ledger.LedgerError) as error:
            print(error, file=sys.stderr)
            return USAGE
        except MissingDeviceError as error:
            print(error, file=sys.stderr)
            return NO_DEVICE

    return guarded


def _ledger(arguments: argparse.Namespace, sides: campaign.Sides, seed: int | None) -> ledger.Ledger:
    path = os.path.join(arguments.out, f"ledger-{arguments.command}.pickle")
    state = ledger.state_of_code((sides.oracle, sides.subject))
    return ledger.Ledger(path, state, seed, arguments.resume)


@or_exit_code
def main(arguments: argparse.Namespace) -> int:
    """Run everything the arguments ask for; return the exit code."""
    all_sides, remark = sides_of(arguments)
    seed = arguments.seed
    if seed is None and not arguments.resume:
        seed = random.SystemRandom().randrange(2**32)
    kept = _ledger(arguments, all_sides[0], seed)
    seed = kept.seed or 0
    started = time.monotonic()
    tally = campaign.Tally()
    sampling_seconds = 0.0
    for sides in all_sides:
        sampling_seconds += _sample(arguments, sides, seed, tally, kept)
    regressions_run = _replay_regressions(all_sides, arguments, tally)
    whole = None
    if arguments.profile == "nightly" and arguments.strategy is None and not arguments.programs:
        enumerated, whole = enumeration.main(
            argparse.Namespace(slice=(1, 1), pieces=None, jobs=arguments.jobs),
            all_sides[0],
            regressions_of(all_sides[0], arguments.out),
            track,
            kept,
        )
        tally.add(enumerated)
    chapters = None
    if arguments.profile != "quick" and not arguments.no_chapters:
        chapters = run_chapters(all_sides[0], seed)
    result = summarise(arguments, all_sides, seed, tally, chapters, whole)
    result["remark"] = remark
    result["regressions_run"] = regressions_run
    result["tasks_known_from_earlier_calls"] = kept.reused
    result["seconds"] = round(time.monotonic() - started, 1)
    sampled = [name for name in strategies.BY_NAME if tally.programs[name]]
    sampling_seconds = campaign.seconds_of(tally, sampled, sampling_seconds, arguments.jobs)
    result["programs_per_second"] = round(sum(tally.programs[name] for name in sampled) / sampling_seconds, 2)
    return conclude(result, arguments.out)


def conclude(result: Any, out: str) -> int:
    """Write the result and its page, print the table, return the exit code."""
    os.makedirs(out, exist_ok=True)
    path = os.path.join(out, "result.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1, ensure_ascii=False)
        file.write("\n")
    page = os.path.join(out, "report.html")
    report.write_page(result, page)
    report.print_table(result, Console())
    print(f"{path}\n{page}")
    if result["verdict"] == "different":
        return DIFFERENT
    return BROKEN if result["errors"] else SAME


def _sample(
    arguments: argparse.Namespace, sides: campaign.Sides, seed: int, tally: campaign.Tally, kept: ledger.Ledger
) -> float:
    names = arguments.strategy or list(strategies.BY_NAME)
    deadline = None
    programs = arguments.programs or PROFILES[arguments.profile]
    if arguments.minutes is not None:
        deadline = time.monotonic() + 60 * arguments.minutes
        programs = int(3000 * arguments.minutes) + _BATCH
    batches = campaign.batches(names, programs, seed, min(_BATCH, programs))
    started = time.monotonic()
    regressions = regressions_of(sides, arguments.out)
    tasks = campaign.run_tasks(sides, batches, campaign.run_batch, arguments.jobs, regressions, deadline, kept)
    track(f"sample on {sides.device or 'CPU'}", tasks, len(batches), tally)
    return time.monotonic() - started


def saved_programs() -> list[str]:
    """Return the paths of the shrunk programs that are kept."""
    if not os.path.isdir(REGRESSIONS):
        return []
    return [os.path.join(REGRESSIONS, name) for name in sorted(os.listdir(REGRESSIONS)) if name.endswith(".json")]


def _replay_regressions(all_sides: list[campaign.Sides], arguments: argparse.Namespace, tally: campaign.Tally) -> int:
    known = {difference.file for difference in tally.differences}
    paths = [path for path in saved_programs() if path not in known]
    for sides in all_sides if paths else ():
        comparer = campaign.Comparer(sides, regressions_of(sides, arguments.out))
        for path in paths:
            with open(path, encoding="utf-8") as file:
                program = p.from_json(file.read())
            try:
                comparer.compare(program, "regressions")
            except ConformanceError:
                comparer.keep_difference("regressions", 0)
        tally.add(comparer.take_tally())
    return len(paths)


def chapters() -> list[str]:
    """Return the test modules that hold scenarios, which are named after the chapters of the rules."""
    names = sorted(os.listdir(FOLDER))
    own = {f"test_{name}.py" for name in NOT_CHAPTERS}
    return [os.path.join(FOLDER, name) for name in names if name.startswith("test_") and name not in own]


def run_chapters(sides: campaign.Sides, seed: int) -> Any:
    """Run the scenario chapters through pytest in a process of their own; return what it came to."""
    files = chapters()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "chapters.json")
        command = [sys.executable, "-m", "pytest", "-v", "--no-header", "-p", "no:cacheprovider", *files]
        command += ["--oracle", sides.oracle, "--subject", sides.subject, "--conformance-json", path]
        command += [f"--hypothesis-seed={seed}", f"--rootdir={os.path.dirname(FOLDER)}"]
        environment = dict(os.environ, CONFORMANCE_EXAMPLES=_CHAPTER_EXAMPLES, PYTHONUNBUFFERED="1")
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        counts, lines = _watch(command, environment)
        if not os.path.exists(path):
            return {"passed": 0, "failed": 1, "summary": None, "output": lines[-60:]}
        with open(path, encoding="utf-8") as file:
            summary = json.load(file)
    return {**counts, "summary": summary, "output": [] if not counts["failed"] else lines[-400:]}


def _watch(command: list[str], environment: dict[str, str]) -> tuple[dict[str, int], list[str]]:
    counts, lines = {"passed": 0, "failed": 0}, []
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[note]}"))
    with (
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        bar = progress.add_task("chapters", total=None, note="")
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if "::" in line and line.split("[ ")[0].rstrip().endswith(" PASSED") or " PASSED " in line:
                counts["passed"] += 1
            elif "::" in line and (" FAILED " in line or " ERROR " in line):
                counts["failed"] += 1
            progress.update(bar, note=f"{counts['passed']:,} scenarios passed, {counts['failed']} failed")
    if process.returncode and not counts["failed"]:
        counts["failed"] = 1
    return counts, lines


def summarise(
    arguments: argparse.Namespace,
    all_sides: list[campaign.Sides],
    seed: int | None,
    tally: campaign.Tally,
    chapters: Any,
    whole: Any,
) -> dict[str, Any]:
    """Return the result as JSON values."""
    scenarios = (chapters or {}).get("summary") or {}
    by_scenario = scenarios.get("rules", {})
    divergent = {**scenarios.get("rules_divergent", {}), **tally.divergent}
    rules = {
        rule: {
            "title": RULES[rule],
            "programs": tally.rules[rule],
            "scenarios": by_scenario.get(rule, 0),
            "divergent": divergent.get(rule, 0),
            "verdict": _verdict_of(rule, tally, by_scenario, divergent),
        }
        for rule in RULES
    }
    used = dict(tally.divergences)
    for name, count in scenarios.get("divergences", {}).items():
        used[name] = used.get(name, 0) + count
    unused = _unused(used, all_sides[0], chapters)
    failed = bool(tally.differences) or bool(chapters and chapters["failed"]) or bool(unused)
    elsewhere = tally.samples.pop(campaign.ELSEWHERE, 0)
    samples = sum(tally.samples.values()) or 1
    programs = {name: count for name, count in tally.programs.items() if name != "pairs considered"}
    sides = all_sides[0]
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "verdict": "different" if failed else "same",
        "oracle": sides.oracle,
        "subject": sides.subject,
        "two_ways": implementations.has_two_ways(implementations.load(sides.subject)),
        "devices": [one.device or "CPU" for one in all_sides],
        "profile": getattr(arguments, "profile", "enumerate"),
        "seed": seed,
        "versions": {
            "tensorflow": tf.__version__,
            "python": platform.python_version(),
            "hypothesis": hypothesis.__version__,
            "platform": platform.platform(),
        },
        "programs": sum(programs.values()),
        "programs_distinct": len(tally.distinct),
        "strategies": {
            name: {
                "programs": count,
                "seconds": round(tally.seconds[name], 2),
                "produced": dict(sorted(tally.produced.get(name, {}).items())),
            }
            for name, count in programs.items()
        },
        "time": {name: round(count / samples, 3) for name, count in tally.samples.most_common()},
        "share_waiting_for_processes": round(elsewhere / (samples + elsewhere), 3),
        "share_outside_tensorflow": round(1 - tally.samples["tensorflow"] / samples, 3) if tally.samples else None,
        "rules": rules,
        "groups": {group: _group_row(group, rules) for group in GROUPS},
        "chapters": chapters and {name: chapters[name] for name in ("passed", "failed", "output")},
        "scenario_programs": scenarios.get("programs", 0),
        "enumeration": whole,
        "slowest": [{"seconds": seconds, "program": text} for seconds, text in tally.slowest],
        "differences": [difference._asdict() for difference in tally.differences],
        "errors": [{"program": program, "traceback": text} for program, text in tally.errors],
        "divergences": used,
        "divergences_unused": unused,
        "remark": "",
    }


def _verdict_of(rule: str, tally: campaign.Tally, by_scenario: Any, divergent: Any) -> str:
    if divergent.get(rule):
        return "divergent"
    return "pass" if tally.rules[rule] or by_scenario.get(rule) else "untested"


def _group_row(group: str, rules: Any) -> dict[str, int]:
    rows = [row for rule, row in rules.items() if group_of(rule) == group]
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in ("pass", "divergent", "untested")}
    return {
        "rules": len(rows),
        **counts,
        "programs": sum(row["programs"] for row in rows),
        "scenarios": sum(row["scenarios"] for row in rows),
    }


def _unused(used: Any, sides: campaign.Sides, chapters: Any) -> list[str]:
    """Entries of the register that matched nothing, where everything that could match was run."""
    usual = (implementations.DEFAULT_ORACLE, implementations.DEFAULT_SUBJECT)
    if chapters is None or (sides.oracle, sides.subject) != usual:
        return []
    register = divergences.Register(divergences.load(), tf.__version__)
    return [name for name in register.used if not used.get(name)]


@or_exit_code
def main_enumerate(arguments: argparse.Namespace) -> int:
    """The `enumerate` command; return the exit code."""
    all_sides, remark = sides_of(arguments)
    kept = _ledger(arguments, all_sides[0], None)
    print(", ".join(f"{name}: {count:,}" for name, count in enumeration.totals().items()))
    started = time.monotonic()
    regressions = regressions_of(all_sides[0], arguments.out)
    tally, whole = enumeration.main(arguments, all_sides[0], regressions, track, kept)
    result = summarise(arguments, all_sides[:1], None, tally, None, whole)
    result["seconds"] = round(time.monotonic() - started, 1)
    result["programs_per_second"] = whole["programs_per_second"]
    result["remark"] = remark
    result["tasks_known_from_earlier_calls"] = kept.reused
    code = conclude(result, arguments.out)
    print(enumeration.describe(whole))
    return code
