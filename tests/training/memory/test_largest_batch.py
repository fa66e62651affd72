"""The largest True Batch Size is found by real updates of which no trace stays."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.model.fingerprint import model_fingerprint
from tests.training.tiny import TinyOwner, TinySamples, small_settings
from training_pro.errors import Cancelled, ModelError
from training_pro.progress import no_progress
from training_pro.settings import Settings
from training_pro.training.memory import largest_batch as batch_size
from training_pro.training.memory.largest_batch import Found, find_largest
from training_pro.training.memory.run_memory import RunMemory

MB = 1024 * 1024


def find(owner: TinyOwner, settings: Settings, progress: Any = no_progress, count: int = 12) -> Found:
    memory = RunMemory.of(owner.loaded, settings, owner.folders.cache)
    return find_largest(owner.loaded, TinySamples(count), settings, memory, progress)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Lets each trial take `each` bytes a block, of `free`; the update itself is a real one."""

    def set_sizes(each: int, free: int) -> None:
        class Peak:
            def __init__(self, device: torch.device, above: int | None) -> None:
                self.bytes = self.start = 0

            def __enter__(self) -> Peak:
                return self

            def __exit__(self, *_: object) -> None:
                self.bytes = each * sizes[-1] if sizes else 0

        sizes: list[int] = []
        real = batch_size.Trials.update

        def update(self: Any, size: int) -> None:
            sizes.append(size)
            real(self, size)

        monkeypatch.setattr(batch_size, "PeakMemory", Peak)
        monkeypatch.setattr(batch_size, "free_bytes", lambda _: free)
        monkeypatch.setattr(batch_size.Trials, "update", update)

    return set_sizes


def everything(owner: TinyOwner) -> tuple[Any, ...]:
    states = (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist())
    files = sorted(str(path) for path in owner.folders.user_data.rglob("*"))
    return model_fingerprint(owner.loaded.model), owner.loaded.model.training, states, files


@pytest.mark.parametrize("more", [{}, {"gradient_checkpointing": "on"}, {"use_dora": True}, {"train_head": True}])
def test_no_trace_stays(
    owner: TinyOwner, measured: Callable[[int, int], None], more: dict[str, Any], tmp_path: Path
) -> None:
    measured(10 * MB, 100 * MB)
    before = everything(owner)
    found = find(owner, small_settings(**more))
    assert found.batch_size == 8, "80 % of 100 MB at 10 MB a block"
    assert sorted(found.tried) == [1, 2, 4]
    assert everything(owner) == before
    assert "True Batch Size 8 fits" in found.sentence() and "80%" in found.sentence()


def test_it_is_tried_on_the_longest_blocks(owner: TinyOwner, measured: Callable[[int, int], None]) -> None:
    measured(10 * MB, 30 * MB)
    samples = TinySamples(12)
    seen: list[int] = []
    real = batch_size.pad

    def watched(blocks: Any, *rest: Any, **more: Any) -> Any:
        seen.extend(len(block["input_ids"]) for block in blocks)
        return real(blocks, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_size, "pad", watched)
        found = find(owner, small_settings())
    longest = sorted(samples.lengths, reverse=True)
    assert seen == [longest[0], longest[0], longest[1]]
    assert found.longest_tokens == longest[0]


def test_no_more_than_the_data_has(owner: TinyOwner, measured: Callable[[int, int], None]) -> None:
    measured(1, 1000 * MB)
    found = find(owner, small_settings(), count=3)
    assert found.batch_size == 3
    assert "no more blocks" in found.sentence()


def test_not_even_one(owner: TinyOwner, measured: Callable[[int, int], None]) -> None:
    measured(90 * MB, 100 * MB)
    before = everything(owner)
    with pytest.raises(ModelError, match="Not even one block of .* tokens fits.*0.09 GB are needed") as refused:
        find(owner, small_settings(gradient_checkpointing="off"))
    assert "--set gradient_checkpointing=auto" in refused.value.options
    assert everything(owner) == before


def test_it_ends_within_a_layer_when_asked_to(owner: TinyOwner, measured: Callable[[int, int], None]) -> None:
    measured(10 * MB, 1000 * MB)
    asked: list[str] = []

    def progress(done: int, total: int, what: str) -> None:
        asked.append(what)
        if what.endswith("2"):  # the second trial's first layer
            raise Cancelled

    before = everything(owner)
    with pytest.raises(Cancelled):
        find(owner, small_settings(), progress)
    assert set(asked[:-1]) == {"trying True Batch Size 1"} and asked[-1] == "trying True Batch Size 2"
    assert everything(owner) == before


@pytest.mark.parametrize("limit", [0, 1, 5, 12])
def test_on_a_card_running_out_of_memory_is_the_answer(
    limit: int, owner: TinyOwner, measured: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card is played by the CPU, which raises as a card does."""
    measured(MB, 100 * MB)
    real = batch_size.Trials.update

    def update(self: Any, size: int) -> None:
        real(self, size)
        if size > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(batch_size.Trials, "update", update)
    monkeypatch.setattr(batch_size.Trials, "may_raise", True)
    before = everything(owner)
    if limit:
        assert find(owner, small_settings()).batch_size == limit
    else:
        with pytest.raises(ModelError, match="Not even one"):
            find(owner, small_settings())
    assert everything(owner) == before


def test_another_fault_is_not_taken_for_one_of_memory(
    owner: TinyOwner, measured: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(MB, 100 * MB)
    monkeypatch.setattr(batch_size.Trials, "may_raise", True)

    def update(self: Any, size: int) -> None:
        raise RuntimeError("device-side assert")

    monkeypatch.setattr(batch_size.Trials, "update", update)
    before = everything(owner)
    with pytest.raises(RuntimeError, match="assert"):
        find(owner, small_settings())
    assert everything(owner) == before
