"""A page that is loaded again, also from a server that was started again: the run and the form are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.browser import PHONE
from tests.ui.desk import LONG, Desk
from tests.ui.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_phone_that_is_loaded_again_in_a_run_sets_the_stop_loss(desk: Desk) -> None:
    phone = desk.open(PHONE)
    phone.type("epochs", LONG)
    phone.page.locator(".tp-bottom-bar .tp-main").click()
    phone.until(lambda: phone.phase() == "training", "the run")
    phone.reload()
    phone.until(lambda: phone.face() == "run" and phone.phase() == "training", "the run after a reload")
    field = phone.part("live-loss").locator("input[type=number]")
    phone.until(field.is_enabled, "the live controls")
    box, wide = field.bounding_box(), PHONE["width"]
    assert box["x"] >= 0 and box["x"] + box["width"] <= wide and box["height"] >= 28
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= wide
    phone.type("live-loss", "9.5")
    status = desk.server.run.wait(120)
    assert status.ending is not None and "stop loss 9.5" in status.ending.reason


def test_the_stop_line_of_the_chart_sets_the_runs_stop_loss(desk: Desk) -> None:
    tab = desk.open()
    desk.start(tab, "dragged")
    tab.until(lambda: tab.page.locator(".tp-level.tp-movable").count(), "the line that can be moved")
    tab.until(lambda: desk.server.run.status.update > 5, "some updates")
    desk.server.run.controls.pause()  # so that the loss does not reach the line first
    tab.until(lambda: tab.phase() == "paused" and tab.part("continue").is_visible(), "the pause")
    tab.page.locator("#tp-chart .tp-level span").hover(position={"x": 20, "y": 10})
    tab.page.mouse.down()
    plot, grip = (tab.page.locator(f"#tp-chart {part}").bounding_box() for part in (".tp-hits", ".tp-level span"))
    tab.page.mouse.move(grip["x"] + 20, plot["y"] + plot["height"] - 30, steps=5)
    assert desk.server.run.controls.values.stop_at_loss == 0
    tab.page.mouse.up()
    tab.until(lambda: desk.server.run.controls.values.stop_at_loss > 0, "the stop loss")
    wanted = desk.server.run.controls.values.stop_at_loss
    number = tab.part("live-loss").locator("input[type=number]")
    tab.until(lambda: number.input_value() == f"{wanted:g}", "the same in its field")
    assert desk.server.run.status.running
    tab.page.locator("#tp-chart .tp-level").focus()
    tab.page.keyboard.press("ArrowUp")
    tab.until(lambda: desk.server.run.controls.values.stop_at_loss == pytest.approx(wanted + 0.01), "the keys")


def test_a_run_of_its_own_process_outlives_a_restart_of_the_server_and_the_form_does_too(
    desk: Desk, tiny_folder: Path
) -> None:
    first = desk.server
    folders, port = first.session.host.folders, first.page.server_port
    tab = desk.open()
    tab.type("rank", "7")
    tab.type("epochs", LONG)
    tab.type("name", "outlives")
    tab.until(lambda: "was 32" in tab.words("rank"), "the check, which keeps the form")
    tab.page.locator('[data-do="menu"]').click()
    tab.part("where").get_by_text("In a process of its own").click()
    tab.press("start")
    tab.until(lambda: tab.phase() == "training", "the run in its process", 300)
    first.page.close(verbose=False)
    second = Server(folders, tiny_folder, port=port)
    try:
        tab.page.goto(second.url)
        tab.until(lambda: tab.face() == "run" and tab.phase() == "training", "the run on the new server's page")
        seen = second.run.status.update
        tab.until(lambda: second.run.status.update > seen, "further updates")
        assert first.run.status.running
        tab.until(lambda: tab.part("interrupt").is_enabled(), "the buttons")
        tab.press("interrupt")
        tab.until(lambda: tab.phase() == "ended", "the end")
        tab.new_run()
        tab.until(lambda: tab.typed("rank") == "7", "the form")
    finally:
        tab.close()  # before its server is
        second.close()
    tab.complaints.clear()  # the browser's own, on the server that was away
