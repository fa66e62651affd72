"""All settings as controls: where they stand on the page, how they are read, how they are filled.

Handlers take the form's controls as a set and hand the dict they get to `Form.settings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr

from training_pro.settings import DEFAULTS, Settings, from_dict, to_dict
from training_pro.ui.choices import Choices
from training_pro.ui.fields import LISTED, NOTHING, WIDENED, field_update, make_field, meant, widened

Rows = tuple[tuple[str, ...], ...]
Values = Mapping[Any, Any]


@dataclass(frozen=True)
class Part:
    """Settings that belong together, row by row."""

    title: str
    rows: Rows


FIRST: Rows = (("text_file", "dataset", "format"),)
DATA = Part(
    "Data: kind of rows, loss mask, hybrid, evaluation",
    (
        ("dataset_kind", "chat_template"),
        ("loss_on", "train_only_after"),
        ("too_long", "bad_rows", "skip_duplicates"),
        ("hybrid", "hybrid_text_percent", "hybrid_data_percent"),
        ("eval_dataset", "eval_percent"),
    ),
)
BLOCKS = Part(
    "Text to blocks: context length, hard cuts, overlap, DEMENTOR, BOS and EOS",
    (
        ("max_tokens", "hard_cut"),
        ("overlap", "dementor"),
        ("add_bos", "eos", "min_block_chars"),
    ),
)
ADAPTER = Part(
    "LoRA: rank, alpha, targets",
    (
        ("rank", "alpha"),
        ("targets", "target_modules"),
        ("dropout", "lora_plus_ratio"),
        ("use_rslora", "rslora_alpha"),
        ("use_dora", "train_experts", "train_head"),
    ),
)
BATCH = Part(
    "Batch, epochs and learning rate",
    (
        ("batch_size", "gradient_accumulation_steps"),
        ("epochs", "learning_rate"),
        ("lr_scheduler_type", "warmup_steps", "warmup_ratio"),
        ("group_by_length", "gradient_checkpointing"),
        ("optimizer", "weight_decay"),
        ("neftune_noise_alpha", "max_grad_norm", "seed"),
    ),
)
STOPS = Part(
    "Stops and checkpoints",
    (
        ("stop_at_loss", "loss_window"),
        ("stop_at_epoch", "eval_patience"),
        ("save_steps", "save_at_loss"),
        ("keep_checkpoints", "save_best"),
    ),
)
WATCHING = Part(
    "Samples, evaluation steps, logs",
    (("sample_prompts",), ("sample_steps", "sample_tokens"), ("eval_steps", "report_to")),
)
PARTS = (DATA, BLOCKS, ADAPTER, BATCH, STOPS, WATCHING)


class Form:
    """The controls by setting name. `controls` fills up as the parts are built; `choices` are those of the lists."""

    def __init__(self, editable: bool, choices: Choices | None = None) -> None:
        self.controls: dict[str, Any] = {}
        self._editable = editable
        self._choices = choices or {}

    def build_rows(self, rows: Rows) -> None:
        """Put these settings where the page is being built."""
        for names in rows:
            with gr.Row():
                self.build_fields(*names)

    def build_fields(self, *names: str) -> None:
        """These settings alone, one after the other."""
        for name in names:
            self.controls[name] = make_field(name, self._editable, self._choices.get(name, ()))

    def build_part(self, part: Part) -> None:
        """Settings that belong together, folded away under their title."""
        with self.part(part):
            pass

    @contextmanager
    def part(self, part: Part) -> Iterator[None]:
        """The same, with room for more below them."""
        with gr.Accordion(part.title, open=False):
            self.build_rows(part.rows)
            yield

    @property
    def inputs(self) -> set[Any]:
        return set(self.controls.values())

    @property
    def outputs(self) -> list[Any]:
        return list(self.controls.values())

    def values(self, data: Values) -> dict[str, Any]:
        """What the page holds, by setting name, unchecked."""
        return {name: _given(name, data[control]) for name, control in self.controls.items()}

    def settings(self, data: Values) -> Settings:
        """Raises:
        SettingsError: every value that is wrong, all at once.
        """
        return from_dict(self.values(data))

    def fill(self, settings: Settings) -> dict[Any, Any]:
        """Updates that make the page show `settings`."""
        return self.change(to_dict(settings))

    def change(self, values: Mapping[str, Any]) -> dict[Any, Any]:
        """Updates for these settings alone."""
        return {self.controls[name]: field_update(name, value) for name, value in values.items() if self.has(name)}

    def has(self, name: str) -> bool:
        return name in self.controls

    def widen(self, wide: bool) -> dict[Any, Any]:
        """Sliders as long as their settings allow, or as long as is usual."""
        return {self.controls[name]: widened(name, wide) for name in WIDENED}


def _given(name: str, value: Any) -> Any:
    """Text is taken without the line ends that a paste brings, but for what may have them."""
    if isinstance(DEFAULTS[name], str) and value is None:
        return ""
    if name in LISTED and isinstance(value, str):
        return meant(value, [NOTHING])
    return value.strip() if isinstance(value, str) and name in ("name", "learning_rate", "target_modules") else value
