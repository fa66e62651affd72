"""Export: a LoRA as a GGUF file for llama.cpp, or merged into its base model; and how other programs use the result.

What it will take is shown before; one export at a time runs in a thread of its own, with gradio's bar and a Cancel.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from training_pro.errors import RunError
from training_pro.export.lora_source import Lora, open_lora
from training_pro.export.other_programs import Usage, use_gguf, use_merged
from training_pro.export.room import PlaceTaken
from training_pro.progress import Progress
from training_pro.record.lora_choices import chosen_lora
from training_pro.session import Session
from training_pro.ui.cancelling import Cancels
from training_pro.ui.form import Values
from training_pro.ui.handlers import AT_ONCE, IN_TURN, QUIET, answering
from training_pro.ui.lora_chooser import LoraChooser
from training_pro.ui.panels.folder_button import copy_on_click, folder_said
from training_pro.ui.pieces import area, button, button_row, card, head
from training_pro.ui.views.export import export_view
from training_pro.ui.views.markup import box
from training_pro.words import size_words

GGUF, MERGED = "GGUF LoRA", "Merged model"
KINDS = [f"{GGUF}\nfor llama.cpp, Ollama, textgen", f"{MERGED}\na model of its own"]
_DTYPES = {GGUF: ["float32", "float16"], MERGED: ["bfloat16", "float16", "float32"]}
_WHY = {
    GGUF: "float32 rounds nothing.",
    MERGED: "bfloat16: as most models are saved. float32 rounds nothing, in twice the space.",
}
_JOB: dict[str, Any] = {"api_name": False, "concurrency_id": "tp-export", "concurrency_limit": 1}
_PAGES = 8
_NOT_THERE = "The export is not there any more. Export again."
_BAR = gr.Progress()  # gradio's way of asking for one: a default value


@dataclass(frozen=True)
class Wanted:
    """What is to be exported, and how."""

    lora: Lora
    kind: str
    dtype: Any


@dataclass
class _Exported:
    """What a page has exported last. `rounded`: the LoRA, where too little of it is left; `ready`: a folder to download
    from."""

    made: Path
    usage: Usage
    rounded: Lora | None = None
    ready: tempfile.TemporaryDirectory[str] | None = None

    def clear(self) -> None:
        if self.ready is not None:
            self.ready.cleanup()


class Export:
    """The panel. What was exported last is each page's own, kept for the last few pages that exported."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._cancels = Cancels()
        self._exported: OrderedDict[str, _Exported] = OrderedDict()  # by gradio's session, which is the page
        self.chooser = LoraChooser(session)

    def build(self) -> None:
        with card("export-lora"):
            head("Export a LoRA")
            self.kind = gr.Radio(
                KINDS, value=KINDS[0], show_label=False, label="Export as", elem_id="tp-export-kind",
                elem_classes=["tp-tiles"], container=False,
            )  # fmt: skip
            with gr.Row(elem_classes=["tp-g3"]):
                self.chooser.build("export-which", "LoRA to export", "A LoRA or one of its checkpoints.")
                self.dtype = gr.Dropdown(
                    _DTYPES[GGUF], value=_DTYPES[GGUF][0], label="Numbers", info=_WHY[GGUF],
                    elem_id="tp-export-dtype", elem_classes=["tp-field"], min_width=140,
                )  # fmt: skip
                self.overwrite = gr.Checkbox(
                    False, label="Replace", info="An earlier export of the same name.", elem_id="tp-export-replace",
                    elem_classes=["tp-field"], min_width=140,
                )  # fmt: skip
            with gr.Row(elem_classes=["tp-g2"]):
                self.base = gr.Textbox(
                    label="Folder of the base model", info="Empty: the one that the LoRA names.", max_lines=1,
                    elem_id="tp-export-base", elem_classes=["tp-field"],
                )  # fmt: skip
                self.ollama = gr.Textbox(
                    label="Base model for Ollama", max_lines=1, elem_id="tp-export-ollama", elem_classes=["tp-field"],
                    info="Its name there, or a GGUF file. Empty: a GGUF of it in the models folder.",
                )  # fmt: skip
            self.forecast = area("export-forecast")
            with button_row():
                self.begin = button("Export", "export-go", variant="primary")
                self.cancel = button("Cancel", "export-cancel", visible=False)
            self.said = area("export-said")
            with button_row(visible=False) as self.rounded:
                self.exact = button("Save as float32", "export-exact")
            self.result = area("export-result")
            with button_row(visible=False) as self.after:
                self.open = button("Open its folder", "export-open")
                self.prepare = button("Download", "export-download")
            self.files = gr.File(
                visible=False, label="Ready to download", elem_id="tp-export-files", interactive=False, height=90
            )

    def connect(self) -> None:
        asked = {self.chooser.control, self.kind, self.dtype, self.overwrite, self.base, self.ollama}
        self.kind.input(self._types, self.kind, [self.dtype, self.ollama], **IN_TURN)
        look = answering(self._forecast, self.forecast, "estimating the export")
        for event in (self.chooser.control.input, self.kind.input, self.dtype.input, self.base.submit, self.base.blur):
            event(look, asked, self.forecast, **IN_TURN)
        cleared = [self.cancel, self.said, self.result, self.after, self.rounded]
        outputs = [self.said, self.result, self.after, self.prepare, self.files, self.rounded]
        for pressed, job, given in ((self.begin, self._export, asked), (self.exact, self._save_exactly, None)):
            begun = pressed.click(self._begun, None, cleared, **AT_ONCE)
            done = begun.then(answering(job, self.said, "exporting the LoRA"), given, outputs, **_JOB)
            done.then(self._cancels.hidden, None, self.cancel, **AT_ONCE)
        self.cancel.click(self._cancels.cancel, None, None, **AT_ONCE)
        copy_on_click(self.open, self.result)
        self.open.click(answering(self._open, self.said, "opening the folder"), None, self.said, **QUIET)
        download = answering(self._download, self.said, "preparing the download")
        self.prepare.click(download, None, [self.said, self.files], **QUIET)

    def about(self, lora: str) -> dict[Any, Any]:
        """Updates that choose this LoRA."""
        return {**self.chooser.choosing([lora]), self.forecast: "", self.said: ""}

    # -- what people do -------------------------------------------------------------------------------------------

    def _types(self, kind: str) -> list[Any]:
        found = _kind(kind)
        first = _DTYPES[found][0]
        return [gr.update(choices=_DTYPES[found], value=first, info=_WHY[found]), gr.update(visible=found == GGUF)]

    def _begun(self, request: gr.Request) -> tuple[Any, ...]:
        return *self._cancels.shown(request), "", gr.update(visible=False), gr.update(visible=False)

    def _wanted(self, data: Values) -> Wanted:
        folders = self._session.host.folders
        chosen = chosen_lora(folders, self.chooser.one(data[self.chooser.control]))
        base = str(data[self.base] or "").strip()
        lora = open_lora(chosen.run, folders, chosen.checkpoint, Path(base) if base else None)
        kind, dtype = _kind(str(data[self.kind])), str(data[self.dtype])
        return Wanted(lora, kind, dtype if dtype in _DTYPES[kind] else _DTYPES[kind][0])

    def _forecast(self, data: Values) -> dict[Any, Any]:
        from training_pro.export.forecast import gguf_forecast, merge_forecast

        if not data[self.chooser.control]:
            return {self.forecast: ""}
        wanted = self._wanted(data)
        if wanted.kind == GGUF:
            found = gguf_forecast(wanted.lora, wanted.dtype)
        else:
            found = merge_forecast(wanted.lora, self._session.host.folders, wanted.dtype)
        return {self.forecast: box("info" if found.fits else "warning", found.words())}

    def _export(self, data: Values, request: gr.Request, bar: gr.Progress = _BAR) -> dict[Any, Any]:
        wanted, progress = self._wanted(data), self._cancels.telling(bar, request)
        replace, ollama = bool(data[self.overwrite]), str(data[self.ollama] or "")
        try:
            if wanted.kind == GGUF:
                return self._shown(request, *self._gguf(wanted, replace, ollama, progress))
            return self._shown(request, *self._merged(wanted, replace, progress))
        except PlaceTaken as taken:
            way_out = 'To replace it, tick "Replace" above and press "Export" again.'
            raise RunError(f"{taken.target} already exists. {way_out}") from None

    def _gguf(self, wanted: Wanted, replace: bool, ollama: str, progress: Progress) -> tuple[_Exported, list[str]]:
        from training_pro.export.gguf_lora import export_gguf, gguf_place

        target = gguf_place(wanted.lora, wanted.dtype)
        made = export_gguf(wanted.lora, target, dtype=wanted.dtype, replace=replace, progress=progress)
        said = f"{wanted.lora.name} is saved for llama.cpp: {made.file.name}, {size_words(made.size_bytes)}."
        return _Exported(made.file, use_gguf(wanted.lora, made.file, self._session.host.folders, ollama)), [said]

    def _merged(self, wanted: Wanted, replace: bool, progress: Progress) -> tuple[_Exported, list[str]]:
        from training_pro.export.merge import merge_lora, merged_place

        folders, lora = self._session.host.folders, wanted.lora
        target = merged_place(folders, lora)
        made = merge_lora(lora, target, dtype=wanted.dtype, replace=replace, progress=progress)
        said = f"{lora.name} is merged into {lora.base.name}: {made.folder.name}, {size_words(made.weights_bytes)}."
        exported = _Exported(made.folder, use_merged(lora, made.folder, folders), lora if made.rounded_away else None)
        return exported, [said, *(_with_buttons(note) for note in made.notes)]

    def _save_exactly(self, request: gr.Request, bar: gr.Progress = _BAR) -> dict[Any, Any]:
        """The page's last merge again, without rounding, in its own place."""
        rounded = self._there(request).rounded
        if rounded is None:
            raise RunError(_NOT_THERE)
        wanted = Wanted(rounded, MERGED, "float32")
        return self._shown(request, *self._merged(wanted, True, self._cancels.telling(bar, request)))

    def _shown(self, request: gr.Request, exported: _Exported, said: list[str]) -> dict[Any, Any]:
        self._keep(str(request.session_hash), exported)
        return {
            self.said: box("good" if exported.rounded is None else "warning", said),
            self.rounded: gr.update(visible=exported.rounded is not None),
            self.result: export_view(exported.made, exported.usage, in_webui=self._session.host.name == "webui"),
            self.after: gr.update(visible=True),
            self.prepare: gr.update(visible=exported.made.is_file()),
            self.files: gr.update(visible=False, value=None),
        }

    def _keep(self, page: str, exported: _Exported) -> None:
        before = self._exported.pop(page, None)
        self._exported[page] = exported
        if before is None and len(self._exported) > _PAGES:
            _, before = self._exported.popitem(last=False)
        if before is not None:
            before.clear()

    def _there(self, request: gr.Request) -> _Exported:
        exported = self._exported.get(str(request.session_hash))
        if exported is None or not exported.made.exists():
            raise RunError(_NOT_THERE)
        return exported

    def _open(self, request: gr.Request) -> dict[Any, Any]:
        made = self._there(request).made
        return {self.said: folder_said(made if made.is_dir() else made.parent, request)}

    def _download(self, request: gr.Request) -> dict[Any, Any]:
        """The file and its Modelfile, from a place that gradio serves files from: the host's own folders are none."""
        exported = self._there(request)
        exported.clear()
        exported.ready = tempfile.TemporaryDirectory(prefix="training-pro-")
        ready = [_link(path, Path(exported.ready.name)) for path in (exported.made, exported.usage.modelfile)]
        return {self.files: gr.update(value=ready, visible=True), self.said: ""}


def _kind(shown: Any) -> str:
    """The kind that a choice as it is shown stands for; a GGUF LoRA for anything else."""
    kind = str(shown).partition("\n")[0]
    return kind if kind in _DTYPES else GGUF


def _with_buttons(note: str) -> str:
    """A note of the merge for the page, which has a button where the command line has an option."""
    pressed = note.replace("Save it as float32", 'Press "Save as float32"')
    return re.sub(r" \(--dtype[^)]*\)", "", pressed)


def _link(path: Path, folder: Path) -> str:
    """`path` again in `folder`, without a copy where the disk allows it."""
    target = folder / path.name
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)
    return str(target)
