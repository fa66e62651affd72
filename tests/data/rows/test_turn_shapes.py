"""Turns as the interfaces of models write them: calls and results of tools in the parts of a message, or beside it."""

from __future__ import annotations

from typing import Any

import pytest

from training_pro.data.rows.bad_rows import RowFault
from training_pro.data.rows.chats import chat_of

ASKED, SAID, OUTCOME = "How warm is it in Rome?", "It is 21 degrees.", "21 C"
CALL = {"city": "Rome"}
USER = {"role": "user", "content": ASKED}
ANSWER = {"role": "assistant", "content": SAID}


def langchain(kind: str, **fields: Any) -> dict[str, Any]:
    return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", kind], "kwargs": fields}


ANTHROPIC = [
    USER,
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": CALL}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": OUTCOME}]},
    {"role": "assistant", "content": [{"type": "text", "text": SAID}]},
]
BEDROCK = [
    {"role": "user", "content": [{"text": ASKED}]},
    {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "weather", "input": CALL}}]},
    {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": OUTCOME}]}}]},
    {"role": "assistant", "content": [{"text": SAID}]},
]
GEMINI = [
    {"role": "user", "parts": [{"text": ASKED}]},
    {"role": "model", "parts": [{"functionCall": {"id": "t1", "name": "weather", "args": CALL}}]},
    {"role": "user", "parts": [{"functionResponse": {"id": "t1", "name": "weather", "response": {"result": OUTCOME}}}]},
    {"role": "model", "parts": [{"text": SAID}]},
]
RESPONSES = [
    USER,
    {"type": "function_call", "id": "fc_1", "call_id": "t1", "name": "weather", "arguments": '{"city": "Rome"}'},
    {"type": "function_call_output", "call_id": "t1", "output": OUTCOME},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": SAID}]},
]
AI_SDK = [
    USER,
    {
        "role": "assistant",
        "content": [{"type": "tool-call", "toolCallId": "t1", "toolName": "weather", "input": CALL}],
    },
    {
        "role": "tool",
        "content": [
            {
                "type": "tool-result",
                "toolCallId": "t1",
                "toolName": "weather",
                "output": {"type": "text", "value": OUTCOME},
            }
        ],
    },
    {"role": "assistant", "content": [{"type": "step-start"}, {"type": "text", "text": SAID}]},
]
CALLED = [{"name": "weather", "args": CALL, "id": "t1", "type": "tool_call"}]
LANGCHAIN = [
    {"type": "human", "content": ASKED},
    {"type": "ai", "content": "", "tool_calls": CALLED},
    {"type": "tool", "content": OUTCOME, "tool_call_id": "t1"},
    {"type": "ai", "content": SAID},
]
WRAPPED = [
    langchain("HumanMessage", content=ASKED, type="human"),
    langchain("AIMessage", content="", tool_calls=CALLED),
    langchain("ToolMessage", content=OUTCOME, tool_call_id="t1"),
    langchain("AIMessageChunk", content=SAID),
]
WITH_DATA = [{"type": turn["type"], "data": turn} for turn in LANGCHAIN]
OLDER_CALL = {"tool_calls": [{"id": "t1", "type": "function", "function": {"name": "weather", "arguments": CALL}}]}
OLDER = [LANGCHAIN[0], {"type": "AIMessage", "content": "", "additional_kwargs": OLDER_CALL}, *LANGCHAIN[2:]]


@pytest.mark.parametrize(
    "turns",
    [ANTHROPIC, BEDROCK, GEMINI, RESPONSES, AI_SDK, LANGCHAIN, WRAPPED, WITH_DATA, OLDER],
    ids=["anthropic", "bedrock", "gemini", "responses", "ai sdk", "langchain", "lc", "lc data", "lc older"],
)
def test_calls_and_results_of_tools_become_calls_and_turns_of_the_tool(turns: list[Any]):
    chat = chat_of({"messages": turns})
    assert [message["role"] for message in chat.messages] == ["user", "assistant", "tool", "assistant"]
    asked, called, result, answer = chat.messages
    (call,) = called["tool_calls"]
    assert asked["content"] == ASKED and answer["content"] == SAID and called["content"] == ""
    assert call["function"]["name"] == "weather" and call["function"]["arguments"] in (CALL, '{"city": "Rome"}')
    assert OUTCOME in result["content"] and call["id"] == result["tool_call_id"] == "t1"
    assert not chat.unused


def test_words_thoughts_and_several_calls_of_one_turn_stay_together_and_in_order():
    calls = [{"type": "tool_use", "id": name, "name": "weather", "input": {}} for name in "ab"]
    thought = {"type": "thinking", "thinking": "Two calls.", "signature": "x"}
    results = [{"type": "tool_result", "tool_use_id": name, "content": name.upper()} for name in "ab"]
    more = {"type": "text", "text": "In one line."}
    chat = chat_of(
        {
            "messages": [
                USER,
                {"role": "assistant", "content": [thought, {"type": "text", "text": "I look."}, *calls]},
                {"role": "user", "content": [*results, more]},
                ANSWER,
            ]
        }
    )
    called = chat.messages[1]
    assert [message["role"] for message in chat.messages] == ["user", "assistant", "tool", "tool", "user", "assistant"]
    assert [message["content"] for message in chat.messages[2:5]] == ["A", "B", "In one line."]
    assert called["content"] == "I look." and called["reasoning_content"] == "Two calls."
    assert [call["id"] for call in called["tool_calls"]] == ["a", "b"]


def test_calls_made_at_once_and_the_thoughts_before_them_are_one_turn():
    calls = [{"type": "function_call", "call_id": name, "name": "weather", "arguments": "{}"} for name in "ab"]
    thoughts = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Both."}]}
    outcomes = [{"type": "function_call_output", "call_id": name, "output": name} for name in "ab"]
    messages = chat_of({"messages": [USER, thoughts, *calls, *outcomes, ANSWER]}).messages
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool", "assistant"]
    assert len(messages[1]["tool_calls"]) == 2 and messages[1]["reasoning_content"] == "Both."


@pytest.mark.parametrize(
    "part",
    [
        {"type": "reasoning", "text": "Hm."},
        {"text": "Hm.", "thought": True},
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"thinking": "Hm."},
    ],
    ids=["ai sdk", "gemini", "mistral", "no type"],
)
def test_thoughts_in_parts_are_thoughts_and_not_words(part: dict[str, Any]):
    (_, answer) = chat_of(
        {"messages": [USER, {"role": "assistant", "content": [part, {"type": "text", "text": SAID}]}]}
    ).messages
    assert answer["content"] == SAID and answer["reasoning_content"] == "Hm."


def test_what_can_not_be_read_is_named():
    hidden = [{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": SAID}]
    assert chat_of({"messages": [USER, {"role": "assistant", "content": hidden}]}).unused == (
        "redacted_thinking (in turns)",
    )
    for part in ({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, {"type": "image"}):
        with pytest.raises(RowFault, match=part["type"]):
            chat_of({"messages": [USER, {"role": "assistant", "content": [part]}]})
    with pytest.raises(RowFault, match="web_search_call"):
        chat_of({"messages": [USER, {"type": "web_search_call", "id": "w"}, ANSWER]})
    picture = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "image", "source": {"data": "AAAA"}}]}
    with pytest.raises(RowFault, match="image"):
        chat_of({"messages": [*ANTHROPIC[:2], {"role": "user", "content": [picture]}, ANSWER]})


def test_a_call_whose_arguments_have_an_unknown_name_is_refused_and_not_emptied():
    call = {"name": "weather", "payload": CALL}
    with pytest.raises(RowFault, match="payload"):
        chat_of({"messages": [USER, {"role": "assistant", "content": "", "tool_calls": [call]}, ANSWER]})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tools", [{"name": "weather", "description": "W", "input_schema": {"type": "object"}}]),
        (
            "tools",
            [{"functionDeclarations": [{"name": "weather", "description": "W", "parameters": {"type": "object"}}]}],
        ),
        (
            "toolConfig",
            {
                "tools": [
                    {"toolSpec": {"name": "weather", "description": "W", "inputSchema": {"json": {"type": "object"}}}}
                ]
            },
        ),
        ("tools", [{"type": "function", "name": "weather", "description": "W", "parameters": {"type": "object"}}]),
    ],
    ids=["anthropic", "gemini", "bedrock", "responses"],
)
def test_tools_are_written_as_templates_read_them(field: str, value: Any):
    function = {"name": "weather", "description": "W", "parameters": {"type": "object"}}
    assert chat_of({"messages": [USER, ANSWER], field: value}).tools == [{"type": "function", "function": function}]


@pytest.mark.parametrize(
    "head",
    [
        {"system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]},
        {"systemInstruction": {"role": "system", "parts": [{"text": "Be brief."}]}},
    ],
    ids=["anthropic", "gemini"],
)
def test_a_system_text_in_parts_is_the_first_turn(head: dict[str, Any]):
    chat = chat_of({**head, "messages": [USER, ANSWER]})
    assert chat.messages[0] == {"role": "system", "content": "Be brief."} and not chat.unused


def thought(text: str) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": text}]}


def test_thoughts_before_each_of_several_calls_are_all_kept():
    calls = [{"type": "function_call", "call_id": name, "name": "weather", "arguments": "{}"} for name in "ab"]
    (_, called) = chat_of({"messages": [USER, thought("One."), calls[0], thought("Two."), calls[1]]}).messages
    assert called["reasoning_content"] == "One.\nTwo." and len(called["tool_calls"]) == 2


def test_thoughts_beside_an_answer_and_before_it_are_all_kept():
    (_, answer) = chat_of({"messages": [USER, thought("One."), {**ANSWER, "reasoning_content": "Two."}]}).messages
    assert answer["reasoning_content"] == "One.\nTwo."


def test_thoughts_that_no_answer_follows_are_counted():
    for turns in ([thought("Hm."), USER, ANSWER], [USER, ANSWER, thought("Hm.")]):
        chat = chat_of({"messages": turns})
        assert [message["content"] for message in chat.messages] == [ASKED, SAID]
        assert chat.unused == ("thoughts without an answer (in turns)",)
