"""Text to blocks: the precise raw text slicer, from documents to views that are ready to train on.

Costs little more than the tokenizer's own time, whatever the overlap and the depth. The whole of a block's way
before rows and batches: file -> sections -> sentences -> blocks -> token ids.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training_pro.progress import Progress, no_progress
from training_pro.text.blocks.blocks import Blocks, SlicingReport
from training_pro.text.blocks.budget import Budget, Slicing
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.blocks.indexed_text import IndexedText, Runs
from training_pro.text.blocks.indexing import UnsafeCutError, index_text
from training_pro.text.blocks.long_sentences import fitted
from training_pro.text.blocks.packing import KINDS, OVERLAP, PACKED, WINDOW, Packer, Packing
from training_pro.text.blocks.stretches import Stretches
from training_pro.text.sections import corpus_sections, unescape
from training_pro.text.splitting.abbreviations import abbreviations_digest
from training_pro.text.tokenizing.encoding import TextEncoder

logger = logging.getLogger(__name__)

_RUNS_TRIED_OUT = 16
_SENTENCES_TRIED_OUT = 15
_LONGEST_TOKEN_BYTES = 256  # where the tokenizer doesn't tell
_LONGEST_CHARACTER_BYTES = 4
_MOST_SENTENCE_BYTES = 1 << 22


def slice_documents(
    documents: Sequence[str] | Corpus, slicing: Slicing, encoder: TextEncoder, progress: Progress = no_progress
) -> Blocks:
    """The blocks of `documents`; each document's end is a hard cut.

    Guarantees: every visible character outside cut strings is in exactly one packed block, unless blocks were dropped
    as too small; no block crosses a cut.

    Raises:
        DataError: not even one character fits, or a document can't be written as UTF-8.
        Cancelled: from `progress`.
    """
    corpus = documents if isinstance(documents, Corpus) else Corpus.of_texts(documents)
    return blocks_of(encoded_text(corpus, slicing, encoder, progress), slicing, progress)


def encoded_text(corpus: Corpus, slicing: Slicing, encoder: TextEncoder, progress: Progress) -> IndexedText:
    """The sentences and ids of all documents: nearly all of slicing's work, and the part of it that can be kept.

    Raises:
        Cancelled: from `progress`.
    """
    try:
        text = _indexed(corpus, slicing, encoder, progress)
        _try_out(text)
    except UnsafeCutError:
        logger.warning("This tokenizer's ids depend on far-off text; every block is encoded on its own, which is slow.")
        text = _indexed(corpus, slicing, encoder.without_cuts(), progress)
    return text


def encoding_identity(slicing: Slicing, encoder: TextEncoder) -> str:
    """What, beside documents and tokenizer, decides how a text is encoded; equal: `encoded_text` is the same."""
    longest_bytes = str(_longest_sentence_bytes(slicing, encoder))
    listed, meant = abbreviations_digest(slicing.abbreviations), "control tokens" if encoder.control_tokens else ""
    return " ".join((repr(unescape(slicing.hard_cut)), longest_bytes, listed, meant))


def blocks_of(text: IndexedText, slicing: Slicing, progress: Progress) -> Blocks:
    """The blocks of an encoded text.

    Raises:
        DataError: not even one character fits.
        Cancelled: from `progress`.
    """
    budget = Budget.of(slicing, text.encoder)
    text, split = fitted(text, budget, progress)
    runs = Runs(text)
    packer = Packer(runs, budget, progress)
    packing = packer.windows() if slicing.dementor else packer.packed(slicing.overlap)
    large = _large_enough(packing, runs, slicing.min_block_chars)
    kept = packing.some(large)
    return Blocks(runs, kept, budget, _report(slicing, runs, (packing, kept), split), packing.some(~large))


def _indexed(corpus: Corpus, slicing: Slicing, encoder: TextEncoder, progress: Progress) -> IndexedText:
    sections = corpus_sections(corpus, [unescape(slicing.hard_cut), *encoder.cut_strings])
    longest_bytes = _longest_sentence_bytes(slicing, encoder)
    stretches = Stretches(corpus, sections, encoder.cut_rule, longest_bytes, slicing.abbreviations)
    return index_text(corpus, len(sections), encoder, stretches, progress)


def _longest_sentence_bytes(slicing: Slicing, encoder: TextEncoder) -> int:
    """Sentences longer than this can't fit into a block, so they may be cut before they are encoded."""
    lengths = encoder.token_lengths
    longest_token = int(lengths.by_id.max()) if lengths is not None else _LONGEST_TOKEN_BYTES
    return min(slicing.max_tokens * longest_token, _MOST_SENTENCE_BYTES)


def _try_out(text: IndexedText) -> None:
    """Compare some runs of sentences with the tokenizer's own ids.

    Raises:
        UnsafeCutError: they differ.
    """
    runs, count = Runs(text), len(text.sentences)
    section_lasts = np.flatnonzero(runs.is_last)
    for first in np.linspace(0, count - 1, num=min(count, _RUNS_TRIED_OUT), dtype=int).tolist():
        last = min(first + _SENTENCES_TRIED_OUT, int(section_lasts[np.searchsorted(section_lasts, first)]))
        if not np.array_equal(runs.ids(first, last), text.encoder.encode(runs.string(first, last))):
            raise UnsafeCutError


def _large_enough(packing: Packing, runs: Runs, min_block_chars: int) -> npt.NDArray[np.bool_]:
    """Of which blocks the text is longer than `min_block_chars`; (blocks,)."""
    table = runs.text.sentences
    sizes = table.ends[packing.lasts] - table.starts[packing.firsts]
    large: npt.NDArray[np.bool_] = sizes > min_block_chars
    for number in np.flatnonzero(large & (sizes <= min_block_chars * _LONGEST_CHARACTER_BYTES)).tolist():
        large[number] = len(runs.string(packing.firsts[number], packing.lasts[number])) > min_block_chars
    return large


def _report(slicing: Slicing, runs: Runs, packings: tuple[Packing, Packing], split: int) -> SlicingReport:
    all_blocks, kept = packings
    encoder = runs.text.encoder
    kinds = np.bincount(kept.kinds, minlength=len(KINDS))
    windows = kept.kinds == WINDOW
    sections = runs.text.sentences.sections
    per_section = np.bincount(sections[all_blocks.firsts]) if slicing.dementor else np.empty(0)
    return SlicingReport(
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


def _text_tokens(runs: Runs) -> int:
    """Ids of all sections; of those that can't be encoded in pieces, of their sentences one by one."""
    opaque = runs.text.opaque[runs.text.sentences.sections]
    lasts = np.flatnonzero(runs.is_last & ~opaque)
    firsts = np.flatnonzero(np.roll(runs.is_last, 1) & ~opaque)
    alone = np.flatnonzero(opaque)
    return int(runs.counts(firsts, lasts).sum() + runs.counts(alone, alone).sum())
