"""Faults that are put into a whole run on the tiny model, and what must become of the run: one row each.

`inject` is entered around the run. A run that goes on ends "finished"; of one that can't, `words` are in the reason.
"""

from __future__ import annotations

import errno
import math
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from tests.stress.writes import Write, watched_writes
from tests.training.tiny import TinyOwner
from tests.training.watched import after_updates, at_micro_batch
from training_pro.training.loop.update import UpdateRunner
from training_pro.training.run import Run

Inject = Callable[[TinyOwner, Run], AbstractContextManager[Any]]
TRAIN = "training_pro.training"
MICRO_BATCH = f"{TRAIN}.loop.update.UpdateRunner._micro_batch"
OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB."


@dataclass(frozen=True)
class Fault:
    """`ending` and `words`: how the run ends and what it says, in its reason or (where it goes on) in a note.

    `same`: the LoRA is that of the undisturbed run to the last bit, else to rounding.
    """

    name: str
    inject: Inject
    ending: str
    words: str
    changes: dict[str, Any] = field(default_factory=dict)
    same: bool = True


def out_of_memory(*_: Any, **__: Any) -> Any:
    raise torch.OutOfMemoryError(OUT_OF_MEMORY)


def broken(*_: Any, **__: Any) -> Any:
    raise ValueError("a broken part")


class _Calls:
    """Does something else at certain calls of `real`, counted from 1."""

    def __init__(self, real: Any, instead: Callable[..., Any], at: set[int] | None) -> None:
        self.real, self.instead, self.at, self.count = real, instead, at, 0

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        """As a function of a class is bound."""
        if owner is None:
            return self
        return lambda *args, **kwargs: self(owner, *args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.count += 1
        if self.at is None or self.count in self.at:
            return self.instead(*args, **kwargs)
        return self.real(*args, **kwargs)


def at_calls(place: str, instead: Callable[..., Any], *numbers: int) -> Inject:
    """`instead` of the function at `place`, at those calls (none given: at all)."""

    @contextmanager
    def inject(owner: TinyOwner, run: Run) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            owner_of_it, name = _found(place)
            patch.setattr(owner_of_it, name, _Calls(getattr(owner_of_it, name), instead, set(numbers) or None))
            yield

    return inject


def _found(place: str) -> tuple[Any, str]:
    from importlib import import_module

    path, _, name = place.rpartition(".")
    try:
        return import_module(path), name
    except ModuleNotFoundError:
        module, _, kind = path.rpartition(".")
        return getattr(import_module(module), kind), name


def at_micro_batches(number: int, action: Callable[..., Any] = out_of_memory) -> Inject:
    return lambda owner, run: at_micro_batch(number, action)


def not_a_number(number: int, value: float = math.nan) -> Inject:
    """The loss of that micro-batch is `value`."""
    real = UpdateRunner._micro_batch

    def poisoned(*args: Any) -> Any:
        return real(*args) * 0 + value

    return at_calls(MICRO_BATCH, poisoned, number)


def exploding_from(number: int) -> Inject:
    real = UpdateRunner._micro_batch

    def exploded(*args: Any) -> Any:
        return real(*args) + 20.0

    return at_calls(MICRO_BATCH, exploded, *range(number, number + 1000))


def refused_writes(code: int, from_update: int = 0) -> Inject:
    """The disk takes nothing any more, from an update on."""

    @contextmanager
    def inject(owner: TinyOwner, run: Run) -> Iterator[None]:
        refused = [from_update == 0]

        def before(write: Write) -> None:
            if refused[0] and write.call not in ("unlink", "rmdir"):
                raise OSError(code, os.strerror(code))

        with (
            after_updates({from_update: lambda: refused.__setitem__(0, True)}),
            watched_writes(owner.folders.loras, before),
        ):
            yield

    return inject


@contextmanager
def slow_disk(owner: TinyOwner, run: Run) -> Iterator[None]:
    """Each write takes its time."""
    with watched_writes(owner.folders.loras, lambda write: time.sleep(0.004)):
        yield


def _torch_disk_full(*_: Any, **__: Any) -> None:
    raise RuntimeError("[enforce fail at inline_container.cc:664] . PytorchStreamWriter failed writing file data/0")


def _safetensors_disk_full(*_: Any, **__: Any) -> None:
    from safetensors import SafetensorError

    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@contextmanager
def without_network(owner: TinyOwner, run: Run) -> Iterator[None]:
    """Nothing may even be tried: a try would wait for hours where the hub can't be reached."""
    tried: list[Any] = []

    def refuse(*args: Any, **kwargs: Any) -> Any:
        tried.append(args)
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HF_HUB_OFFLINE", raising=False)
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield
    assert tried == []


# noise is drawn per micro-batch
QUIET = {"dropout": 0.0, "neftune_noise_alpha": 0.0, "learning_rate": 1e-3, "gradient_checkpointing": "off"}
TOO_LARGE = "Out of memory with 2 blocks at once; this update and the next ones take 1 at a time"
FIRST_STEP = "torch.optim.adamw.AdamW.step"
SAMPLES = {"sample_prompts": "The lamp", "sample_tokens": 3, "sample_steps": 2}

MEMORY = (
    Fault("the first micro-batch", at_micro_batches(1), "finished", TOO_LARGE, QUIET, same=False),
    Fault("a micro-batch in the middle", at_micro_batches(6), "finished", TOO_LARGE, QUIET, same=False),
    Fault("the last micro-batch of an update", at_micro_batches(10), "finished", TOO_LARGE, QUIET, same=False),
    Fault(
        "a forward pass",
        at_calls("transformers.models.llama.modeling_llama.LlamaMLP.forward", out_of_memory, 9),
        "finished",
        TOO_LARGE,
        QUIET,
        same=False,
    ),
    Fault(
        "a backward pass",
        at_calls("accelerate.Accelerator.backward", out_of_memory, 4),
        "finished",
        TOO_LARGE,
        QUIET,
        False,
    ),
    Fault(
        "each micro-batch of one block",
        at_calls(MICRO_BATCH, out_of_memory, *range(9, 20)),
        "failed",
        "set Gradient Checkpoint to auto",
        {"gradient_checkpointing": "off"},
    ),
    Fault("a micro-batch while layers are left to checkpoint", at_micro_batches(6), "finished", "1 of 2 layers"),
    Fault(
        "the first optimizer step",
        at_calls(FIRST_STEP, out_of_memory, 1),
        "finished",
        "Out of memory in the optimizer's step; memory was freed and the step taken again",
    ),
    Fault(
        "a later optimizer step",
        at_calls(FIRST_STEP, out_of_memory, 5),
        "finished",
        "Out of memory in the optimizer's step; memory was freed and the step taken again",
    ),
    Fault(
        "an optimizer step, twice",
        at_calls(FIRST_STEP, out_of_memory, 5, 6),
        "failed",
        "choose an 8-bit or paged optimizer",
    ),
    Fault(
        "clipping the gradient",
        at_calls("accelerate.Accelerator.clip_grad_norm_", out_of_memory, 5),
        "failed",
        "Out of memory while training tiny",
    ),
    Fault(
        "an evaluation",
        at_calls(f"{TRAIN}.loop.evaluation.pad", out_of_memory, 3),
        "finished",
        "Out of memory in the evaluation",
        same=True,
    ),
    Fault(
        "an evaluation of one block",
        at_calls(f"{TRAIN}.loop.evaluation.pad", out_of_memory, *range(5, 20)),
        "failed",
        "Out of memory while evaluating one block",
    ),
    Fault(
        "a sample",
        at_calls(f"{TRAIN}.job.measured_answer", out_of_memory, 2),
        "finished",
        "The run continues without it",
        SAMPLES,
    ),
    Fault(
        "saving a checkpoint, once", at_calls(f"{TRAIN}.loop.trainer.save_adapter", out_of_memory, 2), "finished", ""
    ),
    Fault(
        "saving a checkpoint, twice",
        at_calls(f"{TRAIN}.loop.trainer.save_adapter", out_of_memory, 2, 3),
        "finished",
        "this checkpoint was left out",
    ),
    Fault("saving the LoRA, once", at_calls(f"{TRAIN}.model.adapter.save_adapter", out_of_memory, 1), "finished", ""),
    Fault(
        "saving the LoRA, twice",
        at_calls(f"{TRAIN}.model.adapter.save_adapter", out_of_memory, 1, 2),
        "failed",
        "resume the run from its newest checkpoint",
    ),
    Fault(
        "loading the model",
        at_calls("tests.training.tiny.TinyOwner.trainable_model", out_of_memory, 1),
        "failed",
        "Out of memory while training tiny",
    ),
    Fault(
        "the snapshot of the model",
        at_calls(f"{TRAIN}.model.snapshot._module_state", out_of_memory, 4),
        "failed",
        "Out of memory while training tiny",
    ),
    Fault(
        "putting the LoRA on",
        at_calls("peft.get_peft_model", out_of_memory, 1),
        "failed",
        "Out of memory while training tiny",
    ),
    Fault(
        "giving the model back", at_calls(f"{TRAIN}.model.snapshot._restore_module", out_of_memory, 7), "finished", ""
    ),
    Fault(
        "the picture",
        at_calls(f"{TRAIN}.results.draw_graph", out_of_memory, 1),
        "finished",
        "writing how the run ended",
    ),
)

DISK = (
    Fault("a full disk from the start", refused_writes(errno.ENOSPC), "failed", "the disk is full; free some space"),
    Fault("a full disk later", refused_writes(errno.ENOSPC, 3), "failed", "the disk is full; free some space"),
    Fault("a read-only folder", refused_writes(errno.EROFS), "failed", "the disk is read-only; choose a folder"),
    Fault("read-only from an update on", refused_writes(errno.EROFS, 5), "failed", "the disk is read-only"),
    Fault("permission lost", refused_writes(errno.EACCES, 4), "failed", "there is no permission; allow writing"),
    Fault("a disk with a fault", refused_writes(errno.EIO, 2), "failed", "the disk reported a fault; check the disk"),
    Fault("a slow disk", slow_disk, "finished", ""),
    Fault(
        "a full disk inside torch", at_calls("torch.save", _torch_disk_full, 3), "failed", "ree some space on the disk"
    ),
    Fault(
        "a full disk inside safetensors",
        at_calls("safetensors.torch.save_file", _safetensors_disk_full, 2),
        "failed",
        "ree some space on the disk",
    ),
)

PARTS = (
    Fault("a loss that is no number", not_a_number(9), "wrong", "The loss became nan at update 5. The LoRA is that of"),
    Fault("an infinite loss", not_a_number(10, math.inf), "wrong", "The loss became inf at update 6. The LoRA is"),
    Fault(
        "a gradient that is no number",
        at_calls("accelerate.Accelerator.clip_grad_norm_", lambda *_: torch.tensor(math.nan), 7),
        "wrong",
        "The gradient became nan at update 7. The LoRA is that of",
    ),
    Fault(
        "a row that raises",
        at_calls("tests.training.tiny.TinySamples.__getitem__", broken, 3),
        "failed",
        "can't be read (ValueError: a broken part)",
    ),
    Fault(
        "a row of the evaluation that raises",
        at_calls("tests.training.tiny.TinySamples.__getitem__", broken, 19),
        "failed",
        "can't be read (ValueError: a broken part)",
    ),
    Fault(
        "a callback that raises",
        at_calls(f"{TRAIN}.behaviours.meter.Meter.after_update", broken, 5),
        "failed",
        "ValueError: a broken part (the log has the details)",
    ),
    Fault(
        "a callback that raises at the start",
        at_calls(f"{TRAIN}.behaviours.steered.Pause.before_update", broken, 1),
        "failed",
        "ValueError: a broken part (the log has the details)",
    ),
    Fault(
        "a sample that raises",
        at_calls(f"{TRAIN}.job.measured_answer", broken, 2),
        "finished",
        "The run continues without it",
        SAMPLES,
    ),
    Fault(
        "a log that raises",
        at_calls(f"{TRAIN}.behaviours.tensorboard_wandb.TensorBoardWriter.write", broken, 2),
        "finished",
        "The run continues without it",
        {"report_to": "tensorboard"},
    ),
    Fault(
        "an evaluation that raises",
        at_calls(f"{TRAIN}.loop.evaluation.pad", broken, 5),
        "failed",
        "ValueError: a broken part",
    ),
    Fault(
        "a picture that raises",
        at_calls(f"{TRAIN}.results.draw_graph", broken, 1),
        "finished",
        "writing how the run ended",
    ),
    Fault(
        "a loss that explodes",
        exploding_from(31),
        "wrong",
        "The loss exploded:",
        {"epochs": 10.0},
    ),
    Fault("no hub and no network", without_network, "finished", "", SAMPLES),
)
