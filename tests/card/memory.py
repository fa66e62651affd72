"""Peaks of updates of real models on fake tensors, and the forecast against them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from tests.card.check import Found, at_most
from tests.card.fake_model import SIZES, Size, Update, fake_card, fake_model, update
from training_pro.settings import Settings
from training_pro.training.memory.forecast import Forecast, Work, forecast
from training_pro.training.memory.model_shape import model_shape, target_shapes

BLOCKS, TOKENS = 10, 256
_GIB = 2**30
_BESIDE_13B = 15 * _GIB  # what a card of 24 GB has left beside a 13B model in 4-bit
FP16, BF16 = torch.float16, torch.bfloat16


def peaks() -> Iterator[Found]:
    """The three sizes that people train, without checkpointing, loaded in either half precision."""
    for name, size, base, bar in (
        ("peak_7b_fp16", "7b", FP16, 12.6),
        ("peak_13b_fp16", "13b", FP16, 19.6),
        ("peak_13b_bf16", "13b", BF16, 19.6),
    ):
        yield at_most(name, _measured(SIZES[size], base, Settings(), 0)[0].peak_bytes / _GIB, bar, "GiB")


def on_24_gb() -> Iterator[Found]:
    """A 13B model at 10 x 256, as the forecast makes it fit; LoRA and optimizer included."""
    with fake_card():
        work = work_of(SIZES["13b"], Settings(), _BESIDE_13B)
    plan = forecast(work, BLOCKS, TOKENS)
    found, _ = _measured(SIZES["13b"], FP16, Settings(), plan.checkpointed)
    whole = found.peak_bytes + plan.adapter + plan.optimizer
    yield at_most("peak_13b_fit_24gb", whole / _GIB, _BESIDE_13B / _GIB, "GiB")
    yield at_most("layers_checkpointed_13b_24gb", plan.checkpointed / plan.layers, 1 / 3)


def train_head() -> Iterator[Found]:
    """Train Head with 128k words, whose gradients are the largest thing of all: the forecast against the peak."""
    settings = Settings(train_head=True)
    size = replace(SIZES["8b"], layers=2)
    found, expected = _measured(size, BF16, settings, 0)
    yield at_most("train_head_peak_128k", found.peak_bytes / _GIB, 5.0, "GiB")
    yield at_most("train_head_forecast", _error(found, expected), 0.10)


def grid(quick: bool = False) -> Iterator[Found]:
    """The forecast's largest relative error over sizes, targets, dtypes and checkpointed layers."""
    worst, where = 0.0, ""
    for name, targets, base, layers in _CASES[:2] if quick else _CASES:
        settings = Settings(targets=targets.removesuffix(_EXPERTS), train_experts=targets.endswith(_EXPERTS))
        found, expected = _measured(SIZES[name], base, settings, layers)
        error = _error(found, expected)
        if error > worst:
            worst, where = error, f"{name} {targets} {layers} checkpointed"
    line = at_most("forecast_worst", worst, 0.10)
    yield replace(line, bar=f"{line.bar} ({where})")


_EXPERTS = " and experts"
_CASES = (
    *(("7b", targets, dtype, layers) for targets, dtype in (("q-v", FP16), ("all", BF16)) for layers in (0, 16, 32)),
    *(("8b", targets, dtype, layers) for targets, dtype in (("q-v", BF16), ("all", FP16)) for layers in (0, 12, 32)),
    *(("13b", targets, dtype, layers) for targets, dtype in (("q-v", FP16), ("all", BF16)) for layers in (0, 13, 40)),
    *(
        ("mixture", targets, dtype, layers)
        for targets, dtype in (("q-v", BF16), ("all", FP16))
        for layers in (0, 8, 24)
    ),
    *(("mixture", f"q-v{_EXPERTS}", dtype, layers) for dtype, layers in ((BF16, 0), (FP16, 8), (BF16, 24))),
)


def work_of(size: Size, settings: Settings, free_bytes: int) -> Work:
    """What the forecast knows of a model of this size in 4-bit on a card; within `fake_card`."""
    model = fake_model(size, BF16, FP16)
    return Work(model_shape(model), target_shapes(model, settings), settings, "cuda", free_bytes, quantized=True)


def _measured(size: Size, base: torch.dtype, settings: Settings, layers: int) -> tuple[Update, Forecast]:
    with fake_card():
        model = fake_model(size, base, FP16)
        shape, targets = model_shape(model), target_shapes(model, settings)
        found = update(model, settings, layers, BLOCKS, TOKENS)
    return found, forecast(Work(shape, targets, settings, "cuda", 1 << 40, True), BLOCKS, TOKENS, layers)


def _error(found: Update, expected: Forecast) -> float:
    """LoRA and optimizer are no part of what is measured."""
    value = expected.activations + expected.loss + expected.gradients
    return abs(value / found.peak_bytes - 1)
