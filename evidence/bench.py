"""Trains arms one after another on one loaded model, through the product's own session, and measures each.

The model is loaded once: after each run the session gives it back bit for bit. A run of 1,500 tokens takes some 25
seconds on one core of 2020, its measures 15 more.
"""

from __future__ import annotations

import json
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

from evidence.arms import Arm
from evidence.material import material
from evidence.measures import measures
from evidence.results import Line, asked_of
from training_pro.folders import Folders
from training_pro.hosts.embedded import embedded_model as embedded_folder
from training_pro.hosts.model_folder import DtypeName
from training_pro.hosts.standalone import StandaloneHost
from training_pro.session import Session
from training_pro.settings import Settings
from training_pro.training.loop.batches import trained_tokens
from training_pro.training.loop.update import UpdateRunner
from training_pro.training.status import RunStatus

DTYPE: DtypeName = "float32"
PACKAGES = ("torch", "transformers", "peft", "accelerate", "numpy")
NAME = "evidence"
FIXED_ENDS = 4  # tokens of a chunk's context that are left for BOS, EOS and another way of splitting its edges


class Bench:
    """The model, and the folder in which runs come and go."""

    def __init__(self, folder: Path) -> None:
        self._folders = Folders.under(folder)
        self._folders.make()
        self._host = StandaloneHost(self._folders, embedded_folder(), load_in_4bit=False, dtype=DTYPE)
        self._session = Session(self._host)
        self._versions = {name: version(name) for name in PACKAGES} | {"machine": platform.machine()}

    def bare(self, text: str, seed: int) -> Line:
        """The model without any LoRA."""
        arm, began = Arm("bare model", text=text, ends=True), time.monotonic()
        found = self._measured(arm, seed)
        return Line(
            arm=arm.name,
            seed=seed,
            level=-1.0,
            tokens=0,
            updates=0,
            loss=0.0,
            measures=found,
            seconds=round(time.monotonic() - began, 1),
            asked=asked_of(arm),
            settings={},
            trainable=0,
            versions=self._versions,
        )

    def run(self, arm: Arm, seed: int) -> list[Line]:
        """One run, measured at each of the arm's levels and at its end.

        Raises:
            RuntimeError: the run failed.
        """
        settings = self._settings(arm, seed)
        self._clear()
        try:
            if not arm.levels:
                return [self._trained(arm, settings, seed, 0.0)]
            lines = []
            for level in arm.levels:
                lines.append(self._trained(arm, settings.changed(stop_at_loss=level), seed, level))
                if lines[-1].level == 0.0:  # the run has ended before it came so low
                    break
            return lines
        finally:
            self._clear()

    def _settings(self, arm: Arm, seed: int) -> Settings:
        """The settings of the run; its data lies in the datasets folder."""
        # What the run would measure of other texts is measured here.
        settings = Settings(name=NAME, seed=seed, watch_forgetting=False, **arm.all_settings(), **self._data(arm))
        if not arm.tokens:
            return settings
        an_epoch = self._session.check(settings).verification.facts.total_tokens
        return settings.changed(epochs=arm.tokens / an_epoch)

    def _data(self, arm: Arm) -> dict[str, Any]:
        trained = material(arm.text)
        if not arm.chunk_tokens:
            (self._folders.datasets / "text.txt").write_text(trained.text, encoding="utf-8")
            return {"text_file": "text.txt"}
        rows = [json.dumps({"text": chunk}) + "\n" for chunk in self._chunks(trained.text, arm.chunk_tokens)]
        (self._folders.datasets / "chunks.jsonl").write_text("".join(rows), encoding="utf-8")
        return {"dataset": "chunks.jsonl", "dataset_kind": "text rows"}

    def _chunks(self, text: str, tokens: int) -> list[str]:
        """The text in pieces of so many tokens less some for the ends, wherever that cuts."""
        tokenizer = self._host.loaded_model().tokenizer
        ids, size = tokenizer(text, add_special_tokens=False)["input_ids"], tokens - FIXED_ENDS
        pieces = [tokenizer.decode(ids[at : at + size]).strip() for at in range(0, len(ids), size)]
        return [piece for piece in pieces if piece]

    def _trained(self, arm: Arm, settings: Settings, seed: int, level: float) -> Line:
        began = time.monotonic()
        going_on = (self._folders.loras / NAME).exists()
        with averaged_per_batch(settings.gradient_accumulation_steps) if arm.per_batch else nullcontext():
            status = self._session.start(settings, "continue" if going_on else "refuse").wait()
        if status.ending is None or status.ending.kind == "failed":
            raise RuntimeError(f"{arm.name}, seed {seed}: {status.ending and status.ending.reason}")
        self._host.use_lora(NAME)
        try:
            found = self._measured(arm, seed)
        finally:
            self._host.stop_using_loras()
        return Line(
            arm=arm.name,
            seed=seed,
            level=level if status.ending.kind == "stopped" else 0.0,
            tokens=self._tokens(status),
            updates=status.update,
            loss=round(status.point.smoothed_loss, 4) if status.point else 0.0,
            measures=found,
            seconds=round(time.monotonic() - began, 1),
            asked=asked_of(arm),
            settings={name: getattr(settings, name) for name in ("epochs", *arm.all_settings())},
            trainable=status.trainable_parameters,
            versions=self._versions,
        )

    def _tokens(self, status: RunStatus) -> int:
        return int(status.tokens)

    def _measured(self, arm: Arm, seed: int) -> dict[str, float]:
        loaded = self._host.loaded_model()
        return measures(loaded.model, loaded.tokenizer, material(arm.text), ends=arm.ends, seed=seed)

    def _clear(self) -> None:
        shutil.rmtree(self._folders.loras / NAME, ignore_errors=True)


@contextmanager
def averaged_per_batch(accumulation: int) -> Iterator[None]:
    """While entered, each batch of an update counts the same, however many trained tokens it has."""
    whole = UpdateRunner._micro_batch

    def micro_batch(runner: UpdateRunner, model: Any, piece: list[dict[str, Any]], count: float) -> Any:
        return whole(runner, model, piece, float(trained_tokens(piece) * accumulation))

    with patch.object(UpdateRunner, "_micro_batch", micro_batch):
        yield
