"""What a monitored session costs, beside `tf.train` and beside the bare operation.

`python -m perf --help` runs it. To read it: `measure` says how two things are compared on a noisy
machine, `cases` what is measured and which targets hold, `models`, `steps`, `checkpoints`,
`lifetimes` and `memory` make the things that are measured, `baseline` what counts as a regression,
`report` and `page` show results. Nothing here is imported by `monitored`.
"""
