"""The learning rate over a run: constant and then cosine, against the usual curves, at several lengths."""

from __future__ import annotations

from evidence.arms import Arm, Claim, Comparison, Experiment

SCHEDULE_NAMES = ("FP_low_epoch_annealing", "FP_half_time_annealing", "constant", "linear", "cosine")
EPOCHS = (1, 2, 3, 5)


def name(schedule: str, epochs: int) -> str:
    return f"{schedule}, {epochs} epoch{'s' if epochs > 1 else ''}"


SCHEDULES = Experiment(
    name="schedules",
    title="Schedules",
    question="Which learning rate schedule?",
    answer=(
        "A rate that is constant and then falls (FP_low_epoch_annealing) forgot clearly less than a constant one, and "
        "from 3 epochs kept held-out text better. The constant rate recalled clearly more facts at 3 epochs. Compared "
        "with cosine from the start, recall was not clearly different."
    ),
    about=(
        "The part of the market, all targets, rank 16, highest rate 1e-3, no warmup. [Schedules](schedules.md) "
        "explains the curves. FP_low_epoch_annealing stays constant for one epoch and then falls like a cosine."
    ),
    arms=tuple(
        Arm(name(schedule, epochs), {"lr_scheduler_type": schedule, "epochs": float(epochs)})
        for epochs in EPOCHS
        for schedule in SCHEDULE_NAMES
    ),
    claims=(
        Claim(
            "Constant and then cosine recalls more than cosine from the start",
            tuple(Comparison(name(SCHEDULE_NAMES[0], n), name("cosine", n), "recall") for n in (2, 3, 5)),
        ),
        Claim(
            "Constant and then cosine keeps held-out text better than constant",
            tuple(Comparison(name(SCHEDULE_NAMES[0], n), name("constant", n), "held_out_loss") for n in (2, 3, 5)),
        ),
        Claim(
            "Constant and then cosine forgets less than constant",
            tuple(Comparison(name(SCHEDULE_NAMES[0], n), name("constant", n), "general_loss") for n in (2, 3, 5)),
        ),
    ),
    shown=("recall", "held_out_loss", "general_loss"),
)
