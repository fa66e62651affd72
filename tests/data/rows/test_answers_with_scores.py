"""Questions with several answers and scores: the best one is the answer, and the others are counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training_pro.data.rows.bad_rows import BadRows, RowFault
from training_pro.data.rows.chats import chat_of
from training_pro.data.rows.rows import read_rows
from training_pro.data.rows.tidy import tidied

ASKED, BEST = "Name a color.", "Blue."
ULTRA = {
    "source": "made",
    "instruction": ASKED,
    "completions": [{"response": "Red.", "overall_score": 7.5}, {"response": BEST, "overall_score": 9}],
}
RANKED = {"prompt": ASKED, "answers": [{"answer": "Red.", "rank": 2}, {"answer": BEST, "rank": 1}]}
WRITTEN = {"question": ASKED, "answers": [{"text": "Red.", "score": "3"}, {"text": BEST, "score": "9.5"}]}
PARALLEL = {"question": ASKED, "responses": ["Red.", BEST], "scores": [0.2, 0.9]}


@pytest.mark.parametrize("row", [ULTRA, RANKED, PARALLEL], ids=["scores", "ranks", "list of scores"])
@pytest.mark.parametrize("rows", [1, 2])
def test_the_best_answer_is_trained_whether_the_file_has_one_row_or_several(tmp_path: Path, row: Any, rows: int):
    file = tmp_path / "file.json"
    file.write_text("\n".join([json.dumps(row)] * rows), encoding="utf-8")
    read = [one for _, one in read_rows(file, BadRows("file.json", "stop"))]
    assert len(read) == rows
    for one in read:
        chat = chat_of(one)
        assert [message["content"] for message in chat.messages] == [ASKED, BEST]
        assert any(name.startswith("other ") for name in chat.unused)


def test_answers_of_which_none_is_known_to_be_the_best_are_no_answer():
    with pytest.raises(RowFault):
        chat_of({"instruction": ASKED, "completions": [{"response": "Red."}, {"response": BEST}]})


@pytest.mark.parametrize(
    "whole",
    [
        {"source": "web", "items": [{"text": "A story."}, {"text": "Another."}]},
        {"prompt": "A template", "data": [{"question": "a", "answer": "b"}] * 2},
    ],
)
def test_an_object_that_names_its_source_still_holds_its_rows(tmp_path: Path, whole: Any):
    file = tmp_path / "file.json"
    file.write_text(json.dumps(whole), encoding="utf-8")
    assert len([*read_rows(file, BadRows("file.json", "stop"))]) == 2


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Which?", "choices": ["red", "blue"], "answers": "B"},
        {"question": "Which?", "choices": ["red", "blue"], "answer": 1, "outputs": ["a note"]},
        {"question": "Which?", "options": ["red", "blue"], "answer": "blue", "responses": ["a", "b"]},
        {"question": "Which?", "options": ["red", "blue"], "answer": "B", "candidates": ["a"]},
    ],
)
def test_a_question_with_choices_keeps_them_whatever_stands_beside(row: dict[str, Any]):
    tidy = tidied(row)
    assert (tidy["question"], tidy["answer"]) == ("Which?\n\nA. red\nB. blue", "B. blue")


def test_scores_that_are_written_as_text_count_as_well():
    chat = chat_of(tidied(WRITTEN))
    assert [message["content"] for message in chat.messages] == [ASKED, BEST]
    assert chat.unused == ("other answers",)


@pytest.mark.parametrize(
    ("answers", "others"),
    [
        ([{"text": "Red."}, {"text": BEST}, {"text": BEST}], 1),
        ({"text": ["Red.", BEST], "answer_start": [1, 2]}, 1),
        ({"text": ["Red.", "Red."], "answer_start": [1, 2]}, 0),
    ],
)
def test_answers_beside_the_first_are_counted_where_none_is_said_to_be_the_best(answers: Any, others: int):
    tidy = tidied({"question": ASKED, "answers": answers})
    assert tidy.get("other answers", 0) == others
    assert chat_of(tidy).messages[-1]["content"] == "Red."


@pytest.mark.parametrize(
    ("row", "asked"),
    [
        ({"question": "Which?", "options": ["A. red", "B. blue"], "answer": "B"}, "Which?\n\nA. red\nB. blue"),
        ({"question": "Which?\nA) red\nB) blue", "options": ["red", "blue"], "answer": "B"}, "Which?\nA) red\nB) blue"),
        ({"question": "Who?", "options": ["A. Lincoln", "Hen"], "answer": "A"}, "Who?\n\nA. A. Lincoln\nB. Hen"),
    ],
)
def test_choices_that_are_labelled_or_listed_already_are_not_so_twice(row: dict[str, Any], asked: str):
    assert tidied(row)["question"] == asked


def test_the_answer_of_a_question_with_choices_keeps_its_name():
    row = {"question": "Which?", "choices": ["red", "blue"], "output": "B"}
    assert tidied(row) == {"question": "Which?\n\nA. red\nB. blue", "output": "B. blue"}
