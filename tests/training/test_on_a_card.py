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
from training_pro.progress import no_progress
from training_pro.training import job as job_module
from training_pro.training.loop import evaluation as evaluation_module
from training_pro.training.loop import trainer as trainer_module
from training_pro.training.loop import update as update_module
from training_pro.training.loop.arguments import training_arguments
from training_pro.training.loop.batches import pad
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


@pytest.mark.parametrize("changes", [{}, {"train_head": True}, {"new_words": "lamp"}], ids=["plain", "head", "words"])
def test_the_precision_of_a_run_is_that_of_its_model_not_of_what_learns(
    changes: dict[str, Any], owner: TinyOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trained head is float32: taken for the model's type, it would leave the run without autocast and scaler."""
    asked: list[torch.dtype] = []

    def arguments(settings: Any, plan: Any, folder: Path, device: torch.device, dtype: torch.dtype) -> Any:
        asked.append(dtype)
        return training_arguments(settings, plan, folder, device, dtype)

    monkeypatch.setattr(trainer_module, "training_arguments", arguments)
    owner.loaded.model.to(torch.bfloat16)
    train(owner, small_settings(epochs=1.0, **changes))
    assert asked == [torch.bfloat16]


@pytest.mark.parametrize(
    ("needed", "sharded", "masked"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_what_a_run_found_about_its_padding_holds_in_updates_and_evaluations(
    needed: bool, sharded: bool, masked: bool, owner: TinyOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[tuple[str, bool]] = set()
    monkeypatch.setattr(job_module, "needs_mask", lambda model: needed)
    if sharded:
        made = LoraTrainer.__init__

        def as_if_sharded(self: Any, *given: Any) -> None:
            made(self, *given)
            self.sharded = True  # asked by what comes after, while the runs of this test are those of one process

        monkeypatch.setattr(LoraTrainer, "__init__", as_if_sharded)
    for module in (update_module, evaluation_module):

        def padding(samples: Any, *rest: Any, masked: bool = True, name: str = module.__name__) -> Any:
            seen.add((name.rpartition(".")[2], masked))
            return pad(samples, *rest, masked=masked)

        monkeypatch.setattr(module, "pad", padding)
    train(owner, small_settings(eval_steps=2), prepared(evaluation=TinySamples(4, seed=1)))
    assert seen == {("update", masked), ("evaluation", masked)}


@pytest.mark.parametrize("masked", [True, False])
def test_the_search_pads_as_the_run_does(masked: bool, owner: TinyOwner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask takes memory of its own, and other kernels."""
    seen: set[bool] = set()

    def padding(samples: Any, *rest: Any, masked: bool = True) -> Any:
        seen.add(masked)
        return pad(samples, *rest, masked=masked)

    monkeypatch.setattr(largest_batch, "needs_mask", lambda model: masked)
    monkeypatch.setattr(largest_batch, "pad", padding)
    find(owner, small_settings(), count=2)
    assert seen == {masked}


@pytest.mark.parametrize("kind", ["cuda", "xpu"])
def test_a_trial_waits_for_its_card(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []

    def padding(samples: Any, pad_id: int, device: torch.device, masked: bool) -> Any:
        return pad(samples, pad_id, torch.device("cpu"), masked=masked)

    def nothing(*_: Any, **__: Any) -> Any:
        return SimpleNamespace(loss=SimpleNamespace(backward=nothing))

    monkeypatch.setattr(getattr(torch, kind), "synchronize", waited.append)
    monkeypatch.setattr(largest_batch, "pad", padding)
    optimizer: Any = SimpleNamespace(step=nothing, zero_grad=nothing)
    card = torch.device(kind, 0)
    trials = largest_batch.Trials(nothing, optimizer, card, None, 0, no_progress, order=[0], samples=TinySamples(1))
    trials.update(1)
    assert waited == [card]


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


@pytest.mark.parametrize(("kind", "variable"), [("cuda", "CUDA_VISIBLE_DEVICES"), ("xpu", "ZE_AFFINITY_MASK")])
@pytest.mark.parametrize(("rank", "number", "refused"), [("0", 1, True), ("1", 1, False), ("0", 0, False)])
def test_a_model_on_another_card_than_the_one_that_trains_is_refused_with_the_way_out(
    rank: str, number: int, refused: bool, kind: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", rank)
    model: Any = OnDevice(torch.device(kind, number))
    with pytest.raises(ModelError if refused else AttributeError) as error:
        ready(model, small_settings(), lambda note: None)
    assert (f"{variable}={number}" in str(error.value)) is refused
