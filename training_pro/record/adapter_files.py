"""A LoRA's own files, read without trusting them: ``adapter_config.json`` and the weights.

Checking reads only headers: a millisecond. The original extension's ``adapter_model.bin`` is a pickle; it
is read by torch's weights-only loader alone, here alone, and written on as safetensors.
"""

from __future__ import annotations

import pickle
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_pro.errors import ModelError, RunError
from training_pro.record.safetensors_file import TensorPlace, tensor_places
from training_pro.record.whole_files import whole_file
from training_pro.small_files import json_in, object_in
from training_pro.words import reason_of

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
OLD_WEIGHTS_FILE = "adapter_model.bin"
_LARGEST = 10**9
_WRAPPING = "base_model.model."


@dataclass(frozen=True)
class AdapterInfo:
    """What an adapter folder says of itself; `shapes` has every tensor's shape by its name."""

    folder: Path
    base_model: str
    rank: int
    alpha: float
    targets: tuple[str, ...]
    parameters: tuple[str, ...]
    use_rslora: bool
    use_dora: bool
    shapes: dict[str, tuple[int, ...]]
    weights_bytes: int


def check_adapter(folder: Path) -> AdapterInfo:
    """The adapter in `folder`, whose weights are whole and of the rank its config says.

    Raises:
        RunError: a missing, truncated or damaged file, a pickle, no LoRA, or a rank that does not fit.
    """
    config = _read_config(folder)
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise RunError(_missing_weights(folder))
    places = tensor_places(weights)
    if not places:
        raise RunError(f"{weights} holds no weights. Download the LoRA again.")
    _check_ranks(folder, config, places)
    alpha = config.get("lora_alpha")
    if isinstance(alpha, (int, float)) and not abs(alpha) < _LARGEST:
        raise RunError(f"{folder / CONFIG_FILE} gives lora_alpha as {str(alpha)[:20]}. Download the LoRA again.")
    return AdapterInfo(
        folder=folder,
        base_model=str(config.get("base_model_name_or_path") or "")[:200],
        rank=config["r"],
        alpha=float(alpha if isinstance(alpha, (int, float)) else config["r"]),
        targets=_targets(config.get("target_modules")),
        parameters=_targets(config.get("target_parameters")),
        use_rslora=config.get("use_rslora") is True,
        use_dora=config.get("use_dora") is True,
        shapes={name: place.shape for name, place in places.items()},
        weights_bytes=weights.stat().st_size,
    )


def adapter_config(folder: Path) -> dict[str, Any]:
    """What ``adapter_config.json`` says, a LoRA's for certain.

    Raises:
        RunError: it is missing, no JSON, of another kind of adapter, or without a rank.
    """
    return _read_config(folder)


def tensor_names(folder: Path) -> list[str]:
    """The names of the adapter's tensors, in either form.

    Raises:
        RunError: it has no weights, or they can't be read.
    """
    if (folder / WEIGHTS_FILE).is_file():
        return list(tensor_places(folder / WEIGHTS_FILE))
    return list(old_weights(folder))


def old_weights(folder: Path) -> dict[str, Any]:
    """The tensors of the original's ``adapter_model.bin``; nothing is written.

    Raises:
        RunError: no such file, or one that holds more than tensors.
    """
    return _load_tensors(folder / OLD_WEIGHTS_FILE)


def check_fits(info: AdapterInfo, module_shapes: Mapping[str, tuple[int, int]]) -> None:
    """Whether the adapter fits a model whose linear modules have these (outputs, inputs), by module name.

    Raises:
        RunError: the model has no such module, or one of another size: it is another base model.
    """
    for name, shape in info.shapes.items():
        match = re.fullmatch(r"(.+)\.lora_([AB])(?:\.[^.]+)?\.weight", name)
        if match is None or len(shape) != 2 or _is_of_parameters(match[1], info.parameters):
            continue
        module, side = match[1].removeprefix(_WRAPPING), match[2]
        if module not in module_shapes:
            raise RunError(
                f'The LoRA "{info.folder.name}" trains {module[:100]}, which the loaded model lacks. '
                f"Load its base model ({info.base_model or 'unknown'})."
            )
        outputs, inputs = module_shapes[module]
        have, wanted = (shape[1], inputs) if side == "A" else (shape[0], outputs)
        if have != wanted:
            raise RunError(
                f'The LoRA "{info.folder.name}" has {have} where the loaded model has {wanted} at {module[:100]}. '
                f"Load its base model ({info.base_model or 'unknown'})."
            )


def _is_of_parameters(module: str, parameters: tuple[str, ...]) -> bool:
    """Whether a LoRA on a tensor of experts has this name; its sizes are those of all experts together."""
    holder = re.sub(r"(\.base_layer)+$", "", module)
    return any(f".{holder}".endswith("." + parameter.rpartition(".")[0]) for parameter in parameters)


def convert_old_weights(folder: Path) -> Path:
    """Write the original's ``adapter_model.bin`` on as safetensors; gives the new file's path.

    The old file stays. Weights already there as safetensors are left as they are.

    Raises:
        RunError: no old file, a file that holds more than tensors, or a disk that can't take the new one.
    """
    new = folder / WEIGHTS_FILE
    if new.is_file():
        return new
    tensors = _load_tensors(folder / OLD_WEIGHTS_FILE)
    from safetensors.torch import save_file

    with whole_file(new) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
    return new


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG_FILE
    try:
        config = json_in(path)
    except FileNotFoundError:
        raise RunError(f"{folder} has no {CONFIG_FILE}; it is no LoRA, or an unfinished one: choose another.") from None
    except OSError as error:
        raise RunError(f"{path} can't be read ({error.strerror}); check the file.") from error
    except ValueError as error:
        raise RunError(f"{path} is not valid JSON ({error}). Download the LoRA again.") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        kind = config.get("peft_type") if isinstance(config, dict) else type(config).__name__
        raise RunError(f"{path} describes {reprlib.repr(kind)}, not a LoRA; choose a LoRA.")
    rank = config.get("r")
    if type(rank) is not int or not 1 <= rank < _LARGEST:
        raise RunError(f"{path} gives the rank r as {reprlib.repr(rank)}; it must be a whole number from 1 on.")
    return config


def _targets(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(str(target) for target in value)
    return (value,) if isinstance(value, str) else ()


def _missing_weights(folder: Path) -> str:
    if (folder / OLD_WEIGHTS_FILE).is_file():
        return f"{folder} has its weights as {OLD_WEIGHTS_FILE}, the old form; convert it to safetensors first."
    return f"{folder} has no {WEIGHTS_FILE}; the LoRA is unfinished: resume its run or choose another."


def check_rank(folder: Path, rank: int) -> None:
    """Raises:
    ModelError: the LoRA in `folder` says that it has another rank.
    """
    own = object_in(folder / CONFIG_FILE).get("r")  # where it says none, its weights will tell
    if isinstance(own, int) and own != rank:
        raise ModelError(
            f"The LoRA in {folder} has rank {own}, these settings have {rank}: set LoRA Rank to {own} to train on top "
            "of its weights, or choose another name to start from scratch.",
            option=(f"--set rank={own}", "--set name=NAME"),
            setting="rank",
        )


def _check_ranks(folder: Path, config: dict[str, Any], places: Mapping[str, TensorPlace]) -> None:
    """A (rank, inputs) and B (outputs, rank); single modules may have a rank of their own."""
    pattern = config.get("rank_pattern")
    allowed = [config["r"], *(pattern.values() if isinstance(pattern, dict) else ())]
    for name, place in places.items():
        side = next((side for side in ("lora_A", "lora_B") if f".{side}." in name), None)
        if side is None or len(place.shape) != 2:
            continue
        rank = place.shape[0 if side == "lora_A" else 1]
        of_experts = config.get("target_parameters") and any(rank % one == 0 for one in allowed)  # a rank for each
        if rank not in allowed and not of_experts:
            raise RunError(
                f'{folder} says rank {config["r"]} in {CONFIG_FILE}, but "{name[:100]}" has rank {rank}; '
                "the files belong to different LoRAs. Download both again."
            )


def _load_tensors(path: Path) -> dict[str, Any]:
    import torch

    if not path.is_file():
        raise RunError(f"{path.parent} has no {OLD_WEIGHTS_FILE} to convert; choose another LoRA.")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError) as error:
        reason = reason_of(error)
        raise RunError(
            f"{path} can't be read safely ({reason}): it is damaged or holds more than weights. Download it again."
        ) from error
    if not isinstance(loaded, dict) or not loaded or not all(_is_tensor(*item) for item in loaded.items()):
        raise RunError(f"{path} holds something other than named weights. Download the LoRA again.")
    return {name: tensor.detach().clone().contiguous() for name, tensor in loaded.items()}


def _is_tensor(name: Any, value: Any) -> bool:
    import torch

    return isinstance(name, str) and isinstance(value, torch.Tensor) and value.layout is torch.strided
