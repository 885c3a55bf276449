"""Where long names on the site may break on a phone."""

import pytest

pytest.importorskip("sphinx.application")

from breaks import with_breaks


def _shown(name):
    """The places in a name, as bars: one for a name that fits a line, two for a longer one, three on every screen."""
    page = with_breaks(f'<code><span class="pre">{name}</span></code>')
    body = page.removeprefix('<code><span class="pre">').removesuffix("</span></code>")
    return body.replace('<wbr class="short">', "|").replace("<wbr>", "||").replace('<wbr class="long">', "|||")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("short_name", "short_name"),
        ("CheckpointSaverHook.after_create_session", "CheckpointSaverHook.||after_||create_||session"),
        ("_CoordinatedSessionCreator.__init__", "_CoordinatedSessionCreator.|__init__"),
        ("QueueRunnerOfThatSession.run", "QueueRunnerOfThatSession.run"),
        ("reference/monitored/step.py", "reference/|monitored/step.py"),
        ("MonitoredTrainingSession(checkpoint_dir=D)", "MonitoredTrainingSession(||checkpoint_||dir=||D)"),
    ],
)
def test_places(name, shown):
    assert _shown(name) == shown


def test_a_name_that_fills_a_line_of_any_screen():
    name = "CheckpointSaverHook.after_create_session" + 20 * "n"
    assert _shown(name[:-1]).startswith("CheckpointSaverHook.||after_||")
    assert _shown(name).startswith("CheckpointSaverHook.|||after_|||")


@pytest.mark.parametrize(
    ("code", "is_one"), [("--rules-json", True), ("-k", True), ("rules-json", False), ("-1", False)]
)
def test_options_are_marked(code, is_one):
    page = with_breaks(f'<code><span class="pre">{code}</span></code>')
    assert page == f'<code><span class="pre{" option" if is_one else ""}">{code}</span></code>'


def test_only_names_in_code():
    page = "<p>CheckpointSaverHook.after_create_session</p>"
    assert with_breaks(page) == page
