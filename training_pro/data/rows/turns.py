"""One turn of a conversation to one message as chat templates read it, whatever its fields are called."""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training_pro.data.rows.assistant_exports import OTHER_BRANCHES
from training_pro.data.rows.bad_rows import RowFault
from training_pro.data.rows.fields import filled, folded

Message = dict[str, Any]
_BOX = re.compile(r'<details type="reasoning"[^>]*>\s*(?:<summary>[^<]*</summary>)?(?P<said>.*?)</details>', re.DOTALL)
_CHANNELS = re.compile(
    r"(?:<\|start\|>assistant)?<\|channel\|>(?P<name>\w+)[^<]*<\|message\|>(?P<said>.*?)"
    r"(?:<\|end\|>|<\|return\|>|(?=<\|start\|>)|\Z)",
    re.DOTALL,
)
_QUOTED = re.compile(r"^> ?", re.MULTILINE)
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
    "ai": "assistant",
    "char": "assistant",
    "chatbot": "assistant",
    "claude": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "observation": "tool",
    "function": "tool",
    "function_response": "tool",
    "tool_response": "tool",
    "ipython": "tool",
    "function_call": "tool call",
    "tool_call": "tool call",
    **{f"human{end}": "user" for end in ("message", "messagechunk")},  # LangChain's classes
    **{f"ai{end}": "assistant" for end in ("message", "messagechunk")},
    **{f"{kind}message": kind for kind in ("system", "tool")},
    "functionmessage": "tool",
}
ROLE_FIELDS = ("role", "from", "sender", "speaker", "author", "type")
CONTENT_FIELDS = ("content", "value", "text", "message", "mes", "msg", "body", "parts")
THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking", "thoughts", "thought")
TRAIN_FIELDS = (
    "weight",
    "train",
    "training",
    "trainable",
    "train_on_turn",
    "train_on",
    "loss",
    "loss_mask",
    "loss_weight",
)
_PASSED_ON = ("tool_call_id", "name")
_ARGUMENTS = ("arguments", "parameters", "input", "args", "kwargs", "params")
_BESIDE_ARGUMENTS = {"name", "id", "type", "index", "call_id", "description"}
_MEDIA = ("image", "document", "file", "audio", "video", "input_")
_THOUGHTS = ("thinking", "reasoning", "reasoning_text")  # types of parts
_NO = {"0", "0.0", "false", "no"}


@dataclass
class Turn:
    """One message. `speaker` is a name where it is none of the usual roles, else "".

    `trained` is False where the turn says that its words are not to be learned. `unused` names its other fields.
    """

    message: Message
    speaker: str = ""
    trained: bool = True
    unused: set[str] = field(default_factory=set)


def is_off(value: Any) -> bool:
    """Whether a weight or a train flag says no: 0, false, "false"."""
    return value is False or (isinstance(value, int | float) and value == 0) or str(value).strip().lower() in _NO


def _is_partial(value: Any) -> bool:
    """Whether a weight is neither 0 nor 1: such a turn is trained in full."""
    return isinstance(value, float | int) and not isinstance(value, bool) and value not in (0, 1)


def value_of_text(text: str) -> Any:
    """What JSON text stands for, or text that Python or pandas wrote of such a value.

    Raises:
        RowFault: it is neither.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(re.sub(r"\}\s*\{", "}, {", text))  # numpy writes no commas between
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        raise RowFault("text that is not valid JSON") from None


def turn_of(number: int, turn: Any) -> Turn:
    """The message that `turn`, the conversation's `number` from 1, is.

    Raises:
        RowFault: it has no role or no content, or its content is no text.
    """
    if not isinstance(turn, Mapping):
        raise RowFault(f"turn {number} is not an object with role and content")
    own = {folded(name): name for name, value in turn.items() if value is not None}
    role_field = _role_field(turn, own)
    if role_field is None:
        kind = turn.get("type")
        raise RowFault(f"turn {number} has no role" + (f" ({str(kind)[:40]})" if kind else ""))
    role, speaker = _role(number, turn[role_field])
    message, read = _message(number, role, turn, own)
    flags = {own[name] for name in TRAIN_FIELDS if name in own}
    trained = not any(is_off(turn[name]) for name in flags)
    unused = {str(name) for name, value in turn.items() if filled(value)} - {role_field, OTHER_BRANCHES} - read - flags
    unused |= {name for name in flags if _is_partial(turn[name])}
    return Turn(message, speaker, trained, unused)


def _role_field(turn: Mapping[str, Any], own: Mapping[str, str]) -> str | None:
    """The field that says who speaks; "type" only where it says it ("message" and the like are none)."""
    present = [own[name] for name in ROLE_FIELDS if name in own]
    return next(
        (name for name in present if folded(name) != "type" or folded(turn[name]) in ROLES), None
    )  # fmt: skip


def _role(number: int, value: Any) -> tuple[str, str]:
    if isinstance(value, Mapping):
        value = next((value[name] for name in ("role", "name", "nickname", "username") if value.get(name)), value)
    if not isinstance(value, str) or not value.strip():
        raise RowFault(f"turn {number} has the unknown role {str(value)[:40]!r}")
    known = ROLES.get(folded(value))
    return (known, "") if known else ("", value.strip())


def _message(number: int, role: str, turn: Mapping[str, Any], own: Mapping[str, str]) -> tuple[Message, set[str]]:
    """The message, and the fields that were read for it."""
    content_field = next((own[name] for name in CONTENT_FIELDS if name in own), None)
    raw = None if content_field is None else turn[content_field]
    read = {content_field} if content_field else set()
    if role == "tool call":
        return {"role": "assistant", "content": "", "tool_calls": _calls_in_text(number, raw)}, read
    message: Message = {"role": role, "content": ""}
    calls_field = next((own[name] for name in ("tool_calls", "function_call") if name in own and turn[own[name]]), None)
    if calls_field is not None:
        message["tool_calls"] = tool_calls(turn[calls_field])
        read.add(calls_field)
    thoughts_field = next((own[name] for name in THOUGHT_FIELDS if name in own), None)
    thoughts = []
    if thoughts_field is not None and isinstance(turn[thoughts_field], str):
        thoughts.append(turn[thoughts_field])
        read.add(thoughts_field)
    if role == "tool" and _is_data(raw):
        raw = json.dumps(raw, ensure_ascii=False)
    said = _content(number, raw, bool(calls_field) or role == "tool", thoughts)
    if role == "assistant":
        inner, said = _parted_thoughts(said)
        thoughts += [inner] if inner else []
    message["content"] = said
    if "".join(thoughts).strip():
        message["reasoning_content"] = "\n".join(thoughts)
    for name in _PASSED_ON:
        if isinstance(turn.get(name), str) and turn[name]:
            message[name] = turn[name]
            read.add(name)
    return message, read


def _is_data(raw: Any) -> bool:
    """Whether a tool's result is an object, or a list of things that are no parts of a message."""
    if not isinstance(raw, list):
        return isinstance(raw, Mapping)
    return not any(isinstance(part, str) or (isinstance(part, Mapping) and _is_part(part)) for part in raw)


def _is_part(part: Mapping[str, Any]) -> bool:
    return "text" in part or str(part.get("type")).startswith(_MEDIA)


def _calls_in_text(number: int, raw: Any) -> list[Any]:
    try:
        return tool_calls(raw)
    except RowFault:
        raise RowFault(f"turn {number} is a tool call that is not valid JSON") from None


def tool_calls(value: Any) -> list[Any]:
    """Tool calls in OpenAI's shape, of a list, one call, or JSON text of either; arguments stay as they are.

    Raises:
        RowFault: text that is no JSON, or a call without a name.
    """
    if isinstance(value, str):
        value = value_of_text(value)
    calls = value if isinstance(value, list) else [value]
    return [_tool_call(call) for call in calls]


def _tool_call(call: Any) -> dict[str, Any]:
    function = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise RowFault("a tool call of it has no name")
    field = next((name for name in _ARGUMENTS if name in function), None)
    left = [str(name) for name, value in function.items() if filled(value) and name not in _BESIDE_ARGUMENTS]
    if field is None and left:
        raise RowFault(f'a tool call of it has no "arguments" but {", ".join(left)[:80]}')
    arguments: Any = {} if field is None else function[field]
    named = {"id": call["id"]} if isinstance(call.get("id"), str) else {}
    return {**named, "type": "function", "function": {"name": function["name"], "arguments": arguments}}


def tools_of(value: Any) -> list[Any] | None:
    """The tools of a row for the template: a list, or such a list as JSON text, which is all that a CSV can hold.

    Raises:
        RowFault: they are something else.
    """
    if isinstance(value, str) and value.strip():
        try:
            value = value_of_text(value)
        except RowFault:
            raise RowFault("its tools are text that is no JSON list") from None
    if not value:
        return None
    if isinstance(value, Mapping):  # Bedrock's toolConfig
        value = value.get("tools")
    if not isinstance(value, list):
        raise RowFault("its tools are not a list")
    return [made for tool in value for made in _tools(tool)]


def _tools(tool: Any) -> list[Any]:
    """A function that stands alone, or several as Gemini has them, in the wrapping that templates expect."""
    if not isinstance(tool, Mapping) or "function" in tool:
        return [tool]
    several = next((tool[name] for name in ("functionDeclarations", "function_declarations") if name in tool), None)
    if isinstance(several, list):
        return [made for one in several for made in _tools(one)]
    function = tool.get("toolSpec", tool)
    field = next((name for name in ("parameters", "input_schema", "inputSchema") if name in function), None)
    if field is None or "name" not in function:
        return [tool]
    schema = function[field].get("json", function[field]) if isinstance(function[field], Mapping) else function[field]
    kept = {name: value for name, value in function.items() if name not in (field, "type", "cache_control")}
    return [{"type": "function", "function": {**kept, "parameters": schema}}]


def _content(number: int, content: Any, may_be_empty: bool, thoughts: list[str]) -> str:
    """Text, or the text parts of a list such as ``[{"type": "text", "text": ...}]``; thoughts go into `thoughts`."""
    if isinstance(content, list):
        content = "".join(_part(number, part, thoughts) for part in content)
    if content is None and may_be_empty:
        return ""
    if content is None:
        raise RowFault(f"turn {number} has no content")
    if isinstance(content, int | float) and not isinstance(content, bool):
        content = str(content)
    if not isinstance(content, str):
        raise RowFault(f"the content of turn {number} is not text")
    if not content.strip() and not may_be_empty:
        raise RowFault(f"the content of turn {number} is empty")
    return content.replace("\r\n", "\n") if "\r" in content else content


def text_of(value: Any) -> str:
    """The text of a value that is one, or that holds one in parts; "" where there is none."""
    if isinstance(value, Mapping):
        value = next((value[name] for name in ("parts", "text", "content") if value.get(name)), "")
    if isinstance(value, list):
        value = "\n".join(filter(None, map(text_of, value)))
    return value if isinstance(value, str) else ""


def _part(number: int, part: Any, thoughts: list[str]) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and _is_thought(part):
        thoughts.append(text_of(part.get("thinking") or part.get("text") or part.get("reasoning")))
        return ""
    if isinstance(part, Mapping) and isinstance(part.get("refusal"), str):
        return str(part["refusal"])
    if isinstance(part, Mapping) and isinstance(part.get("text"), str):
        return str(part["text"])
    if (
        isinstance(part, Mapping)
        and isinstance(part.get("text"), Mapping)
        and isinstance(part["text"].get("value"), str)
    ):
        return str(part["text"]["value"])
    kind = part.get("type") if isinstance(part, Mapping) else None
    raise RowFault(f"turn {number} holds something that is not text" + (f" ({str(kind)[:40]})" if kind else ""))


def _is_thought(part: Mapping[str, Any]) -> bool:
    return (
        part.get("type") in _THOUGHTS
        or part.get("thought") is True
        or ("text" not in part and isinstance(part.get("thinking"), str))
    )


def _parted_thoughts(answer: str) -> tuple[str, str]:
    """The thoughts that chat programs keep inside an answer (Open WebUI's boxes, the channels of gpt-oss), "" for none,
    and the answer without them. ``<think>`` stays where it is: that is how models write it."""
    if answer.startswith("<|channel|>"):
        said = {"final": "", "analysis": ""}
        for found in _CHANNELS.finditer(answer):
            name = "final" if found["name"] == "final" else "analysis"
            said[name] = "\n".join(filter(None, [said[name], found["said"].strip()]))
        whole = said["final"] and not _CHANNELS.sub("", answer).strip()  # a call of a tool stays where it is
        return (said["analysis"], said["final"]) if whole else ("", answer)
    if '<details type="reasoning"' not in answer:
        return "", answer
    thoughts = [html.unescape(_QUOTED.sub("", found["said"])).strip() for found in _BOX.finditer(answer)]
    return "\n".join(filter(None, thoughts)), _BOX.sub("", answer).strip()
