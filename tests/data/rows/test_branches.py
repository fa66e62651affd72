"""Of chats that are trees one branch is trained: how many messages the others have is counted and said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.chat_templates import CHATML
from tests.data.rows.test_assistant_exports import (
    ASKED,
    DEEPSEEK,
    HEAD,
    NODES,
    OASST,
    OASST_TREE,
    SAID,
    TALK,
    claude,
    said,
    tavern,
    tree,
    turns,
)
from tests.data.rows.test_more_exports import LM_STUDIO
from tests.data.tiny import tiny_tokenizer
from training_pro.data.rendering.chat import ChatRenderer
from training_pro.data.rendering.templates import make_template
from training_pro.data.rows.bad_rows import BadRows, RowFault
from training_pro.data.rows.chats import chat_of
from training_pro.data.rows.rows import read_rows
from training_pro.data.tokens import RowTokenizer

CHATGPT = {
    "mapping": {
        "root": {"message": None, "parent": None, "children": ["1", "4"]},
        "1": {"message": said("user", ASKED), "parent": "root", "children": ["2", "3"]},
        "2": {"message": said("assistant", "No idea."), "parent": "1", "children": []},
        "3": {"message": said("assistant", SAID), "parent": "1", "children": []},
        "4": {"message": said("user", "How wide?"), "parent": "root", "children": ["5"]},
        "5": {"message": said("assistant", "search(pond)", to="browser"), "parent": "4", "children": []},
    },
    "current_node": "3",
}
CLAUDE = {
    "chat_messages": [
        claude("human", "Old?", uuid="1", parent_message_uuid="0"),
        claude("assistant", "Old.", uuid="2", parent_message_uuid="1"),
        claude("human", ASKED, uuid="3", parent_message_uuid="0"),
        claude("assistant", SAID, uuid="4", parent_message_uuid="3"),
    ]
}
OPEN_WEBUI = {"chat": {"history": {"messages": NODES, "currentId": "3"}}}
OPEN_WEBUI_TWICE = {"chat": {"messages": [NODES["1"], NODES["3"]], "history": {"messages": NODES, "currentId": "3"}}}
CHARACTER_AI = {
    "turns": [
        {"author": {"is_human": True}, "candidates": [{"candidate_id": "1", "raw_content": ASKED}]},
        {
            "author": {},
            "candidates": [{"candidate_id": "2", "raw_content": "No."}, {"candidate_id": "3", "raw_content": SAID}],
            "primary_candidate_id": "3",
        },
    ]
}
ANSWERS = [{"src__is_human": False, "text": SAID}, {"src__is_human": False, "text": "No.", "is_alternative": True}]
FLAGGED = {"histories": {"histories": [{"msgs": [{"src__is_human": True, "text": ASKED}, *ANSWERS]}]}}
WEBUI = {
    "internal": [[ASKED, SAID]],
    "visible": [[ASKED, SAID]],
    "metadata": {
        "user_0": {"timestamp": "Dec 1"},
        "assistant_0": {"versions": [{"content": "No."}, {"content": SAID}], "current_version_index": 1},
    },
}
SILLYTAVERN = [HEAD, tavern("Otter", ASKED), tavern("Wren", SAID, swipes=["No.", SAID, "Well."], swipe_id=1)]


@pytest.mark.parametrize(
    ("whole", "others"),
    [
        *((CHATGPT, 2), (CLAUDE, 2), (OPEN_WEBUI, 3), (OPEN_WEBUI_TWICE, 3), (CHARACTER_AI, 1), (FLAGGED, 1)),
        *((LM_STUDIO, 1), (WEBUI, 1), (SILLYTAVERN, 2), (OASST, 1), (OASST_TREE, 1)),
        *(([DEEPSEEK], 0), (tree(said("user", ASKED), said("assistant", SAID)), 0)),
    ],
    ids=[
        *("chatgpt", "claude", "open webui", "open webui, as a list too", "character.ai", "character.ai, older"),
        *("lm studio", "webui", "sillytavern", "oasst", "oasst trees", "deepseek", "one branch"),
    ],
)
def test_messages_of_branches_that_are_left_out_are_counted(tmp_path: Path, whole: Any, others: int) -> None:
    lines = [json.dumps(row) for row in whole] if isinstance(whole, list) else [json.dumps(whole)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (chat,) = [chat_of(row) for _, row in read_rows(tmp_path / "a.jsonl", BadRows("a.jsonl", "stop"))]
    assert turns(chat) == TALK and chat.others == others
    assert not any("branches" in name for name in chat.unused)


BLANK = [{"candidate_id": str(place), "raw_content": text} for place, text in enumerate(["No.", SAID, "  "])]


@pytest.mark.parametrize(("chosen", "others"), [("1", 1), ("2", 2)])
def test_blank_answers_are_none_that_are_left_out(chosen: str, others: int) -> None:
    end = [{"author": {}, "candidates": [{"raw_content": SAID}]}]
    row = {"turns": [CHARACTER_AI["turns"][0], {"candidates": BLANK, "primary_candidate_id": chosen}, *end]}
    assert chat_of(row).others == others


@pytest.mark.parametrize(
    ("swipes", "others"),
    [(5, 0), ("abc", 0), ([SAID, None], 0), ([f"{SAID} "], 0), (["", "No.", "No. ", 5, {}], 1)],
    ids=str,
)
def test_odd_versions_of_an_answer_are_none(tmp_path: Path, swipes: Any, others: int) -> None:
    lines = [HEAD, tavern("Otter", ASKED), tavern("Wren", SAID, swipes=swipes)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    (chat,) = [chat_of(row) for _, row in read_rows(tmp_path / "a.jsonl", BadRows("a.jsonl", "stop"))]
    assert turns(chat) == TALK and chat.others == others


def test_a_chat_without_a_tree_has_no_other_branches() -> None:
    said_twice = [{"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID}]
    assert chat_of({"chat": {"messages": said_twice}}).others == 0
    assert chat_of({"messages": said_twice, "messages of other branches": -2}).others == 0
    for odd in (None, "x"):
        with pytest.raises(RowFault, match="turn 3"):
            chat_of({"chat": {"messages": [*said_twice, odd], "history": {"messages": NODES}}})


def test_odd_names_of_messages_are_names_and_an_answer_to_itself_ends_the_chat(tmp_path: Path) -> None:
    assert turns(chat_of({"chat_messages": [{**one, "uuid": [one["uuid"]]} for one in CLAUDE["chat_messages"]]}))
    tree = {"message_tree_id": "t", "message_id": ["1"], "parent_id": ["2"], "role": "prompter", "text": ASKED}
    answer = {**tree, "message_id": ["2"], "parent_id": ["1"], "role": "assistant", "text": SAID}
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(tree)}\n{json.dumps(answer)}\n", encoding="utf-8")
    (chat,) = [chat_of(row) for _, row in read_rows(tmp_path / "a.jsonl", BadRows("a.jsonl", "stop"))]
    assert turns(chat) == TALK and chat.others == 0


def test_a_deep_tree_of_replies_is_counted() -> None:
    deep: dict[str, Any] = {"role": "assistant", "text": SAID}
    for _ in range(3000):
        deep = {"role": "assistant", "text": "Well.", "replies": [deep]}
    row = {"prompt": {"role": "prompter", "text": ASKED, "replies": [deep, {"role": "assistant", "text": "No."}]}}
    assert chat_of(row).others == 1


def test_how_many_they_are_is_said_with_the_rows() -> None:
    tokenizer = tiny_tokenizer(CHATML)
    rendered = ChatRenderer(make_template(tokenizer, "", Path("none")), RowTokenizer(tokenizer), True, True)
    for row in (CHATGPT, OPEN_WEBUI):
        rendered.render(row)
    (note,) = [note for note in rendered.notes() if "branches" in note]
    assert note.startswith("Left out: 5 messages of other branches of the chats")
