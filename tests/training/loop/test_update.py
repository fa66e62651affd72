"""An update: 4 x 2 is 8 x 1; out of memory is survived bit for bit; an interrupt leaves no trace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from peft import LoraConfig, get_peft_model

from tests.training import zoo
from tests.training.tiny import TinySamples
from training_pro.errors import ModelError
from training_pro.training.loop.random_state import RandomState
from training_pro.training.loop.update import Interrupted, UpdateRunner, smaller
from training_pro.training.model.chunked_loss import make_lean

OOM = "CUDA out of memory. Tried to allocate 2.00 GiB"


def lora_model(dropout: float = 0.0) -> Any:
    model = zoo.make("llama")
    assert make_lean(model).chunked
    torch.manual_seed(1)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], lora_dropout=dropout, init_lora_weights=False)
    return get_peft_model(model, config).train()


def update(count: int = 8, mask: int = 5) -> list[Any]:
    samples = TinySamples(count, 20, mask=mask)
    return [samples[i] for i in range(count)]


def _block(tokens: int) -> dict[str, Any]:
    ids = np.resize(np.array([11, 12, 13], np.int32), tokens)
    labels = ids.astype(np.int64)
    labels[0] = -100
    return {"input_ids": ids, "labels": labels}


class Setting:
    """A runner and what it told."""

    def __init__(self, micro_batch_size: int) -> None:
        self.notes: list[str] = []
        self.asked = 0
        self.allowed = 10**6
        self.runner = UpdateRunner(Accelerator(cpu=True), 2, micro_batch_size, self._may, self.notes.append)

    def _may(self) -> bool:
        self.asked += 1
        return self.asked <= self.allowed


def gradients(model: Any) -> dict[str, torch.Tensor]:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("size", [1, 2, 3, 4, 8, 100])
def test_cut_in_any_way_an_update_teaches_the_same(size: int) -> None:
    whole, pieces = lora_model(), lora_model()
    loss = Setting(8).runner.run(whole, update())
    other = Setting(size).runner.run(pieces, update())
    assert float(loss) == pytest.approx(float(other), rel=1e-5)
    for name, grad in gradients(whole).items():
        torch.testing.assert_close(gradients(pieces)[name], grad, rtol=1e-4, atol=1e-6)


def test_a_long_block_among_short_ones_costs_less_padding_and_teaches_the_same() -> None:
    samples, apart, together = TinySamples(4, 9, mask=2), lora_model(), lora_model()
    batch = [*(samples[place] for place in range(3)), _block(200)]
    lengths = [len(sample["input_ids"]) for sample in batch]
    setting = Setting(4)
    loss = setting.runner.run(apart, batch)
    assert setting.runner.tokens == sum(lengths) and setting.runner.largest == (1, 200)
    assert setting.runner.padded_tokens == 200 + 3 * max(lengths[:3])
    one_by_one = Setting(1).runner.run(together, batch)
    assert float(loss) == pytest.approx(float(one_by_one), rel=1e-5)
    for name, grad in gradients(together).items():
        torch.testing.assert_close(gradients(apart)[name], grad, rtol=1e-4, atol=1e-6)


def test_the_loss_is_the_mean_over_all_trained_tokens() -> None:
    """Not the mean of the micro-batches' means: lengths and masks differ."""
    model, batch = lora_model(), update()
    loss = float(Setting(2).runner.run(model, batch))
    total, count = 0.0, 0
    for sample in batch:
        ids, labels = torch.tensor(sample["input_ids"])[None].long(), torch.tensor(sample["labels"])[None]
        trained = int((labels[:, 1:] != -100).sum())
        total += float(model(input_ids=ids, labels=labels, num_items_in_batch=1).loss.detach())
        count += trained
    assert loss == pytest.approx(total / count, rel=1e-5)


def test_tokens_are_counted_with_and_without_padding() -> None:
    setting, batch = Setting(4), update()
    setting.runner.run(lora_model(), batch)
    lengths = [len(s["input_ids"]) for s in batch]
    assert setting.runner.tokens == sum(lengths)
    assert setting.runner.padded_tokens == 4 * max(lengths[:4]) + 4 * max(lengths[4:])


class Failing:
    """Makes the model's forward fail at the calls given, as a full card does."""

    def __init__(self, model: Any, at: set[int], error: BaseException | None = None) -> None:
        self.sizes: list[int] = []
        self._at, self._error = at, error
        model.register_forward_pre_hook(self._before, with_kwargs=True)

    def _before(self, module: Any, args: Any, kwargs: Any) -> None:
        self.sizes.append(kwargs["input_ids"].shape[0])
        torch.rand(3)  # what failed had drawn from the generator already
        if len(self.sizes) in self._at:
            raise self._error or torch.OutOfMemoryError(OOM)


@pytest.mark.parametrize("fails_at", [1, 2])
def test_out_of_memory_at_any_micro_batch_gives_the_same_update(fails_at: int) -> None:
    """Bit for bit the update that had begun with the smaller size; dropout draws the same."""
    batch = update(10)
    plain, failing = lora_model(0.3), lora_model(0.3)
    torch.manual_seed(3)
    Failing(plain, set())
    loss = Setting(4).runner.run(plain, batch)
    after_plain = torch.get_rng_state()
    torch.manual_seed(3)
    calls = Failing(failing, {fails_at})
    setting = Setting(5)
    other = setting.runner.run(failing, batch)
    assert torch.equal(after_plain, torch.get_rng_state())
    assert calls.sizes == [5] * fails_at + [4, 4, 2]
    assert float(loss) == float(other)
    assert all(torch.equal(grad, gradients(failing)[name]) for name, grad in gradients(plain).items())
    (note,) = setting.notes
    assert "5 blocks at once" in note and "4 at a time" in note


def test_the_size_that_fits_is_kept_for_later_updates() -> None:
    model, setting = lora_model(), Setting(5)
    calls = Failing(model, {1})
    setting.runner.run(model, update(5))
    setting.runner.run(model, update(5))
    assert calls.sizes == [5, 4, 1, 4, 1]
    assert setting.runner.micro_batch_size == 4


def test_only_as_small_as_memory_asks_for_and_in_larger_steps_the_further_off_it_is() -> None:
    """10 do not fit and 8 do: the update takes 8. 64 do not fit and 5 do: a handful of tries."""
    model, setting = lora_model(), Setting(10)
    calls = Failing(model, {1})
    setting.runner.run(model, update(10))
    assert calls.sizes == [10, 8, 2]
    size, tries = 64, 0
    while size > 5:
        size, tries = smaller(size, tries), tries + 1
    assert size >= 3 and tries <= 6
    assert [smaller(n, 0) for n in (2, 3, 4, 5)] == [1, 2, 3, 4]


def test_a_short_last_batch_counts_by_its_own_size() -> None:
    model, setting = lora_model(), Setting(8)
    calls = Failing(model, {1})
    setting.runner.run(model, update(3))
    assert calls.sizes == [3, 2, 1]


def test_not_even_one_block_fits() -> None:
    model, setting = lora_model(), Setting(4)
    Failing(model, set(range(1, 99)))
    state = RandomState.take()
    with pytest.raises(ModelError, match=r"Out of memory with one block of \d+ tokens at a time .*Gradient Checkpoint"):
        setting.runner.run(model, update())
    assert len(setting.notes) == 3  # 4 to 3 to 2 to 1
    assert not gradients(model)
    assert torch.equal(state.cpu, torch.get_rng_state())


@pytest.mark.parametrize(
    "error", [RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), MemoryError(), RuntimeError(OOM)]
)
def test_whatever_says_out_of_memory(error: BaseException) -> None:
    model, setting = lora_model(), Setting(2)
    Failing(model, {1}, error)
    setting.runner.run(model, update(2))
    assert setting.runner.micro_batch_size == 1


def test_other_errors_are_not_taken_for_it_and_leave_no_gradients() -> None:
    model, setting = lora_model(), Setting(4)
    Failing(model, {2}, RuntimeError("shape mismatch"))
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="shape mismatch"):
        setting.runner.run(model, update())
    assert not gradients(model)
    assert torch.equal(state, torch.get_rng_state())
    assert setting.runner.micro_batch_size == 4


@pytest.mark.parametrize("done", [0, 1, 3])
def test_an_interrupt_within_an_update_takes_it_back(done: int) -> None:
    model, setting = lora_model(0.3), Setting(2)
    setting.allowed = done
    state = torch.get_rng_state()
    with pytest.raises(Interrupted):
        setting.runner.run(model, update())
    assert setting.asked == done + 1
    assert not gradients(model)
    assert torch.equal(state, torch.get_rng_state())


def test_an_update_without_any_trained_token_does_nothing() -> None:
    model, batch = lora_model(), update(2)
    for sample in batch:
        sample["labels"][:] = -100
    assert float(Setting(2).runner.run(model, batch)) == 0.0
    assert all(float(grad.abs().max()) == 0.0 for grad in gradients(model).values())
