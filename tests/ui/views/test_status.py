from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.ui.made import NASTY, points
from tests.ui.stand_ins import StandInHistory
from tests.ui.views.test_markup import Reader
from training_pro.plan import make_plan
from training_pro.record.history import Event
from training_pro.settings import Settings
from training_pro.training.controls import STOPPED_BY_YOU, Controls
from training_pro.training.resume import continued_from
from training_pro.training.status import Ending, RunStatus
from training_pro.ui.views.samples import MOST_ANSWERS, samples_view
from training_pro.ui.views.status import checkpoint_list, run_status, status_line


def run(controls: Controls | None = None, history: Any = None, **status: Any) -> Any:
    return SimpleNamespace(
        status=RunStatus("mine", Path("/loras/mine"), **status),
        controls=controls or Controls(Settings()),
        settings=Settings(name="mine", text_file="tales.txt"),
        folder=Path("/loras/mine"),
        history=history,
    )


def words(html: str) -> str:
    return Reader(html).words


def test_without_a_run_nothing_is_shown() -> None:
    assert run_status(None) == ""


def test_work_before_the_first_update_has_its_own_bar() -> None:
    shown = words(run_status(run(phase="preparing", progress=(30, 120, "Encoding"))))
    assert "Encoding (30 of 120)" in shown and "25 %" in shown


def test_the_numbers_of_the_update() -> None:
    plan = make_plan(40, 4, 1, 3.0)
    shown = words(run_status(run(phase="training", plan=plan, point=points([2.5])[0], remaining_s=125.0)))
    for wanted in ("1 of 30", "0.10 of 3", "2.50", "1.0e-04", "2 min", "500 MB", "3 %", "tales.txt"):
        assert wanted in shown


def test_what_goes_wrong_is_red_while_it_trains_and_its_end_is_never_green() -> None:
    warning = "The loss is 9.10, and was 2.40 at the start: the LoRA gets worse."
    html = run_status(run(phase="training", plan=make_plan(40, 4, 1, 3.0), warnings=(warning,)))
    assert warning in words(html) and "tp-error" in html
    there = points([3.0, 2.5, 2.0, 1.5])
    html = run_status(
        run(
            history=StandInHistory(there),
            phase="ended",
            point=there[-1],
            ending=Ending("finished", "because"),
            warnings=(warning,),
        )
    )
    assert warning in words(html) and "tp-red" in html and "tp-green" not in html


def ended(losses: list[float], kind: Any = "finished") -> str:
    there, ending = points(losses), Ending(kind, "because")
    return run_status(run(history=StandInHistory(there), phase="ended", point=there[-1], ending=ending))


@pytest.mark.parametrize(
    ("losses", "kind", "tone"),
    [
        ([3.0, 2.5, 2.0, 1.5], "finished", "green"),
        ([3.0, 2.5, 2.0, 1.5], "stopped", "green"),
        ([3.0, 2.5, 2.0, 1.5], "interrupted", "blue"),
        ([3.0, 2.5, 2.0, 1.5], "failed", "red"),
        ([4.2, 9.0, 18.0, 25.0], "finished", "red"),
    ],
)
def test_an_end_is_green_only_where_the_loss_fell(losses: list[float], kind: Any, tone: str) -> None:
    assert f"tp-outcome tp-{tone}" in ended(losses, kind)


def test_a_spoilt_lora_says_what_to_change() -> None:
    assert "Learning Rate" in words(ended([4.2, 9.0, 18.0, 25.0])) and "Learning Rate" not in words(ended([3.0, 2.0]))


def test_the_line_at_the_top_has_the_run_and_its_buttons() -> None:
    line = status_line("tiny · 4-bit", "0.9 GB", run(phase="training", point=points([2.5])[0]), "A problem.", ["sea"])
    assert 'data-press="tp-pause"' in line and 'data-press="tp-interrupt"' in line
    for wanted in ("tiny · 4-bit", "0.9 GB", "loss 2.50", "with sea", "A problem."):
        assert wanted in words(line)
    assert "data-press" not in status_line("tiny", "", None)
    controls = Controls(Settings())
    controls.end("the loss reached the stop loss 5")
    assert "data-press" not in status_line("tiny", "", run(controls, phase="saving"))


def test_what_was_asked_for_and_what_was_taken() -> None:
    controls = Controls(Settings(stop_at_loss=1.0))
    controls.set(stop_at_loss=1.5)
    controls.ask_checkpoint()
    shown = words(run_status(run(controls, phase="training")))
    assert "stop at loss 1.00" in shown and "requested: stop at loss 1.50" in shown and "checkpoint is queued" in shown
    controls.end("all updates are done")
    assert "requested" not in words(run_status(run(controls, phase="saving")))


def test_an_end_is_told_with_its_reason_and_the_place_of_what_is_there(tmp_path: Path) -> None:
    ended = run(phase="ended", ending=Ending("failed", NASTY))
    shown = run_status(ended)
    assert "tp-red" in shown and "/loras/mine" not in shown
    ended.folder = tmp_path
    assert "/loras/mine" in run_status(ended)
    assert "img" not in Reader(shown).tags


def test_notes_are_text() -> None:
    assert "img" not in Reader(run_status(run(notes=(NASTY,)))).tags


def test_checkpoints_come_with_their_reasons_the_latest_first() -> None:
    html = checkpoint_list([Event("checkpoint", 5, "every 5"), Event("note", 6), Event("checkpoint", 9, NASTY)])
    assert words(html).index("checkpoint-9") < words(html).index("checkpoint-5")
    assert "img" not in Reader(html).tags
    assert checkpoint_list([]) == ""


def test_samples_are_a_filmstrip_a_prompt_with_the_checkpoints_named() -> None:
    events = [Event("sample", n, "", {"prompt": p, "answer": f"{p}{n}"}) for n in (0, 10) for p in ("A", "B")]
    html = samples_view([*events, Event("checkpoint", 10, "by hand")])
    said = words(html)
    assert said.index("A0") < said.index("A10") < said.index("B0") < said.index("B10")
    assert html.count("<span>checkpoint</span>") == 2, "one in each film"


def test_an_answer_of_blanks_is_called_nothing() -> None:
    assert "nothing" in words(samples_view([Event("sample", 0, "", {"prompt": "A", "answer": " \n\n"})]))


def test_a_run_that_went_wrong_says_it_once_and_ends_its_sentence_once() -> None:
    there, noise = points([4.0, 4.0]), "The answers have become noise."
    ending = Ending("wrong", f"{noise} Lower the learning rate. (The run ended because all updates are done.)")
    html = run_status(
        run(history=StandInHistory(there), phase="ended", point=there[-1], ending=ending, warnings=(noise,))
    )
    assert words(html).count(noise) == 1 and "done.)" in words(html) and "done.)." not in words(html)
    assert 'data-tone="red"' in html


def test_of_very_many_samples_the_first_and_the_latest_stay() -> None:
    html = words(samples_view([Event("sample", n, "", {"prompt": "A", "answer": f"x{n}."}) for n in range(100)]))
    assert html.count("update") == MOST_ANSWERS - 1
    assert "x0." in html and "x99." in html and "x1." not in html


def test_samples_are_text() -> None:
    html = samples_view([Event("sample", 0, "", {"prompt": NASTY, "answer": NASTY})])
    assert "img" not in Reader(html).tags


def stopped(losses: list[float], **status: Any) -> str:
    there, ending = points(losses), Ending("interrupted", STOPPED_BY_YOU)
    last = there[-1] if losses else None
    return run_status(run(history=StandInHistory(there), phase="ended", point=last, ending=ending, **status))


def test_a_stop_by_hand_is_a_calm_end_that_says_how_far_it_was() -> None:
    plan = make_plan(40, 4, 1, 3.0)
    html = stopped([3.0, 2.5, 2.0, 1.5], plan=plan)
    assert "Stopped by you after 4 of 30 updates." in words(html) and "tp-i-alert" not in html
    first = words(stopped([3.0], plan=plan))
    assert "Stopped by you after 1 of 30 updates. It took" in first, "no sentence begins with a small letter"


def test_a_run_stopped_before_its_first_update_has_learned_nothing(tmp_path: Path) -> None:
    begun = run(history=StandInHistory(points([])), phase="ended", ending=Ending("interrupted", STOPPED_BY_YOU))
    begun.folder = tmp_path
    assert "nothing was learned" in words(run_status(begun)) and "is saved" not in words(run_status(begun))
    begun.history = StandInHistory(points([3.0, 2.5]))  # of the part before it continued
    assert "after 2 updates" in words(run_status(begun)) and "is saved" in words(run_status(begun))
    begun.history = None
    assert "before the training began" in words(run_status(begun))


def test_where_a_run_continued_is_said_until_it_ends() -> None:
    notes = (continued_from(Path("checkpoint-8")), "Another note.")
    assert "checkpoint-8" in words(run_status(run(phase="training", notes=notes)))
    shown = words(stopped([3.0, 2.5], notes=notes))
    assert "checkpoint-8" not in shown and "Another note." in shown
