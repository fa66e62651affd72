"""What can be changed while a run goes: set by any page or thread, read by the trainer's behaviours.

No globals, no queue, no page needed: a page writes a value here, the trainer reads it within the update in
progress and says in `taken` what it has taken over. Standard library only.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from training_pro.errors import Fault, SettingsError
from training_pro.settings import Settings, checked_value

LIVE_SETTINGS = ("stop_at_loss", "stop_at_epoch", "loss_window", "stop_ramp")
STOPPED_BY_YOU = "stopped by you"
SCALE_LABEL = "Learning rate ×"
SMALLEST_SCALE, LARGEST_SCALE = 0.0, 100.0


@dataclass(frozen=True)
class LiveValues:
    """The values that can be touched live; checkpoints carry them, so that a continued run has them too."""

    stop_at_loss: float
    stop_at_epoch: int
    loss_window: int
    learning_rate_scale: float = 1.0
    stop_ramp: bool = False


class Controls:
    """The live controls of one run.

    Guarantees: every method may be called from any thread at any time; a value read is a whole value.
    """

    def __init__(self, settings: Settings) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._values = LiveValues(**{name: getattr(settings, name) for name in LIVE_SETTINGS})
        self._taken = self.chosen = self._values
        self._by_hand: set[str] = set()
        self._paused = False
        self._interrupt_reason = ""
        self._ending = ""
        self._checkpoint_asked = False
        self._sample_asked = False
        self._prompts_asked: tuple[str, ...] = ()

    @property
    def values(self) -> LiveValues:
        """What was asked for last."""
        return self._values

    @property
    def taken(self) -> LiveValues:
        """What the trainer has really taken over."""
        return self._taken

    def set(self, **changes: Any) -> LiveValues:
        """Change some live values; they count from the update in progress on.

        Raises:
            SettingsError: an unknown name, a value outside its limits, or too late; nothing is changed then.
        """
        checked = {name: self._checked(name, value) for name, value in changes.items()}
        with self._changed:
            ending = self._ending or self._interrupt_reason
            if ending:
                raise SettingsError(
                    [f"Too late: the run is ending ({ending}). To go on, resume it or train it further then."]
                )
            self._values = LiveValues(**{**vars(self._values), **checked})
            self._by_hand.update(checked)
            self._changed.notify_all()
            return self._values

    @staticmethod
    def _checked(name: str, value: Any) -> Any:
        if name in LIVE_SETTINGS:
            return checked_value(name, value)
        if name != "learning_rate_scale":
            raise SettingsError(
                [f"{name} can't be changed while a run is training. Wait until it ends, or start another."]
            )
        low, high = SMALLEST_SCALE, LARGEST_SCALE
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            shown = "empty" if value is None else repr(value)[:60]
            text = f"{SCALE_LABEL} ({name}) is {shown}; it must be a number from {low:g} to {high:g}."
            raise SettingsError([Fault(text, name)])
        return float(value)

    def take(self) -> LiveValues:
        """For the trainer: the values to use now; from here on they count as taken."""
        with self._lock:
            self._taken = self._values
            return self._taken

    def restore(self, values: LiveValues) -> None:
        """Put back the values a checkpoint carries; what was set by hand since the start stays."""
        with self._lock:
            kept = {name: getattr(self._values, name) for name in self._by_hand}
            self._taken, self._values = values, LiveValues(**{**vars(values), **kept})

    def ask_checkpoint(self) -> None:
        """Write a checkpoint with the update in progress."""
        with self._changed:
            self._checkpoint_asked = True
            self._changed.notify_all()

    def take_checkpoint_request(self) -> bool:
        """Whether a checkpoint was asked for since the last call."""
        with self._lock:
            asked, self._checkpoint_asked = self._checkpoint_asked, False
            return asked

    @property
    def checkpoint_asked(self) -> bool:
        """Whether a checkpoint is asked for and not yet written."""
        return self._checkpoint_asked

    def ask_sample(self, prompt: str = "") -> None:
        """Answer the sample prompts, or this one alone, after the update in progress; in a pause at once."""
        with self._changed:
            if prompt:
                self._prompts_asked = (*self._prompts_asked, prompt)
            else:
                self._sample_asked = True
            self._changed.notify_all()

    def take_sample_request(self) -> bool:
        """Whether samples were asked for since the last call."""
        with self._lock:
            asked, self._sample_asked = self._sample_asked, False
            return asked

    def take_prompts(self) -> tuple[str, ...]:
        """The prompts of their own that were asked for since the last call."""
        with self._lock:
            asked, self._prompts_asked = self._prompts_asked, ()
            return asked

    @property
    def sample_asked(self) -> bool:
        """Whether samples are asked for and not yet begun."""
        return self._sample_asked or bool(self._prompts_asked)

    def pause(self) -> None:
        """Hold the run before its next update."""
        with self._changed:
            self._paused = True

    def resume(self) -> None:
        """Continue a paused run."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    @property
    def paused(self) -> bool:
        return self._paused

    def interrupt(self, reason: str = STOPPED_BY_YOU) -> None:
        """End the run within one micro-batch; also ends a pause. The first reason counts."""
        with self._changed:
            self._interrupt_reason = self._interrupt_reason or reason
            self._changed.notify_all()

    @property
    def interrupt_reason(self) -> str:
        """Why the run must end now, or "" if it may continue."""
        return self._interrupt_reason

    def end(self, reason: str) -> None:
        """For the trainer: no update comes any more, because of `reason`. The first reason counts."""
        with self._changed:
            self._ending = self._ending or reason

    @property
    def ending(self) -> str:
        """Why no update comes any more, or "" while the run trains."""
        return self._ending

    def wait_while_paused(self, seconds: float) -> bool:
        """Wait at most `seconds` for a pause to end; whether the run is still paused."""
        with self._changed:
            if self._paused and not self._interrupt_reason:
                self._changed.wait(seconds)
            return self._paused and not self._interrupt_reason


def live_words(values: LiveValues) -> str:
    """Live values in words."""
    loss = f"stop at loss {values.stop_at_loss:.2f}" if values.stop_at_loss else "stop at loss off"
    epoch = f"stop at epoch {values.stop_at_epoch}" if values.stop_at_epoch else "stop at epoch off"
    ramp = ", then ramp down" if values.stop_ramp and values.stop_at_loss else ""
    words = f"{loss} (mean of {values.loss_window}){ramp}, {epoch}"
    if values.learning_rate_scale != 1:
        words += f", learning rate × {values.learning_rate_scale:g}"
    return words
