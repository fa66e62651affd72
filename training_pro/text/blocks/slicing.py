"""Text to blocks: the precise raw text slicer, from documents to views that are ready to train on.

Costs little more than the tokenizer's own time, whatever the overlap and the depth. The whole of a block's way
before rows and batches: file -> sections -> sentences -> blocks -> token ids.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from training_pro.progress import Progress, no_progress
from training_pro.text.blocks.blocks import Blocks, SlicingReport
from training_pro.text.blocks.budget import Budget, Slicing
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.blocks.indexed_text import IndexedText, Runs
from training_pro.text.blocks.indexing import UnsafeCutError, index_text, try_out
from training_pro.text.blocks.long_sentences import split_to_fit
from training_pro.text.blocks.packing import Packer
from training_pro.text.blocks.stretches import Stretches
from training_pro.text.sections import corpus_sections, unescape
from training_pro.text.splitting.abbreviations import abbreviations_digest
from training_pro.text.tokenizing.encoding import TextEncoder

logger = logging.getLogger(__name__)

_LONGEST_TOKEN_BYTES = 256  # where the tokenizer doesn't tell
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
        try_out(text)
    except UnsafeCutError:
        logger.warning(
            "With this tokenizer, tokens depend on text far away. So every block is encoded separately, which is slow."
        )
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
    text, split = split_to_fit(text, budget, progress)
    runs = Runs(text)
    packer = Packer(runs, budget, progress)
    packing = packer.windows() if slicing.dementor else packer.packed(slicing.overlap)
    large = packing.longer_than(slicing.min_block_chars, runs)
    kept = packing.some(large)
    report = SlicingReport.of(slicing, runs, packing, kept, split)
    return Blocks(runs, kept, budget, report, packing.some(~large))


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
