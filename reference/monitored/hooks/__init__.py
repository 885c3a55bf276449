"""The built-in hooks, one a file; each works in any session that follows the hook contract.

When they act is decided in `monitored.timing`, which hooks a session gets by default in
`monitored.training_session`.
"""

from monitored.hooks.checkpoint_saver import CheckpointSaverHook, CheckpointSaverListener
from monitored.hooks.feed_fn import FeedFnHook
from monitored.hooks.final_ops import FinalOpsHook
from monitored.hooks.global_step_waiter import GlobalStepWaiterHook
from monitored.hooks.logging_tensor import LoggingTensorHook
from monitored.hooks.nan_tensor import NanLossDuringTrainingError, NanTensorHook
from monitored.hooks.profiler import ProfilerHook
from monitored.hooks.step_counter import StepCounterHook
from monitored.hooks.stop_at_step import StopAtStepHook
from monitored.hooks.summary_saver import SummarySaverHook

# fmt: off
__all__ = [
    "CheckpointSaverHook", "CheckpointSaverListener", "FeedFnHook", "FinalOpsHook", "GlobalStepWaiterHook",
    "LoggingTensorHook", "NanLossDuringTrainingError", "NanTensorHook", "ProfilerHook", "StepCounterHook",
    "StopAtStepHook", "SummarySaverHook",
]
# fmt: on
