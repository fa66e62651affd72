"""How another process can load the model of a host in the same way. Costs nothing."""

from __future__ import annotations

from typing import Any

from training_pro.hosts.host import LoadedModel, ModelSource, Quantizing


def source_of(loaded: LoadedModel) -> ModelSource:
    """Where and how `loaded` was loaded."""
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
