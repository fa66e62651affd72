"""What every behaviour of the trainer is: a callback that may carry state from checkpoint to checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from training_pro.errors import RunError, explain


class Behaviour(TrainerCallback):
    """One thing the trainer does besides training; see the folder's listing for all of them."""

    def state(self) -> dict[str, Any]:
        """What a continued run must know, as JSON values."""
        return {}

    def restore(self, values: dict[str, Any]) -> None:
        """Take over what `state` gave."""


class Dispensable(Behaviour):
    """Passes the moments on to `inner`; when it raises, the run is told once and goes on without it.

    A `RunError` is not held back: it means that the disk refuses, which the run must know.
    """

    def __init__(self, inner: Behaviour, what: str, on_note: Callable[[str], None]) -> None:
        self.inner: Behaviour | None = inner
        self._what = what
        self._on_note = on_note

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.ask("on_train_begin", args, state, control, **kwargs)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.ask("on_step_end", args, state, control, **kwargs)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.ask("on_evaluate", args, state, control, **kwargs)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.ask("on_train_end", args, state, control, **kwargs)

    def ask(self, what: str, *args: Any, **kwargs: Any) -> None:
        """Call the method `what` of `inner`, as long as there is one."""
        if self.inner is None:
            return
        try:
            getattr(self.inner, what)(*args, **kwargs)
        except RunError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, hours of training are worth more
            self.inner = None
            self._on_note(f"{explain(error, self._what)} The run goes on without it.")
