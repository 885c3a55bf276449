"""What the status pages show, made from the JSON files that the tools wrote.

Each function takes what is in such files and returns Markdown: tables, sentences, a picture. They read nothing, but for
`results` and `load`. Times are shares and ratios, for seconds say more of a machine than of the code. What a file
does not say is shown as unknown, never guessed. `docs/_extensions/status.py` puts it on the pages.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from crashes.marks import TITLES, Phase

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
REGISTER = ROOT / "conformance" / "divergences.json"
BASELINE = ROOT / "perf" / "baseline.json"
HISTORY = ROOT / "perf" / "history.json"
MIB = 1 << 20

Json = dict[str, Any]


def load(path: Path) -> Any:
    """Return what is in a JSON file; raises OSError or ValueError."""
    return json.loads(path.read_text(encoding="utf-8"))


def results(pattern: str) -> list[tuple[Path, Json]]:
    """Return the result files that match, the newest first; FileNotFoundError if there is none."""
    found = [(path, load(path)) for path in sorted(RESULTS.glob(pattern))]
    if not found:
        raise FileNotFoundError(f"docs/results/{pattern}: there is no such file, so the page has nothing to show")
    return sorted(found, key=lambda item: (date_of(item[1], item[0]), _moment(item[1]), item[0].name), reverse=True)


def _moment(result: Json) -> str:
    return str(result.get("date") or result.get("created") or "")


def date_of(result: Json, path: Path) -> str:
    """The day of a result: as it says itself, or as its file's name says."""
    named = re.findall(r"\d{4}-\d\d-\d\d", path.as_posix())
    return (_moment(result) or (named or ["unknown"])[-1])[:10]


# Text


def table(header: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> str:
    """Return a table; all columns but the first `left` are numbers."""
    marks = ["---" if column < left else "---:" for column in range(len(header))]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in (header, marks, *rows)) + "\n"


def _cell(value: object) -> str:
    return (f"{value:,}" if isinstance(value, int) else str(value)).replace("|", "\\|")


def code(text: str) -> str:
    """Return text as code, whatever it has in it."""
    ticks = "``" if "`" in text else "`"
    space = " " if ticks == "``" else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def made_with(date: str, versions: Json, platform: str, more: str = "") -> str:
    """Return the sentence that dates a table: the day, TensorFlow, Python and the platform."""
    python = versions.get("python")
    parts = [date[:10], f"TensorFlow {versions['tensorflow']}", f"Python {python}" if python else "Python not recorded"]
    return ", ".join([*parts, platform, *filter(None, [more])]) + "."


def generated(path: Path, command: str) -> str:
    """Return the line that says where a table comes from."""
    name = path.relative_to(ROOT).as_posix()
    return f"Made from {{source}}`{name}`, which {code(command)} wrote; never edited by hand.\n"


def share(part: float, whole: float) -> str:
    """Return a part in percent, as whole numbers from 1 % on."""
    percent = 100 * part / whole
    return "0 %" if not part else f"{percent:.0f} %" if percent >= 1 else "below 1 %"


# Conformance


def conformance(result: Json, path: Path) -> str:
    """Return the page of a complete run."""
    versions = result["versions"]
    ways = "in both ways of executing a step" if result["two_ways"] else "in one way of executing a step"
    rules = result["rules"].values()
    verdicts = Counter(rule["verdict"] for rule in rules)
    facts = [
        ("verdict", {"same": "the same"}.get(result["verdict"], result["verdict"])),
        (
            "compared",
            f"{code(result['subject'])} with {code(result['oracle'])}, {ways}, on {', '.join(result['devices'])}",
        ),
        ("programs", f"{result['programs']:,}, of which {result['programs_distinct']:,} are distinct"),
        ("scenarios", f"{result['chapters']['passed']:,} passed, {result['chapters']['failed']:,} failed"),
        ("differences", f"{len(result['differences']):,} that no entry of the register explains"),
        ("rules", ", ".join(f"{number:,} {verdict}" for verdict, number in verdicts.most_common())),
        ("seed", str(result["seed"])),
    ]
    hypothesis = f"Hypothesis {versions['hypothesis']}"
    return "\n".join([
        made_with(result["date"], versions, versions["platform"], hypothesis),
        "",
        table(("", "the newest complete run"), facts, left=2),
        generated(path, conformance_command(result)),
    ])  # fmt: skip


def conformance_command(result: Json) -> str:
    """The command line of a run."""
    command = f"python -m conformance run --profile {result['profile']} --seed {result['seed']}"
    return command + ("" if result["subject"] == "monitored" else f" --subject {result['subject']}")


def strategies(result: Json) -> str:
    """Return the programs by strategy, with the share of the time that they took."""
    found = result["strategies"]
    seconds = sum(each["seconds"] for each in found.values())
    rows: list[tuple[object, ...]] = [
        (name, each["programs"], share(each["seconds"], seconds))
        for name, each in sorted(found.items(), key=lambda item: -item[1]["programs"])
    ]
    rows.append(("**all**", sum(each["programs"] for each in found.values()), "100 %"))
    times = ", ".join(f"{name} {share(part, 1)}" for name, part in result["time"].items())
    return table(("strategy", "programs", "share of the time"), rows) + f"\nOf all time: {times}.\n"


def scope(result: Json) -> str:
    """Return how much of the small scope was enumerated."""
    found = result["enumeration"]
    done, pieces = found["pieces"]
    rows: list[tuple[object, ...]] = [(name, number) for name, number in found["programs"].items()]
    rows.append(("programs of their own in all of these", found["distinct_programs_in_all"]))
    rows.append(("of which this run did", found["programs_run"]))
    how = "All of it" if found["complete"] else "Not all of it"
    return table(("complete small scope", "programs"), rows) + f"\n{how}: {done:,} of {pieces:,} pieces.\n"


def rules_by_group(result: Json) -> str:
    """Return how many rules of each group passed, and how often they were tried."""
    keys = ("rules", "pass", "divergent", "untested", "programs", "scenarios")
    groups = result["groups"]
    rows = [(name, *(group[key] for key in keys)) for name, group in groups.items()]
    rows.append(("**all**", *(sum(group[key] for group in groups.values()) for key in keys[:4]), "", ""))
    return table(("group", *keys), rows) + "\nA program that tries several rules of a group counts once for each.\n"


def mutants(result: Json, path: Path) -> str:
    """Return what became of the automatic mutants."""
    nothing = sum(each["verdict"].startswith("changes nothing") for each in result["survivors"])
    rows: list[tuple[object, ...]] = [
        ("noticed in the run", result["killed"]),
        ("noticed by scenarios added since", result["noticed_since"]),
        ("not noticed", result["open"]),
        ("known to change nothing, each with the reason", nothing),
        ("**all**", result["automatic"]),
    ]
    rate = f"Noticed: {100 * result['kill_rate_since']:.1f} % of those that change something."
    tried = f"commit {result['code']}, seed {result['seed']}"
    command = f"python -m conformance mutants --automatic --budget {result['budget_seconds']} --out FILE"
    return "\n".join([
        made_with(date_of(result, path), result, "platform not recorded", tried),
        "",
        table(("automatic mutants", ""), rows),
        rate,
        "",
        f"Taken from what {code(command)} wrote, with what scenarios noticed later: "
        f"{{source}}`{path.relative_to(ROOT).as_posix()}`; never edited by hand.",
        "",
    ])  # fmt: skip


# Divergences


def divergence_table(register: list[Json], complete: Json, scenarios: Json) -> str:
    """Return one line for each entry of the register, with how often either kind of run met it."""
    rows = [
        (
            entry["id"],
            entry["verdict"],
            code(entry["tensorflow"]),
            ", ".join(entry["rules"]),
            met(entry, complete),
            met(entry, scenarios),
        )
        for entry in register
    ]
    days = [f"{what} {run['date'][:10]}" for what, run in (("complete run", complete), ("scenarios", scenarios))]
    return table(("entry", "verdict", "TensorFlow", "rules", *days), rows, left=4)


def met(entry: Json, run: Json) -> str:
    """How often a run met an entry; a complete run knows neither clusters nor what was registered after it."""
    if entry["id"] in run["divergences"]:
        return f"{run['divergences'][entry['id']]:,}"
    return "-" if entry["id"] not in run.get("divergences_unused", [entry["id"]]) else "0"


def divergence(entry: Json) -> str:
    """Return the text of one entry."""
    rows = [
        ("verdict", entry["verdict"]),
        ("TensorFlow", code(entry["tensorflow"])),
        ("rules", ", ".join(entry["rules"])),
        ("matches", matcher_in_words(entry)),
    ]
    return entry["reason"] + "\n\n" + table(("", ""), rows, left=2)


MATCHER = {
    "kind": "the kind of the event",
    "path": "the path of the part that differs",
    "oracle": "what `tf.train` has there",
    "subject": "what the subject has there",
    "event": "the event of `tf.train`",
    "subject_event": "the event of the subject",
}
SKIPPED = {
    "both": "Both events count as compared.",
    "oracle": "The event of `tf.train` is stepped over.",
    "subject": "The event of the subject is stepped over.",
}


def matcher_in_words(entry: Json) -> str:
    """Say which difference an entry explains."""
    parts = [f"{MATCHER[key]} matches {code(pattern)}" for key, pattern in entry["match"].items()]
    text = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + ", and " + parts[-1]
    return f"an event where {text}. {SKIPPED[entry.get('skip', 'both')]}"


# Performance

KINDS = {
    "time_step": "a step",
    "time_one_more_hook": "one hook more",
    "time_hook_profiler": "a hook that is timed",
    "time_summary": "a step that writes summaries",
    "stall_checkpoint": "a step that saves",
    "stall_checkpoint_async": "a step that saves asynchronously",
    "stall_checkpoint_durable": "a step that saves and flushes",
    "time_restore": "a restore",
    "time_create": "creating a session",
    "time_restart": "restarting a session",
    "time_recover": "recovering a session",
    "memory_steps": "memory of steps",
    "memory_save": "memory of a save",
}
TF_TRAIN = "tf.train"


def case_name(case: str) -> tuple[str, str]:
    """Return the kind of a case in words, and which of that kind it is."""
    kind, _, which = case.rstrip("]").partition("[")
    return KINDS.get(kind, kind), which


def ratio_text(ratio: Json | None) -> str:
    """Return a ratio with its interval; `~` before one whose interval holds 1."""
    if ratio is None:
        return "-"
    mark = "~" if ratio["low"] <= 1 <= ratio["high"] else ""
    return f"{mark}{ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def in_order(ratios: Json) -> list[str]:
    """The cases that have a ratio, those of a kind together."""
    return sorted((case for case in ratios if ratios[case]), key=lambda c: (list(KINDS).index(_kind(c)), _sizes(c)))


def _kind(case: str) -> str:
    kind = case.partition("[")[0]
    return kind if kind in KINDS else list(KINDS)[-1]


def _sizes(case: str) -> list[tuple[int, str]]:
    """Sorts 10x1000 before 10x100000."""
    digits = "".join(c if c.isdigit() else " " for c in case).split()
    return [(0, case.translate(str.maketrans("", "", "0123456789"))), *((int(each), "") for each in digits)]


def performance(key: str, entry: Json) -> str:
    """Return the ratios of one baseline."""
    rows = []
    last = ""
    for case in in_order(entry["ratios"]):
        kind, which = case_name(case)
        ratios = entry["ratios"][case]
        floors = [name for name in ratios if name != TF_TRAIN]
        floor = ratio_text(ratios[floors[0]]) + ("" if floors[0] == "floor" else f" of {floors[0]}") if floors else "-"
        rows.append(("" if kind == last else kind, code(which), ratio_text(ratios.get(TF_TRAIN)), floor))
        last = kind
    return "\n".join([
        measured_with(key, entry),
        "",
        table(("what", "case", "cost of `monitored` : `tf.train`", "`monitored` : floor"), rows, left=2),
        generated(BASELINE, "python -m perf run --save-baseline"),
    ])  # fmt: skip


def measured_with(key: str, entry: Json) -> str:
    """Return the sentence that dates a baseline; its file lacks Python's version and TensorFlow's third number."""
    release, _, device = key.removeprefix("tensorflow ").partition(", ")
    machine = entry["machine"]
    load = ", ".join(f"{each:g}" for each in machine["load"])
    more = (
        f"{machine['processor']}, {machine['cores']} cores at load {load}, {device.upper()}, commit {entry['commit']}"
    )
    return made_with(entry["created"], {"tensorflow": release}, machine["system"], more)


def history(key: str, entries: list[Json]) -> str:
    """Return the ratio to `tf.train` of each case over all committed baselines; nothing where there is only one."""
    if len(entries) < 2:
        return ""
    cases = [case for case in in_order(entries[-1]["ratios"]) if any(case in e["ratios"] for e in entries[:-1])]
    rows = []
    for case in cases:
        kind, which = case_name(case)
        found = [entry["ratios"].get(case, {}).get(TF_TRAIN) for entry in entries]
        rows.append((kind, code(which), *map(ratio_text, found)))
    header = ("what", "case", *(f"{entry['created'][:10]}, {entry['commit'][:7]}" for entry in entries))
    dates = "\n".join(f"- {measured_with(key, entry)}" for entry in entries)
    return "\n".join([dates, "", table(header, rows, left=2), generated(HISTORY, "python -m perf run --save-baseline")])


ROW_PX, HEAD_PX, AXIS_PX = 27, 32, 24
MARGIN = 3.0
"""Percent of the width that is free on both sides."""


def picture(entry: Json, before: Json | None = None) -> str:
    """Return an SVG: the ratio to `tf.train` of each case on a logarithmic scale, with its interval.

    It has no size of its own: positions are percent of the width, so letters stay as large on a narrow screen. Colours
    are those of the theme. `before` is an earlier baseline, whose medians are shown as thin strokes.
    """
    cases = [case for case in in_order(entry["ratios"]) if TF_TRAIN in entry["ratios"][case]]
    ratios = {case: entry["ratios"][case][TF_TRAIN] for case in cases}
    ends = [math.log2(ratio[end]) for ratio in ratios.values() for end in ("low", "high")] + [0.0]
    first, last = math.floor(min(ends)), math.ceil(max(ends))

    def x(ratio: float) -> str:
        place = (math.log2(ratio) - first) / max(1, last - first)
        return f"{MARGIN + min(1.0, max(0.0, place)) * (100 - 2 * MARGIN):.2f}%"

    kinds = [case_name(case)[0] for case in cases]
    height = AXIS_PX + ROW_PX * len(cases) + HEAD_PX * len(set(kinds)) + 6
    parts = []
    for power in range(first, last + 1):
        name = f"1/{2**-power}" if power < 0 else str(2**power)
        kind = "one" if power == 0 else "grid"
        place = x(2.0**power)
        parts.append(f'<line class="{kind}" x1="{place}" x2="{place}" y1="{AXIS_PX - 6}" y2="{height}"/>')
        parts.append(f'<text class="axis" x="{place}" y="12" text-anchor="middle">{name}</text>')
    y, shown = AXIS_PX, ""
    for case in cases:
        kind, which = case_name(case)
        if kind != shown:
            parts.append(f'<text class="kind" x="{MARGIN}%" y="{y + 22}">{html.escape(kind)}</text>')
            y, shown = y + HEAD_PX, kind
        ratio = ratios[case]
        earlier = (before or {}).get("ratios", {}).get(case, {}).get(TF_TRAIN)
        parts += _row(case, which, ratio, earlier, x, y)
        y += ROW_PX
    label = f"Cost of monitored as a ratio to tf.train, {len(cases)} cases; the table below has the same numbers"
    return (
        f'<div class="ratio-picture"><svg role="img" aria-label="{label}" width="100%" height="{height}">'
        + "".join(parts)
        + "</svg></div>\n"
    )


def _row(case: str, which: str, ratio: Json, earlier: Json | None, x: Any, y: int) -> list[str]:
    open_end = " unsure" if ratio["low"] <= 1 <= ratio["high"] else ""
    line = y + 19
    title = f"<title>{html.escape(case)}: {ratio_text(ratio)}</title>"
    parts = [
        f'<g class="case{open_end}">{title}<text x="{MARGIN}%" y="{y + 10}">{html.escape(which)}</text>',
        f'<line x1="{x(ratio["low"])}" x2="{x(ratio["high"])}" y1="{line}" y2="{line}"/>',
    ]
    if earlier:
        place = x(earlier["value"])
        parts.append(f'<line class="earlier" x1="{place}" x2="{place}" y1="{line - 5}" y2="{line + 5}"/>')
    return [*parts, f'<circle cx="{x(ratio["value"])}" cy="{line}" r="4"/></g>']


# Crashes


def crash_tables(found: list[tuple[Path, Json]]) -> str:
    """Return the newest result of each kind of run."""
    newest: dict[tuple[str, bool], tuple[Path, Json]] = {}
    for path, result in found:
        if not result.get("plant"):
            newest.setdefault((result["implementation"], bool(result.get("durable"))), (path, result))
    order = sorted(newest, key=lambda key: (key[0] != "monitored", key))
    return "\n".join(crash_table(*newest[key]) for key in order)


def crash_table(path: Path, result: Json) -> str:
    """Return the kills of one run by the phase that they fell in."""
    kills = result["every_kill"]
    jobs = sorted({kill["config"] for kill in kills}, key=[kill["config"] for kill in kills].index)
    observed = all("restored" in kill for kill in kills)
    rows: list[tuple[object, ...]] = [
        (TITLES[phase], *_counts([kill for kill in kills if kill["phase"] == phase.name], jobs, observed))
        for phase in Phase
        if phase is not Phase.FLUSHING or any(kill["phase"] == phase.name for kill in kills)
    ]
    rows.append(("**all**", *_counts(kills, jobs, observed)))
    header = ["killed while", *jobs, "kills", "losses", "bad restarts", "no meta graph"]
    header[-1:-1] = ["not observed"] if observed else []
    who = code(result["implementation"]) + (", saved by `DurableSaver`" if result.get("durable") else "")
    where = f"file system {result['file_system']}" if "file_system" in result else ""
    commit = f"commit {result['commit']}" if "commit" in result else ""
    return "\n".join([
        f"**{who}**: {result['kills']:,} kills, {result['inside_a_save']:,} of them inside a save, "
        f"{result['losses']:,} with a loss, {result['failed_restarts']:,} with a bad restart. "
        + ("" if observed else "Restarts that nobody could observe were not counted yet. ")
        + made_with(
            result["date"], result["versions"], result["machine"]["system"], ", ".join(filter(None, [where, commit]))
        ),
        "",
        table(header, rows),
        generated(path, crash_command(result)),
    ])  # fmt: skip


def _counts(kills: list[Json], jobs: list[str], observed: bool) -> list[int]:
    unseen = [sum(kill["restored"] < 0 and not kill["restart"] for kill in kills)] if observed else []
    return [
        *(sum(kill["config"] == job for kill in kills) for job in jobs),
        len(kills),
        sum(bool(kill["losses"]) for kill in kills),
        sum(bool(kill["restart"]) for kill in kills),
        *unseen,
        sum(kill["meta"] != "whole" and kill["step"] >= 0 for kill in kills),
    ]


def crash_command(result: Json) -> str:
    """The command line of a run."""
    command = f"python -m crashes --kills {result['kills']} --seed {result['seed']}"
    command += f" --only {result['only']}" if result.get("only") else ""
    command += "" if result["implementation"] == "monitored" else f" --implementation {result['implementation']}"
    return command + (" --durable" if result.get("durable") else "") + " --json FILE"


HELD = {
    "rss": "memory in MiB",
    "threads": "threads of the system",
    "python_threads": "threads of Python",
    "handles": "open files",
    "event_files": "open event files",
    "writers": "cached event writers",
    "temporary": "temporary files",
    "graphs": "graphs",
    "ops": "ops of graphs",
    "sessions": "sessions of TensorFlow",
    "monitored_sessions": "monitored sessions",
    "registered": "threads that coordinators keep",
    "plans": "compiled plans",
}


def soak_table(path: Path, result: Json) -> str:
    """Return what a long run held at its second look and at its last, on both sides."""
    program, sides = result["program"], result["implementations"]
    header = ["held"]
    for side, found in sides.items():
        steps = [found["looks"][look]["steps"] for look in (1, -1)]
        header += [f"{code(side)} after {number:,}" for number in steps]
    rows = []
    for name, title in HELD.items():
        values = [found["looks"][look].get(name, 0) for found in sides.values() for look in (1, -1)]
        rows.append((title, *(f"{value / MIB:.1f}" if name == "rss" else f"{value:,}" for value in values)))
    grown = [
        f"{code(side)}: {', '.join(HELD.get(name, name) for name in found['grew']) or 'nothing'} grew"
        + "".join(f"; {HELD.get(name, name)} did, as is known: {why}" for name, why in found["known to grow"].items())
        for side, found in sides.items()
    ]
    last = [found["looks"][-1]["steps"] for found in sides.values()]
    command = f"python -m perf soak --program {program['name']} --steps {max(last)} --json FILE"
    return "\n".join([
        f"**{program['about']}**, {max(last):,} {program['unit']}. {'. '.join(grown)}. Memory may grow by "
        f"{result['rss_bound'] / MIB:.0f} MiB. "
        + made_with(result["created"], result["versions"], "platform not recorded"),
        "",
        table(header, rows),
        f"Made from {{source}}`{path.relative_to(ROOT).as_posix()}`, of the form that {code(command)} writes; never "
        "edited by hand.",
        "",
    ])  # fmt: skip


def soak_tables(found: list[tuple[Path, Json]]) -> str:
    """Return the newest long run of each program."""
    newest: dict[str, tuple[Path, Json]] = {}
    for path, result in found:
        newest.setdefault(result["program"]["name"], (path, result))
    return "\n".join(soak_table(*newest[name]) for name in sorted(newest))
