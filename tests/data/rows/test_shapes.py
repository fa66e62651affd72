"""Shapes of files and values of fields that people bring, and what they mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training_pro.data.rows.bad_rows import BadRows, RowFault, Unwanted
from training_pro.data.rows.chats import chat_of
from training_pro.data.rows.kinds import detect_kind, kind_of_row
from training_pro.data.rows.rows import read_rows
from training_pro.data.rows.tidy import tidied
from training_pro.errors import DataError

ROW = {"prompt": "How deep?", "response": "Two metres."}
ROWS = [ROW, {"prompt": "How wide?", "response": "Ten."}]


def rows_of(tmp_path: Path, text: str, name: str = "a.jsonl", bad: BadRows | None = None) -> list[dict[str, Any]]:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    return [row for _, row in read_rows(tmp_path / name, bad or BadRows(name, "stop"))]


LINE = json.dumps(ROW)


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{json.dumps(row)},\n" for row in ROWS),
        "[\n" + "\n".join(map(json.dumps, ROWS)) + "\n]",
        "".join(f"{row}\n" for row in ROWS),
        json.dumps(json.dumps(ROWS)),
        json.dumps({name: [row[name] for row in ROWS] for name in ROW}),
        json.dumps({"ponds": ROWS[:1], "lakes": ROWS[1:]}),
        json.dumps({f"row {number}": row for number, row in enumerate(ROWS)}),
    ],
    ids=["commas", "no commas", "printed by Python", "twice JSON", "columns", "topics", "ids"],
)
def test_the_same_rows_in_other_shapes(tmp_path: Path, text: str) -> None:
    assert rows_of(tmp_path, text) == ROWS


def test_a_line_break_or_tab_inside_a_text_is_no_fault(tmp_path: Path) -> None:
    assert rows_of(tmp_path, '[{"prompt": "How\ndeep?", "response": "Two\tmetres."}]')[0]["prompt"] == "How\ndeep?"


def test_texts_alone_are_texts_and_questions_as_names_are_questions(tmp_path: Path) -> None:
    assert rows_of(tmp_path, '["Deep.", "Wide."]') == [{"text": "Deep."}, {"text": "Wide."}]
    asked = {"How deep is it?": "Two.", "How wide is it?": "Ten.", "How cold is it?": "Very."}
    assert rows_of(tmp_path, json.dumps(asked))[1] == {"prompt": "How wide is it?", "response": "Ten."}


def test_what_of_a_file_is_not_read_is_named(tmp_path: Path) -> None:
    bad = BadRows("a.json", "stop")
    assert rows_of(tmp_path, json.dumps({"train": [ROW], "test": ROWS}), bad=bad) == [ROW]
    assert "test (2 rows)" in bad.unread_notes()[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!DOCTYPE html><html></html>", "web page"),
        ("version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        ("a: b\n", "no JSON"),
    ],
)
def test_a_file_without_json_is_named_for_what_it_is(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as raised:
        rows_of(tmp_path, text)
    assert not raised.value.options


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "sep=;\nprompt;response\nHow, deep?;Two metres.\n"),
        ("a.csv", "prompt|response\nHow, deep?|Two metres.\n"),
        ("a.csv", 'prompt,response,\n"How, deep?",Two metres.,\n'),
        ("a.csv", 'prompt,response\n"How, deep?","Two metres."\n'),
        ("a.tsv", "prompt\tresponse\nHow, deep?\tTwo metres.\n"),
    ],
    ids=["sep", "bars", "a comma at each end", "quoted", "tabs"],
)
def test_dialects_of_tables(tmp_path: Path, name: str, text: str) -> None:
    row = rows_of(tmp_path, text, name)[0]
    assert (row["prompt"], row["response"]) == ("How, deep?", "Two metres.")


def test_quotation_marks_with_backslashes_and_single_ones_in_tables(tmp_path: Path) -> None:
    assert (
        rows_of(tmp_path, 'prompt,response\n"How \\"deep\\", say?",Two.\n', "a.csv")[0]["prompt"] == 'How "deep", say?'
    )
    ends = rows_of(tmp_path, 'prompt,response\n"Say \\"deep\\"","\\"Two.\\""\n"a","b"\n', "b.csv")
    assert [(row["prompt"], row["response"]) for row in ends] == [('Say "deep"', '"Two."'), ("a", "b")]
    doubled = rows_of(tmp_path, 'prompt,response\n"C:\\""a""",b\n', "c.csv")
    assert doubled == [{"prompt": 'C:\\"a"', "response": "b"}]
    assert rows_of(tmp_path, 'text\tn\n"Deep.\t1\nWide.\t2\n', "a.tsv")[0]["text"] == '"Deep.'


def test_commas_of_a_table_with_one_column_belong_to_its_text(tmp_path: Path) -> None:
    assert rows_of(tmp_path, "text\nDeep, they say.\n", "a.csv") == [{"text": "Deep, they say."}]


@pytest.mark.parametrize("nothing", ["<noinput>", "NULL", "nan", "None", "N/A"])
def test_words_for_no_input_are_no_input(tmp_path: Path, nothing: str) -> None:
    row = rows_of(tmp_path, json.dumps({"instruction": "How deep?", "input": nothing, "output": "Two."}))[0]
    assert chat_of(row).messages[0]["content"] == "How deep?"


@pytest.mark.parametrize(
    "choice",
    [
        {"choices": ["One", "Two"], "answer": 1},
        {"options": {"A": "One", "B": "Two"}, "answer": "B"},
        {"choices": {"text": ["One", "Two"], "label": ["A", "B"]}, "answerKey": "B"},
        {"choices": ["One", "Two"], "answer": "Two"},
    ],
)
def test_the_number_of_an_answer_becomes_the_answer(tmp_path: Path, choice: dict[str, Any]) -> None:
    row = rows_of(tmp_path, json.dumps({"question": "How deep?", **choice}))[0]
    assert [message["content"] for message in chat_of(row).messages] == ["How deep?\n\nA. One\nB. Two", "B. Two"]


def test_windows_line_ends_and_yes_or_no_answers_are_plain_text(tmp_path: Path) -> None:
    row = rows_of(tmp_path, json.dumps({"question": "Is\r\nit deep?", "answer": True}))[0]
    assert [message["content"] for message in chat_of(row).messages] == ["Is\nit deep?", "true"]
    talk = {"messages": [{"role": "user", "content": "a\r\nb"}, {"role": "assistant", "content": "c\r\nd"}]}
    assert [message["content"] for message in chat_of(talk).messages] == ["a\nb", "c\nd"]


def test_a_label_is_obeyed_where_it_says_true_or_false_and_else_named() -> None:
    for name in ("label", "kto_tag", "desirable"):
        with pytest.raises(Unwanted):
            chat_of({**ROW, name: False})
    assert chat_of({**ROW, "label": 0}).unused == ("label",) and not chat_of({**ROW, "label": True}).unused


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"Contents": "Deep.", "ID": 1}, "text rows"),
        ({"artist": "Otter", "song": "Pond", "lyrics": "Deep, deep pond"}, "text rows"),
        ({"content": "x = 1", "repo_name": "a/b", "path": "a.py", "license": "mit"}, "text rows"),
        ({"id": "1", "data": ["How deep?", "Two."]}, "messages"),
        ({"Frage": "Wie tief?", "Antwort": "Zwei."}, "alpaca"),
        ({"data": {"instruction": "How deep?", "output": "Two."}}, "alpaca"),
        ({"title": "Soup", "body": "Boil it."}, None),
    ],
)
def test_what_rows_with_other_names_are(row: dict[str, Any], kind: str | None) -> None:
    assert kind_of_row(tidied(row)) == kind


@pytest.mark.parametrize(
    ("row", "option"),
    [
        ({"problem": "2+2?", "solution": "It is 4.", "answer": "4"}, "prompt=problem,answer=solution"),
        ({"question_title": "How?", "question_body": "Say", "accepted_answer": "So."}, "answer=accepted_answer"),
        ({"title": "Soup", "steps": ["Boil.", "Salt."]}, "text=steps"),
    ],
)
def test_unknown_columns_come_with_a_likely_choice(tmp_path: Path, row: dict[str, Any], option: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(DataError) as refused:
        detect_kind(tmp_path / "a.jsonl", "a.jsonl")
    assert option in refused.value.options[0]


def test_a_question_without_an_answer_is_named_as_that() -> None:
    with pytest.raises(RowFault, match="no answer"):
        chat_of({"question": "How deep?", "context": "A pond.", "answers": {"text": [], "answer_start": []}})


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ([{"depth": 2}, {"depth": 3}], '[{"depth": 2}, {"depth": 3}]'),
        ([1, 2], "[1, 2]"),
        ([{"type": "text", "text": "2 m"}], "2 m"),
        (2, "2"),
    ],
)
def test_results_of_tools_that_are_lists_or_numbers(result: Any, content: str) -> None:
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "depth", "arguments": {}}}]}
    turns = [
        {"role": "user", "content": "How deep?"},
        call,
        {"role": "tool", "content": result},
        {"role": "assistant", "content": 2},
    ]
    messages = chat_of({"messages": turns}).messages
    assert messages[2]["content"] == content and messages[3]["content"] == "2"


def both(row: dict[str, Any]) -> list[str]:
    return [message["content"] for message in chat_of(row).messages]


TURNS = [{"role": "user", "content": "How deep?"}, {"role": "assistant", "content": "Two metres."}]


@pytest.mark.parametrize(
    "text",
    [
        '["How deep?", "Two metres."]\n' * 3,
        json.dumps([[["How deep?", "Two metres."]]] * 3),
        f"[{LINE}][{LINE}][{LINE}]",
        f"[\n {LINE},\n {LINE}\n]\n[\n {LINE}\n]\n",
        json.dumps({"status": 200, "data": {"items": [ROW] * 3}}),
    ],
    ids=["pairs a line", "chats of pairs", "arrays on one line", "arrays in several goes", "an object in an object"],
)
def test_lists_of_pairs_arrays_in_a_row_and_inner_objects_are_rows(tmp_path: Path, text: str) -> None:
    assert [both(row) for row in rows_of(tmp_path, text, "a.json")] == [["How deep?", "Two metres."]] * 3


@pytest.mark.parametrize(
    "row",
    [
        {"conversations": [{"human": "How deep?"}, {"gpt": "Two metres."}]},
        {"messages": "user: How deep?\nassistant: Two metres."},
        {"my_chat": TURNS, "id": 1},
        {"conversations": [{"from": "human", "value": "How deep?"}], "chosen": {"from": "gpt", "value": "Two metres."}},
        {"conversations": [{"from": "human", "value": "How deep?"}], "response": "Two metres."},
        {"input": TURNS[:1], "chosen": TURNS[1:], "rejected": [{"role": "assistant", "content": "No."}]},
    ],
    ids=["a name a turn", "written", "another name", "the chosen one beside", "the answer beside", "input"],
)
def test_turns_in_other_shapes_are_the_same_chat(row: dict[str, Any]) -> None:
    assert both(row) == ["How deep?", "Two metres."]
    assert kind_of_row(row) in ("messages", "sharegpt")


def test_an_answer_beside_a_chat_that_has_one_is_not_added() -> None:
    chat = chat_of({"conversations": TURNS, "chosen": {"from": "gpt", "value": "Three."}})
    assert (len(chat.messages), chat.unused) == (2, ("chosen",))


def test_two_chats_in_a_row_are_no_plain_meaning() -> None:
    assert kind_of_row({"conversation_a": TURNS, "conversation_b": TURNS, "winner": "a"}) is None


@pytest.mark.parametrize(
    ("names", "who"), [(("Agent", "Customer"), 0), (("Kunde", "Otter"), 1), (("Otter", "Wren"), 1)]
)
def test_who_answers_is_known_by_usual_names(names: tuple[str, str], who: int) -> None:
    said = [{"speaker": names[place % 2], "text": f"Line {place}"} for place in range(4)]
    roles = [message["role"] for message in chat_of({"conversation": said}).messages]
    assert [role == "assistant" for role in roles] == [place % 2 == who for place in range(4)]


def test_a_list_where_a_text_should_be_is_shown() -> None:
    with pytest.raises(RowFault, match=r'"input" is not text: \["How'):
        chat_of({"input": ["How deep?", "How wide?"], "output": "Two."})


def test_one_chat_as_a_file_of_turns_in_parts(tmp_path: Path) -> None:
    turns = [{"role": role, "parts": [{"text": text}]} for role, text in (("user", "How deep?"), ("model", "Two."))]
    (row,) = rows_of(tmp_path, json.dumps(turns), "a.json")
    assert both(row) == ["How deep?", "Two."]


def test_bytes_of_a_table_that_are_text_are_text(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"prompt": pa.array(["Größe?".encode()]), "response": [b"Two."], "picture": [b"\xff\xd8"]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    ((_, row),) = read_rows(tmp_path / "a.parquet", BadRows("a.parquet", "stop"))
    assert row == {"prompt": "Größe?", "response": "Two.", "picture": b"\xff\xd8"}


def test_empty_lines_of_a_spreadsheet_at_a_files_end_are_no_rows(tmp_path: Path) -> None:
    table = "prompt;response\nHow deep?;Two metres.\n;\n;\n"
    assert rows_of(tmp_path, table, "a.csv") == [ROW]
    bad = BadRows("a.csv", "skip")
    assert rows_of(tmp_path, f"{table}How wide?;Ten.\n", "a.csv", bad) == ROWS
    assert bad.count == 2 and "row 2: all its fields are empty" in bad.examples[0]
