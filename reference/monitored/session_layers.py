"""The layers of a monitored session: recover, coordinate, hook; one concern a layer.

From the outside in:

    RecoveringSession     makes a new session when this one is preempted
      CoordinatedSession  stops with its threads, and reports what they raised
        HookedSession     calls hooks around each step
          tf.Session

Each layer wraps anything with `run`, `close`, `graph` and `sess_str`, and can be used alone. Who
makes and ends the stack is `monitored_session.py`; what a step is, `step.py`.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import tensorflow.compat.v1 as tf

from monitored import errors, step
from monitored.compiled_step import StepRunner
from monitored.session_run_hook import SessionRunHook

_CLOSE_AT_LEAST_SECS = 1.0
"""What a healthy server is given, however short the grace period of the threads."""


class StepContext:
    """What `run_step_fn` hands to the user's function: the raw session, and one with hooks.

    Rules: MTS-STEP-02, MTS-STEP-03.
    """

    def __init__(self, session: tf.Session, run_with_hooks_fn: Callable[..., Any]) -> None:
        self._session = session
        self._run_with_hooks_fn = run_with_hooks_fn

    @property
    def session(self) -> tf.Session:
        """The raw `tf.Session`; after a recovery within one call it is the old, closed one."""
        # MTS-STEP-05, Q-12
        return self._session

    def run_with_hooks(self, *args: Any, **kwargs: Any) -> Any:
        """Run a step with its hooks; arguments and result are those of `MonitoredSession.run`."""
        return self._run_with_hooks_fn(*args, **kwargs)

    def request_stop(self) -> None:
        """Raise StopIteration, which ends a surrounding `with` block cleanly.

        It does not make `should_stop()` true.
        """
        # MTS-STEP-03, Q-13
        raise StopIteration("step_fn has requested the iterations to stop.")


StepFn = Callable[[StepContext], Any]
RunFn = Callable[..., Any]


class SessionLayer:
    """A session that passes everything to the one inside; the base of the layers.

    `_sess` is the session inside, None once closed.
    """

    def __init__(self, sess: Any) -> None:
        self._sess: Any = sess
        self._wraps_a_layer = isinstance(sess, SessionLayer)

    @property
    def graph(self) -> tf.Graph:
        """The graph of the session inside."""
        return self._sess.graph

    @property
    def sess_str(self) -> Any:
        """The target of the session inside, as bytes if that is a `tf.Session`."""
        return self._sess.sess_str

    def should_stop(self) -> bool:
        """Whether this layer, or one inside it, has a reason to stop, or is closed."""
        return bool(self._check_stop() or not self._sess or (self._wraps_a_layer and self._sess.should_stop()))

    def _check_stop(self) -> bool:
        """Whether this layer itself has a reason to stop."""
        return False

    def close(self) -> None:
        """Close the session inside and forget it; a preemption error is logged, not raised.

        Rule: MTS-EXC-08.
        """
        if not self._sess:
            return
        try:
            self._close_inside()
        except errors.PREEMPTION_ERRORS as error:
            tf.logging.error(errors.PREEMPTED_IN_CLOSE, error)
        finally:
            self._sess = None

    def _close_inside(self) -> None:
        self._sess.close()

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run the session inside."""
        return self._sess.run(*args, **kwargs)

    def run_step_fn(self, step_fn: StepFn, raw_session: tf.Session, run_with_hooks: RunFn | None) -> Any:
        """Call `step_fn` with a StepContext; return what it returns.

        Rule: MTS-STEP-02.
        """
        # MTS-STEP-06: a coordinator is asked where `run` fails, and nowhere else.
        return step_fn(StepContext(raw_session, run_with_hooks or self.run))


class RecoveringSession(SessionLayer):
    """Makes a new session whenever the present one is preempted, without limit or delay.

    `sess_creator` has `create_session()`, which returns the session to wrap.
    The first session is made by the constructor. Preemption while one is made is tried again too;
    what the failed try had opened stays open.

    Rules: MTS-LIFE-05, MTS-EXC-04, MTS-EXC-11, MTS-EXC-12, MTS-EXC-13.
    """

    def __init__(self, sess_creator: Any) -> None:
        self._sess_creator = sess_creator
        super().__init__(self._create_session())

    def _create_session(self) -> Any:
        while True:
            try:
                # MTS-LIFE-05, Q-17
                return self._sess_creator.create_session()
            except errors.PREEMPTION_ERRORS as error:
                tf.logging.info(errors.PREEMPTED_IN_CREATION, error)

    def _check_stop(self) -> bool:
        """Ask the session inside; a preemption error it holds is recovered from here.

        Any other exception it holds means stop, and is kept for `close` to raise.

        Rules: MTS-EXC-07, MTS-EXC-11.
        """
        if not self._sess:
            return True
        try:
            stop: bool = self._sess._check_stop()
        except errors.PREEMPTION_ERRORS as error:
            # MTS-EXC-11, Q-11: that a hook requested stop is forgotten with its session.
            tf.logging.info(errors.PREEMPTED_IN_STOP_CHECK, error)
            self.close()
            self._sess = self._create_session()
            return False
        # MTS-EXC-07, Q-08, Q-26: a KeyboardInterrupt, which is no Exception, leaves.
        except Exception:
            return True
        return stop

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Run a step; after a preemption run it again, whole, in a new session."""
        return self._until_not_preempted(
            lambda sess: sess.run(fetches, feed_dict=feed_dict, options=options, run_metadata=run_metadata)
        )

    def run_step_fn(self, step_fn: StepFn, raw_session: tf.Session, run_with_hooks: RunFn | None) -> Any:
        """Call `step_fn`; after a preemption call it again from its start.

        The second call sees the same `raw_session`, closed by then; its `run_with_hooks` runs in
        the new session.

        Rule: MTS-STEP-05.
        """
        return self._until_not_preempted(lambda sess: sess.run_step_fn(step_fn, raw_session, sess.run))

    def _until_not_preempted(self, attempt: Callable[[Any], Any]) -> Any:
        while True:
            try:
                if not self._sess:
                    self._sess = self._create_session()
                # MTS-EXC-12: in a new session if making one failed the last time.
                return attempt(self._sess)
            except errors.PREEMPTION_ERRORS as error:
                # MTS-EXC-04, Q-05, Q-10: subclasses too; what hooks requested is forgotten.
                tf.logging.info(errors.PREEMPTED_IN_RUN, error)
                self.close()
                self._sess = None


class CoordinatedSession(SessionLayer):
    """Stops together with the threads of a coordinator, and reports what they raised.

    Rules: MTS-EXC-05 to MTS-EXC-09, MTS-CLOSE-01, MTS-CLOSE-06.
    """

    def __init__(self, sess: Any, coord: Any, stop_grace_period_secs: float = 120) -> None:
        super().__init__(sess)
        self._coord = coord
        self._stop_grace_period_secs = stop_grace_period_secs

    def _check_stop(self) -> bool:
        """Raise what a thread reported, else say whether stop was requested.

        Rule: MTS-EXC-07.
        """
        self._coord.raise_requested_exception()
        stop: bool = self._coord.should_stop()
        return stop

    def close(self) -> None:
        """Stop and join the threads for at most the grace period, then close the session inside.

        What a thread had reported is raised, after closing; errors of closing are not.

        Rules: MTS-CLOSE-01, MTS-CLOSE-06, MTS-EXC-08, MTS-EXC-09.
        """
        stopped = time.monotonic()
        self._coord.request_stop()
        try:
            # MTS-EXC-08, Q-07, Q-09: raises what a thread reported, in place of whatever ends the session.
            self._coord.join(stop_grace_period_secs=self._stop_grace_period_secs, ignore_live_threads=True)
        finally:
            if isinstance(self._sess, HookedSession):
                self._sess.close_within_secs = _left_of(self._stop_grace_period_secs, stopped)
            with contextlib.suppress(Exception):  # what the threads reported is what counts
                super().close()

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run the session inside; if it fails because a thread was preempted, say so instead.

        Rules: MTS-EXC-05, MTS-EXC-06, MTS-EXC-14.
        """
        try:
            return self._sess.run(*args, **kwargs)
        except errors.PREEMPTION_ERRORS:
            raise
        except Exception as error:
            self._raise_preemption_behind(error)
            raise

    def _raise_preemption_behind(self, error: Exception) -> None:
        try:
            self._coord.raise_requested_exception()
        except errors.PREEMPTION_ERRORS:
            raise
        except Exception:
            # MTS-EXC-14
            raise error from None


def _left_of(grace_period_secs: Any, since: float) -> float | None:
    """Return how much is left of a grace period, at least what a healthy server needs; None if it is no number."""
    try:
        left = max(_CLOSE_AT_LEAST_SECS, grace_period_secs - (time.monotonic() - since))
        return min(float(left), threading.TIMEOUT_MAX)
    except (TypeError, ValueError):
        return None


class HookedSession(SessionLayer):
    """Calls hooks around each step, and stops when one asks for it.

    `hooks` is kept, not copied: what is added to it later runs too. `close_within_secs` limits how long
    closing a session on a server may take; None is no limit.

    Rules: MTS-LIFE-06, MTS-RUN-01, MTS-RUN-10, MTS-RUN-13, Q-22, Q-45.
    """

    close_within_secs: float | None = None

    def __init__(self, sess: Any, hooks: list[SessionRunHook]) -> None:
        super().__init__(sess)
        self._hooks = hooks
        self._should_stop = False
        self._runner = StepRunner()

    def _check_stop(self) -> bool:
        return self._should_stop

    def _close_inside(self) -> None:
        """Close the `tf.Session`; one on a server in a thread, for the runtime waits for peers that are gone.

        Rule: Q-45.
        """
        limit, session = self.close_within_secs, self._sess
        if limit is None or not isinstance(session, tf.Session) or not session.sess_str:
            super()._close_inside()
            return
        raised: list[Exception] = []

        def close() -> None:
            try:
                session.close()
            except Exception as error:
                raised.append(error)

        closing = threading.Thread(target=close, name="CloseSession", daemon=True)
        try:
            closing.start()
        except RuntimeError:  # the interpreter ends, and starts no more threads
            super()._close_inside()
            return
        closing.join(limit)
        if raised:
            raise raised[0]
        if closing.is_alive():
            tf.logging.warning(errors.NOT_CLOSED, limit)

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Run one step with its hooks; RuntimeError if stop was requested before.

        Rules: MTS-RUN-01, MTS-RUN-02.
        """
        if self.should_stop():
            raise RuntimeError("Run called even after should_stop requested.")
        request = (fetches, feed_dict, options, run_metadata)
        # not run directly, as a hook may close this layer meanwhile.
        results, stop = step.run_step(self._sess, self._hooks, *request, super().run, self._runner)
        # MTS-RUN-10, Q-10: not reached by a run that fails.
        self._should_stop = self._should_stop or stop
        return results
