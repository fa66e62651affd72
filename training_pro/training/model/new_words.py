"""New words: single tokens whose embeddings learn beside the LoRA, in place of the whole head.

A word that the tokenizer has no token for gets one, in a copy of the tokenizer; the host's own is not changed. The
model's side is `training_pro.training.model.new_rows`. Costs a copy of the tokenizer, some 0.1 s.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pro.errors import Fault, ModelError, SettingsError
from training_pro.text.tokenizing.private_tokenizer import private_copy
from training_pro.training.owner import Trainable

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MOST_WORDS = 1000
NO_NEW_WORDS = "--set new_words="
_WHOLE_WORD = re.compile(r"[\w'\u2019-]+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


@dataclass(frozen=True)
class NewWords:
    """The words as they were typed; `ids` of the rows that learn, in order; for each word that got a token of its own,
    its id and the ids that it had before (`pieces`)."""

    words: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    pieces: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.ids)

    @property
    def rows(self) -> int:
        """How many rows the embeddings must have at least."""
        return max(self.ids) + 1 if self.ids else 0


NO_WORDS = NewWords()


@dataclass(frozen=True)
class WithNewWords:
    """A loaded model with a tokenizer that has a token for each new word; the host's own is not changed."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    label: str
    path: Path
    quantization: str
    max_tokens: int | None
    new_words: NewWords


def with_new_words(loaded: Trainable, typed: str) -> Trainable:
    """`loaded`, or for any new words a copy with the tokenizer that knows them. Costs a copy of the tokenizer.

    Raises:
        SettingsError: a word that can't be a token.
        ModelError: the tokenizer takes no new tokens.
    """
    words = words_in(typed)
    if not words:
        return loaded
    tokenizer, found = _extended(loaded.tokenizer, words)
    return WithNewWords(
        loaded.model, tokenizer, loaded.label, loaded.path, loaded.quantization, loaded.max_tokens, found
    )


def new_words_of(loaded: Trainable) -> NewWords:
    return loaded.new_words if isinstance(loaded, WithNewWords) else NO_WORDS


def words_in(typed: str) -> list[str]:
    """The words of a setting, separated by commas or line ends.

    Raises:
        SettingsError: one holds white space, or there are too many.
    """
    words = list(dict.fromkeys(word.strip() for word in re.split(r"[,\n]", typed) if word.strip()))
    spaced = next((word for word in words if re.search(r"\s", word)), "")
    if spaced:
        raise _wrong(
            f"The new word {spaced[:60]!r} holds white space. A word is one token: join it, or give its parts."
        )
    if len(words) > MOST_WORDS:
        raise _wrong(f"There are {len(words):,} new words; at most {MOST_WORDS:,} can be trained.")
    return words


def _wrong(sentence: str) -> SettingsError:
    return SettingsError([Fault(sentence, "new_words", (NO_NEW_WORDS + "WORD,WORD",))])


def _extended(tokenizer: Any, words: Sequence[str]) -> tuple[Any, NewWords]:
    from transformers import AddedToken

    known = tokenizer.get_vocab()
    control = set(map(str, getattr(tokenizer, "all_special_tokens", ()))) | set(tokenizer.get_added_vocab())
    plain = private_copy(tokenizer)
    ids: set[int] = set()
    pieces: dict[str, tuple[int, ...]] = {}
    for word in words:
        as_written = [plain.encode(word), plain.encode(f" {word}")]
        single = {found[0] for found in as_written if len(found) == 1}
        if word in control:
            ids.add(int(known[word]))
        elif single:
            ids |= single
        else:
            pieces[word] = tuple(as_written[0])
    if not pieces:
        return tokenizer, NewWords(tuple(words), tuple(sorted(ids)))
    extended = copy.deepcopy(tokenizer)
    tokens = [AddedToken(word, single_word=_stands_alone(word), normalized=False, special=False) for word in pieces]
    if extended.add_tokens(tokens) != len(pieces):
        raise ModelError(
            f"The tokenizer of this model ({type(tokenizer).__name__}) takes no new tokens. Leave New words empty.",
            option=NO_NEW_WORDS,
            setting="new_words",
        )
    added = {int(extended.convert_tokens_to_ids(word)): found for word, found in pieces.items()}
    return extended, NewWords(tuple(words), tuple(sorted(ids | set(added))), added)


def _stands_alone(word: str) -> bool:
    """Whether the word is only meant where no letter touches it; a tag, or a word of a script without spaces, is
    meant everywhere."""
    return _WHOLE_WORD.fullmatch(word) is not None and not _UNSPACED.search(word)
