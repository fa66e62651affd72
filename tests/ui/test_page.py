"""The page in a real browser, on the gradio of this environment."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from tests.ui.browser import PHONE
from tests.ui.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.slow]
COUNT_SENT = """() => {
  window.sent = 0;
  document.getElementById("tp-hand-live").addEventListener("click", () => { window.sent += 1; });
}"""


def test_one_click_trains_the_text_that_lies_there(desk: Desk) -> None:
    tab = desk.open()
    assert tab.typed("text-file") == "tales.txt" and tab.typed("name") == "tales"
    tab.until(lambda: "updates" in tab.words("your-run"), "the run to be")
    for part in ("start", "name", "your-run"):
        assert tab.part(part).bounding_box()["y"] < 900  # in the first screen
    tab.press("start")
    tab.until(lambda: tab.face() in ("run", "ended"), "the run")
    tab.until(lambda: tab.phase() == "ended", "the end")
    assert desk.server.run.settings.text_file == "tales.txt" and desk.server.run.settings.name == "tales"
    assert "tales is saved" in tab.words("status")


def test_a_first_run_from_nothing_to_a_lora_in_use(desk: Desk) -> None:
    tab = desk.open()
    tab.until(lambda: "tiny" in tab.words("host"), "the model")
    tab.type("name", "first")
    tab.until(lambda: tab.part("use-0").is_visible(), "a suggestion")
    tab.type("epochs", "2")
    tab.until(lambda: "was 3" in tab.words("epochs"), "the mark of a changed field")
    tab.press("start")
    tab.until(lambda: tab.phase() == "ended", "the end")
    assert tab.face() == "ended" and "first is saved" in tab.words("status")
    tab.until(lambda: tab.part("chart").locator("path.tp-line").count() > 2, "the chart")
    assert not tab.part("chart").is_visible()
    tab.page.locator('[data-do="details"]').click()
    tab.part("chart").locator(".tp-plot").hover()
    assert "smoothed" in tab.part("chart").locator(".tp-tip:visible").inner_text()
    tab.type("ask-prompt", "The lamp keeper")
    tab.press("ask-go")
    tab.until(lambda: tab.words("ask-answers").count(" tokens · ") == 2, "both answers")
    assert "base model" in tab.words("ask-answers") and "first" in tab.words("ask-answers")
    assert desk.server.session.host.loras_in_use() == []
    tab.press("put-on")
    tab.until(lambda: desk.server.session.host.loras_in_use() == ["first"], "the LoRA in use")
    tab.until(lambda: "with first" in tab.words("host"), "the line at the top")
    tab.new_run()
    tab.type("name", "second")
    tab.press("start")
    tab.until(lambda: "second is saved" in tab.words("status"), "a run that unloads the LoRA by itself")
    assert desk.server.session.host.loras_in_use() == []


def test_the_stop_loss_moves_though_the_page_that_started_is_closed(desk: Desk) -> None:
    first = desk.open()
    desk.start(first, "steered")
    first.close()
    second = desk.open()
    second.until(lambda: second.phase() == "training", "the running run")
    second.until(lambda: second.part("live-loss").locator("input[type=number]").is_enabled(), "live controls")
    second.type("live-loss", "9.5")
    second.until(lambda: desk.server.run.controls.values.stop_at_loss == 9.5, "the stop loss")
    second.close()
    status = desk.server.run.wait(120)
    assert status.ending is not None and status.ending.kind == "stopped"
    assert "stop loss 9.5" in status.ending.reason
    assert (status.folder / "adapter_model.safetensors").is_file()


def test_pause_checkpoint_reload_and_two_pages(desk: Desk) -> None:
    tab = desk.open()
    desk.start(tab, "watched")
    phone = desk.open(PHONE)
    phone.until(lambda: phone.phase() == "training", "the run on the phone")
    phone.press("pause")
    tab.until(lambda: tab.phase() == "paused", "the pause on the other page")
    held = desk.server.run.status.update
    tab.press("checkpoint")
    tab.until(lambda: "queued" in tab.words("checkpoint") or desk.server.run.status.checkpoints, "a queued checkpoint")
    tab.reload()
    tab.until(lambda: tab.phase() == "paused", "the run after a reload")
    assert desk.server.run.status.update <= held + 1
    phone.press("continue")
    tab.until(lambda: tab.phase() == "training", "the run going on")
    tab.until(lambda: len(desk.server.run.status.checkpoints) == 1, "the checkpoint")
    tab.until(lambda: "1 checkpoint saved" in tab.words("checkpoints"), "the checkpoint on the page")
    tab.until(lambda: tab.part("chart").locator(".tp-mark").count() >= 2, "the checkpoint's mark")
    tab.press("interrupt")
    phone.until(lambda: phone.phase() == "ended", "the end on the phone")
    tab.until(lambda: "topped by you after" in tab.words("status"), "the reason")


def test_a_second_start_is_refused_by_the_name_of_the_first(desk: Desk) -> None:
    tab = desk.open()
    desk.start(tab, "one")
    other = desk.open()
    other.until(lambda: other.face() == "run", "the run on the other page")
    other.page.locator('[data-do="prepare"]').click()
    other.type("name", "two")
    other.press("start")
    other.until(lambda: '"one"' in other.words("start-said"), "the refusal")
    tab.part("interrupt").click()
    tab.until(lambda: tab.phase() == "ended", "the end")
    assert desk.server.run.settings.name == "one"


def test_each_wrong_field_says_so_at_once_and_start_says_all_of_it(desk: Desk) -> None:
    tab = desk.open()
    tab.type("learning-rate", "fast")
    tab.type("epochs", "-1")
    wrong = tab.page.locator(".training-pro .tp-fault")
    tab.until(lambda: wrong.count() == 2, "both faults beside their fields")
    assert "Learning Rate" in tab.words("learning-rate") and "Epochs" in tab.words("epochs")
    tab.press("start")
    tab.until(lambda: "Learning Rate" in tab.words("start-said"), "the faults")
    assert "Epochs" in tab.words("start-said")
    tab.type("learning-rate", "1e-4")
    tab.type("epochs", "1")
    tab.type("name", "a.b")
    tab.until(lambda: "a.b" in tab.words("name"), "the bad name beside its field")
    tab.press("start")
    tab.until(lambda: "a.b" in tab.words("start-said"), "the bad name")
    assert desk.server.session.run is None


def test_a_taken_name_is_asked_about(desk: Desk) -> None:
    tab = desk.open()
    desk.start(tab, "again", epochs="1")
    tab.until(lambda: tab.phase() == "ended", "the end")
    tab.new_run()
    tab.press("start")
    tab.until(lambda: tab.part("ask-replace").is_visible(), "the question")
    tab.until(lambda: not tab.part("ask-continue").is_visible(), "no way to resume what is complete")
    tab.press("ask-cancel")
    tab.until(lambda: not tab.part("ask-replace").is_visible(), "the question gone")
    tab.press("start")
    tab.press("ask-on-top")
    tab.until(lambda: desk.server.run.begin.on_top, "a run on top of the first")
    tab.until(lambda: not desk.server.session.busy and tab.phase() == "ended", "its end")


def test_the_blocks_are_shown_as_text_and_are_found(desk: Desk) -> None:
    tab = desk.open()
    tab.until(lambda: "blocks" in tab.words("strip"), "the check")
    before = tab.words("strip")
    tab.type("max-tokens", "64")
    tab.until(lambda: tab.words("strip") != before, "the check of the change")
    tab.press("look")
    tab.until(lambda: "Block 1 of" in tab.words("block-shown"), "the first block")
    tab.type("search", "<script>alert(7)")
    tab.press("block-find")
    tab.until(lambda: "<script>alert(7)</script>" in tab.words("block-shown"), "the block")
    assert tab.part("block-shown").locator("script, b").count() == 0
    tab.until(lambda: tab.part("block-shown").locator(".tp-found").count() > 3, "what was found")
    tab.choose("block-kind", "overlap")
    tab.press("block-next")
    tab.until(lambda: "overlap" in tab.words("block-shown"), "an overlap")
    assert tab.part("block-shown").locator(".tp-border").count() > 0
    tab.until(lambda: "tp-p-rate" in tab.part("curve").inner_html(), "the schedule's curve")


def test_a_change_is_checked_by_itself(desk: Desk) -> None:
    tab = desk.open()
    tab.until(lambda: "updates" in tab.words("your-run"), "the run to be")
    before = tab.words("your-run")
    tab.type("epochs", "9")
    tab.until(lambda: tab.words("your-run") != before, "other numbers")


def test_the_form_is_kept_by_the_browser_and_all_settings_can_be_searched(desk: Desk) -> None:
    tab = desk.open()
    tab.type("rank", "7")
    tab.until(lambda: "was 32" in tab.words("rank"), "the change")
    tab.reload()
    tab.until(lambda: tab.typed("rank") == "7", "the form after a reload")
    tab.all_settings()
    tab.page.locator(".tp-search:not(.tp-run-search)").fill("neftune")
    tab.until(lambda: not tab.part("seed").is_visible(), "fewer settings")
    assert tab.part("neftune-noise-alpha").is_visible()


def test_a_text_that_is_put_into_the_folder_is_in_the_list_of_an_open_page(desk: Desk) -> None:
    tab = desk.open()
    (desk.server.session.host.folders.datasets / "late.txt").write_text("A late text. It is short.", encoding="utf-8")
    tab.until(lambda: "late.txt" in tab.offered("text-file"), "the text in the list")


def test_a_run_takes_the_place_of_the_form(desk: Desk) -> None:
    tab = desk.open(PHONE)
    tab.type("epochs", "2000")
    tab.page.locator(".tp-bottom-bar .tp-main").click()
    tab.until(lambda: tab.face() == "run", "the run")
    top = "document.querySelector('#tp-status').getBoundingClientRect().top"
    tab.until(lambda: 0 <= tab.page.evaluate(top) < PHONE["height"] / 2, "the run in the upper half")
    assert not tab.part("what-card").is_visible()


def test_a_list_that_is_opened_and_left_changes_nothing(desk: Desk) -> None:
    tab = desk.open()
    tab.type("name", "left")
    tab.all_settings()
    for name in ("eval-dataset", "chat-template"):
        tab.unfold(name).press("Escape")
        tab.part("host").click()
    tab.press("start")
    tab.until(lambda: tab.phase() == "ended", "the end")


LOOKS = "**/run/training_pro_live"


def test_a_server_that_is_away_is_told_of_and_one_that_is_back_is_followed(desk: Desk) -> None:
    tab = desk.open()
    desk.start(tab, "away")
    tab.page.route(LOOKS, lambda route: route.abort())
    away = "document.querySelector('.training-pro').dataset.away ?? ''"
    tab.until(lambda: "No answer from the server" in tab.page.evaluate(away), "the warning")
    tab.page.unroute(LOOKS)
    tab.until(lambda: tab.page.evaluate(away) == "", "no warning")
    desk.server.run.controls.pause()
    tab.until(lambda: tab.phase() == "paused", "the pause")
    tab.complaints[:] = [one for one in tab.complaints if "ERR_FAILED" not in one]  # the browser's, on what was aborted


def test_buttons_whose_change_was_lost_on_the_way_are_asked_for_again(desk: Desk) -> None:
    tab = desk.open()
    pull = pull_number(desk)
    asked: list[Any] = []

    def lose_the_first(route: Any) -> None:
        sent = route.request.post_data_json if route.request.method == "POST" else {}
        if sent.get("trigger_id") != pull:
            route.continue_()
            return
        asked.append(route)
        if len(asked) == 2:  # an aborted one would let gradio 6 load the whole page anew
            asked[0].fulfill(status=500, body="{}")
        if len(asked) > 1:
            route.continue_()

    desk.start(tab, "lost")
    tab.until(lambda: tab.part("pause").is_enabled(), "the buttons of a run")
    tab.page.route("**/*", lose_the_first)
    desk.server.run.controls.pause()
    tab.until(lambda: len(asked) > 1, "another pull while the first gets no answer")
    tab.until(lambda: tab.part("continue").is_visible(), "the buttons of a pause")
    desk.server.run.controls.resume()
    tab.until(lambda: tab.part("pause").is_visible(), "the buttons after it")
    tab.page.unroute("**/*")
    tab.complaints[:] = [one for one in tab.complaints if "500" not in one]  # the browser's own, on what was lost


def test_a_page_that_opens_asks_for_all_its_lists_and_buttons_at_once(desk: Desk) -> None:
    tab, pull = desk.open(), pull_number(desk)
    seen: list[str] = []
    due: list[str] = []

    def note(request: Any, what: str) -> None:
        sent = request.post_data_json if request.method == "POST" else {}
        if sent.get("trigger_id") == pull:
            seen.append(f"pull {what}")
            due.extend(sent["data"])
        seen.extend([f"a look {what}"] if request.url.endswith("training_pro_live") else [])

    tab.page.on("request", lambda request: note(request, "asked"))
    tab.page.on("requestfinished", lambda request: note(request, "answered"))
    tab.reload()
    tab.until(lambda: "pull answered" in seen, "the answer to the question")
    before = seen.index("pull answered")
    tab.until(lambda: seen[before:].count("a look answered") >= 3, "more looks, which find nothing new")
    assert "pull asked" not in seen[before:]
    assert {"buttons", "loras", "files"} <= set(json.loads(due[0])), "all at once"


def pull_number(desk: Desk) -> int:
    """Gradio's number of the hidden button that asks for what has changed."""
    blocks = desk.server.page.blocks.items()
    (number,) = [number for number, block in blocks if getattr(block, "elem_id", "") == "tp-pull"]
    return int(number)


def test_the_chart_goes_on_under_a_pointer_that_rests(desk: Desk) -> None:
    tab = desk.open()
    desk.start(tab, "rests")
    plot = tab.part("chart").locator(".tp-plot")
    tab.until(lambda: plot.count() == 1, "the chart")
    plot.hover()
    version = "document.querySelector('#tp-chart .tp-slot').dataset.drawn"
    before = tab.page.evaluate(version)
    tab.until(lambda: tab.page.evaluate(version) != before, "another chart")


def test_settings_go_out_and_come_in_again(desk: Desk) -> None:
    tab = desk.open()
    tab.page.locator("#tp-tiles label").first.click()
    tab.until(lambda: tab.typed("rank") == "16", "the tile's numbers")
    tab.page.locator('[data-do="menu"]').click()
    tab.press("command")
    tab.until(lambda: "training_pro train" in tab.typed("command-text"), "the command")
    tab.show_tab("Tools")
    tab.press("export")
    tab.until(lambda: '"rank": 16' in tab.typed("json"), "the settings")
    tab.type("json", '{"lora_rank": 300, "micro_batch_size": 2, "cutoff_len": 128}')
    tab.press("import")
    tab.until(lambda: "filled in" in tab.words("recipes-said"), "the import")
    tab.type("json", "{nonsense")
    tab.press("import")
    tab.until(lambda: "not valid JSON" in tab.words("recipes-said"), "the refusal")
    tab.show_tab("Train")
    tab.until(lambda: tab.typed("rank") == "300", "the rank that was imported")


def test_a_slider_is_sent_once_when_it_is_let_go(desk: Desk) -> None:
    tab = desk.open()
    desk.start(tab, "slid")
    tab.until(lambda: desk.server.run.status.update > 0, "the first update")
    desk.server.run.controls.pause()
    tab.until(lambda: tab.phase() == "paused" and tab.part("continue").is_visible(), "the pause")
    slider = tab.part("live-loss").locator("input[type=range]")
    tab.until(slider.is_enabled, "the live controls")
    tab.page.evaluate(COUNT_SENT)
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    tab.page.mouse.move(box["x"] + 10, middle)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + box["width"] / 2, middle, steps=10)
    assert tab.page.evaluate("window.sent") == 0 and desk.server.run.controls.values.stop_at_loss == 0
    tab.page.mouse.up()
    tab.until(lambda: desk.server.run.controls.values.stop_at_loss > 3, "the stop loss")
    assert tab.page.evaluate("window.sent") == 1
    wanted = desk.server.run.controls.values.stop_at_loss
    tab.until(lambda: float(slider.input_value()) == wanted, "the slider where it was let go")
    number = tab.part("live-loss").locator("input[type=number]")
    number.fill("99")  # would end the run, were it taken for the end of the slider
    number.evaluate("(field, value) => { field.value = value; }", wanted)  # as an answer that was under way fills it
    number.press("Enter")
    tab.until(lambda: "99" in tab.words("live-refused"), "the refusal")
    tab.until(lambda: float(number.input_value()) == wanted, "the value that counts")
    number.select_text()
    number.press_sequentially("1,5")
    number.press("Enter")
    tab.until(lambda: desk.server.run.controls.values.stop_at_loss == 1.5, "a half after a comma")
    assert desk.server.run.status.running
    tab.page.evaluate("document.getElementById('tp-interrupt').disabled = true")  # as of a run that has just begun
    tab.page.locator(".tp-run-line [data-press=tp-interrupt]").click()
    tab.page.evaluate("document.getElementById('tp-interrupt').disabled = false")
    tab.until(lambda: desk.server.run.controls.interrupt_reason, "the wish to stop")


def test_while_a_check_takes_its_time_the_page_says_so_and_what_start_said_before_is_gone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab, session, go_on = desk.open(), desk.server.session, threading.Event()
    tab.until(lambda: "Ready" in tab.words("your-run"), "the first check")
    tab.type("name", "a.b")
    tab.press("start")
    tab.until(lambda: "has a dot" in tab.words("start-said"), "the refusal")
    check = session.check
    monkeypatch.setattr(session, "check", lambda *given: go_on.wait(600) and check(*given))
    tab.type("name", "named")
    checking = "document.querySelector('.training-pro').dataset.checking !== undefined"
    tab.until(lambda: tab.page.evaluate(checking), "the word for it")
    tab.until(lambda: not tab.part("start-said").is_visible(), "what Start said to go")
    go_on.set()
    tab.until(lambda: not tab.page.evaluate(checking) and "Ready" in tab.words("your-run"), "the check")


def test_a_change_ends_the_check_that_runs_and_is_checked_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tab, session, begun = desk.open(), desk.server.session, threading.Event()
    tab.until(lambda: "Ready" in tab.words("your-run"), "the first check")
    check = session.check

    def endless(settings: Any, progress: Any) -> Any:
        begun.set()
        while settings.name == "endless":
            progress(0, 1, "")
            time.sleep(0.01)
        return check(settings, progress)

    monkeypatch.setattr(session, "check", endless)
    tab.type("name", "endless")
    tab.until(begun.is_set, "the check")
    tab.type("rank", "7")
    tab.type("name", "quick")
    tab.until(lambda: "was 32" in tab.words("rank"), "the next check")


def test_a_check_that_gets_lost_holds_no_other_one_back(desk: Desk) -> None:
    tab = desk.open()
    tab.until(lambda: "Ready" in tab.words("your-run"), "the first check")
    asked: list[Any] = []

    def lose_the_first(route: Any) -> None:
        asked.append(route)
        if len(asked) > 1:
            route.continue_()

    tab.page.route("**/queue/join*", lose_the_first)
    tab.type("rank", "7")
    tab.until(lambda: asked, "the check that gets lost")
    tab.type("epochs", "5")
    tab.until(lambda: "was 32" in tab.words("rank") and "was 3" in tab.words("epochs"), "the next check", 240)


def test_what_start_says_stays_though_the_click_on_it_left_a_field(desk: Desk) -> None:
    tab = desk.open()
    tab.part("name").locator("input, textarea").first.fill("a.b")
    tab.press("start")
    tab.until(lambda: "has a dot" in tab.words("start-said"), "the refusal")
    tab.until(lambda: "a.b" in tab.words("name"), "the check of the field, half a second later")
    assert tab.part("start-said").is_visible() and "has a dot" in tab.words("start-said")


def test_a_press_counts_though_what_is_shown_changes_before_it_is_let_go(desk: Desk) -> None:
    tab = desk.open()
    desk.start(tab, "pressed")
    tab.until(lambda: desk.server.run.status.update > 0 and tab.part("interrupt").is_enabled(), "the first update")
    stop = tab.page.locator(".tp-run-line [data-press=tp-interrupt]")
    stop.hover()
    tab.page.mouse.down()
    shown = "document.querySelector('#tp-status .tp-slot').dataset.version"
    before = tab.page.evaluate(shown)
    tab.until(lambda: tab.page.evaluate(shown) != before, "another status")
    tab.page.mouse.up()
    tab.until(lambda: desk.server.run.controls.interrupt_reason, "the wish to stop")


def test_a_file_that_is_gone_at_start_is_said_with_the_way_out_and_the_run_is_not_ready(desk: Desk) -> None:
    tab, text = desk.open(), desk.server.session.host.folders.datasets / "tales.txt"
    tab.until(lambda: "Ready" in tab.words("your-run"), "the first check")
    text.unlink()
    tab.press("start")
    tab.until(lambda: "Choose another file or upload it again." in tab.words("start-said"), "the refusal")
    tab.until(lambda: "Not ready" in tab.words("your-run"), "a new check")
    assert tab.part("start-said").is_visible() and "upload it again" in tab.words("strip")


def test_alpha_follows_the_rank_until_the_chain_is_pressed(desk: Desk) -> None:
    tab = desk.open()
    tab.type("rank", "8")
    assert tab.typed("alpha") == "auto" and tab.part("alpha").get_attribute("data-means") == "= 16"
    chain = tab.page.get_by_role("button", name="LoRA Alpha follows the rank")
    chain.click()
    tab.until(lambda: tab.typed("alpha") == "16" and chain.get_attribute("aria-pressed") == "false", "alpha set free")
    tab.until(lambda: "was auto" in tab.words("alpha"), "the check of it")
    chain.click()
    tab.until(lambda: tab.typed("alpha") == "auto", "alpha tied again")
    tab.type("batch-size", "3")
    tab.type("gradient-accumulation-steps", "2")
    assert "3 × 2 = 6 blocks per update" in tab.words("gradient-accumulation-steps")


def test_speed_is_measured_before_a_run_and_the_time_is_no_guess_then(desk: Desk) -> None:
    tab = desk.open()
    tab.until(lambda: "guessed" in tab.words("your-run"), "the guess")
    tab.page.get_by_role("button", name="Measure speed").click()
    tab.until(lambda: "Takes about" in tab.words("your-run"), "the time")
    assert "trial" in tab.words("speed-said") and desk.server.session.run is None


def test_a_preset_of_ones_own_becomes_a_tile(desk: Desk) -> None:
    tab = desk.open()
    tab.type("rank", "24")
    tab.page.locator('[data-do="presets"]').click()
    tab.type("preset-name", "Mine")
    tab.press("keep-preset")
    mine = tab.page.locator("#tp-tiles label", has_text="Mine")
    tab.until(lambda: mine.count() == 1, "its tile")
    tab.page.locator("#tp-tiles label").first.click()
    tab.until(lambda: tab.typed("rank") == "16", "the numbers of another tile")
    kept = "JSON.parse(localStorage.getItem('training-pro-form')).rank"
    tab.until(lambda: tab.page.evaluate(kept) == 16, "the check of them, which keeps the form")
    tab.reload()
    tab.until(lambda: mine.count() == 1 and tab.typed("rank") == "16", "its tile and the form after a reload")
    mine.click()
    tab.until(lambda: tab.typed("rank") == "24", "its numbers")
