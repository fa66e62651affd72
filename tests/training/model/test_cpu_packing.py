"""4-bit layers that a chat has packed for inference are trained on in the layout that has a gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from bitsandbytes.functional import _convert_weight_packed_for_cpu, dequantize_4bit
from bitsandbytes.nn import Linear4bit

from training_pro.training.model.cpu_packing import prepare_for_training


def layer(double_quantized: bool) -> Any:
    torch.manual_seed(0)
    made = Linear4bit(
        128, 64, bias=False, compute_dtype=torch.float32, quant_type="nf4", compress_statistics=double_quantized
    )
    return made.to("cpu")


def pack(made: Any) -> None:
    """As answering in evaluation mode does on a processor with AVX512-BF16."""
    made.weight.data, made.weight.quant_state = _convert_weight_packed_for_cpu(
        made.weight.data, made.weight.quant_state
    )


@pytest.mark.parametrize("double_quantized", [False, True])
def test_what_is_packed_is_unpacked_and_means_the_same(double_quantized: bool) -> None:
    made = layer(double_quantized)
    codes = made.weight.data.clone()
    meant = dequantize_4bit(made.weight.data, made.weight.quant_state).float()
    pack(made)
    packed, packed_state = made.weight.data, made.weight.quant_state
    packed_bytes, packed_scales = packed.clone(), packed_state.absmax.clone()
    assert prepare_for_training(torch.nn.Sequential(made, torch.nn.Linear(2, 2))) == 1
    assert torch.equal(made.weight.data, codes)
    now = dequantize_4bit(made.weight.data, made.weight.quant_state).float()
    assert torch.allclose(now, meant, rtol=2**-7)  # the scales were rounded to bfloat16 when it was packed
    assert torch.equal(packed, packed_bytes), "the host's own layout must stay for the snapshot to put back"
    assert torch.equal(packed_state.absmax, packed_scales)
    assert packed_state.packing_format_for_cpu


@pytest.mark.parametrize("double_quantized", [False, True])
def test_a_gradient_flows_and_answering_packs_nothing_any_more(double_quantized: bool) -> None:
    made = layer(double_quantized)
    pack(made)
    prepare_for_training(made)
    entered = torch.randn(2, 128, requires_grad=True)
    made(entered).sum().backward()
    assert entered.grad is not None and float(entered.grad.abs().sum()) > 0
    codes = made.weight.data.clone()
    made.eval()
    with torch.no_grad():
        made(torch.randn(2, 128))
    assert torch.equal(made.weight.data, codes)
    assert not made.weight.quant_state.packing_format_for_cpu


def test_a_layer_that_is_not_packed_stays() -> None:
    made = layer(True)
    codes, state = made.weight.data.clone(), made.weight.quant_state
    assert prepare_for_training(made) == 0
    assert torch.equal(made.weight.data, codes)
    assert made.weight.quant_state is state


def test_other_layers_are_left_alone() -> None:
    plain = torch.nn.Linear(2, 2)
    before = dict(vars(plain))
    assert prepare_for_training(plain) == 0
    assert vars(plain) == before
