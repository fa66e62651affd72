"""A row to one conversation: the first step of a row's way (row -> messages -> text with spans -> ids with mask).

Chats of every usual shape, instructions with their usual field names or chosen columns, and exports of chat programs
become the same list of messages. Nothing is dropped silently: what is not used is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from training_pro.data.rows.assistant_exports import OTHER_BRANCHES, others_beside
from training_pro.data.rows.bad_rows import RowFault, Unwanted, beginning
from training_pro.data.rows.exports import Exported, exported_turns, pairs_to_turns
from training_pro.data.rows.fields import (
    CHAT_FIELDS,
    NO_COLUMNS,
    USUAL,
    Columns,
    exchange_fields,
    field_named,
    filled,
    folded,
    samples_of,
)
from training_pro.data.rows.turn_shapes import plain_turns
from training_pro.data.rows.turns import (
    TRAIN_FIELDS,
    Message,
    Turn,
    is_off,
    text_of,
    tools_of,
    turn_of,
    value_of_text,
)

_TOOL_FIELDS = ("tools", "functions", "toolconfig", "tool_config")
_COMPLETIONS = ("completion", "chosen")
_PROMPTS = ("prompt", "question", "instruction", "input")
_LAST_ANSWERS = ("chosen", "completion", "response", "answer", "output")  # beside a chat that ends with a question
_NO_CHATS = {*("rejected", "completion", "data"), *(name for names in USUAL.values() for name in names)}
_ASK = {
    *("customer", "client", "patient", "student", "caller", "guest", "visitor", "buyer", "interviewer", "kunde"),
    *("kundin", "cliente", "usuario", "utilisateur"),
}
_ANSWER = {
    *("agent", "support", "advisor", "adviser", "operator", "representative", "rep", "doctor", "therapist"),
    *("counselor", "counsellor", "teacher", "tutor", "expert", "seller", "coach", "berater", "agente"),
}
_WRITTEN = re.compile(
    r"(?:^|\n+)[ \t]*(human|user|assistant|gpt|bot|function response|system)[ \t]*:[ \t]?", re.IGNORECASE
)
_MARKERS = re.compile(r"<\|(?:im_start|start_header_id|start|user)\|>|<start_of_turn>|<\uff5cUser\uff5c>|\[INST\]")
_STOPS = ("<|endoftext|>", "</s>")
GOOD_FLAGS = ("label", "kto_tag", "desirable")  # of preference data: whether the answer is a good one


@dataclass(frozen=True)
class Chat:
    """A conversation. `silent` are the places of assistant turns that must not be learned. `speakers` says, where the
    roles were guessed from names, who is who. `segments`, where the row brings its own text, is that text in pieces,
    each with whether it is trained; there are no messages then. `formatted`: that is a question with the markers of a
    chat template in it, and its answer. `unused` names the row's other fields, `others` counts the messages of branches
    that were left out.
    """

    messages: list[Message]
    silent: frozenset[int] = frozenset()
    tools: list[Any] | None = None
    segments: tuple[tuple[str, bool], ...] = ()
    speakers: str = ""
    formatted: bool = False
    unused: tuple[str, ...] = ()
    others: int = 0


def chat_field(row: Mapping[str, Any]) -> str | None:
    """The field that holds the conversation, if there is one."""
    name = field_named(
        {name: value for name, value in row.items() if isinstance(value, list | Mapping | str)}, CHAT_FIELDS
    )
    if name is None:
        return _unnamed_chat(row)
    value = row[name]
    is_text = isinstance(value, str) and value.lstrip()[:1] not in ("[", "{") and not _is_written(value)
    return None if is_text and folded(name) in USUAL["text"] else name


def _unnamed_chat(row: Mapping[str, Any]) -> str | None:
    """The only field that holds turns though its name does not say so."""
    said = row.get("data")
    if isinstance(said, list) and len(said) > 1 and all(isinstance(one, str) for one in said):
        return "data"
    found = [name for name, value in row.items() if folded(name) not in _NO_CHATS and _says_who(value)]
    return found[0] if len(found) == 1 else None


def _says_who(value: Any) -> bool:
    """Whether it is a list of turns with who speaks and what."""
    return _is_turns(value) and any(pair <= value[0].keys() for pair in ({"role", "content"}, {"from", "value"}))


def chat_of(row: Mapping[str, Any], columns: Columns = NO_COLUMNS) -> Chat:
    """The row's conversation.

    Raises:
        Unwanted: the row is marked as one not to learn (``label: false``, ``weight: 0``).
        RowFault: no conversation can be made of it; the reason names turn or field.
    """
    refuse_unwanted(row)
    segments = _segments(row)
    if segments:
        return Chat([], segments=segments, unused=_left(row, {"segments"}))
    formatted = _formatted(row, columns)
    if formatted is not None:
        return formatted
    exported = None if columns.names_fields else exported_turns(row)
    turns, used = _of_fields(row, columns) if exported is None else _of_export(exported, columns)
    if not turns:
        raise RowFault("its conversation must be a list with at least one turn in it")
    speakers = _name_roles(turns, columns)
    _system_of_row(row, turns, used, columns)
    if not any(turn.message["role"] == "assistant" for turn in turns):
        raise RowFault("none of its turns is the assistant's")
    tools_field = field_named(row, _TOOL_FIELDS)
    used |= {tools_field} if tools_field else set()
    silent = frozenset(
        place for place, turn in enumerate(turns) if turn.message["role"] == "assistant" and not turn.trained
    )
    inner = sorted({f"{name} (in turns)" for turn in turns for name in turn.unused})
    return Chat(
        messages=[turn.message for turn in turns],
        silent=silent,
        tools=tools_of(row[tools_field]) if tools_field else None,
        speakers=speakers,
        unused=(*_left(row, {*used, OTHER_BRANCHES}), *inner),
        others=others_beside(row) if exported is None else exported.others,
    )


def refuse_unwanted(row: Mapping[str, Any]) -> None:
    """Refuses a row that says itself that it is not to be learned.

    Raises:
        Unwanted: its label is false, or its weight or train flag is 0.
    """
    own = {folded(name): value for name, value in row.items()}
    for name in GOOD_FLAGS:
        if _is_flag(own.get(name)) and is_off(own[name]):
            raise Unwanted(f"its {name} is false: a bad answer")
    off = next((name for name in TRAIN_FIELDS if name in own and _flag_is_off(own[name])), None)
    if off is not None:
        raise Unwanted(f"its {off} is {own[off]}: not to be learned")


def _flag_is_off(value: Any) -> bool:
    return isinstance(value, bool | int | float | str) and is_off(value)


def _is_flag(value: Any) -> bool:
    """Whether it says true or false; 0 and 1 may be classes."""
    return isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in ("true", "false"))


def is_read_flag(name: str, value: Any) -> bool:
    """Whether a field says if its row is to be learned, and was read as that."""
    return folded(name) in TRAIN_FIELDS or (folded(name) in GOOD_FLAGS and _is_flag(value))


def _left(row: Mapping[str, Any], used: Iterable[str]) -> tuple[str, ...]:
    return tuple(
        str(name)
        for name, value in row.items()
        if name not in used and filled(value) and not is_read_flag(str(name), value)
    )


def _segments(row: Mapping[str, Any]) -> tuple[tuple[str, bool], ...]:
    """Pieces of ready-made text, each with a flag: ``{"segments": [{"label": true, "text": ...}]}``."""
    pieces = row.get("segments")
    if isinstance(pieces, str) and pieces.lstrip().startswith("["):
        pieces = value_of_text(pieces)
    if not isinstance(pieces, list) or not pieces:
        return ()
    if not all(isinstance(piece, Mapping) and isinstance(piece.get("text"), str) for piece in pieces):
        raise RowFault("a segment of it has no text")
    return tuple((piece["text"], not is_off(piece.get("label", True))) for piece in pieces)


def _formatted(row: Mapping[str, Any], columns: Columns) -> Chat | None:
    """A row whose question is in a chat template already, up to where the answer begins."""
    fields = exchange_fields(row, columns)
    names = (*fields.get("prompt", ()), *fields.get("answer", ()))
    texts = [row[name] for name in names if isinstance(row[name], str) and row[name].strip()]
    if len(texts) != 2 or len(names) != 2 or not _MARKERS.search(texts[0]):
        return None
    return Chat([], segments=((texts[0], False), (texts[1], True)), formatted=True, unused=_left(row, names))


def _of_export(exported: Exported, columns: Columns) -> tuple[list[Turn], set[str]]:
    turns = _made([turn for turn in exported.turns if not _is_empty(turn)])
    _refuse_unanswered(turns, columns)
    return turns, {*exported.fields}


def _of_fields(row: Mapping[str, Any], columns: Columns) -> tuple[list[Turn], set[str]]:
    """The row's turns, and the fields that they were made of."""
    if columns.names_fields:
        return _exchange(row, columns)
    name = chat_field(row)
    if name is not None and not _is_written(row[name]):
        return _with_last_answer(row, _made(listed(name, row[name])), {name})
    joined = _prompt_and_completion(row)
    if joined is not None:
        return joined
    written = next((field for field in (name, "chosen") if field and _is_written(row.get(field))), None)
    if written is not None:
        return _written_turns(row[written]), {written}
    return _exchange(row, columns)


def _with_last_answer(row: Mapping[str, Any], turns: list[Turn], used: set[str]) -> tuple[list[Turn], set[str]]:
    """The turns with the answer that stands beside them, where the last one is a question."""
    name = field_named(row, _LAST_ANSWERS)
    if name is None or not turns or turns[-1].message["role"] != "user":
        return turns, used
    value = row[name]
    said = [value] if isinstance(value, Mapping) else value if _is_turns(value) else None
    if isinstance(value, str) and value.strip():
        said = [{"role": "assistant", "content": value}]
    return (turns, used) if said is None else ([*turns, *_made(said)], {*used, name})


def _is_empty(turn: Any) -> bool:
    """Whether it is a message of an exported chat that broke off, or was a picture alone."""
    return (
        isinstance(turn, Mapping) and "content" in turn and not filled(turn["content"]) and not turn.get("tool_calls")
    )


def _refuse_unanswered(turns: list[Turn], columns: Columns) -> None:
    """Refuses an exported chat with nobody in it who answers.

    Raises:
        Unwanted: it is one.
    """
    roles = {turn.message["role"] for turn in turns if not turn.speaker}
    speakers = {folded(turn.speaker) for turn in turns if turn.speaker}
    chosen = {folded(name) for name in columns["assistant"]}
    answered = bool(speakers & chosen) if chosen else len(speakers) + ("user" in roles) > 1
    if "assistant" not in roles and not answered:
        raise Unwanted("nobody answers in this chat")


def listed(name: str, turns: Any) -> list[Any]:
    """The turns that the field `name` holds, one object a turn; a CSV column may hold them as text.

    Raises:
        RowFault: it is no list with something in it.
    """
    if isinstance(turns, str) and turns.lstrip()[:1] in ("[", "{"):
        try:
            turns = value_of_text(turns)
        except RowFault as fault:
            raise RowFault(f'"{name}" is {fault}') from None
    if isinstance(turns, Mapping) and turns and all(isinstance(value, list) for value in turns.values()):
        turns = [dict(zip(turns, values, strict=False)) for values in zip(*turns.values(), strict=False)]
    if not isinstance(turns, list) or not turns:
        raise RowFault(f'"{name}" must be a list of turns with at least one in it')
    return pairs_to_turns(turns)


def _made(turns: list[Any]) -> list[Turn]:
    """The turns as messages; an empty system turn, which exports write where nobody typed one, is left out."""
    return [turn_of(number, turn) for number, turn in plain_turns(turns) if not _is_blank_system(turn)]


def _is_blank_system(turn: Any) -> bool:
    if not isinstance(turn, Mapping):
        return False
    role = str(turn.get("role") or turn.get("from") or "").strip().lower()
    content = turn.get("content") if turn.get("content") is not None else turn.get("value")
    return role in ("system", "developer") and (content is None or (isinstance(content, str) and not content.strip()))


def _prompt_and_completion(row: Mapping[str, Any]) -> tuple[list[Turn], set[str]] | None:
    """Rows whose prompt and answer are lists of turns, of which the answer may repeat the prompt."""
    prompt, answer = field_named(row, _PROMPTS), field_named(row, _COMPLETIONS)
    if answer is None or not _is_turns(row[answer]):
        return None
    turns = _made(listed(answer, row[answer]))
    if any(turn.message["role"] == "user" for turn in turns):
        return turns, {answer, *([prompt] if prompt else [])}
    if prompt is None:
        return None
    asked = row[prompt]
    head = _made(listed(prompt, asked)) if _is_turns(asked) else [_said("user", str(asked))]
    return [*head, *turns], {prompt, answer}


def _is_turns(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _is_written(value: Any) -> bool:
    """Whether a text is a conversation with "Human:" and "Assistant:" at its turns' starts."""
    if not isinstance(value, str):
        return False
    roles = {match[1].lower() for match in _WRITTEN.finditer(value)}
    return len(roles) > 1 and bool(_WRITTEN.match(value))


def _written_turns(text: str) -> list[Turn]:
    places = list(_WRITTEN.finditer(text))
    ends = [*(match.start() for match in places[1:]), len(text)]
    turns: list[Turn] = []
    for match, end in zip(places, ends, strict=True):
        said = text[match.end() : end].strip()
        for stop in _STOPS:
            said = said.removesuffix(stop).rstrip()
        if said:
            turns.append(turn_of(len(turns) + 1, {"role": match[1], "content": said}))
    return turns


def _said(role: str, content: str) -> Turn:
    return Turn({"role": role, "content": content})


def _exchange(row: Mapping[str, Any], columns: Columns) -> tuple[list[Turn], set[str]]:
    """One question with its answer, and the turns before it that `history` holds."""
    fields = exchange_fields(row, columns)
    answer = "\n\n".join(_answers(row, fields.get("answer", ())))
    prompt = "\n\n".join(_texts(row, (*fields.get("prompt", ()), *fields.get("input", ()))))
    if not answer or not prompt:
        missing = "answer" if prompt else "prompt" if answer else "prompt and no answer"
        raise RowFault(f"it has no {missing} that is known; its columns: {samples_of(row) or 'none'}")
    used = {name for names in fields.values() for name in names}
    turns = [_said("system", text) for text in _texts(row, fields.get("system", ()))[:1] if text]
    for name in fields.get("history", ()):
        turns += _made(listed(name, row[name]))
    message: Message = {"role": "assistant", "content": answer}
    thoughts = _texts(row, fields.get("thoughts", ()))
    if thoughts:
        message["reasoning_content"] = thoughts[0]
    asked = _written_turns(prompt) if _WRITTEN.match(prompt) else [_said("user", prompt)]
    return [*turns, *asked, Turn(message)], used


def _answers(row: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """As `_texts`, where of several answers to choose from, as in SQuAD, the first one counts.

    Raises:
        RowFault: a field is no text; "chosen" is the number of an answer, not the answer.
    """
    chosen = {name: row[name] for name in names}
    for name, value in chosen.items():
        if folded(name) == "chosen" and isinstance(value, int | float):
            raise RowFault(f'"{name}" is {value}, a number and no answer; its columns: {samples_of(row)}')
        value = value.get("text") if isinstance(value, Mapping) else value
        if isinstance(value, list) and folded(name) == "answers":
            first = value[0] if value else ""  # SQuAD's questions without an answer
            chosen[name] = first.get("text") if isinstance(first, Mapping) else first
    return _texts(chosen, chosen)


def _texts(row: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """The fields' texts, those that hold something; numbers are written out.

    Raises:
        RowFault: a field is no text.
    """
    texts = []
    for name in names:
        value = row[name]
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise RowFault(f'the field "{name}" is not text: {beginning(value, 40)}')
        if value.strip():
            texts.append(value)
    return texts


def _system_of_row(row: Mapping[str, Any], turns: list[Turn], used: set[str], columns: Columns) -> None:
    """Puts the row's system text before turns that have none."""
    name = field_named(row, columns["system"] or USUAL["system"])
    if name is None or name in used or turns[0].message["role"] == "system":
        return
    text = re.sub(r"^system:\s*", "", text_of(row[name]), flags=re.IGNORECASE)
    if text.strip():
        turns.insert(0, _said("system", text))
        used.add(name)


def _name_roles(turns: list[Turn], columns: Columns) -> str:
    """Gives turns of named speakers their roles; what comes back says who became what, "" where nobody was named.

    The assistant is who was chosen, else the second of two who speak. Turns of one speaker in a row become one.

    Raises:
        RowFault: more than two speak and none was chosen.
    """
    names = list(dict.fromkeys(turn.speaker for turn in turns if turn.speaker))
    if not names:
        return ""
    roles = {turn.message["role"] for turn in turns if not turn.speaker}
    answering = _who_answers(names, roles, columns)
    others = [name for name in names if name != answering]
    for turn in turns:
        if turn.speaker:
            turn.message["role"] = "assistant" if turn.speaker == answering else "user"
            if len(others) > 1 and turn.speaker != answering:
                turn.message["content"] = f"{turn.speaker}: {turn.message['content']}"
    _join_neighbours(turns)
    return f"{answering or 'nobody'} is the assistant, {', '.join(others)[:80] or 'nobody'} the user"


def _who_answers(names: list[str], roles: set[str], columns: Columns) -> str:
    """The assistant among `names`; "" where the unnamed turns have one.

    Raises:
        RowFault: it can't be known.
    """
    chosen = {folded(name) for name in columns["assistant"]}
    users = {folded(name) for name in columns["user"]}
    found = [name for name in names if folded(name) in chosen]
    if found:
        return found[0]
    if "assistant" in roles:
        return ""
    left = [name for name in names if folded(name) not in users]
    if chosen or (len(left) == 1 and len(names) > 1):
        return left[0] if not chosen else ""
    if len(names) == 1 and "user" in roles:
        return names[0]
    if len(names) == 2:
        first, second = map(folded, names)
        return names[0] if (first in _ANSWER and second not in _ANSWER) or second in _ASK else names[1]
    shown = ", ".join(names[:8])[:120]
    raise RowFault(f'{len(names)} people speak in it ({shown}); say who is the assistant: columns "assistant=NAME"')


def _join_neighbours(turns: list[Turn]) -> None:
    """Makes one turn of those that one speaker says in a row."""
    joined: list[Turn] = []
    for turn in turns:
        last = joined[-1] if joined else None
        if last is not None and turn.speaker and last.message["role"] == turn.message["role"] != "system":
            last.message["content"] += "\n" + turn.message["content"]
            last.unused |= turn.unused
        else:
            joined.append(turn)
    turns[:] = joined
