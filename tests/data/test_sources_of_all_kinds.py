"""A run on whatever a person drops into the datasets folder: books, packed files, folders in folders, several files."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.chat_templates import CHATML
from tests.data.documents.makers import epub, pdf
from tests.data.row_files import chat, write_rows
from tests.data.tiny import tiny_tokenizer
from training_pro.data.files import list_datasets, list_unusable
from training_pro.data.prepare import Prepared, prepare
from training_pro.data.tools import DatasetTools
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.settings import Settings

TOKENIZER = tiny_tokenizer(CHATML)
STORY = "\n\n\n".join(f"The fox {i} ran. The hen {i} sat." for i in range(20))


def ready(folders: Folders, **choices: Any) -> Prepared:
    return prepare(Settings(overlap=False, **choices), TOKENIZER, folders)


def texts(found: Prepared) -> list[str]:
    return [found.train.text(index) for index in range(len(found.train))]


def test_a_book_is_trained_chapter_by_chapter_and_what_is_left_out_is_said(folders: Folders) -> None:
    epub(folders.datasets / "Book.EPUB", ["<h1>One</h1><p>The fox ran.</p>", "<p>The hen sat.</p><img src='x'/>"])
    found = ready(folders, text_file="Book.EPUB")
    assert texts(found) == ["One\n\nThe fox ran.", "The hen sat."]
    assert any("images (1)" in note and "Book.EPUB" in note for note in found.report.sources[0].notes)
    again = ready(folders, text_file="Book.EPUB")
    assert again.fingerprint == found.fingerprint and texts(again) == texts(found)


def test_nothing_is_written_where_that_is_not_wanted(folders: Folders) -> None:
    epub(folders.datasets / "b.epub", ["<p>The fox ran.</p>"])
    settings = Settings(text_file="b.epub")
    found = prepare(settings, TOKENIZER, folders, cache=False)
    assert texts(found) == ["The fox ran."]
    assert not folders.converted.exists()


def test_a_folder_holds_texts_of_all_kinds_and_folders(folders: Folders) -> None:
    place = folders.datasets / "books"
    (place / "part 2").mkdir(parents=True)
    (place / "part 10").mkdir()
    (place / "part 10" / "a.md").write_text("The goat slept.")
    (place / "part 2" / "ONE.TXT").write_text("The fox ran.")
    (place / "part 2" / "two.txt.gz").write_bytes(gzip.compress(b"The hen sat."))
    (place / "part 2" / ".hidden.txt").write_text("never")
    pdf(place / "zoo.pdf", [["The river rose."]])
    assert texts(ready(folders, text_file="books")) == [
        *("The fox ran.", "The hen sat.", "The goat slept.", "The river rose.")
    ]


def test_letter_case_does_not_matter_in_names(folders: Folders) -> None:
    (folders.datasets / "Story.TXT").write_text("The fox ran.")
    assert texts(ready(folders, text_file="story.txt")) == ["The fox ran."]


def test_several_texts_each_with_its_share(folders: Folders) -> None:
    (folders.datasets / "a.txt").write_text(STORY)
    (folders.datasets / "b.txt").write_text("The goat slept.")
    found = ready(folders, text_file="a.txt 50%; b.txt x3")
    assert len(found.train) == 10 + 3
    assert texts(found)[10:] == ["The goat slept."] * 3
    assert [source.name for source in found.report.sources] == ["a.txt", "b.txt"]
    assert ready(folders, text_file="a.txt 50%; b.txt x2").fingerprint != found.fingerprint


def test_a_fractional_share_repeats_a_part(folders: Folders) -> None:
    (folders.datasets / "a.txt").write_text(STORY)
    found = texts(ready(folders, text_file="a.txt x2.5"))
    assert len(found) == 50 and len(set(found)) == 20


def test_what_is_held_out_of_a_repeated_file_is_never_trained(folders: Folders) -> None:
    write_rows(folders, "talks.jsonl", [chat(f"q {i}", f"answer {i}") for i in range(40)])
    found = ready(folders, dataset="talks.jsonl x3", eval_percent=25.0)
    assert found.eval is not None
    held = {found.eval.text(index) for index in range(len(found.eval))}
    assert len(held) == 10 and len(found.train) == 90
    assert held.isdisjoint(texts(found))


def test_several_datasets_of_different_kinds(folders: Folders) -> None:
    write_rows(folders, "talks.jsonl", [chat("q", "answer")])
    write_rows(folders, "tasks.json", [{"instruction": "task", "output": "answer"}])
    found = ready(folders, dataset="talks.jsonl; tasks.json x2", format="alpaca-format")
    assert [source.kind for source in found.report.sources] == ["messages", "alpaca"]
    assert len(found.train) == 3


def test_duplicates_are_left_out_on_wish(folders: Folders) -> None:
    rows = [chat(f"q {i % 5}", f"answer {i % 5}") for i in range(20)]
    write_rows(folders, "one.jsonl", rows)
    write_rows(folders, "two.jsonl", [*rows[:5], chat("other", "answer")])
    assert len(ready(folders, dataset="one.jsonl; two.jsonl").train) == 26
    found = ready(folders, dataset="one.jsonl; two.jsonl", skip_duplicates=True)
    assert len(found.train) == 6 and found.report.twins_left_out == 20
    assert found.dropped is not None
    assert {found.dropped.preview(index).why for index in range(len(found.dropped))} == {
        "left out: the same as an earlier one"
    }


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_another_encoding_is_named_and_converted(encoding: str, folders: Folders) -> None:
    (folders.datasets / "a.txt").write_bytes("The caf\u00e9 was open.".encode(encoding))
    with pytest.raises(DataError, match="caf\u00e9") as refused:
        ready(folders, text_file="a.txt")
    assert refused.value.options == ("convert a.txt",)
    done = DatasetTools(folders).convert("a.txt")
    assert texts(ready(folders, text_file=done.name)) == ["The caf\u00e9 was open."]


def test_a_document_is_converted_to_be_looked_at(folders: Folders) -> None:
    epub(folders.datasets / "b.epub", ["<p>The fox ran.</p><img src='x'/>"])
    done = DatasetTools(folders).convert("b.epub")
    assert (folders.datasets / done.name).read_text() == "The fox ran.\n"
    assert done.name == "b.txt" and done.removed == {"images": 1}
    with pytest.raises(DataError, match=r"b\.txt already exists"):
        DatasetTools(folders).convert("b.epub")


def test_what_is_fine_is_not_converted(folders: Folders) -> None:
    (folders.datasets / "a.txt").write_text("The caf\u00e9.", encoding="utf-8")
    with pytest.raises(DataError, match="UTF-8 already"):
        DatasetTools(folders).convert("a.txt")


def test_what_lies_in_the_folder_is_offered_or_named_with_the_reason(folders: Folders) -> None:
    place = folders.datasets
    for name in (
        "a.TXT",
        "b.mobi",
        "c.zip",
        "d.xyz",
        "e.md",
        "sub/f.jsonl",
        "sub/deep/g.srt",
        "put-your-files-here.txt",
    ):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("x")
    (place / "empty.txt").touch()
    assert [(file.name, file.kind) for file in list_datasets(place)] == [
        *(("a.TXT", "text"), ("e.md", "text"), ("empty.txt", "text")),
        *(("sub", "text"), ("sub/deep", "text"), ("sub/f.jsonl", "rows")),
    ]
    unusable = {file.name: file.reason for file in list_unusable(place)}
    assert set(unusable) == {"b.mobi", "c.zip", "d.xyz", "empty.txt"}
    assert "epub" in unusable["b.mobi"] and "unpack" in unusable["c.zip"]


def test_folders_that_link_in_a_circle_are_looked_at_once(folders: Folders) -> None:
    (folders.datasets / "a").mkdir()
    (folders.datasets / "a" / "x.txt").write_text("x")
    (folders.datasets / "a" / "back").symlink_to(folders.datasets, target_is_directory=True)
    assert [file.name for file in list_datasets(folders.datasets)] == ["a"]


def test_a_file_of_an_unknown_kind_is_refused_with_the_way_out(folders: Folders) -> None:
    (folders.datasets / "b.mobi").write_text("x")
    with pytest.raises(DataError, match="epub"):
        ready(folders, text_file="b.mobi")


def test_old_and_new_fingerprints_of_a_plain_text_agree(folders: Folders, tmp_path: Path) -> None:
    (folders.datasets / "a.txt").write_text(STORY)
    parts = ready(folders, text_file="a.txt").fingerprint_parts
    assert "skip_duplicates" not in parts and "text file" in parts
    assert np.all([isinstance(name, str) for name in parts])


@pytest.mark.parametrize("name", ["talks.json", "talks.jsonl", "talks.jsonl.gz"])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le"])
def test_rows_in_another_encoding_are_named_and_converted(name: str, encoding: str, folders: Folders) -> None:
    row = '{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "café"}]}'
    data = (row if "jsonl" in name else f"[{row}]").encode(encoding)
    (folders.datasets / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    with pytest.raises(DataError, match="café") as refused:
        ready(folders, dataset=name)
    assert refused.value.options == (f"convert {name}",)
    done = DatasetTools(folders).convert(name)
    assert len(ready(folders, dataset=done.name).train) == 1


def test_saved_datasets_and_packed_rows_are_offered_as_rows(folders: Folders) -> None:
    import datasets

    place = folders.datasets
    datasets.Dataset.from_list([chat("q", "answer")]).save_to_disk(str(place / "deep" / "saved"))
    (place / "rows.jsonl.gz").write_bytes(gzip.compress(b'{"text": "The fox ran."}\n'))
    (place / "rows.TSV").write_text("text\nThe hen sat.\n")
    assert [(file.name, file.kind) for file in list_datasets(place)] == [
        *(("deep/saved", "rows"), ("rows.jsonl.gz", "rows"), ("rows.TSV", "rows")),
    ]
    assert texts(ready(folders, dataset="rows.jsonl.gz; rows.TSV")) == ["The fox ran.", "The hen sat."]
    assert len(ready(folders, dataset="deep/saved").train) == 1
