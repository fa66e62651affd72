"""Tokenizers of every family, real ones where a package carries them, else trained on the sample text."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaTokenizer, PreTrainedTokenizerFast

from training_pro.text.tokenizing.encoding import TextEncoder

SAMPLE = Path(__file__).parents[2] / "training_pro" / "assets" / "sample.txt"
_ALPHABET_TEXT = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,;:!?'\"()-\n"
_ALPHABET_TEXT += "\u201c\u201d\u2019\u3002\u4e2d\u6587\u00e9"


def mistral_data() -> Path:
    """Where mistral-common keeps its tokenizers' files."""
    spec = find_spec("mistral_common")
    assert spec is not None and spec.origin is not None, "mistral-common is needed by these tests; install it"
    return Path(spec.origin).parent / "data"


@cache
def sentencepiece_bpe(name: str = "tokenizer.model.v1") -> Any:
    """A real SentencePiece BPE with byte fallback, read by transformers."""
    folder = Path(tempfile.mkdtemp())
    shutil.copy(mistral_data() / name, folder / "tokenizer.model")
    config = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = LlamaTokenizer.from_pretrained(str(folder))
    shutil.rmtree(folder)
    return tokenizer


@cache
def sentencepiece_bpe_v3() -> Any:
    return sentencepiece_bpe("mistral_instruct_tokenizer_240323.model.v3")


@cache
def legacy_llama() -> Any:
    """The same pieces behind the normalizer that older conversions use."""
    backend = Tokenizer.from_str(sentencepiece_bpe().backend_tokenizer.to_str())
    backend.pre_tokenizer = None
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")


@cache
def tekken() -> Any:
    """Mistral's Tekken as a BPE of `tokenizers`, special tokens first."""
    described = json.loads((mistral_data() / "tekken_240911.json").read_text(encoding="utf-8"))
    specials = described["config"]["default_num_special_tokens"]
    count = described["config"]["default_vocab_size"] - specials
    ranks = {base64.b64decode(entry["token_bytes"]): rank for rank, entry in enumerate(described["vocab"][:count])}
    merges = []
    for token, rank in ranks.items():
        halves = ((token[:at], token[at:]) for at in range(1, len(token)))
        merges += [
            (rank, ranks[left], ranks[right], left, right) for left, right in halves if left in ranks and right in ranks
        ]
    merges.sort()
    names = _byte_names()
    written = {token: "".join(names[byte] for byte in token) for token in ranks}
    vocabulary = {written[token]: rank + specials for token, rank in ranks.items()}
    controls = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", *(f"<SPECIAL_{n}>" for n in range(5, specials))]
    vocabulary.update({name: number for number, name in enumerate(controls)})
    pairs = [(written[left], written[right]) for *_, left, right in merges]
    backend = Tokenizer(models.BPE(vocabulary, pairs, ignore_merges=True))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(described["config"]["pattern"]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(name, special=True) for name in controls])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def _byte_names() -> list[str]:
    """How byte-level vocabularies write each byte."""
    plain = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(0x100)]


def _trained(backend: Tokenizer, trainer: Any) -> Any:
    lines = SAMPLE.read_text(encoding="utf-8").splitlines(keepends=True)
    backend.train_from_iterator([*lines, _ALPHABET_TEXT], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


_SPECIALS = ["<unk>", "<s>", "</s>"]


@cache
def unigram() -> Any:
    """As T5 and XLM-R: control tokens are pieces of the model too."""
    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    return _trained(backend, trainers.UnigramTrainer(vocab_size=600, special_tokens=_SPECIALS, unk_token="<unk>"))


@cache
def unigram_unparted() -> Any:
    """Unigram over whole texts: where two sums are equal, far-off text can decide."""
    backend = Tokenizer.from_str(unigram().backend_tokenizer.to_str())
    backend.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


@cache
def normalizing_byte_bpe() -> Any:
    """As Qwen: NFC, a splitting expression, bytes; and tokens that are added, but not control tokens."""
    words = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    pattern = words + r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    backend = Tokenizer(models.BPE())
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=_SPECIALS, initial_alphabet=alphabet)
    tokenizer = _trained(backend, trainer)
    tokenizer.add_tokens([AddedToken("<think>"), AddedToken("a b", rstrip=True), AddedToken("Kettle!", lstrip=True)])
    return tokenizer


@cache
def symbol_bpe() -> Any:
    """As Gemma: spaces written as a symbol, nothing added at the start, bytes for what is not in the vocabulary."""
    backend = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    _trained(backend, trainers.BpeTrainer(vocab_size=700, special_tokens=_SPECIALS))
    described = json.loads(backend.to_str())
    vocabulary = described["model"]["vocab"]
    vocabulary.update({f"<0x{byte:02X}>": len(vocabulary) + byte for byte in range(256)})
    described["model"]["byte_fallback"] = True
    backend = Tokenizer.from_str(json.dumps(described))
    backend.normalizer = normalizers.Replace(" ", "\u2581")
    backend.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


@cache
def word_spanning_bpe() -> Any:
    """Tokens that hold several words: no place is safe to cut at."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=_SPECIALS, initial_alphabet=alphabet)
    return _trained(backend, trainer)


@cache
def word_piece() -> Any:
    """As BERT: lower case, no accents, unknown words."""
    backend = Tokenizer(models.WordPiece(unk_token="<unk>"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return _trained(backend, trainers.WordPieceTrainer(vocab_size=600, special_tokens=_SPECIALS))


class PythonTokenizer:
    """A tokenizer without a backend of `tokenizers`, that knows no special strings and has no BOS: UTF-8 bytes."""

    bos_token_id = None
    eos_token_id = 256
    eos_token = "<end>"

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return [*text.encode(), *([256] if add_special_tokens else [])]


SMALL_ZOO = {
    "unigram": unigram,
    "unigram, unparted": unigram_unparted,
    "byte BPE with NFC": normalizing_byte_bpe,
    "symbol BPE": symbol_bpe,
    "word-spanning BPE": word_spanning_bpe,
    "WordPiece": word_piece,
    "Python": PythonTokenizer,
}
REAL_ZOO = {
    "SentencePiece v1": sentencepiece_bpe,
    "SentencePiece v3": sentencepiece_bpe_v3,
    "legacy Llama": legacy_llama,
    "Tekken": tekken,
}
ZOO = {**SMALL_ZOO, **REAL_ZOO}


@cache
def encoder_of(name: str) -> TextEncoder:
    return TextEncoder(ZOO[name]())
