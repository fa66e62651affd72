"""Puts a fresh LoRA on the loaded model and writes it to disk.

The weights of the host's model are not touched: no `prepare_model_for_kbit_training` (it would cast norms of a
half-precision model to fp32), no global PEFT mapping. What PEFT changes in the model is undone by
`training_pro.training.model.snapshot`.
"""

from __future__ import annotations

import json
import logging
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pro.errors import ModelError
from training_pro.record.adapter_files import CONFIG_FILE, WEIGHTS_FILE
from training_pro.settings import Settings
from training_pro.training.memory.out_of_memory import is_out_of_memory
from training_pro.training.model import heads
from training_pro.training.model.new_rows import indices_for, make_rows_ready
from training_pro.training.model.new_words import NO_WORDS, NewWords
from training_pro.training.model.targets import Targets, resolve_targets
from training_pro.words import gigabytes

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


def attach(model: PreTrainedModel, settings: Settings, seed: int, words: NewWords = NO_WORDS) -> Attached:
    """A new LoRA on `model`, its A matrices drawn from `seed`; all of it in training mode. The rows of new `words`
    learn beside it.

    Raises:
        ModelError: no such target, or an option that this model can't do.
    """
    import torch
    from peft import get_peft_model

    targets = targets_of(model, settings)
    config = lora_config(settings, targets, heads.head_names(model) if settings.train_head else [])
    config.trainable_token_indices = indices_for(model, words)
    tied = heads.is_tied(model)
    torch.manual_seed(seed)
    try:
        with heads.peft_tying_unasked():
            wrapped = get_peft_model(model, config)
    except (ValueError, TypeError, NotImplementedError, ImportError, AttributeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        logger.info("PEFT refused", exc_info=error)
        raise _refusal(textwrap.shorten(str(error), 200, placeholder=" ..."), settings) from error
    _check_adapted(wrapped, targets, settings)
    if settings.train_head:
        heads.make_ready(wrapped, model, tied)
    notes = target_notes(targets, settings, _quantization(model))
    notes += [make_rows_ready(wrapped, model, words)] if words else []
    notes += [heads.TIED_NOTE] if settings.train_head and tied else []
    trainable, total = wrapped.get_nb_trainable_parameters()
    wrapped.config.use_cache = False
    wrapped.train()
    return Attached(wrapped, targets, trainable, total, tuple(notes))


def targets_of(model: PreTrainedModel, settings: Settings) -> Targets:
    """What `settings` put a LoRA on.

    Raises:
        ModelError: no such target, or the settings can't be used together on this model.
    """
    targets = resolve_targets(model, settings.targets, settings.target_modules, with_experts=settings.train_experts)
    _refuse_heads_twice(targets, settings)
    if targets.parameters and settings.use_dora:
        raise ModelError(
            "Use DoRA and Train Experts are both on, and experts that share one tensor can't learn with DoRA; turn one "
            "of them off.",
            option=("--set use_dora=off", "--set train_experts=off"),
            setting="use_dora",
        )
    return targets


def _refuse_heads_twice(targets: Targets, settings: Settings) -> None:
    """Raises:
    ModelError: head or embeddings would learn in two ways at once.
    """
    if not settings.new_words.strip():
        return
    if settings.train_head:
        raise ModelError(
            "New words and Train Head are both given, and Train Head trains all words already; turn it off, or leave "
            "New words empty.",
            option=("--set train_head=off", "--set new_words="),
            setting="new_words",
        )
    head = next((name for name in targets.modules if name.rpartition(".")[2] in ("lm_head", "embed_out")), "")
    if head:
        raise ModelError(
            f"The own list of targets has {head}, whose new words can't learn beside a LoRA on it; take it off the "
            "list, or leave New words empty.",
            option="--set new_words=",
            setting="target_modules",
        )


def lora_config(settings: Settings, targets: Targets, head_names: list[str]) -> LoraConfig:
    """PEFT's form of the settings."""
    from peft import LoraConfig, TaskType

    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.lora_alpha_used(),
        lora_dropout=0.0 if targets.parameters else settings.dropout,
        use_rslora=settings.use_rslora,
        use_dora=settings.use_dora,
        target_modules=list(targets.names),
        target_parameters=list(targets.parameters) or None,
        modules_to_save=head_names or None,
        bias="none",
        task_type=TaskType.CAUSAL_LM,
    )


def target_notes(targets: Targets, settings: Settings, quantization: str) -> list[str]:
    """What a person should know about what learns, on a model that is loaded in `quantization`."""
    notes = list(targets.notes)
    if targets.parameters and settings.dropout:
        notes.append(
            f"LoRA Dropout is 0 in this run instead of {settings.dropout:g}: experts can't be trained with dropout."
        )
    if targets.unquantized_bytes and quantization != "none":
        notes.append(
            f"The experts of this model stay in 16 bit ({gigabytes(targets.unquantized_bytes)}) though it is loaded in "
            f"{quantization}: bitsandbytes quantizes only layers that are modules of their own."
        )
    return notes


def _quantization(model: PreTrainedModel) -> str:
    kinds = {"4-bit": "is_loaded_in_4bit", "8-bit": "is_loaded_in_8bit"}
    return next((kind for kind, name in kinds.items() if getattr(model, name, False)), "none")


def _check_adapted(wrapped: PeftModel, targets: Targets, settings: Settings) -> None:
    """Raises:
    ModelError: PEFT has adapted something else than was resolved.
    """
    wanted = {*targets.modules, *(tensor.name for tensor in targets.experts)}
    adapted = set(adapted_names(wrapped))
    if adapted == wanted:
        return
    more, less = sorted(adapted - wanted), sorted(wanted - adapted)
    found = [f"also {more[0]}"] if more else []
    found += [f"not {less[0]}"] if less else []
    raise _refusal(f"it would adapt {' and '.join(found)}", settings)


def adapted_names(model: PeftModel) -> list[str]:
    """Full names, in the base model, of the modules and tensors that have a LoRA."""
    from peft.tuners.lora import LoraLayer

    found = []
    for name, module in model.base_model.model.named_modules():
        if isinstance(module, LoraLayer) and len(module.lora_A):
            own = name.replace(".base_layer", "")
            tensor = getattr(module, "parameter_name", "")
            found.append(f"{own}.{tensor}" if tensor else own)
    return found


def untaught(model: PeftModel) -> list[str]:
    """Names of the LoRAs that the backward pass has given no gradient; [] where nothing at all has one.

    To be asked after the first backward pass. Costs a look at each B matrix.
    """
    silent, any_taught = [], False
    for name, parameter in model.named_parameters():
        if ".lora_B." not in name or not parameter.requires_grad:
            continue
        if parameter.grad is None or not bool(parameter.grad.any()):
            silent.append(name.partition(".lora_B.")[0].removeprefix("base_model.model.").replace(".base_layer", ""))
        else:
            any_taught = True
    return silent if any_taught else []


def untaught_note(model: PeftModel) -> str:
    """A sentence on the LoRAs that learn nothing; "" where all do."""
    silent = untaught(model)
    if not silent:
        return ""
    shown = ", ".join(silent[:_SHOWN]) + (f" and {len(silent) - _SHOWN} more" if len(silent) > _SHOWN else "")
    return f"{len(silent)} LoRA layers got no gradient and learn nothing: {shown}. Choose other Target Projections."


_SHOWN = 5


def _refusal(reason: str, settings: Settings) -> ModelError:
    """The error for a LoRA that PEFT can't make, with the ways out."""
    on = [("Use DoRA", "use_dora", settings.use_dora), ("Train Head", "train_head", settings.train_head)]
    on.append(("Train Experts", "train_experts", settings.train_experts))
    labels = [label for label, _, is_on in on if is_on]
    way_out = f"turn off {' and '.join(labels)}, or choose other targets." if labels else "choose other targets."
    options = tuple(f"--set {name}=off" for _, name, is_on in on if is_on)
    return ModelError(
        f"PEFT can't add this LoRA to the model ({reason}); {way_out}",
        option=(*options, "--set targets=q-v"),
        setting="targets",
    )


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
