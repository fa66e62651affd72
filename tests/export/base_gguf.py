"""llama.cpp's own converter makes the GGUF of a base model: a process of its own, because it brings its own `gguf`.

The converter is the package that ``make build/convert/ready`` installs apart from all others. The tokenizer is made
up (prompts are given as ids), so only the numbers mean anything.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CONVERTER = ROOT / "build" / "convert"
_TIMEOUT_S = 900


def write_bases(wanted: dict[Path, Path]) -> str:
    """Convert the models in the folders `wanted` to GGUF files in float32, all in one process.

    Returns what went wrong: a model that the converter refuses gets no file.
    """
    assert CONVERTER.is_dir(), "The tests need llama.cpp's converter. Run: make build/convert/ready"
    pairs = [str(path) for pair in wanted.items() for path in pair]
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), *pairs],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CONVERTER), "OMP_NUM_THREADS": "1"},
        timeout=_TIMEOUT_S,
    )
    return done.stderr


class _Lenient:
    """An enumeration whose missing members are None: the package's `conversion` is newer than its `gguf`."""

    def __init__(self, members: Any) -> None:
        self._members = members

    def __getattr__(self, name: str) -> Any:
        return getattr(self._members, name, None)

    def __iter__(self) -> Any:
        return iter(self._members)


def _convert(folder: Path, target: Path) -> None:
    import gguf
    import torch

    if not isinstance(gguf.MODEL_TENSOR, _Lenient):
        gguf.MODEL_ARCH, gguf.MODEL_TENSOR = _Lenient(gguf.MODEL_ARCH), _Lenient(gguf.MODEL_TENSOR)
    from conversion import ModelBase, ModelType, get_model_architecture, get_model_class

    written = json.loads((folder / "config.json").read_text())
    facts = {**_old_names(written), **ModelBase.load_hparams(folder, False), **_old_values(written)}
    kind = get_model_class(get_model_architecture(facts, ModelType.TEXT))
    vocabulary = facts.get("vocab_size") or facts["text_config"]["vocab_size"]
    kind.set_vocab = lambda model: _made_up_tokenizer(model, vocabulary)
    kind.get_vocab_base_pre = lambda model, tokenizer: "default"
    kind.no_mtp = True
    with torch.inference_mode():
        kind(folder, gguf.LlamaFileType.ALL_F32, target, hparams=facts).write()


def _old_names(config: dict[str, Any]) -> dict[str, Any]:
    """What the converter still asks for and transformers no longer writes."""
    text = config.get("text_config", config)
    rope = text.get("rope_parameters") or {}
    heads = [layer.get("head_dim", 0) for layer in (text.get("per_layer_config") or {}).values()]
    return {
        "rotary_pct": rope.get("partial_rotary_factor", 1.0),
        "n_ctx": text.get("n_positions"),
        "global_head_dim": max(heads, default=text.get("head_dim")),
        "rotary_dim": text.get("head_dim"),
        "head_dim": text["hidden_size"] // text["num_attention_heads"] if "num_attention_heads" in text else None,
    }


def _old_values(config: dict[str, Any]) -> dict[str, Any]:
    """What the converter reads otherwise than transformers writes it."""
    if config["model_type"] == "granitemoehybrid":
        old = {"full_attention": "attention", "linear_attention": "mamba"}
        return {"layer_types": [old.get(kind, kind) for kind in config["layer_types"]]}
    if config["model_type"] == "falcon" and config["multi_query"] and not config["new_decoder_architecture"]:
        return {"num_kv_heads": 1}
    return {"scoring_func": "sigmoid"} if config["model_type"] == "minimax_m2" else {}


def _made_up_tokenizer(model: Any, vocabulary: int) -> None:
    import gguf

    writer = model.gguf_writer
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(
        [*(f"t{number}" for number in range(vocabulary - 4)), "<unk>", "<s>", "</s>", "<|endoftext|>"]
    )
    writer.add_token_types([gguf.TokenType.NORMAL] * vocabulary)
    writer.add_token_merges(["t 1"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)


if __name__ == "__main__":
    folders, targets = sys.argv[1::2], sys.argv[2::2]
    for folder, target in zip(folders, targets, strict=True):
        try:
            _convert(Path(folder), Path(target))
        except Exception:  # noqa: BLE001 - whatever it is: the others are converted all the same
            sys.stderr.write(f"{folder}: {traceback.format_exc()}")
