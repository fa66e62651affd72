"""Text to blocks: the precise raw text slicer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training_pro.errors import DataError
from training_pro.progress import Progress, no_progress
from training_pro.text.blocks import Block, Blocks, SlicingReport
from training_pro.text.encoding import TextEncoder
from training_pro.text.sections import section_spans, trimmed_span, unescape
from training_pro.text.sentences import sentence_starts

Span = tuple[int, int]
_INNER_BORDERS = tuple(
    re.compile(p) for p in (r"\n\s*", r"[,;:\u2013\u2014\u3001\uff0c\uff1b\uff1a\u060c\u061b]\s*", r"\s+", r"(?s:.)")
)


@dataclass(frozen=True)
class Slicing:
    """How text is sliced; names and units as in `Settings`, `hard_cut` as typed."""

    max_tokens: int = 256
    hard_cut: str = "\\n\\n\\n"
    overlap: bool = True
    dementor: bool = False
    min_block_chars: int = 0
    add_bos: bool = True
    eos: str = "block"


class _Section:
    def __init__(self, text: str, span: Span, slicing: Slicing, encoder: TextEncoder) -> None:
        self.text, self.encoder, self.slicing = text, encoder, slicing
        self.bos = slicing.add_bos and encoder.bos_id is not None
        self.split = 0
        start, end = span
        starts = [start + at for at in sentence_starts(text[start:end])] + [end]
        self.sentences: list[Span] = []
        for k in range(len(starts) - 1):
            a, b = trimmed_span(text, starts[k], starts[k + 1])
            if a < b:
                self.sentences.extend(self._pieces(a, b, k == len(starts) - 2))

    def eos(self, last: bool) -> bool:
        if self.encoder.eos_id is None:
            return False
        return self.slicing.eos == "block" or (self.slicing.eos == "cut" and last)

    def tokens(self, a: int, b: int, last: bool) -> int:
        return self.encoder.count(self.text[a:b]) + self.bos + self.eos(last)

    def fits(self, a: int, b: int, last: bool) -> bool:
        return self.tokens(a, b, last) <= self.slicing.max_tokens

    def _pieces(self, a: int, b: int, last: bool) -> Iterator[Span]:
        if self.fits(a, b, last):
            yield a, b
            return
        self.split += 1
        while not self.fits(a, b, last):
            end, a_next = self._first_piece(a, b)
            yield a, end
            a = a_next
        yield a, b

    def _first_piece(self, a: int, b: int) -> tuple[int, int]:
        for pattern in _INNER_BORDERS:
            borders = [m.end() for m in pattern.finditer(self.text, a, b) if m.end() < b]
            low, high = 0, min(len(borders), 64)
            while high < len(borders) and self.fits(a, borders[high], False):
                low, high = high, high * 2
            high = min(high, len(borders))
            while low < high:
                middle = (low + high) // 2
                x, y = trimmed_span(self.text, a, borders[middle])
                if self.fits(x, y, False):
                    low = middle + 1
                else:
                    high = middle
            if low:
                x, y = trimmed_span(self.text, a, borders[low - 1])
                rest, _ = trimmed_span(self.text, borders[low - 1], b)
                return y, rest
        raise DataError(
            f"The character {self.text[a]!r} alone takes {self.tokens(a, a + 1, False)} tokens with BOS and EOS, more "
            f"than the Maximum context length of {self.slicing.max_tokens}; raise it."
        )

    def last_that_fits(self, i: int, guess: int) -> int:
        n = len(self.sentences)
        j = min(max(guess, i), n - 1)
        while j > i and not self._run_fits(i, j):
            j -= 1
        while j + 1 < n and self._run_fits(i, j + 1):
            j += 1
        return j

    def _run_fits(self, i: int, j: int) -> bool:
        return self.fits(self.sentences[i][0], self.sentences[j][1], j == len(self.sentences) - 1)

    def packed(self) -> list[Span]:
        runs, i, width = [], 0, 0
        while i < len(self.sentences):
            j = self.last_that_fits(i, i + width)
            runs.append((i, j))
            width = j - i
            i = j + 1
        return runs

    def overlap(self, one: Span) -> Span | None:
        i, j = one
        half = self.encoder.count(self.text[self.sentences[i][0] : self.sentences[j][1]]) / 2
        k = i + 1
        while k <= j and self.encoder.count(self.text[self.sentences[i][0] : self.sentences[k - 1][1]]) < half:
            k += 1
        if k > j:
            return None
        end = self.last_that_fits(k, j + 1)
        return (k, end) if end > j else None

    def windows(self) -> list[Span]:
        runs: list[Span] = []
        for i in range(len(self.sentences)):
            j = self.last_that_fits(i, runs[-1][1] if runs else i)
            if not runs or runs[-1][1] != j:
                runs.append((i, j))
            if j == len(self.sentences) - 1:
                break
        return runs


def slice_documents(
    documents: Sequence[str], slicing: Slicing, encoder: TextEncoder, progress: Progress | None = None
) -> Blocks:
    """The blocks of `documents`; each document's end is a hard cut.

    Raises:
        DataError: not even one character fits.
        Cancelled: from `progress`.
    """
    report = progress or no_progress
    cuts = [unescape(slicing.hard_cut), encoder.eos_text]
    total = sum(map(len, documents))
    done = sections = sentences = split = dropped = text_tokens = window_tokens = short = 0
    blocks: list[Block] = []
    for number, text in enumerate(documents):
        for span in section_spans(text, cuts):
            report(done + span[0], total, "Slicing text")
            section = _Section(text, span, slicing, encoder)
            runs = _runs(section, slicing)
            if slicing.dementor and len(runs) == 1:
                short += 1
            for kind, (i, j) in runs:
                a, b = section.sentences[i][0], section.sentences[j][1]
                if b - a <= slicing.min_block_chars:
                    dropped += 1
                    continue
                last = j == len(section.sentences) - 1
                tokens = section.tokens(a, b, last)
                blocks.append(Block(number, sections, kind, a, b, tokens, section.bos, section.eos(last)))
                if kind == "window":
                    window_tokens += tokens - section.bos - section.eos(last)
            sections += 1
            sentences += len(section.sentences)
            split += section.split
            text_tokens += encoder.count(text[span[0] : span[1]])
        done += len(text)
    report(total, total, "Slicing text")
    kinds = [block.kind for block in blocks]
    return Blocks(
        documents,
        blocks,
        encoder,
        SlicingReport(
            sections=sections,
            sentences=sentences,
            split_sentences=split,
            packed=kinds.count("packed"),
            overlap=kinds.count("overlap"),
            windows=kinds.count("window"),
            dropped_small=dropped,
            short_sections=short,
            text_tokens=text_tokens,
            window_tokens=window_tokens,
            bos_missing=slicing.add_bos and encoder.bos_id is None,
            eos_missing=slicing.eos != "none" and encoder.eos_id is None,
        ),
    )


def _runs(section: _Section, slicing: Slicing) -> list[tuple[str, Span]]:
    if slicing.dementor:
        return [("window", run) for run in section.windows()]
    packed = section.packed()
    runs: list[tuple[str, Span]] = []
    for place, run in enumerate(packed):
        if place and slicing.overlap:
            extra = section.overlap(packed[place - 1])
            if extra:
                runs.append(("overlap", extra))
        runs.append(("packed", run))
    return runs
