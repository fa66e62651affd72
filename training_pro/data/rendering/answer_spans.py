"""Where in a rendered conversation the assistant's words stand, whatever the template did to them.

A template is a function that can't be looked into: it may trim a turn, strip its thinking, write it in
another place. So a turn is replaced by a mark that occurs nowhere else, and the conversation is rendered
again: what stays the same before and after the mark is the template's, what lies between is the turn. All
turns are replaced at once first (one more rendering); only if the pieces then don't fit together around the
turns' own words is each turn replaced alone. Nothing is ever searched by its content, so words that look like
the template's own markers, or that occur twice, confuse nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from training_pro.data.rendering.conversations import Message
from training_pro.data.rows.bad_rows import RowFault

Render = Callable[[list[Message]], str]
Span = tuple[int, int]
# Private-use characters: no template gives them another case, trims them or writes them itself.
_BORDERS = range(0xF700, 0xF8FF)
_DIGITS = 0xE000


def unused_marks(texts: Iterable[str], count: int) -> list[str]:
    """`count` short strings of private-use characters, none of whose borders occur in `texts`.

    Raises:
        RowFault: the texts use all of them.
    """
    used = {char for text in texts for char in text if "\ue000" <= char <= "\uf8ff"}
    border = next((chr(code) for code in _BORDERS if chr(code) not in used), None)
    if border is None:
        raise RowFault("it uses every private-use character")
    return [border + chr(_DIGITS + number // 256) + chr(_DIGITS + number % 256) + border for number in range(count)]


def find_answers(render: Render, messages: list[Message], text: str) -> list[Span]:
    """For each assistant turn that the template writes, its (start, end) in `text`, in order.

    `text` is what `render` gives for `messages`. A turn of which nothing is left (all of it was thinking that
    the template strips) has no width.

    Raises:
        RowFault: the template writes a turn more than once.
    """
    turns = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    marks = unused_marks([text, *(message["content"] for message in messages)], len(turns))
    spans = _fitted(render, messages, text, dict(zip(turns, marks, strict=True)))
    if spans is None:
        found = (_replaced_alone(render, messages, text, turn, marks[0]) for turn in turns)
        spans = [span for span in found if span is not None]
    if not spans or any(later[0] < sooner[1] for sooner, later in zip(spans, spans[1:], strict=False)):
        raise RowFault("its assistant turns can't be told apart in the chat template's text")
    return spans


def _marked(message: Message, mark: str) -> Message:
    """Without its tool calls and reasoning: they belong to what the mark stands for."""
    return {"role": message["role"], "content": mark}


def _fitted(render: Render, messages: list[Message], text: str, marks: dict[int, str]) -> list[Span] | None:
    """The spans, if `text` is the template's pieces with the turns' own words between them."""
    try:
        marked = render([_marked(m, marks[i]) if i in marks else m for i, m in enumerate(messages)])
    except RowFault:
        return None
    position, spans, after = 0, [], marked
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
        spans.append((position, position + len(said)))
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
