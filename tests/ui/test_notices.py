from __future__ import annotations

import gradio as gr

from tests.ui.made import NASTY, points
from tests.ui.stand_ins import StandInRun, StandInSession
from tests.ui.test_markup import Reader
from training_pro.folders import Folders
from training_pro.plan import make_plan
from training_pro.settings import Settings
from training_pro.training.ending import Ending
from training_pro.ui.notices import SCRIPT, Notices, pulse
from training_pro.ui.watch import Seen


def test_without_a_run_there_is_nothing_to_tell(folders: Folders) -> None:
    html = pulse(StandInSession(folders))
    assert Reader(html).tags == ["i"] and "data-" not in html


def test_the_run_is_told_in_attributes_and_no_words(folders: Folders) -> None:
    session = StandInSession(folders)
    plan = make_plan(40, 4, 1, 1.0)
    session.run = StandInRun(folders, Settings(name="mine"), plan=plan, point=points([3.0] * 4)[3])
    html = pulse(session)
    assert 'data-percent="40"' in html and 'data-phase="training"' in html and 'data-ending=""' in html
    session.run = StandInRun(folders, Settings(name="mine"), phase="ended", ending=Ending("failed", NASTY))
    html = pulse(session)
    assert 'data-ending="failed"' in html and Reader(html).tags == ["i"] and Reader(html).words == ""


def test_a_page_is_sent_a_pulse_when_it_is_another(folders: Folders) -> None:
    session, seen = StandInSession(folders), Seen()
    with gr.Blocks() as blocks:
        notices = Notices(session)
        notices.build_pulse()
        notices.build()
        notices.connect(blocks)
    assert notices.pulse in notices.changes(seen)
    assert notices.changes(seen) == {}
    session.run = StandInRun(folders, Settings(name="mine"))
    assert 'data-name="mine"' in notices.changes(seen)[notices.pulse]


def test_the_script_never_writes_markup_and_asks_the_browser_at_a_click_only() -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert way not in script
    before_the_switch, at_the_switch = script.split("desktop: async")
    assert "requestPermission" not in before_the_switch and "requestPermission" in at_the_switch
