"""What a whole run costs in time over a bare PyTorch loop on the same batches with the same adapter.

The model is a random Llama whose bare update takes 100 to 200 ms on one thread: its blocks are as long as that needs.
Our side is a `Run` with all its behaviours, history and status, while a thread draws status and chart once a second as
an open page does. The bare loop goes over tensors made before, with the same loss function; both accumulate, clip, step
and read the loss once an update. Timed from the end of the first update to the end of the last, in turns; the median of
9. `cpu_ratio` is the same in the process's own time, which other work on the machine does not disturb. Takes some 2
minutes.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from tests.fakes import TINY_VOCABULARY, save_tiny_tokenizer
from tests.training.tiny import TinyOwner, make_run, prepared
from training_pro.folders import Folders
from training_pro.hosts.host import LoadedModel
from training_pro.record.points import Point
from training_pro.settings import Settings
from training_pro.training.loop.batch_sampler import epoch_order
from training_pro.training.loop.batches import cut, pad, trained_tokens
from training_pro.training.model.prepare import ready
from training_pro.training.model.snapshot import ModelSnapshot
from training_pro.training.run import Run
from training_pro.training.status import StatusBoard
from training_pro.ui.views.run_chart import run_chart
from training_pro.ui.views.status import run_status

RUNS = 9
UPDATES = 20
BATCH, ACCUMULATION = 4, 2
WANTED_MS = 150.0
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class _Took:
    """Milliseconds an update, and the last loss."""

    wall_ms: float
    cpu_ms: float
    loss: float


class _Clock:
    """Times from the end of the first update to the end of the last."""

    def __init__(self) -> None:
        self._ends: list[tuple[float, float]] = []
        self._loss = 0.0

    def update_done(self, loss: float) -> None:
        self._ends.append((time.perf_counter(), time.process_time()))
        self._loss = loss

    def took(self) -> _Took:
        (wall, cpu), (last_wall, last_cpu) = self._ends[0], self._ends[-1]
        per_ms = 1000 / (len(self._ends) - 1)
        return _Took(per_ms * (last_wall - wall), per_ms * (last_cpu - cpu), self._loss)


class _Blocks:
    """Random blocks from half to all of `longest` tokens."""

    def __init__(self, longest: int) -> None:
        draw = np.random.default_rng(0)
        count = UPDATES * BATCH * ACCUMULATION
        self.lengths = draw.integers(longest // 2, longest + 1, count).astype(np.int32)
        self._ids = [draw.integers(3, TINY_VOCABULARY, int(n)).astype(np.int32) for n in self.lengths]

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        ids = self._ids[index]
        return {"input_ids": ids, "labels": ids.astype(np.int64)}


def figures(data: Path) -> Iterator[dict[str, Any]]:
    """The ratio of the times an update takes."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        owner = _owner(Path(folder))
        longest = _longest(owner)
        blocks, settings = _Blocks(longest), _settings()
        ours, bare = [], []
        for _ in range(RUNS):
            bare.append(_bare(owner, blocks, settings))
            ours.append(_ours(owner, blocks, settings))
        ours_ms, bare_ms = median(took.wall_ms for took in ours), median(took.wall_ms for took in bare)
        ours_cpu, bare_cpu = median(took.cpu_ms for took in ours), median(took.cpu_ms for took in bare)
        yield {
            "name": "train_overhead",
            "ratio": round(ours_ms / bare_ms, 4),
            "ours": round(ours_ms, 2),
            "reference": round(bare_ms, 2),
            "unit": "ms/update",
            "median_of": RUNS,
            "extra_ms": round(ours_ms - bare_ms, 2),
            "cpu_ratio": round(ours_cpu / bare_cpu, 4),
            "extra_cpu_ms": round(ours_cpu - bare_cpu, 2),
            "loss_difference": max(abs(a.loss - b.loss) for a, b in zip(ours, bare, strict=True)),
        }


def _settings() -> Settings:
    return Settings(
        name="overhead",
        text_file="any.txt",
        batch_size=BATCH,
        gradient_accumulation_steps=ACCUMULATION,
        epochs=1.0,
        lr_scheduler_type="constant",
        warmup_steps=0,
        dropout=0.0,
        save_at_loss=0.0,
        override=True,
    )


def _owner(folder: Path) -> TinyOwner:
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=TINY_VOCABULARY,
        hidden_size=320,
        intermediate_size=864,
        num_hidden_layers=6,
        num_attention_heads=5,
        num_key_value_heads=5,
        max_position_embeddings=4096,
    )
    save_tiny_tokenizer(folder / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    loaded = LoadedModel(LlamaForCausalLM(config), tokenizer, "random", folder / "model", "none", 4096)
    folders = Folders.under(folder / "user_data")
    folders.make()
    return TinyOwner(folders, loaded)


def _longest(owner: TinyOwner) -> int:
    """The block length with which a bare update takes some `WANTED_MS`."""
    longest = 48
    for _ in range(3):
        took = _bare(owner, _Blocks(longest), _settings())
        longest = max(8, round(longest * WANTED_MS / took.cpu_ms))
    return longest


def _bare(owner: TinyOwner, blocks: _Blocks, settings: Settings) -> _Took:
    """A loop of one's own."""
    snapshot = ModelSnapshot.take(owner.loaded.model)
    try:
        model = ready(owner.loaded.model, settings, lambda note: None).model
        return _loop(model, _updates(blocks, settings), settings)
    finally:
        snapshot.restore()


def _updates(blocks: _Blocks, settings: Settings) -> list[tuple[int, list[dict[str, torch.Tensor]]]]:
    """Per update its trained tokens and its batches as tensors, in the order of the run."""
    order = epoch_order(blocks.lengths, BATCH, settings.seed, 0, settings.group_by_length)
    samples = [blocks[int(index)] for index in order]
    return [
        (trained_tokens(update), [pad(batch, 2, _CPU).inputs() for batch in cut(update, BATCH)])
        for update in cut(samples, BATCH * ACCUMULATION)
    ]


def _loop(model: Any, updates: list[Any], settings: Settings) -> _Took:
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=settings.learning_rate, weight_decay=0.0)
    clock = _Clock()
    for count, batches in updates:
        total = torch.zeros(())
        for batch in batches:
            loss = model(**batch, num_items_in_batch=count, use_cache=False).loss
            loss.backward()
            total += loss.detach()
        torch.nn.utils.clip_grad_norm_(learning, settings.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        clock.update_done(float(total))
    return clock.took()


def _ours(owner: TinyOwner, blocks: _Blocks, settings: Settings) -> _Took:
    """A whole run, watched."""
    run = make_run(owner, settings, prepared(blocks))
    clock, told = _Clock(), StatusBoard.point

    def point(board: StatusBoard, point: Point, tokens: int) -> None:
        told(board, point, tokens)
        clock.update_done(point.loss)

    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(run, ended))
    with patch.object(StatusBoard, "point", point):
        watcher.start()
        run.start()
        status = run.wait()
    ended.set()
    watcher.join()
    shutil.rmtree(run.folder)
    if status.ending is None or status.ending.kind != "finished":
        raise RuntimeError(f"the run did not finish: {status.ending}")
    return clock.took()


def _watch(run: Run, ended: threading.Event) -> None:
    """What an open page draws, once a second."""
    while not ended.wait(1.0):
        run_status(run)
        if run.history is not None:
            data = run.history.data()
            run_chart(data.points, data.events)
