"""What should it learn? The files: chosen from the lists, uploaded, or the sample that comes along.

The first text that lies there is chosen when a page is opened, and a name is made from the file, so that Start is one
click away.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from training_pro.data.files import list_datasets
from training_pro.data.upload import Uploaded, upload
from training_pro.errors import DataError
from training_pro.record.names import free_name_for
from training_pro.session import Session
from training_pro.ui.choices import choice_updates, file_choices
from training_pro.ui.form import BOTH, ROWS, Form, Values, kind_of
from training_pro.ui.handlers import AT_ONCE, CHECK, IN_TURN, QUIET, answering
from training_pro.ui.panels.check import Check
from training_pro.ui.pieces import area, button, card, head
from training_pro.ui.views.markup import box

_NAMED = "() => window.trainingProPage.named()"  # for `js`: a typed name stays, and the page asks for a check
SAMPLE = Path(__file__).resolve().parents[2] / "assets" / "sample.txt"


class What:
    """The card, and the name that follows the file."""

    def __init__(self, session: Session, form: Form, check: Check, editable: bool) -> None:
        self._session = session
        self._form = form
        self._check = check
        self._editable = editable

    def build(self) -> None:
        with card("what"):
            with gr.Row(elem_classes=["tp-head"]):
                head("What should it learn?")
                self._form.build_kind()
            with gr.Row(elem_classes=["tp-files"]):
                self._form.build_fields("text_file", container=True)
                self._form.build_fields("dataset", "format", visible=False)
                self.upload = gr.UploadButton(
                    "Upload", file_count="multiple", elem_id="tp-upload", elem_classes=["tp-i", "tp-i-up"],
                    min_width=80, visible=self._editable,
                )  # fmt: skip
                self.sample = button("Try the sample", "sample-text", elem_classes=["tp-i", "tp-i-book"], size="lg")
            self.said = area("files-said")
            with gr.Row(elem_classes=["tp-strip-row"]):
                self._check.build_strip()
                self.look = button("Look at the blocks", "look", scale=0)
            self._check.repairs.build()
        self.named = gr.State("")

    def connect(self) -> None:
        form, controls = self._form, self._form.controls
        mended = self._check.repairs.said
        named = [*form.outputs, self.named, self.said, mended]
        kind = answering(self._kind, self.said, "choosing what to learn")
        form.kind.input(kind, form.kind, [*form.outputs, self.said, mended], **IN_TURN).then(
            None, None, None, js=CHECK, **AT_ONCE
        )
        for name in ("text_file", "dataset"):
            follow = answering(self._named, self.said, "naming the run")
            controls[name].input(follow, form.inputs | {self.named}, named, **IN_TURN).then(
                None, None, None, js=_NAMED, **AT_ONCE
            )
        upload = answering(self._upload, self.said, "uploading a file")
        uploaded = self.upload.upload(upload, {self.upload, *form.inputs, self.named}, named, **QUIET)
        uploaded.then(None, None, None, js=_NAMED, **AT_ONCE)
        sample = answering(self._sample, self.said, "copying the sample")
        self.sample.click(sample, {*form.inputs, self.named}, named, **QUIET).then(
            None, None, None, js=_NAMED, **AT_ONCE
        )

    # -- what people do -----------------------------------------------------------------------------------------------

    def first(self) -> dict[str, Any]:
        """Settings of a page that nobody has filled in: the newest text that lies there, and a name after it."""
        files = list_datasets(self._session.host.folders.datasets)
        texts = [file for file in files if file.kind == "text"] or [file for file in files if file.kind == "rows"]
        if not texts:
            return {}
        newest = max(texts, key=lambda file: _changed(self._session.host.folders.datasets / file.name))
        chosen = {"text_file": newest.name} if newest.kind == "text" else {"dataset": newest.name}
        return {**chosen, "name": free_name_for(self._session.host.folders, newest.name)}

    def _kind(self, kind: str) -> dict[Any, Any]:
        """What depends on a file that no longer counts is cleared with it."""
        return {**self._form.of_kind(kind), **self._form.change({"eval_dataset": ""}), **self._nothing_said()}

    def _named(self, data: Values) -> dict[Any, Any]:
        controls = self._form.controls
        file = data[controls["dataset"]] if data.get(self._form.kind) == ROWS else data[controls["text_file"]]
        return self._name_after(str(file or ""), data)

    def _name_after(self, file: str, data: Values) -> dict[Any, Any]:
        """A name that a person has typed stays."""
        typed = str(data[self._form.controls["name"]] or "").strip()
        if not file or file == "None" or typed not in ("", data[self.named]):
            return self._nothing_said()
        name = free_name_for(self._session.host.folders, file)
        if name == typed:  # said again, it would undo what is typed meanwhile
            return {self.named: name, **self._nothing_said()}
        return {**self._form.change({"name": name}), self.named: name, **self._nothing_said()}

    def _nothing_said(self) -> dict[Any, Any]:
        """What was said was about another file: it was uploaded, or mended."""
        return {self.said: "", self._check.repairs.said: ""}

    def _upload(self, data: Values) -> dict[Any, Any]:
        """Each file into the datasets folder; the first is chosen. Nothing that is there already is replaced."""
        folders = self._session.host.folders
        given = data[self.upload] or []
        files = [Path(str(getattr(one, "name", one))) for one in (given if isinstance(given, list) else [given])]
        if not files:
            raise DataError("No file was uploaded. Choose one.")
        folders.datasets.mkdir(parents=True, exist_ok=True)
        made = [upload(file, file.name, folders.datasets) for file in files]
        kinds = {file.name: file.kind for file in list_datasets(folders.datasets)}
        first = made[0].path.name
        chosen = self._beside(first, "dataset" if kinds.get(first) == "rows" else "text_file", data)
        return {**self._chosen(chosen, first, data), self.said: _said(made, self._switched(chosen, data))}

    def _beside(self, file: str, setting: str, data: Values) -> dict[str, Any]:
        """The files with this one chosen; where it learns from both, the other one stays."""
        if data.get(self._form.kind) != BOTH:
            return {"text_file": "", "dataset": "", setting: file}
        there = {name: str(data[self._form.controls[name]] or "") for name in ("text_file", "dataset")}
        return {**there, setting: file, "hybrid": True}

    def _switched(self, chosen: dict[str, Any], data: Values) -> str:
        """That the page learns from something else now, if it does."""
        kind = kind_of(chosen)
        return f"Learn from is switched to {kind}." if data.get(self._form.kind) not in (None, kind) else ""

    def _chosen(self, files: dict[str, Any], first: str, data: Values) -> dict[Any, Any]:
        """The lists as they are now, with `files` chosen, and a name after `first`."""
        lists = choice_updates(self._form.controls, file_choices(self._session.host.folders))
        filled = self._form.change(files)
        merged = {control: {**lists.get(control, {}), **filled.get(control, {})} for control in {**lists, **filled}}
        return {**merged, **self._name_after(first, data)}

    def _sample(self, data: Values) -> dict[Any, Any]:
        folders = self._session.host.folders
        folders.datasets.mkdir(parents=True, exist_ok=True)
        made = upload(SAMPLE, SAMPLE.name, folders.datasets)
        name = made.path.name
        chosen = self._beside(name, "text_file", data)
        switched = self._switched(chosen, data)
        said = {self.said: _said([made], switched)} if made.taken or switched else {}
        return {**self._chosen(chosen, name, data), **said}


def _said(made: Sequence[Uploaded], switched: str = "") -> str:
    """What became of the files; the first is chosen, whether it was there before or not. `switched`: what else has
    changed by that."""
    plain = [file for file in made if not file.known and not file.taken]
    told = [file.words() for file in made if file not in plain]
    names = [f"Uploaded: {', '.join(file.path.name for file in plain)}."] if plain else []
    chosen = f"{made[0].path.name} is chosen." if told else ""
    return box("info" if told else "good", [" ".join(part for part in (*names, *told, chosen, switched) if part)])


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
