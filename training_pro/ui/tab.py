"""The tab: its panels in the order of the work, and nothing else. The same in the WebUI and on a page of its own.

Data, verify, LoRA, batch and learning rate, stops and checkpoints, go, watch.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.context import Context

from training_pro.session import Session
from training_pro.ui.choices import choice_updates, file_choices, installed_choices
from training_pro.ui.form import ADAPTER, BATCH, BLOCKS, DATA, FIRST, STOPS, WATCHING, Form
from training_pro.ui.handlers import QUIET, answering
from training_pro.ui.pieces import button, button_row
from training_pro.ui.start import Start
from training_pro.ui.verify import Verify
from training_pro.ui.watch import Watch


def build_tab(session: Session) -> None:
    """Build the tab where a page is being built (inside `gr.Blocks`, in the WebUI inside its `gr.Tab`)."""
    Tab(session).build()


class Tab:
    """The panels and what connects them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._editable = not session.host.multi_user
        self.form = Form(self._editable)
        self.watch = Watch(session)
        self.verify = Verify(session, self.form)
        self.start = Start(session, self.form)

    def build(self) -> None:
        with gr.Column(elem_classes=["training-pro"]):
            self.watch.build_host()
            self._build_form()
            if self._editable:
                self.start.build()
            self.watch.build()
        self._connect()

    def _build_form(self) -> None:
        self.form.build_rows(FIRST)
        self.form.build_part(DATA)
        self.form.build_part(BLOCKS)
        if self._editable:
            self.verify.build()
        for part in (ADAPTER, BATCH, STOPS, WATCHING):
            self.form.build_part(part)
        with button_row():
            self.wide = gr.Checkbox(
                False, label="Wide ranges", info="Sliders go to the end of what is allowed.", container=False
            )
            self.refresh = button("Refresh lists", "refresh", scale=0)

    def _connect(self) -> None:
        page = Context.root_block
        assert page is not None, "build_tab is called while a page is built"
        outputs = [*self.form.outputs, self.watch.said]
        for lists in (self._files, self._installed):
            read = answering(lists, self.watch.said, "reading the lists")
            page.load(read, None, outputs, **QUIET)
            self.refresh.click(read, None, outputs, **QUIET)
        page.load(answering(self._fill, self.watch.said, "reading the run"), None, outputs, **QUIET)
        self.wide.change(self.form.widen, self.wide, self.form.outputs, **QUIET)
        if self._editable:
            self.verify.connect()
            self.start.connect()
        self.watch.connect(self._editable)

    def _files(self) -> dict[Any, Any]:
        return choice_updates(self.form.controls, file_choices(self._session.host.folders))

    def _installed(self) -> dict[Any, Any]:
        return choice_updates(self.form.controls, installed_choices(self._session.host.folders))

    def _fill(self) -> dict[Any, Any]:
        """The settings of the run that goes or went last."""
        run = self._session.run
        return self.form.fill(run.settings) if run is not None else {self.watch.said: ""}
