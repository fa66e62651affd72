"""axe looks at the tab in each of its states, light and dark: nothing serious or critical."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.ui.browser import DESKTOP, PHONE, Tab
from tests.ui.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.slow]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
GRAVE = ("serious", "critical")
# While a check takes its time, what it is about to replace is dimmed. It begins half a second after a change.
CHECKED = """() => new Promise((done) => {
  const free = () => !("checking" in document.querySelector(".training-pro").dataset), before = free();
  setTimeout(() => done(before && free()), 1500);
})"""


def violations(tab: Tab) -> list[str]:
    """What axe finds in what is shown of the tab: rule, how many, the first one."""
    options: dict[str, Any] = {"runOnly": {"type": "tag", "values": RULES}}
    found = Axe().run(tab.page, context=".training-pro", options=options).response["violations"]
    return [
        f"{one['id']} ({one['impact']}, {len(one['nodes'])}): {one['nodes'][0]['html'][:200]} "
        f"{one['nodes'][0].get('failureSummary', '')[:200]}"
        for one in found
        if one["impact"] in GRAVE
    ]


def grave(tab: Tab) -> dict[str, list[str]]:
    """What axe finds in the light and in the dark; colours change at once for it."""
    tab.page.add_style_tag(content="* { transition: none !important; }")
    tab.until(lambda: tab.page.evaluate(CHECKED), "the end of the check")
    found = {}
    for theme in ("light", "dark"):
        tab.page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
        found[theme] = violations(tab)
    tab.page.evaluate("document.body.classList.remove('dark')")
    return found


SOUND: dict[str, list[str]] = {"light": [], "dark": []}


def test_nothing_grave_before_a_run_and_on_the_other_tabs(desk: Desk) -> None:
    tab = desk.open()
    tab.until(lambda: "updates" in tab.words("your-run"), "the run to be")
    tab.type("epochs", "-1")
    tab.until(lambda: tab.page.locator(".tp-fault").count(), "a wrong field")
    tab.all_settings()
    tab.page.locator('[data-do="menu"]').click()
    assert grave(tab) == SOUND
    tab.type("epochs", "1")
    tab.until(lambda: not tab.page.locator(".tp-fault").count(), "no wrong field")
    tab.press("look")
    tab.until(lambda: "Block 1 of" in tab.words("block-shown"), "the first block")
    assert grave(tab) == SOUND
    for name in ("Runs", "Tools"):
        tab.show_tab(name)
        assert grave(tab) == SOUND, name


def test_nothing_grave_while_a_run_trains_and_when_it_has_ended(desk: Desk) -> None:
    tab = desk.open(PHONE)
    tab.type("sample-prompts", "The lamp")
    tab.type("name", "seen")
    tab.type("epochs", "2000")
    tab.page.locator(".tp-bottom-bar .tp-main").click()
    tab.until(lambda: tab.page.locator(".tp-level.tp-movable").count(), "the chart")
    assert grave(tab) == SOUND
    tab.page.set_viewport_size(DESKTOP)
    assert grave(tab) == SOUND
    tab.press("interrupt")
    tab.until(lambda: tab.phase() == "ended", "the end")
    assert grave(tab) == SOUND
    tab.page.set_viewport_size(PHONE)
    assert grave(tab) == SOUND
