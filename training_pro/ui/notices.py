"""Telling at a distance: the run in the page's title, and a sound or a desktop notification when it ends.

The work is the browser's (``assets/notices.js``); the server only says how the run is, in one small element.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from training_pro.session import Session
from training_pro.ui.handlers import AT_ONCE
from training_pro.ui.markup import text
from training_pro.ui.pieces import area
from training_pro.ui.watch import Seen

SCRIPT = Path(__file__).resolve().parent.parent / "assets" / "notices.js"
_SOUND = "(on) => window.trainingProNotices.sound(on)"
_DESKTOP = "(on) => window.trainingProNotices.desktop(on)"


class Notices:
    """Two switches, kept by each browser for itself."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def build_pulse(self) -> None:
        """Where the browser looks; stands outside of all tabs, because a hidden tab may not be drawn."""
        self.pulse = area("pulse", pulse(self._session))

    def build(self) -> None:
        with gr.Accordion("Tell me when it ends", open=False, elem_id="tp-notices"):
            with gr.Row():
                self.sound = gr.Checkbox(False, label="Sound", elem_id="tp-notice-sound", min_width=160)
                self.desktop = gr.Checkbox(
                    False, label="Desktop notification", info="The browser asks whether it may.",
                    elem_id="tp-notice-desktop", min_width=160,
                )  # fmt: skip
            self.said = area("notice-said")

    def connect(self, page: Any) -> None:
        page.load(None, None, [self.sound, self.desktop], js=SCRIPT.read_text(encoding="utf-8"))
        page.load(self._pulse, None, self.pulse, **{**AT_ONCE, "api_name": "training_pro_pulse"})
        self.sound.input(None, self.sound, self.sound, js=_SOUND)
        self.desktop.input(None, self.desktop, [self.desktop, self.said], js=_DESKTOP)

    @property
    def followed(self) -> list[Any]:
        """What `changes` updates."""
        return [self.pulse]

    def changes(self, seen: Seen) -> dict[Any, Any]:
        """The pulse, when it is another than the page has."""
        now = pulse(self._session)
        return {self.pulse: now} if seen.changed("pulse", now) else {}

    def _pulse(self) -> str:
        return pulse(self._session)


def pulse(session: Session) -> str:
    """The run as an element without words: its name, phase, whole percent done, and how it ended."""
    run = session.run
    if run is None:
        return '<i class="tp-pulse"></i>'
    status = run.status
    percent = 100 * status.update // status.total_updates if status.total_updates else 0
    kind, reason = (status.ending.kind, status.ending.reason) if status.ending else ("", "")
    return (
        f'<i class="tp-pulse" data-name="{text(status.name)}" data-phase="{text(status.phase)}" '
        f'data-percent="{percent}" data-ending="{text(kind)}" data-reason="{text(reason)}"></i>'
    )
