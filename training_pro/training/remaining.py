"""How much longer a run takes: from the tokens of the updates to come, and from what it does besides.

The order of the blocks is known, so the tokens of each update to come are; their time is that of the recent updates,
token for token. Evaluations, answers to sample prompts and checkpoints come on top, as often as they are planned and
as long as they took so far. The first update, which warms things up, is soon left out. Costs microseconds. No torch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from training_pro.plan import Plan
from training_pro.settings import Settings, sample_prompts
from training_pro.training.update_tokens import Tokens

FORGETTING = "forgetting"  # the general text is measured, a kind of evaluating
RECENT_UPDATES = 30
_WARMED_UP = 1  # updates that are left out once there are as many others
_GENERAL_TOKENS = 1000.0
_FORWARD_SHARE = 1 / 3  # of an update's time a token, for one that is only evaluated


@dataclass(frozen=True)
class Besides:
    """What a run does besides updates: after which of them, by the phase's name; the last one counts as one too.

    `evaluation_tokens` are those of one evaluation.
    """

    every: Mapping[str, int] = field(default_factory=dict)
    at_end: frozenset[str] = frozenset()
    evaluation_tokens: float = 0.0

    @classmethod
    def of(cls, settings: Settings, plan: Plan, evaluation_tokens: float) -> Besides:
        """`evaluation_tokens` 0: there is nothing to evaluate."""
        every: dict[str, int] = {}
        at_end = set()
        if evaluation_tokens:
            every["evaluating"] = settings.eval_steps
            at_end.add("evaluating")
        if settings.watch_forgetting:
            every[FORGETTING] = settings.eval_steps
            at_end.add(FORGETTING)
        if sample_prompts(settings):
            at_end.add("sampling")
            often = settings.sample_steps or (settings.eval_steps if evaluation_tokens else 0)
            every |= {"sampling": often} if often else {}
        if settings.save_steps:
            every["saving"] = min(settings.save_steps, plan.updates_per_epoch)
        return cls(every, frozenset(at_end), evaluation_tokens)

    def is_due(self, phase: str, update: int, total: int) -> bool:
        """Whether it comes right after this update of so many."""
        every = self.every.get(phase, 0)
        return update > 0 and bool((every and update % every == 0) or (update >= total and phase in self.at_end))

    def times_left(self, phase: str, update: int, total: int) -> int:
        """How often it still comes after later updates than this one of so many."""
        every = self.every.get(phase, 0)
        planned = total // every - update // every if every else 0
        last = phase in self.at_end and update < total and not (every and total % every == 0)
        return planned + last


class Remaining:
    """Told of each update and of what was done besides, says how many seconds are left.

    `tokens` (updates,) are those of all updates of the run, whatever was done before it was continued.
    """

    def __init__(self, tokens: Tokens, besides: Besides = Besides()) -> None:
        self._to_come = np.concatenate([np.cumsum(tokens[::-1])[::-1], [0.0]])
        self._tokens = tokens
        self._besides = besides
        self._recent: deque[tuple[float, float]] = deque(maxlen=RECENT_UPDATES)
        self._first = 0
        self._took: dict[str, deque[float]] = {}
        self._done_at: dict[str, int] = {}
        self._last = 0

    def updated(self, update: int, seconds: float) -> None:
        """The update of this number (from 1) is done and took so long."""
        self._last = update
        if self._first < _WARMED_UP:
            self._first += 1
            self._recent.append((seconds, self.tokens_of(update)))
            return
        if self._first == _WARMED_UP:
            self._first += 1
            self._recent.clear()
        self._recent.append((seconds, self.tokens_of(update)))

    def did(self, phase: str, seconds: float) -> None:
        """Something besides updates took so long."""
        self._took.setdefault(phase, deque(maxlen=RECENT_UPDATES)).append(seconds)
        self._done_at[phase] = self._last

    @property
    def measured(self) -> int:
        """How many updates the speed is known from; 0 while only the first is done."""
        return len(self._recent) if self._first > _WARMED_UP else 0

    @property
    def tokens_per_s(self) -> float:
        """Of updates alone, padding counted; 0 before the first. The median over the tokens of the recent updates: the
        few that something else held up don't count."""
        speeds = sorted((tokens / max(seconds, 1e-9), tokens) for seconds, tokens in self._recent)
        half, so_far = sum(tokens for _, tokens in speeds) / 2, 0.0
        for speed, tokens in speeds:
            so_far += tokens
            if so_far >= half:
                return speed
        return 0.0

    def seconds_left(self, update: int) -> float | None:
        """After this update; None before the first."""
        speed, total = self.tokens_per_s, len(self._tokens)
        if speed <= 0:
            return None
        left = float(self._to_come[min(update, total)]) / speed
        phases = {*self._besides.every, *self._besides.at_end}
        return left + sum(self._times(phase, update) * self._each(phase, speed) for phase in phases)

    def _times(self, phase: str, update: int) -> int:
        """How often it still comes, right now or later."""
        total = len(self._tokens)
        due = self._besides.is_due(phase, update, total) and self._done_at.get(phase) != update
        return self._besides.times_left(phase, update, total) + due

    def tokens_of(self, update: int) -> float:
        """Those of the update of this number, from 1."""
        return float(self._tokens[update - 1]) if 0 < update <= len(self._tokens) else float(self._tokens.mean())

    def _each(self, phase: str, tokens_per_s: float) -> float:
        """How long it takes once."""
        took = self._took.get(phase)
        if took:
            return sum(took) / len(took)
        tokens = {"evaluating": self._besides.evaluation_tokens, FORGETTING: _GENERAL_TOKENS}.get(phase, 0.0)
        return tokens * _FORWARD_SHARE / tokens_per_s
