"""Reads ``training_parameters.json`` of the original extension and of the WebUI's own trainer.

Their numbers counted batches where ours count updates; their names differ; their text could be a folder. Source: SPEC
"Old settings files". What has no equal here is named in a note, never dropped silently.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from training_pro.errors import SettingsError
from training_pro.folders import is_file
from training_pro.settings import DEFAULTS, Settings, checked_value, from_dict

_RENAMED = {
    "lora_name": "name",
    "always_override": "override",
    "micro_batch_size": "batch_size",
    "lora_rank": "rank",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "lora_RS": "use_rslora",
    "lora_RS_alpha": "rslora_alpha",
    "lora_modulessave": "train_head",
    "cutoff_len": "max_tokens",
    "hard_cut_string": "hard_cut",
    "precize_slicing_overlap": "overlap",
    "sliding_window": "dementor",
    "min_chars": "min_block_chars",
    "add_bos_token": "add_bos",
    "neft_noise_alpha": "neftune_noise_alpha",
    "use_grad_checkpoint": "gradient_checkpointing",
    "save_steps_under_loss": "save_at_loss",
    "training_projection": "targets",
    "hybrid_training": "hybrid",
    "hybrid_data_ratio": "hybrid_data_percent",
    "hybrid_text_ratio": "hybrid_text_percent",
}
_SAME = (
    "epochs",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_ratio",
    "train_only_after",
    "stop_at_loss",
    "stop_at_epoch",
    "group_by_length",
    "format",
    "gradient_checkpointing",
)
_STEPS_IN_BATCHES = ("warmup_steps", "save_steps", "eval_steps")
_SIGNS = {"micro_batch_size", "cutoff_len", "lora_rank"}
_WITHOUT_EQUAL = {"higher_rank_limit": None, "stride_length": 0}
_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "down_proj", "up_proj")
_READ_BY_HAND = (
    *("batch_size", "grad_accumulation", "add_eos_token", "add_eos_token_type", "train_on_inputs", "all_linear"),
    *("raw_text_file", "dataset", "datasetJSONL", "text_dataset", "eval_dataset", "eval_datasetJSONL"),
    *("eval_stepsJSONL", "eliminate_long_blocks", "excess_length", "optimizer", "report_to"),
    *(f"{projection}_en" for projection in _PROJECTIONS),
)
_KNOWN = frozenset({*_RENAMED, *_SAME, *_STEPS_IN_BATCHES, *_WITHOUT_EQUAL, *_READ_BY_HAND})
_MOST_NAMED = 20


def is_legacy(values: Mapping[str, Any]) -> bool:
    """Whether these are the original's or the WebUI trainer's names."""
    return bool(_SIGNS & set(values))


def settings_from(values: Mapping[str, Any], datasets: Path | None = None) -> tuple[Settings, list[str]]:
    """Settings from a dict in any of the three dialects, with notes on what was changed or left out.

    `datasets` is the folder to search for an old file's text, which may be a folder of texts there.
    """
    ours, notes = our_values(values, datasets)
    return from_dict(ours), notes


def our_values(values: Mapping[str, Any], datasets: Path | None = None) -> tuple[dict[str, Any], list[str]]:
    """The values of a dict in any of the three dialects under our names, not yet checked, with notes.

    Raises:
        SettingsError: a number of the old dialects that can't be converted.
    """
    if not is_legacy(values):
        return dict(values), []
    ours, notes = _from_legacy(values)
    if datasets is not None:
        ours["text_file"] = _file_or_folder(ours["text_file"], datasets)
    return ours, notes


def _from_legacy(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    notes: list[str] = []
    ours: dict[str, Any] = {new: values[old] for old, new in _RENAMED.items() if old in values}
    ours.update({name: values[name] for name in _SAME if name in values})
    accumulation = _accumulation(values)
    ours["gradient_accumulation_steps"] = accumulation
    for convert in (_steps, _eos, _datasets, _targets, _too_long):
        convert(values, ours)
    _loss_place(values, ours, notes)
    _choice_names(values, ours, notes)
    for name, nothing in _WITHOUT_EQUAL.items():
        if values.get(name, nothing):
            notes.append(f"{name} has no counterpart here and was left out.")
    notes.extend(_unknown(values))
    if accumulation > 1:
        notes.append(f"Steps counted batches there; here they count updates of {accumulation} batches.")
    return ours, notes


def _whole(name: str, value: Any) -> int:
    try:
        return int(checked_value("seed", value))
    except SettingsError:
        raise SettingsError([f"{name} is {reprlib.repr(value)}; it must be a whole number from 0 on."]) from None


def _accumulation(values: Mapping[str, Any]) -> int:
    """batch_size above 0 was a global size to be divided; else grad_accumulation is the number itself."""
    batch = _whole("batch_size", values.get("batch_size") or 0)
    micro = max(1, _whole("micro_batch_size", values.get("micro_batch_size") or DEFAULTS["batch_size"]))
    if batch > 0:
        return max(1, batch // micro)
    return max(1, _whole("grad_accumulation", values.get("grad_accumulation") or 1))


def _steps(values: Mapping[str, Any], ours: dict[str, Any]) -> None:
    accumulation = ours["gradient_accumulation_steps"]
    for name in _STEPS_IN_BATCHES:
        source = "eval_stepsJSONL" if name == "eval_steps" and _takes_jsonl(values) else name
        if source in values:
            ours[name] = math.ceil(_whole(source, values[source] or 0) / accumulation)
    if ours.get("eval_steps") == 0:
        ours["eval_steps"] = DEFAULTS["eval_steps"]


def _takes_jsonl(values: Mapping[str, Any]) -> bool:
    """Whether the dataset taken is the original's second one, which had evaluation steps of its own."""
    own_steps = "eval_stepsJSONL" in values
    return own_steps and not _file(values.get("dataset"), "") and bool(_file(values.get("datasetJSONL"), ""))


def _eos(values: Mapping[str, Any], ours: dict[str, Any]) -> None:
    if "add_eos_token" not in values:
        return
    cut_only = str(values.get("add_eos_token_type", "")).lower().startswith("hard")
    ours["eos"] = "none" if not values["add_eos_token"] else ("cut" if cut_only else "block")


def _file(name: Any, extension: str) -> str:
    """The original stored names without extension and "None" for nothing."""
    text = "" if name in (None, "None", "") else str(name)
    return text if not text or Path(text).suffix in (".txt", ".json", ".jsonl") else text + extension


def _file_or_folder(name: str, datasets: Path) -> str:
    """The original's text was a file without its ending, or a folder: where there is no such file, the folder."""
    without = name.removesuffix(".txt")
    if not without or is_file(datasets / name) or not _is_folder(datasets / without):
        return name
    return without


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no disk can take
        return False


def _datasets(values: Mapping[str, Any], ours: dict[str, Any]) -> None:
    ours["text_file"] = _file(values.get("raw_text_file"), ".txt")
    ours["dataset"] = (
        _file(values.get("dataset"), ".json")
        or _file(values.get("datasetJSONL"), ".jsonl")
        or _file(values.get("text_dataset"), ".json")
    )
    json_file, jsonl_file = values.get("eval_dataset"), values.get("eval_datasetJSONL")
    ours["eval_dataset"] = _file(json_file, ".json") or _file(jsonl_file, ".jsonl")
    if values.get("format") in (None, "None"):
        ours["format"] = ""


def _targets(values: Mapping[str, Any], ours: dict[str, Any]) -> None:
    chosen = [p for p in _PROJECTIONS if values.get(p + "_en")]
    if "all_linear" not in values and ("training_projection" in values or not chosen):
        return
    all_linear = values.get("all_linear")
    ours["targets"] = "all-linear" if all_linear else "own list"
    ours["target_modules"] = "" if all_linear else ", ".join(chosen)


def _too_long(values: Mapping[str, Any], ours: dict[str, Any]) -> None:
    if values.get("eliminate_long_blocks") or values.get("excess_length") == "drop":
        ours["too_long"] = "eliminate"


def _loss_place(values: Mapping[str, Any], ours: dict[str, Any], notes: list[str]) -> None:
    """Of the two settings that spoke of it, "on everything" won there."""
    if not ours.get("train_only_after"):
        return
    if values.get("train_on_inputs"):
        after = reprlib.repr(ours["train_only_after"])
        notes.append(f"train_on_inputs was on: all is trained, and Train Only After {after} was left out.")
        ours.update(loss_on="all", train_only_after="")
    else:
        ours["loss_on"] = "after"


def _unknown(values: Mapping[str, Any]) -> list[str]:
    """One note on the names that mean nothing in an old file."""
    names = [reprlib.repr(str(name))[1:-1] for name in values if name not in _KNOWN]
    if not names:
        return []
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return [f"Not known in an old settings file, and left out: {', '.join(names[:_MOST_NAMED])}{more}."]


def _known_optimizer(name: str) -> str:
    return {"adamw_hf": "adamw_torch", "adamw_anyprecision": "adamw_torch"}.get(name, name)


def _known_report(name: str) -> str:
    return name.lower()


def _choice_names(values: Mapping[str, Any], ours: dict[str, Any], notes: list[str]) -> None:
    renames: dict[str, Callable[[str], str]] = {"optimizer": _known_optimizer, "report_to": _known_report}
    for name, rename in renames.items():
        if name in values:
            ours[name] = rename(str(values[name]))
            if ours[name] != str(values[name]).lower():
                notes.append(f"{name} {values[name]} no longer exists; {ours[name]} takes its place.")
