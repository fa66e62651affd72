"""Layers checkpointed one by one: which can be, what they learn, and what happens when memory runs out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import zoo
from tests.training.memory.test_largest_batch import find
from tests.training.model.fingerprint import model_fingerprint
from tests.training.tiny import TinyOwner, TinySamples, prepared, small_settings, train
from training_pro.errors import ModelError
from training_pro.record.history import read_history
from training_pro.training.loop.update import UpdateRunner
from training_pro.training.memory import run_memory
from training_pro.training.memory.checkpointing import Checkpointing, checkpointable_layers
from training_pro.training.memory.forecast import CPU_SHARE
from training_pro.training.memory.largest_batch import Trials
from training_pro.training.model.prepare import ready
from training_pro.training.model.snapshot import ModelSnapshot


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_every_decoder_layer_has_a_switch_of_its_own(family: str) -> None:
    model = zoo.make(family)
    assert len(checkpointable_layers(model)) == 2
    assert not any(layer.gradient_checkpointing for layer in checkpointable_layers(model))


def calls(model: Any, count: int) -> tuple[list[int], torch.Tensor]:
    """How often each layer is computed in an update with `count` checkpointed, and the gradients."""
    checkpointing = Checkpointing.of(model)
    checkpointing.use(count)
    seen = [0] * len(checkpointing.layers)

    def counting(number: int, inner: Any) -> Any:
        def forward(*args: Any, **kwargs: Any) -> Any:
            seen[number] += 1
            return inner(*args, **kwargs)

        return forward

    for number, layer in enumerate(checkpointing.layers):
        part = next(module for name, module in layer.named_modules() if name.endswith("norm"))
        part.forward = counting(number, part.forward)
    ids = torch.arange(3, 15)[None]
    torch.manual_seed(1)
    model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    return seen, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_the_first_layers_are_computed_twice_and_nothing_else_changes() -> None:
    plain, one, all_ = (calls(zoo.make("llama", num_hidden_layers=4), count) for count in (0, 1, 4))
    assert (plain[0], one[0], all_[0]) == ([1, 1, 1, 1], [2, 1, 1, 1], [2, 2, 2, 2])
    assert torch.equal(plain[1], one[1]) and torch.equal(plain[1], all_[1])


def test_more_layers_step_by_step_until_there_are_none() -> None:
    checkpointing = Checkpointing.of(zoo.make("llama", num_hidden_layers=12))
    counts = []
    while said := checkpointing.more():
        counts.append(checkpointing.count)
        assert f"{checkpointing.count} of 12" in said
    assert counts == [2, 4, 6, 8, 10, 12]
    assert sum(layer.gradient_checkpointing for layer in checkpointing.layers) == 12


def test_a_snapshot_takes_it_back() -> None:
    model = zoo.make("llama").eval()
    before, snapshot = model_fingerprint(model), ModelSnapshot.take(model)
    Checkpointing.of(model).use(2)
    assert model_fingerprint(model) != before
    snapshot.restore()
    assert model_fingerprint(model) == before


def test_a_model_that_can_t_do_it_says_so_when_it_is_asked_to() -> None:
    from transformers import JetMoeConfig, JetMoeForCausalLM

    config = JetMoeConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=2, num_key_value_heads=2, kv_channels=8, intermediate_size=16
    )
    for way in ("auto", "off"):
        model = JetMoeForCausalLM(config)
        ready(model, small_settings(gradient_checkpointing=way, targets="all-linear"), lambda note: None)
        assert checkpointable_layers(model) == []
    with pytest.raises(ModelError) as refused:
        ready(JetMoeForCausalLM(config), small_settings(gradient_checkpointing="on"), lambda note: None)
    assert refused.value.setting == "gradient_checkpointing"


def test_text_layers_alone_where_a_model_also_sees() -> None:
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    small = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    config = LlavaConfig(
        text_config={"model_type": "llama", "vocab_size": 64, "num_hidden_layers": 3, **small},
        vision_config={
            "model_type": "clip_vision_model",
            "num_hidden_layers": 5,
            "image_size": 8,
            "patch_size": 4,
            **small,
        },
    )
    assert len(checkpointable_layers(LlavaForConditionalGeneration(config))) == 3


# -- in a run ---------------------------------------------------------------------------------------------------------


def test_a_run_with_little_memory_checkpoints_some_layers_and_learns_the_same_bytes(
    owner: TinyOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = prepared(TinySamples(12, 24))
    settings: dict[str, Any] = {"dropout": 0.2, "gradient_checkpointing": "auto"}
    plain = train(owner, small_settings(name="plain", **settings), data)
    taken, seen = Counted(monkeypatch, fits_from=1), checkpointed_in_updates(owner, monkeypatch)
    limited = train(owner, small_settings(name="limited", **settings), data)
    assert taken.used == [1] and seen == {1}
    assert any("1 of 2 layers are checkpointed" in note for note in limited.notes)
    files = [Path(run.folder, "adapter_model.safetensors").read_bytes() for run in (plain, limited)]
    assert files[0] == files[1]


def checkpointed_in_updates(owner: TinyOwner, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Gets how many layers are checkpointed while updates are done, those of trials too."""
    seen: set[int] = set()
    layers = checkpointable_layers(owner.loaded.model)

    def noting(work: Any) -> Any:
        def update(*given: Any) -> Any:
            seen.add(sum(layer.gradient_checkpointing for layer in layers))
            return work(*given)

        return update

    for place, name in ((UpdateRunner, "run"), (Trials, "update")):
        monkeypatch.setattr(place, name, noting(getattr(place, name)))
    return seen


@pytest.mark.parametrize(("way", "layers"), [("auto", 2), ("on", 2), ("off", 0)])
def test_the_search_knows_what_a_run_can_checkpoint(
    way: str, layers: int, owner: TinyOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = checkpointed_in_updates(owner, monkeypatch)
    find(owner, small_settings(gradient_checkpointing=way), count=2)
    assert seen == {layers}


class Counted:
    """Memory in which a run fits only with `fits_from` layers checkpointed; `used` is how many each run checkpoints."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fits_from: int) -> None:
        self.used: list[int] = []
        work_of = run_memory.RunMemory.of

        def limited(*args: Any) -> Any:
            memory = work_of(*args)
            needed = run_memory.forecast(memory.work, 2, 24, fits_from).needed_bytes
            memory.work = run_memory.replace(memory.work, free_bytes=int(needed / CPU_SHARE) + 1000)
            begin = memory.begin
            monkeypatch.setattr(memory, "begin", lambda *sizes: self._note(memory, begin(*sizes)), raising=False)
            return memory

        monkeypatch.setattr(run_memory.RunMemory, "of", limited)

    def _note(self, memory: Any, said: str) -> str:
        self.used.append(memory.checkpointed)
        return said


def test_running_out_of_memory_checkpoints_more_layers_before_it_cuts_the_batch(
    owner: TinyOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = prepared(TinySamples(12, 24))
    plain = train(owner, small_settings(name="plain", dropout=0.2), data)
    inner, failures = UpdateRunner._micro_batch, [2]

    def short(self: Any, model: Any, piece: Any, count: float) -> Any:
        loss = inner(self, model, piece, count)
        if failures[0]:
            failures[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return loss

    monkeypatch.setattr(UpdateRunner, "_micro_batch", short)
    limited = train(owner, small_settings(name="limited", dropout=0.2), data)
    said = [note for note in limited.notes if "Out of memory" in note]
    assert ["1 of 2 layers" in said[0], "2 of 2 layers" in said[1]] == [True, True] and len(said) == 2
    files = [Path(run.folder, "adapter_model.safetensors").read_bytes() for run in (plain, limited)]
    assert files[0] == files[1]
    assert len(read_history(limited.folder / "training_history.jsonl").points) == limited.total_updates
