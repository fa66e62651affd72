"""Requests to models beside their responses, as programs log them, are chats; one side alone is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training_pro.data.rows.bad_rows import BadRows, RowFault, Unwanted
from training_pro.data.rows.chats import chat_of
from training_pro.data.rows.kinds import detect_kind
from training_pro.data.rows.request_logs import with_chat
from training_pro.data.rows.rows import read_rows
from training_pro.errors import DataError

ASKED, SAID = "How deep is it?", "Two metres."
USER = {"role": "user", "content": ASKED}
ANSWER = {"role": "assistant", "content": SAID}
REQUEST = {"model": "m", "messages": [{"role": "system", "content": "Be brief."}, USER], "temperature": 0.2}
RESPONSE = {"id": "c", "object": "chat.completion", "choices": [{"index": 0, "message": ANSWER}], "usage": {"n": 9}}
MESSAGE = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": SAID}], "usage": {"n": 9}}
OUTPUT = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": SAID}]}]
LANGCHAIN = {"lc": 1, "id": ["HumanMessage"], "kwargs": {"content": ASKED}}
GEMINI_USER = {"role": "user", "parts": [{"text": ASKED}]}
BOTH = {
    "objects": {"request": REQUEST, "response": RESPONSE},
    "bodies": {"request": {"body": REQUEST}, "response": {"status_code": 200, "body": RESPONSE}},
    "text": {"request": json.dumps(REQUEST), "response": json.dumps(RESPONSE)},
    "proxy": {"request_body": REQUEST, "response_body": RESPONSE},
    "messages": {**REQUEST, "response": RESPONSE},
    "one object": {**REQUEST, "choices": RESPONSE["choices"]},
    "plain answer": {**REQUEST, "response": SAID},
    "anthropic": {"request": {"system": "Be brief.", "messages": [USER]}, "response": MESSAGE},
    "responses": {"input": [USER], "instructions": "Be brief.", "output": OUTPUT},
    "gemini": {
        "request": {"systemInstruction": {"parts": [{"text": "Be brief."}]}, "contents": [GEMINI_USER]},
        "response": {"candidates": [{"content": {"role": "model", "parts": [{"text": SAID}]}}]},
    },
    "ollama": {"request": REQUEST, "response": {"model": "m", "message": ANSWER, "done": True}},
    "preferences": {"input": {"messages": REQUEST["messages"]}, "preferred_output": [ANSWER]},
    "whole chat": {"inputs": REQUEST, "outputs": {"messages": [*REQUEST["messages"], ANSWER]}},
}


def first_row(tmp_path: Path, row: dict[str, Any]) -> dict[str, Any]:
    file = tmp_path / "log.jsonl"
    file.write_text(json.dumps(row) + "\n" + json.dumps(row), encoding="utf-8")
    detect_kind(file, file.name)
    return next(read for _, read in read_rows(file, BadRows(file.name, "stop")))


@pytest.mark.parametrize("row", BOTH.values(), ids=BOTH)
def test_a_request_with_its_response_is_a_chat(tmp_path: Path, row: dict[str, Any]):
    messages = chat_of(first_row(tmp_path, row)).messages
    assert [(message["role"], message["content"]) for message in messages] == [
        ("system", "Be brief."),
        ("user", ASKED),
        ("assistant", SAID),
    ]


def test_langchain_and_its_generations_are_a_chat(tmp_path: Path):
    said = {"text": SAID, "message": {"lc": 1, "id": ["AIMessage"], "kwargs": {"content": SAID}}}
    row = first_row(tmp_path, {"inputs": {"messages": [[LANGCHAIN]]}, "outputs": {"generations": [[said]]}})
    assert [message["content"] for message in chat_of(row).messages] == [ASKED, SAID]


def test_questions_and_answers_inside_inputs_and_outputs_are_instructions(tmp_path: Path):
    row = first_row(tmp_path, {"id": 1, "inputs": {"question": ASKED}, "outputs": {"answer": SAID}})
    assert row == {"id": 1, "question": ASKED, "answer": SAID}


def test_what_stands_beside_is_named_and_answers_that_were_not_taken_are_counted(tmp_path: Path):
    choices = [*RESPONSE["choices"], {"index": 1, "message": {"role": "assistant", "content": "Three."}}]
    row = first_row(tmp_path, {**REQUEST, "user_id": "u", "choices": choices})
    assert row["other choices"] == 1
    assert {"model", "temperature", "user_id", "other choices"} <= {*chat_of(row).unused}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"custom_id": "r1", "method": "POST", "url": "/v1/chat/completions", "body": REQUEST}, "without its answer"),
        ({"custom_id": "r1", "params": REQUEST}, "without its answer"),
        ({"custom_id": "r1", "response": {"status_code": 200, "body": RESPONSE}}, "without its question"),
        ({"custom_id": "r1", "result": {"type": "succeeded", "message": MESSAGE}}, "without its question"),
        (RESPONSE, "without its question"),
    ],
    ids=["batch", "anthropic batch", "results", "anthropic results", "response"],
)
def test_one_side_alone_is_named_for_what_it_is(tmp_path: Path, row: dict[str, Any], said: str):
    with pytest.raises(DataError, match=said):
        first_row(tmp_path, row)


@pytest.mark.parametrize(
    "row",
    [
        {"custom_id": "r1", "request": REQUEST, "response": {"status_code": 429, "body": {"error": "busy"}}},
        {"custom_id": "r1", "params": REQUEST, "result": {"type": "errored", "error": {}}},
        {"custom_id": "r1", "response": None, "error": {"code": "expired"}},
    ],
)
def test_failed_requests_are_left_out(row: dict[str, Any]):
    with pytest.raises(Unwanted):
        chat_of(row)


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "Write JSON.", "output": '{"choices": [1, 2]}'},
        {"input": '{"a": 1}', "output": "A number."},
        {"prompt": [USER], "completion": [ANSWER]},
        {"prompt": ASKED, "response": SAID},
        {"text": "A story.", "body": "x"},
        {"messages": [USER, ANSWER], "output": "kept"},
        {"prompt": json.dumps([{"type": "article", "summary": "Rain fell."}]), "response": SAID},
        {"input": json.dumps([{"type": "event", "data": "x"}]), "output": SAID},
        {"input": json.dumps([{"name": "Wren", "role": "admin"}]), "output": SAID},
    ],
)
def test_rows_that_are_no_logs_stay_as_they_are(tmp_path: Path, row: dict[str, Any]):
    assert first_row(tmp_path, row) == row


def test_a_prompt_of_turns_with_a_completion_is_no_half_of_a_log():
    assert [message["content"] for message in chat_of({"prompt": [USER], "completion": [ANSWER]}).messages] == [
        ASKED,
        SAID,
    ]
    with pytest.raises(RowFault):
        chat_of({"prompt": [USER]})


@pytest.mark.parametrize(
    "more",
    [
        {"candidates": [{"content": {"parts": [{"text": "Worse."}]}}]},
        {"response": {"choices": [{"message": {"role": "assistant", "content": "Worse."}}]}},
        {
            "result": {
                "messages": [{"role": "user", "content": "How good is it?"}, {"role": "assistant", "content": "9"}]
            }
        },
    ],
    ids=["candidates", "response", "judge"],
)
def test_a_chat_that_has_its_answer_gets_no_second_one(tmp_path: Path, more: dict[str, Any]):
    chat = chat_of(first_row(tmp_path, {"messages": [USER, ANSWER], **more}))
    assert [message["content"] for message in chat.messages] == [ASKED, SAID]
    assert chat.unused == (*more,)


def test_another_chat_is_no_answer():
    judged = [{"role": "user", "content": "How good is it?"}, {"role": "assistant", "content": "9"}]
    row = {"messages": [USER], "result": {"messages": judged}}
    assert with_chat(row) == row


def test_a_response_that_repeats_its_question_continues_it(tmp_path: Path):
    said = [{**USER, "id": "m1"}, {**ANSWER, "id": "m2"}]
    row = first_row(tmp_path, {"inputs": REQUEST, "outputs": {"messages": said}})
    assert [message["content"] for message in chat_of(row).messages] == ["Be brief.", ASKED, SAID]


def test_only_what_was_read_of_a_request_is_taken_away(tmp_path: Path):
    row = {"messages": [USER], "conversations": [ANSWER], "system": "Be brief.", "instructions": "?", "response": SAID}
    chat = chat_of(first_row(tmp_path, row))
    assert [message["content"] for message in chat.messages] == ["Be brief.", ASKED, SAID]
    assert {*chat.unused} == {"conversations", "instructions"}


def test_answers_that_were_not_taken_are_counted_also_within_a_response(tmp_path: Path):
    several = {"choices": [*RESPONSE["choices"], {"message": {"role": "assistant", "content": "Three."}}]}
    for row in ({"request": REQUEST, "response": several}, {"request": REQUEST, "candidates": several["choices"]}):
        assert first_row(tmp_path, row)["other choices"] == 1


@pytest.mark.parametrize("asks", ["instruction", "question", "prompt"])
@pytest.mark.parametrize(
    "about", [[USER], {"model": "m", "prompt": ASKED}, REQUEST], ids=["turns", "prompt", "request"]
)
def test_an_instruction_about_json_keeps_its_words(tmp_path: Path, asks: str, about: Any):
    row = {asks: "Complete this.", "input": json.dumps(about), "output": json.dumps([ANSWER])}
    asked, said = chat_of(first_row(tmp_path, row)).messages
    assert asked["content"] == f"Complete this.\n\n{row['input']}" and said["content"] == row["output"]
