"""The ways of DESIGN through the code as they really are: which files a block and a row pass, in order.

`python -m tests.walks` prints them. A mirror, no limit: many files or many jumps back to a file already left say that
a way is hard to follow. Tracing slows the code some twenty times; the texts are small.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import torch

import training_pro
from tests.fakes import save_tiny_model
from training_pro.data.prepare import prepare
from training_pro.folders import Folders
from training_pro.hosts.model_folder import load_model_folder
from training_pro.settings import Settings
from training_pro.training.loop.batch_sampler import EpochSampler, UpdateSampler
from training_pro.training.loop.batches import ReadableSamples, collate, pad

ROOT = str(Path(training_pro.__file__).parent) + "/"
TEXT = ("The lamp keeper climbs the tower at dusk. She counts the steps. Dr. Smith said no.\n\n" * 60 + "\n\n\n") * 3


@dataclass
class Walk:
    """The functions of the package that were entered, each at its first time, in order."""

    title: str
    steps: list[tuple[str, str]] = field(default_factory=list)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    @property
    def files(self) -> list[str]:
        return list(dict.fromkeys(file for file, _ in self.steps))

    @property
    def jumps_back(self) -> int:
        """How often the way returns to a file that it had left, for a function it had not entered yet."""
        left: set[str] = set()
        here, back = "", 0
        for file, _ in self.steps:
            if file != here:
                back += file in left
                left.add(here)
                here = file
        return back

    def __enter__(self) -> Walk:
        threading.setprofile(self._enter)
        sys.setprofile(self._enter)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _enter(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(ROOT) or code.co_name.startswith("<"):
            return
        step = (code.co_filename[len(ROOT) :], code.co_qualname)
        if step not in self._seen:
            self._seen.add(step)
            self.steps.append(step)

    def __str__(self) -> str:
        lines = [f"{self.title}: {len(self.files)} files, {len(self.steps)} functions, {self.jumps_back} jumps back"]
        for number, (file, name) in enumerate(self.steps):
            if number == 0 or file != self.steps[number - 1][0]:
                lines.append(f"  {file}:")
            lines[-1] += f" {name}"
        return "\n".join(lines)


def to_batch(title: str, settings: Settings, folders: Folders, tokenizer: Any) -> Walk:
    """From the file that `settings` name to the first padded batch; done once before, so that imports don't count."""
    prepare(settings, tokenizer, folders, cache=False)
    with Walk(title) as walk:
        prepared = prepare(settings, tokenizer, folders, cache=True)
        order = EpochSampler(prepared.train.lengths, 4, 42, True)
        numbers = next(iter(UpdateSampler(order, 4, 8)))
        samples = ReadableSamples(prepared.train)
        batch = collate([samples[number] for number in numbers])
        pad(batch[:4], 2, torch.device("cpu"))
    return walk


def text_to_batch(folders: Folders, tokenizer: Any) -> Walk:
    (folders.datasets / "walk.txt").write_text(TEXT, encoding="utf-8")
    return to_batch("text to batch", Settings(name="x", text_file="walk.txt", max_tokens=64), folders, tokenizer)


def row_to_mask(folders: Folders, tokenizer: Any) -> Walk:
    rows = [_chat(number) for number in range(40)]
    (folders.datasets / "walk.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    settings = Settings(name="x", dataset="walk.jsonl", max_tokens=64, loss_on="assistant")
    return to_batch("row to mask", settings, folders, tokenizer)


def _chat(number: int) -> dict[str, Any]:
    question, answer = f"Question {number}?", f"Answer number {number} is here."
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        folders = Folders.under(Path(home) / "user_data")
        folders.make()
        loaded = load_model_folder(save_tiny_model(Path(home) / "tiny"), load_in_4bit=False, dtype="float32")
        for walk in (text_to_batch(folders, loaded.tokenizer), row_to_mask(folders, loaded.tokenizer)):
            sys.stdout.write(f"{walk}\n\n")


if __name__ == "__main__":
    main()
