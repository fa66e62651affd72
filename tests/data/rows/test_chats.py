import json
from typing import Any

import pytest

from training_pro.data.rows.bad_rows import RowFault
from training_pro.data.rows.chats import chat_of
from training_pro.data.rows.turns import Message


def messages_of(row: dict[str, Any]) -> list[Message]:
    return chat_of(row).messages


def test_sharegpt_becomes_messages():
    row = {
        "conversations": [
            {"from": "system", "value": "s"},
            {"from": "human", "value": "a"},
            {"from": "gpt", "value": "b"},
        ]
    }
    assert messages_of(row) == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
    ]


def test_a_system_field_beside_the_turns_is_kept():
    row = {"system": "s", "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}
    assert messages_of(row)[0] == {"role": "system", "content": "s"}


def test_a_system_turn_wins_over_the_field():
    row = {"system": "x", "messages": [{"role": "system", "content": "s"}, {"role": "assistant", "content": "b"}]}
    assert [message["content"] for message in messages_of(row)] == ["s", "b"]


@pytest.mark.parametrize("blank", ["", "  \n", None])
def test_a_system_turn_that_says_nothing_is_left_out(blank: str | None):
    turns = [{"from": "system", "value": blank}, {"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    assert [message["content"] for message in messages_of({"conversations": turns})] == ["a", "b"]
    assert messages_of({"system": "s", "conversations": turns})[0] == {"role": "system", "content": "s"}
    with pytest.raises(RowFault, match="turn 3 is empty"):  # numbers are those of the file
        messages_of({"conversations": [*turns[:2], {"from": "gpt", "value": " "}]})


def test_turns_may_be_json_text_as_in_csv():
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert messages_of({"messages": json.dumps(turns)}) == turns


def test_text_parts_are_joined():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert messages_of({"messages": [{"role": "assistant", "content": parts}]})[0]["content"] == "ab"


def test_tool_calls_may_stand_without_content():
    call = [{"type": "function", "function": {"name": "f", "arguments": {}}}]
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": None, "tool_calls": call}]}
    assert messages_of(row)[1] == {"role": "assistant", "content": "", "tool_calls": call}


def test_somebody_must_answer():
    with pytest.raises(RowFault, match="none of its turns is the assistant's"):
        messages_of({"messages": [{"role": "user", "content": "a"}]})


@pytest.mark.parametrize("text", ["[", "[1, 2", '["a"]'])
def test_json_text_that_is_no_conversation_is_a_fault(text: str):
    with pytest.raises(RowFault):
        messages_of({"messages": text})
