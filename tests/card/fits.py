"""What fits on which card, by the forecast, as the table of docs/graphics-cards.md: ``python -m tests.card.fits``.

Models are made of fake tensors; nothing is computed. Takes some ten seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

from tests.card.fake_model import SIZES, fake_card
from tests.card.memory import BLOCKS, work_of
from training_pro.settings import Settings
from training_pro.training.memory.forecast import Work, forecast, largest_that_fits

MODELS = {"1b": "1B", "3b": "3B", "7b": "7B", "8b": "8B with a vocabulary of 128k tokens", "13b": "13B"}
CARDS_GB = (8, 12, 16, 24)
CONTEXTS = (256, 1024)
MOST = 64
_GIB = 2**30
_TAKEN = int(0.9 * _GIB)  # by the desktop and by CUDA itself


def rows(name: str) -> Iterator[str]:
    """The rows of one model, a row a context."""
    size = SIZES[name]
    with fake_card():
        work = work_of(size, Settings(), 0)
    weights = work.shape.weights_bytes
    first = f" {MODELS[name]}, {size.layers} layers | {weights / _GIB:.1f} GB"
    for context in CONTEXTS:
        cells = (_cell(replace(work, free_bytes=gb * _GIB - _TAKEN - weights), context) for gb in CARDS_GB)
        yield f"|{first} | {context} | {' | '.join(cells)} |"
        first = " |"


def _cell(work: Work, context: int) -> str:
    """Largest batch without / with all layers checkpointed (layers that auto checkpoints at a batch of 10)."""
    without, with_all = (
        largest_that_fits(replace(work, settings=Settings(gradient_checkpointing=way)), MOST, context)
        for way in ("off", "on")
    )
    if not with_all:
        return "none"
    chosen = forecast(work, BLOCKS, context)
    return f"{without} / {with_all} ({chosen.checkpointed if chosen.fits else 'no'})"


def main() -> None:
    heads = "".join(f" {gb} GB |" for gb in CARDS_GB)
    sys.stdout.write(f"| model | weights | context |{heads}\n|{'---|' * (3 + len(CARDS_GB))}\n")
    for name in MODELS:
        for row in rows(name):
            sys.stdout.write(row + "\n")


if __name__ == "__main__":
    main()
