"""The forecast on the command line, and the button that finds the largest batch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr

from tests.training.memory.test_forecast import work
from tests.ui.stand_ins import page
from training_pro.cli.report import lines_of_memory
from training_pro.errors import Cancelled
from training_pro.settings import Settings
from training_pro.training.memory.forecast import forecast
from training_pro.training.memory.largest_batch import Found
from training_pro.ui.handlers import answering
from training_pro.ui.panels.largest_batch import LargestBatch

FITS = forecast(work(100), 1, 256)
FOUND = Found(6, 300, 40, 8 << 30, "cpu", {1: 1 << 30, 2: 2 << 30})


def test_the_command_prints_it_with_its_parts() -> None:
    first, second = lines_of_memory(FITS)
    assert first == f"Memory         {FITS.sentence()}"
    assert "activations" in second and "the model itself has 4.00 GB" in second


def panel(search: Any) -> LargestBatch:
    form = SimpleNamespace(settings=lambda data: Settings(), change=lambda values: values)
    made = LargestBatch(SimpleNamespace(largest_batch_size=search), form)
    made.said = "said"
    return made


def test_the_button_fills_the_field_in() -> None:
    shown = panel(lambda settings, progress: FOUND)._find({}, page(), gr.Progress())
    assert shown["batch_size"] == 6
    assert "True Batch Size 6 fits" in shown["said"]


def test_cancel_ends_the_search() -> None:
    def search(settings: Settings, progress: Any) -> Found:
        progress(0, 0, "trying")
        raise AssertionError("it went on")

    made = panel(search)
    made._cancels.begin(page())
    made._cancels.cancel(page())
    shown = answering(made._find, "said", "looking")({}, page(), SimpleNamespace())
    assert "Ended on request" in shown["said"]
    assert Cancelled.__name__ not in shown["said"]


def test_what_was_found_in_words() -> None:
    said = FOUND.sentence()
    assert "blocks of 300 tokens" in said and "1: 1.00 GB, 2: 2.00 GB" in said and "80% of the 8.00 GB" in said
