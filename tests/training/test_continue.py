"""A run that was ended anywhere and continued gives the bytes of the run that was not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.test_run import FULL, full_data
from tests.training.tiny import (
    TinyOwner,
    TinySamples,
    adapter_bytes,
    finish,
    make_run,
    prepared,
    small_settings,
    train,
)
from tests.training.watched import after_updates, at_micro_batch
from training_pro.errors import RunError
from training_pro.record.checkpoints import checkpoints
from training_pro.record.history import read_history
from training_pro.settings import Settings
from training_pro.training.loop.evaluation import Evaluation
from training_pro.training.loop.optimizers import available_optimizers
from training_pro.training.loop.trainer import LoraTrainer
from training_pro.training.resume import differences, find_continuation
from training_pro.training.run import Begin
from training_pro.training.status import RunStatus

GO_ON = Begin(continue_exactly=True)
MICRO_BATCHES = 21  # of the settings FULL over 13 blocks: 7 an epoch, 2 an update and 1 for the last block
UNINTERRUPTED: dict[str, bytes] = {}


def whole(owner: TinyOwner, settings: Settings, data: Any = None) -> bytes:
    """The adapter of the run that nothing disturbed, made once for the same settings."""
    key = repr((settings, len(data.train) if data else 0))
    if key not in UNINTERRUPTED:
        status = train(owner, settings.changed(name=f"whole{len(UNINTERRUPTED)}"), data or full_data())
        UNINTERRUPTED[key] = adapter_bytes(status.folder)
    return UNINTERRUPTED[key]


def go_on(owner: TinyOwner, settings: Settings, data: Any = None) -> RunStatus:
    status = train(owner, settings, data or full_data(), GO_ON)
    assert status.ending is not None
    assert status.ending.kind == "finished"
    return status


def updates_in_history(folder: Path) -> list[int]:
    return [point.update for point in read_history(folder / "training_history.jsonl").points]


@pytest.mark.parametrize("number", [1, 2, 3, 6, 7, 8, 9, 14, 15, 20, 21])
def test_interrupted_within_any_update(owner: TinyOwner, number: int) -> None:
    """Dropout, NEFTune, accumulation, evaluations, checkpoints; also at an epoch's first and last block."""
    settings = small_settings(**FULL)
    run = make_run(owner, settings, full_data())
    with at_micro_batch(number, run.controls.interrupt):
        status = finish(run)
    assert status.ending is not None
    assert status.ending.kind == "interrupted"
    assert number <= MICRO_BATCHES
    continued = go_on(owner, settings)
    assert adapter_bytes(continued.folder) == whole(owner, settings)
    assert updates_in_history(continued.folder) == list(range(1, 13))
    assert continued.tokens == 3 * int(full_data().train.lengths.sum())


def test_interrupted_again_and_again(owner: TinyOwner) -> None:
    settings = small_settings(**FULL)
    kinds = []
    for begin in [Begin()] + [GO_ON] * 12:
        run = make_run(owner, settings, full_data(), begin)
        with at_micro_batch(4, run.controls.interrupt):
            status = finish(run)
        assert status.ending is not None
        kinds.append(status.ending.kind)
        if status.ending.kind == "finished":
            break
    assert kinds.count("interrupted") >= 5
    assert kinds[-1] == "finished"
    assert adapter_bytes(status.folder) == whole(owner, settings)


@pytest.mark.parametrize("update", range(2, 13, 2))
def test_continued_from_any_checkpoint(owner: TinyOwner, update: int) -> None:
    """As after a kill: what came after the checkpoint is done again."""
    settings = small_settings(**FULL)
    folder = train(owner, settings, full_data()).folder
    (folder / "adapter_model.safetensors").unlink()
    continued = train(owner, settings, full_data(), Begin(continue_exactly=True, checkpoint_update=update))
    assert adapter_bytes(continued.folder) == whole(owner, settings)
    assert updates_in_history(folder) == list(range(1, 13))
    events = read_history(folder / "training_history.jsonl").events
    assert [e.text for e in events if "continued" in e.text] == [f"continued from checkpoint-{update}"]


@pytest.mark.parametrize(
    "changes",
    [
        {"train_head": True},
        {"use_dora": True, "use_rslora": True},
        {"lora_plus_ratio": 16.0, "learning_rate": 1e-3},
        {"optimizer": "adafactor"},
        {"lr_scheduler_type": "reduce_lr_on_plateau"},
        {"lr_scheduler_type": "cosine_with_restarts"},
        {"lr_scheduler_type": "greedy"},
        {"gradient_checkpointing": "on"},
        {"group_by_length": False},
        {"epochs": 2.6},
        {"max_grad_norm": 0.0},
        {"batch_size": 1},
    ],
    ids=str,
)
def test_with_every_kind_of_state(owner: TinyOwner, changes: dict[str, Any]) -> None:
    settings = small_settings(**{**FULL, **changes})
    run = make_run(owner, settings, full_data())
    with at_micro_batch(10, run.controls.interrupt):
        finish(run)
    assert adapter_bytes(go_on(owner, settings).folder) == whole(owner, settings)


@pytest.mark.parametrize("name", available_optimizers())
def test_with_every_optimizer_that_works_here(owner: TinyOwner, name: str) -> None:
    """Rank 32: bitsandbytes keeps the state of smaller tensors in 32 bits."""
    settings = small_settings(**FULL, optimizer=name, rank=32)
    run = make_run(owner, settings, full_data())
    with at_micro_batch(10, run.controls.interrupt):
        finish(run)
    assert adapter_bytes(go_on(owner, settings).folder) == whole(owner, settings)


def test_live_changes_are_carried_on(owner: TinyOwner) -> None:
    settings = small_settings(**FULL, lr_scheduler_type="cosine")
    one = make_run(owner, settings.changed(name="whole"), full_data())
    with at_micro_batch(5, lambda: one.controls.set(learning_rate_scale=0.3, loss_window=7)):
        finish(one)
    run = make_run(owner, settings, full_data())
    with (
        at_micro_batch(5, lambda: run.controls.set(learning_rate_scale=0.3, loss_window=7)),
        after_updates({6: run.controls.interrupt}),
    ):
        finish(run)
    continued = make_run(owner, settings, full_data(), GO_ON)
    finish(continued)
    assert continued.controls.values.learning_rate_scale == 0.3
    assert continued.controls.values.loss_window == 7
    assert adapter_bytes(continued.folder) == adapter_bytes(one.folder)
    rates = [read_history(r.folder / "training_history.jsonl").points.column("learning_rate") for r in (one, continued)]
    assert rates[0].tolist() == rates[1].tolist()


def test_the_smaller_micro_batch_is_carried_on(owner: TinyOwner, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"batch_size": 4, "gradient_accumulation_steps": 1, "gradient_checkpointing": "off"}
    settings = small_settings(**{**FULL, **changes})
    run = make_run(owner, settings, full_data())
    with at_micro_batch(3, _run_out_of_memory), after_updates({5: run.controls.interrupt}):
        finish(run)
    state = json.loads((run.folder / "checkpoint-5" / "run_state.json").read_text())
    assert state["micro_batch_size"] == 3
    other = settings.changed(name="other")
    with at_micro_batch(3, _run_out_of_memory):
        undisturbed = train(owner, other, full_data())
    assert adapter_bytes(go_on(owner, settings).folder) == adapter_bytes(undisturbed.folder)


def _run_out_of_memory() -> None:
    raise MemoryError("out of memory")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_interrupted_while_evaluating(owner: TinyOwner, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No half evaluation is kept; it is made up for, with the best checkpoint that follows from it."""
    settings = small_settings(**{**FULL, "eval_steps": 3, "save_steps": 0, "batch_size": 1})
    run = make_run(owner, settings, full_data())
    real, count = Evaluation._summed_loss, 0

    def interrupting(self: Any, *args: Any) -> Any:
        nonlocal count
        count += 1
        if count == 4 * (number - 1) + 2:
            run.controls.interrupt()
        return real(self, *args)

    monkeypatch.setattr(Evaluation, "_summed_loss", interrupting)
    monkeypatch.setattr(LoraTrainer, "with_and_without", lambda _: None)  # it evaluates, too
    status = finish(run)
    monkeypatch.undo()
    assert status.update == 3 * number
    history = read_history(status.folder / "training_history.jsonl")
    assert [p.update for p in history.points.evaluated()] == [3 * n for n in range(1, number)]
    continued = go_on(owner, settings)
    undisturbed = train(owner, settings.changed(name="undisturbed"), full_data())
    assert adapter_bytes(continued.folder) == adapter_bytes(undisturbed.folder)
    found, wanted = (
        [(p.update, p.eval_loss) for p in read_history(s.folder / "training_history.jsonl").points.evaluated()]
        for s in (continued, undisturbed)
    )
    assert found == wanted
    reasons, wanted_reasons = (
        {c.update: c.reason for c in checkpoints(s.folder) if "best" in c.reason} for s in (continued, undisturbed)
    )
    assert reasons == wanted_reasons


def test_a_run_killed_after_its_last_checkpoint_makes_no_further_update(owner: TinyOwner) -> None:
    """With a fraction of an epoch the Trainer itself would train one more."""
    settings = small_settings(**{**FULL, "epochs": 1.6, "save_steps": 1})
    folder = train(owner, settings, full_data()).folder
    wanted = adapter_bytes(folder)
    (folder / "adapter_model.safetensors").unlink()
    status = go_on(owner, settings)
    assert status.update == status.total_updates == 7
    assert adapter_bytes(folder) == wanted


def test_a_run_killed_at_its_stop_makes_no_further_update(owner: TinyOwner) -> None:
    settings = small_settings(**FULL, stop_at_loss=9.0)
    folder = train(owner, settings, full_data()).folder
    wanted = adapter_bytes(folder)
    (folder / "adapter_model.safetensors").unlink()
    status = train(owner, settings, full_data(), GO_ON)
    assert status.ending is not None
    assert (status.ending.kind, status.update) == ("stopped", 1)
    assert "reached the stop loss 9" in status.ending.reason
    assert adapter_bytes(folder) == wanted


def test_a_stop_that_was_changed_counts_anew(owner: TinyOwner) -> None:
    settings = small_settings(**FULL, stop_at_loss=9.0)
    train(owner, settings, full_data())
    free = settings.changed(stop_at_loss=0.0)
    assert adapter_bytes(go_on(owner, free).folder) == whole(owner, small_settings(**FULL))


def test_without_any_checkpoint_it_begins_anew(owner: TinyOwner) -> None:
    settings = small_settings(**{**FULL, "save_steps": 0, "save_best": False})
    run = make_run(owner, settings, full_data())
    with at_micro_batch(1, run.controls.interrupt):
        finish(run)
    assert checkpoints(run.folder) == []
    status = go_on(owner, settings)
    assert updates_in_history(status.folder) == list(range(1, 13))


def test_a_torn_checkpoint_is_passed_over(owner: TinyOwner) -> None:
    settings = small_settings(**FULL)
    folder = train(owner, settings, full_data()).folder
    (folder / "checkpoint-12" / "optimizer.pt").write_bytes(b"")
    (folder / "checkpoint-10" / "run_state.json").write_text("{")
    assert find_continuation(folder).update == 8
    assert adapter_bytes(go_on(owner, settings).folder) == whole(owner, settings)


def test_a_checkpoint_that_is_not_there(owner: TinyOwner) -> None:
    folder = train(owner, small_settings(**FULL), full_data()).folder
    with pytest.raises(RunError, match="no checkpoint of update 5 .*: 12, 10, 8, 6, 4, 2"):
        find_continuation(folder, 5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rank": 8}, "LoRA Rank was 4, is 8"),
        ({"seed": 1, "learning_rate": 1e-3}, "Seed was 42, is 1; Learning Rate was 0.01, is 0.001"),
    ],
)
def test_other_settings_are_named(owner: TinyOwner, changes: dict[str, Any], words: str) -> None:
    settings = small_settings(**FULL)
    before = adapter_bytes(train(owner, settings, full_data()).folder)
    status = finish(make_run(owner, settings.changed(**changes), full_data(), GO_ON))
    assert status.ending is not None
    assert status.ending.kind == "failed"
    assert words in status.ending.reason
    assert adapter_bytes(status.folder) == before


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({}, "its data or the tokenizer has changed"),
        ({"text file": "then", "tokenizer": "same", "max_tokens": 64}, "changed since: text file, evaluation data."),
    ],
)
def test_other_data_is_refused(owner: TinyOwner, parts: dict[str, Any], words: str) -> None:
    from dataclasses import replace

    settings = small_settings(**FULL)
    before = replace(full_data(), fingerprint_parts=parts)
    run = make_run(owner, settings, before)
    with at_micro_batch(9, run.controls.interrupt):
        finish(run)
    now = {"text file": "now", "evaluation data": "new", "tokenizer": "same", "max_tokens": 32}
    other = replace(prepared(TinySamples(13, seed=5)), fingerprint="other", fingerprint_parts=now)
    status = finish(make_run(owner, settings, other, GO_ON))
    assert status.ending is not None
    assert words in status.ending.reason


def test_what_may_differ(owner: TinyOwner) -> None:
    settings = small_settings(**FULL)
    run = make_run(owner, settings, full_data())
    with at_micro_batch(9, run.controls.interrupt):
        finish(run)
    changed = settings.changed(save_steps=5, keep_checkpoints=3, eval_steps=4, sample_prompts="The", override=True)
    assert adapter_bytes(go_on(owner, changed).folder) == whole(owner, settings)


def test_on_top_of_the_weights_begins_anew_with_them(owner: TinyOwner) -> None:
    first = train(owner, small_settings(name="first"))
    second = train(owner, small_settings(name="second", epochs=0.2), begin=Begin(on_top_of=first.folder))
    fresh = train(owner, small_settings(name="fresh", epochs=0.2))
    points = [read_history(s.folder / "training_history.jsonl").points for s in (first, second, fresh)]
    assert points[1][0].loss < points[2][0].loss
    assert points[1][0].update == 1


def test_when_the_schedule_follows_the_evaluations_they_may_not_move() -> None:
    before = small_settings(lr_scheduler_type="reduce_lr_on_plateau", eval_steps=2)
    assert any("eval" in phrase.lower() for phrase in differences(before, before.changed(eval_steps=3)))
    assert not differences(
        before.changed(lr_scheduler_type="linear"), before.changed(lr_scheduler_type="linear", eval_steps=3)
    )


def test_an_alpha_that_was_typed_and_the_automatic_one_can_be_the_same() -> None:
    assert differences(Settings(rank=32, alpha=64.0), Settings(rank=32)) == []
    assert len(differences(Settings(rank=32, alpha=32.0), Settings(rank=32))) == 1
