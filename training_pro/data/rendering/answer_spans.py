"""Where in a rendered conversation the assistant's words stand, whatever the template did to them.

A template is a function that can't be looked into: it may trim a turn, strip its thinking, write it in another place.
So a turn is replaced by a mark that occurs nowhere else, and the conversation is rendered again: what stays the same
before and after the mark is the template's, what lies between is the turn. All plain turns are replaced at once first
(one more rendering); only if the pieces then don't fit together around the turns' own words is each turn replaced
alone. Turns with thoughts or tool calls are found in the conversation cut off after them, where all that the template
writes after the start of an answer is the turn, and then in the whole. Nothing is ever searched by its content, so
words that look like the template's own markers, or that occur twice, confuse nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from training_pro.data.rendering.templates import unused_marks
from training_pro.data.rows.bad_rows import RowFault
from training_pro.data.rows.turns import THOUGHT_FIELDS, Message

Span = tuple[int, int]
_BEGUN_THOUGHT = re.compile(r"<[^<>\s]*think[^<>\s]*>\s*\Z")
_MOST_SYNTAX_CHARS = 400  # what a template writes between the start of an answer and the first of its words


class Render(Protocol):
    """Messages to text; with `prompt`, followed by the start of an answer."""

    def __call__(self, messages: list[Message], prompt: bool = False) -> str: ...


def find_answers(render: Render, messages: list[Message], text: str) -> dict[int, Span]:
    """For each assistant turn that the template writes, by its place in `messages`, its (start, end) in `text`.

    `text` is what `render` gives for `messages`. A turn of which nothing is left (all of it was thinking that
    the template strips) has no width. A turn with tool calls or thoughts in a field has its stop in it already.

    Raises:
        RowFault: the template writes a turn more than once, or the turns can't be told apart.
    """
    turns = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    rich = {turn: span for turn in turns if is_rich(messages[turn]) and (span := _rich(render, messages, text, turn))}
    plain = [turn for turn in turns if turn not in rich]
    marks = unused_marks([text, *(message["content"] for message in messages)], len(plain) + 1)
    fitted = _fitted(render, messages, text, dict(zip(plain, marks, strict=False)))
    if fitted is None:
        found = ((turn, _replaced_alone(render, messages, text, turn, marks[0])) for turn in plain)
        fitted = {turn: span for turn, span in found if span is not None}
    spans = dict(sorted({**rich, **fitted}.items()))
    places = list(spans.values())
    if not places or any(later[0] < sooner[1] for sooner, later in zip(places, places[1:], strict=False)):
        raise RowFault("its assistant turns can't be found in the text that the chat template makes")
    return spans


def is_rich(message: Message) -> bool:
    """Whether a turn has more than words: tool calls, or thoughts in a field of their own."""
    return bool(message.get("tool_calls")) or any(message.get(name) for name in THOUGHT_FIELDS)


def _marked(message: Message, mark: str) -> Message:
    """Without tool calls and thoughts: they belong to what the mark stands for."""
    return {"role": message["role"], "content": mark}


def _fitted(render: Render, messages: list[Message], text: str, marks: dict[int, str]) -> dict[int, Span] | None:
    """The spans, if `text` is the template's pieces with the turns' own words between them."""
    try:
        marked = render([_marked(m, marks[i]) if i in marks else m for i, m in enumerate(messages)])
    except RowFault:
        return None
    position, spans, after = 0, dict[int, Span](), marked
    for turn, mark in marks.items():
        before, found, after = after.partition(mark)
        if not found or mark in after or not text.startswith(before, position):
            return None
        position += len(before)
        next_mark = marks.get(_next_turn(marks, turn))
        follows = after.partition(next_mark)[0] if next_mark else after
        said = _said(messages[turn], text, position, follows)
        if said is None:
            return None
        spans[turn] = position, position + len(said)
        position += len(said)
    return spans if text[position:] == after else None


def _next_turn(marks: dict[int, str], turn: int) -> int:
    return min((other for other in marks if other > turn), default=-1)


def _said(message: Message, text: str, position: int, follows: str) -> str | None:
    """The turn's words as they stand at `position`, with or without white space at their ends."""
    content = message["content"]
    for variant in dict.fromkeys((content, content.strip(), content.rstrip(), content.lstrip())):
        if text.startswith(variant, position) and text.startswith(follows, position + len(variant)):
            return str(variant)
    return None


def _replaced_alone(render: Render, messages: list[Message], text: str, turn: int, mark: str) -> Span | None:
    """The span of one turn; None if the template leaves the turn out.

    Raises:
        RowFault: the template writes it more than once.
    """
    message = messages[turn]
    marked = render([*messages[:turn], _marked(message, mark), *messages[turn + 1 :]])
    count = marked.count(mark)
    if count == 0:
        return None
    if count > 1:
        raise RowFault(f"the chat template writes turn {turn + 1} {count} times")
    before, _, after = marked.partition(mark)
    start = len(before) if text.startswith(before) else _common_start(text, before)
    rest = text[start:]
    end = len(text) - (len(after) if rest.endswith(after) else _common_start(rest[::-1], after[::-1]))
    return _with_eaten_start(message, text, (start, end))


@dataclass(frozen=True)
class _Cut:
    """A turn in the conversation that is cut off after it, as positions in `text`: `start` where the answer starts;
    `firsts` its first own character, the same without its thoughts, and without its words too; `rest` where the last of
    its own characters has passed. `heads` are ways to write what stands before an answer."""

    text: str
    start: int
    firsts: tuple[int, ...]
    rest: int
    heads: tuple[str, ...]


def _rich(render: Render, messages: list[Message], text: str, turn: int) -> Span | None:
    """The span of a turn with thoughts or calls, its stop included; None where nothing of these is written.

    Raises:
        RowFault: it can't be found for sure.
    """
    cut = _cut(render, messages, turn)
    if cut is None:
        return None
    if text.startswith(cut.text[: cut.rest]):
        return cut.start, _end(cut, text, cut.rest)
    return _elsewhere(render, messages, text, turn, cut)


def _cut(render: Render, messages: list[Message], turn: int) -> _Cut | None:
    before, message = messages[:turn], messages[turn]
    text = render([*before, message])
    marks = unused_marks([text], 5)
    changed = render([*before, _changed(message, marks)])
    if changed == text:
        return None
    words = _common_start(text, changed)
    rest = len(text) - min(_common_start(text[::-1], changed[::-1]), len(text) - words)
    kept = {name: message[name] for name in THOUGHT_FIELDS if name in message}
    calls = _common_start(text, render([*before, {**_changed(message, marks), **kept}]))
    kept["content"] = message["content"]
    only_calls = _common_start(text, render([*before, {**_changed(message, marks), **kept}]))
    until, prompt = _or_nothing(render, before, False), _or_nothing(render, before, True)
    plain = _or_nothing(render, [*before, {"role": "assistant", "content": marks[0]}], False).partition(marks[0])[0]
    start = min(words, _start(text, until, prompt, plain, has_thoughts=calls > words))
    heads = tuple(head[len(until) :] for head in (prompt, plain) if head.startswith(until) and len(head) > len(until))
    firsts = tuple(dict.fromkeys(first for first in (words, calls, only_calls) if first <= rest))
    return _Cut(text, start, firsts, rest, (*heads, text[len(until) : start] if len(until) < start else ""))


def _start(text: str, until: str, prompt: str, plain: str, has_thoughts: bool) -> int:
    """Where a turn starts: after what a model is given to start an answer (`prompt`), else after what the template
    writes before plain words too, less the start of a thought where the turn has one. An empty thought that the
    template writes by itself is not the turn's."""
    shared = _common_start(text, plain)
    is_given = len(prompt) > len(until) and text.startswith(prompt)
    if is_given and (has_thoughts or "think" not in text[len(prompt) : shared]):
        return len(prompt)
    begun = _BEGUN_THOUGHT.search(text, len(until), shared) if has_thoughts else None
    return begun.start() if begun else shared


def _or_nothing(render: Render, messages: list[Message], prompt: bool) -> str:
    try:
        return render(messages, prompt)
    except RowFault:
        return ""


def _changed(message: Message, marks: list[str]) -> Message:
    """The turn with all of its own words replaced by marks: words, thoughts, names and arguments of calls."""
    made = {**message, "content": marks[0] if message["content"].strip() else message["content"]}
    made |= {name: marks[1] for name in THOUGHT_FIELDS if message.get(name)}
    if message.get("tool_calls"):
        made["tool_calls"] = [_changed_call(call, marks) for call in message["tool_calls"]]
    return made


def _changed_call(call: dict[str, Any], marks: list[str]) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, dict):
        return call
    arguments: Any = {marks[3]: marks[4]}
    if isinstance(function.get("arguments"), str):
        arguments = f'{{"{marks[3]}": "{marks[4]}"}}'
    return {**call, "function": {**function, "name": marks[2], "arguments": arguments}}


def _end(cut: _Cut, text: str, position: int) -> int:
    """Where the turn ends: past all that stands after its last own character both in the cut and in the whole text."""
    rest = cut.text[cut.rest :]
    same = _common_start(rest, text[position : position + len(rest)])
    if same < len(rest):  # what follows may begin like what would have followed, in the middle of a marker
        same = max(rest.rfind(end, 0, same) + len(end) for end in (">", "]", "\n", " "))
    return position + len(rest[: max(same, 0)].rstrip())


def _elsewhere(render: Render, messages: list[Message], text: str, turn: int, cut: _Cut) -> Span:
    """The span where the whole text is not what the cut one begins with: earlier turns lost their thoughts in it."""
    marks = unused_marks([text], 5)
    changed = render([*messages[:turn], _changed(messages[turn], marks), *messages[turn + 1 :]])
    words = _common_start(text, changed)
    for first in cut.firsts:
        own = cut.text[first : cut.rest]
        if text.startswith(own, words):
            start = _start_before(text, words, cut, first)
            if start is not None:
                return start, _end(cut, text, words + len(own))
    raise RowFault(
        f"turn {turn + 1} comes out of the chat template in several pieces (other turns stand between its words and "
        "its tool calls or thoughts); leave one of them out, or choose another template"
    )


def _start_before(text: str, words: int, cut: _Cut, first: int) -> int | None:
    """Where the turn starts whose first own character left, `first` in the cut, is at `words` in the whole text: as far
    before it as in the cut, or behind the nearest of what stands before answers, with nothing between that does not
    stand right before it in the cut too."""
    between = cut.text[cut.start : first]
    if text.endswith(between, 0, words):
        return words - len(between)
    low = max(0, words - _MOST_SYNTAX_CHARS)
    found = [(text.rfind(head, low, words), len(head)) for head in _with_beginnings(cut.heads)]
    for place, length in sorted(found, reverse=True):
        if place >= 0 and cut.text.endswith(text[place + length : words], 0, first):
            return place + length
    return None if any(cut.heads) else words


def _with_beginnings(heads: tuple[str, ...]) -> set[str]:
    """The heads and what each begins with up to a line end or a marker's end: a thought's start may be missing."""
    ends = ((head, end) for head in heads for end in range(1, len(head) + 1))
    return {head[:end] for head, end in ends if end == len(head) or head[end - 1] in ">\n]"}


def _common_start(first: str, second: str) -> int:
    """How many characters both begin with."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[:middle] == second[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _with_eaten_start(message: Message, text: str, span: Span) -> Span:
    """The span widened to the left where the turn begins with what the template writes before any turn.

    A template that always writes ``<think>`` writes it before the mark too; in a turn that has its own, it
    belongs to the turn. Widened only if the turn's words then stand there whole, white space aside.
    """
    start, end = span
    inked = _ink(text[start:end])
    for words in _whole_turns(message):
        whole = _ink(words)
        missing = len(whole) - len(inked)
        if missing > 0 and whole.endswith(inked):
            wider = _back_over(text, start, missing)
            if _ink(text[wider:start]) == whole[:missing]:
                return wider, end
    return span


def _whole_turns(message: Message) -> Sequence[str]:
    content = str(message["content"])
    reasoning = message.get("reasoning_content")
    return (content, f"<think>{reasoning}</think>{content}") if isinstance(reasoning, str) else (content,)


def _back_over(text: str, position: int, inked_chars: int) -> int:
    """The position so many characters before `position`, white space not counted."""
    while position > 0 and inked_chars > 0:
        position -= 1
        inked_chars -= not text[position].isspace()
    return position


def _ink(text: str) -> str:
    return "".join(text.split())
