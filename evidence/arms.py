"""What an experiment is: arms that differ in one thing, and claims about which of them is better. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Measure = Literal["recall", "answer_loss", "verbatim", "held_out_loss", "general_loss", "whole_ends"]
MEASURES: dict[str, str] = {
    "recall": "facts recalled",
    "answer_loss": "loss of the right answers",
    "verbatim": "tokens continued verbatim",
    "held_out_loss": "loss of held-out sections",
    "general_loss": "loss of another text",
    "whole_ends": "answers that end whole",
}
HIGHER_IS_BETTER = {"recall", "verbatim", "whole_ends"}
COMMON: dict[str, Any] = {
    "dropout": 0.0,
    "save_at_loss": 0.0,
    "save_best": False,
    "batch_size": 1,
    "warmup_steps": 0,
    "overlap": False,
    "eos": "cut",
    "lr_scheduler_type": "constant",
    "targets": "all",
    "rank": 16,
    "learning_rate": 1e-3,
    "max_tokens": 128,
    "epochs": 4.0,
}


@dataclass(frozen=True)
class Arm:
    """`settings`: where it differs from `COMMON`. `tokens`: the epochs are chosen so that so many are trained (0: as
    the settings say). `chunk_tokens`: not our slicer's blocks but pieces of so many tokens, cut anywhere. `levels`:
    the run stops at each of these losses, is measured, and continues. `ends`: sampled answers are looked at too.
    `per_batch`: the loss is averaged over each batch of an update, as other trainers do, and not over all its tokens.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    text: str = "market"
    tokens: int = 0
    chunk_tokens: int = 0
    levels: tuple[float, ...] = ()
    ends: bool = False
    per_batch: bool = False

    def all_settings(self) -> dict[str, Any]:
        return {**COMMON, **self.settings}


@dataclass(frozen=True)
class Comparison:
    """`better` has more of `measure` than `worse`, or less where less is better."""

    better: str
    worse: str
    measure: Measure


@dataclass(frozen=True)
class Claim:
    """What is claimed, where, and the comparisons that must all come out for it to hold."""

    says: str
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Experiment:
    """`question` and `answer`: for the page's first table; the answer is read off the verdicts by a person. `about`:
    what was done, in two or three sentences. `shown`: the columns of its table. `plotted`: the panels of its plot."""

    name: str
    title: str
    question: str
    answer: str
    about: str
    arms: tuple[Arm, ...]
    claims: tuple[Claim, ...] = ()
    shown: tuple[Measure, ...] = ("recall", "verbatim", "held_out_loss", "general_loss")
    plotted: tuple[Measure, ...] = ("recall", "general_loss")
    seeds: tuple[int, ...] = (1, 2, 3)
