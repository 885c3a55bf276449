"""The harness that decides whether an implementation of the monitored session is right.

Two implementations, the oracle and the subject, run the same scenario or the same generated
program in separate sandboxes; everything anyone can observe is recorded as a trace on the
harness's side, and the traces must be equal.

Reading order: `implementations` (who is compared), `trace` and `probes` (what is observed, what is
forgiven), `sandbox` and `recorder` (where a scenario runs), `program`, `strategies` and
`interpreter` (programs as data), `compare` and `divergences` (the verdict), `campaign`, `coverage`,
`enumeration` and `run` (many programs, what they met, the result), `record` and `recorded` (other
releases), then the test modules, which are named after the chapters of the rules in `rules`.
"""
