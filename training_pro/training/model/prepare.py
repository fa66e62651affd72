"""The loaded model made ready to be trained, the same for a run and for a trial. To be undone by a snapshot."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from training_pro.errors import ModelError
from training_pro.settings import Settings
from training_pro.training.memory.checkpointing import NOT_POSSIBLE, Checkpointing, layers_at_first
from training_pro.training.model.adapter import Attached, attach
from training_pro.training.model.chunked_loss import make_lean
from training_pro.training.model.cpu_packing import prepare_for_training
from training_pro.training.model.new_rows import lengthen
from training_pro.training.model.new_words import NO_WORDS, NewWords
from training_pro.training.model.precision import DeviceFacts
from training_pro.training.model.run_dtype import compute_as_the_run
from training_pro.training.several.sharding import spread

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# Variables of the environment that say which cards a program sees; ROCm reads NVIDIA's too.
_SEES_ONLY = {"cuda": "CUDA_VISIBLE_DEVICES", "xpu": "ZE_AFFINITY_MASK"}


def ready(
    model: PreTrainedModel, settings: Settings, on_note: Callable[[str], None], words: NewWords = NO_WORDS
) -> Attached:
    """`model` with a fresh LoRA, rows for new `words`, the loss that training wants, and checkpointing as set ("auto":
    none yet).

    Raises:
        ModelError: no such target, an option that this model can't do, or a card that can't train.
    """
    if words and spread() != "copies":
        raise ModelError(
            "New words can't be trained while the model is sharded over several devices; leave New words empty.",
            option="--set new_words=",
            setting="new_words",
        )
    if words:
        lengthen(model, words.rows)
    weight = model.get_input_embeddings().weight
    _check_card(weight.device)
    if weight.device.type == "cpu":
        prepare_for_training(model)
    said = compute_as_the_run(model, DeviceFacts.of(weight.device), weight.dtype)
    if said:
        on_note(said)
    loss = make_lean(model, may_chunk=spread() == "copies")
    attached = attach(model, settings, settings.seed, words)
    for note in (*loss.notes, *attached.notes):
        on_note(note)
    checkpointing = Checkpointing.of(model)
    if settings.gradient_checkpointing == "on" and not checkpointing.layers:
        raise ModelError(NOT_POSSIBLE, option="--set gradient_checkpointing=off", setting="gradient_checkpointing")
    checkpointing.use(layers_at_first(settings, len(checkpointing.layers)) or 0)
    return attached


def _check_card(device: torch.device) -> None:
    """transformers' Trainer works on the first card; of several processes, each on its own.

    Raises:
        ModelError: the model is on another one.
    """
    own = int(os.environ.get("LOCAL_RANK", 0))
    if device.type in _SEES_ONLY and device.index not in (None, own):
        raise ModelError(
            f"The model is on graphics card {device.index}, but training runs on card {own}. Start this program so "
            f"that it sees only that card: {_SEES_ONLY[device.type]}={device.index}."
        )
