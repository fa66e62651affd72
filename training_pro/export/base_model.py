"""The base model of a LoRA: its size and shapes without loading it, and its weights in memory, unquantized.

Shapes come from a model without storage, in well under a second. Loading needs as much memory as the weights take
on disk; the weights of a quantized folder are dequantized to the type that its layers computed in.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from training_pro.errors import ModelError, RunError
from training_pro.hosts.loaded import loading_errors
from training_pro.packages import installed
from training_pro.record.safetensors_file import tensor_places
from training_pro.words import reason_of

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

logger = logging.getLogger(__name__)

Quantized = Literal["", "4-bit", "8-bit"]
ITEM_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_DTYPE_NAMES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


@dataclass(frozen=True)
class BaseModel:
    """What a model folder holds.

    `weights`: how many numbers (shared ones count once); `largest_experts`: those of the largest tensor of experts;
    `linears`: (outputs, inputs) by module name; `dtype`: the type its matrices are stored in (in a quantized folder:
    those that are not quantized).
    """

    folder: Path
    config: PretrainedConfig
    weights: int
    linears: dict[str, tuple[int, int]]
    dtype: str
    quantized: Quantized
    largest_experts: int = 0

    @property
    def loaded_dtype(self) -> str:
        """8-bit weights times their scales need float32."""
        return "float32" if self.quantized == "8-bit" else self.dtype

    def merging_bytes(self, saved_dtype: str) -> int:
        """The memory that merging needs: all weights, as loaded or as saved, and copies of the largest layer."""
        largest = max((rows * columns for rows, columns in self.linears.values()), default=0)
        largest = max(largest, self.largest_experts)
        return self.weights * max(ITEM_BYTES[self.loaded_dtype], ITEM_BYTES[saved_dtype]) + 4 * 4 * largest


def describe_base(folder: Path) -> BaseModel:
    """What the model folder `folder` holds. No weights are read.

    Raises:
        ModelError: no model, one that can't be built, or one that was quantized by anything but bitsandbytes.
    """
    config = read_config(folder)
    quantized = _quantized(folder, config)
    model = _without_storage(folder, config, whole_class(config))
    weights = sum(parameter.numel() for parameter in model.parameters())
    linears = _linears(model) | _text_linears(folder, config)
    experts = max((values.numel() for values in model.parameters() if values.ndim == 3), default=0)
    return BaseModel(folder, config, weights, linears, _stored_dtype(folder, config), quantized, experts)


def read_config(folder: Path) -> PretrainedConfig:
    """The config of the model in `folder`.

    Raises:
        ModelError: there is none, or transformers doesn't know it.
    """
    from transformers import AutoConfig

    if not (folder / "config.json").is_file():
        raise ModelError(
            f"The folder {folder} holds no model (no config.json). Give the base model's folder.", option="--model DIR"
        )
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except loading_errors() as error:
        raise _unusable(folder, error) from error


def linear_shapes(folder: Path, config: PretrainedConfig) -> dict[str, tuple[int, int]]:
    """(outputs, inputs) of the linear modules by name, from the config alone.

    The modules of a multimodal model's text part have two names: alone and in the whole model. Both are given,
    because a LoRA can come from either.

    Raises:
        ModelError: transformers can't build a model from it.
    """
    return _linears(_without_storage(folder, config, whole_class(config))) | _text_linears(folder, config)


def expert_sizes(folder: Path, config: PretrainedConfig) -> dict[str, tuple[int, int, int, bool]]:
    """(experts, inputs, outputs, inputs first) of the tensors that hold all experts of a layer, by name."""
    found = {}
    for name, module in _without_storage(folder, config, whole_class(config)).named_modules():
        for last, values in module.named_parameters(recurse=False):
            if values.ndim == 3:
                count, outputs, inputs = values.shape
                turned = getattr(module, "is_transposed", False)
                found[f"{name}.{last}"] = (count, outputs, inputs, True) if turned else (count, inputs, outputs, False)
    return found


def has_tied_head(config: PretrainedConfig) -> bool:
    """Whether embeddings and head share one matrix."""
    return bool(getattr(config.get_text_config(), "tie_word_embeddings", getattr(config, "tie_word_embeddings", False)))


def _text_linears(folder: Path, config: PretrainedConfig) -> dict[str, tuple[int, int]]:
    """Those of a multimodal model's text part alone, where there is a class for it."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoModelForCausalLM

    text = config.get_text_config()
    if text is config or type(text) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        return {}
    return _linears(_without_storage(folder, text, AutoModelForCausalLM))


def whole_class(config: PretrainedConfig) -> Any:
    """The class that loads the whole model, with its vision and audio towers where it has some."""
    from transformers import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, AutoModelForCausalLM, AutoModelForImageTextToText

    multimodal = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    return AutoModelForImageTextToText if multimodal else AutoModelForCausalLM


def load_unquantized(base: BaseModel) -> PreTrainedModel:
    """The model on the CPU, with its weights as exact as the folder has them.

    Raises:
        ModelError: broken files, or bitsandbytes is missing for a quantized folder.
    """
    import torch

    if base.quantized and not installed("bitsandbytes"):
        raise ModelError(
            f"{base.folder} is quantized. Reading it needs the package bitsandbytes, which is not installed. "
            'Run pip install "bitsandbytes>=0.49", or give the folder of the original model.',
            option="--model DIR",
        )
    try:
        model = whole_class(base.config).from_pretrained(
            base.folder,
            dtype=getattr(torch, base.dtype),
            local_files_only=True,
            **({"device_map": {"": "cpu"}} if base.quantized else {}),
            trust_remote_code=False,
        )
        return _dequantized(model, base) if base.quantized else model
    except loading_errors() as error:
        raise _unusable(base.folder, error) from error


def _dequantized(model: PreTrainedModel, base: BaseModel) -> PreTrainedModel:
    import torch

    states = (getattr(parameter, "quant_state", None) for parameter in model.parameters())
    exact = next((state.dtype for state in states if state is not None), getattr(torch, base.loaded_dtype))
    model = model.dequantize(dtype=exact)
    if hasattr(model, "hf_device_map"):  # with it, saving and PEFT treat the model as spread over devices
        del model.hf_device_map
    conversions = getattr(model, "_weight_conversions", None) or []
    model._weight_conversions = [conversion for conversion in conversions if _can_be_undone(conversion)]
    return model


def _can_be_undone(conversion: Any) -> bool:
    """Saving reverses what loading did to names and shapes. The quantizer's own part can't be reversed."""
    try:
        conversion.reverse_transform()
    except NotImplementedError:
        return False
    return True


def _quantized(folder: Path, config: PretrainedConfig) -> Quantized:
    asked: Any = getattr(config, "quantization_config", None)
    if asked is None:
        return ""
    facts = asked if isinstance(asked, dict) else asked.to_dict()
    if facts.get("load_in_4bit"):
        return "4-bit"
    if facts.get("load_in_8bit"):
        return "8-bit"
    raise ModelError(
        f"{folder} is quantized with {facts.get('quant_method')}, which can't be dequantized here. "
        "Give the folder of the original model.",
        option="--model DIR",
    )


def _without_storage(folder: Path, config: PretrainedConfig, auto_class: Any) -> PreTrainedModel:
    import copy

    import torch

    plain = copy.deepcopy(config)
    if hasattr(plain, "quantization_config"):
        del plain.quantization_config
    try:
        with torch.device("meta"):
            return auto_class.from_config(plain)
    except loading_errors() as error:
        raise _unusable(folder, error) from error


def _linears(model: PreTrainedModel) -> dict[str, tuple[int, int]]:
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    found = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            found[name] = (module.out_features, module.in_features)
        elif isinstance(module, Conv1D):
            found[name] = (module.weight.shape[1], module.weight.shape[0])
    return found


def _stored_dtype(folder: Path, config: PretrainedConfig) -> str:
    """The widest type that a matrix is stored in, so that loading rounds nothing."""
    found = set()
    for path in folder.glob("*.safetensors"):
        try:
            places = tensor_places(path)
        except RunError as error:
            raise ModelError(str(error)) from error
        found |= {_DTYPE_NAMES.get(place.dtype, "") for place in places.values() if len(place.shape) > 1} - {""}
    if len(found) == 1:
        return found.pop()
    said = str(getattr(config, "dtype", None) or "").removeprefix("torch.")
    return "float32" if found or said not in ITEM_BYTES else said


def _unusable(folder: Path, error: Exception) -> ModelError:
    logger.info("Reading %s failed", folder, exc_info=error)
    reason = reason_of(error)
    return ModelError(
        f"The model in {folder} can't be read ({type(error).__name__}: {reason}). "
        "Check that its files are complete, or give another folder.",
        option="--model DIR",
    )
