"""How often an update waits for the card: each value that Python reads of a tensor on it is one wait.

Counted on a processor, in a real run: operations that hand a number to Python, or whose result has a size that only
the numbers tell.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.card.check import Found, at_most

_WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "_unique", "is_nonzero", "equal")


class Waits(TorchDispatchMode):
    """Counts them; `names` has how often each came."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.split(".")[0]
        by_mask = name.startswith("index") and any(_is_mask(index) for index in (args[1] if len(args) > 1 else ()))
        if by_mask or name in _WAITS:
            self.names[name] = self.names.get(name, 0) + 1
        return func(*args, **(kwargs or {}))


def _is_mask(index: Any) -> bool:
    return isinstance(index, torch.Tensor) and index.dtype == torch.bool


def syncs() -> Iterator[Found]:
    """Waits of an update, as a mean over a run of the smallest model; the making of the run is left out."""
    from training_pro.training.loop.trainer import LoraTrainer

    waits, step = Waits(), LoraTrainer.training_step

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        with waits:
            return step(self, *args, **kwargs)

    with mock.patch.object(LoraTrainer, "training_step", counted):
        updates = _run()
    yield at_most("syncs_per_update", sum(waits.names.values()) / updates, 3)


def _run() -> int:
    from tests.fakes import save_tiny_model
    from tests.training.tiny import TinyOwner, TinySamples, prepared, small_settings, train
    from training_pro.folders import Folders
    from training_pro.hosts.model_folder import load_model_folder

    with tempfile.TemporaryDirectory() as name:
        folders = Folders(Path(name))
        folders.loras.mkdir(parents=True)
        model = load_model_folder(save_tiny_model(Path(name) / "tiny"), load_in_4bit=False, dtype="float32")
        return int(train(TinyOwner(folders, model), small_settings(), prepared(TinySamples(12, 24))).total_updates)
