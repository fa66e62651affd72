"""Blocks: views on a text's ids, each with its place, its kind and, when asked for, its exact ids.

A block is 13 bytes whatever its length; its ids are read from the text's one array when it is used.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from training_pro.text.blocks.budget import Budget, Slicing
from training_pro.text.blocks.indexed_text import Runs
from training_pro.text.blocks.packing import KINDS, OVERLAP, PACKED, WINDOW, Packing
from training_pro.text.tokenizing.encoding import Ids


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

    `text_tokens` and `window_tokens` count text alone, without BOS and EOS; `depth` is window_tokens / text_tokens
    (0 without windows). `short_sections` fit into one window each, so DEMENTOR sees them once. `bos_missing`,
    `eos_missing`: asked for, but the tokenizer has no such token.
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

    @classmethod
    def of(cls, slicing: Slicing, runs: Runs, all_blocks: Packing, kept: Packing, split: int) -> SlicingReport:
        """Counts over all blocks and over those kept; `split` sentences were too long for a block."""
        encoder = runs.text.encoder
        kinds = np.bincount(kept.kinds, minlength=len(KINDS))
        windows = kept.kinds == WINDOW
        sections = runs.text.sentences.sections
        per_section = np.bincount(sections[all_blocks.firsts]) if slicing.dementor else np.empty(0)
        return cls(
            sections=len(runs.text.opaque),
            sentences=int(np.count_nonzero(runs.is_end)),
            split_sentences=split,
            packed=int(kinds[PACKED]),
            overlap=int(kinds[OVERLAP]),
            windows=int(kinds[WINDOW]),
            dropped_small=len(all_blocks.firsts) - len(kept.firsts),
            short_sections=int(np.count_nonzero(per_section == 1)),
            text_tokens=_text_tokens(runs),
            window_tokens=int(runs.counts(kept.firsts[windows], kept.lasts[windows]).sum()),
            bos_missing=slicing.add_bos and encoder.bos_id is None,
            eos_missing=slicing.eos != "none" and encoder.eos_id is None,
        )

    @property
    def depth(self) -> float:
        return self.window_tokens / self.text_tokens if self.text_tokens else 0.0


def _text_tokens(runs: Runs) -> int:
    """Ids of all sections; of those that can't be encoded in pieces, of their sentences one by one."""
    opaque = runs.text.opaque[runs.text.sentences.sections]
    lasts = np.flatnonzero(runs.is_last & ~opaque)
    firsts = np.flatnonzero(np.roll(runs.is_last, 1) & ~opaque)
    alone = np.flatnonzero(opaque)
    return int(runs.counts(firsts, lasts).sum() + runs.counts(alone, alone).sum())


@dataclass(frozen=True)
class Places:
    """Where each block is: its section, its kind (a place in `KINDS`), its first and last sentence; all (blocks,).

    Sentences are numbered through the whole text: two blocks share text exactly if they share a sentence.
    """

    sections: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.uint8]
    firsts: npt.NDArray[np.int32]
    lasts: npt.NDArray[np.int32]


class Blocks:
    """All blocks of a text, in the text's order.

    `lengths` (blocks,) int32: tokens, BOS and EOS included. `small`: the blocks that were dropped as too small.

    Guarantees: a block's text has no white space at either end; its ids are BOS, if it gets one, then the ids that the
    tokenizer gives for that text alone, then EOS, if it gets one; they are never more than the budget.
    """

    def __init__(
        self, runs: Runs, packing: Packing, budget: Budget, report: SlicingReport, small: Packing | None = None
    ) -> None:
        encoder = runs.text.encoder
        self._runs = runs
        self._packing = packing
        self._budget = budget
        self._small = small
        self._bos = np.array([encoder.bos_id] if budget.bos else [], dtype=np.int32)
        self._eos = np.array([encoder.eos_id] if budget.eos_at_cut else [], dtype=np.int32)
        self._has_bos = budget.bos_each(runs, packing.firsts)
        self._has_eos = budget.eos_each(runs, packing.lasts)
        self.report = report
        counts = runs.counts(packing.firsts, packing.lasts)
        self.lengths: npt.NDArray[np.int32] = (counts + self._has_bos + self._has_eos).astype(np.int32)

    def __len__(self) -> int:
        return len(self.lengths)

    def ids(self, number: int) -> Ids:
        """The ids to train on, int32, BOS and EOS included."""
        bos = self._bos if self._has_bos[number] else self._bos[:0]
        eos = self._eos if self._has_eos[number] else self._eos[:0]
        return np.concatenate([bos, self.text_ids(number), eos])

    def text_ids(self, number: int) -> Ids:
        """The ids of the block's text alone."""
        return self._runs.ids(int(self._packing.firsts[number]), int(self._packing.lasts[number]))

    def text(self, number: int) -> str:
        return self._runs.string(int(self._packing.firsts[number]), int(self._packing.lasts[number]))

    @property
    def holds_control_tokens(self) -> bool:
        """Whether special strings in the text are control tokens."""
        return self._runs.text.encoder.control_tokens

    @property
    def kinds(self) -> npt.NDArray[np.uint8]:
        """What each block is: (blocks,), places in `KINDS`."""
        return self._packing.kinds

    @cached_property
    def is_split(self) -> npt.NDArray[np.bool_]:
        """Which blocks hold a piece of a sentence that was too long for one: (blocks,)."""
        pieces, packing = self._runs.text.pieces, self._packing
        split: npt.NDArray[np.bool_] = np.searchsorted(pieces, packing.lasts, side="right") > np.searchsorted(
            pieces, packing.firsts
        )
        return split

    @cached_property
    def small(self) -> Blocks:
        nothing = self._packing.some(np.zeros(len(self), dtype=np.bool_))
        return Blocks(self._runs, self._small or nothing, self._budget, self.report)

    def digest(self) -> str:
        """32 hexadecimal digits over where all blocks start and end and what they are: equal, the blocks are the same,
        given the same text, tokenizer, BOS and EOS."""
        table, packing = self._runs.text.sentences, self._packing
        state = hashlib.blake2b(digest_size=16)
        for column in (table.starts[packing.firsts], table.ends[packing.lasts], packing.kinds):
            state.update(column.tobytes())
        return state.hexdigest()

    def places(self) -> Places:
        """The places of all blocks at once, for those who choose among them."""
        packing = self._packing
        sections = self._runs.text.sentences.sections[packing.firsts]
        return Places(sections, packing.kinds, packing.firsts, packing.lasts)

    def block(self, number: int) -> Block:
        table, corpus = self._runs.text.sentences, self._runs.text.corpus
        first, last = self._packing.firsts[number], self._packing.lasts[number]
        document = corpus.document_of(int(table.starts[first]))
        before = corpus.characters_before(int(corpus.starts[document]))
        return Block(
            document=document,
            section=int(table.sections[first]),
            kind=KINDS[self._packing.kinds[number]],
            start=corpus.characters_before(int(table.starts[first])) - before,
            end=corpus.characters_before(int(table.ends[last])) - before,
            tokens=int(self.lengths[number]),
            bos=bool(self._has_bos[number]),
            eos=bool(self._has_eos[number]),
        )
