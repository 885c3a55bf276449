"""The rules by id, one line each, so that a run can say how many of them it tried."""

_TITLES = """
ARG-01 summaries: both periods left out mean every 100 steps; one given switches the other off
ARG-02 checkpoints: both periods left out mean every 600 seconds; one given switches the other off
ARG-03 both periods of a pair given is an error when their hook is added
ARG-04 None, zero, negative and False switch a default hook off
ARG-05 where summaries and step counts go: summary_dir, else checkpoint_dir
ARG-06 when the step counter is added
ARG-07 order of a chief's hooks
ARG-08 a chief copies the hook containers, a worker passes them through
ARG-09 one scaffold is shared by creator, summaries and checkpoints
ARG-10 "not given" is recognised by equality
ARG-11 a directory without a global step is an error of the first default hook
ARG-12 how long a worker waits
ARG-13 another builder runs under a distribute coordinator
LIFE-01 order of construction
LIFE-02 begin once a monitored session, after_create_session once a session, one coordinator
LIFE-03 an exception in begin leaves unchanged, nothing is made
LIFE-04 other failures while constructing leave session and coordinator behind
LIFE-05 preemption while constructing is retried at once, without closing
LIFE-06 a hooks container that is not empty is kept by reference
GRAPH-01 the scaffold finalises the graph, not the session
GRAPH-02 close unfinalises the default graph of that moment
GRAPH-03 a graph finalised before stays finalised
GRAPH-04 session.graph, and which endings unfinalise
GRAPH-05 a second session on one graph adds nothing
SCF-01 a scaffold is empty until finalize
SCF-02 finalize fills what is missing, in order, once
SCF-03 a missing piece comes from its collection
SCF-04 several items in a collection are an error
SCF-05 the default pieces
SCF-06 the default saver
SCF-07 init_fn is wrapped when given
SCF-08 copying a scaffold fills what was left None
SCF-09 each finalize says so in the log
SCF-10 feeds of the init ops; object-based savers
SES-01 a fresh start: init_op, init_fn, local init, readiness
SES-02 a restore replaces init_op and init_fn
SES-03 directory or file, not both
SES-04 what a checkpoint directory's state leads to
SES-05 restoring recovers the list of last checkpoints
SES-06 nothing restored and nothing to initialise with
SES-07 texts when the model is not ready
SES-08 which readiness values mean ready
SES-09 ready_for_local_init_op needs local_init_op
SES-10 how a worker waits
SES-11 waiting for a checkpoint
SES-12 recover_session says whether it restored
SES-13 an empty saver restores nothing and counts as restored
SES-14 a creator may create again
SES-15 log lines of session creation
QR-01 queue runners start before hooks see the session
QR-02 one thread an enqueue op, one for the close
QR-03 how an enqueue thread ends
QR-04 no second set of threads for one session
QR-05 the normal end of data
QR-06 a failing producer's error leaves the block at its end
QR-07 what start_queue_runners takes
RUN-01 no run after a requested stop
RUN-02 order of one run
RUN-03 what is fetched, and who gets what
RUN-04 one context a run
RUN-05 feeds of hooks and user
RUN-06 the same tensor fed twice
RUN-07 options are merged into the user's object
RUN-08 what after_run is given
RUN-09 before_run's value is duck-typed
RUN-10 a stop requested in before_run does not cancel the run
RUN-11 equal, repeated and unhashable hooks
RUN-12 a monitored session is no tf.Session
RUN-13 a hook may run the session
STEP-01 what a step function looks like
STEP-02 what its context offers
STEP-03 its request_stop
STEP-04 it is called even after a stop
STEP-05 it is called again after preemption, with the old session
STEP-06 its own errors and the coordinator's
EXC-01 exactly OutOfRangeError and StopIteration end a block cleanly
EXC-02 anything else closes without end and propagates
EXC-03 a hook's exception leaves run unchanged, the session stays usable
EXC-04 preemption in run: a new session, the run repeated
EXC-05 a run's error while the coordinator holds one
EXC-06 a successful run asks no coordinator
EXC-07 should_stop and the coordinator's error
EXC-08 close and the coordinator's error
EXC-09 the session's coordinator has no clean-stop types
EXC-10 preemption outside run is not recovered
EXC-11 recovery forgets a requested stop
EXC-12 when recreation fails
EXC-13 recovery restores, or starts again; hooks keep their state
EXC-14 chaining of the two errors
CLOSE-01 order of closing
CLOSE-02 an exception in end
CLOSE-03 closing twice
CLOSE-04 closing inside a with block
CLOSE-05 after close
CLOSE-06 threads that outlive the grace period
CLOSE-07 recovery hands out another session
TMR-01 a timer needs exactly one period
TMR-02 when a timer fires
TMR-03 what a timer returns and forgets
CKH-01 a checkpoint at creation, and after every recovery
CKH-02 a checkpoint when the timer fires for the real step
CKH-03 a checkpoint at the end, unless just saved
CKH-04 what happens at each save, and listeners
CKH-05 a failed save is not repeated
CKH-06 which saver is used
CKH-07 which files are written
CKH-08 log lines of checkpoints
STC-01 steps per second
STC-02 no time passed
STC-03 a warning when the step does not move
SUM-01 the first summary and START
SUM-02 when summaries are asked for
SUM-03 what may be given as summary op
LOG-01 arguments of the logging hook
LOG-02 when it logs, and what
LOG-03 order and names of tags
STP-01 targets of the stopping hook
STP-02 when it stops
NAN-01 NaN fails or stops
GSW-01 waiting for a global step
FIN-01 final ops
FED-01 the feed function
PRF-01 the profiler's schedule and files
EVT-01 one writer a directory and process
EVT-02 a new event file's first records
EVT-03 the default session's event records
EVT-04 what is on disk at close
EVT-05 names of event files
CKP-01 names of checkpoints
CKP-02 which checkpoints are kept
CKP-03 keeping one every n hours
CKP-04 text of the state file
CKP-05 reading the state file
CKP-06 writing the state
CKP-07 existence, times and deletion match patterns
CKP-08 errors of save and restore
GS-01 finding the global step
GS-02 creating the global step
GS-03 the cached read of the global step
CRD-01 the first stop wins
CRD-02 after join
CRD-03 how join waits
CRD-04 exception objects must be current
CRD-05 stop_on_exception
CRD-06 log lines of the coordinator
LPR-01 looper threads
"""

RULES = {"MTS-" + line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in _TITLES.strip().splitlines()}
GROUPS = tuple(dict.fromkeys(rule.rsplit("-", 1)[0] for rule in RULES))


def group_of(rule: str) -> str:
    """Return the group of a rule: `MTS-ARG` of `MTS-ARG-01`."""
    return rule.rsplit("-", 1)[0]
