"""What a person can change so that a run needs less memory: only what is not already so."""

from __future__ import annotations

from training_pro.settings import Settings
from training_pro.training.loop.optimizers import STATE_BYTES

_SMALL_RANK = 8
_SHORT_TOKENS = 64
_MUCH_STATE = 8.0  # bytes a number that learns


def ways_out(settings: Settings, quantized: bool, longest_tokens: int, at_once: int) -> str:
    """The ways, the most effective first, parted by commas; `at_once` blocks were too many."""
    ways = [
        (not settings.gradient_checkpointing, "turn on Use Gradient Checkpoint"),
        (at_once > 1, "lower the True Batch Size"),
        (longest_tokens > _SHORT_TOKENS, f"lower the Maximum context length (the longest block has {longest_tokens})"),
        (settings.train_head, "turn off Train Head"),
        (settings.use_dora, "turn off Use DoRA"),
        (not quantized, "load the model in 4-bit"),
        (settings.rank > _SMALL_RANK, f"lower the LoRA Rank ({settings.rank})"),
        (STATE_BYTES.get(settings.optimizer, _MUCH_STATE) >= _MUCH_STATE, "choose an 8-bit Optimizer"),
        (settings.targets not in ("q-v", "own list"), "choose fewer Target Projections"),
        (True, "load a smaller model"),
    ]
    return ", ".join(way for helps, way in ways if helps)
