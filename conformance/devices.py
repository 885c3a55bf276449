"""Where generated programs place their variables and their arithmetic.

By default nowhere, which is the CPU. On a GPU both are pinned, and no operation is moved to where it
would run (soft placement is off). Strings, summaries and the readiness ops have no GPU kernels and
stay where the implementation puts them. This module keeps to Python 3.6 syntax.
"""

import contextlib
from typing import Any, Optional

from conformance.trace import tf

CPU = "/device:CPU:0"
GPU = "/GPU:0"
SECOND_CPU = "/device:CPU:1"
"""Where there is no GPU, a second CPU device stands in for whatever depends on placement."""

TOLERANCE = 1e-6
"""How far numbers on the GPU may be from those on the CPU, relative to the larger one or to 1."""

_device = [None]  # type: Any


def current() -> Optional[str]:
    """Return the device that programs are pinned to, None for none."""
    return _device[0]


@contextlib.contextmanager
def on(device: Optional[str]) -> Any:
    """Pin the programs that run inside the block to `device`."""
    saved = _device[0]
    _device[0] = device
    try:
        yield
    finally:
        _device[0] = saved


def on_second_if(wanted: bool) -> Any:
    """Pin the programs that run inside the block to the second CPU device, if wanted and not pinned elsewhere."""
    return on(SECOND_CPU if wanted and _device[0] is None else _device[0])


def scope() -> Any:
    """Return the context in which a program makes its variables and its arithmetic."""
    return tf.device(_device[0])


def gpus() -> int:
    """Return how many GPUs TensorFlow sees."""
    return len(tf.config.experimental.list_physical_devices("GPU"))
