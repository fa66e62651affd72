"""How far to let the loss fall: one run a seed, measured at each stop loss on its way down."""

from __future__ import annotations

from evidence.arms import Arm, Claim, Comparison, Experiment

LEVELS = (3.0, 2.5, 2.0, 1.5, 1.0, 0.5)
_ARM = "stop loss"


def at(level: float) -> str:
    """The name of the run as it is at this stop loss."""
    return f"{_ARM} {level:g}"


STOP_LOSS = Experiment(
    name="stop_loss",
    title="Stop loss: recall against forgetting",
    question="How far should the loss fall?",
    answer=(
        "At a loss of 2 the model recalls clearly more facts than at 3; below that, hardly more. To repeat passages "
        "word for word, it needs less than 1.5: the lower, the longer they are. The forgetting grows most between 2.5 "
        "and 1.5."
    ),
    about=(
        "The part of the market, all targets, rank 16, learning rate 1e-3, constant. Each run stops at every loss of "
        "the table (the mean of the last 5 updates), is measured, and resumes."
    ),
    arms=(Arm(_ARM, {"epochs": 30.0}, levels=LEVELS, ends=True),),
    claims=(
        Claim(
            "A stop loss below 2.5 recalls more facts",
            (Comparison(at(1.5), at(2.5), "recall"), Comparison(at(0.5), at(1.5), "recall")),
        ),
        Claim(
            "Verbatim continuation needs a loss below 1.5",
            (Comparison(at(1.0), at(1.5), "verbatim"), Comparison(at(0.5), at(1.0), "verbatim")),
        ),
        Claim(
            "A lower stop loss forgets more of other texts",
            (Comparison(at(2.5), at(1.5), "general_loss"), Comparison(at(1.5), at(0.5), "general_loss")),
        ),
        Claim(
            "Below 1.5 the loss of held-out sections rises: it memorizes",
            (Comparison(at(1.5), at(1.0), "held_out_loss"), Comparison(at(1.0), at(0.5), "held_out_loss")),
        ),
    ),
    shown=("recall", "verbatim", "held_out_loss", "general_loss"),
    plotted=("recall", "held_out_loss", "general_loss"),
)
