"""A LoRA merged into its base model and saved as a model folder of its own.

Each layer is merged by PEFT in float32 and only then rounded to what is saved, one layer after the other: the
memory is that of the model and one layer, the time that of reading and writing it. The base's own weights are
taken from disk, never the 4-bit ones that a run learned over, unless there are no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from training_pro.errors import ModelError
from training_pro.export.base_model import ITEM_BYTES, BaseModel, describe_base, load_unquantized
from training_pro.export.lora_source import Lora
from training_pro.export.merge_layers import Rounding, merge_all
from training_pro.export.merged_folder import MergeFacts, is_merged_folder, save_merged
from training_pro.export.room import check_memory, check_place, check_space
from training_pro.folders import Folders
from training_pro.hosts.loaded import loading_errors
from training_pro.hosts.model_folder import check_model_folder
from training_pro.progress import Progress, no_progress
from training_pro.record.adapter_files import check_fits

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

DtypeName = Literal["bfloat16", "float16", "float32"]


@dataclass(frozen=True)
class Merged:
    """A merged model on disk. `notes`: what a person should know of its weights, one sentence each."""

    folder: Path
    weights_bytes: int
    rounding: Rounding
    notes: tuple[str, ...]


def merged_place(folders: Folders, lora: Lora) -> Path:
    """Where a merged model goes unless told otherwise: among the host's models, named after base and LoRA."""
    return folders.models / f"{lora.base.name}-{lora.name}"


def merge_lora(
    lora: Lora, target: Path, *, dtype: DtypeName = "bfloat16", replace: bool = False, progress: Progress = no_progress
) -> Merged:
    """Merge `lora` into its base and save the model to `target`, with config and tokenizer.

    `replace`: an older merged model at `target` gives way once the new one is whole.

    Guarantees: `target` is whole or as it was; base and LoRA are only read.

    Raises:
        ModelError: the base can't be read, is another model than the LoRA's, or the LoRA can't be merged.
        RunError: the place is taken, or disk or memory do not suffice.
        Cancelled: `progress` wanted no more.
    """
    check_model_folder(lora.base)
    base = describe_base(lora.base)
    check_fits(lora.info, base.linears)
    check_place(target, replace, is_merged_folder)
    check_space(target, base.weights * ITEM_BYTES[dtype])
    check_memory(base.merging_bytes(dtype), f"Merging {lora.name}")
    progress(0, 1, f"reading {base.folder.name}")
    wrapped = _with_lora(load_unquantized(base), lora)
    progress(1, 1, f"reading {base.folder.name}")
    model, rounding = _merged(wrapped, lora, dtype, progress)
    notes = (*_notes(lora, base), _rounding_note(dtype, rounding), *_tying_note(model, base))
    facts = MergeFacts(lora.name, base.folder, dtype, rounding.share, notes)
    size = save_merged(model, target, facts, progress)
    return Merged(target, size, rounding, notes)


def _with_lora(model: PreTrainedModel, lora: Lora) -> PeftModel:
    """The LoRA on the model; what it trained as a whole is held in float32 until it is saved."""
    from peft import PeftModel

    trained = tuple(f".{name}" for name in lora.config.get("modules_to_save") or ())
    for name, module in model.named_modules():
        if f".{name}".endswith(trained):
            module.float()
    try:
        return PeftModel.from_pretrained(model, str(lora.folder), is_trainable=False)
    except loading_errors() as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"The LoRA {lora.name} can't be put on {lora.base.name} ({reason}); "
            "it was trained on another model, or is damaged."
        ) from error


def _merged(wrapped: PeftModel, lora: Lora, dtype: DtypeName, progress: Progress) -> tuple[PreTrainedModel, Rounding]:
    try:
        return merge_all(wrapped, dtype, progress)
    except loading_errors() as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"The LoRA {lora.name} can't be merged: {reason}") from error


def _notes(lora: Lora, base: BaseModel) -> list[str]:
    if base.quantized:
        return [
            f"{base.folder.name} is quantized ({base.quantized}), so its weights were dequantized before merging; "
            "with the folder of the original model the result would be better."
        ]
    if lora.over_4bit:
        return [
            "The LoRA learned over the base in 4-bit and was merged into the original weights in full precision: "
            "answers can differ a little from those seen while training."
        ]
    return []


def _rounding_note(dtype: DtypeName, rounding: Rounding) -> str:
    if rounding.share == 0:
        return f"Saved in {dtype}, which rounds nothing here."
    return f"Saved in {dtype}: rounding moved the merged layers by {rounding.share:.1%} of what the LoRA moves them" + (
        " (--dtype float32 keeps everything and takes twice the space)." if dtype != "float32" else "."
    )


def _tying_note(model: PreTrainedModel, base: BaseModel) -> list[str]:
    was_tied = base.config.get_text_config().tie_word_embeddings
    if not was_tied or model.config.get_text_config().tie_word_embeddings:
        return []
    return ["Embeddings and head were one matrix in the base; the LoRA made them differ, so both are saved."]
