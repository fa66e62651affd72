"""A model, samples and a host of the smallest size, so that a whole run takes a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training_pro.data.prepare import Prepared
from training_pro.data.report import DataReport, SourceReport
from training_pro.folders import Folders
from training_pro.hosts.host import LoadedModel
from training_pro.settings import Settings
from training_pro.training.run import Begin, Run
from training_pro.training.status import RunStatus

VOCABULARY = 512
SMALL = {
    "rank": 4,
    "alpha": 8.0,
    "batch_size": 2,
    "epochs": 2.0,
    "warmup_steps": 0,
    "save_at_loss": 0.0,
    "save_at_end": False,
    "watch_forgetting": False,
    "learning_rate": 1e-2,
}


def small_settings(**changes: Any) -> Settings:
    """Settings of a run that takes a second; data comes from `TinySamples`, whatever they name."""
    return Settings(**{"name": "tiny", "text_file": "any.txt", **SMALL, **changes})


class TinySamples:
    """Random blocks of unequal length that can be learned: each repeats a pattern. The first `mask` tokens are
    without loss in every second one."""

    def __init__(self, count: int = 12, longest: int = 24, seed: int = 0, mask: int = 0) -> None:
        draw = np.random.default_rng(seed)
        self.lengths = draw.integers(6, longest + 1, count).astype(np.int32)
        self._samples = [self._sample(draw, int(n), mask if i % 2 else 0) for i, n in enumerate(self.lengths)]

    @staticmethod
    def _sample(draw: np.random.Generator, length: int, mask: int) -> dict[str, Any]:
        pattern = draw.integers(10, 60, 3)
        ids = np.resize(pattern, length).astype(np.int32)
        labels = ids.astype(np.int64)
        labels[: max(mask, 1)] = -100
        return {"input_ids": ids, "labels": labels}

    @property
    def trained_counts(self) -> Any:
        return np.array([(s["labels"] != -100).sum() for s in self._samples], np.int32)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._samples[index]

    def preview(self, index: int) -> Any:
        raise NotImplementedError  # a run shows no blocks


def prepared(train: Any = None, evaluation: Any = None) -> Prepared:
    """Prepared data around these samples."""
    train = train if train is not None else TinySamples()
    report = DataReport((SourceReport("any.txt", "text"),), len(train), len(evaluation) if evaluation else 0)
    return Prepared(train, evaluation, report, "data", {})


@dataclass
class TinyOwner:
    """The host of a run; `held` has every entering and leaving of `hold`."""

    folders: Folders
    loaded: LoadedModel
    held: list[str] = field(default_factory=list)

    def trainable_model(self) -> LoadedModel:
        return self.loaded

    @contextmanager
    def hold(self, sentence: Callable[[], str]) -> Iterator[None]:
        self.held.append("in")
        try:
            yield
        finally:
            self.held.append("out")


def make_run(owner: TinyOwner, settings: Settings, data: Prepared | None = None, begin: Begin | None = None) -> Run:
    """A run of `settings` over `data`, not yet started."""
    found = data or prepared()
    folder = owner.folders.loras / settings.name
    return Run(owner, settings, folder, lambda *_: found, begin or Begin())


def finish(run: Run) -> RunStatus:
    """Start `run` and wait for its end."""
    run.start()
    status = run.wait(120)
    assert not status.running, "the run did not end"
    return status


def train(owner: TinyOwner, settings: Settings, data: Prepared | None = None, begin: Begin | None = None) -> RunStatus:
    """A whole run; asserts that it did not fail."""
    status = finish(make_run(owner, settings, data, begin))
    assert status.ending is not None and status.ending.kind != "failed", status.ending
    return status


def adapter_bytes(folder: Path) -> bytes:
    """Both adapter files, one after the other."""
    return b"".join((folder / name).read_bytes() for name in ("adapter_model.safetensors", "adapter_config.json"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The adapter's tensors."""
    from safetensors.torch import load_file

    loaded: dict[str, torch.Tensor] = load_file(folder / "adapter_model.safetensors")
    return loaded
