"""Exports of chat programs and usual names of columns, each as the file holds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training_pro.data.rows.bad_rows import BadRows, RowFault
from training_pro.data.rows.chats import chat_of
from training_pro.data.rows.kinds import kind_of_row
from training_pro.data.rows.message_rows import joined_logs
from training_pro.data.rows.rows import read_rows

ASKED, SAID = "How deep is it?", "Two metres."
TALK = [("user", ASKED), ("assistant", SAID)]


def rows_of(tmp_path: Path, whole: Any) -> list[dict[str, Any]]:
    (tmp_path / "file.json").write_text(json.dumps(whole), encoding="utf-8")
    return [row for _, row in read_rows(tmp_path / "file.json", BadRows("file.json", "stop"))]


def turns(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in chat_of(row).messages]


SLACK = [
    {"type": "message", "subtype": "channel_join", "user": "U1", "text": "joined", "ts": "1"},
    {"type": "message", "user": "U1", "text": ASKED, "ts": "2"},
    {"type": "message", "user": "U2", "user_profile": {"display_name": "wren"}, "text": SAID, "ts": "3"},
]
MESSENGER = {
    "participants": [{"name": "Otter"}, {"name": "Wren"}],
    "messages": [
        {"sender_name": "Wren", "timestamp_ms": 2, "content": SAID},
        {"sender_name": "Otter", "timestamp_ms": 1, "content": ASKED},
    ],
}
LM_STUDIO = {
    "messages": [
        {"versions": [{"role": "user", "content": [{"type": "text", "text": ASKED}]}], "currentlySelected": 0},
        {
            "versions": [
                {"role": "assistant", "content": [{"type": "text", "text": "No."}]},
                {"role": "assistant", "steps": [{"content": [{"type": "text", "text": SAID}]}]},
            ],
            "currentlySelected": 1,
        },
    ],
}
AGNAI = {"messages": [{"_id": "1", "msg": ASKED, "userId": "u"}, {"_id": "2", "msg": SAID, "characterId": "c"}]}
PLAIN_TURNS = [{"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID}]


@pytest.mark.parametrize(
    "whole",
    [SLACK, MESSENGER, LM_STUDIO, AGNAI, PLAIN_TURNS, {"conversations": [PLAIN_TURNS]}, [{"dialog": [ASKED, SAID]}]],
    ids=["slack", "messenger", "lm studio", "agnai", "turns", "lists of turns", "strings"],
)
def test_exports_become_chats(tmp_path: Path, whole: Any) -> None:
    assert [turns(row) for row in rows_of(tmp_path, whole)] == [TALK]


def test_words_that_messenger_wrote_byte_by_byte_are_mended(tmp_path: Path) -> None:
    broken = "Très drôle".encode().decode("latin-1")
    first, second = MESSENGER["messages"]
    whole = {**MESSENGER, "messages": [{**first, "content": broken}, second]}
    assert turns(rows_of(tmp_path, whole)[0])[1] == ("assistant", "Très drôle")


def test_rows_with_a_role_each_that_belong_to_several_threads_stay_rows(tmp_path: Path) -> None:
    rows = [{**turn, "conversation_id": number} for number, turn in enumerate(PLAIN_TURNS)]
    assert len(rows_of(tmp_path, rows)) == 2


def test_a_story_is_a_text_and_a_lorebook_is_named(tmp_path: Path) -> None:
    story = {"prompt": "There was a lock.", "actions": [" It was open."], "memory": ""}
    assert rows_of(tmp_path, story) == [{"text": "There was a lock. It was open."}]
    with pytest.raises(RowFault, match="lorebook"):
        chat_of({"entries": {"0": {"key": ["lock"], "content": "A lock."}}})


@pytest.mark.parametrize(
    ("asked", "said"), [("inputs", "targets"), ("source", "target"), ("article", "highlights"), ("document", "summary")]
)
def test_usual_pairs_of_columns(asked: str, said: str) -> None:
    row = {asked: ASKED, said: SAID}
    assert kind_of_row(row) == "alpaca" and turns(row) == TALK


def test_a_number_that_says_which_answer_was_chosen_is_no_answer() -> None:
    with pytest.raises(RowFault, match="a number and no answer"):
        chat_of({"prompt": ASKED, "responses": [SAID, "Ten."], "chosen": 0})


@pytest.mark.parametrize("flag", ["train_on_turn", "trainable", "train_on", "loss"])
def test_every_usual_flag_of_a_turn_is_obeyed(flag: str) -> None:
    row = {"messages": [PLAIN_TURNS[0], {**PLAIN_TURNS[1], flag: False}, *PLAIN_TURNS]}
    assert chat_of(row).silent == {1}


MIRA, OTTO = {"name": "Mira"}, {"name": "Otto", "is_human": True}


def candidates(*texts: str, chosen: int = 0) -> dict[str, Any]:
    made = [{"candidate_id": f"c{place}", "raw_content": text} for place, text in enumerate(texts)]
    return {"candidates": made, "primary_candidate_id": f"c{chosen}"}


CHARACTER_AI = {
    "turns": [  # the newest first, as the site hands them out
        {"create_time": "2024-01-02", "author": MIRA, **candidates("One.", SAID, chosen=1)},
        {"create_time": "2024-01-01", "author": OTTO, **candidates(ASKED)},
    ]
}
FLAGGED = [{"text": ASKED, "src__is_human": True}, {"text": SAID, "src__is_human": False}]
JANITOR = [
    {"is_bot": False, "is_main": True, "message": ASKED},
    {"is_bot": True, "is_main": True, "message": SAID},
    {"is_bot": True, "is_main": False, "message": "Three."},
]
RISU = {"message": [{"role": "user", "data": ASKED}, {"role": "char", "data": SAID}], "name": "Chat 1"}
COPILOT = {"requests": [{"message": {"text": ASKED}, "response": [{"kind": "mark"}, {"value": SAID}]}]}
TAKEOUT = {
    "header": "Gemini Apps",
    "title": f"Prompted {ASKED}",
    "time": "2024",
    "products": ["Gemini Apps"],
    "safeHtmlItem": [{"html": f"<p>{SAID}</p>"}],
}


@pytest.mark.parametrize(
    "whole",
    [
        CHARACTER_AI,
        {"chats": [{"chat_id": "1", **CHARACTER_AI}]},
        {"info": {"character": MIRA}, "histories": {"histories": [{"msgs": FLAGGED}]}},
        {"messages": FLAGGED, "next_page": 0},
        {"chat": {"id": 1}, "chatMessages": JANITOR},
        {"type": "risuChat", "ver": 1, "data": RISU},
        {"type": "risuAllChats", "ver": 1, "data": [RISU]},
        COPILOT,
        [TAKEOUT],
        {"conversations": [{"query": ASKED, "answer": SAID}]},
        [{"type": "human", "content": ASKED}, {"type": "ai", "content": SAID}],
    ],
    ids=[
        "c.ai",
        "c.ai chats",
        "c.ai old",
        "c.ai page",
        "janitor",
        "risu",
        "risu all",
        "copilot",
        "takeout",
        "queries",
        "lc rows",
    ],
)
def test_chats_of_character_sites_and_of_gemini_are_chats(tmp_path: Path, whole: Any):
    rows = rows_of(tmp_path, whole)
    assert len(rows) == 1 and turns(rows[0]) == TALK


def test_what_else_google_lists_holds_no_answer(tmp_path: Path):
    used = {name: value for name, value in TAKEOUT.items() if name != "safeHtmlItem"}
    (row,) = rows_of(tmp_path, [used])
    with pytest.raises(RowFault, match="nobody answers"):
        chat_of(row)


def test_rows_of_messages_that_name_their_conversation_are_one_chat_each(tmp_path: Path):
    rows = [
        {"thread_id": thread, "role": role, "content": f"{said} {thread}"}
        for role, said in (("user", ASKED), ("assistant", SAID))
        for thread in "ab"
    ]
    found = rows_of(tmp_path, rows)
    assert [turns(row) for row in found] == [
        [("user", f"{ASKED} {thread}"), ("assistant", f"{SAID} {thread}")] for thread in "ab"
    ]


ESSAYS = [{"type": ("human", "ai")[place % 2], "content": f"Essay {place}."} for place in range(60)]
EVENTS = [{"type": kind, "content": "Restarted."} for kind in ("system", "network", "system")]


@pytest.mark.parametrize(
    "rows",
    [ESSAYS, ESSAYS[:1] * 3, [ESSAYS[0], ESSAYS[0], ESSAYS[1]], [row | {"topic": "a"} for row in ESSAYS[:4]], EVENTS],
    ids=["in turn", "one kind", "not in turn", "more columns", "events"],
)
def test_texts_of_a_type_are_no_chat(rows: list[Any]):
    assert [row for _, row in joined_logs(enumerate(rows, 1))] == rows


@pytest.mark.parametrize(
    "rows",
    [
        [row | {"additional_kwargs": {}} for row in ESSAYS],
        [{"type": "system", "content": "Be brief."}, *ESSAYS[:6]],
        [{"type": ("HumanMessage", "AIMessage")[place % 2], "content": "Hm."} for place in range(60)],
        [{"type": ("user", "assistant")[place % 2], "content": "Hm."} for place in range(60)],
    ],
    ids=["langchain", "a short one", "classes", "roles"],
)
def test_messages_that_say_by_their_type_who_speaks_are_one_chat(rows: list[Any]):
    assert [row for _, row in joined_logs(enumerate(rows, 1))] == [{"messages": rows}]


SYSTEM = {"role": "system", "content": "Be brief."}


def test_a_system_text_after_an_answer_begins_the_next_chat():
    rows = [SYSTEM, *PLAIN_TURNS, SYSTEM, *PLAIN_TURNS, *PLAIN_TURNS]
    found = [*joined_logs(enumerate(rows, 1))]
    assert found == [(1, {"messages": rows[:3]}), (4, {"messages": rows[3:]})]
    in_the_middle = [*PLAIN_TURNS, SYSTEM, *PLAIN_TURNS]
    assert [row for _, row in joined_logs(enumerate(in_the_middle, 1))] == [{"messages": in_the_middle}]


def test_what_is_no_message_is_a_row_of_its_own_and_a_bad_one(tmp_path: Path):
    lines = [*PLAIN_TURNS, "stray", 5, *PLAIN_TURNS]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    bad = BadRows("a.jsonl", "skip")
    rows = [row for _, row in read_rows(tmp_path / "a.jsonl", bad)]
    assert rows == [{"messages": [*PLAIN_TURNS, *PLAIN_TURNS]}, {"text": "stray"}] and bad.count == 1


TABLE = [
    {"author": ("Wren", "Otter")[place % 2], "date": f"2025-01-0{place + 1} 10:00", "text": f"Line {place}."}
    for place in range(4)
]


def test_messages_of_a_table_without_words_are_counted():
    ((_, chat),) = joined_logs(enumerate([*TABLE, {**TABLE[0], "text": ""}], 1))
    assert len(chat["messages"]) == 4 and chat_of(chat).unused == ("messages without words or author",)


def test_essays_and_poems_of_two_authors_are_no_chat():
    essays = [{**row, "text": row["text"] * 100} for row in TABLE]
    assert [row for _, row in joined_logs(enumerate(essays, 1))] == essays


def test_hidden_messages_of_sillytavern_are_counted():
    head = {"user_name": "You", "character_name": "Wren"}
    said = [{"name": "You", "is_user": True, "mes": ASKED}, {"name": "Wren", "is_user": False, "mes": SAID}]
    ((_, chat),) = joined_logs(enumerate([head, *said, {**said[1], "is_system": True}], 1))
    assert turns(chat) == TALK and chat_of(chat).unused == ("hidden messages",)


def test_names_of_sillytavern_come_from_its_lines_where_its_header_has_none(tmp_path: Path) -> None:
    lines = [
        {"user_name": "unused", "character_name": "unused", "chat_metadata": {}},
        {"name": "Otter", "is_user": False, "mes": "Ahoy, {{user}}. {{char}} here."},
        {"name": "Wren", "is_user": True, "mes": "Hello."},
        {"name": "Otter", "is_user": False, "mes": "Two metres."},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    ((_, row),) = read_rows(tmp_path / "a.jsonl", BadRows("a.jsonl", "stop"))
    assert chat_of(row).messages[0]["content"] == "Ahoy, Wren. Otter here."


def test_who_has_left_telegram_speaks_all_the_same() -> None:
    messages = [
        {"id": 1, "type": "message", "from": "Wren", "from_id": "user1", "text": "Deep?"},
        {"id": 2, "type": "message", "from": None, "from_id": "user2", "text": "Two metres."},
    ]
    said = [message["content"] for message in chat_of({"type": "personal_chat", "messages": messages}).messages]
    assert said == ["Deep?", "Two metres."]
