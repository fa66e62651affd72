"""What a run does on a graphics card alone. The card is faked: a device's name, or answers of the driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.training.loop.syncs import Waits
from tests.training.memory.test_largest_batch import find
from tests.training.tiny import TinyOwner, TinySamples, prepared, small_settings, train
from training_pro.errors import ModelError
from training_pro.training import job as job_module
from training_pro.training.job import Job
from training_pro.training.loop.evaluation import Evaluation
from training_pro.training.loop.trainer import LoraTrainer
from training_pro.training.memory import card_limit, in_use, largest_batch
from training_pro.training.memory.forecast import CARD_SHARE
from training_pro.training.memory.run_memory import RunMemory
from training_pro.training.model import deterministic
from training_pro.training.model.prepare import ready
from training_pro.training.status import Diverged

CARD = torch.device("cuda", 0)


class OnDevice:
    """A model, as far as it is asked where it is."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def get_input_embeddings(self) -> Any:
        return SimpleNamespace(weight=SimpleNamespace(device=self._device, dtype=torch.bfloat16))


# -- memory -----------------------------------------------------------------------------------------------------------


def entered(found: list[Any], note: Callable[..., Any]) -> Any:
    @contextmanager
    def entering(*given: Any) -> Iterator[None]:
        found.append(note(*given))
        yield

    return entering


def test_a_run_and_the_search_set_the_limit_of_the_card(owner: TinyOwner, monkeypatch: pytest.MonkeyPatch) -> None:
    devices: list[str] = []
    limit = entered(devices, lambda device: device.type)
    monkeypatch.setattr(card_limit, "card_limit", limit)
    monkeypatch.setattr(largest_batch, "card_limit", limit)
    train(owner, small_settings())
    find(owner, small_settings(), count=2)
    assert devices == ["cpu", "cpu"]


def test_what_passes_the_share_of_a_card_does_not_fit_though_nothing_raises(
    owner: TinyOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows the driver moves it into main memory instead. Five blocks fit, six would take too much."""

    class Peak:
        start = 0

        def __init__(self, *_: Any) -> None:
            self.bytes = 0

        def __enter__(self) -> Peak:
            return self

        def __exit__(self, *_: Any) -> None:
            self.bytes = 100 * sizes[-1]

    sizes: list[int] = []
    update = largest_batch.Trials.update
    monkeypatch.setattr(largest_batch.Trials, "update", lambda self, n: (sizes.append(n), update(self, n))[1])
    monkeypatch.setattr(largest_batch, "PeakMemory", Peak)
    monkeypatch.setattr(largest_batch, "free_bytes", lambda device: int(510 / CARD_SHARE))
    monkeypatch.setattr(largest_batch.Trials, "may_raise", True)
    assert find(owner, small_settings()).batch_size == 5


@pytest.mark.parametrize("kind", ["cuda", "xpu"])
def test_each_kind_of_card_is_asked_for_its_own_memory(
    kind: str, owner: TinyOwner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = getattr(torch, kind)
    monkeypatch.setattr(card, "mem_get_info", lambda device=None: (700, 1000))
    monkeypatch.setattr(card, "memory_reserved", lambda device=None: 200)
    monkeypatch.setattr(card, "memory_allocated", lambda device=None: 50)
    assert in_use.free_bytes(torch.device(kind, 0)) == 850
    loaded = owner.loaded
    weight = SimpleNamespace(device=torch.device(kind, 0), dtype=torch.bfloat16, shape=(512, 64))
    monkeypatch.setattr(
        type(loaded.model), "get_input_embeddings", lambda self: SimpleNamespace(weight=weight), raising=True
    )
    monkeypatch.setattr("training_pro.training.memory.run_memory.model_shape", lambda model: None)
    memory = RunMemory.of(loaded, small_settings(), tmp_path)
    assert (memory.work.device, memory.work.free_bytes) == ("cuda", 850)


# -- work -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "sharded", "harmless", "masked"),
    [
        ("cuda", False, True, False),
        ("cuda", False, False, True),
        ("cuda", True, True, True),
        ("cpu", False, True, True),
    ],
)
def test_padding_is_masked_only_where_a_model_needs_it(
    device: str, sharded: bool, harmless: bool, masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_module, "padding_is_harmless", lambda model: harmless)
    job: Any = SimpleNamespace(order=SimpleNamespace(base=SimpleNamespace(model=OnDevice(torch.device(device)))))
    trainer: Any = SimpleNamespace(sharded=sharded)
    assert Job._needs_mask(job, trainer) is masked


@pytest.mark.parametrize("wanted", [True, False])
def test_a_run_holds_torch_to_a_fixed_order_where_it_is_asked_to(
    wanted: bool, owner: TinyOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(deterministic, "deterministic", entered(asked, lambda wanted, device: wanted))
    train(owner, small_settings(deterministic=wanted))
    assert asked == [wanted]


def test_an_evaluation_waits_once_a_batch(owner: TinyOwner, monkeypatch: pytest.MonkeyPatch) -> None:
    waits, summed, count = Waits(), Evaluation._summed_loss, [0]

    def counting(self: Any, *given: Any) -> Any:
        self.masked, waits.counting = False, True
        count[0] += 1
        with waits:
            loss = summed(self, *given)
        waits.counting = False
        return loss

    monkeypatch.setattr(Evaluation, "_summed_loss", counting)
    train(owner, small_settings(batch_size=2, eval_steps=1000), prepared(evaluation=TinySamples(12, seed=1)))
    assert count[0] >= 6 and count[0] <= len(waits.where) <= count[0] + 1


# -- errors -----------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_is_overflow_in_float16_and_a_matter_of_the_rate_elsewhere() -> None:
    for fp16 in (True, False):
        trainer: Any = SimpleNamespace(
            args=SimpleNamespace(fp16=fp16), runner=SimpleNamespace(clear=lambda model: None), model=None, update=3
        )
        with pytest.raises(Diverged) as error:
            LoraTrainer._check_finite(trainer, float("nan"), "loss")
        assert ("65,504" in error.value.advice) is fp16


@pytest.mark.parametrize(("rank", "number", "refused"), [("0", 1, True), ("1", 1, False), ("0", 0, False)])
def test_a_model_on_another_card_than_the_one_that_trains_is_refused_with_the_way_out(
    rank: str, number: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", rank)
    model: Any = OnDevice(torch.device("cuda", number))
    with pytest.raises(ModelError if refused else AttributeError) as error:
        ready(model, small_settings(), lambda note: None)
    assert (f"CUDA_VISIBLE_DEVICES={number}" in str(error.value)) is refused
