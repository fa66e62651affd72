"""Keeps bitsandbytes' 4-bit layers on the CPU in the layout that can be trained.

On CPUs with AVX512-BF16 a 4-bit layer changes itself when it answers in evaluation mode: its weights are packed
into a layout for inference whose product has no gradient, and its scales are rounded to bfloat16. A model that
has chatted is therefore unpacked for the run, and evaluations and samples of a run must not pack it again. The
snapshot puts the host's own layout back. Source: bitsandbytes 0.50, ``nn/modules.py`` and ``functional.py``.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

_SWITCH = "support_avx512bf16_for_cpu"
_FLAG = "packing_format_for_cpu"


def prepare_for_training(model: nn.Module) -> int:
    """Unpack what is packed and keep it so; how many layers were packed. To be undone by a snapshot."""
    unpacked = 0
    for module in model.modules():
        if not hasattr(module, _SWITCH):
            continue
        setattr(module, _SWITCH, False)
        weight: Any = module.weight
        if getattr(getattr(weight, "quant_state", None), _FLAG, False):
            _unpack(weight)
            unpacked += 1
    return unpacked


def _unpack(weight: Any) -> None:
    """Give `weight` new unpacked storage and a quantization state of its own; the packed ones stay as they are."""
    from bitsandbytes.functional import _convert_weight_packed_for_cpu_inverse

    packed: Any = weight.quant_state
    state = copy.copy(packed)
    state.original_nested = False  # its two-level scales were flattened in packing; flat ones serve as well
    data, state = _convert_weight_packed_for_cpu_inverse(weight.data, state)
    state.absmax = packed.absmax.T.reshape(-1).to(torch.float32).contiguous()
    state.nested = False
    weight.data = data
    weight.quant_state = state
