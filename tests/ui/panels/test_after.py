from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from tests.ui.made import points
from tests.ui.stand_ins import StandInHistory, StandInRun, StandInSession, build_form, page, press, pulled
from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.record.names import free_name
from training_pro.record.runs import SETTINGS_FILE
from training_pro.record.state import starting_state, write_state
from training_pro.settings import Settings, to_json
from training_pro.training.status import Ending
from training_pro.ui import desktop
from training_pro.ui.form import Form
from training_pro.ui.panels import folder_button
from training_pro.ui.panels.after import After, continue_run
from training_pro.ui.panels.placement import Placement
from training_pro.ui.panels.recipes import Recipes


class Panel:
    """The row of buttons on a page of its own."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.session = StandInSession(folders)
        self.form = Form(editable=True)
        with gr.Blocks() as self.blocks:
            build_form(self.form)
            placement = Placement()
            placement.build()
            recipes = Recipes(self.session, self.form, placement)
            recipes.build()
            self.after = After(self.session, recipes)
            self.after.build()
            self.after.connect(gr.HTML(elem_id="tp-status"))

    def end(self, kind: Any, name: str = "mine", **settings: Any) -> Path:
        """A run of this session that has ended so; its folder."""
        chosen = Settings(name=name, **settings)
        folder = kept(self.folders, chosen)
        self.session.run = StandInRun(self.folders, chosen, phase="ended", ending=Ending(kind, "because"))
        return folder

    def shown(self) -> tuple[bool, bool]:
        """Whether the row is there, and whether a run can be continued with it."""
        updates = pulled(self.after, "after")
        row = updates[self.after.row]["visible"]
        return row, row and updates[self.after.go_on]["visible"]


def kept(folders: Folders, settings: Settings) -> Path:
    folder = folders.loras / settings.name
    folder.mkdir(exist_ok=True)
    (folder / SETTINGS_FILE).write_text(to_json(settings), encoding="utf-8")
    return folder


@pytest.fixture
def panel(folders: Folders) -> Panel:
    return Panel(folders)


def test_nothing_is_offered_before_the_first_run_and_while_one_goes(panel: Panel, folders: Folders) -> None:
    assert panel.shown() == (False, False)
    panel.session.run = StandInRun(folders, Settings(name="mine"))
    assert panel.shown() == (False, False)


@pytest.mark.parametrize(
    ("kind", "can_go_on"), [("finished", False), ("stopped", True), ("interrupted", True), ("failed", True)]
)
def test_what_is_offered_depends_on_how_it_ended(panel: Panel, kind: str, can_go_on: bool) -> None:
    panel.end(kind)
    assert panel.shown() == (True, can_go_on)


def test_a_run_that_left_nothing_offers_nothing(panel: Panel) -> None:
    panel.end("failed").rename(panel.folders.loras / "elsewhere")
    assert panel.shown() == (False, False)


def test_it_is_another_when_a_run_has_begun_and_when_it_has_ended(panel: Panel, folders: Folders) -> None:
    followed = next(one for one in panel.after.pulled if one.name == "after")
    before = followed.stamp()
    assert followed.stamp() == before
    panel.session.run = StandInRun(folders, Settings(name="mine"))
    going = followed.stamp()
    panel.end("finished")
    assert len({before, going, followed.stamp()}) == 3


def test_a_run_that_was_killed_before_is_offered(panel: Panel, folders: Folders) -> None:
    folder = kept(folders, Settings(name="killed"))
    state = starting_state(10, "tiny", "settings", "data")
    write_state(folder, state.changed(update=4, process_started="another"))
    updates = pulled(panel.after, "after")
    assert updates[panel.after.row]["visible"] and updates[panel.after.go_on]["visible"]
    assert "cut off at update 4 of 10" in updates[panel.after.line] and str(folder) in updates[panel.after.line]
    press(panel.blocks, panel.after.go_on)
    assert panel.session.started[0][0].name == "killed"


def test_a_killed_run_with_later_ones_after_it_is_left_in_peace(panel: Panel, folders: Folders) -> None:
    state = starting_state(10, "tiny", "settings", "data")
    killed, later = kept(folders, Settings(name="killed")), kept(folders, Settings(name="later"))
    write_state(killed, state.changed(process_started="another", started="2026-01-01T00:00:00+00:00"))
    write_state(later, state.changed(started="2026-01-02T00:00:00+00:00").ended("finished", "all updates are done"))
    assert panel.shown() == (False, False)


def test_continuing_takes_the_settings_it_was_started_with(panel: Panel) -> None:
    panel.end("interrupted", rank=7, override=True)
    updates = press(panel.blocks, panel.after.go_on)
    settings, existing = panel.session.started[0]
    assert (settings.name, settings.rank, settings.override, existing) == ("mine", 7, False, "continue")
    assert updates[panel.after.row]["visible"] is False


def test_that_it_resumes_is_said_until_it_ends(panel: Panel) -> None:
    panel.end("interrupted")
    assert "resumes" in press(panel.blocks, panel.after.go_on)[panel.after.said]
    assert "resumes" in pulled(panel.after, "after-began")[panel.after.said]
    panel.end("failed")
    assert pulled(panel.after, "after-began")[panel.after.said] == "", "the run's own status says it"


def test_a_run_whose_settings_are_gone_can_not_be_continued(panel: Panel) -> None:
    (panel.end("interrupted") / SETTINGS_FILE).unlink()
    with pytest.raises(RunError, match="can't be read any more"):
        continue_run(panel.session, panel.folders.loras / "mine")
    assert "can&#x27;t be read" in press(panel.blocks, panel.after.go_on)[panel.after.said]
    assert panel.session.started == []


def test_a_refusal_to_continue_is_shown(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RunError("Change the stop that ended it to go on.")

    monkeypatch.setattr(panel.session, "start", refuse)
    panel.end("stopped")
    assert "Change the stop" in press(panel.blocks, panel.after.go_on)[panel.after.said]


def test_run_again_fills_in_everything_under_a_free_name(panel: Panel) -> None:
    panel.end("finished", rank=7, text_file="a.txt", override=True)
    updates = press(panel.blocks, panel.after.again)
    controls = panel.form.controls
    assert updates[controls["name"]]["value"] == "mine-2"
    assert updates[controls["rank"]]["value"] == 7 and updates[controls["text_file"]]["value"] == "a.txt"
    assert controls["override"] not in updates
    assert panel.session.started == []


@pytest.mark.parametrize(
    ("name", "taken", "free"),
    [("a", [], "a-2"), ("a", ["a-2", "a-3"], "a-4"), ("a-2", [], "a-3"), ("a-9", ["a-10"], "a-11"), ("-3", [], "-3-2")],
)
def test_free_names_count_on(folders: Folders, name: str, taken: list[str], free: str) -> None:
    for other in taken:
        (folders.loras / other).mkdir()
    assert free_name(folders, name) == free


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What was to be opened on a desktop that is there."""
    found: list[list[str]] = []
    monkeypatch.setattr(desktop.sys, "platform", "linux")
    monkeypatch.setattr(desktop.shutil, "which", lambda _: "/usr/bin/xdg-open")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(desktop.subprocess, "Popen", lambda command, **_: found.append(command))
    return found


def test_a_folder_opens_on_the_desktop_of_this_machine_alone(panel: Panel, opened: list[list[str]]) -> None:
    folder = panel.end("finished")
    assert "Opened" in panel.after._open(page())[panel.after.said]
    assert opened == [["/usr/bin/xdg-open", str(folder)]]
    said = panel.after._open(page(address="192.168.1.7"))[panel.after.said]
    assert "Copied the path" in said and str(folder) in said
    assert len(opened) == 1


def test_without_a_screen_the_path_must_do(
    opened: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "Copied the path" in folder_button.folder_said(tmp_path, page())
    assert opened == []


def test_a_desktop_that_refuses_is_none(
    tmp_path: Path, opened: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(desktop.subprocess, "Popen", refuse)
    assert desktop.show_folder(tmp_path) is False


def test_a_run_that_was_too_hot_is_taken_again_with_a_usual_learning_rate(panel: Panel) -> None:
    folder = panel.end("wrong", learning_rate=0.1)
    updates = pulled(panel.after, "after")
    assert "3e-4" in updates[panel.after.again]["value"]
    assert updates[panel.after.again]["variant"] == "primary" != updates[panel.after.use]["variant"]
    filled = press(panel.blocks, panel.after.again)
    assert filled[panel.form.controls["learning_rate"]]["value"] == "3e-4"
    assert filled[panel.form.controls["name"]]["value"] == f"{folder.name}-2"
    for other in ("finished", "failed"):  # which has causes of its own
        panel.end(other, learning_rate=0.1)
        updates = pulled(panel.after, "after")
        assert "3e-4" not in updates[panel.after.again]["value"]
        assert (updates[panel.after.use]["variant"] == "primary") == (other == "finished")


def test_a_run_that_learned_nothing_is_to_be_resumed_not_used(panel: Panel) -> None:
    cases = [("interrupted", [], "go_on"), ("interrupted", [3.0, 2.5], "use"), ("wrong", [], "again")]
    for kind, losses, main in cases:
        panel.end(kind)
        panel.session.run.history = StandInHistory(points(losses))
        updates = pulled(panel.after, "after")
        buttons = {name: getattr(panel.after, name) for name in ("use", "again", "go_on")}
        assert [name for name, one in buttons.items() if updates[one]["variant"] == "primary"] == [main]
