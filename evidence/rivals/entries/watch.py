"""What is measured inside a contender: times, tokens, memory, and which text came as far as the model.

Needs torch and transformers alone: it runs in environments that have nothing of ours. Costs next to nothing.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

IGNORED = -100
_INPUTS = ("input_ids", "attention_mask", "labels")
FIGURES, TRAINED = "figures.json", "trained.json"


def read_task(path: str) -> dict[str, Any]:
    task: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return task


def resident_mb(line: str = "VmRSS:") -> float:
    """This process's resident size now, or with "VmHWM:" its peak since it was last reset."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(float(text.split()[1]) / 1024 for text in status if text.startswith(line))


def _now() -> tuple[float, float, float]:
    """Seconds on the wall, of this process's processor time, and of that in the kernel."""
    return time.perf_counter(), time.process_time(), os.times().system


def _real(ids: Any, mask: Any) -> Any:
    """Which tokens are no padding, [blocks, tokens]; a mask of [blocks, 1, tokens, tokens] holds what is added to the
    scores: 0 where a token sees itself."""
    if mask is None:
        return ids == ids
    return mask > 0 if mask.dim() == 2 else mask[:, 0].diagonal(dim1=1, dim2=2) == 0


class Watch:
    """From the start of the first update to the end of the last; memory is the growth from there on."""

    def __init__(self) -> None:
        self.updates = self.learned = self.computed = 0
        self.batches: list[dict[str, Any]] = []
        self._real: list[list[int]] = []
        self._began = self._ended = (0.0, 0.0, 0.0)
        self._before_mb = 0.0
        self.looks_cpu_s = 0.0

    def begin(self) -> None:
        """Model and data are ready. Only the first call counts."""
        if not self._before_mb:
            self._before_mb = resident_mb()
            Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
            self._began = _now()

    def batch(self, inputs: dict[str, Any]) -> None:
        """A batch goes to the model; token ids are [blocks, tokens]."""
        ids, mask, labels = inputs["input_ids"], inputs.get("attention_mask"), inputs["labels"]
        self.computed += ids.numel()
        self.learned += int((labels != IGNORED).sum())
        self.batches.append(
            {name: inputs[name] for name in ("input_ids", "attention_mask", "labels") if name in inputs}
        )
        self._real += [row[real].tolist() for row, real in zip(ids, _real(ids, mask), strict=True)]

    def update(self) -> None:
        self.updates += 1
        self._ended = _now()

    def patch_trainer(self) -> None:
        """Watch all of transformers' Trainers in this process."""
        import transformers
        from transformers.trainer_callback import CallbackHandler

        step, end = transformers.Trainer.training_step, CallbackHandler.on_step_end

        def training_step(trainer: Any, model: Any, inputs: Any, *more: Any) -> Any:
            self.begin()
            self.batch(inputs)
            return step(trainer, model, inputs, *more)

        def on_step_end(handler: Any, *given: Any) -> Any:
            self.update()
            return end(handler, *given)

        transformers.Trainer.training_step = training_step
        CallbackHandler.on_step_end = on_step_end

    def write(self, task: dict[str, Any]) -> None:
        """The figures and the trained text, into the task's folder."""
        from transformers import AutoTokenizer

        peak_mb = resident_mb("VmHWM:")
        figures = {
            "tokens": sum(map(len, self._real)),
            "learned": self.learned,
            "computed": self.computed,
            "updates": self.updates,
            "loop_s": self._ended[0] - self._began[0],
            "loop_cpu_s": self._ended[1] - self._began[1],
            "loop_kernel_s": self._ended[2] - self._began[2],
            "looks_cpu_s": self.looks_cpu_s,
            "growth_mb": peak_mb - self._before_mb,
            "peak_mb": peak_mb,
        }
        folder, tokenizer = Path(task["folder"]), AutoTokenizer.from_pretrained(task["model"])
        trained = [tokenizer.decode(ids, skip_special_tokens=True) for ids in self._real]
        (folder / TRAINED).write_text(json.dumps(trained), encoding="utf-8")
        (folder / FIGURES).write_text(json.dumps(figures), encoding="utf-8")
