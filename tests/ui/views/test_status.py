from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.ui.made import NASTY, points
from tests.ui.views.test_markup import Reader
from training_pro.plan import make_plan
from training_pro.record.history import Event
from training_pro.settings import Settings
from training_pro.training.controls import Controls
from training_pro.training.status import Ending, RunStatus
from training_pro.ui.views.samples import MOST_ANSWERS, samples_view
from training_pro.ui.views.status import checkpoint_list, run_status


def run(controls: Controls | None = None, **status: Any) -> Any:
    return SimpleNamespace(
        status=RunStatus("mine", Path("/loras/mine"), **status), controls=controls or Controls(Settings())
    )


def words(html: str) -> str:
    return Reader(html).words


def test_without_a_run_the_page_says_what_to_do() -> None:
    assert "press Start" in run_status(None)


def test_work_before_the_first_update_has_its_own_bar() -> None:
    shown = words(run_status(run(phase="preparing", progress=(30, 120, "Encoding"))))
    assert "Encoding (30 of 120)" in shown and "25 %" in shown


def test_the_numbers_of_the_update() -> None:
    plan = make_plan(40, 4, 1, 3.0)
    shown = words(run_status(run(phase="training", plan=plan, point=points([2.5])[0], remaining_s=125.0)))
    for wanted in ("1 / 30", "0.10 / 3", "2.500", "1.0e-04", "2 min", "500 MB", "3 %"):
        assert wanted in shown


def test_what_was_asked_for_and_what_was_taken() -> None:
    controls = Controls(Settings(stop_at_loss=1.0))
    controls.set(stop_at_loss=1.5)
    controls.ask_checkpoint()
    shown = words(run_status(run(controls, phase="training")))
    assert "stop at loss 1.00" in shown and "asked for: stop at loss 1.50" in shown and "checkpoint is queued" in shown
    controls.take()
    assert "asked for" not in words(run_status(run(controls, phase="training")))


def test_an_end_is_told_with_its_reason_and_place() -> None:
    shown = run_status(run(phase="ended", ending=Ending("failed", NASTY)))
    assert "tp-error" in shown and "/loras/mine" in shown
    assert "img" not in Reader(shown).tags


def test_notes_are_text() -> None:
    assert "img" not in Reader(run_status(run(notes=(NASTY,)))).tags


def test_checkpoints_come_with_their_reasons_the_latest_first() -> None:
    html = checkpoint_list([Event("checkpoint", 5, "every 5"), Event("note", 6), Event("checkpoint", 9, NASTY)])
    assert words(html).index("checkpoint-9") < words(html).index("checkpoint-5")
    assert "img" not in Reader(html).tags
    assert checkpoint_list([]) == ""


def test_samples_stand_side_by_side_under_their_prompt() -> None:
    events = [Event("sample", n, "", {"prompt": p, "answer": f"{p}{n}"}) for n in (0, 10) for p in ("A", "B")]
    html = samples_view(events)
    assert words(html) == "Aupdate 0A0update 10A10Bupdate 0B0update 10B10"
    assert html.count("tp-samples") == 2


def test_of_very_many_samples_the_first_and_the_latest_stay() -> None:
    html = words(samples_view([Event("sample", n, "", {"prompt": "A", "answer": "x"}) for n in range(100)]))
    assert html.count("update") == MOST_ANSWERS
    assert "update 0x" in html and "update 99x" in html and "update 1x" not in html


def test_samples_are_text() -> None:
    html = samples_view([Event("sample", 0, "", {"prompt": NASTY, "answer": NASTY})])
    assert "img" not in Reader(html).tags
