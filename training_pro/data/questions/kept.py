"""The questions of one text on disk: a JSON line each, written as they come, edited by hand or on the page.

The first line says what the passages are, so that writing more of them continues where it ended. A kill loses at most
the line it was writing; what a kill tore is cut off when the file is opened again. A spreadsheet can have the table as
CSV; what is taken back from it are the questions and whether to keep them, never the author's words.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from training_pro.data.rows.turns import is_off
from training_pro.errors import DataError
from training_pro.record.whole_files import make_folder, rename, write_fault, write_whole

FORMAT = 1
COLUMNS = ("number", "keep", "question", "why", "answer")
_FORMULA = ("=", "+", "-", "@", "\t", "'")  # what a spreadsheet takes for a formula, and our own guard


@dataclass(frozen=True)
class Head:
    """What a table is about: the text's name, its passages' digest and number, how it was cut, which model asked."""

    text: str
    digest: str
    passages: int
    hard_cut: str
    max_tokens: int
    model: str = ""


@dataclass(frozen=True)
class Line:
    """A question, and the passage that answers it. `number` counts the passages from 1; `why` is the reason that the
    question was found bad, "" for a good one; `words` is a digest of the author's words."""

    number: int
    question: str
    answer: str
    why: str = ""
    keep: bool = True
    words: str = ""

    @classmethod
    def of(cls, number: int, question: str, answer: str, why: str) -> Line:
        """A new one; kept unless it is bad."""
        return cls(number, question, answer, why, not why, _digest(answer))

    @property
    def is_authors(self) -> bool:
        """Whether the answer is still the author's, word for word."""
        return self.words == _digest(self.answer)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Questions:
    """A table as it is: `lines` in the order of the text."""

    head: Head
    lines: tuple[Line, ...]

    @property
    def kept(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.keep and line.question.strip())

    @property
    def bad(self) -> Counter[str]:
        """How many were found bad, by the reason."""
        return Counter(line.why for line in self.lines if line.why)

    @property
    def waiting(self) -> int:
        """How many passages have no question yet."""
        return max(self.head.passages - len(self.lines), 0)


class QuestionFile:
    """The file of one table. One writer at a time, which whoever holds the model is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> tuple[int, int] | None:
        """Another one whenever the table has changed; None for no table."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size

    def read(self) -> Questions:
        """The table; a torn last line is left out.

        Raises:
            DataError: no such table, or a line that is none of it.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            raise DataError(
                f"There are no questions in {self.path}. Write them first.", option=f"questions {self.path.stem}.txt"
            ) from None
        except OSError as error:
            raise DataError(f"{self.path} can't be read ({error.strerror or error}). Check the file.") from None
        first, *others = content.split(b"\n")
        whole = [line for line in others[:-1] if line.strip()]
        last = _object(others[-1]) if others and others[-1].strip() else None
        head = self._head(first)
        lines = [self._line(place, _object(line)) for place, line in enumerate(whole, 2)]
        lines += [self._line(len(whole) + 2, last)] if last is not None else []
        by_number = {line.number: line for line in lines}
        return Questions(head, tuple(by_number[number] for number in sorted(by_number)))

    def begin(self, head: Head) -> Questions:
        """The table to continue, as far as it is written; a new one where there is none.

        Raises:
            DataError: it is of another text, or of another cut of this one.
            RunError: the disk refuses.
        """
        if not self.path.exists():
            make_folder(self.path.parent)
            write_whole(self.path, _json_line({"format": FORMAT, **asdict(head)}))
            return Questions(head, ())
        found = self.read()
        if found.head.digest != head.digest:
            raise DataError(
                f"The questions in {self.path.name} are about {found.head.passages} passages, and {head.text} now has "
                f"{head.passages} others: the text, the Hard Cut String or the length has changed. Change it back, or "
                "begin again: the old table is kept aside.",
                option="--again",
            )
        write_whole(self.path, _whole(found))  # a torn line goes
        return found

    def add(self, lines: Iterable[Line]) -> None:
        """Write these at the end, on disk before it returns.

        Raises:
            RunError: the disk refuses.
        """
        try:
            with self.path.open("ab") as file:
                file.write("".join(map(_line_of, lines)).encode("utf-8", "backslashreplace"))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise write_fault(self.path, error) from error

    def put(self, questions: Questions) -> None:
        """Write the whole table, as it was edited.

        Raises:
            RunError: the disk refuses; the table is then as it was.
        """
        write_whole(self.path, _whole(questions))

    def keep_aside(self) -> Path | None:
        """Move the table out of the way; where to, None if there was none.

        Raises:
            RunError: the disk refuses.
        """
        if not self.path.exists():
            return None
        number = 1
        while (aside := self.path.with_name(f"{self.path.stem}-old-{number}{self.path.suffix}")).exists():
            number += 1
        try:
            rename(self.path, aside)
        except OSError as error:
            raise write_fault(aside, error) from error
        return aside

    def _head(self, line: bytes) -> Head:
        values = _object(line)
        names = ("text", "digest", "passages", "hard_cut", "max_tokens", "model")
        try:
            return Head(**{name: values[name] for name in names})  # type: ignore[index]  # what is no mapping raises below
        except (KeyError, TypeError):
            raise DataError(
                f"{self.path} does not begin like a table of questions. Choose another, or begin again.",
                option="--again",
            ) from None

    def _line(self, place: int, values: Mapping[str, Any] | None) -> Line:
        try:
            assert values is not None
            return Line(
                int(values["number"]),
                str(values["question"]),
                str(values["answer"]),
                str(values.get("why", "")),
                not is_off(values.get("keep", True)),
                str(values.get("words", "")),
            )
        except (AssertionError, KeyError, TypeError, ValueError):
            raise DataError(
                f"{self.path}, line {place}, is no question of a table (number, question, answer). Correct the line or "
                "delete it."
            ) from None


def edited(questions: Questions, changes: Mapping[int, tuple[str, bool]]) -> Questions:
    """The table with (question, keep) of these numbers changed. A new question is no longer a bad one."""
    lines = []
    for line in questions.lines:
        question, keep = changes.get(line.number, (line.question, line.keep))
        why = line.why if question == line.question else ""
        lines.append(replace(line, question=question, keep=keep, why=why))
    return replace(questions, lines=tuple(lines))


def as_csv(questions: Questions) -> str:
    """The table for a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(COLUMNS)
    for line in questions.lines:
        keep = "yes" if line.keep else "no"
        writer.writerow([line.number, keep, _guarded(line.question), line.why, _guarded(line.answer)])
    return out.getvalue()


def changes_in_csv(path: Path) -> dict[int, tuple[str, bool]]:
    """(question, keep) by number, as a spreadsheet has saved them.

    Raises:
        DataError: it can't be read, or is no such table.
    """
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
        missing = {"number", "keep", "question"} - set(rows.fieldnames or ())
        if missing:
            raise ValueError(f"it has no column {sorted(missing)[0]}")
        return {int(row["number"]): (_unguarded(row["question"]).strip(), not is_off(row["keep"])) for row in rows}
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror or error}). Check the path.") from None
    except (ValueError, KeyError, AttributeError, TypeError, csv.Error) as error:
        raise DataError(
            f"{path.name} is no table of questions with the columns number, keep and question ({error}). Save it as "
            "CSV in UTF-8, with commas."
        ) from None


def _guarded(text: str) -> str:
    """Text of others never becomes a spreadsheet's formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _unguarded(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def chats_of(lines: Sequence[Line], system: str = "") -> list[dict[str, Any]]:
    """The kept questions as rows of messages: the question, then the author's words.

    Raises:
        DataError: an answer is no longer what the author wrote, or nothing is kept.
    """
    changed = [str(line.number) for line in lines if not line.is_authors]
    if changed:
        raise DataError(
            f"The answers {', '.join(changed[:10])} are no longer the author's words. Put them back, or begin again: "
            "only questions are to be edited.",
            option="--again",
        )
    if not lines:
        raise DataError("No question is kept. Keep some, or write questions with a larger model.")
    head = [{"role": "system", "content": system.strip()}] if system.strip() else []
    return [
        {
            "messages": [
                *head,
                {"role": "user", "content": line.question.strip()},
                {"role": "assistant", "content": line.answer},
            ]
        }
        for line in lines
    ]


def _whole(questions: Questions) -> str:
    head = _json_line({"format": FORMAT, **asdict(questions.head)})
    return head + "".join(map(_line_of, questions.lines))


def _line_of(line: Line) -> str:
    return _json_line(asdict(line))


def _json_line(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
