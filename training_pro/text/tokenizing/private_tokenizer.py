"""A private copy of the host's tokenizer, in which text becomes control tokens only where that is asked for.

The host's own tokenizer is read, never changed: not its truncation, not its padding, not its vocabulary. Making the
copy costs about a second for a vocabulary of 130,000.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from tokenizers import Tokenizer

from training_pro.errors import DataError

_INERT = "\ufdd0"  # a noncharacter: no text holds it, and no normalizer changes it


class PlainTokenizer(Protocol):
    """Text to ids; special strings in it are control tokens or plain text, as the copy was made for."""

    def encode(self, text: str) -> list[int]: ...

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]: ...


class FastCopy:
    """A copy of a `tokenizers` backend: exact, in parallel, without offsets."""

    def __init__(self, backend: Tokenizer, control_tokens: bool = False) -> None:
        self.backend = _live_copy(backend) if control_tokens else _inert_copy(backend)

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self.backend.encode(text, add_special_tokens=False).ids
        return ids

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        encodings = self.backend.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def __getstate__(self) -> dict[str, Any]:
        return {"backend": self.backend.to_str(), "plain": self.backend.encode_special_tokens}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.backend = _quiet(Tokenizer.from_str(state["backend"]), state["plain"])


class SlowCopy:
    """A copy of a tokenizer written in Python, or of one that wraps another library."""

    def __init__(self, tokenizer: Any, control_tokens: bool = False) -> None:
        self.tokenizer = copy.deepcopy(tokenizer)
        self._options = self._accepted_options(not control_tokens)

    def _accepted_options(self, plain: bool) -> dict[str, bool]:
        wanted = {"add_special_tokens": False, "split_special_tokens": plain}
        for options in (wanted, {"add_special_tokens": False}, {}):
            try:
                self.tokenizer.encode("a", **options)
            except (TypeError, ValueError, NotImplementedError):
                continue
            return options
        raise DataError(
            f"The model's tokenizer ({type(self.tokenizer).__name__}) can't encode text. Load a model with another one."
        )

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, **self._options))

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]


def private_copy(tokenizer: Any, control_tokens: bool = False) -> PlainTokenizer:
    """A copy of a Hugging Face tokenizer (or of a `tokenizers.Tokenizer`); without `control_tokens` for plain text."""
    backend = tokenizer if isinstance(tokenizer, Tokenizer) else getattr(tokenizer, "backend_tokenizer", None)
    return FastCopy(backend, control_tokens) if isinstance(backend, Tokenizer) else SlowCopy(tokenizer, control_tokens)


def control_texts(tokenizer: Any) -> tuple[str, ...]:
    """The special strings that stand for control tokens, the longest first."""
    found = set(map(str, getattr(tokenizer, "all_special_tokens", None) or ()))
    backend = tokenizer if isinstance(tokenizer, Tokenizer) else getattr(tokenizer, "backend_tokenizer", None)
    if isinstance(backend, Tokenizer):
        found |= {token.content for token in backend.get_added_tokens_decoder().values() if token.special}
    return tuple(sorted(found - {""}, key=lambda text: (-len(text), text)))


def _quiet(backend: Tokenizer, plain: bool = True) -> Tokenizer:
    backend.no_padding()
    backend.no_truncation()
    backend.encode_special_tokens = plain  # special strings are split like any other text
    return backend


def _live_copy(backend: Tokenizer) -> Tokenizer:
    described = json.loads(backend.to_str())
    if "dropout" in described["model"]:
        described["model"]["dropout"] = None
    return _quiet(Tokenizer.from_str(json.dumps(described, ensure_ascii=False)), plain=False)


def _inert_copy(backend: Tokenizer) -> Tokenizer:
    written = backend.to_str()
    plain = _quiet(Tokenizer.from_str(written))
    specials = {token.content: number for number, token in plain.get_added_tokens_decoder().items() if token.special}
    live = {content for content in specials if _reaches(plain, content, specials.values())}
    if not live and not getattr(plain.model, "dropout", None):
        return plain
    described = json.loads(written)
    if "dropout" in described["model"]:
        described["model"]["dropout"] = None  # it gives other ids at every call
    return _quiet(Tokenizer.from_str(json.dumps(_renamed(described, live), ensure_ascii=False)))


def _reaches(backend: Tokenizer, content: str, special_ids: Iterable[int]) -> bool:
    """Whether the model itself, not the added-token search, makes a control token of this string."""
    wanted = set(special_ids)
    texts = (content, f"a {content} a", f"a{content}a")
    return any(not wanted.isdisjoint(backend.encode(text, add_special_tokens=False).ids) for text in texts)


def _renamed(described: dict[str, Any], live: set[str]) -> dict[str, Any]:
    """The tokenizer with each of the `live` strings under a name that no text can hold; ids stay."""
    names = {content: f"{_INERT}{content}{_INERT}" for content in live}
    model = described["model"]
    if isinstance(model["vocab"], dict):
        model["vocab"] = {names.get(token, token): number for token, number in model["vocab"].items()}
    else:
        model["vocab"] = [[names.get(token, token), score] for token, score in model["vocab"]]
    if "merges" in model:
        model["merges"] = [merge for merge in model["merges"] if live.isdisjoint(_merge_names(merge))]
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
    for token in described["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    described["post_processor"] = None  # it names the special tokens, and never runs here
    return described


def _merge_names(merge: str | list[str]) -> tuple[str, str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right, left + right
