"""The loss of held-out data with each contender's LoRA: the same model, in float32, and the same tokens for all.

Of rows only the answers count, so that a trainer that learns answers alone is measured by the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from evidence.rivals.contenders import BY_KIND, Kind
from evidence.rivals.data import Data, messages

IGNORED = -100


class HeldOut:
    """The model, loaded once; `loss` costs some seconds."""

    def __init__(self, model: Path) -> None:
        self._tokenizer: Any = AutoTokenizer.from_pretrained(model)
        self._model: Any = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()

    def loss(self, adapter: Path | None, kind: Kind, data: Data) -> float:
        """Nats a token; without an adapter that of the bare model."""
        samples = self._rows(data) if kind == "rows" else self._text(data)
        if adapter is None:
            return self._mean(self._model, samples)
        adapted = PeftModel.from_pretrained(self._model, str(adapter)).eval()
        try:
            return self._mean(adapted, samples)
        finally:
            self._model = adapted.unload()

    def _rows(self, data: Data) -> list[tuple[list[int], int]]:
        """Tokens and how many of them are the question's."""
        return [
            (self._chat(question, answer), len(self._chat(question, None))) for question, answer in data.held_out_rows
        ]

    def _chat(self, question: str, answer: str | None) -> list[int]:
        said = messages(question, answer or "")[: 1 if answer is None else 2]
        ids: list[int] = self._tokenizer.apply_chat_template(
            said, add_generation_prompt=answer is None, return_dict=False
        )
        return ids

    def _text(self, data: Data) -> list[tuple[list[int], int]]:
        ids, size = self._tokenizer(data.held_out_text)["input_ids"], BY_KIND["text"]["context"]
        return [(ids[at : at + size], 0) for at in range(0, len(ids), size)]

    @torch.inference_mode()
    def _mean(self, model: Any, samples: list[tuple[list[int], int]]) -> float:
        total, count = 0.0, 0
        for ids, unasked in samples:
            asked = max(unasked, 1)  # the first token follows nothing
            labels = torch.tensor([[IGNORED] * asked + ids[asked:]])
            found = model(input_ids=torch.tensor([ids]), labels=labels).loss
            total, count = total + float(found) * (len(ids) - asked), count + len(ids) - asked
        return total / count
