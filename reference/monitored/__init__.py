"""The monitored training session of TensorFlow 1, small enough to read and cheap enough to use.

Every name here means what it means in `tf.compat.v1.train`. To read the package, follow this order:

1. `training_session`   from the arguments of a job to its hooks
2. `monitored_session`  the life of a session: begin, create, run, close
3. `session_layers`     what a run does around a step: recover, coordinate, hook
4. `step`, `compiled_step`   one step, and the cheap way to run it
5. `session_creator`, `session_manager`, `scaffold`   how a session becomes ready
6. `session_run_hook`, `timing`, `hooks`              what happens around steps, and when
7. `coordinator`, `looper_thread`, `queue_runners`    threads: stop, join, report
8. `saver` and the modules it names, `checkpoint_state`, `retention`   checkpoints
9. `global_step`, `errors`, `_tensorflow`             small things
"""

# fmt: off
# isort: off
from monitored.checkpoint_state import (
    checkpoint_exists, generate_checkpoint_state_proto, get_checkpoint_mtimes, get_checkpoint_state,
    latest_checkpoint, remove_checkpoint, update_checkpoint_state,
)
from monitored.coordinator import Coordinator
from monitored.global_step import (
    assert_global_step, create_global_step, get_global_step, get_or_create_global_step, global_step,
)
from monitored.hooks import (
    CheckpointSaverHook, CheckpointSaverListener, FeedFnHook, FinalOpsHook, GlobalStepWaiterHook,
    LoggingTensorHook, NanLossDuringTrainingError, NanTensorHook, ProfilerHook, StepCounterHook,
    StopAtStepHook, SummarySaverHook,
)
from monitored.looper_thread import LooperThread
from monitored.monitored_session import MonitoredSession, SingularMonitoredSession
from monitored.queue_runners import QueueRunner, add_queue_runner, start_queue_runners
from monitored.saver import Saver
from monitored.scaffold import Scaffold
from monitored.session_creator import ChiefSessionCreator, SessionCreator, WorkerSessionCreator
from monitored.session_manager import SessionManager
from monitored.session_run_hook import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from monitored.timing import SecondOrStepTimer
from monitored.training_session import MonitoredTrainingSession

__all__ = [  # noqa: RUF022 - by subject, as people look for them
    "MonitoredTrainingSession", "MonitoredSession", "SingularMonitoredSession", "SessionManager",
    "SessionCreator", "ChiefSessionCreator", "WorkerSessionCreator", "Scaffold",
    "SessionRunHook", "SessionRunArgs", "SessionRunContext", "SessionRunValues",
    "CheckpointSaverHook", "CheckpointSaverListener", "StepCounterHook", "SummarySaverHook",
    "StopAtStepHook", "LoggingTensorHook", "NanTensorHook", "NanLossDuringTrainingError",
    "GlobalStepWaiterHook", "FinalOpsHook", "FeedFnHook", "ProfilerHook", "SecondOrStepTimer",
    "Coordinator", "LooperThread", "QueueRunner", "add_queue_runner", "start_queue_runners",
    "Saver", "latest_checkpoint", "get_checkpoint_state", "update_checkpoint_state",
    "generate_checkpoint_state_proto", "checkpoint_exists", "remove_checkpoint", "get_checkpoint_mtimes",
    "get_global_step", "create_global_step", "get_or_create_global_step", "assert_global_step", "global_step",
]
# fmt: on
