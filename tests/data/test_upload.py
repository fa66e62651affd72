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
    assert upload(sent, name, tmp_path / "datasets") == tmp_path / "datasets" / kept
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


def test_nothing_is_replaced_unasked(sent: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(DataError) as refused:
        upload(sent, "a.txt", tmp_path)
    assert refused.value.code == "exists" and (tmp_path / "a.txt").read_text() == "mine"
    upload(sent, "a.txt", tmp_path, overwrite=True)
    assert (tmp_path / "a.txt").read_text() == "The fox ran."


def test_empty_and_too_large_files_are_refused(sent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 5)
    with pytest.raises(DataError, match="at most"):
        upload(sent, "a.txt", tmp_path)
    sent.write_text("")
    with pytest.raises(DataError, match="empty"):
        upload(sent, "a.txt", tmp_path)
