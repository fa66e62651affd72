from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from tests.fakes import save_tiny_lora
from tests.ui.stand_ins import StandInSession, no_bar, page, press
from training_pro.errors import Cancelled, RunError
from training_pro.export import merge
from training_pro.folders import Folders
from training_pro.ui.panels import export, folder_button
from training_pro.ui.panels.export import KINDS, Export


class Panel:
    """The panel on a page of its own, with the LoRA "sea"."""

    def __init__(self, folders: Folders, model: Path) -> None:
        save_tiny_lora(model, folders.loras / "sea")
        self.session = StandInSession(folders)
        with gr.Blocks() as self.blocks:
            self.panel = Export(self.session)
            self.panel.build()
            self.panel.connect()

    def data(self, **typed: Any) -> dict[Any, Any]:
        panel = self.panel
        controls = {name: getattr(panel, name) for name in ("kind", "dtype", "overwrite", "base", "ollama")}
        controls["which"] = panel.chooser.control
        return {control: typed.get(name, control.value) for name, control in controls.items()}

    def export(self, on: Any = None, **typed: Any) -> dict[Any, Any]:
        request = on or page()
        self.panel._begun(request)
        return self.panel._export(self.data(**{"which": "sea", **typed}), request, no_bar)


@pytest.fixture
def panel(folders: Folders, tiny_folder: Path) -> Panel:
    return Panel(folders, tiny_folder)


def test_a_gguf_is_made_with_what_other_programs_need_and_offered(panel: Panel, folders: Folders) -> None:
    updates = panel.export(ollama="smol")
    made = folders.loras / "sea" / "sea-lora-f32.gguf"
    assert made.is_file() and "FROM smol" in updates[panel.panel.result] and str(made) in updates[panel.panel.result]
    assert updates[panel.panel.prepare]["visible"] is True
    ready = panel.panel._download(page())[panel.panel.files]["value"]
    assert [Path(path).name for path in ready] == ["sea-lora-f32.gguf", "sea.Modelfile"]
    assert Path(ready[0]).read_bytes() == made.read_bytes() and folders.user_data not in Path(ready[0]).parents
    panel.panel._download(page())
    assert not Path(ready[0]).exists(), "only the last one is kept ready"


def test_another_page_opens_and_downloads_its_own_export_alone(panel: Panel) -> None:
    panel.export()
    for do in (panel.panel._open, panel.panel._download):
        with pytest.raises(RunError, match="Export again"):
            do(page("another"))


def test_what_is_ready_to_download_is_kept_for_the_last_pages_alone(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_PAGES", 2)
    ready = {}
    for name in ("one", "two", "one", "three"):
        panel.export(on=page(name), overwrite=True)
        (ready[name], _) = panel.panel._download(page(name))[panel.panel.files]["value"]
    assert [name for name, path in ready.items() if Path(path).parent.exists()] == ["one", "three"]
    with pytest.raises(RunError, match="Export again"):
        panel.panel._open(page("two"))


def test_why_a_merge_is_saved_in_bfloat16_is_said(panel: Panel) -> None:
    numbers, _ = panel.panel._types(KINDS[1])
    assert numbers["value"] == "bfloat16" and "bfloat16: as most models are saved" in numbers["info"]


def test_a_merged_model_is_made_and_has_a_folder_to_open(panel: Panel, folders: Folders) -> None:
    updates = panel.export(kind=KINDS[1], dtype="float32")
    (made,) = [path for path in folders.models.iterdir() if path.name.endswith("-sea")]
    assert (made / "Modelfile").is_file() and updates[panel.panel.prepare]["visible"] is False
    assert str(made) in panel.panel._open(page(address="10.0.0.1"))[panel.panel.said]
    assert "--dtype" not in updates[panel.panel.said] and "tp-good" in updates[panel.panel.said]
    assert updates[panel.panel.rounded]["visible"] is False


def test_much_rounding_is_a_warning_with_a_button_that_saves_exactly(
    panel: Panel, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "MUCH_ROUNDING", 1e-9)
    updates = panel.export(kind=KINDS[1], dtype="bfloat16")
    said = updates[panel.panel.said]
    assert (
        "tp-warning" in said
        and "rounds away" in said
        and "Press &quot;Save as float32&quot;" in said
        and "--dtype" not in said
    )
    assert updates[panel.panel.rounded]["visible"] is True
    with pytest.raises(RunError, match="Export again"):
        panel.panel._save_exactly(page("another"), no_bar)
    panel.panel._begun(page())
    updates = panel.panel._save_exactly(page(), no_bar)
    assert "Saved in float32" in updates[panel.panel.said] and "tp-good" in updates[panel.panel.said]
    assert updates[panel.panel.rounded]["visible"] is False
    (made,) = [path for path in folders.models.iterdir() if path.name.endswith("-sea")]
    assert str(made) in updates[panel.panel.result]


def test_the_page_names_the_webui_only_where_it_is_in_it(panel: Panel) -> None:
    updates = panel.export(kind=KINDS[1], dtype="float32")
    shown = updates[panel.panel.result]
    assert "this WebUI" not in shown and "text-generation-webui" in shown
    assert "above" not in shown and "convert_hf_to_gguf.py makes" in shown
    panel.session.host.name = "webui"
    assert "this WebUI" in panel.export(overwrite=True)[panel.panel.result]


def test_an_export_is_not_replaced_unasked(panel: Panel) -> None:
    panel.export()
    with pytest.raises(RunError, match=r"already exists.*tick \"Replace\" above"):
        panel.export()
    panel.export(overwrite=True)


def test_a_cancel_leaves_nothing(panel: Panel, folders: Folders) -> None:
    panel.panel._begun(page())
    panel.panel._cancels.cancel(page())
    with pytest.raises(Cancelled):
        panel.panel._export(panel.data(which="sea"), page(), no_bar)
    assert not list((folders.loras / "sea").glob("*gguf*"))


def test_what_it_takes_is_said_when_a_lora_is_chosen(panel: Panel) -> None:
    control, forecast = panel.panel.chooser.control, panel.panel.forecast
    assert press(panel.blocks, control, panel.data(), event="input")[forecast] == ""
    assert "free" in press(panel.blocks, control, panel.data(which="sea"), event="input")[forecast]
    said = press(panel.blocks, control, panel.data(which="sea", kind=KINDS[1], dtype="bfloat16"), event="input")
    assert "memory" in said[forecast]
    assert "gone" in press(panel.blocks, control, panel.data(which="gone"), event="input")[forecast]


def test_before_an_export_there_is_nothing_to_open(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_button, "show_folder", lambda folder: False)
    with pytest.raises(RunError, match="Export again"):
        panel.panel._open(page())
