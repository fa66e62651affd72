"""Perplexity of a model on texts: how many tokens it chooses between, on average, at each position.

A window slides over each text and each token is scored once (see `sliding`). Costs forward passes over tokens x
context / stride; the head's logits are never held whole (see `loss`). The model is given back as it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from training_pro.errors import ModelError, SettingsError
from training_pro.progress import Progress, no_progress
from training_pro.training.memory.out_of_memory import free_memory, is_out_of_memory
from training_pro.training.model.chunked_loss import IGNORED, make_lean
from training_pro.training.model.cpu_packing import prepare_for_training
from training_pro.training.model.snapshot import ModelSnapshot

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Measured:
    """The summed negative log-likelihood in nats, and of how many tokens."""

    nats: float
    tokens: int

    @property
    def mean_loss(self) -> float:
        """Nats a token."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """e to the mean loss; infinite where that is past what a float holds."""
        return math.exp(self.mean_loss) if self.mean_loss < 700 else math.inf


def measure(model: Any, texts: Sequence[Ids], sliding: Sliding, progress: Progress = no_progress) -> Measured:
    """The loss of `model` (with its LoRA, if it is one of PEFT's) over `texts`, each a text of its own.

    `progress` gets the scored tokens so far; whatever it raises ends the work.

    Guarantees: the model, its mode and the random state are afterwards what they were.

    Raises:
        ModelError: nothing to score, a loss that is no number, or out of memory; with the way out.
        Cancelled: from `progress`.
    """
    total = sum(sliding.scored_tokens(len(ids)) for ids in texts)
    if not total:
        raise ModelError("The text has too few tokens to be measured; choose a longer one.")
    base: PreTrainedModel = model.get_base_model() if hasattr(model, "get_base_model") else model
    snapshot = ModelSnapshot.take(model)
    try:
        if base.get_input_embeddings().weight.device.type == "cpu":
            prepare_for_training(base)
        model.eval()
        make_lean(base)
        return _slide(model, texts, sliding, total, progress)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        reason = error
    finally:
        snapshot.restore()
    del reason
    free_memory()
    raise ModelError(
        f"Out of memory at a context of {sliding.context_tokens} tokens; use less, or load the model in 4-bit.",
        option=("--context TOKENS", "--quantization 4-bit"),
    )


def _slide(model: Any, texts: Sequence[Ids], sliding: Sliding, total: int, progress: Progress) -> Measured:
    nats, tokens = 0.0, 0
    progress(0, total, "")
    for ids in texts:
        for window in sliding.windows(len(ids)):
            nats += _nats(model, ids, window, sliding.bos_id)
            tokens += window.end - window.scored
            if not math.isfinite(nats):
                raise ModelError(
                    f"The loss is {nats} after {tokens:,} tokens; the model or the LoRA is damaged, or overflows in "
                    "half precision: load it in bfloat16 or float32."
                )
            progress(tokens, total, f"perplexity so far {Measured(nats, tokens).perplexity:,.3f}")
    return Measured(nats, tokens)


def _nats(model: Any, ids: Ids, window: Window, bos_id: int | None) -> float:
    """The summed loss of a window's scored tokens."""
    shown = ids[window.start : window.end].astype(np.int64)
    scored = shown.copy()
    scored[: window.scored - window.start] = IGNORED
    if bos_id is not None:
        shown, scored = np.insert(shown, 0, bos_id), np.insert(scored, 0, IGNORED)
    device = model.get_input_embeddings().weight.device
    inputs, labels = (torch.from_numpy(row)[None].to(device) for row in (shown, scored))
    with torch.no_grad():
        return float(model(input_ids=inputs, labels=labels, num_items_in_batch=1, use_cache=False).loss)


SMALLEST_CONTEXT_TOKENS = 8


@dataclass(frozen=True)
class Window:
    """The tokens from `start` to `end` of a text; those from `scored` on are scored."""

    start: int
    end: int
    scored: int


@dataclass(frozen=True)
class Sliding:
    """How the window moves: its length with the BOS that leads each one (None: no BOS), and its step, in tokens."""

    context_tokens: int
    stride: int
    bos_id: int | None = None

    def __post_init__(self) -> None:
        """Raises: SettingsError: sizes with which some token would be without context, or not scored at all."""
        if self.context_tokens < SMALLEST_CONTEXT_TOKENS:
            raise SettingsError(
                [f"The context is {self.context_tokens} tokens; make it {SMALLEST_CONTEXT_TOKENS} or more."]
            )
        if not 1 <= self.stride < self.context_tokens:
            raise SettingsError(
                [f"The stride is {self.stride} tokens; it must be 1 to {self.context_tokens - 1}, below the context."]
            )

    def windows(self, count: int) -> Iterator[Window]:
        """The windows over a text of `count` tokens.

        Guarantees: the scored parts tile the text; without a BOS its first token, which nothing stands before, is
        left out. Before each scored token stands at least one other, and as many as the context allows.
        """
        room = self.context_tokens - (self.bos_id is not None)
        scored = 0 if self.bos_id is not None else 1
        start = 0
        while scored < count:
            end = min(start + room, count)
            yield Window(start, end, scored)
            scored, start = end, start + self.stride

    def scored_tokens(self, count: int) -> int:
        """How many of a text's `count` tokens are scored."""
        return max(count - (self.bos_id is None), 0)


def fitted(context_tokens: int, stride: int, max_tokens: int | None, bos_id: int | None) -> tuple[Sliding, str]:
    """The window for a model of `max_tokens`, and what to say where it had to be made smaller ("" where not).

    Raises:
        SettingsError: sizes that make no window.
    """
    asked = Sliding(context_tokens, stride, bos_id)
    if max_tokens is None or context_tokens <= max_tokens:
        return asked, ""
    stride = min(stride, max(1, max_tokens // 2))
    said = (
        f"The model's own context is {max_tokens} tokens: it is measured with that in place of {context_tokens}, "
        f"stride {stride}."
    )
    return Sliding(max_tokens, stride, bos_id), said
