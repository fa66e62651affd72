"""What the fields of a row mean: by their usual names in any case, or as a person chose.

``Columns`` is that choice: "prompt=Frage,answer=Antwort,system=Rolle,text=Titel+Inhalt,ignore=Id,assistant=Otter".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from training_pro.errors import DataError

ROLES = ("prompt", "input", "answer", "system", "history", "thoughts", "text", "ignore", "user", "assistant")
USUAL: Mapping[str, tuple[str, ...]] = {
    "prompt": (
        "instruction", "prompt", "question", "query", "user", "human", "problem", "request", "q", "input_text",
        "user_input", "user_message", "inputs", "source", "message", "frage", "anweisung", "consigne", "pregunta",
        "instrucción", "domanda", "pergunta", "вопрос", "问题", "指令", "質問", "질문", "input",
    ),
    "input": ("input", "context", "passage", "paragraph"),
    "answer": (
        "output", "response", "answer", "completion", "assistant", "target", "reply", "gpt", "bot", "chosen",
        "solution", "a", "output_text", "target_text", "model_output", "assistant_response", "generation", "answers",
        "targets", "summary", "highlights", "answerkey", "antwort", "réponse", "respuesta", "risposta", "resposta",
        "ответ", "答案", "回答", "답변",
    ),
    "system": ("system", "system_prompt", "systemprompt", "system_message", "system_instruction", "systeminstruction"),
    "history": ("history", "chat_history"),
    "thoughts": ("reasoning_content", "reasoning", "thinking", "thoughts", "thought"),
    "text": (
        "text", "content", "body", "story", "article", "document", "passage", "contents", "page_content", "full_text",
        "lyrics", "poem", "quote", "post", "tweet", "paragraph",
    ),
}  # fmt: skip
CHAT_FIELDS = (
    *("messages", "conversations", "conversation", "turns", "dialogue", "dialog", "dialogs", "contents", "chat"),
    *("utterances", "history_messages"),
)
_INPUTS = frozenset(USUAL["input"])
SAMPLE_CHARS = 40
MOST_NAME_CHARS = 100  # of a name that is compared


def folded(name: Any) -> str:
    """A field's name as it is compared: "System Prompt" is "system_prompt"."""
    return _folded(str(name)[:MOST_NAME_CHARS])


@lru_cache(maxsize=4096)
def _folded(name: str) -> str:
    return "_".join(name.lower().replace("-", " ").replace("_", " ").split())


@dataclass(frozen=True)
class Columns:
    """Which fields are what, as a person chose; `fields` has their names by role, empty: the usual names."""

    fields: Mapping[str, tuple[str, ...]]

    def __bool__(self) -> bool:
        return bool(self.fields)

    def __getitem__(self, role: str) -> tuple[str, ...]:
        return self.fields.get(role, ())

    @property
    def names_fields(self) -> bool:
        """Whether it says which field is the prompt, the answer or the text (not only who speaks)."""
        return bool(self["prompt"] or self["answer"] or self["text"])

    def __str__(self) -> str:
        return ",".join(f"{role}={'+'.join(names)}" for role, names in self.fields.items())


NO_COLUMNS = Columns({})


def parse_columns(text: str) -> Columns:
    """The choice that `text` makes: ``role=field`` separated by commas, several fields of a role by "+".

    Raises:
        DataError: no such role, a role without a field, or neither answer nor text is named.
    """
    found: dict[str, tuple[str, ...]] = {}
    for part in (part.strip() for part in text.split(",")):
        role, is_pair, names = part.partition("=")
        role, fields = folded(role), tuple(name.strip() for name in names.split("+") if name.strip())
        if part and (not is_pair or role not in ROLES or not fields):
            raise DataError(
                f"Columns has {part[:60]!r}, which is not role=column. Roles: {', '.join(ROLES)}.",
                option='--set columns="prompt=COLUMN,answer=COLUMN"',
                setting="columns",
            )
        if part:
            found[role] = (*found.get(role, ()), *fields)
    columns = Columns(found)
    if found.keys() & {"prompt", "input", "system", "history"} and not columns["answer"] and not columns["assistant"]:
        raise DataError(
            f"Columns is {text[:80]!r}, which names no answer. Add answer=COLUMN.",
            option=f'--set columns="{text[:80]},answer=COLUMN"',
            setting="columns",
        )
    return columns


def filled(value: Any) -> bool:
    """Whether a field holds something."""
    return value is not None and value != "" and value != [] and value != {}


def field_named(row: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The row's own name of the first filled field among `names`, whatever the case."""
    own = {folded(name): name for name, value in row.items() if filled(value)}
    return next((own[name] for name in map(folded, names) if name in own), None)


def text_field(row: Mapping[str, Any], columns: Columns) -> tuple[str, ...]:
    """The fields that make a text row's text: those chosen, else the one with a usual name; () for none."""
    if columns["text"]:
        own = {folded(name): name for name in row}
        return tuple(own[folded(name)] for name in columns["text"] if folded(name) in own)
    name = field_named(row, USUAL["text"])
    return () if name is None else (name,)


def exchange_fields(row: Mapping[str, Any], columns: Columns) -> dict[str, tuple[str, ...]]:
    """The row's fields by what they are: prompt, input, answer, system, history, thoughts.

    Of several usual names for one thing the first that is filled counts, and "input" is the prompt where there is no
    other. More than one candidate for the answer is no plain meaning: then there is none.
    """
    own = {folded(name): name for name, value in row.items() if filled(value)}
    if columns.names_fields:
        return {
            role: found
            for role, names in columns.fields.items()
            if (found := tuple(own[folded(name)] for name in names if folded(name) in own))
        }
    present = {role: [own[name] for name in names if name in own] for role, names in USUAL.items() if role != "text"}
    if len(present["answer"]) > 1:
        present["answer"] = _only_chosen(present["answer"], own)
    prompts = [name for name in present["prompt"] if folded(name) not in _INPUTS]
    prompts = [name for name in prompts if folded(name) != "source"] or prompts  # beside a prompt: where it is from
    inputs = present["input"]
    if not prompts and inputs:
        prompts, inputs = inputs[:1], inputs[1:]
    if not prompts and present["answer"]:
        prompts = [own[name] for name in USUAL["text"] if name in own][:1]
    single = {**present, "prompt": prompts if len(prompts) == 1 else [], "input": inputs}
    return {
        role: tuple(names if role == "input" else names[:1])
        for role, names in single.items()
        if names
    }  # fmt: skip


def _only_chosen(answers: list[str], own: Mapping[str, str]) -> list[str]:
    """Beside a rejected answer the chosen one is the answer."""
    return [own["chosen"]] if "chosen" in own and "rejected" in own else []


def samples_of(row: Mapping[str, Any]) -> str:
    """The row's columns with how each begins: "title (The lock), score (12)"."""
    shown = [f"{str(name)[:40]} ({' '.join(str(value).split())[:SAMPLE_CHARS]})" for name, value in row.items()]
    return ", ".join(shown)[:400]
