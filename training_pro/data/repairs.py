"""What one click can mend in the data: hard-wrapped lines, a foreign encoding, strays, scene breaks, chat logs.

A repair writes a new file beside the old one, which stays as it is; a job of `DatasetTools` does the work. Looking for
repairs reads the first 64 kB of each text, some ten milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training_pro.data.chat_logs import chat_log, log_note
from training_pro.data.chosen_files import ChosenFile, chosen_files, written_files
from training_pro.data.documents.extracted import removed_words
from training_pro.data.encodings import OtherEncoding
from training_pro.data.files import find_dataset
from training_pro.data.report import DataReport, SourceReport
from training_pro.data.text_notes import LOOK_ALIKE_WORDS, stray_words, text_notes
from training_pro.data.text_parts import text_parts
from training_pro.data.tools import DatasetTools, cleaned_words
from training_pro.errors import UserError
from training_pro.folders import Folders
from training_pro.progress import Progress, no_progress
from training_pro.text.reading import clean_text
from training_pro.text.splitting.unwrapping import LOOKED_AT_BYTES, wrapped_note
from training_pro.text.stray_characters import CLEANED
from training_pro.words import counted


@dataclass(frozen=True)
class Repair:
    """One thing to mend in `file`, named as it was chosen; `job` is a name of `BUTTONS`, or "chats".

    `sentence` says what is wrong. `instead_of`: the notes of the check that say the same. `names`: who writes in a chat
    log, the busiest first. `urgent`: the LoRA would be worse for it; else the text can be trained well as it is.
    `encoding`: what to convert from, "" for the likeliest.
    """

    job: str
    file: str
    sentence: str
    instead_of: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    urgent: bool = True
    encoding: str = ""


@dataclass(frozen=True)
class Mended:
    """The new file's `name`, and what was done, in words."""

    name: str
    said: str


BUTTONS = {"unwrap": "Join lines", "clean": "Clean up", "cut": "Cut there", "convert": "Convert to UTF-8"}


def repairs(report: DataReport, folders: Folders) -> list[Repair]:
    """What can be mended in the texts of prepared data."""
    texts = [source for source in report.sources if source.kind == "text"]
    return [repair for source in texts for repair in _of_text(source, folders)]


def repairs_of(error: BaseException) -> list[Repair]:
    """What mends the file that `error` is about, the likeliest first; [] where nothing here does."""
    if not isinstance(error, OtherEncoding):
        return []
    others = [
        Repair("convert", error.name, f'As {one.name} it reads "{one.sample}".', urgent=False, encoding=one.codec)
        for one in error.guess.others
    ]
    return [Repair("convert", error.name, str(error)), *others]


def mend(repair: Repair, folders: Folders, assistant: str = "", progress: Progress = no_progress) -> Mended:
    """Do it. `assistant`: of a chat log, the person whose words are learned.

    Raises:
        UserError: as the jobs of `DatasetTools`; nothing is written then.
        Cancelled: from `progress`.
    """
    tools = DatasetTools(folders, numbered=True, progress=progress)
    if repair.job == "chats":
        name, log = tools.log_to_chats(repair.file, assistant)
        removed = f" Left out: {removed_words(log.removed)}." if log.removed else ""
        return Mended(name, f"The {len(log.messages):,} messages became chats that answer like {assistant}.{removed}")
    if repair.job == "convert":
        return _convert(tools, repair)
    return _JOBS[repair.job](tools, repair.file)


def in_place_of(chosen: str, old: str, new: str, folder: Path) -> str:
    """The list of files `chosen` with `new` where `old` was; its repeat or share stays."""
    files = chosen_files(chosen, folder)
    return written_files([ChosenFile(new, file.share) if file.name == old else file for file in files])


def _unwrap(tools: DatasetTools, file: str) -> Mended:
    name, joined = tools.unwrap(file)
    return Mended(name, joined.words())


def _clean(tools: DatasetTools, file: str) -> Mended:
    name, counts = tools.clean(file)
    return Mended(name, cleaned_words(counts))


def _cut(tools: DatasetTools, file: str) -> Mended:
    name, count = tools.cut(file)
    return Mended(name, f"{count:,} scene breaks, page breaks and chapter headings became hard cuts.")


def _convert(tools: DatasetTools, repair: Repair) -> Mended:
    done = tools.convert(repair.file, repair.encoding)
    return Mended(done.name, f'It was read as {done.encoding}: "{done.sample}".' if done.encoding else "It is UTF-8.")


_JOBS: dict[str, Callable[[DatasetTools, str], Mended]] = {
    "unwrap": _unwrap,
    "clean": _clean,
    "cut": _cut,
}


def _of_text(source: SourceReport, folders: Folders) -> Iterator[Repair]:
    try:
        parts = text_parts(find_dataset(source.name, folders.datasets), source.name, folders.converted)
        with parts[0].path.open("rb") as file:
            beginning = clean_text(file.read(LOOKED_AT_BYTES).decode("utf-8", "ignore"))
    except (UserError, OSError):  # a file of another folder, or one that has gone since
        return
    yield from _by_beginning(source, beginning)
    yield from _by_findings(source)


def _by_beginning(source: SourceReport, beginning: str) -> Iterator[Repair]:
    """Only what the check has noted too: a text with subtitles in it is neither."""
    log = chat_log(beginning)
    if log is not None:
        note, names = log_note(source.name, log), tuple(name for name, _ in log.names())
        sentence = f"{source.name} is a chat log ({log.manner}), learned as running text with its names and times."
        found = Repair("chats", source.name, sentence, (note,), names)
    else:
        note = wrapped_note(source.name, beginning)
        sentence = f"{source.name} is hard-wrapped: the LoRA would learn to break its lines."
        found = Repair("unwrap", source.name, sentence, (note,))
    if note and note in source.notes:
        yield found


def _by_findings(source: SourceReport) -> Iterator[Repair]:
    found, notes = source.found, text_notes(source)
    if found is None:
        return
    strays = [one for one in found.strays if one.kind in CLEANED]
    if strays:
        words = " and ".join(f"{stray_words(one)} (such as {one.example})" for one in strays)
        starts = tuple(f"{source.name}: {one.count:,} " for one in strays)
        said = tuple(note for note in notes if note.startswith(starts) and "learned too" in note)
        yield Repair("clean", source.name, f"{source.name} has {words}, which would be learned too.", said)
    sections = source.slicing.sections if source.slicing is not None else 0
    uncut = [one for one in found.look_alikes if not one.cut_string]
    if uncut:
        words = " and ".join(
            f"{counted(one.count, *LOOK_ALIKE_WORDS[one.kind])} (such as {one.example.strip()!r})" for one in uncut
        )
        starts = tuple(f"{source.name}: {one.count:,} " for one in uncut)
        said = tuple(note for note in notes if note.startswith(starts) and "hard cut" in note)
        urgent = any(one.count > sections for one in uncut)  # an EPUB's chapters are cut, the parts in them are not
        yield Repair("cut", source.name, f"{source.name} has {words}, without a hard cut.", said, urgent=urgent)
