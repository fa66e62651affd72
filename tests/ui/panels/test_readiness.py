from __future__ import annotations

from tests.ui.made import NASTY
from tests.ui.stand_ins import StandInRun, StandInSession
from tests.ui.views.test_markup import Reader
from training_pro.folders import Folders
from training_pro.settings import Settings
from training_pro.ui.panels.readiness import host_line, obstacle


def test_the_model_is_named(folders: Folders) -> None:
    session = StandInSession(folders)
    assert Reader(host_line(session)).words == "Model tiny"
    session.host.label = ""
    assert Reader(host_line(session)).words == "No model is loaded"


def test_what_stands_against_a_run_is_said_with_the_model(folders: Folders) -> None:
    session = StandInSession(folders)
    session.host.stands = f"It can't be trained; load another. {NASTY}"
    shown = host_line(session)
    assert "tp-stands" in shown and "load another" in Reader(shown).words
    assert "img" not in Reader(shown).tags


def test_while_a_run_goes_its_own_hold_is_no_obstacle(folders: Folders) -> None:
    session = StandInSession(folders)
    session.host.stands = "The model is in training."
    session.run = StandInRun(folders, Settings(name="mine"))
    assert obstacle(session) == ""


def test_other_work_on_the_model_is_named_before_the_host(folders: Folders) -> None:
    class Measuring(StandInSession):
        def occupied(self) -> str:
            return "The perplexity is being measured."

    session = Measuring(folders)
    session.host.stands = "The host says so too."
    assert obstacle(session) == "The perplexity is being measured."
