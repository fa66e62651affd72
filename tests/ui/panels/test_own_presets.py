from __future__ import annotations

import html
import json
import re
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

    def tile(self, name: str | None, **changes: Any) -> dict[Any, Any]:
        data = {**self.data(**changes), self.presets.tile: name}
        return press(self.blocks, self.presets.tile, data, event="input")

    def filled(self, updates: dict[Any, Any]) -> dict[str, Any]:
        """The settings that these updates fill in, by name."""
        return {name: updates[c]["value"] for name, c in self.form.controls.items() if c in updates}

    def tiles(self, updates: dict[Any, Any]) -> list[str]:
        return [name for _, name in updates[self.presets.tile]["choices"]]


@pytest.fixture
def panel(folders: Folders) -> Panel:
    return Panel(folders)


def test_a_tile_fills_all_but_names_and_files(panel: Panel) -> None:
    updates = panel.tile("Style", epochs=3)
    filled = panel.filled(updates)
    assert filled["rank"] == 16 and updates[panel.presets.said] == ""
    assert not {"name", "text_file", "dataset"} & set(filled)
    assert panel.tile(None) == {panel.presets.said: ""}


def test_what_a_tile_changes_of_a_persons_own_is_said_with_the_way_back(panel: Panel) -> None:
    said = panel.tile("Style", epochs=4, warmup_steps="7", rank=8, alpha="wrong")[panel.presets.said]
    assert "Epochs 4 (now 3)" in said and "Warmup Steps 7 (now auto)" in said and "LoRA Rank 8 (now 16)" in said
    (act,) = map(html.unescape, re.findall(r'data-act="([^"]*)"', said))
    assert json.loads(act) == {"epochs": 4.0, "warmup_steps": 7, "rank": 8}
    back = press(panel.blocks, panel.presets.back.button, act, event="click")
    assert panel.filled(back) == {"epochs": 4.0, "warmup_steps": "7", "rank": 8} and back[panel.presets.said] == ""
    assert panel.filled(press(panel.blocks, panel.presets.back.button, '{"rank": "none", "nonsense": 1}')) == {}


def test_a_number_that_a_tile_gives_is_no_ones_own(panel: Panel) -> None:
    """Whichever page pressed it: a page that is loaded again has no memory of that."""
    said = panel.tile("Knowledge", rank=16, alpha=32.0, learning_rate="2e-4", stop_at_loss=1.5, epochs=4)
    assert "Epochs 4 (now 6)" in said[panel.presets.said] and "Rank" not in said[panel.presets.said]
    press(panel.blocks, panel.presets.keep, panel.data(rank=5))
    assert panel.tile("Style", rank=5)[panel.presets.said] == ""


def test_tiles_work_after_the_preset_used_last_is_gone_or_broken(panel: Panel, folders: Folders) -> None:
    press(panel.blocks, panel.presets.keep, panel.data(rank=5))
    panel.tile("Mine")
    (folders.presets / "Mine.json").write_text('{"rank": "high"}')
    assert panel.filled(panel.tile("Style", rank=5))["rank"] == 16
    press(panel.blocks, panel.presets.drop, "Mine")
    assert panel.filled(panel.tile("Style", rank=5))["rank"] == 16


def test_a_preset_of_ones_own_is_kept_as_a_tile_and_removed(panel: Panel, folders: Folders) -> None:
    kept = press(panel.blocks, panel.presets.keep, panel.data(rank=5))
    assert panel.tiles(kept) == [*TILES, "Mine"] and (folders.presets / "Mine.json").is_file()
    assert panel.filled(panel.tile("Mine"))["rank"] == 5
    gone = press(panel.blocks, panel.presets.drop, "Mine")
    assert panel.tiles(gone) == [*TILES] and not (folders.presets / "Mine.json").exists()


def test_faulty_settings_are_not_kept(panel: Panel, folders: Folders) -> None:
    updates = press(panel.blocks, panel.presets.keep, panel.data(rank=0))
    assert "LoRA Rank" in str(updates[panel.presets.said]) and list(folders.presets.iterdir()) == []
