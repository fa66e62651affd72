"""How often an update waits for the card: each value that Python reads of a tensor on it is one wait. Counted on a
processor, in a real run of the smallest model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.card.check import Found, at_most


def syncs() -> Iterator[Found]:
    """Waits of an update of one micro-batch, from its begin to its optimizer's step."""
    from tests.fakes import save_tiny_model
    from tests.training.loop.syncs import syncs_per_update
    from tests.training.tiny import TinyOwner
    from training_pro.folders import Folders
    from training_pro.hosts.model_folder import load_model_folder

    with tempfile.TemporaryDirectory() as name:
        folders = Folders.under(Path(name) / "user_data")
        folders.make()
        model = load_model_folder(save_tiny_model(Path(name) / "tiny"), load_in_4bit=False, dtype="float32")
        yield at_most("syncs_per_update", syncs_per_update(TinyOwner(folders, model)), 3)
