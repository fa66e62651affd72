"""What both hosts say about a loaded Hugging Face model. Costs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pro.errors import ModelError
from training_pro.folders import is_file
from training_pro.hosts.host import LoadedModel, ModelSource, Quantization, Quantizing
from training_pro.training.model.config import value_of, whole_number_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CONTEXT_NAMES = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "n_ctx", "seq_length")


def describe(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, label: str, path: Path) -> LoadedModel:
    """Raises: ModelError: the model is quantized in a way that can't be trained here, or reads no text."""
    _check_reads_text(model, label)
    return LoadedModel(model, tokenizer, label, path, quantization_of(model, label), context_tokens_of(model.config))


def _check_reads_text(model: PreTrainedModel, label: str) -> None:
    """Raises:
    ModelError: it has no embeddings of tokens, which all that prepares a run asks for.
    """
    try:
        weight: Any = model.get_input_embeddings().weight
        known = len(weight.shape) == 2
    except Exception:  # noqa: BLE001 - a custom model class may raise anything
        known = False
    if not known:
        raise ModelError(
            f"{label} ({type(model).__name__}) names no embeddings of tokens, so it can't be trained here; choose "
            "another model."
        )


def quantization_of(model: PreTrainedModel, label: str) -> Quantization:
    """Looks at the model, not at how it was asked for: folders can be quantized beforehand.

    Raises:
        ModelError: quantized with something other than bitsandbytes.
    """
    if getattr(model, "is_loaded_in_4bit", False):
        return "4-bit"
    if getattr(model, "is_loaded_in_8bit", False):
        return "8-bit"
    config = getattr(model.config, "quantization_config", None)
    if config is None:
        return "none"
    method = config.get("quant_method") if isinstance(config, dict) else getattr(config, "quant_method", None)
    raise ModelError(
        f"{label} is quantized with {getattr(method, 'value', method)}, which can't be trained here; "
        "load the original model, with load-in-4bit if memory is short."
    )


def context_tokens_of(config: Any) -> int | None:
    """The context length that a model's config states, that of its text part where it has several."""
    for part in (value_of(config, "text_config"), config):
        tokens = whole_number_of(part, *CONTEXT_NAMES)
        if tokens is not None:
            return tokens
    return None


def why_loras_block(names: list[str]) -> str:
    """Why no run can begin on a model with these LoRAs; "" for none."""
    if not names:
        return ""
    shown = ", ".join(names)
    return f"A LoRA is in use ({shown}). A run starts from the model itself, so stop using the LoRA first."


def loading_errors() -> tuple[type[Exception], ...]:
    """What transformers, safetensors and bitsandbytes raise for files that are broken or of another kind."""
    from pickle import UnpicklingError

    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    usual = (OSError, ValueError, LookupError, RuntimeError, ImportError, TypeError, AttributeError, AssertionError)
    return (*usual, ArithmeticError, UnpicklingError, SafetensorError, StrictDataclassError)


def lora_folder(loras: Path, name: str) -> Path:
    """The folder of a saved LoRA, by its name in the list.

    Raises:
        ModelError: the name is not one folder's name, or there is no LoRA in it.
    """
    folder = loras / name
    if not name or not name.isprintable() or folder.parent != loras or name in {".", ".."}:
        raise ModelError(f"{name[:100]!r} is not the name of a LoRA; choose one of the folders in {loras}.")
    if not is_file(folder / "adapter_config.json"):
        raise ModelError(f"There is no LoRA in {folder} (no adapter_config.json); choose one that has been trained.")
    return folder


def source_of(loaded: LoadedModel) -> ModelSource:
    """Where and how `loaded` was loaded, so that another process can load it the same way."""
    weight = loaded.model.get_input_embeddings().weight
    dtype = str(weight.dtype).removeprefix("torch.")
    config = getattr(loaded.model.config, "quantization_config", None)
    quantizing = Quantizing(
        loaded.quantization,
        _dtype_name(_asked(config, "bnb_4bit_compute_dtype")),
        str(_asked(config, "bnb_4bit_quant_type") or "nf4"),
        bool(_asked(config, "bnb_4bit_use_double_quant")),
    )
    return ModelSource(loaded.path, quantizing, dtype, weight.device.type == "cpu", loaded.label)


def _asked(config: Any, name: str) -> Any:
    return config.get(name) if isinstance(config, dict) else getattr(config, name, None)


def _dtype_name(dtype: Any) -> str | None:
    return None if dtype is None else str(dtype).removeprefix("torch.")
