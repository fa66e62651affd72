"""How often an update waits for the device, counted on the CPU.

A card is waited for when a number is read from it (``item``, ``tolist``, ``bool(tensor)``) and where the size of a
result depends on values (``nonzero``, an index of booleans). Numbers that optimizers keep on the CPU are not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from training_pro.training.loop.trainer import LoraTrainer, _Moments
from training_pro.training.loop.update import UpdateRunner

_WAITING = {"aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero", "aten::masked_select", "aten::unique2"}
_INDEXING = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}


class Waits(TorchDispatchMode):
    """Counts them while `counting`; `where` has the operators' names."""

    def __init__(self) -> None:
        super().__init__()
        self.counting = False
        self.where: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        if self.counting and (name in _WAITING or (name in _INDEXING and _by_booleans(args[1]))):
            self.where.append(name)
        return func(*args, **(kwargs or {}))


def _by_booleans(indices: Any) -> bool:
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices)


@contextmanager
def counted(waits: Any) -> Iterator[list[int]]:
    """How many there are in each update of the runs in the body, from its begin to its optimizer's step. `waits` counts
    them, as `Waits` does."""
    found: list[int] = []
    train, begin, step = LoraTrainer.train, _Moments.on_step_begin, _Moments.on_pre_optimizer_step

    def training(self: Any, *args: Any, **kwargs: Any) -> Any:
        with waits:  # modes belong to threads, and a run has one of its own
            return train(self, *args, **kwargs)

    def beginning(self: Any, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        found.append(-len(waits.where))
        waits.counting = True

    def stepping(self: Any, *args: Any, **kwargs: Any) -> None:
        waits.counting = False
        found[-1] += len(waits.where)
        step(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LoraTrainer, "train", training)
        patch.setattr(_Moments, "on_step_begin", beginning)
        patch.setattr(_Moments, "on_pre_optimizer_step", stepping)
        yield found


def syncs_per_update(owner: Any, waits: Any = None, **changes: Any) -> float:
    """The mean over a run's updates after the first, on the model of `owner` (see `tests.training.tiny.TinyOwner`).

    Without attention mask, as on a card."""
    from tests.training.tiny import small_settings, train

    run = UpdateRunner.run

    def unmasked(self: Any, *args: Any) -> Any:
        self.masked = False
        return run(self, *args)

    with counted(waits or Waits()) as found, pytest.MonkeyPatch.context() as patch:
        patch.setattr(UpdateRunner, "run", unmasked)
        train(owner, small_settings(name="syncs", **changes))
    return sum(found[1:]) / len(found[1:])


def syncs_of_a_tiny_run(folder: Path) -> float:
    """The same on a tiny random model that is made in `folder`, for those who have none."""
    from tests.fakes import save_tiny_model
    from tests.training.tiny import TinyOwner
    from training_pro.folders import Folders
    from training_pro.hosts.model_folder import load_model_folder

    folders = Folders.under(folder / "user_data")
    folders.make()
    loaded = load_model_folder(save_tiny_model(folder / "tiny"), load_in_4bit=False, dtype="float32")
    return syncs_per_update(TinyOwner(folders, loaded))
