"""A result, which is JSON, as a table for the terminal and as one self-contained HTML page."""

from typing import Any

import jinja2
from rich.console import Console
from rich.table import Table

_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ r.subject }} against {{ r.oracle }}: {{ r.verdict }}</title>
<style>
:root { color-scheme: light dark; --text: #222; --page: #fff; --line: #ddd; --box: #f5f5f5; --good: #176d2b;
--bad: #b3261e; --open: #7a5d00; }
@media (prefers-color-scheme: dark) { :root { --text: #ddd; --page: #16181b; --line: #3a3d42; --box: #22252a;
--good: #6fcf87; --bad: #ff8a80; --open: #e0bf57; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em; color: var(--text);
background: var(--page); } h1 { line-height: 1.2; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: .7em 0; }
td, th { padding: .15em .7em; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td:first-child { white-space: nowrap; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
tr.all td { font-weight: 600; } .pass, .same { color: var(--good); }
.divergent, .different { color: var(--bad); font-weight: 600; } .untested { color: var(--open); }
pre { background: var(--box); padding: .8em; overflow-x: auto; font-size: 12px; }
code { font-size: 12px; word-break: break-all; } summary { cursor: pointer; margin: .4em 0; }
@media (max-width: 40em) { td, th { padding: .15em .4em; } }
</style></head><body>
<h1>{{ r.subject }} against {{ r.oracle }}: <span class="{{ r.verdict }}">{{ r.verdict }}</span></h1>
<p>{{ r.date }}; TensorFlow {{ r.versions.tensorflow }}, Python {{ r.versions.python }}, hypothesis
{{ r.versions.hypothesis }}, {{ r.versions.platform }}; on {{ r.devices | join(", ") }}{% if r.two_ways %}; the
subject's steps compiled and plain{% endif %}; profile {{ r.profile }}, seed {{ r.seed }}; {{ r.seconds }} s.
{{ r.remark }}</p>
<p><b>{{ "{:,}".format(r.programs) }}</b> generated programs ({{ "{:,}".format(r.programs_distinct) }} distinct),
{{ "{:,}".format(r.scenario_programs) }} programs of the scenario chapters
{%- if r.chapters %} ({{ r.chapters.passed }} passed, {{ r.chapters.failed }} failed){% endif %},
<b>{{ r.differences | length }}</b> unregistered differences. {{ r.programs_per_second }} programs a second
{%- if r.time %};
{{ "%.1f" | format(100 * r.share_outside_tensorflow) }} % of the time outside TensorFlow calls
({% for name, share in r.time.items() %}{{ name }} {{ "%.1f" | format(100 * share) }} %{{ ", " if not loop.last }}
{%- endfor %}){% endif %}.</p>
{% if r.differences %}<h2>Differences</h2>
{% for d in r.differences %}<details open><summary>{{ d.origin }}, seed {{ d.seed }}</summary>
<pre>{{ d.report }}</pre><p>Replay: <code>{{ d.replay }}</code></p></details>{% endfor %}{% endif %}
{% if r.errors | default([]) %}<h2>The harness failed</h2>
{% for e in r.errors %}<details><summary><code>{{ e.program }}</code></summary><pre>{{ e.traceback }}</pre></details>
{% endfor %}{% endif %}
{% if r.chapters and r.chapters.output %}<h2>Scenarios that failed</h2><pre>{{ r.chapters.output | join("\n") }}</pre>
{% endif %}
{% if r.enumeration %}<h2>Small scope, complete</h2><div class="wide"><table>
{% for name, count in r.enumeration.programs.items() %}<tr><td>{{ name }}</td>
<td class="n">{{ "{:,}".format(count) }}</td></tr>{% endfor %}
<tr><td>distinct in all</td><td class="n">{{ "{:,}".format(r.enumeration.distinct_programs_in_all) }}</td></tr>
<tr><td>run here</td><td class="n">{{ "{:,}".format(r.enumeration.programs_run) }}
({{ "all" if r.enumeration.complete else "a part" }})</td></tr>
<tr><td>hours for all at this rate</td><td class="n">{{ r.enumeration.hours_for_all }}</td></tr>
</table></div>{% endif %}
<h2>Rules</h2>
<div class="wide"><table><tr><th>group</th><th class="n">rules</th><th class="n">pass</th><th class="n">divergent</th>
<th class="n">untested</th></tr>{% for name, g in r.groups.items() %}<tr><td>{{ name }}</td>
<td class="n">{{ g.rules }}</td><td class="n">{{ g["pass"] }}</td><td class="n">{{ g.divergent }}</td>
<td class="n">{{ g.untested }}</td></tr>{% endfor %}<tr class="all"><td>all</td>
{% for column in ("rules", "pass", "divergent", "untested") -%}
<td class="n">{{ r.groups.values() | sum(attribute=column) }}</td>{% endfor %}</tr></table></div>
<div class="wide"><table><tr><th>rule</th><th></th><th>verdict</th>
<th class="n">generated programs</th><th class="n">scenarios</th></tr>
{% for name, rule in r.rules.items() %}<tr><td>{{ name }}</td><td>{{ rule.title }}</td>
<td class="{{ rule.verdict }}">{{ rule.verdict }}</td><td class="n">{{ "{:,}".format(rule.programs) }}</td>
<td class="n">{{ rule.scenarios }}</td></tr>{% endfor %}</table></div>
<h2>What each strategy produced</h2>
{% for name, s in r.strategies.items() %}<details><summary>{{ name }}: {{ "{:,}".format(s.programs) }} programs,
{{ s.seconds }} s</summary><div class="wide"><table>
{% for what, count in s.produced.items() %}<tr><td>{{ what }}</td>
<td class="n">{{ "{:,}".format(count) }}</td></tr>{% endfor %}</table></div></details>{% endfor %}
<h2>Registered divergences</h2><div class="wide"><table>
{% for name, count in r.divergences.items() %}<tr><td>{{ name }}</td>
<td class="n">{{ count }}</td></tr>{% endfor %}</table></div>
{% if r.divergences_unused %}<p class="divergent">
Matched nothing: {{ r.divergences_unused | join(", ") }}</p>{% endif %}
<h2>Slowest programs</h2><div class="wide"><table>
{% for s in r.slowest %}<tr><td class="n">{{ "%.2f" | format(s.seconds) }} s</td>
<td><code>{{ s.program }}</code></td></tr>{% endfor %}</table></div>
</body></html>
"""


def write_page(result: dict[str, Any], path: str) -> None:
    """Write the page; it refers to nothing outside itself. KeyError-free input is what `run` wrote."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    with open(path, "w", encoding="utf-8") as file:
        file.write(environment.from_string(_TEMPLATE).render(r=result))


def print_table(result: dict[str, Any], console: Console) -> None:
    """Print the verdict by group of rules, and each difference in full."""
    for difference in result["differences"]:
        console.print(difference["report"], markup=False, highlight=False, soft_wrap=True)
        console.print()
    if result["chapters"] and result["chapters"]["output"]:
        console.print("\n".join(result["chapters"]["output"]), markup=False, highlight=False, soft_wrap=True)
    table = Table(title=f"{result['subject']} against {result['oracle']}")
    for column in ("rules", "known", "pass", "divergent", "untested"):
        table.add_column(column, justify="left" if column == "rules" else "right")
    for group, row in result["groups"].items():
        table.add_row(group, *(str(row[key]) for key in ("rules", "pass", "divergent", "untested")))
    table.add_section()
    rows = list(result["groups"].values())
    table.add_row("all", *(str(sum(row[key] for row in rows)) for key in ("rules", "pass", "divergent", "untested")))
    console.print(table)
    scenarios = f", {result['scenario_programs']:,} of scenarios" if result["chapters"] else ""
    outside = result["share_outside_tensorflow"]
    console.print(
        f"{result['programs']:,} generated programs ({result['programs_distinct']:,} distinct){scenarios}; "
        f"{len(result['differences'])} unregistered differences; {result['programs_per_second']} programs/s"
        + ("" if outside is None else f", {outside:.1%} of the time outside TensorFlow calls"),
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"TensorFlow {result['versions']['tensorflow']}, seed {result['seed']}", highlight=False)
    for error in result["errors"]:
        console.print(f"the harness failed on {error['program']}:", style="red", markup=False)
        console.print(error["traceback"], markup=False, highlight=False, soft_wrap=True)
    for name in result["divergences_unused"]:
        console.print(f"divergence {name} matched nothing", style="red")
    if result["remark"]:
        console.print(result["remark"], style="yellow")
