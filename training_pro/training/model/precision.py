"""How numbers are held while training: decided by the device and by what the host loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

MixedPrecision = Literal["no", "fp16", "bf16"]


@dataclass(frozen=True)
class DeviceFacts:
    """What the decision looks at."""

    type: str
    bf16_supported: bool

    @classmethod
    def of(cls, device: torch.device) -> DeviceFacts:
        supported = device.type == "cuda" and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        return cls(device.type, supported)


def mixed_precision(device: DeviceFacts, model_dtype: torch.dtype) -> MixedPrecision:
    """Autocast for a CUDA run; none on the CPU, where it costs more than it gives.

    A half-precision model on a card with bfloat16 trains in bfloat16: no gradient scaler, no overflow. A float32
    model stays float32: the person loaded it so.
    """
    if device.type != "cuda" or model_dtype == torch.float32:
        return "no"
    return "bf16" if device.bf16_supported else "fp16"
