"""The exceptions that programs raise, by the names that programs give them.

This module keeps to Python 3.6 syntax and to API that exists since TensorFlow 1.15.
"""

from conformance.trace import tf


class SubclassOfValueError(ValueError):
    pass


class SubclassOfStopIteration(StopIteration):
    pass


class SubclassOfOutOfRangeError(tf.errors.OutOfRangeError):
    pass


class SubclassOfAbortedError(tf.errors.AbortedError):
    pass


_OWN_ERRORS = {
    cls.__name__: cls
    for cls in (
        ValueError,
        SubclassOfValueError,
        StopIteration,
        SubclassOfStopIteration,
        SubclassOfOutOfRangeError,
        SubclassOfAbortedError,
        KeyboardInterrupt,
    )
}


def make_error(name: str, text: str) -> BaseException:
    """Return a new exception of the kind that a program calls `name`."""
    cls = _OWN_ERRORS.get(name) or getattr(tf.errors, name)
    if issubclass(cls, tf.errors.OpError):
        return cls(None, None, text)
    return cls(text)
