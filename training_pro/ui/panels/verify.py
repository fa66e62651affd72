"""Verify: what the run would be, and suggestions that one click takes over."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import gradio as gr

from training_pro.errors import Cancelled
from training_pro.progress import Progress
from training_pro.session import Checked, Session, check_sources
from training_pro.settings import Settings
from training_pro.ui.form import Form, Values
from training_pro.ui.handlers import AT_ONCE, QUIET, answering
from training_pro.ui.pieces import area, button, button_row
from training_pro.ui.views.verify import NO_SUGGESTIONS, SUGGESTIONS, name_notes, verify_view

MOST_SUGGESTIONS = 8
_TELL_EVERY_S = 0.25


class Verify:
    """The panel, and the last check, which the preview shows from as well."""

    def __init__(self, session: Session, form: Form) -> None:
        self._session = session
        self._form = form
        self._cancelled: dict[str, threading.Event] = {}  # by page
        self._lock = threading.Lock()
        self._last: tuple[Settings, Checked, object] | None = None

    def build(self) -> None:
        with button_row():
            self.button = gr.Button("Verify", variant="secondary", min_width=160, elem_id="tp-verify")
            self.cancel = button("Cancel", "verify-cancel", visible=False, scale=0)
        self.found = area("verified")
        self.offered = area("suggestions")
        self.changes = gr.State([])
        self.suggestions = [
            button("", f"suggestion-{place}", visible=False, elem_classes=["tp-suggestion"])
            for place in range(MOST_SUGGESTIONS)
        ]

    def connect(self) -> None:
        verify = answering(self._verify, self.found, "verifying the data")
        shown = [self.found, self.offered, self.changes, *self.suggestions]
        begun = self.button.click(self._begin, None, [self.cancel, *shown], **AT_ONCE)
        self.done = begun.then(verify, self._form.inputs, shown, api_name=False)
        self.done.then(_ended, None, self.cancel, **AT_ONCE)
        self.cancel.click(self._cancel, None, self.cancel, **AT_ONCE)
        for place, suggestion in enumerate(self.suggestions):
            take = answering(partial(self._take, place), self.found, "taking a suggestion over")
            taken = suggestion.click(take, {self.changes}, self._form.outputs, **QUIET)
            taken.then(verify, self._form.inputs, shown, api_name=False)

    @property
    def has_checked(self) -> bool:
        """Whether there is anything to show from."""
        return self._last is not None

    @property
    def blocks(self) -> int | None:
        """How many blocks the last check found."""
        return self._last[1].plan.blocks if self._last is not None else None

    def checked(self, settings: Settings, progress: Progress) -> Checked:
        """The check of these settings; the last one is kept for as long as the files and the model are the same.

        Raises:
            UserError: see `Session.check`.
        """
        last, state = self._last, self._session.data_state(settings)
        if last is not None and last[0] == settings and last[2] == state:
            return last[1]
        check_sources(settings)
        with self._lock:
            checked = self._session.check(settings, progress)
        self._last = (settings, checked, state)
        return checked

    def _begin(self, request: gr.Request) -> Any:
        """Cancel counts from the click on, though the work may wait behind other work; what was found before goes."""
        self._cancelled[str(request.session_hash)] = threading.Event()
        hidden = {suggestion: gr.update(visible=False) for suggestion in self.suggestions}
        return {self.cancel: gr.update(visible=True), self.found: "", self.offered: "", self.changes: [], **hidden}

    def _cancel(self, request: gr.Request) -> Any:
        """Ends the work of this page alone."""
        cancelled = self._cancelled.get(str(request.session_hash))
        if cancelled is not None:
            cancelled.set()
        return gr.update()

    def _verify(
        self,
        data: Values,
        request: gr.Request,
        bar: gr.Progress = gr.Progress(),  # noqa: B008 - gradio's way
    ) -> dict[Any, Any]:
        page = str(request.session_hash)
        cancelled = self._cancelled.setdefault(page, threading.Event())
        try:
            settings = self._form.settings(data)
            self._last = None  # the file may have changed
            checked = self.checked(settings, Telling(bar, cancelled))
        finally:
            self._cancelled.pop(page, None)
        named = name_notes(settings.name, self._session.host.folders)
        return {self.found: verify_view(checked, named), **self._offers(checked)}

    def _offers(self, checked: Checked) -> dict[Any, Any]:
        offers = checked.verification.suggestions[:MOST_SUGGESTIONS]
        updates: dict[Any, Any] = {
            self.changes: [dict(offer.changes) for offer in offers],
            self.offered: SUGGESTIONS if offers else NO_SUGGESTIONS,
        }
        for place, shown in enumerate(self.suggestions):
            offer = offers[place] if place < len(offers) else None
            updates[shown] = gr.update(visible=offer is not None, value=offer.reason if offer else "")
        return updates

    def _take(self, place: int, data: Values) -> dict[Any, Any]:
        changes: list[Mapping[str, Any]] = data[self.changes]
        return self._form.change(changes[place]) if place < len(changes) else {}


def _ended() -> Any:
    return gr.update(visible=False)


class Telling:
    """Work's progress on gradio's bar, a few times a second; ends the work once `cancelled` is set."""

    def __init__(self, bar: Any, cancelled: threading.Event) -> None:
        self._bar = bar
        self._cancelled = cancelled
        self._told_at = 0.0

    def __call__(self, done: int, total: int, what: str) -> None:
        if self._cancelled.is_set():
            raise Cancelled
        now = time.monotonic()
        if now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            self._bar((done, total or None), desc=what)
