"""Where a run trains: in this process or in one of its own. No setting of the run: what it learns is the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from training_pro.errors import SettingsError
from training_pro.remote.launching import OwnProcess

HERE, OWN = "here", "own"
_CHOICES = [("In this process, on the loaded model", HERE), ("In a process of its own", OWN)]
_HELP = (
    "In a process of its own the model is unloaded first and loaded again afterwards; a crash or want of memory there "
    "leaves this page alive."
)


class Placement:
    """The choice and what belongs to it; remembered by the page alone."""

    def build(self) -> None:
        with gr.Accordion("Where it trains: this process, its own, several GPUs", open=False, elem_id="tp-where-part"):
            self.where = gr.Radio(_CHOICES, value=HERE, label="Train", info=_HELP, elem_id="tp-where")
            with gr.Row():
                self.processes = gr.Number(
                    1,
                    label="Processes (GPUs)",
                    info="One a graphics card. True Batch Size counts for each.",
                    precision=0,
                    elem_id="tp-processes",
                )
                self.config = gr.Textbox(
                    "",
                    label="accelerate's config file",
                    info="Made by `accelerate config`; for several machines, FSDP, DeepSpeed. Empty: none.",
                    max_lines=1,
                    elem_id="tp-accelerate-config",
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
