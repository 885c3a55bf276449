"""The reference stays small, and the counter counts what it says."""

import textwrap

import pytest

from tools import sizes

SOURCE = '''
    """Docstring,
    two lines."""

    # a comment

    import os  # code with a comment


    class A:
        """One line."""

        text = """a string
        that is code"""

        def f(self):
            """Docstring."""

            return (
                os.sep  # three lines so far

            )
'''


def test_code_lines_leave_out_blanks_comments_and_docstrings():
    # import, class, text (2), def, return, os.sep, closing bracket
    assert len(sizes.code_lines(textwrap.dedent(SOURCE))) == 8


def test_names_can_be_left_out_or_picked(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("import os\n\ndef f():\n    return 1\n\ndef g():\n    return os\n")
    assert sizes.count(path) == 5
    assert sizes.count(path, {"f"}) == 3
    assert sizes.count(path, {"only:", "f"}) == 2


def test_tokens_leave_out_annotations():
    assert len(sizes.code_tokens("def f(x):\n    return 1\n")) == 8
    assert len(sizes.code_tokens("def f(x: list[int]) -> int:\n    return 1\n")) == 10


def test_the_reference_keeps_its_limits():
    assert sizes.violations() == []


def test_limits_are_enforced(monkeypatch):
    monkeypatch.setattr(sizes, "MAX_TOTAL", 10)
    monkeypatch.setattr(sizes, "MAX_MODULE", 10)
    monkeypatch.setattr(sizes, "MAX_FUNCTION", 2)
    found = "\n".join(sizes.violations())
    assert "reference: " in found
    assert "monitored_session.py: " in found
    assert " after_create_session: " in found


def test_functions_are_short():
    longest = sorted((f.lines for path in sizes.reference_modules() for f in sizes.functions(path)), reverse=True)
    assert longest[len(longest) // 2] <= 10


def test_the_reference_is_smaller_than_what_it_specifies():
    lines = sizes.table()
    (total,) = [line.split() for line in lines if line.startswith("total")]
    if len(total) < 4:
        pytest.skip("no TensorFlow package folder beside this Python")
    assert int(total[1]) < int(total[3])
