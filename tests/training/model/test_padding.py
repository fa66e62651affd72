"""Which models need to know what is padding."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.training import zoo
from training_pro.training.loop.batches import pad
from training_pro.training.model import padding
from training_pro.training.model.chunked_loss import make_lean
from training_pro.training.model.padding import _needs_slow_kernel, needs_mask, padding_is_harmless

CAUSAL = sorted(set(zoo.FAMILIES) - {"mixtral", "qwen2moe"})


@pytest.mark.parametrize("family", CAUSAL)
def test_causal_models_need_no_mask_and_learn_the_same_without(family: str) -> None:
    """With OPT, positions come from the mask; right padding moves none of them."""
    from tests.training.tiny import TinySamples

    model = zoo.make(family).eval()
    assert padding_is_harmless(model)
    make_lean(model)
    samples = [TinySamples(4, 20)[i] for i in range(4)]
    for sample in samples:
        sample["input_ids"] %= 60
        sample["labels"][1:] %= 60
    losses = []
    for masked in (True, False):
        batch = pad(samples, 2, torch.device("cpu"), masked=masked)
        with torch.no_grad():
            losses.append(float(model(**batch.inputs(), trained_at=batch.trained_at, use_cache=False).loss))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("family", ["mixtral", "qwen2moe"])
def test_mixtures_keep_the_mask(family: str) -> None:
    assert not padding_is_harmless(zoo.make(family))


def test_a_model_whose_tokens_see_those_after_them_keeps_it() -> None:
    model = zoo.make("llama")
    body = model.model.forward

    def looking_ahead(*args: Any, **kwargs: Any) -> Any:
        output = body(*args, **kwargs)
        output.last_hidden_state = output.last_hidden_state + output.last_hidden_state.flip(1)
        return output

    model.model.forward = looking_ahead
    assert not padding_is_harmless(model)


def test_the_mode_stays_and_a_lack_of_memory_is_passed_on() -> None:
    model = zoo.make("llama").train()
    padding_is_harmless(model)
    assert model.training

    def no_room(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    model.model.forward = no_room
    with pytest.raises(torch.OutOfMemoryError):
        padding_is_harmless(model)
    assert model.training


class OnCard:
    """A model on a card, as far as it is asked."""

    def __init__(self, heads: int, shared: int, kind: str = "cuda") -> None:
        self.config = SimpleNamespace(num_attention_heads=heads, num_key_value_heads=shared)
        self._kind = kind

    def get_input_embeddings(self) -> Any:
        return SimpleNamespace(weight=SimpleNamespace(device=torch.device(self._kind, 0)))


@pytest.mark.parametrize(
    ("kind", "harmless", "masked"),
    [("cuda", True, False), ("cuda", False, True), ("xpu", True, False), ("cpu", True, True), ("mps", True, True)],
)
def test_padding_is_masked_only_where_a_model_needs_it(
    kind: str, harmless: bool, masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(padding, "padding_is_harmless", lambda model: harmless)
    model: Any = OnCard(32, 32, kind)
    assert needs_mask(model) is masked


@pytest.mark.parametrize(
    ("capability", "heads", "shared", "slow"),
    [((7, 5), 32, 8, True), ((7, 5), 32, 32, False), ((8, 0), 32, 8, False), ((8, 9), 32, 8, False)],
)
def test_shared_keys_keep_the_mask_where_only_the_slow_kernel_takes_them(
    capability: tuple[int, int], heads: int, shared: int, slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    model: Any = OnCard(heads, shared)
    assert _needs_slow_kernel(model, model.config) == slow
