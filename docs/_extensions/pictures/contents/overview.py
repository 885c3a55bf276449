"""What the repository is made of, and how its parts check each other."""

TITLE = "Three forms that check each other"
CAPTION = "The same programs run on TensorFlow's sessions and on these; whatever anyone can observe must be equal."
DESCRIPTION = (
    "From left to right: a program goes to tf.train and to monitored; what each of them lets anyone observe is "
    "recorded as a trace; the traces must be equal. Below: the specification says rule by rule what both do, and "
    "names the code and the tests of each rule."
)

PROGRAM = ("A program", "A graph, hooks, steps, faults, kills: written by hand or drawn at random.")
ORACLE = ("`tf.train`", "TensorFlow's own")
SUBJECT = ("`monitored`", "`reference/`: a drop-in")
TRACES = ("Two traces", "Each call, result, error, log line and file.")
EQUAL = ("Equal", "Or a difference that is registered with its reason.")
RULES = ("`docs/specification`", "What both do, rule by rule; each rule names its code and its tests.")
HARNESS = "`conformance/`"
"""What runs the programs and compares."""
