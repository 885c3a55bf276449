"""Kill trainers with SIGKILL while they save, and check that nothing they announced is lost.

After each kill the state file must parse and list checkpoints that are whole: readable, every
variable of the same step, the newest of the last step announced or a later one. The next process
must restore it and go on. Exit codes: 0 nothing lost, 1 something lost, 2 wrong usage.
"""

import argparse
import contextlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, TextIO

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

OK, LOST, USAGE = range(3)
_PROGRESS_SECS = 10.0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m crashes", description=__doc__)
    made.add_argument("--kills", type=int, default=300, help="how many trainers to kill (300)")
    made.add_argument(
        "--seed", type=int, help="what the phases and delays are drawn with (default: drawn, and printed)"
    )
    made.add_argument("--only", default="", help="only these kinds of jobs: sync, large, async-small, ...")
    made.add_argument(
        "--implementation", default="monitored", help="monitored (default), or tensorflow: sync jobs only"
    )
    made.add_argument("--durable", action="store_true", help="save with a DurableSaver of monitored.extras")
    made.add_argument("--json", metavar="FILE", help="write every kill there")
    made.add_argument("--folder", metavar="PATH", help="where the jobs save (default: the temporary folder)")
    made.add_argument("--plant", default="", help="give the trainers a fault, which must be noticed: see --list-plants")
    made.add_argument("--list-plants", action="store_true", help="print the faults")
    return made


def main(line: list[str] | None = None) -> int:
    """Run the kills; return the exit code."""
    options = parser().parse_args(line)
    from crashes import campaign, trainer  # noqa: PLC0415 - after the environment is set

    if options.list_plants:
        for name, text in trainer.PLANTS.items():
            print(f"{name}: {text}")
        return OK
    kinds = campaign.configs(options.implementation, options.only)
    wrong = _wrong(options, trainer, [config.name for config in campaign.CONFIGS], kinds)
    if not wrong and (free := campaign.free_mebibytes(options.folder)) < (need := campaign.needed_mebibytes(kinds)):
        wrong = f"--folder: {need:.0f} MiB are needed there, {free:.0f} are free"
    with contextlib.ExitStack() as stack:
        file = None
        if options.json and not wrong:
            try:  # what is in the file stays until there is a result
                file = stack.enter_context(open(options.json, "a", encoding="utf-8"))
            except OSError as error:
                wrong = f"--json must be a file that can be written, not {options.json!r}: {error.strerror}"
        if wrong:
            print(wrong, file=sys.stderr)
            return USAGE
        return _run(options, kinds, file)


def _run(options: argparse.Namespace, kinds: list[Any], file: TextIO | None) -> int:
    from crashes import campaign, server  # noqa: PLC0415 - after the environment is set

    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    print(f"{options.kills} kills of {options.implementation}, --seed={seed}", flush=True)
    with server.Server() as started:
        what = (options.implementation, kinds, options.kills, seed, options.folder, options.plant, options.durable)
        return _report(options, seed, campaign.run(started, *what), file)


def _report(options: argparse.Namespace, seed: int, found: Iterator[Any], file: TextIO | None) -> int:
    """Say how far it is, and in the end what was found; return the exit code."""
    from crashes import report  # noqa: PLC0415 - after the environment is set

    names = ("implementation", "only", "plant", "durable")
    settings = {"seed": seed, **{name: getattr(options, name) for name in names}}
    start = said = time.monotonic()
    kills = []
    for kill in found:
        kills.append(kill)
        if time.monotonic() - said > _PROGRESS_SECS:
            said = time.monotonic()
            lost = sum(map(report.failed, kills))
            print(f"{len(kills)} of {options.kills} kills, {said - start:.0f} s, {lost} with a loss", flush=True)
    seconds = time.monotonic() - start
    report.print_table(kills, f"{options.implementation}: SIGKILL while training, {seconds:.0f} s, seed {seed}")
    if file is not None:
        report.write(report.make(kills, settings, seconds, options.folder or tempfile.gettempdir()), file)
    lost = sum(map(report.failed, kills))
    inside = sum(kill.inside_a_save for kill in kills)
    unseen = sum(not kill.restart_observed for kill in kills)
    print(f"{len(kills)} kills, {inside} of them inside a save: {lost} with a loss or a failed restart")
    print(f"restarts: {len(kills) - unseen} observed, {unseen} killed before they could say what they restored")
    return LOST if lost else OK


def _wrong(options: argparse.Namespace, trainer: Any, names: list[str], kinds: list[Any]) -> str:
    """Return what is wrong with the options, if anything."""
    implementations, plants = trainer.IMPLEMENTATIONS, trainer.PLANTS
    if options.implementation not in implementations:
        return f"--implementation must be one of {', '.join(implementations)}, not {options.implementation!r}"
    if not kinds:
        return f"--only={options.only!r} is no kind of job of {options.implementation}: {', '.join(names)}"
    if options.kills < len(kinds):
        return f"--kills must be at least {len(kinds)}, one for each kind of job, not {options.kills}"
    if options.plant and options.plant not in plants:
        return f"--plant must be one of {', '.join(plants)}, not {options.plant!r}"
    if options.plant in trainer.PLANTS_OF_MONITORED and options.implementation != "monitored":
        return f"--plant={options.plant} needs --implementation=monitored, not {options.implementation!r}"
    if options.durable and options.implementation != "monitored":
        return f"--durable needs --implementation=monitored, not {options.implementation!r}"
    if options.folder and not os.path.isdir(options.folder):
        return f"--folder must be a folder, not {options.folder!r}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
