"""ProfilerHook beside tf.train's (MTS-PRF)."""

import json
import os

import pytest
import tensorflow.compat.v1 as tf

from monitored import ProfilerHook, _tensorflow

PERIODS = [{"save_steps": 0}, {"save_steps": 1}, {"save_steps": 3}, {"save_secs": 1}]


@pytest.mark.parametrize("increments", [[1] * 5, [2] * 4, [3, 0, 1, 1]], ids=str)
@pytest.mark.parametrize("period", PERIODS, ids=str)
@pytest.mark.rule("MTS-PRF-01")
def test_when_it_traces(same, period, increments):
    """Never the first run; files and events by global step."""

    def program(run):
        run.build_step(start=1)
        hook = run.hooks.ProfilerHook(output_dir=run.dir, **period)
        run.see(os.path.basename(hook._output_file), os.path.isdir(run.dir))
        with run.session([hook]) as session:
            for by in increments:
                run.step(session, by, secs=0.5)
                run.see(hook._next_step, hook._request_summary)

    same(program)


@pytest.mark.rule("MTS-PRF-01")
def test_arguments(same):
    """The event writer is opened before the periods are looked at."""

    def program(run):
        run.call(run.hooks.ProfilerHook, output_dir=run.dir)
        run.call(run.hooks.ProfilerHook, 1, 1, output_dir=run.dir)
        hook = run.hooks.ProfilerHook(2, None, run.dir, False, True)
        run.see(hook._timer._every_steps, hook._show_dataflow, hook._show_memory)

    assert len(same(program)["events"]) > 0


@pytest.mark.rule("MTS-ARG-11")
def test_without_a_global_step(same):
    """RuntimeError at begin."""
    same(lambda run: run.session([run.hooks.ProfilerHook(1, None, run.dir)], run.host.Scaffold()))


def test_a_folder_that_is_gone(same):
    """The trace cannot be written: the error is the run's."""

    def program(run):
        run.build_step()
        hook = run.hooks.ProfilerHook(1, None, run.dir)
        hook._output_file = run.dir + "/missing/timeline-{}.json"
        with run.session([hook]) as session:
            run.step(session)
            run.step(session)

    assert same(program)["ended"][0] == "NotFoundError"


def trace(config):
    """Trace one run."""
    metadata = tf.RunMetadata()
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    product = tf.matmul(tf.ones([3, 3]), tf.random_uniform([3, 3]), name="product")
    with tf.Session(config=config) as session:
        session.run(product, options=options, run_metadata=metadata)
    return metadata.step_stats


@pytest.mark.parametrize("flags", [(True, False), (False, True)])
@pytest.mark.rule("MTS-PRF-01")
def test_the_timeline_file(fresh_graph, config, tmp_path, flags):
    """The bytes that tf.train's hook writes for the same run."""
    step_stats = trace(config)
    texts = []
    for hooks in (tf.train.ProfilerHook, ProfilerHook):
        hook = hooks(1, None, str(tmp_path), *flags)
        hook._save(3, str(tmp_path / "timeline"), step_stats)
        texts.append((tmp_path / "timeline").read_text())
    assert texts[0] == texts[1]


@pytest.mark.rule("MTS-PRF-01")
def test_the_public_fallback(fresh_graph, config, monkeypatch):
    """Without TensorFlow's private module, the same ops at the same times."""

    def times(text):
        events = json.loads(text)["traceEvents"]
        return sorted((e["ts"], e["dur"]) for e in events if e["ph"] == "X")

    step_stats = trace(config)
    expected = times(_tensorflow.chrome_trace(step_stats, False, False))
    monkeypatch.setattr(_tensorflow, "FORCE_FALLBACK", True)
    text = _tensorflow.chrome_trace(step_stats, False, False)
    assert times(text) == expected
    assert "product" in {event["name"] for event in json.loads(text)["traceEvents"]}
