"""Format files: how an Alpaca-style row becomes text.

``{"instruction,output": "...%instruction%...%output%...", "instruction,input,output": ...}``: the set of a row's fields
that are not empty chooses the entry, and each ``%field%`` is replaced once, so that a field whose text holds
``%output%`` changes nothing. Rows whose fields have other usual names are read by what they mean.

``{"columns": "prompt=Frage,answer=Antwort"}`` says what a file's columns are; without entries beside it the rows go
through the chat template.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_pro.data.fingerprint import digest
from training_pro.data.rendering.chat import unused_notes
from training_pro.data.rendering.rendering import RenderedRow, Span
from training_pro.data.rows.bad_rows import RowFault
from training_pro.data.rows.chats import is_read_flag, refuse_unwanted
from training_pro.data.rows.fields import NO_COLUMNS, USUAL, Columns, exchange_fields, filled, folded, parse_columns
from training_pro.data.tokens import RowTokenizer
from training_pro.errors import DataError
from training_pro.folders import is_file
from training_pro.settings import Settings
from training_pro.small_files import json_in
from training_pro.words import counted, reason_of

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "formats"
USUAL_FORMAT = "alpaca-format"  # for models without a chat template
_ANSWER_FIELDS = ("output", "response", "answer", "completion", "assistant", "gpt")
_COLUMNS = "columns"


@dataclass(frozen=True)
class FormatEntry:
    """One template, cut at its placeholders: text, field, text, field, ..., text."""

    fields: frozenset[str]
    parts: tuple[str, ...]

    @property
    def answer_field(self) -> str:
        """The field that the model is to write: a usual name for it, else the last one of the template."""
        used = self.parts[1::2]
        return next((name for name in _ANSWER_FIELDS if name in used), used[-1])


@dataclass(frozen=True)
class Format:
    """A format file's entries, and what it says about a file's columns."""

    name: str
    entries: tuple[FormatEntry, ...]
    columns: Columns = NO_COLUMNS

    @property
    def fields(self) -> frozenset[str]:
        """All fields that any entry uses."""
        return frozenset[str]().union(*(entry.fields for entry in self.entries))

    @property
    def digest(self) -> str:
        """Of all that decides what becomes of a row; the same in every process, which the order of a set is not."""
        entries = [[sorted(entry.fields), entry.parts] for entry in self.entries]
        return digest(json.dumps([entries, str(self.columns)] if self.columns else entries))

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has all the fields of an entry, under the very names."""
        return any(entry.fields <= row.keys() for entry in self.entries)

    def plainest(self) -> FormatEntry | None:
        """The entry of a question and its answer alone, which the turns of a history go through."""
        return next((entry for entry in self.entries if len(entry.fields) == 2 and len(entry.parts) == 5), None)

    def entry_for(self, filled: frozenset[str]) -> FormatEntry:
        """The entry made for exactly these fields, else the one that uses most of them.

        Raises:
            RowFault: every entry asks for a field that is empty.
        """
        usable = [entry for entry in self.entries if entry.fields <= filled]
        if not usable:
            sets = " or ".join(",".join(sorted(entry.fields)) for entry in self.entries)
            has = ",".join(sorted(filled)) or "none"
            raise RowFault(f"its filled fields are {has[:80]}; the format {self.name} needs {sets[:160]}")
        return max(usable, key=lambda entry: len(entry.fields))


def ship_formats(folder: Path) -> list[Path]:
    """Write the usual formats to `folder` where they are missing; gives back the new files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sorted(SHIPPED.glob("*.json")):
        target = folder / source.name
        try:
            with target.open("xb") as file:
                file.write(source.read_bytes())
        except FileExistsError:
            continue
        written.append(target)
    return written


def list_formats(folder: Path) -> list[str]:
    """The names of all formats, without ``.json``."""
    return sorted({path.stem for place in (folder, SHIPPED) if place.is_dir() for path in place.glob("*.json")})


def load_format(name: str, folder: Path) -> Format:
    """The format file `name` (with or without ``.json``) of `folder`, else the one shipped under that name.

    Raises:
        DataError: no name, no such file, or it is not a format.
    """
    path = format_file(name, folder)
    try:
        values = json_in(path)
    except (OSError, ValueError) as error:
        reason = reason_of(error, 120)
        raise _format_fault(f"The format file {path.name} is not valid JSON ({reason}); correct it.") from None
    return make_format(path.stem, values)


def format_file(name: str, folder: Path) -> Path:
    """Where the format `name` is.

    Raises:
        DataError: no name, or no such file.
    """
    known = ", ".join(list_formats(folder))[:300]
    if not name:
        raise _format_fault(f"No Data Format is chosen. Choose one of: {known}.")
    file_name = name if name.endswith(".json") else name + ".json"
    plain = Path(file_name).name == file_name
    path = next((place / file_name for place in (folder, SHIPPED) if plain and is_file(place / file_name)), None)
    if path is None:
        raise _format_fault(f"There is no Data Format {name[:80]!r}; choose one of: {known}.")
    return path


def make_format(name: str, values: Any) -> Format:
    """A format from a format file's object.

    Raises:
        DataError: naming the entry that is wrong.
    """
    if not isinstance(values, Mapping) or not values:
        raise _format_fault(f'The format {name} must be an object like {{"instruction,output": "...%output%"}}.')
    columns = values.get(_COLUMNS)
    says_columns = isinstance(columns, str) and "%" not in columns
    entries = {key: template for key, template in values.items() if not (says_columns and key == _COLUMNS)}
    return Format(
        name,
        tuple(_entry(name, key, template) for key, template in entries.items()),
        parse_columns(str(columns)) if says_columns else NO_COLUMNS,
    )


def keep_columns(name: str, columns: str, folder: Path) -> Path:
    """Write what a file's columns are as the format file `name`, so that it can be chosen as Data Format again.

    Raises:
        DataError: the choice can't be read, the name is none, or there is a file of that name.
    """
    parse_columns(columns)
    target = folder / f"{name}.json"
    if not name or Path(name).name != name or name.startswith("."):
        raise _format_fault(f"A format file can't be called {name[:60]!r}. Use letters, digits, - and _.")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("x", encoding="utf-8") as file:
            json.dump({_COLUMNS: columns}, file, ensure_ascii=False, indent=2)
    except FileExistsError:
        raise _format_fault(f"There is a format file {target.name} already. Choose another name.") from None
    return target


def chosen_format(name: str, folder: Path) -> Format | None:
    """The format of this name, None for no name.

    Raises:
        DataError: as `load_format`.
    """
    return load_format(name, folder) if name else None


@dataclass(frozen=True)
class RowReading:
    """How a person wants rows to be read: what their columns are, and the format if one is chosen."""

    columns: Columns
    format: Format | None


def reading_of(settings: Settings, folder: Path) -> RowReading:
    """The reading that the settings ask for; their own columns count before those of the format file.

    Raises:
        DataError: there is no such format, or one that can't be read, or columns that can't.
    """
    format_ = chosen_format(settings.format, folder)
    columns = parse_columns(settings.columns)
    return RowReading(columns or (format_.columns if format_ is not None else NO_COLUMNS), format_)


def _format_fault(sentence: str) -> DataError:
    return DataError(sentence, option="--set format=NAME", setting="format")


def _entry(name: str, key: str, template: Any) -> FormatEntry:
    fields = frozenset(field.strip() for field in key.split(",") if field.strip())
    if not fields or not isinstance(template, str):
        raise _format_fault(f"The format {name}, entry {key[:60]!r}: it must map field names to one text.")
    choice = "|".join(re.escape(field) for field in sorted(fields, key=len, reverse=True))
    parts = tuple(re.split(f"%({choice})%", template))
    unused = fields - set(parts[1::2])
    if unused:
        missing = f"%{sorted(unused)[0]}%"
        raise _format_fault(
            f"The format {name}, entry {key[:60]!r}: its text has no {missing[:60]!r}; "
            "each field of an entry must have its place."
        )
    return FormatEntry(fields, parts)


def prompt_in(format_: Format, prompt: str) -> str:
    """The format's shortest text up to the answer, with `prompt` in its first field and nothing in the others.

    A space right before the answer is left out: tokenizers put it into the answer's first token.
    """
    entry = min(format_.entries, key=_size)
    end = next(place for place, part in enumerate(entry.parts) if place % 2 and part == entry.answer_field)
    filled = [("" if place % 2 else part) for place, part in enumerate(entry.parts[:end])]
    if end > 1:
        filled[1] = prompt
    return "".join(filled).rstrip(" ")


def _size(entry: FormatEntry) -> tuple[int, int]:
    return len(entry.fields), len(entry.parts)


class InstructionRenderer:
    """Rows through a format file. The answer's field is the assistant's turn."""

    more_rows = 0

    def __init__(
        self,
        format_: Format,
        tokenizer: RowTokenizer,
        add_bos: bool,
        add_eos: bool,
        columns: Columns = NO_COLUMNS,
    ) -> None:
        self._format = format_
        self._columns = columns or format_.columns
        self._tokenizer = tokenizer
        self._add_bos, self._add_eos = add_bos, add_eos
        self._unused: Counter[str] = Counter()
        self._without_stop = 0
        written = "".join(part for entry in format_.entries for part in entry.parts[::2])
        self._markers = tokenizer.foreign_markers(written)

    def render_all(self, row: dict[str, Any]) -> list[RenderedRow]:
        return [self.render(row)]

    def render(self, row: dict[str, Any]) -> RenderedRow:
        refuse_unwanted(row)
        fields = self._fields(row)
        texts = {name: _text(own, row[own]) or "" for name, own in fields.items()}
        entry = self._format.entry_for(frozenset(name for name, text in texts.items() if text.strip()))
        before, spans, history = self._before(row)
        used = (
            {fields[name] for name in entry.fields} | history | {name for name in row if is_read_flag(name, row[name])}
        )
        self._unused.update(str(name) for name in row.keys() - used if filled(row[name]))
        text, answer = _fill(entry, {name: texts[name] for name in entry.fields})
        text, answer = before + text, (answer[0] + len(before), answer[1] + len(before))
        eos = self._tokenizer.eos_text
        ends = bool(eos) and text.rstrip().endswith(eos)
        add_eos = self._add_eos and not ends and self._tokenizer.eos_id is not None
        end = self._end_of_answer(text, answer[1])
        stops = add_eos or end > answer[1]
        self._without_stop += not stops
        stop = text[answer[1] : end].strip()
        end_stop = eos if ends else stop if not text[end:].strip() else ""
        return RenderedRow(text, (*spans, (answer[0], end)), self._add_bos, add_eos, stops, end_stop)

    def _before(self, row: Mapping[str, Any]) -> tuple[str, list[Span], set[str]]:
        """The turns that the row's history holds in this format, the answers in them, and the history's name."""
        names = exchange_fields(row, self._columns).get("history", ())
        entry = self._format.plainest()
        if not names or entry is None:
            return "", [], set()
        text, spans = "", list[Span]()
        asked, said = entry.parts[1], entry.parts[3]
        for pair in row[names[0]] if isinstance(row[names[0]], list) else ():
            if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
                raise RowFault(f'"{names[0]}" is not a list of [question, answer] pairs')
            turn, (start, end) = _fill(entry, {asked: pair[0], said: pair[1]})
            end = self._end_of_answer(turn, end)
            eos = self._tokenizer.eos_text if self._add_eos else ""
            if eos and not turn.rstrip().endswith(eos):
                end = len(turn + eos) if end == len(turn) else end
                turn += eos
            spans.append((len(text) + start, len(text) + end))
            text += turn + "\n\n"
        return text, spans, {names[0]}

    def _fields(self, row: Mapping[str, Any]) -> dict[str, str]:
        """For each field of the format the row's own field: of the same name where an entry fits, else of the same
        meaning."""
        if not self._columns.names_fields:
            same = {name: name for name in self._format.fields if row.get(name) is not None}
            filled = {name for name in same if not isinstance(row[name], str) or row[name].strip()}
            if any(entry.fields <= filled for entry in self._format.entries):
                return same
        meant = exchange_fields(row, self._columns)
        roles = {name: _meaning(name, self._format) for name in self._format.fields}
        found = {name: meant[role][0] for name, role in roles.items() if role in meant}
        return found or {name: name for name in self._format.fields if row.get(name) is not None}

    def notes(self) -> list[str]:
        notes = unused_notes(self._unused)
        if self._markers:
            notes.append(
                f"The format {self._format.name} writes {', '.join(self._markers)[:120]}, which are not tokens of this "
                "model, so they are learned as plain characters. Choose a format that fits the model."
            )
        if self._without_stop:
            notes.append(
                f"In {counted(self._without_stop, 'row')} no stop token follows the answer: the model doesn't learn to "
                "end there (EOS placement is none, or the tokenizer has no EOS)."
            )
        return notes

    def _end_of_answer(self, text: str, end: int) -> int:
        """Past the control token that the format writes after the answer, if it does."""
        rest = text[end:]
        blank = len(rest) - len(rest.lstrip())
        stop = next((special for special in self._tokenizer.special_texts if rest.startswith(special, blank)), "")
        return end + blank + len(stop) if stop else end


def _meaning(name: str, format_: Format) -> str:
    """What a format's field stands for: "input" is the prompt in a format that has no other name for it."""
    roles = [role for role, names in USUAL.items() if folded(name) in names and role != "text"]
    prompts = [field for field in format_.fields if folded(field) in USUAL["prompt"] and folded(field) != "input"]
    if "input" in roles:
        return "input" if prompts else "prompt"
    return roles[0] if roles else ""


def _text(name: str, value: Any) -> str | None:
    """A field as text; numbers are written out.

    Raises:
        RowFault: it is something else.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) or isinstance(value, float) and math.isfinite(value):
        return str(value)
    if value is not None:
        raise RowFault(f'the field "{name}" is not text')
    return None


def _fill(entry: FormatEntry, texts: Mapping[str, str]) -> tuple[str, tuple[int, int]]:
    """The text, and where in it the (last) answer stands."""
    filled: list[str] = []
    position = 0
    answer = (0, 0)
    for index, part in enumerate(entry.parts):
        piece = texts[part] if index % 2 else part
        if index % 2 and part == entry.answer_field:
            answer = (position, position + len(piece))
        filled.append(piece)
        position += len(piece)
    return "".join(filled), answer
