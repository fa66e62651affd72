"""Puts a fresh LoRA (or one to go on with) on the loaded model and writes it to disk again.

The weights of the host's model are not touched: no `prepare_model_for_kbit_training` (it would cast norms of a
half-precision model to fp32), no global PEFT mapping. What PEFT changes in the model is undone by
`training_pro.training.snapshot`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training_pro.errors import ModelError
from training_pro.settings import Settings
from training_pro.training.targets import Targets, resolve_targets

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attached:
    """The model with its LoRA, what was targeted, and how many numbers learn."""

    model: PeftModel
    targets: Targets
    trainable_parameters: int
    all_parameters: int
    notes: tuple[str, ...] = ()


def attach(model: PreTrainedModel, settings: Settings, seed: int) -> Attached:
    """A new LoRA on `model`, its A matrices drawn from `seed`.

    Raises:
        ModelError: no such target, or an option that this model can't do.
    """
    import torch
    from peft import LoraConfig, TaskType, get_peft_model

    targets = resolve_targets(model, settings.targets, settings.target_modules)
    heads, notes = _heads(model) if settings.train_head else ([], [])
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.lora_alpha_used(),
        lora_dropout=settings.dropout,
        use_rslora=settings.use_rslora,
        use_dora=settings.use_dora,
        target_modules=list(targets.modules),
        modules_to_save=heads or None,
        bias="none",
        task_type=TaskType.CAUSAL_LM,
    )
    if heads and _is_tied(model):
        config.ensure_weight_tying = True
    torch.manual_seed(seed)
    try:
        wrapped = get_peft_model(model, config)
    except (ValueError, TypeError, NotImplementedError, ImportError) as error:
        raise ModelError(
            f"PEFT can't put this LoRA on the model ({error}); choose other targets or options."
        ) from error
    return _attached(wrapped, targets, tuple(notes))


def _attached(wrapped: PeftModel, targets: Targets, notes: tuple[str, ...]) -> Attached:
    trainable, total = wrapped.get_nb_trainable_parameters()
    wrapped.config.use_cache = False
    return Attached(wrapped, targets, trainable, total, (*targets.notes, *notes))


def _is_tied(model: PreTrainedModel) -> bool:
    output, given = model.get_output_embeddings(), model.get_input_embeddings()
    return output is not None and getattr(output, "weight", None) is getattr(given, "weight", object())


def _heads(model: PreTrainedModel) -> tuple[list[str], list[str]]:
    """Names of the embedding and head modules to train fully."""
    output, given = model.get_output_embeddings(), model.get_input_embeddings()
    names = {id(module): name for name, module in model.named_modules()}
    found = [names[id(m)].rsplit(".", 1)[-1] for m in (given, output) if m is not None and id(m) in names]
    if not found:
        raise ModelError("Train Head is on, but this model names no embeddings or head; turn it off.")
    tied = (
        ["Embeddings and head share their weights in this model; they are trained as one."] if _is_tied(model) else []
    )
    return found, tied


def load_weights(attached: Attached, folder: Path) -> None:
    """Put the weights of the adapter in `folder` into the attached LoRA ("on top of the weights").

    Raises:
        ModelError: the adapter is missing, broken or of another shape.
    """
    from peft import set_peft_model_state_dict
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / "adapter_model.safetensors"
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"The adapter {path} can't be read ({error}); choose another run or checkpoint.") from None
    try:
        result = set_peft_model_state_dict(attached.model, state)
    except RuntimeError as error:
        reason = str(error).split("\n")[0]
        raise ModelError(
            f"The adapter {path} does not fit these settings ({reason}); use its own rank and targets."
        ) from None
    missing = [key for key in getattr(result, "missing_keys", []) if "lora_" in key]
    if missing or getattr(result, "unexpected_keys", None):
        raise ModelError(f"The adapter {path} has other targets than these settings; use its own targets.")


def save_adapter(model: PeftModel, folder: Path, train_head: bool) -> None:
    """Write ``adapter_config.json`` and ``adapter_model.safetensors`` of the active LoRA into `folder`.

    `save_embedding_layers` is given: PEFT would else ask the hub what the base model's vocabulary was.
    """
    model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=train_head)
    (folder / "README.md").unlink(missing_ok=True)
