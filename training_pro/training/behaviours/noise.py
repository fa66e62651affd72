"""Whether an answer has become noise: the same few tokens again and again, or tokens drawn almost at random.

Costs one softmax a token while an answer is written, and a count afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

FEWEST_TOKENS = 16  # shorter answers tell nothing
REPEATED = 0.6  # share of groups of three tokens that were there before
REPEATED_RISE = 0.2  # above that of the model before training
ENTROPY_NATS = 5.0  # mean uncertainty about the next token; a usual answer has 1 to 3
ENTROPY_RISE_NATS = 1.5  # above that of the model before training
_GROUP = 3


class Uncertainty:
    """A logits processor that changes nothing: it measures how uncertain the model is about each next token."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._count = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        chances = torch.log_softmax(scores[0].float(), dim=-1)
        entropy = -(chances.exp() * chances.clamp(min=-1e4)).sum()
        self._sum += float(entropy)
        self._count += 1
        return scores

    @property
    def mean_nats(self) -> float:
        """0.0 before the first token."""
        return self._sum / self._count if self._count else 0.0


def repetition(tokens: Sequence[int]) -> float:
    """The share of groups of three tokens that were there before, from 0 to 1; 0 for an answer too short to tell."""
    if len(tokens) < FEWEST_TOKENS:
        return 0.0
    groups = [tuple(tokens[start : start + _GROUP]) for start in range(len(tokens) - _GROUP + 1)]
    return 1 - len(set(groups)) / len(groups)


def is_noise(now: dict[str, Any], before: dict[str, Any] | None) -> bool:
    """Whether an answer is noise, and that of the model `before` training was not; not known (None): no.

    Both as {"repetition": share, "entropy": nats, "tokens": count}.
    """
    if before is None or now["tokens"] < FEWEST_TOKENS:
        return False
    repeats: bool = now["repetition"] >= REPEATED and now["repetition"] > before["repetition"] + REPEATED_RISE
    at_random: bool = now["entropy"] >= ENTROPY_NATS and now["entropy"] > before["entropy"] + ENTROPY_RISE_NATS
    return repeats or at_random
