"""What is said before a run whose model can't do what was asked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.training import zoo
from tests.training.tiny import small_settings
from training_pro.errors import ModelError
from training_pro.training.model.prepare import ready


def test_a_model_without_gradient_checkpointing_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = zoo.make("llama")
    monkeypatch.setattr(type(model), "supports_gradient_checkpointing", False)
    with pytest.raises(ModelError, match="Gradient Checkpoint") as refused:
        ready(model, small_settings(gradient_checkpointing=True), lambda _: None)
    assert refused.value.options == ("--set gradient_checkpointing=off",)


def test_notes_on_targets_and_loss_reach_the_person() -> None:
    notes: list[Any] = []
    model = zoo.make("mixtral", output_router_logits=True)
    ready(model, small_settings(targets="all"), notes.append)
    assert any("routers" in note for note in notes) and any("experts" in note for note in notes)
