"""The ids of one stretch, and how many of them lie before each place that matters.

Encoded are pieces of about 2,000 bytes that end at safe cuts. Where a token's bytes are known from its id, places
are found by adding these up; elsewhere the pieces end at every such place, which takes about twice as long. Runs in a
thread beside the sentence splitter.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np

from training_pro.text.blocks.corpus import Offsets
from training_pro.text.blocks.stretches import Mask, Stretch
from training_pro.text.tokenizing.encoding import Ids, TextEncoder
from training_pro.text.tokenizing.token_lengths import TokenLengths

_PIECE_BYTES = 2000  # pieces about this long are encoded fastest


class UnsafeCutError(Exception):
    """An id straddles a cut that was thought safe: the cut rule doesn't hold for this tokenizer."""


@dataclass(frozen=True)
class EncodedStretch:
    """`ids` of the stretch; `before` (places,): how many of them lie before each place asked for."""

    ids: Ids
    before: Offsets


@dataclass(frozen=True)
class _Pieces:
    """What is encoded in one go, each from one of the stretch's cuts to another (`firsts`, `stops`: which)."""

    firsts: Offsets
    stops: Offsets
    after_edge: Mask  # whether a section starts there


def encode_stretch(stretch: Stretch, places: Offsets, encoder: TextEncoder) -> EncodedStretch:
    """The ids between the stretch's first and last cut; `places` are numbers of cuts.

    Raises:
        UnsafeCutError: the encoder's cut rule doesn't hold.
    """
    lengths = encoder.token_lengths
    if lengths is not None and lengths.hold_for(stretch.text):
        pieces = _pieces(stretch, np.empty(0, dtype=np.int64))
        ids, counts = _encode(stretch, pieces, encoder)
        before = _measured(stretch, pieces, ids, counts, lengths, places)
        if before is not None:
            return EncodedStretch(ids, before)
    pieces = _pieces(stretch, places)
    ids, counts = _encode(stretch, pieces, encoder)
    totals = np.concatenate([[0], np.cumsum(counts)])
    stops = np.searchsorted(pieces.stops, places, side="right")  # how many pieces end at or before each place
    return EncodedStretch(ids, totals[stops])


def _pieces(stretch: Stretch, places: Offsets) -> _Pieces:
    cells = np.arange(stretch.cuts[0] + _PIECE_BYTES, stretch.cuts[-1], _PIECE_BYTES)
    edges = np.flatnonzero(stretch.starts_section | stretch.ends_section)
    ends = np.array([0, len(stretch.cuts) - 1])
    borders = np.unique(np.concatenate([ends, edges, np.searchsorted(stretch.cuts, cells), places]))
    holds_text = ~stretch.ends_section[borders] | stretch.starts_section[borders]
    holds_text[-1] = False
    firsts = np.flatnonzero(holds_text)
    return _Pieces(borders[firsts], borders[firsts + 1], stretch.starts_section[borders[firsts]])


def _encode(stretch: Stretch, pieces: _Pieces, encoder: TextEncoder) -> tuple[Ids, Offsets]:
    """All ids, and how many each piece has."""
    starts = stretch.cut_characters[pieces.firsts].tolist()
    stops = stretch.cut_characters[pieces.stops].tolist()
    texts = [stretch.text[start:stop] for start, stop in zip(starts, stops, strict=True)]
    ids = array("i")
    counts = []
    for part in encoder.encode_parts(texts, pieces.after_edge.tolist()):
        ids.fromlist(part)
        counts.append(len(part))
    return np.array(ids, dtype=np.int32), np.array(counts, dtype=np.int64)


def _measured(
    stretch: Stretch, pieces: _Pieces, ids: Ids, counts: Offsets, lengths: TokenLengths, places: Offsets
) -> Offsets | None:
    """`before`, by adding up the bytes of the tokens; None: they don't add up to the text."""
    ends = np.concatenate([[0], np.cumsum(lengths.by_id[ids])])  # bytes up to each id's end
    covered = ends[np.concatenate([[0], np.cumsum(counts)])]  # bytes before each piece, and in all
    piece_starts = stretch.cuts[pieces.firsts]
    surplus = np.where(pieces.after_edge, lengths.added_at_start, 0)
    if np.any(np.diff(covered) != stretch.cuts[pieces.stops] - piece_starts + surplus):
        return None
    offsets = stretch.cuts[places]
    piece = np.searchsorted(piece_starts, offsets, side="right") - 1
    into = offsets - piece_starts[piece]
    wanted = covered[piece] + np.where(into > 0, into + surplus[piece], 0)
    before: Offsets = np.searchsorted(ends, wanted, side="right") - 1
    if np.any(ends[before] != wanted):
        raise UnsafeCutError
    return before
