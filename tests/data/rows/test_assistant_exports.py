"""What the websites of assistants and chat programs export: branches, voice, pictures, tools, thoughts, empty chats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training_pro.data.rows.bad_rows import BadRows, RowFault, Unwanted
from training_pro.data.rows.chats import Chat, chat_of
from training_pro.data.rows.fields import parse_columns
from training_pro.data.rows.kinds import detect_kind
from training_pro.data.rows.rows import read_rows
from training_pro.errors import DataError

ASKED, SAID = "How deep is it?", "Two metres."
TALK = [("user", ASKED), ("assistant", SAID)]
NO_BLOCK = "```\nThis block is not supported on your current device yet.\n```"


def chats(tmp_path: Path, whole: Any, name: str = "a.json") -> list[Chat]:
    lines = "".join(json.dumps(row) + "\n" for row in whole) if name.endswith("l") else json.dumps(whole)
    (tmp_path / name).write_text(lines, encoding="utf-8")
    return [chat_of(row) for _, row in read_rows(tmp_path / name, BadRows(name, "stop"))]


def turns(chat: Chat) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in chat.messages]


def tree(*messages: dict[str, Any]) -> dict[str, Any]:
    """A ChatGPT chat whose messages follow each other."""
    nodes = {
        str(place): {"message": message, "parent": str(place - 1), "children": [str(place + 1)]}
        for place, message in enumerate(messages)
    }
    nodes[str(len(messages) - 1)]["children"] = []
    return {"mapping": nodes, "current_node": str(len(messages) - 1)}


def said(role: str, *parts: Any, kind: str = "text", to: str = "all", **content: Any) -> dict[str, Any]:
    content = {"content_type": kind, **({"parts": [*parts]} if parts else {}), **content}
    return {"author": {"role": role}, "content": content, "recipient": to}


def test_what_was_spoken_to_chatgpt_is_its_words() -> None:
    spoken = {"content_type": "audio_transcription", "text": ASKED}
    sound = {"content_type": "audio_asset_pointer"}
    chat = chat_of(tree(said("user", spoken, sound, kind="multimodal_text"), said("assistant", SAID)))
    assert turns(chat) == TALK and "media (in turns)" in chat.unused


def test_calls_of_chatgpts_tools_are_no_answers_and_its_thoughts_are_thoughts() -> None:
    chat = chat_of(
        tree(
            said("user", ASKED),
            said("assistant", kind="thoughts", thoughts=[{"content": "A rod."}]),
            said("assistant", '{"prompt": "a pond"}', to="dalle.text2im"),
            said("tool", "drawn"),
            said("assistant", kind="code", text="2 ** 10", to="python"),
            said("assistant", "Two metres \ue200cite\ue202turn0search1\ue201【4†source】."),
        )
    )
    assert turns(chat) == TALK
    assert chat.messages[1]["reasoning_content"] == "A rod." and "citations (in turns)" in chat.unused


def test_a_chat_without_an_answer_is_left_out_and_stops_nothing() -> None:
    empty = {"mapping": {"a": {"message": None, "parent": None, "children": []}}, "current_node": "a"}
    for row in (empty, tree(said("user", ASKED)), {"chat_messages": []}):
        with pytest.raises(Unwanted):
            chat_of(row)


def claude(sender: str, text: str, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"sender": sender, "text": text, "content": [*parts] or [{"type": "text", "text": text}], **more}


def test_claudes_thoughts_tools_and_pasted_files() -> None:
    pasted = {"file_name": "pond.txt", "extracted_content": "It was measured."}
    answer = [
        {"type": "thinking", "thinking": "A rod."},
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "name": "search", "input": {}},
        {"type": "text", "text": SAID},
    ]
    messages = [
        claude("human", ASKED, attachments=[pasted]),
        claude("assistant", f"Let me look.\n{NO_BLOCK}\n\n{SAID}", *answer),
    ]
    chat = chat_of({"chat_messages": messages})
    assert turns(chat) == [("user", f"{ASKED}\n\npond.txt\nIt was measured."), ("assistant", f"Let me look.\n\n{SAID}")]
    assert chat.messages[1]["reasoning_content"] == "A rod." and "tool_use (in turns)" in chat.unused


def test_the_last_branch_of_a_claude_chat_is_taken_and_broken_off_answers_are_not() -> None:
    root = "00000000"
    messages = [
        claude("human", "Old?", uuid="1", parent_message_uuid=root),
        claude("assistant", "Old.", uuid="2", parent_message_uuid="1"),
        claude("human", ASKED, uuid="3", parent_message_uuid=root),
        claude("assistant", "", uuid="4", parent_message_uuid="3"),
        claude("assistant", SAID, uuid="5", parent_message_uuid="4"),
    ]
    assert turns(chat_of({"chat_messages": messages})) == TALK


DEEPSEEK = {
    "mapping": {
        "root": {"parent": None, "children": ["1"], "message": None},
        "1": {"parent": "root", "children": ["2"], "message": {"fragments": [{"type": "REQUEST", "content": ASKED}]}},
        "2": {
            "parent": "1",
            "children": [],
            "message": {"fragments": [{"type": "THINK", "content": "A rod."}, {"type": "RESPONSE", "content": SAID}]},
        },
    }
}
AI_STUDIO = {
    "chunkedPrompt": {
        "chunks": [
            {"text": ASKED, "role": "user"},
            {"text": "A rod.", "role": "model", "isThought": True},
            {"text": SAID, "role": "model"},
        ]
    }
}
GROK = {
    "conversations": [
        {
            "conversation": {"id": "1"},
            "responses": [
                {"response": {"message": ASKED, "sender": "human"}},
                {"response": {"message": SAID, "sender": "ASSISTANT"}},
            ],
        }
    ]
}
GOOGLE_CHAT = {
    "messages": [
        {"creator": {"name": "Otter"}, "created_date": "Monday", "text": ASKED},
        {"creator": {"name": "Wren"}, "created_date": "Monday", "text": SAID},
    ]
}
SIGNAL = [{"date": "1", "sender": "Me", "body": ASKED}, {"date": "2", "sender": "Wren", "body": SAID}]
ASSISTANTS_API = {
    "messages": [
        {"role": role, "content": [{"type": "text", "text": {"value": text, "annotations": []}}]} for role, text in TALK
    ]
}
OASST = [
    {"message_id": "1", "parent_id": None, "message_tree_id": "1", "role": "prompter", "text": ASKED},
    {"message_id": "2", "parent_id": "1", "message_tree_id": "1", "role": "assistant", "text": "Bad.", "rank": 1},
    {"message_id": "3", "parent_id": "1", "message_tree_id": "1", "role": "assistant", "text": SAID, "rank": 0},
]
OASST_TREE = [
    {
        "prompt": {
            "role": "prompter",
            "text": ASKED,
            "replies": [
                {"role": "assistant", "text": "Bad.", "rank": 1, "replies": []},
                {"role": "assistant", "text": SAID, "rank": 0, "replies": []},
            ],
        }
    }
]


@pytest.mark.parametrize(
    "whole",
    [[DEEPSEEK], AI_STUDIO, GROK, GOOGLE_CHAT, SIGNAL, ASSISTANTS_API, OASST, OASST_TREE],
    ids=["deepseek", "ai studio", "grok", "google chat", "signal", "assistants api", "oasst", "oasst trees"],
)
def test_further_exports_become_chats(tmp_path: Path, whole: Any) -> None:
    assert [turns(chat) for chat in chats(tmp_path, whole)] == [TALK]


def test_discords_notices_are_no_messages() -> None:
    def message(name: str, text: str, kind: str = "Default") -> dict[str, Any]:
        return {"id": "1", "type": kind, "content": text, "author": {"name": name}}

    row = {
        "messages": [
            message("otter", "Joined the server.", "GuildMemberJoin"),
            message("otter", ASKED),
            message("wren", SAID, "Reply"),
            message("wren", "Pinned a message.", "ChannelPinnedMessage"),
        ]
    }
    assert turns(chat_of(row)) == TALK


def test_the_chats_of_an_export_in_which_the_chosen_one_is_silent_are_left_out() -> None:
    row = {"messages": [{"id": 1, "type": "message", "from": name, "text": "Hi"} for name in ("Otter", "Badger")]}
    with pytest.raises(Unwanted):
        chat_of(row, parse_columns("assistant=Wren"))


def test_a_channel_of_telegram_is_texts(tmp_path: Path) -> None:
    posts = [{"id": number, "type": "message", "from": "News", "text": f"Post {number}."} for number in (1, 2)]
    (tmp_path / "a.json").write_text(json.dumps({"type": "public_channel", "messages": posts}), encoding="utf-8")
    rows = [row for _, row in read_rows(tmp_path / "a.json", BadRows("a.json", "stop"))]
    assert rows == [{"text": "Post 1."}, {"text": "Post 2."}]


def tavern(name: str, text: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "is_user": name == "Otter", "mes": text, **more}


HEAD = {"user_name": "Otter", "character_name": "Wren", "chat_metadata": {}}


def test_a_sillytavern_group_keeps_who_says_what_and_each_header_begins_a_chat(tmp_path: Path) -> None:
    group = [HEAD, tavern("Otter", ASKED), tavern("Wren", "No."), tavern("Badger", SAID)]
    alone = [HEAD, tavern("Wren", "Hello, {{user}}."), tavern("Otter", ASKED), tavern("Wren", SAID)]
    first, second = chats(tmp_path, [*group, *alone], "a.jsonl")
    assert turns(first) == [("user", ASKED), ("assistant", f"Wren: No.\n\nBadger: {SAID}")]
    assert turns(second) == [("assistant", "Hello, Otter."), *TALK]


def test_slacks_links_and_entities_become_words(tmp_path: Path) -> None:
    lines = [
        {"type": "message", "user": "U1", "text": "<@U2> see <https://x.org|the pond>", "ts": "1"},
        {"type": "message", "user": "U2", "user_profile": {"display_name": "wren"}, "text": "A &amp; B", "ts": "2"},
    ]
    assert turns(chats(tmp_path, lines)[0]) == [("user", "@wren see the pond"), ("assistant", "A & B")]


def test_posts_with_an_author_and_a_time_stay_rows(tmp_path: Path) -> None:
    posts = [{"author": name, "body": "Deep.", "created_utc": 1, "date": "x", "score": 3} for name in ("a", "b")]
    strangers = [{"user": str(number), "text": "Deep.", "created_at": "x"} for number in range(30)]
    for number, rows in enumerate((posts, strangers)):
        (tmp_path / f"{number}.json").write_text(json.dumps(rows), encoding="utf-8")
        assert len(list(read_rows(tmp_path / f"{number}.json", BadRows("a", "stop")))) == len(rows)


def test_chosen_columns_keep_messages_apart(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(SIGNAL), encoding="utf-8")
    assert len(list(read_rows(tmp_path / "a.json", BadRows("a", "stop"), apart=True))) == 2


@pytest.mark.parametrize(
    "answer",
    [
        f"<|channel|>analysis<|message|>A rod.<|end|><|start|>assistant<|channel|>final<|message|>{SAID}",
        f'<details type="reasoning" done="true">\n<summary>Thought</summary>\n> A rod.\n</details>\n{SAID}',
    ],
    ids=["channels of gpt-oss", "box of Open WebUI"],
)
def test_thoughts_kept_inside_an_answer_are_thoughts(answer: str) -> None:
    message = chat_of(
        {"messages": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": answer}]}
    ).messages[1]
    assert (message["reasoning_content"], message["content"]) == ("A rod.", SAID)


def test_a_call_of_a_tool_in_the_channels_of_an_answer_stays() -> None:
    call = '<|channel|>commentary to=functions.depth <|constrain|>json<|message|>{"at": 1}<|call|>'
    answer = f"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant{call}<|channel|>final<|message|>{SAID}"
    talk = {"messages": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": answer}]}
    assert chat_of(talk).messages[1] == {"role": "assistant", "content": answer}


def test_a_character_card_of_any_version_is_named() -> None:
    with pytest.raises(RowFault, match="character card"):
        chat_of({"spec": "chara_card_v3", "data": {"name": "Wren"}})


def test_thoughts_and_names_in_an_answer_of_copilot_are_what_they_are(tmp_path: Path):
    answer = [
        {"kind": "thinking", "value": "A thought."},
        {"kind": "thinking", "value": ["Another", " one."]},
        {"value": "Call "},
        {"kind": "inlineReference", "name": "depth()", "inlineReference": {"path": "/a/pond.py"}},
        {"value": " in "},
        {"kind": "inlineReference", "inlineReference": {"uri": {"path": "/a/pond.py"}, "range": {}}},
        {"kind": "markdownContent", "content": {"value": "."}},
    ]
    (chat,) = chats(tmp_path, {"requests": [{"message": {"text": ASKED}, "response": answer}]})
    assert turns(chat) == [("user", ASKED), ("assistant", "Call depth() in pond.py.")]
    assert chat.messages[1]["reasoning_content"] == "A thought.\nAnother one."


def takeout(title: str) -> dict[str, Any]:
    row = {"header": "Gemini Apps", "title": title, "time": "2024", "products": ["Gemini Apps"]}
    return {**row, "safeHtmlItem": [{"html": f"<p>{SAID}</p>"}]}


@pytest.mark.parametrize("title", ["Created Gemini Canvas titled foo", "Used an Assistant feature"])
def test_what_was_done_in_gemini_besides_asking_is_no_chat(title: str):
    assert turns(chat_of(takeout(f"Prompted {ASKED}"))) == TALK
    with pytest.raises(Unwanted):
        chat_of(takeout(title))


@pytest.mark.parametrize("before", ["Eingegebener Prompt: ", "Prompt\u00a0: "])
def test_titles_of_gemini_in_german_and_french_are_questions(before: str):
    assert turns(chat_of(takeout(before + ASKED))) == TALK


def test_a_title_of_gemini_in_an_unknown_language_is_named(tmp_path: Path):
    file = tmp_path / "a.json"
    file.write_text(json.dumps([takeout(f"Eingegeben: {ASKED}")]), encoding="utf-8")
    with pytest.raises(DataError, match=r"Eingegeben: How deep.*set the Google account to English"):
        detect_kind(file, "a.json")


def test_thoughts_that_no_answer_follows_are_counted():
    fragments = [
        [{"type": "REQUEST", "content": ASKED}, {"type": "THINK", "content": "Broken off."}],
        [{"type": "REQUEST", "content": ASKED}, {"type": "RESPONSE", "content": SAID}],
        [{"type": "THINK", "content": "Broken off."}],
    ]
    for kept in (fragments, fragments[:2], fragments[1:]):
        assert chat_of(tree(*({"fragments": one} for one in kept))).unused == ("thoughts without an answer (in turns)",)


NODES = {
    "1": {"parentId": None, "childrenIds": ["2", "3"], "role": "user", "content": ASKED},
    "2": {"parentId": "1", "childrenIds": [], "role": "assistant", "content": "No idea."},
    "3": {"parentId": "1", "childrenIds": ["4", "5"], "role": "assistant", "content": SAID},
    "4": {"parentId": "3", "childrenIds": [], "role": "user", "content": "And long?"},
    "5": {"parentId": "3", "childrenIds": [], "role": "user", "content": "And wide?"},
}


@pytest.mark.parametrize(
    "row",
    [
        {"chat": {"title": "T", "history": {"messages": NODES, "currentId": "4"}}},
        {"chat": {"messages": [], "history": {"messages": NODES, "currentId": "4"}}},
        {"title": "T", "history": {"messages": NODES, "currentId": "4"}},
    ],
)
def test_the_branch_of_open_webui_that_was_shown_last_is_taken(tmp_path: Path, row: Any):
    (chat,) = chats(tmp_path, [row])
    assert turns(chat) == [*TALK, ("user", "And long?")] and {*chat.unused} <= {"title"}


def test_without_a_place_in_open_webuis_tree_its_last_leaf_counts():
    row = {"chat": {"history": {"messages": NODES, "currentId": None}}}
    assert turns(chat_of(row)) == [*TALK, ("user", "And wide?")]


@pytest.mark.parametrize("row", [{"chat": {"messages": []}}, {"chat": {"messages": [], "history": {}}, "title": "T"}])
def test_a_chat_without_messages_is_left_out_and_stops_nothing(row: Any):
    with pytest.raises(Unwanted):
        chat_of(row)
