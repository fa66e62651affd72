from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from tests.ui.stand_ins import StandInSession, build_form, press
from training_pro.folders import Folders
from training_pro.record.runs import SETTINGS_FILE
from training_pro.remote.launching import OwnProcess
from training_pro.settings import DEFAULTS, Settings, from_dict, to_dict, to_json
from training_pro.ui.form import BOTH, Form
from training_pro.ui.panels.placement import Placement
from training_pro.ui.panels.recipes import Recipes, command_for


class Panel:
    """Recipes and the form they fill, on a page of their own."""

    def __init__(self, folders: Folders) -> None:
        self.session = StandInSession(folders)
        self.form = Form(editable=True)
        with gr.Blocks() as self.blocks:
            build_form(self.form)
            placement = Placement()
            placement.build()
            self.recipes = Recipes(self.session, self.form, placement)
            self.recipes.build()
            self.recipes.build_command()
            self.recipes.connect()

    def data(self, **changes: Any) -> dict[Any, Any]:
        values = {name: control.value for name, control in self.form.controls.items()} | changes
        typed = {self.form.controls[name]: value for name, value in values.items()}
        return {**typed, self.form.kind: BOTH}

    def filled(self, updates: dict[Any, Any]) -> dict[str, Any]:
        """The settings that these updates fill in, by name."""
        return {name: updates[c]["value"] for name, c in self.form.controls.items() if c in updates}

    def said(self, updates: dict[Any, Any]) -> str:
        return str(updates[self.recipes.said])


@pytest.fixture
def panel(folders: Folders) -> Panel:
    return Panel(folders)


def earlier(folders: Folders, name: str, settings: str) -> Path:
    folder = folders.loras / name
    folder.mkdir()
    (folder / SETTINGS_FILE).write_text(settings, encoding="utf-8")
    return folder


def test_a_run_is_copied_but_for_its_name(panel: Panel, folders: Folders) -> None:
    earlier(folders, "tales", to_json(Settings(name="tales", override=True, text_file="a.txt", rank=7)))
    filled = panel.filled(press(panel.blocks, panel.recipes.copy, "tales"))
    assert (filled["rank"], filled["text_file"]) == (7, "a.txt")
    assert not {"name", "override"} & set(filled)


def test_the_original_extensions_settings_are_understood(panel: Panel, folders: Folders) -> None:
    earlier(folders, "old", json.dumps({"lora_rank": 24, "micro_batch_size": 2, "cutoff_len": 128, "epochs": 2}))
    filled = panel.filled(press(panel.blocks, panel.recipes.copy, "old"))
    assert (filled["rank"], filled["batch_size"], filled["max_tokens"]) == (24, 2, 128)


def test_the_original_extensions_text_may_be_a_folder(panel: Panel, folders: Folders) -> None:
    (folders.datasets / "novels").mkdir()
    earlier(folders, "old", json.dumps({"micro_batch_size": 2, "raw_text_file": "novels"}))
    assert panel.filled(press(panel.blocks, panel.recipes.copy, "old"))["text_file"] == "novels"


@pytest.mark.parametrize("name", [None, "", "gone", "../up"])
def test_what_is_not_there_can_not_be_copied(panel: Panel, name: str | None) -> None:
    updates = press(panel.blocks, panel.recipes.copy, name)
    assert panel.filled(updates) == {} and "There is no run" in panel.said(updates)


def test_a_broken_settings_file_fills_in_nothing(panel: Panel, folders: Folders) -> None:
    earlier(folders, "torn", '{"rank": ')
    updates = press(panel.blocks, panel.recipes.copy, "torn")
    assert panel.filled(updates) == {} and "tp-error" in panel.said(updates)


def test_a_copy_can_come_with_a_new_name(panel: Panel, folders: Folders) -> None:
    folder = earlier(folders, "tales", to_json(Settings(name="tales", rank=7)))
    filled = panel.filled(panel.recipes.filled_from(folder / SETTINGS_FILE, "tales-2"))
    assert (filled["name"], filled["rank"]) == ("tales-2", 7)


def test_what_goes_out_comes_in_again(panel: Panel) -> None:
    out = press(panel.blocks, panel.recipes.export, panel.data(name="mine", rank=9, hard_cut="***"))
    filled = panel.filled(press(panel.blocks, panel.recipes.read, out[panel.recipes.json]))
    assert (filled["name"], filled["rank"], filled["hard_cut"]) == ("mine", 9, "***")


@pytest.mark.parametrize(
    ("words", "named"),
    [("{nonsense", "not valid JSON"), ("[1]", "one JSON object"), ('{"rank": "high"}', "LoRA Rank"), ("", "not valid")],
)
def test_what_can_not_be_imported_says_why(panel: Panel, words: str, named: str) -> None:
    updates = press(panel.blocks, panel.recipes.read, words)
    assert panel.filled(updates) == {} and named in panel.said(updates)


def test_a_file_is_imported_like_pasted_text(panel: Panel, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"name": "from-file", "rank": 11}))
    filled = panel.filled(press(panel.blocks, panel.recipes.upload, str(path), event="upload"))
    assert (filled["name"], filled["rank"]) == ("from-file", 11)


def test_what_an_import_does_not_name_leaves_the_chosen_name_and_files(panel: Panel) -> None:
    filled = panel.filled(press(panel.blocks, panel.recipes.read, '{"rank": 3}'))
    assert filled["rank"] == 3 and not {"name", "override", "text_file", "dataset"} & set(filled)
    filled = panel.filled(press(panel.blocks, panel.recipes.read, '{"dataset": "rows.json"}'))
    assert (filled["dataset"], filled["text_file"]) == ("rows.json", "") and "name" not in filled


def test_the_command_gives_the_same_settings(folders: Folders) -> None:
    settings = Settings(name="it's mine", text_file="a b.txt", hard_cut="\\n'\\n", rank=7)
    command = shlex.split(command_for(settings, StandInSession(folders), OwnProcess()))
    assert command[:4] == ["python", "-m", "training_pro", "train"]
    typed = [command[place + 1].partition("=") for place, word in enumerate(command) if word == "--set"]
    values = {name: value for name, _, value in typed}
    assert to_dict(from_dict(values)) == to_dict(settings)
    assert set(values) == {name for name, value in to_dict(settings).items() if value != DEFAULTS[name]}
    assert str(folders.user_data) in command and str(folders.models / "tiny") in command
