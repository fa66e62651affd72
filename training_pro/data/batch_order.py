"""In which order blocks are trained: mixed again each epoch, similar lengths side by side where that saves padding.

Blocks are shuffled, cut into windows of `WINDOW_BATCHES` batches, sorted by length within a window, cut into
batches, and the batches are shuffled again: little padding, and which blocks meet in a batch changes each
epoch. A pure function of seed and epoch, so that a resumed run continues with the very next block. An epoch of a
million blocks costs 0.2 s.

Where few rows leave short and long ones in one batch all the same, it is computed in two pieces; see `split_at`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

WINDOW_BATCHES = 128
SPLIT_TOKENS = 128  # a pass of its own costs some time: of every layer's weights, when they are 4-bit
_EPOCHS_LOOKED_AT = 3  # another epoch's padding differs from these in the third digit


def epoch_order(
    lengths: npt.NDArray[np.int32], batch_size: int, seed: int, epoch: int, group_by_length: bool
) -> npt.NDArray[np.int64]:
    """The indices of all blocks, each once, batch after batch; only the last batch may be short."""
    generator = np.random.default_rng((seed, epoch))
    order = generator.permutation(len(lengths))
    if not group_by_length or batch_size == 1:
        return order
    window = WINDOW_BATCHES * batch_size
    pieces = [order[start : start + window] for start in range(0, len(order), window)]
    by_length = np.concatenate([piece[np.argsort(lengths[piece], kind="stable")] for piece in pieces])
    return _shuffled_batches(by_length, batch_size, generator)


def padding_share(
    lengths: npt.NDArray[np.int32], batch_size: int, seed: int, group_by_length: bool, epochs: float = 1.0
) -> float:
    """Padding over all tokens of a run's batches, each piece padded to its own longest, from 0 to 1.

    Of a run's first epochs, whole ones, in the very order in which they are trained.
    """
    padded = 0
    looked_at = min(max(math.ceil(epochs), 1), _EPOCHS_LOOKED_AT)
    for epoch in range(looked_at):
        ordered = lengths[epoch_order(lengths, batch_size, seed, epoch, group_by_length)].astype(np.int64)
        whole = len(ordered) // batch_size * batch_size
        padded += _computed(ordered[:whole].reshape(-1, batch_size))
        padded += _computed(ordered[whole:].reshape(1, -1)) if whole < len(ordered) else 0
    return 1 - looked_at * int(lengths.sum(dtype=np.int64)) / padded if padded else 0.0


def split_at(batches: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many of each batch's longest blocks are computed apart from its others; 0: all at once.

    `batches` (n, b) are lengths in tokens, the longest first. A batch is split where that saves `SPLIT_TOKENS` tokens
    of padding or more; the gradient is the same.
    """
    count = batches.shape[1]
    if count < 2 or not len(batches):
        return np.zeros(len(batches), np.int64)
    longer = np.arange(1, count)
    tokens = longer * batches[:, :1] + (count - longer) * batches[:, 1:]
    saved = count * batches[:, 0] - tokens.min(axis=1)
    return np.where(saved >= SPLIT_TOKENS, tokens.argmin(axis=1) + 1, 0)


def _computed(batches: npt.NDArray[np.int64]) -> int:
    """Tokens with padding, of batches of lengths (n, b)."""
    batches = -np.sort(-batches, axis=1)
    count, longer = batches.shape[1], split_at(batches)
    longest_other = batches[np.arange(len(batches)), longer]  # of all, where it is not split
    return int((longer * batches[:, 0] + (count - longer) * longest_other).sum())


def _shuffled_batches(
    order: npt.NDArray[np.int64], batch_size: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    whole = len(order) // batch_size
    batches = order[: whole * batch_size].reshape(whole, batch_size)
    return np.concatenate([batches[generator.permutation(whole)].reshape(-1), order[whole * batch_size :]])
