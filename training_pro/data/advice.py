"""Better numbers for this data, each with its reason, and warnings of numbers that are far from the usual.

Pure arithmetic over the counts of prepared data; costs nothing. The rules are those of docs/numbers.md; a rule speaks
only where a setting is far from it, so that a sensible choice is left in peace.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from training_pro.errors import Fault
from training_pro.plan import Plan
from training_pro.settings import Settings

FEWEST_UPDATES = 40  # fewer teach little, whatever the rate
MOST_EPOCHS = 10  # that are advised to get there
UPDATES_AN_EPOCH = 10
_RANKS = ((100_000, 16), (1_000_000, 32), (5_000_000, 64), (math.inf, 128))  # up to so many tokens
_EPOCHS = ((5_000_000, math.inf), (50_000_000, 2), (math.inf, 1))
_RATES = ((32, 3e-4), (64, 2e-4), (math.inf, 1e-4))  # up to such a rank
MANY_TOKENS = 1_000_000  # more than the smallest targets hold well
DESTROYS = 0.05  # a learning rate with which Adam and its kin move every weight by more than it is large
DESTROYS_ALL = 1.0  # with any optimizer
SHORT_RUN_UPDATES, SHORT_RUN_RATE = 200, 1e-3  # a run of so few updates learns little at the usual rates
HIGH_RATE, LOW_RATE = 2e-3, 1e-6
HIGH_RANK, HIGH_SCALE, LOW_SCALE = 512, 8.0, 0.1
_FAR = 3.0  # times as much as advised, or as little
_STEP = 32


@dataclass(frozen=True)
class Suggestion:
    """`changes` maps setting names to the values that one click applies; `urgent`: much is lost without them."""

    reason: str
    changes: Mapping[str, Any]
    urgent: bool = False


@dataclass(frozen=True)
class Counts:
    """What the rules look at. `tokens`: trained ones of one pass over the data, each counted once; `longest_tokens` and
    `mean_tokens` of a block; `sections`, `short_sections`, `split_sentences` and `packed` of texts."""

    tokens: int
    samples: int
    longest_tokens: int
    mean_tokens: float
    padding_share: float
    sections: int = 0
    short_sections: int = 0
    split_sentences: int = 0
    packed: int = 0
    has_rows: bool = False
    model_max_tokens: int | None = None


def better_numbers(settings: Settings, plan: Plan, counts: Counts) -> list[Suggestion]:
    """The suggestions, the weightiest first."""
    rules = (_more_updates, _fewer_epochs, _rate, _rank, _targets, _context, _padding)
    return [found for rule in rules for found in rule(settings, plan, counts)]


def extremes(settings: Settings) -> list[str]:
    """A sentence for each number that is far from the usual, yet may be meant."""
    notes = []
    rate, rank = settings.learning_rate, settings.rank
    scale = settings.lora_alpha_used() / (math.sqrt(rank) if settings.use_rslora else rank)
    if _is_adaptive(settings) and rate > HIGH_RATE:
        notes.append(f"Learning Rate {rate:g} is very high for a LoRA; usual: 1e-4 to 3e-4.")
    if rate < LOW_RATE:
        notes.append(f"Learning Rate {rate:g} is so low that hardly anything is learned; usual: 1e-4 to 3e-4.")
    if rank > HIGH_RANK:
        notes.append(f"LoRA Rank {rank} is far above the usual 8 to 128: a large file, and more overfitting.")
    if not LOW_SCALE <= scale <= HIGH_SCALE:
        notes.append(
            f"LoRA Alpha {settings.lora_alpha_used():g} scales the LoRA by {scale:.3g} (usual: 1 to 2); "
            f"at rank {rank}, 0 (auto) gives {2 * rank}."
        )
    return notes


def destroying_rate(settings: Settings) -> list[Fault]:
    """A refusal where the learning rate would make the LoRA useless; LoRA+ multiplies it for half of the matrices."""
    most = DESTROYS if _is_adaptive(settings) else DESTROYS_ALL
    if settings.head_learning_rate >= most:
        text = (
            f"Learning rate of head and embeddings {settings.head_learning_rate:g} makes the LoRA useless; usual: 5e-5."
        )
        return [Fault(text, "head_learning_rate", ("--set head_learning_rate=5e-5",))]
    rate = settings.learning_rate * max(settings.lora_plus_ratio, 1.0)
    if rate < most:
        return []
    with_ratio = f" x LoRA+ ratio {settings.lora_plus_ratio:g}" if settings.lora_plus_ratio > 1 else ""
    text = f"Learning Rate {settings.learning_rate:g}{with_ratio} makes the LoRA useless; usual: 1e-4 to 3e-4."
    return [Fault(text, "learning_rate", ("--set learning_rate=3e-4",))]


def _is_adaptive(settings: Settings) -> bool:
    """Whether a step is about as long as the learning rate, however small the gradient is."""
    return "sgd" not in settings.optimizer.lower()


def _more_updates(settings: Settings, plan: Plan, counts: Counts) -> Iterator[Suggestion]:
    if plan.total_updates >= FEWEST_UPDATES or settings.dementor:
        return
    changes: dict[str, Any] = {}
    at_once = plan.blocks_per_update
    wanted = max(1, plan.blocks // UPDATES_AN_EPOCH)
    if wanted < at_once:
        changes["gradient_accumulation_steps"] = 1
        changes["batch_size"] = max(1, min(plan.batch_size, wanted // plan.processes))
        at_once = changes["batch_size"] * plan.processes
    per_epoch = math.ceil(plan.blocks / at_once)
    epochs = min(MOST_EPOCHS, math.ceil(FEWEST_UPDATES / per_epoch))
    if epochs > settings.epochs:
        changes["epochs"] = float(epochs)
    changes = {name: value for name, value in changes.items() if value != getattr(settings, name)}
    if changes:
        yield Suggestion(
            f"Only {plan.total_updates} updates in all are too few: with {_shown(changes)} there are "
            f"{math.ceil(max(epochs, settings.epochs) * per_epoch)}",
            changes,
        )


def _fewer_epochs(settings: Settings, _: Plan, counts: Counts) -> Iterator[Suggestion]:
    most = _row_of(_EPOCHS, counts.tokens)
    if settings.epochs > most:
        yield Suggestion(
            f"For {counts.tokens:,} trained tokens {most} epoch{'s are' if most > 1 else ' is'} enough",
            {"epochs": float(most)},
        )


def _rate(settings: Settings, plan: Plan, _: Counts) -> Iterator[Suggestion]:
    """A short run may have a higher one: Adam moves each weight by about the rate an update (docs/evidence.md)."""
    usual = _row_of(_RATES, settings.rank)
    highest = max(_FAR * usual, SHORT_RUN_RATE if plan.total_updates <= SHORT_RUN_UPDATES else 0.0)
    far = settings.learning_rate > highest or settings.learning_rate < usual / (_FAR * _FAR)
    if far and _is_adaptive(settings) and settings.lora_plus_ratio <= 1:
        yield Suggestion(
            f"Learning Rate {usual:g} is usual at rank {settings.rank}, yours is {settings.learning_rate:g}",
            {"learning_rate": usual},
        )


def _rank(settings: Settings, _: Plan, counts: Counts) -> Iterator[Suggestion]:
    wanted = int(_row_of(_RANKS, counts.tokens))
    if settings.targets in ("all", "all-linear"):  # several times as many numbers at the same rank
        wanted = wanted // 2
    if wanted / 2 <= settings.rank <= wanted * 2:
        return
    what = "room enough" if settings.rank > wanted else "too little room"
    changes: dict[str, Any] = {"rank": wanted}
    if settings.alpha:  # chosen by hand: its ratio to the rank stays
        changes["alpha"] = settings.alpha * wanted / settings.rank
    yield Suggestion(
        f"LoRA Rank {wanted}: for {counts.tokens:,} trained tokens, rank {settings.rank} has "
        f"{'more than ' if settings.rank > wanted else ''}{what}",
        changes,
    )


def _targets(settings: Settings, _: Plan, counts: Counts) -> Iterator[Suggestion]:
    if settings.targets == "q-v" and counts.tokens >= MANY_TOKENS:
        yield Suggestion(
            f"Targets all-linear: for {counts.tokens:,} trained tokens, more layers learn better than "
            "a higher rank on q and v",
            {"targets": "all-linear"},
        )


def _context(settings: Settings, _: Plan, counts: Counts) -> Iterator[Suggestion]:
    """For texts; what rows need is their longest one."""
    if counts.has_rows:
        return
    most = counts.model_max_tokens or 2 * settings.max_tokens
    if settings.dementor and counts.sections and counts.short_sections * 2 >= counts.sections:
        wanted = max(_STEP, _rounded_up(counts.mean_tokens / 2))
        if wanted < settings.max_tokens:
            yield Suggestion(
                f"Maximum context length {wanted}: {counts.short_sections:,} of {counts.sections:,} sections are "
                "shorter than a window, so DEMENTOR sees them only once",
                {"max_tokens": wanted},
            )
    elif counts.packed and counts.split_sentences * 20 >= counts.packed and 2 * settings.max_tokens <= most:
        yield Suggestion(
            f"Maximum context length {2 * settings.max_tokens}: {counts.split_sentences:,} sentences are longer than "
            f"{settings.max_tokens} tokens and were split",
            {"max_tokens": 2 * settings.max_tokens},
        )
    elif counts.longest_tokens * 2 <= settings.max_tokens:
        wanted = _rounded_up(counts.longest_tokens)
        yield Suggestion(
            f"Maximum context length {wanted}: the longest block has {counts.longest_tokens} tokens",
            {"max_tokens": wanted},
        )


def _padding(settings: Settings, plan: Plan, counts: Counts) -> Iterator[Suggestion]:
    if counts.padding_share > 0.3 and not settings.group_by_length and plan.batch_size > 1:
        yield Suggestion(
            f"{counts.padding_share:.0%} of the work is spent on padding: Group Samples by Length saves most of it",
            {"group_by_length": True},
        )


def _row_of(table: tuple[tuple[float, float], ...], value: float) -> float:
    return next(found for most, found in table if value <= most)


def _rounded_up(tokens: float) -> int:
    return math.ceil(tokens / _STEP) * _STEP


def _shown(changes: Mapping[str, Any]) -> str:
    names = {
        "gradient_accumulation_steps": "Gradient Accumulation Steps",
        "batch_size": "True Batch Size",
        "epochs": "Epochs",
    }
    words = [f"{names[name]} {value:g}" for name, value in changes.items()]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
