"""What a whole run costs in time over a bare PyTorch loop on the same batches with the same adapter.

The model is a random Llama whose bare update takes 100 to 200 ms here: its blocks are made as long as that needs. Our
side is a `Run` with all its behaviours, history and status, while a thread draws status and chart once a second as an
open page does; its time is that from the first update to the end of the last. The bare loop runs over tensors made
before, with the same loss function; both accumulate, clip, step and read the loss once an update. In turns; the median
of 9. Takes some 2 minutes.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from tests.fakes import TINY_VOCABULARY, save_tiny_tokenizer
from tests.training.tiny import TinyOwner, make_run, prepared
from training_pro.folders import Folders
from training_pro.hosts.host import LoadedModel
from training_pro.settings import Settings
from training_pro.training.batches import cut, pad, trained_tokens
from training_pro.training.order import epoch_order
from training_pro.training.readying import ready
from training_pro.training.run import Run
from training_pro.training.snapshot import ModelSnapshot
from training_pro.ui.run_chart import run_chart
from training_pro.ui.status_view import run_status

RUNS = 9
UPDATES = 20
BATCH, ACCUMULATION = 4, 2
WANTED_MS = 150.0
_CPU = torch.device("cpu")


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
    with tempfile.TemporaryDirectory() as folder:
        owner = _owner(Path(folder))
        longest = _longest(owner)
        blocks, settings = _Blocks(longest), _settings()
        ours, bare = [], []
        for _ in range(RUNS):
            bare.append(_bare(owner, blocks, settings))
            ours.append(_ours(owner, blocks, settings))
        ours_ms, bare_ms = median(ms for ms, _ in ours), median(ms for ms, _ in bare)
        yield {
            "name": "train_overhead",
            "ratio": round(ours_ms / bare_ms, 4),
            "ours": round(ours_ms, 2),
            "reference": round(bare_ms, 2),
            "unit": "ms/update",
            "median_of": RUNS,
            "extra_ms": round(ours_ms - bare_ms, 2),
            "loss_difference": max(abs(a - b) for (_, a), (_, b) in zip(ours, bare, strict=True)),
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
        ms, _ = _bare(owner, _Blocks(longest), _settings())
        longest = max(8, round(longest * WANTED_MS / ms))
    return longest


def _bare(owner: TinyOwner, blocks: _Blocks, settings: Settings) -> tuple[float, float]:
    """Milliseconds an update and the last loss of a loop of one's own."""
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


def _loop(model: Any, updates: list[Any], settings: Settings) -> tuple[float, float]:
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=settings.learning_rate, weight_decay=0.0)
    losses = []
    started = time.perf_counter()
    for count, batches in updates:
        total = torch.zeros(())
        for batch in batches:
            loss = model(**batch, num_items_in_batch=count, use_cache=False).loss
            loss.backward()
            total += loss.detach()
        torch.nn.utils.clip_grad_norm_(learning, settings.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(total))
    return 1000 * (time.perf_counter() - started) / len(updates), losses[-1]


def _ours(owner: TinyOwner, blocks: _Blocks, settings: Settings) -> tuple[float, float]:
    """The same of a whole run, watched."""
    run = make_run(owner, settings, prepared(blocks))
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(run, ended))
    watcher.start()
    run.start()
    status = run.wait()
    ended.set()
    watcher.join()
    shutil.rmtree(run.folder)
    if status.ending is None or status.ending.kind != "finished" or status.point is None:
        raise RuntimeError(f"the run did not finish: {status.ending}")
    return 1000 * status.point.elapsed_s / UPDATES, status.point.loss


def _watch(run: Run, ended: threading.Event) -> None:
    """What an open page draws, once a second."""
    while not ended.wait(1.0):
        run_status(run)
        if run.history is not None:
            data = run.history.data()
            run_chart(data.points, data.events)
