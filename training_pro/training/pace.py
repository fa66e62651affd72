"""How long a run will take: from the speed of an earlier run like it, else a guess from the model's size.

Costs a look at the logs in the LoRA folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pro.record.speeds import measured_speed
from training_pro.settings import Settings, to_dict
from training_pro.words import time_words

if TYPE_CHECKING:
    from training_pro.training.owner import Trainable

# Operations a second that training reaches, to guess with: measured on a processor's core, and on a GPU of today.
_CORE_OPERATIONS = 30e9
_MULTIPROCESSOR_OPERATIONS = 0.2e12
_OPERATIONS_A_PARAMETER = 4  # forward, and back through frozen weights
_RECOMPUTED = 2  # more with gradient checkpointing


@dataclass(frozen=True)
class Pace:
    """`seconds` of the whole run; `measured_in` is the run whose speed it is estimated from, "" for a guess."""

    seconds: float
    measured_in: str = ""

    def sentence(self) -> str:
        """What to say of it before the run."""
        if self.measured_in:
            return f'The run will take about {time_words(self.seconds)}, at the speed of the run "{self.measured_in}".'
        return (
            f"The run will take some {time_words(self.seconds)}: a rough guess, no run of this model is measured yet."
        )


def pace_of(loaded: Trainable, settings: Settings, loras: Path, tokens: float) -> Pace:
    """The time to train `tokens` tokens, those of all epochs together."""
    in_4bit = "4" in loaded.quantization
    speed = measured_speed(loras, loaded.label, in_4bit, to_dict(settings))
    if speed is not None:
        return Pace(tokens / speed.tokens_per_s, speed.name)
    return Pace(tokens * _operations_a_token(loaded.model, settings) / _operations_a_second(loaded.model))


def _operations_a_token(model: Any, settings: Settings) -> float:
    checkpointed = _RECOMPUTED if settings.gradient_checkpointing else 0
    return float(model.num_parameters()) * (_OPERATIONS_A_PARAMETER + checkpointed)


def _operations_a_second(model: Any) -> float:
    import torch

    device = model.get_input_embeddings().weight.device
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).multi_processor_count * _MULTIPROCESSOR_OPERATIONS
    return min(torch.get_num_threads(), os.cpu_count() or 1) * _CORE_OPERATIONS
