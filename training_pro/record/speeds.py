"""How fast updates were on this machine, by model, precision, length and what else matters: kept between runs.

A small JSON file in the host's cache, the newest two hundred measurements. What was measured here counts; a LoRA that
was trained on another machine says nothing about this one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training_pro.errors import RunError
from training_pro.record.whole_files import write_json_whole
from training_pro.small_files import json_in

FILE = "measured_speed.json"
MOST_KEPT = 200
_FAR_CHOICE = 1.0  # as far off as half the batch: another way to checkpoint, ...
_NEAR_CHOICE = 0.5  # ... other targets or another kind of LoRA


@dataclass(frozen=True)
class TimedWork:
    """What decides how fast updates are. `device` is its name; `block_tokens` are those of a block, padding included,
    `blocks` are on the device at once."""

    model: str
    quantization: str
    device: str
    dtype: str
    block_tokens: float
    blocks: int
    checkpointing: str = "auto"
    targets: str = ""
    kind: str = ""  # DoRA, trained head, experts


@dataclass(frozen=True)
class Speed:
    """`tokens_per_s` of updates alone, padding counted, as measured in the run `name`."""

    tokens_per_s: float
    name: str


def remember_speed(cache: Path, work: TimedWork, speed: Speed) -> None:
    """Keep it in place of an earlier one of the same work; never the reason for a failure."""
    same = _key(asdict(work))
    others = [line for line in _read(cache) if _key(line) != same]
    line = {**asdict(work), "tokens_per_s": round(speed.tokens_per_s, 3), "name": speed.name}
    with suppress(OSError, RunError):
        cache.mkdir(parents=True, exist_ok=True)
        write_json_whole(cache / FILE, [*others, line][-MOST_KEPT:])


def measured_speed(cache: Path, work: TimedWork) -> Speed | None:
    """The speed that was measured of the work most like this one, with this model on this device; None: none was."""
    found = [(_distance(line, work), line) for line in _read(cache) if _same_machine(line, work)]
    if not found:
        return None
    line = min(reversed(found), key=_how_far)[1]  # of two alike the newer
    return Speed(float(line["tokens_per_s"]), str(line.get("name", "")))


def _how_far(found: tuple[float, Mapping[str, Any]]) -> float:
    return found[0]


def _same_machine(line: Mapping[str, Any], work: TimedWork) -> bool:
    wanted = (work.model, work.quantization, work.device, work.dtype)
    return tuple(line.get(name) for name in ("model", "quantization", "device", "dtype")) == wanted


def _distance(line: Mapping[str, Any], work: TimedWork) -> float:
    distance = 0.0
    for name, here in (("block_tokens", work.block_tokens), ("blocks", work.blocks)):
        there = _number(line.get(name))
        distance += abs(math.log2(there / here)) if there > 0 and here > 0 else _FAR_CHOICE
    distance += _FAR_CHOICE * (line.get("checkpointing") != work.checkpointing)
    return distance + _NEAR_CHOICE * ((line.get("targets") != work.targets) + (line.get("kind") != work.kind))


def _key(line: Mapping[str, Any]) -> tuple[Any, ...]:
    """The same for measurements of which the newer takes the place of the older."""
    names = ("model", "quantization", "device", "dtype", "blocks", "checkpointing", "targets", "kind")
    tokens = _number(line.get("block_tokens"))
    return (*(line.get(name) for name in names), round(4 * math.log2(tokens)) if tokens > 0 else 0)


def _read(cache: Path) -> list[dict[str, Any]]:
    """The lines that make sense."""
    try:
        known = json_in(cache / FILE)
    except (OSError, ValueError):
        return []
    lines = known if isinstance(known, list) else []
    return [line for line in lines if isinstance(line, dict) and _number(line.get("tokens_per_s")) > 0]


def _number(value: Any) -> float:
    """A number as it stands in a file; 0 for anything else."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else 0.0
