"""The evaluation loss counts every trained token once, and survives a lack of memory."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from tests.training.loop.test_update import Failing, lora_model
from tests.training.tiny import TinySamples
from training_pro.errors import ModelError
from training_pro.training.loop.evaluation import Evaluation
from training_pro.training.loop.update import Interrupted


class Setting:
    def __init__(self, batch_size: int, allowed: int = 10**6) -> None:
        self.notes: list[str] = []
        self.progress: list[tuple[int, int]] = []
        self.allowed = allowed
        self.evaluation = Evaluation(
            Accelerator(cpu=True),
            2,
            batch_size,
            self._may,
            lambda d, t: self.progress.append((d, t)),
            self.notes.append,
        )

    def _may(self) -> bool:
        self.allowed -= 1
        return self.allowed >= 0


def by_hand(model: Any, samples: TinySamples) -> float:
    total, count = 0.0, 0
    with torch.no_grad():
        for i in range(len(samples)):
            sample = samples[i]
            ids, labels = torch.tensor(sample["input_ids"])[None].long(), torch.tensor(sample["labels"])[None]
            trained = int((labels[:, 1:] != -100).sum())
            logits = model(input_ids=ids).logits[0, :-1].float()
            picked = labels[0, 1:] != -100
            total += float(torch.nn.functional.cross_entropy(logits[picked], labels[0, 1:][picked], reduction="sum"))
            count += trained
    return total / count


@pytest.mark.parametrize("size", [1, 2, 5, 50])
def test_weighted_by_tokens_for_every_batch_size(size: int) -> None:
    model, samples = lora_model(0.5), TinySamples(9, 24, mask=8)
    setting = Setting(size)
    found = setting.evaluation.mean_loss(model, samples)
    assert model.training
    assert found == pytest.approx(by_hand(model.eval(), samples), rel=1e-5)
    assert setting.progress[-1] == (9, 9)


def test_nothing_random_is_drawn_and_no_gradient_made() -> None:
    model = lora_model(0.5)
    state = torch.get_rng_state()
    Setting(4).evaluation.mean_loss(model, TinySamples())
    assert torch.equal(state, torch.get_rng_state())
    assert all(p.grad is None for p in model.parameters())


def test_out_of_memory_makes_the_batch_smaller() -> None:
    model, samples = lora_model(), TinySamples(9)
    wanted = Setting(1).evaluation.mean_loss(model, samples)
    setting = Setting(4)
    calls = Failing(model, {1, 4})
    assert setting.evaluation.mean_loss(model, samples) == pytest.approx(wanted, rel=1e-5)
    assert calls.sizes == [4, 3, 3, 3, 2, 1]
    assert len(setting.notes) == 2
    assert any("Out of memory in the evaluation" in note and "3 blocks" in note for note in setting.notes)


def test_out_of_memory_with_one_block_says_what_helps() -> None:
    model = lora_model()
    Failing(model, set(range(1, 99)))
    with pytest.raises(ModelError, match="while evaluating one block of"):
        Setting(4).evaluation.mean_loss(model, TinySamples())
    assert model.training


def test_other_errors_pass() -> None:
    model = lora_model()
    Failing(model, {1}, RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        Setting(4).evaluation.mean_loss(model, TinySamples())


def test_an_interrupt_gives_no_half_result() -> None:
    model = lora_model()
    with pytest.raises(Interrupted):
        Setting(2, allowed=2).evaluation.mean_loss(model, TinySamples())
    assert model.training


def test_without_any_trained_token_there_is_no_loss() -> None:
    samples = TinySamples(3)
    for i in range(3):
        samples[i]["labels"][:] = -100
    assert math.isnan(Setting(2).evaluation.mean_loss(lora_model(), samples))
