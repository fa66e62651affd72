from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from tests.fakes import save_tiny_lora
from tests.ui.stand_ins import StandInSession, press
from tests.ui.views.test_markup import Reader
from training_pro.folders import Folders
from training_pro.record.adapter_files import check_adapter
from training_pro.ui.panels.lora_tools import COMBINE, COMPARE, SMALLER, STRENGTH, TOOLS, LoraTools


class Panel:
    """The panel on a page of its own, with the LoRAs "sea" and "hill" of rank 4."""

    def __init__(self, folders: Folders, model: Path) -> None:
        for name in ("sea", "hill"):
            save_tiny_lora(model, folders.loras / name)
        with gr.Blocks() as self.blocks:
            self.panel = LoraTools(StandInSession(folders))
            self.panel.build()
            self.panel.connect()

    def press(self, tool: str, which: list[str], **typed: Any) -> tuple[str, str]:
        """What is said, and what is shown below."""
        panel = self.panel
        controls = {name: getattr(panel, name) for name in ("strength", "rank", "name")}
        data = {control: typed.get(name, control.value) for name, control in controls.items()}
        answer = press(self.blocks, panel.go, {**data, panel.tool: tool, panel.chooser.control: which})
        return Reader(answer[panel.said]).words, Reader(answer.get(panel.result, "")).words


@pytest.fixture
def panel(folders: Folders, tiny_folder: Path) -> Panel:
    return Panel(folders, tiny_folder)


@pytest.mark.parametrize(
    ("tool", "which", "typed", "rank"),
    [
        (STRENGTH, ["sea"], {"strength": "0.5"}, 4),
        (COMBINE, ["sea", "hill"], {"strength": "1, 0.5"}, 8),
        (COMBINE, ["sea", "hill"], {"rank": 3}, 3),
        (SMALLER, ["sea"], {"rank": 2}, 2),
    ],
)
def test_a_tool_makes_a_lora_and_says_its_rank(
    tool: str, which: list[str], typed: dict[str, Any], rank: int, panel: Panel, folders: Folders
) -> None:
    said, _ = panel.press(tool, which, name="new", **typed)
    assert f"rank {rank}" in said and ("differs" in said) == ("rank" in typed)
    assert check_adapter(folders.loras / "new").rank == rank


def test_a_comparison_says_how_alike_and_where(panel: Panel) -> None:
    said, shown = panel.press(COMPARE, ["sea", "hill"])
    assert "1.000" in said and "layer 0" in shown and "layer 1" in shown
    assert "Cosine" not in panel.press(COMPARE, ["sea"])[0]


@pytest.mark.parametrize(
    ("tool", "which", "typed", "said"),
    [
        (STRENGTH, [], {}, "No LoRA is chosen"),
        (STRENGTH, ["sea", "hill"], {"name": "new"}, "2 LoRAs are chosen"),
        (STRENGTH, ["sea"], {"name": "new", "strength": "0"}, "does nothing"),
        (COMBINE, ["sea", "hill"], {"name": "new", "strength": "1, 1, 1"}, "3 strengths"),
        (SMALLER, ["sea"], {"name": "new", "rank": 4}, "Rank 4"),
        (SMALLER, ["sea"], {"name": "a/b", "rank": 2}, "a/b"),
        (STRENGTH, ["sea"], {"name": "hill"}, "already exists"),
        (COMPARE, ["sea", "hill", "sea"], {}, "3 LoRAs"),
    ],
)
def test_refusals_are_sentences(tool: str, which: list[str], typed: dict[str, Any], said: str, panel: Panel) -> None:
    assert said in panel.press(tool, which, **typed)[0]


def test_only_the_fields_that_a_tool_needs_are_shown(panel: Panel) -> None:
    for tool in TOOLS:
        _, strength, rank, name, go, *_ = panel.panel._show(tool)
        shown = (strength["visible"], rank["visible"], name["visible"])
        assert shown == (tool in (STRENGTH, COMBINE), tool in (COMBINE, SMALLER), tool != COMPARE)
        assert go["value"] == ("Compare" if tool == COMPARE else "Make the LoRA")
