"""That slicing loses nothing and changes no id: every block of a text is compared with the text and the tokenizer.

`python -m tests.text.slicing_proof FOLDER` does so for a folder of books with five tokenizers (byte-level BPE,
SentencePiece twice, Tekken, Unigram) at 59 maximum lengths each, and prints one JSON line per tokenizer; a fault ends
it. For 2 MB of books that takes some three minutes a tokenizer; `--tokenizer` and `--maxima` do part of it.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.text.tokenizer_zoo import sentencepiece_bpe, sentencepiece_bpe_v3, tekken, unigram
from training_pro.hosts.embedded import embedded_model
from training_pro.text.blocks.blocks import Block, Blocks
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.blocks.slicing import Slicing, slice_documents
from training_pro.text.reading import read_text, text_files
from training_pro.text.sections import unescape
from training_pro.text.tokenizing.encoding import TextEncoder

NAMED_MAXIMA = (16, 17, 31, 32, 33, 64, 256, 1024, 4096)
DRAWN_MAXIMA = 50
WINDOWS_COMPARED = 400  # of each DEMENTOR slicing; of the others every block's ids are compared
_BATCH = 512


def all_maxima(seed: int = 0) -> list[int]:
    """The named maximum lengths and 50 drawn ones, no two alike."""
    others = sorted(set(range(16, 4097)) - set(NAMED_MAXIMA))
    return [*NAMED_MAXIMA, *random.Random(seed).sample(others, DRAWN_MAXIMA)]


def smollm2() -> Any:
    """The embedded model's tokenizer: byte-level BPE."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(embedded_model())


TOKENIZERS: dict[str, Callable[[], Any]] = {
    "SmolLM2": smollm2,
    "SentencePiece v1": sentencepiece_bpe,
    "SentencePiece v3": sentencepiece_bpe_v3,
    "Tekken": tekken,
    "unigram": unigram,
}


@dataclass
class Proven:
    """What was looked at and found right. `characters`: those that are not white space, once per slicing."""

    slicings: int = 0
    blocks: int = 0
    ids_compared: int = 0
    characters: int = 0

    def add(self, other: Proven) -> None:
        for name, count in vars(other).items():
            setattr(self, name, getattr(self, name) + count)


class Judge:
    """The tokenizer, asked as anybody would ask it. Only where special strings are plain text and a text holds "<" the
    encoder's plain copy is asked instead."""

    def __init__(self, tokenizer: Any, encoder: TextEncoder) -> None:
        self._tokenizer, self._encoder = tokenizer, encoder
        self._backend = getattr(tokenizer, "backend_tokenizer", None)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text alone."""
        if not self._encoder.control_tokens and any("<" in text for text in texts):
            return [self._encoder.encode(text).tolist() for text in texts]
        if self._backend is None:
            return [self._tokenizer.encode(text, add_special_tokens=False) for text in texts]
        return [encoding.ids for encoding in self._backend.encode_batch(list(texts), add_special_tokens=False)]


def prove(texts: Sequence[str], slicing: Slicing, encoder: TextEncoder, judge: Judge) -> Proven:
    """Slice the texts and look at every block.

    Raises:
        AssertionError: a character is lost or doubled, a block too long or across a cut, or an id another.
    """
    blocks = slice_documents(Corpus.of_texts(texts), slicing, encoder)
    found = [blocks.block(number) for number in range(len(blocks))]
    for document, text in enumerate(texts):
        own = [block for block in found if block.document == document]
        _check_places(text, own, cut_characters(text, slicing, encoder), slicing)
    compared = _check_ids(blocks, found, texts, slicing, (encoder, judge))
    visible = sum(sum(map(len, text.split())) for text in texts)
    return Proven(1, len(found), compared, visible)


def cut_characters(text: str, slicing: Slicing, encoder: TextEncoder) -> Any:
    """For each character whether it belongs to a cut string, shape (len(text),)."""
    cuts = sorted(filter(None, {unescape(slicing.hard_cut), *encoder.cut_strings}), key=len, reverse=True)
    cut = np.zeros(len(text), dtype=bool)
    patterns = [re.escape(one).replace("\\\n", "\n") for one in cuts]
    patterns = [pattern if pattern.strip("\n") else r"[ \t\xa0]*".join(pattern) for pattern in patterns]
    for match in re.finditer("|".join(patterns), text) if cuts else ():
        cut[match.start() : match.end()] = True
    return cut


def _check_places(text: str, blocks: list[Block], cut: Any, slicing: Slicing) -> None:
    """Every visible character outside cuts is in one packed block, or in some window; no block holds a cut."""
    covered = np.zeros(len(text) + 1, dtype=np.int64)
    cuts_before = np.concatenate([[0], np.cumsum(cut)])
    for block in blocks:
        assert cuts_before[block.start] == cuts_before[block.end], ("across a cut", block)
        if block.kind != "overlap":
            covered[block.start] += 1
            covered[block.end] -= 1
    times = np.cumsum(covered)[:-1]
    visible = np.array([not character.isspace() for character in text], dtype=bool)
    wrong = visible & ~cut & ((times < 1) if slicing.dementor else (times != 1))
    assert not wrong.any(), ("in no packed block or in two", int(np.flatnonzero(wrong)[0]))
    assert not times[cut].any(), "a cut string is in a block"
    _check_order(blocks)


def _check_order(blocks: list[Block]) -> None:
    """Blocks of a kind go on in the text, and an overlap lies wholly in neither of its neighbours."""
    for kind in ("packed", "overlap", "window"):
        spans = [(block.start, block.end) for block in blocks if block.kind == kind]
        for one, two in zip(spans, spans[1:], strict=False):
            assert one[0] < two[0] and one[1] < two[1], ("out of order", one, two)
    for number, block in enumerate(blocks):
        if block.kind == "overlap":
            before, after = blocks[number - 1], blocks[number + 1]
            assert before.start < block.start <= before.end < block.end, (before, block)
            assert block.section == before.section == after.section and block.start < after.start, (block, after)


def _check_ids(
    blocks: Blocks, found: list[Block], texts: Sequence[str], slicing: Slicing, ask: tuple[TextEncoder, Judge]
) -> int:
    """Lengths of all blocks, and ids of all or, of windows, of some; how many blocks' ids were compared."""
    encoder, judge = ask
    has_bos = slicing.add_bos and encoder.bos_id is not None
    for number, block in enumerate(found):
        assert block.tokens == blocks.lengths[number] <= slicing.max_tokens, ("too long", block)
        own_bos = encoder.control_tokens and blocks.text(number).startswith(encoder.bos_text)
        assert block.bos == (has_bos and not own_bos)
    wanted = range(len(found))
    if slicing.dementor and len(found) > WINDOWS_COMPARED:
        wanted = np.linspace(0, len(found) - 1, WINDOWS_COMPARED, dtype=int).tolist()
    for some in _batches(wanted):
        strings = [texts[found[number].document][found[number].start : found[number].end] for number in some]
        for number, string, ids in zip(some, strings, judge.ids(strings), strict=True):
            assert string == string.strip() == blocks.text(number) != "", ("text", string)
            eos = [encoder.eos_id] if found[number].eos else []
            expected = [*([encoder.bos_id] if found[number].bos else []), *ids, *eos]
            assert not (encoder.control_tokens and eos and string.endswith(encoder.eos_text)), "a second EOS"
            assert blocks.ids(number).tolist() == expected, ("ids", string)
            assert len(expected) == found[number].tokens
    return len(wanted)


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[at : at + _BATCH] for at in range(0, len(numbers), _BATCH))


def prove_books(texts: Sequence[str], maxima: Sequence[int], encoder: TextEncoder, judge: Judge) -> Proven:
    """Packed with overlaps at each maximum, EOS at cuts; at the named ones DEMENTOR and without cuts, too."""
    total = Proven()
    for maximum in maxima:
        packed = Slicing(maximum, eos="cut")
        wanted = [packed]
        if maximum in NAMED_MAXIMA:
            wanted += [replace(packed, dementor=True), replace(packed, hard_cut="", eos="block", add_bos=False)]
        for slicing in wanted:
            total.add(prove(texts, slicing, encoder, judge))
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder of .txt files, or one such file")
    parser.add_argument("--tokenizer", action="append", choices=sorted(TOKENIZERS), help="only this one")
    parser.add_argument("--maxima", type=int, nargs="+", default=all_maxima(), help="only these maximum lengths")
    chosen = parser.parse_args()
    texts = [read_text(file) for file in text_files(chosen.folder)]
    for name, made in TOKENIZERS.items():
        if chosen.tokenizer and name not in chosen.tokenizer:
            continue
        tokenizer = made()
        encoder = TextEncoder(tokenizer)
        proven = prove_books(texts, chosen.maxima, encoder, Judge(tokenizer, encoder))
        line = {"tokenizer": name, "texts": len(texts), "maxima": len(chosen.maxima), **asdict(proven)}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
