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
    "cublas_status_not_initialized",  # it makes its workspace at its first call
    "cusolver_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "cudnn_status_internal_error_host_allocation_failed",
    "cudaerrormemoryallocation",
    "cuda_error_out_of_memory",
    "hip out of memory",
    "hipblas_status_alloc_failed",
    "rocblas_status_memory_error",
    "ur_result_error_out_of_device_memory",
    "ur_result_error_out_of_host_memory",
    "out_of_resources",
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
    for card in (torch.cuda, torch.xpu):
        if card.is_initialized():  # asked first: it makes no call to the driver
            card.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
