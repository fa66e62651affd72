from __future__ import annotations

import pytest
import torch

from training_pro.training.memory.out_of_memory import is_out_of_memory


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB.",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED",
        "HIP out of memory. Tried to allocate 20.00 MiB.",
        "CUDA error: HIPBLAS_STATUS_ALLOC_FAILED when calling `hipblasCreate(handle)`",
        "level_zero backend failed with error: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)",
        "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_libraries_say_it_in_many_ways(text: str) -> None:
    assert is_out_of_memory(RuntimeError(text))
    assert not is_out_of_memory(ValueError(text))


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("any")])
def test_by_kind(error: BaseException) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("text", ["mat1 and mat2 shapes cannot be multiplied", "CUDA error: device-side assert"])
def test_other_faults_are_none(text: str) -> None:
    assert not is_out_of_memory(RuntimeError(text))
