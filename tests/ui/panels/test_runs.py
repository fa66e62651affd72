from __future__ import annotations

import gradio as gr
import pytest

from tests.ui.stand_ins import StandInSession, page
from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.record.runs import list_runs
from training_pro.record.state import RunState, write_state
from training_pro.ui.panels.runs import RunsPanel, answers_with


@pytest.mark.parametrize(("in_webui", "where"), [(True, "Chat tab"), (False, "Ask it")])
def test_a_loaded_lora_is_found_where_it_can_be_talked_to(in_webui: bool, where: str) -> None:
    told = answers_with("mine", in_webui=in_webui)
    assert '"mine"' in told and where in told


def test_undo_brings_back_what_this_page_has_deleted_and_nobody_elses(folders: Folders) -> None:
    for name in ("lamp", "sea"):
        (folders.loras / name).mkdir()
        write_state(folders.loras / name, RunState("finished"))
    with gr.Blocks():
        panel = RunsPanel(StandInSession(folders), editable=True)
        panel.build()
    panel._delete(["lamp"], page("one"))
    panel._delete(["sea"], page("two"))
    panel._undo(page("one"))
    assert [run.name for run in list_runs(folders)] == ["lamp"]
    with pytest.raises(RunError, match="Nothing was deleted"):
        panel._undo(page("one"))
