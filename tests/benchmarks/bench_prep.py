"""How fast text becomes blocks, against the tokenizer alone on the same text.

Ours: from text files on disk to blocks with lengths and ids at hand. Reference: the tokenizer's `encode_batch` over
pieces of 20,000 characters. Both with the default threads, in turns; the text is the folder's, repeated to 30 MB.
`ratio_min` and `ratio_max` are those of single turns: far apart, something else was using the processors. Takes some
three minutes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from training_pro.hosts.embedded import embedded_model
from training_pro.text.corpus import Corpus
from training_pro.text.encoding import TextEncoder
from training_pro.text.reading import read_text, text_files
from training_pro.text.sentences import sentence_starts
from training_pro.text.slicing import Slicing, slice_documents

TEXT_BYTES = 30_000_000
RUNS = 5
_PIECE_CHARS = 20_000
_SLICINGS = {
    "prep_prts": Slicing(max_tokens=256, overlap=True),
    "prep_dementor": Slicing(max_tokens=1024, dementor=True),
}


def figures(data: Path) -> Iterator[dict[str, Any]]:
    """The two figures of preparation, and the sentence splitter's share of each."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(embedded_model())
    books = [read_text(file) for file in text_files(data)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "books.txt"
        text = repeated(books, TEXT_BYTES)
        file.write_text(text, encoding="utf-8")
        megabytes = file.stat().st_size / 1e6
        seconds: dict[str, list[float]] = {name: [] for name in (*_SLICINGS, "reference", "split")}
        for _ in range(RUNS):
            for name, slicing in _SLICINGS.items():
                seconds[name].append(_seconds_prepared(file, slicing, tokenizer))
            seconds["reference"].append(_seconds_encoded(text, tokenizer))
            seconds["split"].append(_seconds_split(text))
        for name in _SLICINGS:
            yield _figure(name, megabytes, seconds)


def _figure(name: str, megabytes: float, seconds: dict[str, list[float]]) -> dict[str, Any]:
    ours, reference = median(seconds[name]), median(seconds["reference"])
    ratios = [theirs / own for theirs, own in zip(seconds["reference"], seconds[name], strict=True)]
    return {
        "name": name,
        "ratio": round(reference / ours, 3),
        "ours": round(megabytes / ours, 2),
        "reference": round(megabytes / reference, 2),
        "unit": "MB/s",
        "median_of": RUNS,
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "sentence_splitter_share": round(median(seconds["split"]) / ours, 3),
    }


def repeated(books: list[str], size_bytes: int) -> str:
    """The books one after another, again and again, up to `size_bytes`."""
    once = "\n\n\n".join(books) + "\n\n\n"
    return once * max(1, round(size_bytes / len(once.encode())))


def _seconds_prepared(file: Path, slicing: Slicing, tokenizer: Any) -> float:
    start = time.perf_counter()
    blocks = slice_documents(Corpus.of_files([file]), slicing, TextEncoder(tokenizer))
    blocks.ids(len(blocks) // 2)
    return time.perf_counter() - start


def _seconds_encoded(text: str, tokenizer: Any) -> float:
    pieces = [text[at : at + _PIECE_CHARS] for at in range(0, len(text), _PIECE_CHARS)]
    start = time.perf_counter()
    tokenizer.backend_tokenizer.encode_batch(pieces, add_special_tokens=False)
    return time.perf_counter() - start


def _seconds_split(text: str) -> float:
    start = time.perf_counter()
    sentence_starts(text)
    return time.perf_counter() - start
