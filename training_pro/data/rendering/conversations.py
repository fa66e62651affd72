"""ShareGPT rows and OpenAI messages to one shape: a list of messages as chat templates read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from training_pro.data.rows.bad_rows import RowFault

Message = dict[str, Any]
CHAT_FIELDS = ("messages", "conversations", "conversation")
ROLES = {
    "human": "user",
    "user": "user",
    "prompter": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "observation": "tool",
    "function": "tool",
    "function_response": "tool",
}
_ROLE_FIELDS = ("role", "from")
_CONTENT_FIELDS = ("content", "value")
_PASSED_ON = ("tool_calls", "tool_call_id", "name", "reasoning_content")


def chat_field(row: Mapping[str, Any]) -> str | None:
    """The field that holds the conversation, if there is one."""
    return next((name for name in CHAT_FIELDS if row.get(name) is not None), None)


def turns_of(row: Mapping[str, Any]) -> list[Any]:
    """The conversation's turns; a CSV column may hold them as JSON text.

    Raises:
        RowFault: no such field, or it is no list with something in it.
    """
    name = chat_field(row)
    if name is None:
        raise RowFault(f"it has none of the fields {', '.join(CHAT_FIELDS)}")
    turns = row[name]
    if isinstance(turns, str) and turns.lstrip().startswith("["):
        try:
            turns = json.loads(turns)
        except (ValueError, RecursionError):
            raise RowFault(f'"{name}" is text that is not valid JSON') from None
    if not isinstance(turns, list) or not turns:
        raise RowFault(f'"{name}" must be a list of turns with at least one in it')
    return turns


def conversation_of(row: Mapping[str, Any]) -> list[Message]:
    """The row's messages: ``role`` (system, user, assistant, tool) and ``content``, in order.

    Raises:
        RowFault: a turn without role or content, an unknown role, no assistant's turn.
    """
    turns = [(number, turn) for number, turn in enumerate(turns_of(row), 1) if not _is_blank_system(turn)]
    messages = [_message(number, turn) for number, turn in turns]
    system = row.get("system")
    if isinstance(system, str) and system.strip() and not (messages and messages[0]["role"] == "system"):
        messages.insert(0, {"role": "system", "content": system})
    if not any(message["role"] == "assistant" for message in messages):
        raise RowFault("none of its turns is the assistant's")
    return messages


def _is_blank_system(turn: Any) -> bool:
    """Exports write one where nobody has typed a system message."""
    if not isinstance(turn, Mapping):
        return False
    role = next((turn[name] for name in _ROLE_FIELDS if turn.get(name) is not None), None)
    content = next((turn[name] for name in _CONTENT_FIELDS if turn.get(name) is not None), "")
    is_system = isinstance(role, str) and ROLES.get(role.strip().lower()) == "system"
    return is_system and isinstance(content, str) and not content.strip()


def _message(number: int, turn: Any) -> Message:
    if not isinstance(turn, Mapping):
        raise RowFault(f"turn {number} is not an object with role and content")
    role = next((turn[name] for name in _ROLE_FIELDS if turn.get(name) is not None), None)
    if role is None:
        raise RowFault(f"turn {number} has no role")
    known = ROLES.get(role.strip().lower()) if isinstance(role, str) else None
    if known is None:
        raise RowFault(f"turn {number} has the unknown role {str(role)[:40]!r}")
    passed_on = {name: turn[name] for name in _PASSED_ON if turn.get(name) is not None}
    content = next((turn[name] for name in _CONTENT_FIELDS if turn.get(name) is not None), None)
    return {"role": known, "content": _content(number, content, bool(passed_on.get("tool_calls"))), **passed_on}


def _content(number: int, content: Any, may_be_empty: bool) -> str:
    """Text, or the text parts of a list such as ``[{"type": "text", "text": ...}]``."""
    if isinstance(content, list):
        content = "".join(_part(number, part) for part in content)
    if content is None and may_be_empty:
        return ""
    if content is None:
        raise RowFault(f"turn {number} has no content")
    if not isinstance(content, str):
        raise RowFault(f"the content of turn {number} is not text")
    if not content.strip() and not may_be_empty:
        raise RowFault(f"the content of turn {number} is empty")
    return content


def _part(number: int, part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and isinstance(part.get("text"), str):
        return str(part["text"])
    raise RowFault(f"turn {number} holds something that is not text")
