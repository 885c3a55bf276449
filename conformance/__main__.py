"""Compare an implementation of the monitored session with `tf.train`.

Exit codes: 0 the same, 1 different, 2 wrong usage, 3 the device that was asked for is not there, 4 the
harness failed on some program.
"""

import argparse
import functools
import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
if not any(argument in ("gpu", "all", "--device=gpu", "--device=all") for argument in sys.argv):
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

from conformance import bad_input, enumeration, mutants, recorded, run


def main(line: list[str] | None = None) -> int:
    """Parse the command line and run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run.add_arguments(commands.add_parser("run", help="run generated programs and scenarios on both sides"))
    replay = commands.add_parser("replay", help="run one program on both sides and compare")
    replay.add_argument("program", help="a JSON file that holds one program")
    run.add_side_arguments(replay)
    replay.add_argument("--trace", action="store_true", help="print the oracle's whole trace")
    enumerated = commands.add_parser("enumerate", help="run the complete small scope, or a part of it")
    run.add_side_arguments(enumerated)
    run.add_resume_argument(enumerated)
    enumeration.add_arguments(enumerated)
    mutants.add_arguments(commands.add_parser("mutants", help="plant faults and see whether they are noticed"))
    bad_input.add_arguments(commands.add_parser("bad-input", help="run the table of bad arguments on both sides"))
    page = commands.add_parser("report", help="make the page of a result")
    page.add_argument("result", help="the result.json of a run")
    page.add_argument("--html", required=True, metavar="FILE", help="where the page goes")
    recorded.add_draw_arguments(commands.add_parser("draw", help="draw programs for conformance.record"))
    recorded.add_compare_arguments(commands.add_parser("compare", help="compare two recordings"))
    arguments = parser.parse_args(line)
    doing = {
        "run": run.main, "enumerate": run.main_enumerate, "replay": _replay, "mutants": mutants.main,
        "bad-input": bad_input.main, "report": _report, "draw": recorded.main_draw, "compare": recorded.main_compare,
    }  # fmt: skip
    return doing[arguments.command](arguments)


def _report(arguments: argparse.Namespace) -> int:
    from conformance import report

    try:
        with open(arguments.result, encoding="utf-8") as file:
            report.write_page(json.load(file), arguments.html)
    except (OSError, ValueError) as error:
        print(f"{arguments.result}: {error}", file=sys.stderr)
        return run.USAGE
    return run.SAME


def _replay(arguments: argparse.Namespace) -> int:
    from conformance import campaign, devices, program
    from conformance.compare import ConformanceError
    from conformance.harness import Harness
    from conformance.interpreter import perform

    try:
        with open(arguments.program, encoding="utf-8") as file:
            plan = program.from_json(file.read())
        all_sides, remark = run.sides_of(arguments)
    except (OSError, ValueError, TypeError, ImportError) as error:
        print(f"{arguments.program}: {error}", file=sys.stderr)
        return run.USAGE
    except run.MissingDeviceError as error:
        print(error, file=sys.stderr)
        return run.NO_DEVICE
    if arguments.trace:
        os.environ["CONFORMANCE_SHOW"] = "1"
    text = f"program: {program.to_json(plan)}"
    scenario = functools.partial(perform, program=plan)
    for sides in all_sides:
        command = campaign.replay_command(sides, arguments.program)
        harness = Harness(sides.oracle, sides.subject)
        try:
            with devices.on(sides.device):
                harness.judge(scenario, (), text, command, both_ways=program.runs_steps(plan))
                if sides.device is not None:
                    harness.judge_devices(scenario, text, command)
        except ConformanceError as error:
            print(error)
            return run.DIFFERENT
    print(remark or "no difference")
    return run.SAME


if __name__ == "__main__":
    sys.exit(main())
