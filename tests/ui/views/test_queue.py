from __future__ import annotations

from pathlib import Path

from tests.ui.made import NASTY
from tests.ui.views.test_markup import Reader
from training_pro.queue.entry import Entry
from training_pro.queue.run_queue import QueueView
from training_pro.settings import Settings
from training_pro.ui.views.queue import AGAIN, DOWN, REMOVE, UP, experiment_view, queue_table

ACTS = (UP, DOWN, AGAIN, REMOVE)


def entry(name: str, state: str = "waiting", **more: object) -> Entry:
    return Entry(Settings(name=name), state=state, **more)


def test_an_empty_queue_says_how_to_fill_it() -> None:
    assert "Add to the queue" in queue_table(QueueView(fault="It is odd."))
    assert "It is odd." in queue_table(QueueView(fault="It is odd."))


def test_each_run_with_its_outcome() -> None:
    ended = entry("red", "failed", reason="The text is gone.", updates=3, total_updates=9, last_loss=1.25)
    html = queue_table(QueueView((ended, entry("blue", "running"), entry("green"))), 40)
    for words in ("The text is gone.", "3 / 9", "1.250", "running, 40 %", "1 run waits."):
        assert words in html
    assert html.count("<tr>") == 4


def test_a_line_has_the_buttons_that_fit_it() -> None:
    lines = [entry("a"), entry("b", "running"), entry("c", "failed"), entry("d", "finished")]
    acts = [[f'"{act} {one.key}"' in queue_table(QueueView(tuple(lines))) for act in ACTS] for one in lines]
    assert acts == [[True, True, False, True], [False] * 4, [False, False, True, True], [False, False, False, True]]
    assert "data-act" not in queue_table(QueueView(tuple(lines)), editable=False)


def test_the_headline_tells_what_the_queue_does() -> None:
    runs = (entry("red"), entry("blue"))
    assert "The queue is running; 2 runs wait." in queue_table(QueueView(runs, going=True))
    assert "ends after the current run; 2 runs wait." in queue_table(QueueView(runs, going=True, stopping=True))
    assert "Nothing waits." in queue_table(QueueView((entry("red", "finished"),)))


def test_an_experiment_names_what_it_cannot_read(tmp_path: Path) -> None:
    assert "There is no LoRA" in experiment_view("study", [tmp_path / "gone"])


def test_nothing_from_outside_becomes_markup() -> None:
    nasty = entry(NASTY, "failed", reason=NASTY, experiment=NASTY)
    assert "img" not in Reader(queue_table(QueueView((nasty,), fault=NASTY))).tags
    assert "img" not in Reader(experiment_view(NASTY, [])).tags
