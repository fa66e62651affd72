"""A merged model as a folder that every tool can read: safetensors, config, the base's tokenizer, a short card."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training_pro.progress import OfBytes, Progress
from training_pro.record.safetensors_file import tensor_places
from training_pro.record.whole_files import rename, staged_folder, write_fault, write_json_whole, write_whole

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

MERGE_FILE = "merged_lora.json"
CARD_FILE = "README.md"
_SHARD_SIZE = "5GB"
_COMPANION_ENDINGS = {".json", ".jinja", ".model", ".txt", ".tiktoken"}
_LEGAL = ("license", "notice", "use_policy")
_NOT_COPIED = {"config.json", "adapter_config.json", MERGE_FILE}
_LOOK_EVERY_S = 0.2
_EXTRA_FILE = "model-extra.safetensors"
_INDEX_FILE = "model.safetensors.index.json"


@dataclass(frozen=True)
class MergeFacts:
    """What the folder says about how it was made."""

    lora: str
    base: Path
    dtype: str
    rounding_share: float
    notes: tuple[str, ...]
    tokenizer: Path | None = None  # where the tokenizer with new words is; None: the base's own


def is_merged_folder(folder: Path) -> bool:
    """Whether `folder` was made by a merge, so that --replace may replace it."""
    return folder.is_dir() and (folder / MERGE_FILE).is_file()


def save_merged(model: PreTrainedModel, target: Path, facts: MergeFacts, progress: Progress) -> int:
    """Save `model` to `target` with the base's tokenizer. Returns the size of the weight files in bytes.

    Raises:
        RunError: the disk refuses; `target` is unchanged.
        Cancelled: `progress` cancelled it.
    """
    from safetensors import SafetensorError
    from transformers import GenerationConfig

    model.generation_config = (
        GenerationConfig()
    )  # the base's own file is copied; transformers would refuse to save odd ones
    saving = OfBytes(f"saving {target.name}")
    total = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with staged_folder(target) as staging:
            _watched(
                lambda: model.save_pretrained(staging, max_shard_size=_SHARD_SIZE),
                lambda: progress(min(_weights_bytes(staging), total), total, saving),
            )
            _add_what_transformers_leaves_out(model, facts.base, staging)
            (staging / "generation_config.json").unlink(missing_ok=True)
            _copy_companions(facts.base, staging)
            _copy_tokenizer(facts.tokenizer, staging)
            _write_facts(staging, target.name, facts)
            size = _weights_bytes(staging)
            progress(total, total, saving)
    except SafetensorError as error:
        raise write_fault(target, _disk_fault(error)) from error
    except OSError as error:
        raise write_fault(target, error) from error
    return size


def _watched(work: Callable[[], object], look: Callable[[], None]) -> None:
    """Do `work()` in a thread and call `look()` every 0.2 s until it has ended, even if `look` raises `Cancelled`."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        while not future.done():
            look()
            wait([future], timeout=_LOOK_EVERY_S)
        future.result()


def _add_what_transformers_leaves_out(model: PreTrainedModel, base: Path, folder: Path) -> None:
    """Copy the tensors that the model's class ignores (layers that predict several tokens) into a file of their own."""
    from safetensors.torch import save_file

    ignored = [re.compile(pattern) for pattern in getattr(model, "_keys_to_ignore_on_load_unexpected", None) or ()]
    saved = {name for path in folder.glob("*.safetensors") for name in tensor_places(path)}
    extra: dict[str, torch.Tensor] = {}
    for path in sorted(base.glob("*.safetensors")):
        wanted = [name for name in tensor_places(path) if name not in saved and any(p.search(name) for p in ignored)]
        extra |= _read(path, wanted)
    if extra:
        save_file(extra, folder / _EXTRA_FILE, metadata={"format": "pt"})
        _number_files(folder)


def _read(path: Path, names: list[str]) -> dict[str, torch.Tensor]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as weights:
        return {name: weights.get_tensor(name) for name in names}


def _number_files(folder: Path) -> None:
    """Name all weight files as parts of one model, with the index that transformers and llama.cpp read."""
    files = sorted(folder.glob("*.safetensors"))
    where: dict[str, str] = {}
    size = 0
    for number, path in enumerate(files, start=1):
        new = folder / f"model-{number:05}-of-{len(files):05}.safetensors.new"
        rename(path, new)
        where |= dict.fromkeys(tensor_places(new), new.stem)
        size += new.stat().st_size
    for path in folder.glob("*.safetensors.new"):
        rename(path, path.with_suffix(""))
    write_json_whole(folder / _INDEX_FILE, {"metadata": {"total_size": size}, "weight_map": where})


def _weights_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def _copy_companions(base: Path, folder: Path) -> None:
    """Copy tokenizer, templates and licence as they are."""
    for path in sorted(base.iterdir()):
        companion = path.suffix in _COMPANION_ENDINGS and not path.name.endswith(".index.json")
        legal = path.name.lower().startswith(_LEGAL)
        if path.is_file() and (companion or legal) and path.name not in _NOT_COPIED:
            shutil.copyfile(path, folder / path.name)


_OF_A_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def _copy_tokenizer(place: Path | None, folder: Path) -> None:
    """The tokenizer that knows a LoRA's new words takes the place of the base's."""
    if place is None:
        return
    for name in _OF_A_TOKENIZER:
        (folder / name).unlink(missing_ok=True)
        if (place / name).is_file():
            shutil.copyfile(place / name, folder / name)


def _write_facts(folder: Path, name: str, facts: MergeFacts) -> None:
    write_json_whole(
        folder / MERGE_FILE,
        {
            "lora": facts.lora,
            "base_model": facts.base.name,
            "dtype": facts.dtype,
            "rounding_share": facts.rounding_share,
            "notes": list(facts.notes),
        },
    )
    notes = "".join(f"- {note}\n" for note in facts.notes)
    front = f"---\nlibrary_name: transformers\nbase_model: {json.dumps(facts.base.name)}\n---\n\n"
    text = f"# {name}\n\n{facts.base.name} with the LoRA {facts.lora} merged into its weights.\n\n{notes}"
    write_whole(folder / CARD_FILE, front + text)


def _disk_fault(error: Exception) -> OSError:
    """safetensors puts the disk's error number into its text: "... (os error 28)"."""
    number = re.search(r"os error (\d+)", str(error))
    return OSError(int(number[1]) if number else 0, " ".join(str(error).split())[:200])
