"""Logs of coding agents, an event a line, as one chat for each session.

The words of a person and of the model are the turns, thoughts go where ``reasoning_content`` goes. Calls of tools and
their results, what the program wrote by itself, what agents said to agents, and turns that were taken back are counted
as not used. Costs the file's events in memory. Stands beside `message_rows`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from training_pro.data.rows.assistant_exports import Turns, inside, joined_turns, objects_in, with_thoughts

_OF_AN_EVENT = {"uuid", "leafUuid", "sessionId", "session_id", "snapshot", "payload"}
_OF_A_HEAD = {"id", "timestamp", "instructions"}  # what the first line of an older log has
_ROLES = ("user", "assistant")
_SAYS = ("text", "input_text", "output_text")  # types of parts
_TOOLS = ("tool_use", "tool_result")
_PICTURES = ("image", "input_image", "document")
# What programs write as a user's turn: <command-name>/clear</command-name>, <environment_context>...
_BY_PROGRAM = re.compile(
    r"\s*(?:(?:<(?P<tag>[a-z]+(?:[-_][a-z]+)+)>(?:(?!</(?P=tag)>).)*</(?P=tag)>\s*)+"
    r"|\[Request interrupted by user[^\]\n]{0,40}\]\s*)",
    re.DOTALL,
)
_MADE_UP = "<synthetic>"  # the model of an answer that no model gave


@dataclass
class _Session:
    """`parts` are turns and thoughts, `unused` counts what is neither."""

    parts: Turns = field(default_factory=list)
    unused: Counter[str] = field(default_factory=Counter)


def may_be_event(row: Mapping[str, Any]) -> bool:
    """Whether a file that begins with this row may be such a log."""
    return (isinstance(row.get("type"), str) and bool(_OF_AN_EVENT & row.keys())) or row.keys() >= _OF_A_HEAD


def is_agent_log(rows: list[Any]) -> bool:
    """Whether somebody says something in a file's first rows as in such a log."""
    return any(isinstance(row, Mapping) and _message(row) for row in rows)


def of_agents(rows: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """A chat for each session in which something is said."""
    sessions: dict[str, list[tuple[int, Any]]] = {}
    begun = ""
    for number, event in rows:
        begun = str(number) if event.get("type") == "session_meta" else begun
        name = str(event.get("sessionId") or event.get("session_id") or begun)
        sessions.setdefault(name, []).append((number, event))
    for numbered in sessions.values():
        session, events = _Session(), [event for _, event in numbered]
        gone = _taken_back(events)
        for event in events:
            _add(session, event, gone)
        turns = joined_turns(with_thoughts(session.parts))
        if turns:
            yield numbered[0][0], {"chat": {"messages": turns}, **+session.unused}


def _message(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """What somebody says in an event; {} where nobody does."""
    item, message = _item(event), inside(event, "message")
    if item.get("type") == "message" and isinstance(item.get("role"), str):
        return item
    return message if event.get("type") in _ROLES and message.get("role") in _ROLES else {}


def _item(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an event is about, which older logs have in the event itself."""
    return inside(event, "payload") or event


def _add(session: _Session, event: Mapping[str, Any], gone: set[str]) -> None:
    """Puts what an event holds into its session."""
    message, item = _message(event), _item(event)
    parts, words = objects_in(message, "content"), _words(message)
    tools = sum(part.get("type") in _TOOLS for part in parts)
    tools += str(item.get("type")).endswith(("_call", "_call_output"))
    session.unused["tool calls and results"] += tools
    session.unused["pictures and files"] += sum(part.get("type") in _PICTURES for part in parts)
    other = _other(event, message, words) or ("turns taken back" if _id(event) in gone else "")
    if other:
        session.unused[other] += bool(words)
        return
    thoughts = [part.get("thinking") for part in parts] + [part.get("text") for part in objects_in(item, "summary")]
    session.parts += [{"thoughts": text} for text in thoughts if isinstance(text, str)]
    session.parts += [{"role": message["role"], "content": words}] if words else []


def _words(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    texts = [part.get("text") for part in objects_in(message, "content") if part.get("type") in _SAYS]
    return content.strip() if isinstance(content, str) else "\n\n".join(filter(None, map(str, texts))).strip()


def _other(event: Mapping[str, Any], message: Mapping[str, Any], words: str) -> str:
    """What the words of an event are that neither the person nor the model says; "" for others."""
    if event.get("isSidechain"):
        return "turns among agents"
    is_note = event.get("isMeta") or event.get("isCompactSummary") or event.get("isApiErrorMessage")
    is_note = is_note or message.get("role", "user") not in _ROLES or message.get("model") == _MADE_UP
    is_note = is_note or (message.get("role") == "user" and _BY_PROGRAM.fullmatch(words))
    return "notes of the program" if is_note else ""


def _taken_back(events: list[Mapping[str, Any]]) -> set[str]:
    """The ids of what was left when the person went back and said something else in its place."""
    asked: dict[str, str] = {}
    gone: set[str] = set()
    for event in events:
        own, before, message = _id(event), _id(event, "parentUuid"), _message(event)
        words = _words(message) if message.get("role") == "user" else ""
        if own and before and words and not _other(event, message, words):
            gone |= {asked[before]} - {own} if before in asked else set()
            asked[before] = own
    for event in events if gone else ():
        gone |= {_id(event)} - {""} if _id(event, "parentUuid") in gone else set()
    return gone


def _id(event: Mapping[str, Any], name: str = "uuid") -> str:
    """An event's own id, or that of the one before it; "" where it has none."""
    found = event.get(name)
    return found if isinstance(found, str) else ""
