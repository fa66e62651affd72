"""What an export will take, before it begins: size, free disk, memory. Costs a second or so, without weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from training_pro.export.base_model import ITEM_BYTES, describe_base
from training_pro.export.gguf_lora import gguf_place
from training_pro.export.lora_source import Lora
from training_pro.export.merge import merged_place
from training_pro.export.room import free_memory_bytes
from training_pro.folders import Folders
from training_pro.record.whole_files import free_disk_bytes
from training_pro.words import size_words


@dataclass(frozen=True)
class ExportForecast:
    """`memory_bytes` 0: next to none."""

    target: Path
    size_bytes: int
    free_disk_bytes: int
    memory_bytes: int
    free_memory_bytes: int

    @property
    def fits(self) -> bool:
        return self.size_bytes <= self.free_disk_bytes and self.memory_bytes <= self.free_memory_bytes

    def words(self) -> str:
        """One sentence for a person."""
        disk = f"about {size_words(self.size_bytes)}, and its disk has {size_words(self.free_disk_bytes)} free"
        memory = (
            f" It takes about {size_words(self.memory_bytes)} of memory; {size_words(self.free_memory_bytes)} are free."
            if self.memory_bytes
            else ""
        )
        return f"{self.target} will have {disk}.{memory}"


def merge_forecast(lora: Lora, folders: Folders, dtype: str) -> ExportForecast:
    """Of a merged model.

    Raises:
        ModelError: the base model can't be read.
    """
    base = describe_base(lora.base)
    return _forecast(merged_place(folders, lora), base.weights * ITEM_BYTES[dtype], base.merging_bytes(dtype))


def gguf_forecast(lora: Lora, dtype: str) -> ExportForecast:
    """Of a GGUF LoRA."""
    numbers = sum(math.prod(shape) for shape in lora.info.shapes.values())
    target = gguf_place(lora, "float16" if dtype == "float16" else "float32")
    return _forecast(target, numbers * ITEM_BYTES[dtype], 0)


def _forecast(target: Path, size_bytes: int, memory_bytes: int) -> ExportForecast:
    return ExportForecast(target, size_bytes, free_disk_bytes(target), memory_bytes, free_memory_bytes())
