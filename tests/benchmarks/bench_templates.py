"""Are exactly the assistant's words, thoughts and tool calls trained under each chat template of a folder?

`python -m tests.benchmarks bench_templates --data FOLDER`, where FOLDER holds `*.jinja` files, at any depth: those of
the `trl` wheel, say (`pip download trl --no-deps`, then unzip it). Without such files there is nothing to measure.

Each turn of six conversations has words that occur nowhere else. `wrong` counts conversations where a word of the
assistant that is in the text is not trained, or anybody else's word is, or where a template that marks the assistant's
part itself (`{% generation %}`) marks another one (an empty thought that the template writes by itself, the start of an
answer that a model is given, and a stop that the template does not mark apart). `refused`
counts those that get a sentence in place of samples. `left_out` counts what a template does not write, all of it said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from tests.data.tiny import tiny_tokenizer
from training_pro.data.rendering.chat import ChatRenderer
from training_pro.data.rendering.messages_for import formed
from training_pro.data.rendering.rendering import RenderedRow
from training_pro.data.rendering.templates import ChatTemplate, with_one_day
from training_pro.data.rows.bad_rows import RowFault
from training_pro.data.rows.chats import chat_of
from training_pro.data.tokens import RowTokenizer
from training_pro.errors import DataError

MARKER = re.compile(r"<\|[^|<>\s'\"]{1,40}\|?>|<\uff5c[^\uff5c<>\s]{1,40}\uff5c>|</?s>|<[a-z_]+\|>|<\w+_of_\w+>")
OWN_WORD, OTHER_WORD = re.compile(r"\b(?:Ans|Tho|Arg)\w+"), re.compile(r"\b(?:Que|Sys|Res)\w+")
EMPTY_THOUGHT = re.compile(r"<think>\s*</think>\s*")
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a town.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}


def asked(words: str) -> dict[str, Any]:
    return {"role": "user", "content": words}


def said(words: str | None, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": words, **more}


def calls(town: str) -> dict[str, Any]:
    function = {"name": "weather", "arguments": json.dumps({"town": town})}
    return {"tool_calls": [{"id": "call_1", "type": "function", "function": function}]}


def result(words: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": "call_1", "content": words}


SYSTEM = {"role": "system", "content": "Sysone systwo."}
TALKS: dict[str, dict[str, Any]] = {
    "plain": {"messages": [asked("Queone?"), said("Ansone.")]},
    "system": {"messages": [SYSTEM, asked("Queone?"), said("Ansone.")]},
    "turns": {"messages": [SYSTEM, asked("Queone?"), said("Ansone."), asked("Quetwo?"), said("Anstwo.")]},
    "thinking": {
        "messages": [
            asked("Queone?"), said("Ansone.", thinking="Thoone."),
            asked("Quetwo?"), said("Anstwo.", reasoning="Thotwo."),
        ]
    },
    "tools": {
        "messages": [asked("Queone?"), said(None, **calls("Argone")), result("Resone."), said("Ansone.")],
        "tools": [TOOL],
    },
    "tools and words": {
        "messages": [
            SYSTEM, asked("Queone?"), said("Ansone.", **calls("Argone")), result("Resone."), said("Anstwo."),
            asked("Quetwo?"), said("", **calls("Argtwo")), result("Restwo."), said("Ansthree."),
        ],
        "tools": [TOOL],
    },
    "tools and thoughts": {
        "messages": [
            asked("Queone?"), said(None, thinking="Thoone.", **calls("Argone")), result("Resone."),
            said("Ansone.", thinking="Thotwo."), asked("Quetwo?"), said("Anstwo."),
        ],
        "tools": [TOOL],
    },
}  # fmt: skip


@dataclass
class Verdicts:
    """Counts of conversations under one template."""

    exact: int = 0
    refused: int = 0
    wrong: int = 0
    left_out: int = 0
    faults: list[str] = field(default_factory=list)


def figures(data: Path) -> Iterator[dict[str, Any]]:
    """A line for each template, and one for all."""
    paths = sorted(data.rglob("*.jinja"))
    every = Verdicts()
    for path in paths:
        found = verdicts(path.stem, path.read_text(encoding="utf-8"))
        for name in ("exact", "refused", "wrong", "left_out"):
            setattr(every, name, getattr(every, name) + getattr(found, name))
        yield {"name": "templates", "template": path.stem, **asdict(found)}
    if paths:
        counts = asdict(every)
        yield {"name": "templates_all", "templates": len(paths), "talks": len(TALKS), **counts, "faults": every.wrong}


def verdicts(name: str, template: str) -> Verdicts:
    """What becomes of the conversations under one template."""
    tokenizer = tiny_tokenizer(template, control=tuple(dict.fromkeys(MARKER.findall(template))))
    found = Verdicts()
    for talk, row in TALKS.items():
        try:
            made = ChatTemplate(tokenizer, None, name)
            renderer = ChatRenderer(made, RowTokenizer(tokenizer), True, True)
            rendered = renderer.render(row)
        except (RowFault, DataError) as error:
            found.refused += 1
            found.faults.append(f"{talk}: {error}")
            continue
        found.left_out += any("left out" in note for note in renderer.notes())
        fault = _fault(rendered) or _differs_from_marks(rendered, made, tokenizer, template, row)
        found.exact += not fault
        found.wrong += bool(fault)
        found.faults += [f"{talk}: {fault}"] if fault else []
    return found


def _fault(row: RenderedRow) -> str:
    trained = "\0".join(row.text[start:end] for start, end in row.answers)
    untrained = OWN_WORD.findall(row.text)
    for word in OWN_WORD.findall(trained):
        untrained.remove(word)
    others = OTHER_WORD.findall(trained)
    return f"not trained: {untrained}" if untrained else f"trained: {others}" if others else ""


def _differs_from_marks(row: RenderedRow, made: ChatTemplate, tokenizer: Any, template: str, talk: Any) -> str:
    """How the trained parts differ from those that the template marks itself; "" where it marks none."""
    from transformers.utils.chat_template_utils import render_jinja_template

    if not re.search(r"{%-?\s*generation\s*-?%}", template):
        return ""
    chat = chat_of(talk)
    messages = formed(chat.messages, made.forms)
    if made.takes_parts:
        messages = [{**turn, "content": [{"type": "text", "text": turn["content"]}]} for turn in messages]
    try:
        texts, marked = render_jinja_template(
            conversations=[messages], tools=chat.tools, chat_template=with_one_day(template),
            return_assistant_tokens_mask=True, **tokenizer.special_tokens_map,
        )  # fmt: skip
    except jinja2.TemplateError:
        return ""
    if texts[0] != row.text:
        return ""  # the system text was moved, or ids were changed: then its marks are those of another text
    ours = [row.text[start:end] for start, end in row.answers if start < end]
    theirs = [texts[0][start:end] for start, end in marked[0]]
    given = _given(made, formed(chat.messages, made.forms), chat.tools)
    same = _bare(ours, given) == _bare(theirs, given)
    stops = len(ours) != len(theirs) or all(map(_has_its_stop, ours, theirs))
    return "" if same and stops else f"{ours!r}, the template marks {theirs!r}"


def _given(made: ChatTemplate, messages: list[dict[str, Any]], tools: Any) -> list[str]:
    """What a model is given as the start of each answer."""
    starts = []
    for turn in (place for place, message in enumerate(messages) if message["role"] == "assistant"):
        try:
            until, prompt = made.text(messages[:turn], tools), made.text(messages[:turn], tools, prompt=True)
        except RowFault:
            continue
        starts.append(prompt[len(until) :])
    return [start for start in starts if start]


def _has_its_stop(ours: str, theirs: str) -> bool:
    """Whether the marker that ends their part is in ours."""
    last = [mark for mark in MARKER.findall(theirs[-60:]) if theirs.rstrip().endswith(mark)]
    return not last or last[-1] in ours[-80:]


def _bare(parts: list[str], given: list[str]) -> str:
    """Without white space, markers, empty thoughts and starts of answers: words and syntax alone."""
    text = ""
    for part in (EMPTY_THOUGHT.sub("", part) for part in parts):
        starts = [start[place:] for start in given for place in range(len(start)) if part.startswith(start[place:])]
        text += part.removeprefix(max(starts, key=len, default=""))
    for start in given:
        text = text.replace(start, "")
    return "".join(MARKER.sub("", text).split())
