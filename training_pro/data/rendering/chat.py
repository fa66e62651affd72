"""Conversations through a chat template: one call a row gives the text, probing calls find the answers in it.

The template is the model's own, or one of the host's instruction templates by name. It runs in transformers'
sandbox. It writes BOS and EOS itself; what it leaves out is said or added, never doubled. A row costs two
renderings (some 0.1 ms each), more only where the template rewrites what the assistant said.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import yaml

from training_pro.data.rendering.answer_spans import find_answers, unused_marks
from training_pro.data.rendering.conversations import Message, conversation_of
from training_pro.data.rendering.rendering import RenderedRow, Span
from training_pro.data.rendering.time_limit import within_seconds
from training_pro.data.rows.bad_rows import RowFault
from training_pro.data.tokens import RowTokenizer
from training_pro.errors import DataError
from training_pro.folders import is_file

PROBE_SECONDS = 10
_MOST_PROBE_CHARS = 1_000_000
_LARGEST_NUMBER = 1_000_000
TEMPLATE_SUFFIXES = (".yaml", ".yml", ".jinja", ".jinja2")
_TEMPLATE_FAULTS = (
    jinja2.TemplateError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)


def list_templates(folder: Path) -> list[str]:
    """The host's instruction templates by name."""
    if not folder.is_dir():
        return []
    return sorted({path.stem for path in folder.iterdir() if path.suffix in TEMPLATE_SUFFIXES})


def load_template(name: str, folder: Path) -> str:
    """The Jinja text of the host's instruction template `name`.

    Raises:
        DataError: no such template, unreadable, or a YAML file without ``instruction_template``.
    """
    plain = Path(name).name == name
    places = [folder / (name + suffix) for suffix in TEMPLATE_SUFFIXES] if plain else []
    path = next((place for place in places if is_file(place)), None)
    if path is None:
        known = ", ".join(list_templates(folder))[:300] or "none"
        raise DataError(f"There is no chat template {name[:80]!r}; leave it empty or choose one of: {known}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix in (".jinja", ".jinja2"):
            return text
        values = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"The chat template {path.name} can't be read ({reason}); correct the file.") from None
    template = values.get("instruction_template") if isinstance(values, dict) else None
    if not isinstance(template, str) or not template.strip():
        raise DataError(f"The chat template {path.name} has no text under instruction_template; correct the file.")
    return template


class ChatTemplate:
    """A template with the tokenizer it is rendered by. `own` says that it is the model's."""

    def __init__(self, tokenizer: Any, template: str | None, name: str) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self.name = name or "the model's own"
        self.own = template is None

    def text(self, messages: list[Message], tools: list[Any] | None = None) -> str:
        """What the template makes of the conversation.

        Raises:
            RowFault: it refuses the conversation or fails.
        """
        try:
            text = self._rendered(messages, tools or None)
        except _TEMPLATE_FAULTS as error:
            reason = " ".join(str(error).split())[:160] or type(error).__name__
            raise RowFault(f"the chat template ({self.name}) refuses it: {reason}") from None
        if not isinstance(text, str):
            raise RowFault(f"the chat template ({self.name}) gave no text")
        return text

    def _rendered(self, messages: list[Message], tools: list[Any] | None) -> Any:
        if self._template is None:
            return self._tokenizer.apply_chat_template(messages, tools=tools, tokenize=False)
        from transformers.utils.chat_template_utils import render_jinja_template

        texts, _ = render_jinja_template(
            conversations=[messages],
            tools=tools,
            chat_template=self._template,
            **self._tokenizer.special_tokens_map,
        )
        return texts[0]

    def takes_system(self) -> bool:
        """Whether a system message gets into the text."""
        first, second, third = unused_marks([], 3)
        messages = [_message("system", first), _message("user", second), _message("assistant", third)]
        try:
            return first in self._probed(messages)
        except RowFault:
            return False

    def after_last_answer(self) -> str:
        """What the template writes after an answer that ends the conversation.

        Raises:
            DataError: the template can't even render one question and one answer.
        """
        question, answer = unused_marks([], 2)
        try:
            text = self._probed([_message("user", question), _message("assistant", answer)])
        except RowFault as fault:
            raise DataError(
                f"A plain question and answer can't be rendered: {fault}; choose another template."
            ) from None
        if text.count(answer) != 1:
            raise DataError(
                f"The chat template ({self.name}) writes an answer {text.count(answer)} times; choose another template."
            )
        return text[text.index(answer) + len(answer) :]

    def _probed(self, messages: list[Message]) -> str:
        """As `text`, for a few short messages.

        Raises:
            DataError: it takes too long, or writes far too much.
        """
        try:
            text = within_seconds(PROBE_SECONDS, lambda: self.text(messages))
        except TimeoutError:
            raise DataError(
                f"The chat template ({self.name}) needs more than {PROBE_SECONDS} seconds for one question and answer; "
                "choose another template."
            ) from None
        if len(text) > _MOST_PROBE_CHARS:
            raise DataError(
                f"The chat template ({self.name}) makes {len(text):,} characters of one question and answer; "
                "choose another template."
            )
        return text


def refuse_bombs(template: str, name: str) -> None:
    """Refuses powers and huge numbers: one operation with them can fill the memory or last for hours, during which
    nothing can end it. No template that only writes a conversation has them.

    Raises:
        DataError: naming what was found.
    """
    try:
        tokens = [(kind, word) for _, kind, word in jinja2.Environment().lex(template)]
    except jinja2.TemplateError:
        return  # rendering says it better
    bomb = next((word for kind, word in tokens if _is_bomb(kind, word)), "")
    if bomb:
        raise DataError(f"The chat template ({name}) computes with {bomb[:20]!r}; choose another template.")


def _is_bomb(kind: str, word: str) -> bool:
    if kind == "integer":
        return len(word) > len(str(_LARGEST_NUMBER)) or int(word, 0) > _LARGEST_NUMBER
    return kind == "operator" and word == "**"


def check_template(name: str, folder: Path) -> None:
    """Whether the host's template `name` can be read.

    Raises:
        DataError: no such template, or a broken one.
    """
    refuse_bombs(load_template(name, folder), name)


def make_template(tokenizer: Any, name: str, folder: Path) -> ChatTemplate:
    """The host's template `name`, or the model's own for an empty name.

    Raises:
        DataError: no such template, or the model has none.
    """
    if name:
        written = load_template(name, folder)
        refuse_bombs(written, name)
        return ChatTemplate(tokenizer, written, name)
    own = getattr(tokenizer, "chat_template", None)
    if isinstance(own, str):
        refuse_bombs(own, "the model's own")
    if not own:
        known = ", ".join(list_templates(folder)) or "none found"
        raise DataError(f'The model has no chat template of its own; choose one under "Chat template": {known}.')
    return ChatTemplate(tokenizer, None, "")


def stop_after_answer(tail: str, special_texts: tuple[str, ...]) -> str:
    """The part of `tail`, what a template writes after a last answer, that ends the answer.

    Up to the first control token where there is one at its start, else all of it but white space at its end.
    """
    blank = len(tail) - len(tail.lstrip())
    for special in special_texts:
        if tail.startswith(special, blank):
            return tail[: blank + len(special)]
    return tail.rstrip()


def _tools_of(row: dict[str, Any]) -> list[Any] | None:
    """The row's tools for the template: a list, or such a list as JSON text, which is all that a CSV can hold.

    Raises:
        RowFault: they are something else.
    """
    tools = row.get("tools")
    if isinstance(tools, str) and tools.strip():
        try:
            tools = json.loads(tools)
        except (ValueError, RecursionError):
            raise RowFault("its tools are text that is no JSON list") from None
    if not tools:
        return None
    if not isinstance(tools, list):
        raise RowFault("its tools are not a list")
    return tools


class ChatRenderer:
    """Chat rows to text with the assistant's turns marked, stop strings included."""

    def __init__(self, template: ChatTemplate, tokenizer: RowTokenizer, add_bos: bool, add_eos: bool) -> None:
        self._template = template
        self._bos_text = tokenizer.bos_text
        tail = template.after_last_answer()
        self._stop = stop_after_answer(tail, tokenizer.special_texts)
        self._takes_system = template.takes_system()
        writes_eos = bool(self._stop) or (bool(tokenizer.eos_text) and tokenizer.eos_text in tail)
        self._add_eos = add_eos and not writes_eos and tokenizer.eos_id is not None
        self._add_bos = add_bos and not template.own and tokenizer.adds_bos
        self._systems_moved = self._turns_without_stop = 0

    def render(self, row: dict[str, Any]) -> RenderedRow:
        messages = conversation_of(row)
        if not self._takes_system:
            messages = self._system_into_user(messages)
        tools = _tools_of(row)
        text = self._template.text(messages, tools)
        answers = find_answers(lambda changed: self._template.text(changed, tools), messages, text)
        if not any(text[start:end].strip() for start, end in answers):
            raise RowFault(f"the chat template ({self._template.name}) leaves out every turn of the assistant")
        with_stops = tuple(self._with_stop(text, span) for span in answers)
        unstopped = [start for (start, end), (_, stop) in zip(answers, with_stops, strict=True) if stop == end > start]
        stops_at_end = self._add_eos or answers[-1][0] not in unstopped
        self._turns_without_stop += len(unstopped) - (self._add_eos and answers[-1][0] in unstopped)
        return RenderedRow(text, with_stops, self._add_bos, self._add_eos, stops_at_end)

    def notes(self) -> list[str]:
        notes = []
        if self._systems_moved:
            notes.append(
                f"The chat template ({self._template.name}) has no system role: in {self._systems_moved} rows the "
                "system text was put before the first user turn."
            )
        if self._turns_without_stop:
            notes.append(
                f"{self._turns_without_stop} of the assistant's turns are followed by no stop token that could be "
                "trained: the model is not taught to end there."
            )
        return notes

    def _with_stop(self, text: str, span: Span) -> Span:
        start, end = span
        if not text[start:end].strip() or not self._stop:
            return span
        rest = text[end:]
        blank = len(rest) - len(rest.lstrip())
        stop = self._stop.lstrip()
        return (start, end + blank + len(stop)) if rest.startswith(stop, blank) else span

    def _system_into_user(self, messages: list[Message]) -> list[Message]:
        if messages[0]["role"] != "system":
            return messages
        if len(messages) < 2 or messages[1]["role"] != "user":
            raise RowFault(f"the chat template ({self._template.name}) has no system role, and no user turn follows it")
        self._systems_moved += 1
        joined = messages[0]["content"].strip() + "\n\n" + messages[1]["content"]
        return [{**messages[1], "content": joined}, *messages[2:]]


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}
