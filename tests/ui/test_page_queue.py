"""The queue and an experiment on the page, in a real browser."""

from __future__ import annotations

import pytest

from tests.ui.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_queue_of_three_with_one_failing_and_an_experiment(desk: Desk) -> None:
    folders = desk.server.session.host.folders
    (folders.datasets / "passing.txt").write_text("A short tale. It is gone soon.", encoding="utf-8")
    tab, queue = desk.open(), desk.server.session.queue
    tab.type("epochs", "0.1")
    tab.type("name", "")
    tab.page.locator('[data-do="menu"]').click()
    tab.press("queue-add")
    tab.until(lambda: "no name" in tab.words("queue-added"), "the refusal")
    for name, text in (("first", "tales.txt"), ("second", "passing.txt"), ("third", "tales.txt")):
        tab.type("name", name)
        tab.choose("text-file", text)
        tab.press("queue-add")
        tab.until(lambda name=name: f'"{name}" waits' in tab.words("queue-added"), "the run in the queue")
    tab.part("queue-add").dblclick()
    tab.until(lambda: "in the queue already" in tab.words("queue-added"), "the second click's answer")
    (folders.datasets / "passing.txt").unlink()
    other = desk.open()
    other.show_tab("Runs")
    other.until(lambda: "3 runs wait" in other.words("queue-table"), "the queue on another page")
    other.part("queue-start").dblclick()
    tab.show_tab("Runs")
    tab.until(lambda: queue.wait(0) and "Nothing waits" in tab.words("queue-table"), "the queue's end")
    states = [(entry.name, entry.state) for entry in queue.view().entries]
    assert states == [("first", "finished"), ("second", "failed"), ("third", "finished")]
    assert "passing.txt" in tab.words("queue-table")
    tab.open("Experiment: one setting")
    tab.type("experiment-values", "1,2")
    tab.press("experiment-add")
    tab.until(lambda: "2 runs of third-accumulation wait" in tab.words("queue-said"), "the experiment")
    tab.press("queue-start")
    tab.until(lambda: tab.part("queue-result").locator("path.tp-c1").count() == 1, "both curves")
    assert "Gradient Accumulation Steps" in tab.words("queue-result")
