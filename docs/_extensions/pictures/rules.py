"""Where a rule stands in the documentation: the one place that knows how rules are anchored."""

CHAPTERS = {
    "ARG": "arguments",
    "LIFE": "construction",
    "GRAPH": "construction",
    "SCF": "scaffold",
    "SES": "session-creation",
    "QR": "queue-runners",
    "RUN": "run",
    "STEP": "step-functions",
    "EXC": "errors",
    "CLOSE": "close",
    "TMR": "timing",
    "CKH": "checkpoint-saver-hook",
    "STC": "step-counter-hook",
    "SUM": "summary-saver-hook",
    "LOG": "logging-tensor-hook",
    "STP": "stop-at-step-hook",
    "NAN": "nan-tensor-hook",
    "GSW": "global-step-waiter-hook",
    "FIN": "final-ops-hook",
    "FED": "feed-fn-hook",
    "PRF": "profiler-hook",
    "EVT": "event-files",
    "CKP": "checkpoints",
    "GS": "global-step",
    "CRD": "coordinator",
    "LPR": "coordinator",
    "Q": "quirks",
}


def address(rule_id: str) -> tuple[str, str]:
    """The page of a rule, without a suffix, and its anchor there."""
    chapter = rule_id.removeprefix("MTS-").split("-")[0]
    return f"specification/{CHAPTERS[chapter]}", rule_id.lower()
