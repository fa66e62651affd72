from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from tests.ui.stand_ins import StandInSession, build_form, press
from training_pro.folders import Folders
from training_pro.ui.form import BOTH, Form
from training_pro.ui.panels.own_presets import OwnPresets
from training_pro.ui.presets import TILES


class Panel:
    """The tiles and the form they fill, on a page of their own."""

    def __init__(self, folders: Folders) -> None:
        self.form = Form(editable=True)
        with gr.Blocks() as self.blocks:
            build_form(self.form)
            self.presets = OwnPresets(StandInSession(folders), self.form)
            self.presets.build()
            self.presets.connect()

    def data(self, **changes: Any) -> dict[Any, Any]:
        values = {name: control.value for name, control in self.form.controls.items()} | changes
        typed = {self.form.controls[name]: value for name, value in values.items()}
        return {**typed, self.form.kind: BOTH, self.presets.own: "Mine"}

    def filled(self, updates: dict[Any, Any]) -> dict[str, Any]:
        """The settings that these updates fill in, by name."""
        return {name: updates[c]["value"] for name, c in self.form.controls.items() if c in updates}

    def tiles(self, updates: dict[Any, Any]) -> list[str]:
        return [name for _, name in updates[self.presets.tile]["choices"]]


@pytest.fixture
def panel(folders: Folders) -> Panel:
    return Panel(folders)


def test_a_tile_fills_all_but_names_and_files(panel: Panel) -> None:
    filled = panel.filled(press(panel.blocks, panel.presets.tile, "Style", event="input"))
    assert filled["rank"] == 16
    assert not {"name", "text_file", "dataset"} & set(filled)
    assert press(panel.blocks, panel.presets.tile, None, event="input") == {panel.presets.said: ""}


def test_a_preset_of_ones_own_is_kept_as_a_tile_and_removed(panel: Panel, folders: Folders) -> None:
    kept = press(panel.blocks, panel.presets.keep, panel.data(rank=5))
    assert panel.tiles(kept) == [*TILES, "Mine"] and (folders.presets / "Mine.json").is_file()
    assert panel.filled(press(panel.blocks, panel.presets.tile, "Mine", event="input"))["rank"] == 5
    gone = press(panel.blocks, panel.presets.drop, "Mine")
    assert panel.tiles(gone) == [*TILES] and not (folders.presets / "Mine.json").exists()


def test_faulty_settings_are_not_kept(panel: Panel, folders: Folders) -> None:
    updates = press(panel.blocks, panel.presets.keep, panel.data(rank=0))
    assert "LoRA Rank" in str(updates[panel.presets.said]) and list(folders.presets.iterdir()) == []
