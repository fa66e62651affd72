"""The questions panel without a browser: written, shown, edited, made a dataset."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from tests.ui.made import NASTY
from tests.ui.stand_ins import StandInSession, build_form, drawn, press, pulled
from tests.ui.views.test_markup import Reader
from training_pro.data.questions.kept import Head, Line, QuestionFile, Questions
from training_pro.errors import Fault
from training_pro.folders import Folders
from training_pro.questions import Asking, AskingStatus
from training_pro.ui.choices import file_choices
from training_pro.ui.form import Form
from training_pro.ui.panels.questions import ROWS_AT_ONCE, QuestionsPanel, questions_status

LINES = (Line.of(1, "Who?", "She did.", ""), Line.of(2, "She did.", "Nobody else.", "no question"))


class Asks(StandInSession):
    """A session that takes down what is to be asked."""

    asked: Asking | None = None

    def write_questions(self, asking: Asking) -> Any:
        self.asked = asking
        self.ended: list[bool] = []
        status = AskingStatus(asking.text, self.host.folders.questions / "tale.jsonl")
        self.questions = SimpleNamespace(status=status, interrupt=lambda: self.ended.append(True))
        return self.questions


class Panel:
    """The panel on a page of its own, and a text with its questions."""

    def __init__(self, folders: Folders) -> None:
        (folders.datasets / "tale.txt").write_text("She did.\n\n\nNobody else.", encoding="utf-8")
        self.file = QuestionFile(folders.questions / "tale.jsonl")
        self.file.begin(Head("tale.txt", "x", 2, "\\n", 256))
        self.file.add(LINES)
        self.folders = folders
        self.session = Asks(folders)
        self.form = Form(True, file_choices(folders))
        with gr.Blocks() as self.blocks:
            build_form(self.form)
            self.panel = QuestionsPanel(self.session, self.form)
            self.panel.build()
            self.panel.connect()

    def press(self, control: Any, **given: Any) -> dict[Any, Any]:
        own = {"again": False, "first": 1, "overwrite": False, "table": [], **given}
        data = {control: control.value for control in self.form.controls.values()}
        data |= {self.form.kind: "Text", self.form.controls["text_file"]: given.get("text", "tale.txt")}
        data |= {getattr(self.panel, name): value for name, value in own.items() if name != "text"}
        return press(self.blocks, control, data)


@pytest.fixture
def panel(folders: Folders) -> Panel:
    return Panel(folders)


def test_what_is_chosen_is_what_is_asked_about(panel: Panel) -> None:
    updates = panel.press(panel.panel.write, again=True)
    asked = panel.session.asked
    assert asked is not None and (asked.text, asked.again, asked.cutting.max_tokens) == ("tale.txt", True, 256)
    assert updates[panel.panel.cancel]["interactive"] is True
    assert "still being written" in panel.press(panel.panel.save)[panel.panel.said]
    press(panel.blocks, panel.panel.cancel)
    assert panel.session.ended == [True]


def test_without_a_text_or_a_table_there_is_a_sentence(panel: Panel) -> None:
    for control in (panel.panel.write, panel.panel.show, panel.panel.save, panel.panel.make):
        assert "No Text file" in panel.press(control, text="")[panel.panel.said]
    panel.file.path.unlink()
    assert "Write them first" in panel.press(panel.panel.show)[panel.panel.said]
    assert "No questions are being written" in press(panel.blocks, panel.panel.cancel)[panel.panel.said]


def test_the_table_is_shown_edited_and_made_a_dataset(panel: Panel) -> None:
    rows = panel.press(panel.panel.show)[panel.panel.table]["value"]
    assert rows == [[1, True, "Who?", "", "She did."], [2, False, "She did.", "no question", "Nobody else."]]
    rows[1] = ["2", "true", " Who else? ", "no question", "changed by mistake"]
    said = panel.press(panel.panel.save, table=[*rows, ["", None, "", "", ""]])
    assert "2 of 2" in said[panel.panel.said] and said[panel.panel.table]["value"][1][2] == "Who else?"
    made = panel.press(panel.panel.make)
    assert made[panel.form.controls["dataset"]]["value"] == "tale_questions.jsonl"
    lines = (panel.folders.datasets / "tale_questions.jsonl").read_text().splitlines()
    assert [json.loads(line)["messages"][1]["content"] for line in lines] == ["She did.", "Nobody else."]
    assert "already exists" in panel.press(panel.panel.make)[panel.panel.said]
    assert panel.form.controls["dataset"] in panel.press(panel.panel.make, overwrite=True)


def test_a_row_without_its_number_is_refused_and_nothing_changes(panel: Panel) -> None:
    before = panel.file.read()
    assert "no number" in panel.press(panel.panel.save, table=[["", True, "Who?", "", ""]])[panel.panel.said]
    assert panel.file.read() == before


def test_of_a_long_table_a_part_is_shown(panel: Panel) -> None:
    panel.file.add([Line.of(number, f"Who {number}?", "She.", "") for number in range(3, 300)])
    rows = panel.press(panel.panel.show, first=50)[panel.panel.table]["value"]
    assert len(rows) == ROWS_AT_ONCE and rows[0][0] == 50


def test_status_and_button_follow_the_writing(panel: Panel) -> None:
    assert drawn(panel.panel, "questions-status") == ""
    panel.press(panel.panel.write)
    assert pulled(panel.panel, "questions")[panel.panel.cancel]["interactive"] is True
    assert 'data-running="true"' in drawn(panel.panel, "questions-status")


def test_what_is_shown_is_text(panel: Panel) -> None:
    table = Questions(panel.file.read().head, LINES)
    status = AskingStatus(NASTY, panel.file.path, False, (0, 0, NASTY), table, 3, (NASTY,), Fault(NASTY))
    html = questions_status(status)
    assert "script" not in Reader(html).tags
    assert "1 questions kept" in html and "1 no question" in html and "3 passages too short" in html
