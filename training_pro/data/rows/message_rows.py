"""Files with a message a row as chats: SillyTavern, Slack, OpenAssistant, coding agents, plain turns, tables of who
said what when.

Costs the messages of one chat in memory. Stands between the readers of JSON and CSV and `rows.read_rows`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, groupby, islice
from typing import Any

from training_pro.data.rows.agent_logs import is_agent_log, may_be_event, of_agents
from training_pro.data.rows.assistant_exports import OTHER_BRANCHES, inside, joined_turns, objects_in
from training_pro.data.rows.fields import field_named, filled, folded
from training_pro.data.rows.turns import ROLES

Numbered = Iterator[tuple[int, Any]]
_TALKERS = {"system", "user", "human", "assistant", "model", "ai", "humanmessage", "aimessage", "systemmessage"}
_THREADS = ("conversation_id", "conv_id", "session_id", "thread_id", "chat_id", "dialogue_id", "dialog_id")
_TREES = {"parent_id", "message_tree_id"}
_SPEAKERS = (
    "author",
    "sender",
    "from",
    "speaker",
    "username",
    "user",
    "nickname",
    "author_name",
    "sender_name",
    "name",
)
_WORDS = ("content", "text", "message", "body", "msg")
_TIMES = ("date", "timestamp", "time", "datetime", "created_at", "sent_at", "date_sent")
_NO_CHAT = (  # posts, letters and ratings have an author and a time as well
    *("subreddit", "score", "title", "likes", "like_count", "retweets", "rating", "stars", "subject", "to", "label"),
    *("url", "permalink", "ups", "comments", "category", "genre", "poem", "book", "parent_id"),
)
_LANGCHAIN = {"additional_kwargs", "response_metadata", "tool_calls", "usage_metadata"}
_OF_A_MESSAGE = {"type", "content", "id", "name"}
_LOOKED_AT_ROWS = 40
_MESSAGES_A_SPEAKER = 3
_MOST_MESSAGE_CHARS = 600  # on average
_SLACK_LINK = re.compile(r"<(?:(?P<mark>[@#!])(?P<id>[^<>|]+)|(?P<link>[^<>|\s]+))(?:\|(?P<shown>[^<>]*))?>")


def joined_logs(values: Iterable[tuple[int, Any]]) -> Numbered:
    """The rows as they come; where each row is a message, the chats that they are."""
    rows = iter(values)
    first = next(rows, None)
    if first is None:
        return
    way = _way_of(first[1]) if isinstance(first[1], Mapping) else None
    head = [first]
    proof = _PROOFS.get(way) if way is not None else None
    if proof is not None:
        head += islice(rows, _LOOKED_AT_ROWS)
        way = way if proof([row for _, row in head]) else None
    every = chain(head, rows)
    if way is None:
        yield from every
        return
    others: list[tuple[int, Any]] = []
    yield from way(_objects_in(every, others))
    yield from others  # what is no message is a row of its own, so that it is not lost unseen


def _objects_in(rows: Iterable[tuple[int, Any]], others: list[tuple[int, Any]]) -> Numbered:
    """The rows that are objects; those that are not go into `others`."""
    for number, row in rows:
        if isinstance(row, Mapping):
            yield number, row
        else:
            others.append((number, row))


def _way_of(first: Mapping[str, Any]) -> Callable[[Iterable[tuple[int, Any]]], Numbered] | None:
    """What makes chats of rows where each is a message; None where rows are rows."""
    if {"user_name", "character_name"} <= first.keys() or {"is_user", "mes"} <= first.keys():
        return _of_sillytavern
    if {"type", "ts", "text"} <= first.keys() and {"user", "bot_id", "username"} & first.keys():
        return _of_slack
    if {"message_id", "message_tree_id", "role", "text"} <= first.keys():
        return _of_openassistant
    says = first.get("role", first.get("type"))
    if {"content", "parts"} & first.keys() and folded(says) in _TALKERS and not _TREES & first.keys():
        return _of_threads if field_named(first, _THREADS) else _of_turns if "role" in first else _of_typed
    own = {folded(name) for name in first}
    is_table = all(own & {*names} for names in (_SPEAKERS, _WORDS, _TIMES)) and not own & {*_NO_CHAT}
    return _of_table if is_table else of_agents if may_be_event(first) else None


def _of_turns(rows: Iterable[tuple[int, Any]]) -> Numbered:
    """One chat; where it begins with a system text, the next one from every further such text after an answer on."""
    chat: list[tuple[int, Any]] = []
    for number, row in rows:
        if chat and _says(row) == "system" == _says(chat[0][1]) and _says(chat[-1][1]) == "assistant":
            yield chat[0][0], {"messages": [one for _, one in chat]}
            chat = []
        chat += [(number, row)] if row else []
    if chat:
        yield chat[0][0], {"messages": [one for _, one in chat]}


def _says(row: Mapping[str, Any]) -> str:
    """The role of who speaks in a row."""
    return ROLES.get(folded(row.get("role", row.get("type"))), "")


def _of_typed(rows: Iterable[tuple[int, Any]]) -> Numbered:
    """As `_of_turns`, where only `type` says who speaks."""
    return _of_turns(rows)


def _is_typed_talk(rows: list[Any]) -> bool:
    """Whether rows whose type is "human" or "ai" are a chat: texts of people and of models, as those who tell them
    apart collect them, have such a type as well."""
    messages = [row for row in rows if isinstance(row, Mapping)]
    types = [folded(row.get("type")) for row in messages]
    roles = [ROLES.get(kind, "") for kind in types]
    if not all(roles) or "assistant" not in roles:
        return False
    if any(_LANGCHAIN & row.keys() for row in messages) or all(kind.endswith("message") for kind in types):
        return True
    said = roles[roles[0] == "system" :]
    in_turn = all(role == ("user", "assistant")[place % 2] for place, role in enumerate(said))
    named = {*types} <= {"user", "assistant", "system"}
    short = len(rows) <= _LOOKED_AT_ROWS and all(row.keys() <= _OF_A_MESSAGE for row in messages)
    return in_turn and (named or short)


def _of_threads(rows: Iterable[tuple[int, Any]]) -> Numbered:
    """A chat for each conversation that the rows name, whatever their order."""
    threads: dict[Any, tuple[int, list[Any]]] = {}
    for number, row in rows:
        name = field_named(row, _THREADS)
        left = {key: value for key, value in row.items() if key != name}
        threads.setdefault(str(row[name]) if name else None, (number, []))[1].append(left)
    yield from ((number, {"messages": turns}) for number, turns in threads.values())


def _of_slack(rows: Iterable[tuple[int, Any]]) -> Numbered:
    lines = [line for _, line in rows if line.get("type") == "message" and _is_said(line)]
    names = {str(line.get("user")): _slack_name(line) for line in lines}
    turns = [{"speaker": _slack_name(line), "content": _slack_text(str(line["text"]), names)} for line in lines]
    yield 1, {"messages": [turn for turn in turns if turn["speaker"] and turn["content"].strip()]}


def _is_said(line: Mapping[str, Any]) -> bool:
    """Whether it is no notice of the channel."""
    return line.get("subtype") in (None, "bot_message", "thread_broadcast", "file_share") and filled(line.get("text"))


def _slack_name(line: Mapping[str, Any]) -> str:
    profile = inside(line, "user_profile")
    return str(
        profile.get("display_name") or profile.get("real_name") or line.get("username") or line.get("user") or ""
    )


def _slack_text(text: str, names: Mapping[str, str]) -> str:
    """Slack writes <@U1>, <https://x.org|words> and &amp;."""

    return html.unescape(_SLACK_LINK.sub(lambda found: _slack_link(found, names), text))


def _slack_link(found: re.Match[str], names: Mapping[str, str]) -> str:
    if found["mark"]:
        shown = found["shown"] or names.get(found["id"], found["id"])
        return f"{'@' if found['mark'] == '!' else found['mark']}{shown}"
    return found["shown"] or found["link"]


def _of_sillytavern(rows: Iterable[tuple[int, Any]]) -> Numbered:
    """A chat from each header on; in a group what a character says begins with its name."""
    chat: list[tuple[int, Any]] = []
    for number, line in rows:
        if chat and "mes" not in line and {"user_name", "character_name"} <= line.keys():
            yield _sillytavern_chat(chat)
            chat = []
        chat.append((number, line))
    if chat:
        yield _sillytavern_chat(chat)


def _sillytavern_chat(lines: list[tuple[int, Any]]) -> tuple[int, Any]:
    number, head = lines[0]
    said = [line for _, line in lines if filled(line.get("mes")) and not line.get("is_system")]
    characters = {str(line.get("name") or "") for line in said if not line.get("is_user")}
    # The header may have "unused" instead of names.
    names = {
        "user": next((line.get("name") for line in said if line.get("is_user")), head.get("user_name")),
        "char": next((line.get("name") for line in said if not line.get("is_user")), head.get("character_name")),
    }
    turns = joined_turns([_sillytavern_turn(line, names, len(characters) > 1) for line in said])
    others = sum(len(_versions(line.get("swipes")) - _versions([str(line["mes"])])) for line in said)
    hidden = sum(filled(line.get("mes")) and bool(line.get("is_system")) for _, line in lines)
    more = {"hidden messages": hidden, OTHER_BRANCHES: others}
    return number, {"messages": turns, **{name: count for name, count in more.items() if count}}


def _versions(texts: Any) -> set[str]:
    """The different texts in a list of them, but for the spaces around them."""
    return {text.strip() for text in texts if isinstance(text, str)} - {""} if isinstance(texts, list) else set()


def _sillytavern_turn(line: Mapping[str, Any], names: Mapping[str, Any], in_group: bool) -> dict[str, Any]:
    text = str(line["mes"])
    for macro, name in names.items():
        if isinstance(name, str) and name and not (in_group and macro == "char"):
            text = text.replace("{{" + macro + "}}", name)
    if in_group and not line.get("is_user") and line.get("name"):
        text = f"{line['name']}: {text}"
    thoughts = inside(line, "extra").get("reasoning")
    more = {"reasoning_content": thoughts} if isinstance(thoughts, str) and thoughts.strip() else {}
    return {"role": "user" if line.get("is_user") else "assistant", "content": text, **more}


def _of_openassistant(rows: Iterable[tuple[int, Any]]) -> Numbered:
    """The best thread of each tree of messages."""
    for _, tree in groupby(rows, key=lambda numbered: numbered[1].get("message_tree_id")):
        messages = list(tree)
        by_id = {str(row.get("message_id")): {**row, "replies": []} for _, row in messages}
        for _, row in messages:
            if str(row.get("parent_id")) in by_id:
                by_id[str(row.get("parent_id"))]["replies"].append(by_id[str(row.get("message_id"))])
        turns = best_thread(by_id[str(messages[0][1].get("message_id"))])
        others = len(messages) - len(turns)
        yield messages[0][0], {"messages": turns, **({OTHER_BRANCHES: others} if others else {})}


def best_thread(root: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The turns of an OpenAssistant tree along the replies that were ranked best; one that answers itself ends it."""
    turns: list[dict[str, Any]] = []
    node: Mapping[str, Any] | None = root
    seen: set[int] = set()
    while node is not None and id(node) not in seen:
        seen.add(id(node))
        turns.append({"role": node.get("role"), "content": node.get("text")})
        node = min(objects_in(node, "replies"), key=_rank, default=None)
    return turns


def messages_in(tree: Mapping[str, Any]) -> int:
    """How many messages an OpenAssistant tree holds."""
    count, waiting = 0, [tree]
    while waiting:
        waiting += objects_in(waiting.pop(), "replies")
        count += 1
    return count


def _rank(reply: Mapping[str, Any]) -> float:
    rank = reply.get("rank")
    return float(rank) if isinstance(rank, int | float) else float("inf")


def _is_talk(rows: list[Any]) -> bool:
    """Whether the authors of these rows talk with each other: two of them, or a few who come again and again;
    long texts are essays or poems."""
    texts = [str(row[name]) for row in rows if isinstance(row, Mapping) and (name := field_named(row, _WORDS))]
    if sum(map(len, texts)) > _MOST_MESSAGE_CHARS * len(texts):
        return False
    speakers = [row[name] for row in rows if isinstance(row, Mapping) and (name := field_named(row, _SPEAKERS))]
    count = len(set(map(str, speakers)))
    return count == 2 or (count > 2 and len(speakers) >= _MESSAGES_A_SPEAKER * count)


def _of_table(rows: Iterable[tuple[int, Any]]) -> Numbered:
    turns, unspoken = [], 0
    for _, row in rows:
        speaker, words = field_named(row, _SPEAKERS), field_named(row, _WORDS)
        if speaker is not None and words is not None and str(row[words]).strip():
            turns.append({"speaker": str(row[speaker]), "content": str(row[words])})
        else:
            unspoken += 1
    yield 1, {"messages": turns, **({"messages without words or author": unspoken} if unspoken else {})}


_PROOFS: dict[Callable[[Iterable[tuple[int, Any]]], Numbered], Callable[[list[Any]], bool]] = {
    _of_table: _is_talk,
    _of_typed: _is_typed_talk,
    of_agents: is_agent_log,
}
