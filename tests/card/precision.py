"""In what each kind of card trains: everything about the card is faked, the question to it is our own."""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch

from tests.card.check import Found, same
from training_pro.training.model.precision import DeviceFacts, mixed_precision, run_dtype

CARDS = (
    ("precision_sm61", (6, 1), "", "fp16"),
    ("precision_sm75", (7, 5), "", "fp16"),
    ("precision_sm86", (8, 6), "", "bf16"),
    ("precision_sm89", (8, 9), "", "bf16"),
    ("precision_sm90", (9, 0), "", "bf16"),
    ("precision_rocm_rdna2", (10, 3), "gfx1030", "fp16"),
    ("precision_rocm", (11, 0), "gfx1100", "bf16"),
)
_NAMES = {torch.bfloat16: "bf16", torch.float16: "fp16"}


@contextmanager
def faked_card(capability: tuple[int, int], amd: str = "") -> Iterator[torch.device]:
    """A card of this compute capability, or AMD's chip of this name. Tensors in bfloat16 can be made on any."""
    torch.cuda._check_bf16_tensor_supported.cache_clear()
    facts = types.SimpleNamespace(major=capability[0], minor=capability[1], gcnArchName=amd)
    with (
        mock.patch("torch.cuda.is_available", return_value=True),
        mock.patch("torch.cuda.current_device", return_value=0),
        mock.patch("torch.cuda.get_device_properties", return_value=facts),
        mock.patch("torch.cuda._check_bf16_tensor_supported", return_value=True),
        mock.patch("torch.version.hip", "6.4" if amd else None),
        mock.patch("torch.version.cuda", None if amd else "12.8"),
    ):
        yield torch.device("cuda")


def precision() -> Iterator[Found]:
    """Autocast and the type of the weights, for models in either half precision."""
    for name, capability, amd, wanted in CARDS:
        with faked_card(capability, amd) as device:
            facts = DeviceFacts.of(device)
        found = {mixed_precision(facts, dtype) for dtype in _NAMES} | {_NAMES[run_dtype(facts, d)] for d in _NAMES}
        yield same(name, ", ".join(sorted(found)), wanted)
