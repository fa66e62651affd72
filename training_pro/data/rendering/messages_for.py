"""Messages in the form that a template takes: thoughts under its name for them, tool arguments as object or as text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from training_pro.data.rows.turns import Message

OBJECT, TEXT = "object", "text"
_NEW_CHAT = "[Start a new chat]"


@dataclass(frozen=True)
class Forms:
    """Whether a template takes a system message, the name under which it takes thoughts ("": it leaves them out), and
    how the arguments of tool calls: `OBJECT`, `TEXT`, or "" where it leaves calls out."""

    system: bool
    thoughts: str
    calls: str


def formed(messages: list[Message], forms: Forms) -> list[Message]:
    """The messages as a template of these forms takes them; those that are so already are the same objects."""
    names = _names_of_calls(messages)
    return [_formed(message, forms, names) for message in messages]


def _formed(message: Message, forms: Forms, names: dict[str, str]) -> Message:
    made = message
    if "reasoning_content" in message and forms.thoughts not in ("", "reasoning_content"):
        made = {name: value for name, value in message.items() if name != "reasoning_content"}
        made[forms.thoughts] = message["reasoning_content"]
    if message.get("tool_calls"):
        made = {**made, "tool_calls": [_call(call, forms.calls) for call in message["tool_calls"]]}
    if message["role"] == "tool" and "name" not in message:
        name = names.get(message.get("tool_call_id", "")) or names.get("")
        made = {**made, "name": name} if name else made
    return made


def _names_of_calls(messages: list[Message]) -> dict[str, str]:
    """The name of each call by its id; under "" the only name that is called, if there is one."""
    calls = [call for message in messages for call in message.get("tool_calls") or []]
    named = {call.get("id", ""): call["function"]["name"] for call in calls if "function" in call}
    every = {call["function"]["name"] for call in calls if "function" in call}
    return {**named, "": next(iter(every)) if len(every) == 1 else ""}


def _call(call: dict[str, Any], form: str) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, dict) or "arguments" not in function:
        return call
    arguments = function["arguments"]
    if form == TEXT and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    elif form == OBJECT and isinstance(arguments, str):
        arguments = _object(arguments)
    return {**call, "function": {**function, "arguments": arguments}}


def _object(text: str) -> Any:
    try:
        value = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text


def other_ways(messages: list[Message]) -> list[tuple[str, list[Message]]]:
    """What may still be accepted where a template refuses `messages`, each with what was changed about it."""
    ways = []
    if any(message.get("tool_calls") for message in messages):
        ways.append(("ids", _with_short_ids(messages)))
    first = next((message["role"] for message in messages if message["role"] != "system"), "")
    if first == "assistant":
        systems = [message for message in messages[:1] if message["role"] == "system"]
        ways.append(("start", [*systems, {"role": "user", "content": _NEW_CHAT}, *messages[len(systems) :]]))
    return ways


def _with_short_ids(messages: list[Message]) -> list[Message]:
    """Ids of nine letters and digits for all calls, as some templates ask for; results without one take their order."""
    ids: dict[str, str] = {}
    waiting: list[str] = []
    made = []
    for message in messages:
        if message.get("tool_calls"):
            calls = []
            for call in message["tool_calls"]:
                short = f"call{len(ids):05d}"
                ids[call.get("id") or short] = short
                waiting.append(short)
                calls.append({**call, "id": short})
            made.append({**message, "tool_calls": calls})
        elif message["role"] == "tool":
            short = ids.get(message.get("tool_call_id", "")) or (waiting[0] if waiting else "call00000")
            waiting = [other for other in waiting if other != short]
            made.append({**message, "tool_call_id": short})
        else:
            made.append(message)
    return made
