"""What a run's data was made of, as short digests that can be compared part by part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from training_pro.errors import DataError
from training_pro.settings import DEFAULTS, SPECS, Settings

_FILE_NAMES = ("text_file", "dataset", "eval_dataset")
SETTINGS_COUNTED = tuple(
    name for name, spec in SPECS.items() if spec.group in ("data", "text") and name not in _FILE_NAMES
) + ("seed",)
BLOCKS_OF = "blocks of the "  # and a source's role: the part that tells which blocks its text became
ROWS_OF = "rendered rows of the "  # the same of a dataset: what its rows became
_ALWAYS_COUNTED = {
    *("seed", "dataset_kind", "format", "chat_template", "bad_rows", "loss_on", "train_only_after", "too_long"),
    *("hybrid", "hybrid_data_percent", "hybrid_text_percent", "eval_percent", "max_tokens", "hard_cut", "overlap"),
    *("dementor", "min_block_chars", "add_bos", "eos"),
}
_ONLY_WITH_HYBRID = ("hybrid_data_percent", "hybrid_text_percent")
_CHUNK_BYTES = 1 << 20


def digest(*parts: str | bytes) -> str:
    """32 hexadecimal digits over the parts and where each ends."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def files_digest(files: Iterable[Path]) -> str:
    """The digest of the files' names and contents; about a second per gigabyte.

    Raises:
        DataError: a file can't be read.
    """
    state = hashlib.blake2b(digest_size=16)
    for path in files:
        state.update(path.name.encode("utf-8", "surrogateescape") + b"\0")
        try:
            state.update(path.stat().st_size.to_bytes(8, "little"))
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    state.update(chunk)
        except OSError as error:
            raise DataError(f"{path} can't be read ({error.strerror}); check the file.") from None
    return state.hexdigest()


def tokenizer_digest(tokenizer: Any) -> str:
    """The digest of what turns text into ids: vocabulary, rules, BOS, EOS and chat template.

    Truncation and padding, which the host may switch at any time, don't count.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if isinstance(backend, Tokenizer):
        written = backend.to_str()
        described = written[max(0, written.find('"added_tokens"')) :]  # truncation and padding stand before it
    else:
        described = json.dumps([type(tokenizer).__name__, sorted(tokenizer.get_vocab().items())])
    template = json.dumps(getattr(tokenizer, "chat_template", None), sort_keys=True)
    return digest(described, repr(tokenizer.bos_token_id), repr(tokenizer.eos_token_id), template)


def settings_parts(settings: Settings) -> dict[str, Any]:
    """The settings that decide what the samples are; file names don't, their content does.

    A setting that came later counts only where it isn't at its default: the fingerprints of runs from before it came
    stay the same.
    """
    without = () if settings.hybrid else _ONLY_WITH_HYBRID
    chosen = {name: getattr(settings, name) for name in SETTINGS_COUNTED if name not in without}
    return {name: value for name, value in chosen.items() if name in _ALWAYS_COUNTED or value != DEFAULTS[name]}


def fingerprint(parts: Mapping[str, Any]) -> str:
    """One digest over all parts."""
    return digest(json.dumps(parts, sort_keys=True, ensure_ascii=True))


def changed_parts(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    """The names of the parts that are not the same, in the order of `now`; what rows became only where nothing else
    says why."""
    names = [*now, *(name for name in then if name not in now)]
    changed = [name for name in names if now.get(name) != then.get(name)]
    return [name for name in changed if not name.startswith(ROWS_OF)] or changed
