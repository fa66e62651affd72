"""What counts as running out of memory, and what is freed before trying again."""

from __future__ import annotations

import gc

import torch

_SIGNS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "defaultcpuallocator",
    "cublas_status_alloc_failed",
    "cuda_error_out_of_memory",
    "hip out of memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory (of the device or the machine) ran out."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in text for sign in _SIGNS)


def free_memory() -> None:
    """Give back what is held but unused; call it with no reference to the failed tensors left."""
    gc.collect()
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
