"""Whatever is done to a model, the snapshot gives it back as it was; and the fingerprint sees every change."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.training import zoo
from tests.training.model.fingerprint import model_fingerprint
from tests.training.tiny import small_settings
from training_pro.training.model.adapter import attach
from training_pro.training.model.chunked_loss import make_lean
from training_pro.training.model.snapshot import ModelSnapshot


def change_weight(model: Any) -> None:
    model.model.norm.weight.data[0] += 1e-6


def change_mode(model: Any) -> None:
    model.model.layers[1].train(not model.training)


def change_flag(model: Any) -> None:
    model.lm_head.weight.requires_grad_(False)


def change_hook(model: Any) -> None:
    model.model.layers[0].register_forward_hook(lambda *_: None)


def change_config(model: Any) -> None:
    model.config.use_cache = not model.config.use_cache


def change_generation_config(model: Any) -> None:
    model.generation_config.max_length = 99


def change_module(model: Any) -> None:
    model.model.layers[0].self_attn.q_proj = torch.nn.Linear(16, 16, bias=False)


def change_dtype(model: Any) -> None:
    model.lm_head.to(torch.bfloat16)


def change_forward(model: Any) -> None:
    assert make_lean(model).chunked


def change_attribute(model: Any) -> None:
    model.model.gradient_checkpointing = True


def change_gradient(model: Any) -> None:
    model.lm_head.weight.grad = torch.ones_like(model.lm_head.weight)


CHANGES = [
    change_weight,
    change_mode,
    change_flag,
    change_hook,
    change_config,
    change_generation_config,
    change_module,
    change_dtype,
    change_forward,
    change_attribute,
    change_gradient,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_the_fingerprint_sees_it(change: Any) -> None:
    model = zoo.make("llama").eval()
    before = model_fingerprint(model)
    assert model_fingerprint(model) == before
    change(model)
    assert model_fingerprint(model) != before


@pytest.mark.parametrize("change", [c for c in CHANGES if c is not change_weight], ids=lambda change: change.__name__)
def test_the_snapshot_takes_it_back(change: Any) -> None:
    model = zoo.make("llama").eval()
    before, snapshot = model_fingerprint(model), ModelSnapshot.take(model)
    change(model)
    snapshot.restore()
    assert model_fingerprint(model) == before


@pytest.mark.parametrize("family", zoo.FAMILIES)
@pytest.mark.parametrize(
    "changes", [{}, {"train_head": True, "use_dora": True, "targets": "all"}], ids=["plain", "all"]
)
def test_a_training_leaves_no_trace(family: str, changes: dict[str, Any]) -> None:
    model = zoo.make(family).eval()
    before, snapshot = model_fingerprint(model), ModelSnapshot.take(model)
    ids = torch.arange(3, 15)[None]
    wanted = model(input_ids=ids).logits
    make_lean(model)
    wrapped = attach(model, small_settings(**changes), seed=1).model
    wrapped.gradient_checkpointing_enable({"use_reentrant": False})
    wrapped.train()
    wrapped(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    torch.optim.SGD([p for p in wrapped.parameters() if p.requires_grad], lr=1.0).step()
    snapshot.restore()
    assert model_fingerprint(model) == before
    assert torch.equal(model(input_ids=ids).logits, wanted)
    assert not hasattr(model, "peft_config")


def test_objects_stay_the_same_objects() -> None:
    model = zoo.make("llama")
    layer, weight, config = model.model.layers[0].self_attn.q_proj, model.lm_head.weight, model.config
    snapshot = ModelSnapshot.take(model)
    attach(model, small_settings(train_head=True), seed=1)
    snapshot.restore()
    assert model.model.layers[0].self_attn.q_proj is layer
    assert model.lm_head.weight is weight
    assert model.config is config


def test_random_generators_are_put_back() -> None:
    import random

    import numpy as np

    snapshot = ModelSnapshot.take(zoo.make("llama"))
    drawn = (random.random(), float(np.random.rand()), float(torch.rand(1)))
    snapshot.restore()
    assert (random.random(), float(np.random.rand()), float(torch.rand(1))) == drawn


@pytest.mark.slow
def test_a_4_bit_model_comes_back_bit_for_bit(smol_model_4bit: Any) -> None:
    """Also one that has just chatted, whose layers bitsandbytes may have packed for inference."""
    from training_pro.training.model.cpu_packing import prepare_for_training

    model = smol_model_4bit.model
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = True  # as the host without our loader has it
    ids = torch.arange(30, 50)[None]
    with torch.no_grad():
        wanted = model(input_ids=ids).logits
    before, snapshot = model_fingerprint(model), ModelSnapshot.take(model)
    prepare_for_training(model)
    make_lean(model)
    wrapped = attach(model, small_settings(use_dora=True, train_head=True), seed=1).model.train()
    wrapped(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    assert all(p.grad is not None for n, p in wrapped.named_parameters() if "lora_B" in n)
    wrapped.eval()
    with torch.no_grad():
        wrapped(input_ids=ids)
    wrapped.state_dict()
    snapshot.restore()
    assert model_fingerprint(model) == before
    with torch.no_grad():
        assert torch.equal(model(input_ids=ids).logits, wanted)
