"""A LoRA as one GGUF file, which llama.cpp lays over any GGUF of the base model, quantized or not.

Written tensor by tensor: needs the memory of one tensor and the time of copying the adapter. What the format has no
place for (DoRA, trained heads, ...) is refused before anything is written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from training_pro.errors import ModelError, RunError
from training_pro.export.base_model import ITEM_BYTES, expert_sizes, linear_shapes, read_config
from training_pro.export.gguf_experts import Experts, expert_pairs, is_of_experts
from training_pro.export.gguf_families import GgufNames
from training_pro.export.gguf_pairs import A_ENDING, Pair, pairs_of
from training_pro.export.lora_on_base import TEXT_PART
from training_pro.export.lora_source import Lora
from training_pro.export.room import check_place, check_space
from training_pro.packages import installed
from training_pro.progress import Progress, no_progress
from training_pro.record.adapter_files import WEIGHTS_FILE, check_fits
from training_pro.record.whole_files import whole_file, write_fault

if TYPE_CHECKING:
    import gguf
    import torch
    from transformers import PretrainedConfig

DtypeName = Literal["float32", "float16"]
_MAGIC = b"GGUF"
_HEADER_BYTES_A_PAIR = 256


@dataclass(frozen=True)
class GgufLora:
    """A GGUF LoRA on disk; `arch`: the kind of GGUF model ("llama", "qwen3", ...) it fits."""

    file: Path
    size_bytes: int
    arch: str
    weights: int


def gguf_place(lora: Lora, dtype: DtypeName = "float32") -> Path:
    """The default place of the file: in the run's folder."""
    return lora.run / f"{lora.name}-lora-{dtype.replace('float', 'f')}.gguf"


def export_gguf(
    lora: Lora, target: Path, *, dtype: DtypeName = "float32", replace: bool = False, progress: Progress = no_progress
) -> GgufLora:
    """Write `lora` to `target` for llama.cpp. It needs only the config of the base model.

    `replace`: a complete new file takes the place of an older GGUF file at `target`.

    Guarantees: `target` is complete or unchanged; the same LoRA, base config and `dtype` give the same bytes.

    Raises:
        ModelError: another family of models, another model than the LoRA's, or a LoRA that GGUF can't express.
        RunError: something is in the way at `target`, the disk is full, or the package gguf is missing.
        Cancelled: `progress` cancelled it.
    """
    if not installed("gguf"):
        raise RunError("Writing a GGUF LoRA needs the package gguf, which is not installed. Run: pip install gguf")
    config = read_config(lora.base)
    names = GgufNames(config, lora.base.name)
    check_fits(lora.info, linear_shapes(lora.base, config))
    alpha, pairs = _all_pairs(lora, names, config)
    check_place(target, replace, is_gguf)
    check_space(target, sum(pair.parameters * ITEM_BYTES[dtype] + _HEADER_BYTES_A_PAIR for pair in pairs))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_fault(target, error) from error
    with whole_file(target) as temporary:
        writer = _writer(temporary, lora, names.arch, alpha, dtype)
        try:
            _write(writer, lora, pairs, np.dtype(dtype), progress)
        finally:
            writer.close()
    return GgufLora(target, target.stat().st_size, names.arch, len(pairs))


def _all_pairs(lora: Lora, names: GgufNames, config: PretrainedConfig) -> tuple[float, list[Pair]]:
    """The alpha of the file and the pairs of all weights, those of experts too."""
    keys = [key.removesuffix(A_ENDING) for key in lora.info.shapes if key.endswith(A_ENDING)]
    of_experts = [module for module in keys if is_of_experts(lora, module)]
    alpha, pairs = pairs_of(lora, names, frozenset(of_experts))
    if of_experts:
        sizes = expert_sizes(lora.base, config)
        tensors = {TEXT_PART.sub("model.", name): Experts(*found) for name, found in sizes.items()}
        for module in of_experts:
            pairs += expert_pairs(lora, module, tensors, config.model_type, alpha)
    return alpha, pairs


def is_gguf(path: Path) -> bool:
    """Whether `path` is a GGUF file."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def _writer(path: Path, lora: Lora, arch: str, alpha: float, dtype: DtypeName) -> gguf.GGUFWriter:
    import gguf

    kinds = {"float32": gguf.LlamaFileType.ALL_F32, "float16": gguf.LlamaFileType.MOSTLY_F16}
    writer = gguf.GGUFWriter(path, arch)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_name(lora.name)
    writer.add_base_model_count(1)
    writer.add_base_model_name(0, lora.base.name)
    writer.add_file_type(kinds[dtype])
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    return writer


def _write(writer: gguf.GGUFWriter, lora: Lora, pairs: list[Pair], item: np.dtype[Any], progress: Progress) -> None:
    from safetensors import safe_open

    what = "writing the GGUF LoRA"
    for pair in pairs:
        for ending, shape in ((".lora_a", pair.a_shape), (".lora_b", pair.b_shape)):
            writer.add_tensor_info(pair.tensor + ending, shape, item, math.prod(shape) * item.itemsize)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    with safe_open(lora.folder / WEIGHTS_FILE, framework="pt") as weights:
        for done, pair in enumerate(pairs):
            progress(done, len(pairs), what)
            writer.write_tensor_data(_numbers(pair.a(weights.get_tensor(pair.a_name)), item, pair.a_name))
            writer.write_tensor_data(_numbers(pair.b(weights.get_tensor(pair.b_name)), item, pair.b_name))
    progress(len(pairs), len(pairs), what)


def _numbers(tensor: torch.Tensor, item: np.dtype[Any], name: str) -> np.ndarray[Any, np.dtype[Any]]:
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(tensor.float().numpy()).astype(item)
    if not np.isfinite(values).all():
        raise ModelError(
            f"{name} holds values that {item} can't represent. The training may have diverged; use a checkpoint.",
            option=("--checkpoint UPDATE", "--dtype float32"),
        )
    return values
