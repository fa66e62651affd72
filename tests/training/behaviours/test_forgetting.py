"""The loss on a general text beside that of the run: when it is measured, what is said, what is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.behaviours.moments import Moments
from tests.training.tiny import TinyOwner, small_settings, train
from training_pro.errors import SettingsError
from training_pro.folders import Folders
from training_pro.record.history import HISTORY_FILE, read_history
from training_pro.record.series import GENERAL_TEXT, series_of
from training_pro.training.behaviours.forgetting import Forgetting
from training_pro.training.general_text import MOST_CHARACTERS, general_blocks, general_text


def watched(folder: Path, losses: dict[int, float], updates: int = 10, every: int = 4) -> tuple[Moments, list[str]]:
    """A run whose loss on the general text is this after each update; without the LoRA that of update 0."""
    said: list[str] = []
    moments = Moments(folder, updates=updates)

    def measure(without: bool) -> float:
        return losses[0 if without else moments.update]

    return moments.with_these(Forgetting(every, moments.history, measure, said.append)), said


def to_its_end(moments: Moments) -> Moments:
    moments.begin()
    for _ in range(moments.total_updates):
        moments.train(1.0)
    moments.end()
    return moments


def test_at_the_start_at_evaluations_and_at_the_end(tmp_path: Path) -> None:
    moments, said = watched(tmp_path, {0: 2.9, 4: 2.92, 8: 2.95, 10: 2.97})
    events = to_its_end(moments).history.events
    assert series_of(events) == {GENERAL_TEXT: [(0, 2.9), (4, 2.92), (8, 2.95), (10, 2.97)]}
    assert said == []


def test_a_large_rise_is_told_once_with_what_to_do(tmp_path: Path) -> None:
    moments, said = watched(tmp_path, {0: 2.9, 4: 3.3, 8: 3.9, 10: 4.4})
    to_its_end(moments)
    (sentence,) = said
    assert "3.30" in sentence and "2.90" in sentence and "10%" in sentence


def test_a_resumed_run_measures_from_its_own_start(tmp_path: Path) -> None:
    moments, _ = watched(tmp_path, {0: 2.9, 4: 2.95})
    moments.begin()
    for _ in range(4):
        moments.train(1.0)
    other, said = watched(tmp_path, {0: 9.9, 8: 3.2})
    other.behaviours.restore(json.loads(json.dumps(moments.behaviours.state())))
    other.begin(4)
    for _ in range(4):
        other.train(1.0)
    assert series_of(other.history.events) == {GENERAL_TEXT: [(8, 3.2)]} and "2.90" in said[0]


def test_a_real_run_keeps_the_series_and_learns_the_same(owner: TinyOwner) -> None:
    plain = train(owner, small_settings(name="plain"))
    status = train(owner, small_settings(name="seen", watch_forgetting=True, eval_steps=5))
    measured = series_of(read_history(status.folder / HISTORY_FILE).events)[GENERAL_TEXT]
    assert [update for update, _ in measured] == [0, 5, 10, 12]
    assert all(1 < loss < 10 for _, loss in measured)
    weights = "adapter_model.safetensors"
    assert (status.folder / weights).read_bytes() == (plain.folder / weights).read_bytes()


def test_the_shipped_text_is_long_enough_to_tell_and_short_enough_to_be_cheap(folders: Folders) -> None:
    text = general_text(small_settings(watch_forgetting=True), folders)
    assert 3000 < len(text) < 5000


def test_blocks_hold_the_whole_text_once(owner: TinyOwner, folders: Folders) -> None:
    text = general_text(small_settings(watch_forgetting=True), folders)
    tokenizer = owner.loaded.tokenizer
    blocks = general_blocks(text, tokenizer, 64)
    ids = [token for n in range(len(blocks)) for token in blocks[n]["input_ids"][1:].tolist()]
    assert tokenizer.decode(ids) == text
    assert blocks.lengths.max() == 64
    assert all(blocks[n]["input_ids"][0] == tokenizer.bos_token_id for n in range(len(blocks)))


def test_a_text_of_ones_own(folders: Folders) -> None:
    (folders.datasets / "mine.txt").write_text("word " * MOST_CHARACTERS, encoding="utf-8")
    settings = small_settings(watch_forgetting=True, forgetting_text="mine.txt")
    assert len(general_text(settings, folders)) <= MOST_CHARACTERS
    assert general_text(settings.changed(watch_forgetting=False), folders) == ""


@pytest.mark.parametrize(("content", "word"), [(None, "none.txt"), (b"  \n", "empty"), (b"\xff\xfe\xfd", "UTF-8")])
def test_a_text_that_cannot_be_read_is_named(folders: Folders, content: bytes | None, word: str) -> None:
    if content is not None:
        (folders.datasets / "none.txt").write_bytes(content)
    with pytest.raises(SettingsError, match=word) as refused:
        general_text(small_settings(watch_forgetting=True, forgetting_text="none.txt"), folders)
    assert refused.value.faults[0].setting == "forgetting_text"
