from __future__ import annotations

import types
from typing import Any

import pytest
import torch

from tests.training import zoo
from tests.training.model.fingerprint import model_fingerprint
from tests.training.tiny import small_settings
from training_pro.training.model import run_dtype as module
from training_pro.training.model.precision import DeviceFacts
from training_pro.training.model.prepare import ready
from training_pro.training.model.run_dtype import compute_as_the_run
from training_pro.training.model.snapshot import ModelSnapshot

AMPERE, TURING, CPU = DeviceFacts("cuda", True), DeviceFacts("cuda", False), DeviceFacts("cpu", True)


def four_bit(dtype: torch.dtype, compute: torch.dtype) -> Any:
    """A small Llama whose layers are 4-bit, as the host loads it."""
    bnb = pytest.importorskip("bitsandbytes")
    model = zoo.make("llama").to(dtype)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, torch.nn.Linear) and "lm_head" not in name:
            new = bnb.nn.Linear4bit(layer.in_features, layer.out_features, bias=False, compute_dtype=compute)
            new.load_state_dict({"weight": layer.weight.data})
            new = new.to("cpu")
            new.support_avx512bf16_for_cpu = False
            if new.weight.quant_state is None:
                new.weight._quantize("cpu")
            setattr(model.get_submodule(name.rsplit(".", 1)[0]), name.rsplit(".", 1)[1], new)
    model.is_loaded_in_4bit = True
    return model.requires_grad_(False)


def dtypes(model: Any) -> dict[str, set[torch.dtype]]:
    layers = [layer for layer in model.modules() if hasattr(layer, "compute_type_is_set")]
    return {
        "halves": {p.dtype for p in model.parameters() if p.is_floating_point()},
        "compute": {layer.compute_dtype for layer in layers},
        "unpacked": {layer.weight.quant_state.dtype for layer in layers},
    }


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    ("dtype", "compute", "device", "wanted"),
    [
        (torch.float16, torch.float16, AMPERE, torch.bfloat16),
        (torch.bfloat16, torch.float16, AMPERE, torch.bfloat16),
        (torch.bfloat16, torch.bfloat16, TURING, torch.float16),
        (torch.float16, torch.float16, CPU, torch.bfloat16),
    ],
)
def test_a_run_has_one_type_and_the_model_comes_back_bit_for_bit(
    dtype: torch.dtype,
    compute: torch.dtype,
    device: DeviceFacts,
    wanted: torch.dtype,
    in_place: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_changes_in_place", lambda parameter: in_place)
    model = four_bit(dtype, compute)
    before, snapshot = model_fingerprint(model), ModelSnapshot.take(model)
    places = {name: p.data_ptr() for name, p in model.named_parameters()}
    values = model.lm_head.weight.float()
    assert compute_as_the_run(model, device, dtype) == ""
    assert dtypes(model) == {"halves": {wanted}, "compute": {wanted}, "unpacked": {wanted}}
    assert torch.equal(model.lm_head.weight.float(), values.to(wanted).float())
    if in_place:
        assert places == {name: p.data_ptr() for name, p in model.named_parameters()}
    snapshot.restore()
    assert model_fingerprint(model) == before
    assert places == {name: p.data_ptr() for name, p in model.named_parameters()}


def test_a_tied_head_is_converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_changes_in_place", lambda parameter: True)
    model = zoo.make("llama").to(torch.float16)
    model.lm_head.weight = torch.nn.Parameter(model.model.embed_tokens.weight.data)  # one memory, two parameters
    before, snapshot = model_fingerprint(model), ModelSnapshot.take(model)
    values = model.lm_head.weight.float()
    compute_as_the_run(model, AMPERE, torch.float16)
    assert torch.equal(model.lm_head.weight.float(), values.bfloat16().float())
    assert torch.equal(model.lm_head.weight, model.model.embed_tokens.weight)
    snapshot.restore()
    assert model_fingerprint(model) == before


def test_weights_that_main_memory_can_not_keep_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_changes_in_place", lambda parameter: True)
    monkeypatch.setattr(module.psutil, "virtual_memory", lambda: types.SimpleNamespace(available=1000))
    model = zoo.make("llama").to(torch.float16)
    said = compute_as_the_run(model, AMPERE, torch.float16)
    assert "float16" in said and "bfloat16" in said
    assert {p.dtype for p in model.parameters()} == {torch.float16}


def test_the_stream_of_an_fp16_base_is_of_half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """bitsandbytes gives back its input's type: fp16 + the LoRA's bf16 would be float32 in every layer."""
    monkeypatch.setattr(DeviceFacts, "of", lambda device: AMPERE)
    model = four_bit(torch.float16, torch.float16)
    attached = ready(model, small_settings(), lambda note: None)
    seen: list[torch.dtype] = []
    for layer in model.model.layers:
        layer.register_forward_hook(lambda layer, given, made: seen.append(made.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        ids = torch.arange(3, 15)[None]
        attached.model(input_ids=ids, labels=ids, use_cache=False)
    assert set(seen) == {torch.bfloat16}


@pytest.mark.parametrize("targets", ["q-v", "k-v-down"])
def test_attention_gets_queries_keys_and_values_of_one_type(targets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """flash-attention refuses others: a layer that has no LoRA on its queries would give them in the host's type."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    monkeypatch.setattr(DeviceFacts, "of", lambda device: AMPERE)
    seen: list[set[torch.dtype]] = []
    own = ALL_ATTENTION_FUNCTIONS["sdpa"]

    def noting(layer: Any, query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append({query.dtype, key.dtype, value.dtype})
        return own(layer, query, key, value, *args, **kwargs)

    attached = ready(four_bit(torch.float16, torch.float16), small_settings(targets=targets), lambda note: None)
    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS, "sdpa", noting)
    with torch.autocast("cpu", torch.bfloat16):
        attached.model(input_ids=torch.arange(3, 15)[None], use_cache=False)
    assert seen == [{torch.bfloat16}] * 2


@pytest.mark.parametrize("device", [AMPERE, TURING])
@pytest.mark.parametrize("changes", [{"use_dora": True, "targets": "all"}, {"train_head": True}], ids=["dora", "head"])
def test_all_that_learns_is_float32_with_float32_gradients(
    changes: dict[str, Any], device: DeviceFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gradient scaler refuses gradients in float16."""
    monkeypatch.setattr(DeviceFacts, "of", lambda asked: device)
    attached = ready(four_bit(torch.float16, torch.float16), small_settings(**changes), lambda note: None)
    ids = torch.arange(3, 15)[None]
    with torch.autocast("cpu", torch.bfloat16 if device.native_bf16 else torch.float16):
        attached.model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    learning = [p for p in attached.model.parameters() if p.requires_grad]
    assert {p.dtype for p in learning} == {torch.float32}
    assert {p.grad.dtype for p in learning if p.grad is not None} == {torch.float32}
