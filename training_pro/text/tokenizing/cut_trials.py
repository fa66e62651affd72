"""Which cuts are safe for a given tokenizer.

All its steps must be of kinds that look at a character and its near neighbours only. Each place is then tried out on
samples of what may stand around it and on every token of the vocabulary that would straddle it. What is not known to
be safe is refused: whole blocks are encoded then. Costs some 0.1 s per tokenizer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from training_pro.text.tokenizing.cuts import CutRule
from training_pro.text.tokenizing.private_tokenizer import FastCopy
from training_pro.text.tokenizing.tokenizer_parts import Part, TokenizerParts

# After a letter; all of these stand alone in every normal form.
_MARKS = '\n.,;:!?)]}"\u201c\u201d\u2026\u2014\u3002\u3001\uff0c\uff01\uff1f\uff1b\uff1a\u300c\u300d\u0964\u061f\u060c'
_LEFT_CONTEXT = "a"  # a letter: every safe cut may follow it
_SPACE_SYMBOLS = (("\u0120", " "), ("\u2581", " "), ("\u010a", "\n"))  # how vocabularies write white space
_BETWEEN_TOKENS = "\ue000"
_MOST_TRIALS = 20_000

_LETTERS = (*"aZ\u00e9\u044f\u05d0\u4e2d\uac00", "don't", "aB")
_BEFORE_SPACE = (*_LETTERS, *".,;:!?)\"'-_/*#>`$", *"\u0915\u0639\u3042\u0e01\u201d\u2019\u2014\u2026\u3002\u20ac")
_BEFORE_SPACE += ("x1", "12", "1234", "'s", "...", "\n.", "1.")
_AFTER = (*"aZ1.\u4e2d'\n\t \"", "", "'s", "  a", "\n\n", "\na", "\n a", "\u0301a", "12345", "...", "\u2019s", " .")

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

Pair = tuple[str, str]


def find_cut_rule(tokenizer: FastCopy, parts: TokenizerParts) -> CutRule | None:
    """The rule for this tokenizer, made of these parts; None: no cut is known to be safe."""
    if not _steps_are_local(parts) or not _model_is_local(parts):
        return None
    starts_differ = any(_changes_a_start(step) for step in parts.normalizers + parts.pre_tokenizers)
    trials = _Trials(tokenizer, parts, _LEFT_CONTEXT if starts_differ else "")
    if not trials.hold_before_space():
        return None
    marks = "".join(mark for mark in _MARKS if trials.hold_before_mark(mark))
    return CutRule(marks, trials.left_context, trials.left_ids, _awkward(parts, marks))


def _steps_are_local(parts: TokenizerParts) -> bool:
    """Whether all steps look at a character and its near neighbours only."""
    if any(step["type"] not in _LOCAL_NORMALIZERS for step in parts.normalizers):
        return False
    if any(step["type"] not in _LOCAL_PRE_TOKENIZERS for step in parts.pre_tokenizers):
        return False
    patterns = [step.get("pattern", {}).get("Regex", "") for step in parts.normalizers + parts.pre_tokenizers]
    return not any(_LOOKS_BACK.search(pattern) for pattern in patterns)


def _model_is_local(parts: TokenizerParts) -> bool:
    """Whether the model treats what lies on either side of a space apart.

    A BPE merge that crosses the place shows in the vocabulary, so trials find it. Unigram sums scores along the whole
    stretch it is given, and rounding can decide between equal sums: there the stretch must end at the space.
    """
    if parts.model != "Unigram":
        return parts.model in ("BPE", "WordPiece", "WordLevel")
    splitters = [
        step for step in parts.pre_tokenizers if step["type"] in ("Metaspace", "WhitespaceSplit", "Whitespace")
    ]
    return any(step.get("split", True) for step in splitters)


def _changes_a_start(step: Part) -> bool:
    return step["type"] in _CHANGES_A_START or bool(step.get("add_prefix_space"))


class _Trials:
    """Tries places out with one tokenizer. `left_context`, `left_ids`: as in `CutRule`."""

    def __init__(self, tokenizer: FastCopy, parts: TokenizerParts, left_context: str) -> None:
        self._tokenizer = tokenizer
        self.left_context = left_context
        self.left_ids = len(tokenizer.encode(left_context)) if left_context else 0
        specials = {token.content for token in parts.added.values() if token.special}
        names = (token for token in parts.vocabulary if token not in specials)
        self._straddling = _straddling_tokens(names)
        self._has_bytes_as_letters = any(step["type"] == "ByteLevel" for step in parts.pre_tokenizers)

    def hold_before_space(self) -> bool:
        """Whether a visible character may be parted from a space after it without changing an id."""
        return self._hold(" ", [(left, " " + right) for left in _BEFORE_SPACE for right in _AFTER])

    def hold_before_mark(self, mark: str) -> bool:
        """Whether a letter may be parted from `mark` after it without changing an id."""
        samples = [(left, mark + right) for left in _LETTERS for right in _AFTER]
        if self._has_bytes_as_letters and not mark.isascii() and not self._parted_before_the_model(samples):
            return False  # tokens of single bytes could straddle the place, unseen in the vocabulary
        return self._hold(mark, samples)

    def _hold(self, mark: str, samples: list[Pair]) -> bool:
        straddling = self._straddling.get(mark, [])
        if len(straddling) > _MOST_TRIALS:
            return False
        if straddling and not self._parted_before_the_model(samples):
            return False
        longer = [(f"b {left}", f"{right} b") for left, right in straddling]
        return self._all_add_up(samples + straddling + longer)

    def _parted_before_the_model(self, pairs: list[Pair]) -> bool:
        """Whether the model never sees both sides at once; else only the lack of straddling tokens is a proof."""
        splitter = self._tokenizer.backend.pre_tokenizer
        if splitter is None:
            return False
        for left, right in pairs:
            starts = {start for _, (start, _) in splitter.pre_tokenize_str(left + right)}
            if len(left) not in starts:
                return False
        return True

    def _all_add_up(self, pairs: list[Pair]) -> bool:
        texts = [left + right for left, right in pairs]
        texts += [left for left, _ in pairs]
        texts += [self.left_context + right for _, right in pairs]
        ids = self._tokenizer.encode_many(texts)
        count = len(pairs)
        return all(
            together == left + right[self.left_ids :]
            for together, left, right in zip(ids[:count], ids[count : 2 * count], ids[2 * count :], strict=True)
        )


def _straddling_tokens(names: Iterable[str]) -> dict[str, list[Pair]]:
    """By the character after the place: the tokens that hold a place to cut at, parted there."""
    tokens = _BETWEEN_TOKENS.join(["", *names, ""])
    for symbol, meant in _SPACE_SYMBOLS:
        tokens = tokens.replace(symbol, meant)
    found: dict[str, list[Pair]] = {}
    for match in re.finditer(rf"\S(?= )|[^\W\d_](?=[{re.escape(_MARKS)}])", tokens):
        at = match.end()
        if match[0] != _BETWEEN_TOKENS:
            start, end = tokens.rindex(_BETWEEN_TOKENS, 0, at) + 1, tokens.index(_BETWEEN_TOKENS, at)
            found.setdefault(tokens[at], []).append((tokens[start:at], tokens[at:end]))
    return found


def _awkward(parts: TokenizerParts, marks: str) -> re.Pattern[str] | None:
    """Matches the added tokens whose recognition depends on their neighbours, or that hold a place to cut at.

    Control tokens are among them whatever they are, as far as text may hold any.
    """
    place = re.compile(rf"\S |[^\W\d_][{re.escape(marks)}]" if marks else r"\S ")
    contents = [
        token.content
        for token in parts.found.values()
        if token.special or token.lstrip or token.rstrip or token.single_word or place.search(token.content)
    ]
    return re.compile("|".join(map(re.escape, sorted(contents, key=len, reverse=True)))) if contents else None
