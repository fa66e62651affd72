"""Where several people share the page, everything can be read and nothing can be changed."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from tests.ui.stand_ins import StandInRun, StandInSession, look
from training_pro.folders import Folders
from training_pro.settings import Settings
from training_pro.ui.tab import Tab

CHANGING = (gr.Button, gr.UploadButton)
READING = {"tp-hand-runs", "tp-pull", "tp-loras-off"}  # the last is hidden, and hooked up to nothing


def built(folders: Folders, multi_user: bool) -> tuple[Any, Tab]:
    session = StandInSession(folders)
    session.host.multi_user = multi_user
    with gr.Blocks() as blocks:
        tab = Tab(session)
        tab.build()
    return blocks, tab


def hooked(blocks: Any) -> set[str]:
    """The ids of the buttons that do something."""
    found = {target[0] for function in blocks.fns.values() for target in function.targets if function.fn}
    return {block.elem_id for number, block in blocks.blocks.items() if number in found and isinstance(block, CHANGING)}


def test_no_button_does_anything_but_refresh(folders: Folders) -> None:
    blocks, _ = built(folders, multi_user=True)
    assert hooked(blocks) <= READING
    alone, _ = built(folders, multi_user=False)
    assert {"tp-start", "tp-interrupt", "tp-undo-delete", "tp-measure"} <= hooked(alone)


def test_no_setting_can_be_typed(folders: Folders) -> None:
    _, tab = built(folders, multi_user=True)
    assert not any(control.interactive for control in tab.form.controls.values())


@pytest.mark.parametrize("multi_user", [True, False])
def test_the_running_run_is_shown_to_everybody(folders: Folders, multi_user: bool) -> None:
    _, tab = built(folders, multi_user)
    tab._session.run = StandInRun(folders, Settings(name="mine"))
    assert "mine" in look(tab.live)["slots"]["status"][1]
    for panel in tab.live._panels:
        for one in panel.pulled:
            assert set(one.updates()) <= set(one.outputs)
