"""The short form of `make card`: a check that fails there fails here; what takes minutes is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.card import on_card as on_card_module
from tests.card.__main__ import checks
from tests.card.check import Found, at_most
from tests.card.fake_model import SIZES, TURING, fake_card, fake_model, update
from tests.card.fits import rows
from tests.card.memory import _BESIDE_13B, BF16, BLOCKS, FP16, TOKENS, _error, _measured, work_of
from tests.card.on_card import CHECKS, CardCheck, measured, on_card
from tests.card.played_card import TINY, PlayedCard
from tests.gradio4_helper import is_gradio4
from training_pro.settings import Settings
from training_pro.training.memory.forecast import forecast

SMALL = replace(SIZES["7b"], layers=2, hidden=1024, feed_forward=2752, heads=8, kv_heads=8)


@pytest.mark.parametrize("number", range(3))
def test_the_quick_checks_pass(number: int) -> None:
    for found in checks(quick=True)[number]():
        assert found.ok, found.line()


@pytest.mark.parametrize("base", [FP16, BF16])
@pytest.mark.parametrize("targets", ["q-v", "all"])
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_the_forecast_of_a_small_model_is_near_its_peak(base: torch.dtype, targets: str, layers: int) -> None:
    found, expected = _measured(SMALL, base, Settings(targets=targets), layers)
    assert _error(found, expected) < 0.10
    assert found.stream == {torch.bfloat16} and found.lora_grads == {torch.float32}


def test_checkpointing_a_layer_takes_less(base: torch.dtype = BF16) -> None:
    peaks = [_measured(SMALL, base, Settings(), layers)[0].peak_bytes for layers in (0, 1, 2)]
    assert peaks[0] > peaks[1] > peaks[2] * 0.99


def test_a_13b_model_fits_beside_its_base_on_24_gb_with_at_most_a_third_of_its_layers_checkpointed() -> None:
    with fake_card():
        work = work_of(SIZES["13b"], Settings(), _BESIDE_13B)
    plan = forecast(work, BLOCKS, TOKENS)
    assert plan.fits and 0 < plan.checkpointed <= plan.layers / 3


def test_a_trained_head_is_added_up_in_place_and_forecast_so() -> None:
    """With a large vocabulary it is nearly all of the memory: the sum so far, and one chunk's own gradient."""
    size = replace(SMALL, vocabulary=128_256)
    found, expected = _measured(size, BF16, Settings(train_head=True), 0)
    head = size.vocabulary * size.hidden * 4
    assert _error(found, expected) < 0.15
    assert found.peak_bytes < 3.2 * head  # a new sum for each chunk would be a fourth


@pytest.mark.parametrize("base", [FP16, BF16])
def test_trained_experts_are_forecast(base: torch.dtype) -> None:
    size = replace(SIZES["mixture"], layers=2, vocabulary=32_000)
    found, expected = _measured(size, base, Settings(train_experts=True), 0)
    assert _error(found, expected) < 0.15


def test_the_documents_table_is_the_forecast_s() -> None:
    table = Path(__file__).parents[2].joinpath("docs", "graphics-cards.md").read_text(encoding="utf-8")
    for row in rows("7b"):
        assert row in table


def test_an_older_card_has_a_stream_of_its_own_half_precision() -> None:
    with fake_card(TURING):
        found = update(fake_model(SIZES["tiny"], BF16, FP16), Settings(), facts=TURING, batch=2, tokens=32)
    assert found.stream == {torch.float16}


def test_a_bar() -> None:
    assert at_most("x", 1.0, 1.0).ok and not at_most("x", 1.1, 1.0).ok
    assert (
        Found("x", 1, "y", None, "card").line() == '{"name": "x", "value": 1, "bar": "y", "ok": null, "where": "card"}'
    )


# -- the checks of a real card, tried on a played one -----------------------------------------------------------------

# What the processor can't show: memory that is counted, precision and the scaler of a card, time.
ONLY_A_CARD = re.compile("peak|stream|precision_sm75|forecast|scaler|_time_|mask_changes|seconds|fp16_last")


@pytest.fixture(scope="module")
def played() -> dict[str, Found]:
    """Each line of the checks of a card, by its name. They are a tool of development and run with one library set."""
    if is_gradio4():
        pytest.skip("make card runs with the newest libraries")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training_pro.training.results.draw_graph", lambda *_: "no picture")
        return {found.name: found for found in measured(PlayedCard(), TINY)}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.run.__name__)
def test_each_check_of_a_card_can_be_run(check: CardCheck, played: dict[str, Found]) -> None:
    for name in check.names:
        found = played[name]
        assert found.where == "card" and found.bar != "no error", found.line()
        assert found.ok is not False or ONLY_A_CARD.search(name), found.line()


def test_every_line_of_a_card_is_known_beforehand(played: dict[str, Found]) -> None:
    assert set(played) == {name for check in CHECKS for name in check.names} | {"card_seconds"}


def test_what_needs_a_card_is_not_counted_as_passed() -> None:
    if not torch.cuda.is_available():
        assert {(found.value, found.ok) for found in on_card()} == {("not run", None)}


def test_a_check_that_raises_ends_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(card: Any, scale: Any) -> Iterator[Found]:
        yield Found("one", 1, "1", True, "card")
        raise torch.OutOfMemoryError("CUDA out of memory.\nmore of it")

    def sound(card: Any, scale: Any) -> Iterator[Found]:
        yield Found("three", 3, "3", True, "card")

    checks = (CardCheck(broken, ("one", "two")), CardCheck(sound, ("three",)), CardCheck(sound, ("large",), 10**6))
    monkeypatch.setattr(on_card_module, "CHECKS", checks)
    found = {one.name: one for one in measured(PlayedCard(), TINY)}
    assert [found[name].ok for name in ("one", "two", "three", "large")] == [True, False, True, None]
    assert "OutOfMemoryError" in str(found["two"].value) and "too small" in str(found["large"].value)


def test_when_time_is_up_the_rest_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_card_module, "MOST_SECONDS", -1.0)
    *left, seconds = measured(PlayedCard(), TINY)
    assert {found.ok for found in left} == {None} and seconds.name == "card_seconds"
