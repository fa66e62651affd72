"""Files by upload, the sample, and names after them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from tests.ui.stand_ins import StandInSession
from training_pro.folders import Folders
from training_pro.record.names import free_name_for
from training_pro.ui.form import ROWS, TEXT
from training_pro.ui.tab import Tab


@pytest.fixture
def tab(folders: Folders) -> Tab:
    made = Tab(StandInSession(folders))
    with gr.Blocks():
        made.build()
    return made


def data(tab: Tab, **typed: Any) -> dict[Any, Any]:
    values = {name: control.value for name, control in tab.form.controls.items()} | typed
    sent = {tab.form.controls[name]: value for name, value in values.items()}
    return {**sent, tab.form.kind: TEXT, tab.what.named: "", tab.what.upload: []}


def test_an_uploaded_text_is_in_the_folder_chosen_and_named(tab: Tab, folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "My Tales.txt").write_text("One. Two.", encoding="utf-8")
    updates = tab.what._upload({**data(tab), tab.what.upload: [str(tmp_path / "My Tales.txt")]})
    (there,) = folders.datasets.iterdir()
    assert there.read_text(encoding="utf-8") == "One. Two."
    assert updates[tab.form.controls["text_file"]]["value"] == there.name
    assert updates[tab.form.controls["name"]]["value"] == free_name_for(folders, there.name)
    assert there.name in updates[tab.what.said]


def test_uploaded_rows_choose_the_other_kind(tab: Tab, tmp_path: Path) -> None:
    (tmp_path / "chats.jsonl").write_text('{"text": "One."}\n', encoding="utf-8")
    updates = tab.what._upload({**data(tab), tab.what.upload: [str(tmp_path / "chats.jsonl")]})
    assert updates[tab.form.kind]["value"] == ROWS
    assert updates[tab.form.controls["dataset"]]["value"] == "chats.jsonl"


def test_a_name_that_a_person_typed_stays(tab: Tab, folders: Folders) -> None:
    assert tab.form.controls["name"] not in tab.what._sample(data(tab, name="mine"))
    updates = tab.what._sample(data(tab))
    assert updates[tab.form.controls["name"]]["value"] == "sample"
    assert (folders.datasets / "sample.txt").is_file()


def test_a_page_that_nobody_filled_in_has_the_newest_text_and_a_free_name(tab: Tab, folders: Folders) -> None:
    assert tab.what.first() == {}
    for name, age in (("old.txt", 100), ("new.txt", 200)):
        path = folders.datasets / name
        path.write_text("A text.", encoding="utf-8")
        os.utime(path, (age, age))
    (folders.loras / "new").mkdir()
    assert tab.what.first() == {"text_file": "new.txt", "name": "new-2"}


@pytest.mark.parametrize(("file", "name"), [("My Tales.txt", "My_Tales"), ("a.b.c.jsonl", "a_b_c"), ("...", "lora")])
def test_names_after_files_can_be_folders(folders: Folders, file: str, name: str) -> None:
    assert free_name_for(folders, file) == name
