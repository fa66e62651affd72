"""The short form of `make card`: a check that fails there fails here; what takes minutes is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.card.__main__ import checks
from tests.card.check import Found, at_most
from tests.card.fake_model import SIZES, TURING, fake_card, fake_model, update
from tests.card.memory import BF16, FP16, _error, _measured
from tests.card.on_card import measured, on_card
from training_pro.settings import Settings

SMALL = replace(SIZES["7b"], layers=2, hidden=1024, feed_forward=2752, heads=8, kv_heads=8)


@pytest.mark.parametrize("number", range(3))
def test_the_quick_checks_pass(number: int) -> None:
    for found in checks(quick=True)[number]():
        assert found.ok or found.name == "gradient_error_compute_fp16" and found.value < 0.03, found.line()


@pytest.mark.parametrize("base", [FP16, BF16])
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_the_forecast_of_a_small_model_is_near_its_peak(base: torch.dtype, layers: int) -> None:
    found, expected = _measured(SMALL, base, Settings(targets="all"), layers)
    assert _error(found, expected) < 0.15
    assert found.stream == {torch.bfloat16} and found.lora_grads == {torch.float32}


def test_checkpointing_a_layer_takes_less(base: torch.dtype = BF16) -> None:
    peaks = [_measured(SMALL, base, Settings(), layers)[0].peak_bytes for layers in (0, 1, 2)]
    assert peaks[0] > peaks[1] > peaks[2] * 0.99


def test_an_older_card_has_a_stream_of_its_own_half_precision() -> None:
    with fake_card(TURING):
        found = update(fake_model(SIZES["tiny"], BF16, FP16), Settings(), facts=TURING, batch=2, tokens=32)
    assert found.stream == {torch.float16}


def test_what_needs_a_card_is_not_counted_as_passed() -> None:
    if not torch.cuda.is_available():
        assert {found.ok for found in on_card()} == {None}


def test_the_card_s_own_checks_run_where_they_can_be_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.card.on_card.BLOCKS", 2)
    monkeypatch.setattr("tests.card.on_card.TOKENS", 32)
    found = {one.name: one for one in measured(replace(SIZES["tiny"], heads=4), torch.device("cpu"))}
    assert found["card_model_given_back"].ok


def test_a_bar() -> None:
    assert at_most("x", 1.0, 1.0).ok and not at_most("x", 1.1, 1.0).ok
    assert (
        Found("x", 1, "y", None, "card").line() == '{"name": "x", "value": 1, "bar": "y", "ok": null, "where": "card"}'
    )
