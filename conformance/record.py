"""`python -m conformance.record`: what programs do on one implementation, written down.

For releases that the rest of the harness does not run on: this module and all that it imports keep
to Python 3.6 syntax and to API that exists since TensorFlow 1.15. `python -m conformance draw` makes
the programs and `python -m conformance compare` compares two recordings, where the harness runs.
"""

import argparse
import importlib
import json
import os
import platform
import sys
import traceback
from typing import Any, List, Optional

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # recordings of two machines are to be alike

from conformance import program as p
from conformance.interpreter import run_program
from conformance.trace import tf, to_json


def load(name: Optional[str]) -> Any:
    """Return the namespace called `name`, `module` or `module:attribute`; `tf.train` without a name."""
    if name is None:
        return tf.train
    module, _, attributes = name.partition(":")
    namespace = importlib.import_module(module)
    for attribute in attributes.split(".") if attributes else ():
        namespace = getattr(namespace, attribute)
    return namespace


def record(train: Any, text: str) -> Any:
    """Return one line of a recording: the program and its trace, or why this release cannot run it."""
    line = {"program": text}
    try:
        line["trace"] = to_json(run_program(train, p.from_json(text)))
    except Exception:
        line["failed"] = traceback.format_exc()
    return line


def main(line: Optional[List[str]] = None) -> int:
    """Read programs, one a line, and write their traces, one a line after a line about the versions.

    Exit codes: 0 recorded, 2 wrong usage or no program could be run.
    """
    parser = argparse.ArgumentParser(prog="python -m conformance.record", description=__doc__)
    parser.add_argument("programs", help="a file with one program in JSON on each line")
    parser.add_argument("--implementation", metavar="NAME", help="module or module:attribute (default: tf.train)")
    parser.add_argument("--out", metavar="FILE", required=True, help="where the recording goes")
    arguments = parser.parse_args(line)
    try:
        train = load(arguments.implementation)
        with open(arguments.programs, encoding="utf-8") as file:
            programs = [text.strip() for text in file if text.strip()]
    except (OSError, ImportError, AttributeError) as error:
        print(error, file=sys.stderr)
        return 2
    versions = {
        "implementation": arguments.implementation or "tf.train",
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
    }
    failed = 0
    with open(arguments.out, "w", encoding="utf-8") as file:
        file.write(json.dumps(versions) + "\n")
        for number, text in enumerate(programs, 1):
            recorded = record(train, text)
            failed += "failed" in recorded
            file.write(json.dumps(recorded) + "\n")
            if number % 50 == 0 or number == len(programs):
                print("{}/{} programs, {} failed".format(number, len(programs), failed), file=sys.stderr)
    return 2 if failed == len(programs) else 0


if __name__ == "__main__":
    sys.exit(main())
