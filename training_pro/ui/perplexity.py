"""Perplexity on the page: what to measure on what, how far it is, and the kept table with its comments."""

from __future__ import annotations

from typing import Any

import gradio as gr

from training_pro.data.files import list_datasets
from training_pro.errors import RunError, SettingsError
from training_pro.perplexity import DEFAULT_CONTEXT_TOKENS, DEFAULT_STRIDE, WITHOUT, Measuring
from training_pro.record.adapter_files import CONFIG_FILE
from training_pro.record.perplexity_table import PerplexityTable
from training_pro.record.runs import list_runs
from training_pro.session import Session
from training_pro.ui.handlers import AT_ONCE, QUIET, answering
from training_pro.ui.markup import box
from training_pro.ui.perplexity_view import line_label, measuring_status, perplexity_table
from training_pro.ui.pieces import area, button, button_row
from training_pro.ui.watch import Seen

WITHOUT_A_LORA = "(without a LoRA)"  # no LoRA can be called so


class Perplexity:
    """The panel. The measuring itself is the session's: a page that is reloaded shows it as it is."""

    def __init__(self, session: Session, editable: bool) -> None:
        self._session = session
        self._editable = editable

    def build(self) -> None:
        if self._editable:
            self._build_request()
        self.status = area("perplexity-status")
        self.table = area("perplexity-table")
        self.said = area("perplexity-said")
        if self._editable:
            self._build_comment()

    def _build_request(self) -> None:
        with gr.Row():
            self.text = gr.Dropdown(
                [], label="Text", info="A text file, a folder of them, or a dataset's own words.",
                allow_custom_value=True, elem_id="tp-perplexity-text", min_width=220,
            )  # fmt: skip
            self.models = gr.Dropdown(
                [], value=[], multiselect=True, label="Models", info="None: the one that is loaded.",
                elem_id="tp-perplexity-models", min_width=220,
            )  # fmt: skip
            self.loras = gr.Dropdown(
                [], value=[], multiselect=True, label="LoRAs", info="None: the model as it is now.",
                elem_id="tp-perplexity-loras", min_width=220,
            )  # fmt: skip
        with gr.Row():
            self.context = gr.Number(
                DEFAULT_CONTEXT_TOKENS, precision=0, label="Context in tokens",
                info="What the model sees at once; figures compare at the same context only.",
                elem_id="tp-perplexity-context", min_width=160,
            )  # fmt: skip
            self.stride = gr.Number(
                DEFAULT_STRIDE, precision=0, label="Stride in tokens",
                info="How far the window moves; smaller is slower and exacter.", elem_id="tp-perplexity-stride",
                min_width=160,
            )  # fmt: skip
            self.bos = gr.Checkbox(
                True, label="BOS before each window", info="As in training with Add BOS.",
                elem_id="tp-perplexity-bos", min_width=160,
            )  # fmt: skip
        with button_row():
            self.measure = button("Measure perplexity", "measure", variant="primary")
            self.interrupt = button("Interrupt", "measure-interrupt", variant="stop", interactive=False)
            self.refresh = button("Refresh lists", "perplexity-refresh")

    def _build_comment(self) -> None:
        with gr.Row():
            self.line = gr.Dropdown([], label="Measurement", elem_id="tp-perplexity-line", min_width=220)
            self.comment = gr.Textbox(
                label="Comment", max_lines=3, elem_id="tp-perplexity-comment",
                min_width=220,
            )  # fmt: skip
        with button_row():
            self.keep = button("Keep the comment", "perplexity-keep")
            self.remove = button("Take the line out", "perplexity-remove", variant="stop")

    def connect(self, page: Any) -> None:
        if not self._editable:
            return
        read = answering(self._lists, self.said, "reading the lists")
        lists = [self.text, self.models, self.loras, self.said]
        page.load(read, None, lists, **QUIET)
        self.refresh.click(read, None, lists, **QUIET)
        asked = [self.text, self.models, self.loras, self.context, self.stride, self.bos]
        begin = answering(self._begin, self.said, "measuring the perplexity")
        self.measure.click(begin, asked, [self.said, self.status, self.interrupt], **QUIET)
        end = answering(self._end, self.said, "ending the measuring")
        self.interrupt.click(end, None, [self.said, self.interrupt], **AT_ONCE)
        show = answering(self._show, self.said, "showing the comment")
        self.line.input(show, self.line, [self.comment, self.said], **QUIET)
        tabled = [self.table, self.line, self.comment, self.said]
        keep = answering(self._keep, self.said, "keeping the comment")
        self.keep.click(keep, [self.line, self.comment], tabled, **QUIET)
        remove = answering(self._remove, self.said, "taking the line out")
        self.remove.click(remove, self.line, tabled, **QUIET)

    # -- followed by every page -----------------------------------------------------------------------------------

    @property
    def followed(self) -> list[Any]:
        """What `changes` updates."""
        shown = [self.status, self.table]
        return [*shown, self.interrupt, self.measure, self.line] if self._editable else shown

    def changes(self, seen: Seen) -> dict[Any, Any]:
        """Updates for what the page does not have yet; costs next to nothing where there are none."""
        job = self._session.measuring
        status = job.status if job is not None else None
        updates: dict[Any, Any] = {}
        if seen.changed("measuring", status):
            updates[self.status] = measuring_status(status)
            if self._editable:
                updates[self.interrupt] = gr.update(interactive=status is not None and status.running)
        table = PerplexityTable(self._session.host.folders)
        if seen.changed("perplexities", table.stamp()):
            updates |= self._tabled()
        return updates

    def _tabled(self) -> dict[Any, Any]:
        lines, said = PerplexityTable(self._session.host.folders).read()
        updates: dict[Any, Any] = {self.table: box("warning", said) + perplexity_table(lines)}
        if self._editable:
            updates[self.line] = gr.update(choices=[(line_label(line), line.id) for line in lines])
        return updates

    # -- what people do -------------------------------------------------------------------------------------------

    def _lists(self) -> dict[Any, Any]:
        host = self._session.host
        loras = [run.name for run in list_runs(host.folders) if (run.path / CONFIG_FILE).is_file()]
        return {
            self.text: gr.update(choices=[file.name for file in list_datasets(host.folders.datasets)]),
            self.models: gr.update(choices=host.models()),
            self.loras: gr.update(choices=[WITHOUT_A_LORA, *loras]),
            self.said: "",
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
            raise SettingsError(["Context and Stride need a number of tokens each; 1024 and 512 will do."])
        chosen = tuple(WITHOUT if name == WITHOUT_A_LORA else name for name in loras or ())
        job = self._session.measure(Measuring(text or "", tuple(models or ()), chosen, int(context), int(stride), bos))
        return {
            self.said: "",
            self.status: measuring_status(job.status),
            self.interrupt: gr.update(interactive=True),
        }

    def _end(self) -> dict[Any, Any]:
        job = self._session.measuring
        if job is None or not job.status.running:
            raise RunError("Nothing is being measured.")
        job.interrupt()
        return {self.said: box("info", "It ends with the window in progress."), self.interrupt: gr.update()}

    def _show(self, line: str | None) -> dict[Any, Any]:
        found = {one.id: one for one in PerplexityTable(self._session.host.folders).read()[0]}
        return {self.comment: found[line].comment if line in found else "", self.said: ""}

    def _keep(self, line: str | None, comment: str | None) -> dict[Any, Any]:
        said = PerplexityTable(self._session.host.folders).comment(_chosen(line), comment or "")
        return {**self._tabled(), self.said: box("warning", said)}

    def _remove(self, line: str | None) -> dict[Any, Any]:
        said = PerplexityTable(self._session.host.folders).remove(_chosen(line))
        tabled = self._tabled()
        nothing_chosen = {**tabled[self.line], "value": None}
        return {**tabled, self.line: nothing_chosen, self.comment: "", self.said: box("warning", said)}


def _chosen(line: str | None) -> str:
    if not line:
        raise RunError("No measurement is chosen; choose one under Measurement.")
    return line
