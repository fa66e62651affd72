"""How far a merged model's logits are from those of base plus adapter, on the real small model.

Trains a LoRA over the embedded model in 4-bit for 34 updates, merges it in several ways, and compares all logits over
20 prompts, computed in float32. Takes some three minutes and 3 GB of memory.
"""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from training_pro.export.lora_source import open_lora
from training_pro.export.merge import DtypeName, merge_lora
from training_pro.folders import Folders
from training_pro.hosts.embedded import embedded_model
from training_pro.hosts.model_folder import load_model_folder
from training_pro.hosts.standalone import StandaloneHost
from training_pro.session import Session
from training_pro.settings import Settings

ASSETS = Path(__file__).parents[2] / "training_pro" / "assets"
PROMPTS = 20
_WORDS = 24
SETTINGS = Settings(
    name="merge",
    text_file="sample.txt",
    max_tokens=64,
    rank=16,
    alpha=32.0,
    targets="all",
    batch_size=2,
    epochs=0.35,
    warmup_steps=2,
    learning_rate=1e-3,
)
Logits = list[torch.Tensor]


def figures(data: Path) -> Iterator[dict[str, Any]]:
    """One figure for each way to merge; `data` is not used: what ships with the project is."""
    base = embedded_model()
    with tempfile.TemporaryDirectory() as place:
        folders = Folders.under(Path(place))
        folders.make()
        shutil.copy(ASSETS / "sample.txt", folders.datasets)
        yield _trained(folders)
        lora, in_4bit = folders.loras / SETTINGS.name, _base_in_4bit(base, Path(place) / "base-4bit")
        plain, full = _logits(base), _logits(base, lora)
        over_4bit = _logits(in_4bit, lora)
        yield _figure("what the LoRA changes", plain, full)
        for dtype in ("float32", "bfloat16"):
            merged = _logits(_merged(folders, base, dtype))
            yield _figure(f"merged, saved in {dtype}, against full-precision base + adapter", merged, full)
        yield _figure("4-bit base + adapter (as trained) against full-precision base + adapter", over_4bit, full)
        merged = _logits(_merged(folders, in_4bit, "float32"))
        yield _figure("4-bit base dequantized and merged in float32, against 4-bit base + adapter", merged, over_4bit)
        yield _figure("4-bit base dequantized and merged in float32, against full-precision base", merged, full)


def _trained(folders: Folders) -> dict[str, Any]:
    run = Session(StandaloneHost(folders)).start(SETTINGS)
    status = run.wait()
    assert status.ending is not None and status.ending.kind == "finished", status.ending
    assert status.point is not None
    return {"name": "merge_lora", "updates": status.update, "loss": round(status.point.smoothed_loss, 3)}


def _base_in_4bit(base: Path, folder: Path) -> Path:
    loaded = load_model_folder(base)
    loaded.model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    return folder


def _merged(folders: Folders, base: Path, dtype: DtypeName) -> Path:
    target = folders.models / f"{base.name}-{dtype}"
    return merge_lora(open_lora(folders.loras / SETTINGS.name, folders, None, base), target, dtype=dtype).folder


def _logits(model: Path, lora: Path | None = None) -> Logits:
    """Of every position of every prompt, in float32; 4-bit layers compute as bitsandbytes does it on this machine."""
    loaded: Any = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    _compute_in_float32(loaded)
    if lora is not None:
        loaded = PeftModel.from_pretrained(loaded, lora)
    tokenizer = AutoTokenizer.from_pretrained(model)
    with torch.no_grad():
        found = [loaded.eval()(**tokenizer(p, return_tensors="pt")).logits[0].float() for p in _prompts()]
    del loaded
    gc.collect()
    return found


def _compute_in_float32(model: torch.nn.Module) -> None:
    for module in model.modules():
        if hasattr(module, "compute_dtype"):
            module.compute_dtype = torch.float32


def _prompts() -> list[str]:
    words = (ASSETS / "sample.txt").read_text(encoding="utf-8").split()
    return [" ".join(words[start : start + _WORDS]) for start in range(0, PROMPTS * _WORDS, _WORDS)]


def _figure(what: str, ours: Logits, reference: Logits) -> dict[str, Any]:
    differences = [(a - b).abs() for a, b in zip(ours, reference, strict=True)]
    same = [(a.argmax(-1) == b.argmax(-1)).float() for a, b in zip(ours, reference, strict=True)]
    return {
        "name": "merge_logits",
        "what": what,
        "max_difference": float(f"{max(float(d.max()) for d in differences):.3g}"),
        "mean_difference": float(f"{float(torch.cat([d.flatten() for d in differences]).mean()):.3g}"),
        "same_next_token": round(float(torch.cat(same).mean()), 4),
        "unit": "logit",
        "prompts": PROMPTS,
        "tokens": sum(len(logits) for logits in ours),
    }
