"""A corpus in stretches of about half a megabyte, each with its sentences and the places where it may be cut.

A stretch holds many sections where they are short; a long section goes over several. Memory stays at some tens of
bytes per byte of one stretch, whatever the size of the corpus. The steps sections -> sentences on a block's way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training_pro.text.blocks.corpus import Corpus, Offsets
from training_pro.text.sections import Span
from training_pro.text.splitting.line_borders import open_fence
from training_pro.text.splitting.sentences import sentence_spans, with_inner_borders
from training_pro.text.tokenizing.cuts import CutRule, code_points

Mask = npt.NDArray[np.bool_]

STRETCH_BYTES = 1 << 19
_BLANK_LINE = "\n\n"
_WIDER_FROM = (0x80, 0x800, 0x10000)  # each takes a byte more in UTF-8


@dataclass(frozen=True)
class Stretch:
    """Part of a corpus; offsets are bytes of the corpus unless called characters (of `text`).

    sentence_starts, sentence_ends (sentences,): without surrounding white space, rising.
    sentence_sections (sentences,): the number of each sentence's section.
    sentence_inner (sentences,): whether it starts at an inner border of a long sentence.
    cuts (cuts,): where ids may be parted, rising; the first and the last bound what is to be encoded. Empty where
    no safe cut was found: the section can't be encoded in pieces then.
    cut_characters (cuts,): the same places as characters.
    starts_section, ends_section (cuts,): whether a section starts or ends there; between two cuts of which the first
    ends a section and starts none lies nothing to encode.
    forced: whether the last sentence ends here, as the only one, just because it is longer than a stretch.
    """

    text: str
    sentence_starts: Offsets
    sentence_ends: Offsets
    sentence_sections: Offsets
    sentence_inner: Mask
    cuts: Offsets
    cut_characters: Offsets
    starts_section: Mask
    ends_section: Mask
    forced: bool = False


class Stretches:
    """Goes once through the `sections` of a corpus.

    A sentence of more than `longest_sentence_bytes` (and a stretch) is ended at a word's end on the way. None ends
    with one of the `abbreviations`.
    """

    def __init__(
        self,
        corpus: Corpus,
        sections: Sequence[Span],
        rule: CutRule | None,
        longest_sentence_bytes: int,
        abbreviations: frozenset[str] = frozenset(),
        stretch_bytes: int = STRETCH_BYTES,
    ) -> None:
        self._corpus = corpus
        self._sections = sections
        self._rule = rule
        self._longest_sentence_bytes = longest_sentence_bytes
        self._abbreviations = abbreviations
        self._stretch_bytes = stretch_bytes

    def __iter__(self) -> Iterator[Stretch]:
        first = 0  # of the sections that share a stretch
        for number, (start, end) in enumerate(self._sections):
            if end - self._sections[first][0] <= self._stretch_bytes:
                continue
            if first < number:
                yield self._short_sections(first, number)
            first = number
            if end - start > self._stretch_bytes:
                yield from self._long_section(number)
                first = number + 1
        if first < len(self._sections):
            yield self._short_sections(first, len(self._sections))

    def _short_sections(self, first: int, stop: int) -> Stretch:
        bounds = np.array(self._sections[first:stop], dtype=np.int64)
        base = int(bounds[0, 0])
        text = self._corpus.text(base, int(bounds[-1, 1]))
        byte_of = byte_offsets(text, base)
        edges = np.searchsorted(byte_of, bounds)
        spans = with_inner_borders(text, sentence_spans(text, edges, self._abbreviations))
        cuts = self._cuts_of_sections(text, edges)
        return Stretch(
            text=text,
            sentence_starts=byte_of[spans.starts],
            sentence_ends=byte_of[spans.ends],
            sentence_sections=spans.sections + first,
            sentence_inner=spans.inner,
            cuts=byte_of[cuts],
            cut_characters=cuts,
            starts_section=_marked(cuts, edges[:, 0]),
            ends_section=_marked(cuts, edges[:, 1]),
        )

    def _cuts_of_sections(self, text: str, edges: Offsets) -> Offsets:
        """The safe cuts inside the sections, and their edges."""
        if self._rule is None:
            return np.empty(0, dtype=np.int64)
        safe = self._rule.safe(text)
        for end, start in zip(edges[:-1, 1].tolist(), edges[1:, 0].tolist(), strict=True):
            safe[end + 1 : start] = False
        safe[edges] = True
        return np.flatnonzero(safe)

    def _long_section(self, number: int) -> Iterator[Stretch]:
        section_start, section_end = self._sections[number]
        ids_at = sentence_at = section_start
        size, fenced = self._stretch_bytes, False
        while sentence_at < section_end:
            text, complete = self._window(ids_at, sentence_at, min(sentence_at + size, section_end), section_end)
            byte_of = byte_offsets(text, ids_at)
            first = int(np.searchsorted(byte_of, sentence_at))
            whole = np.array([[0, len(text) - first]], dtype=np.int64)
            spans = sentence_spans(text[first:], whole, self._abbreviations, fenced)
            next_at = len(text)
            forced = not complete and len(spans.starts) == 1
            if forced and size < self._longest_sentence_bytes:
                size *= 2
                continue
            if forced:
                next_at = _last_word_end(text, first)
                spans.ends[0] = next_at - first
            elif not complete:
                next_at = int(spans.starts[-1]) + first
                spans = spans.but_last()
            spans = with_inner_borders(text[first:], spans)
            size, fenced = self._stretch_bytes, open_fence(text[first:next_at], fenced)
            at_end = complete and int(byte_of[-1]) == section_end
            cuts = self._cuts_until(text, next_at, at_end)
            cut_bytes = byte_of[cuts]
            yield Stretch(
                text=text,
                sentence_starts=byte_of[spans.starts + first],
                sentence_ends=byte_of[spans.ends + first],
                sentence_sections=np.full(len(spans.starts), number),
                sentence_inner=spans.inner,
                cuts=cut_bytes,
                cut_characters=cuts,
                starts_section=cut_bytes == section_start,
                ends_section=cut_bytes == section_end,
                forced=forced,
            )
            sentence_at, _ = self._corpus.trimmed(int(byte_of[next_at]), section_end)
            ids_at = int(cut_bytes[-1]) if len(cuts) else sentence_at

    def _window(self, ids_at: int, sentence_at: int, stop: int, end: int) -> tuple[str, bool]:
        """The text from `ids_at` to about `stop`, and whether a sentence ends there for sure; `end`: the section's."""
        stop = self._corpus.border(stop, end)
        text = self._corpus.text(ids_at, stop)
        if stop == end:
            return text, True
        first = len(self._corpus.text(ids_at, sentence_at))
        blank = text.rfind(_BLANK_LINE, first)
        return (text[:blank], True) if blank > first else (text, False)

    def _cuts_until(self, text: str, end: int, ends_section: bool) -> Offsets:
        """The start of `text` and the safe cuts in it up to `end`, itself one if a section ends there.

        Empty: there is no safe cut.
        """
        if self._rule is None:
            return np.empty(0, dtype=np.int64)
        safe = self._rule.safe(text)
        safe[end + 1 :] = False
        safe[0] = True
        safe[-1] |= ends_section
        cuts = np.flatnonzero(safe)
        return cuts if len(cuts) > 1 else cuts[:0]


def byte_offsets(text: str, base: int) -> Offsets:
    """For each character of `text`, and for its end, the byte at which it starts, counted from `base`."""
    if text.isascii():
        return np.arange(base, base + len(text) + 1, dtype=np.int64)
    codes = code_points(text)
    widths = np.ones(len(text) + 1, dtype=np.int8)
    for first_wider in _WIDER_FROM:
        widths[1:] += codes >= first_wider
    widths[0] = 0
    offsets = np.cumsum(widths, dtype=np.int64)
    offsets += base
    return offsets


def _marked(cuts: Offsets, places: Offsets) -> Mask:
    """Which of the cuts are among `places`, all of them cuts."""
    marked = np.zeros(len(cuts), dtype=np.bool_)
    if len(cuts):
        marked[np.searchsorted(cuts, places)] = True
    return marked


def _last_word_end(text: str, start: int) -> int:
    """Where to end a sentence that fills the rest of `text`: after its last word that is surely whole."""
    words = text[start:].rstrip().rsplit(maxsplit=1)
    return start + len(words[0].rstrip()) if len(words) > 1 else len(text.rstrip())
