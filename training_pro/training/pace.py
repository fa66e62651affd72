"""How long a run will take: from the speed that updates like its own had here, else a guess from the model's size.

Costs a look at a small file, and the order of the blocks.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pro.plan import Plan
from training_pro.record.speeds import Speed, TimedWork, measured_speed
from training_pro.settings import Settings
from training_pro.training.remaining import Besides, Remaining
from training_pro.training.update_tokens import block_tokens, update_tokens
from training_pro.words import time_words

if TYPE_CHECKING:
    from training_pro.data.prepare import Prepared
    from training_pro.training.owner import Trainable

TRIAL = "a trial"  # in place of a run's name
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
        if self.measured_in == TRIAL:
            return f"The run will take about {time_words(self.seconds)}, at the speed of a trial."
        if self.measured_in:
            return f'The run will take about {time_words(self.seconds)}, at the speed of the run "{self.measured_in}".'
        return (
            f"The run will take about {time_words(self.seconds)}: a rough guess, no run of this model is measured yet."
        )


def pace_of(loaded: Trainable, settings: Settings, prepared: Prepared, plan: Plan, cache: Path) -> Pace:
    """The time of the run that `plan` describes."""
    speed = measured_speed(cache, work_of(loaded, settings, prepared, plan))
    return pace_at(speed or Speed(_guessed_speed(loaded.model, settings), ""), settings, prepared, plan)


def pace_at(speed: Speed, settings: Settings, prepared: Prepared, plan: Plan) -> Pace:
    """The time of the run at this speed."""
    remaining = expected_of(settings, prepared, plan)
    for update in (1, 2):  # as if they had been of that speed
        remaining.updated(update, remaining.tokens_of(update) / speed.tokens_per_s)
    return Pace(remaining.seconds_left(plan.begins_at) or 0.0, speed.name)


def expected_of(settings: Settings, prepared: Prepared, plan: Plan) -> Remaining:
    """What there is to do in the run, without any speed yet."""
    evaluated = float(prepared.eval.lengths.sum()) if prepared.eval is not None else 0.0
    tokens = update_tokens(prepared.train.lengths, plan, settings)
    return Remaining(tokens, Besides.of(settings, plan, evaluated))


def work_of(loaded: Trainable, settings: Settings, prepared: Prepared, plan: Plan) -> TimedWork:
    """What decides how fast the run's updates are."""
    weight = loaded.model.get_input_embeddings().weight
    kinds = {"DoRA": settings.use_dora, "head": settings.train_head, "experts": settings.train_experts}
    return TimedWork(
        model=loaded.label,
        quantization=loaded.quantization,
        device=_device_name(weight.device),
        dtype=str(weight.dtype).removeprefix("torch."),
        block_tokens=block_tokens(prepared.train.lengths, plan, settings),
        blocks=min(plan.batch_size, plan.blocks),
        checkpointing=settings.gradient_checkpointing,
        targets=f"{settings.targets} {settings.target_modules}".strip(),
        kind=" ".join(name for name, on in kinds.items() if on),
    )


def _device_name(device: Any) -> str:
    import torch

    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{device.type}, {torch.get_num_threads()} threads" if device.type == "cpu" else str(device.type)


def measured(remaining: Remaining, name: str) -> Speed | None:
    """The speed of a run so far; None while too little is known."""
    return Speed(remaining.tokens_per_s, name) if remaining.measured >= 3 else None


def _guessed_speed(model: Any, settings: Settings) -> float:
    """Tokens a second."""
    return _operations_a_second(model) / _operations_a_token(model, settings)


def _operations_a_token(model: Any, settings: Settings) -> float:
    checkpointed = _RECOMPUTED if settings.gradient_checkpointing == "on" else 0
    return float(model.num_parameters()) * (_OPERATIONS_A_PARAMETER + checkpointed)


def _operations_a_second(model: Any) -> float:
    import torch

    device = model.get_input_embeddings().weight.device
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).multi_processor_count * _MULTIPROCESSOR_OPERATIONS
    return min(torch.get_num_threads(), os.cpu_count() or 1) * _CORE_OPERATIONS
