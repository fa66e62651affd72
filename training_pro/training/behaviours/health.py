"""Says while a run trains that something is wrong with it, and what to change.

Costs microseconds an update, and now and then, more and more rarely, two forward passes over the blocks of the last
update: that is what keeps it silent on every healthy run, however hard its data.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Any

from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.model.adapter import untaught_note
from training_pro.training.status import Diverged

START_UPDATES = 20  # at most; a quarter of a shorter run
FEWEST_UPDATES = 5
RISE_NATS = 0.3  # above the highest loss of the start, for three quarters of the last updates
LEAP_NATS = 2.0  # above the first losses, for all of the last `LEAP_UPDATES`
LEAP_UPDATES, LEAP_FIRST = 10, 3
NORM_TIMES, NORM_LEAST, NORM_UPDATES = 30.0, 20.0, 5  # gradient norm: times the start's median, and at least so large
FIRST_LOOK = 3  # update of the first look at a suspicious run
FIRST_WAIT, LONGEST_WAIT = 3, 400  # updates until the next, doubled each time that nothing was wrong
LOOK_AGAIN = 10  # updates, at a run that is accused
FALLEN_NATS = 0.1  # a run whose loss fell by so much is not suspicious
LEAP_SINCE_NATS = 0.5  # a rise since the last look that calls for the next at once
WORSE_NATS = 0.3  # with the LoRA than without
HOPELESS_NATS, HOPELESS_UPDATES = 2.0, 20
_ADVICE = "Stop the run, and start it again with a lower Learning Rate (1e-4 to 3e-4 is usual) or fewer epochs."


class Untaught(Behaviour):
    """Names the LoRAs that got no gradient in the first backward pass. Not for sharded weights."""

    def __init__(self, on_note: Callable[[str], None]) -> None:
        self._on_note = on_note
        self._asked = False

    def before_step(self) -> None:
        if self._asked:
            return
        self._asked = True
        note = untaught_note(self.trainer.model)
        if note:
            self._on_note(note)


class Health(Behaviour):
    """Warns once that the LoRA makes the model worse, and once that the gradient norm is out of bounds.

    Suspicion costs nothing: the last losses are above the first ones, as they are on many healthy runs. Then the
    blocks of the last update are asked twice, with the LoRA and without it: only a LoRA that is worse on the very
    blocks it has just learned is accused. Where the model can't be asked (sharded), the losses must rise above all
    those of the start. `verdict` says at the run's end what is wrong with it. `fresh`: the LoRA began as none; an older
    one may be worse than none on new data, which is no fault of this run.

    Raises, in `after_update`:
        Diverged: the LoRA has been worse by more than `HOPELESS_NATS` at looks `HOPELESS_UPDATES` apart.
    """

    def __init__(self, on_warning: Callable[[str], None], fresh: bool = True) -> None:
        self._on_warning = on_warning
        self._start: list[float] = []
        self._norms: list[float] = []
        self._losses: deque[float] = deque(maxlen=START_UPDATES)
        self._recent_norms: deque[float] = deque(maxlen=NORM_UPDATES)
        self._warned: list[str] = []
        self._handicap: float | None = 0.0 if fresh else None  # nats by which it was worse when the run began
        self._look_at = FIRST_LOOK
        self._wait = FIRST_WAIT
        self._healthy_high = -math.inf  # the highest recent loss at which a look found nothing wrong
        self._hopeless_since: int | None = None
        self.good_until = 0
        self.verdict = ""

    def after_update(self) -> None:
        window = max(FEWEST_UPDATES, min(START_UPDATES, self.trainer.total_updates // 4))
        if len(self._start) < window:
            self._start.append(self.trainer.last_loss)
            self._norms.append(self.trainer.last_grad_norm)
        self._losses.append(self.trainer.last_loss)
        self._recent_norms.append(self.trainer.last_grad_norm)
        if self._handicap is None:
            judged = self.trainer.with_and_without()
            self._handicap = max(0.0, self.trainer.last_loss - judged[1]) if judged else 0.0
        if self._suspicious():
            self._look(window)
        elif not self._warned:
            self.good_until = self.trainer.update
        if self.trainer.update > window and self._pulled():
            norm, usual = self._recent_norms[-1], median(self._norms)
            self._warn("norm", f"The gradient norm is {norm:.0f}, and was {usual:.2g} at the start.")

    def on_run_end(self) -> None:
        """A last look, for the verdict; none at a run whose loss has fallen and that was never accused."""
        if not self._losses or ("loss" not in self._warned and self._has_fallen()):
            return
        judged = self.trainer.with_and_without()
        if judged is None:
            window = max(FEWEST_UPDATES, min(START_UPDATES, self.trainer.total_updates // 4))
            worse = "loss" in self._warned and self._risen(window)
            self.verdict = self._sentence() if worse else ""
            return
        self.verdict = ""
        if self._worse_by(judged) > WORSE_NATS:
            self.verdict = self._accusation(judged)
            self._warn("loss", self.verdict)

    def _suspicious(self) -> bool:
        """Whether a look is due: the losses don't fall, and the last look was some time ago or they rose since."""
        recent, start, accused = self._recent(), median(self._start[:LEAP_FIRST]), "loss" in self._warned
        if self.trainer.update >= self._look_at:
            return accused or not self._has_fallen() or self._pulled()
        leapt = recent > self._healthy_high + LEAP_SINCE_NATS and recent > start + LEAP_SINCE_NATS
        return leapt and not accused and self._look_at > FIRST_LOOK

    def _has_fallen(self) -> bool:
        return self._recent() <= median(self._start[:LEAP_FIRST]) - FALLEN_NATS

    def _recent(self) -> float:
        """The median of the last losses; in a run's first updates of few, for the first loss is that of no LoRA."""
        return median(list(self._losses)[-min(FEWEST_UPDATES, max(len(self._losses) - 1, 1)) :])

    def _look(self, window: int) -> None:
        judged = self.trainer.with_and_without()
        if judged is None:
            if self._leapt() or (self.trainer.update >= 2 * window and self._risen(window)):
                self._warn("loss", self._sentence())
            return
        update, worse = self.trainer.update, self._worse_by(judged)
        if worse <= WORSE_NATS:
            self._wait = min(2 * self._wait, LONGEST_WAIT)
            self._look_at = update + self._wait
            self._healthy_high = max(self._healthy_high, self._recent())
            self._hopeless_since = None
            self.good_until = update
            return
        self._look_at = update + LOOK_AGAIN
        self._warn("loss", self._accusation(judged))
        if worse <= HOPELESS_NATS:
            self._hopeless_since = None
        elif self._hopeless_since is None:
            self._hopeless_since = update
        elif update - self._hopeless_since >= HOPELESS_UPDATES:
            raise Diverged(self._accusation(judged))

    def _worse_by(self, judged: tuple[float, float]) -> float:
        """Nats by which the LoRA is worse than none, beyond what it was when the run began; not a number: all lost."""
        worse = judged[0] - judged[1] - (self._handicap or 0.0)
        return worse if math.isfinite(worse) else math.inf

    def _accusation(self, judged: tuple[float, float]) -> str:
        with_it, without = judged
        return (
            f"The LoRA makes the model worse: on the blocks it learned last the loss is {with_it:.2f} with it and "
            f"{without:.2f} without it, at update {self.trainer.update:,}."
        )

    def _sentence(self) -> str:
        now, start = self._recent(), median(self._start[:LEAP_FIRST])
        return f"The loss is {now:.2f}, and was {start:.2f} at the start: the LoRA gets worse."

    def _risen(self, window: int) -> bool:
        recent = sorted(list(self._losses)[-window:])
        lower = recent[window // 4] if window >= LEAP_UPDATES else recent[0]
        return lower > max(self._start) + RISE_NATS

    def _leapt(self) -> bool:
        recent = list(self._losses)[-LEAP_UPDATES:]
        return len(recent) == LEAP_UPDATES and min(recent) > max(self._start[:LEAP_FIRST]) + LEAP_NATS

    def _pulled(self) -> bool:
        lowest = min(self._recent_norms)
        return lowest > max(NORM_LEAST, NORM_TIMES * median(self._norms))

    def _warn(self, kind: str, sentence: str) -> None:
        if kind not in self._warned:
            self._warned.append(kind)
            self._on_warning(f"{sentence} {_ADVICE}")

    def state(self) -> dict[str, Any]:
        return {
            "start": self._start,
            "norms": self._norms,
            "losses": list(self._losses),
            "recent_norms": list(self._recent_norms),
            "warned": self._warned,
            "handicap": self._handicap,
            "look_at": self._look_at,
            "wait": self._wait,
            "healthy_high": None if math.isinf(self._healthy_high) else self._healthy_high,
            "good_until": self.good_until,
            "hopeless_since": self._hopeless_since,
        }

    def restore(self, values: dict[str, Any]) -> None:
        self._start, self._norms = list(values["start"]), list(values["norms"])
        self._losses.extend(values["losses"])
        self._recent_norms.extend(values["recent_norms"])
        self._warned = list(values["warned"])
        self._handicap = values.get("handicap", 0.0)
        self._look_at, self._wait = int(values.get("look_at", FIRST_LOOK)), int(values.get("wait", FIRST_WAIT))
        high = values.get("healthy_high")
        self._healthy_high = -math.inf if high is None else float(high)
        self.good_until = int(values.get("good_until", 0))
        self._hopeless_since = values.get("hopeless_since")
