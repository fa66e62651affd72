"""In a real browser, with LoRAs that lie there: the list of runs, asking, exporting, and the LoRA tools."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import save_tiny_lora
from tests.ui.browser import DESKTOP, PHONE, Tab
from tests.ui.desk import Desk
from training_pro.errors import RunError
from training_pro.export import gguf_lora
from training_pro.folders import Folders
from training_pro.progress import OfBytes, Progress
from training_pro.record.history import HISTORY_FILE, Event, History
from training_pro.record.points import Point
from training_pro.record.runs import SETTINGS_FILE, read_notes
from training_pro.record.state import starting_state, write_state
from training_pro.record.votes import read_votes
from training_pro.settings import Settings, to_json
from training_pro.ui.panels import runs

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TOP = "document.getElementById('tp-runs-table').getBoundingClientRect().top + window.scrollY"


def make_run(folders: Folders, model: Path, name: str, rank: int, started: str) -> Path:
    """A finished run with a LoRA, a checkpoint, a curve and two samples; nothing was trained."""
    folder = save_tiny_lora(model, folders.loras / name)
    shutil.copytree(folder, folder / "checkpoint-4")
    settings = Settings(name=name, text_file="tales.txt", rank=rank, sample_prompts="The lamp")
    (folder / SETTINGS_FILE).write_text(to_json(settings), encoding="utf-8")
    state = starting_state(8, "tiny", "", "").ended("finished", "all updates are done")
    write_state(folder, state.changed(started=started, update=8))
    history = History.open(folder / HISTORY_FILE)
    for update in range(1, 9):
        history.add(Point(update, update / 4, 4 - update / 10, 4 - update / 10, 1e-4, 1.0, 900.0, float(update), 50.0))
        if update in (4, 8):
            history.add_event(Event("sample", update, "", {"prompt": "The lamp", "answer": f"{name} says {update}"}))
    history.add_event(Event("checkpoint", 4, "every 4 updates"))
    history.close()
    return folder


@pytest.fixture
def loras(folders: Folders, tiny_folder: Path) -> Folders:
    make_run(folders, tiny_folder, "red", 8, "2026-01-01T10:00:00+00:00")
    make_run(folders, tiny_folder, "blue", 16, "2026-01-02T10:00:00+00:00")
    return folders


def listed(tab: Tab) -> list[str]:
    rows = "[...document.querySelectorAll('.tp-runs tr[data-run]')].filter(r => !r.hidden).map(r => r.dataset.run)"
    return list(tab.page.evaluate(rows))


def row(tab: Tab, name: str) -> Any:
    return tab.page.locator(f'.tp-runs tr[data-run="{name}"]')


def open_menu(tab: Tab, name: str, item: str, *, by_key: bool = False) -> Any:
    """`item` in the row's menu. It offers what the row could do when it opened, so it is opened anew until then."""
    dots, wanted = row(tab, name).locator(".tp-dots"), tab.page.get_by_role("menuitem", name=item, exact=True)

    def offered() -> bool:
        if by_key:
            dots.press("Enter")
        else:
            dots.click()
        if not wanted.count():
            tab.page.keyboard.press("Escape")
        return bool(wanted.count())

    tab.until(offered, f'"{item}" in the menu of {name}')
    return wanted


def choose_from_menu(tab: Tab, name: str, item: str) -> None:
    open_menu(tab, name, item).click()


def compare(tab: Tab) -> None:
    """Press *Compare* in the LoRA tools, once the answer to the choice, which moves it, is there."""
    tab.part("lora-tool").get_by_text("Compare").click()
    tab.until(lambda: tab.words("lora-tool-go").strip() == "Compare", "the tool")
    tab.press("lora-tool-go")


def test_runs_are_opened_compared_noted_deleted_and_brought_back(loras: Folders, desk: Desk) -> None:
    tab = desk.open()
    tab.show_tab("Runs")
    tab.until(lambda: listed(tab) == ["blue", "red"], "the list, the newest first")
    row(tab, "red").locator(".tp-open").click()
    tab.until(lambda: "red says 8" in tab.words("runs-shown"), "the run in full")
    tab.type("notes", "Better. #good")
    top = tab.page.evaluate(TOP)
    tab.press("keep-notes")
    tab.until(lambda: "#good" in tab.words("runs-table"), "the tag in the list")
    assert tab.page.evaluate(TOP) == top, "the list has moved"
    said = tab.part("runs-said").bounding_box()
    assert "saved" in tab.words("runs-said") and said["y"] > 0 and said["y"] + said["height"] < DESKTOP["height"]
    assert read_notes(loras.loras / "red") == "Better. #good"
    tab.page.locator(".tp-run-search").fill("#good")
    assert listed(tab) == ["red"]
    tab.page.locator(".tp-run-search").fill("")
    for name in ("red", "blue"):
        row(tab, name).locator(".tp-tick").click()
    tab.until(lambda: "LoRA Rank" in tab.words("runs-shown"), "the comparison")
    assert tab.part("runs-shown").locator("path.tp-c1").count() == 1
    assert "Learning Rate" not in tab.words("runs-shown")
    tab.until(lambda: not tab.part("notes").is_visible(), "no notes: they are one run's")
    tab.page.set_viewport_size(PHONE)
    assert tab.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    tab.page.set_viewport_size(DESKTOP)
    tab.part("runs-over").get_by_text("Over epochs").click()
    tab.until(lambda: "epoch" in tab.words("runs-shown"), "the curves over epochs")
    row(tab, "red").locator(".tp-open").click()
    tab.until(lambda: "red says 8" in tab.words("runs-shown"), "one of them in full")
    ticks = tab.page.locator('.tp-runs .tp-tick[aria-checked="true"]')
    assert ticks.count() == 2 and row(tab, "red").get_attribute("aria-current") == "true"
    tab.page.get_by_role("button", name="Compare", exact=True).click()
    tab.until(lambda: "LoRA Rank" in tab.words("runs-shown"), "the comparison again")
    tab.page.get_by_role("button", name="Untick", exact=True).click()
    tab.until(lambda: "red says 8" in tab.words("runs-shown"), "what was opened before")
    assert ticks.count() == 0
    tab.part("runs-order").get_by_text("By name").click()
    open_menu(tab, "blue", "Open", by_key=True)
    tab.page.keyboard.press("ArrowUp")
    assert tab.page.evaluate("document.activeElement.textContent") == "Delete"
    tab.page.keyboard.press("Enter")
    tab.until(lambda: listed(tab) == ["red"], "the deletion")
    tab.press("undo-delete")
    tab.until(lambda: listed(tab) == ["blue", "red"], "the run back")
    choose_from_menu(tab, "red", "Use these settings")
    tab.until(lambda: tab.typed("rank") == "8", "its settings under Train")
    tab.show_tab("Runs")
    choose_from_menu(tab, "red", "Measure perplexity")
    tab.until(lambda: tab.typed("perplexity-text") == "tales.txt", "what to measure")


def test_an_open_list_is_not_filled_again_until_it_is_closed(loras: Folders, tiny_folder: Path, desk: Desk) -> None:
    tab = desk.open()
    stays_open(tab, "text-file", "files", lambda: (loras.datasets / "late.txt").touch())
    tab.until(lambda: "late.txt" in tab.offered("text-file"), "the text in the list")
    tab.show_tab("Runs")
    choose_from_menu(tab, "red", "Ask it")
    tab.part("runs-ask-who").wait_for()
    stays_open(tab, "runs-ask-who", "loras", lambda: save_tiny_lora(tiny_folder, loras.loras / "green"))
    tab.until(lambda: "green" in str(tab.offered("runs-ask-who")), "the LoRA in the list")


def stays_open(tab: Tab, name: str, pulled: str, change: Callable[[], object]) -> None:
    """`change` makes the list `name` another, which the page hears of while it is open."""
    field, options = tab.part(name).locator("input").first, tab.page.get_by_role("option")

    def opened() -> bool:
        """No answer to an earlier question is on its way."""
        tab.unfold(name)
        versions(tab)
        versions(tab)
        return bool(options.count())

    tab.until(opened, f"{name}, open")
    before, offered = versions(tab)[pulled], options.all_inner_texts()
    change()
    tab.until(lambda: versions(tab)[pulled] != before, "a look that tells of the change")
    versions(tab)
    assert offered and options.all_inner_texts() == offered
    field.blur()


def versions(tab: Tab) -> dict[str, str]:
    """What the server's next answer to the page says of its lists."""
    with tab.page.expect_response("**/run/training_pro_live") as answered:
        pass
    return dict(json.loads(answered.value.json()["data"][0])["pulled"])


def test_a_comparison_ends_when_one_of_two_is_deleted_elsewhere(loras: Folders, desk: Desk) -> None:
    tab = desk.open()
    tab.show_tab("Runs")
    tab.until(lambda: listed(tab) == ["blue", "red"], "the list")
    for name in ("red", "blue"):
        row(tab, name).locator(".tp-tick").click()
    tab.until(lambda: "LoRA Rank" in tab.words("runs-shown"), "the comparison")
    shutil.rmtree(loras.loras / "blue")
    tab.until(lambda: listed(tab) == ["red"], "the list without it")
    tab.until(lambda: not tab.part("runs-shown").is_visible(), "no comparison")
    assert "1 ticked; tick another to compare" in tab.page.locator(".tp-ticked").inner_text()


def test_a_touch_screen_is_not_told_of_enter_and_shift(loras: Folders, desk: Desk) -> None:
    tab = desk.open()
    tab.show_tab("Runs")
    choose_from_menu(tab, "red", "Ask it")
    prompt = tab.part("runs-ask-prompt").locator("textarea")
    shown = "(field) => getComputedStyle(field, '::placeholder').color !== 'rgba(0, 0, 0, 0)'"
    assert "Enter asks" in prompt.get_attribute("placeholder") and prompt.evaluate(shown)
    tab.page.context.new_cdp_session(tab.page).send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    assert tab.page.evaluate("matchMedia('(pointer: coarse)').matches") and not prompt.evaluate(shown)


def test_asked_blind_exported_and_combined(loras: Folders, desk: Desk) -> None:
    tab = desk.open()
    tab.show_tab("Runs")
    tab.until(lambda: "red" in listed(tab), "the list")
    choose_from_menu(tab, "red", "Ask it")
    tab.part("runs-ask-prompt").locator("textarea").wait_for()
    tab.type("runs-ask-strength", "0.5, 1")
    tab.type("runs-ask-prompt", "The lamp keeper")
    tab.part("runs-ask-prompt").locator("textarea").press("Enter")
    answers = tab.part("runs-ask-answers")
    tab.until(lambda: answers.inner_text().count(" tokens · ") == 3, "three answers")
    assert "red × 0.5" in answers.inner_text()
    tab.part("runs-ask-blind").locator("input").check()
    tab.press("runs-ask-go")
    tab.until(lambda: answers.get_by_text("C is best").count() == 1, "three answers to vote on")
    assert "red" not in answers.inner_text()
    answers.get_by_text("A is best").click()
    tab.until(lambda: "Counted" in answers.inner_text(), "the vote")
    answers.get_by_text("Reveal", exact=True).click()
    tab.until(lambda: "1 blind vote" in answers.inner_text(), "the count")
    (vote,) = read_votes(loras.loras / "red")
    assert vote.best in vote.voices and len(vote.voices) == 3
    tab.part("runs-ask-more").get_by_text("Length, temperature").click()
    tab.type("runs-ask-tokens", "4000")
    tab.press("runs-ask-go")
    answers.get_by_text("Cancel").click()
    tab.until(lambda: "cancelled" in answers.inner_text(), "the end of an answer")

    choose_from_menu(tab, "red", "Export")
    tab.part("export-go").wait_for()
    tab.until(lambda: tab.typed("export-which") == "red", "what to export")
    tab.press("export-go")
    tab.until(lambda: "red-lora-f32.gguf" in tab.words("export-result"), "the export")
    assert "ADAPTER ./red-lora-f32.gguf" in tab.words("export-result")
    assert (loras.loras / "red" / "red.Modelfile").is_file()
    tab.press("export-download")
    tab.until(lambda: "Modelfile" in tab.words("export-files"), "the files to download")
    tab.press("export-go")
    tab.until(lambda: "already exists" in tab.words("export-said"), "the refusal to replace it")
    tab.part("export-kind").get_by_text("Merged model").click()
    tab.until(lambda: "of memory" in tab.words("export-forecast"), "what merging takes")

    tab.part("lora-tool").get_by_text("Combine").click()
    for name in ("red", "blue"):
        tab.choose("lora-tool-which", name)
    tab.type("lora-tool-name", "violet")
    tab.press("lora-tool-go")
    tab.until(lambda: "rank 8" in tab.words("lora-tool-said"), "the LoRA of both")
    compare(tab)
    tab.until(lambda: "Cosine between both: 1.000" in tab.words("lora-tool-said"), "how alike they are")
    assert "layer 1" in tab.words("lora-tool-result")


def test_a_new_lora_in_a_list_of_several_leaves_what_is_chosen(loras: Folders, desk: Desk, tiny_folder: Path) -> None:
    tab = desk.open()
    tab.show_tab("Tools")
    tab.choose("lora-tool-which", "red")
    make_run(loras, tiny_folder, "violet", 8, "2026-01-03T10:00:00+00:00")
    tab.until(lambda: "violet" in tab.offered("lora-tool-which"), "the new one in the list")
    shown = tab.part("lora-tool-which").locator(".token")
    tab.until(lambda: [words.strip() for words in shown.all_inner_texts()] == ["red"], "what was chosen")
    tab.choose("lora-tool-which", "violet")
    tab.until(lambda: [words.strip() for words in shown.all_inner_texts()] == ["red", "violet"], "both")
    compare(tab)
    tab.until(lambda: "Cosine" in tab.words("lora-tool-said"), "the comparison")
    assert "red" in tab.words("lora-tool-result") and "violet" in tab.words("lora-tool-result")


def test_an_export_has_one_bar_inside_its_card(loras: Folders, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = threading.Event()

    def export(*_: object, progress: Progress, **__: object) -> None:
        while not seen.wait(0.3):
            progress(120 * 10**6, 269 * 10**6, OfBytes("saving sea"))
        raise RunError("That was all.")

    monkeypatch.setattr(gguf_lora, "export_gguf", export)
    tab = desk.open()
    tab.show_tab("Tools")
    tab.choose("export-which", "red")
    tab.press("export-go")
    try:
        bars = tab.page.locator("#tp-export-lora-card .progress-level:visible")
        tab.until(lambda: bars.count() > 0 and "120 MB of 269 MB" in bars.first.inner_text(), "the bar")
        assert bars.count() == 1 and "steps" not in tab.words("export-lora-card")
        for part in (bars.first, tab.page.locator("#tp-export-lora-card .progress-text:visible").first):
            box, card = part.bounding_box(), tab.part("export-lora-card").bounding_box()
            assert card["y"] <= box["y"] and box["y"] + box["height"] <= card["y"] + card["height"]
    finally:
        seen.set()
    tab.until(lambda: "That was all." in tab.words("export-said"), "its end")


def test_a_run_is_trained_further_and_a_new_one_starts_from_it(desk: Desk) -> None:
    tab, session = desk.open(), desk.server.session
    desk.start(tab, "sea", epochs="0.2")
    tab.until(lambda: tab.phase() == "ended", "the end")
    first, before = session.run, session.run.status.total_updates
    tab.until(lambda: tab.part("after-further").is_visible(), "what to do next")
    tab.type("after-more-epochs", "0.2")
    told = tab.words("status")
    tab.press("after-further")
    tab.until(lambda: session.run is not first and session.run.status.ending, "the end of the new part")
    assert session.run.settings.name == "sea" and session.run.status.total_updates > before
    tab.until(lambda: tab.phase() == "ended" and tab.words("status") != told, "its end on the page")
    tab.show_tab("Runs")
    tab.until(lambda: "sea" in listed(tab), "the list")
    choose_from_menu(tab, "sea", "Train further")
    tab.part("runs-further").wait_for()
    tab.press("run-from")
    tab.until(lambda: tab.typed("name") == "sea-2", "a free name")
    tab.new_run()
    tab.all_settings()
    assert tab.typed("start-from") == "sea"


def test_each_choice_in_a_row_counts_and_the_keyboard_keeps_its_place_in_the_list(
    loras: Folders, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab, read, go_on = desk.open(), runs.read_run, threading.Event()
    tab.show_tab("Runs")
    tab.until(lambda: listed(tab) == ["blue", "red"], "the list")
    monkeypatch.setattr(runs, "read_run", lambda path: go_on.wait(600) and read(path))
    row(tab, "red").locator(".tp-open").click()
    open_menu(tab, "blue", "Delete", by_key=True).press("Enter")
    row(tab, "red").locator(".tp-open").click()
    tab.until(lambda: not (loras.loras / "blue").exists(), "the deletion")
    go_on.set()
    tab.until(lambda: listed(tab) == ["red"] and "red says 8" in tab.words("runs-shown"), "what is left, opened")
    row(tab, "red").locator(".tp-dots").focus()
    drawn_again = "() => { const around = document.querySelector('.tp-runs').parentElement; around.innerHTML += ''; }"
    tab.page.evaluate(drawn_again)
    tab.until(lambda: tab.page.evaluate("document.activeElement.ariaLabel") == "More for red", "the keyboard's place")


def test_a_rows_menu_stays_on_the_screen_and_the_arrow_of_a_list_beside_its_cross(loras: Folders, desk: Desk) -> None:
    tab = desk.open()
    tab.show_tab("Runs")
    tab.until(lambda: "red" in listed(tab), "the list")
    low = int(row(tab, "red").bounding_box()["y"]) + 80
    tab.page.set_viewport_size({"width": 1280, "height": max(low, 480)})
    row(tab, "red").locator(".tp-dots").click()
    last = tab.page.get_by_role("menuitem", name="Delete", exact=True)
    assert last.bounding_box()["y"] + last.bounding_box()["height"] <= max(low, 480)
    tab.page.set_viewport_size(DESKTOP)
    tab.page.get_by_role("menuitem", name="Ask it", exact=True).click()
    field = tab.part("runs-ask-who")
    field.locator(".icon-wrap").wait_for()
    cross, arrow = (field.locator(part).bounding_box() for part in (".remove-all", ".icon-wrap"))
    assert cross["x"] + cross["width"] <= arrow["x"] or arrow["x"] + arrow["width"] <= cross["x"]
    assert arrow["x"] + arrow["width"] <= field.bounding_box()["x"] + field.bounding_box()["width"]


def test_on_a_phone_the_list_and_a_rows_menu_are_there(loras: Folders, desk: Desk) -> None:
    tab = desk.open(PHONE)
    tab.show_tab("Runs")
    tab.until(lambda: "red" in listed(tab), "the list")
    choose_from_menu(tab, "red", "Open")
    tab.until(lambda: "red says 8" in tab.words("runs-shown"), "the run in full")
    wide = tab.page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide, "nothing pushes the page wider than the phone"
