"""The forecast: its parts from shapes and settings, what fits, and what would help."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.training import zoo
from training_pro.hosts.host import LoadedModel
from training_pro.settings import Settings
from training_pro.training.loop.optimizers import CANDIDATES, STATE_BYTES, available_optimizers
from training_pro.training.memory.forecast import (
    CARD_SHARE,
    CPU_SHARE,
    Work,
    forecast,
    largest_that_fits,
)
from training_pro.training.memory.model_shape import (
    ModelShape,
    TargetShape,
    model_shape,
    target_shapes,
    trained_numbers,
)
from training_pro.training.model.adapter import attach
from training_pro.words import gigabytes

LLAMA = ModelShape(
    layers=32,
    hidden=4096,
    feed_forward=11008,
    experts=1,
    queries=4096,
    keys=4096,
    heads=32,
    vocabulary=32000,
    number_bytes=2,
    weights_bytes=4 << 30,
    tied=False,
    whole_attention=False,
    checkpointable=32,
)
TARGETS = (TargetShape(4096, 4096),) * 64


def work(free_gb: float = 24, device: Any = "cuda", quantized: bool = True, **settings: Any) -> Work:
    settings = {"gradient_checkpointing": "off", **settings}
    return Work(LLAMA, TARGETS, Settings(**settings), device, int(free_gb * 1024**3), quantized)


def test_the_parts_make_the_whole() -> None:
    found = forecast(work(), 4, 512)
    numbers = 64 * 32 * 8192
    assert found.weights == 4 << 30
    assert (found.adapter, found.gradients, found.optimizer) == (4 * numbers, 4 * numbers, 8 * numbers)
    assert sum(size for _, size in found.parts) == found.needed_bytes
    assert [size for _, size in found.parts] == sorted((size for _, size in found.parts), reverse=True)


def test_more_blocks_longer_blocks_and_more_targets_need_more() -> None:
    base = forecast(work(), 2, 256).needed_bytes
    assert forecast(work(), 3, 256).needed_bytes > base
    assert forecast(work(), 2, 288).needed_bytes > base
    assert forecast(work(rank=64), 2, 256).needed_bytes > base
    assert forecast(work(use_dora=True), 2, 256).needed_bytes > base
    assert forecast(work(train_head=True), 2, 256).needed_bytes >= base + 2 * 32000 * 4096 * 16
    assert forecast(replace(work(), targets=TARGETS * 2), 2, 256).needed_bytes > base
    eager = replace(work(), shape=replace(LLAMA, whole_attention=True))
    assert forecast(eager, 2, 256).needed_bytes > base


def test_checkpointing_and_small_optimizers_need_less() -> None:
    plain = forecast(work(), 4, 512)
    checkpointed = forecast(work(gradient_checkpointing="on"), 4, 512)
    assert checkpointed.activations < plain.activations / 5
    assert forecast(work(optimizer="adamw_8bit"), 4, 512).optimizer == plain.optimizer // 4


def test_what_was_measured_corrects_what_depends_on_the_batch() -> None:
    plain, corrected = forecast(work(), 2, 256), forecast(replace(work(), correction=1.5), 2, 256)
    assert corrected.activations == int(plain.activations * 1.5)
    assert corrected.optimizer == plain.optimizer


def test_a_card_and_a_machine_may_be_filled_to_their_share() -> None:
    card, machine = forecast(work(10), 1, 256), forecast(work(10, "cpu"), 1, 256)
    assert card.limit_bytes == int(card.free_bytes * CARD_SHARE)
    assert 0.92 <= CARD_SHARE <= 0.95  # fragments and the desktop take the rest
    assert machine.limit_bytes == int(machine.free_bytes * CPU_SHARE)


def test_the_largest_that_fits_is_the_last_that_fits() -> None:
    for device in ("cpu", "cuda"):
        roomy = work(100, device)
        size = largest_that_fits(roomy, 64, 512)
        assert 1 < size < 64
        assert forecast(roomy, size, 512).fits and not forecast(roomy, size + 1, 512).fits
    assert largest_that_fits(work(0.1), 64, 512) == 0
    assert largest_that_fits(work(1000), 64, 512) == 64


def test_the_sentence_says_what_would_help() -> None:
    said = forecast(work(1, quantized=False, train_head=True), 8, 1024).sentence()
    for way in ("Gradient Checkpoint", "True Batch Size", "1024", "Train Head", "4-bit", "LoRA Rank (32)", "8-bit"):
        assert way in said, way
    content = forecast(work(1000), 1, 64).sentence()
    assert "To need less" not in content and "1000.0 GB" in content


def test_what_is_so_already_is_not_advised() -> None:
    lean = work(0.1, gradient_checkpointing="on", batch_size=1, rank=8, optimizer="adamw_8bit")
    said = forecast(lean, 1, 512).sentence()
    for way in ("Checkpoint", "True Batch Size", "Train Head", "DoRA", "4-bit", "Rank", "8-bit", "Projections"):
        assert way not in said, way
    assert "Maximum context length" in said and "smaller model" in said


def test_the_optimizers_state_is_as_large_as_it_is_said_to_be() -> None:
    """Measured on a tensor that 8-bit optimizers do quantize."""
    from transformers import Trainer, TrainingArguments

    assert set(STATE_BYTES) == set(CANDIDATES)
    count = 1 << 18
    for name in available_optimizers():
        args = TrainingArguments(output_dir="unused", optim=name, use_cpu=True, report_to="none")
        kind, values = Trainer.get_optimizer_cls_and_kwargs(args)
        weight = torch.nn.Parameter(torch.ones(512, count // 512))
        optimizer: Any = kind([weight], **values)
        if hasattr(optimizer, "train"):
            optimizer.train()
        weight.square().sum().backward()
        optimizer.step()
        state = optimizer.state[weight].values()
        size = sum(t.numel() * t.element_size() for t in state if isinstance(t, torch.Tensor))
        assert size / count == pytest.approx(STATE_BYTES[name], rel=0.05, abs=0.15), name


@pytest.mark.parametrize("more", [{}, {"use_dora": True}, {"targets": "all"}, {"train_head": True}])
def test_the_numbers_that_learn_are_those_of_the_lora(tiny_model: LoadedModel, more: dict[str, Any]) -> None:
    settings = Settings(rank=4, **more)
    shape, targets = model_shape(tiny_model.model), target_shapes(tiny_model.model, settings)
    expected = trained_numbers(shape, targets, settings)
    assert attach(tiny_model.model, settings, 0).trainable_parameters == expected


@pytest.mark.parametrize("family", ["mixtral", "qwen2moe"])
def test_experts_count_among_the_numbers_that_learn(family: str) -> None:
    model, settings = zoo.make(family), Settings(rank=2, train_experts=True)
    shape, targets = model_shape(model), target_shapes(model, settings)
    assert attach(model, settings, 0).trainable_parameters == trained_numbers(shape, targets, settings)


def test_experts_that_learn_need_their_size_again_whatever_the_batch() -> None:
    experts = (TargetShape(64, 32, experts=8),) * 32
    plain, more = forecast(work(), 1, 8), forecast(replace(work(), targets=TARGETS + experts), 1, 8)
    assert more.needed_bytes - plain.needed_bytes >= 32 * 8 * 64 * 32 * 2


def test_the_shape_of_a_model(tiny_model: LoadedModel) -> None:
    shape = model_shape(tiny_model.model)
    assert (shape.layers, shape.hidden, shape.feed_forward, shape.queries) == (2, 64, 128, 64)
    assert (shape.vocabulary, shape.number_bytes) == (512, 4)
    assert shape.weights_bytes >= 4 * sum(p.numel() for p in tiny_model.model.parameters())


def test_the_shape_of_a_model_that_names_things_differently() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=3, n_head=4, vocab_size=64, n_positions=32))
    shape = model_shape(model)
    assert (shape.layers, shape.hidden, shape.feed_forward, shape.tied) == (3, 32, 128, True)
    assert target_shapes(model, Settings(targets="q-v"))[0] == TargetShape(32, 96)


def test_sizes_in_words() -> None:
    assert gigabytes(0) == "0.00 GB"
    assert gigabytes(3 << 29) == "1.50 GB"
    assert gigabytes(24 << 30) == "24.0 GB"


def test_as_few_layers_are_checkpointed_as_fit() -> None:
    auto = work(8, gradient_checkpointing="auto")
    found = forecast(auto, 10, 256)
    assert 0 < found.checkpointed < found.layers == 32
    assert found.fits and not forecast(auto, 10, 256, found.checkpointed - 1).fits
    assert f"{found.checkpointed} of 32 layers checkpointed" in found.sentence()
    assert forecast(work(100, gradient_checkpointing="auto"), 10, 256).checkpointed == 0
    assert forecast(work(0.1, gradient_checkpointing="auto"), 10, 256).checkpointed == 32


def test_the_setting_may_say_how_many() -> None:
    assert forecast(work(0.1, gradient_checkpointing="off"), 10, 256).checkpointed == 0
    assert forecast(work(100, gradient_checkpointing="on"), 10, 256).checkpointed == 32


def test_a_model_that_can_t_checkpoint_is_not_told_to() -> None:
    stiff = replace(work(0.5), shape=replace(LLAMA, checkpointable=0))
    for way in ("off", "auto", "on"):
        found = forecast(replace(stiff, settings=Settings(gradient_checkpointing=way)), 4, 512)
        assert found.checkpointed == 0 and "heckpoint" not in found.sentence()


def test_what_can_be_typed_is_named() -> None:
    options = forecast(work(1, quantized=False, train_head=True), 8, 1024).options
    assert options[:3] == (
        "--set gradient_checkpointing=auto",
        "--set batch_size=4",
        "--set max_tokens=512",
    )
    assert "--quantization 4-bit" in options
