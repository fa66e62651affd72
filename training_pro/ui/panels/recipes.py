"""Settings from elsewhere and to elsewhere: earlier runs, JSON, and the command that does the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from training_pro.errors import UserError
from training_pro.legacy_settings import our_values, settings_from
from training_pro.record.runs import SETTINGS_FILE, list_runs
from training_pro.remote.launching import OwnProcess, shell_line, train_command
from training_pro.session import Session
from training_pro.settings import DEFAULTS, Settings, from_dict, read_json_object, to_dict, to_json, without_twins
from training_pro.ui.choices import ordered_runs
from training_pro.ui.form import Form, Values
from training_pro.ui.handlers import QUIET, answering
from training_pro.ui.panels.placement import Placement
from training_pro.ui.pieces import area, button, button_row, card, head
from training_pro.ui.views.markup import box

_NOT_COPIED = ("name", "override")
_FILES = ("text_file", "dataset", "eval_dataset", "format")


class Recipes:
    """The card under Tools."""

    def __init__(self, session: Session, form: Form, placement: Placement) -> None:
        self._session = session
        self._form = form
        self._placement = placement

    def build(self) -> None:
        with card("recipes"):
            head("Settings")
            with gr.Row():
                self.source = gr.Dropdown(
                    [],
                    label="Copy parameters from",
                    info="Any run here, also of the original extension and the WebUI.",
                    allow_custom_value=True,
                    elem_id="tp-copy-from",
                    elem_classes=["tp-field"],
                )
                self.copy = button("Copy", "copy", scale=0)
            self.json = gr.Textbox(
                label="Settings as JSON", lines=4, max_lines=12, elem_id="tp-json", elem_classes=["tp-field"]
            )
            with button_row():
                self.export = button("Export", "export")
                self.read = button("Import", "import")
                self.upload = gr.UploadButton(
                    "Import a file", size="sm", min_width=110, file_types=[".json"], elem_id="tp-import-file"
                )
            self.said = area("recipes-said")

    def build_command(self) -> None:
        """The same run for a terminal."""
        self.command = button("Show as command", "command")
        self.written = gr.Textbox(label="Command", lines=3, max_lines=8, visible=False, elem_id="tp-command-text")

    def connect(self) -> None:
        form, said, filled = self._form, self.said, self.filled
        self.copy.click(answering(self._copy, said, "copying settings"), self.source, filled, **QUIET)
        self.read.click(answering(self._import, said, "importing settings"), self.json, filled, **QUIET)
        self.upload.upload(answering(self._import_file, said, "importing settings"), self.upload, filled, **QUIET)
        export = answering(self._export, said, "exporting settings")
        self.export.click(export, form.inputs, [self.json, said], **QUIET)
        command = answering(self._command, said, "writing the command")
        self.command.click(command, form.inputs | self._placement.inputs, [self.written, said], **QUIET)

    @property
    def filled(self) -> list[Any]:
        """What changes when settings are filled in."""
        return [*self._form.outputs, self.said]

    def lists(self) -> dict[Any, Any]:
        """The runs as they are now."""
        runs = [run.name for run in ordered_runs(self._session) if (run.path / SETTINGS_FILE).is_file()]
        return {self.source: gr.update(choices=runs)}

    def filled_from(self, path: Path, name: str | None = None, **more: Any) -> dict[Any, Any]:
        """Updates that fill the form from a settings file of any dialect, but not the name: that is `name`, if given.
        `more` are settings with other values than the file's.

        Raises:
            UserError: the file can't be used.
        """
        filled = self._fill(*self._settings_in(read_json_object(path)))
        return {**filled, **self._form.change(more if name is None else {"name": name, **more})}

    def changed(self, values: dict[str, Any]) -> dict[Any, Any]:
        """Updates for these settings alone."""
        return {**self._form.change(values), self.said: ""}

    def _copy(self, name: str | None) -> dict[Any, Any]:
        folders = self._session.host.folders
        known = {run.name: run.path for run in list_runs(folders)}
        if not name or name not in known:
            raise UserError(f"There is no run {(name or '')[:100]!r} to copy from; choose one from the list.")
        return self.filled_from(known[name] / SETTINGS_FILE)

    def _import(self, text: str) -> dict[Any, Any]:
        try:
            values = json.loads(text or "", object_pairs_hook=without_twins)
        except (ValueError, RecursionError) as error:
            raise UserError(f"The settings are not valid JSON ({str(error)[:200]}); paste the whole of them.") from None
        if not isinstance(values, dict):
            raise UserError(f"The settings are a {type(values).__name__}; they must be one JSON object.")
        return self._take_over(values)

    def _import_file(self, path: str) -> dict[Any, Any]:
        return self._take_over(read_json_object(Path(path)))

    def _take_over(self, values: dict[str, Any]) -> dict[Any, Any]:
        """What `values` lacks gets its default; only the name, and the files where none is named, stay as chosen."""
        ours, notes = our_values(values, self._session.host.folders.datasets)
        left = [name for name in _NOT_COPIED if name not in ours]
        return self._fill(from_dict(ours), notes, left if set(_FILES) & set(ours) else [*left, *_FILES])

    def _settings_in(self, values: dict[str, Any]) -> tuple[Settings, list[str]]:
        return settings_from(values, self._session.host.folders.datasets)

    def _fill(self, settings: Settings, notes: list[str], left: Sequence[str] = _NOT_COPIED) -> dict[Any, Any]:
        filled = {name: value for name, value in to_dict(settings).items() if name not in left}
        said = box("info", ["The settings are filled in.", *notes])
        return {**self._form.change(filled), self.said: said}

    def _export(self, data: Values) -> dict[Any, Any]:
        return {self.json: to_json(self._form.settings(data)), self.said: ""}

    def _command(self, data: Values) -> dict[Any, Any]:
        where = self._placement.chosen(data) or OwnProcess()
        command = command_for(self._form.settings(data), self._session, where)
        return {self.written: gr.update(value=command, visible=True), self.said: ""}


def command_for(settings: Settings, session: Session, where: OwnProcess) -> str:
    """One line for a terminal: the run of what differs from the defaults."""
    chosen = {name: value for name, value in to_dict(settings).items() if value != DEFAULTS[name]}
    source = session.host.source()
    words = train_command("", source, session.host.folders, where)
    sets = [part for name, value in chosen.items() for part in ("--set", f"{name}={_typed(value)}")]
    return shell_line([*(word for word in words if word), *sets], source)


def _typed(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
