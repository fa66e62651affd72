"""What preparation did, as data: the page, the command line and the tests show the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training_pro.data.rendering.rendering import LossPlace
from training_pro.data.sources import Source
from training_pro.settings import Settings
from training_pro.text.blocks.blocks import SlicingReport
from training_pro.text.findings import Findings


@dataclass(frozen=True)
class SourceReport:
    """One file or folder.

    `samples` are the blocks or rows made of it. Rows: `rows_read` of them were looked at, `bad_rows` skipped
    (the first few in `bad_row_examples`), `trimmed` shortened (`trimmed_stops` of them by what ended them),
    `eliminated_long` left out as too long, `eliminated_untrained` left out because trimming took all of their
    trained part, `unwanted_rows` left out because they say so themselves (``label: false``, ``weight: 0``).
    `longest_row_tokens` and `row_tokens`, of all rows, are before trimming; `lost_tokens` of them are not trained,
    because their rows are too long. `slicing` and `found` tell of raw text and of text rows.
    """

    name: str
    kind: str
    samples: int = 0
    rows_read: int = 0
    bad_rows: int = 0
    bad_row_examples: tuple[str, ...] = ()
    trimmed: int = 0
    trimmed_stops: int = 0
    eliminated_long: int = 0
    eliminated_untrained: int = 0
    longest_row_tokens: int = 0
    row_tokens: int = 0
    lost_tokens: int = 0
    unwanted_rows: int = 0
    slicing: SlicingReport | None = None
    notes: tuple[str, ...] = ()
    found: Findings | None = None

    @classmethod
    def of_rows(cls, values: Mapping[str, Any]) -> SourceReport:
        """The report on rows (not on texts) that `dataclasses.asdict` and JSON made these values of."""
        lists = {name: tuple(values[name]) for name in ("bad_row_examples", "notes")}
        return cls(**{**values, **lists})

    @property
    def dropped_rows(self) -> int:
        """Rows that were read and are not trained."""
        return self.bad_rows + self.unwanted_rows + self.eliminated_long + self.eliminated_untrained

    @property
    def is_chat(self) -> bool:
        """Whether its rows are turns of user and assistant."""
        return self.kind in ("messages", "sharegpt")


@dataclass(frozen=True)
class DataReport:
    """All of a run's data; `left_out` samples are in neither part, so that the evaluation can't leak, and
    `twins_left_out` are duplicates."""

    sources: tuple[SourceReport, ...]
    train_samples: int
    eval_samples: int = 0
    left_out: int = 0
    twins_left_out: int = 0
    eval_sources: tuple[SourceReport, ...] = ()
    model_max_tokens: int | None = None
    notes: tuple[str, ...] = ()


def run_notes(
    sources: Sequence[Source], settings: Settings, loss: LossPlace, model_max_tokens: int | None
) -> list[str]:
    """What people should know about the sources of a run together."""
    notes = [
        f"{source.name}: each sample is trained {source.share:g} times an epoch."
        for source in sources
        if source.share > 1
    ]
    if loss.place != settings.loss_on:
        notes.append(
            f'Rows are trained only after {settings.train_only_after!r}. Clear "Train Only After" to train all.'
        )
    if loss.place != "all" and any(source.is_text for source in sources):
        notes.append('All of the raw text is trained: "Train on" applies only to instruction and chat rows.')
    if model_max_tokens and settings.max_tokens > model_max_tokens:
        notes.append(
            f"The Maximum context length is {settings.max_tokens} tokens, but the model was made for "
            f"{model_max_tokens}. Lower it."
        )
    return notes
