from pathlib import Path

import pytest

from training_pro.data.fingerprint import changed_parts, digest, files_digest, fingerprint
from training_pro.errors import DataError


def test_borders_between_parts_count():
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")
    assert digest("a") == digest(b"a") != digest("b")


def test_names_contents_and_order_of_files_count(tmp_path: Path):
    one, two = tmp_path / "1.txt", tmp_path / "2.txt"
    one.write_text("a")
    two.write_text("b")
    first = files_digest([one, two])
    assert first != files_digest([two, one]) != files_digest([one])
    two.write_text("c")
    assert files_digest([one, two]) != first


def test_a_file_that_is_gone_is_one_sentence(tmp_path: Path):
    with pytest.raises(DataError, match=r"none\.txt can't be read"):
        files_digest([tmp_path / "none.txt"])


def test_differences_are_named():
    assert changed_parts({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "d": 4}) == ["b", "c", "d"]
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 1, "b": 3})
