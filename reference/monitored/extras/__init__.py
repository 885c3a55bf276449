"""What `tf.train` lacks: off unless asked for, and never imported by the rest of the package.

Everything here works in sessions of `monitored` and of `tf.train` alike.

- `AsyncCheckpointSaverHook`: checkpoints that training does not wait for.
- `DurableSaver`: checkpoints that outlive a power cut.
- `HookProfiler`: which hook costs what.
"""

from monitored.extras.async_checkpoint_saver import AsyncCheckpointSaverHook
from monitored.extras.durable_saver import DurableSaver
from monitored.extras.hook_profiler import HookProfiler

__all__ = ["AsyncCheckpointSaverHook", "DurableSaver", "HookProfiler"]
