"""What a run will take in memory, before it starts: from shapes and settings, in bytes, part by part. Pure.

Counted per token are the tensors that autograd keeps in a layer of the Llama family; other families differ by some
tens of percent, which is what `correction` is for: how much more (or less) the first updates of earlier runs of this
model really took. See `training_pro.training.memory.run_memory`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training_pro.settings import Settings
from training_pro.training.loop.optimizers import STATE_BYTES, UNKNOWN_STATE_BYTES
from training_pro.training.memory.model_shape import ModelShape, TargetShape, trained_numbers
from training_pro.training.model.chunked_loss import CHUNK_TOKENS
from training_pro.words import gigabytes

CPU_SHARE = 0.8  # where the system kills rather than raises
_FLOAT32 = 4


@dataclass(frozen=True)
class Work:
    """What decides the memory of a run, besides its batch: the model, the layers that learn, the device."""

    shape: ModelShape
    targets: tuple[TargetShape, ...]
    settings: Settings
    device: Literal["cpu", "cuda"]
    free_bytes: int
    quantized: bool
    correction: float = 1.0


@dataclass(frozen=True)
class Forecast:
    """Bytes by part. `weights` are in memory already; all else comes on top.

    `activations` and `loss` are of `batch_size` blocks of `longest_tokens`, corrected by what was measured before,
    if `corrected`.
    """

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    loss: int
    free_bytes: int
    device: Literal["cpu", "cuda"]
    batch_size: int
    longest_tokens: int
    corrected: bool
    ways_out: str
    options: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[tuple[str, int], ...]:
        """What comes on top of the loaded model, by name, the largest first."""
        named = {
            "activations": self.activations,
            "loss": self.loss,
            "LoRA": self.adapter,
            "gradients": self.gradients,
            "optimizer": self.optimizer,
        }
        return tuple(sorted(named.items(), key=lambda part: -part[1]))

    @property
    def needed_bytes(self) -> int:
        """What the run takes on top of the loaded model, at its highest."""
        return self.adapter + self.gradients + self.optimizer + self.activations + self.loss

    @property
    def limit_bytes(self) -> int:
        """What it may take: all that is free of a card, `CPU_SHARE` of what is free of the machine."""
        return int(self.free_bytes * CPU_SHARE) if self.device == "cpu" else self.free_bytes

    @property
    def fits(self) -> bool:
        return self.needed_bytes <= self.limit_bytes

    def sentence(self) -> str:
        """One line for people."""
        where = "memory" if self.device == "cpu" else "the card's memory"
        said = f"Needs about {gigabytes(self.needed_bytes)} of {gigabytes(self.free_bytes)} of {where} that are free."
        if self.fits:
            return said
        if self.device == "cpu":
            said = f"{said[:-1]}, and at most {CPU_SHARE:.0%} of that should be taken."
        return f"{said} To need less: {self.ways_out}."


def forecast(work: Work, batch_size: int, longest_tokens: int) -> Forecast:
    """The memory of a run whose largest batch is `batch_size` blocks of `longest_tokens`."""
    settings, shape = work.settings, work.shape
    numbers = trained_numbers(shape, work.targets, settings)
    tokens = batch_size * longest_tokens
    loss = _loss_bytes(shape, tokens)
    layer = tokens * _layer_bytes_per_token(work, longest_tokens)
    computing = max(0, _computing_bytes(work, tokens, layer) - loss)  # never at the same time as the loss
    scores = tokens * longest_tokens * shape.number_bytes
    activations = _expert_bytes(work) + _kept_bytes(work, tokens, layer) + scores + computing
    words, options = ways_out(settings, work.quantized, longest_tokens, batch_size)
    return Forecast(
        weights=shape.weights_bytes,
        adapter=numbers * _FLOAT32,
        gradients=numbers * _FLOAT32,
        optimizer=int(numbers * STATE_BYTES.get(settings.optimizer, UNKNOWN_STATE_BYTES)),
        activations=int(activations * work.correction),
        loss=int(loss * work.correction),
        free_bytes=work.free_bytes,
        device=work.device,
        batch_size=batch_size,
        longest_tokens=longest_tokens,
        corrected=work.correction != 1.0,
        ways_out=words,
        options=options,
    )


def _kept_bytes(work: Work, tokens: int, layer_bytes: int) -> int:
    """What the forward pass keeps for the backward pass: all of each layer, or with checkpointing its input."""
    shape = work.shape
    kept = tokens * shape.hidden * shape.number_bytes if work.settings.gradient_checkpointing else layer_bytes
    return shape.layers * kept


def _expert_bytes(work: Work) -> int:
    """Experts that learn: PEFT adds the LoRA to all of a layer's experts for each pass, and keeps the sum for the
    backward pass (with checkpointing of one layer at a time); there its gradient comes on top, a layer at a time."""
    sizes = [t.experts * t.given * t.made * work.shape.number_bytes for t in work.targets if t.experts > 1]
    if not sizes:
        return 0
    one_layer = max(sizes) + sum(sizes) // max(1, work.shape.layers)
    kept = one_layer if work.settings.gradient_checkpointing else sum(sizes)
    return kept + one_layer


def _computing_bytes(work: Work, tokens: int, layer_bytes: int) -> int:
    """What one layer needs while its gradients are computed; a quantized one is unpacked for it."""
    shape = work.shape
    passing = tokens * (2 * shape.feed_forward + 3 * shape.hidden)
    unpacked = shape.hidden * shape.feed_forward if work.quantized else 0
    again = layer_bytes if work.settings.gradient_checkpointing else 0
    return (passing + unpacked) * shape.number_bytes + again


def _layer_bytes_per_token(work: Work, longest_tokens: int) -> int:
    shape, size = work.shape, work.shape.number_bytes
    norms = 2 * shape.hidden * (_FLOAT32 + size)
    attention = 4 * shape.queries * size
    if shape.whole_attention:
        attention += shape.heads * longest_tokens * (2 * size + _FLOAT32)
    feed_forward = 3 * shape.feed_forward * size
    return norms + attention + feed_forward + _adapter_bytes_per_token(work) // max(1, shape.layers)


def _adapter_bytes_per_token(work: Work) -> int:
    """LoRA layers compute in float32: their input, its dropout mask, and what lies between A and B; DoRA its output."""
    settings = work.settings
    mask = 0 if not settings.dropout else _FLOAT32 if work.device == "cpu" else 1
    layers = [target for target in work.targets if target.experts == 1]
    kept = sum(target.given * (_FLOAT32 + mask) + settings.rank * _FLOAT32 for target in layers)
    return kept + (sum(2 * target.made * _FLOAT32 for target in layers) if settings.use_dora else 0)


def _loss_bytes(shape: ModelShape, tokens: int) -> int:
    """The head's input and its gradient, and the logits of one chunk: as computed, in float32, and two results more."""
    chunk = min(CHUNK_TOKENS, tokens) * shape.vocabulary * (shape.number_bytes + 3 * _FLOAT32)
    return 2 * tokens * shape.hidden * shape.number_bytes + chunk


def largest_that_fits(work: Work, batch_size: int, longest_tokens: int) -> int:
    """The largest micro-batch up to `batch_size` that should fit; 0: not even one block."""
    sizes = range(batch_size, 0, -1)
    return next((size for size in sizes if forecast(work, size, longest_tokens).fits), 0)


_SMALL_RANK = 8
_SHORT_TOKENS = 64
_MUCH_STATE = 8.0  # bytes a number that learns


def ways_out(settings: Settings, quantized: bool, longest_tokens: int, at_once: int) -> tuple[str, tuple[str, ...]]:
    """The ways, the most effective first, separated by commas, and their options; `at_once` blocks were too many."""
    ways = [
        (not settings.gradient_checkpointing, "turn on Use Gradient Checkpoint", "--set gradient_checkpointing=on"),
        (at_once > 1, "lower the True Batch Size", f"--set batch_size={max(at_once // 2, 1)}"),
        (
            longest_tokens > _SHORT_TOKENS,
            f"lower the Maximum context length (the longest block has {longest_tokens})",
            f"--set max_tokens={max(longest_tokens // 16 * 8, 8)}",
        ),
        (settings.train_head, "turn off Train Head", "--set train_head=off"),
        (settings.use_dora, "turn off Use DoRA", "--set use_dora=off"),
        (not quantized, "load the model in 4-bit", "--quantization 4-bit"),
        (settings.rank > _SMALL_RANK, f"lower the LoRA Rank ({settings.rank})", f"--set rank={settings.rank // 2}"),
        (
            STATE_BYTES.get(settings.optimizer, _MUCH_STATE) >= _MUCH_STATE,
            "choose an 8-bit Optimizer",
            "--set optimizer=adamw_8bit",
        ),
        (settings.targets not in ("q-v", "own list"), "choose fewer Target Projections", "--set targets=q-v"),
        (True, "load a smaller model", "--model DIR"),
    ]
    chosen = [(words, option) for helps, words, option in ways if helps]
    return ", ".join(words for words, _ in chosen), tuple(option for _, option in chosen)
