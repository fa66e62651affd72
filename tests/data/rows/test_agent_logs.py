"""Logs of coding agents: a chat for each session, with the words said; what else there is is counted."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from training_pro.data.rows.bad_rows import BadRows, Unwanted
from training_pro.data.rows.chats import Chat, chat_of
from training_pro.data.rows.rows import read_rows

ASKED, SAID = "Mend the tests.", "Done."
TALK = [("user", ASKED), ("assistant", f"I look.\n\n{SAID}")]
Event = dict[str, Any]


def event(role: str, content: Any, own: str, before: str | None, **more: Any) -> Event:
    message = {"role": role, "content": content}
    return {"type": role, "message": message, "uuid": own, "parentUuid": before, "sessionId": "s", "cwd": "/x", **more}


def said(text: str) -> list[Event]:
    return [{"type": "text", "text": text}]


CALL = [{"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "ls"}}]
RESULT = [{"type": "tool_result", "tool_use_id": "t", "content": "a.py"}]
SESSION = [
    {"type": "summary", "summary": "Tests mended", "leafUuid": "6"},
    event("user", "A caveat", "0", None, isMeta=True),
    event("user", "<command-name>/clear</command-name>\n<command-args></command-args>", "1", "0"),
    event("user", ASKED, "2", "1"),
    event("assistant", [{"type": "thinking", "thinking": "Look first.", "signature": "x"}], "3", "2"),
    event("assistant", said("I look."), "4", "3"),
    event("assistant", CALL, "5", "4"),
    event("user", RESULT, "6", "5", toolUseResult={"stdout": "a.py"}),
    event("assistant", said(SAID), "7", "6"),
    {"type": "system", "subtype": "turn_duration", "uuid": "8", "parentUuid": "7", "sessionId": "s"},
]


def payload(kind: str, **more: Any) -> Event:
    return {"timestamp": "t", "type": "response_item", "payload": {"type": kind, **more}}


def item(role: str, kind: str, text: str) -> Event:
    return payload("message", role=role, content=[{"type": kind, "text": text}])


ITEMS = [
    {"timestamp": "t", "type": "session_meta", "payload": {"id": "s", "cwd": "/x"}},
    item("developer", "input_text", "Be safe."),
    item("user", "input_text", "<environment_context>\n<cwd>/x</cwd>\n</environment_context>"),
    item("user", "input_text", ASKED),
    {"timestamp": "t", "type": "event_msg", "payload": {"type": "user_message", "message": ASKED}},
    payload("reasoning", summary=[{"type": "summary_text", "text": "Look first."}], encrypted_content="g"),
    item("assistant", "output_text", "I look."),
    payload("function_call", name="shell", arguments="{}", call_id="c"),
    payload("function_call_output", call_id="c", output="a.py"),
    item("assistant", "output_text", SAID),
]


def chats(tmp_path: Path, events: list[Event]) -> list[Chat]:
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in events), encoding="utf-8")
    return [chat_of(row) for _, row in read_rows(file, BadRows("a.jsonl", "stop"))]


def turns(chat: Chat) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in chat.messages]


HEAD = {"id": "s", "timestamp": "t", "instructions": None}
OLDER = [HEAD, *(one["payload"] for one in ITEMS[1:] if one["type"] == "response_item")]


@pytest.mark.parametrize("events", [SESSION, ITEMS, OLDER], ids=["messages", "items", "older items"])
def test_a_session_is_one_chat_with_the_words_said(tmp_path: Path, events: list[Event]):
    (chat,) = chats(tmp_path, events)
    assert turns(chat) == TALK and chat.messages[1]["reasoning_content"] == "Look first."
    assert chat.unused == ("tool calls and results", "notes of the program")


def test_the_counts_are_those_of_the_log(tmp_path: Path):
    (tmp_path / "a.json").write_text(json.dumps(SESSION, indent=1), encoding="utf-8")
    ((_, row),) = read_rows(tmp_path / "a.json", BadRows("a.json", "stop"))
    assert (row["tool calls and results"], row["notes of the program"]) == (2, 2)


def test_each_session_of_a_file_is_a_chat(tmp_path: Path):
    again = [{**one, "sessionId": "other"} for one in SESSION[1:]]
    assert list(map(turns, chats(tmp_path, [*SESSION, *again]))) == [TALK, TALK]
    assert list(map(turns, chats(tmp_path, [*ITEMS, *ITEMS]))) == [TALK, TALK]


def test_turns_taken_back_and_agents_of_the_agent_are_counted(tmp_path: Path):
    more = [
        event("user", "Commit it.", "9", "7"),
        event("assistant", said("Committed."), "10", "9"),
        event("user", "Push it.", "11", "7"),
        event("assistant", said("Pushed."), "12", "11"),
        event("user", "Find the file.", "13", None, isSidechain=True),
        event("user", "[Request interrupted by user]", "14", "12"),
    ]
    (chat,) = chats(tmp_path, [*SESSION, *more])
    assert turns(chat) == [*TALK, ("user", "Push it."), ("assistant", "Pushed.")]
    assert {"turns taken back", "turns among agents"} <= {*chat.unused}


def test_a_session_that_nobody_answers_is_left_out_and_stops_nothing(tmp_path: Path):
    with pytest.raises(Unwanted):
        chats(tmp_path, SESSION[:4])


def test_other_rows_with_such_fields_stay_rows(tmp_path: Path):
    rows = [{"type": "push", "payload": {"size": 1}, "text": f"Commit {number}."} for number in range(3)]
    (tmp_path / "a.json").write_text(json.dumps(rows), encoding="utf-8")
    assert [row for _, row in read_rows(tmp_path / "a.json", BadRows("a.json", "stop"))] == rows


def test_words_between_marks_of_a_program_are_the_persons(tmp_path: Path):
    words = "<a-note>x</a-note> So I said it. <a-note>y</a-note>"
    (chat,) = chats(tmp_path, [event("user", words, "1", None), event("assistant", said(SAID), "2", "1")])
    assert turns(chat) == [("user", words), ("assistant", SAID)] and chat.unused == ()
    before = time.thread_time()
    (chat,) = chats(tmp_path, [event("user", "<a-b>x</a-b>" * 24 + "So.", "1", None), *SESSION[-2:]])
    assert chat.messages[0]["content"].endswith("So.") and time.thread_time() - before < 1


def test_ids_of_another_kind_are_none(tmp_path: Path):
    odd = {"uuid": ["x"], "parentUuid": {"y": 1}}
    (chat,) = chats(tmp_path, [{**one, **odd} for one in SESSION])
    assert turns(chat) == TALK
    no_id = [{key: value for key, value in one.items() if key != "uuid"} for one in SESSION]
    (chat,) = chats(
        tmp_path, [*no_id, event("user", "Push it.", "11", "1"), event("assistant", said(SAID), "12", "11")]
    )
    assert turns(chat)[:2] == TALK
