"""Models of real size on fake tensors: the libraries' own code runs, every allocation is counted, nothing is computed.

The tensors are torch's fake ones. They say "cpu", for a torch without CUDA can't build a backward pass for fake CUDA
tensors; what a card does otherwise is put in their place: autocast, the dropout that keeps a mask of bytes, attention
that keeps no scores. The 4-bit layer has bitsandbytes' forward from the cast of its input on. One update of a 13B
model takes some seconds and no memory.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import bitsandbytes
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from training_pro.settings import Settings
from training_pro.training.memory.checkpointing import Checkpointing
from training_pro.training.model import chunked_loss, run_dtype
from training_pro.training.model.head_path import head_paths
from training_pro.training.model.heads import frozen_embeddings
from training_pro.training.model.precision import DeviceFacts, autocast_dtype, mixed_precision
from training_pro.training.model.prepare import ready

AMPERE, TURING = DeviceFacts("cuda", True), DeviceFacts("cuda", False)
MIB = 2**20


@dataclass(frozen=True)
class Size:
    """A model of the Llama family, or a mixture of experts like Mixtral."""

    layers: int
    hidden: int
    feed_forward: int
    heads: int
    kv_heads: int
    vocabulary: int
    experts: int = 0
    experts_per_token: int = 2
    tied: bool = False  # embeddings and head are one


SIZES = {
    "1b": Size(16, 2048, 8192, 32, 8, 128256, tied=True),
    "3b": Size(28, 3072, 8192, 24, 8, 128256, tied=True),
    "7b": Size(32, 4096, 11008, 32, 32, 32000),
    "8b": Size(32, 4096, 14336, 32, 8, 128256),
    "13b": Size(40, 5120, 13824, 40, 40, 32000),
    "mixture": Size(24, 2048, 1408, 16, 16, 102400, experts=16, experts_per_token=4),
    "part": Size(8, 4096, 11008, 32, 32, 32000),  # of the 7B one, for what needs many updates
    "small": Size(4, 1024, 2816, 16, 16, 32000),
    "tiny": Size(2, 256, 688, 4, 4, 1000),
}


class Linear4bit(bitsandbytes.nn.Linear4bit):
    """bitsandbytes' own with a plain parameter as its weight, which fake tensors need."""

    def __init__(self, given: int, made: int, compute: torch.dtype) -> None:
        torch.nn.Module.__init__(self)
        self.in_features, self.out_features, self.bias = given, made, None
        self.compute_dtype, self.compute_type_is_set = compute, True
        self.quant_state, self.support_avx512bf16_for_cpu = None, False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        asked = x.dtype
        weight: Any = self.weight
        multiply = bitsandbytes.autograd._functions.MatMul4Bit.apply
        return multiply(x.to(self.compute_dtype), weight.t(), None, None, weight.quant_state).to(asked)


class Allocations(TorchDispatchMode):
    """Bytes of all storages that live and were made while entered; `peak` is the most there were at once."""

    def __init__(self, known: list[torch.Tensor]) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {tensor.untyped_storage()._cdata: 0 for tensor in known}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._see(tensor.untyped_storage())
        return made

    def _see(self, storage: Any) -> None:
        key = storage._cdata
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, key)

    def _gone(self, key: int) -> None:
        self.now -= self._sizes.pop(key, 0)


@contextmanager
def fake_card(facts: DeviceFacts = AMPERE) -> Iterator[None]:
    """Fake tensors, on which the code under test meets a card of these facts."""
    with ExitStack() as stack:
        patch = stack.enter_context
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        for name in ("kaiming_uniform_", "normal_", "uniform_", "zeros_", "ones_", "trunc_normal_"):
            patch(mock.patch.object(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor))
        patch(mock.patch.object(DeviceFacts, "of", lambda device: facts))
        patch(mock.patch.object(run_dtype, "_changes_in_place", lambda parameter: True))
        patch(mock.patch.object(run_dtype.psutil, "virtual_memory", lambda: mock.Mock(available=1 << 40)))
        patch(mock.patch.object(chunked_loss, "_path_that_fits", _first_path))
        patch(mock.patch.object(chunked_loss, "_check_trainable", lambda model: None))
        patch(mock.patch.object(chunked_loss, "chunked_loss_sum", _loss_of_all))
        patch(mock.patch.object(torch.nn.functional, "dropout", _dropout))
        patch(mock.patch.object(torch.nn.functional, "scaled_dot_product_attention", _flash_attention))
        patch(mock.patch("transformers.masking_utils.find_packed_sequence_indices", lambda position_ids: None))
        patch(mock.patch.object(torch.nn.Module, "_apply", _apply))
        patch(mock.patch.object(torch, "cat", _without_autocast(torch.cat)))
        yield


def _first_path(model: Any, own: Any) -> tuple[Any, int]:
    return next(iter(head_paths(model, own))), model.config.vocab_size


def _loss_of_all(
    hidden: torch.Tensor, labels: torch.Tensor, head: Any, parameters: Any, trained_at: Any, chunk: int
) -> torch.Tensor:
    """Each token is trained: which ones are is not known of fake labels."""
    flat, targets = hidden[:, :-1].reshape(-1, hidden.shape[-1]), labels[:, 1:].reshape(-1)
    total: torch.Tensor = chunked_loss._ChunkedLoss.apply(flat, targets, head, chunk, *parameters)
    return total


def _dropout(x: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
    return torch.native_dropout(x, p, True)[0] if training and p else x


def _flash_attention(query: Any, key: Any, value: Any, attn_mask: Any = None, **kwargs: Any) -> torch.Tensor:
    """The kernel that cards from Ampere on take where there is no mask; the heads' keys may be shared."""
    assert attn_mask is None and kwargs.get("is_causal"), "no card's flash attention takes this"
    made: torch.Tensor = torch.ops.aten._scaled_dot_product_flash_attention(query, key, value, 0.0, True, False)[0]
    return made


def _apply(self: Any, change: Any, recurse: bool = True) -> Any:
    """torch's own swaps a parameter's contents, which fake ones don't allow; this one puts a new parameter there."""
    for child in self.children() if recurse else ():
        _apply(child, change)
    for name, parameter in list(self._parameters.items()):
        if parameter is not None:
            changed = torch.nn.Parameter(change(parameter.detach()), requires_grad=parameter.requires_grad)
            self._parameters[name] = changed
    for name, buffer in list(self._buffers.items()):
        if buffer is not None:
            self._buffers[name] = change(buffer)
    return self


def _without_autocast(call: Any) -> Any:
    """Autocast of processors has a rule for it that cards don't have."""

    def called(*args: Any, **kwargs: Any) -> Any:
        with torch.autocast("cpu", enabled=False):
            return call(*args, **kwargs)

    return called


@contextmanager
def autocast(dtype: torch.dtype | None) -> Iterator[None]:
    """Autocast as the code under test sees it on a card."""
    if dtype is None:
        yield
        return
    asked = torch.is_autocast_enabled
    with (
        mock.patch.object(torch, "is_autocast_enabled", lambda *device: asked("cpu")),
        torch.autocast("cpu", dtype),
    ):
        yield


def fake_model(size: Size, base: torch.dtype, compute: torch.dtype, quantized: bool = True) -> Any:
    """A model as the host has it; call it within `fake_card`."""
    model = _skeleton(size, base)
    made: dict[int, Any] = {}  # a tied head stays tied
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None and id(parameter) not in made:
                empty = torch.empty(parameter.shape, dtype=parameter.dtype)
                made[id(parameter)] = torch.nn.Parameter(empty, requires_grad=False)
            if parameter is not None:
                module._parameters[name] = made[id(parameter)]
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)
    if quantized:
        _quantize(model, base, compute)
    return model


def _skeleton(size: Size, base: torch.dtype) -> Any:
    import transformers

    same: dict[str, Any] = {
        "num_hidden_layers": size.layers,
        "hidden_size": size.hidden,
        "intermediate_size": size.feed_forward,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "vocab_size": size.vocabulary,
        "max_position_embeddings": 4096,
        "attn_implementation": "sdpa",
        "tie_word_embeddings": size.tied,
    }
    if size.experts:
        config: Any = transformers.MixtralConfig(
            **same, num_local_experts=size.experts, num_experts_per_tok=size.experts_per_token
        )
        config._experts_implementation = "grouped_mm"
        kind: Any = transformers.MixtralForCausalLM
    else:
        config, kind = transformers.LlamaConfig(**same), transformers.LlamaForCausalLM
    before = torch.get_default_dtype()
    torch.set_default_dtype(base)
    try:
        with torch.device("meta"):
            return kind(config)
    finally:
        torch.set_default_dtype(before)


def _quantize(model: Any, base: torch.dtype, compute: torch.dtype) -> None:
    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Linear) and "lm_head" not in name:
            parent, own = name.rsplit(".", 1)
            layer: Any = Linear4bit(module.in_features, module.out_features, compute)
            layer.weight = _weight_4bit(module.in_features, module.out_features, base)
            setattr(model.get_submodule(parent), own, layer)
    model.is_loaded_in_4bit = True


def _weight_4bit(given: int, made: int, dtype: torch.dtype) -> Any:
    from bitsandbytes.functional import QuantState

    numbers = given * made
    weight: Any = torch.nn.Parameter(torch.empty((numbers // 2, 1), dtype=torch.uint8), requires_grad=False)
    weight.quant_state = QuantState(
        absmax=torch.empty(numbers // 64, dtype=torch.float32),
        shape=torch.Size((made, given)),
        code=torch.empty(16, dtype=torch.float32),
        blocksize=64,
        quant_type="nf4",
        dtype=dtype,
    )
    weight.compress_statistics, weight.quant_type = False, "nf4"
    return weight


@dataclass(frozen=True)
class Update:
    """One update on fake tensors: bytes above base, LoRA and optimizer, gradients included.

    `stream` are the types that the layers hand on; `lora_grads` those of the gradients.
    """

    kept_bytes: int
    peak_bytes: int
    stream: frozenset[torch.dtype]
    lora_grads: frozenset[torch.dtype]


def update(
    model: Any,
    settings: Settings,
    checkpointed: int = 0,
    batch: int = 10,
    tokens: int = 256,
    facts: DeviceFacts = AMPERE,
) -> Update:
    """One update of `model` as a run does it, `checkpointed` of its layers checkpointed; within `fake_card`."""
    attached = ready(model, settings, lambda note: None)
    _renew_changed(attached.model)
    Checkpointing.of(model).use(checkpointed)
    stream: set[torch.dtype] = set()
    for layer in model.model.layers:
        layer.register_forward_hook(lambda module, given, made: stream.add(_first(made).dtype))
    ids = torch.zeros((batch, tokens), dtype=torch.int64)
    dtype = autocast_dtype(mixed_precision(facts, frozen_embeddings(model).dtype))
    with Allocations(_known(attached.model)) as allocations:
        with autocast(dtype):
            count = float(batch * (tokens - 1))
            loss = attached.model(input_ids=ids, labels=ids, num_items_in_batch=count, use_cache=False).loss
        kept = allocations.now
        loss.backward()
    grads = frozenset(p.grad.dtype for p in attached.model.parameters() if p.grad is not None)
    return Update(kept, allocations.peak, frozenset(stream), grads)


def _renew_changed(model: Any) -> None:
    """A fake parameter whose data was set anew has a memory of its own for each view, which would be counted."""
    new: dict[int, Any] = {}
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is None or _has_one_memory(parameter):
                continue
            if id(parameter) not in new:
                empty = torch.empty(parameter.shape, dtype=parameter.dtype)
                new[id(parameter)] = torch.nn.Parameter(empty, requires_grad=parameter.requires_grad)
            module._parameters[name] = new[id(parameter)]


def _has_one_memory(parameter: Any) -> bool:
    return bool(parameter.detach().untyped_storage()._cdata == parameter.untyped_storage()._cdata)


def _first(made: Any) -> torch.Tensor:
    return made[0] if isinstance(made, tuple) else made


def _known(model: Any) -> list[torch.Tensor]:
    found = [*model.parameters(), *model.buffers()]
    states = [state for parameter in found if (state := getattr(parameter, "quant_state", None)) is not None]
    return [*found, *(state.absmax for state in states), *(state.code for state in states)]
