"""Puts the weights of an older LoRA into a run's fresh one: "train on top of its weights", "start from"."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training_pro.errors import ModelError, RunError
from training_pro.record.adapter_files import CONFIG_FILE, WEIGHTS_FILE, check_rank, old_weights
from training_pro.small_files import json_in
from training_pro.training.model.adapter import Attached

_LORA = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.[^.]+)?\.weight")


def load_weights(attached: Attached, folder: Path) -> str:
    """Put the weights of the adapter in `folder` into the attached LoRA; gives what there is to say about it, or "".

    Guarantees: the model with its LoRA answers as it did with the old one, also where alpha or rsLoRA is another now
    (B is rescaled by old over new scaling), and where layers have a smaller rank (they get fresh rows of A, and zeros
    in B).

    Raises:
        ModelError: the adapter is missing, broken or of another shape.
    """
    from peft import set_peft_model_state_dict

    state, config = _weights_in(folder), _config_in(folder)
    _check_rank(folder, config, attached.model.active_peft_config.r)
    note = _fit(state, config, attached)
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
    return note


def _check_rank(folder: Path, config: Mapping[str, Any], rank: int) -> None:
    """Raises:
    ModelError: no layer has the rank of the settings, or one has more.
    """
    ranks = [rank for rank in _values(config.get("rank_pattern")) if isinstance(rank, int)]
    if not ranks or max(ranks) > rank:
        check_rank(folder, rank)


def _fit(state: dict[str, Any], config: Mapping[str, Any], attached: Attached) -> str:
    """Bring the tensors of `state` to the rank and scaling of the attached LoRA; what that means, or ""."""
    used = attached.model.active_peft_config
    new = _scaling(used.r, used.lora_alpha, used.use_rslora)
    fresh = {_module(name): parameter for name, parameter in attached.model.named_parameters() if ".lora_A." in name}
    scalings = set()
    grown = 0
    for key, tensor in list(state.items()):
        match = _LORA.fullmatch(key)
        if match is None:
            continue
        module, side = match[1], match[2]
        rank, old = _rank_and_scaling(module, config, tensor.shape[0 if side == "A" else -1])
        if side == "B" and old is not None and old != new:
            tensor = tensor * (old / new)
            scalings.add(old)
        if rank < used.r and tensor.dim() == 2 and not used.target_parameters:
            tensor = _grown(tensor, side, rank, fresh.get(module))
            grown += side == "A"
        state[key] = tensor
    return " ".join([*_rescaled_note(scalings, new), *_grown_note(grown, used.r)])


def _rescaled_note(scalings: set[float], new: float) -> list[str]:
    if not scalings:
        return []
    old = " and ".join(f"{scaling:.3g}" for scaling in sorted(scalings)[:4])
    return [
        f"The weights were trained with the scaling {old} (alpha over rank), these settings have {new:.3g}: they "
        "are rescaled, so that what was learned stays as strong as it was."
    ]


def _grown_note(grown: int, rank: int) -> list[str]:
    return [f"{grown} layers had a smaller rank; they have rank {rank} now, the new part empty."] if grown else []


def _grown(tensor: Any, side: str, rank: int, fresh: Any) -> Any:
    """The A or B of a module with more rows or columns: A gets those of the fresh one, B zeros."""
    import torch

    if fresh is None:
        return tensor
    more = fresh.shape[0] - rank
    if side == "A":
        return torch.cat([tensor, fresh.detach()[rank:].to(tensor.device, tensor.dtype)])
    return torch.cat([tensor, tensor.new_zeros(tensor.shape[0], more)], dim=1)


def _rank_and_scaling(module: str, config: Mapping[str, Any], rank: int) -> tuple[int, float | None]:
    """The rank of a module's LoRA, and what its B A is multiplied by; None where its config does not say."""
    own = _of_pattern(config.get("rank_pattern"), module, config.get("r", rank))
    alpha = _of_pattern(config.get("alpha_pattern"), module, config.get("lora_alpha"))
    try:
        scaling = _scaling(float(own), float(alpha), config.get("use_rslora") is True)
    except (TypeError, ValueError, ArithmeticError):
        return rank, None
    return rank, scaling if math.isfinite(scaling) and scaling > 0 else None


def _of_pattern(pattern: Any, module: str, otherwise: Any) -> Any:
    """What PEFT takes for this module: the value of the first key that its name ends in."""
    if isinstance(pattern, dict):
        for key, value in pattern.items():
            if re.fullmatch(rf"(.*\.)?({key})", module):
                return value
    return otherwise


def _values(pattern: Any) -> list[Any]:
    return list(pattern.values()) if isinstance(pattern, dict) else []


def _module(parameter: str) -> str:
    match = _LORA.fullmatch(parameter)
    return match[1] if match else parameter


def _scaling(rank: float, alpha: float, rank_stabilized: bool) -> float:
    """What B A is multiplied by (rsLoRA: Kalajdzievski 2023)."""
    return alpha / (math.sqrt(rank) if rank_stabilized else rank)


def _config_in(folder: Path) -> dict[str, Any]:
    """The settings of the adapter in `folder`; {} where they can't be read: its weights will tell."""
    try:
        config = json_in(folder / CONFIG_FILE)
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def _weights_in(folder: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / WEIGHTS_FILE
    try:
        weights: dict[str, Any] = load_file(path) if path.is_file() else old_weights(folder)
    except (OSError, SafetensorError, RunError) as error:
        raise ModelError(f"The adapter {path} can't be read ({error}); choose another run or checkpoint.") from None
    return weights
