"""Chat templates: the model's own or a file of the host, rendered in transformers' sandbox.

A template is a function that can't be looked into, so what it takes is found by rendering: a system message, thoughts
and under which name, tool calls and in which form. That costs some ten renderings of 0.1 ms once a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import jinja2
import yaml

from training_pro.data.rendering.messages_for import OBJECT, TEXT, Forms, formed
from training_pro.data.rendering.time_limit import within_seconds
from training_pro.data.rows.bad_rows import RowFault
from training_pro.data.rows.turns import THOUGHT_FIELDS, Message
from training_pro.errors import DataError
from training_pro.folders import is_file
from training_pro.words import reason_of

PROBE_SECONDS = 10
THE_DAY = "1 January 2026"  # what templates write as today, on every day of a run
_DATE_PARTS = {
    "%Y": "2026", "%m": "01", "%-d": "1", "%d": "01", "%B": "January", "%b": "Jan", "%A": "Thursday", "%a": "Thu",
    "%y": "26", "%H": "12", "%I": "12", "%M": "00", "%S": "00", "%p": "PM", "%e": " 1", "%j": "001",
    "%F": "2026-01-01", "%D": "01/01/26", "%x": "01/01/26", "%T": "12:00:00", "%X": "12:00:00", "%R": "12:00",
    "%c": "Thu Jan  1 12:00:00 2026", "%-m": "1", "%-H": "12", "%-I": "12", "%h": "Jan", "%Z": "UTC", "%z": "+0000",
    "%w": "4", "%u": "4", "%U": "00", "%W": "00", "%V": "01", "%G": "2026", "%f": "000000", "%s": "1767268800",
}  # fmt: skip
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
_ASKS_FOR_DAY = "strftime_now"
# Private-use characters: no template gives them another case, trims them or writes them itself.
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_BORDERS = range(0xF700, 0xF8FF)
_DIGITS = 0xE000


def unused_marks(texts: Iterable[str], count: int) -> list[str]:
    """`count` short strings of private-use characters, none of whose borders occur in `texts`.

    Raises:
        RowFault: the texts use all of them.
    """
    used = {char for text in texts for char in _PRIVATE.findall(text)}
    border = next((chr(code) for code in _BORDERS if chr(code) not in used), None)
    if border is None:
        raise RowFault("it uses every private-use character")
    return [border + chr(_DIGITS + number // 256) + chr(_DIGITS + number % 256) + border for number in range(count)]


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
        raise DataError(
            f"There is no chat template {name[:80]!r}. Leave it empty or choose one of: {known}.",
            option='--set chat_template=""',
            setting="chat_template",
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix in (".jinja", ".jinja2"):
            return text
        values = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = reason_of(error, 160)
        raise _template_fault(f"The chat template {path.name} can't be read ({reason}). Correct the file.") from None
    template = values.get("instruction_template") if isinstance(values, dict) else None
    if not isinstance(template, str) or not template.strip():
        raise _template_fault(
            f"The chat template {path.name} has no text under instruction_template. Correct the file."
        )
    return template


def _template_fault(sentence: str) -> DataError:
    return DataError(sentence, option="--set chat_template=NAME", setting="chat_template")


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
        raise _template_fault(
            f"The chat template ({name}) uses {bomb[:20]!r}, which could block this program. Choose another template."
        )


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


def has_template(tokenizer: Any, name: str) -> bool:
    """Whether there is a template to render chats with: one that was chosen by `name`, or the model's own."""
    return bool(name or getattr(tokenizer, "chat_template", None))


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
        raise _template_fault(f'The model has no chat template of its own. Choose one under "Chat template": {known}.')
    return ChatTemplate(tokenizer, None, "")


def with_one_day(template: str) -> str:
    """The template with a `strftime_now` of its own that writes `THE_DAY`, so that a run that is resumed on another
    day trains the same rows."""
    if _ASKS_FOR_DAY not in template:
        return template
    filters = "".join(f"|replace({part!r}, {written!r})" for part, written in _DATE_PARTS.items())
    return f'{{%- macro {_ASKS_FOR_DAY}(format) -%}}{{{{- format{filters} -}}}}{{%- endmacro %}}{{{{- "" }}}}{template}'


@dataclass(frozen=True)
class Tails:
    """What a template writes around plain answers: after one that ends the conversation; after one whatever follows (""
    where it refuses that); before the first question; and between the start of an answer, as a model gets it when it is
    to write, and the answer's words."""

    last: str
    inner: str
    head: str
    opening: str


class ChatTemplate:
    """A template with the tokenizer it is rendered by. `own` says that it is the model's."""

    def __init__(self, tokenizer: Any, template: str | None, name: str) -> None:
        self._tokenizer = tokenizer
        self.name = name or "the model's own"
        self.own = template is None
        own = getattr(tokenizer, "chat_template", None)
        text = own if template is None and isinstance(own, str) else template
        self.writes_day = isinstance(text, str) and _ASKS_FOR_DAY in text
        self._template = with_one_day(text) if text is not None and (self.writes_day or not self.own) else None

    def text(self, messages: list[Message], tools: list[Any] | None = None, prompt: bool = False) -> str:
        """What the template makes of the conversation; with `prompt` followed by the start of an answer.

        Raises:
            RowFault: it refuses the conversation or fails.
        """
        try:
            text = self._rendered(messages, tools or None, prompt)
        except _TEMPLATE_FAULTS as error:
            reason = reason_of(error, 160)
            raise RowFault(f"the chat template ({self.name}) refuses it: {reason}") from None
        if not isinstance(text, str):
            raise RowFault(f"the chat template ({self.name}) gave no text")
        return text

    @cached_property
    def takes_parts(self) -> bool:
        """Whether it wants a turn's content as a list of parts, as templates of models that see pictures do."""
        question, answer = unused_marks([], 2)
        asked = [_message("user", question), _message("assistant", answer)]
        return answer not in self._text_of(asked) and answer in self._text_of(_parts(asked))

    def _text_of(self, messages: list[Message]) -> str:
        try:
            return str(self._call(messages, None, False))
        except _TEMPLATE_FAULTS:
            return ""

    def _rendered(self, messages: list[Message], tools: list[Any] | None, prompt: bool) -> Any:
        return self._call(_parts(messages) if self.takes_parts else messages, tools, prompt)

    def _call(self, messages: list[Message], tools: list[Any] | None, prompt: bool) -> Any:
        if self._template is None:
            return self._tokenizer.apply_chat_template(
                messages, tools=tools, tokenize=False, add_generation_prompt=prompt
            )
        from transformers.utils.chat_template_utils import render_jinja_template

        texts, _ = render_jinja_template(
            conversations=[messages],
            tools=tools,
            chat_template=self._template,
            add_generation_prompt=prompt,
            **self._tokenizer.special_tokens_map,
        )
        return texts[0]

    @cached_property
    def forms(self) -> Forms:
        """Under which names and in which form it takes thoughts and tool calls, and whether a system message."""
        return Forms(self._takes_system(), self._thoughts_name(), self._call_form())

    def _takes_system(self) -> bool:
        first, second, third = unused_marks([], 3)
        messages = [_message("system", first), _message("user", second), _message("assistant", third)]
        return first in self._probed_or_nothing(messages)

    def _thoughts_name(self) -> str:
        """The first name under which thoughts get into the text, before words or before a call."""
        question, answer, thought = unused_marks([], 3)
        call = {"id": "probe0000", "type": "function", "function": {"name": "probe", "arguments": {}}}
        for name in THOUGHT_FIELDS:
            for said in ({"content": answer}, {"content": "", "tool_calls": [call]}):
                turn = {"role": "assistant", **said, name: thought}
                if thought in self._probed_or_nothing([_message("user", question), turn]):
                    return name
        return ""

    def _call_form(self) -> str:
        """`OBJECT` or `TEXT`: the form of arguments that gets into the text once encoded; "" where calls are left out.

        `OBJECT` too where it can't be found because the template refuses the probe.
        """
        question, name, key, value = unused_marks([], 4)
        call = {"id": "probe0000", "type": "function", "function": {"name": name, "arguments": {key: value}}}
        parameters = {"type": "object", "properties": {key: {"type": "string"}}}
        tool = {"type": "function", "function": {"name": name, "description": "", "parameters": parameters}}
        asked = [_message("user", question), {**_message("assistant", ""), "tool_calls": [call]}]
        refused = True
        for form in (OBJECT, TEXT):
            text = self._probed_or_nothing(formed(asked, Forms(True, "", form)), [tool])
            refused &= not text
            said = text.rpartition(question)[2]
            if value in said and f'\\"{key}' not in said and f"'{key}'" not in said:
                return form
        return OBJECT if refused else ""

    def tails(self) -> Tails:
        """What the template writes around plain answers.

        Raises:
            DataError: the template can't even render one question and one answer.
        """
        question, answer, more, third = unused_marks([], 4)
        asked = [_message("user", question), _message("assistant", answer)]
        try:
            text = self._probed(asked)
        except RowFault as fault:
            raise _template_fault(
                f"A plain question and answer can't be rendered: {fault}. Choose another template."
            ) from None
        if text.count(answer) != 1:
            raise _template_fault(
                f"The chat template ({self.name}) writes an answer {text.count(answer)} times. Choose another template."
            )
        followed = [
            self._probed_or_nothing([*asked, _message(role, more), _message("assistant", third)]).partition(answer)[2]
            for role in ("user", "assistant", "tool")
        ]
        known = [tail for tail in followed if tail]
        inner = reduce(common_start, known) if known else ""
        prompt, before = self._prompt(asked[:1]), text.partition(answer)[0]
        opening = before[len(prompt) :] if prompt and before.startswith(prompt) else ""
        return Tails(text.partition(answer)[2], inner, text.partition(question)[0], opening)

    def _prompt(self, messages: list[Message]) -> str:
        """What a model gets when it is to write an answer; "" where the template writes nothing for that."""
        try:
            prompt, without = self._probed(messages, prompt=True), self._probed(messages)
        except RowFault:
            return ""
        return prompt if len(prompt) > len(without) else ""

    def _probed_or_nothing(self, messages: list[Message], tools: list[Any] | None = None) -> str:
        try:
            return self._probed(messages, tools)
        except RowFault:
            return ""

    def _probed(self, messages: list[Message], tools: list[Any] | None = None, prompt: bool = False) -> str:
        """As `text`, for a few short messages.

        Raises:
            DataError: it takes too long, or writes far too much.
        """
        try:
            text = within_seconds(PROBE_SECONDS, lambda: self.text(messages, tools, prompt))
        except TimeoutError:
            raise _template_fault(
                f"The chat template ({self.name}) needs more than {PROBE_SECONDS} seconds for one question and answer. "
                "Choose another template."
            ) from None
        if len(text) > _MOST_PROBE_CHARS:
            raise _template_fault(
                f"The chat template ({self.name}) makes {len(text):,} characters of one question and answer. "
                "Choose another template."
            )
        return text


def common_start(first: str, second: str) -> str:
    """What both texts begin with."""
    count = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), None)
    return first[:count] if count is not None else min(first, second, key=len)


def _parts(messages: list[Message]) -> list[Message]:
    return [{**message, "content": [{"type": "text", "text": message["content"]}]} for message in messages]


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}
