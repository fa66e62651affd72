"""How little is computed on padding: instruction rows, batch 4, at most 512 tokens, default settings.

`padding`: tokens computed over real tokens in an epoch of a run's own batches; the reference is padding to the batch's
longest in random order. `padding_speed`: a run's trained tokens per second over those of the same run with each block
padded to the maximum. `padding_trl`: the same over TRL's SFTTrainer at the same precision, checkpointing, maximum,
batch and adapter, its other defaults. For the speeds the model is SmolLM2-135M in float32 with all its layers (with
fewer, the head, which never sees padding, would weigh too much), and the rows are those of a few batches of the epoch
at even steps from the shortest to the longest, the same for each side. One run each: a minute or two a side.

`--data` names a folder with rows in Alpaca's form; by default those that ship. Takes some 4 minutes.
"""

from __future__ import annotations

import importlib.util
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from tests.training.tiny import TinyOwner, make_run, prepared
from training_pro.data.prepare import Prepared, prepare
from training_pro.data.rendering.formats import ship_formats
from training_pro.folders import Folders
from training_pro.hosts.embedded import embedded_model
from training_pro.hosts.host import LoadedModel
from training_pro.settings import Settings
from training_pro.training.loop import update
from training_pro.training.loop.batch_sampler import epoch_order
from training_pro.training.loop.batches import MicroBatch, cut, pad
from training_pro.training.model.adapter import lora_config
from training_pro.training.model.snapshot import ModelSnapshot
from training_pro.training.model.targets import resolve_targets

BATCH, MAX_TOKENS = 4, 512
UPDATES, RUNS = 6, 1
INSTALL_TRL = "padding_trl needs TRL, which the project itself does not; run: python -m pip install --no-deps trl"
logger = logging.getLogger(__name__)


def figures(data: Path) -> Iterator[dict[str, Any]]:
    """Computed over real tokens, then the two ratios of speed."""
    with tempfile.TemporaryDirectory() as folder:
        owner = _owner(Path(folder))
        settings = _settings(data)
        samples = _prepared(owner, settings, data).train
        yield _padding(samples.lengths, settings)
        rows = _Rows.drawn_from(samples, settings)
        ways: dict[str, Callable[[], float]] = {
            "ours": lambda: _seconds_of_run(owner, rows, settings),
            "padding_speed": lambda: _seconds_padded_to_maximum(owner, rows, settings),
        }
        if importlib.util.find_spec("trl"):
            ways["padding_trl"] = lambda: _seconds_of_trl(owner, rows, settings, Path(folder))
        else:
            logger.warning(INSTALL_TRL)
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(RUNS):
            for name, way in ways.items():
                taken[name].append(way())
        ours = rows.trained_tokens / median(taken.pop("ours"))
        for name, seconds in taken.items():
            yield _speed(name, ours, rows.trained_tokens / median(seconds))


def _speed(name: str, ours: float, reference: float) -> dict[str, Any]:
    unit = "trained tokens/s"
    figure = {"name": name, "ratio": round(ours / reference, 2), "ours": round(ours), "reference": round(reference)}
    return {**figure, "unit": unit, "median_of": RUNS}


def _padding(lengths: Any, settings: Settings) -> dict[str, Any]:
    ours = _computed(lengths, epoch_order(lengths, BATCH, settings.seed, 0, settings.group_by_length))
    reference = _computed(lengths, epoch_order(lengths, BATCH, settings.seed, 0, False))
    return {
        "name": "padding",
        "ratio": round(ours, 4),
        "ours": round(ours, 4),
        "reference": round(reference, 4),
        "unit": "computed/real tokens",
        "median_of": 1,
        "to_the_maximum": round(len(lengths) * MAX_TOKENS / int(lengths.sum()), 4),
        "rows": len(lengths),
    }


def _computed(lengths: Any, order: Any) -> float:
    """Tokens computed over real ones, each batch padded to its longest."""
    computed = sum(len(batch) * int(lengths[batch].max()) for batch in cut(list(order), BATCH))
    return computed / int(lengths.sum())


# -- what is trained --------------------------------------------------------------------------------------------------


@dataclass
class _Rows:
    """Some samples, as a run takes them."""

    samples: list[dict[str, Any]]

    @classmethod
    def drawn_from(cls, samples: Any, settings: Settings) -> _Rows:
        """Those of `UPDATES` batches of the run's first epoch, from short to long ones at even steps."""
        order = epoch_order(samples.lengths, BATCH, settings.seed, 0, True)
        batches = sorted(cut(order.tolist(), BATCH)[:-1], key=lambda batch: int(samples.lengths[batch].sum()))
        places = [int((step + 0.5) * len(batches) / UPDATES) for step in range(UPDATES)]
        return cls([samples[index] for place in places for index in batches[place]])

    @property
    def lengths(self) -> Any:
        return np.array([len(sample["input_ids"]) for sample in self.samples], np.int32)

    @property
    def trained_tokens(self) -> int:
        return int(sum((sample["labels"][1:] != -100).sum() for sample in self.samples))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.samples[index]


def _settings(data: Path) -> Settings:
    file = next((f for f in sorted(data.glob("*.json*")) if "alpaca" in f.name), None)
    file = file or next(iter(sorted(data.glob("*rows*.jsonl"))))
    return Settings(
        name="padding",
        dataset=file.name,
        format="alpaca-format" if "alpaca" in file.name else "",
        max_tokens=MAX_TOKENS,
        batch_size=BATCH,
        epochs=1.0,
        warmup_steps=0,
        lr_scheduler_type="constant",
        save_at_loss=0.0,
        gradient_checkpointing="off",
    )


def _owner(folder: Path) -> TinyOwner:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path = embedded_model()
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    loaded = LoadedModel(model, AutoTokenizer.from_pretrained(path), path.name, path, "none", 8192)
    folders = Folders.under(folder)
    folders.make()
    ship_formats(folders.formats)
    return TinyOwner(folders, loaded)


def _prepared(owner: TinyOwner, settings: Settings, data: Path) -> Prepared:
    file = owner.folders.datasets / settings.dataset
    file.write_bytes((data / settings.dataset).read_bytes())
    return prepare(settings, owner.loaded.tokenizer, owner.folders, model_max_tokens=8192, cache=False)


# -- the three sides --------------------------------------------------------------------------------------------------


def _seconds_of_run(owner: TinyOwner, rows: _Rows, settings: Settings) -> float:
    """Seconds from the first update to the end of the last."""
    name = f"run{time.monotonic_ns()}"
    run = make_run(owner, settings.changed(name=name), prepared(rows))
    run.start()
    status = run.wait()
    if status.ending is None or status.ending.kind != "finished" or status.point is None:
        raise RuntimeError(f"the run did not finish: {status.ending}")
    return status.point.elapsed_s


def _seconds_padded_to_maximum(owner: TinyOwner, rows: _Rows, settings: Settings) -> float:
    with patch.object(update, "pad", _pad_to_maximum):
        return _seconds_of_run(owner, rows, settings.changed(group_by_length=False))


def _pad_to_maximum(
    samples: list[dict[str, Any]], pad_id: int, device: torch.device, *, masked: bool = True
) -> MicroBatch:
    """The last row, which has no trained token, makes the others as long as itself and is left out again."""
    filler = {"input_ids": np.zeros(MAX_TOKENS, np.int64), "labels": np.full(MAX_TOKENS, -100, np.int64)}
    batch = pad([*samples, filler], pad_id, device, masked=masked)
    mask = batch.attention_mask
    return MicroBatch(
        batch.input_ids[:-1], batch.labels[:-1], mask[:-1] if mask is not None else None, batch.trained_at
    )


def _seconds_of_trl(owner: TinyOwner, rows: _Rows, settings: Settings, folder: Path) -> float:
    """Seconds from the first update to the end of the last, of TRL's trainer on the same model and rows."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    class Clock(TrainerCallback):
        started = ended = 0.0

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.started = time.monotonic()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ended = time.monotonic()

    model, clock = owner.loaded.model, Clock()
    snapshot = ModelSnapshot.take(model)
    arguments = SFTConfig(
        output_dir=str(folder / "trl"),
        per_device_train_batch_size=BATCH,
        num_train_epochs=1,
        max_length=MAX_TOKENS,
        learning_rate=settings.learning_rate,
        gradient_checkpointing=settings.gradient_checkpointing == "on",
        bf16=False,
        fp16=False,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=settings.seed,
    )
    try:
        trainer = SFTTrainer(
            model,
            arguments,
            train_dataset=Dataset.from_list([{"input_ids": s["input_ids"].tolist()} for s in rows.samples]),
            processing_class=owner.loaded.tokenizer,
            peft_config=lora_config(settings, resolve_targets(model, settings.targets), []),
            callbacks=[clock],
        )
        trainer.train()
    finally:
        snapshot.restore()
    return clock.ended - clock.started
