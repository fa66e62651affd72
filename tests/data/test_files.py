from pathlib import Path

import pytest

from training_pro.data.files import find_dataset, list_datasets
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
