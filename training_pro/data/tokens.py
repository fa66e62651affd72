"""The host's tokenizer as rows need it: batches of texts to ids with offsets, and ids back to pieces of text.

Works on a private copy (some 0.3 s for 50,000 tokens): truncation, padding and other state of the host's
tokenizer are neither used nor changed. Special strings in a row are control tokens, as when the host
encodes a prompt.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

Ids = npt.NDArray[np.int32]
MARKER = re.compile(r"<\|[^|<>\s]{1,40}\|>|<｜[^<>\s]{1,80}?｜>|</?s>|<(?:start|end)_of_turn>")


@dataclass(frozen=True)
class Encoded:
    """`ids` (tokens,); `offsets` (tokens, 2) code points of the text, or None if they weren't asked for."""

    ids: Ids
    offsets: npt.NDArray[np.int64] | None


class RowTokenizer:
    """See the module. `special_ids` are the control tokens; `bos_id` and `eos_id` may be None."""

    def __init__(self, tokenizer: Any) -> None:
        self.bos_id: int | None = tokenizer.bos_token_id
        self.eos_id: int | None = tokenizer.eos_token_id
        self.bos_text: str = tokenizer.bos_token or ""
        self.eos_text: str = tokenizer.eos_token or ""
        specials = _specials(tokenizer)
        self.special_id_of: Mapping[str, int] = specials
        self.special_ids = frozenset(specials.values())
        self.special_texts = tuple(sorted(specials, key=lambda text: (-len(text), text)))  # the longest first
        self._host_tokenizer = tokenizer

    @cached_property
    def _backend(self) -> FastTokenizer | SlowTokenizer:
        """The private copy; made when first needed, since raw text alone needs none to be trained."""
        return _backend(self._host_tokenizer, self.special_texts)

    @cached_property
    def adds_bos(self) -> bool:
        """Whether the tokenizer puts a BOS before a text of its own accord."""
        return self.bos_id is not None and self.bos_id in self._backend.as_prompt("a")[:1]

    def encode(self, texts: Sequence[str], with_offsets: bool) -> list[Encoded]:
        """The ids of each text as they stand: nothing added, nothing cut off."""
        return [
            Encoded(
                np.array(ids, np.int32),
                None if offsets is None else np.array(offsets, np.int64).reshape(-1, 2),
            )
            for ids, offsets in self._backend.encode_many(texts, with_offsets)
        ]

    def foreign_markers(self, text: str) -> list[str]:
        """What looks like a control token in `text` and is not one token of this model, each once, in order: it would
        be learned as plain characters."""
        found = [marker for marker in dict.fromkeys(MARKER.findall(text)) if marker not in self.special_id_of]
        encoded = self.encode(found, with_offsets=False)
        return [marker for marker, one in zip(found, encoded, strict=True) if len(one.ids) > 1]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, special tokens included, nothing tidied."""
        return self._backend.decode(ids)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The text of each token; a code point spread over several tokens is shown at the last of them.

        Guarantees:
            Joined, the pieces are the decoded text, but for a broken code point at the very end.
        """
        pieces: list[str] = []
        start = shown = 0  # tokens from `start` are decoded together; those before `shown` are out already
        for end in range(1, len(ids) + 1):
            before = self.decode(ids[start:shown])
            now = self.decode(ids[start:end])
            if now.endswith("\ufffd") and end < len(ids) and end - shown < 8:
                pieces.append("")
                continue
            pieces.append(now[len(before) :])
            start, shown = shown, end
        return pieces


class FastTokenizer:
    """A copy of a `tokenizers` backend that neither cuts nor pads."""

    def __init__(self, backend: Tokenizer) -> None:
        self._copy = Tokenizer.from_str(backend.to_str())
        self._copy.no_truncation()
        self._copy.no_padding()
        self._copy.encode_special_tokens = False

    def encode_many(self, texts: Sequence[str], with_offsets: bool) -> list[Pairs]:
        """Ids and, if asked for, offsets of each text."""
        encode = self._copy.encode_batch if with_offsets else self._copy.encode_batch_fast
        found = encode(list(texts), add_special_tokens=False)
        return [(encoding.ids, encoding.offsets if with_offsets else None) for encoding in found]

    def as_prompt(self, text: str) -> list[int]:
        """The ids with what the tokenizer adds of its own accord."""
        return list(self._copy.encode(text).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, control tokens included."""
        return str(self._copy.decode(list(ids), skip_special_tokens=False))


def _backend(tokenizer: Any, special_texts: tuple[str, ...]) -> FastTokenizer | SlowTokenizer:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return FastTokenizer(backend) if isinstance(backend, Tokenizer) else SlowTokenizer(tokenizer, special_texts)


def _specials(tokenizer: Any) -> dict[str, int]:
    """The control tokens as they are written, with their ids."""
    named = zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=False)
    found = {text: int(number) for text, number in named if number is not None}  # some name one that they lack
    added = getattr(tokenizer, "added_tokens_decoder", None)
    if isinstance(added, Mapping):
        found |= {str(token.content): int(number) for number, token in added.items() if token.special}
    return {text: number for text, number in found.items() if text}


Pairs = tuple[list[int], list[tuple[int, int]] | None]
_SPACE_MARK = "\u2581"  # SentencePiece's visible space, which some decoders leave in
_LOOK_AHEAD_CHARS = 8


class SlowTokenizer:
    """A copy of the host's tokenizer; only its encoding and decoding are called."""

    def __init__(self, tokenizer: Any, special_texts: Sequence[str]) -> None:
        self._tokenizer = copy.deepcopy(tokenizer)
        self._specials = {text: tokenizer.convert_tokens_to_ids(text) for text in special_texts}
        choice = "|".join(map(re.escape, special_texts))
        self._pattern = re.compile(f"({choice})") if choice else None

    def encode_many(self, texts: Sequence[str], with_offsets: bool) -> list[Pairs]:
        """Ids and offsets of each text; the offsets come whether asked for or not."""
        return [self.encode(text) for text in texts]

    def as_prompt(self, text: str) -> list[int]:
        """The ids with what the tokenizer adds of its own accord."""
        return list(self._tokenizer.encode(text))

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids of `text`, and which part of it each of them came from."""
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        position = 0
        for index, part in enumerate(self._pattern.split(text) if self._pattern else [text]):
            if index % 2:
                ids.append(self._specials[part])
                offsets.append((position, position + len(part)))
            elif part:
                found = list(self._tokenizer.encode(part, add_special_tokens=False))
                ids += found
                places = offsets_of([self.decode([number]) for number in found], part)
                offsets += [(position + start, position + end) for start, end in places.tolist()]
            position += len(part)
        return ids, offsets

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, control tokens included."""
        text = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        return str(text).replace(_SPACE_MARK, " ")


def offsets_of(pieces: Sequence[str], text: str) -> npt.NDArray[np.int64]:
    """Where each piece stands in `text`, (pieces, 2) code points, found one after the other.

    Guarantees:
        The places are in order and together cover the text up to the last piece that was found: what no
        piece matches (a broken code point, a letter that was normalized) goes to the piece it was lost in.
    """
    offsets = np.zeros((len(pieces), 2), np.int64)
    position = 0
    lost = 0  # the first piece since the last that was found
    for index, piece in enumerate(pieces):
        start, length = _find(piece, text, position, certain=lost == index)
        if start < 0:
            continue
        offsets[lost:index] = position, max(start, position)
        offsets[index] = (position if lost == index else start), start + length
        position, lost = start + length, index + 1
    offsets[lost:] = position, len(text)
    return offsets


def _find(piece: str, text: str, position: int, certain: bool) -> tuple[int, int]:
    """Start and length of `piece` near `position`; (-1, 0) if it isn't there.

    A space that stands before a piece and not in the text is the tokenizer's own. With `certain`, all before
    `position` is accounted for, so that a piece which fits right there is the one.
    """
    bare = piece.removeprefix(" ")
    for wanted in (piece, bare):
        if wanted and text.startswith(wanted, position):
            return position, len(wanted)
    if piece and not bare and certain:
        return position, 0
    start = text.find(piece, position, position + len(piece) + _LOOK_AHEAD_CHARS) if piece else -1
    return (start, len(piece)) if start >= 0 and "\ufffd" not in piece else (-1, 0)
