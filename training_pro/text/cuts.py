"""Where text may be cut without changing one token id, for a given tokenizer.

A *safe cut* c between two characters means: for every a < c <= b, the ids of text[a:b] are those of text[a:c] followed
by the ids that text[c:b] has in the middle of a text. Only two places are ever considered: a visible character before
a space, and a letter before certain punctuation or a line feed. Whether they are safe follows from how the tokenizer
is built, and is then tried out on every token of its vocabulary that would straddle such a place. What is not known
to be safe is refused: the caller encodes whole blocks then. Costs about a second per tokenizer, and some
300 MB of text per second.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from training_pro.text.private_tokenizer import FastCopy

Offsets = npt.NDArray[np.int64]

# After a letter; all of them stand alone in every normal form.
_AFTER_LETTER = (
    '\n.,;:!?)]}"\u201c\u201d\u2026\u2014\u3002\u3001\uff0c\uff01\uff1f\uff1b\uff1a\u300c\u300d\u0964\u061f\u060c'
)
_TABLE_SIZE = 0x10000  # what lies beyond the basic plane is looked up as its last character
_VISIBLE, _LETTER, _SPACE, _MARK = 1, 2, 4, 8
# A space's own symbol, what normalizers drop, what joins the next character's grapheme, and all beyond the basic plane.
_NEVER_BESIDE_A_CUT = "\u2581\ufffd\u115f\u1160\u3164\uffa0\u0d4e\uffff"
_LEFT_CONTEXT = "a"  # a letter: every safe cut may follow it
_LEFT_SAMPLES = (
    *"aZ\u00e9\u044f\u0915\u05d0\u0639\u4e2d\u3042\uac00\u0e01",
    "don't",
    "x1",
    "12",
    "1234",
    "Ab",
    "aB",
    "e\u0301",
)
_LEFT_OF_SPACE_SAMPLES = (
    *".,;:!?)]}\"'-_/\\*#+=<>|~^`@$%&([{",
    *"\u201d\u2019\u2014\u2026\u3002\u00b0\u20ac",
    "'s",
    "...",
    "\n.",
    "1.",
)
_RIGHT_SAMPLES = (
    *"aZ1.\u4e2d\u00e9'\n\t \"",
    "",
    "'s",
    "  a",
    "\n\n",
    "\na",
    "\n a",
    "\u0301a",
    "12345",
    "...",
    "\u2019s",
    " .",
    "s a",
)
_SPACE_SYMBOLS = {"\u0120": " ", "\u2581": " ", "\u010a": "\n"}  # how vocabularies write white space
_MOST_TRIALS = 20_000

_LOCAL_NORMALIZERS = {
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Prepend",
    "Replace",
    "Lowercase",
    "StripAccents",
    "Strip",
    "BertNormalizer",
    "Nmt",
    "Precompiled",
}
_LOCAL_PRE_TOKENIZERS = {
    "ByteLevel",
    "Metaspace",
    "Split",
    "Digits",
    "Punctuation",
    "Whitespace",
    "WhitespaceSplit",
    "BertPreTokenizer",
    "UnicodeScripts",
}
_CHANGES_A_START = {"Prepend", "Metaspace", "Strip", "Precompiled", "Nmt", "BertNormalizer", "Replace"}
_LOOKS_BACK = re.compile(r"\(\?<[=!]|\\G|\\A|\\b|\\B|\\K")


@dataclass(frozen=True)
class CutRule:
    """Which places are safe: before a space if `before_space`, and between a letter and one of `after_letter`.

    `left_context` must stand before text that is encoded as the middle of a text ("" where starts are no different);
    its own `left_ids` ids are then dropped. No cut is safe in or beside a match of `awkward`.
    """

    before_space: bool
    after_letter: str
    left_context: str
    left_ids: int
    awkward: re.Pattern[str] | None = None

    def safe_cuts(self, text: str) -> Offsets:
        """Rising code point offsets of the safe cuts inside `text`."""
        kinds = self._kinds.take(code_points(text), mode="clip")
        before, after = kinds[:-1], kinds[1:]
        safe = ((before & _VISIBLE) & (after >> 2)) | ((before & _LETTER) >> 1 & (after >> 3))
        if self.awkward is not None:
            for match in self.awkward.finditer(text):
                safe[max(match.start() - 1, 0) : match.end()] = 0
        return np.flatnonzero(safe) + 1

    @cached_property
    def _kinds(self) -> npt.NDArray[np.uint8]:
        kinds = _character_kinds().copy()
        if self.before_space:
            kinds[ord(" ")] |= _SPACE
        kinds[[ord(mark) for mark in self.after_letter]] |= _MARK
        return kinds


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """The text's code points."""
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


@cache
def _character_kinds() -> npt.NDArray[np.uint8]:
    kinds = np.zeros(_TABLE_SIZE, dtype=np.uint8)
    old = unicodedata.ucd_3_2_0  # letters since long ago: every library's tables agree on them
    for code in range(_TABLE_SIZE):
        character = chr(code)
        if unicodedata.category(character)[0] in "LNPS":
            kinds[code] |= _VISIBLE
        if unicodedata.category(character)[0] == "L" == old.category(character)[0]:
            kinds[code] |= _LETTER
    kinds[[ord(character) for character in _NEVER_BESIDE_A_CUT]] = 0
    return kinds


def find_cut_rule(tokenizer: FastCopy, described: dict[str, Any]) -> CutRule | None:
    """The rule for this tokenizer with this description; None: nothing is known to be safe."""
    normalizers = list(parts_of(described["normalizer"], "normalizers"))
    pre_tokenizers = list(parts_of(described["pre_tokenizer"], "pretokenizers"))
    if not _is_local(normalizers, pre_tokenizers) or not _model_is_local(tokenizer, described, pre_tokenizers):
        return None
    starts_differ = any(_changes_a_start(part) for part in normalizers + pre_tokenizers)
    left = _LEFT_CONTEXT if starts_differ else ""
    trials = _Trials(tokenizer, left, described)
    if not trials.hold(" "):
        return None
    marks = "".join(mark for mark in _AFTER_LETTER if trials.hold(mark))
    added = [token for token in described["added_tokens"] if not token["special"]]
    return CutRule(True, marks, left, len(tokenizer.encode(left)) if left else 0, _awkward(added, marks))


def parts_of(part: dict[str, Any] | None, inner: str) -> Iterator[dict[str, Any]]:
    """A tokenizer's step, or the steps of a sequence, as the JSON of `tokenizers` describes them."""
    if part is None:
        return
    if part["type"] == "Sequence":
        for one in part[inner]:
            yield from parts_of(one, inner)
    else:
        yield part


def _is_local(normalizers: list[dict[str, Any]], pre_tokenizers: list[dict[str, Any]]) -> bool:
    """Whether all parts look at a character and its near neighbours only."""
    if any(part["type"] not in _LOCAL_NORMALIZERS for part in normalizers):
        return False
    if any(part["type"] not in _LOCAL_PRE_TOKENIZERS for part in pre_tokenizers):
        return False
    patterns = [part["pattern"].get("Regex", "") for part in normalizers + pre_tokenizers if "pattern" in part]
    return not any(_LOOKS_BACK.search(pattern) for pattern in patterns)


def _model_is_local(tokenizer: FastCopy, described: dict[str, Any], pre_tokenizers: list[dict[str, Any]]) -> bool:
    """Whether the model treats what lies on either side of a space apart.

    A BPE merge that crosses the place shows in the vocabulary, so trials find it. Unigram sums scores along the whole
    stretch it is given, and rounding can decide between equal sums: there the stretch must end at the space.
    """
    kind = described["model"]["type"]
    if kind in ("BPE", "WordPiece", "WordLevel"):
        return True
    splitters = [part for part in pre_tokenizers if part["type"] in ("Metaspace", "WhitespaceSplit", "Whitespace")]
    return kind == "Unigram" and any(part.get("split", True) for part in splitters)


def _changes_a_start(part: dict[str, Any]) -> bool:
    return part["type"] in _CHANGES_A_START or bool(part.get("add_prefix_space"))


class _Trials:
    """Tries a place out: on samples of every kind of neighbour, and on the tokens that straddle it."""

    def __init__(self, tokenizer: FastCopy, left_context: str, described: dict[str, Any]) -> None:
        self._tokenizer = tokenizer
        self._left = left_context
        self._left_ids = len(tokenizer.encode(left_context)) if left_context else 0
        specials = {token["content"] for token in described["added_tokens"] if token["special"]}
        names = (token if isinstance(token, str) else token[0] for token in described["model"]["vocab"])
        self._vocabulary = [_as_text(name) for name in names if len(name) > 1 and name not in specials]
        self._has_bytes_as_letters = "ByteLevel" in json.dumps(described["pre_tokenizer"])

    def hold(self, mark: str) -> bool:
        """Whether text before `mark` (a space, or a mark after a letter) may be cut off without changing an id."""
        pairs = [(left, mark + right) for left in self._lefts(mark) for right in _RIGHT_SAMPLES]
        before = r"\S" if mark == " " else r"[^\W\d_]"
        straddling = re.compile(f"{before}(?={re.escape(mark)})")
        for token in self._vocabulary:
            if mark in token:
                pairs.extend((token[: match.end()], token[match.end() :]) for match in straddling.finditer(token))
                if len(pairs) > _MOST_TRIALS:
                    return False
        samples = len(self._lefts(mark)) * len(_RIGHT_SAMPLES)
        if not self._parted_before_the_model(pairs[:samples]):
            unseen = self._has_bytes_as_letters and not mark.isascii()
            if unseen or len(pairs) > samples:
                return False
        pairs.extend([(f"b {left}", f"{right} b") for left, right in pairs])
        return self._all_add_up(pairs)

    def _lefts(self, mark: str) -> tuple[str, ...]:
        if mark == " ":
            return _LEFT_SAMPLES + _LEFT_OF_SPACE_SAMPLES
        return tuple(left for left in _LEFT_SAMPLES if left[-1].isalpha())

    def _parted_before_the_model(self, pairs: list[tuple[str, str]]) -> bool:
        """Whether the model never sees both sides at once; else only the lack of straddling tokens is a proof."""
        splitter = self._tokenizer.backend.pre_tokenizer
        if splitter is None:
            return False
        for left, right in pairs:
            starts = {start for _, (start, _) in splitter.pre_tokenize_str(left + right)}
            if len(left) not in starts:
                return False
        return True

    def _all_add_up(self, pairs: list[tuple[str, str]]) -> bool:
        encode = self._tokenizer.encode_many
        whole = encode([left + right for left, right in pairs])
        lefts = encode([left for left, _ in pairs])
        rights = encode([self._left + right for _, right in pairs])
        return all(
            together == left + right[self._left_ids :]
            for together, left, right in zip(whole, lefts, rights, strict=True)
        )


def _as_text(token: str) -> str:
    for symbol, meant in _SPACE_SYMBOLS.items():
        token = token.replace(symbol, meant)
    return token


def _awkward(added: list[dict[str, Any]], marks: str) -> re.Pattern[str] | None:
    """Matches the added tokens whose recognition depends on their neighbours, or that hold a place to cut at."""
    inner = re.compile(rf"\S |[^\W\d_][{re.escape(marks)}]" if marks else r"\S ")
    contents = [
        token["content"]
        for token in added
        if token["lstrip"] or token["rstrip"] or token["single_word"] or inner.search(token["content"])
    ]
    return re.compile(rf"\s*(?:{'|'.join(map(re.escape, contents))})\s*") if contents else None
