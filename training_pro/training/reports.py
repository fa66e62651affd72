"""Where the parts of a run say what happens: on the status board at once, and in the history for good."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training_pro.record.history import Event, History
from training_pro.training.behaviours.checkpoints import rotate
from training_pro.training.status import SavedCheckpoint, StatusBoard


@dataclass(frozen=True)
class Reports:
    """`keep_checkpoints` of the run's checkpoints stay; 0: all."""

    board: StatusBoard
    history: History
    keep_checkpoints: int

    def note(self, sentence: str) -> None:
        """Something the person should know, then and later."""
        self.board.note(sentence)
        self.history.add_event(Event("note", self.board.status.update, sentence))

    def warn(self, sentence: str) -> None:
        """Something goes wrong with the training: shown in red, and kept."""
        self.board.warn(sentence)
        self.history.add_event(Event("note", self.board.status.update, f"Warning: {sentence}"))

    def saved(self, checkpoint: Path, reason: str) -> None:
        """A checkpoint is written; older ones beyond those to keep are removed.

        Raises:
            RunError: the history can't be written.
        """
        update = int(checkpoint.name.removeprefix("checkpoint-"))
        self.history.add_event(Event("checkpoint", update, reason))
        self.board.saved(SavedCheckpoint(update, checkpoint, reason))
        for removed in rotate(checkpoint.parent, self.keep_checkpoints):
            self.board.removed(removed)
