"""From samples to the tensors of one micro-batch: padded to its own longest, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from training_pro.data.batch_order import split_at
from training_pro.data.samples import Samples
from training_pro.errors import DataError
from training_pro.training.model.chunked_loss import IGNORED

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class TokenBlocks:
    """A few blocks at hand, as samples."""

    def __init__(self, blocks: Sequence[dict[str, npt.NDArray[Any]]]) -> None:
        self._blocks = blocks
        self.lengths = np.array([len(block["input_ids"]) for block in blocks], np.int32)

    def __len__(self) -> int:
        return len(self._blocks)

    def __getitem__(self, index: int) -> dict[str, npt.NDArray[Any]]:
        return self._blocks[index]


class ReadableSamples(Dataset[dict[str, Any]]):
    """The samples as the data loader asks for them; one that can't be read is named."""

    def __init__(self, samples: Samples | TokenBlocks) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> dict[str, npt.NDArray[Any]]:
        try:
            return self._samples[index]
        except MemoryError:
            raise
        except Exception as error:
            raise DataError(
                f"Block {index + 1} of {len(self)} can't be read ({type(error).__name__}: {error}). Prepare the data "
                "again: run Verify, or empty the cache folder."
            ) from error


def collate(samples: list[dict[str, npt.NDArray[Any]]]) -> list[dict[str, npt.NDArray[Any]]]:
    """The data loader's collator: keeps the blocks of an update apart until its micro-batch size is known."""
    return samples


@dataclass(frozen=True)
class MicroBatch:
    """Tensors on the device; `attention_mask` is None when nothing is padded, or nobody needs to know.

    `trained_at` are the places of the trained tokens, rows one after the other: counted here, so that no card has to be
    waited for.
    """

    input_ids: torch.Tensor  # (batch, time) int64
    labels: torch.Tensor  # (batch, time) int64, -100 where no loss is wanted
    attention_mask: torch.Tensor | None  # (batch, time) int64
    trained_at: torch.Tensor  # (trained tokens,) int64

    def inputs(self) -> dict[str, torch.Tensor]:
        """Keyword arguments for the model's forward."""
        named = {"input_ids": self.input_ids, "labels": self.labels}
        return named if self.attention_mask is None else {**named, "attention_mask": self.attention_mask}


def trained_tokens(samples: Sequence[dict[str, npt.NDArray[Any]]]) -> int:
    """How many tokens of these samples are predicted with a loss (a first token never is)."""
    return int(sum(np.count_nonzero(sample["labels"][1:] != IGNORED) for sample in samples))


def pad(
    samples: Sequence[dict[str, npt.NDArray[Any]]], pad_id: int, device: torch.device, *, masked: bool = True
) -> MicroBatch:
    """The micro-batch of `samples`, padded on the right to its longest; the padding is masked only where asked for.

    The label at position 0 is -100: no token predicts it, and versions of transformers differ in counting it.
    """
    lengths = [len(sample["input_ids"]) for sample in samples]
    shape = (len(samples), max(lengths))
    ids = np.full(shape, pad_id, dtype=np.int64)
    labels = np.full(shape, IGNORED, dtype=np.int64)
    for row, (sample, length) in enumerate(zip(samples, lengths, strict=True)):
        ids[row, :length] = sample["input_ids"]
        labels[row, 1:length] = sample["labels"][1:]
    mask = None
    if masked and min(lengths) < shape[1]:
        mask = _to(np.arange(shape[1])[None, :] < np.array(lengths)[:, None], device).long()
    return MicroBatch(_to(ids, device), _to(labels, device), mask, _to(np.flatnonzero(labels != IGNORED), device))


def nothing_to_learn(pad_id: int, device: torch.device) -> MicroBatch:
    """A micro-batch without loss, for a process that has no blocks left while others have."""
    nothing = {"input_ids": np.full(2, pad_id, np.int64), "labels": np.full(2, IGNORED, np.int64)}
    return pad([nothing], pad_id, device)


def _to(array: npt.NDArray[Any], device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def cut(samples: list[Any], size: int) -> list[list[Any]]:
    """`samples` in order, in pieces of `size`; the last may be smaller."""
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def with_little_padding(samples: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """A micro-batch's samples in one piece, or in two where that saves much padding: first the longest."""
    lengths = np.array([len(sample["input_ids"]) for sample in samples], np.int64)
    order = np.argsort(-lengths, kind="stable")
    longer = int(split_at(lengths[order][None])[0])
    if not longer:
        return [samples]
    return [[samples[place] for place in part] for part in (order[:longer], order[longer:])]


def pad_id(tokenizer: PreTrainedTokenizerBase, rows: int) -> int:
    """The tokenizer's own padding; else its EOS or 0: padded positions are masked and have no loss.

    `rows` is how many tokens the model has embeddings for: a padding token that was added to the tokenizer alone is
    not used.
    """
    for candidate in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(candidate, int) and 0 <= candidate < rows:
            return candidate
    return 0
