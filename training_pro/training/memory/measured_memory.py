"""What the first updates of earlier runs really took, as a factor on the forecast; kept in the user's cache.

One line of JSON per kind of run: the model, how it is loaded, the device, and whether checkpointing is on.
"""

from __future__ import annotations

import json
import logging
import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_pro.errors import RunError
from training_pro.record.whole_files import write_json_whole
from training_pro.training.memory.forecast import Forecast

logger = logging.getLogger(__name__)

FILE = "measured_memory.json"
LEAST, MOST = 0.25, 8.0
_TELLING_BYTES = 32 * 1024 * 1024  # below this, what else the process does weighs as much


@dataclass(frozen=True)
class Kind:
    """Runs that are alike in how their memory grows."""

    model: str
    quantization: str
    device: str
    gradient_checkpointing: bool

    @property
    def key(self) -> str:
        return (
            f"{self.model}|{self.quantization}|{self.device}|{'checkpointing' if self.gradient_checkpointing else ''}"
        )


def correction(cache: Path, kind: Kind) -> float:
    """The factor on activations and loss for runs of this kind; 1.0 where none was measured."""
    value = _read(cache).get(kind.key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return 1.0
    return min(max(float(value), LEAST), MOST)


def factor(expected: Forecast, measured_bytes: int) -> float | None:
    """How many times what was expected (uncorrected) an update really took above what was in use before the first one;
    None: too little to tell."""
    certain = expected.gradients + expected.optimizer
    varying = expected.activations + expected.loss
    if min(measured_bytes, varying) < _TELLING_BYTES:
        return None
    return min(max((measured_bytes - certain) / varying, LEAST), MOST)


def keep(cache: Path, kind: Kind, value: float) -> None:
    """Remember `value` for the next run of this kind; never the reason for a failure."""
    known = _read(cache)
    if known.get(kind.key) == value:
        return
    with suppress(OSError, RunError):
        cache.mkdir(parents=True, exist_ok=True)
        write_json_whole(cache / FILE, {**known, kind.key: round(value, 3)})


def _read(cache: Path) -> dict[str, Any]:
    try:
        known = json.loads((cache / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}
