"""The search leads to rules, rows, messages and names: the index of a small site, and its ranking where node is."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

ERRORS = """\
---
myst:
  html_meta:
    keywords: recovery
---

# Errors

What an error does.

## MTS-EXC-05 a run's error while the coordinator holds one

Both decide what `run` raises after the old session was stopped. The coordinator of MTS-EXC-04 is asked first.

## MTS-EXC-04 preemption in run

`tf.errors.AbortedError` makes another session.
"""
TROUBLE = """\
# Troubleshooting

## `Run called even after should_stop requested.`

Ask `should_stop()` before each run.

```python
session.run(step)
```
"""
TABLE = """\
# Releases

:::{list-table}

* - [D05]{#d05}
  - First checkpoint
  - after run 1
* - [D06]{#d06}
  - Another
  - nothing
:::

:::{py:class} monitored.Saver(max_to_keep)

Writes files.
:::
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """The text of the index of a site of three pages."""
    sphinx = pytest.importorskip("sphinx.application")
    pytest.importorskip("myst_parser")
    source = tmp_path_factory.mktemp("site")
    (source / "conf.py").write_text(
        'extensions = ["myst_parser", "search"]\n'
        'myst_enable_extensions = ["colon_fence", "attrs_inline"]\n'
        'exclude_patterns = ["out"]\n',
        encoding="utf-8",
    )
    (source / "index.md").write_text(ERRORS, encoding="utf-8")
    (source / "trouble.md").write_text(TROUBLE, encoding="utf-8")
    (source / "table.md").write_text(TABLE, encoding="utf-8")
    out = source / "out"
    sphinx.Sphinx(source, source, out, out / "doctrees", "html", status=None, warning=None, freshenv=True).build()
    return (out / "search-sections.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def entries(index):
    return json.loads(index.removeprefix("const SECTIONS = ").rstrip("\n;"))


def test_each_section_row_and_name_is_an_entry(entries):
    assert [entry[:3] for entry in entries] == [
        ["index", "", "Errors"],
        [
            "index",
            "mts-exc-05-a-run-s-error-while-the-coordinator-holds-one",
            ERRORS.splitlines()[10][3:].replace("'", "\u2019"),
        ],
        ["index", "mts-exc-04-preemption-in-run", "MTS-EXC-04 preemption in run"],
        ["table", "", "Releases"],
        ["table", "d05", "D05 First checkpoint"],
        ["table", "d06", "D06 Another"],
        ["table", "monitored.Saver", "monitored.Saver"],
        ["trouble", "", "Troubleshooting"],
        ["trouble", "run-called-even-after-should-stop-requested", "Run called even after should_stop requested."],
    ]


def test_a_text_stands_in_one_entry(entries):
    text = {entry[2]: entry[4] for entry in entries}
    assert text["Errors"] == "What an error does."
    assert text["D05 First checkpoint"] == "after run 1"
    assert text["Releases"] == ""
    assert "Writes files." in text["monitored.Saver"]
    assert text["Run called even after should_stop requested."].endswith("before each run. session.run(step)")


def test_keywords_are_those_of_the_page(entries):
    assert [entry[2:] for entry in entries if len(entry) > 5] == [
        ["Errors", "Errors", "What an error does.", "recovery"]
    ]


@pytest.mark.skipif(not shutil.which("node"), reason="the ranking is JavaScript")
@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("d05", "D05 First checkpoint"),
        ("first checkpoint", "D05 First checkpoint"),
        ("Run called even after should_stop requested", "Run called even after should_stop requested."),
        ("should_stop", "Run called even after should_stop requested."),
        ("aborted", "MTS-EXC-04 preemption in run"),
        ("AbortedError", "MTS-EXC-04 preemption in run"),
        ("MTS-EXC-04", "MTS-EXC-04 preemption in run"),
        ("Saver", "monitored.Saver"),
        ("stopping the old sessions", "MTS-EXC-05 a run\u2019s error while the coordinator holds one"),
        ("recovery", "Errors"),
        ("nowhere", None),
    ],
)
def test_what_comes_first(index, tmp_path, query, first):
    ranking = (ROOT / "docs" / "_static" / "search.js").read_text(encoding="utf-8")
    program = tmp_path / "search.js"
    ask = f"const found = search({json.dumps(query)});\nconsole.log(found.length ? found[0].title : '');"
    program.write_text("\n".join((index, ranking, ask)), encoding="utf-8")
    ran = subprocess.run(["node", program], capture_output=True, text=True, check=True, timeout=600)
    assert ran.stdout.strip() == (first or "")
