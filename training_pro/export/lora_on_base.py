"""A LoRA attached to its base model in memory, with PEFT.

A LoRA can come from the text part alone ("model.layers.0") and the base be the whole multimodal model
("model.language_model.layers.0"): then its names are adapted, and only the text part gets it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from training_pro.errors import ModelError
from training_pro.export.lora_source import Lora
from training_pro.hosts.loaded import loading_errors
from training_pro.hosts.lora_words import make_room
from training_pro.record.adapter_files import WEIGHTS_FILE
from training_pro.words import reason_of

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

WRAPPING = "base_model.model."
TEXT_PART = re.compile(r"^(?:model\.)?language_model\.(?:model\.)?")


def attach_lora(model: PreTrainedModel, lora: Lora) -> PeftModel:
    """`model` with `lora` on it. Modules that were trained as a whole stay in float32 until they are saved.

    Raises:
        ModelError: the LoRA doesn't fit.
    """
    make_room(model, lora.folder)
    trained = tuple(f".{name}" for name in lora.config.get("modules_to_save") or ())
    for name, module in model.named_modules():
        if f".{name}".endswith(trained):
            module.float()
    try:
        prefix = _text_prefix(model, lora)
        if prefix is not None:
            return _on_text_part(model, lora, prefix)
        from peft import PeftModel

        return PeftModel.from_pretrained(model, str(lora.folder), is_trainable=False)
    except loading_errors() as error:
        reason = reason_of(error)
        raise ModelError(
            f"The LoRA {lora.name} doesn't fit {lora.base.name} ({reason}). "
            "It was trained on another model or is damaged; give the folder of its own base model.",
            option="--model DIR",
        ) from error


def _text_prefix(model: PreTrainedModel, lora: Lora) -> str | None:
    """What stands for "model." before the LoRA's module names in `model`; None: the names are the same."""
    adapted = _adapted(lora)
    names = {name for name, _ in model.named_modules()}
    strange = next((name for name in adapted if name not in names and name.startswith("model.")), None)
    whole: dict[str, str] = {TEXT_PART.sub("model.", name): name for name in names if TEXT_PART.match(name)}
    if strange is None or strange not in whole:
        return None
    return whole[strange].removesuffix(strange.removeprefix("model."))


def _adapted(lora: Lora) -> list[str]:
    """The names of the modules that the LoRA adapts."""
    found = (re.match(r"(.+?)(?:\.base_layer)*\.lora_(?:embedding_)?[AB]", name) for name in lora.info.shapes)
    return sorted({match[1].removeprefix(WRAPPING) for match in found if match})


def _on_text_part(model: PreTrainedModel, lora: Lora, prefix: str) -> PeftModel:
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file

    config = LoraConfig.from_pretrained(str(lora.folder))
    config.inference_mode = True
    config.target_modules = {_renamed(name, prefix) for name in _adapted(lora)}
    wrapped = get_peft_model(model, config)
    weights = load_file(lora.folder / WEIGHTS_FILE)
    renamed = {WRAPPING + _renamed(name.removeprefix(WRAPPING), prefix): tensor for name, tensor in weights.items()}
    result = set_peft_model_state_dict(wrapped, renamed)
    if result.unexpected_keys:
        raise ValueError(f"it has no {result.unexpected_keys[0]}")
    return wrapped


def _renamed(name: str, prefix: str) -> str:
    return prefix + name.removeprefix("model.") if name.startswith("model.") else name
