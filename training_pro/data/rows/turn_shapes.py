"""Turns as the interfaces of models write them, as plain turns: Anthropic, Gemini, Bedrock, OpenAI's Responses,
LangChain, the AI SDK.

They put tool calls, results and thoughts into the parts of a message or beside the messages. Here each call joins the
assistant's turn, each result becomes a turn of the tool. Costs a look at each turn. Stands before `turns.turn_of`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from training_pro.data.rows.assistant_exports import UNANSWERED
from training_pro.data.rows.fields import filled, folded
from training_pro.data.rows.turns import ROLES, THOUGHT_FIELDS

Turn = Any
_PARTS = ("content", "parts")
_CALLS = ("tool_use", "tool_call", "tool-call", "function_call")
_CALLS_IN = ("functionCall", "function_call", "toolUse")
_RESULTS = ("tool_result", "tool-result", "function_call_output", "function_response")
_RESULTS_IN = ("functionResponse", "function_response", "toolResult")
_IDS = ("id", "call_id", "tool_use_id", "toolUseId", "toolCallId", "tool_call_id")
_ARGUMENTS = ("input", "args", "arguments", "parameters")
_OUTCOMES = ("content", "output", "result", "response")
_DROPPED = {"step-start"}  # the AI SDK's marks between steps
_UNREADABLE = "redacted_thinking"
_LIFTED = ("tool_calls", "function_call", "reasoning_content")


def plain_turns(turns: list[Turn]) -> list[tuple[int, Turn]]:
    """The turns, each with its number from 1; one with the results of tools in it is several with the same number."""
    made: list[tuple[int, Turn]] = []
    thoughts: list[str] = []
    for number, turn in _numbered(turns):
        if isinstance(turn, Mapping) and turn.keys() == {"thoughts"}:
            thoughts += [turn["thoughts"]] if turn["thoughts"] else []
            continue
        turn = _with_thoughts(turn, thoughts) if thoughts else turn
        thoughts = []
        last = made[-1][1] if made else None
        if last is not None and _is_bare_call(turn) and _is_bare_call(last):  # made at once
            made[-1] = number, _made_at_once(last, turn)
        else:
            made.append((number, turn))
    if thoughts and made and isinstance(made[-1][1], Mapping):
        made[-1] = made[-1][0], {**made[-1][1], UNANSWERED: len(thoughts)}
    return made


def _with_thoughts(turn: Turn, thoughts: list[str]) -> Turn:
    """The turn with the thoughts before it; they are only counted where it is none of the assistant."""
    if not isinstance(turn, Mapping):
        return turn
    if turn.get("role") not in ("assistant", "model"):
        return {**turn, UNANSWERED: len(thoughts)}
    own = turn.get("reasoning_content")
    return {**turn, "reasoning_content": "\n".join([*thoughts, *([own] if isinstance(own, str) and own else [])])}


def _made_at_once(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    joined = {**second, **first, "tool_calls": [*first["tool_calls"], *second["tool_calls"]]}
    for name in THOUGHT_FIELDS:
        texts = [turn[name] for turn in (first, second) if isinstance(turn.get(name), str) and turn[name]]
        joined |= {name: "\n".join(texts)} if texts else {}
    return joined


def _numbered(turns: list[Turn]) -> Iterator[tuple[int, Turn]]:
    for number, turn in enumerate(turns, 1):
        yield from ((number, plain) for plain in _plain(_opened(turn)))


def _is_bare_call(turn: Turn) -> bool:
    return isinstance(turn, Mapping) and turn.get("content", "") is None and bool(turn.get("tool_calls"))


def _opened(turn: Turn) -> Turn:
    """A turn of LangChain without the wrapping that names its class."""
    if not isinstance(turn, Mapping):
        return turn
    if len(turn) == 1 and folded(next(iter(turn))) in ROLES:  # {"human": "How deep?"}
        return {"role": next(iter(turn)), "content": next(iter(turn.values()))}
    inner = turn.get("kwargs") if "lc" in turn else turn.get("data")
    if isinstance(inner, Mapping):
        names = turn.get("id")
        kind = names[-1] if "lc" in turn and isinstance(names, list) and names else turn.get("type")
        turn = {**inner, "type": kind}
    more = turn.get("additional_kwargs")
    if isinstance(more, Mapping):
        lifted = {name: more[name] for name in _LIFTED if filled(more.get(name)) and not filled(turn.get(name))}
        left = {name: value for name, value in more.items() if name not in _LIFTED}
        turn = {**turn, **lifted, "additional_kwargs": left}
    if turn.get("type") == "message" and "role" in turn:
        turn = {name: value for name, value in turn.items() if name != "type"}
    return turn


def _plain(turn: Turn) -> Iterator[Turn]:
    if not isinstance(turn, Mapping):
        yield turn
        return
    name = next((name for name in _PARTS if isinstance(turn.get(name), list)), None)
    if name is not None and turn.get("type") not in (*_RESULTS, "reasoning"):
        yield from _of_parts(turn, name)
        return
    call, result = _call_of(turn), _result_of(turn)
    if "role" in turn or not (call or result or turn.get("type") == "reasoning"):
        yield turn
    elif turn.get("type") == "reasoning":
        yield {"thoughts": _texts_of(turn.get("summary")) or _texts_of(turn.get("content"))}
    else:
        yield result or {"role": "assistant", "content": None, "tool_calls": [call]}


def _texts_of(parts: Any) -> str:
    parts = parts if isinstance(parts, list) else []
    return "\n".join(part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str))


def _of_parts(turn: Mapping[str, Any], name: str) -> Iterator[Turn]:
    """The turn; where parts of it are calls or results of tools, the turns that it stands for, in order."""
    head = {key: value for key, value in turn.items() if key != name}
    said: list[Any] = []
    calls: list[Any] = []
    found = False
    for part in turn[name]:
        call, result = _call_of(part), _result_of(part)
        kind = part.get("type") if isinstance(part, Mapping) else None
        if result:
            yield from _said(head, name, said, calls)
            said, calls = [], []
            yield result
        elif call:
            calls.append(call)
        elif kind == _UNREADABLE:
            head = {**head, _UNREADABLE: True}
        elif kind not in _DROPPED:
            said.append(part)
        found |= bool(call or result)
    if not found:
        yield {**head, name: said}
    else:
        yield from _said(head, name, said, calls)


def _said(head: Mapping[str, Any], name: str, said: list[Any], calls: list[Any]) -> Iterator[Turn]:
    if calls:  # LangChain writes the calls of such a turn once more beside them
        yield {**head, name: said or None, "tool_calls": head.get("tool_calls") or calls}
    elif any(not isinstance(part, Mapping) or part.get("text") != "" for part in said):
        yield {**head, name: said}


def _first(value: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((value[name] for name in names if value.get(name) is not None), None)


def _within(part: Any, kinds: tuple[str, ...], names: tuple[str, ...]) -> Mapping[str, Any] | None:
    """What a part says of a call or a result, by its type or under a name of its own."""
    if not isinstance(part, Mapping):
        return None
    inner = next((part[name] for name in names if isinstance(part.get(name), Mapping)), None)
    return inner if inner is not None else part if part.get("type") in kinds else None


def _call_of(part: Any) -> dict[str, Any] | None:
    call = _within(part, _CALLS, _CALLS_IN)
    name = _first(call, ("name", "toolName")) if call is not None else None
    if call is None or name is None:
        return None
    number = _first(call, _IDS[1:]) or call.get("id")  # OpenAI's items have an id of their own beside the call's
    arguments = _first(call, _ARGUMENTS)
    return {"name": name, "arguments": {} if arguments is None else arguments, **({"id": number} if number else {})}


def _result_of(part: Any) -> dict[str, Any] | None:
    result = _within(part, _RESULTS, _RESULTS_IN)
    if result is None or not isinstance(part, Mapping) or "from" in part:
        return None
    named = {"tool_call_id": _first(result, _IDS), "name": _first(result, ("name", "toolName"))}
    marks = {"is_error": True} if result.get("is_error") or result.get("status") == "error" else {}
    return {"role": "tool", "content": _outcome(_first(result, _OUTCOMES)), **named, **marks}


def _outcome(value: Any) -> Any:
    """What a tool gave back, without the wrapping that says of which kind it is."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping) and "json" in value[0]:
        return value[0]["json"]
    if isinstance(value, Mapping) and value.keys() == {"type", "value"}:
        return value["value"]
    return "" if value is None else value
