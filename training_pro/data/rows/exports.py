"""What chat programs export, as turns; and whole files that are one object, as rows.

ChatGPT's ``conversations.json``, Claude's export, SillyTavern, the WebUI's own chat logs, LM Studio, Agnai, KoboldAI,
Discord, Telegram, Slack, Messenger and Instagram; tables that pandas wrote; ``{"data": [...]}``. What is known and
can't be trained (a character card, a lorebook) is named for what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from training_pro.data.rows.bad_rows import RowFault
from training_pro.data.rows.fields import CHAT_FIELDS, NO_COLUMNS, exchange_fields, filled, folded

_PAIRS = (("human", "assistant"), ("user", "assistant"), ("input", "output"), ("prompt", "response"))
_PAIRS_MORE = (("question", "answer"), ("instruction", "output"), ("user", "bot"), ("human", "gpt"))
_CARD = {"first_mes", "mes_example", "char_persona", "char_greeting", "chara_card_v2"}
_TALKERS = {"system", "user", "human", "assistant", "model"}
_THREADS = {"conversation_id", "conv_id", "session_id", "thread_id", "parent_id", "message_tree_id", "chat_id"}
_START = "<|BEGIN-VISIBLE-CHAT|>"  # what the WebUI's logs have for the user where the character greets


@dataclass(frozen=True)
class Exported:
    """The turns of one exported chat and the row's fields that they come from."""

    turns: list[Any]
    fields: tuple[str, ...]


def exported_turns(row: Mapping[str, Any]) -> Exported | None:
    """The turns of a row that a chat program exported, or None.

    Raises:
        RowFault: it is a known file that holds no chat.
    """
    if isinstance(row.get("mapping"), Mapping):
        return Exported(_of_chatgpt(row), ("mapping", "current_node"))
    if isinstance(row.get("chat_messages"), list):
        return Exported([_of_claude(turn) for turn in row["chat_messages"]], ("chat_messages",))
    if isinstance(row.get("messages"), list) and _is_log(row):
        turns = (_of_log(turn) for turn in _in_order(row["messages"]))
        return Exported([turn for turn in turns if turn], ("messages",))
    chat = row.get("chat")
    if isinstance(chat, Mapping) and isinstance(chat.get("messages"), list):
        return Exported(chat["messages"], ("chat",))
    if isinstance(row.get("internal"), list):
        return Exported(_of_webui(row["internal"]), ("internal", "visible", "metadata"))
    if _CARD & row.keys() or _CARD & {str(row.get("spec"))}:
        raise RowFault("it is a character card, which describes a character and holds no chat; choose its chat logs")
    if isinstance(row.get("entries"), Mapping) and all(
        isinstance(entry, Mapping) and {"key", "keys"} & entry.keys() for entry in row["entries"].values()
    ):
        raise RowFault("it is a lorebook (world info), which holds no chat; choose chat logs")
    return None


def pairs_to_turns(turns: list[Any]) -> list[Any]:
    """Turns, where each item is a question with its answer: two, and one more for a system text in it."""
    if len(turns) > 1 and all(isinstance(item, str) for item in turns):
        return [{"role": ("user", "assistant")[place % 2], "content": said} for place, said in enumerate(turns)]
    if all(isinstance(item, list | tuple) and len(item) == 2 for item in turns):
        return [turn for asked, said in turns for turn in _pair(asked, said)]
    first = turns[0] if isinstance(turns[0], Mapping) else {}
    own = {folded(name) for name in first}
    pair = next((pair for pair in (*_PAIRS, *_PAIRS_MORE) if set(pair) <= own), None)
    if pair is None:
        return turns
    return [made for item in turns for made in _of_pair(item, pair)]


def _of_pair(item: Any, pair: tuple[str, str]) -> list[Any]:
    if not isinstance(item, Mapping):
        return [item]
    own = {folded(name): value for name, value in item.items()}
    system = [{"role": "system", "content": own["system"]}] if filled(own.get("system")) else []
    return [*system, *_pair(own.get(pair[0]), own.get(pair[1]), own)]


def _pair(asked: Any, said: Any, flags: Mapping[str, Any] | None = None) -> list[Any]:
    kept = {name: value for name, value in (flags or {}).items() if name in ("weight", "train", "loss_mask", "loss")}
    user = [{"role": "user", "content": asked}] if filled(asked) else []
    return [*user, {"role": "assistant", "content": said, **kept}]


def _of_chatgpt(row: Mapping[str, Any]) -> list[Any]:
    """The branch that was shown last; hidden system messages and tools are left out."""
    nodes = {name: node for name, node in row["mapping"].items() if isinstance(node, Mapping)}
    place: Any = row.get("current_node")
    if not isinstance(place, str) or place not in nodes:
        place = next((name for name, node in nodes.items() if not node.get("children")), None)
    turns, seen = [], set()
    while isinstance(place, str) and place in nodes and place not in seen:
        seen.add(place)
        turns += _of_chatgpt_node(nodes[place].get("message"))
        place = nodes[place].get("parent")
    return turns[::-1]


def _of_chatgpt_node(message: Any) -> list[Any]:
    author, content = _inside(message, "author"), _inside(message, "content")
    role, parts = author.get("role"), content.get("parts")
    texts = [part for part in parts if isinstance(part, str)] if isinstance(parts, list) else []
    text = "\n".join(texts) if texts else str(content.get("text") or "")
    is_talk = role in ("user", "assistant") and content.get("content_type", "text") in ("text", "multimodal_text")
    return [{"role": role, "content": text}] if is_talk and text.strip() else []


def _inside(value: Any, name: str) -> Mapping[str, Any]:
    """The object under a name of another object; an empty one where there is none."""
    inner = value.get(name) if isinstance(value, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _of_claude(turn: Any) -> Any:
    if not isinstance(turn, Mapping):
        return turn
    content = turn.get("content")
    parts = [part.get("text") for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
    text = turn.get("text") or "\n".join(part for part in parts if isinstance(part, str))
    return {"role": turn.get("sender"), "content": text}


def _is_log(row: Mapping[str, Any]) -> bool:
    """Whether it is a chat of Discord, Telegram, Messenger, Instagram, LM Studio or Agnai."""
    first = next((turn for turn in row["messages"] if isinstance(turn, Mapping)), {})
    marks = ({"id", "type"}, {"sender_name"}, {"versions"}, {"_id", "msg"})
    return isinstance(first.get("author"), Mapping) or any(mark <= first.keys() for mark in marks)


def _in_order(messages: list[Any]) -> list[Any]:
    """The messages as they were written; Messenger and Instagram export the newest first."""
    if all(isinstance(turn, Mapping) and isinstance(turn.get("timestamp_ms"), int) for turn in messages):
        return sorted(messages, key=lambda turn: turn["timestamp_ms"])
    return messages


def _of_log(turn: Any) -> dict[str, Any]:
    """Who says what; {} for joins, pinned messages and pictures without words."""
    if not isinstance(turn, Mapping):
        return {}
    if "versions" in turn:
        return _of_lm_studio(turn)
    if "msg" in turn:
        role = "user" if turn.get("userId") else "assistant"
        return {"role": role, "content": turn["msg"]} if str(turn["msg"]).strip() else {}
    author = turn.get("author")
    who = author.get("nickname") or author.get("name") if isinstance(author, Mapping) else turn.get("from")
    if "sender_name" in turn:
        who, turn = _as_utf8(turn["sender_name"]), {"content": _as_utf8(turn.get("content"))}
    said = turn.get("content") if "content" in turn else turn.get("text")
    if isinstance(said, list):
        said = "".join(part if isinstance(part, str) else str(_text_in(part)) for part in said)
    if not isinstance(said, str) or not said.strip() or not isinstance(who, str) or not who.strip():
        return {}
    return {"speaker": who, "content": said}


def _as_utf8(text: Any) -> Any:
    """Messenger and Instagram write each byte of UTF-8 as a character of its own."""
    try:
        return text.encode("latin-1").decode("utf-8") if isinstance(text, str) else text
    except UnicodeError:
        return text


def _of_lm_studio(turn: Mapping[str, Any]) -> dict[str, Any]:
    """The version of a message that is chosen; an answer has its text in steps."""
    place = turn.get("currentlySelected")
    versions = turn["versions"] if isinstance(turn["versions"], list) else []
    chosen = versions[place] if isinstance(place, int) and 0 <= place < len(versions) else None
    if not isinstance(chosen, Mapping):
        return {}
    steps = chosen.get("steps") if isinstance(chosen.get("steps"), list) else [chosen]
    parts = [part for step in steps or [] for part in _list_in(step, "content")]
    text = "".join(str(part.get("text") or "") for part in parts)
    return {"role": chosen.get("role"), "content": text} if text.strip() else {}


def _of_kobold(story: Mapping[str, Any]) -> str:
    """The story so far: its beginning and every action after it."""
    return "".join(part for part in (story.get("prompt"), *story["actions"]) if isinstance(part, str))


def _text_in(part: Any) -> Any:
    return part.get("text", "") if isinstance(part, Mapping) else ""


def _of_webui(pairs: list[Any]) -> list[Any]:
    good = [pair for pair in pairs if isinstance(pair, list) and len(pair) == 2]
    return [turn for asked, said in good for turn in _pair("" if asked == _START else asked, said) if turn["content"]]


def joined_logs(values: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """The rows as they come, but a chat with a message a row (of SillyTavern, Slack, or plain turns) as one row."""
    rows = iter(values)
    first = next(rows, None)
    if first is None:
        return
    of_line = _way_of_lines(first[1]) if isinstance(first[1], Mapping) else None
    if of_line is None:
        yield from chain([first], rows)
        return
    turns = [of_line(line) for _, line in chain([first], rows) if isinstance(line, Mapping)]
    yield 1, {"messages": [turn for turn in turns if turn]}


def _way_of_lines(first: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], dict[str, Any]] | None:
    """What makes a turn of a row where each row is a message; None where rows are rows."""
    if {"user_name", "character_name"} <= first.keys() or {"is_user", "mes"} <= first.keys():
        return _of_sillytavern
    if {"type", "ts", "text"} <= first.keys() and {"user", "bot_id", "username"} & first.keys():
        return _of_slack
    if {"role", "content"} <= first.keys() and folded(first["role"]) in _TALKERS and not _THREADS & first.keys():
        return dict
    return None


def _of_slack(line: Mapping[str, Any]) -> dict[str, Any]:
    """Who says what; {} for those who join and for messages of the channel."""
    profile = _inside(line, "user_profile")
    who = profile.get("display_name") or profile.get("real_name") or line.get("username") or line.get("user")
    text = str(line.get("text") or "")
    is_said = line.get("type") == "message" and line.get("subtype") in (None, "bot_message", "thread_broadcast")
    return {"speaker": str(who), "content": text} if is_said and who and text.strip() else {}


def _of_sillytavern(line: Mapping[str, Any]) -> dict[str, Any]:
    if line.get("is_system") or not line.get("mes"):
        return {}
    role = "user" if line.get("is_user") else "assistant"
    thoughts = (line.get("extra") or {}).get("reasoning") if isinstance(line.get("extra"), Mapping) else None
    more = {"reasoning_content": thoughts} if isinstance(thoughts, str) and thoughts.strip() else {}
    return {"role": role, "content": str(line["mes"]), **more}


def rows_of_object(whole: Mapping[str, Any]) -> list[Any] | None:
    """The rows that a file's only object holds; None where it is a row itself.

    A list of objects under one of its names, a table by columns as pandas writes it, or rows by their numbers.
    """
    if isinstance(whole.get("actions"), list) and "prompt" in whole:
        return [{"text": _of_kobold(whole)}]
    chats = whole.get("chats")
    if isinstance(chats, Mapping) and _is_rows(chats.get("list")):
        return list(chats["list"])
    if _is_row(whole) and not any(_is_chats(whole[name]) for name in CHAT_FIELDS if name in whole):
        return None
    if isinstance(whole.get("columns"), list) and isinstance(whole.get("data"), list):
        names = [str(name) for name in whole["columns"]]
        return [dict(zip(names, row, strict=False)) if isinstance(row, list) else row for row in whole["data"]]
    lists = {name: value for name, value in whole.items() if _is_rows(value)}
    if isinstance(whole.get("data"), list) and any(
        isinstance(part, Mapping) and "paragraphs" in part for part in whole["data"]
    ):
        return list(_of_squad(whole["data"]))
    chats_in = {name: value for name, value in whole.items() if name in CHAT_FIELDS and _is_chats(value)}
    if chats_in:
        return [{"messages": turns} for turns in max(chats_in.values(), key=len)]
    if lists:
        usual = [name for name in ("data", "rows", "train", "examples") if name in lists]
        return [_unwrapped(row) for row in (lists[usual[0]] if usual else max(lists.values(), key=len))]
    columns = [value for value in whole.values() if isinstance(value, Mapping) and value]
    if not columns or len(columns) < len(whole):
        return None
    if all(set(column) == set(columns[0]) and all(str(key).isdigit() for key in column) for column in columns):
        return [{name: whole[name][key] for name in whole} for key in columns[0]]
    return columns if all(str(name).isdigit() for name in whole) else None


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


def _of_squad(articles: list[Any]) -> Iterator[dict[str, Any]]:
    """A question with its context and answers for each that SQuAD's own files hold under their paragraphs."""
    for paragraph in (paragraph for article in articles for paragraph in _list_in(article, "paragraphs")):
        for asked in _list_in(paragraph, "qas"):
            yield {**{name: asked.get(name) for name in ("question", "answers")}, "context": paragraph.get("context")}


def _list_in(value: Any, name: str) -> list[Mapping[str, Any]]:
    """The objects in the list under a name of an object."""
    inner = value.get(name) if isinstance(value, Mapping) else None
    return [item for item in inner if isinstance(item, Mapping)] if isinstance(inner, list) else []


def _is_row(whole: Mapping[str, Any]) -> bool:
    """Whether the object is one chat or one instruction, whose lists are not rows."""
    names = {*CHAT_FIELDS, "chat_messages", "mapping", "internal", "segments"}
    fields = exchange_fields(whole, NO_COLUMNS)
    texts = [role for role in ("prompt", "answer") if role in fields and isinstance(whole[fields[role][0]], str)]
    return bool(names & {folded(name) for name in whole}) or len(texts) == 2
