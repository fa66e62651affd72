"""A run in float16 with its gradient scaler, as on cards before Ampere: real numbers on a processor, where the scaler
is the same code. Faked is only that accelerate was asked for it, which refuses float16 on processors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.tiny import TinyOwner, adapter_bytes, finish, make_run, small_settings, train
from training_pro.record.history import HISTORY_FILE, read_history
from training_pro.training.behaviours.overflow import MOST_SKIPPED
from training_pro.training.loop.trainer import LoraTrainer
from training_pro.training.loop.update import UpdateRunner
from training_pro.training.model import prepare
from training_pro.training.model.precision import DeviceFacts
from training_pro.training.model.run_dtype import compute_as_the_run
from training_pro.training.run import Begin

TURING = DeviceFacts("cuda", False)
FIRST_SCALE = 65536.0


@pytest.fixture
def trainers(owner: TinyOwner, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The host's model in bfloat16, trained as on such a card; the runs' trainers."""
    made: list[Any] = []
    make = LoraTrainer.__init__

    def with_scaler(self: Any, *given: Any) -> None:
        make(self, *given)
        accelerator = self.accelerator
        self.args.fp16 = True
        accelerator.native_amp, accelerator.scaler = True, torch.amp.GradScaler("cpu", init_scale=FIRST_SCALE)
        accelerator.state._mixed_precision = "fp16"
        self.learned_in = {p.dtype for p in self.model.parameters() if p.requires_grad}
        made.append(self)

    monkeypatch.setattr(LoraTrainer, "__init__", with_scaler)
    monkeypatch.setattr(prepare, "compute_as_the_run", lambda model, _, dtype: compute_as_the_run(model, TURING, dtype))
    owner.loaded.model.to(torch.bfloat16)
    yield made
    for trainer in made:
        trainer.accelerator.state._mixed_precision = "no"


def losses(folder: Path) -> list[float]:
    return [point.loss for point in read_history(folder / HISTORY_FILE).points]


@pytest.mark.parametrize("changes", [{}, {"train_head": True}, {"use_dora": True}], ids=["plain", "head", "dora"])
def test_it_learns_and_its_scaler_is_in_the_checkpoint(
    changes: dict[str, Any], owner: TinyOwner, trainers: list[Any]
) -> None:
    stream: set[torch.dtype] = set()
    layer = owner.loaded.model.model.layers[0]
    hook = layer.register_forward_hook(
        lambda module, given, out: stream.add((out[0] if isinstance(out, tuple) else out).dtype)
    )
    status = train(owner, small_settings(epochs=5.0, save_steps=6, **changes))
    hook.remove()
    found = losses(status.folder)
    assert found[-1] < found[0] - 0.3 and stream == {torch.float16}
    assert trainers[0].learned_in == {torch.float32}
    state = torch.load(status.folder / "checkpoint-6" / "scaler.pt", weights_only=True)
    assert 1 <= state["scale"] <= FIRST_SCALE and state["_growth_tracker"] <= 6


def test_continued_it_is_the_same(owner: TinyOwner, trainers: list[Any]) -> None:
    whole = train(owner, small_settings(name="whole", save_steps=4, dropout=0.1))
    parted = train(owner, small_settings(name="parted", save_steps=4, dropout=0.1))
    (parted.folder / "adapter_model.safetensors").unlink()
    train(owner, small_settings(name="parted", save_steps=4, dropout=0.1), None, Begin(True, checkpoint_update=4))
    assert adapter_bytes(parted.folder) == adapter_bytes(whole.folder)
    trackers = [trainer.accelerator.scaler.state_dict()["_growth_tracker"] for trainer in trainers]
    assert trackers == [whole.total_updates] * 3


def overflowing(monkeypatch: pytest.MonkeyPatch, when: Any) -> None:
    """Updates whose number, counted from 1, is among these have an infinite gradient."""
    run, count = UpdateRunner.run, [0]

    def running(self: Any, model: Any, samples: Any) -> Any:
        loss = run(self, model, samples)
        count[0] += 1
        if when(count[0]):
            next(p for p in model.parameters() if p.grad is not None).grad.view(-1)[0] = math.inf
        return loss

    monkeypatch.setattr(UpdateRunner, "run", running)


def test_an_update_that_overflows_is_skipped_and_it_is_said(
    owner: TinyOwner, trainers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    overflowing(monkeypatch, lambda number: number in (1, 2, 9))
    status = train(owner, small_settings())
    assert status.ending is not None and status.ending.kind == "finished"
    assert [note for note in status.notes if "overflow" in note] == [
        note for note in status.notes if note.startswith("Update 1 taught nothing")
    ]
    assert trainers[0].accelerator.scaler.get_scale() == FIRST_SCALE / 8


def test_a_run_that_overflows_at_any_scale_ends_and_blames_float16(
    owner: TinyOwner, trainers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    overflowing(monkeypatch, lambda number: number > 3)
    status = finish(make_run(owner, small_settings(epochs=9.0)))
    ending = status.ending
    assert ending is not None and ending.kind == "wrong" and status.update == 3 + MOST_SKIPPED - 1
    assert "65,504" in ending.reason and ending.options == ("--dtype bfloat16",)


def test_a_loss_that_is_no_number_blames_float16_too(
    owner: TinyOwner, trainers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = UpdateRunner.run

    def without_number(self: Any, *given: Any) -> Any:
        loss = run(self, *given)
        self.loss = math.nan
        return loss

    monkeypatch.setattr(UpdateRunner, "run", without_number)
    ending = finish(make_run(owner, small_settings())).ending
    assert ending is not None and ending.kind == "wrong" and "learning rate or lengthen" not in ending.reason
    assert "65,504" in ending.reason and ending.options == ("--dtype bfloat16",)
