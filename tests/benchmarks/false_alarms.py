"""Real runs that are healthy and real runs that go wrong: how many of each are accused, and after how many updates.

Healthy: 200 runs of a tiny model on data of ten kinds, some of it hard (random tokens that nobody can learn, easy and
hard blocks mixed, blocks that get harder, the same block again and again), under settings of all sorts; and the
embedded model on the sample text, on its words shuffled, and on chats. Wrong: the embedded model at learning rates of
1e-2, 1e-1 and 1. Takes some 15 minutes on two quiet cores.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from tests.fakes import save_tiny_model
from tests.training.tiny import TinyOwner, TinySamples, make_run, prepared, small_settings
from training_pro.folders import Folders
from training_pro.hosts.model_folder import load_model_folder
from training_pro.hosts.standalone import StandaloneHost
from training_pro.session import Session
from training_pro.settings import Settings
from training_pro.training.status import RunStatus

SEEDS = 20
WRONG_RATES = (1e-2, 1e-1, 1.0)
_PATIENCE_S = 1800.0
_SMALL = {
    "max_tokens": 64,
    "batch_size": 2,
    "rank": 8,
    "save_at_loss": 0,
    "save_at_end": False,
    "watch_forgetting": False,
    "sample_prompts": "The goat at the Kettle House is called",
    "sample_tokens": 24,
    "sample_steps": 8,
}


class _Drawn(TinySamples):
    """Blocks of a kind, drawn anew for each seed; `hard` is the share of blocks of random tokens, from the front on if
    `sorted_`."""

    def __init__(self, seed: int, count: int, hard: float, *, sorted_: bool = False) -> None:
        super().__init__(count, 24, seed)
        draw = np.random.default_rng(seed + 1)
        chosen = np.arange(count) >= count * (1 - hard) if sorted_ else draw.random(count) < hard
        for index in np.flatnonzero(chosen):
            block = self._samples[index]
            block["input_ids"] = draw.integers(10, 500, len(block["input_ids"])).astype(np.int32)
            block["labels"] = block["input_ids"].astype(np.int64)
            block["labels"][0] = -100


KINDS: dict[str, dict[str, Any]] = {
    "patterns": {"hard": 0.0},
    "random tokens": {"hard": 1.0},
    "a tenth hard": {"hard": 0.1},
    "a third hard": {"hard": 0.33},
    "two thirds hard": {"hard": 0.67},
    "easy first, then hard": {"hard": 0.5, "sorted_": True},
}
WAYS: dict[str, dict[str, Any]] = {
    "usual": {"learning_rate": 1e-3, "epochs": 3.0},
    "tiny rate": {"learning_rate": 1e-6, "epochs": 2.0},
    "one epoch, one block a time": {"learning_rate": 3e-3, "epochs": 1.0, "batch_size": 1},
    "DoRA and rsLoRA": {"learning_rate": 1e-3, "use_dora": True, "use_rslora": True, "epochs": 2.0},
    "NEFTune and dropout": {"learning_rate": 1e-3, "neftune_noise_alpha": 10.0, "dropout": 0.3, "epochs": 2.0},
    "very few updates": {"learning_rate": 3e-3, "epochs": 0.5},
    "head": {"learning_rate": 1e-4, "train_head": True, "epochs": 2.0},
    "many epochs": {"learning_rate": 3e-3, "epochs": 8.0, "lr_scheduler_type": "constant"},
    "accumulation": {"learning_rate": 3e-3, "gradient_accumulation_steps": 3, "epochs": 3.0},
    "LoRA+": {"learning_rate": 1e-4, "lora_plus_ratio": 16.0, "epochs": 2.0},
}


def figures(data: Path) -> Iterator[dict[str, Any]]:
    """A line for each kind of healthy run, for each run of the embedded model, and the counts."""
    accused = runs = 0
    with tempfile.TemporaryDirectory() as folder:
        for line in _tiny_runs(Path(folder)):
            runs, accused = runs + line["runs"], accused + line["accused"]
            yield line
        for line in _embedded_healthy(Path(folder), data):
            runs, accused = runs + 1, accused + bool(line["accused"])
            yield line
        yield {"benchmark": "false_alarms", "healthy_runs": runs, "accused": accused}
        yield from _embedded_wrong(Path(folder), data)


def _tiny_runs(folder: Path) -> Iterator[dict[str, Any]]:
    """`SEEDS` runs of each way, over the kinds of data in turn, each of a name of its own."""
    folders = Folders.under(folder / "tiny")
    folders.make()
    model = save_tiny_model(folder / "model")
    for place, (name, changes) in enumerate(WAYS.items()):
        named = {seed: {**changes, "name": f"way{place}-{seed}"} for seed in range(SEEDS)}
        found = [_tiny(folders, model, seed, given) for seed, given in named.items()]
        yield {
            "benchmark": "false_alarms",
            "model": "tiny",
            "way": name,
            "runs": len(found),
            "accused": sum(bool(said) for said in found),
            "said": [sentence for said in found for sentence in said],
        }


def _tiny(folders: Folders, model: Path, seed: int, changes: dict[str, Any]) -> tuple[str, ...]:
    owner = TinyOwner(folders, load_model_folder(model, load_in_4bit=False, dtype="float32"))
    kind = list(KINDS.values())[seed % len(KINDS)]
    settings = small_settings(seed=seed, **changes)
    run = make_run(owner, settings, prepared(_Drawn(seed, 8 + seed % 24, **kind)))
    with _no_pictures():
        run.start()
        status = run.wait(_PATIENCE_S)
    return _accusations(status)


def _accusations(status: RunStatus) -> tuple[str, ...]:
    """What a run was accused of; nothing else may have happened to it."""
    assert status.ending is not None
    if status.ending.kind == "failed":
        raise RuntimeError(status.ending.reason)
    return (*status.warnings, *((status.ending.reason,) if status.ending.kind == "wrong" else ()))


def _embedded_healthy(folder: Path, data: Path) -> Iterator[dict[str, Any]]:
    session = _session(folder, data)
    text, rows = {"text_file": "part.txt"}, {"dataset": "part.jsonl"}
    cases: dict[str, dict[str, Any]] = {
        "sample text, 3e-4": {**text, "learning_rate": 3e-4},
        "sample text, 1e-3": {**text, "learning_rate": 1e-3},
        "sample text, 1e-4, no warmup": {**text, "learning_rate": 1e-4, "warmup_steps": 0},
        "its words shuffled, 3e-4": {"text_file": "shuffled.txt", "learning_rate": 3e-4},
        "chats, answers only, 3e-4": {**rows, "learning_rate": 3e-4, "loss_on": "assistant"},
    }
    for place, (name, changes) in enumerate(cases.items()):
        status = _run(session, f"healthy{place}", changes)
        yield {"benchmark": "false_alarms", "model": "embedded", "run": name, "accused": list(_accusations(status))}


def _embedded_wrong(folder: Path, data: Path) -> Iterator[dict[str, Any]]:
    """At these rates a run is refused before it starts, so here nobody asks."""
    session = _session(folder / "wrong", data)
    for rate in WRONG_RATES:
        with patch("training_pro.training.planning.refusals", lambda *_: []):
            status = _run(session, "wrong", {"text_file": "part.txt", "learning_rate": rate, "override": True})
        assert status.ending is not None
        yield {
            "benchmark": "false_alarms",
            "model": "embedded",
            "learning_rate": rate,
            "ending": status.ending.kind,
            "updates": status.update,
            "of": status.total_updates,
            "warnings": list(status.warnings),
            "reason": status.ending.reason,
        }


def _session(folder: Path, data: Path) -> Session:
    folders = Folders.under(folder / "user_data")
    folders.make()
    text = (data / "sample.txt").read_text(encoding="utf-8")[:2000]
    (folders.datasets / "part.txt").write_text(text, encoding="utf-8")
    words = text.split()
    random.Random(0).shuffle(words)
    (folders.datasets / "shuffled.txt").write_text(
        ". ".join(" ".join(words[n : n + 12]) for n in range(0, len(words), 12))
    )
    rows = (data / "sample_rows.jsonl").read_text(encoding="utf-8").splitlines()[:12]
    (folders.datasets / "part.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return Session(StandaloneHost(folders))


def _run(session: Session, name: str, changes: dict[str, Any]) -> RunStatus:
    settings = Settings(**{"name": name, "epochs": 1, **_SMALL, **changes})
    with _no_pictures():
        run = session.start(settings, "ask" if settings.override else "replace")
        return run.wait(_PATIENCE_S)


@contextmanager
def _no_pictures() -> Iterator[None]:
    with patch("training_pro.training.results.draw_graph", lambda *_: "no picture"):
        yield
