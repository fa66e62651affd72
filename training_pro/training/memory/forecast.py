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
from training_pro.training.memory.checkpointing import layers_at_first
from training_pro.training.memory.model_shape import ModelShape, TargetShape, trained_numbers
from training_pro.training.model.chunked_loss import chunk_tokens
from training_pro.training.model.experts import holds_product
from training_pro.words import gigabytes

CPU_SHARE = 0.8  # where the system kills rather than raises
CARD_SHARE = 0.94  # the rest is lost to fragmentation, or taken by the desktop
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

    `activations` and `loss` are of `batch_size` blocks of `longest_tokens`, corrected by what was measured before.
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
    checkpointed: int
    layers: int
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
        """What it may take of what is free."""
        return int(self.free_bytes * (CPU_SHARE if self.device == "cpu" else CARD_SHARE))

    @property
    def fits(self) -> bool:
        return self.needed_bytes <= self.limit_bytes

    def sentence(self) -> str:
        """One line for people."""
        where = "memory" if self.device == "cpu" else "the card's memory"
        said = f"Needs about {gigabytes(self.needed_bytes)} of {gigabytes(self.free_bytes)} free in {where}"
        if self.checkpointed:
            said += f", with {self.checkpointed} of {self.layers} layers checkpointed"
        if self.fits:
            return f"{said}."
        share = CPU_SHARE if self.device == "cpu" else CARD_SHARE
        return f"{said}; a run should take at most {share:.0%} of that. To need less: {self.ways_out}."


def forecast(work: Work, batch_size: int, longest_tokens: int, checkpointed: int | None = None) -> Forecast:
    """The memory of a run whose largest batch is `batch_size` blocks of `longest_tokens`.

    `checkpointed` layers keep only their input; None: as many as the settings say, with "auto" as few as fit.
    """
    if checkpointed is None:
        checkpointed = layers_at_first(work.settings, work.shape.checkpointable)
    if checkpointed is not None:
        return _forecast(work, batch_size, longest_tokens, checkpointed)
    few, many = 0, work.shape.checkpointable
    while few < many:  # the fewest that fit, or all
        middle = (few + many) // 2
        if _forecast(work, batch_size, longest_tokens, middle).fits:
            many = middle
        else:
            few = middle + 1
    return _forecast(work, batch_size, longest_tokens, many)


def _forecast(work: Work, batch_size: int, longest_tokens: int, checkpointed: int) -> Forecast:
    settings, shape = work.settings, work.shape
    numbers = trained_numbers(shape, work.targets, settings)
    gradients = numbers * _FLOAT32
    passing = max(0, _peak_bytes(work, batch_size, longest_tokens, checkpointed) - gradients)
    loss = min(passing, _loss_bytes(work, batch_size * longest_tokens))
    activations = passing - loss
    words, options = ways_out(work, longest_tokens, batch_size)
    return Forecast(
        weights=shape.weights_bytes,
        adapter=numbers * _FLOAT32,
        gradients=gradients,
        optimizer=int(numbers * STATE_BYTES.get(settings.optimizer, UNKNOWN_STATE_BYTES)),
        activations=int(activations * work.correction),
        loss=int(loss * work.correction),
        free_bytes=work.free_bytes,
        device=work.device,
        batch_size=batch_size,
        longest_tokens=longest_tokens,
        checkpointed=checkpointed,
        layers=shape.checkpointable,
        ways_out=words,
        options=options,
    )


def _peak_bytes(work: Work, batch_size: int, longest_tokens: int, checkpointed: int) -> int:
    """The most that one forward and backward pass holds, gradients included.

    That is when the loss is computed, with all that the forward pass keeps; or when the last layer computes its
    gradients; or at the backward pass's end, when all gradients are there.
    """
    shape, tokens = work.shape, batch_size * longest_tokens
    layer = tokens * _layer_bytes_per_token(work, longest_tokens) + _converted_bytes(work) + _summed_experts_bytes(work)
    given = tokens * shape.hidden * shape.number_bytes
    again = layer if checkpointed else 0
    whole = max(0, shape.layers - checkpointed)
    kept = checkpointed * given + whole * layer + tokens * longest_tokens * shape.number_bytes
    computing = _computing_bytes(work, tokens)
    head = tokens * shape.hidden * (_FLOAT32 + 2 * shape.number_bytes)  # the last norm, the head's input, its gradient
    at_loss = kept + head + _loss_bytes(work, tokens)
    at_last_layer = kept + computing + (0 if whole else again)
    at_end = trained_numbers(shape, work.targets, work.settings) * _FLOAT32 + given + again + computing
    return max(at_loss, at_last_layer, at_end)


def _learning_experts(work: Work) -> list[TargetShape]:
    """Tensors of all experts of a layer that get a LoRA."""
    return [target for target in work.targets if target.experts > 1]


def _summed_experts_bytes(work: Work) -> int:
    """Experts that learn: PEFT adds the LoRA to all of a layer's experts for each pass and keeps the sum for the
    backward pass."""
    sizes = [target.experts * target.given * target.made for target in _learning_experts(work)]
    return sum(sizes) * work.shape.number_bytes // max(1, work.shape.layers)


def _computing_bytes(work: Work, tokens: int) -> int:
    """What one layer needs while its gradients are computed; a quantized one is unpacked for it. The gradient of a
    LoRA's input comes in parts that are added up; what the experts of a mixture made is put in order in float32. Of
    experts that learn, older versions of PEFT also hold the gradient of one sum."""
    shape, learning = work.shape, _learning_experts(work)
    product = max((t.experts * t.given * t.made for t in learning), default=0) if learning and holds_product() else 0
    widest = max((target.given for target in work.targets if target.experts == 1), default=0)
    mixed = 2 * shape.experts * shape.hidden * _FLOAT32 if shape.experts > 1 else 0
    passing = tokens * (shape.feed_forward + 2 * shape.hidden + 3 * widest)
    unpacked = shape.hidden * (shape.feed_forward // shape.experts) if work.quantized else 0
    return (passing + unpacked + product) * shape.number_bytes + tokens * mixed


def _layer_bytes_per_token(work: Work, longest_tokens: int) -> int:
    """What autograd keeps of one layer. A norm keeps its input in float32; attention its three inputs and its output;
    the feed-forward part gate, activation and product; a mixture what each expert gave, and what it was given where
    experts learn."""
    shape, size = work.shape, work.shape.number_bytes
    on_card = work.device == "cuda"
    norms = 2 * shape.hidden * (_FLOAT32 if on_card else _FLOAT32 + size)
    attention = 2 * (shape.queries + (shape.keys if on_card else shape.queries)) * size + shape.heads * _FLOAT32
    if shape.whole_attention:
        attention += shape.heads * longest_tokens * (2 * size + _FLOAT32)
    feed_forward = 3 * shape.feed_forward * size
    mixed = shape.experts * shape.hidden * size if shape.experts > 1 else 0
    if _learning_experts(work):
        mixed += (shape.experts * shape.hidden + shape.feed_forward) * size
    return norms + attention + feed_forward + mixed + _adapter_bytes_per_token(work) // max(1, shape.layers)


def _adapter_bytes_per_token(work: Work) -> int:
    """A LoRA keeps its input, the mask of its dropout, and what lies between A and B; DoRA its output too. On a card
    autocast computes it in half precision, on a processor it is float32."""
    settings, on_card = work.settings, work.device == "cuda"
    size = work.shape.number_bytes if on_card else _FLOAT32
    dropout = settings.dropout and not _learning_experts(work)  # experts learn without
    mask = 0 if not dropout else 1 if on_card else _FLOAT32
    layers = [target for target in work.targets if target.experts == 1]
    kept = sum(target.given * (size + mask) + settings.rank * size for target in layers)
    return kept + (sum(2 * target.made * size for target in layers) if settings.use_dora else 0)


def _converted_bytes(work: Work) -> int:
    """Autocast's copies of one layer's LoRA in half precision."""
    if work.device != "cuda" or work.shape.number_bytes == _FLOAT32:
        return 0
    numbers = sum(work.settings.rank * (target.given + target.made) * target.experts for target in work.targets)
    return numbers * work.shape.number_bytes // max(1, work.shape.layers)


def _loss_bytes(work: Work, tokens: int) -> int:
    """The logits of one chunk: as computed, in float32, and two results more; a trained head's gradient besides: the
    sum so far and the chunk's own."""
    shape = work.shape
    chunk = min(chunk_tokens(shape.vocabulary), tokens) * shape.vocabulary * (shape.number_bytes + 3 * _FLOAT32)
    head = 2 * shape.vocabulary * shape.hidden * _FLOAT32 if work.settings.train_head else 0
    return chunk + head


def largest_that_fits(work: Work, batch_size: int, longest_tokens: int) -> int:
    """The largest micro-batch up to `batch_size` that should fit; 0: not even one block."""
    sizes = range(batch_size, 0, -1)
    return next((size for size in sizes if forecast(work, size, longest_tokens).fits), 0)


_SMALL_RANK = 8
_SHORT_TOKENS = 64
_MUCH_STATE = 8.0  # bytes a number that learns


def ways_out(work: Work, longest_tokens: int, at_once: int) -> tuple[str, tuple[str, ...]]:
    """The ways, the most effective first, separated by commas, and their options; `at_once` blocks were too many."""
    settings = work.settings
    can_checkpoint = work.shape.checkpointable > 0 and settings.gradient_checkpointing == "off"
    ways = [
        (can_checkpoint, "set Gradient Checkpoint to auto", "--set gradient_checkpointing=auto"),
        (at_once > 1, "lower the True Batch Size", f"--set batch_size={max(at_once // 2, 1)}"),
        (
            longest_tokens > _SHORT_TOKENS,
            f"lower the Maximum context length (the longest block has {longest_tokens})",
            f"--set max_tokens={max(longest_tokens // 16 * 8, 8)}",
        ),
        (settings.train_head, "turn off Train Head", "--set train_head=off"),
        (settings.use_dora, "turn off Use DoRA", "--set use_dora=off"),
        (not work.quantized, "load the model in 4-bit", "--quantization 4-bit"),
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
