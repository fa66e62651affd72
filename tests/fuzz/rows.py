"""Dataset files, format files and chat templates: any bytes in them become rows and texts, or a sentence."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq

from tests.attack.refusing import unclear
from tests.data.row_files import chat as chat_of
from tests.fakes import TINY_CHAT_TEMPLATE
from tests.fuzz.target import answered, as_text, folder_with, in_parts, target
from training_pro.data.rendering import templates as chat
from training_pro.data.rendering.chat import ChatRenderer
from training_pro.data.rendering.formats import InstructionRenderer, load_format, make_format
from training_pro.data.rendering.rendering import RenderedRow, RowRenderer
from training_pro.data.rendering.templates import ChatTemplate, load_template, make_template
from training_pro.data.rows.bad_rows import BadRows, RowFault
from training_pro.data.rows.rows import read_rows

PROBE_SECONDS = 10  # under which a template may need to be ended; a busy machine may stand still for seconds
TOKENIZER: Any = SimpleNamespace(
    bos_text="<s>", eos_text="</s>", eos_id=1, special_texts=("<|im_end|>", "</s>"), adds_bos=True,
    special_tokens_map={"bos_token": "<s>", "eos_token": "</s>"}, chat_template=None,
    special_id_of={"<|im_end|>": 0, "</s>": 1},
    foreign_markers=lambda text: [],
    encode=lambda texts, with_offsets: [SimpleNamespace(ids=[5, 6])] * len(texts),
)  # fmt: skip
ALPACA = b'{"instruction,output": "Q: %instruction% A: %output%", "output": "%output%"}'
CHAT = b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}'


def check_rows(name: str, content: bytes) -> None:
    """Read with "skip" and with "stop": the same rows in the same order, as far as "stop" gets."""
    with folder_with({name: content}) as folder:
        skipping = BadRows(name, "skip")
        rows = answered(lambda: list(read_rows(folder / name, skipping)))
        stopping = answered(lambda: list(read_rows(folder / name, BadRows(name, "stop"))))
    for number, row in rows or []:
        assert isinstance(row, dict) and all(isinstance(field, str) for field in row), row
        assert number >= 1
    numbers = [number for number, _ in rows or []]
    assert numbers == sorted(set(numbers))
    assert not any(map(unclear, skipping.examples))
    assert (stopping is not None) == (rows is not None and not skipping.count)
    assert stopping is None or repr(stopping) == repr(rows)


@target(
    "JSON rows", b'[{"instruction": "a", "output": "b"}, 1]', b'\xef\xbb\xbf[{"a": "\\u00e9"},\n{"a": 1e5}]', b"[NaN]"
)
def json_rows(content: bytes) -> None:
    check_rows("a.json", content)


@target("JSON lines", CHAT + b"\n" + CHAT, b'{"text": "a"}\n\n{"text": "b", "text": "c"}\n', b"{\n}")
def json_lines(content: bytes) -> None:
    check_rows("a.jsonl", content)


@target("CSV", b'instruction,output\na,"b\n""c"""\n', b"a;b\n1;2\n;\n", b"\xef\xbb\xbfa\tb\r\n1\t2\r\n", b'a,b\n"')
def csv(content: bytes) -> None:
    check_rows("a.csv", content)


def parquet_of(columns: dict[str, list[Any]]) -> bytes:
    """A small file, its columns unpacked, so that bytes changed in it are values changed."""
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, compression="none", use_dictionary=False)
    return out.getvalue()


@target(
    "Parquet",
    parquet_of({"text": ["a", "b"], "n": [1, 2]}),
    parquet_of({"m": [[{"role": "user", "content": "a"}], None]}),
    b"PAR1\x15\x04\x15\x10PAR1",
    b"PAR1" + b"\0" * 40 + b"\x10\0\0\0PAR1",
)
def parquet(content: bytes) -> None:
    check_rows("a.parquet", content)


@target("format", ALPACA, b'{"a": "%b%"}', b"[]")
def format_file(content: bytes) -> None:
    with folder_with({"a.json": content}) as folder:
        found = answered(lambda: load_format("a", folder))
    for entry in found.entries if found else ():
        assert entry.fields and entry.fields == set(entry.parts[1::2]) and entry.answer_field in entry.fields
    assert found is None or len(found.digest) >= 16


def check_rendered(renderer: RowRenderer, row: dict[str, Any]) -> None:
    """The text, with the answers in it, in order."""
    try:
        made: RenderedRow = renderer.render(row)
    except RowFault as fault:
        bad = BadRows("a.jsonl", "skip")
        bad.reject(1, str(fault), row)
        assert str(fault) and not unclear(bad.examples[0])
        return
    assert isinstance(made.text, str) and made.answers
    assert all(0 <= start <= end <= len(made.text) for start, end in made.answers), made
    assert all(before[1] <= after[0] for before, after in zip(made.answers, made.answers[1:], strict=False)), made
    assert not any(map(unclear, renderer.notes()))


def row_of(content: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


@target(
    "instruction row", b'{"instruction": "a", "output": "b</s>"}\n---\n' + ALPACA, b'{"output": 1.5}\n---\n' + ALPACA
)
def instruction_row(content: bytes) -> None:
    row, values = map(row_of, in_parts(content, 2))
    found = answered(lambda: make_format("a", values))
    if row is not None and found is not None:
        check_rendered(InstructionRenderer(found, TOKENIZER, True, True), row)


@target(
    "chat row",
    CHAT,
    b'{"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "a"}, {"from": "gpt", "value": '
    b'[{"type": "text", "text": "b"}]}], "tools": "[]"}',
    b'{"messages": "[{\\"role\\": \\"assistant\\", \\"content\\": null, \\"tool_calls\\": [{\\"a\\": 1}]}]"}',
)
def chat_row(content: bytes) -> None:
    row = row_of(content)
    if row is not None:
        template = ChatTemplate(TOKENIZER, TINY_CHAT_TEMPLATE, "tiny")
        check_rendered(ChatRenderer(template, TOKENIZER, True, True), row)


@target("template in YAML", b"instruction_template: |\n  {{ messages }}\n", b"a: &a [1]\nb: *a\n2026-13-01:\n")
def template_in_yaml(content: bytes) -> None:
    with folder_with({"a.yaml": content}) as folder:
        found = answered(lambda: load_template("a", folder))
    assert found is None or found.strip()


@target(
    "template",
    TINY_CHAT_TEMPLATE.encode(),
    b"{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
    b"[{{ m.content | trim }}]{% endfor %}",
    b"{% set ns = namespace(a='') %}{% for m in messages %}{% set ns.a = ns.a ~ m['content'] %}{% endfor %}{{ ns.a }}",
    b"{% macro f(a, b=1) %}{{ a * b }}{% endmacro %}{% for i in range(3) %}{{ f(messages[1].content, i) }}{% endfor %}",
)
def template(content: bytes) -> None:
    with folder_with({"a.jinja": content}) as folder:
        made = answered(lambda: make_template(TOKENIZER, "a", folder))
    if made is not None:
        with patch.object(chat, "PROBE_SECONDS", PROBE_SECONDS):
            check_template(made, as_text(content[:20]) or "a")


def check_template(made: ChatTemplate, question: str) -> None:
    if answered(made.tails) is None:
        return
    assert answered(lambda: made.forms) is not None
    renderer = answered(lambda: ChatRenderer(made, TOKENIZER, True, True))
    if renderer is not None:
        check_rendered(renderer, chat_of(question, "b"))
