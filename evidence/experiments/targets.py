"""Which layers learn, at as many trained numbers: few layers with a high rank, or many with a low one."""

from __future__ import annotations

from evidence.arms import Arm, Claim, Comparison, Experiment

RANKS = {
    "small": {"q-v": 32, "q-k-v": 23, "q-k-v-o": 16, "all": 6},
    "large": {"q-v": 128, "q-k-v": 91, "q-k-v-o": 64, "all": 24},
}


def name(targets: str, size: str) -> str:
    return f"{targets}, rank {RANKS[size][targets]}"


SIZES_OF_LORA = tuple(RANKS)
TARGETS = Experiment(
    name="targets",
    title="Targets against rank",
    about=(
        "The ranks make the number of trained parameters the same: 1.8 million in the first four variants, 7.4 million "
        "in the others. Learning rate 1e-3, constant, 4 epochs."
    ),
    arms=tuple(
        Arm(name(targets, size), {"targets": targets, "rank": rank})
        for size in SIZES_OF_LORA
        for targets, rank in RANKS[size].items()
    ),
    claims=(
        Claim(
            "q-k-v-o at a lower rank learns more than q-v at a high one",
            tuple(Comparison(name("q-k-v-o", size), name("q-v", size), "recall") for size in SIZES_OF_LORA),
        ),
        Claim(
            "q-k-v at a lower rank learns more than q-v at a high one",
            tuple(Comparison(name("q-k-v", size), name("q-v", size), "recall") for size in SIZES_OF_LORA),
        ),
        Claim(
            "All layers at a low rank recall more than q-v at a high one",
            tuple(Comparison(name("all", size), name("q-v", size), "recall") for size in SIZES_OF_LORA),
        ),
        Claim(
            "All layers forget more than q-v",
            tuple(Comparison(name("q-v", size), name("all", size), "general_loss") for size in SIZES_OF_LORA),
        ),
    ),
    shown=("recall", "answer_loss", "verbatim", "held_out_loss", "general_loss"),
)
