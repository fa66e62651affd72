"""Blocks: views on prepared text, each with its place, its kind and, when asked for, its exact ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training_pro.text.encoding import Ids, TextEncoder

KINDS = ("packed", "overlap", "window")


@dataclass(frozen=True)
class Block:
    """One block: `start` and `end` are code points of its document, `tokens` counts BOS and EOS too."""

    document: int
    section: int
    kind: str
    start: int
    end: int
    tokens: int
    bos: bool
    eos: bool


@dataclass(frozen=True)
class SlicingReport:
    """What slicing did.

    `text_tokens` and `window_tokens` count text alone, without BOS and EOS; `depth` is window_tokens /
    text_tokens (0 without windows); `short_sections` fit into one window each, so they are seen once.
    """

    sections: int = 0
    sentences: int = 0
    split_sentences: int = 0
    packed: int = 0
    overlap: int = 0
    windows: int = 0
    dropped_small: int = 0
    short_sections: int = 0
    text_tokens: int = 0
    window_tokens: int = 0
    bos_missing: bool = False
    eos_missing: bool = False
    slow_sections: int = 0

    @property
    def depth(self) -> float:
        return self.window_tokens / self.text_tokens if self.text_tokens else 0.0


class Blocks:
    """All blocks of a text, in order."""

    def __init__(
        self, documents: Sequence[str], blocks: list[Block], encoder: TextEncoder, report: SlicingReport
    ) -> None:
        self._documents = documents
        self._blocks = blocks
        self._encoder = encoder
        self.report = report
        self.lengths: npt.NDArray[np.int32] = np.array([block.tokens for block in blocks], dtype=np.int32)

    def __len__(self) -> int:
        return len(self._blocks)

    def block(self, number: int) -> Block:
        return self._blocks[number]

    def text(self, number: int) -> str:
        block = self._blocks[number]
        return self._documents[block.document][block.start : block.end]

    def ids(self, number: int) -> Ids:
        """The ids to train on, BOS and EOS included."""
        block = self._blocks[number]
        parts = [self._encoder.encode(self.text(number))]
        if block.bos:
            parts.insert(0, np.array([self._encoder.bos_id], dtype=np.int32))
        if block.eos:
            parts.append(np.array([self._encoder.eos_id], dtype=np.int32))
        return np.concatenate(parts)
