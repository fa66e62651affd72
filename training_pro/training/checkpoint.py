"""What a checkpoint carries besides the Trainer's own files: ``run_state.json``, needed to go on exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training_pro.errors import RunError
from training_pro.record.checkpoints import CheckpointInfo, checkpoints

STATE_FILE = "run_state.json"


def read_state(checkpoint: CheckpointInfo) -> dict[str, Any]:
    """The content of ``run_state.json``.

    Raises:
        RunError: the checkpoint is not whole.
    """
    if not checkpoint.complete:
        raise RunError(f"{checkpoint.fault} Continue from another checkpoint.")
    path = checkpoint.path / STATE_FILE
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} can't be read ({error}); continue from another checkpoint.") from None
    if not isinstance(state, dict) or not isinstance(state.get("update"), int):
        raise RunError(f"{path} has no update number; continue from another checkpoint.")
    return state


def newest_first(run: Path) -> list[CheckpointInfo]:
    """The checkpoints in a run's folder, the newest update first."""
    return list(reversed(checkpoints(run)))
