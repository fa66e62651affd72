"""Whole runs on the tiny model: what they leave, how they end, and that nothing but the settings decides the result."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.model.fingerprint import model_fingerprint
from tests.training.tiny import (
    TinyOwner,
    TinySamples,
    adapter_bytes,
    finish,
    make_run,
    prepared,
    small_settings,
    train,
    weights,
)
from tests.training.watched import after_updates, at_micro_batch
from training_pro.errors import SettingsError
from training_pro.hosts.model_folder import load_model_folder
from training_pro.record.checkpoints import checkpoints
from training_pro.record.history import read_history
from training_pro.record.state import read_state
from training_pro.training.status import RunStatus

FULL: dict[str, Any] = {
    "dropout": 0.2,
    "gradient_accumulation_steps": 2,
    "warmup_steps": 2,
    "epochs": 3.0,
    "neftune_noise_alpha": 3.0,
    "eval_steps": 2,
    "save_steps": 2,
}


def full_data() -> Any:
    return prepared(TinySamples(13, mask=5), TinySamples(4, seed=1))


def test_a_run_leaves_all_its_files(owner: TinyOwner, picture: None) -> None:
    status = train(owner, small_settings(save_steps=4))
    assert status.ending is not None
    assert (status.ending.kind, status.ending.reason) == ("finished", "all updates are done")
    assert (status.update, status.total_updates) == (12, 12)
    assert sorted(p.name for p in status.folder.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "checkpoint-12",
        "checkpoint-4",
        "checkpoint-6",
        "checkpoint-8",
        "training_graph.json",
        "training_graph.png",
        "training_history.jsonl",
        "training_log.json",
        "training_parameters.json",
        "training_state.json",
    ]
    assert all(found.complete for found in checkpoints(status.folder))
    log = json.loads((status.folder / "training_log.json").read_text())
    assert log["state"] == "finished"
    assert log["updates"] == 12
    assert log["trainable_parameters"] == status.trainable_parameters > 1000
    assert log["tokens"] == status.tokens == 2 * int(TinySamples().lengths.sum())
    assert log["loss"] < log["first_loss"]
    state = read_state(status.folder)
    assert state is not None
    assert (state.state, state.update) == ("finished", 12)


def test_the_count_of_preparing_is_not_shown_while_the_model_is_made_ready(
    owner: TinyOwner, picture: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(owner, small_settings())
    seen: list[tuple[str, tuple[int, int, str]]] = []
    prepare = run._prepare

    def preparing(*given: Any) -> Any:
        given[2](115, 115, "Packing sentences")
        return prepare(*given)

    def installed(*_: Any) -> None:
        seen.append((run.status.phase, run.status.progress))

    monkeypatch.setattr(run, "_prepare", preparing)
    monkeypatch.setattr("training_pro.training.run.check_installed", installed)
    finish(run)
    assert seen == [("preparing", (0, 0, ""))]


def test_the_host_has_its_model_back(owner: TinyOwner) -> None:
    before, environment = model_fingerprint(owner.loaded.model), dict(os.environ)
    state = torch.get_rng_state()
    train(owner, small_settings(**FULL, train_head=True, gradient_checkpointing="on"), full_data())
    assert model_fingerprint(owner.loaded.model) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert owner.held == ["in", "out"]
    assert dict(os.environ) == environment


def test_the_loss_falls(owner: TinyOwner) -> None:
    status = train(owner, small_settings(epochs=8.0, targets="all"))
    points = read_history(status.folder / "training_history.jsonl").points
    assert [p.update for p in points] == list(range(1, 49))
    assert points[-1].smoothed_loss < points[0].loss - 0.4


def test_the_same_seed_twice_gives_the_same_bytes(owner: TinyOwner) -> None:
    one = train(owner, small_settings(name="one", **FULL), full_data())
    two = train(owner, small_settings(name="two", **FULL), full_data())
    other = train(owner, small_settings(name="other", **FULL, seed=43), full_data())
    assert adapter_bytes(one.folder) == adapter_bytes(two.folder)
    assert adapter_bytes(one.folder) != adapter_bytes(other.folder)


@pytest.mark.parametrize(
    "watching",
    [
        {"sample_prompts": "The lamp\nA ship", "sample_steps": 2, "sample_tokens": 5},
        {"eval_steps": 1},
        {"save_steps": 1, "keep_checkpoints": 2},
        {"report_to": "tensorboard"},
    ],
    ids=["samples", "evaluation", "checkpoints", "logs"],
)
def test_watching_does_not_change_the_result(owner: TinyOwner, watching: dict[str, Any]) -> None:
    """Dropout and NEFTune draw the same numbers, whatever happens in between."""
    changes = {**FULL, "eval_steps": 1000, "save_steps": 0}
    plain = train(owner, small_settings(name="plain", **changes), prepared(TinySamples(13, mask=5)))
    watched = train(owner, small_settings(name="watched", **{**changes, **watching}), full_data())
    assert adapter_bytes(plain.folder) == adapter_bytes(watched.folder)


def test_neftune_is_really_on(owner: TinyOwner) -> None:
    off = train(owner, small_settings(name="off"))
    on = train(owner, small_settings(name="on", neftune_noise_alpha=5.0))
    first_off, first_on = (read_history(s.folder / "training_history.jsonl").points[0].loss for s in (off, on))
    assert first_on != first_off  # noise alone: the first update's weights are the same
    assert first_on == pytest.approx(first_off, rel=0.2)


def test_gradient_checkpointing_changes_memory_only(owner: TinyOwner) -> None:
    plain = train(owner, small_settings(name="plain", dropout=0.2))
    checkpointed = train(owner, small_settings(name="checkpointed", dropout=0.2, gradient_checkpointing="on"))
    one, other = weights(plain.folder), weights(checkpointed.folder)
    assert all(torch.allclose(tensor, other[name], atol=1e-6) for name, tensor in one.items())


def test_4_x_2_teaches_what_8_x_1_does(owner: TinyOwner) -> None:
    """Unequal lengths and masks, the same blocks per update, no dropout: the same weights to float rounding."""
    data = prepared(TinySamples(32, 40, mask=9))
    changes: dict[str, Any] = {"dropout": 0.0, "group_by_length": False, "epochs": 4.0, "learning_rate": 1e-3}
    one = train(owner, small_settings(name="one", batch_size=4, gradient_accumulation_steps=2, **changes), data)
    two = train(owner, small_settings(name="two", batch_size=8, gradient_accumulation_steps=1, **changes), data)
    assert one.total_updates == two.total_updates == 16
    found, other = weights(one.folder), weights(two.folder)
    assert max(float((found[name] - other[name]).abs().max()) for name in found) < 2.5e-5
    losses = [read_history(s.folder / "training_history.jsonl").points.column("loss") for s in (one, two)]
    assert float(abs(losses[0] - losses[1]).max()) < 1e-5


def test_lora_plus_lets_b_learn_faster(owner: TinyOwner) -> None:
    plain = train(owner, small_settings(name="plain", epochs=0.2, optimizer="sgd"))
    plus = train(owner, small_settings(name="plus", epochs=0.2, optimizer="sgd", lora_plus_ratio=16.0))
    assert plain.total_updates == 2
    one, other = weights(plain.folder), weights(plus.folder)
    grown = [float(other[n].norm() / one[n].norm()) for n in one if "lora_B" in n]
    assert all(10 < ratio < 20 for ratio in grown), grown
    shown = [read_history(s.folder / "training_history.jsonl").points[0].learning_rate for s in (plain, plus)]
    assert shown[0] == shown[1]


def test_the_rate_is_the_schedules(owner: TinyOwner) -> None:
    from training_pro.training.schedules import built_in
    from training_pro.training.schedules.shape import Shape

    status = train(owner, small_settings(warmup_steps=3))
    shares = [built_in()["FP_low_epoch_annealing"].multiplier(s, Shape(12, 6, 3)) for s in range(12)]
    found = read_history(status.folder / "training_history.jsonl").points.column("learning_rate").tolist()
    assert found == pytest.approx([1e-2 * share for share in shares])


@pytest.mark.parametrize(("epochs", "updates"), [(0.5, 3), (1.0, 6), (1.4, 9), (2.0, 12)])
def test_fractions_of_epochs(owner: TinyOwner, epochs: float, updates: int) -> None:
    status = train(owner, small_settings(epochs=epochs))
    assert status.update == status.total_updates == updates
    assert status.point is not None
    assert status.point.epoch == pytest.approx(updates / 6)


# -- ends and live changes ----------------------------------------------------------------------------------------


def test_a_stop_loss_that_is_moved_ends_the_run_at_the_update_in_progress(owner: TinyOwner) -> None:
    run = make_run(owner, small_settings())
    with at_micro_batch(4, lambda: run.controls.set(stop_at_loss=10.0)):
        status = finish(run)
    assert status.ending is not None
    assert status.ending.kind == "stopped"
    assert "reached the stop loss 10" in status.ending.reason
    assert status.update == 4
    assert [c.update for c in checkpoints(status.folder)] == [4]
    assert checkpoints(status.folder)[0].reason == status.ending.reason
    assert run.controls.taken.stop_at_loss == 10.0
    with pytest.raises(SettingsError, match="Too late: the run is ending .*stop loss 10.*further"):
        run.controls.set(stop_at_loss=1.0)
    assert json.loads((status.folder / "training_log.json").read_text())["state"] == "stopped"


def test_a_stop_epoch_that_is_moved_below_what_is_done_ends_it_now(owner: TinyOwner) -> None:
    run = make_run(owner, small_settings())
    with at_micro_batch(8, lambda: run.controls.set(stop_at_epoch=1)):
        assert finish(run).update == 8


def test_a_checkpoint_now(owner: TinyOwner) -> None:
    run = make_run(owner, small_settings())
    with at_micro_batch(5, run.controls.ask_checkpoint):
        status = finish(run)
    assert [(c.update, c.reason) for c in checkpoints(status.folder)] == [(5, "asked for by hand")]
    assert [(c.update, c.reason) for c in status.checkpoints] == [(5, "asked for by hand")]


def test_samples_at_the_start_at_evaluations_on_request_and_at_the_end(owner: TinyOwner) -> None:
    settings = small_settings(sample_prompts="The lamp\n\n A ship ", sample_tokens=4, eval_steps=8)
    run = make_run(owner, settings, full_data())
    with at_micro_batch(3, run.controls.ask_sample):
        status = finish(run)
    samples = [e for e in read_history(status.folder / "training_history.jsonl").events if e.kind == "sample"]
    assert [e.update for e in samples] == [0, 0, 3, 3, 8, 8, 14, 14]
    assert {e.details["prompt"] for e in samples} == {"The lamp", "A ship"}
    assert all(isinstance(e.details["answer"], str) for e in samples)


def test_the_rate_is_scaled_from_the_update_in_progress_on(owner: TinyOwner) -> None:
    run = make_run(owner, small_settings(lr_scheduler_type="constant"))
    with at_micro_batch(4, lambda: run.controls.set(learning_rate_scale=0.5)):
        status = finish(run)
    rates = read_history(status.folder / "training_history.jsonl").points.column("learning_rate").tolist()
    assert rates == pytest.approx([1e-2] * 3 + [5e-3] * 9)


def test_evaluations_are_in_history_status_and_log(owner: TinyOwner) -> None:
    status = train(owner, small_settings(eval_steps=4), full_data())
    history = read_history(status.folder / "training_history.jsonl")
    assert [p.update for p in history.points.evaluated()] == [4, 8, 12, 14]
    log = json.loads((status.folder / "training_log.json").read_text())
    found = history.points.evaluated().column("eval_loss")
    assert log["best_eval_loss"] == float(found.min())
    best = [c for c in checkpoints(status.folder) if "best evaluation loss" in c.reason]
    assert best[-1].eval_loss == pytest.approx(float(found.min()))
    assert status.point is not None
    assert status.point.eval_loss == pytest.approx(float(found[-1]))


def test_a_schedule_that_follows_the_evaluation(owner: TinyOwner) -> None:
    status = train(
        owner, small_settings(lr_scheduler_type="reduce_lr_on_plateau", eval_steps=1, epochs=4.0), full_data()
    )
    assert status.update == 28


def test_checkpoints_to_keep(owner: TinyOwner) -> None:
    status = train(owner, small_settings(save_steps=1, keep_checkpoints=2, eval_steps=3), full_data())
    kept = [c.update for c in checkpoints(status.folder)]
    best = [c.update for c in checkpoints(status.folder) if "best evaluation loss" in c.reason]
    assert kept[-2:] == [13, 14]
    assert len(kept) == (3 if best and best[0] < 13 else 2)
    assert [c.update for c in status.checkpoints] == kept


def test_a_pause_holds_and_goes_on(owner: TinyOwner) -> None:
    import threading
    import time

    plain = train(owner, small_settings(name="plain", dropout=0.2))
    run = make_run(owner, small_settings(name="paused", dropout=0.2))
    seen: list[RunStatus] = []

    def look_and_go_on() -> None:
        for _ in range(6000):
            if run.status.phase == "paused":
                break
            time.sleep(0.01)
        run.controls.ask_checkpoint()
        for _ in range(6000):
            if run.status.checkpoints:
                break
            time.sleep(0.01)
        seen.append(run.status)
        run.controls.resume()

    watcher = threading.Thread(target=look_and_go_on)
    watcher.start()
    with at_micro_batch(5, run.controls.pause):
        status = finish(run)
    watcher.join()
    assert [(c.update, c.reason) for c in seen[0].checkpoints] == [(5, "asked for by hand")]
    assert seen[0].update == 5
    assert status.ending is not None
    assert status.ending.kind == "finished"
    assert adapter_bytes(status.folder) == adapter_bytes(plain.folder)


def test_interrupting_a_pause(owner: TinyOwner) -> None:
    run = make_run(owner, small_settings())
    run.controls.pause()
    run.start()
    run.controls.interrupt("enough")
    status = run.wait(60)
    assert status.ending is not None
    assert (status.ending.kind, status.ending.reason) == ("interrupted", "enough")
    assert status.update == 0


# -- what chat is told ----------------------------------------------------------------------------------------------


def test_the_sentence_while_the_model_is_held(owner: TinyOwner) -> None:
    run = make_run(owner, small_settings())
    heard: list[str] = [run.sentence()]
    with after_updates({6: lambda: heard.append(run.sentence())}):
        finish(run)
    assert heard[0].startswith('The model is being prepared for training "tiny"')
    assert heard[1].startswith('The model is in training ("tiny", update 6 of 12, about ')


def test_the_status_tells_speed_and_remaining_time(owner: TinyOwner) -> None:
    run = make_run(owner, small_settings(epochs=4.0))
    seen: list[RunStatus] = []
    with after_updates({20: lambda: seen.append(run.status)}):
        finish(run)
    assert seen[0].tokens_per_s > 0
    assert seen[0].remaining_s is not None
    assert seen[0].remaining_s > 0
    assert run.status.remaining_s == 0.0


# -- refusals before anything is written ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lr_scheduler_type": "nope"}, "LR Scheduler 'nope'"),
        ({"lr_scheduler_type": "reduce_lr_on_plateau"}, "follows the evaluation loss"),
        ({"optimizer": "nope"}, "Optimizer 'nope'"),
        ({"epochs": 0.1, "warmup_steps": 5}, "would have learning rate 0"),
        ({"targets": "own list", "target_modules": "nope"}, "no module named nope"),
    ],
)
def test_what_can_not_work_is_refused(owner: TinyOwner, changes: dict[str, Any], words: str) -> None:
    before = model_fingerprint(owner.loaded.model)
    status = finish(make_run(owner, small_settings(**changes)))
    assert status.ending is not None
    assert status.ending.kind == "failed"
    assert words in status.ending.reason
    assert model_fingerprint(owner.loaded.model) == before
    assert owner.held == ["in", "out"]


def test_a_host_that_can_not_be_held(owner: TinyOwner, monkeypatch: pytest.MonkeyPatch) -> None:
    from training_pro.errors import ModelError

    def refuse(sentence: Any) -> Any:
        raise ModelError("A reply is being written; wait for its end.")

    monkeypatch.setattr(owner, "hold", refuse)
    status = finish(make_run(owner, small_settings()))
    assert status.ending is not None
    assert status.ending.reason == "A reply is being written; wait for its end."
    assert not status.folder.exists()


def test_two_that_begin_at_once_do_not_write_into_one_folder(owner: TinyOwner, tiny_folder: Path) -> None:
    """The second one looked before the first made its folder; each has a model of its own, as two processes have."""
    first = make_run(owner, small_settings(epochs=8.0))
    other = TinyOwner(owner.folders, load_model_folder(tiny_folder, load_in_4bit=False, dtype="float32"))
    late: list[RunStatus] = []
    with after_updates(
        {4: lambda: late.append(finish(make_run(other, small_settings(epochs=8.0)))) if not late else 0}
    ):
        status = finish(first)
    assert late[0].ending is not None
    assert late[0].ending.kind == "failed"
    assert 'The run "tiny" is' in late[0].ending.reason
    assert status.ending is not None
    assert status.ending.kind == "finished"
    assert [p.update for p in read_history(status.folder / "training_history.jsonl").points] == list(range(1, 49))
    after = finish(make_run(owner, small_settings(epochs=8.0)))
    assert after.ending is not None
    assert "Choose another name" in after.ending.reason


def test_a_run_can_be_waited_for_before_it_starts(owner: TinyOwner) -> None:
    run = make_run(owner, small_settings())
    assert run.wait(0.01).running
    run.start()
    assert run.wait(120).ending is not None
