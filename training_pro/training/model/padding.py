"""Whether a model must be told which tokens are padding.

Blocks are padded on the right, and a causal model's tokens see only those before them: then a mask changes nothing, but
costs the fast attention kernels and a wait for the card. Checked on the loaded model with two short forward passes.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

from training_pro.training.memory.in_use import CARDS
from training_pro.training.memory.out_of_memory import is_out_of_memory
from training_pro.training.model.config import text_config, value_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

_MIXTURES = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
_REAL, _PADDED = 7, 12  # tokens
_SHARED_KEYS_FROM = (8, 0)  # compute capability


def needs_mask(model: PreTrainedModel) -> bool:
    """Whether padding is masked. Always on processors, where a mask costs little and results stay as they were."""
    device = model.get_input_embeddings().weight.device
    return device.type not in CARDS or not padding_is_harmless(model)


def padding_is_harmless(model: PreTrainedModel) -> bool:
    """Whether real tokens come out the same, bit for bit, whatever stands in the padding after them.

    Mixtures of experts always need the mask: their loss on the routing counts every token that is not masked. So do
    models that can't be asked.
    """
    config = text_config(model)
    if any(value_of(config, name) for name in _MIXTURES) or _needs_slow_kernel(model, config):
        return False
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            one, other = (_outputs(model, padding) for padding in (1, 2))
        return torch.equal(one, other)
    except (TypeError, ValueError, AttributeError, NotImplementedError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        logger.info("Padding stays masked: %s", error)
        return False
    finally:
        model.train(training)


def _needs_slow_kernel(model: PreTrainedModel, config: object) -> bool:
    """Whether attention without a mask would leave the fast kernels: keys shared by several heads on an NVIDIA card
    before compute capability 8.0, where only torch's plain kernel takes them (transformers, ``sdpa_attention``)."""
    device = model.get_input_embeddings().weight.device
    if device.type != "cuda" or torch.version.hip or torch.cuda.get_device_capability(device) >= _SHARED_KEYS_FROM:
        return False
    heads, shared = value_of(config, "num_attention_heads"), value_of(config, "num_key_value_heads")
    return isinstance(heads, int) and isinstance(shared, int) and shared < heads


def _outputs(model: PreTrainedModel, padding: int) -> torch.Tensor:
    """The logits of the real tokens of a block that is followed by this token."""
    ids = torch.full((2, _PADDED), padding, device=model.get_input_embeddings().weight.device)
    ids[0] = torch.arange(3, 3 + _PADDED)
    ids[1, :_REAL] = torch.arange(5, 5 + _REAL)
    logits: torch.Tensor = model(input_ids=ids, use_cache=False).logits
    return logits[1, :_REAL]
