"""Runs programs that call MonitoredTrainingSession once.

This module keeps to Python 3.6 syntax and to API that exists since TensorFlow 1.15, and like
`interpreter` never says what an implementation should answer.
"""

from typing import Any, List

from conformance import graphs
from conformance import program as p
from conformance.recorder import Recorder
from conformance.trace import tf


class _EqualToAnything:
    __hash__ = None  # type: Any

    def __eq__(self, other: Any) -> bool:
        return True


def perform(train: Any, record: Recorder, program: p.ArgumentsProgram) -> None:
    """Make the session a program asks for, and say which hooks it has, with periods and places."""
    one, pieces = tf.constant(1.0, name="one"), None
    if program.graph == "imported":
        pieces = graphs.small(train, program.graph, "resource")[1]
    elif program.global_step:
        record.global_step()
    plain = program._asdict()
    arguments = {"is_chief": program.is_chief}
    for name in p.ArgumentsProgram._fields:
        if name.startswith(("save_", "log_", "max_wait")) and plain[name] != p.LEFT_OUT:
            arguments[name] = _EqualToAnything() if plain[name] == p.EQUAL_TO_ANYTHING else plain[name]
        elif name.endswith("_dir") and plain[name] != p.LEFT_OUT:
            arguments[name] = record.path(plain[name]) if plain[name] else plain[name]
    container = {"list": list, "tuple": tuple, "set": set, "generator": iter}[program.container]
    for name, label in (("hooks", "H"), ("chief_only_hooks", "C")):
        if plain[name]:
            hooks = [record.hook("{}{}".format(label, index)) for index in range(plain[name])]
            arguments[name] = container(hooks[:1] if container is set else hooks)
    if program.scaffold:
        saves = bool(program.global_step) and program.checkpoint_dir not in (p.LEFT_OUT, None, "")
        arguments["scaffold"] = graphs.small_session_scaffold(train, record, saves, pieces)

    def whole() -> str:
        session = record.session(kind="MonitoredTrainingSession", **arguments)
        record("hooks", [_seen_hook(hook) for hook in session._hooks] if isinstance(session._hooks, list) else "?")
        record("run", session.run(one))
        session.close()
        return "closed"

    record.outcome("call", whole)


def _seen_hook(hook: Any) -> List[Any]:
    timer = getattr(hook, "_timer", None)
    periods = [timer._every_secs, timer._every_steps] if hasattr(timer, "_every_secs") else None
    place = getattr(hook, "_output_dir", None) or getattr(hook, "_checkpoint_dir", None)
    return [type(hook).__name__, getattr(hook, "name", None), periods, place]
