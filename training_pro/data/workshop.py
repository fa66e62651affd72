"""What all sources of one preparation share, made once before the first is read; and what each of them becomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_pro.data.cache import PreparedCache
from training_pro.data.rendering.formats import RowReading
from training_pro.data.rendering.rendering import LossPlace
from training_pro.data.report import SourceReport
from training_pro.data.samples import RowSamples, TextSamples
from training_pro.data.sources import Source
from training_pro.data.tokens import RowTokenizer
from training_pro.folders import Folders
from training_pro.progress import Progress
from training_pro.settings import Settings
from training_pro.text.blocks.budget import Slicing
from training_pro.text.tokenizing.encoding import TextEncoder


@dataclass(frozen=True)
class Workshop:
    """The tools for every source of a run.

    `host_tokenizer` is never changed. `counted_settings`: those that decide on the samples. `encoders`: by kind of
    text, for the kinds that the run has. `converted`: where the texts of documents go. `cache`: None where nothing is
    kept.
    """

    settings: Settings
    folders: Folders
    host_tokenizer: Any
    tokenizer_digest: str
    counted_settings: Mapping[str, Any]
    rows: RowTokenizer
    reading: RowReading
    loss: LossPlace
    abbreviations_digest: str
    slicing: Slicing
    encoders: Mapping[str, TextEncoder]
    converted: Path
    cache: PreparedCache | None
    progress: Progress


@dataclass(frozen=True)
class SourceSamples:
    """The samples of one source. `made_of`: digests of its content and of what renders its rows. `digest`: of what
    they became, the blocks of a text or the rendered rows."""

    source: Source
    samples: TextSamples | RowSamples
    report: SourceReport
    made_of: tuple[str, ...]
    digest: str


def slicing_of(settings: Settings, abbreviations: frozenset[str]) -> Slicing:
    """The slicer's part of the settings, and a person's own abbreviations."""
    return Slicing(
        max_tokens=settings.max_tokens,
        hard_cut=settings.hard_cut,
        overlap=settings.overlap,
        dementor=settings.dementor,
        min_block_chars=settings.min_block_chars,
        add_bos=settings.add_bos,
        eos=settings.eos,
        abbreviations=abbreviations,
    )


def encoders_for(kinds: Iterable[str], control_tokens: str, tokenizer: Any) -> dict[str, TextEncoder]:
    """An encoder for each kind of text; those that read special strings alike share one. Costs up to a second each.

    `control_tokens` as in `Settings`: with "auto", special strings are control tokens only in text rows.
    """
    alive = {kind: control_tokens == "tokens" or (control_tokens == "auto" and kind == "text rows") for kind in kinds}
    made = {control: TextEncoder(tokenizer, control) for control in set(alive.values())}
    return {kind: made[control] for kind, control in alive.items()}
