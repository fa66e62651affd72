"""A LoRA as what it adds to each weight: the product of B (outputs, rank) and A (rank, inputs), in float32.

The scale (alpha and rank, rsLoRA) is in B. Reading takes the memory of the adapter, twice where it is in 16 bit. What
is more than such products (DoRA, trained heads, experts, ...) is refused: no tool could keep it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training_pro.errors import ModelError
from training_pro.export.gguf_pairs import A_ENDING, B_ENDING, more_than_products, scale_of
from training_pro.export.lora_on_base import WRAPPING
from training_pro.export.lora_source import Lora
from training_pro.record.adapter_files import CONFIG_FILE, WEIGHTS_FILE
from training_pro.record.whole_files import staged_folder, write_json_whole

MADE_FILE = "lora_tool.json"
_KEPT = ("base_model_name_or_path", "task_type", "peft_type", "fan_in_fan_out", "revision")


@dataclass(frozen=True)
class Product:
    """What a LoRA adds to one weight: `b` (outputs, rank) times `a` (rank, inputs)."""

    a: torch.Tensor
    b: torch.Tensor

    @property
    def rank(self) -> int:
        return len(self.a)

    def norm(self) -> float:
        """The 2-norm of the product, without computing it: its trace is that of two rank x rank matrices."""
        return math.sqrt(max(self.inner(self), 0.0))

    def inner(self, other: Product) -> float:
        """The inner product of both as long vectors."""
        return float(((self.b.T @ other.b) * (self.a @ other.a.T)).sum(dtype=torch.float64))


Products = dict[str, Product]
"""By module name ("model.layers.0.self_attn.q_proj"), in the order of the file."""


def read_products(lora: Lora) -> Products:
    """What `lora` adds to each weight.

    Raises:
        ModelError: it is more than products, or holds values that are not finite.
    """
    from safetensors import safe_open

    phrase = more_than_products(lora)
    if phrase:
        raise ModelError(f'The LoRA "{lora.name}" {phrase}, which the LoRA tools can\'t keep. Choose a plain LoRA.')
    found: Products = {}
    with safe_open(lora.folder / WEIGHTS_FILE, framework="pt") as weights:
        for key in (name for name in lora.info.shapes if name.endswith(A_ENDING)):
            module = key.removesuffix(A_ENDING)
            a, b = weights.get_tensor(key).float(), weights.get_tensor(module + B_ENDING).float()
            if not (a.isfinite().all() and b.isfinite().all()):
                raise ModelError(f'The LoRA "{lora.name}" has values in {module} that are not numbers; choose another.')
            found[module.removeprefix(WRAPPING)] = Product(a, b * scale_of(lora, module))
    return found


def write_products(products: Products, target: Path, like: Lora, made: Mapping[str, Any]) -> int:
    """Save `products` as a LoRA that plain PEFT loads, with the base of `like`. Returns its size in bytes.

    `made` says how it was made, in a small file beside it. The scale is 1: alpha equals the rank.

    Raises:
        RunError: the disk refuses; `target` is unchanged.
    """
    from safetensors.torch import save_file

    ranks = {module: product.rank for module, product in products.items()}
    most = max(ranks.values())
    other = {module: rank for module, rank in ranks.items() if rank != most}
    config = {
        **{name: like.config[name] for name in _KEPT if name in like.config},
        "r": most,
        "lora_alpha": most,
        "lora_dropout": 0.0,
        "bias": "none",
        "use_rslora": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "target_modules": _targets(products, like),
        "rank_pattern": other,
        "alpha_pattern": other,
    }
    tensors = {}
    for module, product in products.items():
        tensors[WRAPPING + module + A_ENDING] = product.a.contiguous()
        tensors[WRAPPING + module + B_ENDING] = product.b.contiguous()
    with staged_folder(target) as staging:
        (staging / CONFIG_FILE).write_text(json.dumps(config, indent=2), encoding="utf-8")
        save_file(tensors, staging / WEIGHTS_FILE, metadata={"format": "pt"})
        write_json_whole(staging / MADE_FILE, dict(made))
    return (target / WEIGHTS_FILE).stat().st_size


def is_made_by_tools(folder: Path) -> bool:
    """Whether `folder` was made by one of these tools, so that --replace may replace it."""
    return folder.is_dir() and (folder / MADE_FILE).is_file()


def _targets(products: Products, like: Lora) -> Any:
    """The targets of `like` where its modules are the same, else each module by its full name."""
    own = {name.removesuffix(A_ENDING).removeprefix(WRAPPING) for name in like.info.shapes if name.endswith(A_ENDING)}
    return like.config.get("target_modules") if own == set(products) else sorted(products)
