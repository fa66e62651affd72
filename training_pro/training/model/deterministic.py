"""The same bytes again on a graphics card, for a run that asks for it.

On a processor runs repeat to the byte anyway. On a card, kernels that add up in parallel do it in whatever order
their threads arrive: the backward pass of fused attention above all. Here torch is held to kernels with a fixed order,
cuBLAS to a fixed workspace, and flash-attention to its deterministic backward. Attention kernels without such a
backward are left out, so that cards before Ampere compute attention in the slow way. Costs some 10 to 30 % of speed.

What remains: another card, driver or library version gives other bytes, and so does a run in several processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_ENVIRONMENT = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "FLASH_ATTENTION_DETERMINISTIC": "1"}
_SIGN = "does not have a deterministic implementation"


@contextmanager
def deterministic(wanted: bool, device: torch.device) -> Iterator[None]:
    """While entered, work on `device` gives the same bytes each time, if `wanted`. All is put back afterwards."""
    if not wanted or device.type == "cpu":
        yield
        return
    environment = {name: os.environ.get(name) for name in _ENVIRONMENT}
    before = _switches()
    os.environ.update(_ENVIRONMENT)
    _set_switches(algorithms=True, warn_only=False, cudnn=True, benchmark=False, efficient=False, cudnn_attention=False)
    try:
        yield
    finally:
        _set_switches(**before)
        for name, value in environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _switches() -> dict[str, bool]:
    return {
        "algorithms": torch.are_deterministic_algorithms_enabled(),
        "warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "cudnn": torch.backends.cudnn.deterministic,
        "benchmark": torch.backends.cudnn.benchmark,
        "efficient": torch.backends.cuda.mem_efficient_sdp_enabled(),
        "cudnn_attention": torch.backends.cuda.cudnn_sdp_enabled(),
    }


def _set_switches(
    *, algorithms: bool, warn_only: bool, cudnn: bool, benchmark: bool, efficient: bool, cudnn_attention: bool
) -> None:
    torch.use_deterministic_algorithms(algorithms, warn_only=warn_only)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn, benchmark
    torch.backends.cuda.enable_mem_efficient_sdp(efficient)
    torch.backends.cuda.enable_cudnn_sdp(cudnn_attention)


def not_deterministic(error: BaseException) -> str:
    """A sentence where `error` says that an operation has no deterministic form; "" for any other error."""
    text = str(error)
    if not isinstance(error, RuntimeError) or _SIGN not in text:
        return ""
    return (
        f"This model can't be trained with Deterministic on: {text.split(_SIGN)[0].strip()} always adds up in a random "
        "order. Turn Deterministic off."
    )
