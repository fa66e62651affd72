"""The table of questions on disk: as it comes, torn by a kill, edited, made a dataset."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from training_pro.data.questions.kept import (
    Head,
    Line,
    QuestionFile,
    Questions,
    as_csv,
    changes_in_csv,
    chats_of,
    edited,
)
from training_pro.errors import DataError

HEAD = Head("tale.txt", "abc", 4, "\\n\\n\\n", 256, "tiny")
LINES = (
    Line.of(1, "Who climbs?", "She climbs.\nEvery day.", ""),
    Line.of(2, "She climbs.", "She, and nobody else.", "no question"),
    Line.of(3, "=Wie oft?", "„Neunzig“ Stufen, 🐐.", ""),
)


@pytest.fixture
def file(tmp_path: Path) -> QuestionFile:
    made = QuestionFile(tmp_path / "questions" / "tale.jsonl")
    made.begin(HEAD)
    made.add(LINES)
    return made


def test_what_was_written_is_read(file: QuestionFile) -> None:
    found = file.read()
    assert found == Questions(HEAD, LINES) == file.begin(HEAD)
    assert [line.number for line in found.kept] == [1, 3]
    assert found.waiting == 1 and found.bad == {"no question": 1}


@pytest.mark.parametrize("left", range(1, 40, 3))
def test_a_torn_last_line_is_cut_off_and_writing_continues(file: QuestionFile, left: int) -> None:
    content = file.path.read_bytes()
    file.path.write_bytes(content + content.splitlines(keepends=True)[-1][:left])
    assert file.begin(HEAD).lines == LINES
    file.add([Line.of(4, "Where?", "There.", "")])
    assert [line.number for line in file.read().lines] == [1, 2, 3, 4]


def test_a_last_line_without_its_line_end_counts(file: QuestionFile) -> None:
    file.path.write_bytes(file.path.read_bytes().rstrip(b"\n"))
    assert file.read().lines == LINES


def test_a_table_of_another_text_is_refused_and_kept_aside_on_wish(file: QuestionFile) -> None:
    with pytest.raises(DataError, match="4 passages") as refused:
        file.begin(replace(HEAD, digest="other", passages=9))
    assert refused.value.options == ("--again",)
    first, second = file.keep_aside(), file.begin(HEAD)
    assert first is not None and QuestionFile(first).read().lines == LINES and second.lines == ()
    assert file.keep_aside() != first


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"number": "x", "question": "", "answer": ""}', '{"number": 1}'])
def test_a_line_that_is_none_is_named(file: QuestionFile, line: str) -> None:
    content = file.path.read_text().splitlines()
    file.path.write_text("\n".join([*content[:2], line, *content[2:]]) + "\n")
    with pytest.raises(DataError, match="line 3"):
        file.read()


@pytest.mark.parametrize("content", ["", "{}\n", "[]\n", "\n\n"])
def test_what_is_no_table_is_said(file: QuestionFile, content: str) -> None:
    file.path.write_text(content)
    with pytest.raises(DataError, match="table of questions"):
        file.read()


def test_no_table_yet(tmp_path: Path) -> None:
    missing = QuestionFile(tmp_path / "none.jsonl")
    assert missing.stamp() is None and missing.keep_aside() is None
    with pytest.raises(DataError, match="Write them first"):
        missing.read()


def test_an_edited_question_is_no_longer_bad_and_others_stay(file: QuestionFile) -> None:
    changed = edited(file.read(), {2: ("Who else climbs?", True), 3: ("=Wie oft?", False)})
    assert [(line.question, line.why, line.keep) for line in changed.lines] == [
        ("Who climbs?", "", True),
        ("Who else climbs?", "", True),
        ("=Wie oft?", "", False),
    ]
    file.put(changed)
    assert file.read() == changed


def test_a_spreadsheet_gives_back_what_it_got(file: QuestionFile, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(as_csv(file.read()), encoding="utf-8-sig")
    changes = changes_in_csv(table)
    assert changes == {line.number: (line.question, line.keep) for line in LINES}
    assert edited(file.read(), changes) == file.read()
    assert "\n=" not in table.read_text() and ',"=' not in table.read_text()  # no formula


@pytest.mark.parametrize(
    "content",
    [b"", b"a,b\n1,2\n", b"number,keep,question\nx,yes,Who?\n", b"number,keep,question\n1,yes\n", b"\xff\xfe"],
)
def test_what_is_no_spreadsheet_of_questions_is_said(tmp_path: Path, content: bytes) -> None:
    table = tmp_path / "table.csv"
    table.write_bytes(content)
    with pytest.raises(DataError, match="no table of questions"):
        changes_in_csv(table)


def test_answers_are_the_authors_words(file: QuestionFile) -> None:
    rows = chats_of(file.read().kept, "You are a keeper.")
    assert rows[1]["messages"] == [
        {"role": "system", "content": "You are a keeper."},
        {"role": "user", "content": "=Wie oft?"},
        {"role": "assistant", "content": LINES[2].answer},
    ]
    assert [message["role"] for message in chats_of(LINES[:1])[0]["messages"]] == ["user", "assistant"]


def test_changed_answers_are_refused_by_number(file: QuestionFile) -> None:
    content = file.path.read_text().splitlines()
    changed = {**json.loads(content[3]), "answer": "Eighty steps."}
    file.path.write_text("\n".join([*content[:3], json.dumps(changed)]) + "\n")
    with pytest.raises(DataError, match="The answers 3 "):
        chats_of(file.read().kept)
    with pytest.raises(DataError, match="No question is kept"):
        chats_of([])
