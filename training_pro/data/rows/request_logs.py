"""Rows of logs in which a request to a model stands beside its response, as one chat each.

OpenAI's chats, Responses and batches, Anthropic, Gemini, Bedrock, Ollama, LangSmith and proxies between. What was asked
and what came back may each be an object, JSON text of one, or a body in an envelope. Costs a look at each row's names.
Stands between the readers of files and all that reads rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from training_pro.data.rows.bad_rows import RowFault, Unwanted
from training_pro.data.rows.fields import CHAT_FIELDS, USUAL, filled, folded
from training_pro.data.rows.turns import CONTENT_FIELDS, ROLES

Turns = list[Any]
_REQUESTS = ("request", "request_body", "requestbody", "body", "params", "inputs", "input", "payload", "prompt")
_RESPONSES = (
    *("response", "response_body", "responsebody", "outputs", "output", "result", "preferred_output", "choices"),
    *("candidates", "generations"),
)
_SIDES = frozenset({*_REQUESTS, *_RESPONSES, *CHAT_FIELDS})
_ENVELOPES = ("body", "message", "json")
_ASKED = ("messages", "contents", "chat_history", "input", "prompt")
_HEAD = {
    "system": (*USUAL["system"], "instructions"),
    "tools": ("tools", "toolconfig", "functions"),
}
_ANSWERS = ("response", "output", "completion", "answer", "reply", "chosen")
_ASKS_ITSELF = ({*USUAL["prompt"]} - {*_REQUESTS, "user", "human", "source", "message"}) | {"prompt"}
_OTHER_CHAT = ("user", "human", "system")  # who begins a chat, and no answer
_PLAIN_SIDES = ("input", "inputs", "prompt")  # which are also what an instruction is about
_SEVERAL = ("choices", "candidates", "generations")
_FAILED = 400  # from this status on
_TYPES = {*ROLES, "message", "reasoning", "function_call_output", "tool_use", "tool_result", "custom_tool_call"}
_SAYING = {*CONTENT_FIELDS, "tool_calls", "function_call", "contents"}


def with_chat(row: dict[str, Any]) -> dict[str, Any]:
    """The row; where it is a request with its response, its turns are its "messages", system text and tools its own.

    The fields that were neither stay.
    """
    own = {folded(name): name for name, value in row.items() if filled(value)}
    if not _may_be_log(row, own):
        return row
    request_name, request, asked = _request(row, own)
    response_name, said = _response(row, own, asked)
    sides = row.get("inputs"), row.get("outputs")
    if not said and all(isinstance(side, Mapping) for side in sides):
        return {**_without(row, ("inputs", "outputs")), **row["inputs"], **row["outputs"]}
    if not _is_exchange(request_name, asked, said) or _is_instruction(row, own, request_name):
        return row
    heads = _heads(request)
    used = {name for name, _ in heads.values()} if request is row else set()
    rest = _without(row, (*used, request_name or _chat_field(row, own), response_name))
    unread = {"other messages": rest.pop("messages", None), "other choices": _others(response_name, row)}
    turns = [*(asked[: _repeated(said, asked)]), *said]
    head = {role: value for role, (_, value) in heads.items()}
    return {**head, **rest, **{name: value for name, value in unread.items() if value}, "messages": turns}


def _is_exchange(request_name: str, asked: Turns, said: Turns) -> bool:
    """Whether `said` answers `asked`, or repeats and continues it; a chat that has its answer takes no second one."""
    if not asked or not said or _repeated(said, asked) < len(asked):
        return bool(asked and (said or (request_name and _role(asked[-1]) == "assistant")))
    return _role(said[0]) not in _OTHER_CHAT and (bool(request_name) or _role(asked[-1]) != "assistant")


def _repeated(said: Turns, asked: Turns) -> int:
    """From which turn on `said` begins with what was asked, maybe without its system text; all of them: it doesn't."""
    head = int(bool(asked) and _role(asked[0]) == "system")
    words, again = [_words(turn) for turn in asked], [_words(turn) for turn in said[: len(asked)]]
    starts = (start for start in (0, head) if words[start:] and again[: len(words) - start] == words[start:])
    return next(starts, len(asked))


def _words(turn: Any) -> tuple[str, Any]:
    """Who says what in a turn, without its ids and the like."""
    inner = next((turn[name] for name in ("kwargs", "data") if isinstance(turn.get(name), Mapping)), turn)
    return _role(turn), inner.get("content", inner.get("parts", inner))


def _is_instruction(row: Mapping[str, Any], own: Mapping[str, str], request_name: str) -> bool:
    """Whether the row asks in words of its own, and what looks like a request is only what it asks about."""
    if folded(request_name) not in _PLAIN_SIDES:
        return False
    asks = (row[own[name]] for name in own.keys() & _ASKS_ITSELF if own[name] != request_name)
    return any(isinstance(asked, str) and not _holds_more(asked) for asked in asks)


def _others(response_name: str, row: Mapping[str, Any]) -> int:
    """How many answers stand beside the one that is taken."""
    value = _opened(row[response_name]) if response_name else None
    if isinstance(value, Mapping):
        value = next((value[name] for name in _SEVERAL if isinstance(value.get(name), list)), None)
    elif folded(response_name) not in _SEVERAL:
        return 0
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return len(value) - 1 if isinstance(value, list) and value else 0


def _without(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def refuse_half(row: Mapping[str, Any]) -> None:
    """Refuses what holds only one side of an exchange, and what failed.

    Raises:
        RowFault: it is a request without its response, or the other way round.
        Unwanted: there is no answer because the request failed.
    """
    own = {folded(name): name for name, value in row.items() if filled(value)}
    if _failed(row, own):
        raise Unwanted("its request failed: it has no answer")
    if not _may_be_log(row, own):
        return
    request_name, _, asked = _request(row, own)
    said = _response(row, own, [])[1]
    if asked and request_name and not said and not own.keys() & {*USUAL["answer"]}:
        raise RowFault(
            "it is a request without its answer, as files for a batch have them; choose a file that has the answers "
            "beside the questions"
        )
    if said and not asked and {"custom_id", "object", "choices", "candidates"} & own.keys():
        raise RowFault(
            "it is an answer without its question, as the results of a batch have them; bring them together by their "
            "ids (custom_id), with the question under messages"
        )


def _may_be_log(row: Mapping[str, Any], own: Mapping[str, str]) -> bool:
    """Whether a field that may be a side of an exchange holds more than words: nearly all other rows end here."""
    return any(_holds_more(row[own[name]]) for name in own.keys() & _SIDES)


def _holds_more(value: Any) -> bool:
    return isinstance(value, Mapping | list) or (isinstance(value, str) and value[:64].lstrip()[:1] in ("{", "["))


def _failed(row: Mapping[str, Any], own: Mapping[str, str]) -> bool:
    response = _opened(row.get("response", row.get("result")))
    status = row["response"].get("status_code", 0) if isinstance(row.get("response"), Mapping) else 0
    failed = isinstance(status, int) and status >= _FAILED
    kind = response.get("type") if isinstance(response, Mapping) else None
    return failed or kind in ("errored", "expired", "canceled") or ("custom_id" in own and "error" in own)


def _request(row: Mapping[str, Any], own: Mapping[str, str]) -> tuple[str, Mapping[str, Any], Turns]:
    """The field of the request ("": the row is one itself), the request, and the turns in it."""
    chat = _chat_field(row, own)
    if chat:
        return "", row, _turns(row[chat])
    for name in _REQUESTS:
        value = _opened(row[own[name]]) if name in own else None
        asked = _asked(value)
        if asked:
            return own[name], value if isinstance(value, Mapping) else row, asked
    if "output" in own and _turns(row[own["output"]]) and isinstance(row.get("input"), str):
        return "input", row, [{"role": "user", "content": row["input"]}]
    return "", row, []


def _chat_field(row: Mapping[str, Any], own: Mapping[str, str]) -> str:
    return next((own[name] for name in CHAT_FIELDS if name in own and _turns(row[own[name]])), "")


def _response(row: Mapping[str, Any], own: Mapping[str, str], asked: Turns) -> tuple[str, Turns]:
    """The field of the response and the turns in it; a plain text is one where the turns before end with a question."""
    for name in (name for name in _RESPONSES if name in own):
        value = _opened(row[own[name]])
        said = _said({name: value} if name in _SEVERAL else value)
        if said:
            return own[name], said
    waits = bool(asked) and _role(asked[-1]) != "assistant"
    plain = next((own[name] for name in _ANSWERS if waits and name in own and isinstance(row[own[name]], str)), "")
    return (plain, [{"role": "assistant", "content": row[plain]}]) if plain else ("", [])


def _opened(value: Any) -> Any:
    """What stands in JSON text, and in the envelopes around a body."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "[") and value.rstrip()[-1:] in ("}", "]"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return value
    if isinstance(value, Mapping):
        inner = next((value[name] for name in _ENVELOPES if isinstance(value.get(name), Mapping | str)), None)
        opened = _opened(inner) if inner is not None else None
        return opened if isinstance(opened, Mapping) else value
    return value


def _asked(value: Any) -> Turns:
    if not isinstance(value, Mapping):
        return _turns(value)
    turns = next((turns for name in _ASKED if (turns := _turns(value.get(name)))), [])
    text = value.get("input", value.get("prompt", value.get("message")))
    if not isinstance(text, str) or "model" not in value:
        return turns
    return [*turns, {"role": "user", "content": text}]


def _said(value: Any) -> Turns:
    if not isinstance(value, Mapping):
        return _turns(value)
    for name in _SEVERAL:
        if isinstance(value.get(name), list) and value[name]:
            return _of_choice(value[name][0])
    for name in ("output", "messages"):
        found = _opened(value.get(name))
        turns = [found] if isinstance(found, Mapping) and _role(found) else _turns(found)
        if turns:
            return turns
    if _role(value) == "assistant" and filled(value.get("content")):
        return [
            {name: value[name] for name in ("role", "content", "tool_calls", "thinking") if filled(value.get(name))}
        ]
    return []


def _of_choice(choice: Any) -> Turns:
    """The first of the answers that a model gave."""
    while isinstance(choice, list) and choice:
        choice = choice[0]
    if not isinstance(choice, Mapping):
        return []
    inner = next((choice[name] for name in ("message", "content") if isinstance(choice.get(name), Mapping)), None)
    if inner is not None:
        return [inner if "role" in inner or "lc" in inner else {"role": "assistant", **inner}]
    return [{"role": "assistant", "content": choice["text"]}] if isinstance(choice.get("text"), str) else []


def _turns(value: Any) -> Turns:
    """A list of turns; LangChain puts such a list into another."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    is_list = isinstance(value, list) and bool(value) and all(isinstance(turn, Mapping) for turn in value)
    return value if is_list and any(_role(turn) for turn in value) else []


def _role(turn: Any) -> str:
    """Who speaks in a turn; "" where it is none."""
    if not isinstance(turn, Mapping):
        return ""
    said = turn.get("role") if _SAYING & turn.keys() else ""
    typed = {"content", "data", "call_id", "summary"} & turn.keys() and folded(turn.get("type")) in _TYPES
    said = said or (turn.get("type") if typed else "")
    said = said or ("constructor" if "lc" in turn else "")
    known = {"model": "assistant", "ai": "assistant", "chatbot": "assistant"}
    return known.get(str(said).lower(), str(said).lower())


def _heads(request: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """The request's system text and tools, each with its name there."""
    own = {folded(name): name for name, value in request.items() if filled(value)}
    found = {role: next((own[name] for name in names if name in own), None) for role, names in _HEAD.items()}
    return {role: (name, request[name]) for role, name in found.items() if name is not None}
