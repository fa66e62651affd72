"""One type of number for a whole run, whatever the host loaded.

A LoRA's half of a sum is of the run's type. Were the base's half of another one, the sum would be float32 from the
first layer on: some 40 % more memory. And 4-bit layers that compute in float16, as the WebUI loads them, would hand
back gradients in float16, most of them too small for it. So, for the run, half-precision weights that are not
quantized and the computing of 4-bit layers take the run's type; a snapshot gives the model back bit for bit.

On a card the weights change in place and their bits are kept in main memory: no card memory, some 0.3 s a gigabyte.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psutil
import torch
from torch import nn

from training_pro.training.model.precision import DeviceFacts, compute_dtype, run_dtype
from training_pro.words import gigabytes

BITS_BEFORE = "_bits_before_the_run"  # on a parameter: what `ModelSnapshot` writes back
_HALVES = (torch.float16, torch.bfloat16)
_QUANTIZED = ("Params4bit", "Int8Params")
_PIECE_NUMBERS = 16 * 1024 * 1024
_SHARE_OF_MAIN_MEMORY = 0.6


def compute_as_the_run(model: nn.Module, device: DeviceFacts, model_dtype: torch.dtype) -> str:
    """Give `model` the run's types; a sentence where that was not possible, else "". To be undone by a snapshot.

    `model_dtype` is that of the embeddings.

    Raises:
        ModelError: the device can't train this model's type.
    """
    for module in model.modules():
        if hasattr(module, "compute_type_is_set"):
            _compute_in(module, compute_dtype(device, model_dtype))
    wanted = run_dtype(device, model_dtype)
    if wanted == torch.float32:
        return ""
    others = [parameter for parameter in model.parameters() if _is_half(parameter) and parameter.dtype != wanted]
    on_card = [parameter for parameter in others if _changes_in_place(parameter)]
    size = sum(parameter.numel() * parameter.element_size() for parameter in on_card)
    if size > psutil.virtual_memory().available * _SHARE_OF_MAIN_MEMORY:
        return (
            f"{gigabytes(size)} of weights stay in {_name(on_card[0].dtype)}, because main memory is too small to "
            f"keep them while they are in {_name(wanted)}. Training works, but takes more of the card's memory. "
            f"Load the model in {_name(wanted)} to avoid it."
        )
    _convert(others, wanted)
    for module, name, buffer in _half_buffers(model):
        module._buffers[name] = buffer.to(wanted)
    return ""


def _compute_in(layer: Any, wanted: torch.dtype) -> None:
    """A 4-bit layer of bitsandbytes: how it casts its input, and what its weights are unpacked to."""
    layer.compute_dtype, layer.compute_type_is_set = wanted, True
    state = getattr(layer.weight, "quant_state", None)
    if state is not None:
        state.dtype = wanted


def _is_half(parameter: nn.Parameter) -> bool:
    return parameter.dtype in _HALVES and type(parameter).__name__ not in _QUANTIZED


def _half_buffers(model: nn.Module) -> Iterator[tuple[nn.Module, str, torch.Tensor]]:
    for module in model.modules():
        for name, buffer in list(module._buffers.items()):
            if buffer is not None and buffer.dtype in _HALVES:
                yield module, name, buffer


def _changes_in_place(parameter: nn.Parameter) -> bool:
    """Not on the CPU: a model's memory there may be its file, mapped."""
    return parameter.device.type != "cpu"


def _convert(parameters: list[nn.Parameter], wanted: torch.dtype) -> None:
    done: set[tuple[int, int]] = set()
    for parameter in parameters:
        if not _changes_in_place(parameter):
            parameter.data = parameter.data.to(wanted)
            continue
        place = (parameter.data_ptr(), parameter.numel())
        if place not in done:  # two parameters may share their memory
            setattr(parameter, BITS_BEFORE, parameter.data.to("cpu", copy=True))
            _overwrite(parameter.data, wanted)
            done.add(place)
        parameter.data = parameter.data.view(wanted)


def _overwrite(data: torch.Tensor, wanted: torch.dtype) -> None:
    """Both types have two bytes: the new numbers take the old ones' place, a piece at a time."""
    rows = max(1, _PIECE_NUMBERS // max(1, data[0].numel())) if data.dim() else 1
    pieces = data.split(rows) if data.dim() else (data,)
    for piece in pieces:
        piece.view(wanted).copy_(piece.to(wanted))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
