"""How a window slides over a text to score each of its tokens once. Standard library only.

Every step shows the model some tokens it has scored already, as context, and scores the next `stride` ones.

    stride 2, context 4:   [a b c d] e f      scores b c d (a too, where a BOS stands before it)
                            a b [c d e f]     scores e f
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from training_pro.errors import SettingsError

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
