"""Mending data where it is chosen: what one click does, and the two repairs that need a choice.

The columns of rows whose names say nothing, each with a sample and a list of what it may be; and whose words of a chat
log are the answers. The files themselves stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from training_pro.data.chosen_files import chosen_files
from training_pro.data.files import find_dataset
from training_pro.data.rendering.formats import keep_columns, list_formats
from training_pro.data.repairs import Repair, in_place_of, mend
from training_pro.data.rows.columns import Column, columns_of
from training_pro.data.rows.fields import folded, parse_columns
from training_pro.errors import DataError, Fault, UserError
from training_pro.session import Session
from training_pro.settings import Settings
from training_pro.ui.choices import choice_updates, file_choices
from training_pro.ui.form import Form, Values
from training_pro.ui.hand import Hand
from training_pro.ui.handlers import AT_ONCE, CHECK, QUIET, answering
from training_pro.ui.pieces import area, button
from training_pro.ui.views.columns import HAND, KEEP, LEFT_OUT, column_rows
from training_pro.ui.views.markup import box, text

_FILES = ("text_file", "dataset", "eval_dataset")


class Repairs:
    """Built below the files; `said` has what was done last."""

    def __init__(self, session: Session, form: Form) -> None:
        self._session = session
        self._form = form

    def build(self) -> None:
        self.said = area("mended")
        with gr.Row(visible=False, elem_classes=["tp-strip-row", "tp-log"]) as self.log:
            self.log_says = area("log-says")
            self.who = gr.Dropdown(
                [], label="Answer like", allow_custom_value=True, elem_id="tp-log-who", elem_classes=["tp-field"],
                min_width=160,
            )  # fmt: skip
            self.chats = button("Make chats", "log-chats", scale=0)
        self.repair = gr.State(None)
        with gr.Column(visible=False, elem_id="tp-columns-editor", elem_classes=["tp-columns"]) as self.editor:
            self.names = gr.State([])
            self.rows = area("column-rows")
            self.columns = Hand(HAND)
            self.columns.build()

    @property
    def shown(self) -> list[Any]:
        """All that a check changes."""
        log = [self.log, self.log_says, self.who, self.repair]
        return [*log, self.editor, self.names, self.rows]

    def connect(self) -> None:
        form = self._form
        chats = answering(self._make_chats, self.said, "making chats")
        outputs = [self.said, *form.outputs]
        done = self.chats.click(chats, {self.repair, self.who} | form.inputs, outputs, **QUIET)
        done.then(None, None, None, js=CHECK, **AT_ONCE)
        choose = answering(self._choose_columns, self.said, "choosing columns")
        done = self.columns.connect(choose, outputs, form.inputs)
        done.then(None, None, None, js=CHECK, **AT_ONCE)

    # -- after a check ------------------------------------------------------------------------------------------------

    def updates(
        self,
        settings: Settings | None,
        found: Sequence[Repair] = (),
        faults: Sequence[Fault] = (),
        names: Sequence[str] = (),
        before: Repair | None = None,
    ) -> dict[Any, Any]:
        """Shows the row of a chat log and the columns where they are needed, hides them elsewhere.

        `names`: the columns that the page shows already, `before`: the chat log; what somebody has chosen there stays.
        """
        log = next((repair for repair in found if repair.names), None)
        needed = any(fault.setting == "columns" for fault in faults)
        return {**self._log(log, before), **self._editor(settings, needed, names)}

    def _log(self, repair: Repair | None, before: Repair | None) -> dict[Any, Any]:
        if repair is None:
            return {self.log: gr.update(visible=False), self.repair: None}
        if repair == before:
            return {self.log: gr.update(visible=True)}
        says = f'<p class="tp-small">{text(repair.sentence)} Learn to answer like one of its people instead:</p>'
        return {
            self.log: gr.update(visible=True),
            self.log_says: says,
            self.repair: repair,
            self.who: gr.update(choices=list(repair.names), value=repair.names[0]),
        }

    def _editor(self, settings: Settings | None, needed: bool, names: Sequence[str]) -> dict[Any, Any]:
        columns = self._columns(settings) if settings is not None and (needed or settings.columns) else []
        if not columns:
            return {self.editor: gr.update(visible=False), self.names: []}
        if [column.name for column in columns] == list(names):
            return {self.editor: gr.update(visible=True)}
        chosen = _chosen_roles(settings.columns if settings is not None else "")
        roles = [chosen.get(folded(column.name), "") if chosen else column.role for column in columns]
        return {
            self.editor: gr.update(visible=True),
            self.names: [column.name for column in columns],
            self.rows: column_rows(columns, roles),
        }

    def _columns(self, settings: Settings | None) -> list[Column]:
        """Those of the first dataset that is chosen; [] where it can't be read."""
        folder = self._session.host.folders.datasets
        try:
            files = chosen_files(settings.dataset, folder) if settings is not None else []
            if not files:
                return []
            path = find_dataset(files[0].name, folder)
            return columns_of(path, path.name)
        except UserError:
            return []

    # -- what people do -----------------------------------------------------------------------------------------------

    def mended(self, repair: Repair, data: Values) -> dict[Any, Any]:
        """Mend the file and choose the new one in its place; what was done is said.

        Raises:
            DataError: the file is not chosen any more, as after another repair; nothing is done then.
        """
        folders, values = self._session.host.folders, self._form.values(data)
        places = self._places(repair, values)
        done = mend(repair, folders)
        chosen = {name: in_place_of(str(values[name]), repair.file, done.name, folders.datasets) for name in places}
        if {"text_file", "dataset"} & set(chosen):  # both say what kind of run it is
            chosen |= {name: str(values[name]) for name in ("text_file", "dataset") if name not in chosen}
        return self._made(f"{done.said} {done.name} is chosen; {repair.file} stays as it is.", chosen)

    def _places(self, repair: Repair, values: Mapping[str, Any]) -> list[str]:
        """The settings in which the file is chosen.

        Raises:
            DataError: there are none.
        """
        folder = self._session.host.folders.datasets
        places = [name for name in _FILES if repair.file in _names(str(values[name]), folder)]
        if not places:
            raise DataError(f"{repair.file} is not chosen any more. Press a button of the new check, once it is there.")
        return places

    def _make_chats(self, data: Values) -> dict[Any, Any]:
        repair, who = data[self.repair], str(data[self.who] or "").strip()
        if repair is None or not who:
            raise DataError("Nobody is chosen under Answer like. Choose whose words are learned.")
        self._places(repair, self._form.values(data))
        done = mend(repair, self._session.host.folders, who)
        said = f"{done.said} {done.name} is chosen as the Dataset; {repair.file} stays as it is."
        return self._made(said, {"text_file": "", "dataset": done.name, "dataset_kind": "auto"})

    def _choose_columns(self, data: Values) -> dict[Any, Any]:
        """The columns as the page has them become the setting, or a format file."""
        wanted = json.loads(data[self.columns.given])
        columns = columns_setting(wanted["roles"])
        if wanted["do"] == KEEP:
            return self._keep_columns(columns, data)
        return {**self._form.change({"columns": columns}), self.said: ""}

    def _keep_columns(self, columns: str, data: Values) -> dict[Any, Any]:
        """As a format file named after the dataset, chosen at once; a name that is taken gets a number."""
        folders = self._session.host.folders
        stem = Path(str(self._form.values(data)["dataset"] or "columns")).name.split(".")[0]
        taken = set(list_formats(folders.formats))
        name = next(name for name in (stem, *(f"{stem}-{n}" for n in range(2, 1000))) if name not in taken)
        keep_columns(name, columns, folders.formats)
        lists = choice_updates(self._form.controls, file_choices(folders))
        chosen = self._form.change({"format": name, "columns": ""})
        said = box("good", f"Saved as {name}, and chosen as Data Format. It fits every file with these columns.")
        return {**_merged(lists, chosen), self.said: said}

    def _made(self, said: str, chosen: dict[str, str]) -> dict[Any, Any]:
        lists = choice_updates(self._form.controls, file_choices(self._session.host.folders))
        return {**_merged(lists, self._form.change(chosen)), self.said: box("good", said)}


def _merged(lists: dict[Any, Any], chosen: dict[Any, Any]) -> dict[Any, Any]:
    return {control: {**lists.get(control, {}), **chosen.get(control, {})} for control in {**lists, **chosen}}


def columns_setting(roles: Sequence[tuple[str, str]]) -> str:
    """The setting for these columns, each a name and what it is.

    Raises:
        DataError: none of them is learned.
    """
    by_role: dict[str, list[str]] = {}
    for name, role in roles:
        if role != LEFT_OUT:
            by_role.setdefault(str(role), []).append(str(name))
    if not {"answer", "text"} & set(by_role):
        raise DataError("No column is the answer or a text. Choose one, so that there is something to learn.")
    columns = ",".join(f"{role}={'+'.join(names)}" for role, names in by_role.items())
    parse_columns(columns)
    return columns


def _names(chosen: str, folder: Path) -> list[str]:
    try:
        return [file.name for file in chosen_files(chosen, folder)]
    except UserError:
        return []


def _chosen_roles(columns: str) -> dict[str, str]:
    """The role of each column by its plain name, as the setting has it."""
    try:
        fields = parse_columns(columns).fields
    except UserError:
        return {}
    return {folded(name): role for role, names in fields.items() for name in names}
