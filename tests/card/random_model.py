"""Models of real size with random weights, made on the device in seconds, and runs of ours on them. No download."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import bitsandbytes
import numpy as np
import torch
from bitsandbytes.functional import QuantState

from tests.card.fake_model import SIZES, Size, _skeleton
from tests.fakes import save_tiny_tokenizer
from tests.training.tiny import TinyOwner, make_run, prepared, small_settings
from training_pro.folders import Folders
from training_pro.hosts.host import LoadedModel
from training_pro.hosts.loaded import describe
from training_pro.record.history import HISTORY_FILE, read_history
from training_pro.training.memory.out_of_memory import free_memory
from training_pro.training.memory.run_memory import RunMemory
from training_pro.training.run import Begin
from training_pro.training.status import RunStatus

BLOCK_BYTES = 64  # numbers that share a scale
RUN_SECONDS = 400.0


@dataclass(frozen=True)
class Scale:
    """How large the checks are: real models on a card, tiny ones where they are only tried."""

    sizes: dict[str, Size] = field(default_factory=lambda: dict(SIZES))
    tokens: int = 256
    long_tokens: int = 2048
    updates: int = 20
    words: tuple[int, ...] = (32_000, 128_256, 256_000)
    layers: int = 8  # of the model on which gradients are compared
    hidden: int = 512


class Blocks:
    """Blocks of these lengths, each a short pattern again and again, so that there is something to learn."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self.lengths = np.array(lengths, np.int32)

    @property
    def trained_counts(self) -> Any:
        return self.lengths - 1

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        pattern = np.random.default_rng(index).integers(10, 60, 3)
        ids = np.resize(pattern, int(self.lengths[index])).astype(np.int32)
        labels = ids.astype(np.int64)
        labels[0] = -100
        return {"input_ids": ids, "labels": labels}

    def preview(self, index: int) -> Any:
        raise NotImplementedError  # a run shows no blocks


@contextmanager
def owner_of(model: Any) -> Iterator[TinyOwner]:
    """A host that has `model` loaded, with folders that are gone afterwards."""
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folders = Folders.under(Path(name) / "user_data")
        folders.make()
        save_tiny_tokenizer(Path(name) / "model")
        tokenizer = AutoTokenizer.from_pretrained(Path(name) / "model")
        yield TinyOwner(folders, describe(model, tokenizer, "random", Path(name) / "model"))


@contextmanager
def loaded_4bit(size: Size, device: torch.device, dtype: torch.dtype = torch.float16) -> Iterator[TinyOwner]:
    """A host with a random 4-bit model of this size, as the WebUI loads it; its memory is free afterwards."""
    with owner_of(random_model(size, device, dtype)) as owner:
        try:
            yield owner
        finally:
            owner.loaded = replace(owner.loaded, model=None)  # type: ignore[arg-type]  # nothing uses it any more
    free_memory()


def trained(owner: TinyOwner, lengths: Sequence[int], begin: Begin | None = None, **changes: Any) -> RunStatus:
    """A whole run of ours over blocks of these lengths, once each; raises with its words if it did not finish."""
    usual = {"epochs": 1.0, "learning_rate": 1e-3, "rank": 32, "alpha": 64.0, "group_by_length": False}
    run = make_run(owner, small_settings(**{**usual, **changes}), prepared(Blocks(lengths)), begin)
    run.start()
    status = run.wait(RUN_SECONDS)
    if status.ending is None or status.ending.kind != "finished":
        raise RuntimeError(f"the run did not finish: {status.ending.reason if status.ending else 'no time left'}")
    return status


def losses(status: RunStatus) -> list[float]:
    """The loss of each of its updates."""
    return [point.loss for point in read_history(status.folder / HISTORY_FILE).points]


@contextmanager
def peaks_of_updates() -> Iterator[list[int]]:
    """What the first updates of the runs in the body took, as a run itself measures it, in bytes."""
    taken: list[int] = []
    learn = RunMemory.learn

    def noting(self: RunMemory, updates: Any, number: int, taken_bytes: int) -> None:
        taken.append(taken_bytes)
        learn(self, updates, number, taken_bytes)

    with mock.patch.object(RunMemory, "learn", noting):
        yield taken


# -- weights ----------------------------------------------------------------------------------------------------------


def random_model(size: Size, device: torch.device, dtype: torch.dtype, bits: int = 4) -> Any:
    """A model of this size on `device`, its linear layers random 4-bit or 8-bit weights."""
    model = _skeleton(size, dtype)
    draw = torch.Generator(device).manual_seed(0)
    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Linear) and "lm_head" not in name:
            parent, own = name.rsplit(".", 1)
            make = _random_4bit if bits == 4 else _random_8bit
            setattr(model.get_submodule(parent), own, make(module, dtype, device, draw))
    filled: dict[int, Any] = {}  # a tied head stays tied
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is None or not parameter.is_meta:
                continue
            if id(parameter) not in filled:
                data = torch.randn(parameter.shape, device=device, dtype=dtype, generator=draw)
                data = torch.ones_like(data) if data.ndim < 2 else data * 0.02
                filled[id(parameter)] = torch.nn.Parameter(data, requires_grad=False)
            module._parameters[name] = filled[id(parameter)]
    model.model.rotary_emb = type(model.model.rotary_emb)(model.config).to(device)
    setattr(model, f"is_loaded_in_{bits}bit", True)
    return model.eval()


def _random_4bit(place: Any, dtype: torch.dtype, device: torch.device, draw: torch.Generator) -> Any:
    given, made = place.in_features, place.out_features
    layer: Any = bitsandbytes.nn.Linear4bit(1, 1, bias=False, compute_dtype=torch.float16, quant_type="nf4")
    layer.in_features, layer.out_features = given, made
    packed = torch.randint(0, 256, (given * made // 2, 1), dtype=torch.uint8, device=device, generator=draw)
    state = QuantState(
        absmax=torch.full((given * made // BLOCK_BYTES,), 0.05, device=device),
        shape=torch.Size((made, given)),
        code=bitsandbytes.functional.get_4bit_type("nf4", device=device),
        blocksize=BLOCK_BYTES,
        quant_type="nf4",
        dtype=dtype,
    )
    layer.weight = bitsandbytes.nn.Params4bit(
        packed,
        requires_grad=False,
        quant_state=state,
        blocksize=BLOCK_BYTES,
        quant_type="nf4",
        bnb_quantized=True,
        module=layer,
    )
    layer.quant_state = state
    return layer


def _random_8bit(place: Any, dtype: torch.dtype, device: torch.device, draw: torch.Generator) -> Any:
    layer: Any = bitsandbytes.nn.Linear8bitLt(
        place.in_features, place.out_features, bias=False, has_fp16_weights=False, threshold=6.0
    )
    shape = (place.out_features, place.in_features)
    weight = torch.randn(shape, device=device, dtype=dtype, generator=draw) * 0.02
    layer.weight = bitsandbytes.nn.Int8Params(weight.cpu(), requires_grad=False, has_fp16_weights=False)
    return layer.to(device)


def model_of(owner: TinyOwner) -> Any:
    """The loaded model, as `Any`."""
    loaded: LoadedModel = owner.loaded
    return loaded.model
