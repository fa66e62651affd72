"""How wrong the LoRA's gradients are where the host computes 4-bit layers in float16, with real numbers on a processor.

The loss of an update is the mean over all its trained tokens: with 20,400 of them each gradient is so small that in
float16, without a scaler, much of it would become 0. Both sides have the same 4-bit weights; the other side is float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bitsandbytes
import torch

from tests.card.check import Found, at_most
from tests.card.fake_model import AMPERE, autocast
from training_pro.training.model.run_dtype import compute_as_the_run

TRAINED_TOKENS = 20_400
WORDS = 4000


CPU = torch.device("cpu")


def gradient_error(layers: int = 8, hidden: int = 512, device: torch.device = CPU) -> Iterator[Found]:
    """The relative error of all LoRA gradients together."""
    model, peft = four_bit_with_lora(layers, hidden, device)
    ids = torch.randint(0, WORDS, (2, 256), generator=torch.Generator().manual_seed(1)).to(device)
    compute_as_the_run(model, AMPERE, torch.bfloat16)
    found = _gradients(peft, ids, torch.bfloat16)
    _all_in_float32(model)
    wanted = _gradients(peft, ids, None)
    yield at_most("gradient_error_compute_fp16", float((found - wanted).norm() / wanted.norm()), 0.015)


def four_bit_with_lora(layers: int, hidden: int, device: torch.device = CPU) -> tuple[Any, Any]:
    """A small Llama as the WebUI loads it: bfloat16, 4-bit layers that compute in float16."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    heads = hidden // 64
    config = LlamaConfig(
        num_hidden_layers=layers,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        vocab_size=WORDS,
    )
    model: Any = LlamaForCausalLM(config).to(torch.bfloat16)
    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Linear) and "lm_head" not in name:
            parent, own = name.rsplit(".", 1)
            setattr(model.get_submodule(parent), own, _four_bit(module, device))
    model.to(device)
    model.is_loaded_in_4bit = True
    lora = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    peft = get_peft_model(model, lora)
    for name, parameter in peft.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.01)
    return model, peft.train()


def _four_bit(layer: torch.nn.Linear, device: torch.device) -> Any:
    new: Any = bitsandbytes.nn.Linear4bit(
        layer.in_features, layer.out_features, bias=False, compute_dtype=torch.float16, quant_type="nf4"
    )
    new.load_state_dict({"weight": layer.weight.data})
    new = new.to(device)
    new.support_avx512bf16_for_cpu = False
    if getattr(new.weight, "quant_state", None) is None:
        new.weight._quantize(device)
    return new


def _all_in_float32(model: Any) -> None:
    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.compute_dtype = module.weight.quant_state.dtype = torch.float32
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.float()


def _gradients(peft: Any, ids: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    peft.zero_grad()
    with _autocast(ids.device, dtype):
        logits = peft(input_ids=ids, use_cache=False).logits
        targets = ids[:, 1:].reshape(-1)
        total = torch.nn.functional.cross_entropy(logits[:, :-1].float().reshape(-1, WORDS), targets, reduction="sum")
    (total / TRAINED_TOKENS).backward()
    return torch.cat([p.grad.flatten().float() for p in peft.parameters() if p.grad is not None])


def _autocast(device: torch.device, dtype: torch.dtype | None) -> Any:
    if device.type == "cpu":
        return autocast(dtype)
    return torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None)
