"""What one click mends: found where it is, done beside the file, and not said twice."""

from __future__ import annotations

import json
import textwrap

import pytest

from tests.data.test_verify import verified
from tests.data.tiny import tiny_tokenizer
from training_pro.data.prepare import prepare
from training_pro.data.repairs import BUTTONS, Repair, in_place_of, mend, repairs, repairs_of
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.settings import Settings

LINE = "The keeper of the old light climbed the winding stair and counted every one of its steps as he went up. "
WRAPPED = "\n\n".join(textwrap.fill(LINE * 8, 60) for _ in range(6))
LOG = "\n".join(
    f"12/0{1 + n // 9}/24, 10:{10 + n} - {'Ann' if n % 2 else 'Bob'}: Message {n} is here." for n in range(20)
)
STRAY = "The lamp &amp; the sea.<br>It was calm. " * 9
CHAPTERS = "\n\n".join(f"Chapter {n}\n\nThe lamp was lit again. The sea was calm that night." for n in range(1, 6))


def found(folders: Folders, text: str) -> list[Repair]:
    """What can be mended in `text`, a file a.txt."""
    (folders.datasets / "a.txt").write_text(text, encoding="utf-8")
    report = prepare(Settings(text_file="a.txt", max_tokens=64), tiny_tokenizer(""), folders).report
    return repairs(report, folders)


@pytest.mark.parametrize(
    ("text", "job", "new"),
    [
        (WRAPPED, "unwrap", "a_unwrapped.txt"),
        (STRAY, "clean", "a_clean.txt"),
        (CHAPTERS, "cut", "a_cut.txt"),
    ],
)
def test_it_is_found_done_once_and_then_no_longer_found(text: str, job: str, new: str, folders: Folders) -> None:
    (repair,) = found(folders, text)
    assert (repair.job, repair.file) == (job, "a.txt") and job in BUTTONS
    done = mend(repair, folders)
    assert done.name == new and done.said
    assert (folders.datasets / "a.txt").read_text(encoding="utf-8") == text
    assert found(folders, (folders.datasets / new).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("text", [WRAPPED, STRAY, CHAPTERS, LOG])
def test_what_a_repair_says_the_check_notes_too(text: str, folders: Folders) -> None:
    (repair,) = found(folders, text)
    assert repair.instead_of
    assert set(repair.instead_of) <= set(verified(folders, text_file="a.txt", max_tokens=64).notes)


def test_a_chat_log_becomes_chats_of_the_person_who_is_chosen(folders: Folders) -> None:
    (repair,) = found(folders, LOG)
    assert repair.job == "chats" and sorted(repair.names) == ["Ann", "Bob"]
    done = mend(repair, folders, "Ann")
    rows = [json.loads(line) for line in (folders.datasets / done.name).read_text(encoding="utf-8").splitlines()]
    answers = [turn["content"] for row in rows for turn in row["messages"] if turn["role"] == "assistant"]
    assert "Ann" in done.said and any("Message 1 " in answer for answer in answers)


def test_a_file_in_another_encoding_is_converted_as_the_error_says(folders: Folders) -> None:
    (folders.datasets / "a.txt").write_bytes("Über den Fluß gingen sie früh. ".encode("cp1252") * 20)
    with pytest.raises(DataError) as raised:
        prepare(Settings(text_file="a.txt"), tiny_tokenizer(""), folders)
    (repair,) = repairs_of(raised.value)
    assert (repair.job, repair.file) == ("convert", "a.txt")
    done = mend(repair, folders)
    assert "1252" in done.said and "Über den Fluß" in (folders.datasets / done.name).read_text(encoding="utf-8")
    assert repairs_of(DataError("Another thing.")) == repairs_of(ValueError()) == []


def test_where_an_encoding_is_uncertain_others_are_offered_with_what_they_read(folders: Folders) -> None:
    text = "Vene oli jäässä. Yö oli ollut kylmä.\n"
    (folders.datasets / "a.txt").write_bytes(text.encode("mac_roman") * 3)
    with pytest.raises(DataError) as raised:
        prepare(Settings(text_file="a.txt"), tiny_tokenizer(""), folders)
    likeliest, *others = repairs_of(raised.value)
    assert "Mac Roman" not in likeliest.sentence
    (right,) = [one for one in others if one.encoding == "mac_roman"]
    assert 'As Mac Roman (Western European) it reads "Vene oli jäässä' in right.sentence and not right.urgent
    done = mend(right, folders)
    assert "Mac Roman" in done.said and (folders.datasets / done.name).read_text(encoding="utf-8") == text * 3


def test_a_name_that_is_taken_gets_a_number_and_nothing_is_lost(folders: Folders) -> None:
    (repair,) = found(folders, WRAPPED)
    (folders.datasets / "a_unwrapped.txt").write_text("Mine.", encoding="utf-8")
    assert mend(repair, folders).name == "a_unwrapped_2.txt" and mend(repair, folders).name == "a_unwrapped_3.txt"
    assert (folders.datasets / "a_unwrapped.txt").read_text(encoding="utf-8") == "Mine."


def test_the_new_file_takes_the_place_of_the_old_one_with_its_share(folders: Folders) -> None:
    chosen = "a.txt x2; b.txt 50%"
    assert in_place_of(chosen, "a.txt", "a_clean.txt", folders.datasets) == "a_clean.txt x2; b.txt 50%"
    assert in_place_of(chosen, "c.txt", "d.txt", folders.datasets) == chosen


def test_the_front_matter_of_markdown_is_cleaned_away_and_a_rule_is_not(folders: Folders) -> None:
    book = "# One\n\nThe lamp was lit.\n\n---\n\nIt was calm.\n" * 9
    (repair,) = (
        one for one in found(folders, f"---\ntitle: The Lamp\ntags:\n  - sea\n---\n\n{book}") if one.job == "clean"
    )
    assert "1 block of front matter (such as --- title: The Lamp" in repair.sentence
    assert (folders.datasets / mend(repair, folders).name).read_text(encoding="utf-8") == book
    for other in (f"---\n\n{book}", f"---\nAnn: hello\n---\n{book}", f"The sea.\n---\ntitle: x\n---\n{book}"):
        assert [one.job for one in found(folders, other) if one.job == "clean"] == []


def test_headings_within_chapters_that_are_cut_already_can_be_cut_too(folders: Folders) -> None:
    chapter = "The lamp was lit again, and the sea was calm that night.\n\nPart {}\n\nIt was calm."
    (repair,) = found(folders, "\n\n\n".join(chapter.format(n) if n < 4 else "The sea." for n in range(1, 9)))
    assert repair.job == "cut" and not repair.urgent and "3 chapter headings" in repair.sentence
    assert mend(repair, folders).said.startswith("3 ")
