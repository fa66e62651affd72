"""Keeps the newest n checkpoints of a run, and always the best one."""

from __future__ import annotations

import logging
from pathlib import Path

from training_pro.errors import RunError
from training_pro.record.whole_files import remove_folder
from training_pro.training.behaviours.checkpoints import BEST
from training_pro.training.checkpoint import newest_first

logger = logging.getLogger(__name__)


def rotate(folder: Path, keep: int) -> list[Path]:
    """Remove the oldest checkpoints beyond `keep` (0: none); what was removed.

    Guarantees: the newest and the last one saved for its evaluation loss stay. One that can't be continued from (a
    person has taken files out of it) is not counted, and stays.
    """
    if keep <= 0:
        return []
    found = [checkpoint for checkpoint in newest_first(folder) if checkpoint.complete]
    best = next((checkpoint for checkpoint in found if BEST in checkpoint.reason), None)
    removed = []
    for checkpoint in found[keep:]:
        if checkpoint is best:
            continue
        try:
            remove_folder(checkpoint.path)
        except RunError as error:
            logger.warning("%s", error)
            continue
        removed.append(checkpoint.path)
    return removed
