"""A run that is trained further carries on: the same bytes as at once, one history, a schedule of its own."""

from __future__ import annotations

import json
import math
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.test_run import FULL, full_data
from tests.training.tiny import TinyOwner, adapter_bytes, finish, make_run, small_settings, train, weights
from tests.training.watched import at_micro_batch
from training_pro.errors import RunError
from training_pro.record.checkpoints import checkpoints
from training_pro.record.history import HISTORY_FILE, read_history
from training_pro.record.runs import summarize
from training_pro.record.state import read_state
from training_pro.settings import Settings
from training_pro.training import further
from training_pro.training.further import check_further, further_settings, resumes_a_part
from training_pro.training.run import Begin
from training_pro.training.status import RunStatus

FURTHER = Begin(continue_exactly=True, further=True)
RESUMED = Begin(continue_exactly=True)
CONSTANT = {**FULL, "lr_scheduler_type": "constant", "warmup_steps": 0, "epochs": 2.0, "save_at_end": True}


def train_further(owner: TinyOwner, folder: Path, more: float, **changes: Any) -> RunStatus:
    settings = further_settings(folder, more).changed(**changes)
    return train(owner, settings, full_data(), FURTHER)


def history(folder: Path) -> Any:
    return read_history(folder / HISTORY_FILE)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "adafactor"},
        {"use_dora": True, "use_rslora": True},
        {"train_head": True},
        {"batch_size": 1, "save_steps": 0},
        {"lora_plus_ratio": 16.0, "learning_rate": 1e-3},
    ],
    ids=str,
)
def test_two_epochs_and_one_more_are_three_at_once(owner: TinyOwner, changes: dict[str, Any]) -> None:
    """With a constant rate: the same weights to the last bit, and the same curve."""
    settings = small_settings(**{**CONSTANT, **changes})
    whole = train(owner, settings.changed(name="whole", epochs=3.0), full_data())
    first = train(owner, settings, full_data())
    status = train_further(owner, first.folder, 1)
    assert status.update == status.total_updates == whole.total_updates
    assert adapter_bytes(status.folder) == adapter_bytes(whole.folder)
    ours, theirs = history(status.folder).points, history(whole.folder).points
    for measure in ("update", "epoch", "loss", "smoothed_loss", "learning_rate", "eval_loss"):
        assert ours.column(measure).tolist() == pytest.approx(theirs.column(measure).tolist(), nan_ok=True, abs=0)
    assert status.tokens == whole.tokens


def test_again_and_again_and_by_parts_of_epochs(owner: TinyOwner) -> None:
    settings = small_settings(**CONSTANT)
    whole = train(owner, settings.changed(name="whole", epochs=3.0), full_data())
    first = train(owner, settings.changed(epochs=1.0), full_data())
    for more in (0.5, 0.75, 0.75):
        status = train_further(owner, first.folder, more)
    assert status.update == whole.update
    assert adapter_bytes(status.folder) == adapter_bytes(whole.folder)
    assert [event.update for event in history(status.folder).events if event.kind == "part"] == [4, 6, 9]


def test_a_stopped_run_is_trained_further_from_where_it_stopped(owner: TinyOwner) -> None:
    settings = small_settings(**CONSTANT)
    whole = train(owner, settings.changed(name="whole", epochs=1.5), full_data())
    stopped = train(owner, settings.changed(stop_at_loss=9.0), full_data())
    assert stopped.update == 1
    status = train_further(owner, stopped.folder, 1.25, stop_at_loss=0.0)
    assert status.update == whole.update == 6
    assert adapter_bytes(status.folder) == adapter_bytes(whole.folder)


def test_the_schedule_starts_again_over_the_new_part_with_its_own_rate(owner: TinyOwner) -> None:
    settings = small_settings(**{**CONSTANT, "lr_scheduler_type": "cosine", "warmup_steps": 1})
    first = train(owner, settings, full_data())
    status = train_further(owner, first.folder, 2, learning_rate=5e-3, lr_scheduler_type="linear", warmup_steps=2)
    rates = history(status.folder).points.column("learning_rate").tolist()
    assert len(rates) == 16
    assert rates[8:] == pytest.approx([0.0, 2.5e-3, *(5e-3 * (6 - n) / 6 for n in range(6))])
    assert (
        rates[:8]
        == history(train(owner, settings.changed(name="other"), full_data()).folder)
        .points.column("learning_rate")
        .tolist()
    )
    (said,) = [event.text for event in history(status.folder).events if event.kind == "part"]
    assert {"0.005", "16"} <= set(said.replace(",", " ").replace(":", " ").split())


def test_a_live_change_of_the_rate_belongs_to_its_part(owner: TinyOwner) -> None:
    settings = small_settings(**CONSTANT)
    run = make_run(owner, settings, full_data())
    with at_micro_batch(3, lambda: run.controls.set(learning_rate_scale=0.5)):
        first = finish(run)
    status = train_further(owner, first.folder, 1)
    rates = history(status.folder).points.column("learning_rate").tolist()
    assert rates[7] == pytest.approx(5e-3) and rates[8:] == pytest.approx([1e-2] * 4)


@pytest.mark.parametrize("kept", [True, False], ids=["from a checkpoint", "from the weights"])
@pytest.mark.parametrize("number", [15, 17, 20])
def test_cut_off_in_the_new_part_and_resumed(owner: TinyOwner, kept: bool, number: int) -> None:
    """At once, in the middle, near the end; the same words resume it, to the same bytes."""
    settings = small_settings(**{**CONSTANT, "save_at_end": kept, "save_steps": 0, "save_best": False})
    settings = settings.changed(lr_scheduler_type="cosine", save_steps=3 if kept else 0)
    first = train(owner, settings, full_data())
    if not kept:
        assert checkpoints(first.folder) == []
    twin = first.folder.with_name("twin")
    shutil.copytree(first.folder, twin)
    whole = train_further(owner, twin, 1)
    again = further_settings(first.folder, 1)
    run = make_run(owner, again, full_data(), FURTHER)
    with at_micro_batch(number - 14, run.controls.interrupt):
        cut = finish(run)
    assert cut.ending is not None and cut.ending.kind == "interrupted"
    assert further_settings(first.folder, 1) == again and resumes_a_part(first.folder, again)
    status = train(owner, again, full_data(), RESUMED)
    assert status.ending is not None and status.ending.kind == "finished"
    assert adapter_bytes(status.folder) == adapter_bytes(whole.folder)
    assert [point.update for point in history(status.folder).points] == list(range(1, 13))


def test_killed_before_the_first_update_of_the_new_part(owner: TinyOwner) -> None:
    """What a kill leaves there: the state says that a part began, and the last checkpoint is the one before it."""
    settings = small_settings(**{**CONSTANT, "lr_scheduler_type": "cosine"})
    first = train(owner, settings, full_data())
    twin = first.folder.with_name("twin")
    shutil.copytree(first.folder, twin)
    whole = train_further(owner, twin, 1)
    again = further_settings(first.folder, 1)
    (first.folder / "training_parameters.json").write_text(json.dumps(vars(again)), encoding="utf-8")
    state = json.loads((first.folder / "training_state.json").read_text())
    left = {**state, "state": "running", "begins_at": 8, "pid": 0}
    (first.folder / "training_state.json").write_text(json.dumps(left), encoding="utf-8")
    assert resumes_a_part(first.folder, again)
    status = train(owner, again, full_data(), RESUMED)
    assert adapter_bytes(status.folder) == adapter_bytes(whole.folder)


def test_from_the_weights_alone_the_optimizer_starts_fresh_and_says_so(owner: TinyOwner) -> None:
    settings = small_settings(**{**CONSTANT, "save_at_end": False, "save_steps": 0, "save_best": False})
    first = train(owner, settings, full_data())
    before, kept = history(first.folder).points[-1], weights(first.folder)
    status = train_further(owner, first.folder, 1)
    points = history(status.folder).points
    old, anchor = kept, weights(status.folder / "checkpoint-8")
    assert old.keys() == anchor.keys() and all(torch.equal(old[name], anchor[name]) for name in old)
    assert points[8].elapsed_s >= before.elapsed_s
    assert any("fresh" in note for note in status.notes)
    assert [found.update for found in checkpoints(status.folder)] == [8]
    assert status.tokens == 3 * int(full_data().train.lengths.sum())


def test_the_picture_shows_all_parts(owner: TinyOwner, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(
        "training_pro.training.results.draw_graph", lambda data, *more: drawn.append((data, more)) or ""
    )
    first = train(owner, small_settings(**CONSTANT), full_data())
    train_further(owner, first.folder, 1)
    data, (_, _, epochs) = drawn[-1]
    assert [point.update for point in data.points] == list(range(1, 13)) and epochs == 3.0


def test_the_folder_says_where_its_last_part_began(owner: TinyOwner) -> None:
    first = train(owner, small_settings(**CONSTANT), full_data())
    status = train_further(owner, first.folder, 1)
    state = read_state(status.folder)
    assert state is not None and (state.state, state.update, state.begins_at) == ("finished", 12, 8)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"rank": 8}, "LoRA Rank was 4, is 8"), ({"seed": 1}, "Seed was 42, is 1"), ({"epochs": 1.5}, "12 already")],
)
def test_what_does_not_fit_is_refused_and_nothing_is_lost(owner: TinyOwner, changes: Any, words: str) -> None:
    first = train(owner, small_settings(**{**CONSTANT, "epochs": 3.0}), full_data())
    before = adapter_bytes(first.folder)
    settings = further_settings(first.folder, 1).changed(**changes)
    status = finish(make_run(owner, settings, full_data(), FURTHER))
    assert status.ending is not None and status.ending.kind == "failed"
    assert words in status.ending.reason
    assert adapter_bytes(first.folder) == before
    assert summarize(first.folder).state == "finished"


def test_an_unmoved_stop_would_end_it_at_once(owner: TinyOwner) -> None:
    stopped = train(owner, small_settings(**CONSTANT, stop_at_loss=9.0), full_data())
    settings = further_settings(stopped.folder, 1)
    with pytest.raises(RunError) as refused:
        check_further(settings, summarize(stopped.folder))
    assert "--set stop_at_loss=0" in refused.value.options
    check_further(settings.changed(stop_at_loss=0.0), summarize(stopped.folder))


def test_an_interrupted_run_is_resumed_first(owner: TinyOwner) -> None:
    run = make_run(owner, small_settings(**CONSTANT), full_data())
    with at_micro_batch(4, run.controls.interrupt):
        cut = finish(run)
    with pytest.raises(RunError, match="interrupted. Resume it") as refused:
        check_further(further_settings(cut.folder, 1), summarize(cut.folder))
    assert refused.value.options == ("--existing continue",)


@pytest.mark.parametrize("more", [0.0, -1.0, math.nan, math.inf])
def test_no_epochs_train_nothing(owner: TinyOwner, more: float) -> None:
    first = train(owner, small_settings(), full_data())
    with pytest.raises(RunError, match="train nothing"):
        further_settings(first.folder, more)


def test_a_lora_that_was_not_trained_here_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "alice").mkdir()
    with pytest.raises(RunError, match="alice") as refused:
        further_settings(tmp_path / "alice", 1)
    assert any("start_from=alice" in option for option in refused.value.options)


@given(st.integers(1, 5000), st.integers(1, 20_000), st.sampled_from(["0.1", "0.25", "0.5", "1", "1.5", "2", "3"]))
def test_so_many_epochs_more_are_so_many_updates_more(per_epoch: int, done: int, more: str) -> None:
    """The epochs of the settings are a rounded number: it must not mean one update too many or too few."""
    total = math.floor((done / per_epoch + float(more)) * further._DECIMALS) / further._DECIMALS
    made = math.ceil(Fraction(repr(total)) * per_epoch)
    assert made == math.ceil(done + Fraction(more) * per_epoch)


def test_settings_of_a_new_part_keep_the_rest(owner: TinyOwner) -> None:
    first = train(owner, small_settings(**CONSTANT), full_data())
    kept = further_settings(first.folder, 1)
    assert kept == Settings(**{**vars(small_settings(**CONSTANT)), "epochs": 3.0})
