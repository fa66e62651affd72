"""How many tokens each update of a run to come computes, padding included: the order of the blocks is known before.

Costs 0.2 s for an epoch of a million blocks; of long runs only the first epochs are looked at. No torch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training_pro.data.batch_order import epoch_order
from training_pro.plan import Plan
from training_pro.settings import Settings

_EPOCHS_LOOKED_AT = 8  # what comes after is taken for the same again

Tokens = npt.NDArray[np.float64]


def update_tokens(lengths: npt.NDArray[np.int32], plan: Plan, settings: Settings) -> Tokens:
    """Tokens of each update, (updates,): those of its batches, each padded to its longest block."""
    epochs = -(-plan.total_updates // plan.updates_per_epoch)
    looked_at = min(epochs, _EPOCHS_LOOKED_AT)
    known = [_of_epoch(lengths, plan, settings, epoch) for epoch in range(looked_at)]
    return np.concatenate([known[epoch % looked_at] for epoch in range(epochs)])[: plan.total_updates]


def block_tokens(lengths: npt.NDArray[np.int32], plan: Plan, settings: Settings) -> float:
    """Tokens of a block, padding included, in the mean of the first epoch."""
    return float(_of_epoch(lengths, plan, settings, 0).sum()) / max(len(lengths), 1)


def _of_epoch(lengths: npt.NDArray[np.int32], plan: Plan, settings: Settings, epoch: int) -> Tokens:
    size = plan.blocks_at_once
    order = epoch_order(lengths, size, settings.seed, epoch, settings.group_by_length)
    ordered = lengths[order].astype(np.float64)
    starts = np.arange(0, len(ordered), size)
    batches = np.maximum.reduceat(ordered, starts) * np.minimum(size, len(ordered) - starts)
    return np.add.reduceat(batches, np.arange(0, len(batches), plan.gradient_accumulation_steps))
