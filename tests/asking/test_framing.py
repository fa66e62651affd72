from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.record.adapters import make_adapter
from training_pro.asking.framing import framed, without_second_bos
from training_pro.asking.question import BASE, Question, Voice
from training_pro.data.rendering.formats import make_format, prompt_in
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.record.runs import SETTINGS_FILE
from training_pro.settings import Settings, to_json

TASKS = {
    "instruction,output": "Q: %instruction%\nA: %output%",
    "instruction,input,output": "%instruction%%input%%output%",
}


class Chatty:
    """A tokenizer with a template, that may put a BOS before everything."""

    bos_token, bos_token_id, chat_template = "<s>", 1, "there is one"

    def __init__(self, adds_bos: bool = False) -> None:
        self._adds_bos = adds_bos

    def __call__(self, words: str) -> dict[str, list[int]]:
        return {"input_ids": [1, 7] if self._adds_bos else [7]}

    def apply_chat_template(self, messages: Any, **how: Any) -> str:
        said = "".join(f"[{message['content']}]" for message in messages)
        return f"<s>{said}{'>' if how['add_generation_prompt'] else ''}"


def asked(framing: Any = "trained", *loras: str) -> Question:
    return Question("Hello", tuple(map(Voice, loras or (BASE, "sea"))), framing)


def trained_on(folders: Folders, **settings: Any) -> None:
    run = make_adapter(folders.loras / "sea")
    (run / SETTINGS_FILE).write_text(to_json(Settings(name="sea", **settings)), encoding="utf-8")


def test_a_text_is_continued_as_it_is(folders: Folders) -> None:
    trained_on(folders, text_file="tales.txt")
    assert framed(asked(), Chatty(), folders).text == "Hello"
    trained_on(folders, dataset="rows.jsonl", dataset_kind="text rows")
    assert framed(asked(), Chatty(), folders).text == "Hello"


def test_a_lora_trained_on_rows_is_asked_in_their_format(folders: Folders) -> None:
    (folders.formats / "mine.json").write_text(json.dumps(TASKS), encoding="utf-8")
    trained_on(folders, dataset="rows.json", format="mine")
    made = framed(asked(), Chatty(), folders)
    assert (made.text, "mine" in made.way) == ("Q: Hello\nA:", True)


def test_one_trained_on_chats_is_asked_as_a_chat(folders: Folders) -> None:
    trained_on(folders, dataset="chats.jsonl")
    assert framed(asked(), Chatty(), folders).text == "<s>[Hello]>"


def test_rows_for_a_model_without_a_template_go_through_the_usual_format(folders: Folders) -> None:
    trained_on(folders, dataset="rows.json", dataset_kind="alpaca")
    plain = SimpleNamespace(chat_template=None)
    assert "Hello" in framed(asked(), plain, folders).text != "Hello"


def test_without_a_lora_or_its_settings_the_prompt_stays(folders: Folders) -> None:
    make_adapter(folders.loras / "sea")
    for loras in ((BASE,), ("sea",)):
        assert framed(asked("trained", *loras), Chatty(), folders).text == "Hello"


def test_what_is_asked_for_counts_more_than_how_it_was_trained(folders: Folders) -> None:
    trained_on(folders, dataset="chats.jsonl")
    assert framed(asked("plain"), Chatty(), folders).text == "Hello"
    trained_on(folders, text_file="tales.txt")
    assert framed(asked("chat"), Chatty(), folders).text == "<s>[Hello]>"


def test_a_chat_turn_never_gets_two_bos(folders: Folders) -> None:
    assert framed(asked("chat"), Chatty(adds_bos=True), folders).text == "[Hello]>"
    assert without_second_bos("<s>[Hello]", Chatty()) == "<s>[Hello]"


def test_a_model_without_a_template_can_not_be_asked_as_a_chat(folders: Folders) -> None:
    with pytest.raises(DataError, match="no chat template"):
        framed(asked("chat"), SimpleNamespace(chat_template=None), folders)


def test_a_format_that_begins_with_its_answer_gives_what_stands_before_it() -> None:
    assert prompt_in(make_format("odd", {"output": "Once %output%"}), "Hello") == "Once"
