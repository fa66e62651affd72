"""Start: one button, and a question where a LoRA of that name exists."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from training_pro.errors import NameTaken
from training_pro.session import Existing, Session, check_early
from training_pro.ui.form import Form, Values
from training_pro.ui.handlers import AT_ONCE, QUIET, answering
from training_pro.ui.panels.placement import Placement
from training_pro.ui.panels.readiness import check_ready
from training_pro.ui.pieces import area, button, button_row
from training_pro.ui.views.markup import box

_WAYS: tuple[tuple[str, Existing, str], ...] = (
    ("Resume it", "continue", "continue"),
    ("Train on top of its weights", "on top", "on-top"),
    ("Replace it (the old one is set aside)", "replace", "replace"),
)


class Start:
    """The button, its answer, and the question."""

    def __init__(self, session: Session, form: Form, placement: Placement) -> None:
        self._session = session
        self._form = form
        self._placement = placement

    def build_button(self) -> None:
        self.button = gr.Button(
            "Start LoRA Training", variant="primary", elem_id="tp-start", elem_classes=["tp-i", "tp-i-play", "tp-main"]
        )

    def build_said(self) -> None:
        """The answer, and the question where the name exists."""
        self.said = area("start-said")
        with button_row(visible=False, elem_id="tp-ask") as self.ask:
            self.ways = {existing: button(words, f"ask-{name}") for words, existing, name in _WAYS}
            self.cancel = button("Cancel", "ask-cancel")

    def connect(self) -> None:
        shown = [self.said, self.ask, self.ways["continue"]]
        choices: list[tuple[Any, Existing]] = [(self.button, "ask"), *((b, e) for e, b in self.ways.items())]
        for pressed, existing in choices:
            start = answering(partial(self._start, existing), self.said, "starting the run")
            # The page's script keeps a second press back. Where an answer gets lost, gradio 4 would do so for ever.
            started = pressed.click(
                start, self._form.inputs | self._placement.inputs, shown, trigger_mode="multiple", **QUIET
            )
            started.then(None, self.said, None, js="(said) => window.trainingProPage.started(said)", **AT_ONCE)
        self.cancel.click(self._cancel, None, shown, **QUIET)

    def _cancel(self) -> dict[Any, Any]:
        return {self.said: "", self.ask: gr.update(visible=False)}

    def _start(self, existing: Existing, data: Values) -> dict[Any, Any]:
        settings = self._form.settings(data)
        run = self._session.run
        if run is not None and run.status.running and run.settings.name == settings.name.strip():
            return {self.said: box("info", f'The run "{run.settings.name}" is in progress.'), **self._asked(False)}
        check_ready(self._session)
        check_early(settings, self._session.host.folders)
        try:
            self._session.start(settings, existing, where=self._placement.chosen(data))
        except NameTaken as taken:
            return {self.said: box("warning", str(taken)), **self._asked(True, taken.can_continue)}
        return {self.said: "", **self._asked(False)}  # the run's own status says the rest

    def _asked(self, asked: bool, can_continue: bool = False) -> dict[Any, Any]:
        return {self.ask: gr.update(visible=asked), self.ways["continue"]: gr.update(visible=can_continue)}
