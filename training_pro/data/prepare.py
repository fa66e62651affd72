"""From the chosen files to samples: the one way that training, verify and preview all walk.

Costs the tokenizer's own time over the data, nothing where the result is in the cache. Data is read as a
stream; what stays in memory is 4 bytes a token and, for raw text, the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from training_pro.data.files import find_dataset
from training_pro.data.fingerprint import files_digest, fingerprint, settings_parts, tokenizer_digest
from training_pro.data.formats import ship_formats
from training_pro.data.holdout import Parts, hold_out
from training_pro.data.kinds import detect_kind
from training_pro.data.report import DataReport, SourceReport
from training_pro.data.row_source import RowJob, row_samples
from training_pro.data.samples import Indices, Samples, Subset, mixed
from training_pro.data.text_source import text_row_samples, text_samples
from training_pro.data.tokens import RowTokenizer
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.progress import Progress, no_progress
from training_pro.settings import Settings
from training_pro.text.encoding import TextEncoder
from training_pro.text.reading import text_files


@dataclass(frozen=True)
class Prepared:
    """A run's samples. `fingerprint` is one digest over `fingerprint_parts`, which name what it is made of."""

    train: Samples
    eval: Samples | None
    report: DataReport
    fingerprint: str
    fingerprint_parts: Mapping[str, Any]


@dataclass(frozen=True)
class _Source:
    path: Path
    name: str
    kind: str
    role: str = "dataset"
    percent: float = 100.0


@dataclass(frozen=True)
class _Tools:
    """What all sources of one preparation share."""

    settings: Settings
    folders: Folders
    host_tokenizer: Any
    rows: RowTokenizer
    text: TextEncoder
    progress: Progress


def prepare(
    settings: Settings,
    tokenizer: Any,
    folders: Folders,
    *,
    model_max_tokens: int | None = None,
    progress: Progress | None = None,
    cache: bool = True,
) -> Prepared:
    """The samples of the run that `settings` describe. `tokenizer` is the host's; it is not changed.

    Raises:
        DataError: one sentence on the file, row, format or template that can't be used.
        Cancelled: from `progress`.
    """
    ship_formats(folders.formats)
    sources = _chosen_sources(settings, folders)
    tools = _Tools(
        settings, folders, tokenizer, RowTokenizer(tokenizer), TextEncoder(tokenizer), progress or no_progress
    )
    made = [_made(source, tools) for source in sources]
    parts = [_parts(samples, source, settings) for source, (samples, _) in zip(sources, made, strict=True)]
    train = mixed([Subset(samples, part.train) for (samples, _), part in zip(made, parts, strict=True)])
    evaluation, eval_reports = _evaluation(made, parts, tools)
    if not len(train):
        raise DataError("No sample is left to train on; raise the percentages of the text and the dataset.")
    fingerprint_parts = _fingerprint_parts(sources, settings, folders, tokenizer)
    report = DataReport(
        sources=tuple(report for _, report in made),
        train_samples=len(train),
        eval_samples=len(evaluation) if evaluation is not None else 0,
        left_out=sum(part.left_out for part in parts),
        eval_sources=eval_reports,
        model_max_tokens=model_max_tokens,
        notes=tuple(_notes(sources, settings, model_max_tokens)),
    )
    return Prepared(train, evaluation, report, fingerprint(fingerprint_parts), fingerprint_parts)


def _chosen_sources(settings: Settings, folders: Folders) -> list[_Source]:
    both = bool(settings.text_file) and bool(settings.dataset)
    if both and not settings.hybrid:
        raise DataError(
            f"A text file ({settings.text_file}) and a dataset ({settings.dataset}) are both chosen; "
            "turn Hybrid Training on, or clear one of them."
        )
    if settings.hybrid and not both:
        missing = "Dataset" if settings.text_file else "Text file"
        raise DataError(f"Hybrid Training needs a text file and a dataset; choose a {missing} or turn Hybrid off.")
    if not settings.text_file and not settings.dataset:
        raise DataError("No data is chosen; choose a Text file or a Dataset.")
    text_percent = settings.hybrid_text_percent if settings.hybrid else 100.0
    data_percent = settings.hybrid_data_percent if settings.hybrid else 100.0
    sources = []
    if settings.text_file:
        path = find_dataset(settings.text_file, folders.datasets)
        sources.append(_Source(path, _shown(settings.text_file), "text", "text file", text_percent))
    if settings.dataset:
        sources.append(replace(_source(settings.dataset, settings, folders), percent=data_percent))
    return sources


def _source(name: str, settings: Settings, folders: Folders) -> _Source:
    path = find_dataset(name, folders.datasets)
    shown = _shown(name)
    found = settings.dataset_kind if settings.dataset_kind != "auto" else detect_kind(path, shown)
    return _Source(path, shown, found)


def _shown(name: str) -> str:
    """How messages and records call a file: not by where it lies on this machine."""
    return Path(name).name if Path(name).is_absolute() else name


def _fingerprint_parts(sources: list[_Source], settings: Settings, folders: Folders, tokenizer: Any) -> dict[str, Any]:
    parts: dict[str, Any] = {source.role: _content_digest(source) for source in sources}
    if settings.eval_dataset:
        parts["evaluation data"] = _content_digest(_source(settings.eval_dataset, settings, folders))
    return {**parts, "tokenizer": tokenizer_digest(tokenizer), **settings_parts(settings)}


def _content_digest(source: _Source) -> str:
    return files_digest(text_files(source.path) if source.kind == "text" else [source.path])


def _made(source: _Source, tools: _Tools) -> tuple[Samples, SourceReport]:
    if source.kind == "text":
        return text_samples(source.path, source.name, tools.settings, tools.text, tools.rows, tools.progress)
    if source.path.is_dir():
        raise DataError(f"{source.name} is a folder; only text files are read from folders: choose a file.")
    if source.kind == "text rows":
        return text_row_samples(source.path, source.name, tools.settings, tools.text, tools.rows, tools.progress)
    job = RowJob(source.path, source.name, source.kind, tools.settings, tools.folders, tools.host_tokenizer, tools.rows)
    return row_samples(job, tools.progress)


def _parts(samples: Samples, source: _Source, settings: Settings) -> Parts:
    chosen = _sampled(len(samples), source.percent, settings.seed)
    if settings.eval_dataset or not settings.eval_percent or not len(chosen):
        return Parts(chosen, np.zeros(0, np.int64), 0)
    return hold_out(samples, chosen, settings.eval_percent, settings.seed)


def _sampled(count: int, percent: float, seed: int) -> Indices:
    """A seeded choice of so many per cent of `count`, in order; of a share above 0 at least one."""
    if percent >= 100:
        return np.arange(count)
    wanted = max(1, round(count * percent / 100)) if percent > 0 else 0
    return np.sort(np.random.default_rng((seed, 0)).permutation(count)[:wanted])


def _evaluation(
    made: list[tuple[Samples, SourceReport]], parts: list[Parts], tools: _Tools
) -> tuple[Samples | None, tuple[SourceReport, ...]]:
    if tools.settings.eval_dataset:
        samples, report = _made(_source(tools.settings.eval_dataset, tools.settings, tools.folders), tools)
        return samples, (report,)
    held = [Subset(samples, part.eval) for (samples, _), part in zip(made, parts, strict=True) if len(part.eval)]
    return (mixed(held) if held else None), ()


def _notes(sources: list[_Source], settings: Settings, model_max_tokens: int | None) -> list[str]:
    notes = []
    if settings.loss_on != "all" and any(source.kind in ("text", "text rows") for source in sources):
        notes.append('Raw text is trained whole; "Train on" applies to instruction and chat rows.')
    if model_max_tokens and settings.max_tokens > model_max_tokens:
        notes.append(
            f"The Maximum context length is {settings.max_tokens} tokens, the model was made for {model_max_tokens}; "
            "lower it."
        )
    return notes
