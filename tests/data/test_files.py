from pathlib import Path

import pytest

from training_pro.data.files import find_dataset, is_text, list_datasets
from training_pro.data.rows.bad_rows import BadRows
from training_pro.data.rows.rows import read_rows
from training_pro.errors import DataError


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("b10.txt", "b2.txt", "rows.jsonl", "rows.csv", "notes.md", ".hidden.txt"):
        (tmp_path / name).touch()
    for folder in ("books", "empty"):
        (tmp_path / folder).mkdir()
    (tmp_path / "books" / "one.txt").touch()
    return tmp_path


def test_what_is_offered_is_sorted_as_people_count(place: Path):
    assert [(file.name, file.kind) for file in list_datasets(place)] == [
        ("b2.txt", "text"),
        ("b10.txt", "text"),
        ("books", "text"),
        ("notes.md", "text"),
        ("rows.csv", "rows"),
        ("rows.jsonl", "rows"),
    ]


def test_a_missing_folder_offers_nothing(tmp_path: Path):
    assert list_datasets(tmp_path / "none") == []


def test_names_and_absolute_paths_are_found(place: Path):
    assert find_dataset("books/one.txt", place) == place / "books" / "one.txt"
    assert find_dataset(str(place / "rows.csv"), Path("elsewhere")) == place / "rows.csv"


@pytest.mark.parametrize("name", ["../x.txt", "books/../../x.txt", "/tmp/../etc/passwd", "a\x00b"])
def test_no_name_leads_out_of_the_folder(name: str, place: Path):
    with pytest.raises(DataError, match="datasets folder"):
        find_dataset(name, place)


@pytest.mark.parametrize("name", ["none.txt", "x" * 300 + ".txt", "rows.csv/inner"])
def test_a_missing_file_is_one_sentence(name: str, place: Path):
    with pytest.raises(DataError):
        find_dataset(name, place)
    with pytest.raises(DataError, match="b2.txt, b10.txt"):
        find_dataset("none.txt", place)


def test_a_folder_of_tables_is_a_dataset_of_which_the_training_part_is_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "ponds" / "data"
    folder.mkdir(parents=True)
    for name, texts in (("train-00010-of-2", ["c"]), ("train-00002-of-2", ["a", "b"]), ("test-00000-of-1", ["d"])):
        pq.write_table(pa.table({"text": texts}), folder / f"{name}.parquet")
    (tmp_path / "ponds" / "README.md").write_text("# Ponds")
    assert [(file.name, file.kind) for file in list_datasets(tmp_path)] == [("ponds", "rows")]
    assert not is_text(tmp_path / "ponds")
    bad = BadRows("ponds", "stop")
    assert [row["text"] for _, row in read_rows(tmp_path / "ponds", bad)] == ["a", "b", "c"]
    assert "data/test-00000-of-1.parquet" in bad.unread_notes()[0]


def test_a_folder_of_tables_and_texts_is_no_dataset_of_its_own(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "mine").mkdir()
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "mine" / "a.parquet")
    (tmp_path / "mine" / "b.txt").write_text("b")
    assert {file.name for file in list_datasets(tmp_path)} == {"mine", "mine/a.parquet"}
