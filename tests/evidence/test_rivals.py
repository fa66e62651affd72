"""The rivals' data, measures and table, without any rival installed. Needs no torch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evidence.report import PAGE
from evidence.rivals.contenders import BARE, CONTENDERS, KINDS, TRAINING_PRO, Way
from evidence.rivals.data import SHAPES, data
from evidence.rivals.environments import PACKAGES, WEBUI
from evidence.rivals.results import Result, add, read
from evidence.rivals.table import SPEED, section, shares, title
from evidence.rivals.text_loss import share_of_line_ends, share_trained

TEXT = data().text
ROUNDED = 0.002
REPEATED = 0.02  # the sample text says some of its sayings twice


def result(name: str, loop_cpu_s: float, number: int = 1, growth_mb: float = 900.0) -> Result:
    environment = next(contender.environment for contender in CONTENDERS if contender.name == name)
    return Result(
        name,
        environment,
        "text",
        "float32",
        number,
        tokens=1000,
        learned=1000,
        computed=1100,
        updates=6,
        loop_cpu_s=loop_cpu_s,
        growth_mb=growth_mb,
        held_out_loss=2.345,
        share_trained=0.957,
    )


def chunks(text: str, characters: int) -> list[str]:
    return [text[at : at + characters] for at in range(0, len(text), characters)]


def test_every_shape_carries_the_same_text(tmp_path: Path) -> None:
    data().write(tmp_path)
    text = (tmp_path / SHAPES["text"]).read_text(encoding="utf-8")
    whole = [json.loads(line)["text"] for line in (tmp_path / SHAPES["one row"]).open(encoding="utf-8")]
    paragraphs = [json.loads(line)["text"] for line in (tmp_path / SHAPES["paragraphs"]).open(encoding="utf-8")]
    assert whole == [text] == [TEXT]
    assert "".join(paragraphs).split() == "".join(TEXT.split("\n")).split()


def test_rows_are_sixteen_chats_of_different_lengths_and_none_of_them_is_held_out(tmp_path: Path) -> None:
    found = data()
    found.write(tmp_path)
    chats = [json.loads(line)["messages"] for line in (tmp_path / SHAPES["chats"]).open(encoding="utf-8")]
    assert [tuple(said["content"] for said in chat) for chat in chats] == list(found.rows)
    lengths = sorted(len(answer) for _, answer in found.rows)
    assert len(found.rows) == 16 and lengths[-1] > 10 * lengths[0]
    assert not set(found.rows) & set(found.held_out_rows)
    assert found.held_out_text not in found.text


@pytest.mark.parametrize("characters", [100, 777, 5000])
def test_a_trainer_that_cuts_and_shuffles_loses_nothing(characters: int) -> None:
    assert share_trained([TEXT], chunks(TEXT, characters)[::-1]) == 1
    assert share_trained([TEXT], data().paragraphs) == 1


def test_a_template_around_rows_loses_and_hides_nothing() -> None:
    shown = [f"user {question} assistant {answer}" for question, answer in data().rows]
    assert share_trained(data().pieces("rows"), shown) == 1
    assert share_trained(data().pieces("rows"), [f"user {question} assistant" for question, _ in data().rows]) < 0.5


def test_a_trainer_that_drops_a_part_is_found_out() -> None:
    kept = TEXT[: len(TEXT) // 4]
    share = len("".join(kept.split())) / len("".join(TEXT.split()))
    assert share - ROUNDED <= share_trained([TEXT], [kept]) <= share + REPEATED
    assert share_trained([TEXT], []) == 0
    assert share_trained(["A short one.", "Another."], ["It says: a short one. A short one", "Another."]) < 0.5


def test_line_ends_that_became_something_else_are_counted() -> None:
    assert share_of_line_ends("a\nb\nc\n", ["a\nb", "c"]) == pytest.approx(1 / 3)
    assert share_of_line_ends("a\nb", ["\n\n\n"]) == 1


def test_every_contender_has_a_way_or_a_reason_and_an_environment() -> None:
    for contender in CONTENDERS:
        assert contender.environment in (*PACKAGES, WEBUI)
        assert set(contender.ways) == set(KINDS)
        for way in contender.ways.values():
            assert way if isinstance(way, str) else way.shape in (*SHAPES, "batches")
    assert any(isinstance(way, Way) for way in TRAINING_PRO.ways.values())
    assert CONTENDERS.index(BARE) > CONTENDERS.index(TRAINING_PRO)  # its batches must be there


def test_the_table_follows_the_results(tmp_path: Path) -> None:
    rival = CONTENDERS[2].name
    assert section(tmp_path) == ""
    for number, (bare, ours, other) in enumerate([(10, 20, 16), (12, 20, 40), (10, 25, 20)], 1):
        add(result(BARE.name, bare, number), tmp_path)
        add(result(TRAINING_PRO.name, ours, number), tmp_path)
        add(result(rival, other, number, growth_mb=5000), tmp_path)
    shown = section(tmp_path)
    row = next(line for line in shown.splitlines() if line.startswith(f"| {title(TRAINING_PRO)} | 0"))
    assert "0.50 [0.40..0.60]" in row and "95.7 %" in row and "2.345" in row
    assert f"**Faster than ours**: {rival} (1.25 times in float32)" in shown
    assert "memory than ours" not in shown
    assert shares(TRAINING_PRO, BARE, SPEED, read(tmp_path)) == pytest.approx([0.5, 0.6, 0.4])


def test_a_contender_that_failed_shows_why_and_counts_for_nothing(tmp_path: Path) -> None:
    failed = replace(result(TRAINING_PRO.name, 1.0), why_not="it failed: no such thing")
    add(failed, tmp_path)
    assert read(tmp_path) == [failed]
    assert "it failed: no such thing" in section(tmp_path)
    assert "WEBUI=folder" in section(tmp_path)
    assert "faster" not in section(tmp_path).lower()


def test_the_page_has_a_cell_or_a_reason_for_every_contender() -> None:
    shown = PAGE.read_text(encoding="utf-8")
    assert section() in shown
    for contender in CONTENDERS:
        assert shown.count(f"\n| {title(contender)} |") == len(KINDS)
