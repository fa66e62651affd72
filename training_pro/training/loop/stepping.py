"""The optimizer's step when memory runs out in it: undone, memory freed, taken again.

Nearly always it is the very first step that runs out, because the optimizer's state is made there. So before it,
and only then, the trained weights are copied to the CPU; later steps are watched by torch's own version counters,
which cost microseconds.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from training_pro.errors import ModelError
from training_pro.training.memory.out_of_memory import free_memory, is_out_of_memory
from training_pro.words import reason_of


@dataclass(frozen=True)
class _Before:
    """What is needed to know whether a failed step changed anything, and to undo the first one."""

    first: bool
    versions: list[int]
    copies: list[torch.Tensor]

    @classmethod
    def take(cls, optimizer: torch.optim.Optimizer) -> _Before:
        first = not optimizer.state
        copies = [p.detach().to("cpu", copy=True) for p in _parameters(optimizer)] if first else []
        return cls(first, [t._version for t in _tensors(optimizer)], copies)

    def undo(self, optimizer: torch.optim.Optimizer) -> bool:
        """Whether the optimizer and its weights are as before."""
        if not self.first:
            return [tensor._version for tensor in _tensors(optimizer)] == self.versions
        optimizer.state.clear()
        with torch.no_grad():
            for parameter, copy in zip(_parameters(optimizer), self.copies, strict=True):
                parameter.copy_(copy)
        return True


def _parameters(optimizer: torch.optim.Optimizer) -> Iterator[torch.Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]


def _tensors(optimizer: torch.optim.Optimizer) -> Iterator[torch.Tensor]:
    yield from _parameters(optimizer)
    for state in optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, torch.Tensor))


def survive_out_of_memory(optimizer: torch.optim.Optimizer, on_note: Callable[[str], None]) -> None:
    """Patch this optimizer's `step`; call it before a scheduler or accelerate wrap it.

    The patched step raises `ModelError` when it can't be taken even with memory freed.
    """
    step = optimizer.step

    def careful(self: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
        before = _Before.take(self)
        for attempt in (1, 2):
            try:
                return step(*args, **kwargs)
            except BaseException as error:
                if not is_out_of_memory(error):
                    raise
                message = reason_of(error)
            _take_back(self, before, message, last=attempt == 2)
            on_note("Out of memory in the optimizer's step; memory was freed and the step taken again.")

    optimizer.step = types.MethodType(careful, optimizer)


def _take_back(optimizer: torch.optim.Optimizer, before: _Before, message: str, last: bool) -> None:
    undone = before.undo(optimizer)
    free_memory()
    if last or not undone:
        raise ModelError(
            f"Out of memory in the optimizer's step ({message}); choose an 8-bit or paged optimizer, or lower the "
            "rank or the True Batch Size."
        )
