"""The page of all settings is the one the code gives, and leaves none out."""

from __future__ import annotations

from pathlib import Path

from training_pro.cli.settings import GROUPS, settings_table
from training_pro.settings import SPECS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def test_the_page_is_up_to_date() -> None:
    written = PAGE.read_text(encoding="utf-8").splitlines()
    assert written == list(settings_table()), "run: python -m training_pro settings > docs/settings.md"


def test_every_setting_is_on_it() -> None:
    text = "\n".join(settings_table())
    assert [name for name in SPECS if f"| `{name}` |" not in text] == []
    assert {spec.group for spec in SPECS.values()} == set(GROUPS)
