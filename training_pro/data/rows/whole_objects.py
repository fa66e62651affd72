"""A file that is one JSON object, as the rows that it holds: lists of rows under its names, tables by columns as pandas
writes them, rows by their numbers or ids, questions with their answers as values, SQuAD, a KoboldAI story, a channel.

The file is in memory whole. Stands between the reader of JSON and `rows.read_rows`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from training_pro.data.rows.assistant_exports import objects_in
from training_pro.data.rows.exports import posts_of, story_of
from training_pro.data.rows.fields import CHAT_FIELDS, NO_COLUMNS, exchange_fields, folded, text_field

_TRAINED = ("data", "rows", "train", "examples")
_HELD_OUT = ("test", "validation", "valid", "val", "dev", "eval")
_WRAPPINGS = ("data", "dataset", "datasets", "result", "results", "response", "payload", "body")
_ROW_NAMES = {*CHAT_FIELDS, "chat_messages", "mapping", "internal", "segments"}
_FEWEST_QUESTIONS = 3
_QUESTIONS = {"instruction", "prompt", "question", "query", "problem", "user_input", "frage", "anweisung"}


@dataclass(frozen=True)
class Held:
    """The rows of an object; `unread` names its lists of which no row was made."""

    rows: list[Any]
    unread: tuple[str, ...] = ()


def rows_of_object(whole: Mapping[str, Any]) -> Held | None:
    """The rows that a file's only object holds; None where it is a row itself."""
    known = _known(whole)
    if known is not None:
        return Held(known)
    if (_is_row(whole) or _asks_itself(whole)) and not any(
        _is_chats(whole[name]) for name in CHAT_FIELDS if name in whole
    ):
        return None
    for found in (_of_lists(whole), _of_table(whole), _of_objects(whole), _of_questions(whole), _of_inner(whole)):
        if found is not None:
            return found
    return None


def _known(whole: Mapping[str, Any]) -> list[Any] | None:
    """The rows of what a known program or dataset writes."""
    if isinstance(whole.get("actions"), list) and "prompt" in whole:
        return [{"text": story_of(whole)}]
    posts = posts_of(whole)
    if posts is not None:
        return [{"text": text} for text in posts]
    if any("responses" in row for row in objects_in(whole, "conversations")):
        return [*objects_in(whole, "conversations")]
    if str(whole.get("type")).startswith("risu") and isinstance(whole.get("data"), Mapping | list):
        return whole["data"] if isinstance(whole["data"], list) else [whole["data"]]
    if any(isinstance(row.get("response"), list) for row in objects_in(whole, "requests")):
        return [whole]
    histories = objects_in(whole.get("histories"), "histories")
    if any("msgs" in row for row in histories):
        return [*histories]
    chats = whole.get("chats")
    if isinstance(chats, Mapping) and _is_rows(chats.get("list")):
        return list(chats["list"])
    if any("paragraphs" in part for part in objects_in(whole, "data")):
        return list(_of_squad(objects_in(whole, "data")))
    return None


def _of_lists(whole: Mapping[str, Any]) -> Held | None:
    """The rows of the lists under its names: of those for training where they are named so, else of all that look like
    the longest one."""
    chats_in = {name: value for name, value in whole.items() if name in CHAT_FIELDS and _is_chats(value)}
    if chats_in:
        return Held([{"messages": turns} for turns in max(chats_in.values(), key=len)])
    lists = {name: value for name, value in whole.items() if _is_rows(value)}
    if not lists:
        return None
    usual = [name for name in _TRAINED if name in lists][:1]
    shape = set(max(lists.values(), key=len)[0])
    alike = [name for name in lists if set(lists[name][0]) & shape and folded(name) not in _HELD_OUT]
    read = usual or alike or list(lists)
    unread = tuple(f"{name} ({len(lists[name]):,} rows)" for name in lists if name not in read)
    return Held([_unwrapped(row) for name in read for row in lists[name]], unread)


def _of_table(whole: Mapping[str, Any]) -> Held | None:
    """The rows of a table that is written by columns."""
    if isinstance(whole.get("columns"), list) and isinstance(whole.get("data"), list):
        names = [str(name) for name in whole["columns"]]
        return Held([dict(zip(names, row, strict=False)) if isinstance(row, list) else row for row in whole["data"]])
    lists = [value for value in whole.values() if isinstance(value, list)]
    if len(lists) == len(whole) > 1 and len({len(column) for column in lists}) == 1:
        flat = all(item is None or isinstance(item, str | int | float) for column in lists for item in column)
        return Held([dict(zip(whole, row, strict=True)) for row in zip(*lists, strict=True)]) if flat else None
    columns = [value for value in whole.values() if isinstance(value, Mapping) and value]
    if not columns or len(columns) < len(whole):
        return None
    if all(set(column) == set(columns[0]) and all(str(key).isdigit() for key in column) for column in columns):
        return Held([{name: whole[name][key] for name in whole} for key in columns[0]])
    return None


def _of_objects(whole: Mapping[str, Any]) -> Held | None:
    """Rows by their numbers or ids."""
    rows = [value for value in whole.values() if isinstance(value, Mapping) and value]
    if len(rows) < len(whole) or not rows:
        return None
    by_number = all(str(name).isdigit() for name in whole)
    return Held(rows) if by_number or (len(rows) > 1 and all(_is_row(row) for row in rows)) else None


def _of_inner(whole: Mapping[str, Any]) -> Held | None:
    """The rows that an object in it holds, as in the answers of a website's interface."""
    inner = next((whole[name] for name in _WRAPPINGS if isinstance(whole.get(name), Mapping)), None)
    return None if inner is None else rows_of_object(inner)


def _of_questions(whole: Mapping[str, Any]) -> Held | None:
    """Questions as names and their answers as values."""
    said = all(isinstance(value, str) and value.strip() for value in whole.values())
    asked = sum(len(name.split()) > 1 for name in whole)
    if not said or len(whole) < _FEWEST_QUESTIONS or 2 * asked <= len(whole):
        return None
    return Held([{"prompt": name, "response": value} for name, value in whole.items()])


def _is_rows(value: Any) -> bool:
    """Whether it is a list of objects that are no turns of one chat."""
    is_list = isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) and row for row in value)
    return is_list and not any(
        {"role", "content"} <= row.keys() or {"from", "value"} <= row.keys() for row in value[:1]
    )


def _is_chats(value: Any) -> bool:
    """Whether it is a list of chats, each a list of turns."""
    is_list = isinstance(value, list) and bool(value) and all(isinstance(chat, list) and chat for chat in value)
    return is_list and all(isinstance(turn, Mapping) for chat in value for turn in chat[:1])


def _unwrapped(row: Any) -> Any:
    """A row of the dataset viewer is in a wrapping of its own."""
    return row["row"] if isinstance(row.get("row"), Mapping) and "row_idx" in row else row


def _of_squad(articles: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """A question with its context and answers for each that SQuAD's own files hold under their paragraphs."""
    for paragraph in (paragraph for article in articles for paragraph in objects_in(article, "paragraphs")):
        for asked in objects_in(paragraph, "qas"):
            yield {**{name: asked.get(name) for name in ("question", "answers")}, "context": paragraph.get("context")}


def _asks_itself(whole: Mapping[str, Any]) -> bool:
    """Whether the object is a question, whose lists are answers to it or what belongs to it, but no rows."""
    asked = exchange_fields(whole, NO_COLUMNS).get("prompt", ())
    if not any(folded(name) in _QUESTIONS and isinstance(whole[name], str) for name in asked):
        return False
    firsts = [value[0] for value in whole.values() if _is_rows(value)]
    return bool(firsts) and not any(_is_row(first) or text_field(first, NO_COLUMNS) for first in firsts)


def _is_row(whole: Mapping[str, Any]) -> bool:
    """Whether the object is one chat or one instruction, whose lists are not rows."""
    fields = exchange_fields(whole, NO_COLUMNS)
    texts = [role for role in ("prompt", "answer") if role in fields and isinstance(whole[fields[role][0]], str)]
    return bool(_ROW_NAMES & {folded(name) for name in whole}) or len(texts) == 2
