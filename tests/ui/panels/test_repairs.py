"""Repairs on the page: what is chosen afterwards, and the two that need a choice."""

from __future__ import annotations

import json
import re
from typing import Any

import gradio as gr
import pytest

from tests.data.test_repairs import LOG, WRAPPED
from tests.ui.made import NASTY
from tests.ui.stand_ins import StandInSession, build_form
from tests.ui.views.test_markup import Reader
from training_pro.data.repairs import Repair
from training_pro.errors import DataError, Fault
from training_pro.folders import Folders
from training_pro.settings import Settings
from training_pro.ui.form import ROWS, TEXT, Form
from training_pro.ui.panels.repairs import Repairs
from training_pro.ui.views.columns import KEEP, USE

ROW = {"Frage": f"What is {NASTY}?", "Antwort": "A lamp.", "Nr": 7}


class Panel:
    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.form = Form(editable=True)
        with gr.Blocks():
            build_form(self.form)
            self.panel = Repairs(StandInSession(folders), self.form)
            self.panel.build()

    def data(self, kind: str = TEXT, **changes: Any) -> dict[Any, Any]:
        values = {name: control.value for name, control in self.form.controls.items()} | changes
        return {self.form.kind: kind} | {self.form.controls[name]: value for name, value in values.items()}

    def chosen(self, updates: dict[Any, Any], name: str) -> Any:
        return updates[self.form.controls[name]]["value"]

    def columns(self, roles: list[str], do: str = USE) -> dict[Any, Any]:
        """What comes of choosing these as the roles of the columns of `ROW`."""
        given = json.dumps({"do": do, "roles": list(zip(ROW, roles, strict=True))})
        return self.panel._choose_columns({**self.data(ROWS, dataset="rows.jsonl"), self.panel.columns.given: given})


@pytest.fixture
def panel(folders: Folders) -> Panel:
    (folders.datasets / "a.txt").write_text(WRAPPED, encoding="utf-8")
    (folders.datasets / "chat.txt").write_text(LOG, encoding="utf-8")
    (folders.datasets / "rows.jsonl").write_text(json.dumps(ROW) + "\n", encoding="utf-8")
    return Panel(folders)


def test_a_mended_file_is_chosen_in_place_of_the_old_one_and_the_page_says_so(panel: Panel) -> None:
    updates = panel.panel.mended(Repair("unwrap", "a.txt", ""), panel.data(text_file="a.txt x2; chat.txt"))
    assert panel.chosen(updates, "text_file") == "a_unwrapped.txt x2; chat.txt"
    listed = updates[panel.form.controls["text_file"]]["choices"]
    assert ("a_unwrapped.txt", "a_unwrapped.txt") in listed
    said = Reader(updates[panel.panel.said]).words
    assert "a_unwrapped.txt" in said and "a.txt stays" in said


def test_a_chat_log_asks_whose_words_are_learned(panel: Panel) -> None:
    repair = Repair("chats", "chat.txt", f"{NASTY} is a chat log.", (), ("Bob", "Ann"))
    shown = panel.panel.updates(Settings(text_file="chat.txt"), [repair])
    assert shown[panel.panel.log]["visible"] and shown[panel.panel.who]["choices"] == ["Bob", "Ann"]
    assert "img" not in Reader(shown[panel.panel.log_says]).tags
    data = {**panel.data(text_file="chat.txt"), panel.panel.repair: repair, panel.panel.who: "Ann"}
    updates = panel.panel._make_chats(data)
    assert panel.chosen(updates, "dataset") == "chat.jsonl" and panel.chosen(updates, "text_file") == ""
    assert updates[panel.form.kind]["value"] == ROWS
    with pytest.raises(DataError, match="Answer like"):
        panel.panel._make_chats({**data, panel.panel.who: " "})
    assert not panel.panel.updates(Settings(text_file="a.txt"))[panel.panel.log]["visible"]


def test_who_was_chosen_stays_for_as_long_as_it_is_the_same_log(panel: Panel) -> None:
    repair = Repair("chats", "chat.txt", "A chat log.", (), ("Bob", "Ann"))
    settings = Settings(text_file="chat.txt")
    again = panel.panel.updates(settings, [repair], before=repair)
    assert again[panel.panel.log]["visible"] and panel.panel.who not in again
    other = panel.panel.updates(settings, [repair], before=Repair("chats", "b.txt", "", (), ("Eve",)))
    assert other[panel.panel.who]["value"] == "Bob"


def test_columns_that_are_not_plain_are_shown_with_a_sample_each(panel: Panel) -> None:
    faults = [Fault("It is not plain.", "columns")]
    shown = panel.panel.updates(Settings(dataset="rows.jsonl"), faults=faults)
    assert shown[panel.panel.editor]["visible"] and shown[panel.panel.names] == list(ROW)
    rows = Reader(shown[panel.panel.rows])
    assert "Frage" in rows.words and "What is" in rows.words and "img" not in rows.tags
    assert shown[panel.panel.rows].count("<select") == len(ROW)
    assert not panel.panel.updates(Settings(dataset="rows.jsonl"))[panel.panel.editor]["visible"]
    same = panel.panel.updates(Settings(dataset="rows.jsonl"), faults=faults, names=list(ROW))
    assert same[panel.panel.editor]["visible"] and panel.panel.rows not in same, "what was chosen stays"
    again = panel.panel.updates(Settings(dataset="rows.jsonl", columns="prompt=frage,answer=Antwort"))
    chosen = re.findall(r'<option value="(\w+)" selected>', again[panel.panel.rows])
    assert chosen == ["prompt", "answer", "ignore"]


def test_chosen_columns_become_the_setting(panel: Panel) -> None:
    updates = panel.columns(["prompt", "answer", "ignore"])
    assert panel.chosen(updates, "columns") == "prompt=Frage,answer=Antwort"
    both = panel.columns(["text", "text", "ignore"])
    assert panel.chosen(both, "columns") == "text=Frage+Antwort"
    with pytest.raises(DataError, match="answer"):
        panel.columns(["prompt", "ignore", "ignore"])


def test_columns_are_kept_as_a_format_file_that_is_chosen(panel: Panel) -> None:
    for name in ("rows", "rows-2"):
        updates = panel.columns(["prompt", "answer", "ignore"], KEEP)
        assert panel.chosen(updates, "format") == name and panel.chosen(updates, "columns") == ""
        kept = json.loads((panel.folders.formats / f"{name}.json").read_text(encoding="utf-8"))
        assert kept == {"columns": "prompt=Frage,answer=Antwort"}


def test_a_file_that_another_repair_has_replaced_is_not_mended_again(panel: Panel) -> None:
    there = sorted(panel.folders.datasets.iterdir())
    with pytest.raises(DataError, match=r"a\.txt is not chosen any more"):
        panel.panel.mended(Repair("unwrap", "a.txt", ""), panel.data(text_file="a_clean.txt"))
    log = {panel.panel.repair: Repair("chats", "chat.txt", ""), panel.panel.who: "Ann"}
    with pytest.raises(DataError, match=r"chat\.txt is not chosen any more"):
        panel.panel._make_chats({**panel.data(text_file="a.txt"), **log})
    assert sorted(panel.folders.datasets.iterdir()) == there
