"""What monitored sessions cost, from the command line.

    python -m perf run      measure, print the tables, write JSON and a page
    python -m perf check    measure what guards the baseline and compare
    python -m perf report   print the tables of an earlier run again, and write its page
    python -m perf soak     run a session for long and see whether it holds more and more

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

OK, FAILED, USAGE, NO_BASELINE = 0, 1, 2, 3
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
    soak = commands.add_parser("soak", help="run a session for long and see whether it holds more and more")
    soak.add_argument("--steps", type=int, default=1_000_000, help="how many steps (1,000,000)")
    soak.add_argument("--save-every", type=int, default=10_000, help="steps between asynchronous saves (10,000)")
    soak.add_argument("--program", default="same", help="what is new in each step: same, list, lambda, key or feed")
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
    from perf import sides, soak  # noqa: PLC0415

    sides.start()
    print(f"{'steps':>12}{'RSS, MiB':>10}{'threads':>9}{'handles':>9}{'plans':>7}{'saves':>7}{'seconds':>9}")
    held = []
    with sides.temporary_setting("cpu", threads=True) as setting:
        try:
            for look in soak.soak(setting, options.steps, options.save_every, options.program):
                held.append(look)
                counts = f"{look.threads:>9}{look.handles:>9}{look.plans:>7}{look.saves:>7}{look.seconds:>9.0f}"
                print(f"{look.steps:>12,}{look.rss / 2**20:>10.1f}{counts}", flush=True)
        except ValueError as error:
            print(error, file=sys.stderr)
            return USAGE
    grown = soak.grew(held)
    print(f"grew since the second look: {', '.join(grown)}" if grown else "nothing grew since the second look")
    return FAILED if grown else OK


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
