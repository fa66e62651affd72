"""Which files a run's settings mean and what they hold: the first step on the way of a block and of a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path

from training_pro.data.chosen_files import chosen_files
from training_pro.data.files import EMPTY, find_dataset, is_text, text_files_of, why_unusable
from training_pro.data.rendering.formats import RowReading, reading_of
from training_pro.data.rendering.templates import TEMPLATE_SUFFIXES
from training_pro.data.rows.kinds import detect_kind
from training_pro.errors import DataError, Fault, UserError, faults_of
from training_pro.folders import Folders, is_file
from training_pro.settings import Settings

TEXT, ROWS, EVALUATION = "text file", "dataset", "evaluation data"
_AUTO = "auto"
_SETTING_OF = {TEXT: "text_file", ROWS: "dataset", EVALUATION: "eval_dataset"}
_SIZE_AND_TIME = attrgetter("st_size", "st_mtime_ns")
_PERCENT_OF = {TEXT: "hybrid_text_percent", ROWS: "hybrid_data_percent"}


@dataclass(frozen=True)
class Source:
    """A file or folder with its `kind` (text, text rows, alpaca, sharegpt, messages; auto until it is `detected`) and
    `role` in the run.

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

    @property
    def is_evaluation(self) -> bool:
        return self.role.startswith(EVALUATION)

    def files(self) -> list[Path]:
        """The files that it is made of."""
        if self.kind == "text":
            return text_files_of(self.path)
        return sorted(file for file in self.path.rglob("*") if file.is_file()) if self.path.is_dir() else [self.path]

    def stamp(self) -> list[tuple[int, int]]:
        """Sizes and times of change, to see whether a file was changed while it was read."""
        try:
            return [_SIZE_AND_TIME(file.stat()) for file in self.files()]
        except OSError:
            return []


def files_state(settings: Settings, folders: Folders) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file that the samples of `settings` are made of, as far as they are there."""
    files = [file for place in _named_places(settings, folders) for file in _files_in(place)]
    files += [folders.formats / f"{settings.format.removesuffix('.json')}.json", folders.abbreviations]
    files += [folders.instruction_templates / (settings.chat_template + suffix) for suffix in TEMPLATE_SUFFIXES]
    return {str(file): _SIZE_AND_TIME(file.stat()) for file in files if is_file(file)}


def _named_places(settings: Settings, folders: Folders) -> Iterator[Path]:
    for role in _SETTING_OF:
        try:
            yield from (folders.datasets / one.name for one in _named(role, settings, folders))
        except UserError:
            continue  # what can't be read as files has none


def _files_in(place: Path) -> list[Path]:
    try:
        return [place] if is_file(place) else [file for file in place.rglob("*") if file.is_file()]
    except OSError:
        return []


def chosen_sources(settings: Settings, folders: Folders) -> list[Source]:
    """The texts, the datasets, or both of them for Hybrid; then the evaluation data; none `detected` yet.

    Raises:
        DataError: nothing is chosen, or what is chosen doesn't go together, isn't there or isn't of the kind asked for.
    """
    both = bool(settings.text_file) and bool(settings.dataset)
    if both and not settings.hybrid:
        raise DataError(
            f"A text file ({_shown(settings.text_file)}) and a dataset ({_shown(settings.dataset)}) are both chosen. "
            "Turn on Hybrid Training or clear one of them.",
            option="--set hybrid=true",
            setting="hybrid",
        )
    if settings.hybrid and not both:
        missing, name = ("Dataset", "dataset") if settings.text_file else ("Text file", "text_file")
        raise DataError(
            f"Hybrid Training needs a text file and a dataset. Choose a {missing} or turn Hybrid Training off.",
            option=(f"--set {name}=FILE", "--set hybrid=false"),
            setting=name,
        )
    if not settings.text_file and not settings.dataset:
        raise DataError(
            "No data is chosen. Choose a Text file or a Dataset.",
            option=("--set text_file=FILE", "--set dataset=FILE"),
            setting="text_file",
        )
    named = [one for role in _SETTING_OF for one in _named(role, settings, folders)]
    return [_source(one, settings, folders) for one in named]


def detected(source: Source, reading: RowReading) -> Source:
    """The source with the kind that its first rows have, where the settings leave that open.

    Raises:
        DataError: its rows can't be read, or are of no known kind.
    """
    if source.kind != _AUTO:
        return source
    fits = reading.format.fits if reading.format is not None else None
    return replace(source, kind=detect_kind(source.path, source.name, reading.columns, fits))


def found_sources(settings: Settings, folders: Folders) -> tuple[list[Source], list[Fault]]:
    """The texts, datasets and evaluation files as far as each is chosen and can be used, and why others can't."""
    sources: list[Source] = []
    faults: list[Fault] = []
    for role in _SETTING_OF:
        try:
            named = _named(role, settings, folders)
        except UserError as error:
            faults += faults_of(error)
            continue
        for one in named:
            try:
                source = _source(one, settings, folders)
                if source.kind == _AUTO:
                    source = detected(source, reading_of(settings, folders.formats))
                sources.append(source)
            except UserError as error:
                faults += faults_of(error)
    return sources, faults


@dataclass(frozen=True)
class _Named:
    """A file or folder as it was chosen, for a role; `share` as in `Source`."""

    name: str
    role: str
    share: float


def _named(role: str, settings: Settings, folders: Folders) -> list[_Named]:
    """What is chosen for a role; the second of several is "text file 2"."""
    files = chosen_files(getattr(settings, _SETTING_OF[role]), folders.datasets)
    percent = getattr(settings, _PERCENT_OF[role]) if settings.hybrid and role in _PERCENT_OF else 100.0
    roles = (role, *(f"{role} {number}" for number in range(2, len(files) + 1)))
    return [_Named(one.name, called, one.share * percent / 100) for one, called in zip(files, roles, strict=False)]


def _source(named: _Named, settings: Settings, folders: Folders) -> Source:
    name = _shown(named.name)
    path = find_dataset(named.name, folders.datasets)
    reason = "" if path.is_dir() else why_unusable(path)
    if reason and reason != EMPTY:  # reading an empty one says what is missing in it
        raise DataError(f"{name} can't be used: {reason}.")
    text = is_text(path)
    if named.role.startswith(TEXT) and not text:
        raise DataError(
            f"{name} holds no running text. Choose it as the Dataset instead.",
            option=f"--set dataset={named.name}",
            setting="text_file",
        )
    kind = "text" if named.role.startswith(TEXT) else settings.dataset_kind
    if text and (kind == _AUTO or named.role.startswith(EVALUATION)):
        kind = "text"
    if kind != _AUTO and (kind == "text") != text:
        what = "holds running text" if text else "holds rows"
        raise DataError(
            f'{name} {what}, but "Kind of dataset" is {kind}. Set it to auto or choose another file.',
            option="--set dataset_kind=auto",
            setting="dataset_kind",
        )
    return Source(path, name, kind, named.role, named.share)


def _shown(name: str) -> str:
    """Without the folders of this machine."""
    return Path(name).name if Path(name).is_absolute() else name
