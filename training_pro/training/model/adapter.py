"""Puts a fresh LoRA on the loaded model and writes it to disk.

The weights of the host's model are not touched: no `prepare_model_for_kbit_training` (it would cast norms of a
half-precision model to fp32), no global PEFT mapping. What PEFT changes in the model is undone by
`training_pro.training.model.snapshot`.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pro.errors import ModelError
from training_pro.record.adapter_files import CONFIG_FILE, WEIGHTS_FILE
from training_pro.settings import Settings
from training_pro.training.model import heads
from training_pro.training.model.targets import Targets, resolve_targets

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
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
    """A new LoRA on `model`, its A matrices drawn from `seed`; all of it in training mode.

    Raises:
        ModelError: no such target, or an option that this model can't do.
    """
    import torch
    from peft import get_peft_model

    targets = resolve_targets(model, settings.targets, settings.target_modules)
    config = lora_config(settings, targets, heads.head_names(model) if settings.train_head else [])
    tied = heads.is_tied(model)
    torch.manual_seed(seed)
    try:
        with heads.peft_tying_unasked():
            wrapped = get_peft_model(model, config)
    except (ValueError, TypeError, NotImplementedError, ImportError, AttributeError) as error:
        logger.info("PEFT refused", exc_info=error)
        raise ModelError(f"PEFT can't put this LoRA on the model ({str(error)[:200]}); {_way_out(settings)}") from error
    if settings.train_head:
        heads.make_ready(wrapped, model, tied)
    notes = (*targets.notes, heads.TIED_NOTE) if settings.train_head and tied else targets.notes
    trainable, total = wrapped.get_nb_trainable_parameters()
    wrapped.config.use_cache = False
    wrapped.train()
    return Attached(wrapped, targets, trainable, total, notes)


def lora_config(settings: Settings, targets: Targets, head_names: list[str]) -> LoraConfig:
    """PEFT's form of the settings."""
    from peft import LoraConfig, TaskType

    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.lora_alpha_used(),
        lora_dropout=settings.dropout,
        use_rslora=settings.use_rslora,
        use_dora=settings.use_dora,
        target_modules=list(targets.names),
        modules_to_save=head_names or None,
        bias="none",
        task_type=TaskType.CAUSAL_LM,
    )


def _way_out(settings: Settings) -> str:
    options = [label for label, on in (("Use DoRA", settings.use_dora), ("Train Head", settings.train_head)) if on]
    return f"turn off {' and '.join(options)}, or choose other targets." if options else "choose other targets."


def trained_tensors(model: PeftModel) -> dict[str, Any]:
    """What learns, by name; a tensor that has two names is under both."""
    return {name: p for name, p in model.named_parameters(remove_duplicate=False) if p.requires_grad}


def adapter_tensors(model: PeftModel) -> dict[str, Any]:
    """The active LoRA's tensors on the CPU; of a sharded model all processes must ask for them."""
    from peft import get_peft_model_state_dict

    state = get_peft_model_state_dict(model, state_dict=trained_tensors(model), save_embedding_layers=False)
    return {name: whole_tensor(tensor.detach()).to("cpu").clone().contiguous() for name, tensor in state.items()}


def whole_tensor(tensor: Any) -> Any:
    """The tensor itself, or all of one that is sharded."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Write ``adapter_config.json`` and ``adapter_model.safetensors`` of the active LoRA into `folder`.

    PEFT's own `save_pretrained` would collect the whole model (which unpacks quantized layers), ask the hub what the
    base model's vocabulary was, and write a model card.

    Guarantees: the same LoRA gives the same bytes, in any process.
    """
    from safetensors.torch import save_file

    tensors = adapter_tensors(model)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    (folder / CONFIG_FILE).write_text(_config_text(model), encoding="utf-8")


def _config_text(model: PeftModel) -> str:
    values: dict[str, Any] = model.active_peft_config.to_dict()
    values["inference_mode"] = True
    in_order = {name: sorted(value) if isinstance(value, (set, list)) else value for name, value in values.items()}
    return json.dumps(in_order, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
