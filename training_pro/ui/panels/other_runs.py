"""Runs in other processes: watch and steer one here as if this page had started it, or leave it alone."""

from __future__ import annotations

from typing import Any

import gradio as gr

from training_pro.errors import RunError
from training_pro.remote.page_side import RemoteRun
from training_pro.session import Session
from training_pro.ui.handlers import QUIET, answering
from training_pro.ui.pieces import area, button, button_row
from training_pro.ui.views.markup import box


class OtherRuns:
    """Shown only where there is such a run."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def build(self) -> None:
        self.said = area("elsewhere-said")
        with button_row(visible=False, elem_id="tp-elsewhere") as self.row:
            self.name = gr.Dropdown(
                [], label="Runs in other processes", elem_id="tp-elsewhere-name", elem_classes=["tp-field"]
            )
            self.watch = button("Watch and steer it", "watch-it")
            self.leave = button("Leave it alone", "leave-it")

    @property
    def shown(self) -> list[Any]:
        """All that a look changes."""
        return [self.said, self.row, self.name, self.watch, self.leave]

    def connect(self, page: Any) -> None:
        look = answering(self.look, self.said, "searching for runs in other processes")
        page.load(look, None, self.shown, **QUIET)
        watch = answering(self._watch, self.said, "taking up the run")
        self.watch.click(watch, self.name, self.shown, **QUIET)
        leave = answering(self._leave, self.said, "leaving the run")
        self.leave.click(leave, None, self.shown, **QUIET)

    def look(self) -> dict[Any, Any]:
        """Updates that show which there are by now."""
        names = [live.name for live in self._session.elsewhere()]
        run = self._session.run
        attached = type(run) is RemoteRun and run.status.running
        said = ""
        if attached and run is not None:
            said = box("info", f'The run "{run.settings.name}" is in another process. This page watches and steers it.')
        elif names:
            said = box("info", f"In another process: {', '.join(names)}.")
        return {
            self.said: said,
            self.row: gr.update(visible=attached or bool(names)),
            self.name: gr.update(choices=names, value=names[0] if names else None, visible=not attached),
            self.watch: gr.update(visible=not attached),
            self.leave: gr.update(visible=attached),
        }

    def _watch(self, name: str | None) -> dict[Any, Any]:
        if not name:
            raise RunError("No run is chosen. Choose one from the list.")
        self._session.attach(name)
        return self.look()

    def _leave(self) -> dict[Any, Any]:
        self._session.leave()
        return self.look()
