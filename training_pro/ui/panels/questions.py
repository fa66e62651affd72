"""Questions for a text: the model writes them, people look through and edit them, and a dataset is made of them.

The writing is the session's: a page that is reloaded shows it as it is. Of a long table a part is shown at a time.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from training_pro.data.questions.kept import Line, Questions, edited
from training_pro.data.questions.passages import Cutting
from training_pro.data.tools import DatasetTools
from training_pro.errors import DataError, RunError
from training_pro.questions import Asking, AskingStatus, question_file
from training_pro.session import Session
from training_pro.ui.choices import choice_updates, file_choices
from training_pro.ui.form import Form, Values
from training_pro.ui.handlers import AT_ONCE, QUIET, answering
from training_pro.ui.live import Follows, Pulled, Shown, slot_area
from training_pro.ui.pieces import area, button, button_row, card, head
from training_pro.ui.views.markup import box, progress_bar, text

ROWS_AT_ONCE = 100
HEADS = ["Number", "Keep", "Question", "Left out because", "Answer"]
_KINDS = ["number", "bool", "str", "str", "str"]


class QuestionsPanel(Follows):
    """The panel. It asks about the Text file of the form, cut at the form's Hard Cut String and context length."""

    def __init__(self, session: Session, form: Form) -> None:
        self._session = session
        self._form = form

    def build(self) -> None:
        with card("questions"):
            head("Questions for a text")
            with button_row():
                self.write = button("Write questions", "questions-write", variant="primary")
                self.cancel = button("Cancel", "questions-cancel", interactive=False)
                self.again = gr.Checkbox(
                    False, label="Begin again", info="Keeps an older table of this text aside.",
                    elem_id="tp-questions-again", elem_classes=["tp-field"],
                )  # fmt: skip
            self.status = slot_area("questions-status")
            with gr.Accordion("Look through and edit", open=False, elem_id="tp-questions-edit"):
                self._build_table()
            self.said = area("questions-said")

    def _build_table(self) -> None:
        with button_row():
            self.first = gr.Number(
                1, precision=0, minimum=1, label="From number", info=f"{ROWS_AT_ONCE} rows are shown at a time.",
                elem_id="tp-questions-first", elem_classes=["tp-field"],
            )  # fmt: skip
            self.show = button("Show table", "questions-show")
            self.save = button("Save table", "questions-save")
        self.table = gr.Dataframe(
            headers=HEADS, datatype=_KINDS, type="array", interactive=True, wrap=True, elem_id="tp-questions-table"
        )
        with button_row():
            self.overwrite = gr.Checkbox(
                False, label="Overwrite", info="Replaces a dataset of the same name.", elem_id="tp-questions-overwrite",
                elem_classes=["tp-field"],
            )  # fmt: skip
            self.make = button("Make dataset", "questions-make")

    def connect(self) -> None:
        inputs = self._form.inputs | {self.again, self.first, self.overwrite, self.table}
        write = answering(self._write, self.said, "writing questions")
        self.write.click(write, inputs, [self.said, self.cancel], **QUIET)
        cancel = answering(self._cancel, self.said, "ending the writing")
        self.cancel.click(cancel, None, [self.said], **AT_ONCE)
        show = answering(self._show, self.said, "showing the table")
        self.show.click(show, inputs, [self.table, self.said], **QUIET)
        save = answering(self._save, self.said, "saving the table")
        self.save.click(save, inputs, [self.table, self.said], **QUIET)
        make = answering(self._make, self.said, "making the dataset")
        self.make.click(make, inputs, [self.said, *self._form.outputs], **QUIET)

    # -- followed by every page -----------------------------------------------------------------------------------

    @property
    def shown(self) -> list[Shown]:
        return [Shown("questions-status", self._status, lambda: questions_status(self._status()))]

    @property
    def pulled(self) -> list[Pulled]:
        return [Pulled("questions", self._writing, [self.cancel], self._cancellable)]

    def _status(self) -> AskingStatus | None:
        job = self._session.questions
        return job.status if job is not None else None

    def _writing(self) -> bool:
        status = self._status()
        return status is not None and status.running

    def _cancellable(self) -> dict[Any, Any]:
        return {self.cancel: gr.update(interactive=self._writing())}

    # -- what people do -------------------------------------------------------------------------------------------

    def _text(self, data: Values) -> str:
        name = str(self._form.values(data)["text_file"] or "")
        if not name:
            raise DataError("No Text file is chosen. Choose one under Train.")
        return name

    def _write(self, data: Values) -> dict[Any, Any]:
        values = self._form.values(data)
        cutting = Cutting(str(values["hard_cut"]), int(values["max_tokens"] or 0))
        self._session.write_questions(Asking(self._text(data), cutting, again=bool(data[self.again])))
        return {self.said: "", self.cancel: gr.update(interactive=True)}

    def _cancel(self) -> dict[Any, Any]:
        job = self._session.questions
        if job is None or not job.status.running:
            raise RunError("No questions are being written.")
        job.interrupt()
        return {self.said: box("info", "It ends now. The questions so far are kept; Write questions continues.")}

    def _show(self, data: Values) -> dict[Any, Any]:
        questions = question_file(self._text(data), self._session.host.folders).read()
        return {self.table: gr.update(value=_rows(questions, _first(data[self.first]))), self.said: ""}

    def _save(self, data: Values) -> dict[Any, Any]:
        self._refuse_while_writing()
        file = question_file(self._text(data), self._session.host.folders)
        questions = edited(file.read(), _changes(data[self.table]))
        file.put(questions)
        said = f"Saved. {len(questions.kept):,} of {len(questions.lines):,} questions are kept."
        shown = _rows(questions, _first(data[self.first]))
        return {self.table: gr.update(value=shown), self.said: box("good", said)}

    def _make(self, data: Values) -> dict[Any, Any]:
        self._refuse_while_writing()
        host = self._session.host
        file = question_file(self._text(data), host.folders)
        made = DatasetTools(host.folders, bool(data[self.overwrite])).questions_to_chats(file, "")
        lists = choice_updates(self._form.controls, file_choices(host.folders))
        updates = {self._form.controls["dataset"]: lists[self._form.controls["dataset"]]}
        chosen = {"dataset": made, "text_file": "", "dataset_kind": "auto"}
        for control, update in self._form.change(chosen).items():
            updates[control] = {**updates.get(control, {}), **update}
        return {self.said: box("good", f"{made} is chosen as the Dataset in place of the Text file."), **updates}

    def _refuse_while_writing(self) -> None:
        if self._writing():
            raise RunError("Questions are still being written. Wait until that has finished, or cancel it.")


def questions_status(status: AskingStatus | None) -> str:
    """How far the writing is, or how the last one ended; "" for none."""
    if status is None:
        return ""
    parts = []
    if status.running:
        done, total, what = status.progress
        parts.append(f'<p class="tp-headline"><b>{text(status.text)}</b> · {text(what or "beginning")}</p>')
        parts.append(progress_bar(done, total))
    parts += [box("info", [*status.notes, status.summary()])]
    parts += [box("error", [status.fault])] if status.fault is not None else []
    return f'<div class="tp-questions" data-running="{str(status.running).lower()}">{"".join(parts)}</div>'


def _first(given: Any) -> int:
    return max(int(given or 1), 1)


def _rows(questions: Questions, first: int) -> list[list[Any]]:
    lines = [line for line in questions.lines if line.number >= first][:ROWS_AT_ONCE]
    return [_row(line) for line in lines]


def _row(line: Line) -> list[Any]:
    return [line.number, line.keep, line.question, line.why, line.answer]


def _changes(rows: Any) -> dict[int, tuple[str, bool]]:
    """(question, keep) by number, as the page's table has them.

    Raises:
        DataError: a row has lost its number.
    """
    try:
        return {int(row[0]): (str(row[2] or "").strip(), _is_on(row[1])) for row in rows or [] if _is_filled(row)}
    except (TypeError, ValueError, IndexError):
        raise DataError(
            "A row of the table has no number. Press Show table, and edit only Keep and Question."
        ) from None


def _is_filled(row: Any) -> bool:
    return any(cell not in ("", None, False) for cell in row)


def _is_on(cell: Any) -> bool:
    return cell is True or str(cell).strip().lower() in ("true", "yes", "1", "1.0")
