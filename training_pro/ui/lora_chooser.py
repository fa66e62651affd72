"""Choosing a LoRA or one of its checkpoints: the same list wherever the page asks for one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import gradio as gr

from training_pro.asking.question import BASE
from training_pro.errors import RunError
from training_pro.record.lora_choices import LoraChoice, lora_choices
from training_pro.session import Session
from training_pro.ui.choices import ordered_runs
from training_pro.ui.fields import Choice, meant

# What a list can offer before the LoRAs; no LoRA can be called so.
THE_BASE: Choice = ("Base model", "/base")
THE_LAST: Choice = ("The last run's LoRA", "/last")


class LoraChooser:
    """One list. `before`: entries above the LoRAs, `THE_BASE` or `THE_LAST`."""

    def __init__(self, session: Session, *, before: Sequence[Choice] = (), several: bool = False) -> None:
        self._session = session
        self._before = list(before)
        self._several = several

    def build(self, name: str, label: str, info: str = "", **more: Any) -> Any:
        """The control, where the page is being built; all of `before` is chosen, unless `more` has another value."""
        first = [value for _, value in self._before]
        chosen = first if self._several else (first[0] if first else None)
        self.control = gr.Dropdown(
            list(self._before),
            multiselect=self._several,
            label=label,
            info=info or None,
            elem_id=f"tp-{name}",
            elem_classes=["tp-field"],
            **{"min_width": 200, "value": chosen, **more},
        )
        return self.control

    def lists(self) -> dict[Any, Any]:
        """The entries as they are now."""
        return {self.control: gr.update(choices=self._choices())}

    def choosing(self, values: Iterable[str]) -> dict[Any, Any]:
        """The entries as they are now, `values` chosen."""
        chosen = list(values)
        return {self.control: gr.update(choices=self._choices(), value=chosen if self._several else chosen[0])}

    def chosen(self, value: Any) -> list[str]:
        """What is chosen, as `chosen_lora` takes it; `BASE` for the base model.

        Raises:
            RunError: the last run is chosen, and there is none.
        """
        values = value if isinstance(value, list) else [value] if value else []
        return [self._resolved(meant(str(one), self._before)) for one in values]

    def one(self, value: Any) -> str:
        """The one entry that is chosen.

        Raises:
            RunError: none, or several.
        """
        values = self.chosen(value)
        if len(values) != 1:
            raise RunError(f"{len(values)} LoRAs are chosen. Choose one.")
        return values[0]

    def entries(self) -> list[LoraChoice]:
        """The LoRAs and checkpoints as they are now."""
        return lora_choices(ordered_runs(self._session))

    def _resolved(self, value: str) -> str:
        if value == THE_BASE[1]:
            return BASE
        if value != THE_LAST[1]:
            return value
        run = self._session.run
        if run is None:
            raise RunError("There is no run yet. Choose a LoRA from the list.")
        return run.settings.name

    def _choices(self) -> list[Choice]:
        return [*self._before, *((one.label, one.value) for one in self.entries())]
