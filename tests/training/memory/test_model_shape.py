"""The shape of a model is read whatever its config raises."""

from __future__ import annotations

from typing import Any

import pytest

from tests.training import zoo
from training_pro.settings import Settings
from training_pro.training.memory.model_shape import model_shape, target_shapes


class Raising:
    """A config that answers each question with an error, as a per-layer attribute of Gemma 4's does."""

    def __init__(self, error: Exception) -> None:
        self.__dict__["error"] = error

    def __getattr__(self, name: str) -> Any:
        raise self.__dict__["error"]


ERRORS = [AttributeError("no"), ValueError("per layer"), KeyError("x"), RuntimeError("y"), TypeError("z")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_config_that_raises_on_any_attribute_hides_no_sizes(error: Exception) -> None:
    model = zoo.make("llama")
    model.config = Raising(error)
    shape = model_shape(model)
    assert (shape.layers, shape.hidden, shape.vocabulary) == (2, 16, 64)
    assert shape.weights_bytes > 0


class _Text:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def test_sizes_that_differ_from_layer_to_layer_count_with_the_largest() -> None:
    model = zoo.make("llama")
    model.config = _Text(hidden_size=16, intermediate_size=[8, 32, 24], num_attention_heads=[2, 4], head_dim=None)
    shape = model_shape(model)
    assert (shape.feed_forward, shape.heads, shape.queries) == (32, 4, 16)


@pytest.mark.parametrize("wrong", [None, "many", [], [None], float("nan"), float("inf"), 0, -3, True, object()])
def test_a_value_of_another_kind_is_as_none(wrong: Any) -> None:
    model = zoo.make("llama")
    model.config = _Text(hidden_size=wrong, num_hidden_layers=wrong, intermediate_size=wrong, vocab_size=wrong)
    shape = model_shape(model)
    assert (shape.layers, shape.hidden, shape.feed_forward, shape.vocabulary) == (2, 16, 64, 64)


def test_every_family_has_a_forecast() -> None:
    for family in zoo.FAMILIES:
        model = zoo.make(family)
        assert model_shape(model).layers == 2
        assert target_shapes(model, Settings(targets="all-linear"))
