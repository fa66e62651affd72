"""Training samples by number: blocks of text, rows, a mix of several, or a part of one.

Costs: rows take 4 bytes a token and an eighth of a byte for the mask; blocks are views on the text's tokens.
The last step of a block's way before the batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from training_pro.data.fingerprint import digest
from training_pro.data.preview import BlockPreview, token_previews
from training_pro.data.tokens import RowTokenizer
from training_pro.text.blocks.blocks import Blocks
from training_pro.text.blocks.packing import KINDS as TEXT_KINDS

IGNORED = -100
KINDS = (*TEXT_KINDS, "row")
ROW = len(TEXT_KINDS)
Ints = npt.NDArray[np.int32]
Indices = npt.NDArray[np.int64]
Kinds = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Sample = dict[str, npt.NDArray[Any]]


class Samples(Protocol):
    """Samples by number from 0.

    `lengths` (n,) int32: tokens, BOS and EOS included. `trained_counts` (n,) int32: those with a loss.
    `kinds` (n,) uint8: what each is, as a place in `KINDS`.
    `is_split` (n,) bool: those with a piece of a sentence that was too long for a block.
    `samples[i]`: ``input_ids`` int32 and ``labels`` int64, both (tokens,); -100 where no loss is wanted.
    The first token of a sample is never predicted, so its label is always -100.
    """

    @property
    def lengths(self) -> Ints: ...

    @property
    def trained_counts(self) -> Ints: ...

    @property
    def kinds(self) -> Kinds: ...

    @property
    def is_split(self) -> Flags: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def text(self, index: int) -> str:
        """The sample as text; of rows with their control tokens, of raw text without BOS and EOS."""
        ...

    def written(self, index: int, with_ends: bool) -> str:
        """The sample as text with the BOS and EOS that it is trained with, or without them."""
        ...

    def preview(self, index: int) -> BlockPreview: ...


def _checked(index: int, count: int) -> int:
    if not -count <= index < count:
        raise IndexError(f"sample {index} of {count}")
    return index % count


def _sample(ids: Ints, trained: npt.NDArray[np.bool_] | None) -> Sample:
    labels = ids.astype(np.int64) if trained is None else np.where(trained, ids, IGNORED).astype(np.int64)
    labels[:1] = IGNORED
    return {"input_ids": ids, "labels": labels}


class TextSamples:
    """Blocks of raw text: every token is trained but the first.

    `sources` names each document's file, or the one file of them all; `rows` are the documents' row numbers in it.
    """

    def __init__(
        self, blocks: Blocks, sources: Sequence[str], tokenizer: RowTokenizer, rows: Indices | None = None
    ) -> None:
        self.blocks = blocks
        self._sources, self._rows = sources, rows
        self._tokenizer = tokenizer

    @property
    def lengths(self) -> Ints:
        return self.blocks.lengths

    @property
    def trained_counts(self) -> Ints:
        return np.maximum(self.blocks.lengths - 1, 0)

    @property
    def kinds(self) -> Kinds:
        return self.blocks.kinds

    @property
    def is_split(self) -> Flags:
        return self.blocks.is_split

    def small(self) -> TextSamples:
        """The blocks that were dropped as too small."""
        return TextSamples(self.blocks.small, self._sources, self._tokenizer, self._rows)

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, index: int) -> Sample:
        return _sample(self.blocks.ids(_checked(index, len(self))), None)

    def text(self, index: int) -> str:
        return self.blocks.text(_checked(index, len(self)))

    def written(self, index: int, with_ends: bool) -> str:
        text = self.text(index)
        if not with_ends:
            return text
        block = self.blocks.block(_checked(index, len(self)))
        return f"{self._tokenizer.bos_text * block.bos}{text}{self._tokenizer.eos_text * block.eos}"

    def preview(self, index: int) -> BlockPreview:
        index = _checked(index, len(self))
        block, sample = self.blocks.block(index), self[index]
        special = np.zeros(block.tokens, bool)
        special[:1] |= block.bos
        special[len(special) - 1 :] |= block.eos
        if self.blocks.holds_control_tokens:
            special |= np.isin(sample["input_ids"], list(self._tokenizer.special_ids))
        return BlockPreview(
            number=index,
            source=self._sources[min(block.document, len(self._sources) - 1)],
            kind=block.kind,
            text=self.blocks.text(index),
            tokens=token_previews(sample["input_ids"], sample["labels"], special, self._tokenizer),
            bos=block.bos,
            eos=block.eos,
            section=block.section,
            start=block.start,
            end=block.end,
            row=None if self._rows is None else int(self._rows[block.document]),
        )


class RowSamples:
    """Rows on one flat array.

    `tokens` (all,) int32; `offsets` (n + 1,) int64: where each row begins; `mask_bits`: a bit a token, packed,
    or None where everything is trained; `numbers` (n,) int64: the file's row numbers. `dropped`: by a short word for
    the reason, rows that are not trained.
    """

    def __init__(
        self,
        tokens: Ints,
        offsets: Indices,
        mask_bits: npt.NDArray[np.uint8] | None,
        numbers: Indices,
        source: str,
        tokenizer: RowTokenizer,
    ) -> None:
        self.tokens, self.offsets, self.mask_bits, self.numbers = tokens, offsets, mask_bits, numbers
        self._source, self._tokenizer = source, tokenizer
        self._lengths = np.diff(offsets).astype(np.int32)
        self._trained_counts = self._count_trained()
        self.dropped: dict[str, RowSamples] = {}

    @property
    def lengths(self) -> Ints:
        return self._lengths

    @property
    def trained_counts(self) -> Ints:
        return self._trained_counts

    @property
    def kinds(self) -> Kinds:
        return np.full(len(self), ROW, np.uint8)

    @property
    def is_split(self) -> Flags:
        return np.zeros(len(self), np.bool_)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What `from_arrays` makes the same samples of."""
        dropped = {why: rows.own_arrays() for why, rows in self.dropped.items()}
        more = {f"{why}.{name}": array for why, arrays in dropped.items() for name, array in arrays.items()}
        return {**self.own_arrays(), **more}

    def digest(self) -> str:
        """What the rows became: their tokens, where each begins and which are trained; a second per gigabyte."""
        arrays = [self.tokens, self.offsets, *([] if self.mask_bits is None else [self.mask_bits])]
        return digest(*(np.ascontiguousarray(array).tobytes() for array in arrays))

    def own_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The same without those that were dropped."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "tokens": self.tokens,
            "offsets": self.offsets,
            "numbers": self.numbers,
        }
        return arrays if self.mask_bits is None else {**arrays, "mask_bits": self.mask_bits}

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray[Any]], source: str, tokenizer: RowTokenizer) -> RowSamples:
        """The samples whose `arrays` these are."""
        made = cls._from_own({name: array for name, array in arrays.items() if "." not in name}, source, tokenizer)
        for why in sorted({name.partition(".")[0] for name in arrays if "." in name}):
            own = {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith(f"{why}.")}
            made.dropped[why] = cls._from_own(own, source, tokenizer)
        return made

    @classmethod
    def _from_own(cls, arrays: dict[str, npt.NDArray[Any]], source: str, tokenizer: RowTokenizer) -> RowSamples:
        mask_bits = arrays.get("mask_bits")
        return cls(arrays["tokens"], arrays["offsets"], mask_bits, arrays["numbers"], source, tokenizer)

    def _count_trained(self) -> Ints:
        if self.mask_bits is None:
            return np.maximum(self._lengths - 1, 0)
        counts = [np.count_nonzero(self._trained(index)[1:]) for index in range(len(self))]
        return np.array(counts, np.int32)

    def _trained(self, index: int) -> npt.NDArray[np.bool_]:
        start, end = int(self.offsets[index]), int(self.offsets[index + 1])
        if self.mask_bits is None:
            return np.ones(end - start, bool)
        bits = np.unpackbits(self.mask_bits[start // 8 : (end + 7) // 8])
        return bits[start % 8 : start % 8 + end - start].astype(bool)

    def __len__(self) -> int:
        return len(self._lengths)

    def __getitem__(self, index: int) -> Sample:
        index = _checked(index, len(self))
        ids = np.array(self.tokens[self.offsets[index] : self.offsets[index + 1]])
        return _sample(ids, None if self.mask_bits is None else self._trained(index))

    def text(self, index: int) -> str:
        return self._tokenizer.decode(self[index]["input_ids"].tolist())

    def written(self, index: int, with_ends: bool) -> str:
        ids = self[index]["input_ids"].tolist()
        bos, eos = self._ends(ids)
        return self._tokenizer.decode(ids if with_ends else ids[bos : len(ids) - eos])

    def _ends(self, ids: Sequence[int]) -> tuple[bool, bool]:
        """Whether the row begins with BOS and ends with EOS."""
        if not len(ids):
            return False, False
        return bool(ids[0] == self._tokenizer.bos_id), bool(ids[-1] == self._tokenizer.eos_id)

    def preview(self, index: int) -> BlockPreview:
        index = _checked(index, len(self))
        sample = self[index]
        ids = sample["input_ids"]
        special = np.isin(ids, list(self._tokenizer.special_ids))
        tokens = token_previews(ids, sample["labels"], special, self._tokenizer)
        bos, eos = self._ends(ids.tolist())
        return BlockPreview(
            number=index,
            source=self._source,
            kind="row",
            text="".join(token.text for token in tokens),
            tokens=tokens,
            bos=bos,
            eos=eos,
            row=int(self.numbers[index]),
        )


class Subset:
    """The samples of `whole` whose numbers `indices` names, in that order."""

    def __init__(self, whole: Samples, indices: Indices) -> None:
        self.whole, self.indices = whole, indices

    @property
    def lengths(self) -> Ints:
        return self.whole.lengths[self.indices]

    @property
    def trained_counts(self) -> Ints:
        return self.whole.trained_counts[self.indices]

    @property
    def kinds(self) -> Kinds:
        return self.whole.kinds[self.indices]

    @property
    def is_split(self) -> Flags:
        return self.whole.is_split[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.whole[int(self.indices[_checked(index, len(self))])]

    def text(self, index: int) -> str:
        return self.whole.text(int(self.indices[_checked(index, len(self))]))

    def written(self, index: int, with_ends: bool) -> str:
        return self.whole.written(int(self.indices[_checked(index, len(self))]), with_ends)

    def preview(self, index: int) -> BlockPreview:
        index = _checked(index, len(self))
        return _renumbered(self.whole.preview(int(self.indices[index])), index)


class LeftOut:
    """The samples of `whole`, each shown with the reason `why` it is not trained."""

    def __init__(self, whole: Samples, why: str) -> None:
        self.whole, self.why = whole, why

    @property
    def lengths(self) -> Ints:
        return self.whole.lengths

    @property
    def trained_counts(self) -> Ints:
        return self.whole.trained_counts

    @property
    def kinds(self) -> Kinds:
        return self.whole.kinds

    @property
    def is_split(self) -> Flags:
        return self.whole.is_split

    def __len__(self) -> int:
        return len(self.whole)

    def __getitem__(self, index: int) -> Sample:
        return self.whole[index]

    def text(self, index: int) -> str:
        return self.whole.text(index)

    def written(self, index: int, with_ends: bool) -> str:
        return self.whole.written(index, with_ends)

    def preview(self, index: int) -> BlockPreview:
        return dataclasses.replace(self.whole.preview(index), why=self.why)


class Mix:
    """Several samples one after the other."""

    def __init__(self, parts: Sequence[Samples]) -> None:
        self.parts = tuple(parts)
        self._ends = np.cumsum([len(part) for part in self.parts])

    @property
    def lengths(self) -> Ints:
        return np.concatenate([part.lengths for part in self.parts])

    @property
    def trained_counts(self) -> Ints:
        return np.concatenate([part.trained_counts for part in self.parts])

    @property
    def kinds(self) -> Kinds:
        return np.concatenate([part.kinds for part in self.parts])

    @property
    def is_split(self) -> Flags:
        return np.concatenate([part.is_split for part in self.parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def _find(self, index: int) -> tuple[Samples, int]:
        place = int(np.searchsorted(self._ends, index, side="right"))
        part = self.parts[place]
        return part, index - int(self._ends[place]) + len(part)

    def __getitem__(self, index: int) -> Sample:
        part, inner = self._find(_checked(index, len(self)))
        return part[inner]

    def text(self, index: int) -> str:
        part, inner = self._find(_checked(index, len(self)))
        return part.text(inner)

    def written(self, index: int, with_ends: bool) -> str:
        part, inner = self._find(_checked(index, len(self)))
        return part.written(inner, with_ends)

    def preview(self, index: int) -> BlockPreview:
        index = _checked(index, len(self))
        part, inner = self._find(index)
        return _renumbered(part.preview(inner), index)


def mixed(parts: Sequence[Samples]) -> Samples:
    """The parts that have samples as one; a single one as it is."""
    filled = [part for part in parts if len(part)]
    return filled[0] if len(filled) == 1 else Mix(filled or list(parts))


def _renumbered(preview: BlockPreview, number: int) -> BlockPreview:
    return BlockPreview(**{**vars(preview), "number": number})
