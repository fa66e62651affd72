"""What people bring: rows of every shape become the conversation or text they mean, or one sentence on the values."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.data.chat_templates import CHATML
from tests.data.row_files import trained_text
from tests.data.tiny import tiny_tokenizer
from training_pro.data.prepare import Prepared, prepare
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.settings import Settings

ASKED, SAID = "How deep is the mill pond?", "Two metres."
TURNS = [{"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID}]
ONE = f"<|im_start|>user\n{ASKED}<|im_end|>\n<|im_start|>assistant\n{SAID}<|im_end|>\n"
SYSTEM = "You are a ferryman."
TOKENIZER = tiny_tokenizer(CHATML)


def lines(*rows: Any) -> str:
    return "\n".join(map(json.dumps, rows)) + "\n"


def shown(found: Prepared, index: int = 0) -> str:
    """The sample without the system text that the template writes where there is none."""
    return found.train.preview(index).text.replace("<|im_start|>system\nBe kind.<|im_end|>\n", "")


def ready(folders: Folders, name: str, content: str | bytes, **choices: Any) -> Prepared:
    path = folders.datasets / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return prepare(Settings(dataset=name, max_tokens=512, **choices), TOKENIZER, folders, cache=False)


def sharegpt(*turns: tuple[str, str]) -> dict[str, Any]:
    return {"conversations": [{"from": who, "value": what} for who, what in turns]}


def as_pandas_writes(asked: str, said: str) -> str:
    turns = f"{{'from': 'human', 'value': '{asked}'}}\n {{'from': 'gpt', 'value': '{said}'}}"
    return f'conversations\n"[{turns}]"\n'


def node(role: str, text: str, parent: str) -> dict[str, Any]:
    content = {"content_type": "text", "parts": [text]}
    return {"message": {"author": {"role": role}, "content": content}, "parent": parent}


# name: (file name, content). Each is the same question and answer.
SAME: dict[str, tuple[str, str | bytes]] = {
    "messages": ("a.jsonl", lines({"messages": TURNS})),
    "other role names": (
        "a.jsonl",
        lines({"messages": [{**t, "role": r} for t, r in zip(TURNS, ("human", "ai"), strict=True)]}),
    ),
    "sharegpt": ("a.json", json.dumps([sharegpt(("human", ASKED), ("gpt", SAID))])),
    "roles under conversations": ("a.jsonl", lines({"conversations": TURNS})),
    "a list of turns a line": ("a.jsonl", lines(TURNS, TURNS)),
    "a list of lists": ("a.json", json.dumps([TURNS, TURNS])),
    "pairs": ("a.jsonl", lines({"conversation": [{"human": ASKED, "assistant": SAID}], "category": "x"})),
    "input and output in a conversation": (
        "a.json",
        json.dumps([{"conversation": [{"input": ASKED, "output": SAID}]}]),
    ),
    "prompt and completion as turns": ("a.jsonl", lines({"prompt": TURNS[:1], "completion": TURNS[1:]})),
    "preference of turns": ("a.jsonl", lines({"prompt": TURNS[:1], "chosen": TURNS[1:], "rejected": TURNS[:1]})),
    "preference of texts": ("a.jsonl", lines({"prompt": ASKED, "chosen": SAID, "rejected": "No."})),
    "preference written out": (
        "a.jsonl",
        lines({"chosen": f"\n\nHuman: {ASKED}\n\nAssistant: {SAID}", "rejected": "\n\nHuman: a\n\nAssistant: b"}),
    ),
    "a chat written out": ("a.jsonl", lines({"chat": f"USER: {ASKED}\n\n\nASSISTANT: {SAID} <|endoftext|>"})),
    "input and output": ("a.jsonl", lines({"input": ASKED, "output": SAID})),
    "instruction and response": ("a.jsonl", lines({"instruction": ASKED, "context": "", "response": SAID})),
    "prompt and completion": ("a.jsonl", lines({"prompt": ASKED, "completion": SAID})),
    "question and answer in capitals": ("a.csv", f"Question,ANSWER\n{ASKED},{SAID}\n"),
    "user and assistant": ("a.jsonl", lines({"user": ASKED, "assistant": SAID})),
    "tabs": ("a.tsv", f"question\tanswer\n{ASKED}\t{SAID}\n"),
    "packed": ("a.JSONL.gz", gzip.compress(lines({"messages": TURNS}).encode())),
    "pandas with its index": ("a.csv", f",instruction,output\n0,{ASKED},{SAID}\n"),
    "pandas by columns": ("a.json", json.dumps({"instruction": {"0": ASKED}, "output": {"0": SAID}})),
    "pandas by rows": ("a.json", json.dumps({"0": {"instruction": ASKED, "output": SAID}})),
    "pandas split": ("a.json", json.dumps({"columns": ["prompt", "response"], "index": [0], "data": [[ASKED, SAID]]})),
    "pandas writes Python": ("a.csv", as_pandas_writes(ASKED, SAID)),
    "an object with data": (
        "a.json",
        json.dumps({"version": "1", "data": [{"question": ASKED, "answer": SAID}]}, indent=1),
    ),
    "an object with data in one line": ("a.json", json.dumps({"data": [{"question": ASKED, "answer": SAID}] * 2})),
    "objects after each other": ("a.json", json.dumps({"prompt": ASKED, "response": SAID}, indent=2) * 3),
    "a comma too many": ("a.json", json.dumps([{"prompt": ASKED, "response": SAID}])[:-1] + ",\n]"),
    "a missing value as pandas writes it": (
        "a.jsonl",
        lines({"instruction": ASKED, "input": float("nan"), "output": SAID}),
    ),
    "sillytavern": (
        "a.jsonl",
        lines(
            {"user_name": "Wren", "character_name": "Otter", "chat_metadata": {}},
            {"name": "Wren", "is_user": True, "mes": ASKED},
            {"name": "Otter", "is_user": False, "mes": SAID, "swipes": ["a"]},
        ),
    ),
    "the WebUI's own log": (
        "a.json",
        json.dumps({"internal": [["<|BEGIN-VISIBLE-CHAT|>", ""], [ASKED, SAID]], "visible": []}),
    ),
    "chatgpt": (
        "a.json",
        json.dumps(
            [
                {
                    "title": "Ponds",
                    "current_node": "c",
                    "mapping": {
                        "a": node("system", "", ""),
                        "b": node("user", ASKED, "a"),
                        "d": node("assistant", "Not shown.", "b"),
                        "c": node("assistant", SAID, "b"),
                    },
                }
            ]
        ),
    ),
    "claude": (
        "a.json",
        json.dumps(
            [
                {
                    "name": "Ponds",
                    "chat_messages": [{"sender": "human", "text": ASKED}, {"sender": "assistant", "text": SAID}],
                }
            ]
        ),
    ),
    "discord": (
        "a.json",
        json.dumps(
            {
                "guild": {"name": "Mill"},
                "messages": [
                    {"id": "0", "type": "GuildMemberJoin", "content": "", "author": {"name": "wren"}},
                    {"id": "1", "type": "Default", "content": ASKED, "author": {"id": "5", "name": "wren"}},
                    {"id": "2", "type": "Default", "content": SAID, "author": {"id": "6", "name": "otter"}},
                ],
            },
            indent=1,
        ),
    ),
    "telegram": (
        "a.json",
        json.dumps(
            {
                "type": "personal_chat",
                "messages": [
                    {"id": 1, "type": "message", "from": "Wren", "text": ASKED},
                    {"id": 2, "type": "service", "action": "pin_message", "text": ""},
                    {"id": 3, "type": "message", "from": "Otter", "text": ["Two ", {"text": "metres"}, "."]},
                ],
            }
        ),
    ),
    "pairs of texts": ("a.json", json.dumps([[ASKED, SAID], [ASKED, SAID]])),
    "squad's own file": (
        "a.json",
        json.dumps(
            {"data": [{"paragraphs": [{"context": "", "qas": [{"question": ASKED, "answers": [{"text": SAID}]}]}]}]}
        ),
    ),
    "squad as a table": (
        "a.jsonl",
        lines({"question": ASKED, "answers": {"text": [SAID, "Two."], "answer_start": [0]}}),
    ),
    "a prompt with its roles": ("a.jsonl", lines({"prompt": f"\n\nHuman: {ASKED}\n\nAssistant:", "completion": SAID})),
    "parts": (
        "a.jsonl",
        lines({"contents": [{"role": r, "parts": [{"text": t}]} for r, t in (("user", ASKED), ("model", SAID))]}),
    ),
    "a chat in a wrapping": ("a.json", json.dumps([{"title": "Ponds", "chat": {"messages": TURNS}}])),
    "two speakers by name": ("a.jsonl", lines(sharegpt(("Wren", ASKED), ("Otter", SAID)))),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same_question_and_answer_in_every_shape_is_the_same_sample(case: str, folders: Folders):
    found = ready(folders, *SAME[case])
    assert shown(found) == ONE
    assert found.report.sources[0].bad_rows == 0


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": ASKED, "output": SAID, "system": SYSTEM},
        {"system": SYSTEM, "user": ASKED, "assistant": SAID},
        {"conversation": [{"system": SYSTEM, "input": ASKED, "output": SAID}]},
        {"System Prompt": SYSTEM, "Prompt": ASKED, "Response": SAID},
        {"system": f"SYSTEM: {SYSTEM}", "chat": f"USER: {ASKED}\n\n\nASSISTANT: {SAID} <|endoftext|>"},
    ],
)
def test_a_system_text_comes_first(row: dict[str, Any], folders: Folders):
    found = ready(folders, "a.jsonl", lines(row))
    assert shown(found) == f"<|im_start|>system\n{SYSTEM}<|im_end|>\n{ONE}"


def test_history_becomes_turns(folders: Folders):
    history = [["How wide is it?", "Fourteen metres."], ["Is there a mill?", "There is."]]
    found = ready(
        folders,
        "a.json",
        json.dumps([{"instruction": ASKED, "input": "", "output": SAID, "history": history}]),
        loss_on="assistant",
    )
    assert trained_text(found.train, 0) == "Fourteen metres.<|im_end|>·There is.<|im_end|>·Two metres.<|im_end|>"


def test_history_becomes_turns_of_a_format_too(folders: Folders):
    row = {"instruction": ASKED, "output": SAID, "history": [["How wide is it?", "Fourteen metres."]]}
    found = ready(folders, "a.jsonl", lines(row), format="alpaca-chatbot-format", loss_on="assistant")
    before = "User: How wide is it?\nAssistant: Fourteen metres.</s>\n\n"
    assert found.train.preview(0).text == f"<s>{before}User: {ASKED}\nAssistant: {SAID}</s>"
    assert [part.strip() for part in trained_text(found.train, 0).split("·")] == ["Fourteen metres.</s>", f"{SAID}</s>"]


def test_what_a_row_says_is_not_to_be_learned_is_not(folders: Folders):
    bad, good = {"role": "assistant", "content": "Bad."}, {"role": "assistant", "content": "Good."}
    for flag in ({"weight": 0}, {"train": False}, {"loss_mask": 0}, {"weight": "0"}):
        row = {"messages": [TURNS[0], {**bad, **flag}, TURNS[0], good]}
        for loss_on in ("assistant", "all"):
            trained = trained_text(ready(folders, "a.jsonl", lines(row), loss_on=loss_on).train, 0)
            assert "Bad." not in trained and "Good.<|im_end|>" in trained


@pytest.mark.parametrize("mark", [{"label": False}, {"weight": 0}, {"train": "false"}])
@pytest.mark.parametrize("row", [{"messages": TURNS}, {"prompt": ASKED, "completion": SAID}, {"text": "The pond."}])
def test_rows_marked_as_bad_are_left_out_and_counted(mark: dict[str, Any], row: dict[str, Any], folders: Folders):
    found = ready(folders, "a.jsonl", lines({**row, **mark}, row, {**row, "label": True}))
    (source,) = found.report.sources
    assert (source.samples, source.rows_read, source.unwanted_rows, source.dropped_rows) == (2, 3, 1, 1)


def test_a_file_of_rows_marked_as_bad_says_so(folders: Folders):
    with pytest.raises(DataError, match="2 marked as not to be learned"):
        ready(folders, "a.jsonl", lines(*[{"messages": TURNS, "label": False}] * 2))


def test_pieces_with_flags_are_trained_as_they_say(folders: Folders):
    row = {"segments": [{"label": False, "text": "<s>How deep?\n"}, {"label": True, "text": "Two metres.</s>"}]}
    for loss_on in ("all", "assistant"):
        found = ready(folders, "a.jsonl", lines(row), loss_on=loss_on)
        assert trained_text(found.train, 0) == "Two metres.</s>"
        assert found.train[0]["input_ids"][0] == TOKENIZER.bos_token_id


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ({"messages": TURNS, "id": 7, "source": "web"}, ['"id" (1)', '"source" (1)']),
        ({"messages": [{**TURNS[0], "mood": "dry"}, TURNS[1]]}, ['"mood (in turns)" (1)']),
        ({"prompt": ASKED, "chosen": SAID, "rejected": "No."}, ['"rejected" (1)']),
        ({"text": "The pond is deep.", "meta": {"a": 1}, "id": "1"}, ['"meta" (1)', '"id" (1)']),
        ({"instruction": ASKED, "response": SAID, "category": "qa"}, ['"category" (1)']),
    ],
)
def test_fields_that_are_not_used_are_named_with_their_count(row: dict[str, Any], names: list[str], folders: Folders):
    notes = " ".join(ready(folders, "a.jsonl", lines(row)).report.sources[0].notes)
    assert all(name in notes for name in names)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.csv", "ID,TEXT\n1,The lock was open.\n", "The lock was open."),
        ("a.jsonl", lines({"content": "The lock was open."}), "The lock was open."),
        ("a.jsonl.gz", gzip.compress(lines({"text": "The lock was open."}).encode()), "The lock was open."),
    ],
)
def test_texts_in_rows(name: str, content: str | bytes, text: str, folders: Folders):
    found = ready(folders, name, content)
    assert found.report.sources[0].kind == "text rows" and found.train.text(0) == text


STRANGE = {
    "reddit.jsonl": lines({"author": "wren", "title": "The lock", "selftext": "It was open.", "score": 12}),
    "title.jsonl": lines({"title": "The lock", "body": "It was open. The ferryman slept."}),
    "discord.csv": 'AuthorID,Author,Date,Content\n"5","wren","2024-01-01","Is the lock open?"\n',
    "frage.csv": "Kysymys,Vastaus\nWie tief?,Zwei Meter.\n",
    "bare.csv": "How deep?,Two metres.\nHow wide?,Fourteen.\n",
}


@pytest.mark.parametrize("name", STRANGE)
def test_unknown_columns_are_shown_with_a_sample_and_a_choice(name: str, folders: Folders):
    with pytest.raises(DataError) as caught:
        ready(folders, name, STRANGE[name])
    (option,) = caught.value.options
    assert caught.value.setting == "columns" and option.startswith('--set columns="')
    first = STRANGE[name].replace('"', "").replace("{", "").split("\n")[0]
    column = first.split(":")[0] if name.endswith("l") else first.split(",")[0]
    assert f"{column} (" in str(caught.value)


def test_columns_by_choice(folders: Folders):
    found = ready(
        folders,
        "frage.csv",
        f"Frage,Antwort,Rolle\n{ASKED},{SAID},{SYSTEM}\n",
        columns="prompt=frage, answer=Antwort, system=Rolle",
    )
    assert shown(found) == f"<|im_start|>system\n{SYSTEM}<|im_end|>\n{ONE}"
    found = ready(folders, "title.jsonl", STRANGE["title.jsonl"], columns="text=title+body")
    assert found.train.text(0) == "The lock\n\nIt was open. The ferryman slept."


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"request": json.dumps({"messages": [{"role": "user", "content": ASKED}]}), "response": SAID}, "request"),
        ({"prompt": json.dumps([{"role": "user", "content": ASKED}]), "response": SAID}, "prompt"),
    ],
)
def test_chosen_columns_are_read_as_they_are_named(row: dict[str, Any], columns: str, folders: Folders):
    found = ready(folders, "a.jsonl", lines(row), columns=f"prompt={columns},answer=response")
    assert row[columns] in shown(found)


def test_columns_of_a_format_file_that_was_changed_count(folders: Folders):
    (folders.datasets / "a.jsonl").write_text(lines({"Frage": ASKED, "eins": SAID, "zwei": "Three metres."}))
    for column, said in (("eins", SAID), ("zwei", "Three metres.")):
        (folders.formats / "mine.json").write_text(json.dumps({"columns": f"prompt=Frage,answer={column}"}))
        found = prepare(Settings(dataset="a.jsonl", format="mine", max_tokens=512), TOKENIZER, folders)
        assert said in shown(found)


def test_a_question_with_choices_has_its_answer_in_the_column_that_was_chosen(folders: Folders):
    row = {"question": ASKED, "choices": ["One metre.", SAID], "output": "B"}
    found = ready(folders, "a.jsonl", lines(row), columns="prompt=question,answer=output")
    assert "A. One metre." in shown(found) and f"B. {SAID}" in shown(found)


def test_the_assistant_is_chosen_by_name(folders: Folders):
    said = [("wren", "Morning."), ("otter", "Aye."), ("owl", "Hoo."), ("otter", "Aye, aye."), ("otter", "Off we go.")]
    row = sharegpt(*said)
    with pytest.raises(DataError, match="wren, otter, owl"):
        ready(folders, "a.jsonl", lines(row))
    found = ready(folders, "a.jsonl", lines(row), columns="assistant=Otter", loss_on="assistant")
    assert trained_text(found.train, 0) == "Aye.<|im_end|>·Aye, aye.\nOff we go.<|im_end|>"
    assert "wren: Morning." in shown(found) and "owl: Hoo." in shown(found)


@pytest.mark.parametrize("typed", ["frage", "prompt=", "who=Frage", "prompt=Frage", "=x"])
def test_columns_that_say_nothing_are_one_sentence(typed: str, folders: Folders):
    with pytest.raises(DataError) as caught:
        ready(folders, "frage.csv", STRANGE["frage.csv"], columns=typed)
    assert caught.value.setting == "columns" and typed in str(caught.value)


def test_a_character_card_is_named_for_what_it_is(folders: Folders):
    card = {"name": "Otter", "description": "A ferryman.", "first_mes": "*waves*", "spec": "chara_card_v2"}
    with pytest.raises(DataError, match="character card"):
        ready(folders, "a.json", json.dumps(card, indent=1))


def test_a_picture_is_named(folders: Folders):
    turn = {
        "role": "user",
        "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}],
    }
    with pytest.raises(DataError, match=r"row 1: turn 1 .*image_url"):
        ready(folders, "a.jsonl", lines({"messages": [turn, TURNS[1]]}))


@pytest.mark.parametrize("place", ["saved", "two parts", "a.arrow"])
def test_what_datasets_saves_is_read(place: str, folders: Folders):
    import datasets

    table = datasets.Dataset.from_list([{"messages": TURNS}, {"messages": TURNS}])
    target = folders.datasets / place
    if place == "a.arrow":
        table.save_to_disk(folders.datasets / "other")
        next((folders.datasets / "other").glob("*.arrow")).rename(target)
    else:
        (datasets.DatasetDict(test=table.select([0]), train=table) if place == "two parts" else table).save_to_disk(
            target
        )
    found = prepare(Settings(dataset=place, max_tokens=512), TOKENIZER, folders, cache=False)
    assert (len(found.train), shown(found)) == (2, ONE)


def test_a_broken_gz_is_one_sentence(folders: Folders):
    with pytest.raises(DataError, match=r"a\.jsonl\.gz.*\.gz file"):
        ready(folders, "a.jsonl.gz", gzip.compress(lines({"messages": TURNS}).encode() * 50)[:-20])


@pytest.mark.parametrize(
    "row",
    [{"question": ASKED, "answer": SAID}, {"Prompt": ASKED, "Completion": SAID}, {"input": ASKED, "output": SAID}],
)
def test_a_format_takes_fields_of_other_names_that_mean_the_same(row: dict[str, str], folders: Folders):
    found = ready(folders, "a.jsonl", lines(row), format="alpaca-chatbot-format", loss_on="assistant")
    assert found.train.preview(0).text == f"<s>User: {ASKED}\nAssistant: {SAID}</s>"
    assert trained_text(found.train, 0).strip() == f"{SAID}</s>"


def test_without_format_and_template_rows_go_through_the_usual_format(folders: Folders):
    (folders.datasets / "a.jsonl").write_text(lines({"question": ASKED, "answer": SAID}))
    found = prepare(Settings(dataset="a.jsonl", max_tokens=512), tiny_tokenizer(None), folders, cache=False)
    assert f"### Instruction:\n{ASKED}\n\n### Response:\n{SAID}" in found.train.preview(0).text
    assert "alpaca-format" in found.report.sources[0].notes[0]


def test_kept_columns_are_a_format_to_choose(folders: Folders):
    from training_pro.data.rendering.formats import keep_columns, list_formats

    keep_columns("mine", "prompt=Frage,answer=Antwort", folders.formats)
    assert "mine" in list_formats(folders.formats)
    found = ready(folders, "frage.csv", f"Frage,Antwort\n{ASKED},{SAID}\n", format="mine")
    assert shown(found) == ONE
    for name in ("mine", "../mine", "", ".mine"):
        with pytest.raises(DataError):
            keep_columns(name, "prompt=Frage,answer=Antwort", folders.formats)


def test_changed_columns_are_other_data(folders: Folders):
    content = lines({"title": "The lock", "body": "It was open."})
    (folders.datasets / "a.jsonl").write_text(content)
    prints = set()
    for columns in ("text=title", "text=body"):
        found = prepare(Settings(dataset="a.jsonl", columns=columns), TOKENIZER, folders, cache=True)
        prints.add(found.fingerprint)
        assert found.train.text(0) in ("The lock", "It was open.")
    assert len(prints) == 2


FORMATTED = {
    "prompt": f"<|im_start|>user\n{ASKED}<|im_end|>\n<|im_start|>assistant\n",
    "completion": f"{SAID}<|im_end|>",
}


@pytest.mark.parametrize("loss_on", ["all", "assistant"])
def test_a_question_that_is_in_a_chat_template_already_goes_through_no_second_one(folders: Folders, loss_on: str):
    found = ready(folders, "a.jsonl", lines(FORMATTED), loss_on=loss_on)
    whole = FORMATTED["prompt"] + FORMATTED["completion"]
    assert found.train.preview(0).text == whole
    trained = trained_text(found.train, 0)
    assert trained == (FORMATTED["completion"] if loss_on == "assistant" else trained) and trained.endswith(
        "<|im_end|>"
    )
    assert any("markers of a chat template" in note for note in found.report.sources[0].notes)


def test_markers_of_another_model_in_texts_are_named_with_their_count(folders: Folders):
    row = {"text": "<|turn|>user\nDeep?<|stop|>\n<|turn|>model\nTwo.<|stop|>"}
    (source,) = ready(folders, "a.jsonl", lines(row, row)).report.sources
    assert any("8 markers" in note and "<|turn|>, <|stop|>" in note for note in source.notes)
    (source,) = ready(folders, "b.jsonl", lines({"text": "Typed by hand.</s>"})).report.sources
    assert not any("marker" in note for note in source.notes)
