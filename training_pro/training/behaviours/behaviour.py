"""What every behaviour of the trainer is: a callback that may carry state from checkpoint to checkpoint."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback


class Behaviour(TrainerCallback):
    """One thing the trainer does besides training; see the folder's listing for all of them."""

    def state(self) -> dict[str, Any]:
        """What a continued run must know, as JSON values."""
        return {}

    def restore(self, values: dict[str, Any]) -> None:
        """Take over what `state` gave."""
