"""How numbers are held while training: decided by the hardware and by what the host loaded. Costs nothing.

Half precision on a device with autocast trains in bfloat16 where the hardware computes in it, else in float16 with a
gradient scaler. Without autocast (processors, Macs) float16 has no scaler either, and small gradients would become 0:
there it is bfloat16. `training_pro.training.model.run_dtype` gives the loaded model these types for the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from training_pro.errors import ModelError

MixedPrecision = Literal["no", "fp16", "bf16"]

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
_WITH_AUTOCAST = ("cuda", "xpu")  # ROCm calls its cards "cuda"
_FIRST_NVIDIA = (8, 0)  # Ampere; before it, torch only imitates bfloat16
# AMD: Instinct from MI100 on, Radeon from RDNA 3 on. RDNA 2 and Vega have no instructions for it.
_AMD_CHIPS = ("gfx908", "gfx90a", "gfx94", "gfx95", "gfx11", "gfx12")


@dataclass(frozen=True)
class DeviceFacts:
    """What the decision looks at; `native_bf16`: the hardware itself computes in bfloat16."""

    type: str
    native_bf16: bool

    @classmethod
    def of(cls, device: torch.device) -> DeviceFacts:
        return cls(device.type, native_bf16(device))


def native_bf16(device: torch.device) -> bool:
    """Whether the hardware computes in bfloat16. Imitation, which is several times slower, does not count."""
    if device.type == "cuda":
        return torch.cuda.is_available() and _card_has_bf16(device)
    if device.type == "xpu":
        return bool(torch.xpu.is_bf16_supported(including_emulation=False))
    if device.type == "mps":
        return bool(torch.backends.mps.is_macos_or_newer(14, 0))
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, question, bool)()) for question in questions)


def _card_has_bf16(device: torch.device) -> bool:
    if torch.version.hip:
        return str(torch.cuda.get_device_properties(device).gcnArchName).startswith(_AMD_CHIPS)
    return tuple(torch.cuda.get_device_capability(device)) >= _FIRST_NVIDIA


def mixed_precision(device: DeviceFacts, model_dtype: torch.dtype) -> MixedPrecision:
    """The autocast of a run; "fp16" comes with a gradient scaler.

    A float32 model stays float32: the person loaded it so. None on the CPU, where it costs more than it gives.
    """
    if device.type not in _WITH_AUTOCAST or model_dtype == torch.float32:
        return "no"
    return "bf16" if device.native_bf16 else "fp16"


def autocast_dtype(precision: MixedPrecision) -> torch.dtype | None:
    """What autocast computes in; None without it."""
    return _AUTOCAST.get(precision)


def run_dtype(device: DeviceFacts, model_dtype: torch.dtype) -> torch.dtype:
    """What half-precision weights that are not quantized become for the run: one type for the whole stream of numbers.

    Raises:
        ModelError: a device without autocast that can't compute in bfloat16.
    """
    if model_dtype == torch.float32:
        return torch.float32
    if device.type in _WITH_AUTOCAST:
        return torch.bfloat16 if device.native_bf16 else torch.float16
    if device.type == "mps" and not device.native_bf16:
        raise ModelError(
            "Training in half precision on a Mac needs bfloat16, which macOS has from version 14 on. Update macOS, or "
            "load the model in float32.",
            option="--dtype float32",
        )
    return torch.bfloat16


def compute_dtype(device: DeviceFacts, model_dtype: torch.dtype) -> torch.dtype:
    """What 4-bit layers compute in. float16 only below a gradient scaler: without one, small gradients become 0."""
    if model_dtype != torch.float32:
        return run_dtype(device, model_dtype)
    return torch.bfloat16 if device.type in _WITH_AUTOCAST and device.native_bf16 else torch.float32
