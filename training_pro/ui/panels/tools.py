"""Tools for datasets: fetch one, split it, turn rows or a text into chats, write down the prepared blocks.

They work on the Dataset and the Text file that are chosen under Train. One runs at a time, in a thread of its own, with
gradio's bar and a way to cancel it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from training_pro.data.download import MAX_BYTES, Limits, download
from training_pro.data.tools import DatasetTools
from training_pro.errors import DataError
from training_pro.session import Session
from training_pro.ui.cancelling import Cancels
from training_pro.ui.choices import choice_updates, file_choices
from training_pro.ui.form import Form, Values
from training_pro.ui.handlers import AT_ONCE, answering
from training_pro.ui.panels.check import Check
from training_pro.ui.pieces import area, button, button_row, card, head, subhead
from training_pro.ui.views.markup import box

_JOB: dict[str, Any] = {"api_name": False, "concurrency_id": "tp-tools", "concurrency_limit": 1}
_MEGABYTES = MAX_BYTES >> 20
_BAR = gr.Progress()  # gradio's way of asking for one: a default value
_LISTS = ("text_file", "dataset", "eval_dataset")


class Tools:
    """The panel. What a tool makes is in the lists at once, and chosen where it takes the place of its source."""

    def __init__(self, session: Session, form: Form, check: Check) -> None:
        self._session = session
        self._form = form
        self._check = check
        self._cancels = Cancels()

    def build(self) -> None:
        with card("tools"):
            head("Datasets")
            self._build_download()
            self._build_split()
            self._build_chats()
            self._build_blocks()
            subhead("For all of these")
            with button_row():
                self.overwrite = gr.Checkbox(
                    False,
                    label="Overwrite",
                    info="Replaces a file of the same name.",
                    elem_id="tp-tool-overwrite",
                    elem_classes=["tp-field"],
                )
                self.cancel = button("Cancel", "tool-cancel", visible=False, scale=0)
            self.said = area("tool-said")

    def _build_download(self) -> None:
        subhead("Download a file")
        self.url = gr.Textbox(
            label="Address of a dataset file", info="http or https. The file itself, not a web page about it.",
            max_lines=1, elem_id="tp-tool-url",
            elem_classes=["tp-field"],
        )  # fmt: skip
        with gr.Row():
            self.megabytes = gr.Number(
                _MEGABYTES, label="At most MB", precision=0, elem_id="tp-tool-megabytes", elem_classes=["tp-field"]
            )
            self.private = gr.Checkbox(
                False, label="Allow private addresses", info="Those of this machine and its network.",
                elem_id="tp-tool-private",
                elem_classes=["tp-field"],
            )  # fmt: skip
        self.fetch = button("Download", "tool-download")

    def _build_split(self) -> None:
        subhead("Split into training and evaluation")
        self.percent = gr.Number(
            10, label="Rows to evaluate on in %", info="Of the Dataset chosen under Train; picked by the Seed.",
            elem_id="tp-tool-percent",
            elem_classes=["tp-field"],
        )  # fmt: skip
        self.split = button("Split the Dataset", "tool-split")

    def _build_chats(self) -> None:
        subhead("Make chats, join lines")
        with gr.Row():
            self.system = gr.Textbox(
                label="System message", info="For chats without their own. May be empty.",
                max_lines=3, elem_id="tp-tool-system",
                elem_classes=["tp-field"],
            )  # fmt: skip
            self.prompt = gr.Textbox(
                label="Prompt", info="The prompt that each section of the text answers.",
                max_lines=3, elem_id="tp-tool-prompt",
                elem_classes=["tp-field"],
            )  # fmt: skip
        with button_row():
            self.rows = button("Dataset to chats", "tool-rows")
            self.text = button("Text file to chats", "tool-text")
            self.unwrap = button("Unwrap the Text file", "tool-unwrap")

    def _build_blocks(self) -> None:
        subhead("Write down the blocks")
        self.ends = gr.Checkbox(
            True, label="With BOS and EOS", info="As they are trained, or only the text.",
            elem_id="tp-tool-ends",
            elem_classes=["tp-field"],
        )  # fmt: skip
        self.blocks = button("Write the blocks to a file", "tool-blocks")

    # -- hooking up -----------------------------------------------------------------------------------------------

    def connect(self) -> None:
        jobs = (
            (self.fetch, self._download, "downloading a file"),
            (self.split, self._split, "splitting the dataset"),
            (self.rows, self._rows_to_chats, "turning rows into chats"),
            (self.text, self._text_to_chats, "turning a text into chats"),
            (self.unwrap, self._unwrap, "joining a text's lines"),
            (self.blocks, self._write_blocks, "writing the blocks"),
        )
        fields = {self.url, self.megabytes, self.private, self.percent, self.system, self.prompt, self.ends}
        inputs = self._form.inputs | fields | {self.overwrite}
        for pressed, job, doing in jobs:
            begun = pressed.click(self._cancels.shown, None, [self.cancel, self.said], **AT_ONCE)
            done = begun.then(answering(job, self.said, doing), inputs, [self.said, *self._form.outputs], **_JOB)
            done.then(self._cancels.hidden, None, self.cancel, **AT_ONCE)
        self.cancel.click(self._cancels.cancel, None, None, **AT_ONCE)

    # -- the jobs -------------------------------------------------------------------------------------------------

    def _download(self, data: Values, request: gr.Request, bar: gr.Progress = _BAR) -> dict[Any, Any]:
        megabytes = data[self.megabytes]
        if megabytes is None or megabytes < 1:
            raise DataError(f'"At most MB" is {megabytes}; it must be 1 or more.')
        limits = Limits(int(megabytes) << 20, data[self.private], data[self.overwrite])
        url = str(data[self.url] or "")
        target = download(url, self._folder, limits, self._cancels.telling(bar, request))
        return self._made(f"{target.name} is downloaded and in the lists under Train.")

    def _split(self, data: Values, request: gr.Request, bar: gr.Progress = _BAR) -> dict[Any, Any]:
        name = self._chosen(data, "dataset")
        seed = int(self._form.values(data)["seed"] or 0)
        train, evaluation = self._tools(data, request, bar).split(name, float(data[self.percent] or 0), seed)
        said = f"Both halves are chosen: {train} to train on, {evaluation} to evaluate on."
        return self._made(said, dataset=train, eval_dataset=evaluation)

    def _rows_to_chats(self, data: Values, request: gr.Request, bar: gr.Progress = _BAR) -> dict[Any, Any]:
        name = self._chosen(data, "dataset")
        made, left_out = self._tools(data, request, bar).rows_to_chats(name, str(data[self.system] or ""))
        said = " ".join([f"{made} is chosen as the Dataset.", *left_out])
        return self._made(said, dataset=made, dataset_kind="auto")

    def _text_to_chats(self, data: Values, request: gr.Request, bar: gr.Progress = _BAR) -> dict[Any, Any]:
        name, cut = self._chosen(data, "text_file"), str(self._form.values(data)["hard_cut"])
        system, prompt = str(data[self.system] or ""), str(data[self.prompt] or "")
        made = self._tools(data, request, bar).text_to_chats(name, cut, system, prompt)
        said = f"{made} is chosen as the Dataset in place of the Text file."
        return self._made(said, dataset=made, text_file="", dataset_kind="auto")

    def _unwrap(self, data: Values, request: gr.Request, bar: gr.Progress = _BAR) -> dict[Any, Any]:
        made, joined = self._tools(data, request, bar).unwrap(self._chosen(data, "text_file"))
        return self._made(f"{made} is chosen as the Text file. {joined.words()}", text_file=made)

    def _write_blocks(self, data: Values, request: gr.Request, bar: gr.Progress = _BAR) -> dict[Any, Any]:
        settings, tools = self._form.settings(data), self._tools(data, request, bar)
        samples = self._check.checked(settings, tools.progress).prepared.train
        target = self._folder / f"{Path(settings.text_file or settings.dataset).stem}_blocks.jsonl"
        tools.write_blocks(samples, target, data[self.ends])
        return self._made(f"{len(samples):,} blocks are in {target}.")

    @property
    def _folder(self) -> Path:
        return self._session.host.folders.datasets

    def _tools(self, data: Values, request: gr.Request, bar: gr.Progress) -> DatasetTools:
        return DatasetTools(self._session.host.folders, data[self.overwrite], self._cancels.telling(bar, request))

    def _chosen(self, data: Values, setting: str) -> str:
        control = self._form.controls[setting]
        if not data[control]:
            raise DataError(f"No {control.label} is chosen. Choose one under Train.")
        return str(data[control])

    def _made(self, said: str, **chosen: str) -> dict[Any, Any]:
        """The sentence, fresh lists, and what is chosen in them now."""
        lists = choice_updates(self._form.controls, file_choices(self._session.host.folders))
        updates = {self._form.controls[name]: lists[self._form.controls[name]] for name in _LISTS}
        for control, update in self._form.change(chosen).items():
            updates[control] = {**updates.get(control, {}), **update}
        return {self.said: box("good", said), **updates}
