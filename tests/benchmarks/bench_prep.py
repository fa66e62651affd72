"""How fast text becomes blocks, against the tokenizer alone on the same text.

Ours: from text files on disk to blocks with lengths and ids at hand. Reference: the tokenizer's `encode_batch` over
pieces of 20,000 characters. Both with the default threads, in turns; the text is the folder's, repeated to 30 MB.
`ratio_min` and `ratio_max` are those of single turns: far apart, something else was using the processors. `cpu_ratio`
compares the processor time of both, which other work disturbs less. Takes some three minutes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from training_pro.hosts.embedded import embedded_model
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.blocks.slicing import Slicing, slice_documents
from training_pro.text.reading import read_text, text_files
from training_pro.text.splitting.sentences import sentence_starts
from training_pro.text.tokenizing.encoding import TextEncoder

Times = tuple[float, float]  # by the clock, and of the processors

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
        times: dict[str, list[Times]] = {name: [] for name in (*_SLICINGS, "reference", "split")}
        for _ in range(RUNS):
            for name, slicing in _SLICINGS.items():
                times[name].append(_times_of(partial(_prepare, file, slicing, tokenizer)))
            times["reference"].append(_times_of(partial(_encode, text, tokenizer)))
            times["split"].append(_times_of(partial(sentence_starts, text)))
        for name in _SLICINGS:
            yield _figure(name, megabytes, times)


def _figure(name: str, megabytes: float, times: dict[str, list[Times]]) -> dict[str, Any]:
    (ours, ours_cpu), (reference, reference_cpu) = _medians(times[name]), _medians(times["reference"])
    ratios = [theirs / own for (theirs, _), (own, _) in zip(times["reference"], times[name], strict=True)]
    return {
        "name": name,
        "ratio": round(reference / ours, 3),
        "ours": round(megabytes / ours, 2),
        "reference": round(megabytes / reference, 2),
        "unit": "MB/s",
        "median_of": RUNS,
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "cpu_ratio": round(reference_cpu / ours_cpu, 3),
        "sentence_splitter_share": round(_medians(times["split"])[1] / ours_cpu, 3),
    }


def _medians(times: list[Times]) -> Times:
    return median(wall for wall, _ in times), median(cpu for _, cpu in times)


def repeated(books: list[str], size_bytes: int) -> str:
    """The books one after another, again and again, up to `size_bytes`."""
    once = "\n\n\n".join(books) + "\n\n\n"
    return once * max(1, round(size_bytes / len(once.encode())))


def _times_of(work: Callable[[], object]) -> Times:
    """Seconds by the clock, and of all processors together."""
    start, cpu_start = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - cpu_start


def _prepare(file: Path, slicing: Slicing, tokenizer: Any) -> None:
    blocks = slice_documents(Corpus.of_files([file]), slicing, TextEncoder(tokenizer))
    blocks.ids(len(blocks) // 2)


def _encode(text: str, tokenizer: Any) -> None:
    pieces = [text[at : at + _PIECE_CHARS] for at in range(0, len(text), _PIECE_CHARS)]
    tokenizer.backend_tokenizer.encode_batch(pieces, add_special_tokens=False)
