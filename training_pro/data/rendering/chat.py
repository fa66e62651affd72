"""Conversations through a chat template: the second step of a row's way (row -> messages -> text with spans -> ids).

One call a row gives the text, probing calls find the answers in it. The template writes BOS and EOS itself; what it
leaves out is said or added, never doubled. A row costs two renderings (some 0.1 ms each), more where the template
rewrites what the assistant said, and with tool calls or thoughts some six a turn that has them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from training_pro.data.rendering.answer_spans import find_answers, is_rich
from training_pro.data.rendering.messages_for import formed, other_ways
from training_pro.data.rendering.rendering import RenderedRow, Span, joined_segments
from training_pro.data.rendering.templates import THE_DAY, ChatTemplate, Tails, common_start
from training_pro.data.rows.bad_rows import RowFault, beginning
from training_pro.data.rows.chats import Chat, chat_of
from training_pro.data.rows.fields import NO_COLUMNS, Columns
from training_pro.data.rows.long_chats import pieces_of
from training_pro.data.rows.turns import Message
from training_pro.data.tokens import RowTokenizer
from training_pro.words import counted

_NAMED_FIELDS = 8


def stop_after_answer(tail: str, special_texts: tuple[str, ...]) -> str:
    """The part of `tail`, what a template writes after a last answer, that ends the answer.

    Up to the first control token where there is one at its start, else all of it but white space at its end.
    """
    blank = len(tail) - len(tail.lstrip())
    for special in special_texts:
        if tail.startswith(special, blank):
            return tail[: blank + len(special)]
    return tail.rstrip()


def _shared_stop(tails: Tails, special_texts: tuple[str, ...]) -> str:
    """The control tokens, one right after the other, that end an answer whether something follows it or not."""
    shared = common_start(tails.last, tails.inner)
    end = len(shared) - len(shared.lstrip())
    while special := next((special for special in special_texts if shared.startswith(special, end)), ""):
        end += len(special)
    return shared[:end] if shared[:end].strip() else ""


def _inner_stop(tail: str, head: str, special_texts: tuple[str, ...]) -> str:
    """The control token that ends an answer which others follow, "" where what follows may be the next turn's start."""
    blank = len(tail) - len(tail.lstrip())
    stop = next((special for special in special_texts if tail.startswith(special, blank)), "")
    return "" if not stop or stop == _first_special(head, special_texts) else stop


def _first_special(text: str, special_texts: tuple[str, ...]) -> str:
    places = [(text.find(special), special) for special in special_texts if special in text]
    return min(places)[1] if places else ""


class ChatRenderer:
    """Chat rows to text with the assistant's turns marked, stop strings included.

    `fits` says whether a row is short enough; chats that are not are split between their turns. None: they stay whole.
    """

    def __init__(
        self,
        template: ChatTemplate,
        tokenizer: RowTokenizer,
        add_bos: bool,
        add_eos: bool,
        columns: Columns = NO_COLUMNS,
        fits: Callable[[RenderedRow], bool] | None = None,
    ) -> None:
        self._template, self._columns, self._fits = template, columns, fits
        self.more_rows = 0
        self._tokenizer = tokenizer
        tails, self._forms = template.tails(), template.forms
        self._stop = _shared_stop(tails, tokenizer.special_texts) or stop_after_answer(
            tails.last, tokenizer.special_texts
        )
        self._opening = "" if "think" in tails.opening else tails.opening
        self._inner_stop = _inner_stop(tails.inner, tails.head, tokenizer.special_texts)
        writes_eos = bool(self._stop) or (bool(tokenizer.eos_text) and tokenizer.eos_text in tails.last)
        self._add_eos = add_eos and not writes_eos and tokenizer.eos_id is not None
        self._add_bos = add_bos and not template.own and tokenizer.adds_bos
        self._adds_eos_to_segments = add_eos and tokenizer.eos_id is not None
        self._counts: Counter[str] = Counter()
        self._unused: Counter[str] = Counter()
        self._speakers: Counter[str] = Counter()
        self._markers = tokenizer.foreign_markers(tails.head + tails.inner + tails.last)

    def render(self, row: dict[str, Any]) -> RenderedRow:
        return self._rendered(self._chat(row))

    def render_all(self, row: dict[str, Any]) -> list[RenderedRow]:
        chat = self._chat(row)
        if self._fits is None:
            return [self._rendered(chat)]
        counts = self._counts.copy()
        pieces = pieces_of(chat, self._piece_fits)
        self._counts = counts  # without what the trials counted
        self._counts["split"] += len(pieces) > 1
        self.more_rows += len(pieces) - 1
        return [self._rendered(piece) for piece in pieces]

    def _piece_fits(self, chat: Chat) -> bool:
        assert self._fits is not None
        try:
            return self._fits(self._rendered(chat))
        except RowFault:
            return False

    def _chat(self, row: dict[str, Any]) -> Chat:
        chat = chat_of(row, self._columns)
        self._count_own_stops(chat)
        self._unused.update(chat.unused)
        self._counts["branches"] += chat.others
        self._speakers.update([chat.speakers] if chat.speakers else [])
        self._counts["formatted"] += chat.formatted
        self._counts["tools"] += bool(chat.tools) and not self._forms.calls
        return chat

    def _count_own_stops(self, chat: Chat) -> None:
        """Counts a chat whose texts end with a stop token that the template writes once more."""
        stops = tuple({stop for stop in (self._stop.strip(), self._inner_stop, self._tokenizer.eos_text) if stop})
        stops = tuple(stop for stop in stops if stop in self._tokenizer.special_texts)
        own = bool(stops) and any(message["content"].rstrip().endswith(stops) for message in chat.messages)
        self._counts["own stops"] += own

    def _rendered(self, chat: Chat) -> RenderedRow:
        if chat.segments:
            row = joined_segments(chat.segments, self._tokenizer, self._adds_eos_to_segments)
            if not chat.formatted:
                return row
            ends = row.text.rstrip().endswith(self._tokenizer.special_texts)  # with a stop of its own
            return replace(row, silent=(), add_eos=row.add_eos and not ends, stops=row.stops or ends)
        messages = formed(chat.messages, self._forms)
        if not self._forms.system:
            messages = self._system_into_user(messages)
        text, messages = self._text(messages, chat.tools)
        spans = find_answers(partial(self._template_text, chat.tools), messages, text)
        if not any(text[start:end].strip() for start, end in spans.values()):
            raise RowFault(f"the chat template ({self._template.name}) leaves out every turn of the assistant")
        self._count_left_out(messages, text, spans)
        return self._with_stops(text, spans, messages, chat, len(messages) - len(chat.messages))

    def _template_text(self, tools: list[Any] | None, messages: list[Message], prompt: bool = False) -> str:
        return self._template.text(messages, tools, prompt)

    def _text(self, messages: list[Message], tools: list[Any] | None) -> tuple[str, list[Message]]:
        """The text, and the messages as the template took them."""
        try:
            return self._template.text(messages, tools), messages
        except RowFault as fault:
            refused = fault
        for what, others in other_ways(messages):
            try:
                text = self._template.text(others, tools)
            except RowFault:
                continue
            self._counts[what] += 1
            return text, others
        calls = sum(len(message.get("tool_calls") or []) for message in messages)
        if calls and not self._forms.calls:
            raise RowFault(
                f"it has {calls} tool calls, which the chat template ({self._template.name}) doesn't support"
            )
        raise refused

    def _count_left_out(self, messages: list[Message], text: str, spans: dict[int, Span]) -> None:
        """Counts thoughts and tool calls that the template does not write."""
        thoughts_name = self._forms.thoughts or "reasoning_content"
        for turn, message in enumerate(messages):
            said = text[slice(*spans[turn])] if turn in spans else ""
            calls = Counter(call["function"]["name"] for call in message.get("tool_calls") or [] if "function" in call)
            self._counts["calls"] += sum(max(0, count - said.count(name)) for name, count in calls.items())
            words = message["content"].rpartition("</think>")[2].strip()  # templates write thoughts in their own way
            self._counts["words"] += bool(calls) and words not in said
            thoughts = message.get(thoughts_name)
            if message["role"] == "assistant" and isinstance(thoughts, str):
                self._counts["thoughts"] += thoughts.strip() not in said

    def _with_stops(
        self, text: str, spans: dict[int, Span], messages: list[Message], chat: Chat, moved: int
    ) -> RenderedRow:
        stopped = {
            turn: span if is_rich(messages[turn]) and not self._is_bare(text, span) else self._with_stop(text, span)
            for turn, span in spans.items()
        }
        last = max(spans)
        unstopped = [
            turn for turn, (_, end) in stopped.items() if end == spans[turn][1] and self._is_bare(text, spans[turn])
        ]
        stops_at_end = self._add_eos or last not in unstopped
        self._counts["unstopped"] += len(unstopped) - (self._add_eos and last in unstopped)
        quiet = {turn: span for turn, span in stopped.items() if turn - moved in chat.silent}
        for turn, (start, end) in spans.items():
            if messages[turn].get("tool_calls") and not text[start:end].strip():
                quiet[turn] = start, self._stop_end(text, end)  # else the model would learn to answer nothing
        silent = tuple(quiet[turn] for turn in sorted(quiet))
        return RenderedRow(text, tuple(stopped.values()), self._add_bos, self._add_eos, stops_at_end, silent=silent)

    def _is_bare(self, text: str, span: Span) -> bool:
        """Whether a turn has words and none of the stops at their end."""
        said = text[slice(*span)].rstrip()
        stops = (*self._tokenizer.special_texts, *((self._stop.strip(),) if self._stop.strip() else ()))
        return bool(said) and not said.endswith(stops)

    def notes(self) -> list[str]:
        name = self._template.name
        sentences = {
            "system": (
                "row",
                "In {} the system text was put before the first user turn: the chat template ({}) has no system role.",
            ),
            "start": (
                "row",
                "In {} the assistant speaks first, which the chat template ({}) refuses: a user turn "
                '"[Start a new chat]" was put before it.',
            ),
            "formatted": (
                "row",
                "In {} the question has the markers of a chat template in it: the text is taken as it is, without the "
                "chat template ({}).",
            ),
            "ids": ("row", "In {} tool calls got ids of nine characters, as the chat template ({}) asks for."),
            "calls": ("tool call", "The chat template ({1}) leaves out {0}: not trained."),
            "tools": ("row", "The chat template ({1}) leaves out the tools of {0}: the model never sees them."),
            "words": (
                "turn",
                "The chat template ({1}) leaves out what {0} say beside tool calls: not trained.",
            ),
            "thoughts": ("turn", "The chat template ({1}) leaves out the thoughts of {0}: not trained."),
            "own stops": (
                "row",
                "In {} a text ends with a stop token of its own, and the chat template ({}) writes one more: remove it "
                "from the rows.",
            ),
            "unstopped": (
                "answer",
                "No stop token that could be trained follows {}: the model doesn't learn to end there.",
            ),
        }
        notes = [
            words.format(counted(self._counts[what], one), name)
            for what, (one, words) in sentences.items()
            if self._counts[what]
        ]
        if self._counts["split"]:
            rows = counted(self._counts["split"] + self.more_rows, "row")
            notes.append(f"{counted(self._counts['split'], 'long chat')} split between turns into {rows}.")
        if self._template.writes_day:
            notes.append(
                f"The chat template ({name}) writes today's date. In every row it is {THE_DAY}, so that a "
                "resumed run trains the same rows."
            )
        if self._markers:
            notes.append(
                f"The chat template ({name}) writes {', '.join(self._markers)[:120]}, which are not tokens of this "
                "model, so they are learned as plain characters. Choose a chat template that fits the model."
            )
        for speakers, count in self._speakers.most_common(2):
            who = f"In {counted(count, 'row')} {beginning(speakers)}"
            notes.append(f'{who}. To choose another, set Columns to "assistant=NAME".')
        return notes + branch_notes(self._counts["branches"]) + unused_notes(self._unused)

    def _with_stop(self, text: str, span: Span) -> Span:
        """The turn with the stop after it and with what the model writes itself before it, such as a channel's name.

        An empty thought that the template writes by itself is not learned.
        """
        start, end = span
        if not text[start:end].strip():
            return span
        if self._opening.strip() and text.endswith(self._opening, 0, start):
            start -= len(self._opening)
        return start, self._stop_end(text, end)

    def _stop_end(self, text: str, end: int) -> int:
        """Where the stop after a turn that ends at `end` ends; `end`: there is none."""
        rest = text[end : end + 1000]
        blank = len(rest) - len(rest.lstrip())
        for stop in (self._stop.lstrip(), self._inner_stop):
            if stop and rest.startswith(stop, blank):
                return end + blank + len(stop)
        return end

    def _system_into_user(self, messages: list[Message]) -> list[Message]:
        if messages[0]["role"] != "system":
            return messages
        if len(messages) < 2 or messages[1]["role"] != "user":
            raise RowFault(f"the chat template ({self._template.name}) has no system role, and no user turn follows it")
        self._counts["system"] += 1
        joined = messages[0]["content"].strip() + "\n\n" + messages[1]["content"]
        return [{**messages[1], "content": joined}, *messages[2:]]


def branch_notes(count: int) -> list[str]:
    """A sentence on so many messages that are in no branch that is trained."""
    messages = counted(count, "message")
    kinds = "earlier versions, and answers that were not chosen"
    return [f"Left out: {messages} of other branches of the chats ({kinds})."] if count else []


def unused_notes(unused: Counter[str]) -> list[str]:
    """A sentence on the fields that rows have and nothing uses, with their counts."""
    if not unused:
        return []
    named = ", ".join(f'"{beginning(name)}" ({count})' for name, count in unused.most_common(_NAMED_FIELDS))
    more = f" and {len(unused) - _NAMED_FIELDS} more" if len(unused) > _NAMED_FIELDS else ""
    return [f"Fields that are not used, with the number of rows that have them: {named}{more}."]
