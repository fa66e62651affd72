"""A LoRA merged into its base model and saved as a model folder of its own.

PEFT merges one layer after the other in float32; each is then rounded to the type that is saved. Memory: the model
and one layer. Time: reading and writing the model. The base's weights come from disk, in full precision where the
folder has them, even if the base was in 4-bit while training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from training_pro.errors import ModelError
from training_pro.export.base_model import ITEM_BYTES, BaseModel, describe_base, has_tied_head, load_unquantized
from training_pro.export.lora_on_base import attach_lora
from training_pro.export.lora_source import Lora
from training_pro.export.merge_layers import Rounding, merge_all
from training_pro.export.merged_folder import MergeFacts, is_merged_folder, save_merged
from training_pro.export.room import check_memory, check_place, check_space
from training_pro.folders import Folders
from training_pro.hosts.loaded import loading_errors
from training_pro.hosts.lora_words import tokenizer_folder
from training_pro.hosts.model_folder import check_model_folder
from training_pro.progress import Progress, no_progress
from training_pro.record.adapter_files import check_fits
from training_pro.words import reason_of

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

DtypeName = Literal["bfloat16", "float16", "float32"]
MUCH_ROUNDING = 0.2  # of the LoRA's own change


@dataclass(frozen=True)
class Merged:
    """A merged model on disk. `notes`: what a person should know about its weights, one sentence each."""

    folder: Path
    weights_bytes: int
    rounding: Rounding
    notes: tuple[str, ...]

    @property
    def rounded_away(self) -> bool:
        """Whether rounding has taken a good part of what the LoRA learned, so that another type is worth its space."""
        return self.rounding.share >= MUCH_ROUNDING


def merged_place(folders: Folders, lora: Lora) -> Path:
    """The default folder of a merged model: in the host's models folder, named after base and LoRA."""
    return folders.models / f"{lora.base.name}-{lora.name}"


def merge_lora(
    lora: Lora, target: Path, *, dtype: DtypeName = "bfloat16", replace: bool = False, progress: Progress = no_progress
) -> Merged:
    """Merge `lora` into its base and save the model to `target`, with config and tokenizer.

    `replace`: a complete new model takes the place of an older merged model at `target`.

    Guarantees: `target` is complete or unchanged; base and LoRA are only read.

    Raises:
        ModelError: the base can't be read, is another model than the LoRA's, or the LoRA can't be merged.
        RunError: something is in the way at `target`, or there is too little disk space or memory.
        Cancelled: `progress` cancelled it.
    """
    check_model_folder(lora.base)
    base = describe_base(lora.base)
    check_fits(lora.info, base.linears)
    check_place(target, replace, is_merged_folder)
    check_space(target, base.weights * ITEM_BYTES[dtype])
    check_memory(base.merging_bytes(dtype), f"Merging {lora.name}")
    progress(0, 1, f"reading {base.folder.name}")
    wrapped = attach_lora(load_unquantized(base), lora)
    progress(1, 1, f"reading {base.folder.name}")
    model, rounding = _merged(wrapped, lora, dtype, progress)
    notes = (*_notes(lora, base), _rounding_note(dtype, rounding), *_tying_note(model, base))
    facts = MergeFacts(lora.name, base.folder, dtype, rounding.share, notes, tokenizer_folder(lora.folder))
    size = save_merged(model, target, facts, progress)
    return Merged(target, size, rounding, notes)


def _merged(wrapped: PeftModel, lora: Lora, dtype: DtypeName, progress: Progress) -> tuple[PreTrainedModel, Rounding]:
    try:
        return merge_all(wrapped, dtype, progress)
    except loading_errors() as error:
        reason = reason_of(error)
        raise ModelError(f"The LoRA {lora.name} can't be merged: {reason}") from error


def _notes(lora: Lora, base: BaseModel) -> list[str]:
    if base.quantized:
        return [
            f"{base.folder.name} is quantized ({base.quantized}), so its weights were dequantized before merging. "
            "The folder of the original model (--model DIR) gives a better result."
        ]
    if lora.over_4bit:
        return [
            "The LoRA was trained with the base in 4-bit and is now merged into the weights in full precision: "
            "answers can differ a little from those seen while training."
        ]
    return []


def _rounding_note(dtype: DtypeName, rounding: Rounding) -> str:
    if rounding.share == 0:
        return f"Saved in {dtype} without any rounding."
    share = f"rounding is {100 * rounding.share:.1f} % of the LoRA's change to the merged layers"
    if dtype == "float32":
        return f"Saved in float32: {share}."
    if rounding.share >= MUCH_ROUNDING:
        return (
            f"Save it as float32 (--dtype float32): {dtype} rounds away much of what the LoRA learned; {share}. "
            "float32 rounds nothing and takes twice the space."
        )
    return f"Saved in {dtype}: {share} (--dtype float32 rounds nothing and takes twice the space)."


def _tying_note(model: PreTrainedModel, base: BaseModel) -> list[str]:
    if not has_tied_head(base.config) or has_tied_head(model.config):
        return []
    return ["Embeddings and head share one matrix in the base. The LoRA makes them differ, so both are saved."]
