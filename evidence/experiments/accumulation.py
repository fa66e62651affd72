"""Batch and accumulation: the same product either way, and growing products."""

from __future__ import annotations

from evidence.arms import Arm, Claim, Comparison, Experiment

WAYS = ((1, 1), (4, 1), (1, 4), (2, 2), (8, 1), (1, 8))


def name(batch: int, accumulation: int) -> str:
    return f"batch {batch}, accumulation {accumulation}"


def per_batch(batch: int, accumulation: int) -> str:
    return f"{name(batch, accumulation)}, averaged per batch"


def _settings(batch: int, accumulation: int) -> dict[str, object]:
    return {
        "batch_size": batch,
        "gradient_accumulation_steps": accumulation,
        "group_by_length": False,
        "max_tokens": 64,
        "epochs": 6.0,
    }


ACCUMULATION = Experiment(
    name="accumulation",
    title="Batch and accumulation",
    question="Is gradient accumulation (several small batches per update) as good as one large batch?",
    answer=(
        "Yes: both gave the same figures. Averaging the loss of each small batch on its own was worse: the right "
        "answers had a higher loss, clearly so with batch 1 and accumulation 4. With batch 8 that loss was clearly "
        "higher than with 4, at equal epochs, but no fewer facts were recalled."
    ),
    about=(
        "6 epochs of the part of the market at context 64, all targets, rank 16, learning rate 1e-3, constant, blocks "
        "in the same order. Ours averages the loss over all tokens of an update. *Averaged per batch*: each batch's "
        "loss is divided by its own tokens, as some trainers do."
    ),
    arms=(
        *(Arm(name(batch, accumulation), _settings(batch, accumulation)) for batch, accumulation in WAYS),
        *(Arm(per_batch(*way), _settings(*way), per_batch=True) for way in ((2, 2), (1, 4))),
    ),
    claims=(
        Claim(
            "A true batch gives the right answers a lower loss than accumulation of the same size",
            (
                Comparison(name(4, 1), name(1, 4), "answer_loss"),
                Comparison(name(8, 1), name(1, 8), "answer_loss"),
            ),
        ),
        Claim(
            "The mean over all tokens of an update gives the right answers a lower loss than averaging per batch",
            (
                Comparison(name(2, 2), per_batch(2, 2), "answer_loss"),
                Comparison(name(1, 4), per_batch(1, 4), "answer_loss"),
            ),
        ),
        Claim(
            "A larger batch x accumulation gives the right answers a lower loss",
            (
                Comparison(name(4, 1), name(1, 1), "answer_loss"),
                Comparison(name(8, 1), name(4, 1), "answer_loss"),
            ),
        ),
    ),
    shown=("recall", "answer_loss", "general_loss"),
)
