"""Means and spreads over seeds, and whether a claim held. Arithmetic alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evidence.arms import HIGHER_IS_BETTER, Claim, Comparison, Experiment
from evidence.results import Line

FEWEST_SEEDS = 3
Outcome = Literal["as claimed", "the opposite", "no clear difference", "not yet run"]
Verdict = Literal["held", "held in part", "not found", "the opposite", "not yet run"]


@dataclass(frozen=True)
class Group:
    """An arm's lines of all seeds; of an arm with levels, those of one level."""

    name: str
    lines: tuple[Line, ...]

    def values(self, measure: str) -> list[float]:
        return [line.measures[measure] for line in self.lines if measure in line.measures]

    def mean(self, measure: str) -> float:
        values = self.values(measure)
        return sum(values) / len(values)

    @property
    def tokens(self) -> int:
        """Trained, on average."""
        return round(sum(line.tokens for line in self.lines) / len(self.lines))


def grouped(experiment: Experiment, lines: Sequence[Line]) -> dict[str, Group]:
    """By arm, or by arm and level, in the experiment's order; what has no lines is absent."""
    found: dict[str, list[Line]] = {}
    names = [
        (arm.name, level, f"{arm.name} {level:g}" if level else arm.name)
        for arm in experiment.arms
        for level in (arm.levels or (0.0,))
    ]
    for arm, level, shown in names:
        own = [line for line in lines if line.arm == arm and line.level == level]
        if own:
            found[shown] = own
    return {name: Group(name, tuple(own)) for name, own in found.items()}


def outcome(comparison: Comparison, groups: dict[str, Group]) -> Outcome:
    """Clear is a difference where the worst seed of one arm is better than the best seed of the other."""
    better, worse = groups.get(comparison.better), groups.get(comparison.worse)
    if better is None or worse is None or min(len(better.lines), len(worse.lines)) < FEWEST_SEEDS:
        return "not yet run"
    sign = 1 if comparison.measure in HIGHER_IS_BETTER else -1
    ours = [sign * value for value in better.values(comparison.measure)]
    theirs = [sign * value for value in worse.values(comparison.measure)]
    if min(ours) > max(theirs):
        return "as claimed"
    return "the opposite" if max(ours) < min(theirs) else "no clear difference"


def verdict(claim: Claim, groups: dict[str, Group]) -> Verdict:
    """Over the comparisons that were run."""
    run = {result for result in (outcome(c, groups) for c in claim.comparisons) if result != "not yet run"}
    if not run:
        return "not yet run"
    if run == {"as claimed"}:
        return "held"
    if run == {"the opposite"}:
        return "the opposite"
    return "held in part" if "as claimed" in run else "not found"
