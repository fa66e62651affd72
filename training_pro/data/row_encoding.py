"""Rendered rows to one flat token array with a loss mask, a batch at a time: the last step of a row's way.

Costs the tokenizer's own time, a quarter more where offsets are needed for the mask, and 4 1/8 bytes a token.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training_pro.data.rendering.rendering import RenderedRow, Span
from training_pro.data.rows.bad_rows import BadRows, RowFault
from training_pro.data.samples import RowSamples
from training_pro.data.tokens import Encoded, Ids, RowTokenizer
from training_pro.errors import DataError

Bools = npt.NDArray[np.bool_]
KEPT_ROW_TOKENS = 4096  # of a row that is left out, to be looked at
KEPT_TOKENS = 1 << 22  # of all of them: 17 MB
TOO_LONG, UNTRAINED = "too-long", "untrained"  # why a row is left out


@dataclass(frozen=True)
class ReadyRow:
    """A row with its number in the file and where the loss counts (None: everywhere)."""

    number: int
    row: RenderedRow
    spans: tuple[Span, ...] | None


@dataclass
class LengthCounts:
    """What became of rows that are too long.

    `trimmed_stops` of the trimmed ones lost what ends them; `longest_tokens` is before trimming. `tokens` are those of
    all rows before that, `lost_tokens` those that are in no sample because rows were too long.
    """

    trimmed: int = 0
    eliminated_long: int = 0
    eliminated_untrained: int = 0
    trimmed_stops: int = 0
    longest_tokens: int = 0
    tokens: int = 0
    lost_tokens: int = 0


class _Growing:
    """Rows one after another while they come in; `masked`: whether a mask was asked for."""

    def __init__(self) -> None:
        self.tokens, self._trained = array("i"), array("B")
        self._offsets, self.numbers = array("q", [0]), array("q")
        self._masked = False

    def append(self, ready: ReadyRow, ids: Ids, trained: Bools) -> None:
        self._masked |= ready.spans is not None
        self.tokens.frombytes(np.ascontiguousarray(ids, np.int32).tobytes())
        self._trained.frombytes(trained.astype(np.uint8).tobytes())
        self._offsets.append(len(self.tokens))
        self.numbers.append(ready.number)

    def samples(self, source: str, tokenizer: RowTokenizer) -> RowSamples:
        bits = np.packbits(np.frombuffer(self._trained, np.uint8)) if self._masked else None
        tokens = np.frombuffer(self.tokens, np.int32) if self.tokens else np.zeros(0, np.int32)
        numbers = np.frombuffer(self.numbers, np.int64) if self.numbers else np.zeros(0, np.int64)
        return RowSamples(tokens, np.frombuffer(self._offsets, np.int64), bits, numbers, source, tokenizer)


class RowArrays:
    """Grows while rows come in; `samples` hands over what is there."""

    def __init__(self, tokenizer: RowTokenizer, max_tokens: int, too_long: str, bad: BadRows) -> None:
        self._tokenizer = tokenizer
        self._max_tokens, self._too_long, self._bad = max_tokens, too_long, bad
        self._kept = _Growing()
        self._dropped = {TOO_LONG: _Growing(), UNTRAINED: _Growing()}
        self.counts = LengthCounts()

    def __len__(self) -> int:
        return len(self._kept.numbers)

    def add(self, batch: list[ReadyRow]) -> None:
        """Encode these rows and append them.

        Raises:
            DataError: a row is too long and "stop" is set for that, or it is bad and "stop" is set for that.
        """
        masked = any(ready.spans is not None for ready in batch)
        for ready, encoded in zip(batch, self._encoded(batch, masked), strict=True):
            if encoded is None:
                continue
            ids, trained = self._with_ends(ready, encoded)
            try:
                self._append(ready, ids, trained)
            except RowFault as fault:
                self._bad.reject(ready.number, str(fault), ready.row.text)

    def samples(self, source: str) -> RowSamples:
        """All rows so far, on arrays of their own."""
        made = self._kept.samples(source, self._tokenizer)
        dropped = {why: rows for why, rows in self._dropped.items() if rows.numbers}
        made.dropped = {why: rows.samples(source, self._tokenizer) for why, rows in dropped.items()}
        return made

    def _encoded(self, batch: list[ReadyRow], with_offsets: bool) -> Iterable[Encoded | None]:
        good = [ready for ready in batch if self._is_text(ready)]
        found = iter(self._tokenizer.encode([ready.row.text for ready in good], with_offsets))
        kept = {id(ready) for ready in good}
        return [next(found) if id(ready) in kept else None for ready in batch]

    def _is_text(self, ready: ReadyRow) -> bool:
        broken = broken_character(ready.row.text)
        if broken:
            reason = f"it holds a broken character (half of a pair, {broken})"
            self._bad.reject(ready.number, reason, ascii(ready.row.text))
        return not broken

    def _with_ends(self, ready: ReadyRow, encoded: Encoded) -> tuple[Ids, Bools]:
        """Ids and mask with BOS and EOS where they are missing; a BOS that the text wrote twice is there once."""
        ids = encoded.ids
        if ready.spans is None or encoded.offsets is None:
            trained = np.ones(len(ids), bool)
        else:
            trained = token_mask(ready.row.text, encoded.offsets, ready.spans)
        bos, eos = self._tokenizer.bos_id, self._tokenizer.eos_id
        while bos is not None and len(ids) > 1 and ids[0] == bos == ids[1]:
            ids, trained = ids[1:], trained[1:]
        if ready.row.add_bos and bos is not None and (not len(ids) or ids[0] != bos):
            ids, trained = np.insert(ids, 0, bos), np.insert(trained, 0, False)
        if ready.row.add_eos and eos is not None and (not len(ids) or ids[-1] != eos):
            ids, trained = np.append(ids, np.int32(eos)), np.append(trained, True)
        return ids.astype(np.int32, copy=False), trained

    def _append(self, ready: ReadyRow, ids: Ids, trained: Bools) -> None:
        if not np.any(trained[1:]):
            raise RowFault("it is too short to train on: no token follows the first")
        self.counts.longest_tokens = max(self.counts.longest_tokens, len(ids))
        self.counts.tokens += len(ids)
        if len(ids) > self._max_tokens:
            if self._too_long == "stop":
                raise self._too_long_error(ready, len(ids))
            if self._too_long == "eliminate":
                self.counts.eliminated_long += 1
                self._drop(TOO_LONG, ready, ids, trained)
                return
            cut = self._trimmed(ready, ids, trained)
            if cut is None:
                self.counts.eliminated_untrained += 1
                self._drop(UNTRAINED, ready, ids, trained)
                return
            self.counts.trimmed += 1
            keeps_stop = ready.row.add_eos or bool(ready.row.end_stop)
            lost = bool(np.any(trained[self._max_tokens :])) and ready.row.stops and not keeps_stop
            self.counts.trimmed_stops += lost
            self.counts.lost_tokens += len(ids) - len(cut[0])
            ids, trained = cut
        self._kept.append(ready, ids, trained)

    def _drop(self, why: str, ready: ReadyRow, ids: Ids, trained: Bools) -> None:
        """Keep the row's beginning to be looked at, while there is room for it."""
        self.counts.lost_tokens += len(ids)
        if sum(len(rows.tokens) for rows in self._dropped.values()) < KEPT_TOKENS:
            self._dropped[why].append(ready, ids[:KEPT_ROW_TOKENS], trained[:KEPT_ROW_TOKENS])

    def _trimmed(self, ready: ReadyRow, ids: Ids, trained: Bools) -> tuple[Ids, Bools] | None:
        """The row cut to size, what ends it kept; None if nothing trained is left of its text."""
        ends = [len(ids) - 1] if ready.row.add_eos else []
        room = self._max_tokens - len(ends)
        stop = self._place_of_stop(ready.row.end_stop, ids)
        if stop >= room:
            ends, room = [stop, *ends], room - 1
        if not np.any(trained[1:room]):
            return None
        places = [*range(room), *ends]
        return ids[places], trained[places]

    def _place_of_stop(self, stop: str, ids: Ids) -> int:
        """Where among `ids` the last `stop` is; -1: nowhere."""
        places = np.flatnonzero(ids == self._tokenizer.special_id_of.get(stop, -1))
        return int(places[-1]) if len(places) else -1

    def _too_long_error(self, ready: ReadyRow, tokens: int) -> DataError:
        sentence = self._bad.sentence(
            ready.number,
            f"it has {tokens} tokens with BOS and EOS, but the Maximum context length is {self._max_tokens}",
            ready.row.text,
        )
        return DataError(f"{sentence}. Raise the maximum, or trim or eliminate rows that are too long.")


def broken_character(text: str) -> str:
    """Half of a pair of surrogates that stands alone, as "\\ud83d", which no tokenizer takes; "": there is none."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return f"\\u{ord(text[error.start]):04x}"
    return ""


def token_mask(text: str, offsets: npt.NDArray[np.int64], spans: Sequence[Span]) -> Bools:
    """For each token whether it is trained; `offsets` is (tokens, 2), code points of `text`.

    Guarantees:
        A token that lies wholly within the spans is trained. One that straddles a border is trained if it
        holds any trained character that is not white space. No other token is.
    """
    counts = np.zeros(len(text) + 1, np.int32)
    for start, end in spans:
        counts[start + 1 : end + 1] = 1
    np.cumsum(counts, out=counts)
    starts, ends = offsets[:, 0], offsets[:, 1]
    covered = counts[ends] - counts[starts]
    trained: Bools = (covered == ends - starts) & (ends > starts)
    for index in np.flatnonzero((covered > 0) & ~trained):
        trained[index] = _holds_trained_ink(text, int(starts[index]), int(ends[index]), spans)
    empty = np.flatnonzero(ends == starts)
    trained[empty] = [_is_inside(int(starts[index]), spans) for index in empty]
    return trained


def _holds_trained_ink(text: str, start: int, end: int, spans: Sequence[Span]) -> bool:
    return any(
        text[max(start, first) : min(end, last)].strip() for first, last in spans if first < end and start < last
    )


def _is_inside(position: int, spans: Sequence[Span]) -> bool:
    """Tokens of no width (a split code point's later bytes, in some tokenizers) go with what surrounds them."""
    return any(first < position <= last for first, last in spans)
