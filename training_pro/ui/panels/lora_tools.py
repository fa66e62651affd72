"""Tools for finished LoRAs: another strength, several in one, a smaller one, a comparison. Some seconds each.

What they make is a LoRA like any other, and in the lists at once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from training_pro.errors import RunError
from training_pro.export.lora_source import Lora, open_lora
from training_pro.record.lora_choices import chosen_lora
from training_pro.record.names import check_name
from training_pro.session import Session
from training_pro.ui.form import Values
from training_pro.ui.handlers import IN_TURN, answering
from training_pro.ui.lora_chooser import LoraChooser
from training_pro.ui.panels.ask import strengths_in
from training_pro.ui.pieces import area, button, button_row, card, head
from training_pro.ui.views.markup import box, number, table
from training_pro.words import size_words

if TYPE_CHECKING:
    from training_pro.export.lora_tools import Comparison, Made

STRENGTH, COMBINE, SMALLER, COMPARE = "Change strength", "Combine", "Make smaller", "Compare"
TOOLS = [STRENGTH, COMBINE, SMALLER, COMPARE]
_EXPLAINED = {
    STRENGTH: "A new LoRA that used at 1 is the old one at this strength, exactly.",
    COMBINE: "The sum of two or more LoRAs of the same base, each at its strength. Rank 0: exact, the ranks add up.",
    SMALLER: "The nearest LoRA of a smaller rank. What is lost is said.",
    COMPARE: "Where one or two LoRAs change the model, how strongly, and how alike.",
}


class LoraTools:
    """The panel."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.chooser = LoraChooser(session, several=True)

    def build(self) -> None:
        with card("lora-tools"):
            with gr.Row(elem_classes=["tp-head"]):
                head("LoRA tools")
                self.tool = gr.Radio(
                    TOOLS, value=STRENGTH, show_label=False, label="Tool", elem_id="tp-lora-tool",
                    elem_classes=["tp-seg"], container=False,
                )  # fmt: skip
            self.explained = area("lora-tool-explained", _explained(STRENGTH))
            with gr.Row(elem_classes=["tp-ask-who"]):
                self.chooser.build("lora-tool-which", "LoRAs", "LoRAs and checkpoints of one base model.", scale=2)
                self.strength = gr.Textbox(
                    "1", label="Strength", info="One, or one for each LoRA: 1, 0.5", max_lines=1,
                    elem_id="tp-lora-tool-strength", elem_classes=["tp-field"], min_width=130,
                )  # fmt: skip
                self.rank = gr.Number(
                    0, label="Rank of the result", precision=0, elem_id="tp-lora-tool-rank", visible=False,
                    elem_classes=["tp-field"], min_width=130,
                )  # fmt: skip
                self.name = gr.Textbox(
                    label="Name of the new LoRA", max_lines=1, elem_id="tp-lora-tool-name", elem_classes=["tp-field"],
                    min_width=160,
                )  # fmt: skip
            with button_row():
                self.go = button("Make the LoRA", "lora-tool-go", variant="primary")
            self.said = area("lora-tool-said")
            self.result = area("lora-tool-result")

    def connect(self) -> None:
        fields = [self.explained, self.strength, self.rank, self.name, self.go]
        self.tool.input(self._show, self.tool, fields, **IN_TURN)
        # By the page itself: an answer that comes late would take away what the new tool says already.
        self.tool.input(None, None, [self.said, self.result], js="() => ['', '']", api_name=False)
        asked = {self.tool, self.chooser.control, self.strength, self.rank, self.name}
        work = answering(self._work, self.said, "working on LoRAs")
        self.go.click(work, asked, [self.said, self.result], api_name=False)

    def _show(self, tool: str) -> list[Any]:
        """The fields that this tool needs."""
        tool = tool if tool in list(_EXPLAINED) else STRENGTH
        makes = tool != COMPARE
        return [
            _explained(tool),
            gr.update(visible=tool in (STRENGTH, COMBINE)),
            gr.update(visible=tool in (COMBINE, SMALLER)),
            gr.update(visible=makes),
            gr.update(value="Make the LoRA" if makes else "Compare"),
        ]

    def _work(self, data: Values) -> dict[Any, Any]:
        loras = [self._opened(value) for value in self.chooser.chosen(data[self.chooser.control])]
        if not loras:
            raise RunError("No LoRA is chosen. Choose one under LoRAs.")
        tool = str(data[self.tool])
        if tool == COMPARE:
            return self._compared(loras)
        makers: dict[str, Callable[[list[Lora], Values, Path], Made]] = {
            STRENGTH: self._bake,
            COMBINE: self._combine,
            SMALLER: self._shrink,
        }
        target = self._session.host.folders.loras / check_name(str(data[self.name] or ""))
        made = makers[tool](loras, data, target)
        said = f"{made.folder.name} is saved: rank {made.largest_rank}, {size_words(made.size_bytes)}."
        lost = f" It differs from the whole by {made.error:.2%} of the whole's change." if made.error else ""
        return {self.said: box("good", said + lost), self.result: ""}

    def _opened(self, value: str) -> Lora:
        folders = self._session.host.folders
        chosen = chosen_lora(folders, value)
        return open_lora(chosen.run, folders, chosen.checkpoint, with_base=False)

    def _bake(self, loras: list[Lora], data: Values, target: Path) -> Made:
        from training_pro.export.lora_tools import bake

        return bake(_one(loras), self._strengths(data, 1)[0], target)

    def _combine(self, loras: list[Lora], data: Values, target: Path) -> Made:
        from training_pro.export.lora_tools import combine

        return combine(loras, self._strengths(data, len(loras)), target, rank=int(data[self.rank] or 0) or None)

    def _shrink(self, loras: list[Lora], data: Values, target: Path) -> Made:
        from training_pro.export.lora_tools import shrink

        return shrink(_one(loras), int(data[self.rank] or 0), target)

    def _compared(self, loras: list[Lora]) -> dict[Any, Any]:
        from training_pro.export.lora_tools import compare

        if len(loras) > 2:
            raise RunError(f"{len(loras)} LoRAs are chosen. Compare one or two.")
        found = compare(loras)
        return {self.said: box("good", _likeness(found, loras)), self.result: _by_layer(found, loras)}

    def _strengths(self, data: Values, count: int) -> list[float]:
        """One for each LoRA; a single one is for all."""
        found = strengths_in(str(data[self.strength] or ""))
        found = found * count if len(found) == 1 else found
        if len(found) != count:
            raise RunError(f"{len(found)} strengths are given for {count} LoRAs. Give one, or one for each.")
        return found


def _one(loras: list[Lora]) -> Lora:
    if len(loras) != 1:
        raise RunError(f"{len(loras)} LoRAs are chosen. Choose one for this tool.")
    return loras[0]


def _explained(tool: str) -> str:
    return f'<p class="tp-soft tp-small">{_EXPLAINED[tool]}</p>'


def _likeness(found: Comparison, loras: list[Lora]) -> str:
    norms = ", ".join(f"{lora.name} {number(norm)}" for lora, norm in zip(loras, found.norms, strict=True))
    said = f"Size of the change to the weights (2-norm): {norms}."
    if found.cosine is None:
        return said
    return f"{said} Cosine between both: {found.cosine:.3f} (1: the same direction, 0: unrelated, -1: opposite)."


def _by_layer(found: Comparison, loras: list[Lora]) -> str:
    rows = [
        [f"layer {layer}" if layer.isdecimal() else layer, *map(number, norms)] for layer, norms in found.by_layer()
    ]
    return table(["", *(lora.name for lora in loras)], rows)
