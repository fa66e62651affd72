from __future__ import annotations

import csv
import math
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.record.faults import failing_call, killed_at
from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.record.perplexity_table import MOST_COMMENT_CHARACTERS, Measurement, PerplexityTable


def line(**more: Any) -> Measurement:
    values: dict[str, Any] = {
        "model": "tiny",
        "quantization": "4-bit",
        "lora": "sea",
        "text": "moby.txt",
        "context": 1024,
        "stride": 512,
        "bos": True,
        "tokens": 1000,
        "perplexity": 12.25,
    }
    return Measurement(**{**values, **more})


@pytest.fixture
def table(folders: Folders) -> PerplexityTable:
    return PerplexityTable(folders)


def test_no_table_is_an_empty_one(table: PerplexityTable) -> None:
    assert table.read() == ([], "")


def test_lines_come_back_the_latest_first(table: PerplexityTable) -> None:
    lines = [line(), line(lora="", bos=False, perplexity=math.inf), line(comment="two\nlines, and a comma")]
    for one in lines:
        assert table.add(one) == ""
    assert table.read() == (lines[::-1], "")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40))
@example("a\rb")
@example("\r=")
def test_any_comment_comes_back_and_none_is_a_formula(folders: Folders, words: str) -> None:
    table = PerplexityTable(folders)
    table.path.unlink(missing_ok=True)
    table.add(line(comment=words))
    assert table.read()[0][0].comment == words
    with table.path.open(encoding="utf-8", newline="") as file:
        assert not next(csv.DictReader(file))["comment"].startswith(("=", "+", "-", "@"))


def test_a_comment_is_changed_and_nothing_else(table: PerplexityTable) -> None:
    first, second = line(), line()
    table.add(first)
    table.add(second)
    table.comment(first.id, "the better one")
    lines, _ = table.read()
    assert lines[0] == second
    assert lines[1].comment == "the better one" and lines[1].perplexity == 12.25


def test_a_line_is_taken_out(table: PerplexityTable) -> None:
    first, second = line(), line()
    table.add(first)
    table.add(second)
    table.remove(first.id)
    assert table.read()[0] == [second]
    for gone in (lambda: table.remove(first.id), lambda: table.comment(first.id, "x")):
        with pytest.raises(RunError, match="no longer exists"):
            gone()


def test_a_line_that_was_copied_by_hand_is_one_of_its_own(table: PerplexityTable) -> None:
    for one in (line(id="a"), line(id="a-2"), line(id="a", tokens=7), line(id="a", tokens=8)):
        table.add(one)
    shown = [one.id for one in table.read()[0]]
    assert len(set(shown)) == 4 and "a" in shown and "a-2" in shown
    table.remove(next(one.id for one in table.read()[0] if one.tokens == 7))
    assert [one.tokens for one in table.read()[0]] == [8, 1000, 1000]


def test_a_comment_has_an_end(table: PerplexityTable) -> None:
    table.add(line(id="a"))
    with pytest.raises(RunError, match="shorten it"):
        table.comment("a", "x" * (MOST_COMMENT_CHARACTERS + 1))


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b"date,model\n1,2\n",
        b"",
        b"{}",
        None,
    ],
)
def test_what_is_not_the_table_is_moved_aside(table: PerplexityTable, content: bytes | None) -> None:
    if content is None:  # torn in the middle of a line
        table.add(line())
        content = table.path.read_bytes()[:-20]
    table.path.write_bytes(content)
    lines, said = table.read()
    assert lines == []
    aside = list(table.path.parent.glob("perplexity-bad-*.csv"))
    assert len(aside) == 1 and aside[0].read_bytes() == content
    assert aside[0].name in said
    new = line()
    assert table.add(new) == ""
    assert table.read() == ([new], "")


@pytest.mark.parametrize("bad", ["nan", "many"])
def test_a_figure_that_is_none_makes_a_bad_table(table: PerplexityTable, bad: str) -> None:
    table.add(line())
    table.path.write_text(table.path.read_text().replace("12.25", bad))
    assert "is kept as" in table.add(line(id="new"))
    assert [one.id for one in table.read()[0]] == ["new"]


@pytest.mark.parametrize("at", range(1, 8))
def test_whatever_fails_the_old_table_or_the_new_one_is_there(table: PerplexityTable, at: int) -> None:
    first, second = line(), line()
    table.add(first)
    with failing_call(at) as faults:
        try:
            table.add(second)
        except RunError as error:
            assert "couldn't be written" in str(error) or "disk is full" in str(error)
    lines = table.read()
    assert lines[1] == ""
    assert lines[0] in ([first], [second, first])
    assert faults.fired or lines[0] == [second, first]


@pytest.mark.parametrize("at", range(1, 8))
def test_a_process_that_dies_leaves_a_whole_table(table: PerplexityTable, at: int) -> None:
    first, second = line(), line()
    table.add(first)
    with killed_at(at):
        table.add(second)
    assert table.read() in (([first], ""), ([second, first], ""))


def test_many_writers_lose_no_line(folders: Folders) -> None:
    writers = [threading.Thread(target=_add_ten, args=(folders,)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(PerplexityTable(folders).read()[0]) == 40


def _add_ten(folders: Folders) -> None:
    for _ in range(10):
        PerplexityTable(folders).add(line())


def test_a_table_that_another_process_holds_is_said(table: PerplexityTable, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock

    monkeypatch.setattr("training_pro.record.lock._MOST_S", 0.05)
    with FileLock(Path(table.path.parent) / ".perplexity.csv.lock"), pytest.raises(RunError, match="Another process"):
        table.add(line())
