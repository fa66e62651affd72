"""Better numbers for some data: when a rule speaks, what it says, and that it is quiet once it is followed."""

from __future__ import annotations

from typing import Any

import pytest

from training_pro.data.advice import Counts, better_numbers, extremes
from training_pro.plan import make_plan
from training_pro.settings import Settings


def advised(settings: Settings, blocks: int = 400, **counts: Any) -> dict[str, Any]:
    """The changes of all suggestions."""
    usual = Counts(200_000, blocks, longest_tokens=250, mean_tokens=200.0, padding_share=0.05, packed=200)
    plan = make_plan(blocks, settings.batch_size, settings.gradient_accumulation_steps, settings.epochs)
    found = better_numbers(settings, plan, Counts(**{**vars(usual), **counts}))
    assert all(suggestion.reason and suggestion.changes for suggestion in found)
    return {name: value for suggestion in found for name, value in suggestion.changes.items()}


def test_the_defaults_on_usual_data_are_left_in_peace() -> None:
    assert advised(Settings()) == {}


@pytest.mark.parametrize(
    ("choices", "counts", "changes"),
    [
        ({}, {"blocks": 12}, {"batch_size": 1, "epochs": 4.0}),
        ({"gradient_accumulation_steps": 8}, {"blocks": 60}, {"gradient_accumulation_steps": 1}),
        ({"epochs": 1.0}, {"blocks": 100}, {"epochs": 2.0}),
        ({"epochs": 6.0}, {"tokens": 20_000_000, "blocks": 90_000, "has_rows": True}, {"epochs": 2.0}),
        ({"rank": 256}, {}, {"rank": 32}),
        ({"rank": 256, "alpha": 256.0}, {}, {"rank": 32, "alpha": 32.0}),
        ({"rank": 4, "targets": "all"}, {"tokens": 8_000_000, "blocks": 9000}, {"rank": 64}),
        ({"learning_rate": 2e-3}, {}, {"learning_rate": 3e-4}),
        ({"learning_rate": 1e-6}, {}, {"learning_rate": 3e-4}),
        ({"rank": 64}, {"tokens": 3_000_000, "blocks": 9000}, {"targets": "all-linear"}),
        ({}, {"split_sentences": 40, "model_max_tokens": 600, "longest_tokens": 400}, {"max_tokens": 512}),
        ({"max_tokens": 1024}, {"longest_tokens": 300}, {"max_tokens": 320}),
        (
            {"dementor": True, "max_tokens": 512},
            {"sections": 30, "short_sections": 20, "mean_tokens": 300.0},
            {"max_tokens": 160},
        ),
        ({"group_by_length": False}, {"padding_share": 0.5}, {"group_by_length": True}),
    ],
)
def test_each_rule_speaks_and_is_quiet_once_followed(
    choices: dict[str, Any], counts: dict[str, Any], changes: dict[str, Any]
) -> None:
    found = advised(Settings(**choices), **counts)
    assert changes.items() <= found.items()
    again = advised(Settings(**{**choices, **found}), **counts)
    assert not set(changes) & set(again)


def test_too_few_updates_are_counted_as_they_are_and_as_they_would_be() -> None:
    plan = make_plan(18, 1, 1, 2)
    (found,) = better_numbers(Settings(batch_size=1, epochs=2.0), plan, Counts(4000, 18, 250, 240.0, 0.0))
    assert found.reason == "Only 36 updates in all are too few: with Epochs 3 there are 54"


@pytest.mark.parametrize(("rate", "blocks", "advised_rate"), [(1e-3, 100, None), (1e-3, 400, 3e-4), (2e-3, 100, 3e-4)])
def test_a_short_run_may_have_a_higher_rate(rate: float, blocks: int, advised_rate: float | None) -> None:
    assert advised(Settings(learning_rate=rate), blocks).get("learning_rate") == advised_rate


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"learning_rate": 5e-3}, "very high"),
        ({"learning_rate": 1e-8}, "so low"),
        ({"rank": 1024}, "1024"),
        ({"rank": 8, "alpha": 512.0}, "scales the LoRA by 64"),
        ({"rank": 128, "alpha": 1.0}, "Alpha"),
    ],
)
def test_extremes_are_warned_of(choices: dict[str, Any], said: str) -> None:
    (note,) = extremes(Settings(**choices))
    assert said in note


@pytest.mark.parametrize(
    "choices", [{}, {"learning_rate": 0.01, "optimizer": "sgd"}, {"rank": 8}, {"use_rslora": True}, {"rank": 256}]
)
def test_what_is_usual_is_not(choices: dict[str, Any]) -> None:
    assert extremes(Settings(**choices)) == []
