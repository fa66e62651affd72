"""Whether a model is bit for bit what it was."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import nn

from training_pro.training.model.snapshot import _config_states


def model_fingerprint(model: nn.Module) -> str:
    """A SHA-256 over every tensor (gradients and quantization state included) and each module's own attributes.

    Two equal fingerprints: the model is bit for bit the same.
    """
    digest = hashlib.sha256()
    for name, module in model.named_modules():
        digest.update(f"{name}|{type(module).__qualname__}|{_attributes_in_words(module)}".encode())
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|{tensor.requires_grad}".encode())
        digest.update(_bytes_of(tensor))
        digest.update(b"" if tensor.grad is None else _bytes_of(tensor.grad))
        _digest_quantization(digest, getattr(tensor, "quant_state", None))
    for config, attributes in _config_states(model):
        plain = {key: value for key, value in attributes.items() if not hasattr(value, "to_dict")}
        digest.update(f"{type(config).__name__}|{sorted(map(str, plain.items()))}".encode())
    return digest.hexdigest()


def _attributes_in_words(module: nn.Module) -> str:
    """Plain values as they are, dicts by their size (hooks, children), functions by name, all else by type."""
    return "|".join(f"{name}={_in_words(value)}" for name, value in sorted(vars(module).items()))


def _in_words(value: Any) -> str:
    if value is None or isinstance(value, (bool, int, float, str, torch.dtype)):
        return repr(value)
    if isinstance(value, dict):
        return (
            f"{len(value)} {sorted(map(str, value))}" if all(isinstance(key, str) for key in value) else str(len(value))
        )
    return getattr(value, "__qualname__", type(value).__qualname__)


def _digest_quantization(digest: hashlib._Hash, state: Any) -> None:
    """Scales and flags of a quantized tensor, those of its second level included."""
    for name, value in sorted(vars(state).items()) if hasattr(state, "__dict__") else ():
        if isinstance(value, torch.Tensor):
            digest.update(name.encode() + _bytes_of(value))
        elif hasattr(value, "absmax"):
            _digest_quantization(digest, value)
        else:
            digest.update(f"{name}={value}".encode())


def _bytes_of(tensor: torch.Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
