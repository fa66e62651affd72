"""Data files that can't be used: each gives one sentence with file and row, and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data import chat_templates as templates
from tests.data.tiny import tiny_tokenizer
from training_pro.data.prepare import prepare
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.settings import Settings

GOOD = '{"instruction": "say it", "output": "said"}'
TALK = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}'
MEGABYTE = 1 << 20


def turns(*messages: Any) -> str:
    return json.dumps({"messages": list(messages)})


def user(content: Any = "a") -> dict[str, Any]:
    return {"role": "user", "content": content}


def says(who: str) -> dict[str, Any]:
    return {"role": who, "content": "b"}


def parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue())


# name: (file name, content, what the sentence must say besides the file's name)
FILES: dict[str, tuple[str, str | bytes, str]] = {
    "empty": ("a.json", "", "no rows"),
    "empty text": ("a.txt", "", "no text"),
    "text of white space": ("a.txt", " \n\t" * MEGABYTE, "no text"),
    "text in latin-1": ("a.txt", "The hen. é".encode("latin-1"), "byte 9"),
    "text in utf-16": ("a.txt", "The hen.".encode("utf-16"), "byte 0"),
    "empty array": ("a.json", "[]", "no rows"),
    "only white space": ("a.json", " \n\t" * 1000, "no rows"),
    "bomb of white space": ("a.json", " " * (20 * MEGABYTE), "no rows"),
    "white space bomb in lines": ("a.jsonl", "\n" * (5 * MEGABYTE), "no rows"),
    "white space bomb between rows": ("a.json", f"[{GOOD}," + " " * (60 * MEGABYTE) + "}", "row 2"),
    "white space bomb before a row": ("a.jsonl", " " * (40 * MEGABYTE) + f"\n\n{GOOD}\n17", "row 4"),
    "white space bomb in a row's line": (
        "a.jsonl",
        f"{GOOD}\n" + " " * (40 * MEGABYTE) + GOOD,
        "row 2: the line is longer",
    ),
    "array breaks off in a text": ("a.json", f'[{GOOD}, {{"instruction": "say', "row 2"),
    "array breaks off after a row": ("a.json", f"[{GOOD}", "row 2"),
    "array breaks off after a comma": ("a.json", f"[{GOOD},", "row 2"),
    "array without commas": ("a.json", f"[{GOOD} 17]", "row 2"),
    "something after the end": ("a.json", f"[{GOOD}] {GOOD}", "row 2"),
    "single quotes": ("a.json", "[{'instruction': 'a', 'output': 'b'}]", "row 1"),
    "bare word": ("a.json", f'[{GOOD}, {{"output": nope}}]', "row 2"),
    "a comment": ("a.json", f"[{GOOD}, // more\n{GOOD}]", "row 2"),
    "not a number": ("a.json", f'[{GOOD}, {{"instruction": "a", "output": NaN}}]', "row 2"),
    "infinite": ("a.json", f'[{GOOD}, {{"instruction": "a", "output": -Infinity}}]', "row 2"),
    "number too large": ("a.json", f'[{GOOD}, {{"instruction": "a", "output": 1e999}}]', "row 2"),
    "number with 5000 digits": ("a.jsonl", f'{GOOD}\n{{"output": {"1" * 5000}}}', "row 2"),
    "a key twice": ("a.json", f'[{GOOD}, {{"output": "a", "instruction": "b", "output": "c"}}]', "row 2"),
    "nested deeply": ("a.json", f'[{GOOD}, {{"output": {"[" * 100000}', "row 2"),
    "nested deeply in a line": ("a.jsonl", f'{GOOD}\n{{"output": {"[" * 100000}{"]" * 100000}}}', "row 2"),
    "a line of 100 MB": ("a.jsonl", f'{GOOD}\n{{"output": "{"x" * (100 * MEGABYTE)}"}}', "row 2"),
    "a row of 100 MB": ("a.json", f'[{GOOD}, {{"output": "{"x" * (100 * MEGABYTE)}"}}]', "row 2"),
    "a quotation mark is missing": ("a.json", f'[{GOOD}, {{"output": "x' + "x, " * (15 * MEGABYTE), "row 2"),
    "latin-1": ("a.jsonl", f'{GOOD}\n{{"instruction": "a", "output": "é"}}'.encode("latin-1"), "row 2"),
    "latin-1 in an array": ("a.json", f'[{GOOD},\n{{"instruction": "a", "output": "é"}}]'.encode("latin-1"), "UTF-8"),
    "utf-16 with a mark": ("a.json", f"[{GOOD}]".encode("utf-16"), "UTF-16"),
    "utf-16 without a mark": ("a.json", f"[{GOOD}]".encode("utf-16-le"), "UTF-16"),
    "half a character": ("a.jsonl", f'{GOOD}\n{{"instruction": "a", "output": "\\ud800"}}', "row 2"),
    "a control character": ("a.jsonl", f'{GOOD}\n{{"instruction": "a", "output": "b\x01"}}', "row 2"),
    "a zip": ("a.json", b"PK\x03\x04" + bytes(100), "zip"),
    "gzip": ("a.jsonl", b"\x1f\x8b\x08" + bytes(100), "gzip"),
    "a text row among objects": ("a.json", f'[{GOOD}, "just text"]', "row 2"),
    "a number among objects": ("a.jsonl", f"{GOOD}\n17", "row 2"),
    "null among objects": ("a.jsonl", f"{GOOD}\nnull", "row 2"),
    "lists": ("a.json", f"[{GOOD}, [1, 2]]", "row 2"),
    "two rows in a line": ("a.jsonl", f"{GOOD} {GOOD}", "row 1"),
    "one object over many lines": ("a.json", json.dumps({"a": 1, "b": "c"}, indent=1), "row 1"),
    "an object over many lines breaks off": (
        "a.json",
        json.dumps({"a": 1, "b": 2}, indent=1)[:-3],
        "row 1",
    ),
    "unknown fields": ("a.json", '[{"foo": 1, "bar": 2}]', "row 1"),
    "mixed kinds": ("a.json", f"[{GOOD}, {GOOD}, {TALK}]", "row 3"),
    "no chat among chats": ("a.json", f'[{TALK}, {TALK}, {{"output": "b"}}]', "row 3"),
    "the answer is a list": ("a.json", f'[{GOOD}, {{"instruction": "a", "output": ["b", "c"]}}]', "row 2"),
    "the answer is empty": ("a.json", f'[{GOOD}, {{"instruction": "a", "output": " "}}]', "row 2"),
    "no answer": ("a.json", f'[{GOOD}, {{"instruction": "a"}}]', "row 2"),
    "the answer is null": ("a.jsonl", f'{GOOD}\n{{"instruction": "a", "output": null}}', "row 2"),
    "no role": ("a.jsonl", f"{TALK}\n" + turns(user(), {"content": "b"}), "row 2"),
    "unknown role": (
        "a.jsonl",
        f"{TALK}\n" + turns(*({"role": who, "content": "b"} for who in ("ghost", "witch", "owl"))),
        "ghost, witch, owl",
    ),
    "role is a number": ("a.jsonl", f"{TALK}\n" + turns(user(), {"role": 5, "content": "b"}), "row 2"),
    "no content": ("a.jsonl", f"{TALK}\n" + turns(user(), {"role": "assistant"}), "row 2"),
    "empty content": ("a.jsonl", f"{TALK}\n" + turns(user(), {"role": "assistant", "content": "\n"}), "row 2"),
    "content is an object": ("a.jsonl", f"{TALK}\n" + turns(user({"a": 1})), "row 2"),
    "an image": ("a.jsonl", f"{TALK}\n" + turns(user([{"type": "image", "url": "x"}])), "row 2"),
    "nobody answers": ("a.jsonl", f"{TALK}\n" + turns(user()), "row 2"),
    "no turns": ("a.jsonl", f'{TALK}\n{{"messages": []}}', "row 2"),
    "turns are a text": ("a.jsonl", f'{TALK}\n{{"messages": "hello"}}', "row 2"),
    "a turn is a text": ("a.jsonl", f"{TALK}\n" + turns("hello"), "row 2"),
    "texts are empty": ("a.jsonl", '{"text": "a b c"}\n{"text": " "}', "row 2"),
    "text is a number": ("a.jsonl", '{"text": "a b c"}\n{"text": 5}', "row 2"),
    "text is missing": ("a.jsonl", '{"text": "a b c"}\n{"txt": "a"}', "row 2"),
    "half a character in a text": ("a.jsonl", '{"text": "a b c"}\n{"text": "\\udc00"}', "row 2"),
    "csv without header": ("a.csv", "\n", "header"),
    "csv with two equal columns": ("a.csv", "output,output\na,b\n", "name of its own"),
    "csv row too long": ("a.csv", "instruction,output\na,b\na,b,c\n", "row 2"),
    "csv row too short": ("a.csv", "instruction,output\na,b\na\n", "row 2"),
    "csv quote not closed": ("a.csv", 'instruction,output\na,b\na,"b\n', "row 2"),
    "csv quote in the middle": ("a.csv", 'instruction,output\na,b\na,"b"c\n', "row 2"),
    "csv latin-1": ("a.csv", "instruction,output\na,b\na,é\n".encode("latin-1"), "row 2"),
    "csv only a header": ("a.csv", "instruction,output\n", "no rows"),
    "parquet that is none": ("a.parquet", b"PAR1 nothing PAR1", "Parquet"),
    "parquet broken off": ("a.parquet", parquet([{"instruction": "a", "output": "b"}] * 50)[:-30], "Parquet"),
    "parquet with a null": ("a.parquet", parquet([json.loads(GOOD), {"instruction": "a", "output": None}]), "row 2"),
    "parquet white space bomb": ("a.parquet", parquet([{"text": " " * (40 * MEGABYTE)}]), "unpack"),
}


def attempt(folders: Folders, name: str, content: str | bytes, **choices: Any) -> str:
    path = folders.datasets / name
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    choices = {"dataset": name, "format": "alpaca-chatbot-format", **choices}
    with pytest.raises(DataError) as caught:
        prepare(Settings(**choices), tiny_tokenizer(templates.CHATML), folders)
    return str(caught.value)


def all_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.promise("bad input")
@pytest.mark.parametrize("case", FILES)
def test_one_sentence_with_file_and_row_and_nothing_is_written(case: str, folders: Folders):
    name, content, says = FILES[case]
    (folders.datasets / name).touch()
    before = all_files(folders.user_data)
    sentence = attempt(folders, name, content)
    assert name in sentence and says in sentence
    assert "\n" not in sentence and len(sentence) < 600
    assert all_files(folders.user_data) == before


def test_there_are_fifty_of_them():
    assert len(FILES) >= 50


@pytest.mark.parametrize("case", ["a key twice", "not a number", "latin-1", "no role", "csv row too long", "no answer"])
def test_bad_rows_can_be_skipped_and_are_counted(case: str, folders: Folders):
    name, content, _ = FILES[case]
    (folders.datasets / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    settings = Settings(dataset=name, format="alpaca-chatbot-format", bad_rows="skip")
    report = prepare(settings, tiny_tokenizer(templates.CHATML), folders, cache=False).report.sources[0]
    assert (report.rows_read, report.samples, report.bad_rows) == (2, 1, 1)
    assert f"{name}, row 2" in report.bad_row_examples[0]


def test_a_file_of_bad_rows_alone_is_refused_with_the_first(folders: Folders):
    sentence = attempt(folders, "a.jsonl", f"{turns(user())}\n{turns(user())}\n", bad_rows="skip")
    assert "of 2 rows none is left" in sentence and "row 1" in sentence


def test_skipping_does_not_hide_that_an_array_breaks_off(folders: Folders):
    cut = f'[{GOOD}, {{"instruction": "say'
    sentence = attempt(folders, "a.json", cut)
    assert "row 2" in sentence and "Nothing after it" in sentence and "the 1 row before it" in sentence
    assert "Correct the file or download it again" in sentence
    chosen = Settings(dataset="a.json", format="alpaca-chatbot-format", bad_rows="skip")
    (report,) = prepare(chosen, tiny_tokenizer(templates.CHATML), folders, cache=False).report.sources
    assert report.samples == 1 and report.bad_rows == 1
    assert "row 2" in report.bad_row_examples[0] and "Nothing after it" in report.bad_row_examples[0]
