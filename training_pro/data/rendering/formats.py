"""Format files: how an Alpaca-style row becomes text.

``{"instruction,output": "...%instruction%...%output%...", "instruction,input,output": ...}``: the set of a
row's fields that are not empty chooses the entry, and each ``%field%`` is replaced once, so that a field
whose text holds ``%output%`` changes nothing.
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
from training_pro.data.rendering.rendering import RenderedRow
from training_pro.data.rows.bad_rows import RowFault, beginning
from training_pro.data.tokens import RowTokenizer
from training_pro.errors import DataError
from training_pro.folders import is_file

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "formats"
_ANSWER_FIELDS = ("output", "response", "answer", "completion", "assistant", "gpt")


@dataclass(frozen=True)
class Entry:
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
    """A format file's entries."""

    name: str
    entries: tuple[Entry, ...]

    @property
    def fields(self) -> frozenset[str]:
        """All fields that any entry uses."""
        return frozenset[str]().union(*(entry.fields for entry in self.entries))

    @property
    def digest(self) -> str:
        """Of all that decides what becomes of a row; the same in every process, which the order of a set is not."""
        return digest(json.dumps([[sorted(entry.fields), entry.parts] for entry in self.entries]))

    def entry_for(self, filled: frozenset[str]) -> Entry:
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
    known = ", ".join(list_formats(folder))[:300]
    if not name:
        raise DataError(f"Instruction rows need a Data Format, and none is chosen; choose one of: {known}.")
    file_name = name if name.endswith(".json") else name + ".json"
    plain = Path(file_name).name == file_name
    path = next((place / file_name for place in (folder, SHIPPED) if plain and is_file(place / file_name)), None)
    if path is None:
        raise DataError(f"There is no Data Format {name[:80]!r}; choose one of: {known}.")
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"The format file {path.name} is not valid JSON ({reason}); correct it.") from None
    return make_format(Path(file_name).stem, values)


def make_format(name: str, values: Any) -> Format:
    """A format from a format file's object.

    Raises:
        DataError: naming the entry that is wrong.
    """
    if not isinstance(values, Mapping) or not values:
        raise DataError(f'The format {name} must be an object like {{"instruction,output": "...%output%"}}.')
    return Format(name, tuple(_entry(name, key, template) for key, template in values.items()))


def _entry(name: str, key: str, template: Any) -> Entry:
    fields = frozenset(field.strip() for field in key.split(",") if field.strip())
    if not fields or not isinstance(template, str):
        raise DataError(f"The format {name}, entry {key[:60]!r}: it must map field names to one text.")
    choice = "|".join(re.escape(field) for field in sorted(fields, key=len, reverse=True))
    parts = tuple(re.split(f"%({choice})%", template))
    unused = fields - set(parts[1::2])
    if unused:
        missing = f"%{sorted(unused)[0]}%"
        raise DataError(
            f"The format {name}, entry {key[:60]!r}: its text has no {missing[:60]!r}; "
            "each field of an entry must have its place."
        )
    return Entry(fields, parts)


class InstructionRenderer:
    """Rows through a format file. The answer's field is the assistant's turn."""

    def __init__(self, format_: Format, tokenizer: RowTokenizer, add_bos: bool, add_eos: bool) -> None:
        self._format = format_
        self._tokenizer = tokenizer
        self._add_bos = add_bos
        self._add_eos = add_eos
        self._unused: Counter[str] = Counter()
        self._without_stop = 0

    def render(self, row: dict[str, Any]) -> RenderedRow:
        texts = {name: _text(name, value, name in self._format.fields) for name, value in row.items()}
        filled = frozenset(name for name, text in texts.items() if text is not None and text.strip())
        entry = self._format.entry_for(filled)
        self._unused.update(filled - entry.fields)
        text, answer = _fill(entry, {name: texts[name] or "" for name in entry.fields})
        eos = self._tokenizer.eos_text
        ends = bool(eos) and text.rstrip().endswith(eos)
        add_eos = self._add_eos and not ends and self._tokenizer.eos_id is not None
        end = self._end_of_answer(text, answer[1])
        stops = add_eos or end > answer[1]
        self._without_stop += not stops
        stop = text[answer[1] : end].strip()
        end_stop = eos if ends else stop if not text[end:].strip() else ""
        return RenderedRow(text, ((answer[0], end),), self._add_bos, add_eos, stops, end_stop)

    def notes(self) -> list[str]:
        notes = [
            f'The field "{beginning(name)}" of {count} rows is not used by the format {self._format.name}.'
            for name, count in self._unused.most_common(5)
        ]
        if self._without_stop:
            notes.append(
                f"In {self._without_stop} rows no stop token follows the answer: the model is not taught to end there "
                "(EOS placement is none, or the tokenizer has no EOS)."
            )
        return notes

    def _end_of_answer(self, text: str, end: int) -> int:
        """Past the control token that the format writes after the answer, if it does."""
        rest = text[end:]
        blank = len(rest) - len(rest.lstrip())
        stop = next((special for special in self._tokenizer.special_texts if rest.startswith(special, blank)), "")
        return end + blank + len(stop) if stop else end


def _text(name: str, value: Any, used: bool) -> str | None:
    """A field as text: numbers are written out; of other things None, unless the format might use them."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) or isinstance(value, float) and math.isfinite(value):
        return str(value)
    if used and value is not None:
        raise RowFault(f'the field "{name}" is not text')
    return None


def _fill(entry: Entry, texts: Mapping[str, str]) -> tuple[str, tuple[int, int]]:
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
