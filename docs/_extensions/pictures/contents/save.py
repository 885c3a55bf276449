"""What a save does, in which order, and who waits for it."""

from dataclasses import dataclass

TITLE = "A checkpoint is saved"
CAPTION = (
    "One save at step N by `CheckpointSaverHook` and by `AsyncCheckpointSaverHook`. Time goes down; "
    "heights are no durations."
)
DESCRIPTION = (
    "Two timelines with two columns each. CheckpointSaverHook: after step N training waits while listeners are told, "
    "the data, the index, the state file, the deletion of the oldest checkpoint, the meta graph and the event are "
    "done, and listeners are told again; then comes step N+1. AsyncCheckpointSaverHook: after step N training waits "
    "only while before_save is called and the values are copied; a thread writes the same files in the same order "
    "while steps go on; after_save is called at the end of the first step that finds the checkpoint written."
)


@dataclass(frozen=True)
class Part:
    """One part of a save: the key by which a test records it, and its text."""

    key: str
    text: str
    look: str = "plain"


BEFORE = Part("before_save", "`before_save` of the listeners MTS-CKH-04", "accent")
COPY = Part("copy", "the values are copied into memory", "accent")
FILES = (
    Part("data", "`model.ckpt-N.data-...`: the values"),
    Part("index", "`model.ckpt-N.index`"),
    Part("state", "`checkpoint` is replaced and names N: from now on a restart finds N MTS-CKP-04", "good"),
    Part("delete", "the oldest checkpoint is deleted if there are more than `max_to_keep` MTS-CKP-02", "bad"),
    Part("meta", "`model.ckpt-N.meta`: the graph MTS-CKH-07"),
    Part("event", "CHECKPOINT in the event file MTS-CKH-04"),
)
AFTER = Part("after_save", "`after_save` of the listeners MTS-CKH-04", "accent")

SYNCHRONOUS = (BEFORE, *FILES, AFTER)
ASYNCHRONOUS = (BEFORE, COPY, *FILES, AFTER)
STEPS_MEANWHILE = 2
"""How many steps are drawn beside the files of an asynchronous save; any number can be."""

SYNCHRONOUS_NAME = "`CheckpointSaverHook`"
ASYNCHRONOUS_NAME = "`AsyncCheckpointSaverHook`"
SYNCHRONOUS_NOTE = "A save that fails raises from `run` of step N; it is not tried again at this step. MTS-CKH-05"
ASYNCHRONOUS_NOTE = (
    "A save that fails raises from the first `run` that finds it. A save that comes due meanwhile waits, or is left "
    'out with `when_busy="skip"`. The end of the session waits for the last one.'
)
