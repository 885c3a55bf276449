"""`python -m conformance replay PROGRAM.json`: run one program on both sides and compare.

Exit codes: 0 equal, 1 different, 2 wrong usage.
"""

import argparse
import functools
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

from conformance import mutants


def main() -> int:
    """Parse the command line and run the command."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    replay = commands.add_parser("replay", help="run one program on both sides and compare")
    replay.add_argument("program", help="a JSON file that holds one program")
    replay.add_argument("--oracle")
    replay.add_argument("--subject")
    replay.add_argument("--trace", action="store_true", help="print the oracle's whole trace")
    mutated = commands.add_parser("mutants", help="plant faults and see whether they are noticed")
    mutants.add_arguments(mutated)
    arguments = parser.parse_args()
    return mutants.main(arguments) if arguments.command == "mutants" else _replay(arguments)


def _replay(arguments: argparse.Namespace) -> int:
    from conformance import implementations, program
    from conformance.compare import ConformanceError
    from conformance.harness import Harness
    from conformance.interpreter import perform

    with open(arguments.program, encoding="utf-8") as file:
        plan = program.from_json(file.read())
    if arguments.trace:
        os.environ["CONFORMANCE_SHOW"] = "1"
    harness = Harness(implementations.oracle_name(arguments.oracle), implementations.subject_name(arguments.subject))
    text = f"program: {program.to_json(plan)}"
    command = f"python -m conformance replay {arguments.program}"
    try:
        harness.judge(functools.partial(perform, program=plan), (), text, command)
    except ConformanceError as error:
        print(error)
        return 1
    print("no difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
