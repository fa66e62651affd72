"""The list of runs: open one, compare several, copy settings, take notes, rename, delete and undo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from training_pro.errors import RunError
from training_pro.record.aside import aside_runs, delete_run, put_back, rename_run
from training_pro.record.runs import SETTINGS_FILE, list_runs, read_run, write_notes
from training_pro.session import Session
from training_pro.ui.fields import Choice, meant
from training_pro.ui.handlers import QUIET, answering
from training_pro.ui.panels.after import continue_run
from training_pro.ui.panels.folder_button import copy_on_click, folder_said
from training_pro.ui.panels.recipes import Recipes
from training_pro.ui.pieces import area, button, button_row
from training_pro.ui.views.markup import box
from training_pro.ui.views.runs import comparison, run_in_full, runs_table


class RunsPanel:
    """The panel of what has been trained."""

    def __init__(self, session: Session, recipes: Recipes, editable: bool) -> None:
        self._session = session
        self._recipes = recipes
        self._editable = editable

    def build(self) -> None:
        self.table = area("runs-table")
        with gr.Row():
            self.chosen = gr.Dropdown(
                [], value=[], multiselect=True, label="Runs", info="One to open it, several to compare them.",
                allow_custom_value=True, elem_id="tp-runs-chosen", scale=3,
                elem_classes=["tp-field"],
            )  # fmt: skip
            self.over_epochs = gr.Checkbox(
                False, label="Over epochs", info="Compare at the same epoch, not at the same update.", min_width=160,
                elem_id="tp-over-epochs",
                elem_classes=["tp-field"],
            )  # fmt: skip
            self.refresh = button("Refresh", "runs-refresh", scale=0)
        if self._editable:
            self._build_actions()
        self.said = area("runs-said")
        self.shown = area("runs-shown")
        if self._editable:
            self._build_edits()

    def _build_actions(self) -> None:
        with button_row():
            self.copy = button("Copy its settings", "copy-run")
            self.go_on = button("Resume it", "continue-run")
            self.open = button("Open folder", "open-run")
            self.delete = button("Delete", "delete-run", variant="stop")

    def _build_edits(self) -> None:
        self.notes = gr.Textbox(
            label="Notes on the run", lines=2, max_lines=8, elem_id="tp-notes", elem_classes=["tp-field"]
        )
        with button_row():
            self.keep_notes = button("Save notes", "keep-notes")
        with gr.Accordion("Rename, undo a delete", open=False):
            with gr.Row():
                self.new_name = gr.Textbox(label="New name", max_lines=1, elem_classes=["tp-field"])
                self.aside = gr.Dropdown(
                    [],
                    label="Deleted and set aside",
                    allow_custom_value=True,
                    elem_id="tp-aside",
                    elem_classes=["tp-field"],
                )
            with button_row():
                self.rename = button("Rename", "rename-run")
                self.undo = button("Restore it", "undo-delete")

    def connect(self) -> None:
        lists = [self.table, self.chosen, self.said]
        outputs = [*lists, self.aside] if self._editable else lists
        refresh = answering(self._lists, self.said, "listing the runs")
        self.refresh.click(refresh, None, outputs, **QUIET)
        shown = [self.shown, self.said, *([self.notes] if self._editable else [])]
        open_ = answering(self._open, self.said, "opening the run")
        for control in (self.chosen, self.over_epochs):
            control.change(open_, [self.chosen, self.over_epochs], shown, **QUIET)
        if self._editable:
            self._connect_edits(outputs)

    def _connect_edits(self, lists: list[Any]) -> None:
        keep = answering(self._keep_notes, self.said, "saving the notes")
        self.keep_notes.click(keep, [self.chosen, self.notes], self.said, **QUIET)
        copy = answering(self._copy, self.said, "copying the settings")
        self.copy.click(copy, self.chosen, [self.said, *self._recipes.filled], **QUIET)
        go_on = answering(self._go_on, self.said, "continuing the run")
        self.go_on.click(go_on, self.chosen, self.said, **QUIET)
        copy_on_click(self.open, self.shown)
        open_ = answering(self._open_folder, self.said, "opening the folder")
        self.open.click(open_, self.chosen, self.said, **QUIET)
        delete = answering(self._delete, self.said, "deleting the run")
        self.delete.click(delete, self.chosen, lists, **QUIET)
        rename = answering(self._rename, self.said, "renaming the run")
        self.rename.click(rename, [self.chosen, self.new_name], lists, **QUIET)
        undo = answering(self._undo, self.said, "restoring the run")
        self.undo.click(undo, self.aside, lists, **QUIET)

    def lists(self) -> dict[Any, Any]:
        """Fresh lists for a page that opens."""
        return self._lists()

    @property
    def listed(self) -> list[Any]:
        """The controls that `lists` fills."""
        return [self.table, self.chosen, *([self.aside] if self._editable else [])]

    def _lists(self) -> dict[Any, Any]:
        folders = self._session.host.folders
        runs = list_runs(folders)
        updates = {self.table: runs_table(runs), self.chosen: gr.update(choices=[run.name for run in runs])}
        if self._editable:
            updates[self.aside] = gr.update(choices=self._moved())
        return updates

    def _moved(self) -> list[Choice]:
        moved = aside_runs(self._session.host.folders)
        return [(f"{run.name} ({run.why}, {run.moved[:16]})", str(run.path)) for run in moved]

    def _path(self, name: str) -> Path:
        found = {run.name: run.path for run in list_runs(self._session.host.folders)}
        if not isinstance(name, str) or name not in found:
            raise RunError(f'There is no run "{str(name)[:100]}" any more. Refresh the list.')
        return found[name]

    def _one(self, names: list[str] | None) -> Path:
        chosen = names if isinstance(names, list) else []
        if len(chosen) != 1:
            raise RunError(f"{len(chosen)} runs are chosen. Choose exactly one under Runs.")
        return self._path(chosen[0])

    def _open(self, names: list[str] | None, over_epochs: bool = False) -> dict[Any, Any]:
        records = [read_run(self._path(name)) for name in (names if isinstance(names, list) else [])]
        view = run_in_full(records[0]) if len(records) == 1 else comparison(records, over_epochs) if records else ""
        updates = {self.shown: view, self.said: ""}
        if self._editable:
            updates[self.notes] = records[0].notes if len(records) == 1 else ""
        return updates

    def _keep_notes(self, names: list[str] | None, notes: str) -> dict[Any, Any]:
        write_notes(self._one(names), str(notes or ""))
        return {self.said: box("info", "The notes are saved with the run.")}

    def _copy(self, names: list[str] | None) -> dict[Any, Any]:
        filled = self._recipes.filled_from(self._one(names) / SETTINGS_FILE)
        return {**filled, self.said: box("info", "The settings are filled in under Train.")}

    def _go_on(self, names: list[str] | None) -> dict[Any, Any]:
        name = continue_run(self._session, self._one(names))
        return {self.said: box("info", f'The run "{name}" resumes. It is shown under Train.')}

    def _open_folder(self, names: list[str] | None, request: gr.Request) -> dict[Any, Any]:
        return {self.said: folder_said(self._one(names), request)}

    def _delete(self, names: list[str] | None) -> dict[Any, Any]:
        path = self._one(names)
        delete_run(self._session.host.folders, path)
        said = box("info", f'"{path.name}" is deleted. Restore it under "Rename, undo a delete".')
        return {**self._lists(), self.chosen: self._emptied(), self.said: said}

    def _rename(self, names: list[str] | None, name: str) -> dict[Any, Any]:
        path = self._one(names)
        new = rename_run(self._session.host.folders, path, name)
        return {
            **self._lists(),
            self.chosen: self._emptied(),
            self.said: box("info", f'It is called "{new.name}" now.'),
        }

    def _undo(self, aside: str | None) -> dict[Any, Any]:
        if not aside or not isinstance(aside, str):
            raise RunError("Nothing is chosen. Choose a run under Deleted and set aside.")
        back = put_back(self._session.host.folders, Path(meant(aside, self._moved())))
        return {**self._lists(), self.said: box("info", f'"{back.name}" is back.')}

    def _emptied(self) -> Any:
        return gr.update(choices=[run.name for run in list_runs(self._session.host.folders)], value=[])
