"""What a call did, in a form that can be compared across implementations."""

import contextlib
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow.compat.v1 as tf


def outcome(call: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, ...]:
    """Return ("returned", value), or everything about the exception that a caller can see."""
    try:
        return ("returned", call(*args, **kwargs))
    except BaseException as error:
        return ("raised", *seen(error))


def seen(error: BaseException) -> tuple[Any, ...]:
    return (
        type(error),
        _comparable(error.args),
        _comparable(str(error)),
        type(error.__context__),
        error.__suppress_context__,
    )


def _comparable(value: Any) -> Any:
    """Put the names of stragglers, which come out of a set, into order."""
    if isinstance(value, tuple):
        return tuple(_comparable(item) for item in value)
    if isinstance(value, str) and "threads still running: " in value:
        text, _, names = value.partition("running: ")
        return (text, *sorted(names.split()))
    if isinstance(value, str) and re.match(_NO_VARIABLE, value):
        return "something to save has no name"
    return value


# DIV-08: the same error, said better.
_NO_VARIABLE = r"'\w+' object has no attribute 'name'$|Variables to save should be variables, or have a name"


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[tuple[Any, ...]] = []

    def emit(self, record: logging.LogRecord) -> None:
        raised = record.exc_info[0] if record.exc_info else None
        self.lines.append((record.levelname, _comparable(record.getMessage()), raised))


@contextlib.contextmanager
def log_lines() -> Iterator[list[tuple[Any, ...]]]:
    """Collect (level, text, type of the attached exception), and let no other handler see them.

    Handlers that format would fail on the odd `exc_info` tuples that a coordinator can be given.
    """
    logger = logging.getLogger("tensorflow")
    before = (logger.handlers, logger.propagate, tf.logging.get_verbosity())
    records = _Records()
    logger.handlers, logger.propagate = [records], False
    tf.logging.set_verbosity(tf.logging.INFO)
    try:
        yield records.lines
    finally:
        logger.handlers, logger.propagate = before[:2]
        tf.logging.set_verbosity(before[2])
