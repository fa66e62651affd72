"""Texts indexed in one call, and a tokenizer of one token a byte, so that budgets can be counted by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from training_pro.progress import no_progress
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.blocks.indexed_text import IndexedText
from training_pro.text.blocks.indexing import index_text
from training_pro.text.blocks.stretches import STRETCH_BYTES, Stretches
from training_pro.text.sections import corpus_sections
from training_pro.text.tokenizing.encoding import TextEncoder

CUT = "\n\n\n"


@cache
def byte_encoder() -> TextEncoder:
    """A token a byte; may be cut before any space. Its EOS is "</s>"."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({symbol: number for number, symbol in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return TextEncoder(PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>"))


def indexed(texts: Sequence[str], encoder: TextEncoder, stretch_bytes: int = STRETCH_BYTES) -> IndexedText:
    """The texts, parted at three line feeds, encoded in stretches of about so many bytes."""
    corpus = Corpus.of_texts(texts)
    sections = corpus_sections(corpus, [CUT])
    stretches = Stretches(corpus, sections, encoder.cut_rule, 1 << 20, stretch_bytes=stretch_bytes)
    return index_text(corpus, len(sections), encoder, stretches, no_progress)
