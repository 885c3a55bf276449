"""SummarySaverHook beside tf.train's (MTS-SUM)."""

import pytest
import tensorflow.compat.v1 as tf

PERIODS = [
    {"save_steps": 0},
    {"save_steps": 1},
    {"save_steps": 1.5},
    {"save_steps": 3},
    {"save_steps": 100},
    {"save_secs": 2},
    {"save_secs": 0},
]


def summary(name="a", value=1.0):
    return tf.summary.scalar(name, tf.constant(value))


@pytest.mark.parametrize("increments", [[1] * 10, [2] * 8, [5, 0, 0, 1, -3, 1, 1]], ids=str)
@pytest.mark.parametrize("period", PERIODS, ids=str)
@pytest.mark.rule("MTS-SUM-01", "MTS-SUM-02")
def test_when_it_saves(same, period, increments):
    """The first run, then when due for the step to come."""

    def program(run):
        run.build_step(start=1)
        hook = run.hooks.SummarySaverHook(output_dir=run.dir, summary_op=summary(), **period)
        with run.session([hook]) as session:
            for by in increments:
                run.step(session, by, secs=0.75)
                run.see(hook._next_step, hook._request_summary)

    same(program)


@pytest.mark.parametrize("kind", ["one", "list", "empty list", "tuple", "scaffold", "no summaries"])
@pytest.mark.rule("MTS-SUM-03", "Q-30")
def test_what_it_saves(same, kind):
    """A tensor, or a list with one event each; a tuple breaks after START."""

    def program(run):
        run.build_step()
        if kind != "no summaries":
            one, two = summary("one"), summary("two", 2.0)
        if kind in ("scaffold", "no summaries"):
            scaffold = run.scaffold(summary_op=tf.summary.merge_all())
            given = {"scaffold": scaffold}
        else:
            scaffold = run.scaffold()
            ops = {"one": one, "list": [one, two], "empty list": [], "tuple": (one, two)}
            given = {"summary_op": ops[kind]}
        hook = run.hooks.SummarySaverHook(2, output_dir=run.dir, **given)
        with run.session([hook], scaffold) as session:
            for _ in range(4):
                run.step(session)

    same(program)


@pytest.mark.parametrize("folder", [None, "", "given"])
@pytest.mark.rule("MTS-SUM-03")
def test_where_it_saves(same, folder):
    """The given writer, else the directory; silent without either."""

    def program(run):
        run.build_step()
        writer = tf.summary.FileWriter(run.dir) if folder == "given" else None
        hook = run.hooks.SummarySaverHook(1, None, folder, writer, None, summary())
        session = run.session([hook])
        for _ in range(2):
            run.step(session)
            run.see(hook._next_step, hook._summary_writer is writer)
        session.close()
        if writer:
            writer.close()

    same(program)


@pytest.mark.rule("MTS-SUM-01")
def test_a_start_record_for_each_session_but_not_for_a_recovery(same):
    def program(run):
        run.build_step()
        failures = [tf.errors.AbortedError(None, None, "gone")]

        class Failing(tf.train.SessionRunHook):
            def after_run(self, run_context, run_values):
                if failures:
                    raise failures.pop()

        hook = run.hooks.SummarySaverHook(1, output_dir=run.dir, summary_op=summary())
        for _ in range(2):
            with run.session([hook, Failing()]) as session:
                run.step(session)
                run.step(session)

    shown = same(program)
    starts = [content for _, kind, content in shown["events"] if kind == "session_log"]
    assert starts == ["status: START\n"] * 2


@pytest.mark.rule("MTS-SUM-03")
def test_the_end_flushes(same):
    """Everything is in the file before the writer is closed."""

    def program(run):
        run.build_step()

        class Writer:
            def __getattr__(self, name):
                return lambda *arguments: run.see(name, len(arguments))

        hook = run.hooks.SummarySaverHook(1, summary_writer=Writer(), summary_op=summary())
        with run.session([hook]) as session:
            run.step(session)
        hook.end()

    same(program)


@pytest.mark.rule("MTS-SUM-01")
def test_arguments(same):
    """One of scaffold and summary_op, then one of the two periods."""

    def program(run):
        make = run.hooks.SummarySaverHook
        thing = object()
        run.call(make)
        run.call(make, scaffold=thing, summary_op=thing)
        run.call(make, scaffold=thing)
        run.call(make, summary_op=thing, save_steps=1, save_secs=1)
        run.see(make(3, summary_op=thing)._timer._every_steps)

    same(program)


@pytest.mark.rule("MTS-ARG-11")
def test_without_a_global_step(same):
    """RuntimeError at begin."""

    def program(run):
        hook = run.hooks.SummarySaverHook(1, output_dir=run.dir, summary_op=summary())
        run.session([hook], run.host.Scaffold())

    same(program)


@pytest.mark.rule("MTS-ARG-09")
def test_the_summary_op_of_a_scaffold_is_read_when_needed(same):
    """At run time, since the scaffold finds it when it is finalised."""

    def program(run):
        run.build_step()
        summary()
        scaffold = run.scaffold()
        hook = run.hooks.SummarySaverHook(1, output_dir=run.dir, scaffold=scaffold)
        run.see(hook._get_summary_op())
        with run.session([hook], scaffold) as session:
            run.step(session)
            run.see(len(hook._get_summary_op()))

    same(program)
