"""Files by upload, the sample, and names after them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from tests.ui.stand_ins import StandInSession
from training_pro.folders import Folders
from training_pro.record.names import free_name_for
from training_pro.ui.form import BOTH, ROWS, TEXT
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
    assert f"Learn from is switched to {ROWS}." in updates[tab.what.said]


def test_where_it_learns_from_both_an_upload_takes_the_place_of_its_own_kind_alone(tab: Tab, tmp_path: Path) -> None:
    (tmp_path / "tales.txt").write_text("One. Two.", encoding="utf-8")
    given = {**data(tab, dataset="chats.jsonl"), tab.form.kind: BOTH}
    updates = tab.what._upload({**given, tab.what.upload: [str(tmp_path / "tales.txt")]})
    assert updates[tab.form.kind]["value"] == BOTH and "switched" not in updates[tab.what.said]
    assert updates[tab.form.controls["text_file"]]["value"] == "tales.txt"
    assert updates[tab.form.controls["dataset"]]["value"] == "chats.jsonl"


def test_the_sample_says_that_it_is_a_text_where_rows_were_learned(tab: Tab) -> None:
    assert tab.what.said not in (updates := tab.what._sample(data(tab))) or updates[tab.what.said] == ""
    updates = tab.what._sample({**data(tab), tab.form.kind: ROWS})
    assert updates[tab.form.kind]["value"] == TEXT and f"switched to {TEXT}" in updates[tab.what.said]


@pytest.mark.parametrize(
    ("there", "chosen", "words"),
    [("One. Two.", "tales.txt", "same content"), ("Mine.", "tales (2).txt", "other content")],
)
def test_a_file_whose_name_is_there_is_chosen_and_said_and_nothing_is_replaced(
    there: str, chosen: str, words: str, tab: Tab, folders: Folders, tmp_path: Path
) -> None:
    (folders.datasets / "tales.txt").write_text(there, encoding="utf-8")
    (tmp_path / "tales.txt").write_text("One. Two.", encoding="utf-8")
    updates = tab.what._upload({**data(tab), tab.what.upload: [str(tmp_path / "tales.txt")]})
    assert updates[tab.form.controls["text_file"]]["value"] == chosen
    assert words in updates[tab.what.said] and f"{chosen} is chosen" in updates[tab.what.said]
    assert (folders.datasets / "tales.txt").read_text(encoding="utf-8") == there


def test_the_sample_is_the_sample_though_another_text_has_its_name(tab: Tab, folders: Folders) -> None:
    (folders.datasets / "sample.txt").write_text("Mine.", encoding="utf-8")
    updates = tab.what._sample(data(tab))
    assert updates[tab.form.controls["text_file"]]["value"] == "sample (2).txt"
    assert "other content" in updates[tab.what.said]
    assert tab.what._sample(data(tab))[tab.form.controls["text_file"]]["value"] == "sample (2).txt"


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


def test_a_form_that_was_kept_without_a_file_gets_the_newest_text(tab: Tab, folders: Folders) -> None:
    kept = {"text_file": "", "epochs": 7.0, "name": ""}
    name, text = tab.form.controls["name"], tab.form.controls["text_file"]
    assert text not in tab._fill(json.dumps(kept)) or not tab._fill(json.dumps(kept))[text].get("value")
    (folders.datasets / "new.txt").write_text("A text.", encoding="utf-8")
    filled = tab._fill(json.dumps(kept))
    assert (filled[text]["value"], filled[name]["value"], filled[tab.what.named]) == ("new.txt", "new", "new")
    assert filled[tab.form.controls["epochs"]]["value"] == 7.0
    assert tab._fill(json.dumps({**kept, "name": "mine"}))[name]["value"] == "mine"
    assert tab._fill(json.dumps({**kept, "text_file": "old.txt"}))[text]["value"] == "old.txt"


@pytest.mark.parametrize(("file", "name"), [("My Tales.txt", "My_Tales"), ("a.b.c.jsonl", "a_b_c"), ("...", "lora")])
def test_names_after_files_can_be_folders(folders: Folders, file: str, name: str) -> None:
    assert free_name_for(folders, file) == name


def test_what_was_said_of_a_file_goes_when_another_is_chosen(tab: Tab, tmp_path: Path) -> None:
    (tmp_path / "tales.txt").write_text("One. Two.", encoding="utf-8")
    mended = tab.check.repairs.said
    for updates in (
        tab.what._upload({**data(tab), tab.what.upload: [str(tmp_path / "tales.txt")]}),
        tab.what._named(data(tab, text_file="tales.txt")),
        tab.what._named(data(tab, text_file="tales.txt", name="mine")),
        tab.what._kind(ROWS),
    ):
        assert updates[mended] == ""
