"""Learning rate, rank and size of the data, with the usual targets q and v: what the rules of Verify are read off."""

from __future__ import annotations

from evidence.arms import Arm, Claim, Comparison, Experiment

RATES = (3e-4, 1e-3, 3e-3)
RANKS = (8, 64)
TOKENS = {"market": "380 tokens", "whole market": "670 tokens", "kettle": "5,600 tokens"}
EPOCHS = {"market": 4.0, "whole market": 4.0, "kettle": 2.0}


def name(text: str, rank: int, rate: float) -> str:
    return f"{TOKENS[text]}, rank {rank}, rate {rate:g}"


def _arm(text: str, rank: int, rate: float) -> Arm:
    settings = {"targets": "q-v", "rank": rank, "learning_rate": rate, "epochs": EPOCHS[text]}
    return Arm(name(text, rank, rate), settings, text=text)


NUMBERS = Experiment(
    name="numbers",
    title="Learning rate and rank",
    question="Which learning rate and rank for a small text?",
    answer=(
        "Raising one of them taught more facts, up to rank 64 with rate 1e-3. Above that, only the forgetting grew "
        "clearly."
    ),
    about=(
        "4 epochs of the part of the market, targets q-v, constant rate, one block per update. LoRA Alpha is 2 x rank."
    ),
    arms=tuple(_arm("market", rank, rate) for rank in RANKS for rate in RATES),
    claims=(
        Claim(
            "On a small text, rate 1e-3 recalls more than 3e-4",
            tuple(Comparison(name("market", rank, 1e-3), name("market", rank, 3e-4), "recall") for rank in RANKS),
        ),
        Claim(
            "On a small text, rate 3e-3 recalls more than 1e-3",
            tuple(Comparison(name("market", rank, 3e-3), name("market", rank, 1e-3), "recall") for rank in RANKS),
        ),
        Claim(
            "A higher rank recalls more at the same rate",
            tuple(Comparison(name("market", 64, rate), name("market", 8, rate), "recall") for rate in RATES),
        ),
        Claim(
            "A high rate forgets more",
            tuple(Comparison(name("market", rank, 3e-4), name("market", rank, 3e-3), "general_loss") for rank in RANKS),
        ),
    ),
    shown=("recall", "general_loss"),
    plotted=("recall", "general_loss"),
)


SIZES = Experiment(
    name="sizes",
    title="Learning rate and rank, with less and with more text",
    question="Does more text need another learning rate or rank?",
    answer=(
        "A lower rate did not help: 3e-3 recalled clearly more than 1e-3 on 670 tokens, and not less on 5,600. On "
        "5,600 tokens a higher rank recalled clearly more, except with 3e-3."
    ),
    about=(
        "As under *Learning rate and rank*, with 4 epochs of the whole market (670 tokens) and 2 of the Kettle House "
        "(5,600 tokens)."
    ),
    arms=tuple(_arm(text, rank, rate) for text in ("whole market", "kettle") for rank in RANKS for rate in RATES),
    claims=(
        Claim(
            "With more text a lower rate is enough: 1e-3 recalls more than 3e-3",
            tuple(Comparison(name("kettle", rank, 1e-3), name("kettle", rank, 3e-3), "recall") for rank in RANKS),
        ),
        Claim(
            "With more text a higher rank recalls more",
            tuple(Comparison(name("kettle", 64, rate), name("kettle", 8, rate), "recall") for rate in RATES),
        ),
        Claim(
            "With twice the text a high rate still recalls more",
            tuple(Comparison(name("whole market", r, 3e-3), name("whole market", r, 1e-3), "recall") for r in RANKS),
        ),
    ),
    shown=NUMBERS.shown,
    plotted=NUMBERS.plotted,
)
