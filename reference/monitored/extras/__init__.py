"""What `tf.train` lacks: off unless asked for, and never imported by the rest of the package.

Everything here works in sessions of `monitored` and of `tf.train` alike.

- `AsyncCheckpointSaverHook`: checkpoints that training does not wait for.
- `HookProfiler`: which hook costs what.
"""

from monitored.extras.async_checkpoint_saver import AsyncCheckpointSaverHook
from monitored.extras.hook_profiler import HookProfiler

__all__ = ["AsyncCheckpointSaverHook", "HookProfiler"]
