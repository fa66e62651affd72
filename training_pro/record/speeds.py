"""How fast earlier runs trained, from the logs they left: what the time of a run to come is estimated from.

Costs two small files for each LoRA in the folder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_pro.record.log import LOG_FILE
from training_pro.small_files import object_in

_SETTINGS_FILE = "training_parameters.json"
_SHORTEST_S = 5.0  # of a run: what is shorter measures its beginning


@dataclass(frozen=True)
class Speed:
    """`tokens_per_s` of the run `name`, its evaluations and checkpoints included."""

    tokens_per_s: float
    name: str


def measured_speed(loras: Path, base_model: str, in_4bit: bool, choices: dict[str, Any]) -> Speed | None:
    """The speed of the run on this model that is most like one with these settings; None: there was none.

    `choices` are the settings; what counts is context length, batch size and gradient checkpointing.
    """
    found: list[tuple[float, Speed]] = []
    for log_file in loras.glob(f"*/{LOG_FILE}"):
        log, settings = object_in(log_file), object_in(log_file.parent / _SETTINGS_FILE)
        if log.get("base_model_name") != base_model or bool(log.get("base_loaded_in_4bit")) != in_4bit:
            continue
        tokens, seconds = _number(log.get("tokens")), _number(log.get("runtime_s"))
        if tokens > 0 and seconds >= _SHORTEST_S:
            found.append((_distance(settings, choices), Speed(tokens / seconds, log_file.parent.name)))
    return min(found, key=lambda one: one[0])[1] if found else None


def _distance(settings: dict[str, Any], choices: dict[str, Any]) -> float:
    distance = 0.0
    for name in ("max_tokens", "batch_size"):
        one, other = _number(settings.get(name)), _number(choices.get(name))
        if one > 0 and other > 0:
            distance += abs(math.log2(one / other))
    return distance + 2.0 * (settings.get("gradient_checkpointing") != choices.get("gradient_checkpointing"))


def _number(value: Any) -> float:
    """A number as it stands in a file; 0 for anything else."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else 0.0
