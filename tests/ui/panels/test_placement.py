"""Where a run trains, as the page has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from training_pro.errors import SettingsError
from training_pro.folders import Folders
from training_pro.hosts.standalone import StandaloneHost
from training_pro.remote.launching import OwnProcess
from training_pro.session import Session
from training_pro.settings import Settings
from training_pro.ui.panels.placement import HERE, OWN, Placement
from training_pro.ui.panels.recipes import command_for


@pytest.fixture
def placement() -> Placement:
    made = Placement()
    with gr.Blocks():
        made.build()
    return made


def page(placement: Placement, where: str, processes: Any = 1, config: Any = "") -> dict[Any, Any]:
    return {placement.where: where, placement.processes: processes, placement.config: config}


def test_it_begins_in_this_process(placement: Placement) -> None:
    data = {control: control.value for control in placement.inputs}
    assert placement.chosen(data) is None


def test_a_process_of_its_own(placement: Placement, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("{}", encoding="utf-8")
    assert placement.chosen(page(placement, OWN)) == OwnProcess()
    assert placement.chosen(page(placement, OWN, 2.0, f" {config} ")) == OwnProcess(2, str(config))


@pytest.mark.parametrize(
    ("where", "processes", "config", "said"),
    [
        (HERE, 2, "", "need a process of their own"),
        (HERE, 1, "x.yaml", "need a process of their own"),
        (OWN, 0, "", "from 1 to 64"),
        (OWN, None, "", "from 1 to 64"),
        (OWN, 1, "/nowhere/x.yaml", "/nowhere/x.yaml"),
    ],
)
def test_what_makes_no_sense_is_said(placement: Placement, where: str, processes: Any, config: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        placement.chosen(page(placement, where, processes, config))


def test_the_command_shown_trains_the_same_in_the_same_place(folders: Folders, tiny_folder: Path) -> None:
    session = Session(StandaloneHost(folders, tiny_folder, load_in_4bit=False))
    shown = command_for(Settings(name="x", rank=8), session, OwnProcess(2))
    assert shown.endswith("--set name=x --set rank=8")
    assert "torch.distributed.run --standalone --nproc-per-node 2 -m training_pro train --user-data" in shown
    assert f"--model {tiny_folder} --quantization none" in shown
