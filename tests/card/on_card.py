"""The same on a real card: random weights made there, no download, at most ten minutes on a card of 24 GB.

What is measured here needs a card and is counted nowhere else: without one each line says "not run". A check that
fails with an error gives failed lines, and the next one follows. Smaller cards are played by a limit on torch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.card import on_host, on_learning, on_memory
from tests.card.check import Found
from tests.card.one_card import GIB, Card, found_card
from tests.card.random_model import Scale
from training_pro.training.memory.out_of_memory import free_memory

MOST_SECONDS = 570.0  # a check that would begin later is left out


@dataclass(frozen=True)
class CardCheck:
    """`run` gives lines of these `names`, on a card of at least so many GB."""

    run: Callable[[Card, Scale], Iterator[Found]]
    names: tuple[str, ...]
    gigabytes: int = 8


CHECKS = (
    CardCheck(on_learning.precision_of_an_older_card, ("card_precision_sm75",), 1),
    CardCheck(on_host.page, ("card_page_wakes_cuda", "card_page_takes"), 1),
    CardCheck(on_host.given_back, ("card_model_given_back", "card_memory_given_back"), 4),
    CardCheck(on_learning.gradients, ("card_gradient_error_compute_fp16",), 4),
    CardCheck(
        on_memory.seven_billion, ("card_peak_7b_fp16", "card_stream_7b_fp16", "card_time_7b_against_fp16_base"), 20
    ),
    CardCheck(
        on_memory.forecasts,
        tuple(f"card_forecast_{size}_{what}" for size in ("7b", "8b", "13b") for what in ("tensors", "held")),
        16,
    ),
    CardCheck(on_memory.loss_chunks, tuple(f"card_loss_{words}_words" for words in ("32k", "128k", "256k")), 6),
    CardCheck(
        on_memory.running_out,
        ("card_memory_back_after_a_failed_try", "card_failed_tries_said", "card_losses_after_a_failed_try"),
        10,
    ),
    CardCheck(
        on_memory.padding, ("card_mask_changes_the_loss_by", "card_time_without_mask", "card_peak_without_mask"), 20
    ),
    CardCheck(on_learning.scaler, ("card_fp16_last_loss_over_first", "card_fp16_scaler_in_checkpoints"), 4),
    CardCheck(on_learning.same_bytes, ("card_other_bytes_deterministic", "card_other_bytes_continued"), 4),
    CardCheck(on_learning.samples, ("card_samples_sdpa", "card_samples_fa2"), 4),
    CardCheck(on_learning.small_memory, ("card_8bit_base", "card_dora", "card_small_optimizers"), 4),
    CardCheck(on_host.waits, ("card_waits_accumulation_1", "card_waits_accumulation_3"), 4),
    CardCheck(on_memory.finder, ("card_finder_24gb", "card_finder_8gb_auto"), 24),
)


def on_card() -> Iterator[Found]:
    """All of it on the first card; without one, a line for each name that says that it was not run."""
    card = found_card()
    for check in CHECKS if card is None else ():
        yield from _left_out(check, "not run", "a card")
    if card is not None:
        yield from measured(card, Scale())


def measured(card: Card, scale: Scale) -> Iterator[Found]:
    """All checks on `card`, and what they took."""
    begun = time.monotonic()
    for check in CHECKS:
        if card.total_bytes < check.gigabytes * GIB * 0.95:  # a card of 24 GB has somewhat less than 24 GiB
            has = f"{card.total_bytes / GIB:.0f}"
            yield from _left_out(check, f"too small: {has} GB", f"a card of {check.gigabytes} GB")
        elif time.monotonic() - begun > MOST_SECONDS:
            yield from _left_out(check, "no time left", "ten minutes in all")
        else:
            yield from _safely(check, card, scale)
            free_memory()
    yield Found("card_seconds", round(time.monotonic() - begun), "at most 600", time.monotonic() - begun <= 600, "card")


def _left_out(check: CardCheck, value: str, bar: str) -> Iterator[Found]:
    return (Found(name, value, bar, None, "card") for name in check.names)


def _safely(check: CardCheck, card: Card, scale: Scale) -> Iterator[Found]:
    """The check's lines; for those that an error has kept from being measured, a failed line with that error."""
    done: set[str] = set()
    try:
        for found in check.run(card, scale):
            done.add(found.name)
            yield found
        said = "the check gave no such line"
    except Exception as error:  # noqa: BLE001 - one check must not end the others
        said = f"{type(error).__name__}: {str(error).strip()}".split("\n")[0][:120]
    yield from (Found(name, said, "no error", False, "card") for name in check.names if name not in done)
