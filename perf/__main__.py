"""What monitored sessions cost, from the command line.

    python -m perf run      measure, print the tables, write JSON and a page
    python -m perf check    measure what guards the baseline and compare
    python -m perf report   print the tables of an earlier run again, and write its page
    python -m perf soak     run steps or sessions for long and see whether the process holds more and more

Exit codes: 0 all is well; 1 a target is missed (run --strict), something is slower than the
baseline (check), something grew (soak), or a case failed; 2 the arguments are wrong, or there is no GPU; 3 there is no
baseline for this TensorFlow and device.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perf import soak
from perf.held import COUNTS
from perf.soak import IMPLEMENTATIONS, PLANTS, PROGRAMS

OK, FAILED, USAGE, NO_BASELINE = 0, 1, 2, 3
BOTH = "both"
ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "perf"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m perf", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure, print the tables, write JSON and a page")
    run.add_argument("--profile", choices=("smoke", "default", "full"), default="default", help="how much is measured")
    run.add_argument("--strict", action="store_true", help="exit 1 if a target is missed")
    run.add_argument("--save-baseline", action="store_true", help="make this run the baseline, add it to the history")
    run.add_argument("--guards", action="store_true", help="only the cases that guard the baseline")
    check = commands.add_parser("check", help="compare with perf/baseline.json")
    for command in (run, check):
        command.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="where the models are")
        command.add_argument("--only", default="", help="only cases whose id contains this")
    long = commands.add_parser("soak", help="run steps or sessions for long: does the process hold more and more")
    programs = ", ".join(f"{name} ({program.number:,} {program.unit})" for name, program in PROGRAMS.items())
    long.add_argument("--program", choices=PROGRAMS, default="same", metavar="NAME", help=f"one of {programs}")
    long.add_argument(
        "--implementation", choices=(*IMPLEMENTATIONS, BOTH), default=BOTH, help="one, or after it the other"
    )
    long.add_argument("--steps", type=int, help="how many steps, or sessions, in place of the program's own number")
    long.add_argument("--save-every", type=int, default=10_000, help="steps between saves (10,000)")
    long.add_argument("--plant", choices=PLANTS, default="", help="hold on to something, which must be reported")
    long.add_argument("--json", type=Path, help="file for all looks")
    report = commands.add_parser("report", help="print and draw an earlier run")
    report.add_argument("json", nargs="?", type=Path, default=OUT / "perf.json", help="what run wrote")
    for command in (run, report):
        command.add_argument("--out", type=Path, default=OUT, help="folder for perf.json and perf.html")
    return parser


def _run(options: argparse.Namespace) -> int:
    import pytest  # noqa: PLC0415 - after the environment is set

    from perf import baseline, page, report, sides  # noqa: PLC0415

    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "results.json"
    path.unlink(missing_ok=True)
    arguments = ["-v", "-rfE", "-p", "no:randomly", "-p", "no:cacheprovider", "--benchmark-columns=median,iqr,rounds"]
    arguments += ["--perf-guards"] if options.guards else []
    arguments += ["-o", "faulthandler_timeout=0"]  # some cases take minutes
    arguments += [f"--perf-{name}={getattr(options, name)}" for name in ("profile", "device", "only")]
    code = pytest.main([str(ROOT / "perf"), f"--rootdir={ROOT}", *arguments, f"--perf-json={path}"])
    if not path.exists():
        return USAGE
    results = json.loads(path.read_text(encoding="utf-8"))
    if not results:
        print("no case was measured", file=sys.stderr)
        return FAILED if code == pytest.ExitCode.TESTS_FAILED else USAGE
    settings = {name: getattr(options, name) for name in ("profile", "device", "only")}
    made = report.make(results, settings | {"planted slowdown": sides.plant_slowdown()})
    if options.save_baseline:
        baseline.save(made)
    report.write(made, options.out / "perf.json")
    page.write(made, options.out / "perf.html")
    report.print_tables(made)
    print(f"wrote {options.out / 'perf.json'} and {options.out / 'perf.html'}")
    missed = "missed" in {cell for row in report.target_rows(made) for cell in row}
    return FAILED if code != pytest.ExitCode.OK or (options.strict and missed) else OK


def _check(options: argparse.Namespace) -> int:
    from perf import baseline, cases, report, sides  # noqa: PLC0415

    planted = sides.start()
    if planted:
        print(f"{sides.PLANT}={planted}: each step of monitored is {planted:.0%} dearer")
    if options.device == "gpu" and not sides.has_gpu():
        print(sides.NO_GPU, file=sys.stderr)
        return USAGE
    key = baseline.key(report.make([], {"device": options.device}))
    known = baseline.load(baseline.BASELINE)
    before = known.get(key, {}).get("ratios", {})
    guarded = [c for c in cases.select("default", only=options.only, gate=True) if c.id in before]
    if not guarded:
        print(f"no baseline for {key}: have {sorted(known)}; python -m perf run --save-baseline", file=sys.stderr)
        return NO_BASELINE
    failed = 0
    for case in guarded:
        found, measured = baseline.confirm(_measurer(case, options.device), before[case.id], case.tolerance)
        failed += bool(found)
        times = f" (measured {measured} times)" if measured > 1 else ""
        print(
            f"{'SLOWER' if found else 'ok    '} {case.id}{': ' if found else ''}{'; '.join(found)}{times}", flush=True
        )
    print(f"{len(guarded)} cases compared with the baseline of {known[key]['created'][:10]}, {failed} slower")
    return FAILED if failed else OK


def _measurer(case: Any, device: str) -> Callable[[], dict[str, Any]]:
    from perf import cases  # noqa: PLC0415

    return lambda: cases.run(case, "default", device)


def _soak(options: argparse.Namespace) -> int:
    program = PROGRAMS[options.program]
    number = program.number if options.steps is None else options.steps
    if number < soak.LOOKS:
        print(f"--steps must be at least {soak.LOOKS}, for there are as many looks: {number}", file=sys.stderr)
        return USAGE
    print(
        f"{options.program}: {program.about}. From the second look to the last RSS may grow by "
        f"{program.rss_bound / soak.MIB:.0f} MiB, nothing else at all."
    )
    implementations = IMPLEMENTATIONS if options.implementation == BOTH else (options.implementation,)
    results: dict[str, list[Any]] = {}
    for implementation in implementations:
        looks = results.setdefault(implementation, [])
        for look in soak.started(options.program, implementation, number, options.save_every, options.plant):
            looks.append(look)
            counts = ", ".join(f"{soak.amount(name, getattr(look, name))} {name}" for name in ("rss", *COUNTS))
            print(f"{implementation}: {look.steps:,} {program.unit}, {look.seconds:,.0f} s: {counts}", flush=True)
    _show_soak(results)
    failed = False
    for implementation, looks in results.items():
        grown, known = soak.verdict(options.program, implementation, looks)
        for name, reason in known.items():
            print(f"{implementation}: {name} grew since the second look, as is known: {reason}")
        print(f"{implementation}: {', '.join(grown) or 'nothing'}{' else' if known else ''} grew since the second look")
        failed |= bool(grown)
    if options.json:
        options.json.write_text(json.dumps(soak.as_json(options.program, results), indent=1) + "\n", encoding="utf-8")
    return FAILED if failed else OK


def _show_soak(results: dict[str, list[Any]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - only this command needs it here
    from rich.table import Table  # noqa: PLC0415

    table = Table("held", *[f"{side}: {when} look" for side in results for when in ("second", "last")])
    for row in soak.rows(results):
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 170).print(table)


def _report(options: argparse.Namespace) -> int:
    from perf import page, report  # noqa: PLC0415

    try:
        made = report.read(options.json)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return USAGE
    report.print_tables(made)
    page.write(made, options.out / "perf.html")
    print(f"wrote {options.out / 'perf.html'}")
    return OK


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    options = _parser().parse_args(arguments)
    if getattr(options, "device", "cpu") == "cpu":
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    return {"run": _run, "check": _check, "report": _report, "soak": _soak}[options.command](options)


if __name__ == "__main__":
    sys.exit(main())
