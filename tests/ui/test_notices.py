from __future__ import annotations

from tests.ui.made import points
from tests.ui.stand_ins import StandInRun, StandInSession
from training_pro.folders import Folders
from training_pro.plan import make_plan
from training_pro.settings import Settings
from training_pro.training.status import Ending
from training_pro.ui.notices import SCRIPT, pulse


def test_without_a_run_there_is_nothing_to_tell(folders: Folders) -> None:
    assert pulse(StandInSession(folders)) == {}


def test_the_run_is_told_in_a_few_words(folders: Folders) -> None:
    session = StandInSession(folders)
    plan = make_plan(40, 4, 1, 1.0)
    session.run = StandInRun(folders, Settings(name="mine"), plan=plan, point=points([3.0] * 4)[3])
    told = pulse(session)
    assert told.pop("key")
    assert told == {"name": "mine", "phase": "training", "percent": 40, "ending": "", "reason": ""}
    session.run = StandInRun(folders, Settings(name="mine"), phase="ended", ending=Ending("failed", "the disk is full"))
    told = pulse(session)
    assert (told["ending"], told["reason"]) == ("failed", "the disk is full")


def test_the_script_never_writes_markup_and_asks_the_browser_at_a_click_only() -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert way not in script
    before_the_switch, at_the_switch = script.split("desktop: async")
    assert "requestPermission" not in before_the_switch and "requestPermission" in at_the_switch
