"""Which files a run's settings mean, what they hold, and a digest of their content."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from training_pro.data.chosen_files import ChosenFile, chosen_files
from training_pro.data.files import EMPTY, find_dataset, is_text, why_unusable
from training_pro.data.fingerprint import files_digest
from training_pro.data.rendering.formats import reading_of
from training_pro.data.rendering.templates import TEMPLATE_SUFFIXES
from training_pro.data.rows.kinds import detect_kind
from training_pro.data.text_parts import text_files_of
from training_pro.errors import DataError, Fault, UserError, faults_of
from training_pro.folders import Folders, is_file
from training_pro.settings import Settings

TEXT, ROWS, EVALUATION = "text file", "dataset", "evaluation data"


@dataclass(frozen=True)
class Source:
    """A file or folder with its `kind` (text, text rows, alpaca, sharegpt, messages) and `role` in the run.

    `name` is how messages and records call it. `share`: how often its samples are trained in an epoch; below 1, that
    part of them is used.
    """

    path: Path
    name: str
    kind: str
    role: str
    share: float = 1.0

    @property
    def is_text(self) -> bool:
        """Whether it goes through the slicer."""
        return self.kind in ("text", "text rows")

    def files(self) -> list[Path]:
        """The files that it is made of."""
        if self.kind == "text":
            return text_files_of(self.path)
        return sorted(file for file in self.path.rglob("*") if file.is_file()) if self.path.is_dir() else [self.path]

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
    files = [file for place in _named_places(settings, folders) for file in _files_in(place)]
    files += [folders.formats / f"{settings.format.removesuffix('.json')}.json", folders.abbreviations]
    files += [folders.instruction_templates / (settings.chat_template + suffix) for suffix in TEMPLATE_SUFFIXES]
    return {str(file): _stamp(file) for file in files if is_file(file)}


def _named_places(settings: Settings, folders: Folders) -> Iterator[Path]:
    for named in (settings.text_file, settings.dataset, settings.eval_dataset):
        try:
            yield from (folders.datasets / chosen.name for chosen in chosen_files(named, folders.datasets))
        except UserError:
            continue  # what can't be read as files has none


def _files_in(place: Path) -> list[Path]:
    try:
        return [place] if is_file(place) else [file for file in place.rglob("*") if file.is_file()]
    except OSError:
        return []


def _stamp(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def chosen_sources(settings: Settings, folders: Folders) -> list[Source]:
    """The texts, the datasets, or both of them for Hybrid.

    Raises:
        DataError: nothing is chosen, or what is chosen doesn't go together, or isn't there.
    """
    both = bool(settings.text_file) and bool(settings.dataset)
    if both and not settings.hybrid:
        raise DataError(
            f"A text file ({_shown(settings.text_file)}) and a dataset ({_shown(settings.dataset)}) are both chosen; "
            "turn Hybrid Training on, or clear one of them.",
            option="--set hybrid=true",
            setting="hybrid",
        )
    if settings.hybrid and not both:
        missing, name = ("Dataset", "dataset") if settings.text_file else ("Text file", "text_file")
        raise DataError(
            f"Hybrid Training needs a text file and a dataset; choose a {missing} or turn Hybrid Training off.",
            option=(f"--set {name}=FILE", "--set hybrid=false"),
            setting=name,
        )
    if not settings.text_file and not settings.dataset:
        raise DataError(
            "No data is chosen; choose a Text file or a Dataset.",
            option=("--set text_file=FILE", "--set dataset=FILE"),
            setting="text_file",
        )
    return [make() for make in (*_texts(settings, folders), *_row_files(settings, folders))]


def eval_sources(settings: Settings, folders: Folders) -> list[Source]:
    """The evaluation files that are chosen.

    Raises:
        DataError: one isn't there or its kind is unknown.
    """
    return [make() for make in _evaluation(settings, folders)]


def found_sources(settings: Settings, folders: Folders) -> tuple[list[Source], list[Fault]]:
    """The texts, datasets and evaluation files as far as each is chosen and can be used, and why others can't."""
    sources: list[Source] = []
    faults: list[Fault] = []
    for find in (_texts, _row_files, _evaluation):
        try:
            makers = find(settings, folders)
        except UserError as error:
            faults += faults_of(error)
            continue
        for make in makers:
            try:
                sources.append(make())
            except UserError as error:
                faults += faults_of(error)
    return sources, faults


Makers = list[Callable[[], Source]]


def _texts(settings: Settings, folders: Folders) -> Makers:
    percent = settings.hybrid_text_percent if settings.hybrid else 100.0
    files = chosen_files(settings.text_file, folders.datasets)
    return [partial(_text_source, file, _numbered(TEXT, at), folders, percent) for at, file in enumerate(files)]


def _row_files(settings: Settings, folders: Folders) -> Makers:
    percent = settings.hybrid_data_percent if settings.hybrid else 100.0
    files = chosen_files(settings.dataset, folders.datasets)
    return [
        partial(_row_source, file, _numbered(ROWS, at), settings, folders, percent) for at, file in enumerate(files)
    ]


def _evaluation(settings: Settings, folders: Folders) -> Makers:
    files = chosen_files(settings.eval_dataset, folders.datasets)
    return [partial(_row_source, file, _numbered(EVALUATION, at), settings, folders) for at, file in enumerate(files)]


def _numbered(role: str, at: int) -> str:
    return f"{role} {at + 1}" if at else role


def _text_source(chosen: ChosenFile, role: str, folders: Folders, percent: float) -> Source:
    path, shown = _found(chosen, folders)
    if not is_text(path):
        raise DataError(
            f"{shown} holds no running text; choose it as the Dataset instead.",
            option=f"--set dataset={chosen.name}",
            setting="text_file",
        )
    return Source(path, shown, "text", role, chosen.share * percent / 100)


def _row_source(chosen: ChosenFile, role: str, settings: Settings, folders: Folders, percent: float = 100.0) -> Source:
    path, shown = _found(chosen, folders)
    text = is_text(path)
    kind = settings.dataset_kind
    if kind == "auto" or (text and role.startswith(EVALUATION)):
        kind = "text" if text else detect_kind(path, shown, reading_of(settings, folders.formats))
    if (kind == "text") != text:
        what = "holds running text" if text else "holds rows"
        raise DataError(
            f'{shown} {what}, the "Kind of dataset" is {kind}; set it to auto or choose another file.',
            option="--set dataset_kind=auto",
            setting="dataset_kind",
        )
    return Source(path, shown, kind, role, chosen.share * percent / 100)


def _found(chosen: ChosenFile, folders: Folders) -> tuple[Path, str]:
    """Where the file is, and its name for messages."""
    path, shown = find_dataset(chosen.name, folders.datasets), _shown(chosen.name)
    reason = "" if path.is_dir() else why_unusable(path)
    if reason and reason != EMPTY:  # reading an empty one says what is missing in it
        raise DataError(f"{shown} can't be used: {reason}.")
    return path, shown


def _shown(name: str) -> str:
    """Without the folders of this machine."""
    return Path(name).name if Path(name).is_absolute() else name
