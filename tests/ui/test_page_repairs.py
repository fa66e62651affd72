"""Data that is mended where it is chosen, in a real browser."""

from __future__ import annotations

import json

import pytest

from tests.data.test_repairs import LOG, WRAPPED
from tests.ui.browser import DESKTOP, PHONE, Tab
from tests.ui.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ROWS = [{"Kysymys": f"What is lamp {n} for?", "Vastaus": f"It lights room {n}.", "Nr": n} for n in range(12)]


def use(tab: Tab, words: str) -> None:
    """Press the button of the remark that offers this."""
    tab.page.locator(".tp-remark-row button", has_text=words).first.click()


def test_hard_wrapped_lines_are_joined_and_another_encoding_is_converted_with_one_click(desk: Desk) -> None:
    folder = desk.server.session.host.folders.datasets
    (folder / "wrapped.txt").write_text(WRAPPED, encoding="utf-8")
    (folder / "letters.txt").write_bytes("Über den Fluß gingen sie früh. ".encode("cp1252") * 60)
    (folder / "old.txt").write_bytes("Vene oli jäässä. Yö oli ollut kylmä. ".encode("mac_roman") * 60)
    tab = desk.open()
    tab.choose("text-file", "wrapped.txt")
    tab.until(lambda: tab.page.locator(".tp-remark-row button", has_text="Join lines").count(), "the offer")
    use(tab, "Join lines")
    tab.until(lambda: tab.typed("text-file") == "wrapped_unwrapped.txt", "the new text")
    tab.until(lambda: "wrapped.txt stays" in tab.words("mended"), "what was done")
    assert (folder / "wrapped.txt").exists()
    tab.until(lambda: not tab.page.locator(".tp-remark-row button", has_text="Join lines").count(), "the new check")
    tab.choose("text-file", "letters.txt")
    tab.until(lambda: "1252" in tab.words("remark-0"), "the fault")
    use(tab, "Convert")
    tab.until(lambda: tab.typed("text-file") == "letters_utf8.txt", "the converted text")
    tab.until(lambda: "blocks" in tab.words("strip"), "its check")
    tab.choose("text-file", "old.txt")
    tab.until(lambda: "old.txt is not UTF-8" in tab.words("remark-0"), "the fault")
    tab.page.locator(".tp-remark-row", has_text="As Mac Roman").get_by_role("button").click()
    tab.until(lambda: tab.typed("text-file") == "old_utf8.txt", "the text in the other encoding")
    assert (folder / "old_utf8.txt").read_text(encoding="utf-8").startswith("Vene oli jäässä.")


def test_columns_are_chosen_from_their_samples_and_kept(desk: Desk) -> None:
    folders = desk.server.session.host.folders
    (folders.datasets / "faq.jsonl").write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    tab = desk.open()
    tab.part("kind").get_by_text("Chats and instructions").click()
    tab.choose("dataset", "faq.jsonl")
    tab.until(lambda: tab.part("columns-editor").is_visible(), "the columns")
    assert "What is lamp 0" in tab.words("column-0") and "Nr" in tab.words("column-2")
    tab.part("column-role-0").select_option(label="Prompt")
    tab.part("column-role-1").select_option(label="Answer")
    tab.press("columns-use")
    tab.until(lambda: "12 rows" in tab.words("strip"), "the check with these columns")
    tab.press("columns-keep")
    tab.until(lambda: tab.typed("format") == "faq", "the format")
    tab.until(lambda: "12 rows" in tab.words("strip"), "the check with the format")
    kept = json.loads((folders.formats / "faq.json").read_text(encoding="utf-8"))
    assert kept == {"columns": "prompt=Kysymys,answer=Vastaus"}


def test_a_chat_log_becomes_chats_of_one_of_its_people(desk: Desk) -> None:
    (desk.server.session.host.folders.datasets / "chat.txt").write_text(LOG, encoding="utf-8")
    tab = desk.open()
    tab.choose("text-file", "chat.txt")
    tab.until(lambda: tab.part("log-chats").is_visible(), "the offer")
    tab.page.set_viewport_size(PHONE)
    assert tab.part("log-says").bounding_box()["width"] > PHONE["width"] / 2
    tab.page.set_viewport_size(DESKTOP)
    tab.choose("log-who", "Ann")
    tab.press("log-chats")
    tab.until(lambda: tab.typed("dataset") == "chat.jsonl", "the chats")
    tab.until(lambda: "rows" in tab.words("strip") and not tab.part("log-chats").is_visible(), "their check")
