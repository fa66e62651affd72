from __future__ import annotations

import pytest

from training_pro.errors import UserError
from training_pro.folders import Folders
from training_pro.settings import DEFAULTS, Settings, to_dict
from training_pro.ui.presets import PERSONAL, drop_preset, keep_preset, preset_names, preset_values

BUILT_IN = ["Defaults", "Style", "Knowledge", "Chat", "Long-form DEMENTOR"]


def test_those_that_come_along_are_good_settings(folders: Folders) -> None:
    assert preset_names(folders) == BUILT_IN
    for name in BUILT_IN:
        values = preset_values(name, folders)
        assert set(values) == set(DEFAULTS) - PERSONAL
        Settings(**values)


def test_a_preset_never_says_on_what_to_train(folders: Folders) -> None:
    keep_preset("mine", to_dict(Settings(name="x", text_file="secret.txt", rank=7)), folders)
    assert "secret" not in (folders.presets / "mine.json").read_text()
    values = preset_values("mine", folders)
    assert values["rank"] == 7 and "text_file" not in values and "name" not in values


def test_ones_own_are_listed_after_the_others_and_can_go(folders: Folders) -> None:
    keep_preset("b", {}, folders)
    keep_preset("a", {"rank": 3}, folders)
    assert preset_names(folders) == [*BUILT_IN, "a", "b"]
    drop_preset("a", folders)
    assert preset_names(folders) == [*BUILT_IN, "b"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 61, "Style", "a\nb"])
def test_names_that_can_not_be_kept(folders: Folders, name: str) -> None:
    with pytest.raises(UserError):
        keep_preset(name, {}, folders)
    with pytest.raises(UserError):
        drop_preset(name, folders)
    assert list(folders.presets.iterdir()) == []


def test_a_preset_that_is_not_there(folders: Folders) -> None:
    with pytest.raises(UserError, match="no preset"):
        preset_values("gone", folders)


def test_a_broken_preset_says_what_is_wrong(folders: Folders) -> None:
    (folders.presets / "mine.json").write_text('{"rank": "high"}')
    with pytest.raises(UserError, match="LoRA Rank"):
        preset_values("mine", folders)
