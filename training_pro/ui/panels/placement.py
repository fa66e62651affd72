"""Where a run trains: in this process or in one of its own. No setting of the run: what it learns is the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from training_pro.errors import SettingsError
from training_pro.remote.launching import OwnProcess

HERE, OWN = "here", "own"
_CHOICES = [("In this process", HERE), ("In a process of its own", OWN)]
_HELP = (
    "A process of its own unloads the model first and loads it again afterwards. A crash there leaves this page alive."
)


class Placement:
    """The choice and what belongs to it; remembered by the page alone."""

    def build(self) -> None:
        with gr.Column(elem_id="tp-where-part"):
            self.where = gr.Radio(_CHOICES, value=HERE, label="Where it trains", info=_HELP, elem_id="tp-where")
            with gr.Row(elem_classes=["tp-g2"]):
                self.processes = gr.Number(
                    1,
                    label="Processes (GPUs)",
                    info="One per graphics card.",
                    precision=0,
                    elem_id="tp-processes",
                    elem_classes=["tp-field"],
                )
                self.config = gr.Textbox(
                    "",
                    label="accelerate's config file",
                    info="For several machines, FSDP, DeepSpeed. Empty: none.",
                    max_lines=1,
                    elem_id="tp-accelerate-config",
                    elem_classes=["tp-field"],
                )

    @property
    def inputs(self) -> set[Any]:
        return {self.where, self.processes, self.config}

    def chosen(self, data: Mapping[Any, Any]) -> OwnProcess | None:
        """The process of its own, as the page has it; None: here.

        Raises:
            SettingsError: what is wrong with it, all at once.
        """
        processes, config = data[self.processes], str(data[self.config] or "").strip()
        if data[self.where] != OWN:
            if config or (processes or 1) > 1:
                raise SettingsError(
                    ["Several GPUs or a config file need a process of their own; choose that, or empty them."]
                )
            return None
        chosen = OwnProcess(int(processes) if processes is not None else 0, config)
        chosen.check()
        return chosen
