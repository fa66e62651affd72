"""Which files a run's settings mean, what they hold, and a digest of their content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from training_pro.data.files import find_dataset
from training_pro.data.fingerprint import files_digest
from training_pro.data.rendering.chat import TEMPLATE_SUFFIXES
from training_pro.data.rows.kinds import detect_kind
from training_pro.errors import DataError, Fault, UserError, faults_of
from training_pro.folders import Folders, is_file
from training_pro.settings import Settings
from training_pro.text.reading import text_files


@dataclass(frozen=True)
class Source:
    """A file or folder with its `kind` (text, text rows, alpaca, sharegpt, messages) and `role` in the run.

    `name` is how messages and records call it. `percent` of its samples are used.
    """

    path: Path
    name: str
    kind: str
    role: str
    percent: float = 100.0

    @property
    def is_text(self) -> bool:
        """Whether it goes through the slicer."""
        return self.kind in ("text", "text rows")

    def files(self) -> list[Path]:
        """The files that it is made of."""
        return text_files(self.path) if self.path.is_dir() else [self.path]

    def content_digest(self) -> str:
        """A digest over all its files; a second per gigabyte."""
        return files_digest(self.files())

    def stamp(self) -> list[tuple[int, int]]:
        """Sizes and times of change, to see whether a file was written to meanwhile."""
        try:
            return [_stamp(file) for file in self.files()]
        except OSError:
            return []


def files_state(settings: Settings, folders: Folders) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file that the samples of `settings` are made of, as far as they are there."""
    named = (settings.text_file, settings.dataset, settings.eval_dataset)
    places = [folders.datasets / name for name in named if name]
    files = [file for place in places for file in ([place] if is_file(place) else _texts_in(place))]
    files += [folders.formats / f"{settings.format.removesuffix('.json')}.json", folders.abbreviations]
    files += [folders.instruction_templates / (settings.chat_template + suffix) for suffix in TEMPLATE_SUFFIXES]
    return {str(file): _stamp(file) for file in files if is_file(file)}


def _texts_in(folder: Path) -> list[Path]:
    try:
        return list(folder.glob("*.txt"))
    except OSError:
        return []


def _stamp(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def chosen_sources(settings: Settings, folders: Folders) -> list[Source]:
    """The text, the dataset, or both of them for Hybrid.

    Raises:
        DataError: nothing is chosen, or what is chosen doesn't go together, or isn't there.
    """
    both = bool(settings.text_file) and bool(settings.dataset)
    if both and not settings.hybrid:
        raise DataError(
            f"A text file ({_shown(settings.text_file)}) and a dataset ({_shown(settings.dataset)}) are both chosen; "
            "turn Hybrid Training on, or clear one of them."
        )
    if settings.hybrid and not both:
        missing = "Dataset" if settings.text_file else "Text file"
        raise DataError(
            f"Hybrid Training needs a text file and a dataset; choose a {missing} or turn Hybrid Training off."
        )
    if not settings.text_file and not settings.dataset:
        raise DataError("No data is chosen; choose a Text file or a Dataset.")
    sources = []
    if settings.text_file:
        percent = settings.hybrid_text_percent if settings.hybrid else 100.0
        sources.append(_text_source(settings.text_file, folders, percent))
    if settings.dataset:
        percent = settings.hybrid_data_percent if settings.hybrid else 100.0
        sources.append(_dataset_source(settings.dataset, "dataset", settings, folders, percent))
    return sources


def eval_source(settings: Settings, folders: Folders) -> Source | None:
    """The evaluation file, if one is chosen.

    Raises:
        DataError: it isn't there or its kind can't be told.
    """
    if not settings.eval_dataset:
        return None
    return _dataset_source(settings.eval_dataset, "evaluation data", settings, folders, 100.0)


def found_sources(settings: Settings, folders: Folders) -> tuple[list[Source], list[Fault]]:
    """The text, the dataset and the evaluation file as far as each is chosen and can be used, and why others can't."""
    text, rows, evaluation = settings.text_file, settings.dataset, settings.eval_dataset
    chosen: list[Callable[[], Source]] = []
    if text:
        chosen.append(partial(_text_source, text, folders, 100.0))
    if rows:
        chosen.append(partial(_dataset_source, rows, "dataset", settings, folders, 100.0))
    if evaluation:
        chosen.append(partial(_dataset_source, evaluation, "evaluation data", settings, folders, 100.0))
    sources: list[Source] = []
    faults: list[Fault] = []
    for find in chosen:
        try:
            sources.append(find())
        except UserError as error:
            faults += faults_of(error)
    return sources, faults


def _text_source(name: str, folders: Folders, percent: float) -> Source:
    path = find_dataset(name, folders.datasets)
    if path.is_file() and path.suffix.lower() != ".txt":
        raise DataError(f"{_shown(name)} is not a .txt file; choose it as the Dataset instead.")
    return Source(path, _shown(name), "text", "text file", percent)


def _dataset_source(name: str, role: str, settings: Settings, folders: Folders, percent: float) -> Source:
    path, shown = find_dataset(name, folders.datasets), _shown(name)
    is_text = path.is_dir() or path.suffix.lower() == ".txt"
    kind = settings.dataset_kind
    if kind == "auto" or (is_text and role == "evaluation data"):
        kind = detect_kind(path, shown)
    if (kind == "text") != is_text:
        what = "holds running text" if is_text else "holds rows"
        raise DataError(f'{shown} {what}, the "Kind of dataset" is {kind}; set it to auto or choose another file.')
    return Source(path, shown, kind, role, percent)


def _shown(name: str) -> str:
    """Not by where it lies on this machine."""
    return Path(name).name if Path(name).is_absolute() else name
