"""Puts the weights of an older LoRA into a run's fresh one: "train on top of its weights"."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from training_pro.errors import ModelError, RunError
from training_pro.record.adapter_files import (
    CONFIG_FILE,
    OLD_WEIGHTS_FILE,
    WEIGHTS_FILE,
    check_rank,
    convert_old_weights,
)
from training_pro.small_files import json_in
from training_pro.training.model.adapter import Attached


def load_weights(attached: Attached, folder: Path) -> str:
    """Put the weights of the adapter in `folder` into the attached LoRA; gives what there is to say about it, or "".

    Guarantees: the model with its LoRA answers as it did with the old one, also where alpha or rsLoRA is another now
    (B is rescaled by old over new scaling).

    Raises:
        ModelError: the adapter is missing, broken or of another shape.
    """
    from peft import set_peft_model_state_dict

    state, old = _weights_in(folder), _scaling_in(folder)
    check_rank(folder, attached.model.active_peft_config.r)
    try:
        result = set_peft_model_state_dict(attached.model, state)
    except (RuntimeError, KeyError, ValueError) as error:
        reason = next((line.strip() for line in str(error).splitlines()[1:] if line.strip()), str(error).strip())
        raise ModelError(
            f"The adapter in {folder} does not fit these settings ({reason}); use its own rank and targets."
        ) from None
    missing = [key for key in getattr(result, "missing_keys", []) if "lora_" in key]
    if missing or getattr(result, "unexpected_keys", None):
        raise ModelError(
            f"The adapter in {folder} has other targets or heads than these settings; use its own settings."
        )
    return _rescale(attached, old)


def _rescale(attached: Attached, old: float | None) -> str:
    config = attached.model.active_peft_config
    new = _scaling(config.r, config.lora_alpha, config.use_rslora)
    if old is None or old == new:
        return ""
    for name, parameter in attached.model.named_parameters():
        if ".lora_B." in name:
            parameter.data.mul_(old / new)
    return (
        f"The weights were trained with the scaling {old:.3g} (alpha over rank), these settings have {new:.3g}: they "
        "are rescaled, so that what was learned stays as strong as it was."
    )


def _scaling(rank: float, alpha: float, rank_stabilized: bool) -> float:
    """What B A is multiplied by (rsLoRA: Kalajdzievski 2023)."""
    return alpha / (math.sqrt(rank) if rank_stabilized else rank)


def _scaling_in(folder: Path) -> float | None:
    """The scaling of the adapter in `folder`; None where its settings do not say.

    Raises:
        ModelError: it has several, one for some layers and one for others.
    """
    try:
        config = json_in(folder / CONFIG_FILE)
        scaling = _scaling(float(config["r"]), float(config["lora_alpha"]), bool(config.get("use_rslora")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
        return None
    if config.get("alpha_pattern") or config.get("rank_pattern"):
        raise ModelError(
            f"The adapter in {folder} uses another rank or alpha for some layers, and a run can't continue from that; "
            "choose another LoRA to train on top of."
        )
    return scaling if math.isfinite(scaling) and scaling > 0 else None


def _weights_in(folder: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / WEIGHTS_FILE
    try:
        if not path.is_file() and (folder / OLD_WEIGHTS_FILE).is_file():
            convert_old_weights(folder)
        weights: dict[str, Any] = load_file(path)
    except (OSError, SafetensorError, RunError) as error:
        raise ModelError(f"The adapter {path} can't be read ({error}); choose another run or checkpoint.") from None
    return weights
