"""The truth table of endings, as an HTML table that turns into cards where there is little room."""

from html import escape

from pictures import text as texts
from pictures.contents import endings as contents
from pictures.contents.endings import Ending
from pictures.drawing import LinkOf

_COLUMNS = 2 + len(contents.METHODS) + 1


def table(link_of: LinkOf) -> str:
    """The table and its legend."""
    heads = "".join(f'<th scope="col"><code>{_breakable(method)}</code></th>' for method in contents.METHODS)
    rows = []
    for group, endings in contents.GROUPS.items():
        rows.append(f'<tr class="group"><th colspan="{_COLUMNS}" scope="colgroup">{escape(group)}</th></tr>')
        rows += [_row(ending, link_of) for ending in endings.values()]
    legend = "".join(f"<li>{_mark(key)} {escape(meaning)}</li>" for key, (_, meaning) in contents.MARKS.items())
    return (
        '<table class="endings"><thead><tr><th scope="col">what ends it</th>'
        f'{heads}<th scope="col"><code>tf.Session</code></th><th scope="col">the caller sees</th></tr></thead>\n<tbody>'
        + "\n".join(rows)
        + f'</tbody></table>\n<ul class="legend">{legend}</ul>'
    )


def rule_ids() -> set[str]:
    """The rules that the table links to."""
    return {rule for endings in contents.GROUPS.values() for e in endings.values() for rule in e.rules.split()}


def _row(ending: Ending, link_of: LinkOf) -> str:
    rules = " ".join(f'<a class="rule" href="{escape(link_of(rule))}">{rule}</a>' for rule in ending.rules.split())
    cells = "".join(
        f'<td class="call {mark}" data-label="{method}">{_mark(mark)}</td>'
        for method, mark in zip(contents.METHODS, ending.marks, strict=True)
    )
    state = "open" if ending.session == contents.OPEN else ""
    return (
        f'<tr><th scope="row">{texts.html(ending.text)} {rules}</th>{cells}'
        f'<td class="fate {state}" data-label="tf.Session: ">{texts.html(ending.session)}</td>'
        f'<td class="fate" data-label="the caller sees: ">{texts.html(ending.sees)}</td></tr>'
    )


def _mark(key: str) -> str:
    sign, meaning = contents.MARKS[key]
    return f'<span class="mark {key}" role="img" aria-label="{escape(meaning)}">{escape(sign)}</span>'


def _breakable(name: str) -> str:
    return escape(name).replace("_", "_<wbr/>")
