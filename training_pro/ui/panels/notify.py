"""Who is told elsewhere when a run ends: addresses of webhooks, ntfy and others, shown without their secrets."""

from __future__ import annotations

from typing import Any

import gradio as gr

from training_pro.errors import UserError
from training_pro.session import Session
from training_pro.training.notify import TEST, add_address, addresses, forget_addresses, masked, tell
from training_pro.ui.handlers import QUIET, answering
from training_pro.ui.pieces import area, button, button_row
from training_pro.ui.views.markup import box


class Notify:
    """The addresses are the user data's, for all pages; whether a run tells them is its setting."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def build(self) -> None:
        with gr.Accordion("Tell somebody elsewhere when a run ends", open=False, elem_id="tp-told"):
            self.address = gr.Textbox(
                label="Address", type="password", max_lines=1, elem_id="tp-told-address", elem_classes=["tp-field"],
                info="ntfy://TOPIC, https://host/path (a webhook), mailto://USER:PASSWORD@host and others of apprise.",
            )  # fmt: skip
            with button_row():
                self.add = button("Add address", "told-add")
                self.test = button("Send a test", "told-test")
                self.forget = button("Remove all", "told-forget", variant="stop")
            self.said = area("told-said")

    def connect(self) -> None:
        outputs = [self.address, self.said]
        self.add.click(answering(self._add, self.said, "keeping the address"), self.address, outputs, **QUIET)
        self.test.click(answering(self._test, self.said, "sending a test"), None, [self.said], **QUIET)
        self.forget.click(answering(self._forget, self.said, "removing the addresses"), None, [self.said], **QUIET)

    def _add(self, typed: str | None) -> dict[Any, Any]:
        said = add_address(self._session.host.folders, typed or "")
        return {self.address: "", self.said: box("good", [said, self._known()])}

    def _test(self) -> dict[Any, Any]:
        to = addresses(self._session.host.folders)
        faults = tell(to, *TEST)
        if faults:
            raise UserError("\n".join(faults))
        return {self.said: box("good", [f"Told {len(to)}.", self._known()])}

    def _forget(self) -> dict[Any, Any]:
        forget_addresses(self._session.host.folders)
        return {self.said: box("good", self._known())}

    def _known(self) -> str:
        known = addresses(self._session.host.folders)
        return f"Addresses: {', '.join(map(masked, known)) or 'none'}."
