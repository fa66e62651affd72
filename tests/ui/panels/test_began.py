"""A run that was begun from Runs or from the end card: what is said of it there, and for how long."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from tests.ui.panels.test_after import kept
from tests.ui.stand_ins import StandInRun, StandInSession, press, pulled
from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.record.state import starting_state, write_state
from training_pro.settings import Settings
from training_pro.training.status import Ending
from training_pro.ui.panels import further
from training_pro.ui.panels.runs import RunsPanel


class Panel:
    """The list of runs on a page of its own, with one run that was interrupted."""

    def __init__(self, folders: Folders, state: str = "interrupted") -> None:
        self.session = StandInSession(folders)
        self.folder = kept(folders, Settings(name="mine", text_file="a.txt"))
        write_state(self.folder, starting_state(10, "tiny", "", "").changed(update=5).ended(state, "because"))
        with gr.Blocks() as self.blocks:
            self.runs = RunsPanel(self.session, editable=True)
            self.runs.build()
            self.runs.further.connect(self.runs._one, [self.runs.open_names], self.runs.said)

    def resume(self) -> str:
        return str(self.runs._resume(["mine"])[self.runs.said])

    def train_further(self) -> str:
        return str(press(self.blocks, self.runs.further.go, 1.0, ["mine"])[self.runs.said])

    def said(self) -> str:
        return str(pulled(self.runs, "runs-began")[self.runs.said])

    def end(self, kind: Any, reason: str) -> None:
        run = self.session.run
        self.session.run.status = StandInRun(
            self.session.host.folders, run.settings, phase="ended", ending=Ending(kind, reason)
        ).status


@pytest.fixture
def panel(folders: Folders) -> Panel:
    return Panel(folders)


def test_a_resumed_run_is_said_with_what_it_notes_until_it_ends(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    start = panel.session.start

    def noting(*given: Any, **more: Any) -> Any:
        run = start(*given, **more)
        run.status = StandInRun(panel.session.host.folders, run.settings, notes=("The LoRA sea was unloaded.",)).status
        return run

    monkeypatch.setattr(panel.session, "start", noting)
    said = panel.resume()
    assert "resumes" in said and "shown under Train" in said and "sea was unloaded" in said
    assert panel.said() == said
    panel.end("finished", "all updates are done")
    assert panel.said() == ""


@pytest.mark.parametrize(("kind", "words"), [("failed", "mine failed"), ("wrong", "mine went wrong")])
def test_a_run_that_fails_says_so_where_it_was_begun(panel: Panel, kind: str, words: str) -> None:
    panel.resume()
    panel.end(kind, "The text is gone; put it back.")
    said = panel.said()
    assert words in said and "The text is gone" in said and "tp-error" in said and "resumes" not in said


def test_it_is_news_when_it_ends_and_when_another_run_has_begun(panel: Panel, folders: Folders) -> None:
    (followed,) = [one for one in panel.runs.pulled if one.name == "runs-began"]
    stamps = [followed.stamp()]
    panel.resume()
    stamps.append(followed.stamp())
    panel.end("failed", "because")
    stamps.append(followed.stamp())
    panel.session.run = StandInRun(folders, Settings(name="another"))
    stamps.append(followed.stamp())
    assert len(set(stamps)) == 4 and panel.said() == ""


def test_training_further_is_said_in_the_same_way(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = Panel(folders, "finished")
    monkeypatch.setattr(further, "further_settings", lambda *_: Settings(name="mine", epochs=4.0))
    assert "trains further, to 4 epochs" in panel.train_further()
    panel.end("failed", "The text is gone; put it back.")
    assert "mine failed" in panel.said()


def test_what_blocks_a_run_refuses_both_where_they_are_pressed(folders: Folders) -> None:
    panel = Panel(folders, "finished")
    panel.session.host.stands = "No model is loaded; load one."
    assert "No model is loaded" in panel.train_further()
    with pytest.raises(RunError, match="No model is loaded"):
        panel.resume()
    assert panel.session.run is None
