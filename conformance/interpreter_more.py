"""Runs the kinds of program that are not hook programs: steps, coordinator, arguments, saver.

This module keeps to Python 3.6 syntax and to API that exists since TensorFlow 1.15, and like
`interpreter` never says what an implementation should answer.
"""

import contextlib
import os
import threading
from typing import Any, List

import numpy as np

from conformance import devices, graphs, probes
from conformance import program as p
from conformance.graphs import kind_of_variables
from conformance.interpreter import make_error, small_scaffold, small_session_scaffold
from conformance.recorder import Recorder
from conformance.trace import tf


def perform(train: Any, record: Recorder, program: Any) -> None:
    """The scenario that `program` stands for."""
    if isinstance(program, p.StepProgram):
        _Lives(train, record, program).perform()
    elif isinstance(program, p.CoordinatorProgram):
        _Driven(train, record, program).perform()
    elif isinstance(program, p.ArgumentsProgram):
        _call(train, record, program)
    elif isinstance(program, p.CreationProgram):
        from conformance import interpreter_creation

        interpreter_creation.perform(train, record, program)
    else:
        _Saves(train, record, program).perform()


# --- steps ---------------------------------------------------------------------------------------


class _Lives:
    def __init__(self, train: Any, record: Recorder, program: p.StepProgram) -> None:
        self.train, self.record, self.program = train, record, program
        self.directory = record.path("logdir")

    def perform(self) -> None:
        first = 0
        for number in range(1, len(self.program.lives) + 1):
            if number == len(self.program.lives) or self.program.lives[number].new_process:
                self._perform_one_process(first, number)
                first = number

    def _perform_one_process(self, first: int, after: int) -> None:
        """Live the lives of one process; what it finds in the directory it finds as a new process would."""
        self._forget_writers(first)
        if not self.program.real_processes:
            self.perform_some(first, after)
            return
        from conformance import processes  # which old releases need not have

        processes.run_in_process(self.train, self.record, _live_some, (self.program, first, after, self.directory))
        while os.path.exists(self.directory + "-moved"):
            self.directory += "-moved"

    def _forget_writers(self, number: int) -> None:
        tf.summary.FileWriterCache.clear()
        self.record.put_events_aside("before-life-{}".format(number + 1))

    def perform_some(self, first: int, after: int) -> None:
        """Live some of the lives, here."""
        for number in range(first, after):
            life = self.program.lives[number]
            label = "life {}".format(number + 1)
            if life.damage == "moved":
                self._forget_writers(number)
            self._damage(life.damage)
            graph = tf.Graph()
            self.record.graphs.append(graph)
            with graph.as_default():
                with kind_of_variables(self.program.variables), devices.scope():
                    self._build_graph()
                self.record.outcome(label, self._live, life)
                self.record.graph_state(label + ": graph", graph)
            if number + 1 < len(self.program.lives):
                self.record.files(label + ": files", os.path.basename(self.directory))

    def _build_graph(self) -> None:
        step, read = graphs.global_step_and_read(self.train)
        self.increment = tf.placeholder(tf.int64, [], name="increment")
        self.loss = tf.placeholder_with_default(1.5, [], name="loss")
        weight = tf.Variable(3.0, name="weight")
        with tf.control_dependencies([read]):
            moved = tf.assign_add(step, self.increment)
        with tf.control_dependencies([moved]):
            self.train_op = tf.assign_add(weight, self.loss)
        with tf.device(None):
            self.summary = tf.summary.scalar("loss", self.loss)

    def _live(self, life: p.Life) -> str:
        program = self.program
        scaffold = None
        if not program.default_scaffold:
            scaffold = small_scaffold(self.train, self.train.Saver(), self.summary)
        arguments = {"scaffold": scaffold}
        if program.directory:
            arguments["checkpoint_dir"] = self.directory
        if life.session == "MonitoredTrainingSession":
            given = {
                "save_checkpoint_steps": program.save_steps,
                "save_checkpoint_secs": program.save_secs,
                "save_summaries_steps": program.summary_steps,
                "save_summaries_secs": program.summary_secs,
                "log_step_count_steps": program.log_steps,
            }
            arguments.update((name, value) for name, value in given.items() if value != "")
        self.failing = None
        hooks = [self._built_in(hook, scaffold) for hook in life.hooks]
        hooks.append(self.record.hook("A", before_run=self._fail(False), after_run=self._fail(True)))
        session = self.record.session(hooks, life.session, **arguments)
        if not life.go_on_after_errors:
            with session:
                self._body(session, life)
            return "left the block"
        self.record.outcome("body", self._body, session, life)
        self.record.outcome("close", session.close)
        return "closed"

    def _body(self, session: Any, life: p.Life) -> None:
        for plan in life.steps:
            self.record.clock.advance(plan.advance)
            if session.should_stop():
                self.record("stopped")
                break
            self.failing = plan if plan.error is not None else None
            feeds = {self.increment: np.array(plan.increment) if plan.array else plan.increment}
            if plan.nan:
                feeds[self.loss] = np.array(np.nan, np.float32) if plan.array else float("nan")
            with self._obstruction() if plan.obstructed else contextlib.ExitStack():
                if life.go_on_after_errors:
                    self.record.outcome("run", session.run, self.train_op, feeds)
                else:
                    self.record("run", session.run(self.train_op, feeds))
        if life.body_error is not None:
            raise make_error(life.body_error, "from the body")

    @contextlib.contextmanager
    def _obstruction(self) -> Any:
        """Put folders where the indices of new checkpoints would go, however far the steps went."""
        made = []
        farthest = 1 + sum(abs(step.increment) for life in self.program.lives for step in life.steps)
        if os.path.isdir(self.directory):
            for step in range(-farthest, farthest + 1):
                path = os.path.join(self.directory, "model.ckpt-{}.index".format(step))
                if not os.path.exists(path):
                    os.mkdir(path)
                    made.append(path)
        try:
            yield
        finally:
            for path in made:
                os.rmdir(path)

    def _fail(self, late: bool) -> Any:
        def fail(*_: Any) -> None:
            plan = self.failing
            if plan is not None and plan.late == late:
                self.failing = None
                raise make_error(plan.error, "once")

        return fail

    def _built_in(self, hook: p.BuiltIn, scaffold: Any) -> Any:
        steps, secs = hook.steps, hook.secs
        train, name = self.train, hook.kind
        where = self.directory if self.program.directory else self.record.path("elsewhere")
        if name == "CheckpointSaverHook":
            listeners = []
            if hook.stop_after_save is not None:
                saves = []  # type: List[int]

                def after_save(_: Any, step: int) -> bool:
                    saves.append(step)
                    return len(saves) == hook.stop_after_save

                listeners.append(self.record.listener("L", after_save))
            return train.CheckpointSaverHook(where, secs, steps, scaffold=scaffold, listeners=listeners)
        if name == "StepCounterHook":
            return train.StepCounterHook(steps, secs, output_dir=where)
        if name == "SummarySaverHook":
            return train.SummarySaverHook(steps, secs, output_dir=where, summary_op=self.summary)
        if name == "LoggingTensorHook":
            return train.LoggingTensorHook({"loss": self.loss}, steps, secs, at_end=hook.flag)
        if name == "StopAtStepHook":
            return train.StopAtStepHook(**{"last_step" if hook.flag else "num_steps": steps})
        if name == "NanTensorHook":
            return train.NanTensorHook(self.loss, fail_on_nan_loss=hook.flag)
        if name == "FinalOpsHook":
            return train.FinalOpsHook([self.loss], {self.loss: 2.0} if hook.flag else None)
        if name == "FeedFnHook":
            return train.FeedFnHook(lambda: {self.loss: np.array(4.0, np.float32) if hook.flag else 4.0})
        if name == "GlobalStepWaiterHook":
            return train.GlobalStepWaiterHook(0)
        return train.ProfilerHook(steps, secs, output_dir=where, show_memory=hook.flag)

    def _damage(self, damage: Any) -> None:
        state = os.path.join(self.directory, "checkpoint")
        if damage is None or not os.path.exists(state):
            return
        self.record("damaged", damage)
        if damage == "no state":
            os.remove(state)
        elif damage in ("empty state", "garbage state"):
            with open(state, "w") as file:
                file.write("" if damage == "empty state" else "garbage{")
        elif damage == "moved":
            moved = self.directory + "-moved"
            os.rename(self.directory, moved)
            self.directory = moved
        else:
            ending = {"no data": ".data-00000-of-00001", "no index": ".index"}[damage]
            files = [name for name in os.listdir(self.directory) if name.endswith(ending)]
            newest = max(files, key=lambda name: int(name[len("model.ckpt-") : -len(ending)]), default=None)
            if newest is not None:
                os.remove(os.path.join(self.directory, newest))


def _live_some(train: Any, record: Recorder, lives: Any) -> None:
    program, first, after, directory = lives
    there = _Lives(train, record, program)
    there.directory = directory
    there.perform_some(first, after)


# --- the coordinator -----------------------------------------------------------------------------


class _Driven:
    def __init__(self, train: Any, record: Recorder, program: p.CoordinatorProgram) -> None:
        self.train, self.record, self.program = train, record, program
        self.coordinator = None  # type: Any
        self.session = None  # type: Any
        self.fails = None  # type: Any
        self.threads = []  # type: List[Any]

    def perform(self) -> None:
        if self.program.session is None:
            types = tuple(type(make_error(name, "")) for name in self.program.clean_stop)
            arguments = {"clean_stop_exception_types": types} if types else {}
            self.coordinator = self.record.outcome("make", lambda: self.train.Coordinator(**arguments))
        else:
            self._make_session()
        for act in self.program.acts:
            if self.coordinator is None:
                break
            self._do(act)
            self.record("stopped, joined", [self.coordinator.should_stop(), self.coordinator.joined])
        for thread, released in self.threads:
            released.set()
            thread.join()

    def _make_session(self) -> None:
        with devices.scope():
            self.total = tf.assign_add(tf.Variable(1.0, name="weight"), 1.0)
        scaffold = small_session_scaffold(self.train, self.record, False)

        def keep(_: Any, coordinator: Any) -> None:
            self.coordinator = coordinator

        def fail(_: Any) -> None:
            if self.fails is not None:
                error, self.fails = self.fails, None
                raise make_error(error, "from run")

        hooks = [self.record.hook("A", after_create_session=keep, before_run=fail)]
        self.session = self.record.session(hooks, self.program.session, scaffold=scaffold, stop_grace_period_secs=2)

    def _do(self, act: p.Act) -> None:
        record, coordinator = self.record, self.coordinator
        error = make_error(act.error or "ValueError", "told")
        if act.do == "request_stop":
            record.outcome(act.do, coordinator.request_stop)
        elif act.do == "report":
            record.outcome(act.do, self._report, error, False)
        elif act.do == "report tuple":
            record.outcome(act.do, self._report, error, True)
        elif act.do == "report outside":
            record.outcome(act.do, coordinator.request_stop, error)
        elif act.do == "clear_stop":
            record.outcome(act.do, coordinator.clear_stop)
        elif act.do == "join":
            record.outcome(act.do, lambda: coordinator.join(stop_grace_period_secs=0.02))
            record("slept", [round(secs, 6) for secs in record.clock.slept])
        elif act.do == "raise":
            record.outcome(act.do, coordinator.raise_requested_exception)
        elif act.do == "stop_on_exception":
            record.outcome(act.do, self._with_coordinator, error if act.error else None)
        elif act.do == "wait":
            record.outcome(act.do, coordinator.wait_for_stop, 0.001)
        elif act.do == "looper":
            record.outcome(act.do, self._loop, error if act.error else None)
        elif act.do.startswith("thread"):
            self._start_thread(act.do, error)
        elif self.session is not None:
            self._use_session(act)

    def _use_session(self, act: p.Act) -> None:
        if act.do == "bad run":
            self.fails = act.error or "ValueError"
        if act.do in ("run", "bad run"):
            self.record.outcome(act.do, self.session.run, self.total)
            self.fails = None
        elif act.do == "should_stop":
            self.record.outcome(act.do, self.session.should_stop)
        elif act.do == "close":
            self.record.outcome(act.do, self.session.close)

    def _report(self, error: BaseException, as_tuple: bool) -> None:
        try:
            raise error
        except BaseException as raised:
            self.coordinator.request_stop((type(raised), raised, raised.__traceback__) if as_tuple else raised)

    def _with_coordinator(self, error: Any) -> str:
        with self.coordinator.stop_on_exception():
            if error is not None:
                raise error
        return "swallowed"

    def _loop(self, error: Any) -> int:
        rounds = []  # type: List[int]

        def round_of_the_loop() -> None:
            rounds.append(1)
            if len(rounds) == 2 and error is not None:
                raise error
            if len(rounds) == 3:
                self.coordinator.request_stop()

        saved = getattr(threading, "excepthook", None)  # since Python 3.8
        threading.excepthook = lambda uncaught: self.record("uncaught in a thread", uncaught.exc_value)
        try:
            self.train.LooperThread.loop(self.coordinator, None, round_of_the_loop).join()
        finally:
            threading.excepthook = saved
        return len(rounds)

    def _start_thread(self, what: str, error: BaseException) -> None:
        released = threading.Event()

        def body() -> None:
            if what == "thread stays":
                released.wait(30)
            elif what == "thread fails":
                with contextlib.suppress(BaseException):
                    self._with_coordinator(error)

        thread = threading.Thread(target=body, name="T", daemon=True)
        self.coordinator.register_thread(thread)
        thread.start()
        self.threads.append((thread, released))
        if what != "thread stays":
            thread.join()


# --- arguments -----------------------------------------------------------------------------------


class _EqualToAnything:
    __hash__ = None  # type: Any

    def __eq__(self, other: Any) -> bool:
        return True


def _call(train: Any, record: Recorder, program: p.ArgumentsProgram) -> None:
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
        arguments["scaffold"] = small_session_scaffold(train, record, saves, pieces)

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


# --- savers --------------------------------------------------------------------------------------


class _Saves:
    def __init__(self, train: Any, record: Recorder, program: p.SaverProgram) -> None:
        self.train, self.record, self.program = train, record, program
        # A relative directory is one of the working directory, which the sandbox sets back.
        self.directory = program.directory if program.relative_directory else record.path(program.directory)
        if program.relative_directory:
            os.chdir(record.directory)
        os.makedirs(self.directory)
        self.prefix = os.path.join(self.directory, "m")

    def perform(self) -> None:
        with kind_of_variables(self.program.variables), devices.scope():
            weight = tf.Variable(1.0, name="weight")
            with tf.device("/device:CPU:0") if self.program.second_device else contextlib.ExitStack():
                tf.Variable([1, 2], name="pair")
        self.assign = weight.assign_add(1.0)
        self._make_saver()
        with tf.Session(config=self.record.config()) as session:
            session.run(tf.global_variables_initializer())
            for act in self.program.acts:
                self._do(act, session)
                self.record("last", list(self.saver.last_checkpoints))
                self.record("files", probes.file_names(self.directory))
                self.record.outcome("latest", self._latest)

    def _make_saver(self) -> None:
        program = self.program
        self.saver = self.train.Saver(
            max_to_keep=program.max_to_keep,
            keep_checkpoint_every_n_hours=program.keep_hours,
            save_relative_paths=program.relative,
            sharded=program.sharded,
        )

    def _latest(self) -> Any:
        return self.train.latest_checkpoint(self.directory, self.program.latest_filename)

    def _do(self, act: p.SaverAct, session: Any) -> None:
        record, saver = self.record, self.saver
        state = os.path.join(self.directory, self.program.latest_filename or "checkpoint")
        path = "{}-{}".format(self.prefix, act.value)
        if act.do == "save":
            keywords = {"write_meta_graph": self.program.write_meta, "latest_filename": self.program.latest_filename}
            record.outcome("save", lambda: saver.save(session, self.prefix, act.value, **keywords))
        elif act.do == "advance":
            record.clock.advance(act.value * 1200)
        elif act.do == "delete" and os.path.exists(path + ".index"):
            os.remove(path + ".index")
        elif act.do in ("forget", "garble") and os.path.exists(state):
            os.remove(state)
            if act.do == "garble":
                with open(state, "w") as file:
                    file.write("model_checkpoint_path: " + ("" if act.value % 2 else "{"))
        elif act.do == "restore":
            record.outcome("restore", lambda: saver.restore(session, self._latest() or path))
        elif act.do == "assign":
            record("assign", session.run(self.assign))
        elif act.do == "restart":
            self._restart(act.value)
        else:
            self._ask(act, path)

    def _restart(self, value: int) -> None:
        self._make_saver()
        state = self.record.outcome("state", self._state)
        if state is not None and value % 2:
            self.record.outcome("recover", self.saver.recover_last_checkpoints, state.all_model_checkpoint_paths)

    def _state(self) -> Any:
        return self.train.get_checkpoint_state(self.directory, self.program.latest_filename)

    def _ask(self, act: p.SaverAct, path: str) -> None:
        record, train = self.record, self.train
        if act.do == "state":
            record.outcome("state", self._state)
        elif act.do == "update":
            earlier = "{}-{}".format(self.prefix, act.value - 1)
            record.outcome("update", train.update_checkpoint_state, self.directory, path, [earlier, path])
        elif act.do == "exists":
            record.outcome("exists", train.checkpoint_exists, path)
            record("times", len(train.get_checkpoint_mtimes([path])))
        elif act.do == "remove":
            record.outcome("remove", train.remove_checkpoint, path)
