"""Files from a browser: names, kinds, sizes, and that nothing is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_pro.data import upload as module
from training_pro.data.files import suffix_of
from training_pro.data.upload import USABLE, safe_name, upload
from training_pro.errors import DataError


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    path = tmp_path / "gradio-7f3a"
    path.write_text("The fox ran.")
    return path


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("book.epub", "book.epub"),
        ("My Book (2).TXT", "My Book (2).txt"),
        ("C:\\Users\\me\\Desktop\\book.txt", "book.txt"),
        ("../../etc/cron.d/x.txt", "x.txt"),
        ("a\x00b\n<c>.jsonl", "a_b__c_.jsonl"),
        ("rows.jsonl.gz", "rows.jsonl.gz"),
        ("\u0416\u0438\u043b\u0438.txt", "\u0416\u0438\u043b\u0438.txt"),
        (".hidden.txt", "hidden.txt"),
        ("x" * 300 + ".txt", "x" * 120 + ".txt"),
    ],
)
def test_a_name_is_made_safe(name: str, kept: str, sent: Path, tmp_path: Path) -> None:
    assert upload(sent, name, tmp_path / "datasets").path == tmp_path / "datasets" / kept
    assert (tmp_path / "datasets" / kept).read_text() == "The fox ran."


@pytest.mark.parametrize(
    "name", ["", ".txt", "..", "x.exe", "x.py", "x", "con.txt", "a.mobi", "///.txt", "___.txt", ".gz"]
)
def test_what_is_no_name_or_kind_is_refused_and_nothing_written(name: str, sent: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        upload(sent, name, tmp_path / "datasets")
    assert not (tmp_path / "datasets").exists()


@given(st.text(max_size=80))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    try:
        kept = safe_name(name + ".txt")
    except DataError:
        return
    assert Path(kept).name == kept and not kept.startswith(".") and suffix_of(Path(kept)) in USABLE


@pytest.mark.parametrize(
    ("name", "beside"), [("odd rows.csv", "odd rows (2).csv"), ("rows.jsonl.gz", "rows (2).jsonl.gz")]
)
def test_other_content_under_a_taken_name_is_kept_beside_it(name: str, beside: str, sent: Path, tmp_path: Path) -> None:
    folder = tmp_path / "datasets"
    folder.mkdir()
    (folder / name).write_text("mine")
    made = upload(sent, name, folder)
    assert made.path == folder / beside and (folder / beside).read_text() == "The fox ran."
    assert (folder / name).read_text() == "mine"
    assert name in made.words() and beside in made.words() and "other content" in made.words()
    again = upload(sent, name, folder)
    assert again.path == made.path and again.known and len(list(folder.iterdir())) == 2
    sent.write_text("A third one.")
    assert upload(sent, name, folder).path.name == beside.replace("2", "3")


def test_what_is_there_already_is_not_copied_again(sent: Path, tmp_path: Path) -> None:
    first = upload(sent, "a.txt", tmp_path / "datasets")
    before = _which(first.path)
    again = upload(sent, "a.txt", tmp_path / "datasets")
    assert again.known and again.path == first.path and "same content" in again.words()
    assert _which(first.path) == before and list((tmp_path / "datasets").iterdir()) == [first.path]


def _which(path: Path) -> tuple[int, int, int]:
    """Another file, or another content, has another of these."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


@pytest.mark.parametrize("kind", ["folder", "broken link", "unreadable"])
def test_what_is_no_readable_file_keeps_its_name(
    kind: str, sent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "folder":
        (tmp_path / "a.txt").mkdir()
    elif kind == "broken link":
        (tmp_path / "a.txt").symlink_to(tmp_path / "nowhere")
    else:
        (tmp_path / "a.txt").write_text("mine")
        monkeypatch.setattr(module.filecmp, "cmp", _refused)
    assert upload(sent, "a.txt", tmp_path).path.name == "a (2).txt"
    assert (tmp_path / "a (2).txt").read_text() == "The fox ran." and not (tmp_path / "nowhere").exists()


def _refused(*_: object, **__: object) -> None:
    raise PermissionError


def test_empty_and_too_large_files_are_refused(sent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 5)
    with pytest.raises(DataError, match="at most"):
        upload(sent, "a.txt", tmp_path)
    sent.write_text("")
    with pytest.raises(DataError, match="empty"):
        upload(sent, "a.txt", tmp_path)
