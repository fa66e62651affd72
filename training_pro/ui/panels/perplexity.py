"""Perplexity on the page: what to measure on what, how far it is, and the kept table with its comments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from training_pro.data.files import list_datasets
from training_pro.errors import RunError, SettingsError
from training_pro.perplexity import DEFAULT_CONTEXT_TOKENS, DEFAULT_STRIDE, WITHOUT, Measuring, MeasuringStatus
from training_pro.record.perplexity_table import PerplexityTable
from training_pro.record.runs import RunSummary
from training_pro.session import Session
from training_pro.ui.handlers import AT_ONCE, QUIET, answering
from training_pro.ui.live import Follows, Pulled, Shown, slot_area
from training_pro.ui.lora_chooser import THE_BASE, LoraChooser
from training_pro.ui.pieces import area, button, button_row
from training_pro.ui.views.markup import box
from training_pro.ui.views.perplexity import line_label, measuring_status, perplexity_table

# From the table on the page: an answer of the server's would come over what is typed meanwhile.
_COMMENT_OF = """(line) => {
  const comments = document.querySelector(".training-pro .tp-measured")?.dataset.comments;
  return [JSON.parse(comments ?? "{}")[line] ?? "", ""];
}"""


class Perplexity(Follows):
    """The panel. The measuring itself is the session's: a page that is reloaded shows it as it is."""

    def __init__(self, session: Session, editable: bool) -> None:
        self._session = session
        self._editable = editable
        self.chooser = LoraChooser(session, before=(THE_BASE,), several=True)

    def build(self) -> None:
        if self._editable:
            self._build_request()
        self.status = slot_area("perplexity-status")
        self.table = slot_area("perplexity-table")
        self.said = area("perplexity-said")
        if self._editable:
            self._build_comment()

    def _build_request(self) -> None:
        with gr.Row(elem_classes=["tp-g3"]):
            self.text = gr.Dropdown(
                [], label="Text", info="A text file, a folder of them, or a dataset's own words.",
                allow_custom_value=True, elem_id="tp-perplexity-text", min_width=220,
                elem_classes=["tp-field"],
            )  # fmt: skip
            self.models = gr.Dropdown(
                [], value=[], multiselect=True, label="Models", info="None: the one that is loaded.",
                elem_id="tp-perplexity-models", min_width=220,
                elem_classes=["tp-field"],
            )  # fmt: skip
            info = "None: the model as it is now. The base model is measured too."
            self.chooser.build("perplexity-loras", "LoRAs to measure", info, value=[], min_width=220)
        with gr.Row(elem_classes=["tp-g3"]):
            self.context = gr.Number(
                DEFAULT_CONTEXT_TOKENS, precision=0, label="Context in tokens",
                info="What the model sees at once. Compare numbers only at the same context.",
                elem_id="tp-perplexity-context", min_width=160,
                elem_classes=["tp-field"],
            )  # fmt: skip
            self.stride = gr.Number(
                DEFAULT_STRIDE, precision=0, label="Stride in tokens",
                info="How far the window moves. Smaller is slower and more accurate.", elem_id="tp-perplexity-stride",
                min_width=160,
                elem_classes=["tp-field"],
            )  # fmt: skip
            self.bos = gr.Checkbox(
                True, label="BOS before each window", info="As in training with Add BOS.",
                elem_id="tp-perplexity-bos", min_width=160,
                elem_classes=["tp-field"],
            )  # fmt: skip
        with button_row():
            self.measure = button("Measure perplexity", "measure", variant="primary")
            self.interrupt = button("Interrupt", "measure-interrupt", variant="stop", interactive=False)

    def _build_comment(self) -> None:
        with gr.Row():
            self.line = gr.Dropdown(
                [], label="Measurement", elem_id="tp-perplexity-line", min_width=220, elem_classes=["tp-field"]
            )
            self.comment = gr.Textbox(
                label="Comment", max_lines=3, elem_id="tp-perplexity-comment",
                min_width=220,
                elem_classes=["tp-field"],
            )  # fmt: skip
        with button_row():
            self.keep = button("Save comment", "perplexity-keep")
            self.remove = button("Delete row", "perplexity-remove", variant="stop")

    def connect(self) -> None:
        if not self._editable:
            return
        asked = [self.text, self.models, self.chooser.control, self.context, self.stride, self.bos]
        begin = answering(self._begin, self.said, "measuring the perplexity")
        self.measure.click(begin, asked, [self.said, self.interrupt], **QUIET)
        end = answering(self._end, self.said, "ending the measuring")
        self.interrupt.click(end, None, [self.said, self.interrupt], **AT_ONCE)
        self.line.input(None, self.line, [self.comment, self.said], js=_COMMENT_OF, **QUIET)
        tabled = [self.line, self.comment, self.said]
        keep = answering(self._keep, self.said, "saving the comment")
        self.keep.click(keep, [self.line, self.comment], tabled, **QUIET)
        remove = answering(self._remove, self.said, "deleting the row")
        self.remove.click(remove, self.line, tabled, **QUIET)

    # -- followed by every page -----------------------------------------------------------------------------------

    @property
    def shown(self) -> list[Shown]:
        """How far the measuring is, and the table."""
        return [
            Shown("perplexity-status", self._measured, lambda: measuring_status(self._measured())),
            Shown("perplexity-table", self._kept.stamp, self._table),
        ]

    @property
    def pulled(self) -> list[Pulled]:
        """The button that ends the measuring, and the measurements to choose from."""
        if not self._editable:
            return []
        return [
            Pulled("measuring", self._measures, [self.interrupt], self._interruptible),
            Pulled("measurements", self._kept.stamp, [self.line], self._lines),
        ]

    @property
    def _kept(self) -> PerplexityTable:
        return PerplexityTable(self._session.host.folders)

    def _measured(self) -> MeasuringStatus | None:
        job = self._session.measuring
        return job.status if job is not None else None

    def _measures(self) -> bool:
        status = self._measured()
        return status is not None and status.running

    def _interruptible(self) -> dict[Any, Any]:
        return {self.interrupt: gr.update(interactive=self._measures())}

    def _table(self) -> str:
        lines, said = self._kept.look()
        return box("warning", said) + perplexity_table(lines)

    def _lines(self) -> dict[Any, Any]:
        lines, _ = self._kept.look()
        return {self.line: gr.update(choices=[(line_label(line), line.id) for line in lines])}

    # -- what people do -------------------------------------------------------------------------------------------

    @property
    def listed(self) -> list[Any]:
        """The controls that `lists` fills."""
        return [self.text, self.models, self.chooser.control]

    def lists(self) -> dict[Any, Any]:
        """What can be measured on what by now."""
        host = self._session.host
        return {
            **self.chooser.lists(),
            self.text: gr.update(choices=[file.name for file in list_datasets(host.folders.datasets)]),
            self.models: gr.update(choices=host.models()),
        }

    def _begin(
        self,
        text: str | None,
        models: list[str] | None,
        loras: list[str] | None,
        context: float | None,
        stride: float | None,
        bos: bool,
    ) -> dict[Any, Any]:
        if context is None or stride is None:
            raise SettingsError(["Context and Stride each need a number of tokens, for example 1024 and 512."])
        chosen = tuple(self.chooser.chosen(loras))
        asked = Measuring(text or "", tuple(models or ()), chosen, int(context), int(stride), bos)
        self._session.measure(self._with_base(asked))
        return {self.said: "", self.interrupt: gr.update(interactive=True)}

    def _with_base(self, asked: Measuring) -> Measuring:
        """The base model is measured before its LoRAs, unless the table has its figure for the same window."""
        if not asked.loras or WITHOUT in asked.loras:
            return asked
        own = {asked.text, Path(asked.text).name}
        names = set(asked.models or (self._session.host.model_label(),))
        known = {
            line.model
            for line in self._kept.look()[0]
            if not line.lora
            and line.text in own
            and (line.context, line.stride) == (asked.context_tokens, asked.stride)
        }
        return asked if names <= known else replace(asked, loras=(WITHOUT, *asked.loras))

    @property
    def asked_about(self) -> list[Any]:
        """The controls that `about` fills."""
        return [self.text, self.chooser.control]

    def about(self, runs: Sequence[RunSummary]) -> dict[Any, Any]:
        """Updates that choose the LoRAs of these runs, and the text that they share."""
        texts = {run.data for run in runs}
        there = [file.name for file in list_datasets(self._session.host.folders.datasets)]
        shared = next(iter(texts)) if len(texts) == 1 else ""
        updates = self.chooser.choosing([THE_BASE[1], *(run.name for run in runs)])
        return {**updates, self.text: gr.update(choices=there, value=shared)} if shared in there else updates

    def _end(self) -> dict[Any, Any]:
        job = self._session.measuring
        if job is None or not job.status.running:
            raise RunError("Nothing is being measured.")
        job.interrupt()
        return {self.said: box("info", "It ends with the current window."), self.interrupt: gr.update()}

    def _keep(self, line: str | None, comment: str | None) -> dict[Any, Any]:
        said = self._kept.comment(_chosen(line), comment or "")
        return {**self._lines(), self.said: box("warning", said)}

    def _remove(self, line: str | None) -> dict[Any, Any]:
        said = self._kept.remove(_chosen(line))
        nothing_chosen = {**self._lines()[self.line], "value": None}
        return {self.line: nothing_chosen, self.comment: "", self.said: box("warning", said)}


def _chosen(line: str | None) -> str:
    if not line:
        raise RunError("No measurement is chosen. Choose one under Measurement.")
    return line
