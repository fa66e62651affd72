"""Schedules as arithmetic: the formulas written out a second time, and properties over all shapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training_pro.training.schedules import all_schedules, built_in, check_multiplier, user_schedules
from training_pro.training.schedules.shape import Shape, fraction, half_cosine_down

Formula = Callable[[int, int, int, int], float]
ANY_SHAPE = st.builds(Shape, st.integers(1, 400), st.integers(1, 120), st.integers(0, 400))


def low_epoch(s: int, total: int, epoch: int, warmup: int) -> float:
    warmup = min(warmup, epoch)
    if s < warmup:
        return s / warmup
    return 1.0 if s < epoch else (1 + math.cos(math.pi * (s - epoch) / (total - epoch))) / 2


def half_time(s: int, total: int, epoch: int, warmup: int) -> float:
    half = total // 2
    warmup = min(warmup, half)
    if s < warmup:
        return s / warmup
    return 1.0 if s < half else (1 + math.cos(math.pi * (s - half) / (total - half))) / 2


def raise_fall(s: int, total: int, epoch: int, warmup: int) -> float:
    half = total // 2
    if s < half:
        return (1 - math.cos(math.pi * s / half)) / 2
    return (1 + math.cos(math.pi * (s - half) / (total - half))) / 2


def raise_hold_fall(s: int, total: int, epoch: int, warmup: int) -> float:
    if s < epoch:
        return math.sin(math.pi / 2 * s / epoch)
    return 1.0 if s < 2 * epoch else math.cos(math.pi / 2 * (s - 2 * epoch) / (total - 2 * epoch))


def step_decay(s: int, total: int, epoch: int, warmup: int) -> float:
    warmup = min(warmup, epoch)
    if s < warmup:
        return s / warmup
    return 1.0 if s < epoch else 2.0 ** -(s // epoch)


FORMULAS: dict[str, Formula] = {
    "FP_low_epoch_annealing": low_epoch,
    "FP_half_time_annealing": half_time,
    "FP_raise_fall_creative": raise_fall,
    "FP_3epoch_raise_hold_fall": raise_hold_fall,
    "FP_step_decay_with_warmup": step_decay,
}


def test_the_built_in_names() -> None:
    assert list(built_in()) == list(FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("shape", [Shape(300, 100, 20), Shape(300, 100, 0), Shape(350, 100, 500), Shape(1000, 250, 40)])
def test_the_formula_at_every_update(name: str, shape: Shape) -> None:
    """Three epochs and more, where no divisor needs its floor of 1."""
    ours = built_in()[name].multiplier
    for s in range(shape.total_updates):
        wanted = FORMULAS[name](s, shape.total_updates, shape.updates_per_epoch, shape.warmup_steps)
        assert ours(s, shape) == pytest.approx(wanted, abs=1e-12), s


@pytest.mark.parametrize(
    ("name", "s", "wanted"),
    [
        ("FP_low_epoch_annealing", 0, 0.0),
        ("FP_low_epoch_annealing", 5, 0.5),
        ("FP_low_epoch_annealing", 10, 1.0),
        ("FP_low_epoch_annealing", 99, 1.0),
        ("FP_low_epoch_annealing", 200, 0.5),
        ("FP_low_epoch_annealing", 300, 0.0),
        ("FP_half_time_annealing", 149, 1.0),
        ("FP_half_time_annealing", 225, 0.5),
        ("FP_half_time_annealing", 300, 0.0),
        ("FP_raise_fall_creative", 0, 0.0),
        ("FP_raise_fall_creative", 75, 0.5),
        ("FP_raise_fall_creative", 150, 1.0),
        ("FP_raise_fall_creative", 300, 0.0),
        ("FP_3epoch_raise_hold_fall", 0, 0.0),
        ("FP_3epoch_raise_hold_fall", 50, math.sqrt(0.5)),
        ("FP_3epoch_raise_hold_fall", 150, 1.0),
        ("FP_3epoch_raise_hold_fall", 250, math.sqrt(0.5)),
        ("FP_3epoch_raise_hold_fall", 300, 0.0),
        ("FP_step_decay_with_warmup", 99, 1.0),
        ("FP_step_decay_with_warmup", 100, 0.5),
        ("FP_step_decay_with_warmup", 299, 0.25),
        ("FP_step_decay_with_warmup", 300, 0.125),
    ],
)
def test_landmarks(name: str, s: int, wanted: float) -> None:
    assert built_in()[name].multiplier(s, Shape(300, 100, 10)) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
@given(shape=ANY_SHAPE)
@settings(max_examples=60, deadline=None)
def test_always_a_number_from_0_to_1(name: str, shape: Shape) -> None:
    schedule = built_in()[name]
    for s in range(shape.total_updates + 1):
        assert 0.0 <= check_multiplier(schedule.multiplier(s, shape), name, s) <= 1.0
    assert all(note.endswith((".", "!")) for note in schedule.notes(shape))


@given(part=st.integers(0, 10**6), whole=st.integers(-5, 10**6))
def test_every_divisor_is_at_least_1(part: int, whole: int) -> None:
    assert fraction(part, whole) == part / max(whole, 1)
    assert 0.0 <= half_cosine_down(part, whole) <= 1.0


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("FP_low_epoch_annealing", Shape(100, 100, 0), "no annealing"),
        ("FP_low_epoch_annealing", Shape(100, 10, 30), "10 updates, not 30"),
        ("FP_half_time_annealing", Shape(100, 10, 70), "50 updates, not 70"),
        ("FP_3epoch_raise_hold_fall", Shape(100, 100, 0), "hold and fall are missing"),
        ("FP_3epoch_raise_hold_fall", Shape(200, 100, 0), "the fall is missing"),
        ("FP_3epoch_raise_hold_fall", Shape(250, 100, 0), "shortened fall"),
        ("FP_step_decay_with_warmup", Shape(100, 10, 30), "10 updates, not 30"),
    ],
)
def test_notes_say_what_is_missing(name: str, shape: Shape, words: str) -> None:
    assert any(words in note for note in built_in()[name].notes(shape))


@pytest.mark.parametrize("name", FORMULAS)
def test_no_note_where_all_is_well(name: str) -> None:
    assert built_in()[name].notes(Shape(300, 100, 0)) == []


# -- a person's own ---------------------------------------------------------------------------------------------


def put(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


GOOD = (
    'NAME = "mine"\nHELP = "falls"\n\ndef multiplier(step, shape):\n    return 1 - step / max(shape.total_updates, 1)\n'
)


def test_a_file_in_the_folder_appears_by_its_name(tmp_path: Path) -> None:
    put(tmp_path / "s", "mine.py", GOOD)
    found, faults = all_schedules(tmp_path / "s")
    assert list(found) == [*FORMULAS, "mine"]
    assert faults == []
    assert found["mine"].multiplier(5, Shape(10, 5, 0)) == 0.5
    assert found["mine"].notes(Shape(10, 5, 0)) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NAME = 'x'\ndef multiplier(step, shape:\n", "can't be used"),
        ("def multiplier(step, shape):\n    return 1\n", "no NAME"),
        ("NAME = 'x'\n", "no function multiplier"),
        ("NAME = 'x'\ndef multiplier(step, shape):\n    return 2.0\n", "must be a number from 0 to 1"),
        ("NAME = 'x'\ndef multiplier(step, shape):\n    return step / 0\n", "division by zero"),
        ("NAME = 'x'\ndef multiplier(step, shape):\n    return 'a'\n", "must be a number from 0 to 1"),
        ("NAME = 'x'\ndef multiplier(step, shape):\n    return float('nan')\n", "must be a number from 0 to 1"),
        ("NAME = 'x'\nimport nothing_of_that_name\n", "nothing_of_that_name"),
        ("NAME = 'FP_low_epoch_annealing'\ndef multiplier(step, shape):\n    return 1.0\n", "is taken"),
        ("raise SystemExit(3)\n", "can't be used"),
    ],
)
def test_a_broken_file_is_reported_and_the_others_stay(tmp_path: Path, text: str, words: str) -> None:
    put(tmp_path / "s", "a_good.py", GOOD)
    put(tmp_path / "s", "broken.py", text)
    found, faults = all_schedules(tmp_path / "s")
    assert "mine" in found
    assert len(found) == len(FORMULAS) + 1
    assert len(faults) == 1
    assert "broken.py" in faults[0]
    assert words in faults[0]


def test_no_folder_is_no_fault(tmp_path: Path) -> None:
    assert user_schedules(tmp_path / "none") == ({}, [])
