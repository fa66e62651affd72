"""Telling at a distance: the run in the page's title, and a sound or a desktop notification when it ends.

The work is the browser's (``assets/notices.js``); the server only says how the run is, with what is new on the page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from training_pro.session import Session
from training_pro.ui.pieces import area

SCRIPT = Path(__file__).resolve().parent.parent / "assets" / "notices.js"
_SOUND = "(on) => window.trainingProNotices.sound(on)"
_DESKTOP = "(on) => window.trainingProNotices.desktop(on)"


class Notices:
    """Two switches, kept by each browser for itself."""

    def build(self) -> None:
        with gr.Accordion("Tell me when it ends", open=False, elem_id="tp-notices"):
            with gr.Row():
                self.sound = gr.Checkbox(
                    False, label="Sound", elem_id="tp-notice-sound", min_width=160, elem_classes=["tp-field"]
                )
                self.desktop = gr.Checkbox(
                    False, label="Desktop notification", info="The browser asks whether it may.",
                    elem_id="tp-notice-desktop", min_width=160,
                    elem_classes=["tp-field"],
                )  # fmt: skip
            self.said = area("notice-said")

    def connect(self, page: Any) -> None:
        page.load(None, None, [self.sound, self.desktop], js=SCRIPT.read_text(encoding="utf-8"))
        self.sound.input(None, self.sound, self.sound, js=_SOUND)
        self.desktop.input(None, self.desktop, [self.desktop, self.said], js=_DESKTOP)


def pulse(session: Session) -> dict[str, Any]:
    """The run in a few words: its name, phase, whole percent done, and how it ended; {} for none."""
    run, queued = session.run, _queued(session)
    if run is None:
        return queued
    status = run.status
    percent = 100 * status.update // status.total_updates if status.total_updates else 0
    key = f"{status.folder}:{id(run)}"
    kind, reason = (status.ending.kind, status.ending.reason) if status.ending else ("", "")
    return {
        "name": status.name,
        "phase": status.phase,
        "percent": percent,
        "ending": kind,
        "reason": reason,
        "key": key,
    } | queued


def _queued(session: Session) -> dict[str, Any]:
    """The run of the queue that ended last, whatever goes by now."""
    for entry in reversed(session.queue.view().entries):
        if entry.has_ended:
            return {"queued": {"key": entry.key, "name": entry.name, "ending": entry.state, "reason": entry.reason}}
    return {}
