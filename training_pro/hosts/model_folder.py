"""From a model folder in Hugging Face's layout to a model in memory, in 4-bit NF4 by default.

The 4-bit model takes about 0.6 bytes a weight; SmolLM2-135M loads in 2 to 4 seconds. Nothing is ever fetched
from a hub, and no code that comes with a model is run.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from training_pro.errors import ModelError
from training_pro.hosts.host import LoadedModel, Quantizing
from training_pro.hosts.loaded import describe, loading_errors
from training_pro.packages import installed
from training_pro.small_files import json_in
from training_pro.words import reason_of

if TYPE_CHECKING:
    from transformers import PretrainedConfig

logger = logging.getLogger(__name__)

DtypeName = Literal["bfloat16", "float16", "float32"]


def best_dtype(device: str, native_bf16: bool) -> DtypeName:
    """bfloat16 where the hardware computes in it; else half precision on cards and single on processors."""
    if native_bf16:
        return "bfloat16"
    return "float16" if device == "cuda" else "float32"


def load_model_folder(
    folder: Path, *, load_in_4bit: bool = True, dtype: DtypeName | None = None, quantizing: Quantizing | None = None
) -> LoadedModel:
    """The model and tokenizer of `folder`, in evaluation mode, on the GPU if there is one.

    A folder that is quantized already is loaded as it is. `dtype` is that of the weights that stay
    unquantized and of the computing; None: what suits the hardware. `quantizing` says more than `load_in_4bit`.

    Raises:
        ModelError: not a model folder, a broken one, or bitsandbytes is missing; with the way out.
    """
    from training_pro.training.memory.out_of_memory import is_out_of_memory

    check_model_folder(folder)
    try:
        return _load(folder, quantizing or Quantizing("4-bit" if load_in_4bit else "none"), dtype)
    except loading_errors() as error:
        if is_out_of_memory(error):
            raise ModelError(
                f"The model in {folder} does not fit in memory; close other programs, or choose a smaller model.",
                option=("--model DIR", "--quantization 4-bit"),
            ) from error
        logger.info("Loading %s failed", folder, exc_info=error)
        reason = reason_of(error)
        raise ModelError(
            f"The model in {folder} can't be loaded ({type(error).__name__}: {reason}); "
            "check that its files are whole, or choose another folder."
        ) from error


def check_model_folder(folder: Path) -> None:
    """A look at the files, before anything heavy is imported.

    Raises:
        ModelError: what is there instead of a model.
    """
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise ModelError(f"The model folder {folder} {what}; give the folder that holds the model's config.json.")
    if not (folder / "config.json").is_file():
        raise ModelError(f"The folder {folder} {_instead_of_model(folder)}")
    try:
        config = json_in(folder / "config.json")
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{folder / 'config.json'} can't be read ({reason_of(error)}). Copy the model again."
        ) from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise ModelError(f'{folder / "config.json"} names no "model_type"; is it a model of transformers?')
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("pytorch_model*.bin")):
        raise ModelError(f"The folder {folder} holds no weights (*.safetensors); copy the model again.")


def _instead_of_model(folder: Path) -> str:
    if (folder / "adapter_config.json").is_file():
        return "holds a LoRA, not a model; give the folder of the model it was trained on."
    if any(folder.glob("*.gguf")):
        return "holds a GGUF model, which can't be trained; get the same model as safetensors."
    return "holds no model (no config.json); give the folder that holds the model's config.json."


def _load(folder: Path, quantizing: Quantizing, dtype: DtypeName | None) -> LoadedModel:
    import torch
    from transformers import AutoConfig, AutoTokenizer

    from training_pro.training.model.cpu_packing import prepare_for_training
    from training_pro.training.model.precision import native_bf16

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = dtype or best_dtype(device, native_bf16(torch.device(device)))
    _check_kind(folder)
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(f"{folder.name} is an encoder-decoder model. Only models that continue a text can be trained.")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    model = _kind_of_model(config, folder).from_pretrained(
        folder,
        dtype=getattr(torch, dtype),
        device_map={"": f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if device == "cuda" else "cpu"},
        local_files_only=True,
        trust_remote_code=False,
        **_quantized(folder, config, quantizing, dtype),
    )
    prepare_for_training(model)
    return describe(model, tokenizer, folder.name, folder)


def _check_kind(folder: Path) -> None:
    """Raises:
    ModelError: transformers doesn't know this kind of model.
    """
    import transformers

    kind = json_in(folder / "config.json")["model_type"]
    if kind not in transformers.CONFIG_MAPPING:
        raise ModelError(
            f"The model in {folder} is of the kind {str(kind)[:100]!r}, which transformers {transformers.__version__} "
            "doesn't know (code that comes with a model is never run); install a newer transformers, or choose another "
            "model."
        )


def _kind_of_model(config: PretrainedConfig, folder: Path) -> Any:
    """The class that loads a model which continues a text; of one that also sees or hears, with its towers.

    Raises:
        ModelError: transformers knows none for this kind.
    """
    import transformers
    from transformers.models.auto import modeling_auto

    kinds = (
        ("AutoModelForCausalLM", "MODEL_FOR_CAUSAL_LM_MAPPING"),
        ("AutoModelForImageTextToText", "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING"),
        ("AutoModelForMultimodalLM", "MODEL_FOR_MULTIMODAL_LM_MAPPING"),
    )
    for kind, known in kinds:
        if type(config) in getattr(modeling_auto, known, {}) and hasattr(transformers, kind):
            return getattr(transformers, kind)
    raise ModelError(
        f"The model in {folder} is of the kind {config.model_type!r}, which doesn't continue a text (or is newer than "
        f"transformers {transformers.__version__}); choose another model."
    )


def _quantized(folder: Path, config: PretrainedConfig, how: Quantizing, dtype: DtypeName) -> dict[str, Any]:
    if getattr(config, "quantization_config", None) is not None or how.kind == "none":
        return {}
    if not installed("bitsandbytes"):
        raise ModelError(
            f"Loading {folder.name} in {how.kind} needs the package bitsandbytes, which is not installed; "
            'run: pip install "bitsandbytes>=0.49" (or load it unquantized, with four times the memory).'
        )
    import torch
    from transformers import BitsAndBytesConfig

    if how.kind == "8-bit":
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)}
    from training_pro.training.several.sharding import quant_storage

    compute = getattr(torch, how.compute_dtype or dtype)
    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=how.quant_type,
            bnb_4bit_compute_dtype=compute,
            bnb_4bit_use_double_quant=how.double,
            bnb_4bit_quant_storage=quant_storage(compute),
        )
    }
