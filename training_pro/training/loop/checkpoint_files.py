"""The files of a checkpoint, written whole or not at all, and what their faults mean to a person.

The files are those that transformers' Trainer loads when a run continues. Costs the time to write two to three times
the trained weights. torch and safetensors say "disk full" in their own ways, not as an OSError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pro.errors import RunError
from training_pro.training.memory.out_of_memory import free_memory, is_out_of_memory
from training_pro.words import reason_of

if TYPE_CHECKING:
    from training_pro.training.loop.trainer import LoraTrainer

_TORCH_WRITER = ("pytorchstreamwriter", "inline_container", "file write failed", "iostream error", "parent directory")


def write_optimizer(trainer: LoraTrainer, folder: Path) -> None:
    """Optimizer, schedule and gradient scaler; of sharded weights by all processes together."""
    import torch

    if trainer.is_deepspeed_enabled:
        trainer._save_optimizer_and_scheduler(str(folder))
        return
    if trainer.is_fsdp_enabled:
        from accelerate.utils import save_fsdp_optimizer

        accelerator: Any = trainer.accelerator
        save_fsdp_optimizer(accelerator.state.fsdp_plugin, accelerator, trainer.optimizer, trainer.model, str(folder))
    if not trainer.team.main:
        return
    if not trainer.is_fsdp_enabled:
        torch.save(trainer.optimizer.state_dict(), folder / "optimizer.pt")
    torch.save(trainer.lr_scheduler.state_dict(), folder / "scheduler.pt")
    scaler = getattr(trainer.accelerator, "scaler", None)
    if scaler is not None:
        torch.save(scaler.state_dict(), folder / "scaler.pt")


def write_random_states(states: list[bytes], folder: Path, *, one_process: bool) -> None:
    """`states` are the processes' files, in order of rank."""
    for rank, state in enumerate(states):
        name = "rng_state.pth" if one_process else f"rng_state_{rank}.pth"
        (folder / name).write_bytes(state)


@contextmanager
def said_plainly(path: Path) -> Iterator[None]:
    """Turns what torch's and safetensors' writers raise into the sentence for a write that failed.

    Raises:
        RunError: in place of theirs.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (RuntimeError, SafetensorError) as error:
        if is_out_of_memory(error) or not _is_write_fault(error):
            raise
        reason = reason_of(error)
        raise RunError(f"{path} couldn't be written ({reason}). Free some space on the disk and try again.") from error


def _is_write_fault(error: Exception) -> bool:
    text = str(error).lower()
    return type(error).__name__ == "SafetensorError" or any(sign in text for sign in _TORCH_WRITER)


def twice_if_short_of_memory(write: Callable[[], None]) -> bool:
    """Write; should memory run out, free some and write once more. Whether it was written."""
    for _ in (1, 2):
        try:
            write()
            return True
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        free_memory()
    return False
