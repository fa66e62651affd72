"""The same on a real card: random 4-bit weights made there, no download, a few minutes.

What is measured here needs a card and is counted nowhere else. Without one each line says so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import bitsandbytes
import torch
from bitsandbytes.functional import QuantState

from tests.card.check import Found, at_most
from tests.card.fake_model import SIZES, Size, _skeleton
from training_pro.settings import Settings
from training_pro.training.memory.checkpointing import Checkpointing
from training_pro.training.memory.forecast import Work, forecast
from training_pro.training.memory.in_use import PeakMemory, free_bytes
from training_pro.training.memory.model_shape import model_shape, target_shapes
from training_pro.training.memory.out_of_memory import free_memory
from training_pro.training.model.deterministic import deterministic
from training_pro.training.model.precision import DeviceFacts, autocast_dtype, mixed_precision
from training_pro.training.model.prepare import ready
from training_pro.training.model.snapshot import ModelSnapshot, model_fingerprint

BLOCKS, TOKENS = 10, 256
_BARS = {
    "card_peak_7b_fp16": "at most 12.6 GiB",
    "card_forecast_7b_fp16": "at most 0.1",
    "card_forecast_7b_checkpointed": "at most 0.1",
    "card_updates_per_minute_7b": "shown",
    "card_model_given_back": "at most 0",
    "card_same_bytes_deterministic": "at most 0",
}


def on_card() -> Iterator[Found]:
    """Peaks, the forecast against them, speed, and the model given back."""
    if not torch.cuda.is_available():
        for name, bar in _BARS.items():
            yield Found(name, "not run", bar, None, "card")
        return
    yield from measured(SIZES["7b"], torch.device("cuda", 0))


def measured(size: Size, device: torch.device) -> Iterator[Found]:
    """All of it on `device`, which may be a processor where the sizes are small."""
    model = random_model(size, device, torch.float16)
    before, settings = model_fingerprint(model), Settings()
    grads = []
    for name, layers, same in (
        ("7b_fp16", 0, False),
        ("7b_checkpointed", size.layers, False),
        ("7b_once", 0, True),
        ("7b_again", 0, True),
    ):
        work = Work(
            model_shape(model), target_shapes(model, settings), settings, "cuda", free_bytes(device), quantized=True
        )
        snapshot = ModelSnapshot.take(model)
        with deterministic(same, device):
            peak, seconds, grad = _update(model, settings, layers, device)
        snapshot.restore()
        free_memory()
        expected = forecast(work, BLOCKS, TOKENS, layers)
        value = expected.activations + expected.loss + expected.gradients
        if same:
            grads.append(grad)
            continue
        if layers == 0:
            yield at_most("card_peak_7b_fp16", peak / 2**30, 12.6, "GiB", "card")
            yield Found("card_updates_per_minute_7b", round(60 / seconds, 1), "shown", True, "card")
        yield at_most(f"card_forecast_{name}", abs(value / max(peak, 1) - 1), 0.10, where="card")
    yield at_most("card_model_given_back", float(model_fingerprint(model) != before), 0, where="card")
    yield at_most("card_same_bytes_deterministic", float(not torch.equal(*grads)), 0, where="card")


def random_model(size: Size, device: torch.device, dtype: torch.dtype) -> Any:
    """A model of this size on `device`, its linear layers random 4-bit weights."""
    model = _skeleton(size, dtype)
    draw = torch.Generator(device).manual_seed(0)
    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Linear) and "lm_head" not in name:
            parent, own = name.rsplit(".", 1)
            layer = _random_4bit(module.in_features, module.out_features, dtype, device, draw)
            setattr(model.get_submodule(parent), own, layer)
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None and parameter.is_meta:
                data = torch.randn(parameter.shape, device=device, dtype=dtype, generator=draw)
                data = torch.ones_like(data) if data.ndim < 2 else data * 0.02
                module._parameters[name] = torch.nn.Parameter(data, requires_grad=False)
    model.model.rotary_emb = type(model.model.rotary_emb)(model.config).to(device)
    model.is_loaded_in_4bit = True
    return model.eval()


def _random_4bit(given: int, made: int, dtype: torch.dtype, device: torch.device, draw: torch.Generator) -> Any:
    layer: Any = bitsandbytes.nn.Linear4bit(1, 1, bias=False, compute_dtype=torch.float16, quant_type="nf4")
    layer.in_features, layer.out_features = given, made
    packed = torch.randint(0, 256, (given * made // 2, 1), dtype=torch.uint8, device=device, generator=draw)
    state = QuantState(
        absmax=torch.full((given * made // 64,), 0.05, device=device),
        shape=torch.Size((made, given)),
        code=bitsandbytes.functional.get_4bit_type("nf4", device=device),
        blocksize=64,
        quant_type="nf4",
        dtype=dtype,
    )
    layer.weight = bitsandbytes.nn.Params4bit(
        packed, requires_grad=False, quant_state=state, blocksize=64, quant_type="nf4", bnb_quantized=True, module=layer
    )
    layer.quant_state = state
    return layer


def _update(model: Any, settings: Settings, layers: int, device: torch.device) -> tuple[int, float, torch.Tensor]:
    """The peak of a second update above its start, its seconds, and the LoRA's gradients."""
    peft = ready(model, settings, lambda note: None).model
    Checkpointing.of(model).use(layers)
    weight = model.get_input_embeddings().weight
    dtype = autocast_dtype(mixed_precision(DeviceFacts.of(device), weight.dtype))
    draw = torch.Generator(device).manual_seed(1)
    ids = torch.randint(0, len(weight), (BLOCKS, TOKENS), device=device, generator=draw)
    grad = torch.zeros(0)
    seconds, peak_bytes = 0.0, 0
    for _ in range(2):
        peft.zero_grad(set_to_none=True)
        torch.manual_seed(2)
        begun = time.perf_counter()
        with PeakMemory(device) as peak:
            with torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None):
                count = float(BLOCKS * (TOKENS - 1))
                loss = peft(input_ids=ids, labels=ids, num_items_in_batch=count, use_cache=False).loss
            loss.backward()
            grad = torch.cat([p.grad.flatten().cpu() for p in peft.parameters() if p.grad is not None])
        seconds, peak_bytes = time.perf_counter() - begun, peak.bytes
    return peak_bytes, seconds, grad
