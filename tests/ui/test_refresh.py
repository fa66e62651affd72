"""Refresh lists: all that is chosen from, as it is now."""

from __future__ import annotations

import gradio as gr
import pytest

from tests.ui.stand_ins import StandInSession, press
from training_pro.errors import UserError
from training_pro.folders import Folders
from training_pro.ui.tab import Tab


def test_the_lists_are_read_again_and_what_goes_wrong_stands_beside_the_button(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gr.Blocks() as blocks:
        tab = Tab(StandInSession(folders))
        tab.build()
    (folders.datasets / "late.txt").touch()
    updates = press(blocks, tab.refresh)
    assert ("late.txt", "late.txt") in updates[tab.form.controls["text_file"]]["choices"]
    assert updates[tab.other_runs.said] == updates[tab.refreshed] == ""

    def refuse() -> None:
        raise UserError("The presets are not there.")

    monkeypatch.setattr(tab.presets, "lists", refuse)
    refused = press(blocks, tab.refresh)
    assert list(refused) == [tab.refreshed] and "are not there" in refused[tab.refreshed]
    assert tab.refreshed.parent.elem_id == "tp-page-card"
