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
    question="Few layers with a high rank, or many with a low one?",
    answer=(
        "In a small LoRA, all layers with a low rank recalled clearly more than q and v with a high one. In a large "
        "one, the difference was not clear. Adding only k, or k and o, changed nothing clearly."
    ),
    about=(
        "4 epochs of the part of the market, learning rate 1e-3, constant. The ranks are chosen so that LoRAs have the "
        "same size: 1.8 million trained numbers in the first four, 7.4 million in the others."
    ),
    arms=tuple(
        Arm(name(targets, size), {"targets": targets, "rank": rank})
        for size in SIZES_OF_LORA
        for targets, rank in RANKS[size].items()
    ),
    claims=(
        Claim(
            "q-k-v-o at a lower rank recalls more than q-v at a high one",
            tuple(Comparison(name("q-k-v-o", size), name("q-v", size), "recall") for size in SIZES_OF_LORA),
        ),
        Claim(
            "q-k-v at a lower rank recalls more than q-v at a high one",
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
    shown=("recall", "general_loss"),
)
