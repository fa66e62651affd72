"""The speeds that were measured here, and which of them is most like a run to come."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from training_pro.record.speeds import FILE, MOST_KEPT, Speed, TimedWork, measured_speed, remember_speed

WORK = TimedWork("base", "4-bit", "card", "bfloat16", 256.0, 4, "auto", "q-v")


def known(cache: Path, **works: dict[str, Any]) -> None:
    """Speeds of 100, 200, ... tokens a second, in this order."""
    for place, (name, changes) in enumerate(works.items(), 1):
        remember_speed(cache, replace(WORK, **changes), Speed(100.0 * place, name))


def found(cache: Path, **changes: Any) -> str:
    speed = measured_speed(cache, replace(WORK, **changes))
    return speed.name if speed is not None else ""


def test_the_work_most_like_it_counts(tmp_path: Path) -> None:
    known(
        tmp_path,
        short={"block_tokens": 64.0},
        like={},
        checkpointed={"checkpointing": "on"},
        more_targets={"targets": "all"},
        big_batch={"blocks": 32},
    )
    assert found(tmp_path, block_tokens=300.0) == "like"
    assert found(tmp_path, block_tokens=70.0) == "short"
    assert found(tmp_path, checkpointing="on") == "checkpointed"
    assert found(tmp_path, targets="all") == "more_targets"
    assert found(tmp_path, blocks=20) == "big_batch"
    assert measured_speed(tmp_path, WORK) == Speed(200.0, "like")


@pytest.mark.parametrize("other", [{"model": "x"}, {"quantization": "none"}, {"device": "x"}, {"dtype": "float16"}])
def test_another_model_precision_or_device_says_nothing(tmp_path: Path, other: dict[str, Any]) -> None:
    known(tmp_path, other=other)
    assert found(tmp_path) == ""


def test_a_newer_measurement_takes_the_place_of_the_older(tmp_path: Path) -> None:
    known(tmp_path, old={}, between={"blocks": 8}, new={"block_tokens": 258.0})
    assert found(tmp_path) == "new"
    assert len(json.loads((tmp_path / FILE).read_text())) == 2


def test_only_so_many_are_kept(tmp_path: Path) -> None:
    for blocks in range(1, MOST_KEPT + 4):
        remember_speed(tmp_path, replace(WORK, blocks=blocks), Speed(1.0, str(blocks)))
    lines = json.loads((tmp_path / FILE).read_text())
    assert len(lines) == MOST_KEPT and lines[0]["name"] == "4"


@pytest.mark.parametrize("content", ["{", "{}", "[1, null, {}]", '[{"tokens_per_s": "many"}, {"tokens_per_s": -1}]'])
def test_what_is_damaged_is_passed_over_and_mended(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    assert measured_speed(tmp_path, WORK) is None
    known(tmp_path, mended={})
    assert found(tmp_path) == "mended"


def test_a_cache_that_can_not_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    remember_speed(tmp_path / "file", WORK, Speed(1.0, "x"))
    assert measured_speed(tmp_path / "file", WORK) is None
